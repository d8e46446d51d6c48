/* SPDX-License-Identifier: MIT */
/* scenario.h - of calls.c: what a life of a runtime consists of, piece by piece; each gives 0 or
 * the first code that it met. */
#ifndef WEFT_TESTS_SCENARIO_H
#define WEFT_TESTS_SCENARIO_H

/* How long a piece waits for what a failure may have prevented. */
#define PATIENCE (is_armed && plan.first.failures != NULL ? 3 * WEFT_MS : LONG_NS)

struct echo {
    int listener, rc;
};

static int serve_echo(void *arg)
{
    struct echo *e = arg;
    char buf[64];
    ssize_t n;
    int fd = -1;

    WEFT_DEADLINE(s, PATIENCE)
        fd = weft_accept(e->listener, NULL);
    if (fd < 0)
        return fd;
    WEFT_DEADLINE(s, PATIENCE) {
        while ((n = weft_read(fd, buf, sizeof buf)) > 0) {
            ssize_t put = weft_write_full(fd, buf, (size_t)n);
            if (put < 0)
                n = put;
        }
    }
    int rc = weft_close(fd);
    return n < 0 ? (int)n : rc;
}

/* What came back must be what was sent, as far as it came. */
static int check_echo(const char *back, ssize_t n)
{
    if (n < 0)
        return (int)n;
    if (memcmp(back, "weaver", (size_t)n) != 0)
        return -EPROTO;
    return n == 6 ? 0 : -EPIPE; /* the other side has met an error */
}

static int talk(int fd)
{
    char back[6] = "";
    struct iovec iov[2] = {{(char *)"we", 2}, {(char *)"aver", 4}};
    ssize_t n;

    n = weft_writev_full(fd, iov, 2);
    return n < 0 ? (int)n : check_echo(back, weft_read_full(fd, back, sizeof back));
}

static int talk_at_length(int fd)
{
    int rc = 0;

    for (int i = 0; i < 8 && rc == 0; i++)
        rc = talk(fd);
    return rc;
}

static int join_for(struct weft_co *co)
{
    int result = 0, rc = weft_join(co, &result);

    CHECK_EQ(rc, 0);
    return result;
}

static int first_error(int a, int b)
{
    return a != 0 ? a : b;
}

static int echo_at(const char *where)
{
    struct weft_addr at;
    struct echo e = {.listener = weft_listen(where)};
    int rc, fd = -1;

    if (e.listener < 0)
        return e.listener;
    rc = weft_local_addr(e.listener, &at);
    struct weft_co *server = rc == 0 ? weft_go_with(serve_echo, &e) : NULL;
    if (server == NULL) {
        (void)weft_close(e.listener);
        return first_error(rc, -ENOMEM);
    }
    WEFT_DEADLINE(s, PATIENCE) {
        fd = weft_dial_addr(&at);
        rc = fd < 0 ? fd : talk_at_length(fd);
    }
    if (fd >= 0)
        rc = first_error(rc, weft_close(fd));
    rc = first_error(rc, join_for(server));
    return first_error(rc, weft_close(e.listener));
}

/* Parks for ever: discarded by the stop. */
static void stay(void *arg)
{
    (void)arg;
    (void)weft_sleep(WEFT_NEVER);
}

static int send_ten(void *arg)
{
    for (int i = 0; i < 10; i++) {
        int rc = chan_send(arg, &i);
        if (rc != 0)
            return rc;
    }
    chan_close(arg);
    return 0;
}

static int channels(void)
{
    chan *ch = chan_make(sizeof(int), 2);
    struct weft_co *sender = ch ? weft_go_with(send_ten, ch, .name = "sender") : NULL;
    int v, rc = -ENOMEM, n = 0;

    if (sender != NULL) {
        while ((rc = chan_recv(ch, &v)) == 0)
            n++;
        rc = first_error(rc == -EPIPE && n == 10 ? 0 : rc, join_for(sender));
    }
    if (ch != NULL)
        chan_unref(ch);
    return rc;
}

static int shapes(void)
{
    struct weft_oneshot *o = weft_oneshot_make(sizeof(int));
    struct weft_broadcast *b = weft_broadcast_make(sizeof(int), 2);
    struct weft_subscriber *s = b ? weft_broadcast_subscribe(b) : NULL;
    struct weft_watch *w = weft_watch_make(sizeof(int), NULL);
    int rc = o != NULL && s != NULL && w != NULL ? 0 : -ENOMEM;

    weft_oneshot_close_send(o);
    weft_oneshot_close_recv(o);
    weft_broadcast_unsubscribe(s);
    weft_broadcast_unref(b);
    weft_watch_unref(w);
    return rc;
}

static int select_on_pair(void)
{
    int fds[2], v = 0, rc = weft_socket_pair(fds);
    char byte;

    if (rc != 0)
        return rc;
    chan *ch = chan_make(sizeof(int), 1);
    struct weft_case cases[] = {weft_case_readable(fds[0]), weft_case_after(WEFT_MS),
                                weft_case_recv(ch, &v)};
    rc = weft_select(cases, 3);
    rc = rc < 0 ? rc : rc == 1 ? 0 : cases[rc].rc < 0 ? (int)cases[rc].rc : -EPROTO;
    WEFT_DEADLINE(s, WEFT_MS) {
        ssize_t n = weft_read(fds[1], &byte, 1);
        rc = first_error(rc, n == -ETIMEDOUT ? 0 : (int)n);
    }
    if (ch != NULL)
        chan_unref(ch);
    rc = first_error(rc, weft_close(fds[0]));
    return first_error(rc, weft_close(fds[1]));
}

/* What was written is there to be read: nothing here waits for long. */
static int send_line(struct weft_writer *out, struct weft_reader *in)
{
    struct weft_line line;

    if (out == NULL || in == NULL)
        return -ENOMEM;
    CHECK_EQ(weft_writer_printf(out, "weaver\r\n"), 8);
    int rc = weft_writer_flush(out);
    CHECK_EQ(weft_writer_buffered(out), rc == 0 ? 0 : 8);
    if (rc == 0 && (rc = weft_reader_line(in, &line)) > 0)
        rc = strcmp(line.text, "weaver") == 0 && line.end_bytes == 2 ? 0 : -EPROTO;
    return rc;
}

static int lines_on_pair(void)
{
    int fds[2], rc = weft_socket_pair(fds);

    if (rc != 0)
        return rc;
    struct weft_writer *out = weft_writer_make(weft_stream_of_fd(fds[0]), 16);
    struct weft_reader *in = weft_reader_make(weft_stream_of_fd(fds[1]), 16);
    rc = send_line(out, in);
    weft_writer_free(out);
    weft_reader_free(in);
    rc = first_error(rc, weft_close(fds[0]));
    return first_error(rc, weft_close(fds[1]));
}

static int give_three(void *arg)
{
    (void)arg;
    return 3;
}

static int block(void)
{
    int result = 0, rc = weft_blocking(give_three, NULL, &result);

    WEFT_BLOCKING
        result += give_three(NULL);
    return rc == 0 && result != 6 ? -EPROTO : rc;
}

static _Atomic int n_owed;

static void settle(void *value)
{
    (void)value;
    n_owed--;
}

static void *owe(void *value)
{
    n_owed++;
    return value;
}

static struct weft_key owed = {.destroy = settle, .inherit = owe};

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* A parent, which has a child. */
static int owe_much(void *has_child)
{
    int rc = 0;

    if (weft_local_get(&owed) == NULL && (rc = weft_local_set(&owed, &owed)) == 0)
        n_owed++;
    if (rc == 0 && (rc = weft_defer(settle, NULL)) == 0)
        n_owed++;
    rc = first_error(rc, weft_call_on_big_stack(do_nothing, NULL, 1 << 20));
    if (has_child != NULL) {
        struct weft_co *co = weft_go_with(owe_much, NULL);
        rc = first_error(rc, co != NULL ? join_for(co) : -ENOMEM);
    }
    return rc;
}

static int settle_all(void)
{
    struct weft_co *co = weft_go_with(owe_much, &owed);
    int rc = co != NULL ? join_for(co) : -ENOMEM;

    CHECK_EQ(n_owed, 0);
    return rc;
}

static int keep_promise(void *p)
{
    weft_yield();
    return weft_promise_resolve(p, NULL);
}

static int futures(void)
{
    struct weft_promise *p = weft_promise_make(0);
    struct weft_future *f[9] = {p ? weft_promise_future(p) : NULL}; /* too many to wait inline */
    struct weft_waker *w = weft_waker_make();
    struct weft_co *co = p && w ? weft_go_with(keep_promise, p) : NULL;
    int rc = -ENOMEM;

    if (co != NULL) {
        rc = weft_future_await_any(f, 9);
        rc = first_error(rc, join_for(co));
        weft_waker_wake(w);
        rc = first_error(rc, weft_waker_wait(w));
    }
    weft_promise_unref(p);
    weft_future_unref(f[0]);
    weft_waker_unref(w);
    return rc;
}

static int answer_two(const char *host, const char *service, int family, struct weft_addr *addrs)
{
    int rc = FAULT_AT(decide, WEFT__CALL_LOOKUP); /* in the place of weft__sys_lookup() */

    (void)host;
    (void)service;
    (void)family;
    set_addr(&addrs[0], "127.0.0.1:0");
    set_addr(&addrs[1], "127.0.0.1:0");
    return rc != 0 ? rc : 2;
}

/* A race of two, whoever wins. */
static int dial_by_name(void)
{
    char name[32];
    struct weft_addr at;
    int fd = -1, listener = weft_listen("127.0.0.1:0");

    if (listener < 0)
        return listener;
    int rc = weft_local_addr(listener, &at);
    snprintf(name, sizeof name, "a.test:%d", weft_addr_port(&at));
    WEFT_DEADLINE(s, PATIENCE)
        fd = weft_dial(name);
    rc = first_error(rc, fd < 0 ? fd : weft_close(fd));
    return first_error(rc, weft_close(listener));
}

static int echo_over_tcp(void)
{
    return echo_at("127.0.0.1:0");
}

/* A close that was made to fail leaves a name in use: each time another one, and nobody else's of
 * those who run this as well. */
static void name_anew(char name[64], const char *prefix)
{
    static int n;

    snprintf(name, 64, "%sweft-fault-%d-%d", prefix, getpid(), n++);
}

static int echo_over_unix(void)
{
    char name[64];

    name_anew(name, "unix:@");
    return echo_at(name);
}

/* They are there when the runtime stops. */
static int leave_some_behind(void)
{
    int rc = 0;

    for (int i = 0; i < 20 && rc == 0; i++)
        rc = weft_go(stay, NULL);
    return rc;
}

#endif
