/* SPDX-License-Identifier: MIT */
/* mutex.h - what a condition variable asks of a mutex. */
#ifndef WEFT_SYNC_MUTEX_H
#define WEFT_SYNC_MUTEX_H

#include <weft/sync.h>

/* Does the caller hold it? */
bool weft__mutex_is_mine(const struct weft_mutex *m);

/* weft_mutex_lock() that no scope ends. */
void weft__mutex_lock_again(struct weft_mutex *m, const void *caller);

#endif
