/* SPDX-License-Identifier: MIT */
/* exceptions_elf.c - see exceptions.h.  The library does not need a C++ runtime: the reference is
 * weak. */
#include "exceptions.h"

#include <stddef.h>

#include "../base/compiler.h"

extern struct weft__exceptions *__cxa_get_globals(void) __attribute__((weak));

bool weft__exceptions_are_there(void)
{
    return __cxa_get_globals != NULL;
}

WEFT__NOINLINE bool weft__exceptions_take(struct weft__exceptions *e)
{
    struct weft__exceptions *now = __cxa_get_globals();
    if (WEFT__LIKELY(now->caught == NULL && now->n_uncaught == 0)) {
        return false;
    }
    *e = *now;
    now->caught = NULL;
    now->n_uncaught = 0;
    return true;
}

WEFT__NOINLINE void weft__exceptions_give(const struct weft__exceptions *e)
{
    *__cxa_get_globals() = *e;
}
