/* SPDX-License-Identifier: MIT */
/*
 * scope_left_on_a_big_stack.c - a deadline scope ends in the call in which it began.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*big stack.*scope open.*coroutine [0-9]+ "culprit"
 */
#include <weft.h>

static int leave_it(void *arg)
{
    struct weft_scope s;

    (void)arg;
    weft_scope_begin(&s, WEFT_SEC);
    return 0;
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
