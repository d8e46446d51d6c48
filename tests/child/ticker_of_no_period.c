/* SPDX-License-Identifier: MIT */
/*
 * ticker_of_no_period.c - a ticker has a period of at least 1 ns.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*(ticker|period)
 */
#include <weft.h>

static int app(void *arg)
{
    (void)arg;
    (void)weft_set_name("culprit");
    return weft_ticker_make(0, WEFT_TICK_SKIP) == NULL;
}

int main(void)
{
    return weft_run(app, NULL);
}
