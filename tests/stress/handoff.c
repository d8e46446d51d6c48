/* SPDX-License-Identifier: MIT */
/*
 * handoff.c - processors that change their threads all the time, with everything going on on them:
 * channels, timers, sockets and pinned coroutines.  A coroutine asks for the hand-off of the
 * processor that runs it, by the internal call that the take-over of a hogged processor will use.
 *
 * matrix: short
 */
#include <base/self.h>
#include <pthread.h>
#include <sched/sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "co_test.h"

static int64_t until;
static atomic_int n_asked, n_changes;

/* Never inlined: a coroutine may be on another thread after each call that can switch. */
__attribute__((noinline)) static long this_thread(void)
{
    return syscall(SYS_gettid);
}

static int ask(void *arg)
{
    uint64_t x = *(uint64_t *)arg | 1;

    do {
        const long before = this_thread();
        const int at = weft_thread_index();
        weft__p_ask_hand_off(weft__m_self()->p);
        atomic_fetch_add(&n_asked, 1);
        if (test_random(&x) % 2)
            weft_yield();
        else
            CHECK_EQ(weft_sleep((int64_t)(test_random(&x) % 300) * WEFT_US), 0);
        if (weft_thread_index() == at && this_thread() != before)
            atomic_fetch_add(&n_changes, 1);
    } while (test_now_ms() < until);
    return 0;
}

static int echo(void *arg)
{
    const int fd = *(int *)arg;
    char buf[256];
    ssize_t n;

    while ((n = weft_read(fd, buf, sizeof buf)) > 0)
        CHECK_EQ(weft_write_full(fd, buf, (size_t)n), n);
    CHECK_EQ(n, 0);
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}

static int talk_to_echo(void *arg)
{
    const int fd = *(int *)arg;
    uint64_t x = test_seed() ^ weft_id() << 16;

    do {
        char out[256], in[256];
        const size_t n = 1 + test_random(&x) % sizeof out;
        for (size_t i = 0; i < n; i++)
            out[i] = (char)test_random(&x);
        CHECK_EQ(weft_write_full(fd, out, n), (ssize_t)n);
        CHECK_EQ(weft_read_full(fd, in, n), (ssize_t)n);
        CHECK_EQ(memcmp(in, out, n), 0);
    } while (test_now_ms() < until);
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}

/* Waits for bytes that come only at the end: its operation is in flight through many hand-offs, and
 * the thread that submitted it has long become a spare one. */
static int wait_for_the_end(void *arg)
{
    char byte = 0;

    CHECK_EQ(weft_read(*(int *)arg, &byte, 1), 1);
    CHECK_EQ(byte, '!');
    return 0;
}

static int sleep_exactly(void *arg)
{
    uint64_t x = *(uint64_t *)arg | 1;

    do {
        const int64_t deadline = weft_deadline_in((int64_t)(test_random(&x) % 2000) * WEFT_US);
        CHECK_EQ(weft_sleep_until(deadline), 0);
        CHECK_GE(weft_now(), deadline);
    } while (test_now_ms() < until);
    return 0;
}

struct pair {
    chan *in, *out;
};

static int relay(void *arg)
{
    const struct pair *p = arg;
    int value;

    while (chan_recv(p->in, &value) == 0)
        CHECK_EQ(chan_send(p->out, &value), 0);
    chan_close(p->out);
    return 0;
}

static int count_through(void *arg)
{
    struct pair ends = {chan_make(sizeof(int), 0), chan_make(sizeof(int), 3)};
    struct weft_co *co = weft_go_with(relay, &ends);
    int value = 0;

    (void)arg;
    for (int i = 0; test_now_ms() < until; i++) {
        CHECK_EQ(chan_send(ends.in, &i), 0);
        CHECK_EQ(chan_recv(ends.out, &value), 0);
        CHECK_EQ(value, i);
    }
    chan_close(ends.in);
    join(co);
    chan_unref(ends.in);
    chan_unref(ends.out);
    return 0;
}

static void run_load(int (*asker)(void *))
{
    enum { PAIRS = 6, READERS = 4, ASKERS = 2 };
    struct weft_co *co[64];
    int fd[PAIRS][2], late[READERS][2], n = 0;
    static uint64_t seed[16];
    uint64_t x = test_seed();

    until = test_now_ms() + test_stress_ms() / 2;
    for (int i = 0; i < COUNT(seed); i++)
        seed[i] = test_random(&x);
    for (int i = 0; i < PAIRS; i++) {
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd[i]), 0);
        co[n++] = weft_go_with(echo, &fd[i][0], .name = "echo");
        co[n++] = weft_go_with(talk_to_echo, &fd[i][1], .name = "talker");
    }
    for (int i = 0; i < READERS; i++) {
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, late[i]), 0);
        co[n++] = weft_go_with(wait_for_the_end, &late[i][0], .name = "late reader");
    }
    for (int i = 0; i < 6; i++)
        co[n++] = weft_go_with(sleep_exactly, &seed[i], .name = "sleeper");
    for (int i = 0; i < 4; i++)
        co[n++] = weft_go_with(count_through, NULL, .name = "counter");
    for (int i = 0; i < ASKERS; i++)
        co[n++] = weft_go_with(asker, &seed[8 + i], .name = "asker");
    while (test_now_ms() < until)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    for (int i = 0; i < READERS; i++)
        CHECK_EQ(weft_write(late[i][1], "!", 1), 1);
    for (int i = 0; i < n; i++)
        join(co[i]);
    for (int i = 0; i < READERS; i++) {
        CHECK_EQ(weft_close(late[i][0]), 0);
        CHECK_EQ(weft_close(late[i][1]), 0);
    }
}

/* Goal: a processor that changes its thread keeps its queues, timers and operations: no byte is
 * lost, no operation fails, no timer is early, nothing hangs. */
STRESS_TEST(everything_goes_on_while_processors_change_threads)
{
    run_load(ask);
    CHECK_GT(atomic_load(&n_asked), 0);
    CHECK_GT(atomic_load(&n_changes), 0);
    return 0;
}

static int stay(void *arg)
{
    const long mine = this_thread();
    uint64_t x = *(uint64_t *)arg | 1;

    do {
        weft__p_ask_hand_off(weft__m_self()->p);
        if (test_random(&x) % 2)
            weft_yield();
        else
            CHECK_EQ(weft_sleep((int64_t)(test_random(&x) % 200) * WEFT_US), 0);
        CHECK_EQ(this_thread(), mine);
    } while (test_now_ms() < until);
    return 0;
}

static int stay_and_ask(void *arg)
{
    struct weft_co *co[6];
    int rc = 0;

    for (int i = 0; i < COUNT(co); i++)
        co[i] = weft_go_with(stay, arg, .pinned = 1,
                             .on_p = WEFT_ON_P(i % weft_runtime_procs(NULL)), .name = "pinned");
    rc = ask(arg);
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    return rc;
}

/* Goal: while a processor has pinned coroutines, it keeps the thread that they began on, although
 * hand-offs are asked for all the time; the others go on changing. */
STRESS_TEST(pinned_coroutines_keep_their_thread_although_hand_offs_are_asked_for)
{
    run_load(stay_and_ask);
    return 0;
}
