/* SPDX-License-Identifier: MIT */
/* fatal.c - see fatal.h. */
#include "fatal.h"

#include <stdlib.h>

#include "atomic.h"
#include "compiler.h"
#include "forked.h"
#include "text.h"

char *(*weft__fatal_who)(char *text, unsigned bytes);
void (*weft__fatal_trace)(void);

_Atomic bool weft__is_forked;

static _Atomic bool is_told;

WEFT__COLD void weft__fatal_tell(const char *what)
{
    if (atomic_exchange_explicit(&is_told, true, memory_order_relaxed)) {
        return;
    }
    char line[1024];
    char who[160];
    struct weft__text t;
    weft__text_init(&t, line, sizeof line);
    weft__text_add(&t, "weft: fatal: ");
    weft__text_add(&t, what);
    if (weft__fatal_who != NULL) {
        const char *name = weft__fatal_who(who, sizeof who);
        if (name[0] != 0) {
            weft__text_add(&t, " (");
            weft__text_add(&t, name);
            weft__text_add(&t, ")");
        }
    }
    weft__text_add(&t, "\n");
    (void)weft__text_write(&t, 2);
    if (weft__fatal_trace != NULL) {
        weft__fatal_trace();
    }
}

WEFT__COLD _Noreturn void weft__fatal(const char *what)
{
    weft__fatal_tell(what);
    abort();
}
