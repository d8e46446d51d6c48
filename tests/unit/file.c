/* SPDX-License-Identifier: MIT */
/*
 * file.c - reading and writing files: at a place, at the fd's own position, from memory and by way
 * of a disk.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include <limits.h>

#include "file_test.h"

#define FILE_BYTES 65536

static int open_new(const char *name, int flags)
{
    int fd = weft_open(path_of(name), O_RDWR | O_CREAT | O_EXCL | flags, 0600);

    CHECK_GE(fd, 0);
    return fd;
}

/* Goal: what is in memory costs no thread and no wait, also in a scope that has ended.
 * Method: the counters do not move. */
CO_TEST(what_is_in_memory_is_read_at_once)
{
    char block[4096] = "here";
    int fd = open_new("memory", 0);

    CHECK_EQ(weft_pwrite(fd, block, sizeof block, 4096), sizeof block);
    if (!can_be_tried(fd))
        SKIP("this file system cannot be tried");
    const struct weft_stats before = stats_now();
    for (int i = 0; i < 100; i++)
        CHECK_EQ(weft_pread(fd, block, sizeof block, 4096), sizeof block);
    WEFT_DEADLINE (s, -1)
        CHECK_EQ(weft_pread(fd, block, sizeof block, 4096), sizeof block);
    CHECK_EQ(stats_now().blocking_calls, before.blocking_calls);
    CHECK_STR(block, "here");
    CHECK_EQ(weft_close(fd), 0);
    remove_all();
    return 0;
}

CO_TEST(a_read_is_short_at_the_end_of_the_file_alone)
{
    char bytes[100] = "0123456789";
    int fd = open_new("end", 0);

    CHECK_EQ(weft_pread(fd, bytes, sizeof bytes, 0), 0);
    CHECK_EQ(weft_pwrite(fd, "0123456789", 10, 90), 10);
    CHECK_EQ(weft_pread(fd, bytes, sizeof bytes, 0), 100);
    CHECK_EQ(bytes[0], 0);
    CHECK_EQ(weft_pread(fd, bytes, sizeof bytes, 95), 5);
    CHECK(memcmp(bytes, "56789", 5) == 0);
    CHECK_EQ(weft_pread(fd, bytes, sizeof bytes, 100), 0);
    CHECK_EQ(weft_pread(fd, bytes, sizeof bytes, INT64_MAX - 100), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
    CHECK_EQ(weft_close(fd), 0);
    remove_all();
    return 0;
}

CO_TEST(bad_arguments_are_refused)
{
    char byte;
    struct iovec long_ones[2] = {{&byte, SSIZE_MAX}, {&byte, 1}};
    int ends[2], fd = open_new("bad", 0);

    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(weft_pread(fd, &byte, 1, -1), -EINVAL);
    CHECK_EQ(weft_pwrite(fd, &byte, 1, -1), -EINVAL);
    CHECK_EQ(weft_preadv(fd, long_ones, -1, 0), -EINVAL);
    CHECK_EQ(weft_preadv(fd, long_ones, 1025, 0), -EINVAL);
    CHECK_EQ(weft_preadv(fd, NULL, 1, 0), -EINVAL);
    CHECK_EQ(weft_preadv(fd, long_ones, 2, 0), -EINVAL);
    CHECK_EQ(weft_pread(fd, &byte, 1, INT64_MAX), -EINVAL);
    CHECK_EQ(weft_pread(fd, &byte, 0, 0), 0);
    CHECK_EQ(weft_pread(-1, &byte, 1, 0), -EBADF);
    CHECK_EQ(weft_pread(ends[0], &byte, 1, 0), -ESPIPE);
    CHECK_EQ(weft_pwrite(ends[1], &byte, 1, 0), -ESPIPE);
    CHECK_EQ(weft_fsync(-1), -EBADF);
    CHECK_EQ(weft_fsync(ends[0]), -EINVAL);
    CHECK_EQ(weft_close(ends[0]), 0);
    CHECK_EQ(weft_close(ends[1]), 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_pread(fd, &byte, 1, 0), -EBADF);
    CHECK_EQ(weft_fsync(fd), -EBADF);
    remove_all();
    return 0;
}

/* ---- many at once ---- */

struct stripe {
    int fd, index;
};

/* Works on every eighth block, and looks at what it has written in pieces of odd sizes. */
static int work_on_a_stripe(void *arg)
{
    const struct stripe *s = arg;
    uint64_t random = test_seed() + (uint64_t)s->index;
    char out[512], in[512];

    for (int i = 0; i < 40; i++) {
        const int64_t at = (int64_t)(s->index + 8 * (int)(test_random(&random) % 16)) * 512;
        struct iovec iov[40];
        int count = 0;

        memset(out, (int)(test_random(&random) & 0xff), sizeof out);
        CHECK_EQ(weft_pwrite(s->fd, out, sizeof out, at), sizeof out);
        if (i % 8 == 0)
            CHECK_EQ(i % 16 == 0 ? weft_fsync(s->fd) : weft_fdatasync(s->fd), 0);
        for (size_t done = 0; done < sizeof in; count++) {
            size_t bytes = count < 39 ? test_random(&random) % 16 : sizeof in - done;
            iov[count] = (struct iovec){in + done, bytes};
            done += bytes;
        }
        CHECK_EQ(weft_preadv(s->fd, iov, count, at), sizeof in);
        CHECK(memcmp(in, out, sizeof in) == 0);
        CHECK_EQ(weft_pwritev(s->fd, iov, count, at), sizeof in);
        if (i % 10 == 0)
            (void)posix_fadvise(s->fd, 0, 0, POSIX_FADV_DONTNEED);
    }
    return 0;
}

CO_TEST(many_work_at_places_of_one_file)
{
    struct stripe stripes[8];
    struct weft_co *workers[8];
    int fd = open_new("stripes", 0);

    CHECK_EQ(weft_ftruncate(fd, FILE_BYTES), 0);
    for (int i = 0; i < 8; i++) {
        stripes[i] = (struct stripe){fd, i};
        workers[i] = weft_go_with(work_on_a_stripe, &stripes[i]);
    }
    for (int i = 0; i < 8; i++)
        join(workers[i]);
    CHECK_EQ(weft_close(fd), 0);
    remove_all();
    return 0;
}

struct records {
    int fd;
    bool was_seen[4096];
};

static int read_records(void *arg)
{
    struct records *r = arg;
    uint32_t record;
    ssize_t n;

    while ((n = weft_read(r->fd, &record, sizeof record)) == sizeof record) {
        CHECK_LT(record, 4096);
        CHECK(!r->was_seen[record]);
        r->was_seen[record] = true;
    }
    return (int)n;
}

/* Goal: of several who read at the position of one fd each gets other bytes, whether they come from
 * memory or by way of the pool.
 * Method: the cache is dropped, where that can be, and others are inside the fd now and then, so
 * that reads which could be had at once go to the pool as well. */
CO_TEST(each_byte_at_the_position_is_read_once)
{
    static struct records r;
    struct weft_co *readers[6];
    struct stat st;
    uint32_t records[4096];

    r.fd = open_new("records", 0);
    for (uint32_t i = 0; i < 4096; i++)
        records[i] = i;
    CHECK_EQ(weft_write_full(r.fd, records, sizeof records), sizeof records);
    CHECK_EQ(weft_fsync(r.fd), 0);
    (void)posix_fadvise(r.fd, 0, 0, POSIX_FADV_DONTNEED);
    CHECK_EQ(lseek(r.fd, 0, SEEK_SET), 0);
    for (int i = 0; i < COUNT(readers); i++)
        readers[i] = weft_go_with(read_records, &r);
    for (int i = 0; i < 50; i++)
        CHECK_EQ(weft_fstat(r.fd, &st), 0);
    for (int i = 0; i < COUNT(readers); i++)
        join(readers[i]);
    for (int i = 0; i < 4096; i++)
        CHECK(r.was_seen[i]);
    CHECK_EQ(weft_close(r.fd), 0);
    remove_all();
    return 0;
}

static int append_lines(void *arg)
{
    for (int i = 0; i < 25; i++)
        CHECK_EQ(weft_write(*(int *)arg, "a whole line\n", 13), 13);
    return 0;
}

CO_TEST(lines_appended_by_many_are_whole)
{
    struct weft_co *writers[4];
    char *text;
    int fd = open_new("lines", O_APPEND);

    for (int i = 0; i < 4; i++)
        writers[i] = weft_go_with(append_lines, &fd);
    for (int i = 0; i < 4; i++)
        join(writers[i]);
    CHECK_EQ(weft_file_read_all(path_of("lines"), 10000, &text), 1300);
    for (int i = 0; i < 100; i++)
        CHECK(memcmp(text + 13 * i, "a whole line\n", 13) == 0);
    weft_file_free(text);
    CHECK_EQ(weft_close(fd), 0);
    remove_all();
    return 0;
}

/* ---- what cannot be tried ---- */

/* Goal: a file of which nobody knows whether it waits is never read on a processor.
 * Method: those of /proc cannot be tried; all that is read of one goes by the pool, or at a place,
 * by io_uring. */
CO_TEST(what_cannot_be_tried_is_left_to_others)
{
    char text[64];
    int fd = weft_open("/proc/self/stat", O_RDONLY, 0);

    CHECK_GE(fd, 0);
    if (can_be_tried(fd))
        SKIP("/proc can be tried here");
    uint64_t before = stats_now().blocking_calls;
    CHECK_EQ(weft_read(fd, text, 10), 10);
    CHECK_EQ(atoi(text), getpid());
    CHECK_EQ(stats_now().blocking_calls, before + 1);
    CHECK_EQ(weft_read(fd, text, 1), 1);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 11);
    CHECK_EQ(stats_now().blocking_calls, before + 2);
    CHECK_EQ(weft_pread(fd, text, 10, 0), 10);
    CHECK_EQ(atoi(text), getpid());
    if (strcmp(weft_runtime_reactor(NULL), "epoll") == 0)
        CHECK_EQ(stats_now().blocking_calls, before + 3);
    WEFT_DEADLINE (s, -1) {
        CHECK_EQ(weft_pread(fd, text, 10, 0), -ETIMEDOUT);
        CHECK_EQ(weft_read(fd, text, 10), -ETIMEDOUT);
        CHECK_EQ(weft_fsync(fd), -ETIMEDOUT);
    }
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 11);
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}

/* Goal: direct I/O, whose tries wait for the disk, is never tried, and is right.
 * Method: an aligned block there and back; by the position, it takes the pool. */
CO_TEST(direct_io_asks_for_its_alignment_and_works)
{
    struct weft_file_alignment a;
    char *block;
    int fd = weft_open(path_of("direct"), O_RDWR | O_CREAT | O_DIRECT, 0600);

    if (fd == -EINVAL)
        SKIP("no direct I/O here");
    CHECK_GE(fd, 0);
    int rc = weft_file_alignment(fd, &a);
    if (rc == -EOPNOTSUPP)
        SKIP("the file system does not know its alignment");
    CHECK_EQ(rc, 0);
    CHECK(a.memory > 0 && (a.memory & (a.memory - 1)) == 0);
    CHECK(a.offset > 0 && 65536 % a.offset == 0);
    CHECK_EQ(posix_memalign((void **)&block, 65536, 65536), 0);
    memset(block, 'd', 65536);
    CHECK_EQ(weft_pwrite(fd, block, 65536, 65536), 65536);
    memset(block, 0, 65536);
    CHECK_EQ(weft_pread(fd, block, 65536, 65536), 65536);
    CHECK_EQ(block[65535], 'd');
    CHECK_EQ(lseek(fd, 65536, SEEK_SET), 65536);
    uint64_t before = stats_now().blocking_calls;
    CHECK_EQ(weft_read(fd, block, 65536), 65536);
    CHECK_EQ(stats_now().blocking_calls, before + 1);
    CHECK_EQ(weft_read(fd, block, 65536), 0);
    free(block);
    CHECK_EQ(weft_close(fd), 0);
    remove_all();
    return 0;
}

/* ---- elsewhere ---- */

TEST(a_plain_thread_reads_and_writes_by_itself)
{
    char bytes[10];
    int fd = weft_temp_file(NULL);

    CHECK_GE(fd, 0);
    CHECK_EQ(weft_pwrite(fd, "0123456789", 10, 0), 10);
    CHECK_EQ(weft_fsync(fd), 0);
    CHECK_EQ(weft_fdatasync(fd), 0);
    CHECK_EQ(weft_pread(fd, bytes, 5, 5), 5);
    CHECK(memcmp(bytes, "56789", 5) == 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_pread(fd, bytes, 5, 5), -EBADF);
}
