/* SPDX-License-Identifier: MIT */
/*
 * names.c - questions to the name services, on their way and answered.
 *
 * All answers of a runtime are in one list, those that are done behind each other in the order in
 * which they came.  An answer is
 *
 *   asked     in the hands of the pool; callers wait in it           --1--> known or gone
 *   known     answers everybody at once until `until_ns`             --2--> gone
 *   gone      is not found any more; the callers that it has take what it says
 *
 *   1  the pool's thread is done.  Known if it may be kept, gone if not: it is too old at once, or
 *      it was flushed meanwhile.  An answer whose last caller has left before a thread took the job
 *      is called off and gone.
 *   2  found too old, one too many, or flushed.
 *
 * While it is asked it belongs to the pool; after that, one that is gone is freed with its last
 * caller.  So a caller whose scope ends leaves at any time: what the thread works on is not his.
 */
#include "names.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "../base/clock.h"
#include "../base/fatal.h"
#include "../base/sys.h"
#include "../park/park.h"
#include "../pool/pool.h"
#include "../sched/away.h"
#include "../sched/kept.h"

/* How many that are known are kept. */
#define KNOWN_MAX 256

struct answer {
    struct weft__job job;
    struct names *names;
    struct answer *next, **prev_next;
    struct weft__question question; /* its texts are behind this struct */
    struct weft__waitq waiters;
    uint32_t n_callers;
    bool is_done;     /* else asked */
    bool is_gone;     /* asked: it was flushed */
    int64_t until_ns; /* how long it is known */
    int rc;           /* how many addresses, or -errno */
    struct weft_addr *addrs;
    char text[];
};

struct names {
    struct weft__kept kept;
    struct weft_runtime *rt;
    struct weft__pool *pool;
    int64_t ttl_ns, error_ttl_ns;
    struct weft__lock lock; /* RANK_CHAN; protects all below, and the answers */
    struct answer *first, **last;
    uint32_t n_known;
};

static const struct weft__names_door real_door = {weft__sys_lookup, weft__clock_ns};
const struct weft__names_door *weft__names_door = &real_door;

/* ---- an answer ---- */

/* "http" is a service, "HTTP" is none. */
static bool is_same_service(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_same(const struct weft__question *a, const struct weft__question *b)
{
    return a->family == b->family && a->socktype == b->socktype &&
           strcasecmp(a->host, b->host) == 0 && is_same_service(a->service, b->service);
}

static bool may_begin(struct weft__job *job)
{
    (void)job;
    return true;
}

static void look_up(struct weft__job *job);

static struct answer *answer_make(struct names *names, const struct weft__question *q)
{
    size_t host_bytes = strlen(q->host) + 1;
    size_t service_bytes = q->service != NULL ? strlen(q->service) + 1 : 0;
    struct answer *a = weft__alloc(sizeof *a + host_bytes + service_bytes);
    if (a == NULL) {
        return NULL;
    }
    a->job.may_begin = may_begin;
    a->job.run = look_up;
    a->names = names;
    a->question = *q;
    a->question.host = memcpy(a->text, q->host, host_bytes);
    if (q->service != NULL) {
        a->question.service = memcpy(a->text + host_bytes, q->service, service_bytes);
    }
    weft__waitq_init(&a->waiters, &names->lock);
    return a;
}

static void answer_free(struct answer *a)
{
    if (a != NULL) {
        weft__free(a->addrs);
        weft__free(a);
    }
}

/* ---- the list; under the lock, but for free_all() ---- */

static void add(struct names *names, struct answer *a)
{
    a->next = NULL;
    a->prev_next = names->last;
    *names->last = a;
    names->last = &a->next;
}

static void unlink_one(struct names *names, struct answer *a)
{
    *a->prev_next = a->next;
    if (a->next != NULL) {
        a->next->prev_next = a->prev_next;
    } else {
        names->last = a->prev_next;
    }
}

/* To be freed after the unlock, if nobody has it any more. */
static void bury_if_over(struct names *names, struct answer *a, struct answer **over)
{
    if (a->is_done && a->is_gone && a->n_callers == 0) {
        unlink_one(names, a);
        a->next = *over;
        *over = a;
    }
}

/* No caller will find it any more. */
static void forget(struct names *names, struct answer *a, struct answer **over)
{
    if (!a->is_gone) {
        a->is_gone = true;
        names->n_known -= a->is_done;
        bury_if_over(names, a, over);
    }
}

static void free_all(struct answer *over)
{
    while (over != NULL) {
        struct answer *next = over->next;
        answer_free(over);
        over = next;
    }
}

static struct answer *find(struct names *names, const struct weft__question *q, int64_t now_ns,
                           struct answer **over)
{
    for (struct answer *a = names->first, *next; a != NULL; a = next) {
        next = a->next;
        if (a->is_gone || !is_same(&a->question, q)) {
            continue;
        }
        if (!a->is_done || now_ns < a->until_ns) {
            return a;
        }
        forget(names, a, over);
    }
    return NULL;
}

static struct answer *first_known(const struct names *names)
{
    struct answer *a = names->first;
    while (a != NULL && (a->is_gone || !a->is_done)) {
        a = a->next;
    }
    return a;
}

/* ---- what the pool does ---- */

/* The answer has come, and is good for ttl_ns.  It may be gone when this returns. */
static void answer_done(struct answer *a, int rc, struct weft_addr *addrs, int64_t ttl_ns)
{
    struct names *names = a->names;
    struct answer *over = NULL;
    struct weft__waiter *w;
    int64_t until_ns = weft__clock_after(weft__names_door->clock_ns(), ttl_ns);
    weft__lock(&names->lock);
    a->rc = rc;
    a->addrs = addrs;
    a->until_ns = until_ns;
    a->is_done = true;
    unlink_one(names, a);
    add(names, a);
    names->n_known += !a->is_gone;
    while ((w = weft__waitq_claim_first(&a->waiters)) != NULL) {
        weft__park_wake(w->wait);
    }
    if (a->is_gone) {
        bury_if_over(names, a, &over);
    } else if (ttl_ns == 0) {
        forget(names, a, &over);
    } else if (names->n_known > KNOWN_MAX) {
        forget(names, first_known(names), &over);
    }
    weft__unlock(&names->lock);
    free_all(over);
}

/* Is it the name services that say so, or could they not be asked? */
static bool is_answer(int rc)
{
    return rc > 0 || rc == -ENOENT || rc == -ENODATA || rc == -EPROTONOSUPPORT || rc == -EAGAIN ||
           rc == -EIO;
}

static void look_up(struct weft__job *job)
{
    struct answer *a = WEFT__CONTAINER(job, struct answer, job);
    const struct weft__question *q = &a->question;
    const struct names *names = a->names;
    struct weft_runtime *rt = names->rt;
    struct weft_addr found[WEFT_RESOLVE_MAX];
    struct weft_addr *addrs = NULL;
    int rc = weft__names_ask_now(q, found, WEFT_RESOLVE_MAX);
    if (rc > 0) {
        addrs = weft__alloc((size_t)rc * sizeof *addrs);
        if (addrs != NULL) {
            memcpy(addrs, found, (size_t)rc * sizeof *addrs);
        } else {
            rc = -ENOMEM;
        }
    }
    int64_t ttl_ns = rc > 0 ? names->ttl_ns : names->error_ttl_ns;
    answer_done(a, rc, addrs, is_answer(rc) ? ttl_ns : 0);
    weft__away_end(rt);
}

static void ask_pool(struct names *names, struct answer *a)
{
    int rc = weft__pool_announce(names->pool);
    if (rc != 0) {
        answer_done(a, rc, NULL, 0);
        return;
    }
    weft__away_begin(names->rt);
    weft__pool_submit(names->pool, &a->job);
}

/* ---- the callers ---- */

/* 0 if the answer is there, or what the scope says that has ended the wait. */
static int wait_for(struct names *names, struct answer *a, const void *caller)
{
    struct weft__wait w;
    struct weft__waiter waiter = {.wait = &w, .index = 0};
    weft__park_init(&w);
    weft__lock(&names->lock);
    if (a->is_done) {
        weft__unlock(&names->lock);
        return 0;
    }
    weft__park_begin(&w, WAIT_NAME, a, caller);
    weft__waitq_add(&a->waiters, &waiter);
    weft__unlock(&names->lock);
    int rc = weft__park_wait(&w);
    if (rc < 0) { /* else whoever woke us has unlinked it */
        weft__lock(&names->lock);
        weft__waitq_remove(&a->waiters, &waiter);
        weft__unlock(&names->lock);
    }
    return rc;
}

/* The caller has what he wants, or does not want it any more. */
static void leave(struct names *names, struct answer *a)
{
    struct answer *over = NULL;
    weft__lock(&names->lock);
    a->n_callers--;
    bool is_called_off =
        !a->is_done && a->n_callers == 0 && weft__pool_withdraw(names->pool, &a->job);
    if (is_called_off) {
        a->is_gone = true;
        a->is_done = true;
    }
    bury_if_over(names, a, &over);
    weft__unlock(&names->lock);
    free_all(over);
    if (is_called_off) {
        weft__away_end(names->rt);
    }
}

static int receive(struct names *names, struct answer *a, struct weft_addr *addrs, int max,
                   const void *caller)
{
    int rc = wait_for(names, a, caller);
    if (rc == 0) {
        /* What is done does not change while it has a caller. */
        rc = a->rc < max ? a->rc : max;
        if (rc > 0) {
            memcpy(addrs, a->addrs, (size_t)rc * sizeof *addrs);
        }
    }
    leave(names, a);
    return rc;
}

/* What answers the question, the caller counted; NULL if nothing does, and there is no `fresh` one
 * to be asked. */
static struct answer *join(struct names *names, const struct weft__question *q,
                           struct answer *fresh)
{
    struct answer *over = NULL;
    int64_t now_ns = weft__names_door->clock_ns();
    weft__lock(&names->lock);
    struct answer *a = find(names, q, now_ns, &over);
    if (a == NULL && fresh != NULL) {
        a = fresh;
        add(names, a);
    }
    if (a != NULL) {
        a->n_callers++;
    }
    weft__unlock(&names->lock);
    free_all(over);
    return a;
}

static void names_free(struct weft__kept *kept)
{
    struct names *names = WEFT__CONTAINER(kept, struct names, kept);
    free_all(names->first);
    weft__free(names);
}

/* Of the runtime, made for the first who asks; NULL for lack of memory. */
static struct names *names_of(struct weft_runtime *rt)
{
    struct weft__kept_names *place = weft__park_kept_names(rt);
    /* acquire [NAMES-MADE] */
    struct weft__kept *kept = atomic_load_explicit(&place->names, memory_order_acquire);
    if (kept != NULL) {
        return WEFT__CONTAINER(kept, struct names, kept);
    }
    struct names *names = weft__alloc(sizeof *names);
    if (names == NULL) {
        return NULL;
    }
    names->kept.drop = names_free;
    names->rt = rt;
    names->pool = weft__park_pool();
    names->ttl_ns = place->ttl_ns;
    names->error_ttl_ns = place->error_ttl_ns;
    names->last = &names->first;
    weft__lock_init(&names->lock, RANK_CHAN);
    /* acq_rel [NAMES-MADE]: publishes ours, or gives us what somebody else has made. */
    if (!atomic_compare_exchange_strong_explicit(&place->names, &kept, &names->kept,
                                                 memory_order_acq_rel, memory_order_acquire)) {
        weft__free(names);
        names = WEFT__CONTAINER(kept, struct names, kept);
    }
    return names;
}

int weft__names_ask(const struct weft__question *question, struct weft_addr *addrs, int max,
                    const void *caller)
{
    struct names *names = names_of(weft__park_runtime());
    if (names == NULL) {
        return -ENOMEM;
    }
    struct answer *a = join(names, question, NULL);
    if (a == NULL) {
        int rc = weft__park_check_scope();
        if (rc != 0) {
            return rc;
        }
        struct answer *fresh = answer_make(names, question);
        if (fresh == NULL) {
            return -ENOMEM;
        }
        a = join(names, question, fresh);
        if (a == fresh) {
            ask_pool(names, a);
        } else {
            answer_free(fresh); /* somebody else has asked meanwhile */
        }
    }
    return receive(names, a, addrs, max, caller);
}

int weft__names_ask_now(const struct weft__question *q, struct weft_addr *addrs, int max)
{
    return weft__names_door->lookup(q->host, q->service, q->family, q->socktype, addrs, max);
}

int weft_resolve_flush(struct weft_runtime *rt)
{
    rt = rt != NULL ? rt : weft__park_runtime();
    if (rt == NULL) {
        return -EINVAL;
    }
    /* acquire [NAMES-MADE] */
    struct weft__kept *kept =
        atomic_load_explicit(&weft__park_kept_names(rt)->names, memory_order_acquire);
    if (kept == NULL) {
        return 0;
    }
    struct names *names = WEFT__CONTAINER(kept, struct names, kept);
    struct answer *over = NULL;
    weft__lock(&names->lock);
    for (struct answer *a = names->first, *next; a != NULL; a = next) {
        next = a->next;
        forget(names, a, &over);
    }
    weft__unlock(&names->lock);
    free_all(over);
    return 0;
}
