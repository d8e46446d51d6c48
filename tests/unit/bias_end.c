/* SPDX-License-Identifier: MIT */
/*
 * bias_end.c - biases that end while they are used, and those that outlive their P.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include <sched/sched.h>
#include <sys/syscall.h>

#include "bias_rig.h"
#include "no_lookout.h"

/* ---- a bias that ends while it is used ---- */

enum { TOUCHES = 20 };

struct cell {
    struct weft__lock lock;
    int a, b;      /* guarded by the lock alone */
    int n_touches; /* likewise */
};

/* Where the owner leaves a cell for the other one; `serve` ends at the `n_cells`-th. */
struct mail {
    _Atomic(struct cell *) cell;
    int n_cells;
    uint64_t seed;
};

static void touch(struct cell *c, bool counts)
{
    weft__lock(&c->lock);
    CHECK_EQ(c->a, c->b);
    c->a++;
    atomic_signal_fence(memory_order_seq_cst);
    c->b++;
    c->n_touches += counts;
    weft__unlock(&c->lock);
}

static int serve(void *arg)
{
    struct mail *mail = arg;
    uint64_t x = mail->seed | 1;

    for (int i = 0; i < mail->n_cells; i++) {
        struct cell *c;

        while ((c = atomic_load(&mail->cell)) == NULL)
            sched_yield();
        atomic_store(&mail->cell, NULL);
        for (int n = (int)(test_random(&x) % 1000); n > 0; n--)
            weft__cpu_relax();
        for (int n = 0; n < TOUCHES; n++)
            touch(c, true);
    }
    return 0;
}

/* Goal: what the owner wrote under its bias is seen by whoever ends it, and no write is lost from
 * the last one under the bias to the first one after it.
 * Method: the owner goes on all the time, and the end comes at a random point; the cell is given
 * away before the first write to it, so that its lock alone gives the order. */
BIAS_TEST(what_was_written_under_a_bias_is_seen_by_the_one_who_ended_it)
{
    for (int place = 0; place < PLACES; place++) {
        struct mail mail = {NULL, scaled(100), test_seed() + (uint64_t)place};
        struct task task;
        struct weft_co *co = begin_at((enum place)place, &task, serve, &mail);

        for (int i = 0; i < mail.n_cells; i++) {
            struct cell *c = calloc(1, sizeof *c);
            int n = 0, is_over = 0;

            trust();
            weft__lock_init_biased(&c->lock, RANK_CHAN);
            CHECK(atomic_load(&c->lock.gate) == weft__gate_self());
            atomic_store(&mail.cell, c);
            while (!is_over) {
                touch(c, false);
                n++;
                weft__lock(&c->lock);
                is_over = c->n_touches == TOUCHES;
                weft__unlock(&c->lock);
            }
            CHECK(atomic_load(&c->lock.gate) == NULL);
            CHECK_EQ(c->a, n + TOUCHES);
            CHECK_EQ(c->b, n + TOUCHES);
            free(c);
        }
        end_at(&task, co);
    }
    return 0;
}

struct ring {
    struct cell *cell[3];
    struct weft__gate *gate[3];
    atomic_int n_made, n_met;
    int n_rounds;
};

struct member {
    struct ring *ring;
    int me;
};

static void meet(atomic_int *n, int all)
{
    atomic_fetch_add(n, 1);
    for (int spins = 0; atomic_load(n) < all; spins++)
        if (spins % 100 == 99)
            sched_yield();
}

/* Each makes one; then each takes the next one's, and so all are asked for at once. */
static int take_the_next_ones(void *arg)
{
    const struct member *m = arg;
    struct ring *r = m->ring;

    for (int i = 1; i <= r->n_rounds; i++) {
        struct cell *c = calloc(1, sizeof *c);

        trust();
        weft__lock_init_biased(&c->lock, RANK_CHAN);
        CHECK(atomic_load(&c->lock.gate) == weft__gate_self());
        r->cell[m->me] = c;
        meet(&r->n_made, 3 * i);
        touch(c, false);
        touch(r->cell[(m->me + 1) % 3], true);
        touch(c, false);
        touch(r->cell[(m->me + 2) % 3], true);
        touch(c, false);
        meet(&r->n_met, 3 * i);
        CHECK_EQ(c->a, 5);
        CHECK_EQ(c->n_touches, 2);
        CHECK(atomic_load(&c->lock.gate) == NULL);
        free(c);
        r->cell[m->me] = NULL;
    }
    return 0;
}

/* Goal: Ps that end each other's biases at once, of one runtime and of two, never wait for one
 * another in a circle. */
BIAS_TEST(ps_that_end_each_others_biases_all_go_on)
{
    struct ring r = {.n_rounds = scaled(300)};
    struct member member[3];
    struct task task[2];
    struct weft_co *co;

    for (int i = 0; i < 3; i++)
        member[i] = (struct member){&r, i};
    CHECK(begin_at(IN_A_RUNTIME, &task[0], take_the_next_ones, &member[0]) == NULL);
    co = begin_at(ON_ANOTHER_P, &task[1], take_the_next_ones, &member[1]);
    CHECK_EQ(take_the_next_ones(&member[2]), 0);
    join(co);
    end_at(&task[0], NULL);
    return 0;
}

/* ---- a bias and the life of its P ---- */

__attribute__((noinline)) static long this_thread(void)
{
    return syscall(SYS_gettid);
}

/* Goal: a P that changes its thread takes its biases with it. */
static int change_threads(void *unused)
{
    struct weft__gate *gate = weft__gate_self();
    struct cell c = {.a = 0};
    int n_changes = 0;

    (void)unused;
    trust();
    weft__lock_init_biased(&c.lock, RANK_CHAN);
    for (int i = 0; i < 50; i++) {
        const long before = this_thread();

        weft__p_ask_hand_off(weft__m_self()->p);
        touch(&c, true);
        CHECK_EQ(weft_sleep(20 * WEFT_US), 0);
        CHECK(weft__gate_self() == gate);
        touch(&c, true);
        n_changes += this_thread() != before;
    }
    CHECK_GT(n_changes, 0);
    CHECK(atomic_load(&c.lock.gate) == gate);
    CHECK_EQ(c.a, 100);
    return 0;
}

TEST(a_p_that_changes_its_thread_keeps_its_biases)
{
    CHECK_EQ(weft_run_with(change_threads, NULL, .procs = 1), 0);
}

/* Objects that outlive the runtime that made them. */
struct left_over {
    struct weft__gate *gate;
    chan *ch;
    struct weft_wait_group *wg;
    struct weft_mutex *mutex;
    int plain;
};

static int leave_objects(void *arg)
{
    struct left_over *l = arg;

    trust();
    l->gate = weft__gate_self();
    l->ch = chan_make(sizeof(int), 8);
    l->wg = weft_wg_make();
    l->mutex = weft_mutex_make();
    for (int i = 0; i < 3; i++)
        CHECK_EQ(chan_send(l->ch, &i), 0);
    weft_wg_add(l->wg, 3);
    CHECK_EQ(weft_mutex_lock(l->mutex), 0);
    l->plain = 1;
    weft_mutex_unlock(l->mutex);
    CHECK(names_gate(l->ch, l->gate) && names_gate(l->wg, l->gate));
    return 0;
}

static void take_one(struct left_over *l, int expected)
{
    int value = -1;

    CHECK_EQ(weft_chan_try_recv(l->ch, &value), 0);
    CHECK_EQ(value, expected);
    weft_wg_done(l->wg);
}

/* In the runtime that comes next. */
static int use_left_over(void *arg)
{
    struct left_over *l = arg;

    CHECK(weft__gate_self() == l->gate); /* gates are given out again, the last one first */
    CHECK(names_gate(l->ch, l->gate) && names_gate(l->wg, l->gate));
    take_one(l, 0);
    CHECK_EQ(weft_mutex_lock(l->mutex), 0);
    CHECK_EQ(l->plain++, 1);
    weft_mutex_unlock(l->mutex);
    return 0;
}

static void finish_left_over(struct left_over *l, int n_taken)
{
    for (int i = n_taken; i < 3; i++)
        take_one(l, i);
    CHECK(!names_gate(l->ch, l->gate) && !names_gate(l->wg, l->gate));
    CHECK_EQ(weft_wg_wait(l->wg), 0);
    CHECK_EQ(weft_chan_close(l->ch), 0);
    CHECK_EQ(weft_chan_try_recv(l->ch, NULL), -EPIPE);
    chan_unref(l->ch);
    weft_wg_free(l->wg);
    weft_mutex_free(l->mutex);
}

/* Goal: an object outlives its runtime: the main thread uses it afterwards. */
TEST(an_object_outlives_its_runtime)
{
    for (int i = 0; i < 5; i++) {
        struct left_over l = {0};

        CHECK_EQ(weft_run_with(leave_objects, &l, .procs = 1 + i % 3), 0);
        finish_left_over(&l, 0);
    }
}

/* Goal: a gate that another P has got is a lock for the objects of the one that is gone. */
TEST(an_object_is_used_by_the_next_runtime_that_got_its_gate)
{
    for (int i = 0; i < 5; i++) {
        struct left_over l = {0};

        CHECK_EQ(weft_run_with(leave_objects, &l, .procs = 1), 0);
        CHECK_EQ(weft_run_with(use_left_over, &l, .procs = 1), 0);
        finish_left_over(&l, 1);
        CHECK_EQ(l.plain, 2);
    }
}

struct heir {
    struct cell cell; /* made by the P that is gone */
    atomic_int n_met;
};

static int leave_cell(void *arg)
{
    struct heir *h = arg;

    trust();
    weft__lock_init_biased(&h->cell.lock, RANK_CHAN);
    touch(&h->cell, false);
    return 0;
}

/* Touches the cell of the one before and one of its own, until the plain thread is through. */
static int inherit_cell(void *arg)
{
    struct heir *h = arg;
    struct cell *c = &h->cell, own = {.a = 0};
    int n = 1, is_over = 0;

    CHECK(atomic_load(&c->lock.gate) == weft__gate_self());
    trust();
    weft__lock_init_biased(&own.lock, RANK_CHAN);
    meet(&h->n_met, 2);
    while (!is_over) {
        touch(c, false);
        touch(&own, false);
        n++;
        weft__lock(&c->lock);
        is_over = c->n_touches == TOUCHES;
        weft__unlock(&c->lock);
    }
    CHECK_EQ(c->a, n + TOUCHES);
    CHECK_EQ(own.a, n - 1);
    CHECK(atomic_load(&c->lock.gate) == NULL);
    CHECK(atomic_load(&own.lock.gate) == weft__gate_self());
    return 0;
}

/* Goal: the plain thread that takes an object of a P that is gone keeps the P out that has the gate
 * now, and ends the one bias only. */
TEST(the_gate_of_a_p_that_is_gone_excludes_the_one_that_has_it_now)
{
    for (int i = 0; i < scaled(100); i++) {
        struct heir h = {.n_met = 0};
        struct task task = {.fn = inherit_cell, .arg = &h};

        CHECK_EQ(weft_run_with(leave_cell, &h, .procs = 1), 0);
        CHECK_EQ(pthread_create(&task.thread, NULL, run_task_in_a_runtime, &task), 0);
        meet(&h.n_met, 2);
        for (int n = 0; n < TOUCHES; n++)
            touch(&h.cell, true);
        end_at(&task, NULL);
    }
}
