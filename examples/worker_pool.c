/* SPDX-License-Identifier: MIT */
/*
 * worker_pool.c - a few workers share the jobs of one channel.
 *
 *     worker_pool [WORKERS [JOBS]]
 *
 * The jobs channel is bounded: whoever fills it waits while all workers are busy.  Closing it is
 * the whole shutdown: workers finish what is buffered, then their receive ends and they return.
 */
#include <stdio.h>
#include <stdlib.h>

#include <weft.h>

struct job {
    int id;
    int number;
};

struct answer {
    int id;
    int n_steps;
};

WEFT_CHAN_TYPE(job_chan, struct job);
WEFT_CHAN_TYPE(answer_chan, struct answer);

struct pool {
    int n_workers, n_jobs;
    job_chan jobs;
    answer_chan answers;
};

/* The work: how many steps of 3n + 1 and n / 2 lead to 1. */
static int collatz_steps(long n)
{
    int n_steps = 0;

    for (; n > 1; n_steps++)
        n = n % 2 == 0 ? n / 2 : 3 * n + 1;
    return n_steps;
}

/* A worker; its result is the number of jobs that it has done. */
static int work(void *arg)
{
    struct pool *pool = arg;
    struct job job;
    int n_done = 0;

    while (job_chan_recv(pool->jobs, &job) == 0) {
        const struct answer answer = {job.id, collatz_steps(job.number)};

        if (answer_chan_send(pool->answers, answer) != 0)
            break;
        n_done++;
        weft_yield(); /* a fair share for the others even where the jobs are this short */
    }
    return n_done;
}

static int hand_out(void *arg)
{
    struct pool *pool = arg;

    for (int i = 0; i < pool->n_jobs; i++) {
        if (job_chan_send(pool->jobs, (struct job){i, i + 1}) != 0)
            break;
    }
    job_chan_close(pool->jobs);
    return 0;
}

/* Waits for one coroutine and reports what it returned. */
static int finish(struct weft_co *co, const char *what, int i)
{
    int n_done;

    if (co == NULL || weft_join(co, &n_done) != 0)
        return 0;
    printf("%s %d did %d jobs\n", what, i, n_done);
    return n_done;
}

static int app(void *arg)
{
    struct pool *pool = arg;
    struct weft_co **workers = calloc((size_t)pool->n_workers, sizeof(struct weft_co *));
    struct weft_co *boss;
    struct answer answer, longest = {0, 0};
    int total = 0, rc = 1;

    pool->jobs = job_chan_make(16);
    pool->answers = answer_chan_make(16);
    boss = weft_go_with(hand_out, pool, .name = "boss");
    if (workers == NULL || boss == NULL)
        abort();
    for (int i = 0; i < pool->n_workers; i++)
        workers[i] = weft_go_with(work, pool, .name = "worker");

    for (int i = 0; i < pool->n_jobs; i++) {
        if (answer_chan_recv(pool->answers, &answer) == 0 && answer.n_steps > longest.n_steps)
            longest = answer;
    }
    for (int i = 0; i < pool->n_workers; i++)
        total += finish(workers[i], "worker", i);
    if (weft_join(boss, NULL) == 0 && total == pool->n_jobs)
        rc = 0;
    printf("%d jobs; the longest way to 1 is from %d, in %d steps\n", total, longest.id + 1,
           longest.n_steps);

    job_chan_unref(pool->jobs);
    answer_chan_unref(pool->answers);
    free(workers);
    return rc;
}

int main(int argc, char **argv)
{
    struct pool pool = {
        .n_workers = argc > 1 ? atoi(argv[1]) : 4,
        .n_jobs = argc > 2 ? atoi(argv[2]) : 1000,
    };

    if (pool.n_workers < 1 || pool.n_jobs < 0) {
        fprintf(stderr, "usage: worker_pool [WORKERS [JOBS]]\n");
        return 2;
    }
    return weft_run(app, &pool);
}
