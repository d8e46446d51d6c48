/* SPDX-License-Identifier: MIT */
/*
 * buffer_pool.c - pools of buffers: a bound, an order, one owner a buffer.
 *
 * matrix: short
 */
#include "co_test.h"

CO_TEST(buffers_lie_in_a_row_from_a_page_on)
{
    enum { COUNT_OF = 5 };
    struct weft_buffer_pool *pool = weft_buffer_pool_make(100, COUNT_OF);
    void *buf[COUNT_OF], *none = NULL;

    CHECK(pool != NULL);
    CHECK_EQ(weft_buffer_pool_bytes(pool), 128);
    for (int i = 0; i < COUNT_OF; i++) {
        CHECK_EQ(weft_buffer_pool_get(pool, &buf[i]), 0);
        CHECK_EQ((char *)buf[i] - (char *)buf[0], 128 * i);
        memset(buf[i], i, 128);
    }
    CHECK_EQ((uintptr_t)buf[0] % 4096, 0);
    CHECK_EQ(weft_buffer_pool_try_get(pool, &none), -EAGAIN);
    CHECK(none == NULL);
    for (int i = 0; i < COUNT_OF; i++)
        CHECK_EQ(((char *)buf[i])[127], i);
    weft_buffer_pool_put(pool, buf[3]);
    weft_buffer_pool_put(pool, buf[1]);
    CHECK_EQ(weft_buffer_pool_try_get(pool, &none), 0);
    CHECK(none == buf[1]); /* the last that came is the first that goes */
    for (int i = 0; i < COUNT_OF; i++) {
        if (i != 3)
            weft_buffer_pool_put(pool, buf[i]);
    }
    weft_buffer_pool_free(pool);
    weft_buffer_pool_free(NULL);
    return 0;
}

struct taker {
    struct weft_buffer_pool *pool;
    atomic_int *n_waiting, *n_served;
    int turn; /* as which it was served */
};

static int take_and_put(void *arg)
{
    struct taker *t = arg;
    void *buf;

    atomic_fetch_add(t->n_waiting, 1);
    CHECK_EQ(weft_buffer_pool_get(t->pool, &buf), 0);
    t->turn = atomic_fetch_add(t->n_served, 1);
    weft_buffer_pool_put(t->pool, buf);
    return 0;
}

static uint64_t parks(void)
{
    struct weft_stats stats = {.size = sizeof stats};

    CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    return stats.parks;
}

/* Goal: those who wait get the one buffer in the order in which they came. */
CO_TEST(who_comes_first_is_served_first)
{
    enum { N = 8 };
    struct weft_buffer_pool *pool = weft_buffer_pool_make(1, 1);
    atomic_int n_waiting = 0, n_served = 0;
    struct taker takers[N];
    struct weft_co *co[N];
    void *buf;

    CHECK_EQ(weft_buffer_pool_get(pool, &buf), 0);
    for (int i = 0; i < N; i++) {
        uint64_t before = parks();
        takers[i] = (struct taker){pool, &n_waiting, &n_served, -1};
        co[i] = weft_go_with(take_and_put, &takers[i]);
        while (atomic_load(&n_waiting) <= i || parks() == before)
            weft_yield();
    }
    weft_buffer_pool_put(pool, buf);
    for (int i = 0; i < N; i++) {
        join(co[i]);
        CHECK_EQ(takers[i].turn, i);
    }
    weft_buffer_pool_free(pool);
    return 0;
}

CO_TEST(a_scope_that_ends_takes_no_buffer)
{
    struct weft_buffer_pool *pool = weft_buffer_pool_make(4096, 1);
    void *buf, *other = NULL;

    CHECK_EQ(weft_buffer_pool_get(pool, &buf), 0);
    WEFT_DEADLINE (soon, WEFT_MS)
        CHECK_EQ(weft_buffer_pool_get(pool, &other), -ETIMEDOUT);
    CHECK(other == NULL);
    weft_buffer_pool_put(pool, buf);
    WEFT_DEADLINE (over, -1)
        CHECK_EQ(weft_buffer_pool_get(pool, &other), 0);
    CHECK(other == buf);
    weft_buffer_pool_put(pool, other);
    weft_buffer_pool_free(pool);
    return 0;
}

struct crowd {
    struct weft_buffer_pool *pool;
    atomic_int n_out;
    int max, rounds;
};

static int use_buffers(void *arg)
{
    struct crowd *c = arg;
    uint64_t mark = weft_id();

    for (int i = 0; i < c->rounds; i++) {
        void *buf;
        CHECK_EQ(weft_buffer_pool_get(c->pool, &buf), 0);
        CHECK_LE(atomic_fetch_add(&c->n_out, 1) + 1, c->max);
        memcpy(buf, &mark, sizeof mark);
        if (i % 3 == 0)
            weft_yield();
        CHECK(memcmp(buf, &mark, sizeof mark) == 0);
        atomic_fetch_sub(&c->n_out, 1);
        weft_buffer_pool_put(c->pool, buf);
    }
    return 0;
}

/* Goal: no buffer has two owners, and never are more out than there are; by many on all
 * processors.  Method: each writes its number into its buffer and finds it there after a turn. */
CO_TEST(a_buffer_has_one_owner)
{
    enum { N = 16, BUFFERS = 3 };
    struct crowd crowd = {.pool = weft_buffer_pool_make(8, BUFFERS), .max = BUFFERS};
    struct weft_co *co[N];

    crowd.rounds = scaled(2000);
    for (int i = 0; i < N; i++)
        co[i] = weft_go_with(use_buffers, &crowd);
    for (int i = 0; i < N; i++)
        join(co[i]);
    weft_buffer_pool_free(crowd.pool);
    return 0;
}

/* Goal: memory that was never used is not there.  Method: far more than the machine has. */
TEST(a_pool_that_is_not_used_takes_no_memory)
{
    struct weft_buffer_pool *pool = weft_buffer_pool_make((size_t)1 << 22, WEFT_BUFFERS_MAX);
    void *buf;

    if (pool == NULL)
        SKIP("no such address space can be had here");
    CHECK_EQ(weft_buffer_pool_get(pool, &buf), 0);
    memset(buf, 1, 4096);
    weft_buffer_pool_put(pool, buf);
    weft_buffer_pool_free(pool);
    CHECK(weft_buffer_pool_make(SIZE_MAX / 2, 1) == NULL);
}
