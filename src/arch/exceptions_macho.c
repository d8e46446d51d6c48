/* SPDX-License-Identifier: MIT */
/* exceptions_macho.c - see exceptions.h: where a weak reference cannot be left open, the C++
 * runtime is looked for at the start. */
#include "exceptions.h"

#include <dlfcn.h>

#include "../base/atomic.h"
#include "../base/compiler.h"

typedef struct weft__exceptions *globals_fn(void);
static _Atomic(globals_fn *) globals; /* the same for all who look */

bool weft__exceptions_are_there(void)
{
    globals_fn *found = (globals_fn *)dlsym(RTLD_DEFAULT, "__cxa_get_globals");
    atomic_store_explicit(&globals, found, memory_order_relaxed);
    return found != NULL;
}

static struct weft__exceptions *of_thread(void)
{
    return atomic_load_explicit(&globals, memory_order_relaxed)();
}

WEFT__NOINLINE bool weft__exceptions_take(struct weft__exceptions *e)
{
    struct weft__exceptions *now = of_thread();
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
    *of_thread() = *e;
}
