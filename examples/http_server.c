/* SPDX-License-Identifier: MIT */
/*
 * http_server.c - HTTP/1.1 with keep-alive and pipelining: one coroutine a connection.
 *
 *     http_server [--host H] [--port N] [--procs N] [--reactor R] [--idle SECONDS]
 *
 * GET and HEAD of "/" answer 200 and "hello, weft"; other paths 404, other methods 405; what is not
 * HTTP 400, a head of more than 8 KiB 431.  Bodies are read and dropped; chunked ones are 501.
 *
 * Answers are gathered while requests are waiting in the buffer, and written before the connection
 * waits for more: a pipeline of requests gets its answers in one write.  A deadline scope around
 * each request cuts connections that are idle, that send too slowly, and that do not read.
 *
 * SIGINT or SIGTERM stop it; open connections end with the runtime.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server.h"

#define HEAD_BYTES_MAX 8192
#define OUT_BYTES 1024
#define LINGER_NS (1 * WEFT_SEC)

static int64_t idle_ns; /* set once, before the runtime starts */

struct connection {
    int fd;
    struct weft_reader in;
    struct weft_writer out;
    char out_bytes[OUT_BYTES];
    char in_bytes[HEAD_BYTES_MAX];
};

struct request {
    int status; /* what the answer will be */
    bool is_head, is_old, is_kept, is_expecting;
    int n_hosts;
    int64_t body_bytes; /* -1: not said */
};

/* A piece of the head, not ended by a zero. */
struct span {
    const char *at;
    size_t bytes;
};

/* ---- reading the head ---- */

/* How many bytes the head has, the empty line included; 0 if its end has not come yet. */
static size_t head_bytes(const char *at, size_t bytes)
{
    const char *end = at + bytes, *next = at;

    while ((next = memchr(next, '\n', (size_t)(end - next))) != NULL) {
        next++;
        if (end - next >= 1 && next[0] == '\n')
            return (size_t)(next + 1 - at);
        if (end - next >= 2 && next[0] == '\r' && next[1] == '\n')
            return (size_t)(next + 2 - at);
    }
    return 0;
}

/* Cuts off what is before the first `separator`, all if there is none; the separator is dropped. */
static struct span cut(struct span *rest, char separator)
{
    const char *found = memchr(rest->at, separator, rest->bytes);
    const struct span first = {rest->at, found == NULL ? rest->bytes : (size_t)(found - rest->at)};
    const size_t used = first.bytes + (found != NULL);

    rest->at += used;
    rest->bytes -= used;
    return first;
}

static struct span cut_line(struct span *rest)
{
    struct span line = cut(rest, '\n');

    if (line.bytes > 0 && line.at[line.bytes - 1] == '\r')
        line.bytes--;
    return line;
}

static struct span trim(struct span s)
{
    while (s.bytes > 0 && (s.at[0] == ' ' || s.at[0] == '\t'))
        s = (struct span){s.at + 1, s.bytes - 1};
    while (s.bytes > 0 && (s.at[s.bytes - 1] == ' ' || s.at[s.bytes - 1] == '\t'))
        s.bytes--;
    return s;
}

static bool is_word(struct span s, const char *word)
{
    return s.bytes == strlen(word) && memcmp(s.at, word, s.bytes) == 0;
}

/* The same without regard to case, as for the names of headers. */
static bool is_name(struct span s, const char *name)
{
    return s.bytes == strlen(name) && strncasecmp(s.at, name, s.bytes) == 0;
}

/* What the characters are: of those that methods and the names of headers are made of, and that may
 * stand nowhere. */
static struct {
    bool is_token, is_control;
} kinds[256];

static void make_kinds(void)
{
    for (int c = 0; c < 256; c++) {
        const bool is_text = c > ' ' && c < 0x7f;

        kinds[c].is_token = is_text && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL;
        kinds[c].is_control = (c < ' ' && c != '\t') || c == 0x7f;
    }
}

static bool is_token(struct span s)
{
    for (size_t i = 0; i < s.bytes; i++) {
        if (!kinds[(unsigned char)s.at[i]].is_token)
            return false;
    }
    return s.bytes > 0;
}

static bool has_control(struct span s)
{
    bool has = false;

    for (size_t i = 0; i < s.bytes; i++)
        has |= kinds[(unsigned char)s.at[i]].is_control;
    return has;
}

/* The status for a target such as "/", "/?a=b" or "http://host/". */
static int status_of(struct span target)
{
    if (target.bytes > 7 && strncasecmp(target.at, "http://", 7) == 0) {
        const char *path = memchr(target.at + 7, '/', target.bytes - 7);

        if (path == NULL)
            return 200;
        target.bytes -= (size_t)(path - target.at);
        target.at = path;
    }
    return is_word(cut(&target, '?'), "/") ? 200 : 404;
}

/* "GET / HTTP/1.1" */
static int parse_request_line(struct request *r, struct span line)
{
    const struct span method = cut(&line, ' ');
    const struct span target = cut(&line, ' ');

    if (!is_token(method) || target.bytes == 0 || has_control(target))
        return 400;
    if (line.bytes != 8 || memcmp(line.at, "HTTP/", 5) != 0 || line.at[6] != '.' ||
        line.at[5] < '0' || line.at[5] > '9' || line.at[7] < '0' || line.at[7] > '9')
        return 400;
    if (line.at[5] != '1')
        return 505;
    r->is_old = line.at[7] == '0';
    r->is_kept = !r->is_old;
    r->is_head = is_word(method, "HEAD");
    return r->is_head || is_word(method, "GET") ? status_of(target) : 405;
}

static int parse_length(struct request *r, struct span value)
{
    int64_t n = 0;

    for (size_t i = 0; i < value.bytes; i++) {
        if (value.at[i] < '0' || value.at[i] > '9' || n > INT64_MAX / 10 - 9)
            return 400;
        n = n * 10 + (value.at[i] - '0');
    }
    if (value.bytes == 0 || (r->body_bytes >= 0 && r->body_bytes != n))
        return 400;
    r->body_bytes = n;
    return r->status;
}

/* "Name: value"; returns the status so far, or an error. */
static int parse_header(struct request *r, struct span line)
{
    const struct span name = cut(&line, ':');
    struct span value = trim(line);

    if (name.at + name.bytes == line.at || !is_token(name) || has_control(value))
        return 400; /* no colon, a space before it, a folded line, or rubbish */
    if (is_name(name, "Content-Length"))
        return parse_length(r, value);
    if (is_name(name, "Transfer-Encoding"))
        return 501;
    if (is_name(name, "Host"))
        r->n_hosts++;
    if (is_name(name, "Expect"))
        r->is_expecting = is_name(value, "100-continue");
    while (is_name(name, "Connection") && value.bytes > 0) {
        const struct span option = trim(cut(&value, ','));

        if (is_name(option, "close"))
            r->is_kept = false;
        else if (is_name(option, "keep-alive") && r->is_old)
            r->is_kept = true;
    }
    return r->status;
}

static void parse_head(struct request *r, struct span head)
{
    struct span line = cut_line(&head);

    *r = (struct request){.body_bytes = -1};
    r->status = parse_request_line(r, line);
    while (r->status < 500 && r->status != 400 && (line = cut_line(&head)).bytes > 0)
        r->status = parse_header(r, line);
    if (r->status < 500 && !r->is_old && r->n_hosts != 1)
        r->status = 400;
    if (r->status == 400 || r->status >= 500)
        r->is_kept = false; /* where the next request begins is not known */
}

/* ---- the connection ---- */

/* Before it waits for more it writes what the peer may be waiting for. */
static ssize_t read_more(void *arg, void *buf, size_t n)
{
    struct connection *c = arg;
    const int rc = weft_writer_flush(&c->out);

    return rc < 0 ? rc : weft_read(c->fd, buf, n);
}

/* The answers that there are.  Their heads are made once, but for what depends on the request. */
static struct answer {
    int status;
    const char *reason, *more, *body;
    char head[160];
} answers[] = {
    {200, "OK", "", "hello, weft", ""},
    {400, "Bad Request", "", "this is not HTTP\n", ""},
    {404, "Not Found", "", "there is nothing here\n", ""},
    {405, "Method Not Allowed", "Allow: GET, HEAD\r\n", "GET and HEAD are what there is\n", ""},
    {431, "Request Header Fields Too Large", "", "the head has more than 8 KiB\n", ""},
    {501, "Not Implemented", "", "a body needs a Content-Length\n", ""},
    {505, "HTTP Version Not Supported", "", "HTTP/1 is what there is\n", ""},
};

static void make_heads(void)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        struct answer *a = &answers[i];

        snprintf(a->head, sizeof(a->head),
                 "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s",
                 a->status, a->reason, strlen(a->body), a->more);
    }
}

static bool write_text(struct connection *c, const char *text)
{
    const size_t bytes = strlen(text);

    return weft_writer_write(&c->out, text, bytes) == (ssize_t)bytes;
}

static bool answer(struct connection *c, const struct request *r)
{
    const struct answer *a = answers;

    while (a->status != r->status)
        a++;
    return write_text(c, a->head) &&
           write_text(c, !r->is_kept ? "Connection: close\r\n\r\n"
                         : r->is_old ? "Connection: keep-alive\r\n\r\n"
                                     : "\r\n") &&
           (r->is_head || write_text(c, a->body));
}

/* Reads the body and drops it. */
static bool skip_body(struct connection *c, const struct request *r)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

    if (r->body_bytes <= 0)
        return true;
    if (r->is_expecting && weft_reader_buffered(&c->in) == 0 && !r->is_old &&
        weft_writer_write(&c->out, go_on, sizeof(go_on) - 1) < 0)
        return false;
    return weft_reader_skip(&c->in, (size_t)r->body_bytes) == r->body_bytes;
}

/* Where the head of the next request is, and how long: 0 if the connection ends first, -EMSGSIZE if
 * it is too long. */
static ssize_t await_head(struct connection *c, const char **at)
{
    ssize_t bytes = 0, n = weft_reader_peek(&c->in, at, 1), known = 0;

    while (n > 0 && (**at == '\r' || **at == '\n')) { /* empty lines before it are allowed */
        (void)!weft_reader_skip(&c->in, 1);
        n = weft_reader_peek(&c->in, at, 1);
    }
    while (n > known && (bytes = (ssize_t)head_bytes(*at, (size_t)n)) == 0) {
        known = n;
        n = weft_reader_peek(&c->in, at, (size_t)n + 1);
    }
    return n == -EMSGSIZE ? n : bytes;
}

/* One request and its answer; false when the connection is to end. */
static bool serve_request(struct connection *c)
{
    struct request r = {.status = 431};
    const char *at;
    const ssize_t bytes = await_head(c, &at);

    if (bytes == 0)
        return false;
    if (bytes > 0) {
        parse_head(&r, (struct span){at, (size_t)bytes});
        if (weft_reader_skip(&c->in, (size_t)bytes) != bytes || (r.is_kept && !skip_body(c, &r)))
            return false;
    }
    return answer(c, &r) && r.is_kept;
}

/* Closes so that the last answer arrives: a close with input unread would reset the connection. */
static void hang_up(struct connection *c)
{
    WEFT_DEADLINE(linger, LINGER_NS) {
        if (weft_writer_flush(&c->out) == 0 && weft_shutdown(c->fd, SHUT_WR) == 0) {
            while (weft_scope_remaining() > 0 &&
                   weft_read(c->fd, c->in_bytes, sizeof(c->in_bytes)) > 0)
                ;
        }
    }
    weft_close(c->fd);
}

static void serve(void *arg)
{
    struct connection c; /* 12 KiB on the coroutine's own stack, which has 256 KiB */
    bool is_open = true;

    c.fd = (int)(intptr_t)arg;
    weft_reader_init(&c.in, (struct weft_stream){.read = read_more, .arg = &c}, c.in_bytes,
                     sizeof(c.in_bytes));
    weft_writer_init(&c.out, weft_stream_of_fd(c.fd), c.out_bytes, sizeof(c.out_bytes));
    while (is_open) {
        WEFT_DEADLINE(request, idle_ns) {
            is_open = serve_request(&c);
        }
    }
    hang_up(&c);
}

/* ---- the server ---- */

struct server {
    struct server_options options;
    int stop_fd;
};

/* Takes connections until the listener is closed. */
static int accept_all(void *arg)
{
    const int listener = *(int *)arg;
    int fd;

    while ((fd = weft_accept(listener, NULL)) >= 0) {
        weft_set_nodelay(fd, true);
        if (go(serve, (void *)(intptr_t)fd) != 0)
            weft_close(fd);
    }
    return 0;
}

static int app(void *arg)
{
    struct server *server = arg;
    int listener = server_listen(&server->options);
    struct weft_co *acceptor;
    int rc;

    if (listener < 0)
        return 1;
    acceptor = weft_go_with(accept_all, &listener, .name = "acceptor");
    rc = weft_wait_fd(server->stop_fd, POLLIN);
    weft_close(listener); /* ends the accept */
    if (acceptor == NULL || weft_join(acceptor, NULL) != 0)
        return 1;
    return rc > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct server server = {
        .options = {.host = "127.0.0.1", .port = 8080, .idle_seconds = 30},
    };

    server_read_options(&server.options, argc, argv);
    server_raise_limit();
    server.stop_fd = server_stop_fd();
    idle_ns = server.options.idle_seconds * WEFT_SEC;
    make_kinds();
    make_heads();
    return weft_run_with(app, &server, .procs = server.options.procs,
                         .reactor = server.options.reactor);
}
