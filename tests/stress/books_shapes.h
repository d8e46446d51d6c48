/* SPDX-License-Identifier: MIT */
/* books_shapes.h - the part of books.c about channels of every shape, and futures. */
#ifndef WEFT_TESTS_BOOKS_SHAPES_H
#define WEFT_TESTS_BOOKS_SHAPES_H

#include "books.h"

/* One case of a select, and whom it concerns. */
struct arm {
    struct thing *thing;
    void (*won)(struct arm *arm, int64_t rc);
    void (*disarm)(struct arm *arm); /* NULL: nothing but the drop */
    int64_t value;
    uint64_t version;
};

/* ---- channels ---- */

struct pipe {
    struct thing thing;
    chan *ch;
    struct tally tally;
};

static void pipe_open(struct thing *t, struct agent *a)
{
    static const size_t capacities[] = {0, 1, 8, WEFT_CHAN_UNBOUNDED};

    ((struct pipe *)t)->ch =
        weft_chan_make_shared(sizeof(int64_t), capacities[below(a, COUNT(capacities))]);
}

static void pipe_close(struct thing *t, struct agent *a)
{
    (void)a;
    CHECK_EQ(chan_close(((struct pipe *)t)->ch), 0);
}

static void pipe_settle(struct thing *t)
{
    struct pipe *p = (struct pipe *)t;
    int64_t value;

    while (chan_try_recv(p->ch, &value) == 0) {
        tally(&p->tally, -1, -value);
        book(LEFT, 1);
    }
    check_tally(&p->tally);
    chan_unref(p->ch);
}

static struct kind pipes = {
    .bytes = sizeof(struct pipe),
    .open = pipe_open,
    .close = pipe_close,
    .settle = pipe_settle,
};

static void pipe_sent(struct arm *arm, int64_t rc)
{
    if (rc != 0)
        return;
    tally(&((struct pipe *)arm->thing)->tally, 1, arm->value);
    book(SENT, 1);
}

static void pipe_received(struct arm *arm, int64_t rc)
{
    if (rc != 0)
        return;
    tally(&((struct pipe *)arm->thing)->tally, -1, -arm->value);
    book(RECEIVED, 1);
}

static int act_send(struct agent *a)
{
    struct pipe *p = thing_take(&pipes, a, NULL);
    struct arm arm = {.thing = &p->thing, .value = below(a, 1000)};
    int rc = below(a, 4) == 0 ? chan_try_send(p->ch, &arm.value)
             : a->is_thread   ? weft_chan_send_foreign(p->ch, &arm.value, below(a, 200) * WEFT_US)
                              : chan_send(p->ch, &arm.value);

    pipe_sent(&arm, rc);
    thing_drop(&p->thing);
    return rc;
}

static int act_recv(struct agent *a)
{
    struct pipe *p = thing_take(&pipes, a, NULL);
    struct arm arm = {.thing = &p->thing};
    int rc = below(a, 4) == 0 ? chan_try_recv(p->ch, &arm.value)
             : a->is_thread   ? weft_chan_recv_foreign(p->ch, &arm.value, below(a, 200) * WEFT_US)
                              : chan_recv(p->ch, &arm.value);

    pipe_received(&arm, rc);
    thing_drop(&p->thing);
    return rc;
}

static struct weft_case arm_pipe(struct agent *a, struct arm *arm)
{
    struct pipe *p = thing_take(&pipes, a, NULL);
    const bool is_send = below(a, 2) == 0;

    arm->thing = &p->thing;
    arm->value = below(a, 1000);
    arm->won = is_send ? pipe_sent : pipe_received;
    return is_send ? weft_case_send(p->ch, &arm->value) : weft_case_recv(p->ch, &arm->value);
}

/* ---- oneshots: whoever takes one out of its slot is the one who answers, or does not ---- */

struct question {
    struct thing thing;
    struct weft_oneshot *o;
    struct tally tally;
};

static void question_open(struct thing *t, struct agent *a)
{
    (void)a;
    ((struct question *)t)->o = weft_oneshot_make(sizeof(int64_t));
}

static void question_close(struct thing *t, struct agent *a)
{
    struct question *q = (struct question *)t;
    int64_t value = below(a, 1000);

    if (value % 4 != 0) {
        tally(&q->tally, 1, value);
        CHECK_EQ(weft_oneshot_send(q->o, &value), 0);
        book(ANSWERED, 1);
    }
    weft_oneshot_close_send(q->o);
}

static void question_settle(struct thing *t)
{
    struct question *q = (struct question *)t;
    int64_t value;

    if (weft_oneshot_try_recv(q->o, &value) == 0) {
        tally(&q->tally, -1, -value);
        book(UNTOLD, 1);
    }
    check_tally(&q->tally);
    weft_oneshot_close_recv(q->o);
}

static struct kind questions = {
    .bytes = sizeof(struct question),
    .open = question_open,
    .close = question_close,
    .settle = question_settle,
};

static void question_told(struct arm *arm, int64_t rc)
{
    if (rc != 0)
        return;
    tally(&((struct question *)arm->thing)->tally, -1, -arm->value);
    book(TOLD, 1);
}

static int act_ask(struct agent *a)
{
    struct question *q = thing_take(&questions, a, NULL);
    struct arm arm = {.thing = &q->thing};
    int rc = a->is_thread || below(a, 4) == 0 ? weft_oneshot_try_recv(q->o, &arm.value)
                                              : weft_oneshot_recv(q->o, &arm.value);

    question_told(&arm, rc);
    thing_drop(&q->thing);
    return rc;
}

static struct weft_case arm_question(struct agent *a, struct arm *arm)
{
    struct question *q = thing_take(&questions, a, NULL);

    arm->thing = &q->thing;
    arm->won = question_told;
    return weft_case_oneshot(q->o, &arm->value);
}

/* ---- broadcasts ---- */

enum { SUBSCRIBERS = 3 };

struct feed {
    struct thing thing;
    struct weft_broadcast *b;
    struct weft_subscriber *s[SUBSCRIBERS];
    struct tally tally; /* of values that somebody has still to see, without their sum */
};

static void feed_open(struct thing *t, struct agent *a)
{
    struct feed *f = (struct feed *)t;

    f->b = weft_broadcast_make(sizeof(int64_t), 1 + (size_t)below(a, 8));
    for (int i = 0; i < SUBSCRIBERS; i++)
        f->s[i] = weft_broadcast_subscribe(f->b);
}

static void feed_close(struct thing *t, struct agent *a)
{
    (void)a;
    CHECK_EQ(weft_broadcast_close(((struct feed *)t)->b), 0);
}

static void feed_seen(struct arm *arm, int64_t n_lost)
{
    if (n_lost < 0)
        return;
    tally(&((struct feed *)arm->thing)->tally, -1 - n_lost, 0);
    book(SEEN, 1);
    book(OVERTAKEN, n_lost);
}

static void feed_settle(struct thing *t)
{
    struct feed *f = (struct feed *)t;
    struct arm arm = {.thing = t};
    int64_t rc;

    for (int i = 0; i < SUBSCRIBERS; i++) {
        while ((rc = weft_subscriber_try_recv(f->s[i], NULL)) >= 0)
            feed_seen(&arm, rc);
        CHECK_EQ(rc, -EPIPE);
        weft_broadcast_unsubscribe(f->s[i]);
    }
    check_tally(&f->tally);
    weft_broadcast_unref(f->b);
}

static struct kind feeds = {
    .bytes = sizeof(struct feed),
    .open = feed_open,
    .close = feed_close,
    .settle = feed_settle,
};

static int act_broadcast(struct agent *a)
{
    struct feed *f = thing_take(&feeds, a, NULL);
    int64_t value = below(a, 1000), rc = weft_broadcast_send(f->b, &value);

    if (rc >= 0) {
        CHECK_EQ(rc, SUBSCRIBERS);
        tally(&f->tally, rc, 0);
        book(BROADCAST, rc);
    }
    thing_drop(&f->thing);
    return rc < 0 ? (int)rc : 0;
}

static int act_see(struct agent *a)
{
    struct feed *f = thing_take(&feeds, a, NULL);
    struct weft_subscriber *s = f->s[below(a, SUBSCRIBERS)];
    struct arm arm = {.thing = &f->thing};
    int64_t rc = a->is_thread || below(a, 4) == 0 ? weft_subscriber_try_recv(s, &arm.value)
                                                  : weft_subscriber_recv(s, &arm.value);

    feed_seen(&arm, rc);
    thing_drop(&f->thing);
    return rc < 0 ? (int)rc : 0;
}

static struct weft_case arm_feed(struct agent *a, struct arm *arm)
{
    struct feed *f = thing_take(&feeds, a, NULL);

    arm->thing = &f->thing;
    arm->won = feed_seen;
    return weft_case_broadcast(f->s[below(a, SUBSCRIBERS)], &arm->value);
}

/* ---- watches ---- */

struct board {
    struct thing thing;
    struct weft_watch *w;
    atomic_llong n_sets;
};

static void board_open(struct thing *t, struct agent *a)
{
    int64_t value = 0;

    (void)a;
    ((struct board *)t)->w = weft_watch_make(sizeof value, &value);
}

static void board_close(struct thing *t, struct agent *a)
{
    (void)a;
    CHECK_EQ(weft_watch_close(((struct board *)t)->w), 0);
}

static void board_settle(struct thing *t)
{
    struct board *b = (struct board *)t;
    uint64_t version;

    weft_watch_get(b->w, NULL, &version);
    CHECK_EQ(version - 1, atomic_load(&b->n_sets));
    book(VERSIONS, (int64_t)version - 1);
    weft_watch_unref(b->w);
}

static struct kind boards = {
    .bytes = sizeof(struct board),
    .open = board_open,
    .close = board_close,
    .settle = board_settle,
};

static int act_set(struct agent *a)
{
    struct board *b = thing_take(&boards, a, NULL);
    int64_t value = below(a, 1000);
    int rc = weft_watch_set(b->w, &value);

    if (rc == 0) {
        atomic_fetch_add(&b->n_sets, 1);
        book(CHANGED, 1);
    }
    thing_drop(&b->thing);
    return rc;
}

static int act_watch(struct agent *a)
{
    struct board *b = thing_take(&boards, a, NULL);
    uint64_t seen, version;
    int64_t value;
    int rc = 0;

    weft_watch_get(b->w, &value, &seen);
    version = seen;
    if (!a->is_thread)
        rc = weft_watch_wait(b->w, &value, &version);
    CHECK(a->is_thread || (rc == 0 ? version > seen : version == seen));
    thing_drop(&b->thing);
    return rc;
}

static void board_seen(struct arm *arm, int64_t rc)
{
    CHECK(rc == -EPIPE || arm->version > 1);
}

static struct weft_case arm_board(struct agent *a, struct arm *arm)
{
    struct board *b = thing_take(&boards, a, NULL);

    arm->thing = &b->thing;
    arm->won = board_seen;
    arm->version = 1;
    return weft_case_watch(b->w, &arm->value, &arm->version);
}

/* ---- futures ---- */

struct promised {
    struct thing thing;
    struct weft_promise *p;
    struct weft_future *f;
    atomic_int decided; /* RESOLVED, REJECTED or CANCELLED, by whoever did */
};

static void promised_open(struct thing *t, struct agent *a)
{
    struct promised *p = (struct promised *)t;

    (void)a;
    p->p = weft_promise_make(0);
    p->f = weft_promise_future(p->p);
    book(PROMISED, 1);
}

/* Broken, if nobody else may still keep it. */
static void promised_close(struct thing *t, struct agent *a)
{
    (void)a;
    weft_promise_unref(((struct promised *)t)->p);
}

static void promised_settle(struct thing *t)
{
    struct promised *p = (struct promised *)t;
    int rc = weft_future_try_await(p->f, NULL);

    CHECK_EQ(rc == 0 ? RESOLVED : rc == -EIO ? REJECTED : rc == -ECANCELED ? CANCELLED : NOTHING,
             atomic_load(&p->decided));
    if (atomic_load(&p->decided) == NOTHING) {
        CHECK_EQ(rc, -EPIPE);
        book(BROKEN, 1);
    }
    weft_future_unref(p->f);
}

static struct kind promises = {
    .bytes = sizeof(struct promised),
    .open = promised_open,
    .close = promised_close,
    .settle = promised_settle,
};

static void hold_promise(struct thing *t)
{
    weft_promise_ref(((struct promised *)t)->p);
}

static int act_complete(struct agent *a)
{
    struct promised *p = thing_take(&promises, a, hold_promise);
    const int how = below(a, 3);
    int rc = how == 0   ? weft_promise_resolve(p->p, NULL)
             : how == 1 ? weft_promise_reject(p->p, -EIO)
                        : weft_future_cancel(p->f);

    CHECK(rc == 0 || rc == -EALREADY);
    if (rc == 0) {
        CHECK_EQ(atomic_exchange(&p->decided, RESOLVED + how), NOTHING);
        book(RESOLVED + how, 1);
    }
    weft_promise_unref(p->p);
    thing_drop(&p->thing);
    return 0;
}

static int act_await(struct agent *a)
{
    struct promised *p = thing_take(&promises, a, NULL);
    struct weft_future *several[] = {NULL, p->f, p->f};
    const int way = a->is_thread ? 0 : below(a, 4);
    int rc = way == 0   ? weft_future_try_await(p->f, NULL)
             : way == 1 ? weft_future_await_all(several, COUNT(several))
             : way == 2 ? weft_future_await_any(several, COUNT(several))
                        : weft_future_await(p->f, NULL);
    const bool by_scope = rc == -ETIMEDOUT || (rc == -ECANCELED && weft_scope_status() == rc);

    CHECK(by_scope || rc == -EAGAIN || weft_future_is_done(p->f));
    thing_drop(&p->thing);
    return by_scope || rc == -EAGAIN ? rc : 0;
}

static void promised_done(struct arm *arm, int64_t rc)
{
    CHECK_EQ(weft_future_try_await(((struct promised *)arm->thing)->f, NULL), rc);
}

static struct weft_case arm_promised(struct agent *a, struct arm *arm)
{
    struct promised *p = thing_take(&promises, a, NULL);

    arm->thing = &p->thing;
    arm->won = promised_done;
    return weft_case_future(p->f, NULL);
}

#endif
