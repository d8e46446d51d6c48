/* SPDX-License-Identifier: MIT */
/*
 * reader_of_two.c - a reader in which somebody waits is nobody else's.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*weft_reader.*coroutine [0-9]+ "culprit"
 */
#include <weft.h>

static ssize_t wait_for_ever(void *is_there, void *buf, size_t n)
{
    (void)buf;
    (void)n;
    (void)chan_send(is_there, NULL);
    return weft_sleep(WEFT_NEVER);
}

static int wait_for_a_line(void *in)
{
    struct weft_line line;
    return weft_reader_line(in, &line);
}

static int app(void *arg)
{
    chan *is_there = chan_make(0, 0);
    const struct weft_stream from = {.read = wait_for_ever, .arg = is_there};
    struct weft_reader *in = weft_reader_make(from, 64);

    (void)arg;
    (void)weft_set_name("culprit");
    weft_detach(weft_go_with(wait_for_a_line, in));
    (void)chan_recv(is_there, NULL);
    return wait_for_a_line(in);
}

int main(void)
{
    return weft_run(app, NULL);
}
