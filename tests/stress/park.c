/* SPDX-License-Identifier: MIT */
/*
 * park.c - storms of waits and wakes from everywhere at once: no wake is lost (that would hang),
 * none comes twice (that would break a count), and processors that sleep in between hide neither.
 *
 * matrix: short
 */
#include <pthread.h>

#include "co_test.h"

static int64_t until;

/* --- one token a ring: each member waits for it nearly all the time */

enum { RINGS = 4, MEMBERS = 9 };

struct member {
    chan *from, *to;
    uint64_t laps;
};

static int pass_on(void *arg)
{
    struct member *me = arg;
    int token;

    while (chan_recv(me->from, &token) == 0) {
        me->laps++;
        token++;
        if (chan_send(me->to, &token) != 0)
            break;
    }
    chan_close(me->to);
    return 0;
}

/* Goal: a hand-off between coroutines is never lost, whether the receiver is on its way to sleep,
 * asleep, or on another processor.
 * Method: unbuffered rings of coroutines, a token each; the count it carries tells how often. */
STRESS_TEST(a_token_goes_round_and_is_never_lost)
{
    static struct member ring[RINGS][MEMBERS];
    struct weft_co *co[RINGS][MEMBERS];
    chan *ch[RINGS][MEMBERS];

    until = test_now_ms() + test_stress_ms() / 4;
    for (int r = 0; r < RINGS; r++)
        for (int i = 0; i < MEMBERS; i++)
            ch[r][i] = chan_make(sizeof(int), (size_t)(r % 2));
    for (int r = 0; r < RINGS; r++)
        for (int i = 0; i < MEMBERS - 1; i++) {
            ring[r][i] = (struct member){ch[r][i], ch[r][i + 1], 0};
            co[r][i] = weft_go_with(pass_on, &ring[r][i]);
        }
    for (int lap = 0; test_now_ms() < until; lap++)
        for (int r = 0; r < RINGS; r++) {
            int token = lap;
            CHECK_EQ(chan_send(ch[r][0], &token), 0);
            CHECK_EQ(chan_recv(ch[r][MEMBERS - 1], &token), 0);
            CHECK_EQ(token, lap + MEMBERS - 1);
            if (lap % 16 == 0)
                CHECK_EQ(weft_sleep(20 * WEFT_US), 0); /* all processors may go to sleep */
        }
    for (int r = 0; r < RINGS; r++) {
        chan_close(ch[r][0]);
        for (int i = 0; i < MEMBERS - 1; i++)
            join(co[r][i]);
        for (int i = 0; i < MEMBERS; i++)
            chan_unref(ch[r][i]);
    }
    return 0;
}

/* --- everything that can end a wait, at the same moment */

enum { WAITERS = 24 };
static atomic_int n_got, n_late, n_sent;

static int wait_briefly(void *arg)
{
    uint64_t x = test_seed() ^ weft_id() << 20;
    int value;

    for (;;) {
        int rc = -1;
        WEFT_DEADLINE (s, (int64_t)(test_random(&x) % 40) * WEFT_US)
            rc = chan_recv(arg, &value);
        if (rc == 0)
            atomic_fetch_add(&n_got, 1);
        else if (rc == -ETIMEDOUT)
            atomic_fetch_add(&n_late, 1);
        else
            break;
    }
    return 0;
}

static int send_briefly(void *arg)
{
    uint64_t x = test_seed() ^ weft_id() << 20;

    while (test_now_ms() < until) {
        int rc = -1, value = 1;
        WEFT_DEADLINE (s, (int64_t)(test_random(&x) % 40) * WEFT_US)
            rc = chan_send(arg, &value);
        if (rc == 0)
            atomic_fetch_add(&n_sent, 1);
        else
            CHECK_EQ(rc, -ETIMEDOUT);
        if (test_random(&x) % 8 == 0)
            CHECK_EQ(weft_sleep((int64_t)(test_random(&x) % 60) * WEFT_US), 0);
    }
    return 0;
}

/* Goal: where a deadline and a partner end a wait at the same moment, one of them wins, and both
 * sides agree on which: as many values were sent as were received. */
STRESS_TEST(deadline_and_partner_agree_on_who_came_first)
{
    struct weft_co *rx[WAITERS], *tx[WAITERS / 2];
    chan *ch = chan_make(sizeof(int), 0);

    until = test_now_ms() + test_stress_ms() / 2;
    for (int i = 0; i < WAITERS; i++)
        rx[i] = weft_go_with(wait_briefly, ch);
    for (int i = 0; i < WAITERS / 2; i++)
        tx[i] = weft_go_with(send_briefly, ch);
    for (int i = 0; i < WAITERS / 2; i++)
        join(tx[i]);
    chan_close(ch);
    for (int i = 0; i < WAITERS; i++)
        join(rx[i]);
    CHECK_EQ(atomic_load(&n_sent), atomic_load(&n_got));
    chan_unref(ch);
    return 0;
}

/* --- wakes from plain threads into sleeping processors */

static chan *shared;
static atomic_int n_sending;

static void *send_from_thread(void *arg)
{
    uint64_t x = test_seed() ^ (uintptr_t)&x;

    (void)arg;
    while (test_now_ms() < until) {
        int value = 1;
        CHECK_EQ(weft_chan_send(shared, &value), 0);
        atomic_fetch_add(&n_sent, 1);
        for (uint64_t i = test_random(&x) % 2000; i > 0; i--)
            __asm__ volatile("" ::: "memory");
    }
    atomic_fetch_sub(&n_sending, 1);
    return NULL;
}

static int receive_all(void *arg)
{
    int value;

    (void)arg;
    while (chan_recv(shared, &value) == 0)
        atomic_fetch_add(&n_got, 1);
    return 0;
}

STRESS_TEST(wakes_from_threads_reach_sleeping_processors)
{
    pthread_t th[2];
    struct weft_co *co[4];

    until = test_now_ms() + test_stress_ms() / 4;
    shared = weft_chan_make_shared(sizeof(int), 0);
    for (int i = 0; i < COUNT(co); i++)
        co[i] = weft_go_with(receive_all, NULL);
    atomic_store(&n_sending, COUNT(th));
    for (int i = 0; i < COUNT(th); i++)
        CHECK_EQ(pthread_create(&th[i], NULL, send_from_thread, NULL), 0);
    while (atomic_load(&n_sending) > 0)
        CHECK_EQ(weft_sleep(5 * WEFT_MS), 0);
    for (int i = 0; i < COUNT(th); i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
    chan_close(shared);
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    CHECK_EQ(atomic_load(&n_sent), atomic_load(&n_got));
    chan_unref(shared);
    return 0;
}
