/* SPDX-License-Identifier: MIT */
/* cancel.c - see cancel.h; the protocol is in scope_frame.h. */
#include "cancel.h"

#include <errno.h>

#include "../base/fence.h"
#include "../base/forked.h"
#include "../sched/sched.h"
#include "park.h"

void weft__cancel_mark(struct weft__scope_frame *s)
{
    weft__scope_hold(s->root);
    weft__scope_mark(s);
}

void weft__cancel_fence(void)
{
    (void)weft__fence_heavy(); /* [SCOPE-CANCEL] */
}

/* Does the end of s count where the coroutine is now? */
static bool reaches(const struct weft__scope_frame *innermost, const struct weft__scope_frame *s)
{
    while (innermost != s && innermost->kind != SCOPE_SHIELD) {
        innermost = innermost->parent;
    }
    return innermost == s;
}

/* The reactor of the calling thread, if it is one of rt's. */
static struct weft__reactor *own_reactor(const struct weft_runtime *rt)
{
    struct weft__m *m = weft__m_self();
    return m != NULL && m->rt == rt && m->p != NULL ? m->p->reactor : NULL;
}

static void end_wait(struct weft__wait *w)
{
    weft__refuse_in_child("a coroutine that waits is cancelled" WEFT__IN_CHILD);
    if (w->timer_op != NULL) {
        struct weft_runtime *rt = w->g->rt;
        rt->reactors.driver->cancel(own_reactor(rt), w->timer_op, -ECANCELED);
    } else if (weft__wait_claim(w, -ECANCELED)) {
        weft__park_wake(w);
    }
}

void weft__cancel_deliver(struct weft__scope_frame *s)
{
    struct weft__scope_frame *root = s->root;
    /* acquire [SCOPE-WAIT] */
    struct weft__wait *w = atomic_load_explicit(&root->wait, memory_order_acquire);
    if (w != NULL && reaches(w->g->scope, s)) {
        end_wait(w);
    }
    weft__perturb();
    weft__scope_let_go(root); /* the coroutine may run by now, but it waits for this */
}

void weft__cancel(struct weft__scope_frame *s)
{
    weft__cancel_mark(s);
    weft__cancel_fence();
    weft__cancel_deliver(s);
}
