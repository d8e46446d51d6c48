/* SPDX-License-Identifier: MIT */
/*
 * file_ring.c - which way the calls on files go: to io_uring where the kernel has the operation,
 * else to the pool; and that they give the same on both.
 *
 * Method: the file that asks the kernel what it has is compiled into this program, so that a test
 * can take an operation out, as an older kernel would not have it.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/sysmacros.h>

#include "file_test.h"
#include "net_test.h"
#include "reactor/driver.h"

#ifndef WEFT_NO_LIBURING
#include "reactor/uring_ring.h"

static int hidden = -1;        /* an opcode that this kernel is said not to have */
static uint32_t has_by_itself; /* the kinds that it has */

static uint32_t file_kinds_told(const struct io_uring_probe *known);

static int is_told_of(const struct io_uring_probe *known, int opcode)
{
    return opcode != hidden && io_uring_opcode_supported(known, opcode);
}
#define io_uring_opcode_supported is_told_of
#define weft__ring_file_kinds file_kinds_told
#include "reactor/uring_entry.c"
#undef weft__ring_file_kinds
#undef io_uring_opcode_supported

uint32_t weft__ring_file_kinds(const struct io_uring_probe *known)
{
    const int opcode = hidden;

    hidden = -1;
    has_by_itself = file_kinds_told(known);
    hidden = opcode;
    return file_kinds_told(known);
}
#endif

/* ---- what is the same ---- */

static void expect_same(const struct stat *a, const struct stat *b)
{
    CHECK_EQ(a->st_dev, b->st_dev);
    CHECK_EQ(a->st_ino, b->st_ino);
    CHECK_EQ(a->st_mode, b->st_mode);
    CHECK_EQ(a->st_nlink, b->st_nlink);
    CHECK_EQ(a->st_uid, b->st_uid);
    CHECK_EQ(a->st_gid, b->st_gid);
    CHECK_EQ(a->st_rdev, b->st_rdev);
    CHECK_EQ(a->st_size, b->st_size);
    CHECK_EQ(a->st_blksize, b->st_blksize);
    CHECK_EQ(a->st_blocks, b->st_blocks);
    CHECK_EQ(a->st_atim.tv_sec, b->st_atim.tv_sec);
    CHECK_EQ(a->st_atim.tv_nsec, b->st_atim.tv_nsec);
    CHECK_EQ(a->st_mtim.tv_sec, b->st_mtim.tv_sec);
    CHECK_EQ(a->st_mtim.tv_nsec, b->st_mtim.tv_nsec);
    CHECK_EQ(a->st_ctim.tv_sec, b->st_ctim.tv_sec);
    CHECK_EQ(a->st_ctim.tv_nsec, b->st_ctim.tv_nsec);
}

/* Goal: each field is that of the system call, of whatever kind of file.
 * Method: of a file that is long enough to have blocks, and whose times differ. */
CO_TEST(what_is_found_out_is_what_stat_says)
{
    const struct timespec times[2] = {{.tv_sec = 1000, .tv_nsec = 1}, {2000, 999999999}};
    const char *file = path_of("file"), *link = path_of("link"), *fifo = path_of("fifo");
    const char *const paths[] = {file, link, fifo, path_of(""), "/dev/null"};
    static const char text[10000];
    struct stat a, b;

    CHECK_EQ(weft_file_replace(file, text, sizeof text, 0640), 0);
    CHECK_EQ(utimensat(AT_FDCWD, file, times, 0), 0);
    CHECK_EQ(symlink("file", link), 0);
    CHECK_EQ(mkfifo(fifo, 0600), 0);
    for (int i = 0; i < COUNT(paths); i++) {
        CHECK_EQ(weft_stat(paths[i], &a), 0);
        CHECK_EQ(stat(paths[i], &b), 0);
        expect_same(&a, &b);
        CHECK_EQ(weft_lstat(paths[i], &a), 0);
        CHECK_EQ(lstat(paths[i], &b), 0);
        expect_same(&a, &b);
    }
    CHECK_NE(b.st_rdev, 0);
    int fd = open(file, O_RDONLY);
    CHECK_EQ(weft_fstat(fd, &a), 0);
    CHECK_EQ(fstat(fd, &b), 0);
    expect_same(&a, &b);
    CHECK_EQ(close(fd), 0);
    memset(&b, 0x55, sizeof b);
    a = b;
    CHECK_EQ(weft_stat(path_of("nothing"), &a), -ENOENT);
    CHECK(memcmp(&a, &b, sizeof a) == 0);
    remove_all();
    return 0;
}

CO_TEST(errors_are_those_of_the_system_calls)
{
    const char *file = path_of("file");
    char *is_long = malloc(5001);
    struct stat st;

    memset(is_long, 'x', 5000);
    is_long[5000] = 0;
    int fd = weft_open(file, O_RDONLY | O_CREAT, 0600);
    CHECK_GE(fd, 0);
    CHECK_EQ(weft_ftruncate(fd, 1), -EINVAL); /* not for writing */
    CHECK_EQ(weft_close(fd), 0);
    fd = weft_open(file, O_RDWR, 0);
    CHECK_EQ(weft_ftruncate(fd, -1), -EINVAL);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_open(file, O_RDONLY | O_DIRECTORY, 0), -ENOTDIR);
    CHECK_EQ(weft_open(path_of("file/below"), O_RDONLY, 0), -ENOTDIR);
    CHECK_EQ(weft_open(path_of(""), O_RDWR, 0), -EISDIR);
    CHECK_EQ(weft_open(is_long, O_RDONLY, 0), -ENAMETOOLONG);
    CHECK_EQ(weft_stat("", &st), -ENOENT);
    CHECK_EQ(weft_rename(file, is_long), -ENAMETOOLONG);
    CHECK_EQ(weft_unlink(path_of("")), -EISDIR);
    CHECK_EQ(weft_rmdir(file), -ENOTDIR);
    CHECK_EQ(weft_mkdir(path_of("no/folder"), 0700), -ENOENT);
    free(is_long);
    remove_all();
    return 0;
}

/* ---- FIFOs ---- */

struct opener {
    const char *path;
    int flags, fd;
};

static int open_it(void *arg)
{
    struct opener *o = arg;

    o->fd = weft_open(o->path, o->flags, 0);
    return 0;
}

/* Goal: an open waits for the other end of a FIFO, or does not, as open(2). */
CO_TEST(a_fifo_waits_for_its_other_end_unless_told_not_to)
{
    struct opener writer = {.path = path_of("fifo"), .flags = O_WRONLY, .fd = -1};

    CHECK_EQ(mkfifo(writer.path, 0600), 0);
    CHECK_EQ(weft_open(writer.path, O_WRONLY | O_NONBLOCK, 0), -ENXIO);
    struct weft_co *co = weft_go_with(open_it, &writer);
    while (in_flight() == 0 && stats_now().blocking_running == 0)
        weft_yield();
    CHECK_EQ(weft_sleep(WEFT_MS), 0); /* has it been sent?  Else it is first in the queue. */
    CHECK(!weft_done(co));
    int fd = weft_open(writer.path, O_RDONLY, 0);
    CHECK_GE(fd, 0);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    join(co);
    CHECK_GE(writer.fd, 0);
    CHECK_EQ(fcntl(writer.fd, F_GETFL) & O_NONBLOCK, 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(weft_close(writer.fd), 0);
    fd = weft_open(writer.path, O_RDONLY | O_NONBLOCK, 0);
    CHECK_GE(fd, 0);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    CHECK_EQ(weft_close(fd), 0);
    remove_all();
    return 0;
}

static void open_for_ever(void *path)
{
    (void)!weft_open(path, O_RDONLY, 0);
}

static int leave_a_fifo_behind(void *path)
{
    CHECK_EQ(weft_go(open_for_ever, path), 0);
    while (in_flight() == 0 && stats_now().blocking_running == 0)
        weft_yield();
    return 0;
}

/* Goal: a program ends though a coroutine of its waits for the other end of a FIFO. */
TEST(an_open_that_waits_does_not_keep_a_program)
{
    char *path = (char *)(uintptr_t)path_of("fifo");

    CHECK_EQ(mkfifo(path, 0600), 0);
    CHECK_EQ(weft_run(leave_a_fifo_behind, path), 0);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(rmdir(path_of("")), 0);
}

/* ---- threads that are the kernel's ---- */

static int ask_and_wait_for_ever(void *unused)
{
    struct stat st;
    int fd = weft_temp_file(NULL);

    (void)unused;
    CHECK_EQ(weft_stat("/", &st), 0);
    CHECK_EQ(weft_fsync(fd), 0);
    CHECK_EQ(weft_close(fd), 0);
    return chan_recv(NULL, NULL);
}

/* Goal: a deadlock is found after calls on files, too: the threads that the kernel has for them are
 * none of the program that could still wake somebody. */
TEST(a_deadlock_after_calls_on_files_is_found)
{
    struct weft_runtime *rt;

    if (test_is_emulated())
        SKIP("an emulator has threads of its own");
    CHECK_EQ(weft_runtime_start(&rt, NULL), 0);
    CHECK_EQ(weft_block_on(rt, ask_and_wait_for_ever, NULL, NULL), -EDEADLK);
    CHECK_EQ(weft_runtime_stop(rt), 1);
}

/* ---- which way ---- */

#ifndef WEFT_NO_LIBURING

/* Each call once, and how many of them are for the pool without an operation: where it cannot be
 * seen what there is, an open of what is there already, too. */
static const struct {
    enum weft__op_kind kind;
    int opcode;
    uint64_t n_calls;
} uses[] = {
    {WEFT__OP_OPEN, IORING_OP_OPENAT, 4},     {WEFT__OP_STAT, IORING_OP_STATX, 5},
    {WEFT__OP_RENAME, IORING_OP_RENAMEAT, 1}, {WEFT__OP_UNLINK, IORING_OP_UNLINKAT, 2},
    {WEFT__OP_MKDIR, IORING_OP_MKDIRAT, 1},   {WEFT__OP_FILE_RESIZE, OP_FTRUNCATE, 1},
    {WEFT__OP_FILE_SYNC, IORING_OP_FSYNC, 2},
};

static int use_each(void *calls)
{
    const char *file = path_of("file"), *other = path_of("other"), *folder = path_of("folder");
    const uint64_t before = stats_now().blocking_calls;
    struct stat st;
    int again;

    int fd = weft_open(file, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK_GE(fd, 0);
    CHECK_EQ(weft_ftruncate(fd, 5), 0);
    CHECK_EQ(weft_fsync(fd), 0);
    CHECK_EQ(weft_fdatasync(fd), 0);
    CHECK_EQ(weft_fstat(fd, &st), 0);
    CHECK_EQ(st.st_size, 5);
    CHECK_EQ(weft_rename(file, other), 0);
    CHECK_EQ(weft_stat(other, &st), 0);
    CHECK_EQ(st.st_size, 5);
    again = weft_open(other, O_RDWR, 0);
    CHECK_GE(again, 0);
    CHECK_EQ(close(again), 0);
    CHECK_EQ(weft_open(file, O_RDONLY, 0), -ENOENT);
    again = weft_open("/", O_RDONLY | O_DIRECTORY, 0);
    CHECK_GE(again, 0);
    CHECK_EQ(close(again), 0);
    CHECK_EQ(weft_mkdir(folder, 0710), 0);
    CHECK_EQ(weft_lstat(folder, &st), 0);
    CHECK_EQ(st.st_mode, S_IFDIR | (0710 & ~umask(umask(0))));
    CHECK_EQ(weft_unlink(other), 0);
    CHECK_EQ(weft_rmdir(folder), 0);
    *(uint64_t *)calls = stats_now().blocking_calls - before;
    CHECK_EQ(close(fd), 0);
    return 0;
}

/* How many of them the pool has; -1: there is no io_uring. */
static int64_t count_calls_of_pool(void)
{
    struct weft_config config = WEFT_CONFIG_INIT;
    struct weft_runtime *rt;
    uint64_t calls;

    config.reactor = WEFT_REACTOR_IO_URING;
    unsetenv("WEFT_REACTOR");
    if (weft_runtime_start(&rt, &config) != 0)
        return -1;
    CHECK_EQ(weft_block_on(rt, use_each, &calls, NULL), 0);
    CHECK_EQ(weft_runtime_stop(rt), 0);
    return (int64_t)calls;
}

static uint64_t count_expected(void)
{
    uint64_t n = 0;

    for (int i = 0; i < COUNT(uses); i++) {
        if (uses[i].opcode == hidden || (has_by_itself >> uses[i].kind & 1) == 0)
            n += uses[i].n_calls;
    }
    return n;
}

/* Goal: io_uring has what the kernel can do, and the pool has the rest, one by one.
 * Method: the calls of the pool are counted, with nothing hidden and with each operation hidden. */
TEST(the_pool_has_what_the_kernel_does_not_know)
{
    for (int i = -1; i < COUNT(uses); i++) {
        hidden = i < 0 ? -1 : uses[i].opcode;
        int64_t n = count_calls_of_pool();
        if (n < 0)
            SKIP("without io_uring");
        CHECK_EQ(n, count_expected());
        CHECK_GE(n, i < 0 ? 0 : uses[i].n_calls);
    }
    CHECK_EQ(rmdir(path_of("")), 0);
}

/* ---- the driver alone ---- */

static struct weft__reactor_group group;

static void start_ring(unsigned workers_max)
{
    struct weft__reactor_choice choice = {.want_uring = true, .workers_max = workers_max};

    if (weft__reactors_start(&group, 1, choice) != 0)
        SKIP("without io_uring");
    if ((has_by_itself >> WEFT__OP_OPEN & 1) == 0)
        SKIP("a kernel without opens");
}

static void submit_open(struct weft__op *op, const char *path, int flags)
{
    weft__op_init(op, WEFT__OP_OPEN, -1, NULL);
    op->path = path;
    op->how = flags;
    op->mode = 0;
    CHECK_EQ(group.driver->submit(&group.reactors[0], op), 0);
}

/* Take all that there is, and sleep for something at most once. */
static int count_done(int64_t until)
{
    struct weft__op_list done;
    int n = 0;

    weft__op_list_init(&done);
    group.driver->wait(&group.reactors[0], until, &done);
    for (struct weft__op *op = done.first; op != NULL; op = op->next)
        n++;
    return n;
}

/* Goal: opens that wait for each other all have a thread of the kernel's.
 * Method: more FIFOs than it has threads by itself are opened for writing, then for reading.  One
 * that is opened for writing without waiting is an error. */
TEST(what_waits_in_the_kernel_has_as_many_threads_as_were_asked_for)
{
    enum { MORE = 8, MAX = 200 };
    static struct weft__op ops[2][MAX];
    static char paths[MAX][96];
    int n = 4 * (int)sysconf(_SC_NPROCESSORS_CONF) + MORE, n_done = 0;

    n = n < MAX ? n : MAX;
    start_ring(MAX);
    for (int i = 0; i < n; i++) {
        snprintf(paths[i], sizeof paths[i], "%.80s%d", path_of("fifo"), i);
        CHECK_EQ(mkfifo(paths[i], 0600), 0);
    }
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < n; i++)
            submit_open(&ops[side][i], paths[i], side == 0 ? O_WRONLY : O_RDONLY);
    }
    while (n_done < 2 * n)
        n_done += count_done(weft_now() + WEFT_SEC);
    for (int i = 0; i < 2 * n; i++) {
        int fd = (int)ops[i / n][i % n].result;
        CHECK_GE(fd, 0);
        CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
        CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        CHECK_EQ(close(fd), 0);
    }
    weft__reactors_stop(&group);
    remove_all();
}

static void *send_and_leave(void *unused)
{
    CHECK_EQ(count_done(0), 0);
    usleep(20000); /* most likely it waits for the other end by then */
    return unused;
}

/* Goal: an operation that ends with the thread which had sent it is not lost, and nobody is told of
 * an error: a thread of the pool is asked to do it.
 * Method: the open of a FIFO.  A thread that ended too soon waits for the other end, which comes
 * after a while. */
TEST(what_the_end_of_a_thread_has_cut_short_is_for_the_pool)
{
    const char *fifo = path_of("fifo");
    struct timespec until;
    struct weft__op op;
    pthread_t thread;
    int other = -1;

    start_ring(0);
    CHECK_EQ(mkfifo(fifo, 0600), 0);
    submit_open(&op, fifo, O_RDONLY);
    CHECK_EQ(pthread_create(&thread, NULL, send_and_leave, NULL), 0);
    CHECK_EQ(clock_gettime(CLOCK_REALTIME, &until), 0);
    until.tv_sec += 3;
    if (pthread_timedjoin_np(thread, NULL, &until) != 0) {
        other = open(fifo, O_RDWR);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    while (count_done(weft_now() + WEFT_SEC) == 0)
        ;
    if (op.result != -EAGAIN) {
        CHECK_GE(op.result, 0);
        CHECK_EQ(close((int)op.result), 0);
        CHECK_EQ(close(other), 0);
    }
    CHECK_EQ(weft__reactors_in_flight(&group), 0);
    weft__reactors_stop(&group);
    CHECK_EQ(unlink(fifo), 0);
    CHECK_EQ(rmdir(path_of("")), 0);
}

#endif
