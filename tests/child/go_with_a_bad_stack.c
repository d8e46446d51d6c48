/* SPDX-License-Identifier: MIT */
/*
 * go_with_a_bad_stack.c - a stack has at least WEFT_STACK_BYTES_MIN bytes.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*stack
 */
#include <weft.h>

static int end(void *arg)
{
    (void)arg;
    return 0;
}

static int app(void *arg)
{
    (void)arg;
    (void)weft_set_name("culprit");
    return weft_go_with(end, NULL, .stack_bytes = WEFT_STACK_BYTES_MIN - 1) == NULL;
}

int main(void)
{
    return weft_run(app, NULL);
}
