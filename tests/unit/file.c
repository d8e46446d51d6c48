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

    CHECK_EQ(weft_pwrite(fd, block, sizeof block, 0), sizeof block);
    if (!can_be_tried(fd))
        SKIP("this file system cannot be tried");
    const struct weft_stats before = stats_now();
    for (int i = 0; i < 100; i++)
        CHECK_EQ(weft_pread(fd, block, sizeof block, 0), sizeof block);
    WEFT_DEADLINE (s, -1)
        CHECK_EQ(weft_pread(fd, block, sizeof block, 0), sizeof block);
    CHECK_EQ(weft_read(fd, block, sizeof block), sizeof block);
    CHECK_EQ(weft_read(fd, block, sizeof block), 0);
    CHECK_EQ(stats_now().blocking_calls, before.blocking_calls);
    CHECK_EQ(stats_now().ops, before.ops);
    CHECK_EQ(stats_now().parks, before.parks);
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

/* Goal: what takes long to copy does not keep the processor, though it is in memory.
 * Method: at a place, the coroutine waits each time, where it else would not; at the position, a
 * thread of the pool does it. */
CO_TEST(what_is_long_is_copied_by_others)
{
    enum { BYTES = (1 << 20) + 1 };
    char *bytes = malloc(BYTES);
    int fd = open_new("long", 0);

    memset(bytes, 'l', BYTES);
    CHECK_EQ(weft_pwrite(fd, bytes, BYTES, 0), BYTES);
    for (int i = 0; i < 10; i++) {
        memset(bytes, 0, BYTES);
        const uint64_t parks = stats_now().parks;
        CHECK_EQ(weft_pread(fd, bytes, BYTES, 0), BYTES);
        CHECK_GT(stats_now().parks, parks);
        CHECK(bytes[0] == 'l' && memcmp(bytes, bytes + 1, BYTES - 1) == 0);
    }
    const uint64_t before = stats_now().blocking_calls;
    CHECK_EQ(weft_read_full(fd, bytes, BYTES), BYTES);
    CHECK_EQ(stats_now().blocking_calls, before + 1);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), BYTES);
    CHECK_EQ(weft_read(fd, bytes, BYTES), 0);
    free(bytes);
    CHECK_EQ(weft_close(fd), 0);
    remove_all();
    return 0;
}

/* Goal: what is in memory in part is read as a whole, through a vector that ends anywhere.
 * Method: of eight pages, every other one is put out of memory; a try then says that it would have
 * read less than all. */
CO_TEST(a_file_that_is_in_memory_in_part_is_read_to_its_end)
{
    enum { PAGE = 4096, BYTES = 8 * PAGE };
    static char out[BYTES], in[BYTES];
    struct iovec iov[100];
    int count = 0, fd = open_new("part", 0);
    uint64_t random = test_seed();
    bool was_short = false;

    for (int i = 0; i < BYTES; i++)
        out[i] = (char)test_random(&random);
    for (int at = 0; at < BYTES; at += PAGE) /* one by one, or they stay together in memory */
        CHECK_EQ(weft_pwrite(fd, out + at, PAGE, at), PAGE);
    CHECK_EQ(weft_fsync(fd), 0);
    for (size_t done = 0; done < BYTES; count++) {
        size_t bytes = count < 99 ? test_random(&random) % 500 : BYTES - done;
        iov[count] = (struct iovec){in + done, bytes < BYTES - done ? bytes : BYTES - done};
        done += iov[count].iov_len;
    }
    CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
    for (int i = 0; i < 20; i++) {
        for (int page = 1; page < 8; page += 2)
            CHECK_EQ(posix_fadvise(fd, page * PAGE, PAGE, POSIX_FADV_DONTNEED), 0);
        was_short |= preadv2(fd, &(struct iovec){in, BYTES}, 1, 0, RWF_NOWAIT) == PAGE;
        memset(in, 0, BYTES);
        CHECK_EQ(weft_preadv(fd, iov, count, 0), BYTES);
        CHECK(memcmp(in, out, BYTES) == 0);
    }
    CHECK_EQ(weft_close(fd), 0);
    remove_all();
    if (!was_short)
        SKIP("no page of a file can be put out of memory here");
    return 0;
}

/* Goal: where the file system gives less than was asked for, and it is not the end, the rest is
 * read, too.
 * Method: the files of /proc give some pages at a time. */
CO_TEST(a_read_goes_on_where_the_file_system_stops)
{
    static char in[20000], expected[20000];
    int fd = weft_open("/proc/kallsyms", O_RDONLY, 0);

    if (fd < 0 || pread(fd, in, sizeof in, 0) == sizeof in)
        SKIP("no /proc/kallsyms, or it gives all at once");
    CHECK_EQ(weft_read_full(fd, expected, sizeof expected), sizeof expected);
    CHECK_EQ(weft_pread(fd, in, sizeof in, 0), sizeof in);
    CHECK(memcmp(in, expected, sizeof in) == 0);
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}

/* Goal: what one call appends stays together, in however many pieces it is.
 * Method: several append vectors of more pieces than are copied for a second step. */
static int append_vectors(void *arg)
{
    struct iovec iov[40];

    for (int i = 0; i < 40; i++)
        iov[i] = (struct iovec){i < 39 ? "v" : "\n", 1};
    for (int i = 0; i < 25; i++)
        CHECK_EQ(weft_pwritev(*(int *)arg, iov, 40, 0), 40);
    return 0;
}

CO_TEST(vectors_appended_by_many_are_whole)
{
    struct weft_co *writers[4];
    char *text;
    int fd = open_new("vectors", O_APPEND);

    for (int i = 0; i < 4; i++)
        writers[i] = weft_go_with(append_vectors, &fd);
    for (int i = 0; i < 4; i++)
        join(writers[i]);
    CHECK_EQ(weft_file_read_all(path_of("vectors"), 10000, &text), 4000);
    for (int i = 0; i < 4000; i++)
        CHECK_EQ(text[i], i % 40 < 39 ? 'v' : '\n');
    weft_file_free(text);
    CHECK_EQ(weft_close(fd), 0);
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
    CHECK_EQ(posix_memalign((void **)&block, a.memory, 65536), 0);
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

TEST(a_range_is_widened_to_what_direct_io_can_read)
{
    static const struct {
        int64_t offset;
        size_t bytes;
        int64_t wide_offset;
        size_t wide_bytes;
    } cases[] = {
        {0, 0, 0, 0},           {0, 1, 0, 512},       {511, 1, 0, 512},
        {511, 2, 0, 1024},      {512, 512, 512, 512}, {513, 512, 512, 1024},
        {1000, 0, 512, 512},    {1024, 0, 1024, 0},   {1023, 1026, 512, 2048},
        {INT64_MAX - 1023, 512, INT64_MAX - 1023, 512},
    };
    static const struct weft_file_alignment a = {4, 512}, none = {8, 0};

    for (int i = 0; i < COUNT(cases); i++) {
        int64_t offset = cases[i].offset;
        size_t bytes = cases[i].bytes;
        CHECK_EQ(weft_file_align(&a, &offset, &bytes), 0);
        CHECK_EQ(offset, cases[i].wide_offset);
        CHECK_EQ(bytes, cases[i].wide_bytes);
    }
    CHECK_EQ(weft_file_align(&a, &(int64_t){-1}, &(size_t){1}), -EINVAL);
    CHECK_EQ(weft_file_align(&a, &(int64_t){1}, &(size_t){SIZE_MAX}), -EINVAL);
    CHECK_EQ(weft_file_align(&a, &(int64_t){INT64_MAX - 10}, &(size_t){1}), -EINVAL);
    CHECK_EQ(weft_file_align(&none, &(int64_t){0}, &(size_t){1}), -EINVAL);
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
