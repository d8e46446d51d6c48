/* SPDX-License-Identifier: MIT */
/* member.c - going into a scope of a group's, and out of it; see group.h. */
#include "group.h"

void weft__member_enter(struct weft__group *g, struct weft__member *m)
{
    struct weft__g *self = weft__park_self("");
    weft__scope_init(&m->scope, self->scope, INT64_MAX, SCOPE_BASE);
    weft__scope_push(self, &m->scope);
    weft__lock(&g->lock);
    if (g->is_cancelled) {
        weft__scope_mark(&m->scope);
    }
    m->next = g->members;
    m->prev_next = &g->members;
    if (m->next != NULL) {
        m->next->prev_next = &m->next;
    }
    g->members = m;
    weft__unlock(&g->lock);
}

void weft__member_leave_locked(struct weft__member *m)
{
    *m->prev_next = m->next;
    if (m->next != NULL) {
        m->next->prev_next = m->prev_next;
    }
    weft__scope_pop(&m->scope);
}
