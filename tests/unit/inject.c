/* SPDX-License-Identifier: MIT */
/*
 * inject.c - coroutines that have begun and such that have not, in the queues that both come to:
 * one that has begun must not get among the others, where a link stands in the place of its scope.
 *
 * matrix: once
 */
#include <base/gate.h>
#include <sched/queue.h>

#include "co_test.h"

static struct weft__g begun[2], fresh[2];

static void begin(void)
{
    static struct weft__stack stack;

    begun[0].stack = begun[1].stack = &stack;
}

TEST(of_what_is_spilled_those_that_have_begun_come_first)
{
    struct weft__g *in[] = {&begun[0], &fresh[0], &begun[1], &fresh[1]};
    struct weft__g *out[COUNT(in)];
    struct weft__inject inject;

    begin();
    weft__inject_init(&inject);
    weft__inject_spill_woken(&inject, in, COUNT(in));
    CHECK_EQ(weft__inject_take(&inject, out, COUNT(out)), COUNT(in));
    CHECK_EQ(out[0], &begun[0]);
    CHECK_EQ(out[1], &begun[1]);
    CHECK_EQ(out[2], &fresh[0]);
    CHECK_EQ(out[3], &fresh[1]);
    CHECK(weft__inject_is_empty(&inject));
}

/* Goal: a thief learns from which queue it took: a woken one may begin with an unstarted. */
TEST(a_thief_knows_what_it_took)
{
    static struct weft__p p;
    struct weft__g *out[WEFT__STEAL_MAX];
    bool were_woken;

    begin();
    p.gate = weft__gate_make();
    CHECK(p.gate != NULL);
    CHECK(weft__deque_push(&p.unstarted, &fresh[1]));
    CHECK(weft__runq_push(&p.woken, &fresh[0]));
    CHECK(weft__runq_push(&p.woken, &begun[0]));
    CHECK(weft__runq_push(&p.woken, &begun[1]));
    CHECK_EQ(weft__queue_steal(&p, out, false, &were_woken), 2);
    CHECK_EQ(out[0], &fresh[0]);
    CHECK_EQ(out[1], &begun[0]);
    CHECK(were_woken);
    CHECK_EQ(weft__queue_steal(&p, out, false, &were_woken), 1);
    CHECK_EQ(out[0], &begun[1]);
    CHECK(were_woken);
    CHECK_EQ(weft__queue_steal(&p, out, false, &were_woken), 1);
    CHECK_EQ(out[0], &fresh[1]);
    CHECK(!were_woken);
    CHECK_EQ(weft__queue_steal(&p, out, true, &were_woken), 0);
    weft__gate_drop(p.gate);
}
