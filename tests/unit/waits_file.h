/* SPDX-License-Identifier: MIT */
/* waits_file.h - of waits.h: the wait for the lock of a file. */
#ifndef WEFT_TESTS_WAITS_FILE_H
#define WEFT_TESTS_WAITS_FILE_H

#include "waits_world.h"

static ssize_t call_file_lock(struct world *w)
{
    return weft_file_lock(w->file, WEFT_FILE_LOCK_EXCLUSIVE);
}

static void unlock_file(struct world *w)
{
    CHECK_EQ(weft_file_unlock(w->locked), 0);
}

static void unlock_again(struct world *w, ssize_t rc)
{
    (void)rc;
    CHECK_EQ(weft_file_unlock(w->file), 0);
    CHECK_EQ(weft_file_lock(w->locked, WEFT_FILE_LOCK_EXCLUSIVE), 0);
}

static void close_file(struct world *w)
{
    CHECK_EQ(weft_close(w->file), 0);
    w->closed_fd = w->file;
}

#endif
