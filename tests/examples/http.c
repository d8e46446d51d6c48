/* SPDX-License-Identifier: MIT */
/*
 * http.c - the HTTP and the echo server, seen from plain sockets.
 *
 * link: none
 */
#include <sys/ioctl.h>

#include "program.h"

#define HOST "Host: x\r\n"

static struct program http_start(void)
{
    return server_start("http_server", "--port", "0");
}

/* Reads one answer; the status line goes to `status`, the body to `body`.  False at the end. */
static bool read_answer(int fd, bool has_body, char status[128], char body[256])
{
    char line[256];
    long length = -1;

    if (!read_line(fd, status, 128, PATIENCE_MS))
        return false;
    while (read_line(fd, line, sizeof(line), PATIENCE_MS) && strcmp(line, "\r") != 0) {
        if (strncmp(line, "Content-Length: ", 16) == 0)
            length = atol(line + 16);
    }
    CHECK_GE(length, 0);
    CHECK_LT(length, 256);
    memset(body, 0, 256);
    for (long i = 0; has_body && i < length; i++)
        CHECK_EQ(recv(fd, body + i, 1, 0), 1);
    return true;
}

static void expect_answer(int fd, const char *expected_status, const char *expected_body)
{
    char status[128], body[256];

    if (!read_answer(fd, expected_body != NULL, status, body))
        TEST_FAIL("the connection ended instead of %s", expected_status);
    if (strncmp(status, expected_status, strlen(expected_status)) != 0)
        TEST_FAIL("\"%s\" instead of \"%s\"", status, expected_status);
    if (expected_body != NULL && expected_body[0] != '\0')
        CHECK_STR(body, expected_body);
}

/* One request on a connection of its own that must be answered so and closed. */
static void expect_refusal(const struct program *p, const char *request, const char *status)
{
    const int fd = connect_with(p, 0);

    send_text(fd, request);
    expect_answer(fd, status, "");
    expect_end(fd);
}

/* Goal: the one page is served, again and again on one connection. */
TEST(get_answers_200_and_keeps_the_connection)
{
    struct program p = http_start();
    const int fd = connect_with(&p, 0);

    for (int i = 0; i < 10; i++) {
        send_text(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
        expect_answer(fd, "HTTP/1.1 200 OK", "hello, weft");
    }
    send_text(fd, "HEAD / HTTP/1.1\r\n" HOST "\r\n");
    expect_answer(fd, "HTTP/1.1 200 OK", NULL);
    send_text(fd, "GET /?a=b HTTP/1.1\r\n" HOST "\r\n");
    expect_answer(fd, "HTTP/1.1 200 OK", "hello, weft");
    send_text(fd, "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    expect_answer(fd, "HTTP/1.1 200 OK", "hello, weft");
    expect_end(fd);
    server_stop(&p, SIGTERM);
}

/* Goal: what is not there and what is not allowed leave the connection as it is. */
TEST(other_paths_are_404_and_other_methods_405)
{
    struct program p = http_start();
    const int fd = connect_with(&p, 0);

    send_text(fd, "GET /other HTTP/1.1\r\n" HOST "\r\n");
    expect_answer(fd, "HTTP/1.1 404 ", "");
    send_text(fd, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nGET /");
    expect_answer(fd, "HTTP/1.1 405 ", "");
    send_text(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    expect_answer(fd, "HTTP/1.1 200 ", "hello, weft");
    server_stop(&p, SIGTERM);
}

/* Goal: bad requests are refused and the connection is closed. */
TEST(malformed_requests_are_400)
{
    static const char *const bad[] = {
        "GARBAGE\r\n\r\n",
        "GET /\r\n\r\n",
        "GET  / HTTP/1.1\r\n" HOST "\r\n",
        "GET / HTTP/1.x\r\n" HOST "\r\n",
        "GET / HTTP/1.1 more\r\n" HOST "\r\n",
        "G(T / HTTP/1.1\r\n" HOST "\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST HOST "\r\n",
        "GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "space : x\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST " folded: x\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "control: \001\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "\026\003\001 not TLS here\r\n\r\n",
    };
    struct program p = http_start();

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect_refusal(&p, bad[i], "HTTP/1.1 400 ");
    expect_refusal(&p, "GET / HTTP/2.0\r\n" HOST "\r\n", "HTTP/1.1 505 ");
    expect_refusal(&p, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                   "HTTP/1.1 501 ");
    server_stop(&p, SIGTERM);
}

/* Goal: the head may have 8 KiB and not a byte more, and the refusal arrives although the client
 * goes on sending.  Method: heads of 8,192 and of 8,193 bytes, and one of 100,000. */
TEST(a_head_of_more_than_8_kib_is_431)
{
    static const char start[] = "GET / HTTP/1.1\r\n" HOST "Padding: ";
    struct program p = http_start();
    char *head = malloc(100000);
    int fd = connect_with(&p, 0);

    CHECK(head != NULL);
    memset(head, 'a', 100000);
    memcpy(head, start, sizeof(start) - 1);
    memcpy(head + 8192 - 4, "\r\n\r\n", 4);
    send_bytes(fd, head, 8192);
    expect_answer(fd, "HTTP/1.1 200 ", "hello, weft");
    close(fd);

    fd = connect_with(&p, 0);
    memset(head + 8192 - 4, 'a', 4);
    send_bytes(fd, head, 8193);
    expect_answer(fd, "HTTP/1.1 431 ", "");
    expect_end(fd);

    fd = connect_with(&p, 0);
    send_bytes(fd, head, 100000);
    expect_answer(fd, "HTTP/1.1 431 ", "");
    expect_end(fd);
    free(head);
    server_stop(&p, SIGTERM);
}

/* Goal: requests sent at once are answered in order, bodies between them are skipped, and a request
 * may come in any pieces.  Method: a pipeline of 300, then one byte at a time. */
TEST(pipelined_requests_are_answered_in_order)
{
    static const char *const request[] = {
        "GET / HTTP/1.1\r\n" HOST "\r\n",
        "GET /1 HTTP/1.1\r\n" HOST "\r\n",
        "PUT / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n\r\nGET / HT",
    };
    static const char *const status[] = {"HTTP/1.1 200 ", "HTTP/1.1 404 ", "HTTP/1.1 405 "};
    struct program p = http_start();
    char pipeline[32768] = "";
    size_t n = 0;
    int fd = connect_with(&p, 0);

    for (int i = 0; i < 300; i++)
        n += (size_t)snprintf(pipeline + n, sizeof(pipeline) - n, "%s", request[i % 3]);
    send_bytes(fd, pipeline, n);
    for (int i = 0; i < 300; i++)
        expect_answer(fd, status[i % 3], "");
    for (const char *at = request[0]; *at != '\0'; at++)
        send_bytes(fd, at, 1);
    expect_answer(fd, status[0], "hello, weft");
    close(fd);
    server_stop(&p, SIGTERM);
}

/* Goal: the answers to a pipeline come in one write.
 * Method: ten requests in one segment; once the first byte of the answers can be read, all of them
 * can: one write on loopback arrives whole. */
TEST(pipelined_answers_are_written_at_once)
{
    struct program p = http_start();
    const int fd = connect_with(&p, 0);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    char pipeline[1024] = "", one[256];
    int n_one, n_ten;

    send_text(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    CHECK_EQ(poll(&ready, 1, PATIENCE_MS * (int)test_scale()), 1);
    CHECK_GT(n_one = (int)recv(fd, one, sizeof(one), 0), 0);
    for (int i = 0; i < 10; i++)
        strcat(pipeline, "GET / HTTP/1.1\r\n" HOST "\r\n");
    send_text(fd, pipeline);
    CHECK_EQ(poll(&ready, 1, PATIENCE_MS * (int)test_scale()), 1);
    CHECK_EQ(ioctl(fd, FIONREAD, &n_ten), 0);
    CHECK_EQ(n_ten, 10 * n_one);
    server_stop(&p, SIGTERM);
}

/* Goal: HTTP/1.0 closes unless it is asked to stay. */
TEST(http_1_0_closes_unless_kept_alive)
{
    struct program p = http_start();
    const int fd = connect_with(&p, 0);

    send_text(fd, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect_answer(fd, "HTTP/1.1 200 ", "hello, weft");
    send_text(fd, "GET / HTTP/1.0\r\n\r\n");
    expect_answer(fd, "HTTP/1.1 200 ", "hello, weft");
    expect_end(fd);
    server_stop(&p, SIGTERM);
}

/* Goal: idle connections are cut by the deadline, and so is one that sends a byte now and then, for
 * the deadline is the request's.  Method: --idle 1; both ends must come after about a second, and
 * meanwhile a third connection that asks again and again is kept. */
TEST(idle_and_slow_connections_are_cut)
{
    struct program p = server_start("http_server", "--port", "0", "--idle", "1");
    const int64_t start_ms = test_now_ms();
    const int idle = connect_with(&p, 0), slow = connect_with(&p, 0);
    const char *text = "GET / HTTP/1.1\r\nPadding: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    struct pollfd ends[] = {{.fd = idle, .events = POLLIN}, {.fd = slow, .events = POLLIN}};
    int n_ended = 0;

    while (n_ended < 2 && *text != '\0') {
        if (ends[1].fd >= 0)
            (void)!send(slow, text++, 1, MSG_NOSIGNAL);
        if (poll(ends, 2, 100) == 0)
            continue;
        for (int i = 0; i < 2; i++) {
            if (ends[i].fd >= 0 && ends[i].revents != 0) {
                CHECK_GE(test_now_ms() - start_ms, 990);
                ends[i].fd = -1;
                n_ended++;
            }
        }
    }
    CHECK_EQ(n_ended, 2);
    expect_end(idle);
    server_stop(&p, SIGINT);
}

/* Goal: what is sent comes back, whole and in order, also when it does not fit into any buffer.
 * Method: 1 MiB of known bytes, written and read at the same time, then a half-close. */
TEST(echo_returns_a_mebibyte)
{
    enum { BYTES = 1 << 20 };
    struct program p = server_start("echo_server", "--port", "0");
    const int fd = connect_with(&p, 0);
    uint64_t state = test_seed();
    char *out = malloc(BYTES), *in = malloc(BYTES + 1);
    size_t n_out = 0, n_in = 0;
    ssize_t n = 1;

    CHECK(out != NULL && in != NULL);
    for (size_t i = 0; i < BYTES; i++)
        out[i] = (char)test_random(&state);
    while (n > 0) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};

        if (n_out < BYTES)
            ready.events |= POLLOUT;
        CHECK_EQ(poll(&ready, 1, PATIENCE_MS * (int)test_scale()), 1);
        if ((ready.revents & POLLOUT) != 0) {
            n = send(fd, out + n_out, BYTES - n_out, MSG_NOSIGNAL | MSG_DONTWAIT);
            CHECK_GT(n, 0);
            n_out += (size_t)n;
            if (n_out == BYTES)
                shutdown(fd, SHUT_WR);
        }
        if ((ready.revents & POLLIN) != 0) {
            n = recv(fd, in + n_in, BYTES + 1 - n_in, 0);
            CHECK_GE(n, 0);
            n_in += (size_t)n;
        }
    }
    CHECK_EQ(n_in, BYTES);
    CHECK(memcmp(in, out, BYTES) == 0);
    free(in);
    free(out);
    server_stop(&p, SIGTERM);
}

/* Goal: connections do not wait for each other, and open ones do not keep the server from leaving.
 * Method: 100 connections, each told something, and only then each read, in the other order. */
TEST(echo_serves_many_at_once_and_stops)
{
    struct program p = server_start("echo_server", "--port", "0", "--procs", "2");
    char text[32], line[32];
    int fds[100];

    for (int i = 0; i < 100; i++) {
        fds[i] = connect_with(&p, 0);
        snprintf(text, sizeof(text), "number %d\n", i);
        send_text(fds[i], text);
    }
    for (int i = 99; i >= 0; i--) {
        snprintf(text, sizeof(text), "number %d", i);
        CHECK(read_line(fds[i], line, sizeof(line), PATIENCE_MS));
        CHECK_STR(line, text);
    }
    server_stop(&p, SIGINT);
}

/* Goal: options that make no sense are refused with status 2, not guessed at. */
TEST(bad_options_end_with_status_2)
{
    static const char *const bad[][2] = {
        {"--port", "65536"},     {"--port", "x"}, {"--procs", "0"},
        {"--reactor", "kqueue"}, {"--what", "1"}, {"more", "1"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct program p = program_start(true, "echo_server", bad[i][0], bad[i][1], (char *)NULL);
        const int status = program_wait(&p, PATIENCE_MS);

        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), 2);
        CHECK_GT(strlen(read_to_end(p.err)), 10);
    }
}
