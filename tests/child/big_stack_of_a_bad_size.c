/* SPDX-License-Identifier: MIT */
/*
 * big_stack_of_a_bad_size.c - a stack of 2 GiB is nothing that a program may ask for.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: weft_call_on_big_stack: .*out of range
 */
#include <weft.h>

static int app(void *arg)
{
    return weft_call_on_big_stack(app, arg, (size_t)1 << 31);
}

int main(void)
{
    return weft_run(app, NULL);
}
