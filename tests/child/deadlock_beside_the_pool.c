/* SPDX-License-Identifier: MIT */
/*
 * deadlock_beside_the_pool.c - calls that block, and coroutines that are outside, may wake
 * somebody, however long they take; when they are done the threads that they leave behind are
 * ours, and what is a deadlock is found.
 *
 * expect-exit: 2
 * expect-stderr: ^weft: deadlock: all 2 coroutines wait, and nothing can wake one$
 * expect-stderr: ^blocked for long$
 */
#include <stdio.h>
#include <unistd.h>
#include <weft.h>

static int take_long(void *arg)
{
    usleep(50000); /* room for a wrong verdict: nothing tells of a look that found none */
    return arg != NULL;
}

static int wait_for_nobody(void *ch)
{
    return weft_chan_recv(ch, NULL);
}

static int app(void *arg)
{
    chan *ch = chan_make(0, 0);
    int result = 1;

    (void)arg;
    struct weft_co *co = weft_go_with(wait_for_nobody, ch);
    if (weft_blocking(take_long, NULL, &result) != 0 || result != 0)
        return 3;
    WEFT_BLOCKING
    take_long(NULL);
    fprintf(stderr, "blocked for long\n");
    return weft_join(co, NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
