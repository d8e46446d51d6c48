/* SPDX-License-Identifier: MIT */
/*
 * mutex_locked_twice_by_a_thread.c - a plain thread that takes a mutex which it holds is told so.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: weft_mutex_lock: the caller holds the mutex already$
 */
#include <weft.h>

int main(void)
{
    struct weft_mutex *m = weft_mutex_make();

    if (weft_mutex_lock(m) != 0)
        return 1;
    return weft_mutex_lock(m);
}
