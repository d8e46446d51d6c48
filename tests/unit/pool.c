/* SPDX-License-Identifier: MIT */
/*
 * pool.c - the pool of threads by itself (src/pool/pool.h), without a runtime.
 *
 * matrix: once
 */
#include "pool/pool.h"

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
