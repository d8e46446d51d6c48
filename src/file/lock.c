/* SPDX-License-Identifier: MIT */
/*
 * lock.c - locks between programs, waited for by looking again and again.
 *
 * A thread that waits in flock(2) could be interrupted by a signal alone; and each waiter would
 * have one of the pool, till none is left for him who has the lock and needs one to get on.
 */
#include <weft/file.h>

#include <errno.h>
#include <sys/file.h>

#include "../base/clock.h"
#include "../base/sys.h"
#include "../io/io.h"
#include "../reactor/driver.h"

#define FIRST_PAUSE_NS ((int64_t)1000000)
#define LAST_PAUSE_NS (50 * FIRST_PAUSE_NS)

static int operation_of(enum weft_file_lock_kind kind)
{
    return kind == WEFT_FILE_LOCK_SHARED ? LOCK_SH : kind == WEFT_FILE_LOCK_EXCLUSIVE ? LOCK_EX : 0;
}

/* Look once.  *life: of the fd when the call began, 0 at its first look: it may be closed while the
 * caller waits, and the number be another file. */
static int look(int fd, int operation, uint32_t *life)
{
    struct weft__fd *entry;
    int rc = weft__io_hold(fd, &entry);
    if (rc != 0) {
        return rc;
    }
    if (entry != NULL && *life == 0) {
        *life = weft__fd_generation(entry);
    }
    rc = entry != NULL && *life != weft__fd_generation(entry)
             ? -EBADF
             : weft__sys_flock_now(fd, operation);
    weft__io_let_go(entry);
    return rc;
}

static int pause_for(int64_t delay_ns, int fd, const void *caller)
{
    struct weft__wait w;
    weft__park_init(&w);
    weft__park_until(&w, weft__clock_after(weft__clock_ns(), delay_ns), 0);
    weft__park_begin(&w, WAIT_FILE_LOCK, (const void *)(intptr_t)fd, caller);
    return weft__park_wait(&w);
}

int weft_file_lock(int fd, enum weft_file_lock_kind kind)
{
    int operation = operation_of(kind);
    if (operation == 0) {
        return -EINVAL;
    }
    uint32_t life = 0;
    int64_t delay_ns = FIRST_PAUSE_NS;
    int rc;
    while ((rc = look(fd, operation, &life)) == -EAGAIN) {
        rc = pause_for(delay_ns, fd, __builtin_return_address(0));
        if (rc != 0) {
            break;
        }
        delay_ns = delay_ns < LAST_PAUSE_NS / 2 ? 2 * delay_ns : LAST_PAUSE_NS;
    }
    return rc;
}

int weft_file_try_lock(int fd, enum weft_file_lock_kind kind)
{
    int operation = operation_of(kind);
    return operation != 0 ? weft__sys_flock_now(fd, operation) : -EINVAL;
}

int weft_file_unlock(int fd)
{
    return weft__sys_flock_now(fd, LOCK_UN);
}
