/* SPDX-License-Identifier: MIT */
/*
 * future.c - one future as include/weft/future.h promises it; future_several.c has several.
 *
 * matrix: short
 */
#include "future_rig.h"

/* ---- completing ---- */

struct audience {
    struct weft_future *f;
    int rc, value; /* what each must hear; value only if rc is 0 */
    int plain;     /* written by the producer before it completes */
    atomic_int n_heard;
};

static int hear(void *arg)
{
    struct audience *a = arg;

    for (int again = 0; again < 2; again++) { /* it says the same for ever */
        int value = -7;
        CHECK_EQ(weft_future_await(a->f, &value), a->rc);
        CHECK_EQ(value, a->rc == 0 ? a->value : -7);
        CHECK_EQ(a->plain, 1);
    }
    CHECK_EQ(weft_future_await(a->f, NULL), a->rc);
    atomic_fetch_add(&a->n_heard, 1);
    return 0;
}

enum { AUDIENCE = 20 };
enum how { RESOLVED, REJECTED, CANCELLED, BROKEN, HOW_COUNT };

static void complete(struct pair *pair, enum how how)
{
    switch (how) {
    case RESOLVED:
        resolve_with(pair->p, 42);
        break;
    case REJECTED:
        CHECK_EQ(weft_promise_reject(pair->p, -EIO), 0);
        break;
    case CANCELLED:
        CHECK_EQ(weft_future_cancel(pair->f), 0);
        break;
    default:
        weft_promise_unref(pair->p);
        pair->p = NULL;
    }
}

/* Goal: however a future is completed, all who wait hear it, and all who come later.
 * Method: half of the audience waits before, half comes after. */
CO_TEST(all_who_await_a_future_hear_the_same)
{
    static const int outcome[] = {0, -EIO, -ECANCELED, -EPIPE};

    for (int how = 0; how < HOW_COUNT; how++) {
        struct pair pair = pair_make();
        struct audience a = {.f = pair.f, .rc = outcome[how], .value = 42};
        struct weft_co *co[AUDIENCE];

        for (int i = 0; i < AUDIENCE / 2; i++)
            co[i] = weft_go_with(hear, &a);
        wait_for_waiters(pair.f, AUDIENCE / 2);
        CHECK(!weft_future_is_done(pair.f));
        CHECK_EQ(weft_future_try_await(pair.f, NULL), -EAGAIN);
        CHECK_EQ(atomic_load(&a.n_heard), 0);
        a.plain = 1;
        complete(&pair, (enum how)how);
        CHECK(weft_future_is_done(pair.f));
        for (int i = AUDIENCE / 2; i < AUDIENCE; i++)
            co[i] = weft_go_with(hear, &a);
        for (int i = 0; i < AUDIENCE; i++)
            join(co[i]);
        CHECK_EQ(weft_future_try_await(pair.f, NULL), outcome[how]);
        CHECK_EQ(n_waiting(pair.f), 0);
        pair_free(&pair);
    }
    return 0;
}

/* Goal: the first completion decides; the others are told, and change nothing. */
CO_TEST(the_first_completion_decides)
{
    for (int how = 0; how < BROKEN; how++) {
        struct pair pair = pair_make();
        int value = 43, before = -7, after = -7;

        complete(&pair, (enum how)how);
        int rc = weft_future_try_await(pair.f, &before);
        CHECK_EQ(weft_promise_is_cancelled(pair.p), how == CANCELLED);
        CHECK_EQ(weft_promise_resolve(pair.p, &value), -EALREADY);
        CHECK_EQ(weft_promise_reject(pair.p, -EPERM), -EALREADY);
        CHECK_EQ(weft_future_cancel(pair.f), -EALREADY);
        CHECK_EQ(weft_promise_is_cancelled(pair.p), how == CANCELLED);
        weft_promise_unref(pair.p);
        CHECK_EQ(weft_future_try_await(pair.f, &after), rc);
        CHECK_EQ(after, before);
        weft_future_unref(pair.f);
    }
    return 0;
}

/* Goal: a promise is broken by the last of its references, not before, and whether or not anybody
 * has the future. */
TEST(a_promise_breaks_with_its_last_reference)
{
    struct pair pair = pair_make();

    CHECK(weft_promise_ref(pair.p) == pair.p);
    weft_promise_unref(pair.p);
    CHECK(!weft_future_is_done(pair.f));
    weft_promise_unref(pair.p);
    CHECK_EQ(weft_future_try_await(pair.f, NULL), -EPIPE);
    CHECK(weft_future_ref(pair.f) == pair.f);
    weft_future_unref(pair.f);
    CHECK_EQ(weft_future_await(pair.f, NULL), -EPIPE); /* at once, also on a plain thread */
    weft_future_unref(pair.f);

    pair = pair_make(); /* the future goes first */
    weft_future_unref(pair.f);
    resolve_with(pair.p, 1);
    pair.f = weft_promise_future(pair.p); /* and can be had again */
    CHECK_EQ(value_of(pair.f), 1);
    pair_free(&pair);
    weft_promise_unref(NULL);
    weft_future_unref(NULL);
}

/* Goal: values of any size arrive whole; without one the completion itself is the message. */
TEST(values_of_any_size_arrive_whole)
{
    static const size_t sizes[] = {1, 8, 13, 4096, WEFT_FUTURE_BYTES_MAX};
    static unsigned char in[WEFT_FUTURE_BYTES_MAX], out[WEFT_FUTURE_BYTES_MAX + 1];
    struct weft_promise *p = weft_promise_make(0);
    struct weft_future *f = weft_promise_future(p);

    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (unsigned char)(i * 7 + i / 256);
    CHECK_EQ(weft_promise_resolve(p, NULL), 0);
    weft_promise_unref(p);
    CHECK_EQ(weft_future_await(f, NULL), 0);
    CHECK_EQ(weft_future_await(f, out), 0);
    weft_future_unref(f);
    for (int k = 0; k < COUNT(sizes); k++) {
        p = weft_promise_make(sizes[k]);
        f = weft_promise_future(p);
        memset(out, 0xee, sizeof out);
        CHECK_EQ(weft_promise_resolve(p, in), 0);
        weft_promise_unref(p);
        CHECK_EQ(weft_future_await(f, out), 0);
        CHECK_EQ(memcmp(in, out, sizes[k]), 0);
        CHECK_EQ(out[sizes[k]], 0xee); /* and no byte more */
        weft_future_unref(f);
    }
}

/* ---- cancelling ---- */

struct note {
    struct pair *pair;
    int n_calls;
};

static void note_cancel(void *arg)
{
    struct note *note = arg;

    note->n_calls++;
    CHECK(weft_promise_is_cancelled(note->pair->p));
    CHECK_EQ(weft_future_try_await(note->pair->f, NULL), -ECANCELED);
    CHECK_EQ(weft_promise_on_cancel(note->pair->p, NULL, NULL), -EALREADY); /* no lock is held */
}

/* Goal: what was registered is called once by the cancel that decides, the last one of several,
 * and not after a completion or when it was taken back. */
TEST(a_cancel_calls_what_was_registered)
{
    struct pair pair = pair_make();
    struct note first = {&pair, 0}, second = {&pair, 0};

    CHECK_EQ(weft_promise_on_cancel(pair.p, note_cancel, &first), 0);
    CHECK_EQ(weft_promise_on_cancel(pair.p, note_cancel, &second), 0);
    CHECK_EQ(weft_future_cancel(pair.f), 0);
    CHECK_EQ(weft_future_cancel(pair.f), -EALREADY);
    CHECK_EQ(first.n_calls, 0);
    CHECK_EQ(second.n_calls, 1);
    pair_free(&pair);

    pair = pair_make();
    CHECK_EQ(weft_promise_on_cancel(pair.p, note_cancel, &first), 0);
    CHECK_EQ(weft_promise_on_cancel(pair.p, NULL, NULL), 0);
    CHECK_EQ(weft_future_cancel(pair.f), 0);
    pair_free(&pair);

    for (int how = 0; how < HOW_COUNT; how++) {
        if (how == CANCELLED)
            continue;
        pair = pair_make();
        CHECK_EQ(weft_promise_on_cancel(pair.p, note_cancel, &first), 0);
        complete(&pair, (enum how)how);
        CHECK_EQ(weft_future_cancel(pair.f), -EALREADY);
        pair_free(&pair);
    }
    CHECK_EQ(first.n_calls, 0);
}

/* ---- scopes ---- */

/* Goal: a deadline ends the wait and leaves the future as it is, and the caller can tell whose
 * error he got; what is complete answers whatever the scope says. */
CO_TEST(a_deadline_ends_the_wait_and_not_the_future)
{
    struct pair pair = pair_make();
    int64_t start = weft_now();
    int value = -7;

    WEFT_DEADLINE(s, 2 * WEFT_MS) {
        CHECK_EQ(weft_future_await(pair.f, &value), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
    }
    CHECK_GE(weft_now() - start, 2 * WEFT_MS);
    CHECK_EQ(value, -7);
    CHECK_EQ(n_waiting(pair.f), 0);
    CHECK(!weft_future_is_done(pair.f)); /* so it was the scope */
    CHECK(!weft_promise_is_cancelled(pair.p));
    WEFT_DEADLINE(s, 0)
        CHECK_EQ(weft_future_await(pair.f, &value), -ETIMEDOUT);
    resolve_with(pair.p, 5);
    WEFT_DEADLINE(s, 0) {
        CHECK_EQ(weft_future_await(pair.f, &value), 0);
        CHECK_EQ(value, 5);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_NONE);
    }
    pair_free(&pair);

    pair = pair_make(); /* a future that says it is one that says it, and no scope */
    CHECK_EQ(weft_promise_reject(pair.p, -ETIMEDOUT), 0);
    WEFT_DEADLINE(s, WEFT_NEVER) {
        CHECK_EQ(weft_future_await(pair.f, NULL), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_NONE);
    }
    CHECK_EQ(weft_future_try_await(pair.f, NULL), -ETIMEDOUT);
    pair_free(&pair);
    return 0;
}

/* ---- everywhere ---- */

static void *hear_on_a_thread(void *arg)
{
    CHECK_EQ(hear(arg), 0);
    return NULL;
}

static int hear_and_go(void *arg)
{
    struct audience *a = arg;
    struct weft_co *co[AUDIENCE];

    for (int i = 0; i < AUDIENCE; i++)
        co[i] = weft_go_with(hear, a);
    for (int i = 0; i < AUDIENCE; i++)
        join(co[i]);
    return 0;
}

static void *hear_in_a_runtime(void *arg)
{
    CHECK_EQ(weft_run(hear_and_go, arg), 0);
    return NULL;
}

/* Goal: coroutines of two runtimes and plain threads await one future, and a plain thread
 * completes it. */
TEST(runtimes_and_threads_share_a_future)
{
    for (int how = 0; how < HOW_COUNT; how++) {
        static const int outcome[] = {0, -EIO, -ECANCELED, -EPIPE};
        struct pair pair = pair_make();
        struct audience a = {.f = pair.f, .rc = outcome[how], .value = 42};
        pthread_t th[5];

        for (int i = 0; i < 2; i++)
            th[i] = thread_start(hear_in_a_runtime, &a);
        for (int i = 2; i < 5; i++)
            th[i] = thread_start(hear_on_a_thread, &a);
        wait_for_waiters(pair.f, 2 * AUDIENCE + 3);
        a.plain = 1;
        complete(&pair, (enum how)how);
        for (int i = 0; i < 5; i++)
            thread_join(th[i]);
        CHECK_EQ(atomic_load(&a.n_heard), 2 * AUDIENCE + 3);
        pair_free(&pair);
    }
}

/* A library that answers on a thread of its own. */
struct question {
    int n;
    void (*on_answer)(int answer, void *arg);
    void *arg;
};

static void *answer(void *arg)
{
    struct question *q = arg;

    q->on_answer(q->n * q->n, q->arg);
    free(q);
    return NULL;
}

static pthread_t library_ask(int n, void (*on_answer)(int, void *), void *arg)
{
    struct question *q = malloc(sizeof *q);

    CHECK(q != NULL);
    *q = (struct question){n, on_answer, arg};
    return thread_start(answer, q);
}

static void keep_promise(int result, void *arg)
{
    resolve_with(arg, result);
    weft_promise_unref(arg);
}

/* Goal: the callback of a library, on a thread that nobody here has started, completes a future. */
CO_TEST(a_callback_of_a_library_completes_a_future)
{
    for (int i = 0; i < 50; i++) {
        struct pair pair = pair_make();
        pthread_t th = library_ask(i, keep_promise, pair.p);
        int value = -1;

        CHECK_EQ(weft_future_await(pair.f, &value), 0);
        CHECK_EQ(value, i * i);
        weft_future_unref(pair.f);
        thread_join(th);
    }
    return 0;
}

/* ---- lifetimes ---- */

static void *complete_and_leave(void *arg)
{
    resolve_with(arg, 1); /* by a reference that is not ours */
    return NULL;
}

/* Goal: who was woken may free all of it at once, though the one who completed it is still on his
 * way out.
 * Method: the sanitizers see a touch that comes too late. */
CO_TEST(a_future_is_freed_right_after_its_await)
{
    for (int i = 0; i < scaled(2000); i++) {
        struct pair pair = pair_make();
        pthread_t th = thread_start(complete_and_leave, pair.p);

        CHECK_EQ(weft_future_await(pair.f, NULL), 0);
        pair_free(&pair);
        thread_join(th);
    }
    return 0;
}
