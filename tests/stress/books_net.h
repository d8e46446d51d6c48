/* SPDX-License-Identifier: MIT */
/* books_net.h - the part of books.c about sockets: bytes, and connections. */
#ifndef WEFT_TESTS_BOOKS_NET_H
#define WEFT_TESTS_BOOKS_NET_H

#include "books_shapes.h"

/* What must not be ended by a scope, but by the other side. */
#define PATIENTLY WEFT_SHIELD (patience, WEFT_NEVER)

/*
 * A number may be another file the moment after its close, so nobody may come to use it any more.
 * Those who use it are counted; who closes lets none in, and waits until each of them either waits
 * in the kernel, whom the close then ends, or is gone.
 */
struct door {
    int fd;
    atomic_int inside; /* and DOOR_SHUT */
};

#define DOOR_SHUT (1 << 30)

static bool door_enter(struct door *d)
{
    if ((atomic_fetch_add(&d->inside, 1) & DOOR_SHUT) == 0)
        return true;
    atomic_fetch_sub(&d->inside, 1);
    return false;
}

static void door_leave(struct door *d)
{
    atomic_fetch_sub(&d->inside, 1);
}

static int n_inside(struct door *d)
{
    return atomic_load(&d->inside) & ~DOOR_SHUT;
}

static int n_in_flight(int fd)
{
    struct weft__fd *entry = weft__fd_get(&weft_runtime_current()->reactors.fds, fd);
    int n = 0;

    CHECK(entry != NULL);
    weft__lock(&entry->lock);
    for (struct weft__op *op = entry->in_flight; op != NULL; op = op->fd_next)
        n++;
    weft__unlock(&entry->lock);
    return n;
}

static void door_shut(struct door *d)
{
    atomic_fetch_or(&d->inside, DOOR_SHUT);
}

static void door_close(struct door *d)
{
    door_shut(d);
    while (n_inside(d) != n_in_flight(d->fd)) /* in this order: those inside only become fewer */
        weft_yield();
    CHECK_EQ(weft_close(d->fd), 0);
}

/* ---- bytes ---- */

struct stream {
    struct thing thing;
    struct door in, out;
    bool writer_goes_first;
    struct tally tally;
};

static void stream_open(struct thing *t, struct agent *a)
{
    struct stream *s = (struct stream *)t;
    int fds[2];

    CHECK_EQ(weft_socket_pair(fds), 0);
    s->in.fd = fds[0];
    s->out.fd = fds[1];
    s->writer_goes_first = below(a, 2) == 0;
    if (below(a, 2) == 0)
        CHECK_EQ(weft_set_buffers(fds[0], 0, 4096), 0);
}

static void stream_took(struct stream *s, const char *bytes, ssize_t n, enum entry entry)
{
    int64_t sum = 0;

    for (ssize_t i = 0; i < n; i++)
        sum += bytes[i];
    if (n > 0) {
        tally(&s->tally, -n, -sum);
        book(entry, n);
    }
}

/* What is there by then; 0 at the end. */
static ssize_t stream_drain(struct stream *s, int64_t limit_ns)
{
    char buf[4096];
    ssize_t n = 0;

    WEFT_SHIELD (limit, limit_ns)
        while ((n = weft_read(s->out.fd, buf, sizeof buf)) > 0)
            stream_took(s, buf, n, DRAINED);
    return n;
}

/* The writing end is closed under those who write; or all is read, and the reading end is closed
 * under those who would read more. */
static void stream_close(struct thing *t, struct agent *a)
{
    struct stream *s = (struct stream *)t;

    (void)a;
    if (s->writer_goes_first) {
        door_close(&s->in);
        return;
    }
    door_shut(&s->in);
    while (n_inside(&s->in) > 0 || atomic_load(&s->tally.n) != 0)
        CHECK_EQ(stream_drain(s, 50 * WEFT_US), -ETIMEDOUT);
    door_close(&s->out);
}

static void stream_settle(struct thing *t)
{
    struct stream *s = (struct stream *)t;

    if (s->writer_goes_first)
        CHECK_EQ(stream_drain(s, WEFT_NEVER), 0);
    check_tally(&s->tally);
    CHECK_EQ(weft_close(s->writer_goes_first ? s->out.fd : s->in.fd), 0);
}

static struct kind streams = {
    .bytes = sizeof(struct stream),
    .open = stream_open,
    .close = stream_close,
    .settle = stream_settle,
    .by_coroutines = true,
};

static int act_write(struct agent *a)
{
    struct stream *s = thing_take(&streams, a, NULL);
    char buf[3000];
    struct iovec iov[2] = {{buf, 1 + (size_t)below(a, 1000)}, {buf, 1 + (size_t)below(a, 3000)}};
    ssize_t n = -EBADF;

    memset(buf, below(a, 100), sizeof buf);
    if (door_enter(&s->in)) {
        n = below(a, 2) == 0 ? weft_writev(s->in.fd, iov, 2)
                             : weft_write(s->in.fd, buf, iov[1].iov_len);
        if (n > 0) {
            tally(&s->tally, n, n * buf[0]);
            book(WRITTEN, n);
        }
        door_leave(&s->in);
    }
    thing_drop(&s->thing);
    return n < 0 ? (int)n : 0;
}

static int act_read(struct agent *a)
{
    struct stream *s = thing_take(&streams, a, NULL);
    char buf[3000];
    struct iovec iov[2] = {{buf, 1 + (size_t)below(a, 500)}, {buf + 500, 2500}};
    ssize_t n = -EBADF;

    if (door_enter(&s->out)) {
        n = below(a, 2) == 0 ? weft_read(s->out.fd, buf, 1 + (size_t)below(a, sizeof buf))
                             : weft_readv(s->out.fd, iov, 1);
        stream_took(s, buf, n, READ);
        door_leave(&s->out);
    }
    thing_drop(&s->thing);
    return n < 0 ? (int)n : n == 0 ? -EPIPE : 0; /* the end is a close */
}

static void stream_ready(struct arm *arm, int64_t rc)
{
    (void)arm;
    CHECK(rc > 0 || rc == -EBADF);
}

static void stream_disarm(struct arm *arm)
{
    door_leave(&((struct stream *)arm->thing)->out);
}

static struct weft_case arm_stream(struct agent *a, struct arm *arm)
{
    struct stream *s = thing_take(&streams, a, NULL);

    arm->thing = &s->thing;
    if (!door_enter(&s->out))
        return weft_case_recv(NULL, NULL);
    arm->won = stream_ready;
    arm->disarm = stream_disarm;
    return weft_case_readable(s->out.fd);
}

/* ---- connections ---- */

struct inn {
    struct thing thing;
    struct door door;
    struct weft_addr addr;
    struct weft_co *keeper; /* accepts until the close: nobody waits for his turn for ever */
    atomic_bool is_closed;
};

/* A guest says one byte and is told one, unless he has hung up. */
static void serve(int fd)
{
    char byte;

    book(ACCEPTED, 1);
    PATIENTLY {
        ssize_t n = weft_read(fd, &byte, 1);
        CHECK(n == 1 || n == 0 || n == -ECONNRESET);
        if (n == 1)
            CHECK_EQ(weft_write(fd, &byte, 1), 1);
        book(n == 1 ? SERVED : HUNG_UP, 1);
    }
    CHECK_EQ(weft_close(fd), 0);
}

static int accept_one(struct inn *inn)
{
    int fd = -EBADF;

    if (door_enter(&inn->door)) {
        fd = weft_accept(inn->door.fd, NULL);
        door_leave(&inn->door);
    }
    if (fd < 0)
        return fd;
    serve(fd);
    return 0;
}

static int keep_inn(void *arg)
{
    int rc;

    while ((rc = accept_one(arg)) == 0)
        ;
    CHECK_EQ(rc, -EBADF);
    return 0;
}

static void inn_open(struct thing *t, struct agent *a)
{
    static atomic_int n;
    struct inn *inn = (struct inn *)t;
    char name[64] = "127.0.0.1:0";

    if (below(a, 8) != 0)
        snprintf(name, sizeof name, "unix:@weft-books-%d-%d", getpid(), atomic_fetch_add(&n, 1));
    inn->door.fd = weft_listen(name);
    CHECK_GE(inn->door.fd, 0);
    if (below(a, 2) == 0)
        CHECK_EQ(listen(inn->door.fd, 1), 0);
    CHECK_EQ(weft_local_addr(inn->door.fd, &inn->addr), 0);
    inn->keeper = weft_go_with(keep_inn, inn, .name = "keeper");
}

static void inn_close(struct thing *t, struct agent *a)
{
    struct inn *inn = (struct inn *)t;

    (void)a;
    atomic_store(&inn->is_closed, true);
    door_close(&inn->door);
}

static void inn_settle(struct thing *t)
{
    PATIENTLY
        join(((struct inn *)t)->keeper);
}

static struct kind inns = {
    .bytes = sizeof(struct inn),
    .open = inn_open,
    .close = inn_close,
    .settle = inn_settle,
    .by_coroutines = true,
};

static int act_accept(struct agent *a)
{
    struct inn *inn = thing_take(&inns, a, NULL);
    int rc = accept_one(inn);

    thing_drop(&inn->thing);
    return rc;
}

static int act_dial(struct agent *a)
{
    struct inn *inn = thing_take(&inns, a, NULL);
    int fd = weft_dial_addr(&inn->addr);
    char byte = 'c';

    if (fd >= 0) {
        ssize_t n = 0;
        book(DIALED, 1);
        PATIENTLY
            if (weft_write(fd, &byte, 1) == 1)
                n = weft_read(fd, &byte, 1);
        CHECK(n == 1 || atomic_load(&inn->is_closed));
        book(n == 1 ? HEARD : UNHEARD, 1);
        if (weft_addr_port(&inn->addr) != 0)
            set_reset_on_close(fd); /* or so many ports would wait for a minute */
        CHECK_EQ(weft_close(fd), 0);
    }
    CHECK((fd != -ECONNREFUSED && fd != -ECONNRESET) || atomic_load(&inn->is_closed));
    thing_drop(&inn->thing);
    return fd == -ECONNRESET ? -ECONNREFUSED : fd < 0 ? fd : 0;
}

#endif
