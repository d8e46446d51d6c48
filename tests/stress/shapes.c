/* SPDX-License-Identifier: MIT */
/*
 * shapes.c - oneshot, broadcast and watch under random load: coroutines and plain threads, with
 * deadlines, selects and tries in between, and at the end the books are balanced.
 *
 * matrix: short
 */
#include <pthread.h>
#include <sched.h>

#include "co_test.h"

enum { SIDES_MAX = 6 };

static int below(uint64_t *x, int n)
{
    return (int)(test_random(x) >> 33) % n;
}

/* What runs on either kind; the last act of a thread is to count itself off, since a coroutine must
 * not wait for it by blocking. */
struct actor {
    void *round;
    int (*fn)(struct actor *);
    uint64_t x;
    int me;
    bool is_thread;
    struct weft_co *co;
    pthread_t th;
    atomic_bool has_ended;
};

static int act(void *arg)
{
    struct actor *a = arg;

    return a->fn(a);
}

static void *act_on_a_thread(void *arg)
{
    struct actor *a = arg;

    CHECK_EQ(a->fn(a), 0);
    atomic_store(&a->has_ended, true);
    return NULL;
}

static void actor_start(struct actor *a, void *round, int (*fn)(struct actor *), int me,
                        uint64_t *x, bool is_thread)
{
    a->round = round;
    a->fn = fn;
    a->me = me;
    a->x = test_random(x);
    a->is_thread = is_thread;
    atomic_store(&a->has_ended, false);
    if (is_thread)
        CHECK_EQ(pthread_create(&a->th, NULL, act_on_a_thread, a), 0);
    else
        a->co = weft_go_with(act, a);
}

static void actor_join(struct actor *a)
{
    if (!a->is_thread) {
        join(a->co);
        return;
    }
    while (!atomic_load(&a->has_ended))
        CHECK_EQ(weft_sleep(20 * WEFT_US), 0);
    CHECK_EQ(pthread_join(a->th, NULL), 0);
}

static void pause_briefly(struct actor *a)
{
    if (below(&a->x, 8) != 0)
        return;
    if (a->is_thread)
        sched_yield();
    else if (below(&a->x, 4) == 0)
        CHECK_EQ(weft_sleep(below(&a->x, 60) * WEFT_US), 0);
    else
        weft_yield();
}

/* How a wait is made: 0 plain, 1 under a deadline, 2 in a select, 3 try. */
static int way_of(struct actor *a)
{
    return a->is_thread ? 3 * (below(&a->x, 4) == 0) : below(&a->x, 4);
}

static bool is_late(int64_t rc)
{
    return rc == -ETIMEDOUT || rc == -EAGAIN;
}

/* ---- broadcast ---- */

struct post {
    int sender, number;
    unsigned check;
};

struct feed {
    struct weft_broadcast *b;
    struct weft_subscriber *s[SIDES_MAX];
    int n_senders, n_values;
};

static unsigned check_of(const struct post *p)
{
    return (unsigned)p->sender * 2654435761u + (unsigned)p->number;
}

static int send_posts(struct actor *a)
{
    struct feed *f = a->round;

    for (int i = 0; i < f->n_values; i++) {
        struct post p = {a->me, i, 0};

        p.check = check_of(&p);
        CHECK_GE(weft_broadcast_send(f->b, &p), 0);
        pause_briefly(a);
    }
    weft_broadcast_unref(f->b);
    return 0;
}

static int64_t recv_post(struct actor *a, struct weft_subscriber *s, struct post *p)
{
    int64_t rc = -EAGAIN;
    struct weft_case cases[] = {weft_case_broadcast(s, p),
                                weft_case_after(below(&a->x, 100) * WEFT_US)};

    switch (way_of(a)) {
    case 1:
        WEFT_DEADLINE(d, below(&a->x, 100) * WEFT_US)
            rc = weft_subscriber_recv(s, p);
        return rc;
    case 2:
        return weft_select(cases, 1 + below(&a->x, 2)) == 0 ? cases[0].rc : -ETIMEDOUT;
    case 3:
        return weft_subscriber_try_recv(s, p);
    default:
        return weft_subscriber_recv(s, p);
    }
}

/* Subscribed before the first value was sent. */
static int read_posts(struct actor *a)
{
    struct feed *f = a->round;
    int last[SIDES_MAX], n_read = 0;
    int64_t rc, n_lost = 0;
    struct post p;

    memset(last, -1, sizeof last);
    while ((rc = recv_post(a, f->s[a->me], &p)) != -EPIPE) {
        pause_briefly(a);
        if (is_late(rc))
            continue;
        CHECK_GE(rc, 0);
        CHECK_EQ(p.check, check_of(&p));
        CHECK_GT(p.number, last[p.sender]);
        if (f->n_senders == 1) /* the gap is what was reported */
            CHECK_EQ(p.number, last[0] + 1 + rc);
        last[p.sender] = p.number;
        n_lost += rc;
        n_read++;
    }
    CHECK_EQ(n_read + n_lost, f->n_senders * f->n_values);
    weft_broadcast_unsubscribe(f->s[a->me]);
    return 0;
}

/* Goal: every subscriber sees each sender's values in order, and what it has not seen was reported
 * to it as lost. */
STRESS_TEST(subscribers_account_for_every_value)
{
    const int64_t end = test_now_ms() + test_stress_ms() / 2;
    uint64_t x = test_seed();

    while (test_now_ms() < end) {
        struct actor sender[SIDES_MAX], reader[SIDES_MAX];
        struct feed f = {.n_senders = below(&x, 2) == 0 ? 1 : 1 + below(&x, SIDES_MAX)};
        const int n_readers = 1 + below(&x, SIDES_MAX);

        f.b = weft_broadcast_make(sizeof(struct post), 1 + (size_t)below(&x, 20));
        f.n_values = 1 + below(&x, 300);
        for (int i = 0; i < n_readers; i++)
            f.s[i] = weft_broadcast_subscribe(f.b);
        for (int i = 0; i < n_readers; i++)
            actor_start(&reader[i], &f, read_posts, i, &x, below(&x, 3) == 0);
        for (int i = 0; i < f.n_senders; i++) {
            weft_broadcast_ref(f.b);
            actor_start(&sender[i], &f, send_posts, i, &x, below(&x, 3) == 0);
        }
        weft_broadcast_unref(f.b); /* the last sender closes it */
        for (int i = 0; i < f.n_senders; i++)
            actor_join(&sender[i]);
        for (int i = 0; i < n_readers; i++)
            actor_join(&reader[i]);
    }
    return 0;
}

/* ---- oneshot ---- */

struct question {
    struct weft_oneshot *o;
    int64_t answer;
    bool was_sent, was_received, has_left;
};

static int answer_it(struct actor *a)
{
    struct question *q = a->round;

    pause_briefly(a);
    if (below(&a->x, 4) != 0) {
        int rc = weft_oneshot_send(q->o, &q->answer);

        CHECK(rc == 0 || rc == -EPIPE);
        q->was_sent = rc == 0;
        CHECK_EQ(weft_oneshot_send(q->o, &rc), rc == 0 ? -EALREADY : -EPIPE);
        pause_briefly(a);
    }
    weft_oneshot_close_send(q->o);
    return 0;
}

static int recv_answer(struct actor *a, struct weft_oneshot *o, int64_t *v)
{
    int rc = -EAGAIN;
    struct weft_case cases[] = {weft_case_oneshot(o, v), weft_case_oneshot(o, v),
                                weft_case_after(below(&a->x, 50) * WEFT_US)};

    switch (way_of(a)) {
    case 1:
        WEFT_DEADLINE(d, below(&a->x, 50) * WEFT_US)
            rc = weft_oneshot_recv(o, v);
        return rc;
    case 2:
        rc = weft_select(cases, 1 + below(&a->x, 3));
        return rc == 2 ? -ETIMEDOUT : (int)cases[rc].rc;
    case 3:
        return weft_oneshot_try_recv(o, v);
    default:
        return weft_oneshot_recv(o, v);
    }
}

static int ask_it(struct actor *a)
{
    struct question *q = a->round;
    int64_t v = 0;
    int rc;

    while (is_late(rc = recv_answer(a, q->o, &v)) && below(&a->x, 16) != 0)
        pause_briefly(a);
    CHECK(rc == 0 || rc == -EPIPE || is_late(rc));
    CHECK_EQ(v, rc == 0 ? q->answer : 0);
    q->was_received = rc == 0;
    q->has_left = is_late(rc);
    weft_oneshot_close_recv(q->o);
    return 0;
}

/* Goal: an answer that was sent was received, unless the one who asked had left; none that was not
 * sent was. */
STRESS_TEST(askers_and_answerers_agree)
{
    const int64_t end = test_now_ms() + test_stress_ms() / 2;
    uint64_t x = test_seed() + 1;

    while (test_now_ms() < end) {
        struct question q[SIDES_MAX];
        struct actor asker[SIDES_MAX], answerer[SIDES_MAX];

        for (int i = 0; i < SIDES_MAX; i++) {
            q[i] = (struct question){weft_oneshot_make(sizeof(int64_t)),
                                     1 + (int64_t)(test_random(&x) >> 1), false, false, false};
            actor_start(&asker[i], &q[i], ask_it, i, &x, below(&x, 8) == 0);
            actor_start(&answerer[i], &q[i], answer_it, i, &x, below(&x, 8) == 0);
        }
        for (int i = 0; i < SIDES_MAX; i++) {
            actor_join(&asker[i]);
            actor_join(&answerer[i]);
            CHECK(q[i].was_sent == q[i].was_received || (q[i].was_sent && q[i].has_left));
        }
    }
    return 0;
}

/* ---- watch ---- */

struct state {
    uint64_t key; /* the bytes follow from it */
    uint64_t bytes[5];
};

struct board {
    struct weft_watch *w;
    int n_sets;
    atomic_uint_fast64_t n_set;
};

static int set_states(struct actor *a)
{
    struct board *b = a->round;

    for (int i = 0; i < b->n_sets; i++) {
        struct state s = {.key = test_random(&a->x)};

        for (int k = 0; k < COUNT(s.bytes); k++)
            s.bytes[k] = s.key * (uint64_t)(k + 2);
        CHECK_EQ(weft_watch_set(b->w, &s), 0);
        atomic_fetch_add(&b->n_set, 1);
        pause_briefly(a);
    }
    return 0;
}

static int wait_for_state(struct actor *a, struct weft_watch *w, struct state *s, uint64_t *seen)
{
    int rc = -EAGAIN;
    uint64_t now = *seen;
    struct weft_case cases[] = {weft_case_watch(w, s, seen),
                                weft_case_after(below(&a->x, 100) * WEFT_US)};

    switch (way_of(a)) {
    case 1:
        WEFT_DEADLINE(d, below(&a->x, 100) * WEFT_US)
            rc = weft_watch_wait(w, s, seen);
        return rc;
    case 2:
        return weft_select(cases, 1 + below(&a->x, 2)) == 0 ? (int)cases[0].rc : -ETIMEDOUT;
    case 3:
        weft_watch_get(w, s, &now);
        rc = now == *seen ? -EAGAIN : 0;
        *seen = now;
        return rc;
    default:
        return weft_watch_wait(w, s, seen);
    }
}

static int follow_states(struct actor *a)
{
    struct board *b = a->round;
    uint64_t seen = 0, before = 0;
    struct state s = {0};
    int rc;

    while ((rc = wait_for_state(a, b->w, &s, &seen)) != -EPIPE) {
        CHECK(rc == 0 || is_late(rc));
        if (rc == 0)
            CHECK_GT(seen, before);
        else
            CHECK_EQ(seen, before);
        before = seen;
        for (int k = 0; k < COUNT(s.bytes); k++)
            CHECK(s.bytes[k] == s.key * (uint64_t)(k + 2));
        pause_briefly(a);
    }
    CHECK_EQ(seen, 1 + atomic_load(&b->n_set)); /* the last one was seen */
    return 0;
}

/* Goal: whoever follows sees whole values of growing versions, and the last one. */
STRESS_TEST(followers_see_the_last_value)
{
    const int64_t end = test_now_ms() + test_stress_ms() / 2;
    uint64_t x = test_seed() + 2;

    while (test_now_ms() < end) {
        struct actor setter[SIDES_MAX], follower[SIDES_MAX];
        struct board b = {.w = weft_watch_make(sizeof(struct state), NULL)};
        const int n_setters = 1 + below(&x, SIDES_MAX), n_followers = 1 + below(&x, SIDES_MAX);

        b.n_sets = 1 + below(&x, 200);
        for (int i = 0; i < n_followers; i++)
            actor_start(&follower[i], &b, follow_states, i, &x, below(&x, 3) == 0);
        for (int i = 0; i < n_setters; i++)
            actor_start(&setter[i], &b, set_states, i, &x, below(&x, 3) == 0);
        for (int i = 0; i < n_setters; i++)
            actor_join(&setter[i]);
        CHECK_EQ(weft_watch_close(b.w), 0);
        for (int i = 0; i < n_followers; i++)
            actor_join(&follower[i]);
        weft_watch_unref(b.w);
    }
    return 0;
}
