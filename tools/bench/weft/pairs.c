/* SPDX-License-Identifier: MIT */
/* pairs.c - chan_unbuf, pairs: two coroutines that send a number to and fro, once and twice. */
#include "bench.h"

#define PAIRS_MAX 2

struct pair {
    struct weft_chan *there, *back;
    long n;
    struct weft_wait_group *left;
};

static void player(void *arg)
{
    const struct pair *pair = arg;
    uint64_t ball = 0;

    for (long i = 0; i < pair->n; i++) {
        MUST(weft_chan_send(pair->there, &ball));
        MUST(weft_chan_recv(pair->back, &ball));
    }
    EXPECT(ball == (uint64_t)pair->n);
    weft_wg_done(pair->left);
}

static void partner(void *arg)
{
    const struct pair *pair = arg;
    uint64_t ball;

    for (long i = 0; i < pair->n; i++) {
        MUST(weft_chan_recv(pair->there, &ball));
        ball++;
        MUST(weft_chan_send(pair->back, &ball));
    }
    weft_wg_done(pair->left);
}

static int64_t play(long n, int n_pairs)
{
    struct pair pairs[PAIRS_MAX];
    struct weft_wait_group *left = bench_wg(2 * n_pairs);

    for (int i = 0; i < n_pairs; i++) {
        pairs[i] = (struct pair){bench_chan(sizeof(uint64_t), 0), bench_chan(sizeof(uint64_t), 0),
                                 bench_share(n, i, n_pairs), left};
    }
    const int64_t start_ns = weft_now();
    for (int i = 0; i < n_pairs; i++) {
        MUST(weft_go(partner, &pairs[i]));
        MUST(weft_go(player, &pairs[i]));
    }
    MUST(weft_wg_wait(left));
    const int64_t ns = weft_now() - start_ns;

    weft_wg_free(left);
    for (int i = 0; i < n_pairs; i++) {
        weft_chan_unref(pairs[i].there);
        weft_chan_unref(pairs[i].back);
    }
    return ns;
}

int64_t bench_chan_unbuf(long n)
{
    return play(n, 1);
}

int64_t bench_pairs(long n)
{
    return play(n, 2);
}
