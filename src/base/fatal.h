/* SPDX-License-Identifier: MIT */
/* fatal.h - the end of a program that was wrong: one constant line that names the coroutine. */
#ifndef WEFT_BASE_FATAL_H
#define WEFT_BASE_FATAL_H

/*
 * Print "weft: fatal: <what> (coroutine 7 "reader", spawned at file.c:12)" and the call stack, then
 * abort().  `what` is a constant sentence without a full stop.
 */
_Noreturn void weft__fatal(const char *what);

/* The same without the end, which is about to come anyway; once a process. */
void weft__fatal_tell(const char *what);

/* Set by what lies above, once there is a runtime: names the coroutine that runs on this thread, ""
 * outside a coroutine; and prints the call stack of this thread on stderr. */
extern char *(*weft__fatal_who)(char *text, unsigned bytes);
extern void (*weft__fatal_trace)(void);

/* An invariant of ours: checked in every build, since a broken one is a lost program. */
#define WEFT__ASSERT(x)                                                                            \
    do {                                                                                           \
        if (__builtin_expect(!(x), 0)) {                                                           \
            weft__fatal("internal: " #x);                                                          \
        }                                                                                          \
    } while (0)

/* One that costs too much for a release build. */
#ifdef WEFT_DEBUG
#define WEFT__DEBUG_ASSERT(x) WEFT__ASSERT(x)
#else
#define WEFT__DEBUG_ASSERT(x) ((void)sizeof(x))
#endif

#endif
