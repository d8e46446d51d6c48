/* SPDX-License-Identifier: MIT */
/*
 * cond.c - the condition variable as include/weft/cond.h promises it.
 *
 * matrix: short
 */
#include "crowd.h"
#include "no_lookout.h"

/* ---- a bounded buffer ---- */

enum { ROOM = 3 };

struct buffer {
    struct weft_mutex *m;
    struct weft_cond *not_full, *not_empty;
    int n, n_put, n_got, n_wanted; /* plain: guarded by m */
    atomic_uint next;
};

static void put_one(struct buffer *b)
{
    CHECK_EQ(weft_mutex_lock(b->m), 0);
    while (b->n == ROOM)
        CHECK_EQ(weft_cond_wait(b->not_full, b->m), 0);
    b->n++;
    b->n_put++;
    weft_cond_signal(b->not_empty);
    weft_mutex_unlock(b->m);
}

static void get_one(struct buffer *b)
{
    CHECK_EQ(weft_mutex_lock(b->m), 0);
    while (b->n == 0)
        CHECK_EQ(weft_cond_wait(b->not_empty, b->m), 0);
    b->n--;
    b->n_got++;
    weft_mutex_unlock(b->m);
    weft_cond_signal(b->not_full); /* without the mutex: that is allowed */
}

static void put_or_get(void *arg, uint64_t *random)
{
    struct buffer *b = arg;
    bool puts = atomic_fetch_add(&b->next, 1) % 2 == 0;

    for (int i = 0; i < b->n_wanted; i++) {
        if (puts)
            put_one(b);
        else
            get_one(b);
        if (test_random(random) % 8 == 0)
            crowd_pause();
    }
}

static int run_a_buffer(void *n_threads)
{
    struct buffer b = {.m = weft_mutex_make(), .n_wanted = scaled(1000)};

    b.not_full = weft_cond_make();
    b.not_empty = weft_cond_make();
    crowd(8, *(const int *)n_threads, put_or_get, &b);
    CHECK_EQ(b.n, 0);
    CHECK_EQ(b.n_put, b.n_got);
    weft_cond_free(b.not_full);
    weft_cond_free(b.not_empty);
    weft_cond_free(NULL);
    weft_mutex_free(b.m);
    return 0;
}

/* Goal: no signal is lost between coroutines, whatever the number of processors.
 * Method: a small buffer, with one signal a change: a lost one leaves somebody waiting for ever. */
TEST(no_signal_is_lost_between_coroutines)
{
    int none = 0;

    CHECK_EQ(weft_run(run_a_buffer, &none), 0);
    CHECK_EQ(weft_run_with(run_a_buffer, &none, .procs = 1), 0);
    CHECK_EQ(weft_run_with(run_a_buffer, &none, .procs = 2), 0);
    CHECK_EQ(weft_run_with(run_a_buffer, &none, .procs = 8), 0);
}

/* Goal: plain threads wait and signal beside coroutines. */
TEST(plain_threads_wait_for_conditions)
{
    int some = 2;

    CHECK_EQ(weft_run(run_a_buffer, &some), 0);
    CHECK_EQ(weft_run_with(run_a_buffer, &some, .procs = 1), 0);
}

/* ---- who is woken ---- */

struct queue {
    struct weft_mutex *m;
    struct weft_cond *c;
    int n_waiting, order[8], n_woken;
};

static int stand_in_line(void *arg)
{
    struct queue *q = arg;

    CHECK_EQ(weft_mutex_lock(q->m), 0);
    int me = q->n_waiting++;
    CHECK_EQ(weft_cond_wait(q->c, q->m), 0);
    q->order[q->n_woken++] = me;
    weft_mutex_unlock(q->m);
    return 0;
}

/* Under the mutex, as everybody whom it counts waits then. */
static void lock_when(struct queue *q, const int *count, int n)
{
    CHECK_EQ(weft_mutex_lock(q->m), 0);
    while (*count < n) {
        weft_mutex_unlock(q->m);
        weft_yield();
        CHECK_EQ(weft_mutex_lock(q->m), 0);
    }
}

static struct queue queue_make(void)
{
    return (struct queue){.m = weft_mutex_make(), .c = weft_cond_make()};
}

static void queue_free(struct queue *q)
{
    weft_cond_free(q->c);
    weft_mutex_free(q->m);
}

/* Goal: a signal wakes one, the one who has waited longest; a broadcast wakes all the others. */
CO_TEST(a_signal_wakes_the_oldest_and_a_broadcast_all)
{
    struct queue q = queue_make();
    struct weft_co *co[8];

    for (int i = 0; i < 8; i++) {
        co[i] = weft_go_with(stand_in_line, &q);
        lock_when(&q, &q.n_waiting, i + 1);
        weft_mutex_unlock(q.m);
    }
    for (int i = 1; i <= 3; i++) {
        weft_cond_signal(q.c);
        lock_when(&q, &q.n_woken, i);
        weft_mutex_unlock(q.m);
        yield_often(20);
        CHECK_EQ(weft_mutex_lock(q.m), 0);
        CHECK_EQ(q.n_woken, i);
        CHECK_EQ(q.order[i - 1], i - 1);
        weft_mutex_unlock(q.m);
    }
    weft_cond_broadcast(q.c);
    for (int i = 0; i < 8; i++)
        join(co[i]);
    CHECK_EQ(q.n_woken, 8);
    queue_free(&q);
    return 0;
}

/* Goal: a signal that finds nobody is forgotten, and nothing but a signal wakes. */
CO_TEST(a_signal_for_nobody_is_forgotten)
{
    struct queue q = queue_make();
    int64_t start = weft_now();

    weft_cond_signal(q.c);
    weft_cond_broadcast(q.c);
    CHECK_EQ(weft_mutex_lock(q.m), 0);
    WEFT_DEADLINE(s, 2 * WEFT_MS) {
        CHECK_EQ(weft_cond_wait(q.c, q.m), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
    }
    CHECK_GE(weft_now() - start, 2 * WEFT_MS);
    weft_mutex_unlock(q.m); /* it is held again */
    queue_free(&q);
    return 0;
}

/* ---- the mutex is held again ---- */

static int wait_to_be_cancelled(void *arg)
{
    struct queue *q = arg;

    CHECK_EQ(weft_mutex_lock(q->m), 0);
    q->n_waiting++;
    CHECK_EQ(weft_cond_wait(q->c, q->m), -ECANCELED);
    CHECK_EQ(weft_mutex_try_lock(q->m), -EAGAIN);
    q->n_woken++;
    weft_mutex_unlock(q->m);
    return 0;
}

/* Goal: the mutex is held after a wait that a scope has ended, even if somebody else holds it for
 * longer than that. */
CO_TEST(the_mutex_is_taken_again_whatever_the_scope_says)
{
    struct queue q = queue_make();
    struct weft_co *co = weft_go_with(wait_to_be_cancelled, &q);

    lock_when(&q, &q.n_waiting, 1);
    weft_cancel(co);
    CHECK_EQ(weft_sleep(5 * WEFT_MS), 0); /* it comes back from its wait, and gets no further */
    CHECK_EQ(q.n_woken, 0);
    weft_mutex_unlock(q.m);
    join(co);
    CHECK_EQ(q.n_woken, 1);
    queue_free(&q);
    return 0;
}

/* Goal: a deadline that has passed before gives the mutex back and takes it again all the same. */
CO_TEST(a_deadline_that_has_passed_ends_the_wait_at_once)
{
    struct queue q = queue_make();

    CHECK_EQ(weft_mutex_lock(q.m), 0);
    WEFT_DEADLINE(s, 0)
        CHECK_EQ(weft_cond_wait(q.c, q.m), -ETIMEDOUT);
    CHECK_EQ(weft_mutex_try_lock(q.m), -EAGAIN);
    weft_mutex_unlock(q.m);
    queue_free(&q);
    return 0;
}

/* ---- the end ---- */

static int wait_for_the_end(void *arg)
{
    struct queue *q = arg;
    struct weft_mutex *m = q->m;

    CHECK_EQ(weft_mutex_lock(m), 0);
    q->n_waiting++;
    CHECK_EQ(weft_cond_wait(q->c, m), 0);
    weft_mutex_unlock(m);
    return 0;
}

/* Goal: a condition is freed by the one who has woken all, while they are on their way out.  The
 * sanitizers see a touch that comes too late. */
CO_TEST(a_condition_is_freed_right_after_its_broadcast)
{
    for (int i = 0; i < scaled(500); i++) {
        struct queue q = queue_make();
        struct weft_co *co[3];

        for (int k = 0; k < COUNT(co); k++)
            co[k] = weft_go_with(wait_for_the_end, &q);
        lock_when(&q, &q.n_waiting, COUNT(co));
        weft_cond_broadcast(q.c);
        weft_cond_free(q.c);
        weft_mutex_unlock(q.m);
        for (int k = 0; k < COUNT(co); k++)
            join(co[k]);
        weft_mutex_free(q.m);
    }
    return 0;
}
