/* SPDX-License-Identifier: MIT */
/*
 * reactor_life.c - the conformance suite of the drivers, third part: sleeping and waking, many
 * operations at once, threads that change, what happens where io_uring is refused, and the stop.
 *
 * matrix: once
 */
#define _GNU_SOURCE
#include "reactor_rig.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* ---- Sleep and wake. ---- */

/* Goal: a wait ends at its deadline: never before, and not 1 ms after.
 * Method: quiet waits of several lengths; a machine that is busy may delay some, not all. */
ON_BOTH(a_wait_ends_at_its_deadline)
{
    static const int64_t lengths_ns[] = {0, 1, 100000, 1000000, 5000000, 20000000};
    start(uring, 1);
    for (size_t i = 0; i < sizeof lengths_ns / sizeof lengths_ns[0]; i++) {
        int64_t best = INT64_MAX;
        for (int k = 0; k < 10; k++) {
            int64_t deadline = weft__clock_ns() + lengths_ns[i];
            CHECK_EQ(wait_once(0, deadline), 0);
            int64_t late = weft__clock_ns() - deadline;
            CHECK_GE(late, 0);
            best = late < best ? late : best;
        }
        CHECK_LT(best, 1000000 * test_scale());
    }
    int64_t best = INT64_MAX;
    for (int k = 0; k < 10; k++) {
        int64_t begin = weft__clock_ns();
        CHECK_EQ(wait_once(0, 0), 0);
        CHECK_EQ(wait_once(0, 1), 0); /* long past */
        int64_t took = weft__clock_ns() - begin;
        best = took < best ? took : best;
    }
    CHECK_LT(best, 1000000 * test_scale());
    stop();
}

struct waker {
    pthread_t thread;
    int n_rounds;
    _Atomic int n_asked; /* by the owner */
    _Atomic int n_given; /* by the waker, before each wake */
};

static void *wake_when_asked(void *arg)
{
    struct waker *w = arg;
    for (int i = 1; i <= w->n_rounds; i++) {
        while (atomic_load_explicit(&w->n_asked, memory_order_relaxed) < i) {
            sched_yield();
        }
        atomic_store_explicit(&w->n_given, i, memory_order_relaxed);
        driver->wake(&group.reactors[0]);
    }
    return NULL;
}

/* Goal: no wake is lost, whether it comes before the sleep or in it.
 * Method: sleeps without a limit.  In odd rounds the wake is on its way before the one sleep that
 * it must end; in even rounds the owner sleeps until it sees what the waker wrote. */
ON_BOTH(a_wake_ends_a_sleep_wherever_it_comes)
{
    struct waker w = {.n_rounds = 2000};
    start(uring, 1);
    driver->wake(&group.reactors[0]);
    driver->wake(&group.reactors[0]);
    wait_once(0, INT64_MAX);
    CHECK_EQ(pthread_create(&w.thread, NULL, wake_when_asked, &w), 0);
    for (int i = 1; i <= w.n_rounds; i++) {
        atomic_store_explicit(&w.n_asked, i, memory_order_relaxed);
        while ((i & 1) != 0 && atomic_load_explicit(&w.n_given, memory_order_relaxed) < i) {
            sched_yield();
        }
        do {
            wait_once(0, INT64_MAX);
        } while (atomic_load_explicit(&w.n_given, memory_order_relaxed) < i);
    }
    CHECK_EQ(pthread_join(w.thread, NULL), 0);
    stop();
}

static void *reap_until_told(void *arg)
{
    while (!atomic_load_explicit((_Atomic bool *)arg, memory_order_relaxed)) {
        reap_once(0);
    }
    return NULL;
}

/* Goal: a thread that reaps a reactor takes operations, and never the wake of its owner.
 * Method: the test above beside a thread that reaps without end; in odd rounds the owner lets it
 * meet the wake before the sleep. */
ON_BOTH(a_reaper_does_not_swallow_a_wake)
{
    struct waker w = {.n_rounds = 300};
    _Atomic bool is_over = false;
    pthread_t reaper;
    start(uring, 1);
    CHECK_EQ(pthread_create(&reaper, NULL, reap_until_told, &is_over), 0);
    CHECK_EQ(pthread_create(&w.thread, NULL, wake_when_asked, &w), 0);
    for (int i = 1; i <= w.n_rounds; i++) {
        wait_once(0, weft__clock_ns() + 1); /* a sleep that leaves its listening for wakes behind */
        atomic_store_explicit(&w.n_asked, i, memory_order_relaxed);
        if ((i & 1) != 0) {
            while (!weft__reactor_is_woken(&group.reactors[0])) {
                sched_yield();
            }
            sched_yield(); /* lets the kernel post what this thread asked for */
            test_spin_us(10);
        }
        do {
            wait_once(0, INT64_MAX);
        } while (atomic_load_explicit(&w.n_given, memory_order_relaxed) < i);
    }
    atomic_store_explicit(&is_over, true, memory_order_relaxed);
    CHECK_EQ(pthread_join(w.thread, NULL), 0);
    CHECK_EQ(pthread_join(reaper, NULL), 0);
    stop();
}

static void *sleep_until_reported(void *arg)
{
    struct task *t = arg;
    while (!is_done(t)) {
        wait_once(0, INT64_MAX);
    }
    return NULL;
}

/* Goal: a cancel from another thread reaches an owner that sleeps without a limit.
 * Method: the canceller has no reactor, or, where what it ends is reported by the owner all the
 * same, one of its own. */
ON_BOTH(a_cancel_from_elsewhere_ends_the_sleep_of_the_owner)
{
    int fds[2];
    start(uring, 2);
    make_pair(&pair_kinds[2], fds);
    for (int i = 0; i < 200; i++) {
        struct task t;
        pthread_t owner;
        prepare(&t, WEFT__OP_READ, fds[0]);
        CHECK_EQ(submit(0, &t), 0);
        CHECK_EQ(pthread_create(&owner, NULL, sleep_until_reported, &t), 0);
        for (int k = i % 8; k > 0; k--) {
            sched_yield();
        }
        driver->cancel(uring && i % 2 == 0 ? &group.reactors[1] : NULL, &t.op, -ETIMEDOUT);
        CHECK_EQ(pthread_join(owner, NULL), 0);
        CHECK_EQ(t.n_reports, 1);
        CHECK_EQ(t.result, -ETIMEDOUT);
    }
    close_pair(fds);
    stop();
}

/* ---- Many at once. ---- */

/* Goal: more operations than a queue holds, submitted without a wait and complete at once, are each
 * reported once.
 * Method: polls of one pipe that become ready with its first byte: 300 pass the submission queue,
 * 6,000 the completion queue too, so that the kernel has to keep what does not fit.  Half of a
 * second lot is cancelled instead. */
ON_BOTH(more_operations_than_the_queues_hold)
{
    static const int counts[] = {300, 6000};
    struct task *t = calloc(6000, sizeof *t);
    start(uring, 1);
    for (size_t c = 0; c < 2; c++) {
        for (int lot = 0; lot < 2; lot++) {
            int fds[2];
            make_pair(&pair_kinds[2], fds);
            for (int i = 0; i < counts[c]; i++) {
                prepare(&t[i], WEFT__OP_POLL, fds[0]);
                t[i].op.events = POLLIN;
                CHECK_EQ(submit(0, &t[i]), 0);
            }
            CHECK_EQ(weft__reactors_in_flight(&group), counts[c]);
            expect_quiet(0);
            for (int i = 0; lot == 1 && i < counts[c]; i += 2) {
                driver->cancel(&group.reactors[0], &t[i].op, -ECANCELED);
            }
            put(fds[1], "x");
            for (int i = 0; i < counts[c]; i++) {
                while (lot == 0 && !is_done(&t[i])) {
                    wait_once(0, 0); /* also without a sleep */
                }
                ssize_t n = await(0, &t[i]);
                CHECK(n == POLLIN || (lot == 1 && i % 2 == 0 && n == -ECANCELED));
            }
            CHECK_EQ(weft__reactors_in_flight(&group), 0);
            close_pair(fds);
        }
    }
    stop();
    free(t);
}

/* ---- Threads. ---- */

#define N_WAITING 50

struct relay {
    struct task tasks[N_WAITING];
    int fds[N_WAITING][2];
};

static void *submit_and_exit(void *arg)
{
    struct relay *relay = arg;
    for (int i = 0; i < N_WAITING; i++) {
        prepare(&relay->tasks[i], WEFT__OP_READ, relay->fds[i][0]);
        CHECK_EQ(submit(0, &relay->tasks[i]), 0);
    }
    expect_quiet(0);
    return NULL;
}

static void *wait_for_all(void *arg)
{
    struct relay *relay = arg;
    for (int i = 0; i < N_WAITING; i++) {
        put(relay->fds[i][1], "abc");
        CHECK_EQ(await(0, &relay->tasks[i]), 3);
    }
    return NULL;
}

/* Goal: a reactor whose owner changes keeps its operations, also when the thread that sent them is
 * gone: no error that nobody asked for.
 * Method: one thread submits and ends, the next one waits. */
ON_BOTH(operations_outlive_the_thread_that_sent_them)
{
    static struct relay relay;
    start(uring, 1);
    for (int i = 0; i < N_WAITING; i++) {
        make_pair(&pair_kinds[i % 5], relay.fds[i]);
    }
    for (int round = 0; round < 5; round++) {
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, submit_and_exit, &relay), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(pthread_create(&thread, NULL, wait_for_all, &relay), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    for (int i = 0; i < N_WAITING; i++) {
        close_pair(relay.fds[i]);
    }
    stop();
}

struct sender {
    struct relay relay;
    _Atomic int stage; /* 1: all is sent, 2: the thread may end */
};

static void *submit_and_linger(void *arg)
{
    struct sender *sender = arg;
    (void)submit_and_exit(&sender->relay);
    /* release [TEST-STAGE] */
    atomic_store_explicit(&sender->stage, 1, memory_order_release);
    /* In user code all the time: what the kernel does for this thread waits for a tick. */
    while (atomic_load_explicit(&sender->stage, memory_order_relaxed) != 2) {
    }
    return NULL;
}

/* Goal: a cancelled operation is not reported before the kernel has let go of it, also where the
 * cancel is answered before the operation is.
 * Method: the thread that sent the reads spins, so that their ends are late; another one takes the
 * reactor over and cancels. */
ON_BOTH(a_new_owner_cancels_what_a_busy_thread_has_sent)
{
    static struct sender sender;
    pthread_t thread;
    start(uring, 1);
    for (int i = 0; i < N_WAITING; i++) {
        make_pair(&pair_kinds[i % 5], sender.relay.fds[i]);
    }
    CHECK_EQ(pthread_create(&thread, NULL, submit_and_linger, &sender), 0);
    /* acquire [TEST-STAGE] */
    while (atomic_load_explicit(&sender.stage, memory_order_acquire) != 1) {
        sched_yield();
    }
    for (int i = 0; i < N_WAITING; i++) {
        driver->cancel(&group.reactors[0], &sender.relay.tasks[i].op, -ETIMEDOUT);
    }
    for (int i = 0; i < N_WAITING; i++) {
        CHECK_EQ(await(0, &sender.relay.tasks[i]), -ETIMEDOUT);
    }
    atomic_store_explicit(&sender.stage, 2, memory_order_relaxed);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    for (int i = 0; i < N_WAITING; i++) {
        close_pair(sender.relay.fds[i]);
    }
    stop();
}

/* ---- Which driver. ---- */

static int count_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 1024; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

/* Make a system call give an error in this process from now on. */
static void refuse(int call, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = 4, .filter = code};
    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        SKIP("no seccomp here");
    }
}

/* io_uring is refused with this error: epoll steps in and says why, io_uring alone fails, and
 * neither leaves an fd behind. */
static void check_step_down(int error)
{
#ifdef WEFT_NO_LIBURING
    (void)error;
    SKIP("built without liburing");
#else
    const struct weft__reactor_choice any = {.want_uring = true, .want_epoll = true};
    const struct weft__reactor_choice uring_only = {.want_uring = true};
    char why[128];
    int n_fds = count_fds();
    snprintf(why, sizeof why, "io_uring refused: %s", strerror(error));
    CHECK_EQ(weft__reactors_start(&group, 2, uring_only), -error);
    CHECK_EQ(count_fds(), n_fds);
    CHECK_EQ(weft__reactors_start(&group, 2, any), 0);
    CHECK_STR(group.driver->name, "epoll");
    CHECK_STR(group.why, why);
    weft__reactors_stop(&group);
    CHECK_EQ(count_fds(), n_fds);
#endif
}

TEST(epoll_steps_in_where_a_filter_says_eperm)
{
    refuse(SYS_io_uring_setup, EPERM);
    check_step_down(EPERM);
}

TEST(epoll_steps_in_where_a_filter_says_enosys)
{
    refuse(SYS_io_uring_setup, ENOSYS);
    check_step_down(ENOSYS);
}

TEST(epoll_steps_in_where_only_the_use_of_a_ring_is_refused)
{
    refuse(SYS_io_uring_enter, EACCES);
    check_step_down(EACCES);
}

TEST(epoll_steps_in_where_locked_memory_is_short)
{
    const struct rlimit none = {0, 0};
    if (setuid(65534) != 0 && geteuid() == 0) {
        SKIP("cannot become another user");
    }
    CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    if (weft__reactors_start(&group, 1, (struct weft__reactor_choice){.want_uring = true}) == 0) {
        SKIP("this kernel does not count rings");
    }
    check_step_down(ENOMEM);
}

/* Goal: a user with little locked memory gets a runtime of any size, again and again.
 * Method: 64 reactors under 8 MiB, started and stopped as nobody; no fd is left. */
TEST(nobody_starts_and_stops_many_reactors)
{
    const struct weft__reactor_choice any = {.want_uring = true, .want_epoll = true};
    const struct rlimit memory = {8 << 20, 8 << 20};
    CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &memory), 0);
    if (setuid(65534) != 0 && geteuid() == 0) {
        SKIP("cannot become another user");
    }
    int n_fds = count_fds();
    int n_uring = 0;
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(weft__reactors_start(&group, 64, any), 0);
        driver = group.driver;
        n_uring += strcmp(group.driver->name, "io_uring") == 0;
        wait_once(63, weft__clock_ns() + 1000);
        weft__reactors_stop(&group);
        CHECK_EQ(count_fds(), n_fds);
    }
    printf("# io_uring in %d of 20 starts\n", n_uring);
}

/* Goal: without fds there is an error, and nothing is left behind: k fds short, for every k. */
TEST(a_start_without_fds_fails_clean)
{
    const struct weft__reactor_choice any = {.want_uring = true, .want_epoll = true};
    int n_fds = count_fds();
    int rc = -EMFILE;
    for (int spare = 0; rc != 0; spare++) {
        struct rlimit limit = {(rlim_t)(n_fds + spare), 1024};
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
        rc = weft__reactors_start(&group, 3, any);
        CHECK(rc == 0 || rc == -EMFILE);
        CHECK_LT(spare, 10);
    }
    weft__reactors_stop(&group);
    CHECK_EQ(count_fds(), n_fds);
}

/* ---- Stop. ---- */

/* Goal: what waits is ended by a stop, and the kernel has let go of the buffers after it.
 * Method: stop with everything in flight, then send: the buffers keep their pattern and the bytes
 * are still there for somebody else. */
ON_BOTH(stop_ends_what_is_in_flight_and_lets_go_of_the_buffers)
{
    int fds[sizeof pair_kinds / sizeof pair_kinds[0]][2];
    static struct task t[sizeof pair_kinds / sizeof pair_kinds[0]][2];
    start(uring, 3);
    for (size_t k = 0; k < sizeof pair_kinds / sizeof pair_kinds[0]; k++) {
        make_pair(&pair_kinds[k], fds[k]);
        for (int i = 0; i < 2; i++) {
            prepare(&t[k][i], WEFT__OP_READ, fds[k][0]);
            memset(t[k][i].bytes, 0x5a, sizeof t[k][i].bytes);
            CHECK_EQ(submit((int)(k % 3), &t[k][i]), 0);
        }
        if (k < 3) {
            wait_once((int)k, 0);
        }
    }
    weft__reactors_stop(&group);
    for (size_t k = 0; k < sizeof pair_kinds / sizeof pair_kinds[0]; k++) {
        char text[8];
        put(fds[k][1], "later");
        CHECK_EQ(read(fds[k][0], text, sizeof text), 5);
        for (size_t i = 0; i < sizeof t[k][0].bytes; i++) {
            CHECK_EQ(t[k][0].bytes[i], 0x5a);
            CHECK_EQ(t[k][1].bytes[i], 0x5a);
        }
        CHECK_EQ(t[k][0].n_reports, 0);
    }
}
