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

static bool end_next_locked(struct weft_chan *ch)
{
    end_some(&ch->receivers, AT_ONCE);
    return ch->receivers.first != NULL;
}

/* The next receivers; returns whether some are left. */
static bool end_next(struct weft_chan *ch)
{
    weft__lock(&ch->lock);
    bool is_left = end_next_locked(ch);
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

/* By a coroutine, if it may be one: not where others than those of its runtime wait, for it ends
 * with that.  The reference is given back at the end. */
static WEFT__COLD void leave_rest(struct weft_chan *ch)
{
    bool is_ours = !ch->is_shared && weft__park_runtime() == ch->rt;
    if (is_ours && weft__go_ours(end_rest, unref, ch, "weft_chan_close")) {
        return;
    }
    while (end_next(ch)) {
    }
    weft_chan_unref(ch);
}

/* In one hold of the lock: who learns of the close may give the last reference back, so that after
 * it the channel is there for those only who have one. */
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
    bool is_left = !was_closed && end_next_locked(ch);
    if (is_left) {
        weft_chan_ref(ch);
    }
    weft__unlock(&ch->lock);
    if (is_left) {
        leave_rest(ch);
    }
    return was_closed ? 1 : 0;
}
