/* SPDX-License-Identifier: MIT */
/*
 * waits.h - every call of the library that can block, where it would for ever, and what makes it
 * go on: the rows of the table that tests/unit/waits.c walks.
 *
 * tests/build/waits.sh compares the rows with the `Blocks` fields of the headers, so that no call
 * is forgotten.  Those that have no row, and why:
 *
 *   not in the table: weft_chan_send_foreign weft_chan_recv_foreign (plain threads, under no scope)
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

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "co_test.h"

/* All that the calls wait for, none of it ready. */
struct world {
    chan *empty, *full, *gate; /* the gate closed, the holder and the children end */
    struct weft_mutex *held;
    struct weft_wait_group *wg;
    struct weft_rwlock *written; /* by the holder */
    struct weft_cond *cond;
    struct weft_mutex *cond_mutex;
    bool has_changed; /* guarded by cond_mutex */
    struct weft_sem *sem;
    struct weft_barrier *barrier;
    struct weft_co *comer; /* to the barrier; NULL: nobody comes */
    struct weft_event *event;
    struct weft_co *holder; /* NULL: it was joined */
    atomic_bool is_joining; /* by the call under test */
    struct weft_ticker *slow;
    struct weft_oneshot *oneshot;
    struct weft_broadcast *broadcast;
    struct weft_subscriber *subscriber;
    struct weft_watch *watch;
    struct weft_group group;
    struct weft_promise *promise;
    struct weft_future *future;
    struct weft_waker *waker;
    int fd[2];         /* nothing to be read from [1] */
    int jam[2];        /* no room to write to [0] */
    int listener;      /* nobody comes */
    int crowd, pushed; /* a listener whose backlog is full, and one who waits in it */
    char crowd_name[64];
};

struct row {
    const char *name; /* the call, and perhaps where it is made, after a space */
    ssize_t (*call)(struct world *w);
    void (*release)(struct world *w);         /* makes it go on; NULL: nothing can */
    void (*after)(struct world *w, ssize_t); /* what a call that went on leaves to be done */
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
    return chan_select(cases, COUNT(cases));
}

static int wait_at_the_gate(void *arg)
{
    WEFT_SHIELD (s, WEFT_NEVER)
        CHECK_EQ(chan_recv(arg, NULL), -EPIPE);
    return 0;
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
    return weft_future_await_any(futures, COUNT(futures));
}

static ssize_t call_waker(struct world *w)
{
    return weft_waker_wait(w->waker);
}

static ssize_t call_select_waker(struct world *w)
{
    struct weft_case cases[] = {weft_case_recv(w->empty, NULL), weft_case_waker(w->waker),
                                weft_case_future(w->future, NULL)};
    return chan_select(cases, COUNT(cases));
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

static ssize_t call_dial(struct world *w)
{
    return weft_dial(w->crowd_name);
}

static ssize_t call_dial_addr(struct world *w)
{
    struct weft_addr addr;
    CHECK_EQ(weft_addr_parse(&addr, w->crowd_name), 0);
    return weft_dial_addr(&addr);
}

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

static void take_from_crowd(struct world *w)
{
    int fd = weft_accept(w->crowd, NULL);
    CHECK_GE(fd, 0);
    CHECK_EQ(weft_close(fd), 0);
}

static void close_result(struct world *w, ssize_t rc)
{
    (void)w;
    CHECK_EQ(weft_close((int)rc), 0);
}

#include "waits_buffer.h"

static const struct row rows[] = {
    {"weft_chan_recv", call_chan_recv, fill_empty, NULL},
    {"weft_chan_recv of-NULL", call_chan_recv_null, NULL, NULL},
    {"weft_chan_send", call_chan_send, take_full, NULL},
    {"weft_oneshot_recv", call_oneshot, send_oneshot, NULL},
    {"weft_subscriber_recv", call_subscriber, send_broadcast, NULL},
    {"weft_watch_wait", call_watch, set_watch, NULL},
    {"weft_select", call_select, write_a_byte, NULL},
    {"weft_sleep", call_sleep, NULL, NULL},
    {"weft_sleep_until", call_sleep_until, NULL, NULL},
    {"weft_ticker_wait", call_ticker, NULL, NULL},
    {"weft_join", call_join, open_gate, NULL},
    {"weft_mutex_lock", call_mutex, open_gate, NULL},
    {"weft_rwlock_read_lock", call_read_lock, open_gate, NULL},
    {"weft_rwlock_write_lock", call_write_lock, open_gate, NULL},
    {"weft_cond_wait", call_cond, change, NULL},
    {"weft_sem_acquire", call_sem, release_permit, NULL},
    {"weft_barrier_wait", call_barrier, come, NULL},
    {"weft_event_wait", call_event, set_event, NULL},
    {"weft_wg_wait", call_wait_group, finish_work, NULL},
    {"weft_group_go_opts", call_group_go, open_gate, NULL},
    {"weft_group_next", call_group_next, open_gate, NULL},
    {"weft_future_await", call_future_await, keep_promise, NULL},
    {"weft_future_await_all", call_future_all, keep_promise, NULL},
    {"weft_future_await_any", call_future_any, keep_promise, NULL},
    {"weft_waker_wait", call_waker, wake, NULL},
    {"weft_select of-a-waker", call_select_waker, wake, NULL},
    {"weft_read", call_read, write_a_byte, NULL},
    {"weft_read_full", call_read_full, write_a_byte, NULL},
    {"weft_readv", call_readv, write_a_byte, NULL},
    {"weft_wait_fd", call_wait_fd, write_a_byte, NULL},
    {"weft_write", call_write, drain_jam, NULL},
    {"weft_write_full", call_write_full, drain_jam, NULL},
    {"weft_writev", call_writev, drain_jam, NULL},
    {"weft_writev_full", call_writev_full, drain_jam, NULL},
    {"weft_accept", call_accept, connect_to_listener, close_result},
    {"weft_dial", call_dial, take_from_crowd, close_result},
    {"weft_dial_addr", call_dial_addr, take_from_crowd, close_result},
    ROWS_OF_BUFFERS,
};

/* ---- the world ---- */

static int hold(void *arg)
{
    struct world *w = arg;

    CHECK_EQ(weft_rwlock_write_lock(w->written), 0);
    CHECK_EQ(weft_mutex_lock(w->held), 0);
    CHECK_EQ(chan_recv(w->gate, NULL), -EPIPE);
    weft_rwlock_write_unlock(w->written);
    weft_mutex_unlock(w->held);
    return 0;
}

static void build_sockets(struct world *w)
{
    static atomic_int n;
    char block[4096] = "";

    CHECK_EQ(weft_socket_pair(w->fd), 0);
    CHECK_EQ(weft_socket_pair(w->jam), 0);
    WEFT_DEADLINE (at_once, 0)
        while (weft_write(w->jam[0], block, sizeof block) > 0)
            ;
    WEFT_DEADLINE (at_once, 0)
        while (weft_write(w->jam[0], block, 1) > 0)
            ;
    w->listener = weft_listen("127.0.0.1:0");
    CHECK_GE(w->listener, 0);
    snprintf(w->crowd_name, sizeof w->crowd_name, "unix:@weft-waits-%d-%d", getpid(),
             atomic_fetch_add(&n, 1));
    w->crowd = weft_listen(w->crowd_name);
    CHECK_GE(w->crowd, 0);
    CHECK_EQ(listen(w->crowd, 0), 0);
    w->pushed = weft_dial(w->crowd_name);
    CHECK_GE(w->pushed, 0);
}

static void build(struct world *w)
{
    w->empty = chan_make(0, 1);
    w->full = chan_make(0, 1);
    CHECK_EQ(chan_send(w->full, NULL), 0);
    w->gate = chan_make(0, 0);
    w->held = weft_mutex_make();
    w->written = weft_rwlock_make();
    w->cond = weft_cond_make();
    w->cond_mutex = weft_mutex_make();
    w->has_changed = false;
    w->sem = weft_sem_make(0);
    w->barrier = weft_barrier_make(2);
    w->comer = NULL;
    w->event = weft_event_make();
    w->wg = weft_wg_make();
    weft_wg_add(w->wg, 1);
    w->promise = weft_promise_make(0);
    w->future = weft_promise_future(w->promise);
    w->waker = weft_waker_make();
    w->slow = weft_ticker_make(WEFT_SEC * 1000, WEFT_TICK_SKIP);
    atomic_init(&w->is_joining, false);
    w->holder = weft_go_with(hold, w, .name = "holder");
    while (weft_mutex_try_lock(w->held) == 0) {
        weft_mutex_unlock(w->held);
        weft_yield();
    }
    weft_group_begin(&w->group, &(struct weft_group_opts){
                                    .size = sizeof(struct weft_group_opts),
                                    .limit = 1,
                                    .keep_ends = 1,
                                });
    CHECK_EQ(weft_group_go(&w->group, wait_at_the_gate, w->gate), 0);
    w->oneshot = weft_oneshot_make(0);
    w->broadcast = weft_broadcast_make(0, 1);
    w->subscriber = weft_broadcast_subscribe(w->broadcast);
    w->watch = weft_watch_make(0, NULL);
    build_sockets(w);
}

static void destroy(struct world *w)
{
    chan_close(w->gate);
    if (w->holder != NULL)
        join(w->holder);
    CHECK_EQ(weft_group_end(&w->group), 0);
    chan_unref(w->empty);
    chan_unref(w->full);
    chan_unref(w->gate);
    if (w->comer != NULL)
        join(w->comer);
    weft_mutex_free(w->held);
    weft_rwlock_free(w->written);
    weft_cond_free(w->cond);
    weft_mutex_free(w->cond_mutex);
    weft_sem_free(w->sem);
    weft_barrier_free(w->barrier);
    weft_event_free(w->event);
    weft_wg_free(w->wg);
    weft_promise_unref(w->promise);
    weft_future_unref(w->future);
    weft_waker_unref(w->waker);
    weft_ticker_free(w->slow);
    weft_oneshot_close_send(w->oneshot);
    weft_oneshot_close_recv(w->oneshot);
    weft_broadcast_unsubscribe(w->subscriber);
    weft_broadcast_unref(w->broadcast);
    weft_watch_unref(w->watch);
    const int fds[] = {w->fd[0],    w->fd[1], w->jam[0], w->jam[1],
                       w->listener, w->crowd, w->pushed};
    for (int i = 0; i < COUNT(fds); i++)
        CHECK_EQ(weft_close(fds[i]), 0);
}

#endif
