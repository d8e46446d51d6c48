/* SPDX-License-Identifier: MIT */
/* hello.c - two coroutines and a channel: the smallest program that waits for what it started. */
#include <stdio.h>

#include <weft.h>

static void greet(void *arg)
{
    chan *done = arg;

    printf("hello from coroutine %llu\n", (unsigned long long)weft_id());
    chan_send(done, NULL);
    chan_unref(done);
}

static int app(void *arg)
{
    chan *done = chan_make(0, 0); /* values of 0 bytes: a pure signal */

    (void)arg;
    go(greet, chan_ref(done)); /* a reference for each who uses the channel */
    chan_recv(done, NULL);
    printf("hello from the first coroutine\n");
    chan_unref(done);
    return 0;
}

int main(void)
{
    return weft_run(app, NULL);
}
