/* SPDX-License-Identifier: MIT */
/*
 * per_core.c - where nobody steals a coroutine stays on the processor where it was spawned or
 * placed, whoever wakes it and however many there are.
 *
 * Method: each test runs with four processors; each coroutine asks where it is after each of its
 * waits.  The perturbed builds move whatever may be moved.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/socket.h>

#include "co_test.h"

enum { PROCS = 4, TURNS = 300 };

static void run_apart(int (*app)(void *), void *arg)
{
    struct weft_config config = WEFT_CONFIG_INIT;

    config.procs = PROCS;
    config.no_steal = 1;
    CHECK_EQ(weft_run_config(app, arg, &config), 0);
}

#define APART_TEST(id)                                                                             \
    static int in_##id(void *unused);                                                              \
    TEST(id)                                                                                       \
    {                                                                                              \
        run_apart(in_##id, NULL);                                                                  \
    }                                                                                              \
    static int in_##id(void *unused __attribute__((unused)))

/* A pair on two processors. */
struct pair {
    chan *there, *back;
};

static int answer_here(void *arg)
{
    struct pair *pair = arg;
    const int at = weft_thread_index();
    int v;

    while (chan_recv(pair->there, &v) == 0) {
        CHECK_EQ(weft_thread_index(), at);
        CHECK_EQ(chan_send(pair->back, &v), 0);
        CHECK_EQ(weft_thread_index(), at);
    }
    return 0;
}

static int ask_here(void *arg)
{
    struct pair *pair = arg;
    const int at = weft_thread_index();
    int v;

    for (int i = 0; i < scaled(TURNS); i++) {
        CHECK_EQ(chan_send(pair->there, &i), 0);
        CHECK_EQ(chan_recv(pair->back, &v), 0);
        CHECK_EQ(v, i);
        CHECK_EQ(weft_thread_index(), at);
    }
    chan_close(pair->there);
    return 0;
}

APART_TEST(one_that_another_processor_wakes_stays)
{
    struct pair pair[PROCS];
    struct weft_co *co[2 * PROCS];

    for (int i = 0; i < PROCS; i++) {
        pair[i] = (struct pair){chan_make(sizeof(int), 0), chan_make(sizeof(int), 0)};
        co[2 * i] = weft_go_with(answer_here, &pair[i], .on_p = WEFT_ON_P(i));
        co[2 * i + 1] = weft_go_with(ask_here, &pair[i], .on_p = WEFT_ON_P((i + 1) % PROCS));
    }
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    for (int i = 0; i < PROCS; i++) {
        chan_unref(pair[i].there);
        chan_unref(pair[i].back);
    }
    return 0;
}

static void *send_from_a_thread(void *arg)
{
    for (int i = 0; i < scaled(TURNS); i++)
        CHECK_EQ(weft_chan_send_foreign(arg, &i, WEFT_NEVER), 0);
    weft_chan_close(arg);
    return NULL;
}

static int receive_here(void *arg)
{
    const int at = weft_thread_index();
    int v;

    while (chan_recv(arg, &v) == 0)
        CHECK_EQ(weft_thread_index(), at);
    return 0;
}

APART_TEST(one_that_a_plain_thread_wakes_stays)
{
    pthread_t th[PROCS];
    struct weft_co *co[PROCS];
    chan *ch[PROCS];

    for (int i = 0; i < PROCS; i++) {
        ch[i] = chan_make(sizeof(int), 0);
        co[i] = weft_go_with(receive_here, ch[i], .on_p = WEFT_ON_P(i));
        CHECK_EQ(pthread_create(&th[i], NULL, send_from_a_thread, ch[i]), 0);
    }
    for (int i = 0; i < PROCS; i++) {
        join(co[i]);
        CHECK_EQ(pthread_join(th[i], NULL), 0);
        chan_unref(ch[i]);
    }
    return 0;
}

static int nothing(void *unused)
{
    (void)unused;
    return 0;
}

/* All else that waits: sleeps, sockets, calls of the pool, calls outside, joins. */
static int wait_in_all_ways(void *arg)
{
    const int at = weft_thread_index();
    int fd[2];
    char byte = 'x';

    CHECK_EQ(at, (int)(intptr_t)arg);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(weft_sleep(WEFT_US), 0);
        CHECK_EQ(weft_thread_index(), at);
        CHECK_EQ(weft_blocking(nothing, NULL, NULL), 0);
        CHECK_EQ(weft_thread_index(), at);
        weft_blocking_enter();
        weft_blocking_leave();
        CHECK_EQ(weft_thread_index(), at);
        CHECK_EQ(weft_write(fd[0], &byte, 1), 1);
        CHECK_EQ(weft_read(fd[1], &byte, 1), 1);
        CHECK_EQ(weft_thread_index(), at);
        join(weft_go_with(nothing, NULL, .on_p = WEFT_ON_P((at + 1) % PROCS)));
        CHECK_EQ(weft_thread_index(), at);
        weft_yield();
        CHECK_EQ(weft_thread_index(), at);
    }
    CHECK_EQ(weft_close(fd[0]), 0);
    CHECK_EQ(weft_close(fd[1]), 0);
    return 0;
}

APART_TEST(one_that_waits_in_any_way_stays)
{
    struct weft_co *co[PROCS];

    for (int i = 0; i < PROCS; i++)
        co[i] = weft_go_with(wait_in_all_ways, (void *)(intptr_t)i, .on_p = WEFT_ON_P(i));
    for (int i = 0; i < PROCS; i++)
        join(co[i]);
    return 0;
}

/* A reader waits in its processor's reactor; the socket was last waited for on another one. */
static int read_here(void *arg)
{
    const int at = weft_thread_index();
    char byte;

    CHECK_EQ(weft_read(*(int *)arg, &byte, 1), 1);
    CHECK_EQ(weft_thread_index(), at);
    return 0;
}

APART_TEST(a_socket_may_change_processors_and_its_readers_do_not)
{
    int fd[2];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
    for (int i = 0; i < 5 * PROCS; i++) {
        struct weft_co *co = weft_go_with(read_here, &fd[1], .on_p = WEFT_ON_P(i % PROCS));
        CHECK_EQ(weft_sleep(WEFT_US), 0);
        CHECK_EQ(weft_write(fd[0], "x", 1), 1);
        join(co);
    }
    CHECK_EQ(weft_close(fd[0]), 0);
    CHECK_EQ(weft_close(fd[1]), 0);
    return 0;
}

/* ---- more than fit into a processor's queues ---- */

enum { MANY = 2000 };

static int live_here(void *arg)
{
    const int at = (int)(intptr_t)arg;

    for (int i = 0; i < 5; i++) {
        CHECK_EQ(weft_thread_index(), at);
        weft_yield();
    }
    CHECK_EQ(weft_sleep(WEFT_US), 0);
    CHECK_EQ(weft_thread_index(), at);
    return 0;
}

static int spawn_many_here(void *arg)
{
    static struct weft_co *co[PROCS][MANY];
    const int at = (int)(intptr_t)arg;

    CHECK_EQ(weft_thread_index(), at);
    for (int i = 0; i < scaled(MANY); i++)
        co[at][i] = weft_go_with(live_here, arg);
    for (int i = 0; i < scaled(MANY); i++)
        join(co[at][i]);
    return 0;
}

APART_TEST(children_stay_where_they_are_spawned_however_many)
{
    struct weft_co *co[PROCS];

    for (int i = 0; i < PROCS; i++)
        co[i] = weft_go_with(spawn_many_here, (void *)(intptr_t)i, .on_p = WEFT_ON_P(i));
    for (int i = 0; i < PROCS; i++)
        join(co[i]);
    return 0;
}

static atomic_int n_at[PROCS];
static atomic_int n_all;

static void count_here(void *unused)
{
    const int at = weft_thread_index();

    (void)unused;
    atomic_fetch_add(&n_at[at], 1);
    for (int i = 0; i < 3; i++) {
        weft_yield();
        CHECK_EQ(weft_thread_index(), at);
    }
    atomic_fetch_add(&n_all, 1);
}

/* What plain threads spawn is dealt out, one for each in turn. */
TEST(spawns_of_a_plain_thread_are_dealt_out)
{
    struct weft_config config = WEFT_CONFIG_INIT;
    struct weft_runtime *rt = NULL;
    const int n = 100 * PROCS;

    config.procs = PROCS;
    config.no_steal = 1;
    CHECK_EQ(weft_runtime_start(&rt, &config), 0);
    for (int i = 0; i < n; i++)
        CHECK_EQ(weft_runtime_go(rt, count_here, NULL), 0);
    while (atomic_load(&n_all) < n)
        usleep(100);
    for (int i = 0; i < PROCS; i++)
        CHECK_EQ(atomic_load(&n_at[i]), n / PROCS);
    CHECK_EQ(weft_runtime_stop(rt), 0);
}

/* ---- wakes ---- */

static int count_the_wakes(void *arg)
{
    struct weft_stats before = {.size = sizeof before}, after = before;
    struct pair *pair = arg;
    int v;

    CHECK_EQ(weft_runtime_stats(NULL, &before), 0);
    for (int i = 0; i < TURNS; i++) {
        CHECK_EQ(chan_send(pair->there, &i), 0);
        CHECK_EQ(chan_recv(pair->back, &v), 0);
    }
    CHECK_EQ(weft_runtime_stats(NULL, &after), 0);
    chan_close(pair->there);
    CHECK_EQ(after.steals, 0);
    CHECK_LE(after.wakes - before.wakes, 2 * TURNS + 4);
    return 0;
}

/* Goal: a coroutine that is made runnable wakes the processor where it runs, and no third one. */
APART_TEST(a_wake_is_for_one_processor)
{
    struct pair pair = {chan_make(sizeof(int), 0), chan_make(sizeof(int), 0)};
    struct weft_co *answer = weft_go_with(answer_here, &pair, .on_p = WEFT_ON_P(1));

    join(weft_go_with(count_the_wakes, &pair, .on_p = WEFT_ON_P(2)));
    join(answer);
    chan_unref(pair.there);
    chan_unref(pair.back);
    return 0;
}
