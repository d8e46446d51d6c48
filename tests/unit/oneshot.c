/* SPDX-License-Identifier: MIT */
/*
 * oneshot.c - one value and two ends, as include/weft/oneshot.h promises them.
 *
 * matrix: short
 */
#include "shape_rig.h"

struct question {
    struct weft_oneshot *o;
    size_t bytes;
};

static void fill(unsigned char *value, size_t bytes, unsigned seed)
{
    for (size_t i = 0; i < bytes; i++)
        value[i] = (unsigned char)(seed * 31 + i * 7);
}

static int send_filled(void *arg)
{
    struct question *q = arg;
    unsigned char *value = malloc(q->bytes + 1);

    fill(value, q->bytes, (unsigned)q->bytes);
    CHECK_EQ(weft_oneshot_send(q->o, value), 0);
    memset(value, 0xee, q->bytes); /* it was copied before the call returned */
    free(value);
    weft_oneshot_close_send(q->o);
    return 0;
}

static int recv_filled(void *arg)
{
    struct question *q = arg;
    unsigned char *value = malloc(q->bytes + 1), *expected = malloc(q->bytes + 1);

    fill(expected, q->bytes, (unsigned)q->bytes);
    value[q->bytes] = 0x55;
    CHECK_EQ(weft_oneshot_recv(q->o, value), 0);
    CHECK_EQ(memcmp(value, expected, q->bytes), 0);
    CHECK_EQ(value[q->bytes], 0x55);
    weft_oneshot_close_recv(q->o);
    free(value);
    free(expected);
    return 0;
}

/* Goal: the value arrives whole, whether it was there first or was waited for. */
CO_TEST(the_value_arrives_whole_whoever_comes_first)
{
    static const size_t sizes[] = {0, 1, 4, 8, 12, 1000, WEFT_CHAN_ELEM_BYTES_MAX};

    for (int i = 0; i < COUNT(sizes); i++) {
        struct question q = {weft_oneshot_make(sizes[i]), sizes[i]};
        CHECK_EQ(send_filled(&q), 0);
        CHECK_EQ(recv_filled(&q), 0);

        q.o = weft_oneshot_make(sizes[i]);
        struct weft_co *co = go_and_park(recv_filled, &q);
        CHECK_EQ(send_filled(&q), 0);
        join(co);
    }
    return 0;
}

/* Goal: there is one value: a second send is refused, before the first one was received and after;
 * a second receive is told that nothing will come. */
CO_TEST(there_is_one_value_and_no_second)
{
    struct weft_oneshot *o = weft_oneshot_make(sizeof(int));
    int v = 0;

    CHECK_EQ(weft_oneshot_try_recv(o, &v), -EAGAIN);
    CHECK_EQ(weft_oneshot_send(o, &(int){1}), 0);
    CHECK_EQ(weft_oneshot_send(o, &(int){2}), -EALREADY);
    CHECK_EQ(weft_oneshot_try_recv(o, &v), 0);
    CHECK_EQ(v, 1);
    CHECK_EQ(weft_oneshot_send(o, &(int){3}), -EALREADY);
    CHECK_EQ(weft_oneshot_recv(o, &v), -EPIPE);
    CHECK_EQ(weft_oneshot_try_recv(o, &v), -EPIPE);
    CHECK_EQ(v, 1);
    weft_oneshot_close_recv(o);
    CHECK_EQ(weft_oneshot_send(o, &(int){4}), -EALREADY);
    weft_oneshot_close_send(o);
    weft_oneshot_close_send(NULL);
    weft_oneshot_close_recv(NULL);
    return 0;
}

/* Goal: a value outlives the end that it was sent from; NULL drops it. */
CO_TEST(a_value_sent_before_the_close_is_received)
{
    for (int i = 0; i < 2; i++) {
        struct weft_oneshot *o = weft_oneshot_make(sizeof(int));
        int v = 0;

        CHECK_EQ(weft_oneshot_send(o, &(int){5}), 0);
        weft_oneshot_close_send(o);
        CHECK_EQ(weft_oneshot_recv(o, i == 0 ? &v : NULL), 0);
        CHECK_EQ(v, i == 0 ? 5 : 0);
        CHECK_EQ(weft_oneshot_recv(o, &v), -EPIPE);
        weft_oneshot_close_recv(o);
    }
    return 0;
}

static int recv_nothing(void *arg)
{
    int v = 77;

    CHECK_EQ(weft_oneshot_recv(arg, &v), -EPIPE);
    CHECK_EQ(v, 77);
    return 0;
}

/* Goal: an end that is closed before its time tells the other one. */
CO_TEST(an_end_that_is_closed_early_tells_the_other)
{
    struct weft_oneshot *o = weft_oneshot_make(sizeof(int));
    struct weft_co *co = go_and_park(recv_nothing, o);

    weft_oneshot_close_send(o); /* wakes who waits */
    join(co);
    CHECK_EQ(recv_nothing(o), 0);
    weft_oneshot_close_recv(o);

    o = weft_oneshot_make(sizeof(int));
    weft_oneshot_close_recv(o);
    CHECK_EQ(weft_oneshot_send(o, &(int){1}), -EPIPE);
    CHECK_EQ(weft_oneshot_send(o, &(int){1}), -EPIPE); /* it was not sent the first time */
    weft_oneshot_close_send(o);
    return 0;
}

static int recv_seven(void *arg)
{
    int v = 0;

    CHECK_EQ(weft_oneshot_recv(arg, &v), 0);
    CHECK_EQ(v, 7);
    return 0;
}

/* Goal: of several who wait the first gets the value, and the others are told that none is left. */
CO_TEST(the_first_who_waits_gets_the_value)
{
    struct weft_oneshot *o = weft_oneshot_make(sizeof(int));
    struct weft_co *co[5];

    for (int i = 0; i < COUNT(co); i++)
        co[i] = go_and_park(i == 0 ? recv_seven : recv_nothing, o);
    CHECK_EQ(weft_oneshot_send(o, &(int){7}), 0);
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    weft_oneshot_close_send(o);
    weft_oneshot_close_recv(o);
    return 0;
}

/* Goal: a deadline ends the wait and takes nothing; what is there at once ignores it. */
CO_TEST(a_deadline_ends_the_wait_for_the_value)
{
    struct weft_oneshot *o = weft_oneshot_make(sizeof(int));
    int64_t since = weft_now();
    int v = 3;

    WEFT_DEADLINE(s, 2 * WEFT_MS) {
        CHECK_EQ(weft_oneshot_recv(o, &v), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
    }
    CHECK_GE(weft_now() - since, 2 * WEFT_MS);
    CHECK_EQ(v, 3);
    WEFT_DEADLINE(s, -1) {
        CHECK_EQ(weft_oneshot_recv(o, &v), -ETIMEDOUT);
        CHECK_EQ(weft_oneshot_send(o, &(int){9}), 0);
        CHECK_EQ(weft_oneshot_recv(o, &v), 0);
        CHECK_EQ(weft_oneshot_recv(o, &v), -EPIPE);
    }
    CHECK_EQ(v, 9);
    weft_oneshot_close_send(o);
    weft_oneshot_close_recv(o);
    return 0;
}

/* ---- select ---- */

static int send_seven(void *arg)
{
    CHECK_EQ(weft_oneshot_send(arg, &(int){7}), 0);
    return 0;
}

static int close_the_sending_end(void *arg)
{
    weft_oneshot_close_send(arg);
    return 0;
}

/* Goal: a oneshot is a case of a select: ready, waited for, closed, standing in it twice, or NULL;
 * with one object and with several, and beside a timer, which takes the long way. */
CO_TEST(a_oneshot_is_a_case_of_a_select)
{
    for (int round = 0; round < 16; round++) {
        struct weft_oneshot *o = weft_oneshot_make(sizeof(int)), *never = weft_oneshot_make(0);
        const bool is_there = round & 1, is_closed = round & 2, is_twice = round & 4;
        int v[2] = {0, 0};
        struct weft_case cases[] = {weft_case_oneshot(never, NULL), weft_case_oneshot(o, &v[0]),
                                    weft_case_oneshot(is_twice ? o : NULL, &v[1]),
                                    weft_case_after(10 * WEFT_SEC)};
        int (*end)(void *) = is_closed ? close_the_sending_end : send_seven;
        struct weft_co *co = NULL;

        if (is_there)
            CHECK_EQ(end(o), 0);
        else
            co = weft_go_with(end, o);
        int chosen = weft_select(cases, round & 8 ? 4 : 3);
        CHECK(chosen == 1 || (is_twice && chosen == 2));
        CHECK_EQ(cases[chosen].rc, is_closed ? -EPIPE : 0);
        CHECK_EQ(v[chosen - 1], is_closed ? 0 : 7);
        CHECK_EQ(v[2 - chosen], 0);
        if (co != NULL)
            join(co);
        weft_oneshot_close_recv(o);
        if (!is_closed)
            weft_oneshot_close_send(o);
        weft_oneshot_close_send(never);
        weft_oneshot_close_recv(never); /* nobody is left in it */
    }
    return 0;
}

/* Goal: in the block form a default is taken while there is no value; a deadline ends the wait. */
CO_TEST(a_oneshot_in_the_block_form_of_select)
{
    struct weft_oneshot *o = weft_oneshot_make(sizeof(int));
    int v = 0, n_ended = 0, n_default = 0;

    SELECT {
        ON_ONESHOT(o, &v) { CHECK(false); }
        ON_DEFAULT { n_default++; }
    }
    WEFT_DEADLINE(s, WEFT_MS) {
        SELECT {
            ON_ONESHOT(o, &v) { CHECK(false); }
            ON_ERROR(rc) { n_ended += rc == -ETIMEDOUT; }
        }
    }
    CHECK_EQ(send_seven(o), 0);
    SELECT {
        ON_ONESHOT(o, &v) { CHECK_EQ(SELECT_RC, 0); }
        ON_AFTER(10 * WEFT_SEC) { CHECK(false); }
    }
    CHECK_EQ(v, 7);
    CHECK_EQ(n_default + n_ended, 2);
    weft_oneshot_close_send(o);
    weft_oneshot_close_recv(o);
    return 0;
}

/* ---- threads, runtimes, lifetimes ---- */

static int answer(void *arg)
{
    int rc = send_seven(arg);

    weft_oneshot_close_send(arg);
    return rc;
}

static int ask(void *arg)
{
    int rc = recv_seven(arg);

    weft_oneshot_close_recv(arg);
    return rc;
}

static void *answer_on_a_thread(void *arg)
{
    CHECK_EQ(answer(arg), 0);
    return NULL;
}

static void *ask_on_a_thread(void *arg)
{
    CHECK_EQ(ask(arg), 0);
    return NULL;
}

static int run_coroutine_of(void *arg)
{
    struct visit *v = arg;

    return v->fn(v->arg);
}

/* Goal: plain threads use both ends, against each other and against a coroutine, made on either
 * side; the oneshot is gone with the second end, whoever has it. */
TEST(plain_threads_use_both_ends)
{
    for (int i = 0; i < scaled(200); i++) {
        struct weft_oneshot *o = weft_oneshot_make(sizeof(int));
        pthread_t a = start(ask_on_a_thread, o), b = start(answer_on_a_thread, o);

        CHECK_EQ(pthread_join(a, NULL), 0);
        CHECK_EQ(pthread_join(b, NULL), 0);
    }
    for (int i = 0; i < 10; i++) {
        struct weft_oneshot *o = weft_oneshot_make(sizeof(int));
        struct visit v = {NULL, i % 2 == 0 ? ask : answer, o};
        pthread_t th = start(i % 2 == 0 ? answer_on_a_thread : ask_on_a_thread, o);

        CHECK_EQ(weft_run(run_coroutine_of, &v), 0);
        CHECK_EQ(pthread_join(th, NULL), 0);
    }
}

/* Goal: the same with a oneshot that a coroutine has made, and that was biased to its processor. */
CO_TEST(a_thread_answers_a_coroutine)
{
    for (int i = 0; i < scaled(200); i++) {
        struct weft_oneshot *o = weft_oneshot_make(sizeof(int));
        pthread_t th = start(answer_on_a_thread, o);

        CHECK_EQ(ask(o), 0); /* the thread has only to leave */
        CHECK_EQ(pthread_join(th, NULL), 0);
    }
    return 0;
}

/* Goal: a oneshot reaches from one runtime to another. */
TEST(two_runtimes_use_one_oneshot)
{
    for (int i = 0; i < 5; i++)
        run_in_two_runtimes(ask, answer, weft_oneshot_make(sizeof(int)));
}

/* Goal: each end may be the last and frees the oneshot at once, while the other one is on its way
 * out.  The sanitizers see a touch that comes too late, or a block that is left. */
CO_TEST(the_second_end_frees_it)
{
    for (int i = 0; i < scaled(4000); i++) {
        struct weft_oneshot *o = weft_oneshot_make(sizeof(int));
        struct weft_co *co = weft_go_with(i % 2 == 0 ? ask : answer, o);

        yield_often(i % 3);
        CHECK_EQ(i % 2 == 0 ? answer(o) : ask(o), 0);
        join(co);
    }
    return 0;
}

static void wait_for_ever(void *arg)
{
    int v[2];
    struct weft_case cases[] = {weft_case_oneshot(arg, &v[0]), weft_case_oneshot(arg, &v[1])};

    (void)!weft_select(cases, 2);
}

static void recv_for_ever(void *arg)
{
    int v;

    (void)!weft_oneshot_recv(arg, &v);
}

/* Goal: coroutines that are discarded while they wait are gone from the oneshot: it keeps the value
 * that is sent afterwards, and its end can be closed. */
TEST(a_stopped_runtime_leaves_nobody_in_a_oneshot)
{
    for (int round = 0; round < 10; round++) {
        struct weft_oneshot *o = weft_oneshot_make(sizeof(int));

        stop_while_they_wait(round % 2 == 0 ? recv_for_ever : wait_for_ever, o, 3);
        CHECK_EQ(answer(o), 0);
        CHECK_EQ(ask(o), 0);
    }
}
