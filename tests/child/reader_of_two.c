/* SPDX-License-Identifier: MIT */
/*
 * reader_of_two.c - a reader in which somebody waits is nobody else's.
 *
 * env: WEFT_PROCS=1
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*weft_reader.*coroutine [0-9]+ "culprit"
 */
#include <weft.h>

static int wait_for_a_line(void *in)
{
    struct weft_line line;
    return weft_reader_line(in, &line);
}

static int app(void *arg)
{
    int fds[2];

    (void)arg;
    (void)weft_set_name("culprit");
    if (weft_socket_pair(fds) != 0)
        return 1;
    struct weft_reader *in = weft_reader_make(weft_stream_of_fd(fds[0]), 64);
    weft_detach(weft_go_with(wait_for_a_line, in));
    weft_yield(); /* with one processor it waits then */
    return wait_for_a_line(in);
}

int main(void)
{
    return weft_run(app, NULL);
}
