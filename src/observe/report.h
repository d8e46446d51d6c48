/* SPDX-License-Identifier: MIT */
/* report.h - between the files of observe/: a coroutine as it was at one moment, and its text. */
#ifndef WEFT_OBSERVE_REPORT_H
#define WEFT_OBSERVE_REPORT_H

#include "../base/text.h"
#include "../sched/sched.h"

/* A copy of what a report tells of a coroutine, taken while the program runs. */
struct weft__snapshot {
    uint64_t id;
    uint32_t state;
    const char *site;
    char name[WEFT__G_NAME_BYTES];
    uint8_t wait_reason;
    uintptr_t wait_object;
    uintptr_t wait_pc;
    uintptr_t holder;         /* the mark of who holds the lock that it waits for, or 0 */
    struct weft__stack stack; /* valid if has_stack */
    bool has_stack;
    uintptr_t sp; /* of a parked one */
};

/* Copy; false if the descriptor was free. */
bool weft__snapshot_take(struct weft__snapshot *s, struct weft__g *g);

/* coroutine 12 "reader" */
void weft__report_title(struct weft__text *t, const struct weft__snapshot *s);

/* waits: receive from channel 0x... */
void weft__report_wait(struct weft__text *t, const struct weft__snapshot *s);

/* , held by coroutine 7 "writer" */
void weft__report_holder(struct weft__text *t, uintptr_t mark);

/* The call stack of a parked coroutine, from a copy of its stack. */
void weft__report_stack(struct weft__text *t, const struct weft__snapshot *s);

/* The calls below a stack that a coroutine was called on (sched/big_stack.c), if there are any;
 * `copy` has room for `room` bytes of each stack. */
void weft__report_below(struct weft__text *t, const struct weft__stack *stack, unsigned char *copy,
                        size_t room);

/* Return addresses as lines "    #0 name+0x1f (prog+0x4021)"; many are cut in the middle. */
void weft__report_pcs(struct weft__text *t, const uintptr_t *pcs, int n);

#endif
