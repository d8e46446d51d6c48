/* SPDX-License-Identifier: MIT */
/*
 * select_peer.c - a select against a plain thread, which runs at the same time whatever the
 * scheduler does, and meets the select at each of its steps.
 *
 * matrix: short
 */
#include <pthread.h>
#include <sched.h>

#include "co_test.h"
#include "net_test.h"

static int64_t until;
static atomic_bool is_over;

static void spin(uint64_t *x, int64_t ns_max)
{
    const int64_t end = weft_now() + (int64_t)(test_random(x) % (uint64_t)ns_max);

    while (weft_now() < end)
        ;
}

/* --- one of two channels is never empty */

struct pair {
    chan *a, *b;
};

/* Whether there is room, or something, does not matter to who moves a value about. */
static void put(chan *ch)
{
    int rc = weft_chan_try_send(ch, NULL);

    CHECK(rc == 0 || rc == -EAGAIN);
}

static void take(chan *ch)
{
    int rc = weft_chan_try_recv(ch, NULL);

    CHECK(rc == 0 || rc == -EAGAIN);
}

/* Fills one before it empties the other, again and again. */
static void *move_about(void *arg)
{
    struct pair *p = arg;
    uint64_t x = test_seed();

    while (!atomic_load(&is_over)) {
        put(p->b);
        take(p->a);
        spin(&x, 200);
        put(p->a);
        take(p->b);
        if (test_random(&x) % 64 == 0)
            sched_yield();
    }
    return NULL;
}

/* Goal: a default is not taken while at every moment one of the channels has a value.
 * Method: the value is in a, in both, or in b; a select that looks at them one after the other sees
 * two empty channels now and then.  What it takes it puts back. */
STRESS_TEST(a_default_is_not_taken_while_one_case_could_go_on)
{
    struct pair p = {weft_chan_make_shared(0, 1), weft_chan_make_shared(0, 1)};
    pthread_t th;

    until = test_now_ms() + test_stress_ms() / 4;
    CHECK_EQ(weft_chan_try_send(p.a, NULL), 0);
    CHECK_EQ(pthread_create(&th, NULL, move_about, &p), 0);
    for (int i = 0; i % 64 != 0 || test_now_ms() < until; i++) {
        struct weft_case cases[] = {weft_case_recv(p.a, NULL), weft_case_recv(p.b, NULL),
                                    weft_case_default()};
        int chosen = weft_select(cases, 3);
        CHECK_NE(chosen, 2);
        CHECK_EQ(cases[chosen].rc, 0);
        put(chosen == 0 ? p.a : p.b);
    }
    atomic_store(&is_over, true);
    CHECK_EQ(pthread_join(th, NULL), 0);
    weft_chan_unref(p.a);
    weft_chan_unref(p.b);
    return 0;
}

/* --- a value that comes while a select is on its way to wait */

static atomic_uint_fast64_t answered;

static void *send_one_by_one(void *arg)
{
    struct pair *p = arg;
    uint64_t x = test_seed();

    for (uint64_t i = 1; test_now_ms() < until; i++) {
        const int64_t late_ms = test_now_ms() + 4000 * test_scale();
        CHECK_EQ(weft_chan_try_send(i % 2 ? p->a : p->b, &i), 0);
        for (unsigned looks = 1; atomic_load(&answered) != i; looks++) {
            if (looks % 1024 == 0)
                sched_yield();
            if (looks % 65536 == 0 && test_now_ms() > late_ms)
                TEST_FAIL("a select waits beside value %llu", (unsigned long long)i);
        }
        spin(&x, 1500);
    }
    atomic_store(&is_over, true);
    CHECK_EQ(weft_chan_close(p->a), 0);
    return NULL;
}

/* Goal: a value that arrives after a select looked and before it is linked is not left lying.
 * Method: the thread sends one value, and nothing else until that one was taken. */
STRESS_TEST(a_select_does_not_wait_beside_a_value)
{
    struct pair p = {weft_chan_make_shared(sizeof(uint64_t), 1),
                     weft_chan_make_shared(sizeof(uint64_t), 1)};
    pthread_t th;
    uint64_t i;

    until = test_now_ms() + test_stress_ms() / 4;
    CHECK_EQ(pthread_create(&th, NULL, send_one_by_one, &p), 0);
    for (;;) {
        struct weft_case cases[] = {weft_case_recv(p.a, &i), weft_case_recv(p.b, &i)};
        int chosen = weft_select(cases, 2);
        if (cases[chosen].rc == -EPIPE)
            break;
        CHECK_EQ(cases[chosen].rc, 0);
        atomic_store(&answered, i);
    }
    CHECK_EQ(pthread_join(th, NULL), 0);
    weft_chan_unref(p.a);
    weft_chan_unref(p.b);
    return 0;
}

/* --- an fd that becomes ready while a channel decides */

struct source {
    int fd;
    chan *ch;
    uint64_t n_bytes, n_values;
};

static void *feed_both(void *arg)
{
    struct source *s = arg;
    uint64_t x = test_seed();

    while (test_now_ms() < until) {
        bool byte_first = test_random(&x) % 2 != 0;
        for (int k = 0; k < 2; k++) {
            if ((k == 0) == byte_first)
                s->n_bytes += send(s->fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
            else
                s->n_values += weft_chan_try_send(s->ch, NULL) == 0;
            if (test_random(&x) % 4 != 0)
                spin(&x, 300);
        }
        spin(&x, 3000);
    }
    CHECK_EQ(weft_chan_close(s->ch), 0);
    return NULL;
}

/* Goal: where an fd becomes ready and a value is sent at the same moment, the select takes the one
 * that it says it took, and loses nothing of the other.
 * Method: a channel without a buffer, so that each value is given to a select that waits; both are
 * counted on both sides. */
STRESS_TEST(a_value_is_not_lost_to_an_fd_that_is_ready_too)
{
    struct source s = {.ch = weft_chan_make_shared(0, 0)};
    uint64_t n_bytes = 0, n_values = 0;
    pthread_t th;
    char buf[256];
    int fds[2];

    unix_pair(fds);
    s.fd = fds[1];
    until = test_now_ms() + test_stress_ms() / 2;
    CHECK_EQ(pthread_create(&th, NULL, feed_both, &s), 0);
    for (;;) {
        struct weft_case cases[] = {weft_case_readable(fds[0]), weft_case_recv(s.ch, NULL)};
        int chosen = weft_select(cases, 2);
        if (chosen == 1 && cases[1].rc == -EPIPE)
            break;
        if (chosen == 1) {
            CHECK_EQ(cases[1].rc, 0);
            n_values++;
            continue;
        }
        CHECK_EQ(chosen, 0);
        ssize_t got = weft_read(fds[0], buf, 1 + n_values % sizeof buf);
        CHECK_GT(got, 0);
        n_bytes += (uint64_t)got;
    }
    CHECK_EQ(pthread_join(th, NULL), 0);
    CHECK_EQ(n_values, s.n_values);
    CHECK_EQ(weft_close(fds[1]), 0);
    for (ssize_t got; (got = weft_read(fds[0], buf, sizeof buf)) > 0;)
        n_bytes += (uint64_t)got;
    CHECK_EQ(n_bytes, s.n_bytes);
    CHECK_EQ(weft_close(fds[0]), 0);
    weft_chan_unref(s.ch);
    return 0;
}
