/* SPDX-License-Identifier: MIT */
/*
 * wait_group_below_zero.c - the count of a wait group does not go below 0.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*wait group
 */
#include <weft.h>

static int app(void *arg)
{
    struct weft_wait_group *wg = weft_wg_make();

    (void)arg;
    (void)weft_set_name("culprit");
    weft_wg_add(wg, 1);
    weft_wg_done(wg);
    weft_wg_done(wg);
    return 0;
}

int main(void)
{
    return weft_run(app, NULL);
}
