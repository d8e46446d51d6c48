/* SPDX-License-Identifier: MIT */
/*
 * ends.h - what a coroutine owes at its end: deferred cleanups, then the destructors of its locals.
 *
 *     g->ends --> [table of locals] --> cleanup --> cleanup --> ... --> NULL
 *                  if it has one         newest       older
 *
 * One list and one pointer, so that a coroutine that owes nothing pays for one look at it.  The
 * table (locals.h) stands in front, where a look finds it, and cleanups go behind it.  All of it is
 * the coroutine's own: nobody else touches it while the runtime lives.
 */
#ifndef WEFT_CORO_ENDS_H
#define WEFT_CORO_ENDS_H

#include "g.h"

enum weft__end_kind {
    END_LOCALS, /* a struct weft__locals, ours to free */
    END_KEPT,   /* a struct weft__cleanup, ours to free */
    END_OURS,   /* the same, whose fn is ours and runs at a discard, too */
    END_BLOCK,  /* a struct weft__cleanup in a frame of the coroutine */
};

struct weft__end {
    struct weft__end *next;
    uint8_t kind; /* enum weft__end_kind */
};

struct weft__cleanup {
    struct weft__end end;
    void (*fn)(void *); /* NULL once it was taken back, or has run */
    void *arg;
    struct weft__g *g; /* in whose list it is; NULL: in none */
};

/* Where the newest cleanup of g hangs. */
static inline struct weft__end **weft__ends_cleanups(struct weft__g *g)
{
    return g->ends != NULL && g->ends->kind == END_LOCALS ? &g->ends->next : &g->ends;
}

void weft__ends_push(struct weft__g *g, struct weft__cleanup *c, enum weft__end_kind kind);

/* Mostly it is the newest; others stay where they are.  False if it is not there. */
bool weft__ends_unlink(struct weft__g *g, struct weft__cleanup *c);

/*
 * By g itself, at its end: run all that it owes, until it owes nothing.  May return on another
 * thread.  If its function has returned, its frames are gone, and no cleanup of a block may be
 * left.
 */
void weft__ends_run(struct weft__g *g, bool has_returned);

/* g is about to leave a stack that it was called on: no cleanup of a block may be left there. */
void weft__ends_check_stack(const struct weft__g *g);

/* g is discarded: free what is ours, and call none of the user's. */
void weft__ends_drop(struct weft__g *g);

#endif
