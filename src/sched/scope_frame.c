/* SPDX-License-Identifier: MIT */
/* scope_frame.c - see scope_frame.h. */
#include "scope_frame.h"

#include <errno.h>
#include <weft/scope.h>

#include "../base/clock.h"
#include "../base/fence.h"
#include "../base/sys.h"
#include "machine.h"

#define PAUSES WEFT__BOUND(200, 1)

/* When did it end?  INT64_MAX: it has not.  A cancel that can be seen is one of the past, and so is
 * a deadline before it, also where now_ns was read before. */
static int64_t ended_ns(const struct weft__scope_frame *s, int64_t now_ns)
{
    int64_t cancelled_ns = atomic_load_explicit(&s->cancelled_ns, memory_order_relaxed);
    if (s->deadline_ns >= cancelled_ns) {
        return cancelled_ns;
    }
    return s->deadline_ns <= now_ns || cancelled_ns != INT64_MAX ? s->deadline_ns : INT64_MAX;
}

/* The deadline was first, and it stays so: a cancel that has noted its time, but not told it, comes
 * too late.  False if one of before has told it by now. */
static bool settle_for_deadline(struct weft__scope_frame *s)
{
    int64_t cancelled_ns = INT64_MAX;
    return atomic_compare_exchange_strong_explicit(&s->cancelled_ns, &cancelled_ns,
                                                   WEFT__SCOPE_TOO_LATE, memory_order_relaxed,
                                                   memory_order_relaxed) ||
           cancelled_ns > s->deadline_ns;
}

/* The innermost that has ended, of those that count; NULL if none has. */
static struct weft__scope_frame *find_ended(const struct weft__g *g, int64_t now_ns)
{
    struct weft__scope_frame *s = g->scope;
    while (s != NULL && ended_ns(s, now_ns) == INT64_MAX) {
        s = s->kind == SCOPE_SHIELD ? NULL : s->parent;
    }
    return s;
}

/* Can one have ended at all? */
static bool may_have_ended(const struct weft__g *g)
{
    const struct weft__scope_frame *s = g->scope;
    if (WEFT__LIKELY(s == NULL)) {
        return false;
    }
    return atomic_load_explicit(&s->root->has_cancelled, memory_order_relaxed) ||
           (s->nearest_ns != INT64_MAX && s->nearest_ns <= weft__clock_ns());
}

bool weft__scope_has_ended(const struct weft__g *g)
{
    return may_have_ended(g) && find_ended(g, weft__clock_ns()) != NULL;
}

int weft__scope_answer(struct weft__g *g)
{
    if (!may_have_ended(g)) {
        return 0;
    }
    int64_t now_ns = weft__clock_ns();
    struct weft__scope_frame *cause = find_ended(g, now_ns);
    if (cause == NULL) {
        return 0;
    }
    uint8_t seen_as = WEFT_CAUSE_OUTER;
    for (struct weft__scope_frame *s = g->scope; s != NULL; s = s->parent) {
        if (s == cause) {
            s->cause = WEFT_CAUSE_THIS;
            s->has_ended_calls = true;
            seen_as = WEFT_CAUSE_INNER;
        } else {
            s->cause = seen_as;
        }
    }
    bool is_late = ended_ns(cause, now_ns) == cause->deadline_ns && settle_for_deadline(cause);
    return is_late ? -ETIMEDOUT : -ECANCELED;
}

bool weft__scope_wait_begin(struct weft__g *g, struct weft__wait *w, struct weft__op *op)
{
    struct weft__scope_frame *root = g->scope->root;
    w->timer_op = op;
    /* release [SCOPE-WAIT]: whoever finds the wait finds all of it. */
    atomic_store_explicit(&root->wait, w, memory_order_release);
    weft__fence_light(); /* [SCOPE-CANCEL] */
    weft__perturb();
    return WEFT__UNLIKELY(atomic_load_explicit(&root->has_cancelled, memory_order_relaxed)) &&
           find_ended(g, INT64_MIN) != NULL;
}

void weft__scope_wait_end(struct weft__g *g)
{
    struct weft__scope_frame *root = g->scope->root;
    atomic_store_explicit(&root->wait, NULL, memory_order_relaxed);
    weft__fence_light(); /* [SCOPE-CANCEL] */
    weft__scope_settle(root);
}

WEFT__COLD void weft__scope_wait_for_canceller(struct weft__scope_frame *root)
{
    /* acquire [SCOPE-BUSY] */
    for (int i = 1; atomic_load_explicit(&root->n_busy, memory_order_acquire) != 0; i++) {
        weft__cpu_relax();
        if (i % PAUSES == 0) {
            weft__sys_yield_cpu();
        }
    }
}

void weft__scope_pop(struct weft__scope_frame *s)
{
    weft__scope_settle(s->root);
    s->g->scope = s->parent;
    s->g = NULL;
    s->root = NULL;
}

void weft__scope_mark(struct weft__scope_frame *s)
{
    int64_t not_yet = INT64_MAX, now_ns = weft__clock_ns();
    weft__perturb();
    (void)atomic_compare_exchange_strong_explicit(&s->cancelled_ns, &not_yet, now_ns,
                                                  memory_order_relaxed, memory_order_relaxed);
    weft__perturb();
    atomic_store_explicit(&s->root->has_cancelled, true, memory_order_relaxed);
}

void weft__scope_hold(struct weft__scope_frame *root)
{
    /* relaxed: the fence comes after it, [SCOPE-CANCEL]. */
    atomic_fetch_add_explicit(&root->n_busy, 1, memory_order_relaxed);
}

void weft__scope_let_go(struct weft__scope_frame *root)
{
    /* release [SCOPE-BUSY]: the coroutine leaves its wait after this. */
    atomic_fetch_sub_explicit(&root->n_busy, 1, memory_order_release);
}

void weft__scope_forget(struct weft__g *g)
{
    if (g->scope == NULL) {
        return;
    }
    struct weft__scope_frame *root = g->scope->root;
    atomic_store_explicit(&root->wait, NULL, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); /* [SCOPE-CANCEL] */
    weft__scope_settle(root);
}
