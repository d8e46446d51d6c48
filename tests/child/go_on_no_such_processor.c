/* SPDX-License-Identifier: MIT */
/*
 * go_on_no_such_processor.c - a coroutine starts on a processor that there is.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*processor
 */
#include <weft.h>

static int end(void *arg)
{
    (void)arg;
    return 0;
}

static int app(void *arg)
{
    (void)arg;
    (void)weft_set_name("culprit");
    return weft_go_with(end, NULL, .on_p = WEFT_ON_P(weft_runtime_procs(NULL))) == NULL;
}

int main(void)
{
    return weft_run(app, NULL);
}
