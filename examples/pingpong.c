/* SPDX-License-Identifier: MIT */
/*
 * pingpong.c - a ball goes to and fro between two coroutines.
 *
 *     pingpong [ROUNDS]
 *
 * Both channels are unbuffered, so every send hands the ball, and the processor, to the other side.
 */
#include <stdio.h>
#include <stdlib.h>

#include <weft.h>

WEFT_CHAN_TYPE(ball_chan, long);

struct table {
    ball_chan there, back;
};

/* Plays the ball back, one higher, until no more comes. */
static int partner(void *arg)
{
    struct table *table = arg;
    long ball;

    while (ball_chan_recv(table->there, &ball) == 0) {
        if (ball_chan_send(table->back, ball + 1) != 0)
            break;
    }
    return 0;
}

static int app(void *arg)
{
    const long n_rounds = *(long *)arg;
    struct table table = {ball_chan_make(0), ball_chan_make(0)};
    struct weft_co *other = weft_go_with(partner, &table, .name = "partner");
    const int64_t start_ns = weft_now();
    long ball = 0;
    int rc;

    if (other == NULL)
        return 1;
    for (long i = 0; i < n_rounds; i++) {
        if (ball_chan_send(table.there, ball) != 0 || ball_chan_recv(table.back, &ball) != 0)
            return 1;
    }
    printf("%ld rounds, %.0f ns each\n", ball,
           (double)(weft_now() - start_ns) / (double)(n_rounds > 0 ? n_rounds : 1));

    /* The partner's receive ends when the channel is closed; its table must outlive it. */
    ball_chan_close(table.there);
    rc = weft_join(other, NULL);
    ball_chan_unref(table.there);
    ball_chan_unref(table.back);
    return rc == 0 && ball == n_rounds ? 0 : 1;
}

int main(int argc, char **argv)
{
    long n_rounds = argc > 1 ? atol(argv[1]) : 100000;

    return weft_run(app, &n_rounds);
}
