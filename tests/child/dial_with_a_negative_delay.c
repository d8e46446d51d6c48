/* SPDX-License-Identifier: MIT */
/*
 * dial_with_a_negative_delay.c - a delay between attempts that is negative is a mistake of the
 * program, and ends in one line.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*attempt_delay_ns
 */
#include <weft.h>

static int app(void *arg)
{
    (void)arg;
    return weft_dial_with("127.0.0.1:1", .attempt_delay_ns = -1);
}

int main(void)
{
    return weft_run(app, NULL);
}
