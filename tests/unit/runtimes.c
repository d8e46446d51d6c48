/* SPDX-License-Identifier: MIT */
/*
 * runtimes.c - several runtimes in one process, each with its own preset, CPUs, driver and threads:
 * what they have in common is what they share on purpose.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/socket.h>

#include "net_test.h"
#include "no_lookout.h" /* threads have names after their processors */

enum { KINDS = 4 };

static struct weft_config kind(int i)
{
    static const struct weft_config kinds[KINDS] = {
        {.size = sizeof(struct weft_config),
         .procs = 1,
         .reactor = WEFT_REACTOR_EPOLL,
         .guard = WEFT_GUARD_CANARY,
         .thread_name = "one"},
        {.size = sizeof(struct weft_config),
         .procs = 2,
         .preset = WEFT_PRESET_LATENCY,
         .thread_name = "two"},
        {.size = sizeof(struct weft_config),
         .procs = 3,
         .preset = WEFT_PRESET_PER_CORE,
         .thread_name = "three"},
        {.size = sizeof(struct weft_config),
         .procs = 2,
         .preset = WEFT_PRESET_THROUGHPUT,
         .reactor = WEFT_REACTOR_EPOLL,
         .stack_bytes = 64 * 1024,
         .blocking_max = 1,
         .thread_name = "four"},
    };
    return kinds[i];
}

static struct weft_runtime *started(int i)
{
    const struct weft_config config = kind(i);
    struct weft_runtime *rt = NULL;

    CHECK_EQ(weft_runtime_start(&rt, &config), 0);
    return rt;
}

/* A call of fn(arg) in a runtime, by a plain thread. */
struct visit {
    struct weft_runtime *rt;
    int (*fn)(void *);
    void *arg;
    pthread_t th;
};

static void *visit(void *arg)
{
    struct visit *v = arg;
    int result = -1;

    CHECK_EQ(weft_block_on(v->rt, v->fn, v->arg, &result), 0);
    CHECK_EQ(result, 0);
    return NULL;
}

static void begin_visit(struct visit *v)
{
    CHECK_EQ(pthread_create(&v->th, NULL, visit, v), 0);
}

static void end_visit(struct visit *v)
{
    CHECK_EQ(pthread_join(v->th, NULL), 0);
}

/* ---- each is what it was asked to be ---- */

static int name_of_thread(void *name)
{
    prctl(PR_GET_NAME, name);
    return 0;
}

static int look_at_oneself(void *arg)
{
    const int i = (int)(intptr_t)arg;
    const struct weft_config config = kind(i);
    char name[17] = "", expected[17];

    CHECK_EQ(weft_runtime_procs(NULL), config.procs);
    if (config.reactor == WEFT_REACTOR_EPOLL)
        CHECK_STR(weft_runtime_reactor(NULL), "epoll");
    if (config.guard == WEFT_GUARD_CANARY)
        CHECK_STR(weft_runtime_guard(NULL), "canary");
    for (int k = 0; k < 20; k++) {
        name_of_thread(name);
        snprintf(expected, sizeof expected, "%s-%d", config.thread_name, weft_thread_index());
        CHECK_STR(name, expected);
        CHECK_EQ(weft_sleep(WEFT_US), 0);
    }
    CHECK_EQ(weft_blocking(name_of_thread, name, NULL), 0);
    snprintf(expected, sizeof expected, "%s-job", config.thread_name);
    CHECK_STR(name, expected);
    return 0;
}

TEST(each_runtime_has_its_own_configuration)
{
    struct visit v[KINDS];

    for (int i = 0; i < KINDS; i++)
        v[i] = (struct visit){.rt = started(i), .fn = look_at_oneself, .arg = (void *)(intptr_t)i};
    for (int i = 0; i < KINDS; i++)
        begin_visit(&v[i]);
    for (int i = 0; i < KINDS; i++)
        end_visit(&v[i]);
    for (int i = 0; i < KINDS; i++)
        CHECK_EQ(weft_runtime_stop(v[i].rt), 0);
}

/* ---- a token goes round through all of them ---- */

struct station {
    chan *in, *out; /* shared */
    int n;
};

/* What a runtime does beside: its own sockets, timers, coroutines and threads for blocking calls.
 */
static void be_busy(void)
{
    int fd[2];
    char byte = 'b';

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
    CHECK_EQ(weft_write(fd[0], &byte, 1), 1);
    CHECK_EQ(weft_read(fd[1], &byte, 1), 1);
    CHECK_EQ(weft_close(fd[0]), 0);
    CHECK_EQ(weft_close(fd[1]), 0);
    CHECK_EQ(weft_sleep(10 * WEFT_US), 0);
}

static int pass_on(void *arg)
{
    const struct station *s = arg;
    int token;

    for (int i = 0; i < s->n; i++) {
        CHECK_EQ(chan_recv(s->in, &token), 0);
        if (i % 16 == 0)
            be_busy();
        token++;
        CHECK_EQ(chan_send(s->out, &token), 0);
    }
    return 0;
}

static void token_round(struct weft_runtime *const *rt, int n_rt, int n)
{
    struct station s[KINDS];
    struct visit v[KINDS];
    chan *ch[KINDS + 1];
    int token = 0;

    for (int i = 0; i <= n_rt; i++)
        ch[i] = weft_chan_make_shared(sizeof(int), (size_t)i % 2);
    for (int i = 0; i < n_rt; i++) {
        s[i] = (struct station){ch[i], ch[i + 1], n};
        v[i] = (struct visit){.rt = rt[i], .fn = pass_on, .arg = &s[i]};
        begin_visit(&v[i]);
    }
    for (int i = 0; i < n; i++) {
        CHECK_EQ(weft_chan_send_foreign(ch[0], &token, WEFT_NEVER), 0);
        CHECK_EQ(weft_chan_recv_foreign(ch[n_rt], &token, WEFT_NEVER), 0);
        CHECK_EQ(token, (i + 1) * n_rt);
    }
    for (int i = 0; i < n_rt; i++)
        end_visit(&v[i]);
    for (int i = 0; i <= n_rt; i++)
        weft_chan_unref(ch[i]);
}

TEST(runtimes_of_all_kinds_talk_through_shared_channels)
{
    struct weft_runtime *rt[KINDS];

    for (int i = 0; i < KINDS; i++)
        rt[i] = started(i);
    token_round(rt, KINDS, scaled(200));
    for (int i = 0; i < KINDS; i++)
        CHECK_EQ(weft_runtime_stop(rt[i]), 0);
}

/* ---- one stops, the others go on ---- */

static atomic_int n_parked;

static void wait_in_vain(void *ch)
{
    int v;

    atomic_fetch_add(&n_parked, 1);
    (void)chan_recv(ch, &v);
    TEST_FAIL("a coroutine of a runtime that has stopped received");
}

static int receive_all(void *ch)
{
    int v;

    for (int i = 0; i < 50; i++) {
        CHECK_EQ(chan_recv(ch, &v), 0);
        CHECK_EQ(v, i);
    }
    return 0;
}

/* Goal: a runtime that stops takes its waiters out of a shared channel: what is sent afterwards
 * goes to those of another one, from the first value on; the others' I/O and timers go on. */
TEST(a_runtime_that_stops_leaves_the_others_and_loses_no_value)
{
    struct weft_runtime *rt[KINDS];

    for (int i = 0; i < KINDS; i++)
        rt[i] = started(i);
    for (int last = KINDS - 1; last > 0; last--) {
        chan *ch = weft_chan_make_shared(sizeof(int), 0);
        struct visit v = {.rt = rt[0], .fn = receive_all, .arg = ch};

        atomic_store(&n_parked, 0);
        for (int i = 0; i < 8; i++)
            CHECK_EQ(weft_runtime_go(rt[last], wait_in_vain, ch), 0);
        while (atomic_load(&n_parked) < 8)
            usleep(100);
        CHECK_EQ(weft_runtime_stop(rt[last]), 8);
        begin_visit(&v);
        for (int i = 0; i < 50; i++)
            CHECK_EQ(weft_chan_send_foreign(ch, &i, WEFT_NEVER), 0);
        end_visit(&v);
        weft_chan_unref(ch);
        token_round(rt, last, 20);
    }
    CHECK_EQ(weft_runtime_stop(rt[0]), 0);
}

static void *start_and_stop(void *arg)
{
    for (int i = 0; i < 60 / (int)test_scale() + 8; i++) {
        struct weft_runtime *rt = started(i % KINDS);
        CHECK_EQ(weft_block_on(rt, look_at_oneself, (void *)(intptr_t)(i % KINDS), NULL), 0);
        CHECK_EQ(weft_runtime_stop(rt), 0);
    }
    return arg;
}

/* Goal: runtimes that come and go beside one that works do not disturb it. */
TEST(runtimes_come_and_go_beside_one_that_works)
{
    struct weft_runtime *rt[2] = {started(2), started(1)};
    pthread_t th[2];

    for (int i = 0; i < COUNT(th); i++)
        CHECK_EQ(pthread_create(&th[i], NULL, start_and_stop, NULL), 0);
    token_round(rt, 2, scaled(300));
    for (int i = 0; i < COUNT(th); i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
    CHECK_EQ(weft_runtime_stop(rt[0]), 0);
    CHECK_EQ(weft_runtime_stop(rt[1]), 0);
}

/* ---- handles ---- */

static int sleep_for_ever(void *unused)
{
    (void)unused;
    return weft_sleep(WEFT_NEVER);
}

static int lend_a_handle(void *co)
{
    *(struct weft_co **)co = weft_go_with(sleep_for_ever, NULL);
    return 0;
}

static int cancel_and_join(void *co)
{
    int result = 0;

    weft_cancel(co);
    CHECK_EQ(weft_join(co, &result), 0);
    CHECK_EQ(result, -ECANCELED);
    return 0;
}

TEST(a_coroutine_of_one_runtime_is_cancelled_and_joined_by_another)
{
    struct weft_runtime *rt[KINDS];

    for (int i = 0; i < KINDS; i++)
        rt[i] = started(i);
    for (int i = 0; i < KINDS * KINDS; i++) {
        struct weft_co *co = NULL;
        int result = -1;
        CHECK_EQ(weft_block_on(rt[i / KINDS], lend_a_handle, &co, NULL), 0);
        CHECK_EQ(weft_block_on(rt[i % KINDS], cancel_and_join, co, &result), 0);
        CHECK_EQ(result, 0);
    }
    for (int i = 0; i < KINDS; i++)
        CHECK_EQ(weft_runtime_stop(rt[i]), 0);
}

/* ---- sockets that go from one to the other ---- */

static int make_a_pair(void *fds)
{
    unix_pair(fds);
    return 0;
}

static int close_one(void *fd)
{
    return weft_close(*(int *)fd);
}

static int use_a_pipe(void *arg)
{
    const int *closed = arg;
    int fds[2];
    char byte;

    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(fds[0], *closed); /* the lowest number that is free */
    CHECK_EQ(weft_write(fds[1], "x", 1), 1);
    CHECK_EQ(weft_read(fds[0], &byte, 1), 1);
    close_both(fds);
    return 0;
}

static int read_the_end(void *fd)
{
    char byte;

    return (int)weft_read(*(int *)fd, &byte, 1);
}

static int await_a_reader(void *unused)
{
    (void)unused;
    await_in_flight(1);
    return 0;
}

/* Goal: a socket that one runtime has made and another one closes is closed for the first one as
 * well; as long as something waits for it there, it stays open, as for a plain thread. */
TEST(a_socket_is_closed_by_another_runtime)
{
    for (int i = 0; i < KINDS; i++) {
        struct weft_runtime *maker = started(i), *closer = started((i + 1) % KINDS);
        int fds[2], result = -1;

        CHECK_EQ(weft_block_on(maker, make_a_pair, fds, NULL), 0);
        struct visit reader = {.rt = maker, .fn = read_the_end, .arg = &fds[0]};
        begin_visit(&reader);
        CHECK_EQ(weft_block_on(maker, await_a_reader, NULL, NULL), 0);
        CHECK_EQ(weft_block_on(closer, close_one, &fds[0], &result), 0);
        CHECK_EQ(result, -EBUSY);
        CHECK_EQ(weft_block_on(closer, close_one, &fds[1], &result), 0);
        CHECK_EQ(result, 0);
        end_visit(&reader);
        CHECK_EQ(weft_block_on(closer, close_one, &fds[0], &result), 0);
        CHECK_EQ(result, 0);
        CHECK_EQ(weft_block_on(maker, use_a_pipe, &fds[0], &result), 0);
        CHECK_EQ(result, 0);
        CHECK_EQ(weft_runtime_stop(maker), 0);
        CHECK_EQ(weft_runtime_stop(closer), 0);
    }
}
