/* SPDX-License-Identifier: MIT */
/* file_test.h - what tests of files share: folders of their own, and what the pool has done. */
#ifndef WEFT_FILE_TEST_H
#define WEFT_FILE_TEST_H

#include "base/sys_try.h"
#include "co_test.h"

/* A path in a folder that is new for each process. */
TEST_FN const char *path_of(const char *name)
{
    static char folder[64], paths[8][128];
    static int n;
    char *path = paths[n++ % 8];

    if (folder[0] == 0) {
        const char *tmp = getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%.40s/weft-file-XXXXXX", tmp != NULL ? tmp : "/tmp");
        CHECK(mkdtemp(folder) != NULL);
    }
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* Removes what a test has made in that folder, and the folder. */
TEST_FN void remove_all(void)
{
    struct weft_dir *dir;
    struct weft_dir_entry entry;

    CHECK_EQ(weft_dir_open(&dir, path_of("")), 0);
    while (weft_dir_next(dir, &entry) == 1)
        CHECK_EQ(remove(path_of(entry.name)), 0);
    weft_dir_close(dir);
    CHECK_EQ(rmdir(path_of("")), 0);
}

TEST_FN struct weft_stats stats_now(void)
{
    struct weft_stats stats = {.size = sizeof stats};

    CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    return stats;
}

/* Can the file system read what is in memory without waiting?  Some cannot. */
TEST_FN bool can_be_tried(int fd)
{
    char byte;
    return preadv2(fd, &(struct iovec){&byte, 1}, 1, 0, RWF_NOWAIT) == 1;
}

#endif
