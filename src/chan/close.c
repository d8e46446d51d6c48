/* SPDX-License-Identifier: MIT */
/*
 * close.c - the end of a channel, and of all who wait in it.
 *
 * Each who waits is woken by a look at his stack, and looks at it himself when he runs.  Of a crowd
 * all those looks would come before the first of them runs: a long time in which nobody else does,
 * and the second time nothing of it would be in a cache any more.  So a close wakes no more
 * receivers than a queue holds, and leaves the others to a coroutine that wakes as many in each of
 * its turns.  They can be sure of it: the coroutine has a reference, and nobody comes to wait in a
 * closed channel.  Senders are all told at once: a receiver must not find one that waits.
 */
#include <limits.h>

#include "../base/fatal.h"
#include "../sched/spawn.h"
#include "chan.h"

/* Half of a processor's queue, so that they stay there. */
#define AT_ONCE 128

/* Under the lock: wake up to n of those who wait in q. */
static void end_some(struct weft__waitq *q, int n)
{
    struct weft__waiter *w;
    while (n > 0 && (w = weft__waitq_claim_first(q)) != NULL) {
        w->rc = -EPIPE;
        weft__park_wake_cold(w->wait);
        n--;
    }
}

/* The next receivers; returns whether some are left. */
static bool end_next(struct weft_chan *ch)
{
    weft__lock(&ch->lock);
    end_some(&ch->receivers, AT_ONCE);
    bool is_left = ch->receivers.first != NULL;
    weft__unlock(&ch->lock);
    return is_left;
}

static void end_rest(void *arg)
{
    while (end_next(arg)) {
        weft_yield();
    }
}

static void unref(void *arg)
{
    weft_chan_unref(arg);
}

/* May a coroutine do it?  Not where others than those of its runtime wait: it ends with that. */
static bool leave_rest(struct weft_chan *ch)
{
    if (ch->is_shared || weft__park_runtime() != ch->rt) {
        return false;
    }
    weft_chan_ref(ch);
    if (!weft__go_ours(end_rest, unref, ch, "weft_chan_close")) {
        weft_chan_unref(ch);
        return false;
    }
    return true;
}

int weft_chan_close(struct weft_chan *ch)
{
    if (ch == NULL) {
        weft__fatal("weft_chan_close: the channel is NULL");
    }
    weft__lock(&ch->lock);
    bool was_closed = ch->is_closed;
    ch->is_closed = true;
    ch->word_bytes = 0;
    end_some(&ch->senders, INT_MAX);
    weft__unlock(&ch->lock);
    if (!was_closed && end_next(ch) && !leave_rest(ch)) {
        while (end_next(ch)) {
        }
    }
    return was_closed ? 1 : 0;
}
