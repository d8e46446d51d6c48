/* SPDX-License-Identifier: MIT */
/*
 * go.c - coroutines: what they return, who they are, where they run, and that each gets its turn.
 *
 * Fairness is tested by counting turns, never by time: a loaded machine changes how long a turn
 * takes, not whose turn is next.
 *
 * matrix: short
 */
#include <pthread.h>

#include "co_test.h"
#include "no_lookout.h" /* orders and shares */

static int number(void *arg)
{
    return *(int *)arg;
}

CO_TEST(join_gives_the_value_of_the_coroutine)
{
    for (int i = -3; i < 1000; i++) {
        int result = 12345;
        struct weft_co *co = weft_go_with(number, &i);
        CHECK(co != NULL);
        CHECK_EQ(weft_join(co, &result), 0);
        CHECK_EQ(result, i);
    }
    return 0;
}

static atomic_int started, ended;

static int spin_turns(void *arg)
{
    atomic_fetch_add(&started, 1);
    yield_often(*(int *)arg);
    atomic_fetch_add(&ended, 1);
    return 0;
}

CO_TEST(a_handle_says_when_its_coroutine_has_ended)
{
    int turns = 20;
    struct weft_co *co = weft_go_with(spin_turns, &turns);

    CHECK(!weft_done(co) || atomic_load(&ended) == 1);
    while (!weft_done(co))
        weft_yield();
    CHECK_EQ(atomic_load(&ended), 1);
    CHECK_EQ(weft_join(co, NULL), 0);
    return 0;
}

CO_TEST(a_detached_coroutine_runs_to_its_end)
{
    int turns = 3;

    for (int i = 0; i < 100; i++)
        weft_detach(weft_go_with(spin_turns, &turns));
    while (atomic_load(&ended) < 100)
        weft_yield();
    return 0;
}

static int check_name(void *arg)
{
    CHECK_STR(weft_name(), arg);
    CHECK_EQ(weft_set_name("another"), 0);
    CHECK_STR(weft_name(), "another");
    return 0;
}

CO_TEST(names_are_copied_and_cut_to_31_bytes)
{
    char name[] = "0123456789012345678901234567890123456789";

    join(weft_go_with(check_name, "reader", .name = "reader"));
    join(weft_go_with(check_name, ""));
    struct weft_co *co = weft_go_with(check_name, "0123456789012345678901234567890", .name = name);
    memset(name, 'x', 10);
    join(co);
    CHECK_STR(weft_name(), "main");
    return 0;
}

TEST(a_plain_thread_is_no_coroutine)
{
    CHECK(!weft_in_coroutine());
    CHECK_EQ(weft_id(), 0);
    CHECK(weft_self() == NULL);
    CHECK_EQ(weft_thread_index(), -1);
    CHECK_STR(weft_name(), "");
    CHECK_EQ(weft_set_name("x"), -EPERM);
}

enum { N_IDS = 2000 };
static uint64_t ids[N_IDS];

static int tell_id(void *arg)
{
    CHECK(weft_in_coroutine());
    CHECK(weft_self() != NULL);
    *(uint64_t *)arg = weft_id();
    weft_yield();
    CHECK_EQ(weft_id(), *(uint64_t *)arg);
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

CO_TEST(ids_are_unique_though_descriptors_are_used_again)
{
    for (int i = 0; i < N_IDS; i += 10) {
        struct weft_co *co[10];
        for (int k = 0; k < 10; k++)
            co[k] = weft_go_with(tell_id, &ids[i + k]);
        for (int k = 0; k < 10; k++)
            join(co[k]);
    }
    qsort(ids, N_IDS, sizeof ids[0], compare_ids);
    CHECK_GE(ids[0], 1);
    for (int i = 1; i < N_IDS; i++)
        CHECK_NE(ids[i - 1], ids[i]);
    return 0;
}

static int fibonacci(void *arg)
{
    int n = *(int *)arg, less[2] = {n - 1, n - 2}, sum = 0, one;

    if (n < 2)
        return n;
    struct weft_co *co[2] = {weft_go_with(fibonacci, &less[0]), weft_go_with(fibonacci, &less[1])};
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(weft_join(co[i], &one), 0);
        sum += one;
    }
    return sum;
}

/* A tree of coroutines runs depth-first in a few stacks, not breadth-first in thousands. */
CO_TEST(a_tree_of_coroutines_takes_few_stacks)
{
    int n = 17;
    struct weft_stats stats = {.size = sizeof stats};

    CHECK_EQ(fibonacci(&n), 1597);
    CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    CHECK_GT(stats.spawned, 5000);
    CHECK_LT(stats.stacks, 300 + 100 * (uint64_t)weft_runtime_procs(NULL));
    return 0;
}

/* --- where a coroutine runs */

static int check_home(void *arg)
{
    CHECK_EQ(weft_thread_index(), *(int *)arg);
    return 0;
}

CO_TEST(on_p_starts_a_coroutine_on_that_processor)
{
    const int procs = weft_runtime_procs(NULL);

    for (int round = 0; round < 50; round++)
        for (int k = 0; k < procs; k++)
            join(weft_go_with(check_home, &k, .on_p = WEFT_ON_P(k)));
    return 0;
}

CO_TEST(all_that_are_placed_on_one_processor_have_their_turns)
{
    int last = weft_runtime_procs(NULL) - 1;
    struct weft_co *co[20];

    for (int i = 0; i < COUNT(co); i++)
        co[i] = weft_go_with(check_home, &last, .pinned = 1, .on_p = WEFT_ON_P(last));
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    return 0;
}

enum { N_PINNED = 12, PINNED_TURNS = 200 };
static __thread int thread_mark;

/* Never inlined, as every access to a thread-local in a coroutine must be. */
__attribute__((noinline)) static int *mark_of_this_thread(void)
{
    int *p = &thread_mark;

    __asm__ volatile("" : "+r"(p)::"memory");
    return p;
}

__attribute__((noinline)) static pthread_t this_thread(void)
{
    pthread_t t = pthread_self();

    __asm__ volatile("" : "+r"(t)::"memory");
    return t;
}

static int stay_on_thread(void *arg)
{
    const pthread_t mine = this_thread();
    int *const mark = mark_of_this_thread(), at = weft_thread_index();

    for (int i = 0; i < PINNED_TURNS; i++) {
        switch (i % 4) {
        case 0:
            weft_yield();
            break;
        case 1:
            CHECK_EQ(weft_sleep(10 * WEFT_US), 0);
            break;
        default:
            CHECK_EQ(weft_mutex_lock(arg), 0);
            weft_yield();
            weft_mutex_unlock(arg);
        }
        CHECK(pthread_equal(this_thread(), mine));
        CHECK(mark_of_this_thread() == mark);
        CHECK_EQ(weft_thread_index(), at);
    }
    return 0;
}

static atomic_bool stop_noise;

static int make_noise(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop_noise)) {
        weft_yield();
        (void)weft_sleep(1000);
    }
    return 0;
}

/* Goal: a pinned coroutine has the same OS thread for life, however it waits and whoever wakes it,
 * while others are stolen to and fro. */
CO_TEST(a_pinned_coroutine_never_changes_its_thread)
{
    struct weft_mutex *m = weft_mutex_make();
    struct weft_co *noise[8], *co[N_PINNED];

    for (int i = 0; i < COUNT(noise); i++)
        noise[i] = weft_go_with(make_noise, NULL);
    for (int i = 0; i < N_PINNED; i++)
        co[i] = i % 2 == 0 ? weft_go_with(stay_on_thread, m, .pinned = 1)
                           : weft_go_with(stay_on_thread, m, .pinned = 1,
                                          .on_p = WEFT_ON_P(i % weft_runtime_procs(NULL)));
    for (int i = 0; i < N_PINNED; i++)
        join(co[i]);
    atomic_store(&stop_noise, true);
    for (int i = 0; i < COUNT(noise); i++)
        join(noise[i]);
    weft_mutex_free(m);
    return 0;
}

/* --- turns */

enum { N_OTHERS = 100, PING_TURNS = 20000, N_MUST_START = 10 };
static uint64_t turns[N_OTHERS + 2];
static atomic_bool stop_turns;

struct player {
    chan *mine, *other;
    uint64_t *turns;
};

static int play(void *arg)
{
    const struct player *me = arg;

    while (chan_recv(me->mine, NULL) == 0) {
        ++*me->turns;
        if (atomic_load(&stop_turns) || chan_send(me->other, NULL) != 0)
            break;
    }
    chan_close(me->other);
    return 0;
}

static int take_turns(void *arg)
{
    while (!atomic_load(&stop_turns)) {
        ++*(uint64_t *)arg;
        weft_yield();
    }
    return 0;
}

static int watch_pair(void *arg)
{
    uint64_t *pair = arg;

    while (pair[0] + pair[1] < PING_TURNS)
        weft_yield();
    atomic_store(&stop_turns, true);
    return 0;
}

static int compare_turns(void *unused)
{
    uint64_t *pair = &turns[N_OTHERS], least = UINT64_MAX, most = 0;
    chan *a = chan_make(0, 1), *b = chan_make(0, 1);
    struct player players[2] = {{a, b, &pair[0]}, {b, a, &pair[1]}};
    struct weft_co *co[N_OTHERS + 3];
    int n = 0;

    (void)unused;
    for (int i = 0; i < N_OTHERS; i++)
        co[n++] = weft_go_with(take_turns, &turns[i]);
    for (int i = 0; i < 2; i++)
        co[n++] = weft_go_with(play, &players[i]);
    co[n++] = weft_go_with(watch_pair, pair);
    CHECK_EQ(chan_send(a, NULL), 0);
    for (int i = 0; i < n; i++)
        join(co[i]);
    for (int i = 0; i < N_OTHERS; i++) {
        least = turns[i] < least ? turns[i] : least;
        most = turns[i] > most ? turns[i] : most;
    }
    for (int i = 0; i < 2; i++) {
        CHECK_LE(pair[i], 2 * least);
        CHECK_LE(most, 2 * pair[i]);
    }
    chan_unref(a);
    chan_unref(b);
    return 0;
}

/*
 * Goal: a pair of coroutines that always wake each other, and so are always at the front, gets
 * between half and twice the turns of each of a hundred others.
 * Method: everybody counts turns, on one processor, where turns can be compared.
 */
TEST(a_talking_pair_gets_no_more_than_twice_its_share)
{
    struct weft_config config = WEFT_CONFIG_INIT;

    config.procs = 1;
    CHECK_EQ(weft_run_config(compare_turns, NULL, &config), 0);
}

/* Runs a test body on one processor, where the order of turns is determined. */
static void on_one_processor(int (*body)(void *))
{
    struct weft_config config = WEFT_CONFIG_INIT;

    config.procs = 1;
    CHECK_EQ(weft_run_config(body, NULL, &config), 0);
}

static void note_start(void *arg)
{
    (void)arg;
    atomic_fetch_add(&started, 1);
}

static int yield_among_unstarted(void *unused)
{
    enum { FEW = 200, MANY = 3000 }; /* in a processor's own queue, and far more than fit into it */
    static const int counts[] = {FEW, MANY};

    (void)unused;
    for (int k = 0; k < COUNT(counts); k++) {
        atomic_store(&started, 0);
        for (int i = 0; i < counts[k]; i++)
            go(note_start, NULL);
        for (int i = 1; i <= counts[k]; i++) {
            weft_yield();
            CHECK_GE(atomic_load(&started), i);
        }
    }
    return 0;
}

TEST(a_yield_goes_behind_at_least_one_that_has_not_started)
{
    on_one_processor(yield_among_unstarted);
}

static int order[100], n_in_order;

static int note_order(void *arg)
{
    weft_yield(); /* now it is woken, not unstarted */
    order[n_in_order++] = *(int *)arg;
    weft_yield();
    return 0;
}

static int yield_among_woken(void *unused)
{
    static int number_of[COUNT(order)];
    struct weft_co *co[COUNT(order)];

    (void)unused;
    for (int i = 0; i < COUNT(order); i++) {
        number_of[i] = i;
        co[i] = weft_go_with(note_order, &number_of[i]);
    }
    /* Each of our yields lets at least one start, and then each that has yielded run again. */
    for (int i = 0; i < 2 * COUNT(order); i++)
        weft_yield();
    CHECK_EQ(n_in_order, COUNT(order));
    for (int i = 0; i < COUNT(order); i++)
        join(co[i]);
    return 0;
}

TEST(a_yield_goes_behind_all_that_can_run)
{
    on_one_processor(yield_among_woken);
}

static int talk(void *arg)
{
    const struct player *me = arg;

    while (chan_recv(me->mine, NULL) == 0)
        if (atomic_load(&started) >= N_MUST_START || chan_send(me->other, NULL) != 0)
            break;
    chan_close(me->other);
    return 0;
}

/* Goal: coroutines that have not started get their turn although others, which have, always can
 * run; those that did not fit into the processor's own queue as well.
 * Method: a pair that never stops talking until ten others have started; the limit of the
 * test is the time within which they must. */
static int start_beside_talkers(void *arg)
{
    chan *a = chan_make(0, 1), *b = chan_make(0, 1);
    struct player players[2] = {{a, b, NULL}, {b, a, NULL}};
    struct weft_co *co[2];

    for (int i = 0; i < 2; i++)
        co[i] = weft_go_with(talk, &players[i]);
    CHECK_EQ(chan_send(a, NULL), 0);
    weft_yield();
    weft_yield();
    CHECK_EQ(atomic_load(&started), 0);
    for (int i = 0; i < *(int *)arg; i++)
        go(note_start, NULL);
    for (int i = 0; i < 2; i++)
        join(co[i]);
    CHECK_GE(atomic_load(&started), N_MUST_START);
    chan_unref(a);
    chan_unref(b);
    return 0;
}

static int start_few(void *unused)
{
    (void)unused;
    return start_beside_talkers(&(int){N_OTHERS});
}

static int start_many(void *unused)
{
    (void)unused;
    return start_beside_talkers(&(int){5000});
}

TEST_LIMIT(the_unstarted_start_although_a_pair_talks_all_the_time, 5)
{
    on_one_processor(start_few);
}

TEST_LIMIT(the_unstarted_start_although_they_are_many, 5)
{
    on_one_processor(start_many);
}

CO_TEST(they_start_although_every_processor_is_talking)
{
    enum { N_PAIRS = 8 };
    struct player players[2 * N_PAIRS];
    struct weft_co *co[2 * N_PAIRS];
    chan *ch[2 * N_PAIRS];

    for (int i = 0; i < 2 * N_PAIRS; i++)
        ch[i] = chan_make(0, 1);
    for (int i = 0; i < 2 * N_PAIRS; i++) {
        players[i] = (struct player){ch[i], ch[i ^ 1], NULL};
        co[i] = weft_go_with(talk, &players[i]);
    }
    for (int i = 0; i < N_PAIRS; i++)
        CHECK_EQ(chan_send(ch[2 * i], NULL), 0);
    yield_often(20);
    for (int i = 0; i < N_OTHERS; i++)
        go(note_start, NULL);
    for (int i = 0; i < 2 * N_PAIRS; i++)
        join(co[i]);
    for (int i = 0; i < 2 * N_PAIRS; i++)
        chan_unref(ch[i]);
    return 0;
}

/* --- what a migration must not break */

/* Goal: the processor that a coroutine sees is that of the thread that runs it now, whatever thread
 * ran it before; a processor keeps its thread where nobody asks for a hand-off.  And a call reports
 * its own error, not what some thread has in errno.
 * Method: sixteen coroutines wander, and compare with a table of which thread each processor has.
 * */
static atomic_uintptr_t thread_of[WEFT_PROCS_MAX];

static int wander(void *arg)
{
    (void)arg;
    for (int i = 0; i < scaled(2000); i++) {
        if (i % 8 == 0)
            CHECK_EQ(weft_sleep(1000), 0);
        else
            weft_yield();
        int at = weft_thread_index();
        CHECK_GE(at, 0);
        CHECK_LT(at, weft_runtime_procs(NULL));
        uintptr_t unknown = 0, now = (uintptr_t)this_thread();
        if (!atomic_compare_exchange_strong(&thread_of[at], &unknown, now))
            CHECK_EQ(unknown, now);
        *mark_of_this_thread() = at + 1;
        errno = EXDEV;
        CHECK_EQ(weft_write(-1, "x", 1), -EBADF); /* may yield */
        at = weft_thread_index();
        CHECK(*mark_of_this_thread() == at + 1 || *mark_of_this_thread() == 0);
    }
    return 0;
}

CO_TEST(processor_and_results_are_right_after_a_migration)
{
    struct weft_co *co[16];

    for (int i = 0; i < COUNT(co); i++)
        co[i] = weft_go_with(wander, NULL);
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    return 0;
}

static int end_when_told(void *gate)
{
    CHECK_EQ(chan_recv(gate, NULL), 0);
    return 7;
}

CO_TEST(a_join_ended_by_its_scope_leaves_the_handle_with_the_caller)
{
    chan *gate = chan_make(0, 0);
    struct weft_co *co = weft_go_with(end_when_told, gate);
    int result = 0;

    WEFT_DEADLINE (s, 10 * WEFT_US) {
        CHECK_EQ(weft_join(co, &result), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
    }
    CHECK_EQ(result, 0);
    CHECK_EQ(chan_send(gate, NULL), 0);
    CHECK_EQ(weft_join(co, &result), 0);
    CHECK_EQ(result, 7);
    chan_unref(gate);
    return 0;
}
