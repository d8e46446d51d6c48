/* SPDX-License-Identifier: MIT */
/* trees.c - skynet, fib, and the same with a microsecond of computing in each leaf. */
#include <errno.h>

#include "bench.h"

#define CHILDREN 10
#define LEAF_US 1
#define RSS_LEAVES 1000000

/* --- skynet --------------------------------------------------------------------------------- */

struct node {
    struct weft_chan *up; /* one reference is the node's own */
    int64_t first;        /* the number of its first leaf */
    long n_leaves;
    bool burns;
};

/*
 * `arg` lies in the parent's frame.  It is copied at once, and the parent stays until it has
 * received from all of its children.  It may be gone when the last send returns: so each child has
 * a reference to the channel.
 */
static void skynet(void *arg)
{
    const struct node self = *(const struct node *)arg;
    int64_t sum = self.first;

    if (self.n_leaves == 1) {
        if (self.burns)
            bench_burn(LEAF_US);
    } else {
        struct weft_chan *down = bench_chan(sizeof(int64_t), 0);
        struct node children[CHILDREN];
        const int count = self.n_leaves < CHILDREN ? (int)self.n_leaves : CHILDREN;
        int64_t first = self.first;
        for (int i = 0; i < count; i++) {
            const long n_leaves = bench_share(self.n_leaves, i, count);
            children[i] = (struct node){weft_chan_ref(down), first, n_leaves, self.burns};
            MUST(weft_go(skynet, &children[i]));
            first += n_leaves;
        }
        sum = 0;
        for (int i = 0; i < count; i++) {
            int64_t part;
            MUST(weft_chan_recv(down, &part));
            sum += part;
        }
        weft_chan_unref(down);
    }
    MUST(weft_chan_send(self.up, &sum));
    weft_chan_unref(self.up);
}

static int64_t run_skynet(long n_leaves, bool burns)
{
    struct weft_chan *top = bench_chan(sizeof(int64_t), 0);
    struct node root = {weft_chan_ref(top), 0, n_leaves, burns};
    const int64_t start_ns = weft_now();
    int64_t sum;

    MUST(weft_go(skynet, &root));
    MUST(weft_chan_recv(top, &sum));
    const int64_t ns = weft_now() - start_ns;

    EXPECT(sum == (int64_t)n_leaves * (n_leaves - 1) / 2);
    weft_chan_unref(top);
    return ns;
}

int64_t bench_skynet(long n_leaves)
{
    return run_skynet(n_leaves, false);
}

int64_t bench_skynet_work(long n_leaves)
{
    bench_burn_prepare();
    return run_skynet(n_leaves, true);
}

void bench_skynet_rss(double *values)
{
    (void)run_skynet(RSS_LEAVES, false);
    values[0] = (double)bench_status_kib("VmHWM") / 1024;
}

/* --- fib ------------------------------------------------------------------------------------ */

/* One call; `self` is the function that it stands in, for both of its branches. */
static inline __attribute__((always_inline)) int fib_call(void *arg, int (*self)(void *),
                                                          bool burns)
{
    const intptr_t n = (intptr_t)arg;
    int other;

    if (n < 2) {
        if (burns)
            bench_burn(LEAF_US);
        return (int)n;
    }
    struct weft_co *co = weft_go_with(self, (void *)(n - 1));
    if (co == NULL)
        bench_die("weft_go_with", -ENOMEM);
    const int mine = self((void *)(n - 2));
    MUST(weft_join(co, &other));
    return mine + other;
}

static int fib(void *arg)
{
    return fib_call(arg, fib, false);
}

static int fib_work(void *arg)
{
    return fib_call(arg, fib_work, true);
}

static int64_t run_fib(long n, int (*fn)(void *))
{
    int a = 0, b = 1;
    const int64_t start_ns = weft_now();
    const int result = fn((void *)n);
    const int64_t ns = weft_now() - start_ns;

    for (long i = 0; i < n; i++) {
        const int next = a + b;
        a = b;
        b = next;
    }
    EXPECT(result == a);
    return ns;
}

int64_t bench_fib(long n)
{
    return run_fib(n, fib);
}

int64_t bench_fib_work(long n)
{
    bench_burn_prepare();
    return run_fib(n, fib_work);
}
