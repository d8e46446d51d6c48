/* SPDX-License-Identifier: MIT */
/*
 * unlock_by_a_stranger.c - a mutex is unlocked by its holder only.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*mutex
 */
#include <weft.h>

static int unlock(void *m)
{
    weft_mutex_unlock(m);
    return 0;
}

static int app(void *arg)
{
    struct weft_mutex *m = weft_mutex_make();

    (void)arg;
    if (weft_mutex_lock(m) != 0)
        return 1;
    return weft_join(weft_go_with(unlock, m, .name = "culprit"), NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
