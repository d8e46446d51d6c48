/* SPDX-License-Identifier: MIT */
/*
 * shapes_nobody_feeds.c - a report names the other shapes of channels in which coroutines wait.
 *
 * expect-exit: 2
 * expect-stderr: ^weft: deadlock: all 4 coroutines wait, and nothing can wake one$
 * expect-stderr: ^coroutine [0-9]+ "asker" waits: receive from oneshot 0x[0-9a-f]+$
 * expect-stderr: ^coroutine [0-9]+ "subscriber" waits: receive from broadcast 0x[0-9a-f]+$
 * expect-stderr: ^coroutine [0-9]+ "follower" waits: change of watch 0x[0-9a-f]+$
 * expect-stderr: ^    waits at ask_nobody[^ ]*\+0x
 * expect-stderr: ^    waits at hear_nobody[^ ]*\+0x
 * expect-stderr: ^    waits at follow_nobody[^ ]*\+0x
 */
#include <weft.h>

__attribute__((noinline)) static int ask_nobody(void *arg)
{
    return weft_oneshot_recv(arg, NULL) + 1;
}

__attribute__((noinline)) static int hear_nobody(void *arg)
{
    return (int)weft_subscriber_recv(arg, NULL) + 1;
}

__attribute__((noinline)) static int follow_nobody(void *arg)
{
    uint64_t seen = 1;

    return weft_watch_wait(arg, NULL, &seen) + 1;
}

static int app(void *arg)
{
    struct weft_broadcast *b = weft_broadcast_make(0, 1);
    struct weft_subscriber *s = weft_broadcast_subscribe(b);

    (void)arg;
    weft_detach(weft_go_with(ask_nobody, weft_oneshot_make(0), .name = "asker"));
    weft_detach(weft_go_with(hear_nobody, s, .name = "subscriber"));
    return weft_join(weft_go_with(follow_nobody, weft_watch_make(0, NULL), .name = "follower"),
                     NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
