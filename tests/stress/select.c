/* SPDX-License-Identifier: MIT */
/*
 * select.c - random selects over a few channels, a pipe, joins and timeouts: every value is unique
 * and accounted for, every coroutine joined once, every byte of the pipe read once.
 *
 * Nothing waits longer than a short deadline, so that no mixture of cases can be a deadlock.
 *
 * matrix: short
 */
#define _GNU_SOURCE /* pipe2 */

#include <fcntl.h>
#include <poll.h>

#include "co_test.h"

enum { CHANNELS_MAX = 6, WORKERS_MAX = 24, OPS_MAX = 200, CASES_MAX = 8 };
enum { VALUES_MAX = WORKERS_MAX * OPS_MAX * CASES_MAX };

struct round {
    chan *ch[CHANNELS_MAX];
    int n_channels, n_workers, n_ops, fd[2];
    uint64_t seed;
    atomic_int n_started, n_values, n_spawned, n_ended, n_joined, n_written, n_read;
    atomic_uchar accepted[VALUES_MAX], taken[VALUES_MAX];
};

struct worker {
    struct round *r;
    uint64_t x;
    struct weft_co *child; /* may stand in a join case; NULL if there is none */
    int child_value;
};

static int below(uint64_t *x, int n)
{
    return (int)(test_random(x) >> 33) % n;
}

static void take(struct round *r, int value)
{
    CHECK_GE(value, 0);
    CHECK_LT(value, atomic_load(&r->n_values));
    CHECK_EQ(atomic_fetch_add(&r->taken[value], 1), 0);
}

static int end_with_value(void *arg)
{
    struct worker *w = arg;
    int value = w->child_value;

    if (value % 3 == 0)
        weft_yield();
    atomic_fetch_add(&w->r->n_ended, 1);
    return value;
}

/* One random case; `value` holds what is sent, or receives. */
static struct weft_case random_case(struct worker *w, int *value)
{
    struct round *r = w->r;
    chan *ch = r->ch[below(&w->x, r->n_channels)];
    int kind = below(&w->x, 20);

    *value = -1;
    if (kind < 7)
        return weft_case_recv(ch, value);
    if (kind < 14) {
        *value = atomic_fetch_add(&r->n_values, 1);
        return weft_case_send(ch, value);
    }
    if (kind == 14)
        return weft_case_recv(NULL, value);
    if (kind == 15)
        return weft_case_readable(r->fd[0]);
    if (kind == 16)
        return weft_case_after(below(&w->x, 300) * WEFT_US);
    return weft_case_until(WEFT_NEVER);
}

/* What the chosen case says must have happened has happened, and nothing of the others has. */
static void settle_select(struct worker *w, struct weft_case *cases, int *values, int n, int chosen)
{
    struct round *r = w->r;
    char byte;

    for (int i = 0; i < n; i++) {
        if (i != chosen && cases[i].kind == WEFT_CASE_RECV)
            CHECK_EQ(values[i], -1);
    }
    if (chosen < 0) {
        CHECK_EQ(chosen, -ETIMEDOUT);
        return;
    }
    CHECK_LT(chosen, n);
    switch (cases[chosen].kind) {
    case WEFT_CASE_RECV:
        CHECK(cases[chosen].rc == 0 || cases[chosen].rc == -EPIPE);
        if (cases[chosen].rc == 0)
            take(r, values[chosen]);
        else
            CHECK_EQ(values[chosen], -1);
        break;
    case WEFT_CASE_SEND:
        CHECK(cases[chosen].rc == 0 || cases[chosen].rc == -EPIPE);
        if (cases[chosen].rc == 0)
            atomic_store(&r->accepted[values[chosen]], 1);
        break;
    case WEFT_CASE_READABLE:
        CHECK_EQ(cases[chosen].rc & POLLIN, POLLIN);
        if (read(r->fd[0], &byte, 1) == 1) /* another may have been faster */
            atomic_fetch_add(&r->n_read, 1);
        break;
    case WEFT_CASE_JOIN:
        CHECK_EQ(values[chosen], w->child_value);
        w->child = NULL;
        atomic_fetch_add(&r->n_joined, 1);
        break;
    default:
        break;
    }
}

static void select_at_random(struct worker *w)
{
    struct weft_case cases[CASES_MAX];
    int values[CASES_MAX] = {0}, n = 1 + below(&w->x, CASES_MAX), chosen = 0;

    for (int i = 0; i < n; i++)
        cases[i] = random_case(w, &values[i]);
    if (w->child != NULL)
        cases[0] = weft_case_join(w->child, &values[0]);
    else if (below(&w->x, 8) == 0)
        cases[0] = weft_case_default();
    WEFT_DEADLINE(s, below(&w->x, 200) * WEFT_US)
        chosen = weft_select(cases, n);
    settle_select(w, cases, values, n, chosen);
}

static void call_at_random(struct worker *w)
{
    struct round *r = w->r;
    chan *ch = r->ch[below(&w->x, r->n_channels)];
    bool waits = below(&w->x, 2) == 0, sends = below(&w->x, 2) == 0;
    int value = sends ? atomic_fetch_add(&r->n_values, 1) : -1, rc = 0;

    WEFT_DEADLINE(s, below(&w->x, 200) * WEFT_US) {
        if (sends)
            rc = waits ? weft_chan_send(ch, &value) : weft_chan_try_send(ch, &value);
        else
            rc = waits ? weft_chan_recv(ch, &value) : weft_chan_try_recv(ch, &value);
    }
    if (rc == 0 && sends)
        atomic_store(&r->accepted[value], 1);
    else if (rc == 0)
        take(r, value);
    else
        CHECK(rc == -EPIPE || rc == (waits ? -ETIMEDOUT : -EAGAIN));
}

static int work(void *arg)
{
    struct round *r = arg;
    struct worker w = {.r = r};

    w.x = r->seed ^ (uint64_t)(atomic_fetch_add(&r->n_started, 1) + 1) *
                        UINT64_C(0x9e3779b97f4a7c15);
    for (int i = 0; i < r->n_ops; i++) {
        if (w.child == NULL && below(&w.x, 16) == 0) {
            w.child_value = below(&w.x, 1000);
            w.child = weft_go_with(end_with_value, &w);
            atomic_fetch_add(&r->n_spawned, 1);
        }
        if (below(&w.x, 16) == 0 && write(r->fd[1], "x", 1) == 1)
            atomic_fetch_add(&r->n_written, 1);
        if (below(&w.x, 4) != 0)
            select_at_random(&w);
        else
            call_at_random(&w);
    }
    if (w.child != NULL) {
        int value = -1;

        CHECK_EQ(weft_join(w.child, &value), 0);
        CHECK_EQ(value, w.child_value);
        atomic_fetch_add(&r->n_joined, 1);
    }
    return 0;
}

static struct round *round_make(uint64_t *x)
{
    struct round *r = calloc(1, sizeof *r);

    CHECK(r != NULL);
    r->seed = test_random(x);
    r->n_channels = 1 + below(x, CHANNELS_MAX);
    r->n_workers = 2 + below(x, WORKERS_MAX - 1);
    r->n_ops = 1 + below(x, OPS_MAX);
    for (int i = 0; i < r->n_channels; i++) {
        int cap = below(x, 5);

        r->ch[i] = chan_make(sizeof(int), cap == 4 ? WEFT_CHAN_UNBOUNDED : (size_t)cap);
    }
    CHECK_EQ(pipe2(r->fd, O_CLOEXEC | O_NONBLOCK), 0);
    return r;
}

/* Drains what is left and compares. */
static void settle(struct round *r)
{
    char byte;
    int value;

    for (int i = 0; i < r->n_channels; i++) {
        size_t left = weft_chan_len(r->ch[i]);

        for (; left > 0; left--) {
            CHECK_EQ(weft_chan_try_recv(r->ch[i], &value), 0);
            take(r, value);
        }
        value = weft_chan_try_recv(r->ch[i], &value);
        CHECK(value == -EAGAIN || value == -EPIPE);
        chan_unref(r->ch[i]);
    }
    for (int i = 0; i < atomic_load(&r->n_values); i++) {
        if (atomic_load(&r->accepted[i]) != atomic_load(&r->taken[i]))
            TEST_FAIL("value %d: accepted %d, received %d", i, atomic_load(&r->accepted[i]),
                      atomic_load(&r->taken[i]));
    }
    while (read(r->fd[0], &byte, 1) == 1)
        atomic_fetch_add(&r->n_read, 1);
    CHECK_EQ(atomic_load(&r->n_written), atomic_load(&r->n_read));
    CHECK_EQ(atomic_load(&r->n_spawned), atomic_load(&r->n_ended));
    CHECK_EQ(atomic_load(&r->n_spawned), atomic_load(&r->n_joined));
    close(r->fd[0]);
    close(r->fd[1]);
    free(r);
}

/* Goal: in any mixture of cases, deadlines and closes exactly one case is carried out, and the
 * others leave no trace. */
STRESS_TEST(random_selects_account_for_every_value)
{
    int64_t end = test_now_ms() + test_stress_ms();
    uint64_t x = test_seed();

    while (test_now_ms() < end) {
        struct round *r = round_make(&x);
        struct weft_co *co[WORKERS_MAX];
        int n = r->n_workers;

        for (int i = 0; i < n; i++)
            co[i] = weft_go_with(work, r, .name = "worker");
        while (below(&x, 3) == 0) { /* some rounds close channels in the middle */
            yield_often(below(&x, 200));
            chan_close(r->ch[below(&x, r->n_channels)]);
        }
        for (int i = 0; i < n; i++)
            join(co[i]);
        settle(r);
    }
    return 0;
}
