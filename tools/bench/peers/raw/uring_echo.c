/* SPDX-License-Identifier: MIT */
/*
 * uring_echo.c - an echo server around io_uring, a ring a thread.
 *
 * One multishot accept; for each connection one multishot receive into a ring of provided buffers;
 * and plain send(), since it nearly always succeeds at once.  What a full socket does not take is
 * left in its buffer, which goes to the end of the connection's queue; the ring then sends the
 * queue, a buffer at a time.  A buffer goes back to the kernel when it was sent.
 *
 * A connection is closed when its receive has ended, and nothing of it is on the way.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"

#define SQ_ENTRIES 1024
#define CQ_ENTRIES 8192
#define BUFFERS 2048 /* a power of two */
#define BUFFER_BYTES 2048
#define BUFFER_GROUP 0
#define HUGE_PAGE_BYTES (2 * 1024 * 1024)

enum operation { OPERATION_ACCEPT, OPERATION_RECEIVE, OPERATION_SEND };

struct connection {
    bool is_receiving, is_sending, is_broken;
    uint16_t first, last; /* buffers that are to be sent, if there are any */
    unsigned n_queued;
    unsigned n_sent; /* bytes of the first one that are */
};

struct loop {
    struct io_uring ring;
    struct io_uring_buf_ring *pool;
    char *buffers;
    uint16_t next[BUFFERS]; /* in the queue of a connection */
    uint16_t bytes[BUFFERS];
    unsigned n_free; /* buffers that the kernel has */
    int *starved;    /* connections whose receive ended for lack of buffers */
    unsigned n_starved;
    int listener;
};

static struct connection *connections; /* by fd, of all threads */

/* ---- submitting ---- */

static struct io_uring_sqe *get_sqe(struct loop *l)
{
    struct io_uring_sqe *sqe;

    while ((sqe = io_uring_get_sqe(&l->ring)) == NULL) {
        const int rc = io_uring_submit(&l->ring);

        if (rc < 0 && rc != -EINTR && rc != -EAGAIN && rc != -EBUSY)
            server_die("io_uring_submit", -rc);
    }
    return sqe;
}

/* After the preparation: what the completion will be known by. */
static void set_data(struct io_uring_sqe *sqe, enum operation operation, int fd)
{
    io_uring_sqe_set_data64(sqe, (uint64_t)fd << 2 | operation);
}

static void start_accept(struct loop *l)
{
    struct io_uring_sqe *sqe = get_sqe(l);

    io_uring_prep_multishot_accept(sqe, l->listener, NULL, NULL, SOCK_CLOEXEC);
    set_data(sqe, OPERATION_ACCEPT, l->listener);
}

static void start_receive(struct loop *l, int fd)
{
    struct io_uring_sqe *sqe = get_sqe(l);

    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    set_data(sqe, OPERATION_RECEIVE, fd);
    connections[fd].is_receiving = true;
}

static char *buffer_at(struct loop *l, unsigned id)
{
    return l->buffers + (size_t)id * BUFFER_BYTES;
}

/* Sends the first buffer of the queue, or what is left of it. */
static void start_send(struct loop *l, int fd)
{
    struct connection *c = &connections[fd];
    struct io_uring_sqe *sqe = get_sqe(l);

    io_uring_prep_send(sqe, fd, buffer_at(l, c->first) + c->n_sent, l->bytes[c->first] - c->n_sent,
                       MSG_NOSIGNAL);
    set_data(sqe, OPERATION_SEND, fd);
    c->is_sending = true;
}

/* ---- buffers ---- */

static void give_back(struct loop *l, unsigned id)
{
    io_uring_buf_ring_add(l->pool, buffer_at(l, id), BUFFER_BYTES, (unsigned short)id,
                          io_uring_buf_ring_mask(BUFFERS), 0);
    io_uring_buf_ring_advance(l->pool, 1);
    l->n_free++;
}

static void enqueue(struct loop *l, struct connection *c, unsigned id, unsigned bytes)
{
    l->bytes[id] = (uint16_t)bytes;
    if (c->n_queued++ == 0)
        c->first = (uint16_t)id;
    else
        l->next[c->last] = (uint16_t)id;
    c->last = (uint16_t)id;
}

static void dequeue(struct loop *l, struct connection *c)
{
    const unsigned id = c->first;

    c->first = l->next[id];
    c->n_sent = 0;
    c->n_queued--;
    give_back(l, id);
}

/* Two pages of 2 MiB: with small ones, each message would be on another page. */
static void make_pool(struct loop *l)
{
    struct io_uring_buf_reg registration = {.ring_entries = BUFFERS, .bgid = BUFFER_GROUP};
    const size_t pool_bytes = BUFFERS * sizeof(struct io_uring_buf);
    int rc;

    l->pool = mmap(NULL, pool_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    l->buffers = aligned_alloc(HUGE_PAGE_BYTES, (size_t)BUFFERS * BUFFER_BYTES);
    if (l->pool == MAP_FAILED || l->buffers == NULL)
        server_die("buffers", ENOMEM);
    madvise(l->buffers, (size_t)BUFFERS * BUFFER_BYTES, MADV_HUGEPAGE);
    registration.ring_addr = (uintptr_t)l->pool;
    rc = io_uring_register_buf_ring(&l->ring, &registration, 0);
    if (rc != 0)
        server_die("a ring of provided buffers, of Linux 5.19", -rc);
    io_uring_buf_ring_init(l->pool);
    for (unsigned i = 0; i < BUFFERS; i++)
        give_back(l, i);
}

/* ---- completions ---- */

/* The peer is gone: nothing more can be sent, and the receive will end. */
static void break_off(struct loop *l, int fd)
{
    struct connection *c = &connections[fd];

    while (c->n_queued > 0)
        dequeue(l, c);
    if (!c->is_broken)
        shutdown(fd, SHUT_RDWR);
    c->is_broken = true;
}

static void close_if_done(int fd)
{
    const struct connection *c = &connections[fd];

    if (!c->is_receiving && !c->is_sending && c->n_queued == 0)
        close(fd);
}

static void on_accept(struct loop *l, int rc, unsigned flags)
{
    const int on = 1;

    if (rc >= 0) {
        connections[rc] = (struct connection){0};
        setsockopt(rc, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        start_receive(l, rc);
    } else if (rc != -ECONNABORTED) {
        server_die("accept", -rc);
    }
    if (!(flags & IORING_CQE_F_MORE))
        start_accept(l);
}

/* Sends a buffer back at once, or puts it at the end of the queue. */
static void echo(struct loop *l, int fd, unsigned id, unsigned bytes)
{
    struct connection *c = &connections[fd];
    ssize_t n = 0;

    if (c->is_broken) {
        give_back(l, id);
        return;
    }
    if (c->n_queued == 0) {
        n = send(fd, buffer_at(l, id), bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n == (ssize_t)bytes) {
            give_back(l, id);
            return;
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            give_back(l, id);
            break_off(l, fd);
            return;
        }
        c->n_sent = n > 0 ? (unsigned)n : 0;
    }
    enqueue(l, c, id, bytes);
    if (!c->is_sending)
        start_send(l, fd);
}

static void on_receive(struct loop *l, int fd, int rc, unsigned flags)
{
    struct connection *c = &connections[fd];

    if (flags & IORING_CQE_F_BUFFER) {
        const unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;

        l->n_free--;
        if (rc > 0)
            echo(l, fd, id, (unsigned)rc);
        else
            give_back(l, id);
    }
    if (flags & IORING_CQE_F_MORE)
        return;
    if (rc > 0)
        start_receive(l, fd);
    else if (rc == -ENOBUFS)
        l->starved[l->n_starved++] = fd; /* it stays `is_receiving` */
    else
        c->is_receiving = false;
    close_if_done(fd);
}

static void on_send(struct loop *l, int fd, int rc)
{
    struct connection *c = &connections[fd];

    c->is_sending = false;
    if (rc < 0 && rc != -EINTR && rc != -EAGAIN)
        break_off(l, fd);
    if (c->n_queued > 0) {
        c->n_sent += rc > 0 ? (unsigned)rc : 0;
        if (c->n_sent == l->bytes[c->first])
            dequeue(l, c);
    }
    if (c->n_queued > 0)
        start_send(l, fd);
    close_if_done(fd);
}

static void on_completion(struct loop *l, const struct io_uring_cqe *cqe)
{
    const int fd = (int)(cqe->user_data >> 2);

    switch ((enum operation)(cqe->user_data & 3)) {
    case OPERATION_ACCEPT:
        on_accept(l, cqe->res, cqe->flags);
        break;
    case OPERATION_RECEIVE:
        on_receive(l, fd, cqe->res, cqe->flags);
        break;
    case OPERATION_SEND:
        on_send(l, fd, cqe->res);
        break;
    }
}

/* ---- the loop ---- */

/* Linux 6.1 runs the completions when we ask for them, and not between. */
static void make_ring(struct loop *l)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = CQ_ENTRIES,
    };
    const int rc = io_uring_queue_init_params(SQ_ENTRIES, &l->ring, &params);

    if (rc != 0)
        server_die("io_uring of Linux 6.1", -rc);
}

static void serve(int listener)
{
    struct loop *l = calloc(1, sizeof(*l));

    if (l == NULL || (l->starved = calloc(SERVER_FDS_MAX, sizeof(int))) == NULL)
        server_die("serve", ENOMEM);
    l->listener = listener;
    fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) & ~O_NONBLOCK); /* the ring is to wait */
    make_ring(l);
    make_pool(l);
    start_accept(l);
    for (;;) {
        const int rc = io_uring_submit_and_wait(&l->ring, 1);
        struct io_uring_cqe *cqe;
        unsigned head, n = 0;

        if (rc < 0 && rc != -EINTR && rc != -EAGAIN && rc != -EBUSY)
            server_die("io_uring_submit_and_wait", -rc);
        io_uring_for_each_cqe(&l->ring, head, cqe)
        {
            on_completion(l, cqe);
            n++;
        }
        io_uring_cq_advance(&l->ring, n);
        while (l->n_starved > 0 && l->n_free > 0)
            start_receive(l, l->starved[--l->n_starved]);
    }
}

int main(int argc, char **argv)
{
    static const struct server server = {.name = "raw-uring-echo", .serve = serve};

    connections = calloc(SERVER_FDS_MAX, sizeof(*connections));
    if (connections == NULL)
        return 1;
    return server_main(&server, argc, argv);
}
