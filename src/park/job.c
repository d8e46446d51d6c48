/* SPDX-License-Identifier: MIT */
/* job.c - see job.h. */
#include "job.h"

#include "../pool/pool.h"
#include "../sched/away.h"

struct call {
    struct weft__job job;
    struct weft__wait wait;
    struct weft_runtime *rt;
    int (*fn)(void *);
    void *arg;
    int result;
};

static bool may_begin(struct weft__job *job)
{
    return weft__wait_claim(&WEFT__CONTAINER(job, struct call, job)->wait, 0);
}

static void run(struct weft__job *job)
{
    struct call *c = WEFT__CONTAINER(job, struct call, job);
    struct weft_runtime *rt = c->rt;
    c->result = c->fn(c->arg);
    weft__park_wake(&c->wait);
    weft__away_end(rt);
}

int weft__park_job(int (*fn)(void *), void *arg, int *result, enum weft__wait_reason reason,
                   const void *object, const void *caller)
{
    struct weft_runtime *rt = weft__park_runtime();
    if (rt == NULL) {
        *result = fn(arg);
        return 0;
    }
    int rc = weft__park_check_scope();
    if (rc != 0) {
        return rc;
    }
    struct weft__pool *pool = weft__park_pool();
    rc = weft__pool_announce(pool);
    if (rc != 0) {
        return rc;
    }
    struct call c = {
        .job = {.may_begin = may_begin, .run = run}, .rt = rt, .fn = fn, .arg = arg, .result = 0};
    weft__away_begin(rt);
    weft__park_init(&c.wait);
    weft__park_begin(&c.wait, reason, object, caller);
    weft__pool_submit(pool, &c.job);
    rc = weft__park_wait(&c.wait);
    if (rc < 0) {
        (void)weft__pool_withdraw(pool, &c.job);
        weft__away_end(rt);
        return rc;
    }
    *result = c.result;
    return 0;
}
