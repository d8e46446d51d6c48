/* SPDX-License-Identifier: MIT */
/*
 * rwlock_unlocked_by_a_stranger.c - a read-write lock that is held for writing is unlocked by its
 * holder only.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*writing
 */
#include <weft.h>

static int unlock(void *rw)
{
    weft_rwlock_write_unlock(rw);
    return 0;
}

static int app(void *arg)
{
    struct weft_rwlock *rw = weft_rwlock_make();

    (void)arg;
    if (weft_rwlock_write_lock(rw) != 0)
        return 1;
    return weft_join(weft_go_with(unlock, rw, .name = "culprit"), NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
