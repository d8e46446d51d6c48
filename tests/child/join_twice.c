/* SPDX-License-Identifier: MIT */
/*
 * join_twice.c - a handle is joined once: the second join finds it gone.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*join
 */
#include <weft.h>

static int end(void *arg)
{
    (void)arg;
    return 0;
}

static int app(void *arg)
{
    struct weft_co *co = weft_go_with(end, NULL);

    (void)arg;
    (void)weft_set_name("culprit");
    if (weft_join(co, NULL) != 0)
        return 1;
    return weft_join(co, NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
