/* SPDX-License-Identifier: MIT */
/* chat_peer.h - a member of the chat as a test sees it: lines said, lines heard. */
#ifndef WEFT_TESTS_CHAT_PEER_H
#define WEFT_TESTS_CHAT_PEER_H

#include "program.h"

#define LINE_MAX_BYTES 4096

/* A member of the chat, and what it has read of the line that is coming. */
struct peer {
    int fd;
    char line[LINE_MAX_BYTES];
};

TEST_FN struct program chat_start(void)
{
    return server_start("chat_server", "--port", "0");
}

/* The next line; NULL at the end of the stream. */
TEST_FN const char *hear(struct peer *peer)
{
    return read_line(peer->fd, peer->line, sizeof(peer->line), PATIENCE_MS) ? peer->line : NULL;
}

TEST_FN void expect(struct peer *peer, const char *text)
{
    const char *line = hear(peer);

    if (line == NULL || strcmp(line, text) != 0)
        TEST_FAIL("\"%s\" instead of \"%s\"", line != NULL ? line : "(the end)", text);
}

/* A line of the server's own: '*' for news, '!' for what is wrong. */
TEST_FN void expect_mark(struct peer *peer, char mark)
{
    const char *line = hear(peer);

    if (line == NULL || line[0] != mark)
        TEST_FAIL("\"%s\" instead of a line with %c", line != NULL ? line : "(the end)", mark);
}

TEST_FN void say(struct peer *peer, const char *text)
{
    char line[LINE_MAX_BYTES];

    send_bytes(peer->fd, line, (size_t)snprintf(line, sizeof(line), "%s\n", text));
}

/* Comes in and has heard the greeting, but has no name. */
TEST_FN struct peer arrive(const struct program *server, int recv_bytes)
{
    struct peer peer = {.fd = connect_with(server, recv_bytes)};

    expect_mark(&peer, '*');
    return peer;
}

/* Comes in under a name, and has heard the welcome. */
TEST_FN struct peer join(const struct program *server, const char *name)
{
    struct peer peer = arrive(server, 0);

    say(&peer, name);
    expect_mark(&peer, '*');
    return peer;
}

/* Nothing has come for the peer before this point: it asks who is there, and hears that next. */
TEST_FN void expect_silence(struct peer *peer)
{
    const char *line;

    say(peer, "/who");
    line = hear(peer);
    if (line == NULL || strncmp(line, "* here: ", 8) != 0)
        TEST_FAIL("\"%s\" instead of silence", line != NULL ? line : "(the end)");
}

#endif
