/* SPDX-License-Identifier: MIT */
/* result.c - weft__ctx_wait() returns what it waits for, and each way back leads to its place. */
#include "torture.h"

#include <limits.h>

#define ROUNDS 50000

static void *main_sp, *co_sp;
static struct test_stack co_stack;
static struct torture main_torture = {.owner = 1}, co_torture = {.owner = 2};

/* Values with each byte set and clear in turn, and the ends of the range. */
static int value_of(uint64_t round)
{
    return round % 8 == 0 ? INT_MIN : round % 8 == 1 ? INT_MAX : (int)(round * 0x9e3779b1);
}

/* How the coroutine leaves, and from where; main tells. */
static leave_fn *co_way;
static place_fn *co_place;

/* Gives each time the other one what it waits for. */
static void *co_answers(void *arg)
{
    (void)arg;
    for (uint64_t round = 0;; round++) {
        main_torture.result = value_of(round);
        leave_from(co_place, &co_torture, &co_sp, &main_sp, round * 3, co_way);
    }
    return NULL; /* not reached */
}

/* As many rounds between two places, in two ways. */
static void answer(place_fn *main_place, leave_fn *main_way, uint64_t n_rounds)
{
    co_sp = weft__ctx_make(co_stack.top, co_answers, NULL, NULL);
    for (uint64_t round = 0; round < n_rounds; round++) {
        main_torture.result = ~value_of(round);
        co_torture.result = value_of(~round);
        leave_from(main_place, &main_torture, &main_sp, &co_sp, round, main_way);
        CHECK_EQ(main_torture.result, value_of(round));
    }
}

/* Goal: weft__ctx_wait() returns what is in *result when it is gone on with, not when it left, and
 * of its own, not of the other one's; both go on at their places, with all their callee-saved
 * registers, whether these are one or two.
 * Method: two contexts store what the other one waits for, and compare; from each of two places,
 * with waiting and plain switching mixed. */
TEST_LIMIT(a_wait_returns_what_was_stored_meanwhile, 60)
{
    static leave_fn *const again[2] = {weft__ctx_switch, WAIT};

    co_stack = stack_make();
    for (int i = 0; i < 16; i++) {
        co_place = places[i % 2];
        co_way = again[i / 2 % 2];
        answer(places[i / 4 % 2], again[i / 8 % 2], ROUNDS);
    }
}

/* Ends at once, and has given what is waited for. */
static void *co_gives(void *arg)
{
    main_torture.result = *(int *)arg;
    return main_sp;
}

/* Goal: the same where the other one ends.
 * Method: wait, from each place, for what a context gives that ends at once. */
TEST(a_wait_returns_what_an_ending_one_stored)
{
    int value;

    co_stack = stack_make();
    for (uint64_t round = 0; round < ROUNDS; round++) {
        value = value_of(round);
        co_sp = weft__ctx_make(co_stack.top, co_gives, &value, NULL);
        main_torture.result = ~value;
        leave_from(places[round % 2], &main_torture, &main_sp, &co_sp, round, WAIT);
        CHECK_EQ(main_torture.result, value);
    }
}

/* Gives what is waited for, and leaves in a way of which the last is to end. */
static void *co_gives_in_turn(void *arg)
{
    const uint64_t round = (uintptr_t)arg;

    main_torture.result = value_of(round);
    if (round % 5 < 4)
        leave_from(places[round % 2], &co_torture, &co_sp, &main_sp, round,
                   round % 5 < 2 ? weft__ctx_switch : WAIT);
    return main_sp;
}

/* Goal: who leaves for a context that begins gets its result and its registers, too, at its place,
 * whoever comes back: from the same place, from another one, or at the end of a context.
 * Method: begin a context at each round, from each place; it comes back in each way. */
TEST_LIMIT(a_wait_for_one_that_begins_returns_the_same, 60)
{
    co_stack = stack_make();
    for (uint64_t round = 0; round < 5 * ROUNDS; round++) {
        place_fn *const place = places[round / 2 % 2];
        co_sp = new_for(BEGIN, co_stack.top, co_gives_in_turn, (void *)round, NULL);
        main_torture.result = ~value_of(round);
        co_torture.result = value_of(~round);
        leave_from(place, &main_torture, &main_sp, &co_sp, round, BEGIN);
        CHECK_EQ(main_torture.result, value_of(round));
        if (round % 5 < 4)
            leave_from(place, &main_torture, &main_sp, &co_sp, round, WAIT); /* it ends */
    }
}

/* Three contexts in a ring: each leaves for the next one. */
#define RING 3
static void *ring_sp[RING];
static struct torture ring[RING] = {{.owner = 3}, {.owner = 4}, {.owner = 5}};
static uint64_t ring_steps;

static void *ring_goes_round(void *arg)
{
    struct torture *const self = arg;
    const int i = (int)(self - ring), next = (i + 1) % RING;

    for (;;) {
        ring[next].result = value_of(++ring_steps);
        const uint64_t steps = ring_steps;
        void **to = steps % 1000 == 0 ? &main_sp : &ring_sp[next];
        leave_from(places[(i + steps) % 2], self, &ring_sp[i], to, steps, WAIT);
    }
    return NULL; /* not reached */
}

/* Goal: the way back is right whoever comes back, not only for two who take turns.
 * Method: a ring of three that change their places at each step, and main now and then. */
TEST(a_ring_of_three_goes_round)
{
    for (int i = 0; i < RING; i++)
        ring_sp[i] = weft__ctx_make(stack_make().top, ring_goes_round, &ring[i], NULL);
    for (uint64_t round = 0; round < 300; round++) {
        void **to = &ring_sp[ring_steps % RING];
        leave_from(places[round % 2], &main_torture, &main_sp, to, round, weft__ctx_switch);
        CHECK_EQ(ring_steps, 1000 * (round + 1));
    }
}
