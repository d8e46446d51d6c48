/* SPDX-License-Identifier: MIT */
/*
 * snapshot.c - looking at a coroutine that may be running, without a lock and without stopping it.
 *
 * Descriptors and stacks stay mapped while their runtime lives, so they can always be read; what is
 * read may be of two moments.  Plain memory is copied through the kernel, which gives an error
 * instead of a fault.
 */
#include <string.h>

#include "../arch/unwind.h"
#include "../base/sys.h"
#include "../coro/held.h"
#include "report.h"

static void copy_or_zero(void *to, const void *from, size_t bytes)
{
    if (from == NULL || weft__sys_copy_memory(to, from, bytes) != (ssize_t)bytes) {
        memset(to, 0, bytes);
    }
}

static bool is_about_lock(uint8_t reason)
{
    return reason == WAIT_MUTEX || reason == WAIT_RW_READ || reason == WAIT_RW_WRITE;
}

bool weft__snapshot_take(struct weft__snapshot *s, struct weft__g *g)
{
    memset(s, 0, sizeof *s);
    s->state = atomic_load_explicit(&g->state, memory_order_relaxed);
    if (s->state == G_FREE) {
        return false;
    }
    s->id = atomic_load_explicit(&g->id, memory_order_relaxed);
    s->site = atomic_load_explicit(&g->site, memory_order_relaxed);
    s->wait_reason = atomic_load_explicit(&g->wait_reason, memory_order_relaxed);
    struct weft__wait wait;
    copy_or_zero(&wait, atomic_load_explicit(&g->wait, memory_order_relaxed), sizeof wait);
    s->wait_object = (uintptr_t)wait.object;
    s->wait_pc = (uintptr_t)wait.caller;
    if (s->state == G_PARKED && is_about_lock(s->wait_reason)) {
        struct weft__held held;
        copy_or_zero(&held, wait.object, sizeof held);
        s->holder = atomic_load_explicit(&held.holder, memory_order_relaxed);
        s->holder &= ~(uintptr_t)HELD_WAITED;
    }
    copy_or_zero(s->name, atomic_load_explicit(&g->name, memory_order_relaxed), sizeof s->name);
    s->name[sizeof s->name - 1] = 0;
    struct weft__stack *stack = NULL;
    copy_or_zero(&stack, &g->stack, sizeof stack);
    copy_or_zero(&s->stack, stack, sizeof s->stack);
    /* acquire [G-SAVED]: NULL, or its registers are saved there. */
    s->sp = (uintptr_t)atomic_load_explicit(&g->ctx.sp, memory_order_acquire);
    s->has_stack = s->stack.top != NULL;
    return true;
}

static const char *const reasons[WAIT_REASON_COUNT] = {
    [WAIT_NONE] = "nothing",
    [WAIT_CHAN_SEND] = "send to channel",
    [WAIT_CHAN_RECV] = "receive from channel",
    [WAIT_CHAN_NULL] = "a NULL channel, for ever",
    [WAIT_ONESHOT] = "receive from oneshot",
    [WAIT_BROADCAST] = "receive from broadcast",
    [WAIT_WATCH] = "change of watch",
    [WAIT_SELECT] = "select",
    [WAIT_SELECT_DRAIN] = "select, letting go of its fds",
    [WAIT_SELECT_NONE] = "a select without a case that can be ready, for ever",
    [WAIT_SLEEP] = "sleep",
    [WAIT_TICK] = "ticker",
    [WAIT_JOIN] = "join",
    [WAIT_MUTEX] = "mutex",
    [WAIT_RW_READ] = "read lock",
    [WAIT_RW_WRITE] = "write lock",
    [WAIT_COND] = "condition variable",
    [WAIT_SEM] = "semaphore",
    [WAIT_BARRIER] = "barrier",
    [WAIT_EVENT] = "event",
    [WAIT_GROUP] = "wait group",
    [WAIT_ONCE] = "once",
    [WAIT_CHILDREN] = "children of group",
    [WAIT_GROUP_ROOM] = "room in group",
    [WAIT_PLACE] = "go(), at the limit of coroutines",
    [WAIT_FUTURE] = "future",
    [WAIT_FUTURE_ANY] = "any of several futures",
    [WAIT_WAKER] = "waker",
    [WAIT_READ] = "read from fd",
    [WAIT_WRITE] = "write to fd",
    [WAIT_ACCEPT] = "accept on fd",
    [WAIT_ACCEPT_LIMIT] = "a free file descriptor",
    [WAIT_CONNECT] = "connect of fd",
    [WAIT_FD] = "fd",
    [WAIT_CLOSE] = "close of fd",
    [WAIT_FILE] = "file of fd",
    [WAIT_PATH] = "a path, in the pool",
    [WAIT_FILE_LOCK] = "lock of the file of fd",
    [WAIT_PROCESS] = "end of a child process by fd",
    [WAIT_SIGNAL] = "signal by fd",
    [WAIT_BLOCKING] = "blocking call of",
    [WAIT_NAME] = "name",
};

static bool is_about_fd(uint8_t reason)
{
    return reason == WAIT_READ || reason == WAIT_WRITE || reason == WAIT_ACCEPT ||
           reason == WAIT_CONNECT || reason == WAIT_FD || reason == WAIT_CLOSE ||
           reason == WAIT_FILE || reason == WAIT_FILE_LOCK ||
           reason == WAIT_PROCESS || reason == WAIT_SIGNAL;
}

void weft__report_title(struct weft__text *t, const struct weft__snapshot *s)
{
    weft__text_add(t, "coroutine ");
    weft__text_dec(t, s->id);
    if (s->name[0] != 0) {
        weft__text_add(t, " \"");
        weft__text_add(t, s->name);
        weft__text_add(t, "\"");
    }
}

void weft__report_wait(struct weft__text *t, const struct weft__snapshot *s)
{
    uint8_t reason = s->wait_reason < WAIT_REASON_COUNT ? s->wait_reason : WAIT_NONE;
    switch (s->state) {
    case G_RUNNING:
    case G_DEAD:
        weft__text_add(t, s->state == G_DEAD ? "is ending" : "is running");
        return;
    case G_OUTSIDE:
        weft__text_add(t, "is running between weft_blocking_enter() and leave");
        return;
    case G_RUNNABLE:
        weft__text_add(t, s->has_stack ? "is runnable" : "has not started");
        return;
    default:
        break;
    }
    weft__text_add(t, "waits: ");
    weft__text_add(t, reasons[reason]);
    if (is_about_fd(reason)) {
        weft__text_add(t, " ");
        weft__text_int(t, (int64_t)(intptr_t)s->wait_object);
    } else if (reason == WAIT_BLOCKING) {
        char name[200];
        weft__text_add(t, " ");
        weft__text_add(t, weft__symbol(s->wait_object, false, name, sizeof name));
    } else if (s->wait_object != 0) {
        weft__text_add(t, " ");
        weft__text_hex(t, s->wait_object);
        weft__report_holder(t, s->holder);
    }
}
