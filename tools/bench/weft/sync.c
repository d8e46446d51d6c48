/* SPDX-License-Identifier: MIT */
/* sync.c - mutex: eight coroutines that lock, add 1, unlock. */
#include <errno.h>

#include "bench.h"

#define LOCKERS 8

struct counter {
    struct weft_mutex *lock;
    long value;
    struct weft_wait_group *left;
};

struct locker {
    struct counter *counter;
    long n;
};

static void add_up(void *arg)
{
    const struct locker *locker = arg;
    struct counter *counter = locker->counter;

    for (long i = 0; i < locker->n; i++) {
        MUST(weft_mutex_lock(counter->lock));
        counter->value++;
        weft_mutex_unlock(counter->lock);
    }
    weft_wg_done(counter->left);
}

int64_t bench_mutex(long n)
{
    struct counter counter = {weft_mutex_make(), 0, bench_wg(LOCKERS)};
    struct locker lockers[LOCKERS];

    if (counter.lock == NULL)
        bench_die("weft_mutex_make", -ENOMEM);
    const int64_t start_ns = weft_now();
    for (int i = 0; i < LOCKERS; i++) {
        lockers[i] = (struct locker){&counter, bench_share(n, i, LOCKERS)};
        MUST(weft_go(add_up, &lockers[i]));
    }
    MUST(weft_wg_wait(counter.left));
    const int64_t ns = weft_now() - start_ns;

    EXPECT(counter.value == n);
    weft_wg_free(counter.left);
    weft_mutex_free(counter.lock);
    return ns;
}
