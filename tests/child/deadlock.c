/* SPDX-License-Identifier: MIT */
/*
 * deadlock.c - when nothing can wake anybody, the program ends and says who waits for what, where
 * it was spawned and where it waits; what was printed before is not lost.
 *
 * expect-exit: 2
 * expect-stdout: ^printed before$
 * expect-stderr: ^weft: deadlock: all 3 coroutines wait, and nothing can wake one$
 * expect-stderr: ^coroutine [0-9]+ "main" waits: join 0x[0-9a-f]+$
 * expect-stderr: ^coroutine [0-9]+ "left hand" waits: receive from channel 0x[0-9a-f]+$
 * expect-stderr: ^coroutine [0-9]+ "right hand" waits: mutex 0x.*, held by coroutine [0-9]+ "main"$
 * expect-stderr: ^    spawned at .*tests/child/deadlock.c:43$
 * expect-stderr: ^    spawned at weft_run$
 * expect-stderr: ^    waits at receive_from_nobody[^ ]*\+0x
 * expect-stderr: ^    waits at lock_what_is_held[^ ]*\+0x
 * expect-stderr: ^    #[0-9]+ call_in_between[^ ]*\+0x
 */
#include <stdio.h>
#include <weft.h>

static struct weft_mutex *held;

__attribute__((noinline)) static int receive_from_nobody(void *arg)
{
    return weft_chan_recv(arg, NULL) + 1;
}

__attribute__((noinline)) static int lock_what_is_held(void *arg)
{
    (void)arg;
    return weft_mutex_lock(held) + 1;
}

__attribute__((noinline)) static int call_in_between(void *arg)
{
    return lock_what_is_held(arg) + 1;
}

static int app(void *arg)
{
    (void)arg;
    held = weft_mutex_make();
    struct weft_co *left = weft_go_with(receive_from_nobody, chan_make(4, 0), .name = "left hand");
    if (weft_mutex_lock(held) != 0)
        return 1;
    weft_detach(weft_go_with(call_in_between, NULL, .name = "right hand"));
    printf("printed before\n");
    return weft_join(left, NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
