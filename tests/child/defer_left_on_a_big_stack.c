/* SPDX-License-Identifier: MIT */
/*
 * defer_left_on_a_big_stack.c - nor must it be left behind on a stack that goes back.
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

static int leave_it(void *arg)
{
    struct weft_defer d;

    (void)arg;
    return weft_defer_begin(&d, never, NULL) == NULL;
}

static int app(void *arg)
{
    (void)weft_set_name("culprit");
    return weft_call_on_big_stack(leave_it, arg, 1 << 20);
}

int main(void)
{
    return weft_run(app, NULL);
}
