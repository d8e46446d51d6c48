/* SPDX-License-Identifier: MIT */
/*
 * fetch.c - the HTTP client, in front of our own server and of a plain socket that says anything.
 *
 * link: none
 */
#include "plain_server.h"

/* How a run of it has ended, and what it has said. */
struct outcome {
    int status;
    char out[1 << 16], err[4096];
};

static void keep(char *text, size_t bytes, const char *from)
{
    snprintf(text, bytes, "%s", from);
}

static int exit_status(struct program *p)
{
    const int status = program_wait(p, PATIENCE_MS);

    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Starts a fetch of "http://localhost:PORT", and the path behind it, from a listener; says `answer`
 * to it, and ends the stream. */
static void fetch_of(struct outcome *o, const char *path, const char *answer)
{
    int port;
    const int listener = plain_listen(&port);
    struct program p;
    char url[256], line[256], host[64];
    int fd;

    snprintf(url, sizeof(url), "http://localhost:%d%s", port, path);
    p = program_start(true, "fetch", url, (char *)NULL);
    fd = plain_accept(listener);
    CHECK(read_line(fd, line, sizeof(line), PATIENCE_MS));
    snprintf(url, sizeof(url), "GET %s%s HTTP/1.1\r", path[0] == '/' ? "" : "/", path);
    CHECK_STR(line, url);
    CHECK(read_line(fd, line, sizeof(line), PATIENCE_MS));
    snprintf(host, sizeof(host), "Host: localhost:%d\r", port);
    CHECK_STR(line, host);
    while (read_line(fd, line, sizeof(line), PATIENCE_MS) && strcmp(line, "\r") != 0)
        ;
    send_text(fd, answer);
    shutdown(fd, SHUT_WR);
    keep(o->out, sizeof(o->out), read_to_end(p.out));
    keep(o->err, sizeof(o->err), read_to_end(p.err));
    o->status = exit_status(&p);
    close(fd);
    close(listener);
}

static void expect_body(const char *path, const char *answer, const char *body)
{
    static struct outcome o;

    fetch_of(&o, path, answer);
    CHECK_STR(o.err, "");
    CHECK_STR(o.out, body);
    CHECK_EQ(o.status, 0);
}

static void expect_failure(const char *answer, const char *what)
{
    static struct outcome o;

    fetch_of(&o, "/", answer);
    CHECK_EQ(o.status, 1);
    if (strstr(o.err, what) == NULL)
        TEST_FAIL("\"%s\" instead of \"%s\"", o.err, what);
}

/* Goal: the page of our own server is fetched by the name of its host. */
TEST(a_page_is_fetched_by_name)
{
    struct program server = server_start("http_server", "--port", "0"), p;
    char url[64];

    snprintf(url, sizeof(url), "http://localhost:%d/", server.port);
    CHECK_STR(program_output("fetch", url), "hello, weft");
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", server.port);
    CHECK_STR(program_output("fetch", url), "hello, weft");
    snprintf(url, sizeof(url), "http://localhost:%d/none", server.port);
    p = program_start(true, "fetch", url, (char *)NULL);
    CHECK_STR(read_to_end(p.err), "HTTP/1.1 404 Not Found\n");
    CHECK_EQ(exit_status(&p), 1);
    server_stop(&server, SIGTERM);
}

/* Goal: a body ends by its length, by its last chunk, or with the stream. */
TEST(bodies_of_all_kinds_come_whole)
{
    expect_body("", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more", "hello");
    expect_body("?b=c", "HTTP/1.1 200 OK\r\nContent-Length:  2 \r\n\r\nhi", "hi");
    expect_body("/a?b=c", "HTTP/1.0 200\r\n\r\nto the\r\nend", "to the\r\nend");
    expect_body("/", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\ncontent-length:0\n\nx", "");
    expect_body("/",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                "5;name=value\r\nhello\r\n0A\r\n, all here\r\n0\r\nTrailer: x\r\n\r\n",
                "hello, all here");
    expect_body("/", "HTTP/1.1 204 No Content\r\n\r\n", "");
}

/* Goal: a body that is not whole, and what is no HTTP, is an error that is told. */
TEST(what_is_not_whole_or_not_http_fails)
{
    static char long_line[20000];

    expect_failure("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", "too soon");
    expect_failure("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                   "too soon");
    expect_failure("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n",
                   "not HTTP");
    expect_failure("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n",
                   "not HTTP");
    expect_failure("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
                   "not HTTP");
    expect_failure("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "not HTTP");
    expect_failure("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "not HTTP");
    expect_failure("HTTP/1.1 200 OK\r\nContent-Length: 1 2\r\n\r\n12", "not HTTP");
    expect_failure("HTTP/1.1 two OK\r\n\r\n", "not HTTP");
    expect_failure("SSH-2.0-none\r\n", "not HTTP");
    expect_failure("", "too soon");
    memcpy(long_line, "HTTP/1.1 200 OK\r\n", 17);
    memset(long_line + 17, 'x', sizeof(long_line) - 18);
    expect_failure(long_line, "too long");
    expect_failure("HTTP/1.1 301 Moved\r\nLocation: http://other/\r\n\r\n",
                   "it is at http://other/");
}

/* Goal: the deadline is around it all.
 * Method: nobody accepts the connection, so nothing is ever said. */
TEST(a_server_that_says_nothing_is_given_up)
{
    struct program p;
    char url[64];
    int port;

    (void)plain_listen(&port);
    snprintf(url, sizeof(url), "http://localhost:%d/", port);
    p = program_start(true, "fetch", url, "1", (char *)NULL);
    CHECK(strstr(read_to_end(p.err), "timed out") != NULL);
    CHECK_EQ(exit_status(&p), 1);
}

/* Goal: what is no URL, or no number of seconds, is not tried; an address that is none is told. */
TEST(bad_addresses_are_refused)
{
    static const char *const bad[] = {
        "ftp://localhost/",  "localhost",       "http://",       "http:///path",
        "http://local host", "http://[::1",     "http://host:/", "http://[::1]x:80/",
        "http://a@b/",       "http://host/a b",
    };
    static const char *const bad_seconds[] = {"", "0", "-1", "1s", "86401"};
    struct program p;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        p = program_start(true, "fetch", bad[i], (char *)NULL);
        CHECK(strncmp(read_to_end(p.err), "usage: fetch", 12) == 0);
        CHECK_EQ(exit_status(&p), 2);
    }
    for (size_t i = 0; i < sizeof(bad_seconds) / sizeof(bad_seconds[0]); i++) {
        p = program_start(true, "fetch", "http://host/", bad_seconds[i], (char *)NULL);
        CHECK_EQ(exit_status(&p), 2);
    }
    p = program_start(true, "fetch", "http://localhost:99999/", (char *)NULL);
    CHECK(strstr(read_to_end(p.err), "localhost:99999: ") != NULL);
    CHECK_EQ(exit_status(&p), 1);
}
