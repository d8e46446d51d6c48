/* SPDX-License-Identifier: MIT */
/* scope_frame.h - what a deadline scope looks like inside: every wait reads it. */
#ifndef WEFT_PARK_SCOPE_FRAME_H
#define WEFT_PARK_SCOPE_FRAME_H

#include <stdint.h>

#include "../coro/g.h"

struct weft__scope_frame {
    struct weft__scope_frame *parent;
    struct weft__g *g;
    int64_t deadline_ns;  /* its own */
    int64_t nearest_ns;   /* the nearest of its own and those around it */
    uint8_t cause;        /* enum weft_cause: who ended the last call that was ended in it */
    bool has_ended_calls; /* it was itself the cause of one */
};

/* A wait of g was ended by a deadline: find the innermost scope that has ended, and tell all. */
void weft__scope_note_end(struct weft__g *g);

#endif
