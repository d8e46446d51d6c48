/* SPDX-License-Identifier: MIT */
/* stacks.c - call stacks as text. */
#include "../base/sys.h"
#include "../arch/unwind.h"
#include "report.h"

/* Of a parked coroutine's stack so much is looked at; most use less than a page. */
#define VIEW_BYTES_MAX ((size_t)64 * 1024)
#define FRAMES_MAX 48
/* Of a longer stack the ends are shown. */
#define FIRST_FRAMES 12
#define LAST_FRAMES 6
/* Calls on big stacks that are followed. */
#define NESTED_MAX 4

void weft__report_pcs(struct weft__text *t, const uintptr_t *pcs, int n)
{
    for (int i = 0; i < n; i++) {
        if (n > FIRST_FRAMES + LAST_FRAMES && i == FIRST_FRAMES) {
            weft__text_add(t, "    ... ");
            weft__text_int(t, n - FIRST_FRAMES - LAST_FRAMES);
            weft__text_add(t, " more frames\n");
            i = n - LAST_FRAMES;
        }
        char name[200];
        weft__text_add(t, "    #");
        weft__text_int(t, i);
        weft__text_add(t, " ");
        weft__text_add(t, weft__symbol(pcs[i], i > 0, name, sizeof name));
        weft__text_add(t, "\n");
    }
}

/* The calls of a context that was saved at sp on a stack; `copy` has room for so much of it. */
static void add_saved(struct weft__text *t, const struct weft__stack *stack, uintptr_t sp,
                      unsigned char *copy, size_t room)
{
    uintptr_t low = (uintptr_t)stack->low;
    uintptr_t top = (uintptr_t)stack->top;
    if (sp < low || sp >= top) {
        return;
    }
    size_t bytes = top - sp < room ? top - sp : room;
    if (weft__sys_copy_memory(copy, (const void *)sp, bytes) != (ssize_t)bytes) {
        return;
    }
    struct weft__stack_view view = {.lo = sp, .bytes = bytes, .copy = copy};
    struct weft__frame frame;
    uintptr_t pcs[FRAMES_MAX];
    if (weft__frame_parked(&frame, &view, sp)) {
        weft__report_pcs(t, pcs, weft__unwind(&frame, &view, pcs, FRAMES_MAX));
    }
}

static bool copy_whole(void *to, const void *from, size_t bytes)
{
    return from != NULL && weft__sys_copy_memory(to, from, bytes) == (ssize_t)bytes;
}

void weft__report_below(struct weft__text *t, const struct weft__stack *stack, unsigned char *copy,
                        size_t room)
{
    struct weft__stack at = *stack;
    struct weft__stack_call call;
    for (int n = 0; n < NESTED_MAX && copy_whole(&call, at.call, sizeof call); n++) {
        if (!copy_whole(&at, call.below, sizeof at)) {
            return;
        }
        weft__text_add(t, "    called on another stack by\n");
        add_saved(t, &at, (uintptr_t)call.sp, copy, room);
    }
}

void weft__report_stack(struct weft__text *t, const struct weft__snapshot *s)
{
    static unsigned char copy[VIEW_BYTES_MAX]; /* under the lock of the runtimes */
    if (s->state == G_PARKED && s->has_stack) {
        add_saved(t, &s->stack, s->sp, copy, sizeof copy);
        weft__report_below(t, &s->stack, copy, sizeof copy);
    }
}
