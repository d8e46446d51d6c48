/* SPDX-License-Identifier: MIT */
/*
 * sync.c - the synchronisers under coroutines with deadlines and plain threads at once, with books:
 * who was told that he has it has it alone, or in the number that is allowed, and in the end
 * everything is there again.  A grant that a deadline has lost would hang.
 *
 * matrix: short
 */
#include "crowd.h"

static int64_t until;

enum { COROUTINES = 16, THREADS = 2 };

static void set_time(int64_t part)
{
    until = test_now_ms() + test_stress_ms() / part;
}

/* Some microseconds, often shorter than the wait; threads have no scopes. */
#define BRIEFLY(random)                                                                            \
    WEFT_DEADLINE (brief,                                                                          \
                   (test_random(random) % 4 == 0 ? 500 : (int64_t)(test_random(random) % 40)) *    \
                       WEFT_US)

#define MAY_END(rc, random, call)                                                                  \
    do {                                                                                           \
        if (weft_in_coroutine() && test_random(random) % 4 != 0) {                                 \
            BRIEFLY(random)                                                                        \
                rc = (call);                                                                       \
            CHECK(rc >= 0 || rc == -ETIMEDOUT);                                                    \
        } else {                                                                                   \
            rc = (call);                                                                           \
            CHECK_GE(rc, 0);                                                                       \
        }                                                                                          \
    } while (0)

static void pause_now_and_then(uint64_t *random)
{
    uint64_t x = test_random(random) % 16;

    if (x == 0)
        crowd_pause();
    else if (x == 1 && weft_in_coroutine())
        CHECK_EQ(weft_sleep((int64_t)(test_random(random) % 60) * WEFT_US), 0);
}

/* --- mutex */

struct account {
    struct weft_mutex *m;
    int64_t plain; /* guarded by m alone */
    atomic_llong n_held;
};

static void add_up(void *arg, uint64_t *random)
{
    struct account *a = arg;

    while (test_now_ms() < until) {
        int rc = -1;
        if (test_random(random) % 8 == 0)
            rc = weft_mutex_try_lock(a->m);
        else
            MAY_END(rc, random, weft_mutex_lock(a->m));
        if (rc == 0) {
            int64_t before = a->plain;
            pause_now_and_then(random);
            a->plain = before + 1;
            weft_mutex_unlock(a->m);
            atomic_fetch_add(&a->n_held, 1);
        }
        pause_now_and_then(random);
    }
}

/* Goal: a mutex excludes threads and coroutines, and is not lost to a deadline. */
STRESS_TEST(a_mutex_is_held_by_one_and_never_lost)
{
    struct account a = {.m = weft_mutex_make()};

    set_time(5);
    crowd(COROUTINES, THREADS, add_up, &a);
    CHECK_EQ(a.plain, atomic_load(&a.n_held));
    CHECK_EQ(weft_mutex_try_lock(a.m), 0);
    weft_mutex_unlock(a.m);
    weft_mutex_free(a.m);
    return 0;
}

/* --- read-write lock */

struct book {
    struct weft_rwlock *rw;
    int64_t pages[2];
    atomic_int n_reading, n_writing;
    atomic_llong n_written;
};

static void read_it(struct book *b, uint64_t *random)
{
    atomic_fetch_add(&b->n_reading, 1);
    int64_t first = b->pages[0];
    pause_now_and_then(random);
    CHECK_EQ(b->pages[1], first);
    CHECK_EQ(atomic_load(&b->n_writing), 0);
    atomic_fetch_sub(&b->n_reading, 1);
    weft_rwlock_read_unlock(b->rw);
}

static void write_it(struct book *b, uint64_t *random)
{
    CHECK_EQ(atomic_fetch_add(&b->n_writing, 1), 0);
    CHECK_EQ(atomic_load(&b->n_reading), 0);
    b->pages[0]++;
    pause_now_and_then(random);
    b->pages[1]++;
    atomic_fetch_add(&b->n_written, 1);
    atomic_fetch_sub(&b->n_writing, 1);
    weft_rwlock_write_unlock(b->rw);
}

static void read_or_write(void *arg, uint64_t *random)
{
    struct book *b = arg;

    while (test_now_ms() < until) {
        bool reads = test_random(random) % 4 != 0;
        int rc = -1;
        if (test_random(random) % 8 == 0)
            rc = reads ? weft_rwlock_read_try_lock(b->rw) : weft_rwlock_write_try_lock(b->rw);
        else if (reads)
            MAY_END(rc, random, weft_rwlock_read_lock(b->rw));
        else
            MAY_END(rc, random, weft_rwlock_write_lock(b->rw));
        if (rc == 0 && reads)
            read_it(b, random);
        else if (rc == 0)
            write_it(b, random);
        pause_now_and_then(random);
    }
}

/* Goal: a writer is alone, readers are many, and no lock is lost to a deadline. */
STRESS_TEST(a_writer_is_alone_and_no_lock_is_lost)
{
    struct book b = {.rw = weft_rwlock_make()};

    set_time(5);
    crowd(COROUTINES, THREADS, read_or_write, &b);
    CHECK_EQ(b.pages[0], atomic_load(&b.n_written));
    CHECK_EQ(b.pages[1], b.pages[0]);
    CHECK_EQ(weft_rwlock_write_try_lock(b.rw), 0);
    weft_rwlock_write_unlock(b.rw);
    weft_rwlock_free(b.rw);
    return 0;
}

/* --- semaphore */

enum { PERMITS = 9 };

struct store {
    struct weft_sem *sem;
    atomic_int in_use;
};

static void use_some(void *arg, uint64_t *random)
{
    struct store *s = arg;

    while (test_now_ms() < until) {
        int n = 1 + (int)(test_random(random) % PERMITS);
        int rc = -1;
        if (test_random(random) % 8 == 0)
            rc = weft_sem_try_acquire(s->sem, n);
        else
            MAY_END(rc, random, weft_sem_acquire(s->sem, n));
        if (rc == 0) {
            CHECK_LE(atomic_fetch_add(&s->in_use, n) + n, PERMITS);
            pause_now_and_then(random);
            atomic_fetch_sub(&s->in_use, n);
            weft_sem_release(s->sem, n);
        }
        pause_now_and_then(random);
    }
}

/* Goal: no permit is lost or given twice. */
STRESS_TEST(permits_in_use_and_free_are_as_many_as_there_are)
{
    struct store s = {.sem = weft_sem_make(PERMITS)};

    set_time(5);
    crowd(COROUTINES, THREADS, use_some, &s);
    CHECK_EQ(weft_sem_try_acquire(s.sem, PERMITS), 0);
    CHECK_EQ(weft_sem_try_acquire(s.sem, 1), -EAGAIN);
    weft_sem_free(s.sem);
    return 0;
}

/* --- condition */

struct pair {
    struct weft_mutex *m;
    struct weft_cond *c;
    int n_waiting, n_woken; /* guarded by m */
    int64_t patience_ns;
};

static int wait_briefly(void *arg)
{
    struct pair *p = arg;
    int rc = -1;

    CHECK_EQ(weft_mutex_lock(p->m), 0);
    p->n_waiting++;
    WEFT_DEADLINE(s, p->patience_ns)
        rc = weft_cond_wait(p->c, p->m);
    p->n_woken += rc == 0;
    weft_mutex_unlock(p->m);
    CHECK(rc == 0 || rc == -ETIMEDOUT);
    return 0;
}

static int wait_patiently(void *arg)
{
    struct pair *p = arg;

    CHECK_EQ(weft_mutex_lock(p->m), 0);
    p->n_waiting++;
    CHECK_EQ(weft_cond_wait(p->c, p->m), 0);
    p->n_woken++;
    weft_mutex_unlock(p->m);
    return 0;
}

static void lock_when_waiting(struct pair *p, int n)
{
    CHECK_EQ(weft_mutex_lock(p->m), 0);
    while (p->n_waiting < n) {
        weft_mutex_unlock(p->m);
        weft_yield();
        CHECK_EQ(weft_mutex_lock(p->m), 0);
    }
}

/* Goal: a signal that meets the end of a scope is not lost: it wakes the one, or goes to the next.
 * Method: two wait, the first with a deadline that passes about when the one signal is sent.  If it
 * was that one who got it, the other gets a second one; else the other must have got the first. */
STRESS_TEST(a_signal_that_meets_a_deadline_wakes_somebody)
{
    struct pair p = {.m = weft_mutex_make(), .c = weft_cond_make()};
    uint64_t random = test_seed();

    set_time(5);
    while (test_now_ms() < until) {
        p.n_waiting = p.n_woken = 0;
        p.patience_ns = (int64_t)(10 + test_random(&random) % 60) * WEFT_US;
        struct weft_co *brief = weft_go_with(wait_briefly, &p);
        lock_when_waiting(&p, 1);
        weft_mutex_unlock(p.m);
        struct weft_co *patient = weft_go_with(wait_patiently, &p);
        lock_when_waiting(&p, 2);
        weft_mutex_unlock(p.m);
        int64_t end = weft_now() + (int64_t)(test_random(&random) % 50) * WEFT_US;
        while (weft_now() < end)
            weft_yield();
        weft_cond_signal(p.c);
        join(brief);
        CHECK_EQ(weft_mutex_lock(p.m), 0);
        while (p.n_woken == 0) { /* for ever, if it is lost */
            weft_mutex_unlock(p.m);
            weft_yield();
            CHECK_EQ(weft_mutex_lock(p.m), 0);
        }
        weft_mutex_unlock(p.m);
        weft_cond_signal(p.c); /* for the patient one, if it was not him */
        join(patient);
    }
    weft_cond_free(p.c);
    weft_mutex_free(p.m);
    return 0;
}

struct buffer {
    struct weft_mutex *m;
    struct weft_cond *not_full, *not_empty;
    int64_t n, n_put, n_got; /* guarded by m */
    bool is_over;
};

/* Under the mutex: waits while a condition holds; false if a deadline has ended that. */
static bool wait_while_full_or_empty(struct buffer *b, int64_t bad, struct weft_cond *c,
                                     uint64_t *random)
{
    int rc = 0;

    while (rc == 0 && b->n == bad && !b->is_over)
        MAY_END(rc, random, weft_cond_wait(c, b->m));
    return b->n != bad && !b->is_over;
}

static void put_or_get(void *arg, uint64_t *random)
{
    struct buffer *b = arg;

    while (test_now_ms() < until) {
        bool puts = test_random(random) % 2 == 0;
        CHECK_EQ(weft_mutex_lock(b->m), 0);
        if (puts && wait_while_full_or_empty(b, 4, b->not_full, random)) {
            b->n++;
            b->n_put++;
            weft_cond_signal(b->not_empty);
        } else if (!puts && wait_while_full_or_empty(b, 0, b->not_empty, random)) {
            b->n--;
            b->n_got++;
            weft_cond_signal(b->not_full);
        }
        CHECK(b->n >= 0 && b->n <= 4);
        weft_mutex_unlock(b->m);
        pause_now_and_then(random);
    }
}

/* Nobody else may: all who work may wait for each other at that moment, to put, or to get. */
static int end_work(void *arg)
{
    struct buffer *b = arg;

    while (test_now_ms() < until)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(weft_mutex_lock(b->m), 0);
    b->is_over = true;
    weft_cond_broadcast(b->not_full);
    weft_cond_broadcast(b->not_empty);
    weft_mutex_unlock(b->m);
    return 0;
}

/* Goal: what is put into a buffer is got from it, by threads and coroutines with deadlines. */
STRESS_TEST(a_buffer_with_conditions_keeps_its_books)
{
    struct buffer b = {.m = weft_mutex_make()};

    b.not_full = weft_cond_make();
    b.not_empty = weft_cond_make();
    set_time(5);
    struct weft_co *end = weft_go_with(end_work, &b);
    crowd(COROUTINES, THREADS, put_or_get, &b);
    join(end);
    CHECK_EQ(b.n_put, b.n_got + b.n);
    weft_cond_free(b.not_full);
    weft_cond_free(b.not_empty);
    weft_mutex_free(b.m);
    return 0;
}

/* --- barrier */

enum { MEET = 3 };

struct hall {
    struct weft_barrier *b;
    atomic_llong n_met, n_led;
};

static void meet(void *arg, uint64_t *random)
{
    struct hall *h = arg;

    while (test_now_ms() < until) {
        int rc = -1;
        BRIEFLY(random)
            rc = weft_barrier_wait(h->b);
        CHECK(rc == 0 || rc == 1 || rc == -ETIMEDOUT);
        if (rc >= 0) {
            atomic_fetch_add(&h->n_met, 1);
            atomic_fetch_add(&h->n_led, rc);
        }
        pause_now_and_then(random);
    }
}

/* Goal: those who were told that they have met are as many as the meetings take, and one of each
 * was told to lead, however many have given up. */
STRESS_TEST(all_who_have_met_are_told_and_one_leads)
{
    struct hall h = {.b = weft_barrier_make(MEET)};

    set_time(5);
    crowd(COROUTINES, 0, meet, &h);
    CHECK_EQ(atomic_load(&h.n_met), MEET * atomic_load(&h.n_led));
    weft_barrier_free(h.b); /* nobody is left */
    return 0;
}
