/* SPDX-License-Identifier: MIT */
/* memory.h - whose memory the library uses, and giving back what it keeps for later. */
#ifndef WEFT_MEMORY_H
#define WEFT_MEMORY_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

struct weft_runtime;

/*
 * Where all that the library allocates comes from: its runtimes, channels, locks, handles and so
 * on.  Stacks and the descriptors of coroutines are not allocated but mapped.
 *
 * The functions are called on any thread, also several at a time, on stacks of coroutines (which
 * may be small) and while the library holds locks.  They must not call Weft, nor wait for anybody
 * who does.
 */
struct weft_allocator {
    size_t size; /* sizeof(struct weft_allocator) */
    /* `bytes` (not 0) of memory at a multiple of `alignment`, a power of two; NULL for lack of it,
       which the call that needs it reports as -ENOMEM or NULL.  It need not be zeroed. */
    void *(*allocate)(void *user, size_t bytes, size_t alignment);
    /* Takes back what allocate() gave; never NULL. */
    void (*release)(void *user, void *memory);
    void *user; /* handed to both */
};

/**
 * weft_set_allocator - let the library use this allocator instead of the C library's.
 *
 * @allocator  kept: it stays as it is until the process ends.
 *
 * It is one for the whole process, and has to be set before anything of Weft is made.  An allocator
 * without its functions, or of a wrong size, is fatal, and so is memory that is not aligned.
 *
 * Returns    0.
 * Errors     -EBUSY  memory was asked for before, or an allocator was set
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API_MUST int weft_set_allocator(const struct weft_allocator *allocator);

/**
 * weft_trim - give the memory that a runtime keeps for later back to the system.
 *
 * @rt  the runtime; NULL for the caller's.
 *
 * That is the memory of stacks whose coroutine has ended, and of descriptors where a whole slab of
 * them is free.  A runtime that is idle gives back the memory of all but 1024 stacks, and 64 more a
 * processor, by itself.  The other processors give back what each has of its own at their next look
 * around, soon after the call has returned; one that computes, when it has done.
 *
 * Returns    how many bytes were given back before the return.
 * Errors     -EINVAL  rt is NULL on a plain thread
 * Blocks     never; it makes a system call or two for each stack.
 * Threads    any thread.
 */
WEFT_API int64_t weft_trim(struct weft_runtime *rt);

WEFT_END_DECLS
#endif
