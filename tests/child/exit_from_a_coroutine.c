/* SPDX-License-Identifier: MIT */
/*
 * exit_from_a_coroutine.c - exit() ends the process from inside a coroutine, whatever the others
 * do: parked ones, one that computes, and operations in flight.
 *
 * expect-exit: 7
 * expect-stdout: ^at exit$
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <weft.h>

static _Noreturn int compute_for_ever(void *arg)
{
    for (volatile int *p = arg;; (*p)++)
        ;
}

static void read_nothing(void *arg)
{
    char byte;

    if (weft_read(*(int *)arg, &byte, 1) >= 0)
        abort();
}

static void say(void)
{
    puts("at exit");
}

static int app(void *arg)
{
    static int count, quiet[2];

    (void)arg;
    atexit(say);
    if (pipe(quiet) != 0)
        return 1;
    for (int i = 0; i < 10; i++)
        go(read_nothing, &quiet[0]);
    if (weft_sleep(WEFT_MS) != 0)
        return 2;
    weft_detach(weft_go_with(compute_for_ever, &count, .on_p = WEFT_ON_P(1)));
    exit(7);
}

int main(void)
{
    return weft_run_with(app, NULL, .procs = 2);
}
