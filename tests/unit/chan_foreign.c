/* SPDX-License-Identifier: MIT */
/*
 * chan_foreign.c - channels between coroutines and plain threads, and between two runtimes.
 *
 * A coroutine never waits for a thread by blocking: with one processor the thread's call may need
 * the processor that the coroutine would hold.
 *
 * matrix: short
 */
#include <pthread.h>

#include "co_test.h"

struct pair {
    chan *ch, *done;
    int n;
};

static pthread_t start(void *(*fn)(void *), void *arg)
{
    pthread_t th;

    CHECK_EQ(pthread_create(&th, NULL, fn, arg), 0);
    return th;
}

/* The thread's last act is a value in `done`: the wait parks the coroutine only. */
static void wait_for_thread(struct pair *p, pthread_t th)
{
    CHECK_EQ(chan_recv(p->done, NULL), 0);
    CHECK_EQ(pthread_join(th, NULL), 0);
}

static struct pair pair_make(size_t cap, int n)
{
    return (struct pair){chan_make(sizeof(int), cap), chan_make(0, 1), n};
}

static void pair_free(struct pair *p)
{
    chan_unref(p->ch);
    chan_unref(p->done);
}

/* ---- one runtime and plain threads ---- */

static void *send_by_foreign_form(void *arg)
{
    struct pair *p = arg;

    for (int i = 0; i < p->n; i++)
        CHECK_EQ(weft_chan_send_foreign(p->ch, &i, WEFT_NEVER), 0);
    CHECK_EQ(weft_chan_send_foreign(p->done, NULL, WEFT_NEVER), 0);
    return NULL;
}

/* Goal: a plain thread sends into a coroutine's channel, waiting while it is full; order holds. */
CO_TEST(a_plain_thread_sends_to_a_coroutine)
{
    for (size_t cap = 0; cap < 3; cap++) {
        struct pair p = pair_make(cap, scaled(2000));
        pthread_t th = start(send_by_foreign_form, &p);
        int v;

        for (int i = 0; i < p.n; i++) {
            CHECK_EQ(chan_recv(p.ch, &v), 0);
            CHECK_EQ(v, i);
        }
        wait_for_thread(&p, th);
        pair_free(&p);
    }
    return 0;
}

static void *recv_by_foreign_form(void *arg)
{
    struct pair *p = arg;
    int v, i = 0, rc;

    while ((rc = weft_chan_recv_foreign(p->ch, &v, WEFT_NEVER)) == 0) {
        CHECK_EQ(v, i);
        i++;
    }
    CHECK_EQ(rc, -EPIPE);
    CHECK_EQ(i, p->n);
    CHECK_EQ(weft_chan_send_foreign(p->done, NULL, WEFT_NEVER), 0);
    return NULL;
}

/* Goal: a plain thread receives from a coroutine, waiting while there is nothing, and is woken by
 * close. */
CO_TEST(a_plain_thread_receives_from_a_coroutine)
{
    for (size_t cap = 0; cap < 3; cap++) {
        struct pair p = pair_make(cap, scaled(2000));
        pthread_t th = start(recv_by_foreign_form, &p);

        for (int i = 0; i < p.n; i++)
            CHECK_EQ(chan_send(p.ch, &i), 0);
        CHECK_EQ(chan_close(p.ch), 0);
        wait_for_thread(&p, th);
        pair_free(&p);
    }
    return 0;
}

static void *use_a_foreign_channel(void *arg)
{
    struct pair *p = arg;
    int64_t start_ns;
    int v = 5;

    CHECK(!weft_in_coroutine());
    CHECK_EQ(weft_chan_send(p->ch, &v), -EXDEV);
    CHECK_EQ(weft_chan_recv(p->ch, &v), -EXDEV);
    CHECK_EQ(weft_chan_try_recv(p->ch, &v), -EAGAIN);
    CHECK_EQ(weft_chan_try_send(p->ch, &v), 0);
    CHECK_EQ(weft_chan_try_send(p->ch, &v), -EAGAIN);
    CHECK_EQ(weft_chan_len(p->ch), 1);
    CHECK_EQ(weft_chan_cap(p->ch), 1);

    CHECK_EQ(weft_chan_send_foreign(p->ch, &v, 0), -ETIMEDOUT);
    CHECK_EQ(weft_chan_send_foreign(p->ch, &v, -7), -ETIMEDOUT);
    start_ns = weft_now();
    CHECK_EQ(weft_chan_send_foreign(p->ch, &v, 3 * WEFT_MS), -ETIMEDOUT);
    CHECK_GE(weft_now() - start_ns, 3 * WEFT_MS);

    v = 0;
    CHECK_EQ(weft_chan_recv_foreign(p->ch, &v, 0), 0);
    CHECK_EQ(v, 5);
    v = 6;
    CHECK_EQ(weft_chan_recv_foreign(p->ch, &v, 0), -ETIMEDOUT);
    CHECK_EQ(weft_chan_recv_foreign(p->ch, &v, INT64_MIN), -ETIMEDOUT);
    start_ns = weft_now();
    CHECK_EQ(weft_chan_recv_foreign(p->ch, &v, 3 * WEFT_MS), -ETIMEDOUT);
    CHECK_GE(weft_now() - start_ns, 3 * WEFT_MS);
    CHECK_EQ(v, 6);

    CHECK_EQ(weft_chan_send_foreign(p->ch, &v, 0), 0);
    CHECK_EQ(weft_chan_close(p->ch), 0);
    CHECK_EQ(weft_chan_close(p->ch), 1);
    CHECK(weft_chan_is_closed(p->ch));
    CHECK_EQ(weft_chan_send_foreign(p->ch, &v, WEFT_NEVER), -EPIPE);
    CHECK_EQ(weft_chan_recv_foreign(p->ch, NULL, WEFT_NEVER), 0);
    CHECK_EQ(weft_chan_recv_foreign(p->ch, NULL, WEFT_NEVER), -EPIPE);
    CHECK_EQ(weft_chan_ref(p->ch) == p->ch, true);
    weft_chan_unref(p->ch);
    CHECK_EQ(weft_chan_send_foreign(p->done, NULL, WEFT_NEVER), 0);
    return NULL;
}

/* Goal: on a plain thread the blocking forms say -EXDEV for a channel that is not shared; the try
 * and the foreign forms work, with their time-outs, as do close, len and references. */
CO_TEST(a_plain_thread_uses_try_and_foreign_forms)
{
    struct pair p = pair_make(1, 0);

    wait_for_thread(&p, start(use_a_foreign_channel, &p));
    pair_free(&p);
    return 0;
}

/* Goal: the foreign forms refuse a coroutine, which they would block with its thread. */
CO_TEST(foreign_forms_refuse_a_coroutine)
{
    chan *own = chan_make(sizeof(int), 1), *shared = weft_chan_make_shared(sizeof(int), 1);
    int v = 1;

    CHECK_EQ(weft_chan_send_foreign(own, &v, 0), -EXDEV);
    CHECK_EQ(weft_chan_recv_foreign(own, &v, 0), -EXDEV);
    CHECK_EQ(weft_chan_send_foreign(shared, &v, WEFT_NEVER), -EXDEV);
    CHECK_EQ(weft_chan_recv_foreign(shared, &v, WEFT_NEVER), -EXDEV);
    CHECK_EQ(weft_chan_len(own), 0);
    CHECK_EQ(weft_chan_len(shared), 0);
    chan_unref(own);
    chan_unref(shared);
    return 0;
}

static atomic_int n_sent, n_received;

static void *send_in_a_hurry(void *arg)
{
    struct pair *p = arg;

    for (int i = 0; i < p->n; i++) {
        int rc = weft_chan_send_foreign(p->ch, &i, (i % 5) * 30 * WEFT_US);

        CHECK(rc == 0 || rc == -ETIMEDOUT);
        if (rc == 0)
            atomic_fetch_add(&n_sent, 1);
    }
    CHECK_EQ(weft_chan_send_foreign(p->done, NULL, WEFT_NEVER), 0);
    return NULL;
}

static int recv_until_closed(void *arg)
{
    int rc;

    while ((rc = chan_recv(arg, NULL)) == 0)
        atomic_fetch_add(&n_received, 1);
    CHECK_EQ(rc, -EPIPE);
    return 0;
}

/* Goal: a foreign send that timed out was not received, one that returned 0 was. */
CO_TEST(a_foreign_send_that_timed_out_was_not_received)
{
    for (size_t cap = 0; cap < 2; cap++) {
        struct pair p = pair_make(cap, scaled(3000));
        struct weft_co *co = weft_go_with(recv_until_closed, p.ch);

        atomic_store(&n_sent, 0);
        atomic_store(&n_received, 0);
        wait_for_thread(&p, start(send_in_a_hurry, &p));
        chan_close(p.ch);
        join(co);
        CHECK_EQ(atomic_load(&n_sent), atomic_load(&n_received));
        pair_free(&p);
    }
    return 0;
}

/* ---- shared channels ---- */

static void *send_by_normal_form(void *arg)
{
    struct pair *p = arg;

    for (int i = 0; i < p->n; i++)
        CHECK_EQ(weft_chan_send(p->ch, &i), 0);
    CHECK_EQ(weft_chan_close(p->ch), 0);
    return NULL;
}

static void *recv_by_normal_form(void *arg)
{
    struct pair *p = arg;
    int v, i = 0, rc;

    while ((rc = weft_chan_recv(p->ch, &v)) == 0) {
        CHECK_EQ(v, i);
        i++;
    }
    CHECK_EQ(rc, -EPIPE);
    CHECK_EQ(i, p->n);
    return NULL;
}

/* Goal: a channel made on a plain thread is shared: two threads and no runtime at all use it by
 * the normal forms. */
TEST(two_plain_threads_use_a_channel_without_a_runtime)
{
    for (size_t cap = 0; cap < 3; cap++) {
        struct pair p = {weft_chan_make(sizeof(int), cap), NULL, scaled(3000)};
        pthread_t a = start(send_by_normal_form, &p), b = start(recv_by_normal_form, &p);

        CHECK_EQ(pthread_join(a, NULL), 0);
        CHECK_EQ(pthread_join(b, NULL), 0);
        weft_chan_unref(p.ch);
    }
}

static int recv_in_a_coroutine(void *arg)
{
    return recv_by_normal_form(arg) == NULL ? 0 : 1;
}

static int send_in_a_coroutine(void *arg)
{
    return send_by_normal_form(arg) == NULL ? 0 : 1;
}

/* Goal: a plain thread and a coroutine use a shared channel by the normal forms, both ways. */
TEST(a_thread_and_a_runtime_share_a_channel)
{
    for (size_t cap = 0; cap < 2; cap++) {
        struct pair p = {weft_chan_make_shared(sizeof(int), cap), NULL, scaled(2000)};
        pthread_t th = start(send_by_normal_form, &p);

        CHECK_EQ(weft_run(recv_in_a_coroutine, &p), 0);
        CHECK_EQ(pthread_join(th, NULL), 0);
        weft_chan_unref(p.ch);

        p.ch = weft_chan_make(sizeof(int), cap);
        th = start(recv_by_normal_form, &p);
        CHECK_EQ(weft_run(send_in_a_coroutine, &p), 0);
        CHECK_EQ(pthread_join(th, NULL), 0);
        weft_chan_unref(p.ch);
    }
}

/* ---- two runtimes ---- */

struct visit {
    struct weft_runtime *rt;
    int (*fn)(void *);
    void *arg;
};

static void *visit_runtime(void *arg)
{
    struct visit *v = arg;
    int result = -1;

    CHECK_EQ(weft_block_on(v->rt, v->fn, v->arg, &result), 0);
    CHECK_EQ(result, 0);
    return NULL;
}

static void run_in_both(struct weft_runtime **rt, int (*first)(void *), int (*second)(void *),
                        void *arg)
{
    struct visit a = {rt[0], first, arg}, b = {rt[1], second, arg};
    pthread_t ta = start(visit_runtime, &a), tb = start(visit_runtime, &b);

    CHECK_EQ(pthread_join(ta, NULL), 0);
    CHECK_EQ(pthread_join(tb, NULL), 0);
}

/* Goal: coroutines of two runtimes meet in a shared channel, buffered or not, both ways. */
TEST(two_runtimes_share_a_channel)
{
    struct weft_runtime *rt[2];

    CHECK_EQ(weft_runtime_start(&rt[0], NULL), 0);
    CHECK_EQ(weft_runtime_start(&rt[1], NULL), 0);
    for (size_t cap = 0; cap < 4; cap++) {
        struct pair p = {weft_chan_make_shared(sizeof(int), cap), NULL, scaled(2000)};

        if (cap % 2 == 0)
            run_in_both(rt, send_in_a_coroutine, recv_in_a_coroutine, &p);
        else
            run_in_both(rt, recv_in_a_coroutine, send_in_a_coroutine, &p);
        weft_chan_unref(p.ch);
    }
    CHECK_EQ(weft_runtime_stop(rt[0]), 0);
    CHECK_EQ(weft_runtime_stop(rt[1]), 0);
}

static int make_a_channel(void *arg)
{
    *(chan **)arg = chan_make(sizeof(int), 1);
    return 0;
}

static int use_a_strangers_channel(void *arg)
{
    chan *ch = *(chan **)arg;
    struct weft_case cases[] = {weft_case_recv(ch, NULL), weft_case_after(WEFT_SEC)};
    int v = 3;

    CHECK_EQ(weft_chan_send(ch, &v), -EXDEV);
    CHECK_EQ(weft_chan_recv(ch, &v), -EXDEV);
    CHECK_EQ(weft_select(cases, 2), -EXDEV);
    CHECK_EQ(weft_chan_len(ch), 0);
    return 0;
}

/* Goal: a channel that is not shared belongs to the runtime whose coroutine made it: others get
 * -EXDEV from send, receive and select, and nothing happens to it. */
TEST(a_channel_of_another_runtime_is_refused)
{
    struct weft_runtime *rt[2];
    chan *ch = NULL;
    int result = -1;

    CHECK_EQ(weft_runtime_start(&rt[0], NULL), 0);
    CHECK_EQ(weft_runtime_start(&rt[1], NULL), 0);
    CHECK_EQ(weft_block_on(rt[0], make_a_channel, &ch, &result), 0);
    CHECK_EQ(weft_block_on(rt[1], use_a_strangers_channel, &ch, &result), 0);
    CHECK_EQ(result, 0);
    CHECK_EQ(weft_chan_send_foreign(ch, &(int){4}, 0), 0);
    weft_chan_unref(ch);
    CHECK_EQ(weft_runtime_stop(rt[0]), 0);
    CHECK_EQ(weft_runtime_stop(rt[1]), 0);
}

static int select_shared_both_ways(void *arg)
{
    struct pair *p = arg;
    int v = 0, sent = 0, received = 0;

    while (sent < p->n || received < p->n) {
        struct weft_case cases[] = {
            weft_case_send(sent < p->n ? p->ch : NULL, &sent),
            weft_case_recv(received < p->n ? p->done : NULL, &v),
        };

        if (weft_select(cases, 2) == 0) {
            CHECK_EQ(cases[0].rc, 0);
            sent++;
        } else {
            CHECK_EQ(cases[1].rc, 0);
            CHECK_EQ(v, received);
            received++;
        }
    }
    return 0;
}

static int select_shared_other_way(void *arg)
{
    struct pair *p = arg, turned = {p->done, p->ch, p->n};

    return select_shared_both_ways(&turned);
}

/* Goal: selects of two runtimes meet each other in unbuffered shared channels. */
TEST(selects_of_two_runtimes_meet)
{
    struct pair p = {weft_chan_make(sizeof(int), 0), weft_chan_make(sizeof(int), 0), scaled(1500)};
    struct weft_runtime *rt[2];

    CHECK_EQ(weft_runtime_start(&rt[0], NULL), 0);
    CHECK_EQ(weft_runtime_start(&rt[1], NULL), 0);
    run_in_both(rt, select_shared_both_ways, select_shared_other_way, &p);
    CHECK_EQ(weft_runtime_stop(rt[0]), 0);
    CHECK_EQ(weft_runtime_stop(rt[1]), 0);
    weft_chan_unref(p.ch);
    weft_chan_unref(p.done);
}
