/* SPDX-License-Identifier: MIT */
/* switching.c - yield, spawn_one, spawn_batch: the coroutine itself. */
#include <errno.h>

#include "bench.h"

#define YIELDERS_PER_PROC 4
#define BATCH 10000

/* --- yield ---------------------------------------------------------------------------------- */

struct yielder {
    long n;
    struct weft_wait_group *left;
};

static void yield_on(void *arg)
{
    const struct yielder *y = arg;

    for (long i = 0; i < y->n; i++)
        weft_yield();
    weft_wg_done(y->left);
}

/* The time of all processors together, so that n of them are not n times as fast. */
int64_t bench_yield(long n)
{
    const int procs = weft_runtime_procs(NULL);
    const int count = YIELDERS_PER_PROC * procs;
    struct yielder yielders[YIELDERS_PER_PROC * WEFT_PROCS_MAX];
    struct weft_wait_group *left = bench_wg(count);
    const int64_t start_ns = weft_now();

    for (int i = 0; i < count; i++) {
        yielders[i] = (struct yielder){bench_share(n, i, count), left};
        MUST(weft_go(yield_on, &yielders[i]));
    }
    MUST(weft_wg_wait(left));
    const int64_t ns = weft_now() - start_ns;
    weft_wg_free(left);
    return ns * procs;
}

/* --- spawn ---------------------------------------------------------------------------------- */

static int return_at_once(void *arg)
{
    (void)arg;
    return 0;
}

int64_t bench_spawn_one(long n)
{
    const int64_t start_ns = weft_now();

    for (long i = 0; i < n; i++) {
        struct weft_co *co = weft_go_with(return_at_once, NULL);
        if (co == NULL)
            bench_die("weft_go_with", -ENOMEM);
        MUST(weft_join(co, NULL));
    }
    return weft_now() - start_ns;
}

static void call_done(void *left)
{
    weft_wg_done(left);
}

int64_t bench_spawn_batch(long n)
{
    struct weft_wait_group *left = bench_wg(0);
    const int64_t start_ns = weft_now();

    for (long rest = n; rest > 0; rest -= BATCH) {
        const long batch = rest < BATCH ? rest : BATCH;
        weft_wg_add(left, batch);
        for (long i = 0; i < batch; i++)
            MUST(weft_go(call_done, left));
        MUST(weft_wg_wait(left));
    }
    const int64_t ns = weft_now() - start_ns;
    weft_wg_free(left);
    return ns;
}
