/* SPDX-License-Identifier: MIT */
/* scope.c - opening, closing and cancelling scopes; who waits reads them in park/. */
#include <weft/scope.h>

#include "../base/clock.h"
#include "../base/fatal.h"
#include "../park/cancel.h"
#include "../park/park.h"

_Static_assert(sizeof(struct weft__scope_frame) <= sizeof(struct weft_scope),
               "the public storage holds a frame");

static struct weft__scope_frame *frame_of(const struct weft_scope *s)
{
    return (struct weft__scope_frame *)(uintptr_t)s;
}

static void open_scope(struct weft_scope *scope, int64_t deadline_ns,
                       enum weft__scope_kind kind)
{
    struct weft__g *g = weft__park_self("weft_scope_begin()");
    struct weft__scope_frame *s = frame_of(scope);
    weft__scope_init(s, g->scope, deadline_ns, kind);
    weft__scope_push(g, s);
}

void weft_scope_begin_until(struct weft_scope *scope, int64_t deadline_ns)
{
    open_scope(scope, deadline_ns, SCOPE_PLAIN);
}

void weft_scope_begin(struct weft_scope *scope, int64_t timeout_ns)
{
    /* Where there is no deadline the clock need not be read. */
    open_scope(scope,
               timeout_ns == WEFT_NEVER ? INT64_MAX
                                        : weft__clock_after(weft__clock_ns(), timeout_ns),
               SCOPE_PLAIN);
}

void weft_scope_begin_shield(struct weft_scope *scope, int64_t timeout_ns)
{
    open_scope(scope, weft__clock_after(weft__clock_ns(), timeout_ns), SCOPE_SHIELD);
}

static struct weft__scope_frame *check_open(const struct weft_scope *scope, const char *call,
                                            const char *what)
{
    struct weft__scope_frame *s = frame_of(scope);
    if (s->g != weft__park_self(call)) {
        weft__fatal(what);
    }
    return s;
}

bool weft_scope_end(struct weft_scope *scope)
{
    struct weft__scope_frame *s =
        check_open(scope, "weft_scope_end()",
                   "a scope was closed by a coroutine that did not open it");
    if (s->g->scope != s) {
        weft__fatal("a scope was closed that is not the innermost open one");
    }
    weft__scope_pop(s);
    return s->has_ended_calls;
}

enum weft_cause weft_scope_cause(const struct weft_scope *scope)
{
    return (enum weft_cause)check_open(
               scope, "weft_scope_cause()",
               "weft_scope_cause() was asked of a scope that is not open here")
        ->cause;
}

void weft_scope_cancel(struct weft_scope *scope)
{
    struct weft__scope_frame *s = frame_of(scope);
    if (s->root == NULL) {
        weft__fatal("weft_scope_cancel: the scope is not open");
    }
    weft__cancel(s);
}

int weft_scope_status(void)
{
    return weft__park_check_scope();
}

int64_t weft_scope_remaining(void)
{
    if (weft__park_runtime() == NULL) {
        return WEFT_NEVER;
    }
    struct weft__g *g = weft__park_self("");
    if (g->scope == NULL || g->scope->nearest_ns == INT64_MAX) {
        return WEFT_NEVER;
    }
    int64_t now_ns = weft__clock_ns();
    return g->scope->nearest_ns > now_ns ? g->scope->nearest_ns - now_ns : 0;
}
