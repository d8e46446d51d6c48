/* SPDX-License-Identifier: MIT */
/*
 * writer_freed_in_use.c - a writer in which somebody waits cannot be freed.
 *
 * env: WEFT_PROCS=1
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*weft_writer.*coroutine [0-9]+ "culprit"
 */
#include <weft.h>

static int write_without_end(void *out)
{
    static const char zeros[65536];

    while (weft_writer_write(out, zeros, sizeof zeros) > 0)
        ;
    return 0;
}

static int app(void *arg)
{
    int fds[2];

    (void)arg;
    (void)weft_set_name("culprit");
    if (weft_socket_pair(fds) != 0)
        return 1;
    struct weft_writer *out = weft_writer_make(weft_stream_of_fd(fds[0]), 64);
    weft_detach(weft_go_with(write_without_end, out));
    (void)weft_sleep(50 * WEFT_MS); /* with one processor it waits then */
    weft_writer_free(out);
    return 0;
}

int main(void)
{
    return weft_run(app, NULL);
}
