/* SPDX-License-Identifier: MIT */
/* calls_file.h - of calls.h: the calls on files and folders. */
#ifndef WEFT_TESTS_CALLS_FILE_H
#define WEFT_TESTS_CALLS_FILE_H

#include "calls.h"

/* A call with a list of the folder / and room for an entry. */
#define LISTING(call)                                                                              \
    ({                                                                                             \
        struct weft_dir *dir;                                                                      \
        struct weft_dir_entry entry __attribute__((unused));                                       \
        int64_t rc_ = weft_dir_open(&dir, "/");                                                    \
        if (rc_ == 0) {                                                                            \
            rc_ = (call);                                                                          \
            weft_dir_close(dir);                                                                   \
        }                                                                                          \
        rc_;                                                                                       \
    })

static int64_t read_and_free(const char *path)
{
    char *text = NULL;
    int64_t n = weft_file_read_all(path, 0, &text);

    weft_file_free(text);
    return n;
}

ROW("weft_open", ANY_THREAD, 0, 0, 0, OPENED(weft_open("/dev/null", O_RDONLY, 0)))
ROW("weft_pread", ANY_THREAD, 1, 1, 1, weft_pread(t->file, (char[1]){0}, 1, 0))
ROW("weft_pwrite", ANY_THREAD, 1, 1, 1, weft_pwrite(t->file, "x", 1, 0))
ROW("weft_preadv", ANY_THREAD, 1, 1, 1,
    weft_preadv(t->file, &(struct iovec){(char[1]){0}, 1}, 1, 0))
ROW("weft_pwritev", ANY_THREAD, 1, 1, 1,
    weft_pwritev(t->file, &(struct iovec){(char[1]){0}, 1}, 1, 0))
ROW("weft_fsync", ANY_THREAD, 0, 0, 0, weft_fsync(t->file))
ROW("weft_fdatasync", ANY_THREAD, 0, 0, 0, weft_fdatasync(t->file))
ROW("weft_stat", ANY_THREAD, 0, 0, 0, weft_stat("/", &(struct stat){0}))
ROW("weft_lstat", ANY_THREAD, 0, 0, 0, weft_lstat("/", &(struct stat){0}))
ROW("weft_fstat", ANY_THREAD, 0, 0, 0, weft_fstat(t->file, &(struct stat){0}))
ROW("weft_truncate", ANY_THREAD, -EISDIR, -EISDIR, -EISDIR, weft_truncate("/", 0))
ROW("weft_ftruncate", ANY_THREAD, 0, 0, 0, weft_ftruncate(t->file, 1))
ROW("weft_rename", ANY_THREAD, -ENOENT, -ENOENT, -ENOENT, weft_rename("", ""))
ROW("weft_unlink", ANY_THREAD, -ENOENT, -ENOENT, -ENOENT, weft_unlink(""))
ROW("weft_mkdir", ANY_THREAD, -EEXIST, -EEXIST, -EEXIST, weft_mkdir("/", 0700))
ROW("weft_rmdir", ANY_THREAD, -ENOENT, -ENOENT, -ENOENT, weft_rmdir(""))
ROW("weft_temp_file", ANY_THREAD, 0, 0, 0, OPENED(weft_temp_file(NULL)))
ROW("weft_dir_open", ANY_THREAD, 0, 0, 0, LISTING(0))
ROW("weft_dir_next", ANY_THREAD, 1, 1, 1, LISTING(weft_dir_next(dir, &entry)))
ROW("weft_dir_close", ANY_THREAD, 0, 0, 0, DONE(weft_dir_close(NULL)))
ROW("weft_file_lock", ANY_THREAD, 0, 0, 0, weft_file_lock(t->file, WEFT_FILE_LOCK_SHARED))
ROW("weft_file_try_lock", ANY_THREAD, 0, 0, 0, weft_file_try_lock(t->file, WEFT_FILE_LOCK_SHARED))
ROW("weft_file_unlock", ANY_THREAD, 0, 0, 0, weft_file_unlock(t->file))
ROW("weft_file_read_all", ANY_THREAD, 0, 0, 0, read_and_free("/dev/null"))
ROW("weft_file_free", EVERYWHERE, 0, 0, 0, DONE(weft_file_free(NULL)))
ROW("weft_file_replace", ANY_THREAD, -ENOENT, -ENOENT, -ENOENT,
    weft_file_replace("/nothing/there", "", 0, 0600))
ROW("weft_file_alignment", ANY_THREAD, -EBADF, -EBADF, -EBADF,
    weft_file_alignment(-1, &(struct weft_file_alignment){0, 0}))
ROW("weft_file_align", EVERYWHERE, 0, 0, 0,
    weft_file_align(&(struct weft_file_alignment){1, 1}, &(int64_t){0}, &(size_t){0}))

#endif
