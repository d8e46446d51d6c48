/* SPDX-License-Identifier: MIT */
/*
 * fetch.c - gets a page by HTTP/1.1 and writes its body to the standard output.
 *
 *     fetch http://HOST[:PORT][/PATH] [SECONDS]
 *
 * The host may be a name: weft_dial() looks it up without blocking a thread, and tries all of its
 * addresses, the next one before the last has failed.  One deadline is around it all, the look-up
 * included: 30 seconds if nothing else is said.
 *
 * The exit status is 0 if the page was there (200 to 299) and all of it came.  What else the server
 * says is told on the standard error; where another page is meant, it is not fetched.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <weft.h>

#define HEADERS_MAX 200
#define SECONDS_MAX 86400

struct url {
    char where[300]; /* "host:port", as weft_dial() takes it */
    char host[300];  /* as the header has it: without the port that goes without saying */
    const char *path; /* what is behind the host: "", "/...", or "?..." */
    int seconds;
};

struct page {
    int status;
    int64_t bytes; /* -1: up to the end of the stream */
    bool is_chunked;
};

/* ---- what is asked for ---- */

static bool parse_url(struct url *u, const char *text)
{
    const size_t scheme = strlen("http://");
    size_t n, host;

    if (strncasecmp(text, "http://", scheme) != 0)
        return false;
    text += scheme;
    n = strcspn(text, "/?#");
    host = text[0] == '[' ? strcspn(text, "]") + 1 : strcspn(text, ":/?#");
    if (n == 0 || n > 255 || host > n || (host < n && text[host] != ':') || host + 1 == n ||
        strcspn(text, " \t\r\n@") < n)
        return false;
    snprintf(u->where, sizeof(u->where), "%.*s%s", (int)n, text, host == n ? ":80" : "");
    snprintf(u->host, sizeof(u->host), "%.*s", (int)n, text);
    u->path = text + n;
    return strpbrk(u->path, " \t\r\n") == NULL;
}

static bool parse_seconds(struct url *u, const char *text)
{
    char *end;
    const long value = strtol(text, &end, 10);

    u->seconds = (int)value;
    return end != text && *end == '\0' && value >= 1 && value <= SECONDS_MAX;
}

static int ask(int fd, const struct url *u)
{
    char buf[4096];
    struct weft_writer out;
    ssize_t n;

    weft_writer_init(&out, weft_stream_of_fd(fd), buf, sizeof(buf));
    n = weft_writer_printf(&out, "GET %s%.*s HTTP/1.1\r\nHost: %s\r\n",
                           u->path[0] == '/' ? "" : "/", (int)strcspn(u->path, "#"), u->path,
                           u->host);
    if (n > 0)
        n = weft_writer_printf(&out, "User-Agent: weft-fetch\r\nConnection: close\r\n\r\n");
    return n < 0 ? (int)n : weft_writer_flush(&out);
}

/* ---- what comes ---- */

/* A line that must be there, and whole. */
static int next_line(struct weft_reader *in, struct weft_line *line)
{
    const int rc = weft_reader_line(in, line);

    return rc < 0 ? rc : rc == 0 || line->end_bytes == 0 ? -EPIPE : 0;
}

/* A number to the base; behind it may be spaces, and a ';' with more; -EPROTO if it is none. */
static int64_t number(const char *text, int base)
{
    const unsigned char first = (unsigned char)*text;
    const bool is_digit = base == 16 ? isxdigit(first) : isdigit(first);
    char *end;
    const long long value = strtoll(text, &end, base);

    end += strspn(end, " \t");
    return is_digit && (*end == '\0' || *end == ';') && value < INT64_MAX ? value : -EPROTO;
}

/* The value of the header if it has that name, which ends with a ':'. */
static const char *value_of(const struct weft_line *line, const char *name)
{
    const size_t bytes = strlen(name);

    if (strncasecmp(line->text, name, bytes) != 0)
        return NULL;
    return line->text + bytes + strspn(line->text + bytes, " \t");
}

/* One line of the head, not the first. */
static int take_header(struct page *page, const struct weft_line *line)
{
    const char *value;

    if ((value = value_of(line, "Transfer-Encoding:")) != NULL) {
        page->is_chunked = strcasecmp(value, "chunked") == 0;
        return page->is_chunked ? 0 : -EPROTO;
    }
    if ((value = value_of(line, "Content-Length:")) != NULL) {
        page->bytes = number(value, 10);
        return page->bytes < 0 ? -EPROTO : 0;
    }
    if ((value = value_of(line, "Location:")) != NULL && page->status / 100 == 3)
        fprintf(stderr, "it is at %s\n", value);
    return 0;
}

static int read_head(struct weft_reader *in, struct page *page)
{
    struct weft_line line;
    int rc = next_line(in, &line), n_headers = 0;

    *page = (struct page){.bytes = -1};
    if (rc != 0)
        return rc;
    if (strncmp(line.text, "HTTP/1.", 7) != 0 || line.bytes < 12 || line.text[8] != ' ')
        return -EPROTO;
    page->status = atoi(line.text + 9);
    if (page->status < 100 || page->status > 999)
        return -EPROTO;
    if (page->status >= 300)
        fprintf(stderr, "%s\n", line.text);
    while ((rc = next_line(in, &line)) == 0 && line.bytes > 0 && n_headers++ < HEADERS_MAX) {
        if ((rc = take_header(page, &line)) != 0)
            return rc;
    }
    return rc != 0 ? rc : n_headers > HEADERS_MAX ? -EMSGSIZE : 0;
}

/* So many bytes, or all to the end of the stream if that is -1. */
static int copy(struct weft_reader *in, int64_t bytes)
{
    char buf[8192];

    while (bytes != 0) {
        const size_t wanted =
            bytes < 0 || bytes > (int64_t)sizeof(buf) ? sizeof(buf) : (size_t)bytes;
        const ssize_t n = weft_reader_read(in, buf, wanted);
        ssize_t written;

        if (n <= 0)
            return n < 0 ? (int)n : bytes < 0 ? 0 : -EPIPE;
        written = weft_write_full(STDOUT_FILENO, buf, (size_t)n);
        if (written != n)
            return written < 0 ? (int)written : -EPIPE;
        bytes -= bytes < 0 ? 0 : n;
    }
    return 0;
}

/* Pieces, each behind its length; then lines, of which the last is empty. */
static int copy_chunks(struct weft_reader *in)
{
    struct weft_line line;
    int64_t bytes = 1;
    int rc = 0, n_lines = 0;

    while (rc == 0 && bytes > 0) {
        if ((rc = next_line(in, &line)) == 0 && (bytes = number(line.text, 16)) < 0)
            return (int)bytes;
        if (rc == 0 && bytes > 0 && (rc = copy(in, bytes)) == 0 &&
            (rc = next_line(in, &line)) == 0 && line.bytes > 0)
            return -EPROTO;
    }
    while (rc == 0 && (rc = next_line(in, &line)) == 0 && line.bytes > 0) {
        if (++n_lines > HEADERS_MAX)
            return -EMSGSIZE;
    }
    return rc;
}

static int fetch(const struct url *u, struct page *page)
{
    const int fd = weft_dial(u->where);
    char buf[8192];
    struct weft_reader in;
    int rc;

    if (fd < 0)
        return fd;
    weft_reader_init(&in, weft_stream_of_fd(fd), buf, sizeof(buf));
    rc = ask(fd, u);
    do { /* 1xx: the answer is still to come */
        rc = rc == 0 ? read_head(&in, page) : rc;
    } while (rc == 0 && page->status / 100 == 1);
    if (rc == 0 && page->status != 204 && page->status != 304)
        rc = page->is_chunked ? copy_chunks(&in) : copy(&in, page->bytes);
    weft_close(fd);
    return rc;
}

static int app(void *arg)
{
    const struct url *u = arg;
    struct page page = {.status = 0};
    int rc = 0;

    WEFT_DEADLINE(limit, u->seconds * WEFT_SEC) {
        rc = fetch(u, &page);
    }
    if (rc != 0)
        fprintf(stderr, "%s: %s\n", u->where,
                rc == -EPROTO  ? "this is not HTTP"
                : rc == -EPIPE ? "the answer ends too soon"
                               : weft_strerror(rc));
    return rc == 0 && page.status / 100 == 2 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct url url = {.seconds = 30};

    if ((argc != 2 && argc != 3) || !parse_url(&url, argv[1]) ||
        (argc == 3 && !parse_seconds(&url, argv[2]))) {
        fprintf(stderr, "usage: fetch http://HOST[:PORT][/PATH] [SECONDS, 1 to %d]\n", SECONDS_MAX);
        return 2;
    }
    return weft_run(app, &url);
}
