/* SPDX-License-Identifier: MIT */
/*
 * locks_left_behind.c - a coroutine that ends with locks in its hands is told of, and so are those
 * who wait for them ever after.  Its descriptor may be somebody else's by then, who holds nothing.
 *
 * env: WEFT_PROCS=1
 * expect-exit: 2
 * expect-stderr: ^weft: coroutine [0-9]+ "careless", spawned at .*:51, has ended and holds mutex 0x
 * expect-stderr: ^weft: coroutine [0-9]+ "careless", .* has ended and holds write lock 0x
 * expect-stderr: ^weft: deadlock: all 3 coroutines wait
 * expect-stderr: ^coroutine [0-9]+ "main" waits: mutex 0x.*, held by coroutine .*, which has ended$
 * expect-stderr: ^coroutine [0-9]+ "next" waits: mutex 0x.*, held by coroutine .*, which has ended$
 * expect-stderr: ^coroutine [0-9]+ "reader" waits: read lock .*, held by .*, which has ended$
 */
#include <weft.h>

static struct weft_mutex *m, *given_back;
static struct weft_rwlock *rw;

static int take_and_forget(void *arg)
{
    (void)arg;
    if (weft_mutex_lock(m) != 0 || weft_mutex_lock(given_back) != 0 ||
        weft_rwlock_write_lock(rw) != 0)
        return 1;
    weft_mutex_unlock(given_back);
    return 0;
}

static int lock(void *arg)
{
    (void)arg;
    return weft_mutex_lock(m);
}

static int read_lock(void *arg)
{
    (void)arg;
    return weft_rwlock_read_lock(rw);
}

static int app(void *arg)
{
    (void)arg;
    m = weft_mutex_make();
    given_back = weft_mutex_make();
    rw = weft_rwlock_make();
    if (weft_mutex_lock(given_back) != 0)
        return 1;
    weft_mutex_unlock(given_back);
    if (weft_join(weft_go_with(take_and_forget, NULL, .name = "careless"), NULL) != 0)
        return 1;
    weft_detach(weft_go_with(lock, NULL, .name = "next"));
    weft_detach(weft_go_with(read_lock, NULL, .name = "reader"));
    if (weft_mutex_lock(given_back) != 0)
        return 1;
    weft_mutex_unlock(given_back);
    return weft_mutex_lock(m);
}

int main(void)
{
    return weft_run(app, NULL);
}
