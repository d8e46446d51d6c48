/* SPDX-License-Identifier: MIT */
/* defer.c - cleanups of the calling coroutine, and its end from any depth; the list: ends.h. */
#include <weft/defer.h>
#include <weft/scope.h>

#include <errno.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "../coro/ends.h"
#include "../park/park.h"

_Static_assert(sizeof(struct weft__cleanup) <= sizeof(struct weft_defer),
               "the public storage holds a cleanup");

int weft_defer(void (*fn)(void *), void *arg)
{
    struct weft__g *g = weft__g_self();
    if (g == NULL) {
        return -EPERM;
    }
    struct weft__cleanup *c = weft__alloc(sizeof *c);
    if (c == NULL) {
        return -ENOMEM;
    }
    c->fn = fn;
    c->arg = arg;
    weft__ends_push(g, c, END_KEPT);
    return 0;
}

int weft_defer_cancel(void (*fn)(void *), void *arg)
{
    struct weft__g *g = weft__g_self();
    if (g == NULL) {
        return -EPERM;
    }
    for (struct weft__end **at = weft__ends_cleanups(g); *at != NULL; at = &(*at)->next) {
        struct weft__cleanup *c = (struct weft__cleanup *)*at;
        if (c->fn != fn || c->arg != arg) {
            continue;
        }
        if (c->end.kind == END_KEPT) {
            *at = c->end.next;
            weft__free(c);
        } else {
            c->fn = NULL; /* weft_defer_end() takes it out */
        }
        return 0;
    }
    return -ENOENT;
}

struct weft_defer *weft_defer_begin(struct weft_defer *d, void (*fn)(void *), void *arg)
{
    struct weft__cleanup *c = (struct weft__cleanup *)d;
    c->fn = fn;
    c->arg = arg;
    c->g = weft__g_self();
    if (c->g != NULL) {
        weft__ends_push(c->g, c, END_BLOCK);
    }
    return d;
}

void weft_defer_end(struct weft_defer *d)
{
    struct weft__cleanup *c = (struct weft__cleanup *)d;
    struct weft__g *g = weft__g_self();
    if (c->g != g) {
        weft__fatal("weft_defer_end() was called by another coroutine than began the block");
    }
    if (g != NULL && !weft__ends_unlink(g, c)) {
        weft__fatal("weft_defer_end() was called for a block that was not begun, or ended before");
    }
    void (*fn)(void *) = c->fn;
    c->fn = NULL;
    if (fn != NULL) {
        fn(c->arg);
    }
}

void weft_exit(int result)
{
    struct weft__g *g = weft__park_self("weft_exit()");
    while (g->scope != NULL && g->scope->kind != SCOPE_BASE) {
        (void)weft_scope_end((struct weft_scope *)g->scope);
    }
    weft__switch_exit(result);
}
