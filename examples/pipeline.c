/* SPDX-License-Identifier: MIT */
/*
 * pipeline.c - stages joined by channels; the one in the middle has several workers.
 *
 *     pipeline [COUNT]
 *
 *                  +--> square --+
 *     produce -----+--> square --+----> app, which adds up
 *                  +--> square --+
 *
 * Who sends alone closes the channel when it is done, and that ends the next stage.  Of several
 * senders none knows when all are done: the stage's parent joins them, and closes it for them.
 */
#include <stdio.h>
#include <stdlib.h>

#include <weft.h>

#define N_WORKERS 3
#define BUFFERED 16

WEFT_CHAN_TYPE(number_chan, long);

struct pipeline {
    long count;
    number_chan numbers, squares;
};

static int produce(void *arg)
{
    struct pipeline *p = arg;

    for (long i = 1; i <= p->count; i++) {
        if (number_chan_send(p->numbers, i) != 0)
            break;
    }
    number_chan_close(p->numbers);
    return 0;
}

/* A worker; its result is how many numbers it has squared. */
static int square(void *arg)
{
    struct pipeline *p = arg;
    int n_done = 0;
    long i;

    while (number_chan_recv(p->numbers, &i) == 0) {
        if (number_chan_send(p->squares, i * i) != 0)
            break;
        n_done++;
    }
    return n_done;
}

/* The middle stage: starts the workers, waits for all of them, then ends the stage after it. */
static int square_all(void *arg)
{
    struct pipeline *p = arg;
    struct weft_co *workers[N_WORKERS];
    int total = 0, n_done = 0;

    for (int i = 0; i < N_WORKERS; i++)
        workers[i] = weft_go_with(square, p, .name = "worker");
    for (int i = 0; i < N_WORKERS; i++) {
        if (workers[i] != NULL && weft_join(workers[i], &n_done) == 0)
            total += n_done;
    }
    number_chan_close(p->squares);
    return total;
}

static int app(void *arg)
{
    struct pipeline p = {*(long *)arg, number_chan_make(BUFFERED), number_chan_make(BUFFERED)};
    struct weft_co *producer = weft_go_with(produce, &p, .name = "producer");
    struct weft_co *squarers = weft_go_with(square_all, &p, .name = "squarers");
    long sum = 0, value;
    int total = 0, rc;

    if (producer == NULL || squarers == NULL)
        return 1;
    while (number_chan_recv(p.squares, &value) == 0)
        sum += value;
    rc = weft_join(producer, NULL);
    if (rc == 0)
        rc = weft_join(squarers, &total);
    printf("the squares of %d numbers add up to %ld\n", total, sum);
    number_chan_unref(p.numbers);
    number_chan_unref(p.squares);
    return rc == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? atol(argv[1]) : 1000;

    return weft_run(app, &count);
}
