/* SPDX-License-Identifier: MIT */
/*
 * broadcast_of_no_capacity.c - a broadcast keeps at least one value.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*weft_broadcast_make: the capacity is 0
 */
#include <weft.h>

static int app(void *arg)
{
    (void)arg;
    (void)weft_set_name("culprit");
    return weft_broadcast_make(sizeof(int), 0) == NULL;
}

int main(void)
{
    return weft_run(app, NULL);
}
