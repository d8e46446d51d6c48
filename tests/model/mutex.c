/* SPDX-License-Identifier: MIT */
/*
 * mutex.c - the mutex of coroutines (sync/mutex.c): taken by chance, handed over, biased, in a
 * scope that ends.
 */
#include <weft/scope.h>
#include <weft/sync.h>

#include "rig.h"

#define LONG_NS 2000000  /* longer than a waiter waits before it is handed the mutex */
#define AFTER_NS 5000000 /* when the scope of one of them ends */

static struct weft_mutex *mutex;
static struct model_cell data; /* what the mutex protects */

static void begin(void)
{
    rig_begin(4);
    model_cell_init(&data);
    atomic_init(&model_passed_ns, 0);
    mutex = weft_mutex_make();
}

/* Made by the first coroutine: biased to its P. */
static void begin_biased(void)
{
    rig_begin(3);
    model_cell_init(&data);
    atomic_init(&model_passed_ns, 0);
    rig_be(0);
    mutex = weft_mutex_make();
}

static void begin_with_a_wheel(void)
{
    begin();
    memset(&rig_p[1].wheel, 0, sizeof rig_p[1].wheel);
    weft__wheel_init(&rig_p[1].wheel, MODEL_BEGIN_NS);
}

static void use_once(void)
{
    MODEL_CHECK(weft_mutex_lock(mutex) == 0);
    model_add(&data, 1);
    weft_mutex_unlock(mutex);
}

static void user(void)
{
    rig_enter();
    use_once();
}

static void user_twice(void)
{
    rig_enter();
    use_once();
    use_once();
}

/* Whoever waits for this one is handed the mutex. */
static void slow_user(void)
{
    rig_enter();
    MODEL_CHECK(weft_mutex_lock(mutex) == 0);
    model_add(&data, 1);
    model_pass_time(LONG_NS);
    weft_mutex_unlock(mutex);
}

static void who_tries(void)
{
    rig_enter();
    int rc = weft_mutex_try_lock(mutex);
    MODEL_CHECK(rc == 0 || rc == -EAGAIN);
    if (rc == 0) {
        model_add(&data, 10);
        weft_mutex_unlock(mutex);
    }
}

/* Waits in a scope, */
static void user_in_a_scope(void)
{
    struct weft_scope scope;

    rig_enter();
    weft_scope_begin_until(&scope, MODEL_BEGIN_NS + AFTER_NS);
    int rc = weft_mutex_lock(mutex);
    MODEL_CHECK(rc == 0 || rc == -ETIMEDOUT);
    if (rc == 0) {
        model_add(&data, 10);
        weft_mutex_unlock(mutex);
    }
    (void)weft_scope_end(&scope);
}

/* which a third P ends, at any moment. */
static void timer(void)
{
    rig_enter();
    (void)weft__timers_fire(rig_m[2].p, &rig_p[1], MODEL_BEGIN_NS + AFTER_NS);
}

static void is_free(int uses)
{
    MODEL_CHECK(model_get(&data) % 10 == uses);
    rig_be(0);
    MODEL_CHECK(weft_mutex_try_lock(mutex) == 0);
}

static void one_use(void)
{
    is_free(1);
}

static void two_uses(void)
{
    is_free(2);
}

static void three_uses(void)
{
    is_free(3);
}

/* Goal: the mutex excludes and publishes, and nobody waits for it for ever.
 * Method: a cell that all change under it; at the end it is free. */
MODEL_TEST(a_mutex_is_held_by_one_coroutine, .begin = begin, .thread = {user_twice, user},
           .end = three_uses, .preemptions = 4, .late = 3)

MODEL_TEST(a_mutex_among_three_is_held_by_one_coroutine, .begin = begin,
           .thread = {user, user, user}, .end = three_uses, .preemptions = 2, .late = 1)

/* Goal: a mutex that is handed over to a waiter is neither taken by somebody else nor left without
 * a holder. */
MODEL_TEST(a_mutex_is_handed_over_to_one_waiter, .begin = begin,
           .thread = {slow_user, slow_user, who_tries}, .end = two_uses, .preemptions = 2,
           .late = 1)

/* Goal: the same while the bias to a P is ended. */
MODEL_TEST(a_biased_mutex_is_held_by_one_coroutine, .begin = begin_biased,
           .thread = {user_twice, user}, .end = three_uses, .preemptions = 2, .late = 2)

MODEL_TEST(a_biased_mutex_is_handed_over, .begin = begin_biased, .thread = {slow_user, slow_user},
           .end = two_uses, .preemptions = 2, .late = 2)

/* Goal: a waiter whose scope ends at the moment at which it is woken, or handed the mutex, neither
 * keeps the mutex nor the wake-up from the next. */
MODEL_TEST(a_mutex_is_not_lost_with_a_waiter_whose_scope_ends, .begin = begin_with_a_wheel,
           .thread = {user, user_in_a_scope, timer}, .end = one_use, .preemptions = 3, .late = 1)

MODEL_TEST(a_mutex_is_not_handed_to_a_waiter_whose_scope_has_ended, .begin = begin_with_a_wheel,
           .thread = {slow_user, user_in_a_scope, timer}, .end = one_use, .preemptions = 3,
           .late = 1)

MODEL_TEST(a_wake_up_is_not_lost_with_a_waiter_whose_scope_ends, .begin = begin_with_a_wheel,
           .thread = {user, user_in_a_scope, timer, user}, .end = two_uses, .preemptions = 2,
           .late = 0)
