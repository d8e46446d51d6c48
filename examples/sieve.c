/* SPDX-License-Identifier: MIT */
/*
 * sieve.c - prime numbers by a chain of coroutines, one for each prime found so far.
 *
 *     sieve [COUNT]
 *
 *     count ---> filter 2 ---> filter 3 ---> filter 5 ---> ... ---> app
 *
 * Numbers flow to the right.  The end flows to the left: app closes the channel that it reads, the
 * filter before it gets -EPIPE from its send, closes its own source, and so on up to the counter.
 */
#include <stdio.h>
#include <stdlib.h>

#include <weft.h>

WEFT_CHAN_TYPE(int_chan, int);

struct stage {
    int_chan in; /* not used by the counter */
    int_chan out;
    int prime;
    struct weft_wait_group *running;
};

static void stage_end(struct stage *stage)
{
    if (stage->in.ch != NULL) {
        int_chan_close(stage->in);
        int_chan_unref(stage->in);
    }
    int_chan_unref(stage->out);
    weft_wg_done(stage->running);
    free(stage);
}

static void count(void *arg)
{
    struct stage *stage = arg;

    for (int i = 2; int_chan_send(stage->out, i) == 0; i++)
        ;
    stage_end(stage);
}

/* Lets through what its prime does not divide. */
static void filter(void *arg)
{
    struct stage *stage = arg;
    int i;

    while (int_chan_recv(stage->in, &i) == 0) {
        if (i % stage->prime != 0 && int_chan_send(stage->out, i) != 0)
            break;
    }
    stage_end(stage);
}

/* Starts a stage behind `in`, whose reference it takes over, and returns what comes out of it. */
static int_chan stage_start(void (*fn)(void *), int_chan in, int prime,
                            struct weft_wait_group *running)
{
    struct stage *stage = malloc(sizeof(*stage));
    const int_chan out = int_chan_make(0);

    if (stage == NULL || out.ch == NULL)
        abort();
    chan_ref(out.ch); /* one for the stage, one for the caller */
    *stage = (struct stage){in, out, prime, running};
    weft_wg_add(running, 1);
    if (go(fn, stage) != 0)
        abort();
    return out;
}

static int app(void *arg)
{
    const int n_primes = *(int *)arg;
    struct weft_wait_group *running = weft_wg_make();
    int_chan last = stage_start(count, (int_chan){NULL}, 0, running);
    int prime;

    for (int i = 0; i < n_primes && int_chan_recv(last, &prime) == 0; i++) {
        printf("%d\n", prime);
        last = stage_start(filter, last, prime, running);
    }
    int_chan_close(last);
    int_chan_unref(last);
    if (weft_wg_wait(running) != 0)
        return 1;
    weft_wg_free(running);
    return 0;
}

int main(int argc, char **argv)
{
    int n_primes = argc > 1 ? atoi(argv[1]) : 100;

    return weft_run(app, &n_primes);
}
