/* SPDX-License-Identifier: MIT */
/*
 * oneshot_closed_twice.c - an end of a oneshot is closed once.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*closed already
 */
#include <weft.h>

static int app(void *arg)
{
    struct weft_oneshot *o = weft_oneshot_make(sizeof(int));

    (void)arg;
    (void)weft_set_name("culprit");
    weft_oneshot_close_recv(o);
    weft_oneshot_close_recv(o);
    return 0;
}

int main(void)
{
    return weft_run(app, NULL);
}
