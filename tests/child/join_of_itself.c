/* SPDX-License-Identifier: MIT */
/*
 * join_of_itself.c - a coroutine that joins itself is told so, and does not hang.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^weft: fatal: .*coroutine [0-9]+ "culprit"
 * expect-stderr: ^weft: fatal: .*join
 */
#include <weft.h>

static chan *handles;

static int join_itself(void *arg)
{
    struct weft_co *self = NULL;

    (void)arg;
    if (chan_recv(handles, &self) != 0)
        return 1;
    return weft_join(self, NULL);
}

static int app(void *arg)
{
    struct weft_co *co = NULL;

    (void)arg;
    handles = chan_make(sizeof co, 1);
    co = weft_go_with(join_itself, NULL, .name = "culprit");
    if (chan_send(handles, &co) != 0)
        return 1;
    return chan_recv(NULL, NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
