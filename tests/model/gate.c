/* SPDX-License-Identifier: MIT */
/*
 * gate.c - the gate of a P (base/gate.h): its owner, and threads that seize it.
 */
#include <base/gate.h>

#include "explore.h"

static struct weft__gate gate;
static struct model_cell data; /* what the gate protects */

static void begin(void)
{
    memset(&gate, 0, sizeof gate);
    model_cell_init(&data);
    atomic_init(&weft__fence_is_asymmetric, true);
}

/* membarrier() cannot be had. */
static void begin_with_real_fences(void)
{
    begin();
    atomic_init(&weft__fence_is_asymmetric, false);
}

static void come_by(void)
{
    weft__gate_enter(&gate);
    model_add(&data, 1);
    weft__gate_leave(&gate);
}

static void owner(void)
{
    come_by();
    come_by();
}

/* Who goes another way when somebody asks: the short ways do. */
static void owner_in_a_hurry(void)
{
    for (int i = 0; i < 2; i++) {
        if (weft__gate_try_enter(&gate)) {
            model_add(&data, 1);
            weft__gate_leave(&gate);
        }
    }
}

static void thief(void)
{
    weft__gate_seize(&gate);
    model_add(&data, 10);
    weft__gate_release(&gate);
}

/* The look-out, which calls upon the coroutine that runs on the owner. */
static void caller(void)
{
    weft__gate_call(&gate);
}

static void owner_who_hears(void)
{
    come_by();
    if (weft__gate_is_called(&gate)) {
        weft__gate_uncall(&gate);
    }
    come_by();
}

static void all_were_in(void)
{
    MODEL_CHECK(model_get(&data) % 10 == 2);
    MODEL_CHECK((atomic_load_explicit(&gate.asked, memory_order_relaxed) & GATE_ASKED) == 0);
    MODEL_CHECK(atomic_load_explicit(&gate.inside, memory_order_relaxed) == GATE_OUT);
}

/* Goal: the owner and one who seizes the gate are never in at once, see what the other did, and
 * neither waits for ever.
 * Method: a cell that both change inside; the owner comes by twice, so that it may answer too. */
MODEL_TEST(an_owner_and_a_thief_are_never_in_at_once, .begin = begin, .thread = {owner, thief},
           .end = all_were_in, .preemptions = 8, .late = 6)

/* The same for two who seize it, at the same time. */
MODEL_TEST(an_owner_and_two_thieves_are_never_in_at_once, .begin = begin,
           .thread = {owner, thief, thief}, .end = all_were_in, .preemptions = 4, .late = 2)

/* And where the owner does not wait for its turn. */
MODEL_TEST(an_owner_in_a_hurry_is_never_in_with_a_thief, .begin = begin,
           .thread = {owner_in_a_hurry, thief, thief}, .preemptions = 4, .late = 3)

/* And where membarrier() cannot be had: the owner is told to fence itself. */
MODEL_TEST(real_fences_keep_an_owner_and_a_thief_apart, .begin = begin_with_real_fences,
           .thread = {owner, thief}, .end = all_were_in, .preemptions = 6, .late = 5)

MODEL_TEST(real_fences_keep_an_owner_and_two_thieves_apart, .begin = begin_with_real_fences,
           .thread = {owner, thief, thief}, .end = all_were_in, .preemptions = 2, .late = 2)

/* Goal: a call upon the owner lets nobody in, keeps nobody out, and changes nothing of what whoever
 * seizes the gate says there. */
MODEL_TEST(a_call_changes_nothing_for_a_thief, .begin = begin,
           .thread = {owner_who_hears, thief, caller}, .end = all_were_in, .preemptions = 4,
           .late = 2)

MODEL_TEST(a_call_changes_nothing_where_the_owner_fences, .begin = begin_with_real_fences,
           .thread = {owner_who_hears, thief, caller}, .end = all_were_in, .preemptions = 3,
           .late = 2)
