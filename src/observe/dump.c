/* SPDX-License-Identifier: MIT */
/* dump.c - every live coroutine as text: for SIGQUIT, weft_dump(), and a deadlock. */
#include <weft/observe.h>

#include "../base/sys.h"
#include "../arch/unwind.h"
#include "../sched/lifecycle.h"
#include "../sched/watch.h"
#include "report.h"

#define TEXT_BYTES 8192

/* One coroutine; under the lock of the runtimes, which also protects the buffer. */
static int write_one(int fd, const struct weft__snapshot *s)
{
    static char buffer[TEXT_BYTES];
    struct weft__text t;
    weft__text_init(&t, buffer, sizeof buffer);
    weft__report_title(&t, s);
    weft__text_add(&t, " ");
    weft__report_wait(&t, s);
    weft__text_add(&t, "\n    spawned at ");
    weft__text_add(&t, s->site != NULL ? s->site : "?");
    weft__text_add(&t, "\n");
    if (s->state == G_PARKED && s->wait_pc != 0) {
        char name[200];
        weft__text_add(&t, "    waits at ");
        weft__text_add(&t, weft__symbol(s->wait_pc, true, name, sizeof name));
        weft__text_add(&t, "\n");
        weft__report_stack(&t, s);
    }
    return weft__text_write(&t, fd);
}

/* All coroutines of one runtime: how many, or -errno. */
static int write_runtime(int fd, struct weft_runtime *rt)
{
    int n = 0;
    /* acquire [SLAB-ALL] */
    struct weft__slab *slab = atomic_load_explicit(&rt->slabs.all, memory_order_acquire);
    for (; slab != NULL; slab = slab->next) {
        /* acquire [SLAB-USED] */
        uint32_t used = atomic_load_explicit(&slab->used, memory_order_acquire);
        for (uint32_t i = 0; i < used; i++) {
            struct weft__snapshot s;
            if (!weft__snapshot_take(&s, &slab->g[i])) {
                continue;
            }
            int rc = write_one(fd, &s);
            if (rc != 0) {
                return rc;
            }
            n++;
        }
    }
    return n;
}

static void add_count(struct weft__text *t, const _Atomic uint32_t *count, const char *what)
{
    weft__text_dec(t, atomic_load_explicit(count, memory_order_relaxed));
    weft__text_add(t, what);
}

static void add_pool(struct weft__text *t, const struct weft__pool *pool)
{
    if (atomic_load_explicit(&pool->n_peak, memory_order_relaxed) == 0) {
        return; /* it was never used */
    }
    weft__text_add(t, "blocking calls: ");
    add_count(t, &pool->n_running, " running, ");
    add_count(t, &pool->n_queued, " queued, ");
    add_count(t, &pool->n_threads, " threads, ");
    add_count(t, &pool->n_peak, " at most so far, ");
    weft__text_dec(t, pool->threads_max);
    weft__text_add(t, " allowed\n");
}

static int write_head(int fd, const struct weft_runtime *rt)
{
    char line[512];
    struct weft__text t;
    weft__text_init(&t, line, sizeof line);
    weft__text_add(&t, "runtime: ");
    weft__runtime_describe(rt, &t);
    weft__text_add(&t, ", ");
    weft__text_dec(&t, weft__live_count(rt));
    weft__text_add(&t, " coroutines\n");
    add_pool(&t, &rt->pool);
    return weft__text_write(&t, fd);
}

static int write_all_locked(int fd, const char *head)
{
    struct weft__text t = {.at = (char *)(uintptr_t)head, .bytes = 0, .used = 0};
    while (head[t.used] != 0) {
        t.used++;
    }
    int rc = weft__text_write(&t, fd);
    int n = 0;
    for (struct weft_runtime *rt = weft__runtimes; rt != NULL && rc >= 0; rt = rt->next) {
        rc = write_head(fd, rt);
        if (rc >= 0) {
            rc = write_runtime(fd, rt);
        }
        n += rc > 0 ? rc : 0;
    }
    return rc < 0 ? rc : n;
}

int weft__report_all(int fd, const char *head)
{
    weft__lock(&weft__runtimes_lock);
    int n = write_all_locked(fd, head);
    weft__unlock(&weft__runtimes_lock);
    return n;
}

int weft_dump(int fd)
{
    return weft__report_all(fd, "");
}

/* By the watch thread, which holds the lock of the runtimes. */
void weft__report_deadlock(struct weft_runtime *rt, bool is_certain)
{
    char line[256];
    struct weft__text t;
    weft__text_init(&t, line, sizeof line);
    weft__text_add(&t, is_certain ? "weft: deadlock: " : "weft: stall: ");
    weft__text_add(&t, "all ");
    weft__text_dec(&t, weft__live_count(rt));
    weft__text_add(&t, is_certain ? " coroutines wait, and nothing can wake one\n"
                                  : " coroutines wait, for a second by now; only another thread "
                                    "of the program could still wake one\n");
    (void)weft__text_write(&t, 2);
    (void)write_runtime(2, rt);
}

/* By the look-out, which holds the lock of the runtimes. */
void weft__report_stall(struct weft__g *g, int64_t ns, const uintptr_t *pcs, int n)
{
    static char buffer[TEXT_BYTES];
    struct weft__text t;
    struct weft__snapshot s;
    if (!weft__snapshot_take(&s, g)) {
        return;
    }
    weft__text_init(&t, buffer, sizeof buffer);
    weft__text_add(&t, "weft: ");
    weft__report_title(&t, &s);
    weft__text_add(&t, " has kept its processor for ");
    weft__text_int(&t, ns / 1000000);
    weft__text_add(&t, " ms without a call that can switch, spawned at ");
    weft__text_add(&t, s.site != NULL ? s.site : "?");
    weft__text_add(&t, "\n");
    weft__report_pcs(&t, pcs, n);
    (void)weft__text_write(&t, 2);
}

void weft__report_no_stack(struct weft_runtime *rt)
{
    char line[512];
    struct weft__text t;
    weft__text_init(&t, line, sizeof line);
    weft__text_add(&t, "weft: fatal: no stack can be had for ");
    weft__text_dec(&t, atomic_load_explicit(&rt->inject.starved_count, memory_order_relaxed));
    weft__text_add(&t, " coroutines, and nothing else can run: ");
    weft__text_dec(&t, atomic_load_explicit(&rt->stacks.made_count, memory_order_relaxed));
    weft__text_add(&t, " stacks of ");
    weft__text_bytes(&t, (uint64_t)1 << rt->stacks.default_shift);
    weft__text_add(&t, " exist; the limit is the address space (ulimit -v), memory, or "
                       "vm.max_map_count (guard ");
    weft__text_add(&t, weft__guard_name(rt->stacks.guards.kind));
    weft__text_add(&t, ")\n");
    (void)weft__text_write(&t, 2);
}
