/* SPDX-License-Identifier: MIT */
/* mutexes.c - what is said of a coroutine that leaves its thread and holds a pthread mutex. */
#include "../sched/mutexes.h"

#ifdef WEFT__WATCHES_MUTEXES

#include "../arch/unwind.h"
#include "../sched/watch.h"
#include "report.h"

static void add_place(struct weft__text *t, const void *where)
{
    char name[200];
    weft__text_add(t, weft__symbol((uintptr_t)where, true, name, sizeof name));
}

void weft__report_held(struct weft__g *g, const char *does, const void *where,
                       const void *locked_at)
{
    char line[768];
    struct weft__text t;
    struct weft__snapshot s;
    if (!weft__snapshot_take(&s, g)) {
        return;
    }
    weft__text_init(&t, line, sizeof line);
    weft__text_add(&t, "weft: ");
    weft__report_title(&t, &s);
    weft__text_add(&t, " ");
    weft__text_add(&t, does);
    if (where != NULL) {
        weft__text_add(&t, " at ");
        add_place(&t, where);
    }
    weft__text_add(&t, " while it holds a pthread mutex locked at ");
    add_place(&t, locked_at);
    weft__text_add(&t, "\n");
    (void)weft__text_write(&t, 2);
}

#endif
