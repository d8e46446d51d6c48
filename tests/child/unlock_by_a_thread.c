/* SPDX-License-Identifier: MIT */
/*
 * unlock_by_a_thread.c - a mutex that a coroutine holds is not unlocked by a plain thread.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: weft_mutex_unlock: the caller does not hold the mutex$
 */
#include <pthread.h>
#include <weft.h>

static void *unlock(void *m)
{
    weft_mutex_unlock(m);
    return NULL;
}

static int app(void *arg)
{
    struct weft_mutex *m = weft_mutex_make();
    pthread_t th;

    (void)arg;
    if (weft_mutex_lock(m) != 0 || pthread_create(&th, NULL, unlock, m) != 0)
        return 1;
    return pthread_join(th, NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
