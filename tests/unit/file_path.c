/* SPDX-License-Identifier: MIT */
/*
 * file_path.c - what is done by paths: names, folders, files as a whole, temporary ones.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include "file_test.h"

static void make_file(const char *name, const char *text)
{
    CHECK_EQ(weft_file_replace(path_of(name), text, strlen(text), 0644), 0);
}

static void expect_text(const char *name, const char *text)
{
    char *data;

    CHECK_EQ(weft_file_read_all(path_of(name), 1 << 20, &data), strlen(text));
    CHECK_STR(data, text);
    weft_file_free(data);
}

CO_TEST(an_opened_file_is_not_inherited)
{
    int fd = weft_open(path_of("file"), O_RDWR | O_CREAT | O_EXCL, 0640);
    struct stat st;

    CHECK_GE(fd, 0);
    CHECK_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    CHECK_EQ(weft_fstat(fd, &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0640 & ~umask(umask(0)));
    CHECK_EQ(weft_open(path_of("file"), O_RDWR | O_CREAT | O_EXCL, 0640), -EEXIST);
    CHECK_EQ(weft_open(path_of("nothing"), O_RDONLY, 0), -ENOENT);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_fstat(fd, &st), -EBADF);
    remove_all();
    return 0;
}

CO_TEST(names_come_and_go)
{
    struct stat st;
    int fd;

    make_file("a", "0123456789");
    CHECK_EQ(weft_rename(path_of("a"), path_of("b")), 0);
    CHECK_EQ(weft_stat(path_of("a"), &st), -ENOENT);
    CHECK_EQ(weft_rename(path_of("a"), path_of("b")), -ENOENT);
    CHECK_EQ(weft_truncate(path_of("b"), 4), 0);
    CHECK_EQ(weft_truncate(path_of("b"), -1), -EINVAL);
    expect_text("b", "0123");
    CHECK_EQ(symlink("b", path_of("link")), 0);
    CHECK_EQ(weft_stat(path_of("link"), &st), 0);
    CHECK(S_ISREG(st.st_mode) && st.st_size == 4);
    CHECK_EQ(weft_lstat(path_of("link"), &st), 0);
    CHECK(S_ISLNK(st.st_mode));
    fd = weft_open(path_of("link"), O_WRONLY, 0);
    CHECK_GE(fd, 0);
    CHECK_EQ(weft_ftruncate(fd, 2), 0);
    CHECK_EQ(weft_close(fd), 0);
    expect_text("b", "01");
    CHECK_EQ(weft_mkdir(path_of("folder"), 0700), 0);
    CHECK_EQ(weft_mkdir(path_of("folder"), 0700), -EEXIST);
    CHECK_EQ(weft_rename(path_of("b"), path_of("folder/b")), 0);
    CHECK_EQ(weft_rmdir(path_of("folder")), -ENOTEMPTY);
    CHECK_EQ(weft_unlink(path_of("folder/b")), 0);
    CHECK_EQ(weft_unlink(path_of("folder/b")), -ENOENT);
    CHECK_EQ(weft_rmdir(path_of("folder")), 0);
    CHECK_EQ(weft_rmdir(path_of("folder")), -ENOENT);
    remove_all();
    return 0;
}

/* ---- folders ---- */

/* Goal: every name is given once, however many batches they take, and "." and ".." are not.
 * Method: 1,500 names of 40 bytes, more than a batch holds; the list is read in an ended scope as
 * far as that goes, which loses nothing. */
CO_TEST(a_folder_is_listed_with_each_name_once)
{
    enum { FILES = 1500 };
    static bool was_seen[FILES];
    struct weft_dir *dir;
    struct weft_dir_entry entry;
    char name[64];
    int i, rc, n_ended = 0;

    for (i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "%04d-----------------------------------", i);
        int fd = open(path_of(name), O_WRONLY | O_CREAT, 0600);
        CHECK_GE(fd, 0);
        CHECK_EQ(close(fd), 0);
    }
    CHECK_EQ(weft_dir_open(&dir, path_of("")), 0);
    do {
        WEFT_DEADLINE (s, -1)
            rc = weft_dir_next(dir, &entry);
        if (rc == -ETIMEDOUT) {
            rc = weft_dir_next(dir, &entry);
            n_ended++;
        }
        if (rc == 1) {
            i = atoi(entry.name);
            CHECK(i >= 0 && i < FILES && !was_seen[i]);
            was_seen[i] = true;
            CHECK(entry.type == S_IFREG || entry.type == 0);
            CHECK_NE(entry.inode, 0);
        }
    } while (rc == 1);
    CHECK_EQ(rc, 0);
    CHECK_EQ(weft_dir_next(dir, &entry), 0);
    CHECK_GE(n_ended, 2);
    weft_dir_close(dir);
    for (i = 0; i < FILES; i++)
        CHECK(was_seen[i]);
    remove_all();
    return 0;
}

CO_TEST(what_is_no_folder_is_not_listed)
{
    struct weft_dir *dir;

    make_file("file", "");
    CHECK_EQ(weft_dir_open(&dir, path_of("file")), -ENOTDIR);
    CHECK_EQ(weft_dir_open(&dir, path_of("nothing")), -ENOENT);
    CHECK_EQ(weft_dir_open(&dir, path_of("")), 0);
    weft_dir_close(dir); /* before its end */
    weft_dir_close(NULL);
    remove_all();
    return 0;
}

/* ---- whole files ---- */

CO_TEST(a_whole_file_is_read_up_to_the_limit)
{
    static char text[20000];
    char *data = NULL;

    memset(text, 'x', sizeof text - 1);
    make_file("file", text);
    CHECK_EQ(weft_file_read_all(path_of("file"), sizeof text - 1, &data), sizeof text - 1);
    CHECK_STR(data, text);
    weft_file_free(data);
    data = NULL;
    CHECK_EQ(weft_file_read_all(path_of("file"), sizeof text - 2, &data), -EFBIG);
    CHECK_EQ(weft_file_read_all(path_of("file"), 0, &data), -EFBIG);
    CHECK_EQ(weft_file_read_all(path_of("nothing"), 10, &data), -ENOENT);
    CHECK_EQ(weft_file_read_all(path_of(""), 10, &data), -EISDIR);
    CHECK(data == NULL);
    CHECK_EQ(truncate(path_of("file"), INT64_C(1) << 40), 0); /* no memory is taken for this */
    CHECK_EQ(weft_file_read_all(path_of("file"), 1 << 20, &data), -EFBIG);
    make_file("empty", "");
    CHECK_EQ(weft_file_read_all(path_of("empty"), 0, &data), 0);
    CHECK_STR(data, "");
    weft_file_free(data);
    weft_file_free(NULL);
    remove_all();
    return 0;
}

/* Goal: a file whose size says nothing is read to its end.
 * Method: those of /proc have size 0; this one is longer than the first room. */
CO_TEST(a_file_without_a_size_is_read_to_its_end)
{
    char *data;
    ssize_t n = weft_file_read_all("/proc/kallsyms", SIZE_MAX, &data);

    if (n == -ENOENT || n == 0)
        SKIP("no /proc/kallsyms");
    CHECK_GT(n, 5000);
    CHECK_EQ(strlen(data), n);
    CHECK_EQ(data[n - 1], '\n');
    weft_file_free(data);
    return 0;
}

static const char *replaced; /* by several: path_of() is for one at a time */

static int replace_often(void *arg)
{
    static char text[2][9000];
    const int k = *(int *)arg;

    memset(text[k], 'a' + k, sizeof text[k]);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(weft_file_replace(replaced, text[k], (size_t)(8000 + k), 0600), 0);
    return 0;
}

/* Goal: whoever reads while others replace finds one of the contents, whole. */
CO_TEST(a_replaced_file_is_the_old_or_the_new_one)
{
    int which[2] = {0, 1};
    struct weft_co *writers[2];
    char *data;

    replaced = path_of("file");
    CHECK_EQ(replace_often(&which[0]), 0);
    for (int i = 0; i < 2; i++)
        writers[i] = weft_go_with(replace_often, &which[i]);
    while (!weft_done(writers[0]) || !weft_done(writers[1])) {
        ssize_t n = weft_file_read_all(replaced, 10000, &data);
        CHECK(n == 8000 || n == 8001);
        for (ssize_t i = 0; i < n; i++)
            CHECK_EQ(data[i], n == 8000 ? 'a' : 'b');
        weft_file_free(data);
    }
    join(writers[0]);
    join(writers[1]);
    CHECK_EQ(unlink(replaced), 0);
    CHECK_EQ(rmdir(path_of("")), 0); /* nothing was left beside it */
    return 0;
}

CO_TEST(a_replaced_file_keeps_its_rights_and_a_failure_leaves_nothing)
{
    struct stat st;

    make_file("file", "old");
    CHECK_EQ(chmod(path_of("file"), 0604), 0);
    CHECK_EQ(weft_file_replace(path_of("file"), "new", 3, 0777), 0);
    expect_text("file", "new");
    CHECK_EQ(weft_stat(path_of("file"), &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0604);
    CHECK_EQ(weft_mkdir(path_of("folder"), 0700), 0);
    CHECK_EQ(weft_file_replace(path_of("folder"), "new", 3, 0600), -EISDIR);
    CHECK_EQ(weft_file_replace(path_of("nothing/file"), "new", 3, 0600), -ENOENT);
    CHECK_EQ(rmdir(path_of("folder")), 0);
    CHECK_EQ(unlink(path_of("file")), 0);
    CHECK_EQ(chdir(path_of("")), 0);
    CHECK_EQ(weft_file_replace("here", "new", 3, 0600), 0);
    CHECK_EQ(unlink("here"), 0);
    CHECK_EQ(rmdir(path_of("")), 0);
    return 0;
}

CO_TEST(a_temporary_file_has_no_name)
{
    int fd = weft_temp_file(path_of(""));
    struct stat st;
    char bytes[3];

    CHECK_GE(fd, 0);
    CHECK_EQ(rmdir(path_of("")), 0);
    CHECK_EQ(weft_fstat(fd, &st), 0);
    CHECK_EQ(st.st_nlink, 0);
    CHECK_EQ(st.st_mode & 07777, 0600);
    CHECK_EQ(weft_pwrite(fd, "abc", 3, 0), 3);
    CHECK_EQ(weft_pread(fd, bytes, 3, 0), 3);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_temp_file("/nothing/there"), -ENOENT);
    setenv("TMPDIR", "/nothing/there", 1);
    CHECK_EQ(weft_temp_file(NULL), -ENOENT);
    unsetenv("TMPDIR");
    fd = weft_temp_file(NULL);
    CHECK_GE(fd, 0);
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}
