/* SPDX-License-Identifier: MIT */
/*
 * blocking_stop.c - a stop that waits for a blocking call says for which.
 *
 * The call reads what is said, passes it on, and ends when it has been named.
 *
 * expect-exit: 0
 * expect-stderr: ^weft: a runtime is being stopped and waits for blocking calls that have begun:$
 * expect-stderr: ^blocking calls: 1 running, 0 queued, 1 threads
 * expect-stderr: ^coroutine [0-9]+ waits: blocking call of take_long
 */
#include <semaphore.h>
#include <string.h>
#include <unistd.h>
#include <weft.h>

static sem_t has_begun;
static int report[2], console;

static int take_long(void *arg)
{
    static char text[65536];
    size_t used = 0;
    ssize_t n = 1;

    (void)arg;
    sem_post(&has_begun);
    while (strstr(text, "blocking call of take_long") == NULL &&
           (n = read(report[0], text + used, sizeof text - 1 - used)) > 0)
        used += (size_t)n;
    if (write(console, text, used) != (ssize_t)used)
        _exit(6);
    return 0;
}

static void call(void *arg)
{
    if (weft_blocking(take_long, arg, NULL) == 0)
        _exit(5);
}

int main(void)
{
    struct weft_runtime *rt;

    console = dup(2);
    if (sem_init(&has_begun, 0, 0) != 0)
        return 2;
    if (pipe(report) != 0 || dup2(report[1], 2) < 0)
        return 2;
    if (weft_runtime_start(&rt, NULL) != 0 || weft_runtime_go(rt, call, NULL) != 0)
        return 3;
    while (sem_wait(&has_begun) != 0)
        ;
    return weft_runtime_stop(rt) == 1 ? 0 : 4;
}
