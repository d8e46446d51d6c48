/* SPDX-License-Identifier: MIT */
/*
 * chan_of_a_bad_size.c - an element has at most WEFT_CHAN_ELEM_BYTES_MAX bytes.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*chan
 */
#include <weft.h>

static int app(void *arg)
{
    (void)arg;
    (void)weft_set_name("culprit");
    return chan_make(WEFT_CHAN_ELEM_BYTES_MAX + 1, 0) == NULL;
}

int main(void)
{
    return weft_run(app, NULL);
}
