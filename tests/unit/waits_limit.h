/* SPDX-License-Identifier: MIT */
/*
 * waits_limit.h - the calls of waits.h that start a coroutine where the runtime has a limit, and
 * wait for a place.
 *
 * The places are taken when the call is made, or when one is made free again: else all the other
 * rows would be at the limit, too.
 */
#ifndef WEFT_TESTS_WAITS_LIMIT_H
#define WEFT_TESTS_WAITS_LIMIT_H

#include "waits_world.h"

static int stay(void *gate)
{
    WEFT_SHIELD (s, WEFT_NEVER)
        CHECK(chan_recv(gate, NULL) == 0 || weft_chan_is_closed(gate));
    return 0;
}

static void take_places_locked(struct world *w)
{
    struct weft_co *co = NULL;

    if (w->n_stayers != 0)
        return;
    WEFT_DEADLINE (not_waiting, -1)
        while ((co = weft_go_with(stay, w->places)) != NULL)
            w->stayers[w->n_stayers++] = co;
    CHECK_GT(w->n_stayers, 0);
}

static void take_places(struct world *w)
{
    WEFT_SHIELD (s, WEFT_NEVER) {
        CHECK_EQ(weft_mutex_lock(w->places_mutex), 0);
        take_places_locked(w);
        weft_mutex_unlock(w->places_mutex);
    }
}

/* One of those who stay leaves; when his handle says so, his place is free. */
static void free_a_place(struct world *w)
{
    int i = 0;

    CHECK_EQ(weft_mutex_lock(w->places_mutex), 0);
    take_places_locked(w);
    CHECK_EQ(chan_send(w->places, NULL), 0);
    while (!weft_done(w->stayers[i])) {
        i = (i + 1) % w->n_stayers;
        if (i == 0)
            weft_yield();
    }
    join(w->stayers[i]);
    w->stayers[i] = w->stayers[--w->n_stayers];
    weft_mutex_unlock(w->places_mutex);
}

static void leave_at_once(void *unused)
{
    (void)unused;
}

static int end_at_once(void *unused)
{
    (void)unused;
    return 0;
}

static ssize_t call_go(struct world *w)
{
    take_places(w);
    return weft_go(leave_at_once, NULL);
}

static ssize_t call_runtime_go(struct world *w)
{
    take_places(w);
    return weft_runtime_go(weft_runtime_current(), leave_at_once, NULL);
}

static ssize_t call_go_with(struct world *w)
{
    int error = 0;

    take_places(w);
    w->started = weft_go_with(end_at_once, NULL, .name = "started", .error = &error);
    return error;
}

static ssize_t call_go_handle(struct world *w)
{
    int error = 0;

    take_places(w);
    w->started = weft_go_handle_at(end_at_once, NULL, WEFT_SITE, &error);
    return error;
}

static void join_started(struct world *w, ssize_t rc)
{
    (void)rc;
    WEFT_SHIELD (s, WEFT_NEVER)
        join(w->started);
}

static ssize_t call_group_go_at_limit(struct world *w)
{
    take_places(w);
    return weft_group_go(&w->open_group, end_at_once, NULL);
}

static void cancel_open_group(struct world *w)
{
    weft_group_cancel(&w->open_group);
}

#endif
