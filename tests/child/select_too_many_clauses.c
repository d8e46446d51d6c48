/* SPDX-License-Identifier: MIT */
/*
 * select_too_many_clauses.c - a select block has at most WEFT_SELECT_BLOCK_MAX clauses.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*select
 */
#include <weft.h>

#define FOUR                                                                                       \
    ON_RECV(NULL, NULL) {}                                                                         \
    ON_RECV(NULL, NULL) {}                                                                         \
    ON_RECV(NULL, NULL) {}                                                                         \
    ON_RECV(NULL, NULL) {}

static int app(void *arg)
{
    (void)arg;
    (void)weft_set_name("culprit");
    SELECT {
        FOUR FOUR FOUR FOUR
        ON_DEFAULT {}
    }
    return 0;
}

int main(void)
{
    return weft_run(app, NULL);
}
