/* SPDX-License-Identifier: MIT */
/*
 * file_end.c - the ends of calls on files: what is queued is taken out, what has begun is waited
 * for, a close waits; and locks.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "file_test.h"

/* A test in a runtime whose pool has one thread. */
#define ONE_THREAD_TEST(id)                                                                        \
    static int in_##id(void *unused);                                                              \
    TEST(id)                                                                                       \
    {                                                                                              \
        struct weft_config config = WEFT_CONFIG_INIT;                                              \
        config.blocking_max = 1;                                                                   \
        CHECK_EQ(weft_run_config(in_##id, NULL, &config), 0);                                      \
    }                                                                                              \
    static int in_##id(void *unused __attribute__((unused)))

/* ---- what has begun, what is queued ---- */

struct opener {
    const char *path;
    int flags, fd;
};

static int open_it(void *arg)
{
    struct opener *o = arg;

    o->fd = weft_open(o->path, o->flags, 0600);
    return 0;
}

static void wait_until_one_runs(void)
{
    while (stats_now().blocking_running == 0)
        weft_yield();
}

/* Goal: a call that a thread has begun ends as it ends, though its scope was cancelled; one that is
 * still queued when its deadline passes never happens.
 * Method: the only thread opens a FIFO, which waits for its other end; behind it, a file would be
 * cut.  The other end comes when the second call has ended. */
ONE_THREAD_TEST(what_has_begun_is_waited_for_and_what_is_queued_never_happens)
{
    struct opener fifo = {.path = path_of("fifo"), .flags = O_RDONLY};
    const char *file = path_of("file");
    struct weft_co *co;
    struct stat st;
    int fd;

    fd = open(file, O_WRONLY | O_CREAT, 0600); /* not by the pool, which nobody has used yet */
    CHECK_EQ(write(fd, "hello", 5), 5);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(mkfifo(fifo.path, 0600), 0);
    co = weft_go_with(open_it, &fifo);
    wait_until_one_runs();
    weft_cancel(co);
    WEFT_DEADLINE (s, 5 * WEFT_MS)
        CHECK_EQ(weft_truncate(file, 0), -ETIMEDOUT);
    CHECK(!weft_done(co));
    while ((fd = open(fifo.path, O_WRONLY | O_NONBLOCK)) < 0)
        weft_yield();
    join(co);
    CHECK_GE(fifo.fd, 0);
    CHECK_EQ(weft_close(fifo.fd), 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(stat(file, &st), 0);
    CHECK_EQ(st.st_size, 5);
    remove_all();
    return 0;
}

CO_TEST(in_a_scope_that_has_ended_nothing_is_done)
{
    struct stat st;
    struct weft_dir *dir;
    char *data;
    int fd = weft_open(path_of("file"), O_RDWR | O_CREAT, 0600);

    CHECK_GE(fd, 0);
    WEFT_SCOPE (s) {
        weft_scope_cancel(&s);
        CHECK_EQ(weft_open(path_of("other"), O_RDWR | O_CREAT, 0600), -ECANCELED);
        CHECK_EQ(weft_mkdir(path_of("other"), 0700), -ECANCELED);
        CHECK_EQ(weft_rename(path_of("file"), path_of("other")), -ECANCELED);
        CHECK_EQ(weft_unlink(path_of("file")), -ECANCELED);
        CHECK_EQ(weft_rmdir(path_of("")), -ECANCELED);
        CHECK_EQ(weft_truncate(path_of("file"), 100), -ECANCELED);
        CHECK_EQ(weft_ftruncate(fd, 100), -ECANCELED);
        CHECK_EQ(weft_stat(path_of("file"), &st), -ECANCELED);
        CHECK_EQ(weft_lstat(path_of("file"), &st), -ECANCELED);
        CHECK_EQ(weft_fstat(fd, &st), -ECANCELED);
        CHECK_EQ(weft_dir_open(&dir, path_of("")), -ECANCELED);
        CHECK_EQ(weft_file_read_all(path_of("file"), 1, &data), -ECANCELED);
        CHECK_EQ(weft_file_replace(path_of("other"), "", 0, 0600), -ECANCELED);
        CHECK_EQ(weft_temp_file(NULL), -ECANCELED);
        CHECK_EQ(weft_close(fd), 0);
    }
    CHECK_EQ(access(path_of("other"), F_OK), -1);
    CHECK_EQ(weft_stat(path_of("file"), &st), 0);
    CHECK_EQ(st.st_size, 0);
    remove_all();
    return 0;
}

struct stripe {
    int fd, index;
};

/* Writes its part of the file again and again, each time with another letter and until a deadline
 * that is near; what the call has said must be what the file holds. */
static int write_until_deadlines(void *arg)
{
    enum { BYTES = 3 * 4096 };
    const struct stripe *s = arg;
    const int64_t at = (int64_t)s->index * BYTES;
    uint64_t random = test_seed() + (uint64_t)s->index;
    char held[BYTES], next[BYTES], found[BYTES];
    ssize_t n;

    memset(held, 'a', BYTES);
    CHECK_EQ(weft_pwrite(s->fd, held, BYTES, at), BYTES);
    for (int i = 0; i < 40; i++) {
        memset(next, 'b' + i % 20, BYTES);
        WEFT_DEADLINE (scope, (int64_t)(test_random(&random) % 150) * WEFT_US)
            n = weft_pwrite(s->fd, next, BYTES, at);
        CHECK(n == -ETIMEDOUT || (n > 0 && n <= BYTES));
        if (n > 0)
            memcpy(held, next, (size_t)n);
        CHECK_EQ(weft_pread(s->fd, found, BYTES, at), BYTES);
        CHECK(memcmp(found, held, BYTES) == 0);
    }
    return 0;
}

/* Goal: a write whose scope has ended first has not been done, nor will it be; one that was done is
 * told, however late.
 * Method: six of them share one thread of the pool, or the ring. */
ONE_THREAD_TEST(what_a_scope_has_ended_was_not_done)
{
    struct stripe stripes[6];
    struct weft_co *writers[6];
    int fd = weft_temp_file(NULL);

    CHECK_GE(fd, 0);
    for (int i = 0; i < COUNT(writers); i++) {
        stripes[i] = (struct stripe){fd, i};
        writers[i] = weft_go_with(write_until_deadlines, &stripes[i]);
    }
    for (int i = 0; i < COUNT(writers); i++)
        join(writers[i]);
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}

/* ---- close ---- */

static atomic_bool has_begun, may_go_on;

static int block(void *unused)
{
    (void)unused;
    atomic_store(&has_begun, true);
    while (!atomic_load(&may_go_on))
        usleep(100);
    return 0;
}

static int block_in_the_pool(void *unused)
{
    return weft_blocking(block, unused, NULL);
}

static int ask_its_alignment(void *fd)
{
    struct weft_file_alignment alignment;
    int rc = weft_file_alignment(*(int *)fd, &alignment);
    return rc == -EOPNOTSUPP ? 0 : rc;
}

static int close_it(void *fd)
{
    return weft_close(*(int *)fd);
}

/* Goal: a thread of the pool never meets another file under the number that it was given.
 * Method: a call on the fd is queued behind a job that blocks, when the fd is closed.  The close
 * has begun when others are refused; then the fd is still open, until the call has ended. */
ONE_THREAD_TEST(a_close_waits_for_the_calls_that_are_under_way)
{
    struct stat st;
    int fd = weft_temp_file(NULL);
    struct weft_co *blocker, *asker, *closer;

    CHECK_GE(fd, 0);
    blocker = weft_go_with(block_in_the_pool, NULL);
    while (!atomic_load(&has_begun))
        weft_yield();
    asker = weft_go_with(ask_its_alignment, &fd);
    while (stats_now().blocking_queued == 0)
        weft_yield();
    closer = weft_go_with(close_it, &fd);
    int rc;
    do {
        weft_yield();
        WEFT_DEADLINE (s, -1)
            rc = weft_fstat(fd, &st);
    } while (rc == -ETIMEDOUT);
    CHECK_EQ(rc, -EBADF);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK(!weft_done(closer));
    atomic_store(&may_go_on, true);
    join(blocker);
    join(asker);
    join(closer);
    CHECK_EQ(fcntl(fd, F_GETFD), -1);
    CHECK_EQ(weft_close(fd), -EBADF);
    fd = weft_temp_file(NULL); /* the number may be used again */
    CHECK_EQ(weft_fstat(fd, &st), 0);
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}

/* Goal: a close that may take long does not keep the processor, and is over when it returns: also
 * in a scope that has ended.
 * Method: those of a file that was open for writing, or has no name, are told by the count of the
 * pool; the lock of what was closed is free. */
CO_TEST(a_close_that_may_take_long_is_left_to_the_pool)
{
    const char *path = path_of("file");
    int written = weft_open(path, O_RDWR | O_CREAT, 0600), read = weft_open(path, O_RDONLY, 0);
    int other = weft_open(path, O_RDONLY, 0), ends[2];
    uint64_t before;

    CHECK(written >= 0 && read >= 0 && other >= 0);
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(weft_file_lock(written, WEFT_FILE_LOCK_EXCLUSIVE), 0);
    CHECK_EQ(weft_file_try_lock(other, WEFT_FILE_LOCK_SHARED), -EAGAIN);
    before = stats_now().blocking_calls;
    WEFT_DEADLINE (s, -1)
        CHECK_EQ(weft_close(written), 0);
    CHECK_EQ(weft_file_try_lock(other, WEFT_FILE_LOCK_SHARED), 0);
    CHECK_EQ(fcntl(written, F_GETFD), -1);
    CHECK_EQ(stats_now().blocking_calls, before + 1);
    CHECK_EQ(weft_close(read), 0);
    CHECK_EQ(weft_close(ends[0]), 0);
    CHECK_EQ(weft_close(ends[1]), 0);
    CHECK_EQ(stats_now().blocking_calls, before + 1);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(weft_close(other), 0);
    CHECK_EQ(stats_now().blocking_calls, before + 2);
    remove_all();
    return 0;
}

/* ---- locks ---- */

struct locker {
    int fd;
    enum weft_file_lock_kind kind;
    int rc;
};

static int lock_it(void *arg)
{
    struct locker *l = arg;

    l->rc = weft_file_lock(l->fd, l->kind);
    return 0;
}

static int open_again(void)
{
    int fd = weft_open(path_of("lock"), O_RDWR | O_CREAT, 0600);

    CHECK_GE(fd, 0);
    return fd;
}

CO_TEST(an_exclusive_lock_excludes_and_shared_ones_do_not)
{
    const char *path = path_of("lock");
    int a = weft_open(path, O_RDWR | O_CREAT, 0600), b = weft_open(path, O_RDWR, 0);

    CHECK_EQ(weft_file_lock(a, WEFT_FILE_LOCK_SHARED), 0);
    CHECK_EQ(weft_file_lock(b, WEFT_FILE_LOCK_SHARED), 0);
    CHECK_EQ(weft_file_try_lock(b, WEFT_FILE_LOCK_EXCLUSIVE), -EAGAIN);
    CHECK_EQ(weft_file_unlock(a), 0);
    CHECK_EQ(weft_file_lock(b, WEFT_FILE_LOCK_EXCLUSIVE), 0);
    CHECK_EQ(weft_file_try_lock(a, WEFT_FILE_LOCK_SHARED), -EAGAIN);
    WEFT_DEADLINE (s, 3 * WEFT_MS)
        CHECK_EQ(weft_file_lock(a, WEFT_FILE_LOCK_SHARED), -ETIMEDOUT);
    CHECK_EQ(weft_file_unlock(b), 0);
    CHECK_EQ(weft_file_unlock(b), 0);
    WEFT_DEADLINE (s, -1)
        CHECK_EQ(weft_file_lock(a, WEFT_FILE_LOCK_EXCLUSIVE), 0);
    CHECK_EQ(weft_close(a), 0); /* gives it up */
    CHECK_EQ(weft_file_try_lock(b, WEFT_FILE_LOCK_EXCLUSIVE), 0);
    CHECK_EQ(weft_close(b), 0);
    CHECK_EQ(weft_file_lock(b, WEFT_FILE_LOCK_SHARED), -EBADF);
    CHECK_EQ(weft_file_lock(0, (enum weft_file_lock_kind)0), -EINVAL);
    CHECK_EQ(weft_file_try_lock(0, (enum weft_file_lock_kind)3), -EINVAL);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(rmdir(path_of("")), 0);
    return 0;
}

/* Goal: who waits for a lock gets it when another program gives it up, and others run meanwhile.
 * Method: a child takes it, says so, and keeps it until the pipe is closed. */
CO_TEST(a_lock_is_waited_for_that_another_program_has)
{
    struct locker l = {.fd = open_again(), .kind = WEFT_FILE_LOCK_EXCLUSIVE};
    int taken[2], end[2];
    char byte;

    CHECK_EQ(pipe(taken), 0);
    CHECK_EQ(pipe(end), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(end[1]);
        int fd = open(path_of("lock"), O_RDWR);
        if (fd < 0 || flock(fd, LOCK_EX) != 0 || write(taken[1], "x", 1) != 1)
            _exit(1);
        _exit(read(end[0], &byte, 1) == 0 ? 0 : 1);
    }
    CHECK_EQ(weft_read(taken[0], &byte, 1), 1);
    struct weft_co *co = weft_go_with(lock_it, &l);
    yield_often(20);
    CHECK(!weft_done(co));
    CHECK_EQ(weft_file_try_lock(l.fd, WEFT_FILE_LOCK_SHARED), -EAGAIN);
    CHECK_EQ(close(end[1]), 0);
    join(co);
    CHECK_EQ(l.rc, 0);
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(weft_close(l.fd), 0);
    CHECK_EQ(close(end[0]), 0);
    CHECK_EQ(close(taken[0]), 0);
    CHECK_EQ(close(taken[1]), 0);
    remove_all();
    return 0;
}

static void *lock_on_a_thread(void *arg)
{
    (void)lock_it(arg);
    return NULL;
}

/* Goal: a plain thread waits for a lock, too. */
TEST(a_plain_thread_waits_for_a_lock)
{
    struct locker l = {.fd = open_again(), .kind = WEFT_FILE_LOCK_SHARED, .rc = -1};
    int holder = open_again();
    pthread_t thread;

    CHECK_EQ(weft_file_lock(holder, WEFT_FILE_LOCK_EXCLUSIVE), 0);
    CHECK_EQ(pthread_create(&thread, NULL, lock_on_a_thread, &l), 0);
    usleep(5000);
    CHECK_EQ(weft_file_unlock(holder), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(l.rc, 0);
    CHECK_EQ(weft_file_try_lock(holder, WEFT_FILE_LOCK_EXCLUSIVE), -EAGAIN);
    CHECK_EQ(weft_close(l.fd), 0);
    CHECK_EQ(weft_close(holder), 0);
    remove_all();
}

/* Goal: who waits for a lock of an fd that is closed hears of it, and locks no other file that has
 * got the number. */
CO_TEST(a_close_ends_the_wait_for_a_lock_though_the_number_is_used_again)
{
    struct locker l = {.fd = open_again(), .kind = WEFT_FILE_LOCK_EXCLUSIVE};
    int holder = open_again();

    CHECK_EQ(weft_file_lock(holder, WEFT_FILE_LOCK_EXCLUSIVE), 0);
    const uint64_t parks = stats_now().parks;
    struct weft_co *co = weft_go_with(lock_it, &l);
    while (stats_now().parks < parks + 7) /* between its looks are 50 ms by now */
        weft_yield();
    CHECK_EQ(weft_close(l.fd), 0);
    int again = open(path_of("other"), O_RDWR | O_CREAT, 0600);
    CHECK_EQ(again, l.fd);
    join(co);
    CHECK_EQ(l.rc, -EBADF);
    CHECK_EQ(weft_close(again), 0);
    CHECK_EQ(weft_close(holder), 0);
    remove_all();
    return 0;
}
