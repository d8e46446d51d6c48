/* SPDX-License-Identifier: MIT */
/* waits_dial.h - of waits.h: the calls that dial or look names up, and what makes them go on. */
#ifndef WEFT_TESTS_WAITS_DIAL_H
#define WEFT_TESTS_WAITS_DIAL_H

#include "waits_world.h"

static ssize_t call_dial(struct world *w)
{
    return weft_dial(w->crowd_name);
}

static ssize_t call_dial_addr(struct world *w)
{
    struct weft_addr addr;
    CHECK_EQ(weft_addr_parse(&addr, w->crowd_name), 0);
    return weft_dial_addr(&addr);
}

static ssize_t call_dial_any(struct world *w)
{
    struct weft_addr addr;
    CHECK_EQ(weft_addr_parse(&addr, w->crowd_name), 0);
    return weft_dial_any(&addr, 1, NULL);
}

static ssize_t call_dial_opts(struct world *w)
{
    return weft_dial_opts(w->crowd_name, NULL);
}

static ssize_t call_resolve(struct world *w)
{
    struct weft_addr addr;
    return weft_resolve(w->name, "80", &addr, 1, NULL);
}

static ssize_t call_listen(struct world *w)
{
    char where[40];
    snprintf(where, sizeof where, "%s:0", w->name);
    return weft_listen(where);
}

static void take_from_crowd(struct world *w)
{
    int fd = weft_accept(w->crowd, NULL);
    CHECK_GE(fd, 0);
    CHECK_EQ(weft_close(fd), 0);
}

static void answer_lookups(struct world *w)
{
    open_names(w);
    CHECK_EQ(call_resolve(w), 1);
}

#endif
