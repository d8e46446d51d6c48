/* SPDX-License-Identifier: MIT */
/* scope_frame.c - which scope ended a call. */
#include "scope_frame.h"

#include <weft/scope.h>

#include "../base/clock.h"

void weft__scope_note_end(struct weft__g *g)
{
    /* Of several that have ended, the innermost answers. */
    int64_t now_ns = weft__clock_ns();
    struct weft__scope_frame *cause = g->scope;
    while (cause != NULL && cause->deadline_ns > now_ns) {
        cause = cause->parent;
    }
    if (cause == NULL) {
        return;
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
}
