/* SPDX-License-Identifier: MIT */
/* fault.c - what is printed when a coroutine overflows its stack, faults, or misuses a call. */
#include "../sched/fault.h"

#include <signal.h>
#include <sys/mman.h>

#include "../base/self.h"
#include "../base/sys.h"
#include "../arch/unwind.h"
#include "../sched/watch.h"
#include "report.h"

#define TEXT_BYTES 16384
#define FRAMES_MAX 8192

static void write_text(const struct weft__text *t)
{
    (void)weft__text_write(t, 2);
}

static void add_head(struct weft__text *t, const struct weft__fault *f,
                     const struct weft__snapshot *s)
{
    weft__text_add(t, "weft: fatal: ");
    weft__text_add(t, f->is_overflow ? "stack overflow" : "fault");
    weft__text_add(t, f->signal == SIGSEGV ? " (SIGSEGV at " : " (SIGBUS at ");
    weft__text_hex(t, f->address);
    weft__text_add(t, ") in ");
    weft__report_title(t, s);
    weft__text_add(t, ", spawned at ");
    weft__text_add(t, s->site != NULL ? s->site : "?");
    weft__text_add(t, ", stack of ");
    weft__text_bytes(t, (uint64_t)1 << s->stack.shift);
    if (f->is_overflow) {
        weft__text_add(t, s->stack.call != NULL
                              ? "; call it on a larger one (weft_call_on_big_stack)"
                              : "; give it a larger one (stack_bytes, WEFT_STACK)");
    }
    weft__text_add(t, "\n");
}

/* The stack of the faulting coroutine, which stands still; copied, since a part may be unreadable.
 * */
static void add_stack(struct weft__text *t, const struct weft__fault *f,
                      const struct weft__snapshot *s)
{
    uintptr_t from = f->frame.sp;
    uintptr_t top = (uintptr_t)s->stack.top;
    if (from < (uintptr_t)s->stack.low) {
        from = (uintptr_t)s->stack.low;
    }
    if (from >= top) {
        return;
    }
    size_t bytes = top - from;
    size_t pcs_bytes = FRAMES_MAX * sizeof(uintptr_t);
    unsigned char *room =
        weft__sys_mmap(bytes + pcs_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    if (weft__sys_is_error(room)) {
        return;
    }
    uintptr_t *pcs = (uintptr_t *)(void *)room;
    unsigned char *copy = room + pcs_bytes;
    if (weft__sys_copy_memory(copy, (const void *)from, bytes) == (ssize_t)bytes) {
        struct weft__stack_view view = {.lo = from, .bytes = bytes, .copy = copy};
        weft__report_pcs(t, pcs, weft__unwind(&f->frame, &view, pcs, FRAMES_MAX));
        weft__report_below(t, &s->stack, copy, bytes);
    }
    weft__sys_munmap(room, bytes + pcs_bytes);
}

void weft__report_fault(const struct weft__fault *f)
{
    static char buffer[TEXT_BYTES]; /* once in the life of the process */
    struct weft__text t;
    struct weft__snapshot s;
    weft__text_init(&t, buffer, sizeof buffer);
    if (weft__snapshot_take(&s, f->g)) {
        add_head(&t, f, &s);
        write_text(&t); /* the head first: walking a broken stack may go wrong */
        weft__text_init(&t, buffer, sizeof buffer);
        add_stack(&t, f, &s);
        write_text(&t);
    }
}

char *weft__report_who(char *text, unsigned bytes)
{
    struct weft__text t;
    struct weft__snapshot s;
    struct weft__m *m = weft__m_of_thread();
    weft__text_init(&t, text, bytes);
    struct weft__g *g = m == NULL ? NULL : m->cur != NULL ? m->cur : m->forker;
    if (g != NULL && weft__snapshot_take(&s, g)) {
        weft__report_title(&t, &s);
        weft__text_add(&t, ", spawned at ");
        weft__text_add(&t, s.site != NULL ? s.site : "?");
    }
    return text;
}

/* For weft__fatal(): the stack on which this runs, a coroutine's or a thread's.  Its end is not
 * known for a thread, so it is copied in steps until the kernel says that there is no more. */
void weft__report_own_stack(void)
{
    static unsigned char copy[64 * 1024];
    static char buffer[TEXT_BYTES];
    static _Atomic bool is_used;
    const size_t step = 1024;
    struct weft__frame frame;
    weft__frame_here(&frame);
    if (atomic_exchange_explicit(&is_used, true, memory_order_relaxed)) {
        return; /* two threads die at the same time */
    }
    size_t bytes = 0;
    while (bytes < sizeof copy &&
           weft__sys_copy_memory(copy + bytes, (const char *)frame.sp + bytes, step) ==
               (ssize_t)step) {
        bytes += step;
    }
    struct weft__stack_view view = {.lo = frame.sp, .bytes = bytes, .copy = copy};
    uintptr_t pcs[48];
    int n = weft__unwind(&frame, &view, pcs, (int)WEFT__COUNT(pcs));
    struct weft__text t;
    weft__text_init(&t, buffer, sizeof buffer);
    /* Without this function and weft__fatal(). */
    int skip = n > 2 ? 2 : 0;
    weft__report_pcs(&t, pcs + skip, n - skip);
    write_text(&t);
}
