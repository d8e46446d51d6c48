/* SPDX-License-Identifier: MIT */
/*
 * no_stack_left.c - when the address space is used up by stacks of coroutines that all wait, those
 * that could not start are not dropped in silence: the report says how many there are and which
 * limit it was.
 *
 * expect-exit: 2
 * expect-stderr: ^weft: fatal: no stack can be had for [0-9]+ coroutines, and nothing else can run:
 * expect-stderr: [0-9]+ stacks of 1 GiB exist; the limit is the address space \(ulimit -v\)
 * expect-stdout: ^[1-9][0-9]* have started$
 */
#include <stdio.h>
#include <sys/resource.h>
#include <weft.h>

/* Stacks so large that a few use up what the limit leaves, and half of one is left for malloc
 * and for a sanitizer. */
enum { COROUTINES = 200, HALF_GIB_MORE = 25 };

static int n_started;

static void wait_for_ever(void *arg)
{
    n_started++;
    (void)chan_recv(arg, NULL);
}

/* So much address space more than the process has now. */
static void limit_address_space(size_t more)
{
    FILE *f = fopen("/proc/self/statm", "r");
    size_t pages = 0;

    if (f == NULL || fscanf(f, "%zu", &pages) != 1)
        return;
    fclose(f);
    struct rlimit limit = {pages * 4096 + more, RLIM_INFINITY};
    setrlimit(RLIMIT_AS, &limit);
}

static int app(void *arg)
{
    (void)arg;
    limit_address_space((size_t)HALF_GIB_MORE << 29);
    for (int i = 0; i < COROUTINES; i++)
        if (go(wait_for_ever, NULL) != 0)
            return 3;
    for (int i = 0; i < COROUTINES; i++)
        weft_yield();
    printf("%d have started\n", n_started);
    return chan_recv(NULL, NULL);
}

int main(void)
{
    return weft_run_with(app, NULL, .procs = 1, .stack_bytes = (size_t)1 << 30);
}
