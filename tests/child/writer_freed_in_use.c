/* SPDX-License-Identifier: MIT */
/*
 * writer_freed_in_use.c - a writer in which somebody waits cannot be freed.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*weft_writer.*coroutine [0-9]+ "culprit"
 */
#include <weft.h>

static ssize_t wait_for_ever(void *is_there, const void *buf, size_t n)
{
    (void)buf;
    (void)n;
    (void)chan_send(is_there, NULL);
    return weft_sleep(WEFT_NEVER);
}

static int flush(void *out)
{
    return weft_writer_printf(out, "x") == 1 ? weft_writer_flush(out) : 1;
}

static int app(void *arg)
{
    chan *is_there = chan_make(0, 0);
    const struct weft_stream to = {.write = wait_for_ever, .arg = is_there};
    struct weft_writer *out = weft_writer_make(to, 64);

    (void)arg;
    (void)weft_set_name("culprit");
    weft_detach(weft_go_with(flush, out));
    (void)chan_recv(is_there, NULL);
    weft_writer_free(out);
    return 0;
}

int main(void)
{
    return weft_run(app, NULL);
}
