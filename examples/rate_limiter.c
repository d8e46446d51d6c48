/* SPDX-License-Identifier: MIT */
/*
 * rate_limiter.c - at most so many requests a second, with bursts: a bucket of tokens.
 *
 *     rate_limiter [REQUESTS [PER_SECOND [BURST]]]
 *
 * The bucket is a channel of empty elements: its capacity is the burst, a ticker puts one in at
 * each tick (one too many falls beside it), and a request takes one out.  Who has no time to wait
 * asks with a deadline.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <weft.h>

struct limiter {
    chan *tokens;
    int64_t period_ns;
};

/* Fills the bucket until it is cancelled. */
static int fill(void *arg)
{
    struct limiter *l = arg;
    struct weft_ticker *tick = weft_ticker_make(l->period_ns, WEFT_TICK_BURST);
    int64_t n;

    while ((n = weft_ticker_wait(tick)) > 0) {
        while (n-- > 0)
            (void)!chan_try_send(l->tokens, NULL);
    }
    weft_ticker_free(tick);
    return 0;
}

/* Waits for its turn, as every request would that may be let in. */
static int request(void *arg)
{
    struct limiter *l = arg;

    return chan_recv(l->tokens, NULL);
}

static int app(void *arg)
{
    const int *wanted = arg;
    struct limiter l = {chan_make(0, (size_t)wanted[2]), WEFT_SEC / wanted[1]};
    int64_t took_ns = 0;
    int rc = 0;

    for (int i = 0; i < wanted[2]; i++)
        rc = chan_send(l.tokens, NULL);
    WEFT_GROUP(filler) {
        const int64_t start_ns = weft_now();

        rc = weft_group_go(&filler, fill, &l);
        WEFT_GROUP(requests) {
            for (int i = 0; i < wanted[0] && rc == 0; i++)
                rc = weft_group_go(&requests, request, &l);
        }
        took_ns = weft_now() - start_ns;
        WEFT_DEADLINE(no_time, l.period_ns / 10) {
            if (chan_recv(l.tokens, NULL) == -ETIMEDOUT)
                printf("one in a hurry goes away\n");
        }
        weft_group_cancel(&filler);
    }
    /* All but the first burst had to wait for a tick each. */
    const int64_t least_ns = (wanted[0] - wanted[2]) * l.period_ns;
    printf("%d requests, at most %d a second: %s\n", wanted[0], wanted[1],
           took_ns >= least_ns ? "kept" : "NOT KEPT");
    chan_unref(l.tokens);
    return rc == 0 && took_ns >= least_ns ? 0 : 1;
}

int main(int argc, char **argv)
{
    int wanted[3] = {100, 500, 10};

    for (int i = 1; i < argc && i <= 3; i++)
        wanted[i - 1] = atoi(argv[i]);
    if (wanted[0] < 0 || wanted[1] < 1 || wanted[1] > WEFT_SEC || wanted[2] < 1) {
        fprintf(stderr, "usage: rate_limiter [REQUESTS [PER_SECOND [BURST]]]\n");
        return 2;
    }
    return weft_run(app, wanted);
}
