/* SPDX-License-Identifier: MIT */
/*
 * signals.c - signals and I/O: a signalfd in a select, which threads may be interrupted, storms,
 * and no SIGPIPE.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include <sys/signalfd.h>
#include <sys/time.h>

#include "net_test.h"

/* Blocks the signals on the calling thread, before the runtime starts, and makes an fd of them. */
static int make_signalfd(int first, int second, int flags)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, first);
    sigaddset(&set, second);
    CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | flags);
    CHECK_GE(fd, 0);
    return fd;
}

static int raise_later(void *arg)
{
    int sig = (int)(intptr_t)arg;

    await_in_flight(1);
    CHECK_EQ(kill(getpid(), sig), 0);
    return 0;
}

static int select_signal(void *arg)
{
    int fd = (int)(intptr_t)arg;
    chan *never = chan_make(0, 0);

    for (int i = 0; i < 10; i++) {
        const int sig = i % 2 ? SIGTERM : SIGINT;
        struct weft_co *co = weft_go_with(raise_later, (void *)(intptr_t)sig);
        struct signalfd_siginfo info;
        int seen = 0;

        WEFT_SELECT {
            WEFT_ON_RECV(never, NULL) { CHECK(!"received from a channel that nobody sends to"); }
            WEFT_ON_READABLE(fd) {
                CHECK_EQ(WEFT_SELECT_RC, POLLIN);
                CHECK_EQ(weft_read(fd, &info, sizeof info), sizeof info);
                seen = (int)info.ssi_signo;
            }
            WEFT_ON_AFTER(LONG_NS) { CHECK(!"no signal"); }
        }
        CHECK_EQ(seen, sig);
        CHECK_EQ(in_flight(), 0);
        join(co);
    }
    chan_unref(never);
    return 0;
}

/* Goal: a signal that is blocked before weft_run() arrives at a signalfd in a select, whichever
 * thread looks: a signalfd shows what is sent to the process. */
TEST(a_signalfd_is_a_case_of_a_select)
{
    for (int flags = 0; flags <= SFD_NONBLOCK; flags += SFD_NONBLOCK) {
        int fd = make_signalfd(SIGINT, SIGTERM, flags);
        CHECK_EQ(weft_run(select_signal, (void *)(intptr_t)fd), 0);
        close(fd);
    }
}

/* The signals that a thread blocks, from /proc. */
static uint64_t blocked_by(const char *tid)
{
    char path[300], line[256];
    uint64_t mask = 0;

    snprintf(path, sizeof path, "/proc/self/task/%s/status", tid);
    FILE *f = fopen(path, "re");
    CHECK(f != NULL);
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "SigBlk:", 7) == 0)
            mask = strtoull(line + 7, NULL, 16);
    }
    fclose(f);
    return mask;
}

/* How many threads of the runtime there are by their names; none of them leaves a signal open. */
static int look_at_weft_threads(void)
{
    static const int synchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    /* What cannot be blocked, and what the C library keeps for itself (32 to 34). */
    uint64_t must = ~(UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGSTOP - 1) |
                      UINT64_C(7) << 31);
    DIR *dir = opendir("/proc/self/task");
    int n_threads = 0;

    for (int i = 0; i < COUNT(synchronous); i++)
        must &= ~(UINT64_C(1) << (synchronous[i] - 1));
    CHECK(dir != NULL);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char name[300], comm[32] = "";
        if (e->d_name[0] == '.' || atoi(e->d_name) == getpid())
            continue;
        snprintf(name, sizeof name, "/proc/self/task/%s/comm", e->d_name);
        FILE *f = fopen(name, "re");
        CHECK(f != NULL && fgets(comm, sizeof comm, f) != NULL);
        fclose(f);
        if (strncmp(comm, "weft", 4) != 0)
            continue; /* a sanitizer's own */
        n_threads++;
        if ((blocked_by(e->d_name) & must) != must)
            TEST_FAIL("thread %s leaves open %llx", comm,
                      (unsigned long long)(must & ~blocked_by(e->d_name)));
    }
    closedir(dir);
    return n_threads;
}

static int look_at_threads(void *arg)
{
    while (look_at_weft_threads() < weft_runtime_procs(NULL))
        CHECK_EQ(weft_sleep(WEFT_MS), 0); /* a thread gives itself its name when it begins */
    while (blocked_by(arg) != 0)
        CHECK_EQ(weft_sleep(WEFT_MS), 0); /* the calling thread, which starts ours, gets it back */
    return 0;
}

/* Goal: no asynchronous signal is ever delivered to a thread of the runtime. */
TEST(runtime_threads_block_all_asynchronous_signals)
{
    char self[16];
    sigset_t none;

    sigemptyset(&none);
    CHECK_EQ(sigprocmask(SIG_SETMASK, &none, NULL), 0);
    snprintf(self, sizeof self, "%d", (int)getpid());
    CHECK_EQ(weft_run(look_at_threads, self), 0);
}

/* ---- a storm of signals ---- */

static volatile sig_atomic_t n_alarms;

static void on_alarm(int sig)
{
    (void)sig;
    n_alarms++;
}

static void start_storm(void)
{
    struct sigaction sa = {.sa_handler = on_alarm}; /* without SA_RESTART */
    struct itimerval every = {{0, 200}, {0, 200}};

    CHECK_EQ(sigaction(SIGALRM, &sa, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &every, NULL), 0);
}

static void stop_storm(void)
{
    CHECK_EQ(setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL), 0);
    CHECK_GT(n_alarms, 10);
}

static int echo_back(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[1024];
    ssize_t n;

    while ((n = weft_read(fd, buf, sizeof buf)) > 0)
        CHECK_EQ(weft_write_full(fd, buf, (size_t)n), n);
    CHECK_EQ(n, 0);
    return 0;
}

static int work_in_a_storm(void *arg)
{
    void (*makers[])(int fds[2]) = {tcp_pair, unix_pair, foreign_pair};
    const int64_t until = weft_now() + 300 * WEFT_MS;

    (void)arg;
    for (int i = 0; weft_now() < until; i++) {
        int fds[2], pipes[2];
        char out[3000] = {(char)i}, back[sizeof out], byte;
        makers[i % COUNT(makers)](fds);
        struct weft_co *co = weft_go_with(echo_back, (void *)(intptr_t)fds[1]);

        CHECK_EQ(weft_write_full(fds[0], out, sizeof out), sizeof out);
        CHECK_EQ(weft_read_full(fds[0], back, sizeof back), sizeof back);
        CHECK(memcmp(out, back, sizeof out) == 0);
        WEFT_DEADLINE(s, WEFT_MS)
            CHECK_EQ(weft_wait_fd(fds[0], POLLIN), -ETIMEDOUT);
        pipe_pair(pipes);
        WEFT_DEADLINE(s, WEFT_MS / 2)
            CHECK_EQ(weft_read(pipes[0], &byte, 1), -ETIMEDOUT);
        close_both(pipes);
        CHECK_EQ(weft_shutdown(fds[0], SHUT_WR), 0);
        join(co);
        close_both(fds);
    }
    return 0;
}

/* Goal: no call returns -EINTR, none is cut short, and the runtime starts, waits and stops as ever
 * while the thread that called weft_run() is interrupted all the time. */
TEST(no_call_is_interrupted_by_a_storm_of_signals)
{
    start_storm();
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_run(work_in_a_storm, NULL), 0);
    stop_storm();
}

/* ---- SIGPIPE ---- */

static int write_to_closed(void *arg)
{
    void (*makers[])(int fds[2]) = {unix_pair, tcp_pair, pipe_pair, foreign_pair};

    (void)arg;
    for (int m = 0; m < COUNT(makers); m++) {
        int fds[2];
        struct iovec iov[2] = {{(char *)"ab", 2}, {(char *)"cd", 2}};
        makers[m](fds);
        CHECK_EQ(weft_close(fds[0]), 0);
        while (weft_write(fds[1], "x", 1) > 0) /* TCP takes the first */
            CHECK_EQ(weft_sleep(WEFT_MS), 0);
        CHECK_EQ(weft_write_full(fds[1], "x", 1), -EPIPE);
        CHECK_EQ(weft_writev(fds[1], iov, 2), -EPIPE);
        CHECK_EQ(weft_writev_full(fds[1], iov, 2), -EPIPE);
        CHECK_EQ(weft_close(fds[1]), 0);
    }
    return 0;
}

/* Goal: writing to a peer that is gone kills nobody, although SIGPIPE has its default action, and
 * leaves no signal behind for the threads of the program. */
TEST(a_write_to_a_closed_peer_raises_no_sigpipe)
{
    sigset_t pending;

    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    CHECK_EQ(weft_run(write_to_closed, NULL), 0);
    CHECK_EQ(sigpending(&pending), 0);
    CHECK_EQ(sigismember(&pending, SIGPIPE), 0);
    struct sigaction now;
    CHECK_EQ(sigaction(SIGPIPE, NULL, &now), 0);
    CHECK(now.sa_handler == SIG_DFL); /* the disposition of the program is its own */
}
