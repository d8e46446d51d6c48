/* SPDX-License-Identifier: MIT */
/* selects.c - select2, select8: a producer for N channels in turn, a consumer that selects. */
#include "bench.h"

#define CHANNELS_MAX 8

struct fan {
    struct weft_chan *channels[CHANNELS_MAX];
    int count;
    long n;
    struct weft_wait_group *left;
};

static void send_in_turn(void *arg)
{
    const struct fan *fan = arg;
    int k = 0;

    for (long i = 0; i < fan->n; i++) {
        const uint64_t item = (uint64_t)i;
        MUST(weft_chan_send(fan->channels[k], &item));
        k = k + 1 < fan->count ? k + 1 : 0;
    }
    weft_wg_done(fan->left);
}

static void select_all(void *arg)
{
    const struct fan *fan = arg;
    struct weft_case cases[CHANNELS_MAX];
    uint64_t item = 0;

    for (int k = 0; k < fan->count; k++)
        cases[k] = weft_case_recv(fan->channels[k], &item);
    for (long i = 0; i < fan->n; i++) {
        const int chosen = weft_select(cases, fan->count);
        if (__builtin_expect(chosen < 0, 0))
            bench_die("weft_select", chosen);
        EXPECT(cases[chosen].rc == 0 && item == (uint64_t)i);
    }
    weft_wg_done(fan->left);
}

static int64_t fan_in(long n, int count)
{
    struct fan fan = {.count = count, .n = n, .left = bench_wg(2)};

    for (int k = 0; k < count; k++)
        fan.channels[k] = bench_chan(sizeof(uint64_t), 0);
    const int64_t start_ns = weft_now();
    MUST(weft_go(select_all, &fan));
    MUST(weft_go(send_in_turn, &fan));
    MUST(weft_wg_wait(fan.left));
    const int64_t ns = weft_now() - start_ns;

    weft_wg_free(fan.left);
    for (int k = 0; k < count; k++)
        weft_chan_unref(fan.channels[k]);
    return ns;
}

int64_t bench_select2(long n)
{
    return fan_in(n, 2);
}

int64_t bench_select8(long n)
{
    return fan_in(n, 8);
}
