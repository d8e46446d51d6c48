/* SPDX-License-Identifier: MIT */
/*
 * whole.c - a file read or replaced as a whole, each in one job of the pool: six calls one by one
 * would be six changes of threads, and an end in the middle to clean up after.
 */
#include <weft/file.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "../base/sys.h"
#include "../park/job.h"
#include "beside.h"

static int have_done(int (*fn)(void *), void *arg, const void *caller)
{
    int result = 0;
    int rc = weft__park_job(fn, arg, &result, WAIT_PATH, NULL, caller);
    return rc != 0 ? rc : result;
}

/* ---- read ---- */

#define FIRST_BYTES ((size_t)4096)

struct reading {
    const char *path;
    size_t limit;
    char *data;
    size_t n, room; /* one byte of room is for the end */
};

/* As much room as the size says, if it says anything; more when that is used up. */
static int make_room(struct reading *r, size_t wanted)
{
    size_t room = wanted < r->limit ? wanted : r->limit;
    char *data = weft__alloc(room + 1);
    if (data == NULL) {
        return -ENOMEM;
    }
    if (r->n > 0) {
        memcpy(data, r->data, r->n);
    }
    weft__free(r->data);
    r->data = data;
    r->room = room;
    return 0;
}

/* There is no room left, so one byte shows whether it is the end. */
static int read_one_more(struct reading *r, int fd)
{
    char byte;
    ssize_t got = weft__sys_readv(fd, &(struct iovec){&byte, 1}, 1);
    if (got <= 0) {
        return (int)got;
    }
    if (r->n == r->limit) {
        return -EFBIG;
    }
    int rc = make_room(r, r->room < SIZE_MAX / 2 ? 2 * r->room + FIRST_BYTES : SIZE_MAX - 1);
    if (rc == 0) {
        r->data[r->n++] = byte;
    }
    return rc == 0 ? 1 : rc;
}

static int read_from(struct reading *r, int fd)
{
    struct stat st;
    int rc = weft__sys_fstat(fd, &st);
    size_t bytes = rc == 0 && st.st_size > 0 ? (size_t)st.st_size : FIRST_BYTES;
    if (rc == 0) {
        bool is_too_long = S_ISREG(st.st_mode) && st.st_size > 0 && bytes > r->limit;
        rc = is_too_long ? -EFBIG : make_room(r, bytes);
    }
    ssize_t got = 1;
    while (rc == 0 && got > 0) {
        if (r->n < r->room) {
            got = weft__sys_readv(fd, &(struct iovec){r->data + r->n, r->room - r->n}, 1);
            r->n += got > 0 ? (size_t)got : 0;
        } else {
            got = read_one_more(r, fd);
        }
    }
    return rc != 0 ? rc : (int)got;
}

static int read_it(void *arg)
{
    struct reading *r = arg;
    int fd = weft__sys_open(r->path, O_RDONLY, 0);
    if (fd < 0) {
        return fd;
    }
    int rc = read_from(r, fd);
    (void)weft__sys_close(fd);
    if (rc != 0) {
        weft__free(r->data);
    }
    return rc;
}

ssize_t weft_file_read_all(const char *path, size_t limit, char **data)
{
    struct reading r = {.path = path, .limit = limit < SSIZE_MAX ? limit : SSIZE_MAX - 1};
    int rc = have_done(read_it, &r, __builtin_return_address(0));
    if (rc != 0) {
        return rc;
    }
    r.data[r.n] = 0;
    *data = r.data;
    return (ssize_t)r.n;
}

void weft_file_free(char *data)
{
    weft__free(data);
}

/* ---- replace ---- */

struct replacing {
    const char *path;
    const char *data;
    size_t bytes;
    mode_t mode;
};

/* Another file keeps its rights. */
static int copy_rights(int fd, const char *path)
{
    struct stat st;
    int rc = weft__sys_stat(path, &st, false);
    if (rc == -ENOENT) {
        return 0;
    }
    return rc != 0 || !S_ISREG(st.st_mode) ? rc : weft__sys_fchmod(fd, st.st_mode & 07777);
}

static int write_all(int fd, const char *data, size_t bytes)
{
    for (size_t done = 0; done < bytes;) {
        struct iovec rest = {.iov_base = (char *)(uintptr_t)data + done, .iov_len = bytes - done};
        ssize_t put = weft__sys_pwrite(fd, &rest, 1, (int64_t)done);
        if (put < 0) {
            return (int)put;
        }
        done += (size_t)put;
    }
    return 0;
}

/* The name is in the folder: that goes to the disk, too. */
static int sync_folder(const char *path)
{
    char folder[WEFT__PATH_BYTES];
    weft__beside_folder(folder, path);
    int fd = weft__sys_open(folder, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        return fd;
    }
    int rc = weft__sys_fsync(fd, false);
    (void)weft__sys_close(fd);
    return rc == -EINVAL ? 0 : rc; /* there are file systems that have nothing to do there */
}

static int replace_it(void *arg)
{
    const struct replacing *r = arg;
    char beside[WEFT__PATH_BYTES];
    int fd = weft__beside_make(beside, r->path, r->mode);
    if (fd < 0) {
        return fd;
    }
    int rc = copy_rights(fd, r->path);
    rc = rc == 0 ? write_all(fd, r->data, r->bytes) : rc;
    rc = rc == 0 ? weft__sys_fsync(fd, false) : rc;
    int closed = weft__sys_close(fd);
    rc = rc == 0 ? closed : rc;
    rc = rc == 0 ? weft__sys_rename(beside, r->path) : rc;
    if (rc != 0) {
        (void)weft__sys_unlink(beside);
        return rc;
    }
    return sync_folder(r->path);
}

int weft_file_replace(const char *path, const void *data, size_t bytes, mode_t mode)
{
    struct replacing r = {.path = path, .data = data, .bytes = bytes, .mode = mode};
    return have_done(replace_it, &r, __builtin_return_address(0));
}

/* ---- temporary ---- */

static int make_temp(void *arg)
{
    const char *dir = *(const char **)arg;
    int fd = weft__sys_open_temp(dir, 0600);
    if (fd != -EOPNOTSUPP) {
        return fd;
    }
    /* A file system that knows no such files: one whose name is taken away again. */
    char path[WEFT__PATH_BYTES];
    fd = weft__beside_make_in(path, dir, strlen(dir), 0600);
    if (fd >= 0) {
        (void)weft__sys_unlink(path);
    }
    return fd;
}

int weft_temp_file(const char *dir)
{
    if (dir == NULL) {
        dir = weft__sys_env("TMPDIR");
    }
    if (dir == NULL || *dir == 0) {
        dir = "/tmp";
    }
    return have_done(make_temp, &dir, __builtin_return_address(0));
}
