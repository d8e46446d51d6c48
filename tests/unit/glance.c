/* SPDX-License-Identifier: MIT */
/*
 * glance.c - what a processor looks at by a glance, and when it looks around for real.
 *
 * matrix: short
 */
#include <sched/glance.h>

#include "co_test.h"
#include "net_test.h"
#include "no_lookout.h" /* nobody else fires a timer, or takes what waits */

static void join_with(struct weft_co *co, int expected)
{
    int result;

    CHECK(co != NULL);
    CHECK_EQ(weft_join(co, &result), 0);
    CHECK_EQ(result, expected);
}

static struct weft__p *own_p(void)
{
    return weft__m_self()->p;
}

/* A glance that may be taken: how many are left makes no difference to the others. */
static bool glance(void)
{
    own_p()->glances = 0;
    return weft__p_glance(own_p());
}

static void do_nothing(void *unused)
{
    (void)unused;
}

/* Goal: where there is nothing to look at a glance plans the next look, but not for ever: what only
 * a clock tells is looked at, too. */
CO_TEST_ON_ONE(a_glance_will_do_so_often)
{
    struct weft__p *p = own_p();

    p->glances = 0;
    for (uint32_t i = 0; i < WEFT__GLANCES_MAX; i++) {
        p->poll_tick = p->tick;
        CHECK(weft__p_must_poll(p));
        CHECK(!weft__p_is_due(p));
        CHECK(!weft__p_must_poll(p));
        CHECK_LE(p->poll_tick - p->tick, WEFT__GLANCE_TURNS * WEFT__TURNS_GLOBAL);
    }
    p->poll_tick = p->tick;
    CHECK(weft__p_is_due(p));
    return 0;
}

static int sleep_long(void *unused)
{
    (void)unused;
    return weft_sleep(100 * WEFT_SEC);
}

static int read_a_byte(void *fd)
{
    char byte;

    return (int)weft_read(*(int *)fd, &byte, 1);
}

/* Goal: a glance sees each thing that only a look around serves. */
CO_TEST_ON_ONE(a_glance_sees_what_there_is)
{
    struct weft__p *p = own_p();

    CHECK(glance());

    struct weft_co *sleeper = weft_go_with(sleep_long, NULL);
    weft_yield();
    CHECK(!glance()); /* a timer */
    weft_cancel(sleeper);
    join_with(sleeper, -ECANCELED);
    CHECK(glance());

    int fds[2];
    CHECK_EQ(weft_socket_pair(fds), 0);
    struct weft_co *reader = weft_go_with(read_a_byte, &fds[0]);
    weft_yield();
    CHECK(!glance()); /* an operation */
    CHECK_EQ(weft_write(fds[1], "x", 1), 1);
    join_with(reader, 1);
    weft_close(fds[0]);
    weft_close(fds[1]);
    CHECK(glance());

    CHECK_EQ(weft_runtime_go(weft__m_self()->rt, do_nothing, NULL), 0);
    CHECK(!glance()); /* the global queue */
    while (!weft__inject_is_empty(p->inject))
        weft_yield();
    CHECK(glance());

    weft__gate_call(p->gate);
    CHECK(!glance()); /* a call */
    weft__gate_uncall(p->gate);
    CHECK(glance());
    return 0;
}

/* Goal: who begins to wait for a timer, or for the kernel, does not wait for a glance that is far.
 * Method: the next look is said to be far away before each. */
CO_TEST_ON_ONE(who_begins_to_wait_has_the_next_look_come_near)
{
    struct weft__p *p = own_p();
    const uint32_t far = 1000 * WEFT__TURNS_GLOBAL;

    p->poll_tick = p->tick + far;
    struct weft_co *sleeper = weft_go_with(sleep_long, NULL);
    weft_yield();
    CHECK_LE(p->poll_tick - p->tick, WEFT__TURNS_GLOBAL);
    weft_cancel(sleeper);
    join_with(sleeper, -ECANCELED);

    int fds[2];
    CHECK_EQ(weft_socket_pair(fds), 0);
    p->poll_tick = p->tick + far;
    struct weft_co *reader = weft_go_with(read_a_byte, &fds[0]);
    weft_yield();
    CHECK_LE(p->poll_tick - p->tick, WEFT__TURNS_GLOBAL);
    CHECK_EQ(weft_write(fds[1], "x", 1), 1);
    join_with(reader, 1);
    weft_close(fds[0]);
    weft_close(fds[1]);
    return 0;
}

/* Goal: who asks for a look around gets one, whatever a glance would see. */
CO_TEST_ON_ONE(a_look_that_was_asked_for_is_no_glance)
{
    struct weft__p *p = own_p();

    CHECK(glance());
    weft__p_look_soon(p);
    CHECK(weft__p_is_due(p));
    return 0;
}
