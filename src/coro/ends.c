/* SPDX-License-Identifier: MIT */
/* ends.c - see ends.h. */
#include "ends.h"

#include <weft/local.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "locals.h"

void weft__ends_push(struct weft__g *g, struct weft__cleanup *c, enum weft__end_kind kind)
{
    struct weft__end **at = weft__ends_cleanups(g);
    c->end.kind = (uint8_t)kind;
    c->end.next = *at;
    c->g = g;
    *at = &c->end;
}

bool weft__ends_unlink(struct weft__g *g, struct weft__cleanup *c)
{
    struct weft__end **at = weft__ends_cleanups(g);
    while (*at != NULL && *at != &c->end) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        return false;
    }
    *at = c->end.next;
    return true;
}

/* All frames of g on its stack are gone, and the list must not lead there. */
static void refuse_in_frame(const struct weft__g *g, const struct weft__end *end)
{
    uintptr_t at = (uintptr_t)end;
    if (WEFT__UNLIKELY(at >= (uintptr_t)g->stack->low && at < (uintptr_t)g->stack->top)) {
        weft__fatal("a coroutine returned out of a block of weft_defer_begin()");
    }
}

void weft__ends_check_stack(const struct weft__g *g)
{
    for (struct weft__end *end = g->ends; end != NULL; end = end->next) {
        refuse_in_frame(g, end);
    }
}

/* Those that a cleanup defers are found in front, and run next. */
static void run_cleanups(struct weft__g *g, bool has_returned)
{
    for (;;) {
        if (has_returned && g->ends != NULL) {
            refuse_in_frame(g, g->ends); /* before it is looked at */
        }
        struct weft__end **at = weft__ends_cleanups(g);
        struct weft__end *end = *at;
        if (end == NULL) {
            return;
        }
        if (has_returned) {
            refuse_in_frame(g, end);
        }
        struct weft__cleanup *c = (struct weft__cleanup *)end;
        void (*fn)(void *) = c->fn;
        void *arg = c->arg;
        *at = end->next;
        if (end->kind != END_BLOCK) {
            weft__free(c);
        } else {
            c->fn = NULL; /* it is on its way out by weft_exit(), which may come back here */
        }
        if (fn != NULL) {
            fn(arg);
        }
    }
}

static void free_table(struct weft__g *g)
{
    struct weft__end *table = g->ends;
    g->ends = table->next;
    weft__free(table);
}

void weft__ends_run(struct weft__g *g, bool has_returned)
{
    for (int round = 0; g->ends != NULL; round++) {
        run_cleanups(g, has_returned);
        if (weft__locals_of(g) == NULL) {
            continue;
        }
        if (round >= WEFT_LOCAL_ROUNDS || !weft__locals_destroy(g)) {
            free_table(g);
        }
    }
}

void weft__ends_drop(struct weft__g *g)
{
    while (g->ends != NULL) {
        struct weft__end *end = g->ends;
        g->ends = end->next;
        if (end->kind == END_OURS) {
            struct weft__cleanup *c = (struct weft__cleanup *)end;
            c->fn(c->arg);
        }
        if (end->kind != END_BLOCK) {
            weft__free(end);
        }
    }
}
