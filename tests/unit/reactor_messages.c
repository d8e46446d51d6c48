/* SPDX-License-Identifier: MIT */
/*
 * reactor_messages.c - the conformance suite of the drivers, third part: datagrams, and messages
 * with an address, with flags or with descriptors.
 *
 * matrix: once
 */
#define _GNU_SOURCE
#include "reactor_rig.h"

/* What a message is made of: one buffer, an address, room for two descriptors. */
struct letter {
    struct task task;
    struct msghdr msg;
    struct iovec iov;
    struct sockaddr_storage addr;
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control;
};

static struct task *to_receive(struct letter *l, int fd, int flags)
{
    memset(l, 0, sizeof *l);
    prepare(&l->task, WEFT__OP_RECVMSG, fd);
    l->iov = (struct iovec){l->task.bytes, sizeof l->task.bytes};
    l->msg = (struct msghdr){
        .msg_name = &l->addr,
        .msg_namelen = sizeof l->addr,
        .msg_iov = &l->iov,
        .msg_iovlen = 1,
        .msg_control = l->control.bytes,
        .msg_controllen = sizeof l->control.bytes,
    };
    l->task.op.hdr = &l->msg;
    l->task.op.hdr_flags = flags;
    return &l->task;
}

static struct task *to_send(struct letter *l, int fd, const char *text)
{
    memset(l, 0, sizeof *l);
    prepare(&l->task, WEFT__OP_SENDMSG, fd);
    l->iov = (struct iovec){(void *)(uintptr_t)text, strlen(text)};
    l->msg = (struct msghdr){.msg_iov = &l->iov, .msg_iovlen = 1};
    l->task.op.hdr = &l->msg;
    l->task.op.hdr_flags = 0;
    return &l->task;
}

/* Without a try, so that the driver makes the call. */
static ssize_t submitted(struct task *t)
{
    int rc = submit(0, t);
    return rc == 0 ? await(0, t) : rc == 1 ? t->op.result : rc;
}

/* ---- Pairs: the second is connected to the first. ---- */

static int bind_datagrams(int family, struct sockaddr_storage *addr, socklen_t *len)
{
    static int n;
    memset(addr, 0, sizeof *addr);
    addr->ss_family = (sa_family_t)family;
    if (family == AF_UNIX) {
        struct sockaddr_un *un = (struct sockaddr_un *)addr;
        *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                           (size_t)snprintf(un->sun_path + 1, 64, "weft-messages-%d-%d", getpid(),
                                            n++));
    } else if (family == AF_INET) {
        ((struct sockaddr_in *)addr)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        *len = sizeof(struct sockaddr_in);
    } else {
        ((struct sockaddr_in6 *)addr)->sin6_addr = in6addr_loopback;
        *len = sizeof(struct sockaddr_in6);
    }
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)addr, *len) != 0) {
        SKIP("no loopback of this family");
    }
    CHECK_EQ(getsockname(fd, (struct sockaddr *)addr, len), 0);
    return fd;
}

static void make_datagrams(int family, int fds[2])
{
    struct sockaddr_storage addr, unused;
    socklen_t len, unused_len;
    fds[0] = bind_datagrams(family, &addr, &len);
    fds[1] = bind_datagrams(family, &unused, &unused_len);
    CHECK_EQ(connect(fds[1], (struct sockaddr *)&addr, len), 0);
}

static void make_udp4(int fds[2])
{
    make_datagrams(AF_INET, fds);
}

static void make_udp6(int fds[2])
{
    make_datagrams(AF_INET6, fds);
}

static void make_unix_datagrams(int fds[2])
{
    make_datagrams(AF_UNIX, fds);
}

static const struct pair_kind datagram_kinds[] = {
    {"udp4", make_udp4, true, false, false, 0},
    {"udp6", make_udp6, true, false, false, 0},
    {"unix datagrams", make_unix_datagrams, true, false, false, 0},
    {"somebody's udp4", make_udp4, false, false, false, 0},
    {"somebody's unix datagrams", make_unix_datagrams, false, false, false, 0},
};

static void make_datagram_pair(const struct pair_kind *kind, int fds[2])
{
    kind->make(fds);
    for (int i = 0; kind->is_own && i < 2; i++) {
        CHECK_EQ(weft__fd_adopt_datagrams(&group.fds, fds[i]), 0);
    }
}

/* ---- Situations that hold on every kind of datagrams. ---- */

static void a_receive_waits_and_tells_from_whom(int rd, int wr)
{
    struct letter in, out;
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;
    CHECK_EQ(getsockname(wr, (struct sockaddr *)&addr, &len), 0);
    CHECK_EQ(weft__op_try(&to_receive(&in, rd, 0)->op, true), -EAGAIN);
    CHECK_EQ(in.msg.msg_namelen, sizeof in.addr);
    CHECK_EQ(submit(0, &in.task), 0);
    expect_quiet(0);
    CHECK_EQ(carry_out(0, to_send(&out, wr, "hello")), 5);
    CHECK_EQ(await(0, &in.task), 5);
    CHECK_EQ(memcmp(in.task.bytes, "hello", 5), 0);
    CHECK_EQ(in.msg.msg_namelen, len);
    CHECK_EQ(memcmp(&in.addr, &addr, len), 0);
}

static void an_empty_one_is_received_as_such(int rd, int wr)
{
    struct letter in, out;
    CHECK_EQ(submit(0, to_receive(&in, rd, 0)), 0);
    expect_quiet(0);
    CHECK_EQ(submitted(to_send(&out, wr, "")), 0);
    CHECK_EQ(await(0, &in.task), 0);
}

static void a_long_one_tells_its_length(int rd, int wr)
{
    struct letter in, out;
    for (int waits = 0; waits < 2; waits++) {
        to_receive(&in, rd, MSG_TRUNC);
        in.iov.iov_len = 3;
        if (waits) {
            CHECK_EQ(submit(0, &in.task), 0);
            expect_quiet(0);
        }
        CHECK_EQ(submitted(to_send(&out, wr, "longer")), 6);
        CHECK_EQ(waits ? await(0, &in.task) : carry_out(0, &in.task), 6);
        CHECK_EQ(in.msg.msg_flags & MSG_TRUNC, MSG_TRUNC);
        CHECK_STR(in.task.bytes, "lon");
    }
}

static void a_peek_leaves_it_there(int rd, int wr)
{
    struct letter peek, in, out;
    CHECK_EQ(submit(0, to_receive(&peek, rd, MSG_PEEK)), 0);
    expect_quiet(0);
    CHECK_EQ(carry_out(0, to_send(&out, wr, "twice")), 5);
    CHECK_EQ(await(0, &peek.task), 5);
    CHECK_EQ(submitted(to_receive(&peek, rd, MSG_PEEK)), 5);
    CHECK_EQ(submitted(to_receive(&in, rd, 0)), 5);
    CHECK_EQ(memcmp(in.task.bytes, "twice", 5), 0);
    CHECK_EQ(weft__op_try(&to_receive(&in, rd, 0)->op, true), -EAGAIN);
}

/* Three came before anybody looked, and each of those who wait gets one: a short read, which on a
 * stream says that nothing is left, says nothing here. */
static void all_that_wait_get_one_each(int rd, int wr)
{
    for (int is_read = 0; is_read < 2; is_read++) {
        struct letter in[3], out;
        for (int i = 0; i < 3; i++) {
            to_receive(&in[i], rd, 0);
            if (is_read) {
                prepare(&in[i].task, WEFT__OP_READ, rd);
            }
        }
        CHECK_EQ(submit(0, &in[0].task), 0);
        expect_quiet(0);
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(carry_out(0, to_send(&out, wr, i == 0 ? "a" : i == 1 ? "b" : "c")), 1);
        }
        CHECK_EQ(await(0, &in[0].task), 1);
        CHECK_EQ(submitted(&in[1].task), 1);
        CHECK_EQ(submitted(&in[2].task), 1);
        CHECK_EQ(in[0].task.bytes[0] + in[1].task.bytes[0] + in[2].task.bytes[0], 'a' + 'b' + 'c');
        expect_quiet(0);
    }
}

static void a_cancel_loses_none(int rd, int wr)
{
    for (int i = 0; i < 50; i++) {
        struct letter in, out;
        CHECK_EQ(submit(0, to_receive(&in, rd, 0)), 0);
        if ((i & 1) != 0) {
            wait_once(0, 0);
        }
        CHECK_EQ(carry_out(0, to_send(&out, wr, "x")), 1);
        driver->cancel(&group.reactors[0], &in.task.op, -ECANCELED);
        ssize_t n = await(0, &in.task);
        CHECK(n == 1 || n == -ECANCELED);
        if (n != 1) {
            CHECK_EQ(carry_out(0, to_receive(&in, rd, 0)), 1);
        }
    }
    expect_quiet(0);
}

static void a_close_ends_those_who_wait(int rd, int wr)
{
    struct letter in[2];
    (void)wr;
    CHECK_EQ(submit(0, to_receive(&in[0], rd, 0)), 0);
    CHECK_EQ(submit(0, to_receive(&in[1], rd, MSG_PEEK)), 0);
    expect_quiet(0);
    CHECK_EQ(close_by_op(0, rd), 0);
    CHECK_EQ(await(0, &in[0].task), -EBADF);
    CHECK_EQ(await(0, &in[1].task), -EBADF);
}

/* The last one closes an end. */
static void (*const situations[])(int rd, int wr) = {
    a_receive_waits_and_tells_from_whom,
    an_empty_one_is_received_as_such,
    a_long_one_tells_its_length,
    a_peek_leaves_it_there,
    all_that_wait_get_one_each,
    a_cancel_loses_none,
    a_close_ends_those_who_wait,
};

/* Goal: messages behave the same on every kind of sockets for datagrams.
 * Method: the table of situations times the table of kinds, all with one pair of each kind. */
ON_BOTH(every_situation_holds_on_every_kind_of_datagrams)
{
    start(uring, 1);
    for (size_t k = 0; k < sizeof datagram_kinds / sizeof datagram_kinds[0]; k++) {
        int fds[2];
        make_datagram_pair(&datagram_kinds[k], fds);
        for (size_t s = 0; s < sizeof situations / sizeof situations[0]; s++) {
            situations[s](fds[0], fds[1]);
        }
        CHECK_EQ(close_by_op(0, fds[1]), 0);
    }
    stop();
}

/* ---- Room, errors. ---- */

/* Goal: a datagram waits until its reader has room, on a socket that is connected to it.
 * Method: fill the reader's queue; what is taken out lets in who waits. */
ON_BOTH(a_send_waits_for_room_in_the_queue_of_its_reader)
{
    start(uring, 1);
    for (int own = 0; own < 2; own++) {
        struct letter in, out;
        int fds[2];
        int n = 0;
        make_datagram_pair(&datagram_kinds[own ? 2 : 4], fds);
        while (weft__op_try(&to_send(&out, fds[1], "x")->op, own) == 1) {
            n++;
        }
        CHECK_EQ(weft__op_try(&out.task.op, own), -EAGAIN);
        CHECK_EQ(submit(0, &out.task), 0);
        expect_quiet(0);
        for (int i = 0; i < n; i++) {
            CHECK_EQ(carry_out(0, to_receive(&in, fds[0], 0)), 1);
        }
        CHECK_EQ(await(0, &out.task), 1);
        CHECK_EQ(carry_out(0, to_receive(&in, fds[0], 0)), 1);
        close_pair(fds);
    }
    stop();
}

/* Goal: what the network answers ends a receive; a message too long or without an address, and one
 * for what is no socket, are refused. */
ON_BOTH(messages_that_cannot_be_are_errors)
{
    static char long_text[70000];
    int fds[2], pipes[2];
    struct letter in, out;
    start(uring, 1);
    make_datagram_pair(&datagram_kinds[0], fds);
    CHECK_EQ(submitted(to_send(&out, fds[0], "to whom?")), -EDESTADDRREQ);
    memset(long_text, 'x', sizeof long_text - 1);
    CHECK_EQ(submitted(to_send(&out, fds[1], long_text)), -EMSGSIZE);
    CHECK_EQ(close_by_op(0, fds[0]), 0);
    CHECK_EQ(submit(0, to_receive(&in, fds[1], 0)), 0);
    expect_quiet(0);
    CHECK_EQ(carry_out(0, to_send(&out, fds[1], "nobody")), 6);
    CHECK_EQ(await(0, &in.task), -ECONNREFUSED);
    CHECK_EQ(close_by_op(0, fds[1]), 0);
    make_pipe(pipes);
    CHECK_EQ(carry_out(0, to_receive(&in, pipes[0], 0)), -ENOTSOCK);
    CHECK_EQ(carry_out(0, to_send(&out, pipes[1], "x")), -ENOTSOCK);
    close_pair(pipes);
    stop();
}

/* ---- Streams. ---- */

/* Goal: flags hold on streams as well: a peek leaves the bytes, and a reader that waits beside it
 * gets them. */
ON_BOTH(a_peek_at_a_stream_leaves_its_bytes)
{
    start(uring, 1);
    for (int k = 0; k < 5; k++) {
        struct letter peek, in, out;
        int fds[2];
        make_pair(&pair_kinds[k], fds);
        CHECK_EQ(submit(0, to_receive(&peek, fds[0], MSG_PEEK)), 0);
        CHECK_EQ(submit(0, to_receive(&in, fds[0], 0)), 0);
        expect_quiet(0);
        CHECK_EQ(carry_out(0, to_send(&out, fds[1], "once")), 4);
        CHECK_EQ(await(0, &in.task), 4);
        /* Whoever came first is served first, but the kernel wakes both. */
        put(fds[1], "again");
        CHECK_GT(await(0, &peek.task), 3);
        CHECK_EQ(submitted(to_receive(&in, fds[0], 0)), 5);
        CHECK_EQ(memcmp(in.task.bytes, "again", 5), 0);
        CHECK_EQ(close_by_op(0, fds[1]), 0);
        CHECK_EQ(submitted(to_receive(&in, fds[0], 0)), 0);
        CHECK_EQ(close_by_op(0, fds[0]), 0);
    }
    stop();
}

/* Goal: descriptors arrive with the bytes, close-on-exec, tried or waited for, over every kind of
 * UNIX sockets. */
ON_BOTH(descriptors_come_with_the_bytes)
{
    start(uring, 1);
    for (int i = 0; i < 8; i++) {
        struct letter in, out;
        int fds[2], pipes[2], got;
        const bool is_own = i & 1, waits = i & 2, is_stream = i & 4;
        if (is_stream) {
            make_pair(&pair_kinds[is_own ? 2 : 3], fds);
        } else {
            make_datagram_pair(&datagram_kinds[is_own ? 2 : 4], fds);
        }
        make_pipe(pipes);
        to_receive(&in, fds[0], 0);
        if (waits) {
            CHECK_EQ(submit(0, &in.task), 0);
            expect_quiet(0);
        }
        to_send(&out, fds[1], "take this");
        out.msg.msg_control = out.control.bytes;
        out.msg.msg_controllen = CMSG_LEN(sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&out.msg);
        *c = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(c), &pipes[1], sizeof(int));
        CHECK_EQ(submitted(&out.task), 9);
        CHECK_EQ(waits ? await(0, &in.task) : carry_out(0, &in.task), 9);
        c = CMSG_FIRSTHDR(&in.msg);
        CHECK(c != NULL && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)));
        memcpy(&got, CMSG_DATA(c), sizeof got);
        CHECK_EQ(fcntl(got, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        put(got, "through");
        drain(pipes[0], 7);
        CHECK_EQ(close(got), 0);
        close_pair(pipes);
        close_pair(fds);
    }
    stop();
}
