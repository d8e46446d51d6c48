/* SPDX-License-Identifier: MIT */
/*
 * stacks.c - stacks change their owners all the time, and each is one coroutine's alone.
 *
 * matrix: short
 */
#include "co_test.h"

enum { SPAWNERS = 6, BATCH = 16 };

static const size_t sizes[] = {0, 16 << 10, 64 << 10, 512 << 10}; /* 0: the default */

/* Fills a part of the stack with what only this coroutine writes, lets others run, and looks. */
static __attribute__((noinline)) void use_stack(uint64_t mark, int turns)
{
    volatile uint64_t words[64];

    for (int turn = 0; turn < turns; turn++) {
        for (int i = 0; i < COUNT(words); i++)
            words[i] = mark + (uint64_t)i;
        weft_yield();
        for (int i = 0; i < COUNT(words); i++)
            CHECK_EQ(words[i], mark + (uint64_t)i);
    }
}

static int use_and_end(void *arg)
{
    use_stack(weft_id() << 16, (int)(uintptr_t)arg % 3);
    return (int)(uintptr_t)arg;
}

static int64_t until;

static int spawn_on(void *arg)
{
    uint64_t x = test_seed() ^ (uintptr_t)arg << 32;

    while (test_now_ms() < until) {
        struct weft_co *co[BATCH];
        int wanted[BATCH];
        for (int i = 0; i < BATCH; i++) {
            uintptr_t dice = test_random(&x) % 1000;
            wanted[i] = (int)dice;
            co[i] = weft_go_with(use_and_end, (void *)dice,
                                 .stack_bytes = sizes[test_random(&x) % COUNT(sizes)]);
            CHECK(co[i] != NULL);
        }
        use_stack(weft_id() << 16, 2);
        for (int i = 0; i < BATCH; i++) {
            int result = -1;
            CHECK_EQ(weft_join(co[i], &result), 0);
            CHECK_EQ(result, wanted[i]);
        }
    }
    return 0;
}

/* Goal: a stack is given to another coroutine only when nobody stands on it any more, on whatever
 * processor, of whatever size.
 * Method: coroutines that end all the time on all processors, with stacks of several sizes (those
 * that are not of the default size go from processor to processor), each looking after what it
 * wrote.  A stack that comes back before the last switch away from it is taken by somebody else in
 * between, at the latest in the perturbed build. */
STRESS_TEST(a_stack_belongs_to_one_coroutine_until_its_last_switch)
{
    struct weft_co *co[SPAWNERS];

    until = test_now_ms() + test_stress_ms();
    for (int i = 0; i < SPAWNERS; i++)
        co[i] = weft_go_with(spawn_on, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < SPAWNERS; i++)
        join(co[i]);
    return 0;
}
