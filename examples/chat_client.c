/* SPDX-License-Identifier: MIT */
/*
 * chat_client.c - takes part in a chat by hand: the terminal and the socket in one select.
 *
 *     chat_client HOST:PORT NAME
 *
 * Ends when the server does.  At the end of the input (^D) it says so to the server, and still
 * shows what comes until the server has closed the connection, too.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <weft.h>

struct session {
    const char *where, *name;
};

/* Passes on what is there; how many bytes, 0 at the end of the stream, or -errno. */
static ssize_t pass_on(int from, int to)
{
    char buffer[4096];
    const ssize_t n = weft_read(from, buffer, sizeof(buffer));

    return n <= 0 ? n : weft_write_full(to, buffer, (size_t)n);
}

/* Sends the name as the first line. */
static ssize_t introduce(int fd, const char *name)
{
    const struct iovec line[] = {{(void *)(uintptr_t)name, strlen(name)}, {"\n", 1}};

    return weft_writev_full(fd, line, 2);
}

static int app(void *arg)
{
    const struct session *session = arg;
    const int fd = weft_dial(session->where);
    ssize_t n = fd < 0 ? fd : introduce(fd, session->name);
    int n_cases = 2;

    while (n > 0) {
        struct weft_case cases[] = {weft_case_readable(fd), weft_case_readable(STDIN_FILENO)};
        const int chosen = weft_select(cases, n_cases);

        if (chosen == 0) {
            n = pass_on(fd, STDOUT_FILENO);
        } else if (chosen == 1) {
            n = pass_on(STDIN_FILENO, fd);
            if (n == 0) {
                weft_shutdown(fd, SHUT_WR);
                n_cases = 1; /* from now on the socket alone */
                n = 1;
            }
        } else {
            n = chosen;
        }
    }
    if (n < 0)
        fprintf(stderr, "%s: %s\n", session->where, weft_strerror(n));
    if (fd >= 0)
        weft_close(fd);
    return n == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct session session;

    if (argc != 3) {
        fprintf(stderr, "usage: chat_client HOST:PORT NAME\n");
        return 2;
    }
    session = (struct session){argv[1], argv[2]};
    return weft_run(app, &session);
}
