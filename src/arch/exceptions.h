/* SPDX-License-Identifier: MIT */
/*
 * exceptions.h - the C++ exceptions that are being handled: the C++ runtime keeps them for each
 * thread, and a coroutine that waits inside a catch block, or in a destructor that an exception
 * runs, takes its own along and leaves none behind.
 *
 * Source: Itanium C++ ABI, Exception Handling, 2.2.2 Caught Exception Stack.
 */
#ifndef WEFT_ARCH_EXCEPTIONS_H
#define WEFT_ARCH_EXCEPTIONS_H

#include <stdbool.h>

/* What __cxa_get_globals() points to. */
struct weft__exceptions {
    void *caught;
    unsigned int n_uncaught;
};

/* Is there a C++ runtime in this process? */
bool weft__exceptions_are_there(void);

/* Take those of this thread; false if there are none.  Only where weft__exceptions_are_there(). */
bool weft__exceptions_take(struct weft__exceptions *e);

/* They are this thread's now, which has none. */
void weft__exceptions_give(const struct weft__exceptions *e);

#endif
