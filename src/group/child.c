/* SPDX-License-Identifier: MIT */
/*
 * child.c - what runs around the function of a child: its scope, its restarts, its end.
 *
 * The group hears of the end when nothing of the child will run any more: its cleanups and the
 * destructors of its locals come first.  A child that leaves by weft_exit() comes to its end by a
 * cleanup of ours, the oldest that it has.
 */
#include <weft/time.h>

#include "../base/sys.h"
#include "../sched/limit.h"
#include "group.h"

static void keep(struct weft__group *g, struct weft__child *c)
{
    c->next = NULL;
    *g->ended_last = c;
    g->ended_last = &c->next;
    struct weft__waiter *taker = weft__waitq_claim_first(&g->takers);
    if (taker != NULL) {
        weft__park_wake(taker->wait);
    }
}

static void note_error(struct weft__group *g, int result)
{
    if (result < 0 && g->first_error == 0) {
        g->first_error = result;
        if (g->cancels_on_error) {
            weft__group_cancel_locked(g);
        }
    }
}

/* Afterwards the group may be gone, and c, if it was kept, too. */
static void end(struct weft__child *c, int result)
{
    struct weft__group *g = c->group;
    weft__limit_end(weft__park_self(""));
    weft__lock(&g->lock);
    weft__member_leave_locked(&c->member);
    c->end.result = result;
    bool is_kept = g->keeps_ends;
    if (is_kept) {
        keep(g, c);
    }
    note_error(g, result);
    weft__group_leave_locked(g);
    weft__unlock(&g->lock);
    if (!is_kept) {
        weft__free(c);
    }
}

static void leave_by_exit(void *child)
{
    struct weft__g *self = weft__park_self("");
    int result = self->own->exit_result;
    weft__ends_run(self, false); /* the locals are left */
    end(child, result);
}

static void begin(struct weft__child *c)
{
    struct weft__g *self = weft__park_self("");
    weft__member_enter(c->group, &c->member);
    c->on_exit.fn = leave_by_exit;
    c->on_exit.arg = c;
    weft__ends_push(self, &c->on_exit, END_BLOCK);
    c->end.id = atomic_load_explicit(&self->id, memory_order_relaxed);
}

/* Give or take a quarter, so that children which failed together do not come back together. */
static int64_t around(int64_t ns)
{
    int64_t spread = ns / 2;
    return spread > 0 ? ns - spread / 2 + (int64_t)(weft__park_random() % (uint64_t)spread) : ns;
}

/* After an error: true when it is to be run again, after the pause. */
static bool comes_back(struct weft__child *c, int result)
{
    if (result >= 0 || c->restarts == 0 || weft_sleep(around(c->backoff_ns)) != 0) {
        return false;
    }
    c->restarts -= c->restarts > 0;
    c->backoff_ns = c->backoff_ns < c->backoff_max_ns / 2 ? 2 * c->backoff_ns : c->backoff_max_ns;
    return true;
}

int weft__child_main(void *arg)
{
    struct weft__child *c = arg;
    int result;
    begin(c);
    do {
        result = c->fn(c->end.arg);
    } while (comes_back(c, result));
    struct weft__g *self = weft__park_self("");
    (void)weft__ends_unlink(self, &c->on_exit);
    weft__ends_run(self, true);
    end(c, result);
    return result;
}
