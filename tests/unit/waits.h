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
 *   not in the table: weft_blocking (what has begun is waited for; what is queued: blocking.c)
 *   not in the table: weft_blocking_leave (back to a processor: no scope ends it)
 *   not in the table: weft_call_on_big_stack weft_defer_end weft_exit (as the functions called do)
 *   not in the table: weft_close (ends by itself)
 *   not in the table: weft_yield (a turn)
 *   not in the table: weft_dump weft_run weft_run_config weft_runtime_start weft_runtime_stop
 *   not in the table: weft_block_on (they block threads)
 */
#ifndef WEFT_TESTS_WAITS_H
#define WEFT_TESTS_WAITS_H

#include <poll.h>

#include "waits_limit.h"

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

/* ---- the calls ---- */

static ssize_t call_chan_recv(struct world *w)
{
    return chan_recv(w->empty, NULL);
}

static ssize_t call_chan_recv_null(struct world *w)
{
    (void)w;
    return chan_recv(NULL, NULL);
}

static ssize_t call_chan_send(struct world *w)
{
    return chan_send(w->full, NULL);
}

static ssize_t call_oneshot(struct world *w)
{
    return weft_oneshot_recv(w->oneshot, NULL);
}

static ssize_t call_subscriber(struct world *w)
{
    return weft_subscriber_recv(w->subscriber, NULL);
}

static ssize_t call_watch(struct world *w)
{
    uint64_t version = 1;
    return weft_watch_wait(w->watch, NULL, &version);
}

static ssize_t call_sleep(struct world *w)
{
    (void)w;
    return weft_sleep(WEFT_SEC * 1000);
}

static ssize_t call_sleep_until(struct world *w)
{
    (void)w;
    return weft_sleep_until(WEFT_NEVER);
}

static ssize_t call_ticker(struct world *w)
{
    return weft_ticker_wait(w->slow);
}

static ssize_t call_join(struct world *w)
{
    atomic_store(&w->is_joining, true);
    int rc = weft_join(w->holder, NULL);
    if (rc == 0)
        w->holder = NULL;
    return rc;
}

static ssize_t call_mutex(struct world *w)
{
    int rc = weft_mutex_lock(w->held);
    if (rc == 0)
        weft_mutex_unlock(w->held);
    return rc;
}

static ssize_t call_read_lock(struct world *w)
{
    int rc = weft_rwlock_read_lock(w->written);
    if (rc == 0)
        weft_rwlock_read_unlock(w->written);
    return rc;
}

static ssize_t call_write_lock(struct world *w)
{
    int rc = weft_rwlock_write_lock(w->written);
    if (rc == 0)
        weft_rwlock_write_unlock(w->written);
    return rc;
}

static ssize_t call_cond(struct world *w)
{
    int rc = weft_mutex_lock(w->cond_mutex);
    if (rc != 0)
        return rc;
    while (rc == 0 && !w->has_changed)
        rc = weft_cond_wait(w->cond, w->cond_mutex);
    weft_mutex_unlock(w->cond_mutex); /* held, whatever rc is */
    return rc;
}

static ssize_t call_sem(struct world *w)
{
    return weft_sem_acquire(w->sem, 1);
}

static ssize_t call_barrier(struct world *w)
{
    return weft_barrier_wait(w->barrier);
}

static ssize_t call_event(struct world *w)
{
    return weft_event_wait(w->event);
}

static ssize_t call_wait_group(struct world *w)
{
    return weft_wg_wait(w->wg);
}

static ssize_t call_select(struct world *w)
{
    struct weft_case cases[] = {weft_case_recv(w->empty, NULL), weft_case_send(w->full, NULL),
                                weft_case_readable(w->fd[1])};
    int chosen = chan_select(cases, COUNT(cases));
    return chosen < 0 ? chosen : cases[chosen].rc;
}

static ssize_t call_select_shapes(struct world *w)
{
    uint64_t version = 1;
    struct weft_case cases[] = {weft_case_oneshot(w->oneshot, NULL),
                                weft_case_broadcast(w->subscriber, NULL),
                                weft_case_watch(w->watch, NULL, &version)};
    int chosen = chan_select(cases, COUNT(cases));
    return chosen < 0 ? chosen : cases[chosen].rc;
}

static ssize_t call_group_go(struct world *w)
{
    return weft_group_go(&w->group, wait_at_the_gate, w->gate);
}

static ssize_t call_group_next(struct world *w)
{
    return weft_group_next(&w->group, NULL);
}

static ssize_t call_future_await(struct world *w)
{
    return weft_future_await(w->future, NULL);
}

static ssize_t call_future_all(struct world *w)
{
    struct weft_future *futures[] = {w->future, NULL, w->future};
    return weft_future_await_all(futures, COUNT(futures));
}

static ssize_t call_future_any(struct world *w)
{
    struct weft_future *futures[] = {w->future, NULL, w->future};
    int rc = weft_future_await_any(futures, COUNT(futures));
    return rc < 0 ? rc : weft_future_try_await(futures[rc], NULL);
}

static ssize_t call_waker(struct world *w)
{
    return weft_waker_wait(w->waker);
}

static ssize_t call_select_waker(struct world *w)
{
    struct weft_case cases[] = {weft_case_recv(w->empty, NULL), weft_case_waker(w->waker),
                                weft_case_future(w->future, NULL)};
    int chosen = chan_select(cases, COUNT(cases));
    return chosen < 0 ? chosen : cases[chosen].rc;
}

static ssize_t call_read(struct world *w)
{
    char buf[1];
    return weft_read(w->fd[1], buf, sizeof buf);
}

static ssize_t call_read_full(struct world *w)
{
    char buf[1];
    return weft_read_full(w->fd[1], buf, sizeof buf);
}

static ssize_t call_readv(struct world *w)
{
    char buf[1];
    struct iovec iov = {buf, sizeof buf};
    return weft_readv(w->fd[1], &iov, 1);
}

static ssize_t call_wait_fd(struct world *w)
{
    return weft_wait_fd(w->fd[1], POLLIN);
}

static ssize_t call_write(struct world *w)
{
    return weft_write(w->jam[0], "x", 1);
}

static ssize_t call_write_full(struct world *w)
{
    return weft_write_full(w->jam[0], "x", 1);
}

static ssize_t call_writev(struct world *w)
{
    struct iovec iov = {(char[]){"x"}, 1};
    return weft_writev(w->jam[0], &iov, 1);
}

static ssize_t call_writev_full(struct world *w)
{
    struct iovec iov = {(char[]){"x"}, 1};
    return weft_writev_full(w->jam[0], &iov, 1);
}

static ssize_t call_accept(struct world *w)
{
    return weft_accept(w->listener, NULL);
}

#include "waits_dial.h"

/* ---- what makes them go on; done when it returns ---- */

static void fill_empty(struct world *w)
{
    CHECK_EQ(chan_send(w->empty, NULL), 0);
}

static void take_full(struct world *w)
{
    CHECK_EQ(chan_recv(w->full, NULL), 0);
}

static void send_oneshot(struct world *w)
{
    CHECK_EQ(weft_oneshot_send(w->oneshot, NULL), 0);
}

static void send_broadcast(struct world *w)
{
    CHECK_EQ(weft_broadcast_send(w->broadcast, NULL), 1);
}

static void set_watch(struct world *w)
{
    CHECK_EQ(weft_watch_set(w->watch, NULL), 0);
}

static void open_gate(struct world *w)
{
    CHECK_EQ(chan_close(w->gate), 0);
    while ((!atomic_load(&w->is_joining) && !weft_done(w->holder)) ||
           weft_group_count(&w->group) > 0 || weft_mutex_try_lock(w->held) != 0)
        weft_yield();
    weft_mutex_unlock(w->held);
}

static void change(struct world *w)
{
    CHECK_EQ(weft_mutex_lock(w->cond_mutex), 0);
    w->has_changed = true;
    weft_cond_signal(w->cond);
    weft_mutex_unlock(w->cond_mutex);
}

static void release_permit(struct world *w)
{
    weft_sem_release(w->sem, 1);
}

static int come_to_barrier(void *b)
{
    CHECK_GE(weft_barrier_wait(b), 0);
    return 0;
}

/* Until the dump says that it waits there, or it has met the one who was there before. */
static void come(struct world *w)
{
    static char text[1 << 16];

    w->comer = weft_go_with(come_to_barrier, w->barrier, .name = "comer");
    do {
        FILE *f = tmpfile();
        CHECK(f != NULL);
        weft_yield();
        CHECK_GT(weft_dump(fileno(f)), 0);
        rewind(f);
        text[fread(text, 1, sizeof text - 1, f)] = '\0';
        fclose(f);
    } while (!weft_done(w->comer) && strstr(text, "\"comer\" waits: barrier") == NULL);
}

static void set_event(struct world *w)
{
    weft_event_set(w->event);
}

static void finish_work(struct world *w)
{
    weft_wg_done(w->wg);
}

static void keep_promise(struct world *w)
{
    CHECK_EQ(weft_promise_resolve(w->promise, NULL), 0);
}

static void wake(struct world *w)
{
    weft_waker_wake(w->waker);
}

static void write_a_byte(struct world *w)
{
    CHECK_EQ(write(w->fd[0], "x", 1), 1);
}

static void drain_jam(struct world *w)
{
    char block[4096];
    while (recv(w->jam[1], block, sizeof block, MSG_DONTWAIT) > 0)
        ;
}

static void connect_to_listener(struct world *w)
{
    struct weft_addr addr;
    CHECK_EQ(weft_local_addr(w->listener, &addr), 0);
    w->pushed = weft_dial_addr(&addr);
    CHECK_GE(w->pushed, 0);
}

static void close_result(struct world *w, ssize_t rc)
{
    (void)w;
    CHECK_EQ(weft_close((int)rc), 0);
}

/* ---- what closes the things that they wait for ---- */

static void close_empty(struct world *w)
{
    CHECK_EQ(chan_close(w->empty), 0);
}

static void close_full(struct world *w)
{
    CHECK_EQ(chan_close(w->full), 0);
}

static void close_sender(struct world *w)
{
    weft_oneshot_close_send(w->sender);
    w->sender = NULL;
}

static void close_broadcast(struct world *w)
{
    CHECK_EQ(weft_broadcast_close(w->broadcast), 0);
}

static void close_watch(struct world *w)
{
    CHECK_EQ(weft_watch_close(w->watch), 0);
}

static void cancel_group(struct world *w)
{
    weft_group_cancel(&w->group);
}

static void drop_promise(struct world *w)
{
    weft_promise_unref(w->promise);
    w->promise = NULL;
}

static void cancel_future(struct world *w)
{
    int rc = weft_future_cancel(w->future);
    CHECK(rc == 0 || rc == -EALREADY);
}

/* The number is not used again here: who comes too late for the wait meets a closed fd as well. */
static void close_fd(struct world *w, int fd)
{
    CHECK_EQ(weft_close(fd), 0);
    w->closed_fd = fd;
}

static void close_reader(struct world *w)
{
    close_fd(w, w->fd[1]);
}

static void close_peer(struct world *w)
{
    close_fd(w, w->fd[0]);
}

static void close_jam(struct world *w)
{
    close_fd(w, w->jam[0]);
}

static void close_listener(struct world *w)
{
    close_fd(w, w->listener);
}

static void close_crowd(struct world *w)
{
    close_fd(w, w->crowd);
}

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
    {"weft_resolve", call_resolve, answer_lookups, NULL, NOT_CLOSED("a lookup ends by itself")},
    {"weft_listen", call_listen, answer_lookups, close_result, NOT_CLOSED("a lookup ends by itself")},
};

#endif
