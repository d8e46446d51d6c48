/* SPDX-License-Identifier: MIT */
/*
 * stall_future.c - while a thread of the program holds a promise, those who wait for it are
 * reported, but the program goes on, and the thread keeps it.
 *
 * expect-exit: 0
 * expect-stderr: ^weft: stall: all 1 coroutines wait
 * expect-stderr: ^coroutine [0-9]+ "main" waits: future 0x
 * expect-stderr: ^kept after the report$
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weft.h>

static int report[2], console;

static void *keep_after_report(void *arg)
{
    char text[8192];
    size_t used = 0;
    ssize_t n;

    while (used < sizeof text - 1 &&
           (n = read(report[0], text + used, sizeof text - 1 - used)) > 0) {
        used += (size_t)n;
        text[used] = 0;
        if (strstr(text, "stall") != NULL && strstr(text, "waits: future") != NULL)
            break;
    }
    if (write(console, text, used) != (ssize_t)used || weft_promise_resolve(arg, NULL) != 0)
        _exit(3);
    weft_promise_unref(arg);
    return NULL;
}

static int app(void *arg)
{
    return weft_future_await(arg, NULL);
}

int main(void)
{
    struct weft_promise *p = weft_promise_make(0);
    struct weft_future *f = weft_promise_future(p);
    pthread_t th;

    console = dup(2);
    if (pipe(report) != 0 || dup2(report[1], 2) < 0)
        return 4;
    if (pthread_create(&th, NULL, keep_after_report, p) != 0)
        return 5;
    const int rc = weft_run(app, f);
    pthread_join(th, NULL);
    weft_future_unref(f);
    dup2(console, 2);
    fprintf(stderr, "kept after the report\n");
    return rc;
}
