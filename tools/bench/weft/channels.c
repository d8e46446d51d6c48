/* SPDX-License-Identifier: MIT */
/* channels.c - chan_buf, chan_mpmc: one or four producers and as many consumers of a channel. */
#include <errno.h>

#include "bench.h"

#define CAPACITY 128
#define PARTIES_MAX 4

struct party {
    struct weft_chan *items;
    long n; /* how many this one sends, or how many it has received */
    struct weft_wait_group *left;
};

static void produce(void *arg)
{
    const struct party *party = arg;

    for (long i = 0; i < party->n; i++) {
        const uint64_t item = (uint64_t)i;
        MUST(weft_chan_send(party->items, &item));
    }
    weft_wg_done(party->left);
}

static void consume(void *arg)
{
    struct party *party = arg;
    uint64_t item;
    long n = 0;
    int rc;

    while ((rc = weft_chan_recv(party->items, &item)) == 0)
        n++;
    if (rc != -EPIPE)
        bench_die("weft_chan_recv", rc);
    party->n = n;
    weft_wg_done(party->left);
}

static int64_t stream(long n, int count)
{
    struct party producers[PARTIES_MAX], consumers[PARTIES_MAX];
    struct weft_chan *items = bench_chan(sizeof(uint64_t), CAPACITY);
    struct weft_wait_group *sent = bench_wg(count), *received = bench_wg(count);
    const int64_t start_ns = weft_now();
    long n_received = 0;

    for (int i = 0; i < count; i++) {
        producers[i] = (struct party){items, bench_share(n, i, count), sent};
        consumers[i] = (struct party){items, 0, received};
        MUST(weft_go(produce, &producers[i]));
        MUST(weft_go(consume, &consumers[i]));
    }
    MUST(weft_wg_wait(sent));
    weft_chan_close(items);
    MUST(weft_wg_wait(received));
    const int64_t ns = weft_now() - start_ns;

    for (int i = 0; i < count; i++)
        n_received += consumers[i].n;
    EXPECT(n_received == n);
    weft_wg_free(sent);
    weft_wg_free(received);
    weft_chan_unref(items);
    return ns;
}

int64_t bench_chan_buf(long n)
{
    return stream(n, 1);
}

int64_t bench_chan_mpmc(long n)
{
    return stream(n, PARTIES_MAX);
}
