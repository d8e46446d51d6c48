/* SPDX-License-Identifier: MIT */
/* base.h - what every header of Weft shares: export marks, units of time, versions, error texts. */
#ifndef WEFT_BASE_H
#define WEFT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
#define WEFT_BEGIN_DECLS extern "C" {
#define WEFT_END_DECLS }
#else
#define WEFT_BEGIN_DECLS
#define WEFT_END_DECLS
#endif

#define WEFT_API __attribute__((visibility("default")))
#define WEFT_NORETURN __attribute__((noreturn))
/* A result whose loss is a bug. */
#define WEFT_API_MUST __attribute__((visibility("default"), warn_unused_result))

#define WEFT_VERSION_MAJOR 0
#define WEFT_VERSION_MINOR 1
#define WEFT_VERSION_PATCH 0

/* Units of time: every duration and deadline is an int64_t of nanoseconds. */
#define WEFT_NS ((int64_t)1)
#define WEFT_US ((int64_t)1000)
#define WEFT_MS ((int64_t)1000000)
#define WEFT_SEC ((int64_t)1000000000)
/* A deadline that never comes. */
#define WEFT_NEVER INT64_MAX

/* The place in the source that names a coroutine or a wait in reports: "file.c:12". */
#define WEFT_STR_(x) #x
#define WEFT_STR(x) WEFT_STR_(x)
#define WEFT_SITE __FILE__ ":" WEFT_STR(__LINE__)

WEFT_BEGIN_DECLS

/**
 * weft_strerror - the text for a result code.
 *
 * @rc  a result of any call of Weft; a value >= 0 is a success.
 *
 * Returns    a constant string, never NULL; "success" for rc >= 0.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere, also in a signal handler.
 */
WEFT_API const char *weft_strerror(ssize_t rc);

/**
 * weft_version - the version of the library that is linked, as "major.minor.patch".
 *
 * Returns    a constant string.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere, also in a signal handler.
 */
WEFT_API const char *weft_version(void);

WEFT_END_DECLS
#endif
