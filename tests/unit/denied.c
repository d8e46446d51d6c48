/* SPDX-License-Identifier: MIT */
/*
 * denied.c - io_uring refused by a filter, by a limit, by a full fd table: what starts instead, and
 * what is said; membarrier() refused, from the start on and later.
 *
 * matrix: once
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <base/lock.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "net_test.h"

/* The numbers are the same on every architecture. */
#define NR_IO_URING_SETUP 425
#define NR_IO_URING_ENTER 426
#define NR_IO_URING_REGISTER 427

enum reach { THIS_THREAD, ALL_THREADS };

/* From here on these calls fail, on this thread and those that it starts, or on all. */
static void forbid_on(enum reach reach, unsigned first_nr, unsigned last_nr, unsigned error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first_nr, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last_nr, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = COUNT(code), .filter = code};
    const unsigned flags = reach == ALL_THREADS ? SECCOMP_FILTER_FLAG_TSYNC : 0;

    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) != 0)
        SKIP("no seccomp filter may be set here");
}

/* The calls of io_uring, before there are other threads. */
static void forbid(unsigned first_nr, unsigned last_nr, unsigned error)
{
    forbid_on(THIS_THREAD, first_nr, last_nr, error);
}

/* A short echo, so that the reactor works and is not only named; then who it is and why. */
static int use_and_describe(void *arg)
{
    int fds[2];
    char back[4], *text = arg;

    tcp_pair(fds);
    WEFT_DEADLINE(s, WEFT_MS)
        CHECK_EQ(weft_read(fds[0], back, 4), -ETIMEDOUT);
    CHECK_EQ(weft_write_full(fds[1], "weft", 4), 4);
    CHECK_EQ(weft_read_full(fds[0], back, 4), 4);
    close_both(fds);
    CHECK_EQ(weft_runtime_describe(NULL, text, 200), 0);
    CHECK_STR(weft_runtime_reactor(NULL), strncmp(text, "reactor epoll", 13) == 0 ? "epoll"
                                                                                  : "io_uring");
    return 7;
}

/* Runs with stderr in a file: returns the status, `said` gets what was printed. */
static int run_and_listen(enum weft_reactor reactor, char *described, char *said, size_t bytes)
{
    FILE *file = tmpfile();
    int old = dup(2);

    CHECK(file != NULL);
    unsetenv("WEFT_REACTOR");
    CHECK_EQ(dup2(fileno(file), 2), 2);
    int status = weft_run_with(use_and_describe, described, .reactor = reactor, .procs = 2);
    CHECK_EQ(dup2(old, 2), 2);
    close(old);
    rewind(file);
    said[fread(said, 1, bytes - 1, file)] = '\0';
    fclose(file);
    return status;
}

static int count_lines(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* Goal: under auto, epoll steps in, says whose refusal it was, and works; io_uring asked for by
 * name fails with 125 and says what is the matter. */
static void check_step_down(const char *reason)
{
    char described[200] = "", said[2000];

    CHECK_EQ(run_and_listen(WEFT_REACTOR_AUTO, described, said, sizeof said), 7);
    CHECK_STR(said, ""); /* nothing unless it is asked for */
    if (strstr(described, "reactor epoll (") != described || !strstr(described, reason))
        TEST_FAIL("not epoll because of \"%s\": %s", reason, described);
    CHECK_EQ(run_and_listen(WEFT_REACTOR_IO_URING, described, said, sizeof said), 125);
    if (!strstr(said, "io_uring") || !strstr(said, "does not work here") || count_lines(said) != 1)
        TEST_FAIL("not one clear line: %s", said);
    CHECK_EQ(run_and_listen(WEFT_REACTOR_EPOLL, described, said, sizeof said), 7);
    CHECK(strstr(described, "asked for") != NULL);
}

TEST(without_permission_for_io_uring_epoll_steps_in)
{
    forbid(NR_IO_URING_SETUP, NR_IO_URING_REGISTER, EPERM);
    check_step_down(
#ifdef WEFT_NO_LIBURING
        "built without liburing"
#else
        strerror(EPERM)
#endif
    );
}

TEST(on_a_kernel_without_io_uring_epoll_steps_in)
{
    forbid(NR_IO_URING_SETUP, NR_IO_URING_REGISTER, ENOSYS);
    check_step_down(
#ifdef WEFT_NO_LIBURING
        "built without liburing"
#else
        strerror(ENOSYS)
#endif
    );
}

/* Goal: a filter that allows the set-up and refuses the use is found by the probe. */
TEST(where_only_the_use_of_io_uring_is_refused_epoll_steps_in)
{
    forbid(NR_IO_URING_ENTER, NR_IO_URING_ENTER, EPERM);
    check_step_down(
#ifdef WEFT_NO_LIBURING
        "built without liburing"
#else
        strerror(EPERM)
#endif
    );
}

/* Goal: a user without any locked memory gets a smaller ring or epoll, and a runtime that works,
 * also with many processors. */
TEST(without_locked_memory_a_user_gets_a_runtime)
{
    struct rlimit none = {0, 0};
    char described[200] = "";

    unsetenv("WEFT_REACTOR");
    CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        SKIP("cannot become nobody");
    CHECK_EQ(weft_run_with(use_and_describe, described, .procs = 2), 7);
    CHECK_EQ(weft_run_with(use_and_describe, described, .procs = 64), 7);
}

/* Goal: with the fd table nearly full, each start either works or fails with a code, and gives back
 * all that it took; the moment there is room it works.
 * Method: limits from none to enough, one descriptor at a time. */
TEST(a_full_fd_table_at_the_start_is_a_code)
{
    struct rlimit limit;
    int before = open_fds(), lowest = dup(0), n_failed = 0, rc = -1;

    close(lowest);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit old = limit;
    for (int r = WEFT_REACTOR_AUTO; r <= WEFT_REACTOR_EPOLL; r++) {
        rc = -1;
        for (int room = 0; room < 40 && rc != 0; room++) {
            struct weft_runtime *rt = NULL;
            limit.rlim_cur = (rlim_t)(lowest + room);
            CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
            rc = weft_runtime_start(
                &rt, &(struct weft_config){.size = sizeof(struct weft_config), .procs = 3,
                                           .reactor = (enum weft_reactor)r});
            if (rc == 0)
                CHECK_EQ(weft_runtime_stop(rt), 0);
            else if (rc == -ENOSYS || rc == -EPERM)
                rc = 0; /* no io_uring here at all */
            else
                CHECK_EQ(rc, -EMFILE);
            n_failed += rc != 0;
            CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
            CHECK_EQ(open_fds(), before);
        }
        CHECK_EQ(rc, 0);
    }
    CHECK_GT(n_failed, 3);
}

/* ---- membarrier() ---- */

enum { ROUNDS = 60 };

/* A lock that a P made and a plain thread takes away, and two Ps that wake each other. */
struct fenced {
    _Atomic(struct weft__lock *) lock;
    int a, b; /* guarded by whichever lock it is */
    chan *there, *back;
};

static void count_under(struct fenced *f, struct weft__lock *lock)
{
    weft__lock(lock);
    CHECK_EQ(f->a, f->b);
    f->a++;
    atomic_signal_fence(memory_order_seq_cst);
    f->b++;
    weft__unlock(lock);
}

static void *take_locks(void *arg)
{
    struct fenced *f = arg;
    struct weft__lock *lock;

    for (int i = 0; i < ROUNDS; i++) {
        while ((lock = atomic_load(&f->lock)) == NULL)
            sched_yield();
        for (int n = 0; n < 10; n++)
            count_under(f, lock);
        atomic_store(&f->lock, NULL);
    }
    return NULL;
}

static int send_back(void *arg)
{
    struct fenced *f = arg;
    int value;

    while (chan_recv(f->there, &value) == 0)
        CHECK_EQ(chan_send(f->back, &value), 0);
    return 0;
}

/* On P0: each round has a lock of its own, and both Ps fall asleep and are woken. */
static int use_fences(void *arg)
{
    struct fenced *f = arg;
    struct weft_co *co = weft_go_with(send_back, f, .pinned = 1, .on_p = WEFT_ON_P(1));
    struct weft__lock lock[ROUNDS];
    int n = 0, got = -1;

    for (int i = 0; i < ROUNDS; i++) {
        atomic_store(&weft__gate_self()->balance, WEFT__GATE_BALANCE_MAX);
        weft__lock_init_biased(&lock[i], RANK_CHAN);
        if (atomic_load(&weft__fence_is_asymmetric))
            CHECK(atomic_load(&lock[i].gate) != NULL);
        atomic_init(&lock[i].gate, weft__gate_self()); /* as if it had been made before */
        atomic_store(&f->lock, &lock[i]);
        for (; atomic_load(&f->lock) != NULL; n++)
            count_under(f, &lock[i]);
        CHECK(atomic_load(&lock[i].gate) == NULL);
        CHECK_EQ(f->a, n + 10 * (i + 1));
        CHECK_EQ(chan_send(f->there, &i), 0);
        CHECK_EQ(chan_recv(f->back, &got), 0);
        CHECK_EQ(got, i);
    }
    chan_close(f->there);
    join(co);
    return 0;
}

static int use_fences_on_p0(void *arg)
{
    struct fenced f = {.there = chan_make(sizeof(int), 0), .back = chan_make(sizeof(int), 0)};
    pthread_t thread;

    if (arg != NULL)
        ((void (*)(void))arg)();
    CHECK_EQ(pthread_create(&thread, NULL, take_locks, &f), 0);
    join(weft_go_with(use_fences, &f, .pinned = 1, .on_p = WEFT_ON_P(0)));
    CHECK_EQ(pthread_join(thread, NULL), 0);
    chan_unref(f.there);
    chan_unref(f.back);
    return 0;
}

static bool is_asymmetric(void)
{
    return atomic_load(&weft__fence_is_asymmetric);
}

/* Goal: where membarrier() is refused all fences are real ones, and everything works. */
TEST(without_membarrier_fences_are_real_and_all_works)
{
    forbid_on(THIS_THREAD, SYS_membarrier, SYS_membarrier, EPERM);
    CHECK_EQ(weft_run_with(use_fences_on_p0, NULL, .procs = 2), 0);
    CHECK(!is_asymmetric());
    CHECK_EQ(weft_run_with(use_fences_on_p0, NULL, .procs = 8), 0);
    CHECK(!is_asymmetric());
}

static void forbid_for_all(void)
{
    if (!is_asymmetric())
        SKIP("membarrier() cannot be had here");
    forbid_on(ALL_THREADS, SYS_membarrier, SYS_membarrier, EPERM);
}

/* Only on this thread, and the plain one that it starts: the Ps' threads could still have it. */
static void forbid_for_one(void)
{
    if (!is_asymmetric())
        SKIP("membarrier() cannot be had here");
    forbid_on(THIS_THREAD, SYS_membarrier, SYS_membarrier, EPERM);
}

/* Goal: a filter that comes when the runtime runs already changes no more than the kind of fences,
 * whether it is set for all threads or for one. */
TEST(membarrier_refused_to_all_threads_of_a_runtime_hangs_nothing)
{
    CHECK_EQ(weft_run_with(use_fences_on_p0, (void *)forbid_for_all, .procs = 2), 0);
    CHECK(!is_asymmetric());
    CHECK_EQ(weft_run_with(use_fences_on_p0, NULL, .procs = 2), 0);
}

TEST(membarrier_refused_to_one_thread_of_a_runtime_hangs_nothing)
{
    CHECK_EQ(weft_run_with(use_fences_on_p0, (void *)forbid_for_one, .procs = 2), 0);
    CHECK(!is_asymmetric());
    CHECK_EQ(weft_run_with(use_fences_on_p0, NULL, .procs = 2), 0);
}
