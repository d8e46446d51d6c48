/* SPDX-License-Identifier: MIT */
/* locks.c - who holds a lock, and who has ended with one in his hands. */
#include "../coro/held.h"
#include "report.h"

#include "../sched/watch.h"

static bool is_in(struct weft__slab *slab, const struct weft__g *g)
{
    /* acquire [SLAB-USED] */
    uint32_t used = atomic_load_explicit(&slab->used, memory_order_acquire);
    return g >= slab->g && g < slab->g + used;
}

/* May g be read?  A lock may outlive the runtime of the one who held it. */
static bool is_there(const struct weft__g *g)
{
    for (struct weft_runtime *rt = weft__runtimes; rt != NULL; rt = rt->next) {
        /* acquire [SLAB-ALL] */
        struct weft__slab *slab = atomic_load_explicit(&rt->slabs.all, memory_order_acquire);
        for (; slab != NULL; slab = slab->next) {
            if (is_in(slab, g)) {
                return true;
            }
        }
    }
    return false;
}

void weft__report_holder(struct weft__text *t, uintptr_t mark)
{
    struct weft__snapshot s;
    struct weft__g *g = (struct weft__g *)mark;
    if (mark == 0) {
        return; /* nobody, or he has yet to say who he is */
    }
    switch (mark & HELD_BY_MASK) {
    case HELD_BY_THREAD:
        weft__text_add(t, ", held by thread ");
        weft__text_dec(t, mark >> HELD_BY_SHIFT);
        return;
    case HELD_BY_ENDED:
        weft__text_add(t, ", held by coroutine ");
        weft__text_dec(t, mark >> HELD_BY_SHIFT);
        weft__text_add(t, ", which has ended");
        return;
    default:
        break;
    }
    if (is_there(g) && weft__snapshot_take(&s, g)) {
        weft__text_add(t, ", held by ");
        weft__report_title(t, &s);
    } else {
        weft__text_add(t, ", held by a coroutine that is gone");
    }
}

/* By the coroutine itself, at its end. */
void weft__report_left_locks(struct weft__g *g)
{
    struct weft__snapshot s;
    if (!weft__snapshot_take(&s, g)) {
        return;
    }
    for (const struct weft__held *h = g->held; h != NULL; h = h->next) {
        char line[512];
        struct weft__text t;
        weft__text_init(&t, line, sizeof line);
        weft__text_add(&t, "weft: ");
        weft__report_title(&t, &s);
        weft__text_add(&t, ", spawned at ");
        weft__text_add(&t, s.site != NULL ? s.site : "?");
        weft__text_add(&t, ", has ended and holds ");
        weft__text_add(&t, h->what);
        weft__text_add(&t, " ");
        weft__text_hex(&t, (uintptr_t)h);
        weft__text_add(&t, " for ever\n");
        (void)weft__text_write(&t, 2);
    }
}
