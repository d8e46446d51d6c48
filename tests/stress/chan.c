/* SPDX-License-Identifier: MIT */
/*
 * chan.c - channels under random load: every value is unique, and at the end what was accepted is
 * compared with what arrived, value by value.
 *
 * A round takes its capacity, element size, numbers of producers and consumers and habits from the
 * seed, and lasts a few milliseconds; there are as many as the time allows.
 *
 * matrix: short
 */
#include <pthread.h>

#include "co_test.h"

enum { SIDES_MAX = 8, VALUES_MAX = 400, BYTES_MAX = 200 };

struct round {
    chan *ch, *done[2]; /* the last acts of plain threads that send, that receive */
    uint64_t seed;
    size_t elem_bytes;
    int n_producers, n_consumers, n_values;
    bool closes_early, has_deadlines, uses_try;
    atomic_int n_started;
    /* By value: accepted by a send, and how often received. */
    atomic_uchar accepted[SIDES_MAX * VALUES_MAX], taken[SIDES_MAX * VALUES_MAX];
};

/* A random state of its own for each coroutine and thread of a round. */
static uint64_t own_random(struct round *r, int *me)
{
    *me = atomic_fetch_add(&r->n_started, 1);
    return r->seed ^ (uint64_t)(*me + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static int below(uint64_t *x, int n)
{
    return (int)(test_random(x) >> 33) % n;
}

/* A value is its number, and bytes that follow from it, so that a torn copy shows. */
static void put_value(unsigned char *buf, size_t bytes, int value)
{
    memcpy(buf, &value, sizeof value);
    for (size_t i = sizeof value; i < bytes; i++)
        buf[i] = (unsigned char)((size_t)value * 7 + i);
}

static void take_value(struct round *r, const unsigned char *buf, int *last)
{
    int value, producer;

    memcpy(&value, buf, sizeof value);
    CHECK_GE(value, 0);
    CHECK_LT(value, SIDES_MAX * VALUES_MAX);
    for (size_t i = sizeof value; i < r->elem_bytes; i++)
        CHECK_EQ(buf[i], (unsigned char)((size_t)value * 7 + i));
    CHECK_EQ(atomic_fetch_add(&r->taken[value], 1), 0);
    producer = value / VALUES_MAX;
    CHECK_GT(value, last[producer]); /* a receiver sees each producer's values in their order */
    last[producer] = value;
}

static int send_one(struct round *r, uint64_t *x, const void *buf)
{
    int rc = -EAGAIN;

    if (r->uses_try && below(x, 4) == 0) {
        return weft_chan_try_send(r->ch, buf);
    } else if (r->has_deadlines && below(x, 2) == 0) {
        WEFT_DEADLINE(s, below(x, 100) * WEFT_US)
            rc = weft_chan_send(r->ch, buf);
        return rc;
    }
    return weft_chan_send(r->ch, buf);
}

static int recv_one(struct round *r, uint64_t *x, void *buf)
{
    int rc = -EAGAIN;

    if (r->uses_try && below(x, 4) == 0) {
        return weft_chan_try_recv(r->ch, buf);
    } else if (r->has_deadlines && below(x, 2) == 0) {
        WEFT_DEADLINE(s, below(x, 100) * WEFT_US)
            rc = weft_chan_recv(r->ch, buf);
        return rc;
    }
    return weft_chan_recv(r->ch, buf);
}

static int produce(void *arg)
{
    struct round *r = arg;
    unsigned char buf[BYTES_MAX];
    int me;
    uint64_t x = own_random(r, &me);

    for (int i = 0; i < r->n_values; i++) {
        int value = me * VALUES_MAX + i, rc;

        put_value(buf, r->elem_bytes, value);
        rc = send_one(r, &x, buf);
        CHECK(rc == 0 || rc == -EPIPE || rc == -ETIMEDOUT || rc == -EAGAIN);
        if (rc == -EPIPE)
            return 0;
        if (rc == 0)
            atomic_store(&r->accepted[value], 1);
        if (below(&x, 16) == 0)
            weft_yield();
    }
    return 0;
}

static int consume(void *arg)
{
    struct round *r = arg;
    unsigned char buf[BYTES_MAX];
    int last[SIDES_MAX], rc, me;
    uint64_t x = own_random(r, &me);

    memset(last, -1, sizeof last);
    while ((rc = recv_one(r, &x, buf)) != -EPIPE) {
        CHECK(rc == 0 || rc == -ETIMEDOUT || rc == -EAGAIN);
        if (rc == 0)
            take_value(r, buf, last);
        if (rc == -EAGAIN || below(&x, 16) == 0)
            weft_yield();
    }
    return 0;
}

/* What was accepted arrived once; what was refused did not. */
static void settle(struct round *r)
{
    CHECK_EQ(weft_chan_len(r->ch), 0);
    for (int i = 0; i < SIDES_MAX * VALUES_MAX; i++) {
        if (atomic_load(&r->accepted[i]) != atomic_load(&r->taken[i]))
            TEST_FAIL("value %d: accepted %d, received %d", i, atomic_load(&r->accepted[i]),
                      atomic_load(&r->taken[i]));
    }
    chan_unref(r->ch);
    chan_unref(r->done[0]);
    chan_unref(r->done[1]);
    free(r);
}

static struct round *round_make(uint64_t *x, bool is_shared)
{
    static const size_t caps[] = {0, 0, 1, 2, 3, 10, 100, WEFT_CHAN_UNBOUNDED};
    struct round *r = calloc(1, sizeof *r);
    size_t cap = caps[below(x, COUNT(caps))];

    CHECK(r != NULL);
    r->seed = test_random(x);
    r->elem_bytes = below(x, 2) == 0 ? sizeof(int) : sizeof(int) + (size_t)below(x, BYTES_MAX - 4);
    r->n_producers = 1 + below(x, SIDES_MAX);
    r->n_consumers = 1 + below(x, SIDES_MAX);
    r->n_values = 1 + below(x, VALUES_MAX);
    r->closes_early = below(x, 3) == 0;
    r->has_deadlines = below(x, 2) == 0;
    r->uses_try = below(x, 2) == 0;
    r->ch = is_shared ? weft_chan_make_shared(r->elem_bytes, cap) : chan_make(r->elem_bytes, cap);
    r->done[0] = chan_make(0, SIDES_MAX);
    r->done[1] = chan_make(0, SIDES_MAX);
    return r;
}

/* Goal: coroutines lose, double, tear and reorder nothing, with closes and deadlines in between.
 * Method: producers take the first numbers, so that a value tells who made it. */
STRESS_TEST(random_producers_and_consumers_account_for_every_value)
{
    int64_t end = test_now_ms() + test_stress_ms();
    uint64_t x = test_seed();

    while (test_now_ms() < end) {
        struct round *r = round_make(&x, below(&x, 4) == 0);
        struct weft_co *producer[SIDES_MAX], *consumer[SIDES_MAX];

        for (int i = 0; i < r->n_producers; i++)
            producer[i] = weft_go_with(produce, r);
        while (atomic_load(&r->n_started) < r->n_producers)
            weft_yield();
        for (int i = 0; i < r->n_consumers; i++)
            consumer[i] = weft_go_with(consume, r);
        if (r->closes_early) {
            yield_often(below(&x, 100));
            chan_close(r->ch);
        }
        for (int i = 0; i < r->n_producers; i++)
            join(producer[i]);
        chan_close(r->ch);
        for (int i = 0; i < r->n_consumers; i++)
            join(consumer[i]);
        settle(r);
    }
    return 0;
}

static void *produce_on_a_thread(void *arg)
{
    struct round *r = arg;
    unsigned char buf[BYTES_MAX];
    int me;
    uint64_t x = own_random(r, &me);

    for (int i = 0; i < r->n_values; i++) {
        int value = me * VALUES_MAX + i, rc;
        int64_t timeout_ns = r->has_deadlines ? below(&x, 100) * WEFT_US : WEFT_NEVER;

        put_value(buf, r->elem_bytes, value);
        if (r->uses_try && below(&x, 4) == 0)
            rc = weft_chan_try_send(r->ch, buf);
        else
            rc = weft_chan_send_foreign(r->ch, buf, timeout_ns);
        CHECK(rc == 0 || rc == -EPIPE || rc == -ETIMEDOUT || rc == -EAGAIN);
        if (rc == 0)
            atomic_store(&r->accepted[value], 1);
    }
    CHECK_EQ(weft_chan_send_foreign(r->done[0], NULL, WEFT_NEVER), 0);
    return NULL;
}

static void *consume_on_a_thread(void *arg)
{
    struct round *r = arg;
    unsigned char buf[BYTES_MAX];
    int last[SIDES_MAX], rc, me;
    uint64_t x = own_random(r, &me);

    memset(last, -1, sizeof last);
    do {
        if (r->uses_try && below(&x, 4) == 0)
            rc = weft_chan_try_recv(r->ch, buf);
        else
            rc = weft_chan_recv_foreign(r->ch, buf,
                                        r->has_deadlines ? below(&x, 100) * WEFT_US : WEFT_NEVER);
        CHECK(rc == 0 || rc == -EPIPE || rc == -ETIMEDOUT || rc == -EAGAIN);
        if (rc == 0)
            take_value(r, buf, last);
    } while (rc != -EPIPE);
    CHECK_EQ(weft_chan_send_foreign(r->done[1], NULL, WEFT_NEVER), 0);
    return NULL;
}

/* The coroutine parks until all of them are at their end, since they may need its processor. */
static void wait_for_threads(chan *done, pthread_t *th, int n)
{
    for (int i = 0; i < n; i++)
        CHECK_EQ(chan_recv(done, NULL), 0);
    for (int i = 0; i < n; i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
}

/* Goal: the same with plain threads on both sides among the coroutines, in channels of the runtime
 * and in shared ones. */
STRESS_TEST(threads_and_coroutines_account_for_every_value)
{
    int64_t end = test_now_ms() + test_stress_ms();
    uint64_t x = test_seed() + 1;

    while (test_now_ms() < end) {
        struct round *r = round_make(&x, below(&x, 2) == 0);
        struct weft_co *producer[SIDES_MAX], *consumer[SIDES_MAX];
        int n_sending = r->n_producers / 2, n_receiving = r->n_consumers / 2;
        pthread_t sender[SIDES_MAX], receiver[SIDES_MAX];

        for (int i = 0; i < r->n_producers; i++) {
            if (i < n_sending)
                CHECK_EQ(pthread_create(&sender[i], NULL, produce_on_a_thread, r), 0);
            else
                producer[i] = weft_go_with(produce, r);
        }
        while (atomic_load(&r->n_started) < r->n_producers)
            weft_yield();
        for (int i = 0; i < r->n_consumers; i++) {
            if (i < n_receiving)
                CHECK_EQ(pthread_create(&receiver[i], NULL, consume_on_a_thread, r), 0);
            else
                consumer[i] = weft_go_with(consume, r);
        }
        if (r->closes_early)
            chan_close(r->ch);
        wait_for_threads(r->done[0], sender, n_sending);
        for (int i = n_sending; i < r->n_producers; i++)
            join(producer[i]);
        chan_close(r->ch);
        wait_for_threads(r->done[1], receiver, n_receiving);
        for (int i = n_receiving; i < r->n_consumers; i++)
            join(consumer[i]);
        settle(r);
    }
    return 0;
}
