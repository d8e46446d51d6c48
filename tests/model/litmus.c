/* SPDX-License-Identifier: MIT */
/*
 * litmus.c - the explorer itself: that it sees all that the memory model of C11 allows and some
 * machine does, and nothing that it forbids.
 *
 * The names are those of the literature: SB store buffering, MP message passing, CoRR coherence of
 * two reads, 2+2W two writes each.
 */
#include <base/fence.h>

#include "explore.h"

static _Atomic uint32_t x, y;
static uint32_t r[2];
static uint32_t outcomes; /* a bit for each pair of r that was seen */
static struct model_cell data;
static struct model_event event;

/* The pair (a, b), each 0 or 1, as a bit. */
#define PAIR(a, b) (1u << (2 * (a) + (b)))
#define ALL_PAIRS 15u

static void begin(void)
{
    atomic_init(&x, 0);
    atomic_init(&y, 0);
    atomic_init(&weft__fence_is_asymmetric, true);
    r[0] = r[1] = 0;
    model_cell_init(&data);
    model_event_init(&event);
}

static void note_pair(void)
{
    outcomes |= PAIR(r[0] & 1, r[1] & 1);
}

/* All pairs that a model can end in. */
static uint32_t pairs_of(void (*first)(void), void (*second)(void))
{
    const struct model m = {.name = "litmus",
                            .is_of_the_explorer = true,
                            .begin = begin,
                            .thread = {first, second},
                            .end = note_pair,
                            .preemptions = 4,
                            .late = 4};

    outcomes = 0;
    model_explore(&m);
    return outcomes;
}

/* Does a model fail?  In a child, since that ends the process. */
static bool fails(void (*first)(void), void (*second)(void))
{
    int status = 0;

    fflush(NULL);
    const pid_t pid = fork();

    if (pid == 0) {
        (void)pairs_of(first, second);
        exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status) == 1;
}

#define STORE(word, value) atomic_store_explicit(&word, value, memory_order_relaxed)
#define STORE_RELEASE(word, value) atomic_store_explicit(&word, value, memory_order_release)
#define LOAD(word) atomic_load_explicit(&word, memory_order_relaxed)
#define LOAD_ACQUIRE(word) atomic_load_explicit(&word, memory_order_acquire)
#define FENCE() atomic_thread_fence(memory_order_seq_cst)

static void sb_0(void)
{
    STORE(x, 1);
    r[0] = LOAD(y);
}

static void sb_1(void)
{
    STORE_RELEASE(y, 1);
    r[1] = LOAD_ACQUIRE(x);
}

static void sb_fence_0(void)
{
    STORE(x, 1);
    FENCE();
    r[0] = LOAD(y);
}

static void sb_fence_1(void)
{
    STORE(y, 1);
    FENCE();
    r[1] = LOAD(x);
}

static void sb_light_0(void)
{
    STORE(x, 1);
    weft__fence_light();
    r[0] = LOAD(y);
}

static void sb_heavy_1(void)
{
    STORE(y, 1);
    weft__fence_heavy();
    r[1] = LOAD(x);
}

static void sb_rmw_0(void)
{
    r[0] = atomic_exchange_explicit(&x, 1, memory_order_acq_rel);
    r[0] = LOAD(y);
}

/* Goal: a store can be seen after a later load of the same thread, unless both sides fence. */
TEST(stores_are_seen_late_unless_both_sides_fence)
{
    CHECK_EQ(pairs_of(sb_0, sb_1), ALL_PAIRS);
    CHECK_EQ(pairs_of(sb_0, sb_fence_1), ALL_PAIRS);
    CHECK_EQ(pairs_of(sb_light_0, sb_fence_1), ALL_PAIRS);
    CHECK_EQ(pairs_of(sb_fence_0, sb_fence_1), ALL_PAIRS & ~PAIR(0, 0));
    CHECK_EQ(pairs_of(sb_light_0, sb_heavy_1), ALL_PAIRS & ~PAIR(0, 0));
    CHECK_EQ(pairs_of(sb_rmw_0, sb_fence_1), ALL_PAIRS & ~PAIR(0, 0));
}

static void mp_0(void)
{
    STORE(x, 1);
    STORE(y, 1);
}

static void mp_release_0(void)
{
    STORE(x, 1);
    STORE_RELEASE(y, 1);
}

static void mp_before_0(void)
{
    STORE_RELEASE(x, 1);
    STORE(y, 1);
}

static void mp_1(void)
{
    r[0] = LOAD(y);
    r[1] = LOAD(x);
}

/* Goal: relaxed stores overtake one another and those with release before them; one with release
 * overtakes none. */
TEST(a_release_comes_after_all_that_is_older)
{
    CHECK_EQ(pairs_of(mp_0, mp_1), ALL_PAIRS);
    CHECK_EQ(pairs_of(mp_before_0, mp_1), ALL_PAIRS);
    CHECK_EQ(pairs_of(mp_release_0, mp_1), ALL_PAIRS & ~PAIR(1, 0));
}

static void corr_0(void)
{
    STORE(x, 1);
}

static void corr_1(void)
{
    r[0] = LOAD(x);
    r[1] = LOAD(x);
}

static void two_writes_0(void)
{
    STORE(x, 1);
    STORE(y, 2);
}

static void two_writes_1(void)
{
    STORE(y, 1);
    STORE(x, 2);
}

static void note_last(void)
{
    r[0] = LOAD(x) == 1;
    r[1] = LOAD(y) == 1;
    note_pair();
}

/* Goal: a word never goes back to an older value, and either of two stores to it can be the
 * last. */
TEST(one_word_has_one_order)
{
    const struct model m = {.name = "litmus",
                            .is_of_the_explorer = true,
                            .begin = begin,
                            .thread = {two_writes_0, two_writes_1},
                            .end = note_last,
                            .preemptions = 4,
                            .late = 4};

    CHECK_EQ(pairs_of(corr_0, corr_1), ALL_PAIRS & ~PAIR(1, 0));
    outcomes = 0;
    model_explore(&m);
    CHECK_EQ(outcomes, ALL_PAIRS);
}

static void send_relaxed(void)
{
    model_put(&data, 1);
    STORE(x, 1);
}

static void send_released(void)
{
    model_put(&data, 1);
    STORE_RELEASE(x, 1);
}

static void send_fenced(void)
{
    model_put(&data, 1);
    FENCE();
    STORE(x, 1);
}

static void receive_relaxed(void)
{
    if (LOAD(x) == 1)
        (void)model_get(&data);
}

static void receive_acquired(void)
{
    if (LOAD_ACQUIRE(x) == 1)
        (void)model_get(&data);
}

static void receive_fenced(void)
{
    if (LOAD(x) == 1) {
        FENCE();
        (void)model_get(&data);
    }
}

/* Between the two: it goes on what the sender has released. */
static void count_up(void)
{
    (void)atomic_fetch_add_explicit(&y, 1, memory_order_relaxed);
    while (atomic_fetch_add_explicit(&x, 0, memory_order_relaxed) == 0)
        weft__sys_yield_cpu();
}

/* Goal: data that is handed on is in order by release and acquire, or by fences, and by nothing
 * less. */
TEST(data_needs_a_release_and_an_acquire)
{
    CHECK(!fails(send_released, receive_acquired));
    CHECK(!fails(send_fenced, receive_fenced));
    CHECK(!fails(send_fenced, receive_acquired));
    CHECK(!fails(send_released, receive_fenced));
    CHECK(!fails(send_released, count_up));
    CHECK(fails(send_relaxed, receive_acquired));
    CHECK(fails(send_released, receive_relaxed));
    CHECK(fails(send_relaxed, receive_fenced));
}

static void sleep_unless_set(void)
{
    STORE(x, 1);
    if (LOAD(y) == 0)
        model_event_wait(&event);
}

static void set_and_wake_sleeper(void)
{
    STORE(y, 1);
    if (LOAD(x) == 1)
        model_event_set(&event);
}

static void sleep_unless_set_fenced(void)
{
    STORE(x, 1);
    FENCE();
    if (LOAD(y) == 0)
        model_event_wait(&event);
}

static void set_and_wake_sleeper_fenced(void)
{
    STORE(y, 1);
    FENCE();
    if (LOAD(x) == 1)
        model_event_set(&event);
}

static void spin(void)
{
    while (LOAD(y) == 0)
        weft__sys_yield_cpu();
}

static void do_nothing(void)
{
}

/* Goal: a wake-up that can be lost is found; a thread that spins sees what it waits for, however
 * late, and is found out if there is nothing. */
TEST(who_waits_for_ever_is_found)
{
    CHECK(fails(sleep_unless_set, set_and_wake_sleeper));
    CHECK(fails(sleep_unless_set_fenced, set_and_wake_sleeper));
    CHECK(!fails(sleep_unless_set_fenced, set_and_wake_sleeper_fenced));
    CHECK(!fails(spin, sb_1));
    CHECK(fails(spin, do_nothing));
}

/* ---- memory that is over ---- */

static uint64_t memory[2];

static void read_then_say(void)
{
    (void)model_rmw(&memory[0], 8, MODEL_ADD, 1, memory_order_relaxed, MODEL_AT("memory"));
    model_plain_use(&memory[1], 8, false, __builtin_return_address(0));
    STORE_RELEASE(x, 1);
}

static void say_then_write(void)
{
    STORE_RELEASE(x, 1);
    (void)model_rmw(&memory[0], 8, MODEL_ADD, 1, memory_order_relaxed, MODEL_AT("memory"));
}

static void say_then_read(void)
{
    STORE_RELEASE(x, 1);
    model_plain_use(&memory[1], 8, false, __builtin_return_address(0));
}

static void let_go_when_told(void)
{
    (void)model_rmw(&memory[0], 8, MODEL_ADD, 1, memory_order_relaxed, MODEL_AT("memory"));
    while (LOAD_ACQUIRE(x) == 0)
        weft__sys_yield_cpu();
    model_let_go(memory, sizeof memory);
}

/* Goal: who uses memory after it was freed, or may, is found. */
TEST(who_uses_what_is_over_is_found)
{
    CHECK(!fails(read_then_say, let_go_when_told));
    CHECK(fails(say_then_write, let_go_when_told));
    CHECK(fails(say_then_read, let_go_when_told));
}

/* ---- what is left out ---- */

#define RESULTS_MAX 4096
static uint64_t results[RESULTS_MAX];
static int n_results;
static uint32_t seen[3][3];

static void mixed(int id)
{
    seen[id][0] = LOAD(x);
    STORE(y, (uint32_t)id + 1);
    seen[id][1] = atomic_fetch_add_explicit(&x, (uint32_t)id + 1, memory_order_acq_rel);
    seen[id][2] = LOAD_ACQUIRE(y);
}

static void mixed_0(void)
{
    mixed(0);
}

static void mixed_1(void)
{
    mixed(1);
}

static void mixed_2(void)
{
    mixed(2);
}

static void note_result(void)
{
    uint64_t result = model_mix(LOAD(x), LOAD(y));

    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            result = model_mix(result, seen[i][k]);
    for (int i = 0; i < n_results; i++)
        if (results[i] == result)
            return;
    CHECK_LT(n_results, RESULTS_MAX);
    results[n_results++] = result;
}

/* Goal: to leave out states that were seen loses no outcome.
 * Method: three threads that use two words in all ways; the same outcomes with and without. */
TEST(what_is_left_out_leads_nowhere_new)
{
    const struct model m = {.name = "litmus",
                            .is_of_the_explorer = true,
                            .begin = begin,
                            .thread = {mixed_0, mixed_1, mixed_2},
                            .end = note_result,
                            .preemptions = 2,
                            .late = 2};

    n_results = 0;
    model_explore(&m);
    const int n = n_results;

    ex.goes_through_all = true;
    model_explore(&m);
    ex.goes_through_all = false;
    printf("%d outcomes\n", n);
    CHECK_GT(n, 100);
    CHECK_EQ(n_results, n);
}
