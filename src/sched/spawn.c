/* SPDX-License-Identifier: MIT */
/* spawn.c - go(): a descriptor is filled in and queued; the stack comes when it first runs. */
#include <weft/go.h>

#include <errno.h>

#include "../base/fatal.h"
#include "../base/forked.h"
#include "../base/self.h"
#include "../base/sys.h"
#include "../coro/ends.h"
#include "../coro/locals.h"
#include "queue.h"
#include "spawn.h"

/* Numbers are unique in the process.  A P sets a block of them aside; a plain thread, which spawns
 * seldom, takes a whole one each time. */
#define IDS_PER_BLOCK 64

static uint64_t take_id_block(void)
{
    static _Atomic uint64_t next_block;
    return atomic_fetch_add_explicit(&next_block, 1, memory_order_relaxed) * IDS_PER_BLOCK + 1;
}

uint64_t weft__id_take(struct weft__p *p)
{
    if (WEFT__UNLIKELY(p->id_next == p->id_end)) {
        p->id_next = take_id_block();
        p->id_end = p->id_next + IDS_PER_BLOCK;
    }
    return p->id_next++;
}

/* What every new coroutine has; the entry is the caller's to set.  co: its handle, or NULL, and
 * `flags` what comes with that. */
static inline void fill(struct weft__g *g, const struct weft__p *home, void *arg, const char *site,
                        uint64_t id, struct weft_co *co, unsigned flags)
{
    g->flags = (uint16_t)(home->birth_flags | flags);
    g->p_home = home->birth_home;
    g->stack = NULL;
    g->scope = NULL;
    g->arg = arg;
    g->handle = co;
    g->stack_shift = home->birth_shift;
    atomic_store_explicit(&g->wait, NULL, memory_order_relaxed);
    atomic_store_explicit(&g->id, id, memory_order_relaxed);
    atomic_store_explicit(&g->site, site, memory_order_relaxed);
    atomic_store_explicit(&g->state, G_RUNNABLE, memory_order_relaxed);
}

/* A child of the coroutine that runs on p gets what it inherits.  False for lack of memory.  Who
 * copies a value may wait: *p is the P that runs the parent afterwards. */
static inline bool inherit(struct weft__p **p, struct weft__g *child)
{
    const struct weft__g *parent = (*p)->m->cur;
    if (WEFT__LIKELY(parent->ends == NULL)) {
        return true;
    }
    bool is_done = weft__locals_inherit(parent, child);
    *p = weft__m_self()->p;
    return is_done;
}

/* Where there is a limit, a place for one more coroutine, unless the caller has it already.  Who
 * waits for it may come back on another P. */
static inline int take_place(struct weft__p **p, bool has_place, const void *caller)
{
    if (WEFT__LIKELY(((*p)->birth_flags & G_FLAG_COUNTED) == 0) || has_place) {
        return 0;
    }
    int rc = weft__limit_take(&(*p)->rt->limit, true, caller);
    *p = weft__m_self()->p;
    return rc;
}

/* What was taken for one that is not started after all; g may be NULL. */
static WEFT__COLD void take_back(struct weft__p *p, struct weft__g *g)
{
    if (g != NULL) {
        weft__g_put(&p->rt->slabs, &p->g_cache, g);
    }
    if ((p->birth_flags & G_FLAG_COUNTED) != 0) {
        weft__limit_leave(&p->rt->limit);
    }
}

/* A descriptor and a number for a child of the coroutine that runs, if all is at hand that a spawn
 * takes; else NULL.  Most are spawned so, without a call. */
static WEFT__ALWAYS_INLINE struct weft__g *get_short(struct weft__m *m, struct weft__p *p,
                                                    uint64_t *id)
{
    struct weft__g *g = p->g_cache.first;
    *id = p->id_next;
    if (g == NULL || *id == p->id_end || m->cur->ends != NULL ||
        (p->birth_flags & G_FLAG_COUNTED) != 0) {
        return NULL;
    }
    p->g_cache.first = g->next;
    p->g_cache.count--;
    p->id_next = *id + 1;
    weft__g_fetch_ahead(g);
    return g;
}

/* The last act of a spawn that returns 0. */
static WEFT__NOINLINE int queue(struct weft__p *p, struct weft__g *g)
{
    weft__queue_unstarted(p, g);
    return 0;
}

static WEFT__NOINLINE int spawn(struct weft__p *p, void (*fn)(void *), void *arg,
                                const char *site, bool has_place, const void *caller)
{
    int rc = take_place(&p, has_place, caller);
    if (WEFT__UNLIKELY(rc != 0)) {
        return rc;
    }
    struct weft__g *g = weft__g_get(&p->rt->slabs, &p->g_cache);
    if (WEFT__UNLIKELY(g == NULL || !inherit(&p, g))) {
        take_back(p, g);
        return -ENOMEM;
    }
    fill(g, p, arg, site, weft__id_take(p), NULL, 0);
    g->entry.plain = fn;
    weft__count_turn(&p->counts.spawned);
    return queue(p, g);
}

int weft_go_at(void (*fn)(void *), void *arg, const char *site)
{
    struct weft__m *m = weft__m_in_coroutine("weft_go() (on a plain thread: weft_runtime_go())");
    struct weft__p *p = m->p;
    uint64_t id;
    struct weft__g *g = get_short(m, p, &id);
    if (WEFT__UNLIKELY(g == NULL)) {
        return spawn(p, fn, arg, site, false, __builtin_return_address(0));
    }
    fill(g, p, arg, site, id, NULL, 0);
    g->entry.plain = fn;
    weft__count_turn(&p->counts.spawned);
    return WEFT__LIKELY(weft__queue_unstarted_short(p, g)) ? 0 : queue(p, g);
}

int weft__go_placed(void (*fn)(void *), void *arg, const char *site)
{
    return spawn(weft__m_in_coroutine("weft_group_go()")->p, fn, arg, site, true, NULL);
}

WEFT__COLD bool weft__go_ours(void (*fn)(void *), void (*done)(void *), void *arg,
                              const char *site)
{
    struct weft__p *p = weft__m_self()->p;
    struct weft__cleanup *c = weft__alloc(sizeof *c);
    struct weft__g *g = c != NULL ? weft__g_get(&p->rt->slabs, &p->g_cache) : NULL;
    if (g == NULL) {
        weft__free(c);
        return false;
    }
    fill(g, p, arg, site, weft__id_take(p), NULL, 0);
    g->flags &= (uint16_t)~G_FLAG_COUNTED;
    g->entry.plain = fn;
    c->fn = done;
    c->arg = arg;
    weft__ends_push(g, c, END_OURS);
    weft__count_turn(&p->counts.spawned);
    weft__queue_unstarted(p, g);
    return true;
}

static WEFT__NOINLINE void check_options(const struct weft_runtime *rt,
                                         const struct weft_go_opts *opts)
{
    if (opts->size < sizeof *opts) {
        weft__fatal("weft_go_with: bad options: `size` is too small");
    }
    if (opts->stack_bytes != 0 && weft__stack_shift(opts->stack_bytes) < 0) {
        weft__fatal("weft_go_with: bad options: stack_bytes is out of range (16 KiB to 1 GiB)");
    }
    if (opts->on_p < 0 || opts->on_p > rt->procs) {
        weft__fatal("weft_go_with: bad options: there is no such processor (on_p)");
    }
}

/* The same of one that is started by fn, and whose handle is co. */
static inline void fill_for(struct weft__g *g, const struct weft__p *home, int (*fn)(void *),
                            void *arg, const char *site, uint64_t id, struct weft_co *co)
{
    fill(g, home, arg, site, id, co, G_FLAG_RESULT | G_FLAG_SCOPED);
    g->entry.with_result = fn;
    co->g = g;
}

static struct weft_co *spawn_opts(struct weft__p *p, int (*fn)(void *), void *arg,
                                  const struct weft_go_opts *opts, bool has_place,
                                  const void *caller, int *error)
{
    struct weft_runtime *rt = p->rt;
    if (opts->size != sizeof *opts || opts->stack_bytes != 0 || opts->on_p != 0) {
        check_options(rt, opts);
    }
    int rc = take_place(&p, has_place, caller);
    if (WEFT__UNLIKELY(rc != 0)) {
        *error = rc;
        return NULL;
    }
    struct weft_co *co = weft__handle_make(p);
    struct weft__g *g = co != NULL ? weft__g_get(&rt->slabs, &p->g_cache) : NULL;
    char *name = NULL;
    if (g != NULL && opts->name != NULL) {
        name = weft__g_name_make(&rt->slabs, opts->name);
    }
    if (g == NULL || (opts->name != NULL && name == NULL) || !inherit(&p, g)) {
        goto out_of_memory;
    }
    fill_for(g, p, fn, arg, opts->site, weft__id_take(p), co);
    g->flags |= (uint16_t)((opts->pinned ? G_FLAG_PINNED : 0) |
                           (opts->own_fp ? G_FLAG_OWN_FP : 0));
    if (opts->own_fp) {
        g->fp = p->m->fp;
    }
    atomic_store_explicit(&g->name, name, memory_order_relaxed);
    if (opts->stack_bytes != 0) {
        g->stack_shift = (uint8_t)weft__stack_shift(opts->stack_bytes);
    }
    weft__count_turn(&p->counts.spawned);
    if (opts->on_p == 0 && !opts->pinned) {
        weft__queue_unstarted(p, g);
        return co;
    }
    struct weft__p *home = opts->on_p != 0 ? &rt->p[opts->on_p - 1] : p;
    g->p_home = (uint16_t)home->index;
    if (opts->pinned) {
        atomic_fetch_add_explicit(&home->pinned_count, 1, memory_order_relaxed);
    }
    weft__queue_bound(home, g);
    return co;

out_of_memory:
    if (name != NULL) {
        weft__g_name_free(&rt->slabs, name);
    }
    take_back(p, g);
    if (co != NULL) {
        weft__handle_drop(p, co);
    }
    *error = -ENOMEM;
    return NULL;
}

/* The P for a coroutine that nobody's P has spawned; any, where it may be stolen. */
static struct weft__p *choose_home(struct weft_runtime *rt)
{
    if (rt->may_steal) {
        return &rt->p[0];
    }
    uint32_t k = atomic_fetch_add_explicit(&rt->next_home, 1, memory_order_relaxed);
    return &rt->p[k % (uint32_t)rt->procs];
}

static WEFT__NOINLINE struct weft_co *spawn_rest(struct weft__p *p, int (*fn)(void *), void *arg,
                                                 const struct weft_go_opts *opts,
                                                 const void *caller)
{
    int error;
    struct weft_co *co = spawn_opts(p, fn, arg, opts, false, caller, &error);
    if (WEFT__UNLIKELY(co == NULL && opts->error != NULL)) {
        *opts->error = error;
    }
    return co;
}

/* Do they ask for nothing but a handle? */
static inline bool are_plain(const struct weft_go_opts *opts)
{
    unsigned flags = (unsigned)opts->pinned | (unsigned)opts->on_p | (unsigned)opts->own_fp;
    return WEFT__LIKELY(opts->size == sizeof *opts &&
                        ((uintptr_t)opts->name | opts->stack_bytes | flags) == 0);
}

/* A coroutine with a handle, if all is at hand for it; else NULL, and nothing was done. */
static WEFT__ALWAYS_INLINE struct weft_co *go_short(struct weft__m *m, int (*fn)(void *), void *arg,
                                                    const char *site)
{
    struct weft__p *p = m->p;
    struct weft_co *co = weft__handle_first(&p->handles, p->gate);
    uint64_t id;
    struct weft__g *g = co != NULL ? get_short(m, p, &id) : NULL;
    if (WEFT__UNLIKELY(g == NULL)) {
        return NULL;
    }
    weft__handle_take(&p->handles, co);
    fill_for(g, p, fn, arg, site, id, co);
    weft__count_turn(&p->counts.spawned);
    if (WEFT__UNLIKELY(!weft__queue_unstarted_short(p, g))) {
        weft__queue_unstarted(p, g);
    }
    return co;
}

struct weft_co *weft_go_opts(int (*fn)(void *), void *arg, const struct weft_go_opts *opts)
{
    struct weft__m *m = weft__m_in_coroutine("weft_go()");
    struct weft_co *co = are_plain(opts) ? go_short(m, fn, arg, opts->site) : NULL;
    return WEFT__LIKELY(co != NULL)
               ? co
               : spawn_rest(m->p, fn, arg, opts, __builtin_return_address(0));
}

static WEFT__NOINLINE struct weft_co *spawn_handle(struct weft__p *p, int (*fn)(void *), void *arg,
                                                   const char *site, int *error,
                                                   const void *caller)
{
    const struct weft_go_opts opts = {.size = sizeof opts, .site = site, .error = error};
    return spawn_rest(p, fn, arg, &opts, caller);
}

struct weft_co *weft_go_handle_at(int (*fn)(void *), void *arg, const char *site, int *error)
{
    struct weft__m *m = weft__m_in_coroutine("weft_go()");
    struct weft_co *co = go_short(m, fn, arg, site);
    return WEFT__LIKELY(co != NULL)
               ? co
               : spawn_handle(m->p, fn, arg, site, error, __builtin_return_address(0));
}

struct weft_co *weft__go_opts_placed(int (*fn)(void *), void *arg,
                                     const struct weft_go_opts *opts, int *error)
{
    return spawn_opts(weft__m_in_coroutine("weft_group_go()")->p, fn, arg, opts, true, NULL, error);
}

/* Start a coroutine from a thread that runs no P of rt: fn with a handle, or plain without.  Where
 * there is a limit, its place was taken before.  False for lack of memory. */
bool weft__spawn_foreign(struct weft_runtime *rt, int (*fn)(void *), void (*plain)(void *),
                         void *arg, const char *site, const char *name, struct weft_co *co)
{
    weft__refuse_in_child("a coroutine is started" WEFT__IN_CHILD);
    struct weft__g *g = weft__g_get_shared(&rt->slabs);
    if (g == NULL) {
        return false;
    }
    char *kept_name = name != NULL ? weft__g_name_make(&rt->slabs, name) : NULL;
    if (name != NULL && kept_name == NULL) {
        weft__g_put_shared(&rt->slabs, g);
        return false;
    }
    fill(g, choose_home(rt), arg, site, take_id_block(), fn != NULL ? co : NULL,
         fn != NULL ? G_FLAG_RESULT : 0);
    atomic_store_explicit(&g->name, kept_name, memory_order_relaxed);
    if (fn != NULL) {
        g->entry.with_result = fn;
        co->g = g;
    } else {
        g->entry.plain = plain;
    }
    weft__foreign_wake_begin();
    /* Counted first, so that it is there when the coroutine asks.  A look at a deadlock between
     * this and the next line finds a caller that is not at rest, or a foreign thread. */
    atomic_fetch_add_explicit(&rt->foreign_spawned, 1, memory_order_relaxed);
    if (rt->may_steal) {
        weft__inject_add(&rt->inject, g);
        weft__idle_wake_one(rt);
    } else {
        weft__queue_at_home(g);
    }
    weft__foreign_wake_end();
    return true;
}

uint64_t weft__live_count(const struct weft_runtime *rt)
{
    uint64_t spawned = atomic_load_explicit(&rt->foreign_spawned, memory_order_relaxed);
    uint64_t ended = 0;
    for (int i = 0; i < weft__p_count(rt); i++) {
        const struct weft__p_counts *counts = &weft__p_at(rt, i)->counts;
        spawned += atomic_load_explicit(&counts->spawned, memory_order_relaxed);
        ended += atomic_load_explicit(&counts->ended, memory_order_relaxed);
    }
    return spawned > ended ? spawned - ended : 0; /* the counts are of different moments */
}

void weft_yield(void)
{
    struct weft__m *m = weft__m_in_coroutine("weft_yield()");
    weft__mutexes_check(m, "yields", __builtin_return_address(0));
    weft__switch_yield(m, m->cur);
}
