/* SPDX-License-Identifier: MIT */
/*
 * sigquit_dump.c - SIGQUIT writes every coroutine with its state, its sites and its call stack to
 * stderr, and the program goes on.
 *
 * A thread reads the dump, passes it on, and lets the program end when it has seen all of it.
 *
 * limit: 20
 * expect-exit: 7
 * expect-stderr: ^weft: dump on SIGQUIT$
 * expect-stderr: ^runtime: reactor (io_uring|epoll|kqueue) .*, 4 coroutines$
 * expect-stderr: ^coroutine [0-9]+ "main" waits: receive from channel 0x
 * expect-stderr: ^coroutine [0-9]+ "sleeper" waits: sleep$
 * expect-stderr: ^coroutine [0-9]+ "reader" waits: read from fd [0-9]+$
 * expect-stderr: ^coroutine [0-9]+ "busy" is run(ning|nable)
 * expect-stderr: ^    spawned at .*tests/child/sigquit_dump.c:[0-9]+$
 * expect-stderr: ^    waits at read_deep_down\+0x
 * expect-stderr: ^    #[0-9]+ call_read_deep_down\+0x
 * expect-stderr: ^the program went on$
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weft.h>

static chan *ch;
static int report[2], console, quiet[2];
static atomic_bool stop;

__attribute__((noinline)) static int read_deep_down(int fd)
{
    char byte;

    return weft_read(fd, &byte, 1) < 0 ? 1 : 2;
}

__attribute__((noinline)) static int call_read_deep_down(void *arg)
{
    return read_deep_down(*(int *)arg) + 1;
}

static int sleep_long(void *arg)
{
    (void)arg;
    return weft_sleep(3600 * WEFT_SEC);
}

static int keep_busy(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop))
        weft_yield();
    return 0;
}

static bool has_all(const char *dump)
{
    return strstr(dump, "spawned at weft_run") && strstr(dump, "\"sleeper\"") &&
           strstr(dump, "\"busy\"") && strstr(dump, "call_read_deep_down") &&
           strstr(dump, "\"main\" waits");
}

static void *pass_report_on(void *arg)
{
    static char text[65536];
    struct pollfd more = {.fd = report[0], .events = POLLIN};
    const char *dump;
    size_t used = 0;
    ssize_t n = 1;

    (void)arg;
    /* To this thread, which a runtime thread began and so blocks it; a sanitizer may keep a signal
     * back that comes from outside. */
    sigset_t quit;
    sigemptyset(&quit);
    sigaddset(&quit, SIGQUIT);
    pthread_sigmask(SIG_UNBLOCK, &quit, NULL);
    /* One may still be on its way into its wait, and has no call stack then: once more. */
    do {
        dump = text + used;
        raise(SIGQUIT);
        while (n > 0 && !has_all(dump) && poll(&more, 1, 1000) == 1) {
            n = read(report[0], text + used, sizeof text - 1 - used);
            used += n > 0 ? (size_t)n : 0;
            text[used] = 0;
        }
    } while (n > 0 && !has_all(dump));
    if (write(console, text, used) != (ssize_t)used ||
        weft_chan_send_foreign(ch, NULL, WEFT_NEVER) != 0)
        _exit(3);
    return NULL;
}

static int app(void *arg)
{
    pthread_t th;

    (void)arg;
    weft_detach(weft_go_with(sleep_long, NULL, .name = "sleeper"));
    weft_detach(weft_go_with(call_read_deep_down, &quiet[0], .name = "reader"));
    struct weft_co *busy = weft_go_with(keep_busy, NULL, .name = "busy");
    if (weft_sleep(20 * WEFT_MS) != 0 || pthread_create(&th, NULL, pass_report_on, NULL) != 0)
        return 5;
    if (chan_recv(ch, NULL) != 0)
        return 6;
    atomic_store(&stop, true);
    if (weft_join(busy, NULL) != 0 || pthread_join(th, NULL) != 0)
        return 8;
    return 7;
}

int main(void)
{
    console = dup(2);
    if (pipe(quiet) != 0 || pipe(report) != 0 || dup2(report[1], 2) < 0)
        return 4;
    ch = weft_chan_make_shared(0, 0);
    const int rc = weft_run(app, NULL);
    dup2(console, 2);
    fprintf(stderr, "the program went on\n");
    return rc;
}
