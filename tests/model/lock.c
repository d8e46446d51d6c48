/* SPDX-License-Identifier: MIT */
/*
 * lock.c - the lock that can be biased to a P (base/lock.h): its owner, and threads that end the
 * bias, or meet a new one.
 */
#include <base/lock.h>

#include "explore.h"

static struct weft__gate gates[2];
static struct weft__lock lock;
static struct model_cell data; /* what the lock protects */

static void begin(void)
{
    memset(gates, 0, sizeof gates);
    weft__lock_init(&lock, RANK_CHAN);
    model_cell_init(&data);
    atomic_init(&weft__fence_is_asymmetric, true);
}

static void begin_biased(void)
{
    begin();
    atomic_init(&lock.gate, &gates[0]);
}

/* The next use by the first P biases the lock to it. */
static void begin_settled(void)
{
    begin();
    lock.uses = (uint32_t)((uintptr_t)&gates[0] / WEFT__CACHE_LINE) * (WEFT__LOCK_SETTLED + 1) |
                WEFT__LOCK_SETTLED;
}

static void use(void)
{
    weft__lock(&lock);
    model_add(&data, 1);
    weft__unlock(&lock);
}

static void use_and_settle(void)
{
    weft__lock(&lock);
    model_add(&data, 1);
    if (weft__lock_has_settled(&lock))
        weft__unlock_and_bias(&lock);
    else
        weft__unlock(&lock);
}

static void use_the_short_way(void)
{
    if (weft__lock_try_ours(&lock, &gates[0])) {
        model_add(&data, 1);
        weft__unlock_ours(&lock, &gates[0]);
    } else {
        use();
    }
}

static void owner(void)
{
    weft__gate_set_self(&gates[0]);
    use();
    use_the_short_way();
}

static void owner_once(void)
{
    weft__gate_set_self(&gates[0]);
    use();
}

static void settler(void)
{
    weft__gate_set_self(&gates[0]);
    use_and_settle();
    use_the_short_way();
}

/* Another P. */
static void stranger(void)
{
    weft__gate_set_self(&gates[1]);
    use();
}

static void plain_thread(void)
{
    use();
    use();
}

static void three_uses(void)
{
    MODEL_CHECK(model_get(&data) == 3);
}

static void four_uses(void)
{
    MODEL_CHECK(model_get(&data) == 4);
}

/* Goal: a lock excludes and publishes, its naps end, and no holder waits for ever.
 * Method: a cell that all change under it. */
MODEL_TEST(a_word_is_held_by_one_thread, .begin = begin,
           .thread = {stranger, stranger, plain_thread}, .end = four_uses, .preemptions = 4,
           .late = 3)

/* Goal: while a bias is being ended, the owner by its gate and the other by the word are never in
 * at once, and with the end goes what the owner did. */
MODEL_TEST(who_ends_a_bias_and_its_owner_are_never_in_at_once, .begin = begin_biased,
           .thread = {owner, stranger}, .end = three_uses, .preemptions = 5, .late = 3)

MODEL_TEST(two_who_end_a_bias_and_its_owner_are_never_in_at_once, .begin = begin_biased,
           .thread = {owner, plain_thread}, .end = four_uses, .preemptions = 4, .late = 3)

/* Goal: the same where the lock is biased while others are about to take the word. */
/* Whoever finds the bias ended by somebody else sees what its owner did, too. */
MODEL_TEST(a_bias_that_another_one_ends_is_over_for_all, .begin = begin_biased,
           .thread = {owner_once, stranger, stranger}, .end = three_uses, .preemptions = 2,
           .late = 1)

MODEL_TEST(a_lock_that_settles_is_held_by_one_thread, .begin = begin_settled,
           .thread = {settler, plain_thread}, .end = four_uses, .preemptions = 4, .late = 3)

MODEL_TEST(a_lock_that_settles_among_three_is_held_by_one_thread, .begin = begin_settled,
           .thread = {settler, stranger}, .end = three_uses, .preemptions = 4, .late = 3)
