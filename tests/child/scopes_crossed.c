/* SPDX-License-Identifier: MIT */
/*
 * scopes_crossed.c - scopes end in the reverse order of their beginning.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*scope
 */
#include <weft.h>

static int app(void *arg)
{
    struct weft_scope outer, inner;

    (void)arg;
    (void)weft_set_name("culprit");
    weft_scope_begin(&outer, WEFT_SEC);
    weft_scope_begin(&inner, WEFT_SEC);
    (void)weft_scope_end(&outer);
    return 0;
}

int main(void)
{
    return weft_run(app, NULL);
}
