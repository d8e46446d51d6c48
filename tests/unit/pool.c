/* SPDX-License-Identifier: MIT */
/*
 * pool.c - the pool of threads by itself (src/pool/pool.h), without a runtime.
 *
 * matrix: once
 */
#include "pool/pool.h"

#include <pthread.h>
#include <sched.h>

#include "base/compiler.h"
#include "co_test.h"

struct job {
    struct weft__job job;
    bool may_begin;
    atomic_int n_runs;
};

static bool may_begin(struct weft__job *job)
{
    return WEFT__CONTAINER(job, struct job, job)->may_begin;
}

static void run(struct weft__job *job)
{
    atomic_fetch_add(&WEFT__CONTAINER(job, struct job, job)->n_runs, 1);
}

#define JOB(may)                                                                                   \
    {                                                                                              \
        .job = {.may_begin = may_begin, .run = run}, .may_begin = (may)                            \
    }

static struct weft__pool pool;

static void await_threads(uint32_t n)
{
    while (atomic_load(&pool.n_threads) != n)
        usleep(100);
}

static void submit(struct job *job)
{
    CHECK_EQ(weft__pool_announce(&pool), 0);
    weft__pool_submit(&pool, &job->job);
}

static void await_run(struct job *job)
{
    while (atomic_load(&job->n_runs) == 0)
        usleep(100);
}

static void end(void)
{
    weft__pool_close(&pool);
    await_threads(0);
    weft__pool_free(&pool);
}

/* Goal: a thread that a job counts on stays, however long the job takes from its announcement into
 * the queue; and leaves after it.
 * Method: it would leave at once. */
TEST(a_thread_waits_for_the_job_that_was_announced)
{
    struct job job = JOB(true);

    weft__pool_init(&pool, 4, 1, "test");
    CHECK_EQ(weft__pool_announce(&pool), 0);
    usleep(20000);
    CHECK_EQ(atomic_load(&pool.n_threads), 1);
    weft__pool_submit(&pool, &job.job);
    await_run(&job);
    await_threads(0);
    CHECK_EQ(atomic_load(&job.n_runs), 1);
    end();
}

TEST(a_job_that_may_not_begin_is_left_out)
{
    struct job no = JOB(false), yes = JOB(true);

    weft__pool_init(&pool, 1, WEFT_NEVER, "test");
    submit(&no);
    submit(&yes);
    await_run(&yes);
    weft__pool_withdraw(&pool, &no.job);
    CHECK_EQ(atomic_load(&no.n_runs), 0);
    CHECK_EQ(atomic_load(&pool.n_queued), 0);
    CHECK_EQ(atomic_load(&pool.n_begun), 1);
    end();
}

/* Goal: after the close nothing begins; what is submitted or withdrawn then does no harm. */
TEST(a_closed_pool_begins_nothing)
{
    struct job before = JOB(true), after = JOB(true);

    weft__pool_init(&pool, 2, WEFT_NEVER, "test");
    submit(&before);
    await_run(&before);
    weft__pool_close(&pool);
    await_threads(0);
    submit(&after);
    CHECK_EQ(atomic_load(&pool.n_threads), 0);
    weft__pool_withdraw(&pool, &after.job);
    CHECK_EQ(atomic_load(&pool.n_queued), 0);
    weft__pool_free(&pool);
    CHECK_EQ(atomic_load(&after.n_runs), 0);
}

/* Goal: who announces and submits never waits for a thread of the pool that has lost its CPU while
 * it had the lock; the next one who has it sees to the job.
 * Method: the lock is held by the one who submits, who would wait for himself. */
TEST(a_job_is_submitted_while_the_lock_is_held)
{
    struct job first = JOB(true), held[3] = {JOB(true), JOB(true), JOB(true)}, last = JOB(true);

    weft__pool_init(&pool, 2, WEFT_NEVER, "test");
    submit(&first);
    await_run(&first);
    weft__lock(&pool.lock);
    for (int i = 0; i < COUNT(held); i++)
        submit(&held[i]);
    weft__unlock(&pool.lock);
    submit(&last);
    for (int i = 0; i < COUNT(held); i++)
        await_run(&held[i]);
    await_run(&last);
    CHECK_EQ(atomic_load(&pool.n_threads), 2);
    CHECK_EQ(atomic_load(&pool.n_queued), 0);
    end();
}

static atomic_bool is_asked, may_answer;

static bool answer_late(struct weft__job *job)
{
    (void)job;
    atomic_store(&is_asked, true);
    while (!atomic_load(&may_answer))
        usleep(100);
    return false;
}

/* Goal: a thread that becomes idle sees to what was submitted after its last look at the inbox.
 * Method: it has the lock, and asks a job whether it may begin, until another one is there. */
TEST(who_gives_the_lock_back_looks_into_the_inbox)
{
    struct job slow = JOB(false), next = JOB(true);

    weft__pool_init(&pool, 1, WEFT_NEVER, "test");
    slow.job.may_begin = answer_late;
    submit(&slow);
    while (!atomic_load(&is_asked))
        usleep(100);
    submit(&next);
    atomic_store(&may_answer, true);
    await_run(&next);
    end();
}

TEST(a_job_that_is_not_in_the_queue_yet_is_withdrawn)
{
    struct job first = JOB(true), job = JOB(true);

    weft__pool_init(&pool, 1, WEFT_NEVER, "test");
    submit(&first);
    await_run(&first);
    weft__lock(&pool.lock);
    submit(&job);
    weft__unlock(&pool.lock);
    CHECK(weft__pool_withdraw(&pool, &job.job));
    CHECK(!weft__pool_withdraw(&pool, &job.job));
    CHECK_EQ(atomic_load(&pool.n_queued), 0);
    end();
    CHECK_EQ(atomic_load(&job.n_runs), 0);
}

#define SUBMITTERS 3
#define ROUNDS 2000

static void *submit_and_wait(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        struct job job = JOB(true);
        submit(&job);
        while (atomic_load(&job.n_runs) == 0)
            sched_yield();
    }
    return NULL;
}

/* Goal: no job stays in the inbox, whoever holds the lock when it comes, and nobody counts on a
 * thread that is gone.
 * Method: nobody submits anything more before his job has run; threads leave as soon as they
 * can. */
TEST(each_job_is_seen_to_whoever_holds_the_lock)
{
    for (int is_idle_long = 0; is_idle_long <= 1; is_idle_long++) {
        pthread_t threads[SUBMITTERS];
        weft__pool_init(&pool, 2, is_idle_long ? WEFT_NEVER : 1, "test");
        for (int i = 0; i < SUBMITTERS; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, submit_and_wait, NULL), 0);
        for (int i = 0; i < SUBMITTERS; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK_EQ(atomic_load(&pool.n_queued), 0);
        CHECK_EQ(atomic_load(&pool.n_begun), SUBMITTERS * ROUNDS);
        end();
        pool = (struct weft__pool){.first = NULL};
    }
}
