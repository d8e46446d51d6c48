/* SPDX-License-Identifier: MIT */
/*
 * defer_block_not_ended.c - the cleanup of a block must not be left behind in a frame that is gone.
 *
 * AddressSanitizer keeps frames away from the stack to find just that by itself: not here.
 *
 * asan: detect_stack_use_after_return=0
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*weft_defer_begin.*coroutine [0-9]+ "culprit"
 */
#include <weft.h>

static void never(void *arg)
{
    (void)arg;
}

static int app(void *arg)
{
    struct weft_defer d;

    (void)arg;
    (void)weft_set_name("culprit");
    return weft_defer_begin(&d, never, NULL) == NULL;
}

int main(void)
{
    return weft_run(app, NULL);
}
