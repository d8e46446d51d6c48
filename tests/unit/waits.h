/* SPDX-License-Identifier: MIT */
/*
 * waits.h - every call of the library that can block, where it would for ever, what makes it go on,
 * and what a close of the thing does that it waits for: the rows of the table that
 * tests/unit/waits.c walks.
 *
 * tests/build/waits.sh compares the rows with the `Blocks` fields of the headers, so that no call
 * is forgotten, and sees that each row says what a close does, or why there is none.  The calls
 * that have no row, and why:
 *
 *   not in the table: weft_chan_send_foreign weft_chan_recv_foreign (threads, no scope; their close
 *                     is in chan_foreign.c)
 *   not in the table: weft_once_do (nobody may go on without the work: no scope ends it)
 *   not in the table: weft_group_end (no child outlives its group: no scope ends it)
 *   not in the table: weft_group_wait (waits on, for the children that it cancels: group.c)
 *   not in the table: weft_open weft_pread weft_pwrite weft_preadv weft_pwritev weft_fsync
 *   not in the table: weft_fdatasync weft_stat weft_lstat weft_fstat weft_truncate weft_ftruncate
 *   not in the table: weft_rename weft_unlink weft_mkdir weft_rmdir weft_temp_file weft_dir_open
 *   not in the table: weft_dir_next weft_file_read_all weft_file_replace weft_file_alignment
 *                     (what has begun is waited for; what is queued: file_end.c)
 *   not in the table: weft_blocking (what has begun is waited for; what is queued: blocking.c)
 *   not in the table: weft_blocking_leave (back to a processor: no scope ends it)
 *   not in the table: weft_spawn (what has begun is waited for: process.c)
 *   not in the table: weft_process_free (a child that is freed ends: no scope ends it)
 *   not in the table: weft_call_on_big_stack weft_defer_end weft_exit (as the functions called do)
 *   not in the table: weft_close weft_close_abort (end by themselves)
 *   not in the table: weft_close_linger (closes what it waits for, whatever ends it: hangup.c)
 *   not in the table: weft_dgram_send_train (UDP waits for no reader; else as weft_dgram_send)
 *   not in the table: weft_yield (a turn)
 *   not in the table: weft_dump weft_run weft_run_config weft_runtime_start weft_runtime_stop
 *   not in the table: weft_block_on (they block threads)
 */
#ifndef WEFT_TESTS_WAITS_H
#define WEFT_TESTS_WAITS_H

#include "waits_buffer.h"
#include "waits_calls.h"
#include "waits_copy.h"
#include "waits_dial.h"
#include "waits_file.h"
#include "waits_limit.h"
#include "waits_message.h"
#include "waits_process.h"

/* What ends the thing that a call waits for, by those who do not wait. */
struct closing {
    void (*close)(struct world *w); /* NULL: nothing does */
    ssize_t rc;                     /* what the call then gives, that one and all later ones */
    enum { GONE, KEPT } before;     /* is what came before the close still given? */
    const char *none;               /* why nothing does */
};
#define CLOSED(how, then, what_came) {.close = how, .rc = then, .before = what_came}
#define NOT_CLOSED(why) {.none = why}

struct row {
    const char *name; /* the call, and perhaps where it is made, after a space */
    ssize_t (*call)(struct world *w);
    void (*release)(struct world *w);        /* makes it go on; NULL: nothing can */
    void (*after)(struct world *w, ssize_t); /* what a call that went on leaves to be done */
    struct closing closing;
};

static const struct row rows[] = {
    {"weft_chan_recv", call_chan_recv, fill_empty, NULL, CLOSED(close_empty, -EPIPE, KEPT)},
    {"weft_chan_recv of-NULL", call_chan_recv_null, NULL, NULL, NOT_CLOSED("there is no channel")},
    {"weft_chan_send", call_chan_send, take_full, NULL, CLOSED(close_full, -EPIPE, GONE)},
    {"weft_oneshot_recv", call_oneshot, send_oneshot, NULL, CLOSED(close_sender, -EPIPE, KEPT)},
    {"weft_subscriber_recv", call_subscriber, send_broadcast, NULL,
     CLOSED(close_broadcast, -EPIPE, KEPT)},
    {"weft_watch_wait", call_watch, set_watch, NULL, CLOSED(close_watch, -EPIPE, KEPT)},
    {"weft_select a-receive", call_select, fill_empty, NULL, CLOSED(close_empty, -EPIPE, KEPT)},
    {"weft_select a-send", call_select, take_full, NULL, CLOSED(close_full, -EPIPE, GONE)},
    {"weft_select an-fd", call_select, write_a_byte, NULL, CLOSED(close_reader, -EBADF, GONE)},
    {"weft_select a-oneshot", call_select_shapes, send_oneshot, NULL,
     CLOSED(close_sender, -EPIPE, KEPT)},
    {"weft_select a-broadcast", call_select_shapes, send_broadcast, NULL,
     CLOSED(close_broadcast, -EPIPE, KEPT)},
    {"weft_select a-watch", call_select_shapes, set_watch, NULL, CLOSED(close_watch, -EPIPE, KEPT)},
    {"weft_select a-future", call_select_waker, keep_promise, NULL,
     CLOSED(drop_promise, -EPIPE, KEPT)},
    {"weft_select a-waker", call_select_waker, wake, NULL,
     NOT_CLOSED("to free it in use is fatal: tests/child/waker_unref_in_use.c")},
    {"weft_sleep", call_sleep, NULL, NULL, NOT_CLOSED("a time comes or does not")},
    {"weft_sleep_until", call_sleep_until, NULL, NULL, NOT_CLOSED("a time comes or does not")},
    {"weft_ticker_wait", call_ticker, NULL, NULL, NOT_CLOSED("a ticker is a time")},
    {"weft_join", call_join, open_gate, NULL,
     NOT_CLOSED("the end of the coroutine is what it waits for")},
    {"weft_mutex_lock", call_mutex, open_gate, NULL,
     NOT_CLOSED("to free it in use is fatal: tests/child/mutex_freed_while_held.c")},
    {"weft_rwlock_read_lock", call_read_lock, open_gate, NULL,
     NOT_CLOSED("to free it in use is fatal: tests/child/rwlock_freed_while_read.c")},
    {"weft_rwlock_write_lock", call_write_lock, open_gate, NULL,
     NOT_CLOSED("to free it in use is fatal: tests/child/rwlock_freed_while_read.c")},
    {"weft_cond_wait", call_cond, change, NULL,
     NOT_CLOSED("to free it in use is fatal: tests/child/cond_freed_in_use.c")},
    {"weft_sem_acquire", call_sem, release_permit, NULL,
     NOT_CLOSED("to free it in use is fatal: tests/child/sem_freed_in_use.c")},
    {"weft_barrier_wait", call_barrier, come, NULL,
     NOT_CLOSED("to free it in use is fatal: tests/child/barrier_freed_in_use.c")},
    {"weft_event_wait", call_event, set_event, NULL,
     NOT_CLOSED("to free it in use is fatal: tests/child/event_freed_in_use.c")},
    {"weft_wg_wait", call_wait_group, finish_work, NULL,
     NOT_CLOSED("to free it in use is fatal: tests/child/wait_group_freed_in_use.c")},
    {"weft_group_go_opts", call_group_go, open_gate, NULL, CLOSED(cancel_group, -ECANCELED, GONE)},
    {"weft_group_go_opts at-the-limit-of-all", call_group_go_at_limit, free_a_place, NULL,
     CLOSED(cancel_open_group, -ECANCELED, GONE)},
    {"weft_go_at", call_go, free_a_place, NULL, NOT_CLOSED("the places go with their runtime")},
    {"weft_go_opts", call_go_with, free_a_place, join_started,
     NOT_CLOSED("the places go with their runtime")},
    {"weft_go_handle_at", call_go_handle, free_a_place, join_started,
     NOT_CLOSED("the places go with their runtime")},
    {"weft_runtime_go_at", call_runtime_go, free_a_place, NULL,
     NOT_CLOSED("the places go with their runtime")},
    {"weft_group_next", call_group_next, open_gate, NULL,
     NOT_CLOSED("a cancel of the group ends its children, and their ends are given")},
    {"weft_future_await", call_future_await, keep_promise, NULL,
     CLOSED(drop_promise, -EPIPE, KEPT)},
    {"weft_future_await cancelled", call_future_await, keep_promise, NULL,
     CLOSED(cancel_future, -ECANCELED, KEPT)},
    {"weft_future_await_all", call_future_all, keep_promise, NULL,
     CLOSED(drop_promise, -EPIPE, KEPT)},
    {"weft_future_await_any", call_future_any, keep_promise, NULL,
     CLOSED(drop_promise, -EPIPE, KEPT)},
    {"weft_waker_wait", call_waker, wake, NULL,
     NOT_CLOSED("to free it in use is fatal: tests/child/waker_unref_in_use.c")},
    {"weft_read", call_read, write_a_byte, NULL, CLOSED(close_reader, -EBADF, GONE)},
    {"weft_read its-end", call_read, write_a_byte, NULL, CLOSED(close_peer, 0, KEPT)},
    {"weft_read_full", call_read_full, write_a_byte, NULL, CLOSED(close_reader, -EBADF, GONE)},
    {"weft_read_full its-end", call_read_full, write_a_byte, NULL, CLOSED(close_peer, 0, KEPT)},
    {"weft_readv", call_readv, write_a_byte, NULL, CLOSED(close_reader, -EBADF, GONE)},
    {"weft_wait_fd", call_wait_fd, write_a_byte, NULL, CLOSED(close_reader, -EBADF, GONE)},
    {"weft_write", call_write, drain_jam, NULL, CLOSED(close_jam, -EBADF, GONE)},
    {"weft_write_full", call_write_full, drain_jam, NULL, CLOSED(close_jam, -EBADF, GONE)},
    {"weft_writev", call_writev, drain_jam, NULL, CLOSED(close_jam, -EBADF, GONE)},
    {"weft_writev_full", call_writev_full, drain_jam, NULL, CLOSED(close_jam, -EBADF, GONE)},
    {"weft_reader_read", call_reader_read, write_a_byte, NULL, CLOSED(close_reader, -EBADF, GONE)},
    {"weft_reader_read_full", call_reader_read_full, write_a_byte, NULL,
     CLOSED(close_reader, -EBADF, GONE)},
    {"weft_reader_skip", call_reader_skip, write_a_byte, NULL, CLOSED(close_reader, -EBADF, GONE)},
    {"weft_reader_peek", call_reader_peek, write_a_byte, NULL, CLOSED(close_reader, -EBADF, GONE)},
    {"weft_reader_line", call_reader_line, write_a_line, NULL, CLOSED(close_reader, -EBADF, GONE)},
    {"weft_reader_line_copy", call_reader_line_copy, write_a_line, NULL,
     CLOSED(close_reader, -EBADF, GONE)},
    {"weft_reader_until", call_reader_until, write_a_byte, NULL,
     CLOSED(close_reader, -EBADF, GONE)},
    {"weft_reader_until_copy", call_reader_until_copy, write_a_byte, NULL,
     CLOSED(close_reader, -EBADF, GONE)},
    {"weft_reader_read its-end", call_reader_read, write_a_byte, NULL, CLOSED(close_peer, 0, KEPT)},
    {"weft_writer_write", call_writer_write, drain_jam, NULL, CLOSED(close_jam, -EBADF, GONE)},
    {"weft_writer_writev", call_writer_writev, drain_jam, NULL, CLOSED(close_jam, -EBADF, GONE)},
    {"weft_writer_printf", call_writer_printf, drain_jam, NULL, CLOSED(close_jam, -EBADF, GONE)},
    {"weft_writer_vprintf", call_writer_vprintf, drain_jam, NULL, CLOSED(close_jam, -EBADF, GONE)},
    {"weft_writer_flush", call_writer_flush, drain_jam, NULL, CLOSED(close_jam, -EBADF, GONE)},
    {"weft_sendfile", call_sendfile, drain_jam, NULL, CLOSED(close_jam, -EBADF, GONE)},
    {"weft_relay_copy", call_relay_copy, write_a_byte, NULL, CLOSED(close_reader, -EBADF, GONE)},
    {"weft_relay_copy its-end", call_relay_copy, write_a_byte, NULL, CLOSED(close_peer, 0, KEPT)},
    {"weft_relay_copy to-no-room", call_relay_copy_to_jam, drain_jam, NULL,
     CLOSED(close_jam, -EBADF, GONE)},
    {"weft_copy", call_copy, write_a_byte, NULL, CLOSED(close_reader, -EBADF, GONE)},
    {"weft_buffer_pool_get", call_buffer_pool_get, put_buffer, NULL,
     NOT_CLOSED("to free it in use is fatal: tests/child/buffer_pool_freed_in_use.c")},
    {"weft_accept", call_accept, connect_to_listener, close_result,
     CLOSED(close_listener, -EBADF, GONE)},
    {"weft_dial", call_dial, take_from_crowd, close_result,
     CLOSED(close_crowd, -ECONNREFUSED, GONE)},
    {"weft_dial_addr", call_dial_addr, take_from_crowd, close_result,
     CLOSED(close_crowd, -ECONNREFUSED, GONE)},
    {"weft_dial_any", call_dial_any, take_from_crowd, close_result,
     CLOSED(close_crowd, -ECONNREFUSED, GONE)},
    {"weft_dial_opts", call_dial_opts, take_from_crowd, close_result,
     CLOSED(close_crowd, -ECONNREFUSED, GONE)},
    {"weft_recv", call_recv, write_a_byte, NULL, CLOSED(close_reader, -EBADF, GONE)},
    {"weft_recv its-end", call_recv, write_a_byte, NULL, CLOSED(close_peer, 0, KEPT)},
    {"weft_recv_msg", call_recv_msg, write_a_byte, NULL, CLOSED(close_reader, -EBADF, GONE)},
    {"weft_recv_fds", call_recv_fds, write_a_byte, NULL, CLOSED(close_reader, -EBADF, GONE)},
    {"weft_peek", call_peek, write_a_byte, NULL, CLOSED(close_reader, -EBADF, GONE)},
    {"weft_send", call_send, drain_jam, NULL, CLOSED(close_jam, -EBADF, GONE)},
    {"weft_send_msg", call_send_msg, drain_jam, NULL, CLOSED(close_jam, -EBADF, GONE)},
    {"weft_send_fds", call_send_fds, drain_jam, NULL, CLOSED(close_jam, -EBADF, GONE)},
    {"weft_dgram_recv", call_dgram_recv, send_a_datagram, NULL, CLOSED(close_mail, -EBADF, GONE)},
    {"weft_dgram_recv_many", call_dgram_recv_many, send_a_datagram, NULL,
     CLOSED(close_mail, -EBADF, GONE)},
    {"weft_dgram_recv_train", call_dgram_recv_train, send_a_datagram, NULL,
     CLOSED(close_mail, -EBADF, GONE)},
    {"weft_dgram_send", call_dgram_send, empty_crammed, NULL, CLOSED(close_crammed, -EBADF, GONE)},
    {"weft_dgram_send to-a-name", call_dgram_send_to_a_name, empty_crammed, NULL,
     CLOSED(close_crammed_other, -EBADF, GONE)},
    {"weft_dgram_send_many", call_dgram_send_many, empty_crammed, NULL,
     CLOSED(close_crammed, -EBADF, GONE)},
    {"weft_dgram_bind", call_dgram_bind, answer_mail_lookups, close_result,
     NOT_CLOSED("a lookup ends by itself")},
    {"weft_dgram_dial", call_dgram_dial, answer_mail_lookups, close_result,
     NOT_CLOSED("a lookup ends by itself")},
    {"weft_file_lock", call_file_lock, unlock_file, unlock_again,
     CLOSED(close_file, -EBADF, GONE)},
    {"weft_process_wait", call_process_wait, end_child, NULL,
     NOT_CLOSED("to free it in use is fatal: tests/child/process_freed_in_use.c")},
    {"weft_signals_wait", call_signals_wait, send_signal, NULL,
     NOT_CLOSED("to close it in use is fatal: tests/child/signals_closed_in_use.c")},
    {"weft_select a-signal", call_select_signal, send_signal, NULL,
     NOT_CLOSED("to close it in use is fatal: tests/child/signals_closed_in_use.c")},
    {"weft_resolve", call_resolve, answer_lookups, NULL, NOT_CLOSED("a lookup ends by itself")},
    {"weft_listen", call_listen, answer_lookups, close_result,
     NOT_CLOSED("a lookup ends by itself")},
};

#endif
