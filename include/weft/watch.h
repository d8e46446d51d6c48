/* SPDX-License-Identifier: MIT */
/*
 * watch.h - one value that changes, and those who want to know its latest state: a configuration,
 * a progress, a leader.
 *
 *     struct weft_watch *w = weft_watch_make(sizeof config, &config);
 *
 *     weft_watch_set(w, &config);                            who changes it
 *     weft_watch_close(w);
 *
 *     uint64_t seen = 0;                                     who follows it
 *     while (weft_watch_wait(w, &config, &seen) == 0)
 *         apply(&config);
 *
 * Each value has a version: 1 is the one that it was made with, and each set counts on.  Whoever
 * follows keeps the version that he has seen, 0 for none.  Values in between may be skipped, the
 * last one never.
 */
#ifndef WEFT_WATCH_H
#define WEFT_WATCH_H

#include <weft/chan.h>

WEFT_BEGIN_DECLS

struct weft_watch;

/**
 * weft_watch_make - make a watched value.
 *
 * @elem_bytes  size of the value, 0 .. WEFT_CHAN_ELEM_BYTES_MAX; 0 makes a version alone, and the
 *              value pointers may then be NULL.
 * @initial     elem_bytes bytes, its version 1; NULL stands for zeros.
 *
 * The maker holds one reference.
 *
 * Returns    the watch, NULL for lack of memory; a bad argument is fatal.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API_MUST struct weft_watch *weft_watch_make(size_t elem_bytes, const void *initial);

/**
 * weft_watch_ref - take one more reference.
 *
 * @w  the watch, to which the caller has a reference.
 *
 * Returns    w.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API struct weft_watch *weft_watch_ref(struct weft_watch *w);

/**
 * weft_watch_unref - give a reference back; the last one frees the watch.
 *
 * @w  the watch; NULL is allowed and does nothing.
 *
 * It is fatal to give the last reference back while somebody waits in it.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_watch_unref(struct weft_watch *w);

/**
 * weft_watch_set - change the value.
 *
 * @w      the watch; the caller holds a reference.
 * @value  elem_bytes bytes, copied before the call returns; it counts as a change even if they are
 *         the same as before.
 *
 * Returns    0; all who wait wake.
 * Errors     -EPIPE  the watch is closed; not changed
 * Blocks     never.
 * Threads    any thread.
 * Order      what the caller wrote before is visible to those who see the value.
 */
WEFT_API int weft_watch_set(struct weft_watch *w, const void *value);

/**
 * weft_watch_get - the value as it is now.
 *
 * @w        the watch; the caller holds a reference.
 * @value    receives elem_bytes bytes; NULL drops them.
 * @version  receives the version of the value; NULL is allowed.
 *
 * Returns    nothing.
 * Errors     none; a closed watch keeps its last value.
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API void weft_watch_get(struct weft_watch *w, void *value, uint64_t *version);

/**
 * weft_watch_wait - wait until the value is another one than the caller has seen.
 *
 * @w        the watch; the caller holds a reference for the whole call.
 * @value    receives elem_bytes bytes, the latest value; NULL drops them.
 * @version  the version that the caller has seen, 0 for none; receives that of the value.
 *
 * It returns at once if the value has changed since.  Nothing is written unless 0 is returned.
 *
 * Returns    0.
 * Errors     -EPIPE      closed, and the caller has seen the last value
 *            -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 * Blocks     the coroutine, never the thread; on a plain thread, the thread.
 * Threads    any thread.
 * Order      all that was written before the set is visible here.
 */
WEFT_API_MUST int weft_watch_wait(struct weft_watch *w, void *value, uint64_t *version);

/**
 * weft_watch_close - say that the value will not change any more.
 *
 * @w  the watch; the caller holds a reference.
 *
 * Those who wait get -EPIPE, those who have not seen the last value can still see it.  Closing
 * twice is allowed and does nothing the second time.
 *
 * Returns    0; 1 if it was closed before.
 * Errors     none
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API int weft_watch_close(struct weft_watch *w);

WEFT_END_DECLS
#endif
