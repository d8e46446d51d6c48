/* SPDX-License-Identifier: MIT */
/* scenario_io.h - of calls.c: datagrams, descriptors handed over, copies in the kernel, pools of
 * buffers. */
#ifndef WEFT_TESTS_SCENARIO_IO_H
#define WEFT_TESTS_SCENARIO_IO_H

#include "scenario.h"

/* Two datagrams by one call, taken by as many as it takes. */
static ssize_t send_two(int fd, int reader)
{
    struct weft_dgram out[2] = {{.buf = (char[]){"a"}, .bytes = 1},
                                {.buf = (char[]){"b"}, .bytes = 1}};

    ssize_t n = weft_dgram_send_many(fd, out, 2);
    for (int i = 0; n > 0 && i < 2; i += (int)n) {
        char rooms[2][4];
        struct weft_dgram in[2] = {{.buf = rooms[0], .bytes = 4}, {.buf = rooms[1], .bytes = 4}};
        n = weft_dgram_recv_many(reader, in, 2 - i);
    }
    return n;
}

/* One that brings a descriptor. */
static ssize_t send_descriptor(int fd, int reader)
{
    char buf[4];
    int got, count = 1;

    ssize_t n = weft_send_fds(fd, "c", 1, &fd, 1);
    if (n < 0 || (n = weft_recv_fds(reader, buf, sizeof buf, &got, &count)) < 0)
        return n;
    CHECK_EQ(count, 1);
    CHECK_EQ(close(got), 0);
    return n;
}

static int datagrams(void)
{
    static int n_names; /* one whose close was made to fail keeps its own */
    char name[40], buf[8];
    struct weft_addr at;

    snprintf(name, sizeof name, "unix:@weft-fault-mail-%d-%d", getpid(), n_names++);
    CHECK_EQ(weft_addr_parse(&at, name), 0);
    int fd, reader = weft_dgram_bind(name);
    if (reader < 0)
        return reader;
    fd = weft_dgram_dial(name);
    ssize_t n = fd;
    if (fd >= 0) {
        WEFT_DEADLINE (s, PATIENCE) {
            n = weft_dgram_send(fd, "first", 5, &at);
            if (n > 0)
                n = weft_dgram_recv(reader, buf, sizeof buf, NULL, NULL);
            if (n > 0)
                n = send_two(fd, reader);
            if (n > 0)
                n = send_descriptor(fd, reader);
        }
        n = first_error(n < 0 ? (int)n : 0, weft_close(fd));
    }
    return first_error((int)n, weft_close(reader));
}

/* A byte from pair to pair through a pipe, and another one out of a file. */
static int copy_two(int out, int in)
{
    struct weft_relay relay;
    int rc = weft_relay_open(&relay);

    if (rc != 0)
        return rc;
    ssize_t n = weft_relay_copy(&relay, out, in, 1);
    rc = n < 0 ? (int)n : 0;
    rc = first_error(rc, weft_relay_close(&relay));
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK_GE(file, 0);
    n = weft_sendfile(out, file, 0, 1);
    CHECK_EQ(close(file), 0);
    return first_error(rc, n < 0 ? (int)n : 0);
}

static int copies(void)
{
    int in[2], out[2] = {-1, -1}, rc = weft_socket_pair(in);

    if (rc != 0)
        return rc;
    rc = weft_socket_pair(out);
    CHECK_EQ(write(in[1], "x", 1), 1);
    if (rc == 0) {
        WEFT_DEADLINE(s, PATIENCE)
            rc = copy_two(out[1], in[0]);
        rc = first_error(rc, weft_close_abort(out[0]));
        rc = first_error(rc, weft_close(out[1]));
    }
    rc = first_error(rc, weft_close(in[0]));
    return first_error(rc, weft_close(in[1]));
}

static int buffers(void)
{
    struct weft_buffer_pool *pool = weft_buffer_pool_make(4096, 2);
    void *buf;

    if (pool == NULL)
        return -ENOMEM;
    int rc = weft_buffer_pool_get(pool, &buf);
    if (rc == 0)
        weft_buffer_pool_put(pool, buf);
    weft_buffer_pool_free(pool);
    return rc;
}

#endif
