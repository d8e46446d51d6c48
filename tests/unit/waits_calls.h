/* SPDX-License-Identifier: MIT */
/*
 * waits_calls.h - of waits.h: the calls but for those with a file of their own (waits_*.h), what
 * makes them go on, and what closes the things that they wait for.
 */
#ifndef WEFT_TESTS_WAITS_CALLS_H
#define WEFT_TESTS_WAITS_CALLS_H

#include <poll.h>

#include "waits_world.h"

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

#endif
