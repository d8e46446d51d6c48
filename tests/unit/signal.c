/* SPDX-License-Identifier: MIT */
/*
 * signal.c - objects that signals are waited for in: what reaches them, whoever has the signal open
 * or blocked, what a signal does while one is open, and what it does afterwards.
 *
 * matrix: short
 */
#include <poll.h>
#include <pthread.h>
#include <sys/time.h>
#include <unistd.h>

#include "arch/san.h"
#include "co_test.h"

#ifdef WEFT__TSAN
#define TSAN true /* it keeps a signal back from a thread that sleeps in a system call */
#else
#define TSAN false
#endif

static void block(int sig)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, sig);
    CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
}

static struct weft_signals *open_signals(uint64_t set)
{
    struct weft_signals *s = NULL;

    CHECK_EQ(weft_signals_open(&s, set), 0);
    return s;
}

static int take_one(void *arg)
{
    struct weft_signals *s = open_signals(WEFT_SIGNAL(SIGTERM) | WEFT_SIGNAL(SIGUSR1));
    struct weft_signal info;

    (void)arg;
    for (int i = 0; i < 20; i++) {
        const int sig = i % 2 == 0 ? SIGTERM : SIGUSR1;
        CHECK_EQ(weft_signals_try(s, &info), -EAGAIN);
        CHECK_EQ(kill(getpid(), sig), 0);
        CHECK_EQ(weft_signals_wait(s, &info), sig);
        CHECK_EQ(info.sig, sig);
        CHECK_EQ(info.count, 1);
        CHECK_EQ(info.pid, getpid());
        CHECK_EQ(info.uid, getuid());
    }
    weft_signals_close(s);
    return 0;
}

static void *take_one_beside(void *is_over)
{
    block(SIGTERM);
    block(SIGUSR1);
    CHECK_EQ(weft_run(take_one, NULL), 0);
    atomic_store((atomic_bool *)is_over, true);
    return NULL;
}

/* Goal: a signal whose default is to end the process reaches the object instead, whatever the
 * thread does that has it open: it sleeps in weft_run(), or, where that would keep it back, in a
 * call that the sanitizer knows. */
TEST(a_signal_that_the_main_thread_has_open_reaches_the_object)
{
    atomic_bool is_over = false;
    pthread_t thread;

    if (!TSAN) {
        CHECK_EQ(weft_run(take_one, NULL), 0);
        return;
    }
    CHECK_EQ(pthread_create(&thread, NULL, take_one_beside, &is_over), 0);
    while (!atomic_load(&is_over))
        usleep(100);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

TEST(a_signal_that_all_threads_block_reaches_the_object)
{
    block(SIGTERM);
    block(SIGUSR1);
    CHECK_EQ(weft_run(take_one, NULL), 0);
}

/* ---- who gets it ---- */

static int wait_for_one(void *s)
{
    CHECK_EQ(weft_signals_wait(s, NULL), SIGUSR1);
    return 0;
}

static int tell_everybody(void *arg)
{
    struct weft_signals *first = open_signals(WEFT_SIGNAL(SIGUSR1));
    struct weft_signals *second = open_signals(WEFT_SIGNAL(SIGUSR1) | WEFT_SIGNAL(SIGUSR2));
    struct weft_signals *other = open_signals(WEFT_SIGNAL(SIGUSR2));

    (void)arg;
    for (int i = 0; i < 10; i++) {
        struct weft_co *co = weft_go_with(wait_for_one, first);
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
        CHECK_EQ(weft_signals_wait(second, NULL), SIGUSR1);
        join(co);
        CHECK_EQ(weft_signals_try(other, NULL), -EAGAIN);
    }
    weft_signals_close(first);
    weft_signals_close(other);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0); /* still asked for */
    CHECK_EQ(weft_signals_wait(second, NULL), SIGUSR1);
    weft_signals_close(second);
    return 0;
}

TEST(each_object_that_asks_for_a_signal_gets_it)
{
    block(SIGUSR1);
    CHECK_EQ(weft_run(tell_everybody, NULL), 0);
}

static atomic_int n_taken;

static int wait_and_count(void *s)
{
    int sig = weft_signals_wait(s, NULL);

    if (sig == -ECANCELED)
        return 0;
    CHECK_EQ(sig, SIGUSR1);
    atomic_fetch_add(&n_taken, 1);
    return 0;
}

static int several_wait(void *arg)
{
    struct weft_signals *s = open_signals(WEFT_SIGNAL(SIGUSR1));
    struct weft_co *co[3];

    (void)arg;
    for (int i = 0; i < COUNT(co); i++)
        co[i] = weft_go_with(wait_and_count, s);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    while (atomic_load(&n_taken) == 0)
        weft_yield();
    yield_often(100);
    CHECK_EQ(atomic_load(&n_taken), 1);
    for (int i = 0; i < COUNT(co); i++) {
        weft_cancel(co[i]);
        join(co[i]);
    }
    CHECK_EQ(weft_signals_try(s, NULL), -EAGAIN);
    weft_signals_close(s);
    return 0;
}

TEST(of_several_who_wait_for_one_object_one_gets_the_signal)
{
    block(SIGUSR1);
    CHECK_EQ(weft_run(several_wait, NULL), 0);
}

static int expect_from(struct weft_signals *s, int sig, pid_t pid)
{
    struct weft_signal info;

    CHECK_EQ(weft_signals_wait(s, &info), sig);
    CHECK_EQ(info.pid, pid);
    return 0;
}

static int be_sent_from_everywhere(void *arg)
{
    struct weft_signals *s = open_signals(WEFT_SIGNAL(SIGALRM) | WEFT_SIGNAL(SIGCHLD));
    const struct itimerval once = {{0, 0}, {0, 1000}};
    const struct itimerspec once_more = {{0, 0}, {0, 1000000}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    timer_t timer;

    (void)arg;
    CHECK_EQ(sigqueue(getpid(), SIGALRM, (union sigval){.sival_int = 0}), 0);
    expect_from(s, SIGALRM, getpid());
    CHECK_EQ(setitimer(ITIMER_REAL, &once, NULL), 0);
    expect_from(s, SIGALRM, 0);
    CHECK_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    CHECK_EQ(timer_settime(timer, 0, &once_more, NULL), 0);
    expect_from(s, SIGALRM, 0);
    CHECK_EQ(timer_delete(timer), 0);
    const pid_t child = fork();
    if (child == 0)
        _exit(0);
    expect_from(s, SIGCHLD, child);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    weft_signals_close(s);
    return 0;
}

/* Goal: what the kernel sends by itself has no sender, though the fields of one hold something. */
TEST(who_has_sent_a_signal_is_known)
{
    block(SIGALRM);
    block(SIGCHLD);
    CHECK_EQ(weft_run(be_sent_from_everywhere, NULL), 0);
}

/* Goal: what a thread of the program sends to itself arrives, also the signal by which the look-out
 * asks threads of ours. */
TEST(a_signal_of_a_thread_to_itself_arrives)
{
    const int sigs[] = {SIGUSR1, SIGURG};

    for (size_t i = 0; i < sizeof sigs / sizeof sigs[0]; i++) {
        struct weft_signals *s = open_signals(WEFT_SIGNAL(sigs[i]));
        CHECK_EQ(raise(sigs[i]), 0);
        CHECK_EQ(weft_signals_try(s, NULL), sigs[i]);
        weft_signals_close(s);
    }
}

/* Until the fd says so. */
static void await_ready(const struct weft_signals *s)
{
    struct pollfd p = {.fd = weft_signals_fd(s), .events = POLLIN};

    CHECK_EQ(poll(&p, 1, -1), 1);
}

static int come_often(void *arg)
{
    const int sig = SIGRTMIN + 3; /* the kernel keeps each of them */
    struct weft_signals *s = open_signals(WEFT_SIGNAL(sig) | WEFT_SIGNAL(SIGUSR2));
    struct weft_signal info;
    const uint32_t at_once = TSAN ? 1 : 5; /* of several that it keeps back it makes one */
    uint32_t n = 0;

    (void)arg;
    for (uint32_t sent = at_once; sent <= 5; sent += at_once) {
        for (uint32_t i = 0; i < at_once; i++)
            CHECK_EQ(kill(getpid(), sig), 0);
        while (n < sent) {
            CHECK_EQ(weft_signals_wait(s, &info), sig);
            CHECK_GE(info.count, 1);
            n += info.count;
        }
    }
    CHECK_EQ(n, 5);
    CHECK_EQ(weft_signals_try(s, &info), -EAGAIN);
    weft_signals_close(s);
    return 0;
}

TEST(signals_of_one_number_are_counted)
{
    block(SIGRTMIN + 3);
    CHECK_EQ(weft_run(come_often, NULL), 0);
}

static int come_mixed(void *arg)
{
    struct weft_signals *s = open_signals(WEFT_SIGNAL(SIGUSR1) | WEFT_SIGNAL(SIGUSR2));
    struct weft_signals *last = open_signals(WEFT_SIGNAL(SIGUSR2));

    (void)arg;
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    await_ready(s);
    CHECK_EQ(kill(getpid(), SIGUSR2), 0);
    CHECK_EQ(weft_signals_wait(last, NULL), SIGUSR2); /* the handler has served the later ... */
    weft_signals_close(last);                         /* ... and has left */
    CHECK_EQ(weft_signals_wait(s, NULL), SIGUSR1);
    await_ready(s); /* of two that are there, one was taken */
    CHECK_EQ(weft_signals_wait(s, NULL), SIGUSR2);
    weft_signals_close(s);
    return 0;
}

TEST(what_was_not_taken_stays_and_the_lowest_comes_first)
{
    block(SIGUSR1);
    block(SIGUSR2);
    CHECK_EQ(weft_run(come_mixed, NULL), 0);
}

static int select_one(void *arg)
{
    struct weft_signals *s = open_signals(WEFT_SIGNAL(SIGTERM));
    chan *never = chan_make(0, 0);
    int sig = 0;

    (void)arg;
    for (int i = 0; i < 10; i++, sig = 0) {
        CHECK_EQ(kill(getpid(), SIGTERM), 0);
        while (sig <= 0) {
            WEFT_SELECT {
                WEFT_ON_RECV(never, NULL) { CHECK(!"received"); }
                WEFT_ON_SIGNAL(s) { sig = weft_signals_try(s, NULL); }
            }
        }
        CHECK_EQ(sig, SIGTERM);
    }
    chan_unref(never);
    weft_signals_close(s);
    return 0;
}

TEST(a_signal_is_a_case_of_a_select)
{
    block(SIGTERM);
    CHECK_EQ(weft_run(select_one, NULL), 0);
}

/* ---- what it does afterwards ---- */

static atomic_int n_handled;

static void handle(int sig)
{
    (void)sig;
    atomic_fetch_add(&n_handled, 1);
}

static int use_and_close(void *arg)
{
    struct weft_signals *a = open_signals(WEFT_SIGNAL(SIGUSR1) | WEFT_SIGNAL(SIGUSR2));
    struct weft_signals *b = open_signals(WEFT_SIGNAL(SIGUSR1));

    (void)arg;
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(weft_signals_wait(a, NULL), SIGUSR1);
    weft_signals_close(a);
    CHECK_EQ(weft_signals_wait(b, NULL), SIGUSR1);
    weft_signals_close(b);
    return 0;
}

static void expect_handler(int sig, void (*fn)(int))
{
    struct sigaction now;

    CHECK_EQ(sigaction(sig, NULL, &now), 0);
    CHECK((now.sa_flags & SA_SIGINFO) == 0);
    CHECK(now.sa_handler == fn);
}

TEST(a_close_gives_back_what_a_signal_did_before)
{
    CHECK(signal(SIGUSR1, handle) != SIG_ERR);
    CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
    block(SIGUSR1);
    CHECK_EQ(weft_run(use_and_close, NULL), 0);
    CHECK_EQ(atomic_load(&n_handled), 0);
    expect_handler(SIGUSR1, handle);
    expect_handler(SIGUSR2, SIG_IGN);
}

static int send_after_close(void *arg)
{
    sigset_t pending;

    (void)arg;
    CHECK_EQ(use_and_close(NULL), 0);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    yield_often(100);
    CHECK_EQ(sigpending(&pending), 0);
    CHECK_EQ(sigismember(&pending, SIGUSR1), 1);
    return 0;
}

/* Goal: after the close no thread of Weft has the signal open, so one that the program blocks is
 * not delivered.  Method: its default is to end the process. */
TEST(after_a_close_a_blocked_signal_stays_pending)
{
    block(SIGUSR1);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(weft_run(send_after_close, NULL), 0);
        const struct timespec at_once = {0, 0};
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        CHECK_EQ(sigtimedwait(&set, NULL, &at_once), SIGUSR1);
    }
}

static int ask_for_quit(void *signals)
{
    CHECK_EQ(kill(getpid(), SIGQUIT), 0);
    CHECK_EQ(weft_signals_wait(*(struct weft_signals **)signals, NULL), SIGQUIT);
    return 0;
}

static int open_and_ask_for_quit(void *signals)
{
    *(struct weft_signals **)signals = open_signals(WEFT_SIGNAL(SIGQUIT));
    return ask_for_quit(signals);
}

/* Goal: an object gets SIGQUIT instead of a dump, and what comes back when it is closed after the
 * runtime is not the runtime's handler. */
TEST(an_object_for_sigquit_outlives_the_runtime)
{
    struct weft_signals *s = NULL;

    block(SIGQUIT);
    CHECK_EQ(weft_run(open_and_ask_for_quit, &s), 0);
    CHECK_EQ(weft_run(ask_for_quit, &s), 0);
    weft_signals_close(s);
    expect_handler(SIGQUIT, SIG_DFL);
}

static void wait_for_ever(void *s)
{
    (void)!weft_signals_wait(s, NULL);
}

static int leave_one_who_waits(void *s)
{
    struct weft_stats stats = {.size = sizeof stats};

    CHECK_EQ(weft_go(wait_for_ever, s), 0);
    do {
        weft_yield();
        CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    } while (stats.parks == 0);
    return 0;
}

/* Goal: who waited in a runtime that was stopped waits no more, and takes nothing. */
TEST(an_object_outlives_those_who_wait_in_a_runtime)
{
    struct weft_signals *s = open_signals(WEFT_SIGNAL(SIGUSR1));

    block(SIGUSR1);
    CHECK_EQ(weft_run(leave_one_who_waits, s), 0);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(weft_run(wait_for_one, s), 0);
    CHECK_EQ(weft_run(leave_one_who_waits, s), 0);
    weft_signals_close(s);
    expect_handler(SIGUSR1, SIG_DFL);
}

/* How a child of this process ends that does this. */
static int end_of(void (*fn)(void))
{
    int status;
    const pid_t child = fork();

    if (child == 0) {
        fn();
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    return status;
}

static void open_close_raise(void)
{
    weft_signals_close(open_signals(WEFT_SIGNAL(SIGUSR1)));
    raise(SIGUSR1);
}

static struct weft_signals *of_the_parent;

static void look_at_it(void)
{
    expect_handler(SIGUSR1, SIG_DFL);
    CHECK_EQ(weft_signals_try(of_the_parent, NULL), -EAGAIN);
    weft_signals_close(of_the_parent);
    expect_handler(SIGUSR1, SIG_DFL);
}

TEST(without_an_object_the_default_ends_the_process)
{
    int status = end_of(open_close_raise);

    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
}

static int fork_and_look(void *arg)
{
    (void)arg;
    of_the_parent = open_signals(WEFT_SIGNAL(SIGUSR1));
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    await_ready(of_the_parent);
    int status = end_of(look_at_it);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_EQ(weft_signals_wait(of_the_parent, NULL), SIGUSR1);
    weft_signals_close(of_the_parent);
    return 0;
}

TEST(the_child_of_a_fork_takes_nothing_of_its_parent)
{
    block(SIGUSR1);
    CHECK_EQ(weft_run(fork_and_look, NULL), 0);
}

TEST(what_cannot_be_waited_for_is_refused)
{
    static const int refused[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE,
                                  SIGILL,  SIGTRAP, SIGSYS,  SIGABRT, 32};
    struct weft_signals *s = NULL;

    CHECK_EQ(weft_signals_open(&s, 0), -EINVAL);
    for (int i = 0; i < COUNT(refused); i++)
        CHECK_EQ(weft_signals_open(&s, WEFT_SIGNAL(refused[i]) | WEFT_SIGNAL(SIGHUP)), -EINVAL);
    CHECK(s == NULL);
    expect_handler(SIGHUP, SIG_DFL);
    weft_signals_close(NULL);
}

/* ---- runtimes and threads ---- */

static atomic_int n_served;

static void *block_on_one(void *rt)
{
    struct weft_signals *s = open_signals(WEFT_SIGNAL(SIGUSR1));

    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_block_on(rt, wait_for_one, s, NULL), 0);
    weft_signals_close(s);
    atomic_fetch_add(&n_served, 1);
    return NULL;
}

TEST(a_signal_reaches_objects_in_several_runtimes)
{
    struct weft_runtime *rt[2];
    struct weft_signals *ours = open_signals(WEFT_SIGNAL(SIGUSR1));
    pthread_t th[2];

    block(SIGUSR1);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(weft_runtime_start(&rt[i], NULL), 0);
        CHECK_EQ(pthread_create(&th[i], NULL, block_on_one, rt[i]), 0);
    }
    while (atomic_load(&n_served) < 2) {
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
        await_ready(ours);
        CHECK_EQ(weft_signals_try(ours, NULL), SIGUSR1);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_join(th[i], NULL), 0);
        CHECK_EQ(weft_runtime_stop(rt[i]), 0);
    }
    weft_signals_close(ours);
}

static int open_in_a_storm(void *arg)
{
    (void)arg;
    for (int i = 0; i < scaled(300); i++) {
        struct weft_signals *a = open_signals(WEFT_SIGNAL(SIGALRM) | WEFT_SIGNAL(SIGUSR1));
        struct weft_signals *b = open_signals(WEFT_SIGNAL(SIGALRM));
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
        CHECK_EQ(weft_signals_wait(b, NULL), SIGALRM);
        weft_signals_close(b);
        while (weft_signals_wait(a, NULL) != SIGUSR1)
            ;
        weft_signals_close(a);
    }
    return 0;
}

static void handle_with_info(int sig, siginfo_t *info, void *context)
{
    (void)context;
    CHECK_EQ(info->si_signo, sig);
}

/* Goal: objects come and go while signals arrive all the time, and none is missed that was sent
 * while one was open.  Method: between two objects the program's own handler gets them.  It takes
 * what the library's takes, for an emulator may read a handler and its flags at different times. */
TEST(objects_come_and_go_in_a_storm)
{
    const struct itimerval every = {{0, 100}, {0, 100}};
    const struct sigaction own = {.sa_sigaction = handle_with_info,
                                  .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction now;

    CHECK_EQ(sigaction(SIGALRM, &own, NULL), 0);
    block(SIGUSR1);
    if (TSAN)
        block(SIGALRM);
    CHECK_EQ(setitimer(ITIMER_REAL, &every, NULL), 0);
    CHECK_EQ(weft_run(open_in_a_storm, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL), 0);
    CHECK_EQ(sigaction(SIGALRM, NULL, &now), 0);
    CHECK((now.sa_flags & SA_SIGINFO) != 0);
    CHECK(now.sa_sigaction == handle_with_info);
}
