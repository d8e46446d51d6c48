/* SPDX-License-Identifier: MIT */
/*
 * blocking_stop.c - a stop that waits for a blocking call says for which.
 *
 * expect-exit: 0
 * expect-stderr: ^weft: a runtime is being stopped and waits for blocking calls that have begun:$
 * expect-stderr: ^blocking calls: 1 running, 0 queued, 1 threads
 * expect-stderr: ^coroutine [0-9]+ waits: blocking call of take_long
 */
#include <stdatomic.h>
#include <unistd.h>
#include <weft.h>

static atomic_bool has_begun;

static int take_long(void *arg)
{
    (void)arg;
    atomic_store(&has_begun, true);
    usleep(1500000);
    return 0;
}

static void call(void *arg)
{
    if (weft_blocking(take_long, arg, NULL) == 0)
        _exit(5);
}

int main(void)
{
    struct weft_runtime *rt;

    if (weft_runtime_start(&rt, NULL) != 0 || weft_runtime_go(rt, call, NULL) != 0)
        return 3;
    while (!atomic_load(&has_begun))
        usleep(100);
    return weft_runtime_stop(rt) == 1 ? 0 : 4;
}
