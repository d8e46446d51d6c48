/* SPDX-License-Identifier: MIT */
/*
 * stand.c - the number of processors that run coroutines changes at random while they do.
 *
 * matrix: short
 */
#include <pthread.h>
#include <sched.h>
#include <sched/stand.h>
#include <sys/socket.h>

#include "co_test.h"

#define PROCS 8

static struct weft_runtime *start(void)
{
    struct weft_config config = WEFT_CONFIG_INIT;
    struct weft_runtime *rt;

    config.procs = PROCS;
    CHECK_EQ(weft_runtime_start(&rt, &config), 0);
    return rt;
}

static void change(struct weft_runtime *rt, uint64_t *x)
{
    weft__stand_set(rt, 2 + (int)(test_random(x) % (PROCS - 1)));
}

/* --- everything at once */

#define LANES 5

enum { SOCKETS, SLEEPS, VALUES, RECEIPTS, TREES, YIELDS, OUTSIDE, KINDS };

static atomic_bool is_over;
static atomic_int n_rounds[KINDS][LANES];

/* What the coroutines of one lane share. */
struct lane {
    int index;
    int fds[2];
    chan *ch;
    struct weft_mutex *mutex;
    int64_t n_locked; /* under the mutex */
};

/* One round is done; are there more? */
static bool goes_on(int kind, const struct lane *l)
{
    atomic_fetch_add(&n_rounds[kind][l->index], 1);
    return !atomic_load(&is_over);
}

static int echo(void *arg)
{
    const struct lane *l = arg;
    char byte;

    while (weft_read(l->fds[1], &byte, 1) == 1 && byte != 0)
        CHECK_EQ(weft_write(l->fds[1], &byte, 1), 1);
    return 0;
}

static int ask(void *arg)
{
    const struct lane *l = arg;
    char byte = 1, got;

    do {
        byte = (char)(byte % 100 + 1);
        CHECK_EQ(weft_write(l->fds[0], &byte, 1), 1);
        CHECK_EQ(weft_read(l->fds[0], &got, 1), 1);
        CHECK_EQ(got, byte);
    } while (goes_on(SOCKETS, l));
    CHECK_EQ(weft_write(l->fds[0], "", 1), 1);
    return 0;
}

static int sleep_and_lock(void *arg)
{
    struct lane *l = arg;
    uint64_t x = test_seed() ^ weft_id() << 20;

    do {
        CHECK_EQ(weft_sleep((int64_t)(test_random(&x) % 1000) * WEFT_US), 0);
        CHECK_EQ(weft_mutex_lock(l->mutex), 0);
        l->n_locked++;
        weft_mutex_unlock(l->mutex);
    } while (goes_on(SLEEPS, l));
    return 0;
}

static int send_numbers(void *arg)
{
    const struct lane *l = arg;
    uint64_t n = 0;

    do {
        CHECK_EQ(chan_send(l->ch, &n), 0);
        n++;
    } while (goes_on(VALUES, l));
    CHECK_EQ(chan_close(l->ch), 0);
    return 0;
}

/* Pinned: its thread is the same all the time. */
static int receive_numbers(void *arg)
{
    const struct lane *l = arg;
    const pthread_t thread = pthread_self();
    uint64_t n, expected = 0;

    while (chan_recv(l->ch, &n) == 0) {
        CHECK_EQ(n, expected);
        CHECK(pthread_equal(pthread_self(), thread));
        expected++;
        if (n % 16 == 0)
            CHECK_EQ(weft_sleep(50 * WEFT_US), 0);
        (void)goes_on(RECEIPTS, l);
    }
    return 0;
}

static int branch(void *depth)
{
    struct weft_co *co[2];
    int sum = 0, result;

    if (depth == NULL)
        return 1;
    for (int i = 0; i < COUNT(co); i++)
        co[i] = weft_go_with(branch, (void *)((uintptr_t)depth - 1));
    for (int i = 0; i < COUNT(co); i++) {
        CHECK_EQ(weft_join(co[i], &result), 0);
        sum += result;
    }
    return sum;
}

static int grow_trees(void *lane)
{
    do
        CHECK_EQ(branch((void *)7), 128);
    while (goes_on(TREES, lane));
    return 0;
}

/* Pinned, and what it starts begins elsewhere. */
static int yield_and_join(void *lane)
{
    do {
        yield_often(20);
        CHECK_EQ(branch((void *)1), 2);
    } while (goes_on(YIELDS, lane));
    return 0;
}

static int go_outside(void *lane)
{
    do {
        weft_blocking_enter();
        usleep(100);
        weft_blocking_leave();
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    } while (goes_on(OUTSIDE, lane));
    return 0;
}

static void *change_often(void *rt)
{
    uint64_t x = test_seed();

    while (!atomic_load(&is_over)) {
        change(rt, &x);
        usleep((useconds_t)(test_random(&x) % 1000));
    }
    return NULL;
}

static int in_all_lanes(void *arg)
{
    struct lane lanes[LANES];
    struct weft_co *co[LANES][KINDS + 1];
    pthread_t changer;

    (void)arg;
    CHECK_EQ(pthread_create(&changer, NULL, change_often, weft_runtime_current()), 0);
    for (int i = 0; i < LANES; i++) {
        struct lane *l = &lanes[i];
        *l = (struct lane){.index = i, .ch = chan_make(sizeof(uint64_t), (size_t)i)};
        l->mutex = weft_mutex_make();
        CHECK_EQ(weft_socket_pair(l->fds), 0);
        co[i][0] = weft_go_with(echo, l);
        co[i][1] = weft_go_with(ask, l, .on_p = WEFT_ON_P(i));
        co[i][2] = weft_go_with(sleep_and_lock, l, .on_p = WEFT_ON_P(7 - i));
        co[i][3] = weft_go_with(send_numbers, l);
        co[i][4] = weft_go_with(receive_numbers, l, .pinned = 1, .on_p = WEFT_ON_P(7 - i));
        co[i][5] = weft_go_with(grow_trees, l);
        co[i][6] = weft_go_with(yield_and_join, l, .pinned = 1, .on_p = WEFT_ON_P(i));
        co[i][7] = weft_go_with(go_outside, l);
    }
    CHECK_EQ(weft_sleep(test_stress_ms() / 2 * WEFT_MS), 0);
    for (int i = 0; i < LANES * KINDS; i++) /* nobody is left behind */
        while (atomic_load(&n_rounds[i % KINDS][i / KINDS]) < 3)
            CHECK_EQ(weft_sleep(WEFT_MS), 0);
    atomic_store(&is_over, true);
    for (int i = 0; i < LANES; i++) {
        for (int k = 0; k <= KINDS; k++)
            join(co[i][k]);
        CHECK_EQ(lanes[i].n_locked, atomic_load(&n_rounds[SLEEPS][i]));
        CHECK_EQ(atomic_load(&n_rounds[VALUES][i]), atomic_load(&n_rounds[RECEIPTS][i]));
        CHECK_EQ(weft_close(lanes[i].fds[0]), 0);
        CHECK_EQ(weft_close(lanes[i].fds[1]), 0);
        chan_unref(lanes[i].ch);
        weft_mutex_free(lanes[i].mutex);
    }
    CHECK_EQ(pthread_join(changer, NULL), 0);
    return 0;
}

/* Goal: no coroutine is lost, doubled or left behind while processors stand down and again.
 * Method: sockets, sleeps, locks, channels, joins, pinned ones and ones that go outside, each in
 * several lanes with books that must balance; and a thread that changes the number. */
TEST_PROLONG(nothing_is_lost_while_the_number_changes)
TEST_LIMIT(nothing_is_lost_while_the_number_changes, 30)
{
    struct weft_runtime *rt = start();
    int result = -1;

    CHECK_EQ(weft_block_on(rt, in_all_lanes, NULL, &result), 0);
    CHECK_EQ(result, 0);
    CHECK_EQ(weft_runtime_stop(rt), 0);
}

/* --- one thing at a time, which nothing comes to help */

/* A processor searches for some 20 us before it sleeps. */
#define PAUSE_NS_MAX 60000

static atomic_uint_fast64_t round_now, changed, answered;

static void pause_randomly(uint64_t *x)
{
    const int64_t until = weft_now() + (int64_t)(test_random(x) % PAUSE_NS_MAX);

    while (weft_now() < until)
        ;
}

/* Waits without doing anything that could help. */
static void await(atomic_uint_fast64_t *word, uint64_t i, const char *what)
{
    const int64_t until = test_now_ms() + 4000 * test_scale();

    for (unsigned looks = 1; atomic_load(word) != i; looks++) {
        if (looks % 256 == 0)
            sched_yield(); /* there are more threads than CPUs */
        if (looks % 65536 == 0 && test_now_ms() > until)
            TEST_FAIL("%s: nobody answers number %llu", what, (unsigned long long)i);
    }
}

/* In each round one change, at some time. */
static void *change_once_a_round(void *rt)
{
    uint64_t x = test_seed() ^ 0x5555;

    for (uint64_t i = 1;; i++) {
        while (atomic_load(&round_now) < i)
            sched_yield();
        if (atomic_load(&round_now) == UINT64_MAX)
            return NULL;
        pause_randomly(&x);
        change(rt, &x);
        atomic_store(&changed, i);
    }
}

static void answer(void *arg)
{
    atomic_store(&answered, (uint64_t)(uintptr_t)arg);
}

static chan *asked;
static int fds[2];

static void answer_values(void *unused)
{
    uint64_t i;

    (void)unused;
    while (chan_recv(asked, &i) == 0)
        atomic_store(&answered, i);
}

static int answer_values_pinned(void *unused)
{
    answer_values(unused);
    return 0;
}

static int pin_one(void *unused)
{
    (void)unused;
    weft_detach(weft_go_with(answer_values_pinned, NULL, .pinned = 1,
                             .on_p = WEFT_ON_P((int)(test_seed() % PROCS))));
    return 0;
}

static void answer_bytes(void *unused)
{
    uint64_t i;

    (void)unused;
    while (weft_read(fds[0], &i, sizeof i) == sizeof i)
        atomic_store(&answered, i);
}

enum { BY_SPAWN, BY_SEND, BY_BYTES };

static void ask_for(struct weft_runtime *rt, int how, uint64_t i)
{
    switch (how) {
    case BY_SPAWN:
        CHECK_EQ(weft_runtime_go(rt, answer, (void *)(uintptr_t)i), 0);
        break;
    case BY_SEND:
        CHECK_EQ(weft_chan_try_send(asked, &i), 0);
        break;
    default:
        CHECK_EQ(write(fds[1], &i, sizeof i), sizeof i);
    }
}

static void ask_and_change(struct weft_runtime *rt, int how, const char *what)
{
    const int64_t until = test_now_ms() + test_stress_ms() / 4;
    uint64_t x = test_seed(), i = 1;
    pthread_t changer;

    CHECK_EQ(pthread_create(&changer, NULL, change_once_a_round, rt), 0);
    for (; test_now_ms() < until; i++) {
        atomic_store(&round_now, i);
        pause_randomly(&x);
        ask_for(rt, how, i);
        await(&answered, i, what);
        await(&changed, i, "the thread that changes the number");
    }
    atomic_store(&round_now, UINT64_MAX);
    CHECK_EQ(pthread_join(changer, NULL), 0);
}

/* Goal: whatever comes from outside is answered, whichever processor is told of it and then finds
 * that it is to stand down, or is about to stand again.
 * Method: as in wake.c; in each round one question and one change of the number. */
TEST_PROLONG(a_spawn_is_not_slept_over)
TEST(a_spawn_is_not_slept_over)
{
    struct weft_runtime *rt = start();

    ask_and_change(rt, BY_SPAWN, "weft_runtime_go()");
    CHECK_EQ(weft_runtime_stop(rt), 0);
}

TEST_PROLONG(a_send_is_not_slept_over)
TEST(a_send_is_not_slept_over)
{
    struct weft_runtime *rt = start();

    asked = weft_chan_make_shared(sizeof(uint64_t), 1);
    CHECK_EQ(weft_runtime_go(rt, answer_values, NULL), 0);
    ask_and_change(rt, BY_SEND, "weft_chan_try_send()");
    CHECK_EQ(weft_runtime_stop(rt), 1);
    weft_chan_unref(asked);
}

TEST_PROLONG(a_send_to_a_pinned_one_is_not_slept_over)
TEST(a_send_to_a_pinned_one_is_not_slept_over)
{
    struct weft_runtime *rt = start();

    asked = weft_chan_make_shared(sizeof(uint64_t), 1);
    CHECK_EQ(weft_block_on(rt, pin_one, NULL, NULL), 0);
    ask_and_change(rt, BY_SEND, "weft_chan_try_send() to a pinned one");
    CHECK_EQ(weft_runtime_stop(rt), 1);
    weft_chan_unref(asked);
}

TEST_PROLONG(bytes_are_not_slept_over)
TEST(bytes_are_not_slept_over)
{
    struct weft_runtime *rt = start();

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQ(weft_runtime_go(rt, answer_bytes, NULL), 0);
    ask_and_change(rt, BY_BYTES, "write()");
    CHECK_EQ(weft_runtime_stop(rt), 1);
}

static int queue_and_compute(void *unused)
{
    const int64_t until = test_now_ms() + test_stress_ms() / 4;
    uint64_t x = test_seed();

    (void)unused;
    for (uint64_t i = 1; test_now_ms() < until; i++) {
        atomic_store(&round_now, i);
        pause_randomly(&x);
        CHECK_EQ(go(answer, (void *)(uintptr_t)i), 0);
        await(&answered, i, "go()");
        await(&changed, i, "the thread that changes the number");
        if (test_random(&x) % 4 == 0)
            CHECK_EQ(weft_sleep(1), 0); /* on another processor, perhaps */
    }
    return 0;
}

/* Goal: what a coroutine starts and then computes is taken up by another processor, also if the
 * one that looks around for such work has just been told to stand down. */
TEST_PROLONG(what_a_busy_one_queues_is_not_slept_over)
TEST(what_a_busy_one_queues_is_not_slept_over)
{
    struct weft_runtime *rt = start();
    pthread_t changer;

    CHECK_EQ(pthread_create(&changer, NULL, change_once_a_round, rt), 0);
    CHECK_EQ(weft_block_on(rt, queue_and_compute, NULL, NULL), 0);
    atomic_store(&round_now, UINT64_MAX);
    CHECK_EQ(pthread_join(changer, NULL), 0);
    CHECK_EQ(weft_runtime_stop(rt), 0);
}
