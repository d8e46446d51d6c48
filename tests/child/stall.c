/* SPDX-License-Identifier: MIT */
/*
 * stall.c - while a thread of the program could still wake somebody, coroutines that all wait are
 * reported, but the program goes on.
 *
 * The thread reads what is reported, passes it on, and then does wake the coroutine.
 *
 * expect-exit: 0
 * expect-stderr: ^weft: stall: all 1 coroutines wait
 * expect-stderr: ^coroutine [0-9]+ "main" waits: receive from channel 0x
 * expect-stderr: ^woken after the report$
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weft.h>

static chan *ch;
static int report[2], console;

static void *wake_after_report(void *arg)
{
    char text[8192];
    size_t used = 0;
    ssize_t n;

    (void)arg;
    while (used < sizeof text - 1 &&
           (n = read(report[0], text + used, sizeof text - 1 - used)) > 0) {
        used += (size_t)n;
        text[used] = 0;
        if (strstr(text, "stall") != NULL && strstr(text, "receive from") != NULL)
            break;
    }
    if (write(console, text, used) != (ssize_t)used)
        return NULL;
    if (weft_chan_send_foreign(ch, NULL, WEFT_NEVER) != 0)
        _exit(3);
    return NULL;
}

static int app(void *arg)
{
    (void)arg;
    return chan_recv(ch, NULL);
}

int main(void)
{
    pthread_t th;

    console = dup(2);
    if (pipe(report) != 0 || dup2(report[1], 2) < 0)
        return 4;
    ch = weft_chan_make_shared(0, 0);
    if (pthread_create(&th, NULL, wake_after_report, NULL) != 0)
        return 5;
    const int rc = weft_run(app, NULL);
    pthread_join(th, NULL);
    dup2(console, 2);
    fprintf(stderr, "woken after the report\n");
    return rc;
}
