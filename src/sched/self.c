/* SPDX-License-Identifier: MIT */
/* self.c - what a coroutine can ask and say about itself. */
#include <weft/go.h>
#include <weft/runtime.h>

#include <errno.h>

#include "../base/self.h"
#include "sched.h"

static struct weft__g *current(void)
{
    struct weft__m *m = weft__m_self();
    return m != NULL ? m->cur : NULL;
}

bool weft_in_coroutine(void)
{
    return current() != NULL;
}

struct weft_g *weft_self(void)
{
    return (struct weft_g *)current();
}

uint64_t weft_id(void)
{
    struct weft__g *g = current();
    return g != NULL ? atomic_load_explicit(&g->id, memory_order_relaxed) : 0;
}

const char *weft_name(void)
{
    struct weft__g *g = current();
    const char *name = g != NULL ? atomic_load_explicit(&g->name, memory_order_relaxed) : NULL;
    return name != NULL ? name : "";
}

int weft_set_name(const char *name)
{
    struct weft__g *g = current();
    if (g == NULL) {
        return -EPERM;
    }
    char *made = weft__g_name_make(&g->rt->slabs, name);
    if (made == NULL) {
        return -ENOMEM;
    }
    char *old = atomic_exchange_explicit(&g->name, made, memory_order_relaxed);
    if (old != NULL) {
        weft__g_name_free(&g->rt->slabs, old);
    }
    return 0;
}

int weft_thread_index(void)
{
    struct weft__m *m = weft__m_self();
    return m != NULL && m->cur != NULL ? (int)m->p->index % m->rt->procs : -1;
}

struct weft_runtime *weft_runtime_current(void)
{
    struct weft__g *g = current();
    return g != NULL ? g->rt : NULL;
}

int weft_runtime_procs(const struct weft_runtime *rt)
{
    const struct weft_runtime *r = rt;
    if (r == NULL) {
        struct weft__g *g = current();
        r = g != NULL ? g->rt : NULL;
    }
    return r != NULL ? r->procs : 0;
}
