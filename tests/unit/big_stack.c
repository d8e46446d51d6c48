/* SPDX-License-Identifier: MIT */
/*
 * big_stack.c - weft_call_on_big_stack() as include/weft/stack.h promises it.
 *
 * matrix: short
 */
#include <base/self.h>
#include <sched/sched.h>

#include "co_test.h"

enum { KIB = 1024, MIB = 1024 * KIB };

static void move_about(void)
{
    for (int i = 0; i < 5; i++) {
        weft__p_ask_hand_off(weft__m_self()->p);
        weft_yield();
    }
}

static uint64_t stacks_now(void)
{
    struct weft_stats stats = {.size = sizeof stats};

    CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    return stats.stacks;
}

/* So many frames of a KiB. */
static __attribute__((noinline)) int dig(int depth)
{
    volatile char frame[KIB];

    frame[0] = (char)depth;
    frame[KIB - 1] = (char)depth;
    if (depth % 1024 == 0)
        move_about();
    const int below = depth > 0 ? dig(depth - 1) : 0;
    return below + (frame[0] == (char)depth && frame[KIB - 1] == (char)depth);
}

static int dig_deep(void *arg)
{
    return dig(*(int *)arg);
}

static int call_dig(void *unused)
{
    int depth = 4 * KIB - 1;

    (void)unused;
    /* The frames are larger where the sanitizers put their own around them. */
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_call_on_big_stack(dig_deep, &depth, (size_t)32 * MIB), depth + 1);
    return 0;
}

/* Goal: a coroutine of a small stack gets room where it asks for it, and may wait there.
 * Method: several dig through 4 MiB at once and move from thread to thread meanwhile; each frame
 * finds what it has written.  The stacks are used again. */
CO_TEST(a_small_coroutine_digs_deep)
{
    struct weft_co *co[8];
    uint64_t before = 0;

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT(co); i++)
            co[i] = weft_go_with(call_dig, NULL, .stack_bytes = (size_t)64 * KIB);
        for (int i = 0; i < COUNT(co); i++)
            join(co[i]);
        if (round == 0)
            before = stacks_now();
        CHECK_LE(stacks_now(), before + 3 * COUNT(co));
    }
    return 0;
}

/* ---- one coroutine ---- */

static struct weft_key key;

struct who {
    uint64_t id;
    struct weft_g *self;
    chan *ch;
};

static int is_same(void *arg)
{
    const struct who *who = arg;
    int got;

    CHECK_EQ(weft_id(), who->id);
    CHECK(weft_self() == who->self);
    CHECK_STR(weft_name(), "digger");
    CHECK(weft_local_get(&key) == &key);
    WEFT_SHIELD (s, WEFT_NEVER)
        CHECK_EQ(chan_recv(who->ch, &got), 0);
    CHECK_EQ(weft_sleep(WEFT_NEVER), -ETIMEDOUT); /* the scope is the caller's */
    CHECK_EQ(weft_local_set(&key, NULL), 0);
    return got;
}

static int call_is_same(void *ch)
{
    struct who who = {weft_id(), weft_self(), ch};

    CHECK_EQ(weft_local_set(&key, &key), 0);
    WEFT_DEADLINE (s, 5 * WEFT_MS) {
        CHECK_EQ(weft_call_on_big_stack(is_same, &who, MIB), 77);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
    }
    CHECK(weft_local_get(&key) == NULL);
    return 0;
}

CO_TEST(it_is_the_same_coroutine_on_both_stacks)
{
    chan *ch = chan_make(sizeof(int), 0);
    struct weft_co *co = weft_go_with(call_is_same, ch, .name = "digger");
    int value = 77;

    CHECK_EQ(chan_send(ch, &value), 0);
    join(co);
    chan_unref(ch);
    return 0;
}

/* ---- nesting, and the end on a big stack ---- */

static int nest(void *arg)
{
    const int left = *(int *)arg;
    int next = left - 1;

    move_about();
    if (left == 0)
        return 1;
    return 1 + weft_call_on_big_stack(nest, &next, (size_t)16 * KIB << left);
}

CO_TEST(calls_on_big_stacks_nest)
{
    int left = 6;

    for (int i = 0; i < 10; i++)
        CHECK_EQ(nest(&left), 7);
    return 0;
}

static atomic_int n_cleanups;

static void count_one(void *arg)
{
    move_about();
    atomic_fetch_add((atomic_int *)arg, 1);
}

static int nest_and_exit(void *arg)
{
    const int left = *(int *)arg;
    int next = left - 1;

    WEFT_DEFER(count_one, &n_cleanups);
    if (left == 0)
        weft_exit(9);
    CHECK_EQ(weft_call_on_big_stack(nest_and_exit, &next, (size_t)128 * KIB), 0);
    return 0;
}

/* Goal: who ends on a big stack runs the cleanups of all, and gives all stacks back.
 * Method: often, three stacks deep; the number of stacks hardly grows. */
CO_TEST(exit_on_a_big_stack_gives_all_stacks_back)
{
    enum { N = 4 };
    const int rounds = scaled(200);
    struct weft_co *co[N];
    uint64_t before = 0;
    int left = 2, result;

    for (int i = 0; i < rounds; i++) {
        for (int k = 0; k < N; k++)
            co[k] = weft_go_with(nest_and_exit, &left);
        for (int k = 0; k < N; k++) {
            CHECK_EQ(weft_join(co[k], &result), 0);
            CHECK_EQ(result, 9);
        }
        if (i == 10)
            before = stacks_now();
    }
    CHECK_EQ(atomic_load(&n_cleanups), rounds * N * 3);
    CHECK_LE(stacks_now(), before + (uint64_t)rounds); /* 8 a round if they were lost */
    return 0;
}

/* ---- where it does not work ---- */

static int never(void *arg)
{
    (void)arg;
    TEST_FAIL("it was called");
}

TEST(a_plain_thread_gets_no_big_stack)
{
    CHECK_EQ(weft_call_on_big_stack(never, NULL, MIB), -EPERM);
}

static int rest_for_ever(void *ch)
{
    CHECK_EQ(chan_send(ch, NULL), 0);
    return weft_sleep(WEFT_NEVER);
}

static void rest_on_a_big_stack(void *ch)
{
    CHECK_EQ(weft_call_on_big_stack(rest_for_ever, ch, MIB), 0);
}

static int start_one(void *arg)
{
    *(chan **)arg = chan_make(0, 0);
    CHECK_EQ(go(rest_on_a_big_stack, *(chan **)arg), 0);
    return chan_recv(*(chan **)arg, NULL);
}

/* Goal: a runtime is stopped while a coroutine waits on a big stack, and leaks neither. */
TEST(a_runtime_stops_with_one_on_a_big_stack)
{
    struct weft_runtime *rt;
    chan *ch;

    CHECK_EQ(weft_runtime_start(&rt, NULL), 0);
    CHECK_EQ(weft_block_on(rt, start_one, &ch, NULL), 0);
    CHECK_EQ(weft_runtime_stop(rt), 1);
    chan_unref(ch);
}

/* ---- what reports say ---- */

static char text[64 * 1024];

static int rest_until_told(void *ch)
{
    const int rc = chan_recv(ch, NULL);

    __asm__ volatile("" ::: "memory"); /* no tail call */
    return rc;
}

static __attribute__((noinline)) int call_rest(void *ch)
{
    const int rc = weft_call_on_big_stack(rest_until_told, ch, MIB);

    __asm__ volatile("" ::: "memory");
    return rc;
}

/* Goal: a dump of one that waits on a big stack shows the calls on both.
 * Method: it waits; the dump goes into a file; both functions are named, in this order. */
CO_TEST(a_dump_shows_the_calls_on_both_stacks)
{
    chan *ch = chan_make(0, 0);
    struct weft_co *co = weft_go_with(call_rest, ch, .name = "resting");
    FILE *f = tmpfile();
    char *first, *between, *second;

    CHECK(f != NULL);
    while (strstr(text, "rest_until_told") == NULL) {
        weft_yield();
        CHECK_EQ(ftruncate(fileno(f), 0), 0);
        CHECK_EQ(lseek(fileno(f), 0, SEEK_SET), 0);
        CHECK_GE(weft_dump(fileno(f)), 1);
        memset(text, 0, sizeof text);
        CHECK_GE(pread(fileno(f), text, sizeof text - 1, 0), 0);
    }
    first = strstr(text, "rest_until_told+0x");
    between = strstr(text, "    called on another stack by\n");
    second = strstr(text, "call_rest+0x");
    CHECK(first != NULL && first < between && between < second);
    CHECK_EQ(chan_send(ch, NULL), 0);
    join(co);
    fclose(f);
    chan_unref(ch);
    return 0;
}
