/* SPDX-License-Identifier: MIT */
/*
 * defer_ended_by_another.c - the block of one coroutine is not another's to end.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: weft_defer_end.*coroutine [0-9]+ "stranger"
 */
#include <weft.h>

static void never(void *arg)
{
    (void)arg;
}

static int end_it(void *d)
{
    weft_defer_end(d);
    return 0;
}

static int app(void *arg)
{
    struct weft_defer d;

    (void)arg;
    (void)weft_defer_begin(&d, never, NULL);
    return weft_join(weft_go_with(end_it, &d, .name = "stranger"), NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
