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

void weft__report_stack(struct weft__text *t, const struct weft__snapshot *s)
{
    uintptr_t low = (uintptr_t)s->stack.low;
    uintptr_t top = (uintptr_t)s->stack.top;
    if (s->state != G_PARKED || !s->has_stack || s->sp < low || s->sp >= top) {
        return;
    }
    static unsigned char copy[VIEW_BYTES_MAX]; /* under the lock of the runtimes */
    size_t bytes = top - s->sp < VIEW_BYTES_MAX ? top - s->sp : VIEW_BYTES_MAX;
    if (weft__sys_copy_memory(copy, (const void *)s->sp, bytes) != (ssize_t)bytes) {
        return;
    }
    struct weft__stack_view view = {.lo = s->sp, .bytes = bytes, .copy = copy};
    struct weft__frame frame;
    uintptr_t pcs[FRAMES_MAX];
    if (weft__frame_parked(&frame, &view, s->sp)) {
        weft__report_pcs(t, pcs, weft__unwind(&frame, &view, pcs, FRAMES_MAX));
    }
}
