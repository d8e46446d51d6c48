/* SPDX-License-Identifier: MIT */
/* life.c - making, referring to, asking about and freeing channels. */
#include "../base/fatal.h"
#include "../base/sys.h"
#include "transfer.h"

/* What an unbounded channel begins with. */
#define UNBOUNDED_SLOTS 16

static struct weft_chan *make(size_t elem_bytes, size_t capacity, struct weft_runtime *rt)
{
    if (elem_bytes > WEFT_CHAN_ELEM_BYTES_MAX) {
        weft__fatal("weft_chan_make: elem_bytes is larger than WEFT_CHAN_ELEM_BYTES_MAX");
    }
    size_t slots = capacity == WEFT_CHAN_UNBOUNDED ? UNBOUNDED_SLOTS : capacity;
    if (elem_bytes != 0 && slots > (SIZE_MAX / 2) / elem_bytes) {
        return NULL;
    }
    struct weft_chan *ch = weft__alloc(sizeof *ch);
    if (ch == NULL) {
        return NULL;
    }
    if (slots != 0) {
        ch->buffer = weft__alloc(slots * elem_bytes + 1); /* never NULL, also for signals */
        if (ch->buffer == NULL) {
            weft__free(ch);
            return NULL;
        }
    }
    if (rt == NULL) {
        weft__lock_init(&ch->lock, RANK_CHAN);
    } else {
        weft__lock_init_biased(&ch->lock, RANK_CHAN);
    }
    weft__waitq_init(&ch->receivers, &ch->lock);
    weft__waitq_init(&ch->senders, &ch->lock);
    ch->elem_bytes = (uint32_t)elem_bytes;
    ch->word_bytes = elem_bytes == 8 || elem_bytes == 4 ? (uint8_t)elem_bytes : 0;
    ch->capacity = capacity;
    ch->slots = slots;
    ch->rt = rt;
    ch->is_shared = rt == NULL;
    atomic_init(&ch->refs, 1);
    return ch;
}

/* Under the lock: an allocation there is the exception, and amortised over as many sends. */
bool weft__chan_grow(struct weft_chan *ch)
{
    size_t slots = ch->slots * 2;
    unsigned char *larger = slots < (SIZE_MAX / 2) / (ch->elem_bytes + 1)
                                ? weft__alloc(slots * ch->elem_bytes + 1)
                                : NULL;
    if (larger == NULL) {
        return false;
    }
    size_t first = ch->slots - ch->head;
    if (first > ch->count) {
        first = ch->count;
    }
    memcpy(larger, ch->buffer + ch->head * ch->elem_bytes, first * ch->elem_bytes);
    memcpy(larger + first * ch->elem_bytes, ch->buffer, (ch->count - first) * ch->elem_bytes);
    weft__free(ch->buffer);
    ch->buffer = larger;
    ch->slots = slots;
    ch->head = 0;
    return true;
}

struct weft_chan *weft_chan_make(size_t elem_bytes, size_t capacity)
{
    return make(elem_bytes, capacity, weft__park_runtime());
}

struct weft_chan *weft_chan_make_shared(size_t elem_bytes, size_t capacity)
{
    return make(elem_bytes, capacity, NULL);
}

struct weft_chan *weft_chan_ref(struct weft_chan *ch)
{
    /* relaxed: the caller has a reference already; the order comes with the last [CHAN-REF]. */
    atomic_fetch_add_explicit(&ch->refs, 1, memory_order_relaxed);
    return ch;
}

void weft_chan_unref(struct weft_chan *ch)
{
    if (ch == NULL) {
        return;
    }
    /* acq_rel [CHAN-REF]: the one who frees comes after everything others did with it. */
    uint32_t before = atomic_fetch_sub_explicit(&ch->refs, 1, memory_order_acq_rel);
    if (before == 0) {
        weft__fatal("weft_chan_unref: the channel has no reference left");
    }
    if (before > 1) {
        return;
    }
    weft__lock(&ch->lock); /* whoever woke us may still be leaving the lock */
    bool has_waiters = ch->receivers.first != NULL || ch->senders.first != NULL;
    weft__unlock(&ch->lock);
    if (has_waiters) {
        weft__fatal("weft_chan_unref: the last reference to a channel was given back while "
                    "somebody waits in it");
    }
    weft__free(ch->buffer);
    weft__free(ch);
}

size_t weft_chan_len(struct weft_chan *ch)
{
    weft__lock(&ch->lock);
    size_t n = ch->count;
    weft__unlock(&ch->lock);
    return n;
}

size_t weft_chan_cap(const struct weft_chan *ch)
{
    return ch->capacity;
}

bool weft_chan_is_closed(struct weft_chan *ch)
{
    weft__lock(&ch->lock);
    bool is_closed = ch->is_closed;
    weft__unlock(&ch->lock);
    return is_closed;
}
