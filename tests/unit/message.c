/* SPDX-License-Identifier: MIT */
/*
 * message.c - sending and receiving with flags, control data and descriptors.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include <sys/resource.h>

#include "net_test.h"
#include "no_lookout.h" /* a relief processor takes a low number for a moment */

static void (*const pairs[])(int fds[2]) = {tcp_pair, unix_pair, foreign_pair};

/* ---- Flags. ---- */

struct peeker {
    int fd;
    char seen[16];
    ssize_t rc;
};

static int peek(void *arg)
{
    struct peeker *p = arg;

    p->rc = weft_peek(p->fd, p->seen, sizeof p->seen);
    return 0;
}

/* Goal: a peek waits for the first byte, and leaves what it sees; at the end there is none. */
CO_TEST(a_peek_sees_and_leaves)
{
    for (int i = 0; i < COUNT(pairs); i++) {
        struct peeker p = {0};
        char buf[16];
        int fds[2];

        pairs[i](fds);
        p.fd = fds[0];
        struct weft_co *co = weft_go_with(peek, &p);
        await_in_flight(1);
        CHECK_EQ(weft_write(fds[1], "look", 4), 4);
        join(co);
        CHECK_EQ(p.rc, 4);
        CHECK_EQ(memcmp(p.seen, "look", 4), 0);
        CHECK_EQ(weft_peek(fds[0], buf, 1), 1);
        CHECK_EQ(weft_peek(fds[0], buf, 0), -EINVAL);
        CHECK_EQ(weft_read(fds[0], buf, sizeof buf), 4);
        CHECK_EQ(memcmp(buf, "look", 4), 0);
        CHECK_EQ(weft_shutdown(fds[1], SHUT_WR), 0);
        CHECK_EQ(weft_peek(fds[0], buf, sizeof buf), 0);
        close_both(fds);
    }
    return 0;
}

/* Goal: with MSG_DONTWAIT nothing is waited for; what would change the waiting is refused. */
CO_TEST(flags_are_obeyed_or_refused)
{
    static const int bad_to_receive[] = {MSG_WAITALL, MSG_ERRQUEUE, MSG_OOB, MSG_MORE, 1 << 28};
    static const int bad_to_send[] = {MSG_PEEK, MSG_ZEROCOPY, MSG_FASTOPEN, 1 << 28};

    for (int i = 0; i < COUNT(pairs); i++) {
        char buf[16];
        int fds[2];

        pairs[i](fds);
        CHECK_EQ(weft_recv(fds[0], buf, sizeof buf, MSG_DONTWAIT), -EAGAIN);
        for (int k = 0; k < COUNT(bad_to_receive); k++)
            CHECK_EQ(weft_recv(fds[0], buf, sizeof buf, bad_to_receive[k]), -EINVAL);
        for (int k = 0; k < COUNT(bad_to_send); k++)
            CHECK_EQ(weft_send(fds[1], "x", 1, bad_to_send[k]), -EINVAL);
        CHECK_EQ(weft_send(fds[1], "more", 4, MSG_MORE), 4);
        CHECK_EQ(weft_send(fds[1], "!", 1, MSG_NOSIGNAL), 1);
        CHECK_EQ(weft_read_full(fds[0], buf, 5), 5);
        CHECK_EQ(memcmp(buf, "more!", 5), 0);
        fill(fds[1]);
        if (pairs[i] != tcp_pair) /* which may make room by itself */
            CHECK_EQ(weft_send(fds[1], "x", 1, MSG_DONTWAIT), -EAGAIN);
        CHECK_EQ(weft_close(fds[0]), 0);
        CHECK_LT(weft_send(fds[1], "x", 1, 0), 0); /* and no signal */
        CHECK_EQ(weft_close(fds[1]), 0);
        CHECK_EQ(weft_recv(fds[1], buf, 1, 0), -EBADF);
        CHECK_EQ(weft_send(fds[1], "x", 1, MSG_DONTWAIT), -EBADF);
    }
    CHECK_EQ(in_flight(), 0);
    return 0;
}

/* Goal: several buffers go out and come in, with the addresses of both sides; a datagram that is
 * cut tells its length. */
CO_TEST(a_message_has_buffers_and_addresses)
{
    struct weft_addr at, from;
    char a[3], b[8] = "";
    struct iovec out[] = {{(char[]){'a', 'b'}, 2}, {(char[]){'c', 'd', 'e'}, 3}};
    struct iovec in[] = {{a, sizeof a}, {b, sizeof b}};
    int fd = weft_dgram_bind("127.0.0.1:0");

    CHECK_GE(fd, 0);
    CHECK_EQ(weft_local_addr(fd, &at), 0);
    struct msghdr to = {
        .msg_name = &at.storage, .msg_namelen = at.len, .msg_iov = out, .msg_iovlen = 2};
    struct msghdr got = {.msg_name = &from.storage,
                         .msg_namelen = sizeof from.storage,
                         .msg_iov = in,
                         .msg_iovlen = 2};
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_send_msg(fd, &to, 0), 5);
    CHECK_EQ(weft_recv_msg(fd, &got, 0), 5);
    CHECK_EQ(memcmp(a, "abc", 3), 0);
    CHECK_STR(b, "de");
    CHECK_EQ(got.msg_namelen, at.len);
    CHECK_EQ(memcmp(&from.storage, &at.storage, at.len), 0);
    CHECK_EQ(weft_recv(fd, a, 1, MSG_TRUNC | MSG_PEEK), 5);
    CHECK_EQ(weft_recv(fd, a, 1, 0), 1);
    CHECK_EQ(weft_recv(fd, a, 1, MSG_DONTWAIT), -EAGAIN);
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}

/* ---- Descriptors. ---- */

/* The next bytes, and how many descriptors came, for which there is room in fds; or an error. */
static int receive(int fd, const char *text, int *fds, int room)
{
    char buf[16] = "";

    CHECK_EQ(weft_recv_fds(fd, buf, sizeof buf - 1, fds, &room), strlen(text));
    CHECK_STR(buf, text);
    return room;
}

static void send_with(int fd, const char *text, const int *fds, int count)
{
    CHECK_EQ(weft_send_fds(fd, text, strlen(text), fds, count), strlen(text));
}

struct taker {
    int fd, got[3], count;
};

static int take(void *arg)
{
    struct taker *t = arg;

    t->count = receive(t->fd, "waited for", t->got, 3);
    return 0;
}

/* Goal: open files come through, close-on-exec, and work, whether they were waited for or not. */
CO_TEST(descriptors_go_from_one_end_to_the_other)
{
    for (int i = 1; i < COUNT(pairs); i++) {
        struct taker t = {0};
        int fds[2], file[2];

        pairs[i](fds);
        CHECK_EQ(pipe(file), 0);
        t.fd = fds[0];
        struct weft_co *co = weft_go_with(take, &t);
        await_in_flight(1);
        send_with(fds[1], "waited for", (int[]){file[1], file[0]}, 2);
        join(co);
        CHECK_EQ(t.count, 2);
        CHECK_EQ(write(t.got[0], "through", 7), 7);
        for (int k = 0; k < 2; k++)
            CHECK_EQ(fcntl(t.got[k], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        char buf[8] = "";
        CHECK_EQ(read(t.got[1], buf, 7), 7);
        CHECK_STR(buf, "through");
        CHECK_EQ(close(t.got[0]), 0);
        CHECK_EQ(close(t.got[1]), 0);

        send_with(fds[1], "there already", file, 1);
        CHECK_EQ(receive(fds[0], "there already", t.got, 1), 1);
        CHECK_EQ(close(t.got[0]), 0);
        CHECK_EQ(weft_write(fds[1], "none", 4), 4);
        CHECK_EQ(receive(fds[0], "none", t.got, 3), 0);
        CHECK_EQ(weft_close(fds[1]), 0);
        CHECK_EQ(receive(fds[0], "", t.got, 3), 0); /* the end */
        CHECK_EQ(weft_close(fds[0]), 0);
        CHECK_EQ(close(file[0]), 0);
        CHECK_EQ(close(file[1]), 0);
    }
    return 0;
}

/* Goal: where one does not fit, or may not be opened, none comes; that is told, nothing stays open,
 * and no byte is lost.
 * Method: the room, then the limit of the process; the descriptors of the process are counted. */
CO_TEST(descriptors_that_do_not_fit_are_closed_and_told)
{
    int fds[2], got[3], n_open;
    const int null = open("/dev/null", O_RDWR), sent[] = {null, null, null};
    struct rlimit files, few;

    if (test_is_emulated())
        SKIP("an emulator takes what does not fit, and says nothing");
    unix_pair(fds);
    n_open = open_fds();
    send_with(fds[1], "three", sent, 3);
    CHECK_EQ(receive(fds[0], "three", got, 2), -EMSGSIZE);
    CHECK_EQ(open_fds(), n_open);
    send_with(fds[1], "three", sent, 3);
    CHECK_EQ(receive(fds[0], "three", got, 1), -EMSGSIZE); /* one more fits by alignment alone */
    CHECK_EQ(open_fds(), n_open);
    send_with(fds[1], "one", sent, 1);
    CHECK_EQ(receive(fds[0], "one", got, 0), -EMSGSIZE);
    CHECK_EQ(open_fds(), n_open);
    send_with(fds[1], "plain", sent, 1);
    char buf[8];
    CHECK_EQ(weft_read(fds[0], buf, sizeof buf), 5); /* the kernel closes it */
    CHECK_EQ(open_fds(), n_open);

    send_with(fds[1], "two", sent, 2);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
    few = files;
    few.rlim_cur = (rlim_t)dup(null); /* the lowest that is free */
    CHECK_EQ(close((int)few.rlim_cur), 0);
    few.rlim_cur++;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    CHECK_EQ(receive(fds[0], "two", got, 3), -EMFILE);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
    CHECK_EQ(open_fds(), n_open);
    CHECK_EQ(close(null), 0);
    close_both(fds);
    return 0;
}

/* Goal: what makes no sense is refused, and takes nothing. */
CO_TEST(bad_calls_with_descriptors_are_refused)
{
    int fds[2], tcp[2], many[WEFT_FDS_MAX + 1], count = -1;
    char buf[8];

    unix_pair(fds);
    tcp_pair(tcp);
    for (int i = 0; i < COUNT(many); i++)
        many[i] = tcp[0];
    CHECK_EQ(weft_send_fds(tcp[1], "x", 1, many, 1), -EOPNOTSUPP);
    CHECK_EQ(weft_send_fds(fds[1], "x", 1, many, WEFT_FDS_MAX + 1), -EINVAL);
    CHECK_EQ(weft_send_fds(fds[1], "x", 1, many, 0), -EINVAL);
    CHECK_EQ(weft_send_fds(fds[1], "x", 0, many, 1), -EINVAL);
    CHECK_EQ(weft_send_fds(fds[1], "x", 1, (int[]){-1}, 1), -EBADF);
    CHECK_EQ(weft_recv_fds(fds[0], buf, 1, many, &count), -EINVAL);
    CHECK_EQ(count, 0);
    count = WEFT_FDS_MAX + 1;
    CHECK_EQ(weft_recv_fds(fds[0], buf, 1, many, &count), -EINVAL);
    CHECK_EQ(weft_recv_fds(fds[0], buf, 0, many, &count), -EINVAL);
    CHECK_EQ(weft_recv(fds[0], buf, 1, MSG_DONTWAIT), -EAGAIN); /* nothing was sent */
    send_with(fds[1], "most", many, WEFT_FDS_MAX);
    CHECK_EQ(receive(fds[0], "most", many, WEFT_FDS_MAX), WEFT_FDS_MAX);
    for (int i = 0; i < WEFT_FDS_MAX; i++)
        CHECK_EQ(close(many[i]), 0);
    close_both(fds);
    close_both(tcp);
    return 0;
}
