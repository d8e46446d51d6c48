/* SPDX-License-Identifier: MIT */
/* signal.c - a listener (sched/signals.h) that coroutines wait for. */
#include <weft/signal.h>

#include <errno.h>
#include <poll.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "../io/io.h"
#include "../sched/signals.h"

struct weft_signals {
    struct weft__listener listener;
};

int weft_signals_open(struct weft_signals **signals, uint64_t set)
{
    if (!weft__signals_are_valid(set)) {
        return -EINVAL;
    }
    struct weft_signals *s = weft__alloc(sizeof *s);
    if (s == NULL) {
        return -ENOMEM;
    }
    s->listener.asked = set;
    s->listener.fd = weft__sys_eventfd();
    int rc = s->listener.fd;
    if (rc >= 0) {
        rc = weft__signals_listen(&s->listener);
        if (rc == 0) {
            *signals = s;
            return 0;
        }
        (void)weft__sys_close(s->listener.fd);
    }
    weft__free(s);
    return rc;
}

void weft_signals_close(struct weft_signals *s)
{
    if (s == NULL) {
        return;
    }
    if (weft__park_is_awaited(s->listener.fd)) {
        weft__fatal("weft_signals_close: somebody waits for the signals");
    }
    weft__signals_leave(&s->listener);
    (void)weft__sys_close(s->listener.fd);
    weft__free(s);
}

int weft_signals_fd(const struct weft_signals *s)
{
    return s->listener.fd;
}

/* The lowest that is pending, and how often it has come; 0: none. */
static int take(struct weft__listener *l, uint32_t *count)
{
    for (;;) {
        uint64_t pending = atomic_load_explicit(&l->pending, memory_order_relaxed);
        if (pending == 0) {
            return 0;
        }
        int i = __builtin_ctzll(pending);
        /* acquire [SIGNAL-COME] */
        (void)atomic_fetch_and_explicit(&l->pending, ~(UINT64_C(1) << i), memory_order_acquire);
        /* 0: somebody took it meanwhile, with what is told of by this bit. */
        *count = atomic_exchange_explicit(&l->counts[i], 0, memory_order_relaxed);
        if (*count != 0) {
            return i + 1;
        }
    }
}

/*
 * The fd is emptied before the look, and made readable again if something is left after it; a
 * handler makes it readable after it has set its bit.  So whatever the order, either the fd is
 * readable or nothing is pending, or somebody is between his read and his look, and will see it.
 */
int weft_signals_try(struct weft_signals *s, struct weft_signal *info)
{
    struct weft__listener *l = &s->listener;
    uint64_t n = 1;
    uint32_t count = 0;
    (void)weft__sys_read(l->fd, &n, sizeof n);
    int sig = take(l, &count);
    if (atomic_load_explicit(&l->pending, memory_order_relaxed) != 0) {
        n = 1;
        (void)weft__sys_write(l->fd, &n, sizeof n);
    }
    if (sig == 0) {
        return -EAGAIN;
    }
    if (info != NULL) {
        uint64_t sender = atomic_load_explicit(&l->senders[sig - 1], memory_order_relaxed);
        info->sig = sig;
        info->count = count;
        info->pid = (pid_t)(uint32_t)sender;
        info->uid = (uid_t)(sender >> 32);
    }
    return sig;
}

static int wait_for_fd(struct weft_signals *s, const void *caller)
{
    struct weft__op_wait ow;
    weft__op_init(&ow.op, WEFT__OP_POLL, s->listener.fd, &ow);
    ow.op.events = POLLIN;
    return (int)weft__io_run(&ow.op, WAIT_SIGNAL, caller);
}

int weft_signals_wait(struct weft_signals *s, struct weft_signal *info)
{
    (void)weft__park_self("weft_signals_wait()");
    for (;;) {
        int sig = weft_signals_try(s, info);
        if (sig != -EAGAIN) {
            return sig;
        }
        int rc = wait_for_fd(s, __builtin_return_address(0));
        if (rc < 0) {
            return rc;
        }
    }
}
