/* SPDX-License-Identifier: MIT */
/* scope.c - opening and closing deadline scopes; who waits reads them in park/. */
#include <weft/scope.h>

#include "../base/clock.h"
#include "../base/fatal.h"
#include "../park/park.h"
#include "../park/scope_frame.h"

_Static_assert(sizeof(struct weft__scope_frame) <= sizeof(struct weft_scope),
               "the public storage holds a frame");

static struct weft__scope_frame *frame_of(const struct weft_scope *s)
{
    return (struct weft__scope_frame *)(uintptr_t)s;
}

void weft_scope_begin_until(struct weft_scope *scope, int64_t deadline_ns)
{
    struct weft__g *g = weft__park_self("a deadline scope was opened outside a coroutine");
    struct weft__scope_frame *s = frame_of(scope);
    s->g = g;
    s->parent = g->scope;
    s->deadline_ns = deadline_ns;
    s->nearest_ns = deadline_ns;
    if (s->parent != NULL && s->parent->nearest_ns < deadline_ns) {
        s->nearest_ns = s->parent->nearest_ns;
    }
    s->cause = WEFT_CAUSE_NONE;
    s->has_ended_calls = false;
    g->scope = s;
}

void weft_scope_begin(struct weft_scope *scope, int64_t timeout_ns)
{
    weft_scope_begin_until(scope, weft__clock_after(weft__clock_ns(), timeout_ns));
}

static struct weft__scope_frame *check_open(const struct weft_scope *scope, const char *what)
{
    struct weft__scope_frame *s = frame_of(scope);
    if (s->g != weft__park_self(what)) {
        weft__fatal(what);
    }
    return s;
}

bool weft_scope_end(struct weft_scope *scope)
{
    struct weft__scope_frame *s =
        check_open(scope, "a deadline scope was closed by a coroutine that did not open it");
    if (s->g->scope != s) {
        weft__fatal("a deadline scope was closed that is not the innermost open one");
    }
    s->g->scope = s->parent;
    s->g = NULL;
    return s->has_ended_calls;
}

enum weft_cause weft_scope_cause(const struct weft_scope *scope)
{
    return (enum weft_cause)check_open(
               scope, "weft_scope_cause() was asked of a scope that is not open here")
        ->cause;
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
