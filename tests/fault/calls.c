/* SPDX-License-Identifier: MIT */
/*
 * calls.c - the k-th call of each kind fails: no crash, no hang, no leak, every error is a code.
 *
 * Method: the files that hold the fault door are compiled into this program with the door open; the
 * rest of the library comes from the archive and calls through them.  A scenario (start, spawn,
 * channels, futures, locals, cleanups, blocking calls, an echo over TCP and UNIX, foreign fds,
 * buffers, stop) runs in a forked child for every kind of call and k = 1, 2, ... until a run ends
 * in which nothing was left to fail; once with a single failure, and for kinds whose failure can
 * last also with all calls from the k-th on.  After each the same scenario must succeed without
 * failures, and the process must own as many fds and threads as after two runs that had none, and
 * no block of memory.
 *
 * Builds that are slow look at every other k only, or fewer, from a seeded start.
 *
 * cflags: -DWEFT_FAULT
 * matrix: once
 * limit: 240
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>

/* Blocks that the library owns: counted around the calls of its only allocator. */
static int n_blocks;

static void *note_alloc(void *p)
{
    __atomic_add_fetch(&n_blocks, p != NULL, __ATOMIC_RELAXED);
    return p;
}

static void *note_free(void *p)
{
    __atomic_sub_fetch(&n_blocks, p != NULL, __ATOMIC_RELAXED);
    return p;
}

#define calloc(n, bytes) note_alloc(calloc(n, bytes))
#define aligned_alloc(align, bytes) note_alloc(aligned_alloc(align, bytes))
#define free(p) free(note_free(p))
#include "base/memory.c"
#undef calloc
#undef aligned_alloc
#undef free
#include "base/sys.c"
#include "base/sys_linux.c"
#include "base/sys_fd.c"
#include "base/sys_epoll.c"
#ifdef WEFT_LIBKQUEUE
#include "base/sys_kqueue.c"
#endif

#include "names_test.h"
#include "net_test.h"
#include "no_lookout.h" /* the gate of a relief processor is one block more */

/* ---- which call fails ---- */

struct plan {
    enum weft__call kind;
    int k;        /* from 1 */
    int error;    /* -errno */
    bool lasting; /* all from the k-th on */
};

static struct plan plan;
static _Atomic int n_calls, n_injected, n_closes_injected;
static _Atomic bool is_armed;
/* A wake of the runtime is a write as well, and cannot fail in a kernel that works: only the first
 * write of a call of the scenario counts. */
static _Atomic int writes_due;

static int decide(enum weft__call call)
{
    if (!is_armed || call != plan.kind)
        return 0;
    if (call == WEFT__CALL_WRITE) {
        if (writes_due == 0)
            return 0;
        writes_due--;
    }
    int n = ++n_calls;
    if (n < plan.k || (n > plan.k && !plan.lasting))
        return 0;
    n_injected++;
    n_closes_injected += call == WEFT__CALL_CLOSE; /* the fd stays: our doing */
    return plan.error;
}

#include "scenario.h"

static int procs_of_plan(void)
{
    return plan.kind == WEFT__CALL_WRITE ? 1 : 2;
}

/* One whole life of a runtime.  The handle of its one weft_block_on() may rest a while after its
 * release, so that a second use of it is found: *n_resting counts those. */
static int run_once(int *n_resting)
{
    struct weft_runtime *rt = NULL;
    int result = 0;
    int rc = weft_runtime_start(
        &rt, &(struct weft_config){.size = sizeof(struct weft_config), .procs = procs_of_plan()});
    if (rc != 0)
        return rc;
    rc = weft_block_on(rt, scenario, NULL, &result);
    *n_resting += rc == 0 || (rc == -ENOMEM && plan.kind != WEFT__CALL_ALLOC);
    CHECK_GE(weft_runtime_stop(rt), 0);
    return rc != 0 ? rc : result;
}

/* ---- the sweep ---- */

/* As many as a process of ours has that is at rest; a sanitizer may have one of its own. */
static int threads_at_rest;

/* A thread that was joined counts until the kernel has put it away. */
static int count_threads(void)
{
    const int64_t until = test_now_ms() + (threads_at_rest == 0 ? 300 : 5000);
    int n = weft__sys_thread_count();

    while (n > threads_at_rest && test_now_ms() < until) {
        usleep(100);
        n = weft__sys_thread_count();
    }
    return n;
}

/* What one child reports, in memory that it shares with the test. */
struct report {
    int rc, n_injected, n_resting, n_blocks, n_fds, n_threads, clean_rc;
    bool has_died; /* by the report that no stack is left */
};

static struct report *report;

static void child(void)
{
    n_calls = n_injected = n_closes_injected = 0;
    weft__sys_fault = decide;
    use_fake_names(answer_two);
    is_armed = plan.k > 0;
    report->rc = run_once(&report->n_resting);
    is_armed = false;
    report->n_injected = n_injected;
    report->clean_rc = run_once(&report->n_resting);
    report->n_blocks = n_blocks - procs_of_plan(); /* gates are kept for the next runtime */
    report->n_fds = open_fds() - n_closes_injected;
    report->n_threads = count_threads();
}

/* Runs the plan in a child; false if it did not end well. */
static bool run_plan(const char *name)
{
    int status;

    memset(report, 0, sizeof *report);
    fflush(NULL);
    const pid_t pid = fork();
    CHECK_GE(pid, 0);
    if (pid == 0) {
        alarm(20 * (unsigned)test_scale());
        child();
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    /* With no stack for anybody, now or later, nothing can go on: a report says so. */
    if (WIFEXITED(status) && WEXITSTATUS(status) == 2 && plan.lasting &&
        (plan.kind == WEFT__CALL_MPROTECT || plan.kind == WEFT__CALL_ALLOC)) {
        report->n_injected = 1;
        report->rc = report->clean_rc = 0;
        report->has_died = true;
        return true;
    }
    fprintf(stderr, "%s, k = %d, %s %s: %s %d\n", name, plan.k, weft_strerror(plan.error),
            plan.lasting ? "from then on" : "once",
            WIFSIGNALED(status) ? "died by signal" : "exit status",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return false;
}

static const char *const names[] = {
#define X(name) #name,
    WEFT__CALLS(X)
#undef X
};

/* The failures of one kind that a kernel can give. */
static const struct {
    enum weft__call kind;
    int error;
    bool can_last;
} failures[] = {
    {WEFT__CALL_ALLOC, -ENOMEM, true},        {WEFT__CALL_MMAP, -ENOMEM, false},
    {WEFT__CALL_MPROTECT, -ENOMEM, true},     {WEFT__CALL_MADVISE, -ENOMEM, true},
    {WEFT__CALL_READ, -ECONNRESET, true},     {WEFT__CALL_READ, -EAGAIN, false},
    {WEFT__CALL_WRITE, -EPIPE, false},        {WEFT__CALL_WRITE, -EAGAIN, false},
    {WEFT__CALL_ACCEPT, -EMFILE, true},       {WEFT__CALL_ACCEPT, -ECONNABORTED, false},
    {WEFT__CALL_ACCEPT, -EAGAIN, false},      {WEFT__CALL_CONNECT, -ENETUNREACH, true},
    {WEFT__CALL_SOCKET, -EMFILE, true},       {WEFT__CALL_BIND, -EADDRINUSE, true},
    {WEFT__CALL_LISTEN, -EADDRINUSE, true},   {WEFT__CALL_SOCKOPT, -ENOMEM, true},
    {WEFT__CALL_POLL, -ENOMEM, false},        {WEFT__CALL_EPOLL_CREATE, -EMFILE, true},
    {WEFT__CALL_EPOLL_CTL, -ENOMEM, true},    {WEFT__CALL_EPOLL_CTL, -ENOSPC, true},
    {WEFT__CALL_EPOLL_WAIT, -EINTR, false},   {WEFT__CALL_EVENTFD, -EMFILE, true},
    {WEFT__CALL_URING_SETUP, -ENOMEM, true},  {WEFT__CALL_URING_SETUP, -EPERM, true},
    {WEFT__CALL_URING_SETUP, -EINVAL, true},  {WEFT__CALL_URING_ENTER, -EAGAIN, false},
    {WEFT__CALL_URING_ENTER, -EINTR, false},  {WEFT__CALL_URING_ENTER, -EBUSY, false},
    {WEFT__CALL_THREAD, -EAGAIN, true},       {WEFT__CALL_CLOSE, -EIO, false},
    {WEFT__CALL_MEMBARRIER, -EPERM, true},    {WEFT__CALL_LOOKUP, -EAGAIN, true},
    {WEFT__CALL_KQUEUE, -EMFILE, true},       {WEFT__CALL_KEVENT, -ENOMEM, false},
};

/* A close that was made to fail has left its fd open, and so perhaps a name in use. */
static bool is_good_second(int rc)
{
    return rc == 0 || (rc == -EADDRINUSE && plan.kind == WEFT__CALL_CLOSE);
}

/* None is left but the handles that may still rest. */
static bool are_good_blocks(void)
{
    return report->n_blocks >= 0 && report->n_blocks <= report->n_resting;
}

/* All k of one kind; returns how many failures were injected. */
static int sweep(const struct report *sound, bool *is_bad)
{
    const char *name = names[plan.kind];
    int sum = 0;

    const int step = (int)test_scale();

    for (plan.k = 1 + (int)(test_seed() % (uint64_t)step);; plan.k += step) {
        if (!run_plan(name)) {
            *is_bad = true;
            sum++;
            continue;
        }
        if (report->n_injected == 0)
            return sum;
        sum += report->n_injected;
        if (report->has_died)
            continue;
        if (report->rc > 0 || report->rc < -4095 || report->rc == -EPROTO ||
            !is_good_second(report->clean_rc) || !are_good_blocks() ||
            report->n_fds != sound->n_fds || report->n_threads != sound->n_threads) {
            fprintf(stderr,
                    "%s, k = %d, %s %s: rc %d, then %d; blocks %d (%d may rest), fds %d (%d), "
                    "threads %d (%d)\n",
                    name, plan.k, weft_strerror(plan.error),
                    plan.lasting ? "from then on" : "once", report->rc, report->clean_rc,
                    report->n_blocks, report->n_resting, report->n_fds, sound->n_fds,
                    report->n_threads, sound->n_threads);
            *is_bad = true;
        }
    }
}

static void sweep_all(const char *reactor)
{
    bool is_bad = false;
    int sum = 0;

    if (getenv("WEFT_REACTOR") && strcmp(getenv("WEFT_REACTOR"), reactor) != 0)
        SKIP("the environment asks for the other driver");
    setenv("WEFT_REACTOR", reactor, 1);
    unsetenv("WEFT_VERBOSE");
    unsetenv("WEFT_PROCS");
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(report != MAP_FAILED);
    plan.k = 0;
    threads_at_rest = 0;
    CHECK(run_plan("without failures"));
    if (report->rc == -ENOSYS || report->rc == -EPERM)
        SKIP("this driver cannot be had here");
    CHECK_EQ(report->rc, 0);
    CHECK_EQ(report->clean_rc, 0);
    const struct report sound = *report;
    threads_at_rest = sound.n_threads;
    for (int i = 0; i < COUNT(failures); i++) {
        for (int lasting = 0; lasting <= failures[i].can_last; lasting++) {
            plan = (struct plan){.kind = failures[i].kind, .error = failures[i].error,
                                 .lasting = lasting};
            int n = sweep(&sound, &is_bad);
            printf("%-13s %-8s %4d failures, the last at k = %d\n", names[plan.kind],
                   lasting ? "lasting" : "once", n, plan.k - (int)test_scale());
            sum += n;
        }
    }
    printf("%d failures in all\n", sum);
    CHECK(!is_bad);
    CHECK_GT(sum, 200 / test_scale());
}

TEST_LIMIT(no_failing_call_crashes_hangs_or_leaks_on_io_uring, 120)
{
    sweep_all("io_uring");
}

TEST_LIMIT(no_failing_call_crashes_hangs_or_leaks_on_epoll, 120)
{
    sweep_all("epoll");
}

#ifdef WEFT_LIBKQUEUE
TEST_LIMIT(no_failing_call_crashes_hangs_or_leaks_on_kqueue, 120)
{
    sweep_all("kqueue");
}
#endif
