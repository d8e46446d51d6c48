/* SPDX-License-Identifier: MIT */
/*
 * static_server.c - the files of a directory over HTTP/1.1: one coroutine a connection, and files
 * that go from the page cache to the socket by weft_sendfile().
 *
 *     static_server [--host H] [--port N] [--procs N] [--reactor R] [--idle SECONDS] [--dir DIR]
 *
 * GET and HEAD of a file below DIR, index.html for a directory.  One range of bytes (206, 416),
 * If-Modified-Since (304); what is not there, not a file, or behind a symbolic link is 404, other
 * methods 405, what is not HTTP 400, a head of more than 8 KiB 431.  Connections are kept.
 *
 * Whatever waits for the disk runs on a thread for blocking calls.  A deadline cuts connections
 * that send no whole request in time, and those that do not take a mebibyte in that time.
 *
 * SIGINT or SIGTERM stop it; open connections end with the runtime.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "server.h"

#define HEAD_BYTES_MAX 8192
#define PATH_BYTES 1024
#define PIECE_BYTES ((int64_t)1 << 20) /* sent under one deadline */
#define LINGER_NS (1 * WEFT_SEC)

static int64_t idle_ns; /* set once, before the runtime starts */
static int root = -1;   /* the directory, likewise */

struct connection {
    int fd;
    bool is_cut; /* in the middle of a file: the peer must not take what it has for all */
    struct weft_reader in;
    struct weft_writer out;
    char in_bytes[HEAD_BYTES_MAX + 2]; /* with the room that a reader wants behind a line */
    char out_bytes[1024];
};

struct request {
    int status; /* 200 until something else is known */
    bool is_head, is_kept;
    bool has_body, has_range, has_if_range;
    int n_hosts;
    int64_t from, to;      /* the range: from -1: the last `to` bytes; to -1: up to the end */
    time_t known_since;    /* of If-Modified-Since; -1: none */
    char path[PATH_BYTES]; /* relative to the root, without . and .. */
};

/* ---- files: on a thread for blocking calls ---- */

struct file {
    const char *path;
    bool is_dir; /* its index.html is meant */
    int fd;
    int64_t bytes;
    time_t changed;
};

/* Opens a path name by name and follows no link, so that nothing leads out of the root. */
static int open_below(const char *path, int flags)
{
    char name[256];
    int at = dup(root);

    while (at >= 0 && *path != '\0') {
        const size_t n = strcspn(path, "/");
        const bool is_last = path[n] == '\0';
        int next = -1;

        if (n < sizeof(name)) {
            memcpy(name, path, n);
            name[n] = '\0';
            next =
                openat(at, name, (is_last ? flags : O_PATH | O_DIRECTORY) | O_NOFOLLOW | O_CLOEXEC);
        }
        close(at);
        at = next;
        path += n + !is_last;
    }
    return at;
}

/* 200, or why not.  O_NONBLOCK: the open of a pipe would wait. */
static int open_file(void *arg)
{
    struct file *f = arg;
    char index[PATH_BYTES + 16];
    struct stat st;

    f->fd = *f->path == '\0' ? dup(root) : open_below(f->path, O_RDONLY | O_NONBLOCK);
    if (f->fd >= 0 && fstat(f->fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        close(f->fd);
        f->is_dir = true;
        snprintf(index, sizeof(index), "%s%sindex.html", f->path, *f->path == '\0' ? "" : "/");
        f->fd = open_below(index, O_RDONLY | O_NONBLOCK);
    }
    if (f->fd < 0)
        return errno == EMFILE || errno == ENFILE ? 503 : 404;
    if (fstat(f->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(f->fd);
        f->fd = -1;
        return 404;
    }
    f->bytes = st.st_size;
    f->changed = st.st_mtime;
    return 200;
}

/* ---- reading a request ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

/* Decodes "/a%20b/./c?d" to "a b/c"; 200, or 400, or 404 for what climbs or is too long. */
static int parse_path(char *path, const char *target)
{
    size_t n = 0, start = 0; /* of the last name */

    if (strncasecmp(target, "http://", 7) == 0)
        target += 7 + strcspn(target + 7, "/");
    if (*target != '/' && *target != '\0')
        return 400;
    for (;; target++) {
        char c = *target;
        const bool is_end = c == '\0' || c == '?' || c == '#';

        if (c == '%') {
            const int high = hex_digit(target[1]), low = high < 0 ? -1 : hex_digit(target[2]);

            if (low < 0 || high * 16 + low == 0)
                return 400;
            c = (char)(high * 16 + low);
            target += 2;
        }
        if (!is_end && c != '/') {
            if (n >= PATH_BYTES - 2)
                return 404;
            path[n++] = c;
            continue;
        }
        if (n - start == 2 && path[start] == '.' && path[start + 1] == '.')
            return 404;
        if (n - start == 1 && path[start] == '.')
            n = start;
        if (!is_end && n > start)
            path[n++] = '/';
        start = n;
        if (is_end)
            break;
    }
    while (n > 0 && path[n - 1] == '/')
        n--;
    path[n] = '\0';
    return 200;
}

/* "GET /path HTTP/1.1" */
static int parse_request_line(struct request *r, char *line)
{
    char *target = strchr(line, ' ');
    char *version = target == NULL ? NULL : strchr(target + 1, ' ');

    if (version == NULL || target == line)
        return 400;
    *target++ = '\0';
    *version++ = '\0';
    if (strncmp(version, "HTTP/1.", 7) != 0 || version[7] < '0' || version[7] > '9' ||
        version[8] != '\0')
        return 400;
    r->is_kept = version[7] != '0';
    r->n_hosts = r->is_kept ? 0 : 1; /* HTTP/1.0 need not have one */
    r->is_head = strcmp(line, "HEAD") == 0;
    if (!r->is_head && strcmp(line, "GET") != 0)
        return 405;
    return parse_path(r->path, target);
}

/* Digits at *text, which is moved behind them; -1 if there are none or too many. */
static int64_t parse_number(const char **text)
{
    int64_t n = -1;

    for (; **text >= '0' && **text <= '9' && n < INT64_MAX / 10 - 9; (*text)++)
        n = (n < 0 ? 0 : n * 10) + (**text - '0');
    return n;
}

/* "bytes=0-99", "bytes=100-", "bytes=-50".  Anything else, several ranges too, is not meant for
 * us: then the whole file is the answer. */
static void parse_range(struct request *r, const char *value)
{
    if (strncasecmp(value, "bytes=", 6) != 0)
        return;
    value += 6;
    r->from = parse_number(&value);
    if (*value++ != '-')
        return;
    r->to = parse_number(&value);
    r->has_range = *value == '\0' && (r->from >= 0 || r->to >= 0) &&
                   (r->from < 0 || r->to < 0 || r->from <= r->to);
}

static time_t parse_date(const char *value)
{
    struct tm tm = {0};
    const char *end = strptime(value, "%a, %d %b %Y %H:%M:%S GMT", &tm);

    return end == NULL || *end != '\0' ? -1 : timegm(&tm);
}

/* "Name: value"; 200 or 400. */
static int parse_header(struct request *r, char *line)
{
    const size_t n = strcspn(line, ": \t");
    char *value = line + n + 1;

    if (n == 0 || line[n] != ':')
        return 400;
    line[n] = '\0';
    value += strspn(value, " \t");
    for (size_t end = strlen(value); end > 0 && strchr(" \t", value[end - 1]) != NULL; end--)
        value[end - 1] = '\0';
    if (strcasecmp(line, "Host") == 0)
        r->n_hosts++;
    else if (strcasecmp(line, "Range") == 0)
        parse_range(r, value);
    else if (strcasecmp(line, "If-Range") == 0)
        r->has_if_range = true;
    else if (strcasecmp(line, "If-Modified-Since") == 0)
        r->known_since = parse_date(value);
    else if (strcasecmp(line, "Content-Length") == 0)
        r->has_body |= strcmp(value, "0") != 0;
    else if (strcasecmp(line, "Transfer-Encoding") == 0)
        r->has_body = true;
    else if (strcasecmp(line, "Connection") == 0)
        r->is_kept =
            strcasecmp(value, "close") != 0 && (r->is_kept || strcasecmp(value, "keep-alive") == 0);
    return 200;
}

/* A whole head; false if the connection ends first, or is too slow.  After what is not understood
 * nobody knows where the next request begins, and bodies are not read: then it is not kept. */
static bool read_request(struct connection *c, struct request *r)
{
    struct weft_line line;
    size_t bytes = 0;
    int status = 0; /* no line yet */

    *r = (struct request){.known_since = -1};
    while (status != 400 && status != 431) {
        const int rc = weft_reader_line(&c->in, &line);

        bytes += rc == 1 ? line.bytes + line.end_bytes : 0;
        if (rc == -EMSGSIZE || bytes > HEAD_BYTES_MAX) {
            status = 431;
        } else if (rc != 1 || line.end_bytes == 0) {
            return false;
        } else if (line.bytes == 0 && status != 0) {
            break;
        } else if (line.bytes > 0 && memchr(line.text, '\0', line.bytes) != NULL) {
            status = 400;
        } else if (line.bytes > 0 && status == 0) {
            status = parse_request_line(r, line.text);
        } else if (line.bytes > 0 && parse_header(r, line.text) == 400) {
            status = 400;
        }
    }
    r->status = status < 431 && r->n_hosts != 1 ? 400 : status;
    r->is_kept &= !r->has_body && r->status != 400 && r->status != 431;
    return true;
}

/* ---- answering ---- */

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 206:
        return "Partial Content";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 416:
        return "Range Not Satisfiable";
    case 431:
        return "Request Header Fields Too Large";
    default:
        return "Service Unavailable";
    }
}

static const char *type_of(const char *path)
{
    static const char *const known[][2] = {
        {".html", "text/html; charset=utf-8"},
        {".css", "text/css"},
        {".js", "text/javascript"},
        {".txt", "text/plain; charset=utf-8"},
        {".json", "application/json"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
    };
    const char *end = strrchr(path, '.');

    for (size_t i = 0; end != NULL && i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcasecmp(end, known[i][0]) == 0)
            return known[i][1];
    }
    return "application/octet-stream";
}

/* bytes: of the body; -1 says nothing of it. */
static bool write_head(struct connection *c, const struct request *r, int64_t bytes)
{
    return weft_writer_printf(&c->out, "HTTP/1.1 %d %s\r\n%s%s", r->status, reason_of(r->status),
                              r->status == 405 ? "Allow: GET, HEAD\r\n" : "",
                              r->is_kept ? "Connection: keep-alive\r\n" : "Connection: close\r\n") >
               0 &&
           (bytes < 0 ||
            weft_writer_printf(&c->out, "Content-Length: %lld\r\n", (long long)bytes) > 0);
}

/* Without the file: the reason is the body, where there may be one. */
static bool answer_shortly(struct connection *c, const struct request *r, int64_t file_bytes)
{
    const bool has_body = r->status != 304;
    const char *body = reason_of(r->status);

    if (!write_head(c, r, has_body ? (int64_t)strlen(body) : -1))
        return false;
    if (r->status == 416 &&
        weft_writer_printf(&c->out, "Content-Range: bytes */%lld\r\n", (long long)file_bytes) < 0)
        return false;
    return weft_writer_printf(&c->out, "\r\n%s", r->is_head || !has_body ? "" : body) > 0 &&
           weft_writer_flush(&c->out) == 0;
}

/* What of the file is asked for: its part, and the status for that. */
static int choose_part(const struct request *r, const struct file *f, int64_t *from, int64_t *to)
{
    *from = 0;
    *to = f->bytes;
    if (r->known_since >= 0 && f->changed <= r->known_since)
        return 304;
    if (!r->has_range || r->has_if_range)
        return 200;
    if (r->from < 0) {
        *from = r->to < f->bytes ? f->bytes - r->to : 0;
        return r->to == 0 ? 416 : 206;
    }
    *from = r->from;
    *to = r->to < 0 || r->to >= f->bytes ? f->bytes : r->to + 1;
    return r->from >= f->bytes ? 416 : 206;
}

static bool send_part(struct connection *c, const struct file *f, int64_t from, int64_t to)
{
    while (from < to) {
        const int64_t piece = to - from < PIECE_BYTES ? to - from : PIECE_BYTES;
        ssize_t n = 0;

        WEFT_DEADLINE (limit, idle_ns) {
            n = weft_sendfile(c->fd, f->fd, from, (size_t)piece);
        }
        c->is_cut = n != piece; /* too slow, gone, or the file has become shorter */
        if (c->is_cut)
            return false;
        from += n;
    }
    return true;
}

/* The head of an answer with the bytes from..to of the file. */
static bool write_file_head(struct connection *c, const struct request *r, const struct file *f,
                            int64_t from, int64_t to)
{
    char date[64];
    struct tm tm;

    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&f->changed, &tm));
    if (!write_head(c, r, to - from) ||
        weft_writer_printf(&c->out, "Content-Type: %s\r\nLast-Modified: %s\r\n",
                           type_of(f->is_dir ? ".html" : f->path), date) < 0)
        return false;
    if (r->status == 206 &&
        weft_writer_printf(&c->out, "Content-Range: bytes %lld-%lld/%lld\r\n", (long long)from,
                           (long long)to - 1, (long long)f->bytes) < 0)
        return false;
    return weft_writer_printf(&c->out, "Accept-Ranges: bytes\r\n\r\n") > 0 &&
           weft_writer_flush(&c->out) == 0;
}

/* f is open if the status is 200. */
static bool answer(struct connection *c, struct request *r, const struct file *f)
{
    int64_t from = 0, to = 0;
    bool has_head = false;

    if (r->status == 200)
        r->status = choose_part(r, f, &from, &to);
    WEFT_DEADLINE (limit, idle_ns) {
        has_head =
            r->status < 300 ? write_file_head(c, r, f, from, to) : answer_shortly(c, r, f->bytes);
    }
    return has_head && (r->status >= 300 || r->is_head || send_part(c, f, from, to));
}

/* One request and its answer; false when the connection is to end. */
static bool serve_request(struct connection *c)
{
    struct request r;
    struct file f = {.path = r.path, .fd = -1};
    bool is_there = false, is_sent;

    WEFT_DEADLINE (limit, idle_ns) {
        is_there = read_request(c, &r);
    }
    if (!is_there)
        return false;
    if (r.status == 200 && weft_blocking(open_file, &f, &r.status) != 0)
        r.status = 503;
    is_sent = answer(c, &r, &f);
    if (f.fd >= 0)
        weft_close(f.fd);
    return is_sent && r.is_kept;
}

static void serve(void *arg)
{
    struct connection c; /* 9 KiB on the coroutine's own stack, which has 256 KiB */

    c.fd = (int)(intptr_t)arg;
    c.is_cut = false;
    weft_reader_init(&c.in, weft_stream_of_fd(c.fd), c.in_bytes, sizeof(c.in_bytes));
    weft_writer_init(&c.out, weft_stream_of_fd(c.fd), c.out_bytes, sizeof(c.out_bytes));
    while (serve_request(&c))
        ;
    if (c.is_cut)
        weft_close_abort(c.fd);
    else
        weft_close_linger(c.fd, LINGER_NS); /* the last answer arrives, whatever was unread */
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
        .options = {.host = "127.0.0.1", .port = 8080, .idle_seconds = 30, .dir = "."},
    };

    server_read_options(&server.options, argc, argv);
    server_raise_limit();
    root = open(server.options.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        fprintf(stderr, "cannot open the directory %s: %s\n", server.options.dir, strerror(errno));
        return 1;
    }
    server.stop_fd = server_stop_fd();
    idle_ns = server.options.idle_seconds * WEFT_SEC;
    return weft_run_with(app, &server, .procs = server.options.procs,
                         .reactor = server.options.reactor);
}
