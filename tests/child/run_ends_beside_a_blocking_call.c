/* SPDX-License-Identifier: MIT */
/*
 * run_ends_beside_a_blocking_call.c - when app has returned, a blocking call that takes for ever
 * does not keep the program from its end.
 *
 * limit: 10
 * expect-exit: 9
 */
#include <stdatomic.h>
#include <unistd.h>
#include <weft.h>

static atomic_bool has_begun;

static int wait_for_ever(void *arg)
{
    (void)arg;
    atomic_store(&has_begun, true);
    for (;;)
        pause();
    return 0;
}

static int call(void *arg)
{
    return weft_blocking(wait_for_ever, arg, NULL);
}

static int app(void *arg)
{
    (void)arg;
    weft_detach(weft_go_with(call, NULL));
    while (!atomic_load(&has_begun))
        weft_yield();
    return 9;
}

int main(void)
{
    return weft_run(app, NULL);
}
