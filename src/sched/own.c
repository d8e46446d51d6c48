/* SPDX-License-Identifier: MIT */
/* own.c - see own.h. */
#include "own.h"

#include <weft/go.h>
#include <weft/local.h>

#include "../base/self.h"

WEFT__COLD void weft__own_load(const struct weft__g *to)
{
    if ((to->flags & G_FLAG_OWN_FP) != 0) {
        weft__fp_load(&to->fp);
    }
    if ((to->flags & G_FLAG_OWN_ERRNO) != 0) {
        weft__errno_set(atomic_load_explicit(&to->own_errno, memory_order_relaxed));
    }
}

WEFT__COLD void weft__own_switch(struct weft__m *m, struct weft__g *from, const struct weft__g *to)
{
    if ((from->flags & G_FLAG_OWN_FP) != 0) {
        weft__fp_save(&from->fp);
        weft__fp_load(&m->fp);
    }
    if ((from->flags & G_FLAG_OWN_ERRNO) != 0) {
        atomic_store_explicit(&from->own_errno, weft__errno(), memory_order_relaxed);
    }
    if (to != NULL) {
        weft__own_load(to);
    }
}

static void own(uint16_t flag)
{
    struct weft__g *g = weft__g_self();
    if (g != NULL) {
        g->flags |= flag;
    }
}

void weft_own_fp(void)
{
    own(G_FLAG_OWN_FP);
}

void weft_own_errno(void)
{
    own(G_FLAG_OWN_ERRNO);
}
