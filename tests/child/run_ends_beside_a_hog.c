/* SPDX-License-Identifier: MIT */
/*
 * run_ends_beside_a_hog.c - when app has returned, a coroutine that computes for ever does not keep
 * the program from its end.
 *
 * limit: 10
 * expect-exit: 9
 */
#include <stdatomic.h>
#include <weft.h>

static atomic_int laps;

static _Noreturn int compute_for_ever(void *arg)
{
    (void)arg;
    for (;;)
        atomic_fetch_add_explicit(&laps, 1, memory_order_relaxed);
}

static int app(void *arg)
{
    (void)arg;
    weft_detach(weft_go_with(compute_for_ever, NULL, .on_p = WEFT_ON_P(1)));
    while (atomic_load(&laps) == 0)
        weft_yield();
    return 9;
}

int main(void)
{
    return weft_run_with(app, NULL, .procs = 2);
}
