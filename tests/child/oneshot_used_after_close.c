/* SPDX-License-Identifier: MIT */
/*
 * oneshot_used_after_close.c - nothing is sent into a oneshot whose sending end is closed.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*sending end
 */
#include <weft.h>

static int app(void *arg)
{
    struct weft_oneshot *o = weft_oneshot_make(sizeof(int));
    int v = 1;

    (void)arg;
    (void)weft_set_name("culprit");
    weft_oneshot_close_send(o);
    return weft_oneshot_send(o, &v);
}

int main(void)
{
    return weft_run(app, NULL);
}
