/* SPDX-License-Identifier: MIT */
/*
 * rwlock_read_while_written.c - who holds a read-write lock for writing does not read beside that.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*read-write lock
 */
#include <weft.h>

static int app(void *arg)
{
    struct weft_rwlock *rw = weft_rwlock_make();

    (void)arg;
    (void)weft_set_name("culprit");
    if (weft_rwlock_write_lock(rw) != 0)
        return 1;
    return weft_rwlock_read_lock(rw);
}

int main(void)
{
    return weft_run(app, NULL);
}
