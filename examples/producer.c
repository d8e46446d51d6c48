/* SPDX-License-Identifier: MIT */
/*
 * producer.c - one coroutine makes the numbers 0 to 9, another one adds them up.
 *
 * The channel between them holds three: a producer that is further ahead waits, and needs no other
 * means to be slowed down.  Its close says that all numbers were sent; the consumer takes what is
 * still there and then gets -EPIPE.
 */
#include <stdio.h>

#include <weft.h>

static void produce(void *arg)
{
    chan *numbers = arg;

    for (int i = 0; i < 10; i++) {
        if (chan_send(numbers, &i) != 0)
            break;
    }
    chan_close(numbers);
    chan_unref(numbers);
}

static int app(void *arg)
{
    chan *numbers = chan_make(sizeof(int), 3);
    int i, sum = 0;

    (void)arg;
    go(produce, chan_ref(numbers)); /* a reference for each who uses the channel */
    while (chan_recv(numbers, &i) == 0)
        sum += i;
    printf("the sum is %d\n", sum);
    chan_unref(numbers);
    return 0;
}

int main(void)
{
    return weft_run(app, NULL);
}
