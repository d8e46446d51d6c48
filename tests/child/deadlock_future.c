/* SPDX-License-Identifier: MIT */
/*
 * deadlock_future.c - who waits for a future or a waker that nobody is left to complete is named:
 * a promise that is held by a coroutine that waits itself keeps no deadlock from being seen.
 *
 * expect-exit: 2
 * expect-stderr: ^weft: deadlock: all 3 coroutines wait, and nothing can wake one$
 * expect-stderr: ^coroutine [0-9]+ "main" waits: future 0x[0-9a-f]+$
 * expect-stderr: ^coroutine [0-9]+ "any" waits: any of several futures 0x[0-9a-f]+$
 * expect-stderr: ^coroutine [0-9]+ "waker" waits: waker 0x[0-9a-f]+$
 */
#include <weft.h>

static struct weft_future *f[2];

static int await_any(void *arg)
{
    (void)arg;
    return weft_future_await_any(f, 2);
}

static int wait_for_wake(void *w)
{
    return weft_waker_wait(w);
}

static int app(void *arg)
{
    struct weft_promise *p = weft_promise_make(0), *q = weft_promise_make(0);

    (void)arg;
    f[0] = weft_promise_future(p);
    f[1] = weft_promise_future(q);
    weft_detach(weft_go_with(await_any, NULL, .name = "any"));
    weft_detach(weft_go_with(wait_for_wake, weft_waker_make(), .name = "waker"));
    return weft_future_await(f[0], NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
