/* SPDX-License-Identifier: MIT */
/*
 * rwlock_unlocked_unread.c - a read-write lock that nobody reads is not given back by a reader.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*reading
 */
#include <weft.h>

static int app(void *arg)
{
    struct weft_rwlock *rw = weft_rwlock_make();

    (void)arg;
    (void)weft_set_name("culprit");
    if (weft_rwlock_read_lock(rw) != 0)
        return 1;
    weft_rwlock_read_unlock(rw);
    weft_rwlock_read_unlock(rw);
    return 0;
}

int main(void)
{
    return weft_run(app, NULL);
}
