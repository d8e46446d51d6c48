/* SPDX-License-Identifier: MIT */
/*
 * static.c - the server of files, seen from plain sockets.
 *
 * link: none
 */
#define _GNU_SOURCE
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "program.h"

#define HOST "Host: x\r\n"
#define BIG_BYTES 3000001

static char dir[64]; /* what is served */

static char byte_at(size_t i)
{
    return (char)(i ^ i >> 8 ^ i >> 16);
}

static void put_file(const char *name, const char *text, size_t bytes)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    CHECK((file = fopen(path, "w")) != NULL);
    CHECK_EQ(fwrite(text, 1, bytes, file), bytes);
    CHECK_EQ(fclose(file), 0);
}

static void remove_all(void)
{
    static const char *const names[] = {"index.html",     "a b.txt", "empty", "big.bin",
                                        "sub/index.html", "link",    "sub",   ""};
    char path[256];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        remove(path);
    }
}

static struct program start(const char *option, const char *value)
{
    static char big[BIG_BYTES];
    char path[256];

    snprintf(dir, sizeof(dir), "/tmp/weft-static-XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof(path), "%s/sub", dir);
    CHECK_EQ(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/link", dir);
    CHECK_EQ(symlink("/etc/passwd", path), 0);
    for (size_t i = 0; i < BIG_BYTES; i++)
        big[i] = byte_at(i);
    put_file("index.html", "<p>weft\n", 8);
    put_file("a b.txt", "0123456789", 10);
    put_file("empty", "", 0);
    put_file("sub/index.html", "below", 5);
    put_file("big.bin", big, BIG_BYTES);
    return server_start("static_server", "--port", "0", "--dir", dir, option, value);
}

static void stop(struct program *p)
{
    server_stop(p, SIGTERM);
    remove_all();
}

/* The head of an answer, and what it says of the length; the body comes next on fd. */
static long read_head(int fd, char *head, size_t bytes)
{
    size_t n = 0;
    char line[512];
    long length = -1;

    while (read_line(fd, line, sizeof(line), PATIENCE_MS) && strcmp(line, "\r") != 0) {
        if (strncmp(line, "Content-Length: ", 16) == 0)
            length = atol(line + 16);
        n += (size_t)snprintf(head + n, bytes - n, "%s\n", line);
        CHECK_LT(n, bytes);
    }
    CHECK_GT(n, 0);
    return length;
}

/* Asks for a path and checks the answer: the start of the head, a line of it, the body. */
static void ask(int fd, const char *path, const char *headers, const char *status, const char *line,
                const char *body)
{
    char request[1024], head[2048], got[1024] = "";
    long length;

    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" HOST "%s\r\n", path, headers);
    send_text(fd, request);
    length = read_head(fd, head, sizeof(head));
    if (strncmp(head, status, strlen(status)) != 0)
        TEST_FAIL("GET %s: \"%.40s\" instead of \"%s\"", path, head, status);
    if (strstr(head, line) == NULL)
        TEST_FAIL("GET %s: no \"%s\" in \"%s\"", path, line, head);
    for (long i = 0; i < length; i++)
        CHECK_EQ(recv(fd, got + (i < 1000 ? i : 1000), 1, 0), 1);
    if (body != NULL)
        CHECK_STR(got, body);
}

/* Goal: files, index files of directories, names that were encoded; all on one connection. */
TEST(files_are_served_and_the_connection_is_kept)
{
    struct program p = start(NULL, NULL);
    const int fd = connect_with(&p, 0);

    ask(fd, "/", "", "HTTP/1.1 200 OK", "Content-Type: text/html", "<p>weft\n");
    ask(fd, "/index.html?x=..", "", "HTTP/1.1 200", "Content-Length: 8\r", "<p>weft\n");
    ask(fd, "/a%20b.txt", "", "HTTP/1.1 200", "Content-Type: text/plain", "0123456789");
    ask(fd, "/empty", "", "HTTP/1.1 200", "Content-Length: 0\r", "");
    ask(fd, "/sub", "", "HTTP/1.1 200", "Last-Modified: ", "below");
    ask(fd, "//sub/./", "", "HTTP/1.1 200", "Accept-Ranges: bytes", "below");
    ask(fd, "http://x/sub/index.html", "", "HTTP/1.1 200", "Connection: keep-alive", "below");
    ask(fd, "/", "Connection: close\r\n", "HTTP/1.1 200", "Connection: close", "<p>weft\n");
    expect_end(fd);
    const int other = connect_with(&p, 0);
    ask(other, "/", "Connection: TE , Close\r\n", "HTTP/1.1 200", "Connection: close", "<p>weft\n");
    expect_end(other);
    stop(&p);
}

/* Goal: nothing outside of the directory can be had, by no spelling and by no link. */
TEST(nothing_leads_out_of_the_directory)
{
    static const char *const paths[] = {
        "/nothing",
        "/..",
        "/../etc/passwd",
        "/sub/../../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/..%2fetc/passwd",
        "/link",
        "/sub/../index.html",
        "/index.html/x",
        "/%2fetc%2fpasswd",
        "/sub%2f..%2f..%2fetc%2fpasswd",
    };
    struct program p = start(NULL, NULL);
    const int fd = connect_with(&p, 0);

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        ask(fd, paths[i], "", "HTTP/1.1 404", "Connection: keep-alive", "Not Found");
    ask(fd, "/", "", "HTTP/1.1 200", "", "<p>weft\n");
    close(fd);
    stop(&p);
}

TEST(a_range_of_a_file_is_served)
{
    struct program p = start(NULL, NULL);
    const int fd = connect_with(&p, 0);
    const char *path = "/a%20b.txt", *part = "HTTP/1.1 206 Partial Content";

    ask(fd, path, "Range: bytes=2-4\r\n", part, "Content-Range: bytes 2-4/10\r", "234");
    ask(fd, path, "Range: bytes=7-\r\n", part, "Content-Range: bytes 7-9/10\r", "789");
    ask(fd, path, "Range: bytes=-3\r\n", part, "Content-Range: bytes 7-9/10\r", "789");
    ask(fd, path, "Range: bytes=-30\r\n", part, "Content-Range: bytes 0-9/10\r", "0123456789");
    ask(fd, path, "Range: bytes=9-99\r\n", part, "Content-Range: bytes 9-9/10\r", "9");
    ask(fd, path, "Range: bytes=10-\r\n", "HTTP/1.1 416", "Content-Range: bytes */10\r", NULL);
    ask(fd, path, "Range: bytes=-0\r\n", "HTTP/1.1 416", "Content-Range: bytes */10\r", NULL);
    ask(fd, "/empty", "Range: bytes=0-\r\n", "HTTP/1.1 416", "Content-Range: bytes */0\r", NULL);
    ask(fd, path, "Range: bytes=4-2\r\n", "HTTP/1.1 200", "", "0123456789");
    ask(fd, path, "Range: bytes=0-0,2-2\r\n", "HTTP/1.1 200", "", "0123456789");
    ask(fd, path, "Range: lines=1-2\r\n", "HTTP/1.1 200", "", "0123456789");
    ask(fd, path, "Range: bytes=99999999999999999999-\r\n", "HTTP/1.1 200", "", "0123456789");
    ask(fd, path, "Range: bytes=1-1\r\nIf-Range: \"x\"\r\n", "HTTP/1.1 200", "", "0123456789");
    ask(fd, path, "Range: bytes=0-3\r\nRange: bytes=9\r\n", "HTTP/1.1 200", "", "0123456789");
    ask(fd, path, "Range: bytes=0-3\r\nRange: bytes=5-6\r\n", "HTTP/1.1 200", "", "0123456789");
    ask(fd, path, "Range: bytes=x\r\nRange: bytes=5-6\r\n", "HTTP/1.1 200", "", "0123456789");
    close(fd);
    stop(&p);
}

/* Goal: who has the file already is told so, by the date that the server gave him. */
TEST(what_has_not_changed_is_not_sent)
{
    struct program p = start(NULL, NULL);
    const int fd = connect_with(&p, 0);
    char head[2048], since[128], *at;

    send_text(fd, "HEAD /a%20b.txt HTTP/1.1\r\n" HOST "\r\n");
    CHECK_EQ(read_head(fd, head, sizeof(head)), 10);
    CHECK((at = strstr(head, "Last-Modified: ")) != NULL);
    snprintf(since, sizeof(since), "If-Modified-Since: %.29s\r\n", at + 15);
    ask(fd, "/a%20b.txt", since, "HTTP/1.1 304 Not Modified", "Connection: keep-alive", "");
    ask(fd, "/a%20b.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "HTTP/1.1 200",
        "", "0123456789");
    ask(fd, "/a%20b.txt", "If-Modified-Since: yesterday\r\n", "HTTP/1.1 200", "", "0123456789");
    close(fd);
    stop(&p);
}

/* Goal: what is not a request is answered so, and the connection is closed. */
TEST(what_is_no_request_is_refused)
{
    static const struct {
        const char *request, *status;
    } bad[] = {
        {"rubbish\r\n\r\n", "HTTP/1.1 400"},
        {"GET /\r\n\r\n", "HTTP/1.1 400"},
        {"GET / HTTP/2.0\r\n" HOST "\r\n", "HTTP/1.1 400"},
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400"},
        {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", "HTTP/1.1 400"},
        {"GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n", "HTTP/1.1 400"},
        {"GET / HTTP/1.1\r\n" HOST " folded: x\r\n\r\n", "HTTP/1.1 400"},
        {"GET / HTTP/1.1\r\n" HOST "X: a\rContent-Length: 5\r\n\r\n", "HTTP/1.1 400"},
        {"GET / HTTP/1.1\r\n" HOST "Content-Length\v: 5\r\n\r\n", "HTTP/1.1 400"},
        {"GET /%zz HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 400"},
        {"GET /a%00b HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 400"},
        {"GET index.html HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 400"},
        {"PUT / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", "HTTP/1.1 405"},
    };
    struct program p = start(NULL, NULL);
    char head[2048];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const int fd = connect_with(&p, 0);
        char body[64] = "";
        send_text(fd, bad[i].request);
        const long n = read_head(fd, head, sizeof(head));
        if (strncmp(head, bad[i].status, 12) != 0)
            TEST_FAIL("\"%.40s\" for \"%s\"", head, bad[i].request);
        CHECK_EQ(recv(fd, body, (size_t)n, MSG_WAITALL), n);
        expect_end(fd);
    }
    stop(&p);
}

TEST(a_head_of_more_than_8_kib_is_refused)
{
    struct program p = start(NULL, NULL);
    char *request = malloc(20000), head[2048], body[64];

    CHECK(request != NULL);
    for (int lines = 0; lines < 2; lines++) { /* one long line, or many */
        const int fd = connect_with(&p, 0);
        size_t n = (size_t)sprintf(request, "GET / HTTP/1.1\r\n" HOST);
        while (n < 9000)
            n += (size_t)sprintf(request + n, "%s", lines ? "X-Padding: 12345\r\n" : "y");
        send_bytes(fd, request, n);
        const long length = read_head(fd, head, sizeof(head));
        CHECK(strncmp(head, "HTTP/1.1 431", 12) == 0);
        CHECK_EQ(recv(fd, body, (size_t)length, MSG_WAITALL), length);
        expect_end(fd);
    }
    free(request);
    stop(&p);
}

/* Goal: a file that fits into no buffer arrives whole, also to one who takes little at a time, and
 * the connection goes on after it.  HEAD tells its length and sends nothing. */
TEST(a_big_file_arrives_whole)
{
    struct program p = start(NULL, NULL);
    const int fd = connect_with(&p, 16384);
    char head[2048], buf[5000];

    send_text(fd, "HEAD /big.bin HTTP/1.1\r\n" HOST "\r\nGET /big.bin HTTP/1.1\r\n" HOST "\r\n"
                  "GET /sub HTTP/1.1\r\n" HOST "\r\n");
    CHECK_EQ(read_head(fd, head, sizeof(head)), BIG_BYTES);
    CHECK_EQ(read_head(fd, head, sizeof(head)), BIG_BYTES);
    for (size_t done = 0; done < BIG_BYTES;) {
        const size_t left = BIG_BYTES - done;
        const ssize_t n = recv(fd, buf, left < sizeof(buf) ? left : sizeof(buf), 0);
        CHECK_GT(n, 0);
        for (ssize_t i = 0; i < n; i++)
            CHECK_EQ(buf[i], byte_at(done++));
    }
    CHECK_EQ(read_head(fd, head, sizeof(head)), 5);
    close(fd);
    stop(&p);
}

/* Goal: who asks nothing, and who does not take what he asked for, are cut. */
TEST(idle_connections_are_cut)
{
    struct program p = start("--idle", "1");
    const int64_t start_ms = test_now_ms();
    const int idle = connect_with(&p, 0), slow = connect_with(&p, 4096);
    struct pollfd end = {.fd = idle, .events = POLLIN};
    char buf[4096];
    size_t sum = 0;
    ssize_t n;

    send_text(slow, "GET /big.bin HTTP/1.1\r\n" HOST "\r\n");
    CHECK_EQ(poll(&end, 1, PATIENCE_MS * (int)test_scale()), 1);
    CHECK_GE(test_now_ms() - start_ms, 990);
    expect_end(idle);
    /* It did not read before; whatever was on its way comes, and then the end. */
    struct pollfd cut = {.fd = slow, .events = POLLRDHUP};
    CHECK_EQ(poll(&cut, 1, PATIENCE_MS * (int)test_scale()), 1);
    while ((n = recv(slow, buf, sizeof(buf), 0)) > 0)
        sum += (size_t)n;
    CHECK_LT(sum, BIG_BYTES);
    close(slow);
    stop(&p);
}

/* The status of the answer, whose body is read, too. */
static int status_of(int fd, const char *request)
{
    char head[2048], body[1024];

    send_text(fd, request);
    const long n = read_head(fd, head, sizeof(head));
    CHECK_LE(n, (long)sizeof(body));
    CHECK_EQ(recv(fd, body, (size_t)n, MSG_WAITALL), n);
    return atoi(head + sizeof("HTTP/1.1"));
}

/* Goal: a file that cannot be opened since no descriptor is left is told from one that is not
 * there, also if its name is too long to be looked for.
 * Method: connections take all descriptors; when they have gone, files are there again. */
TEST(without_a_descriptor_a_file_is_not_missing)
{
    const struct rlimit few = {40, 40};
    struct program p = start(NULL, NULL);
    const int fd = connect_with(&p, 0);
    static const char get[] = "GET / HTTP/1.1\r\n" HOST "\r\n";
    char get_long[512];
    int others[60], n = 0;

    CHECK_EQ(prlimit(p.pid, RLIMIT_NOFILE, &few, NULL), 0);
    while (status_of(fd, get) == 200) {
        CHECK_LT(n, 60);
        others[n++] = connect_with(&p, 0);
    }
    CHECK_EQ(status_of(fd, get), 503);
    while (n > 0)
        close(others[--n]);
    while (status_of(fd, get) == 503)
        ; /* each is answered: until the server has met the ends of the others */
    snprintf(get_long, sizeof(get_long), "GET /%0256d HTTP/1.1\r\n" HOST "\r\n", 1);
    CHECK_EQ(status_of(fd, get_long), 404);
    close(fd);
    stop(&p);
}

TEST(a_directory_that_is_not_there_ends_with_a_message)
{
    struct program p = program_start(true, "static_server", "--port", "0", "--dir",
                                     "/nowhere/at/all", (char *)NULL);
    const int status = program_wait(&p, PATIENCE_MS);

    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 1);
    CHECK(strstr(read_to_end(p.err), "/nowhere/at/all") != NULL);
}
