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

static struct io_uring_sqe *get_sqe(struct loop *l, enum operation operation, int fd)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&l->ring);

    while (sqe == NULL) {
        const int rc = io_uring_submit(&l->ring);

        if (rc < 0 && rc != -EINTR && rc != -EAGAIN && rc != -EBUSY)
            server_die("io_uring_submit", -rc);
        sqe = io_uring_get_sqe(&l->ring);
    }
    sqe->user_data = (uint64_t)fd << 2 | operation; /* the prep functions leave it alone */
    return sqe;
}

static void set_data(struct io_uring_sqe *sqe, enum operation operation, int fd)
{
    io_uring_sqe_set_data64(sqe, (uint64_t)fd << 2 | operation);
}

static void start_accept(struct loop *l)
{
    struct io_uring_sqe *sqe = get_sqe(l, OPERATION_ACCEPT, l->listener);

    io_uring_prep_multishot_accept(sqe, l->listener, NULL, NULL, SOCK_CLOEXEC);
    set_data(sqe, OPERATION_ACCEPT, l->listener);
}

static void start_receive(struct loop *l, int fd)
{
    struct io_uring_sqe *sqe = get_sqe(l, OPERATION_RECEIVE, fd);

    io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    set_data(sqe, OPERATION_RECEIVE, fd);
    connections[fd].is_receiving = true;
}
