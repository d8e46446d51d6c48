/* SPDX-License-Identifier: MIT */
/*
 * mutexes.c - see mutexes.h.  The functions of the C library are put behind ours, which have their
 * names: whoever calls one from outside that library comes here first.  What it does by itself (its
 * own locks, and pthread_cond_wait(), which has the mutex again when it returns) does not.
 */
#define _GNU_SOURCE
#include "mutexes.h"

#ifdef WEFT__WATCHES_MUTEXES

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "machine.h"
#include "wait.h"
#include "watch.h"

#define PLACES_MAX 256 /* as many pairs of places are told */

static struct weft__mutexes *held_here(void)
{
    struct weft__m *m = weft__m_self();
    return m != NULL && m->cur != NULL ? &m->mutexes : NULL;
}

/* Returns rc, what the lock gave. */
static int note_lock(int rc, const void *mutex, const void *where)
{
    struct weft__mutexes *held = held_here();
    bool is_locked = rc == 0 || rc == EOWNERDEAD;
    if (is_locked && held != NULL && held->count < WEFT__HELD_MAX) {
        held->locks[held->count].mutex = mutex;
        held->locks[held->count].where = where;
        held->count++;
    }
    return rc;
}

/* The youngest of its locks: a mutex may be recursive. */
static void note_unlock(const void *mutex)
{
    struct weft__mutexes *held = held_here();
    int i = held != NULL ? held->count - 1 : -1;
    while (i >= 0 && held->locks[i].mutex != mutex) {
        i--;
    }
    if (i < 0) {
        return;
    }
    held->count--;
    for (; i < held->count; i++) {
        held->locks[i] = held->locks[i + 1];
    }
}

/* Is it the first time that one leaves at `where` with a lock from `locked_at`? */
static bool is_new(const void *where, const void *locked_at)
{
    static _Atomic uintptr_t told[PLACES_MAX];
    uintptr_t pair = ((uintptr_t)where * 31) ^ (uintptr_t)locked_at;
    for (int i = 0; i < PLACES_MAX; i++) {
        uintptr_t seen = 0;
        if (atomic_compare_exchange_strong_explicit(&told[i], &seen, pair, memory_order_relaxed,
                                                    memory_order_relaxed)) {
            return true;
        }
        if (seen == pair) {
            return false;
        }
    }
    return false;
}

void weft__mutexes_check(struct weft__m *m, const char *does, const void *where)
{
    for (int i = 0; i < m->mutexes.count; i++) {
        if (is_new(where, m->mutexes.locks[i].where)) {
            weft__report_held(m->cur, does, where, m->mutexes.locks[i].where);
        }
    }
    m->mutexes.count = 0;
}

void weft__mutexes_check_wait(struct weft__m *m)
{
    struct weft__wait *w = atomic_load_explicit(&m->cur->wait, memory_order_relaxed);
    weft__mutexes_check(m, "waits", w->caller);
}

/* ---- the functions ---- */

#define BEHIND __attribute__((visibility("default")))
#define CALLER __builtin_return_address(0)

/* The function of the C library; found again by each who comes before it is kept. */
static void *find_real(_Atomic(void *) *kept, const char *name)
{
    void *real = atomic_load_explicit(kept, memory_order_relaxed);
    if (real == NULL) {
        real = dlsym(RTLD_NEXT, name);
        atomic_store_explicit(kept, real, memory_order_relaxed);
    }
    return real;
}

/* Calls the real function `name` of the type of ours. */
#define REAL(name)                                                                                 \
    ({                                                                                             \
        static _Atomic(void *) kept_;                                                              \
        (__typeof__(&name))find_real(&kept_, #name);                                               \
    })

BEHIND int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    return note_lock(REAL(pthread_mutex_lock)(mutex), mutex, CALLER);
}

BEHIND int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    return note_lock(REAL(pthread_mutex_trylock)(mutex), mutex, CALLER);
}

BEHIND int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until)
{
    return note_lock(REAL(pthread_mutex_timedlock)(mutex, until), mutex, CALLER);
}

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 30)
BEHIND int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
                                   const struct timespec *until)
{
    return note_lock(REAL(pthread_mutex_clocklock)(mutex, clock, until), mutex, CALLER);
}
#endif

BEHIND int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    note_unlock(mutex); /* first: another one may free it once it is unlocked */
    return REAL(pthread_mutex_unlock)(mutex);
}

#endif
