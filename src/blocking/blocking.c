/* SPDX-License-Identifier: MIT */
/*
 * blocking.c - a call that blocks, carried out by a thread of the pool.
 *
 * The thread that takes the job out of the queue claims the caller's wait, and wakes it when the
 * call is done.  So the claim decides between the call and a scope: as long as the job is queued, a
 * scope that ends may claim the wait, and the job does not begin any more; once it has begun,
 * nothing ends the wait but its end.
 */
#include <weft/blocking.h>

#include "../park/park.h"
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

static int call_by_pool(struct weft_runtime *rt, int (*fn)(void *), void *arg, int *result,
                        const void *caller)
{
    struct weft__pool *pool = weft__park_pool();
    int rc = weft__pool_announce(pool);
    if (rc != 0) {
        return rc;
    }
    struct call c = {
        .job = {.may_begin = may_begin, .run = run}, .rt = rt, .fn = fn, .arg = arg, .result = 0};
    weft__away_begin(rt);
    weft__park_init(&c.wait);
    weft__park_begin(&c.wait, WAIT_BLOCKING, (const void *)(uintptr_t)fn, caller);
    weft__pool_submit(pool, &c.job);
    rc = weft__park_wait(&c.wait);
    if (rc < 0) {
        (void)weft__pool_withdraw(pool, &c.job);
        weft__away_end(rt);
        return rc;
    }
    if (result != NULL) {
        *result = c.result;
    }
    return 0;
}

int weft_blocking(int (*fn)(void *), void *arg, int *result)
{
    struct weft_runtime *rt = weft__park_runtime();
    if (rt == NULL) {
        int value = fn(arg);
        if (result != NULL) {
            *result = value;
        }
        return 0;
    }
    int rc = weft__park_check_scope();
    return rc != 0 ? rc : call_by_pool(rt, fn, arg, result, __builtin_return_address(0));
}
