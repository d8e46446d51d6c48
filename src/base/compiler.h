/* SPDX-License-Identifier: MIT */
/* compiler.h - what we ask of gcc and clang beyond C11. */
#ifndef WEFT_BASE_COMPILER_H
#define WEFT_BASE_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEFT__NOINLINE __attribute__((noinline))
#define WEFT__ALWAYS_INLINE inline __attribute__((always_inline))
#define WEFT__COLD __attribute__((noinline, cold))
#define WEFT__LIKELY(x) __builtin_expect(!!(x), 1)
#define WEFT__UNLIKELY(x) __builtin_expect(!!(x), 0)
/* Neither: a choice that is better made without a branch. */
#if defined(__has_builtin)
#if __has_builtin(__builtin_expect_with_probability)
#define WEFT__EVEN(x) __builtin_expect_with_probability(!!(x), 1, 0.5)
#endif
#endif
#ifndef WEFT__EVEN
#define WEFT__EVEN(x) (x)
#endif
#define WEFT__CACHE_LINE 64
#define WEFT__ALIGNED_LINE __attribute__((aligned(WEFT__CACHE_LINE)))
#define WEFT__COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define WEFT__CONTAINER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* A bound, and what it is in the checks of tests/model: there a thread that spins shall say so
 * at once, and a queue be full soon. */
#ifdef WEFT_MODEL
#define WEFT__BOUND(bound, in_models) (in_models)
#else
#define WEFT__BOUND(bound, in_models) (bound)
#endif

/* The sanitizers that the library is built with. */
#ifndef WEFT_MODEL /* which takes their place */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT__ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define WEFT__TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WEFT__ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define WEFT__TSAN 1
#endif
#endif

/*
 * A hint that so many bytes from here on will be written to soon; any address will do.  On x86-64
 * compilers, which have to do with the oldest ones, make it one for reading: then a line that
 * another processor has is fetched twice, to read it and to write it.
 */
static inline void weft__prefetch(const void *from, int bytes)
{
    for (int at = 0; at < bytes; at += WEFT__CACHE_LINE) {
        const char *line = (const char *)from + at;
#if defined(__x86_64__)
        __asm__ volatile("prefetchw %0" : : "m"(*line)); /* does nothing where it is unknown */
#else
        __builtin_prefetch(line, 1);
#endif
    }
}

/* A hint that this thread spins. */
static inline void weft__cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#endif
}

#endif
