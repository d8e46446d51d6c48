/* SPDX-License-Identifier: MIT */
/*
 * proxy.c - the proxy between plain sockets.
 *
 * link: none
 */
#include "plain_server.h"

/* A client, the server behind the proxy, and the connection of both. */
struct pair {
    struct program proxy;
    int listener, client, server;
};

static struct program proxy_to(int port)
{
    char where[32];

    snprintf(where, sizeof(where), "localhost:%d", port);
    return server_start("proxy", "--port", "0", "--to", where);
}

static struct pair pair_make(void)
{
    struct pair p;
    int port;

    p.listener = plain_listen(&port);
    p.proxy = proxy_to(port);
    p.client = connect_with(&p.proxy, 0);
    p.server = plain_accept(p.listener);
    return p;
}

static void expect_bytes(int fd, const char *text)
{
    char line[256];

    CHECK(read_line(fd, line, sizeof(line), PATIENCE_MS));
    CHECK_STR(line, text);
}

static void expect_reset(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    char byte;

    CHECK_EQ(poll(&ready, 1, PATIENCE_MS * (int)test_scale()), 1);
    CHECK_EQ(recv(fd, &byte, 1, 0), -1);
    CHECK_EQ(errno, ECONNRESET);
}

static void reset(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(fd);
}

/* Goal: bytes go both ways, each as they are. */
TEST(bytes_go_both_ways)
{
    struct pair p = pair_make();

    for (int i = 0; i < 10; i++) {
        send_text(p.client, "there\n");
        expect_bytes(p.server, "there");
        send_text(p.server, "and back\n");
        expect_bytes(p.client, "and back");
    }
    server_stop(&p.proxy, SIGTERM);
}

/* Goal: nothing is lost of what does not fit into any buffer.
 * Method: a process sends 4 MiB through the proxy and the echo server; what comes back is counted
 * and compared. */
TEST(a_stream_comes_through_whole)
{
    enum { WORDS = 1 << 20 };
    struct program echo = server_start("echo_server", "--port", "0");
    struct program proxy = proxy_to(echo.port);
    const int fd = connect_with(&proxy, 0);
    uint32_t *words = malloc(WORDS * sizeof(*words)), *back = malloc(WORDS * sizeof(*words));
    size_t done = 0;
    pid_t sender;

    CHECK(words != NULL && back != NULL);
    for (uint32_t i = 0; i < WORDS; i++)
        words[i] = i * 2654435761u;
    sender = fork();
    CHECK_GE(sender, 0);
    if (sender == 0) {
        send_bytes(fd, (const char *)words, WORDS * sizeof(*words));
        _exit(0);
    }
    while (done < WORDS * sizeof(*words)) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        ssize_t n;

        CHECK_EQ(poll(&ready, 1, PATIENCE_MS * (int)test_scale()), 1);
        n = recv(fd, (char *)back + done, WORDS * sizeof(*words) - done, 0);
        CHECK_GT(n, 0);
        done += (size_t)n;
    }
    CHECK(memcmp(words, back, WORDS * sizeof(*words)) == 0);
    CHECK_EQ(waitpid(sender, NULL, 0), sender);
    shutdown(fd, SHUT_WR);
    expect_end(fd);
    free(words);
    free(back);
    server_stop(&proxy, SIGTERM);
    server_stop(&echo, SIGTERM);
}

/* Goal: the end of one direction leaves the other one as it is, whoever comes to an end first. */
TEST(half_closes_are_passed_on)
{
    struct pair p = pair_make();
    char line[64];

    send_text(p.client, "request\n");
    shutdown(p.client, SHUT_WR);
    expect_bytes(p.server, "request");
    CHECK(!read_line(p.server, line, sizeof(line), PATIENCE_MS));
    send_text(p.server, "answer\n");
    expect_bytes(p.client, "answer");
    send_text(p.server, "and the rest of it\n");
    close(p.server);
    expect_bytes(p.client, "and the rest of it");
    expect_end(p.client);

    p.client = connect_with(&p.proxy, 0);
    p.server = plain_accept(p.listener);
    shutdown(p.server, SHUT_WR);
    CHECK(!read_line(p.client, line, sizeof(line), PATIENCE_MS));
    send_text(p.client, "still here\n");
    expect_bytes(p.server, "still here");
    close(p.client);
    expect_end(p.server);
    server_stop(&p.proxy, SIGTERM);
}

/* Goal: a reset on one side is one on the other side, and no end; nobody else is touched. */
TEST(resets_are_passed_on)
{
    struct pair p = pair_make();
    const int other = connect_with(&p.proxy, 0), other_server = plain_accept(p.listener);

    reset(p.server);
    expect_reset(p.client);
    close(p.client);
    p.client = connect_with(&p.proxy, 0);
    p.server = plain_accept(p.listener);
    reset(p.client);
    expect_reset(p.server);
    send_text(other, "as before\n");
    expect_bytes(other_server, "as before");
    server_stop(&p.proxy, SIGTERM);
    expect_reset(other); /* cut off by the stop */
}

/* Goal: where nobody listens, the client sees a reset, and the proxy goes on. */
TEST(a_server_that_is_not_there_is_a_reset)
{
    int port;
    const int listener = plain_listen(&port);
    struct program proxy;

    close(listener);
    proxy = proxy_to(port);
    for (int i = 0; i < 3; i++) {
        const int fd = connect_with(&proxy, 0);

        expect_reset(fd);
        close(fd);
    }
    server_stop(&proxy, SIGTERM);
}

static void expect_refusal(struct program p, const char *what)
{
    CHECK(strstr(read_to_end(p.err), what) != NULL);
    CHECK_EQ(WEXITSTATUS(program_wait(&p, PATIENCE_MS)), 2);
}

/* Goal: without an address to go to it does not begin, and a server without the option has none. */
TEST(an_address_that_is_none_is_refused)
{
    static const char *const bad[] = {"", "host", ":80", "host:"};

    expect_refusal(program_start(true, "proxy", "--port", "0", (char *)NULL), "needs --to");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        expect_refusal(program_start(true, "proxy", "--to", bad[i], (char *)NULL),
                       "--to wants HOST:PORT");
        expect_refusal(program_start(true, "chat_server", "--redis", bad[i], (char *)NULL),
                       "--redis wants HOST:PORT");
    }
    expect_refusal(program_start(true, "echo_server", "--to", "host:80", (char *)NULL), "usage:");
}
