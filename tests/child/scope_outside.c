/* SPDX-License-Identifier: MIT */
/*
 * scope_outside.c - a plain thread has no scopes.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*scope
 */
#include <weft.h>

int main(void)
{
    struct weft_scope s;

    weft_scope_begin(&s, WEFT_SEC);
    return 0;
}
