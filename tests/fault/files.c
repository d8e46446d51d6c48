/* SPDX-License-Identifier: MIT */
/*
 * files.c - the k-th call on files fails: no crash, no hang, no fd and no file left behind, and a
 * file that is replaced is the old or the new one.
 *
 * Method: the files that hold the fault door are compiled into this program with the door open.  A
 * scenario does all that there is with files; it runs for k = 1, 2, ... until nothing was left to
 * fail, and then without failures.
 *
 * cflags: -DWEFT_FAULT
 * matrix: short
 */
#define _GNU_SOURCE
#include "base/memory.c"
#include "base/sys.c"
#include "base/sys_linux.c"
#include "base/sys_epoll.c"
#include "base/sys_fd.c"
#include "base/sys_file.c"

#include "file_test.h"
#include "net_test.h"
#include "one_call.h"

/* ---- the scenario ---- */

static int use_file(int fd)
{
    char bytes[64] = "";
    struct stat st;
    struct weft_file_alignment a;
    int rc = first_error(weft_pwrite(fd, "0123456789", 10, 0), weft_fsync(fd));

    if (rc == 0) {
        ssize_t n = weft_pread(fd, bytes, sizeof bytes, 0);
        CHECK(n < 0 || n == 10);
        rc = (int)(n < 0 ? n : 0);
    }
    rc = first_error(rc, weft_fdatasync(fd));
    rc = first_error(rc, weft_ftruncate(fd, 5));
    rc = first_error(rc, weft_fstat(fd, &st));
    int alignment = weft_file_alignment(fd, &a);
    rc = first_error(rc, alignment == -EOPNOTSUPP ? 0 : alignment);
    rc = first_error(rc, weft_file_lock(fd, WEFT_FILE_LOCK_EXCLUSIVE));
    return first_error(rc, weft_file_unlock(fd));
}

static int use_names(void)
{
    struct stat st;
    int rc = weft_mkdir(path_of("folder"), 0700);

    rc = first_error(rc, weft_rename(path_of("file"), path_of("folder/file")));
    rc = first_error(rc, weft_stat(path_of("folder/file"), &st));
    rc = first_error(rc, weft_lstat(path_of("folder/file"), &st));
    rc = first_error(rc, weft_truncate(path_of("folder/file"), 1));
    rc = first_error(rc, weft_unlink(path_of("folder/file")));
    return first_error(rc, weft_rmdir(path_of("folder")));
}

static int list_folder(void)
{
    struct weft_dir *dir;
    struct weft_dir_entry entry;
    int rc = weft_dir_open(&dir, path_of(""));

    if (rc != 0)
        return rc;
    while ((rc = weft_dir_next(dir, &entry)) == 1)
        CHECK(entry.name[0] != '.');
    weft_dir_close(dir);
    return rc;
}

static int use_whole(void)
{
    char *text;
    int rc = weft_file_replace(path_of("settings"), "old", 3, 0600);

    rc = first_error(rc, weft_file_replace(path_of("settings"), "newer", 5, 0600));
    ssize_t n = weft_file_read_all(path_of("settings"), 100, &text);
    if (n >= 0) {
        CHECK(rc == 0 ? strcmp(text, "newer") == 0
                      : strcmp(text, "newer") == 0 || strcmp(text, "old") == 0);
        weft_file_free(text);
    }
    return first_error(rc, n);
}

static int scenario(void)
{
    int fd = weft_open(path_of("file"), O_RDWR | O_CREAT, 0600);
    int rc = fd;

    if (fd >= 0) {
        rc = use_file(fd);
        CHECK_EQ(weft_close(fd), 0);
    }
    rc = first_error(rc, use_names());
    rc = first_error(rc, use_whole());
    rc = first_error(rc, list_folder());
    fd = weft_temp_file(path_of(""));
    if (fd >= 0)
        CHECK_EQ(weft_close(fd), 0);
    return first_error(rc, fd);
}

/* Whatever was left of those that the scenario has named; and nothing else was. */
static void clean_up(void)
{
    const char *const names[] = {"folder/file", "folder", "file", "settings"};

    for (int i = 0; i < COUNT(names); i++)
        (void)remove(path_of(names[i]));
    if (rmdir(path_of("")) != 0)
        TEST_FAIL("call %d of kind %d, %s: something is left", k, kind, weft_strerror(error));
    CHECK_EQ(mkdir(path_of(""), 0700), 0);
}

static int sweep(void)
{
    int n_fds = 0;

    for (k = 1;; k++) {
        n_calls = 0;
        was_injected = false;
        is_armed = true;
        int rc = scenario();
        is_armed = false;
        clean_up();
        if (rc < -4095 || (!was_injected && rc != 0))
            TEST_FAIL("call %d of kind %d: %d", k, kind, rc);
        if (k == 1)
            n_fds = open_fds();
        CHECK_EQ(open_fds(), n_fds);
        if (!was_injected)
            return k - 1;
    }
}

CO_TEST(no_failing_call_on_files_leaves_anything)
{
    static const struct {
        enum weft__call kind;
        int error, least;
    } failures[] = {
        {WEFT__CALL_FILE, -EIO, 30},
        {WEFT__CALL_FILE, -EAGAIN, 30},
        {WEFT__CALL_READ, -EIO, 1},
        {WEFT__CALL_ALLOC, -ENOMEM, 2},
    };

    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0); /* where an fsync takes no disk */
    CHECK_EQ(scenario(), 0);
    clean_up();
    weft__sys_fault = decide;
    for (int i = 0; i < COUNT(failures); i++) {
        kind = failures[i].kind;
        error = failures[i].error;
        CHECK_GE(sweep(), failures[i].least);
    }
    CHECK_EQ(rmdir(path_of("")), 0);
    return 0;
}
