/* SPDX-License-Identifier: MIT */
/*
 * items.h - coroutines that are made visible and found, for the models of Ps: ITEMS of them, which
 * the file that includes this defines.
 */
#ifndef WEFT_MODEL_ITEMS_H
#define WEFT_MODEL_ITEMS_H

#include "procs.h"

struct item {
    struct weft__g g;
    struct model_cell content;
    int taken;
};

static struct item items[ITEMS];

/* They run nowhere: a thread that has found one has done its work. */
bool weft__g_bind_stack(struct weft__p *p, struct weft__g *g)
{
    (void)p;
    (void)g;
    return true;
}

static struct weft__g *make(int i)
{
    atomic_init(&items[i].g.ctx.sp, &items[i]); /* saved.c is about those that are not */
    model_put(&items[i].content, 1);
    return &items[i].g;
}

/* Its number. */
static int take(struct weft__g *g)
{
    struct item *it = (struct item *)g;

    MODEL_CHECK(model_get(&it->content) == 1);
    model_put(&it->content, 0);
    it->taken++;
    return (int)(it - items);
}

#endif
