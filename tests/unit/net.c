/* SPDX-License-Identifier: MIT */
/*
 * net.c - stream sockets: TCP over both IP versions and UNIX, from listen to the last error.
 *
 * Accepting at a limit is in accept.c, closing in close.c, options in net_options.c, bytes in io.c.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "net_test.h"

static char dir[] = "/tmp/weft-net-XXXXXX";

/* "unix:/tmp/weft-net-.../name", in a directory of this test. */
static const char *unix_text(const char *name)
{
    static char text[WEFT_ADDR_TEXT_MAX];

    static bool is_made;

    if (!is_made)
        CHECK(mkdtemp(dir) != NULL);
    is_made = true;
    snprintf(text, sizeof text, "unix:%s/%s", dir, name);
    return text;
}

static void remove_dir(const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    (void)unlink(path);
    CHECK_EQ(rmdir(dir), 0);
}

static struct weft_addr parse(const char *text)
{
    struct weft_addr addr;

    CHECK_EQ(weft_addr_parse(&addr, text), 0);
    return addr;
}

static void check_same_addr(const struct weft_addr *a, const struct weft_addr *b)
{
    char one[WEFT_ADDR_TEXT_MAX], other[WEFT_ADDR_TEXT_MAX];

    CHECK_STR(weft_addr_format(a, one, sizeof one), weft_addr_format(b, other, sizeof other));
}

static int open_listener(const char *where)
{
    int fd = weft_listen(where);

    if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
        SKIP("no IPv6 here");
    CHECK_GE(fd, 0);
    return fd;
}

static int echo(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[512];
    ssize_t n;

    while ((n = weft_read(fd, buf, sizeof buf)) > 0)
        CHECK_EQ(weft_write_full(fd, buf, (size_t)n), n);
    CHECK_EQ(n, 0);
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}

/* Listen, dial, accept; the addresses of both ends agree; bytes go there and back by every form;
 * after a half-close the rest still comes, then the end. */
static void check_echo_at(const char *where)
{
    struct weft_addr at, peer, addr;
    char out[] = "over and back again", back[sizeof out];
    struct iovec iov[2] = {{out, 5}, {out + 5, sizeof out - 5}};
    struct iovec in[2] = {{back, 7}, {back + 7, sizeof back - 7}};
    int listener = open_listener(where);

    CHECK_EQ(weft_local_addr(listener, &at), 0);
    int client = weft_dial_addr(&at);
    CHECK_GE(client, 0);
    int server = weft_accept(listener, &peer);
    CHECK_GE(server, 0);
    CHECK_EQ(weft_local_addr(client, &addr), 0);
    check_same_addr(&peer, &addr);
    CHECK_EQ(weft_peer_addr(server, &addr), 0);
    check_same_addr(&peer, &addr);
    CHECK_EQ(weft_peer_addr(client, &addr), 0);
    check_same_addr(&at, &addr);
    struct weft_co *co = weft_go_with(echo, (void *)(intptr_t)server);

    CHECK_EQ(weft_write_full(client, out, sizeof out), sizeof out);
    CHECK_EQ(weft_read_full(client, back, sizeof back), sizeof back);
    CHECK_STR(back, out);
    memset(back, 0, sizeof back);
    CHECK_EQ(weft_writev_full(client, iov, 2), sizeof out);
    for (size_t n = 0; n < sizeof back;) { /* in as many pieces as it comes in */
        ssize_t part = n == 0 ? weft_readv(client, in, 2)
                              : weft_read(client, back + n, sizeof back - n);
        CHECK_GT(part, 0);
        n += (size_t)part;
    }
    CHECK_STR(back, out);
    CHECK_EQ(weft_write_full(client, "last", 4), 4);
    CHECK_EQ(weft_shutdown(client, SHUT_WR), 0);
    CHECK_EQ(weft_read_full(client, back, 5), 4); /* the answer, then the end */
    CHECK_EQ(weft_write(client, "x", 1), -EPIPE);
    join(co);
    CHECK_EQ(weft_close(client), 0);
    CHECK_EQ(weft_close(listener), 0);
    CHECK_EQ(in_flight(), 0);
}

CO_TEST(an_echo_over_ipv4)
{
    check_echo_at("127.0.0.1:0");
    return 0;
}

CO_TEST(an_echo_over_ipv6)
{
    check_echo_at("[::1]:0");
    return 0;
}

CO_TEST(an_echo_over_a_unix_path)
{
    check_echo_at(unix_text("echo"));
    remove_dir("echo");
    return 0;
}

CO_TEST(an_echo_over_an_abstract_unix_name)
{
    char text[64];

    snprintf(text, sizeof text, "unix:@weft-test-%d", (int)getpid());
    check_echo_at(text);
    return 0;
}

/* Goal: ":0" takes IPv4, and where the system has it IPv6 too. */
CO_TEST(any_address_takes_both_ip_versions)
{
    struct weft_addr at;
    char text[64];
    int listener = weft_listen(":0"), fd;

    CHECK_GE(listener, 0);
    CHECK_EQ(weft_local_addr(listener, &at), 0);
    for (int v6 = 0; v6 < (at.storage.ss_family == AF_INET6 ? 2 : 1); v6++) {
        snprintf(text, sizeof text, "%s:%d", v6 ? "[::1]" : "localhost", weft_addr_port(&at));
        fd = weft_dial(text);
        if (v6 && fd == -EADDRNOTAVAIL)
            break;
        CHECK_GE(fd, 0);
        int server = weft_accept(listener, NULL);
        CHECK_GE(server, 0);
        CHECK_EQ(weft_close(server), 0);
        CHECK_EQ(weft_close(fd), 0);
    }
    CHECK_EQ(weft_close(listener), 0);
    return 0;
}

CO_TEST(v6_only_takes_no_ipv4)
{
    struct weft_addr at, any = parse("[::]:0");
    char text[64];
    int listener = weft_listen_with(&any, .v6_only = 1);

    if (listener == -EAFNOSUPPORT)
        SKIP("no IPv6 here");
    CHECK_GE(listener, 0);
    CHECK_EQ(weft_local_addr(listener, &at), 0);
    snprintf(text, sizeof text, "127.0.0.1:%d", weft_addr_port(&at));
    CHECK_EQ(weft_dial(text), -ECONNREFUSED);
    CHECK_EQ(weft_close(listener), 0);
    return 0;
}

/* Goal: a text that is no address is refused by the calls that take one, before any fd is made. */
CO_TEST(listen_and_dial_refuse_a_bad_text)
{
    char longest[200] = "unix:/";
    struct weft_addr strange = {.len = sizeof(struct sockaddr), .storage = {.ss_family = 250}};

    memset(longest + 6, 'x', 150);
    CHECK_EQ(weft_listen("here"), -EINVAL);
    CHECK_EQ(weft_dial("there:"), -EINVAL);
    CHECK_EQ(weft_listen(longest), -ENAMETOOLONG);
    CHECK_EQ(weft_dial(longest), -ENAMETOOLONG);
    CHECK_EQ(weft_listen_addr(&strange, NULL), -EAFNOSUPPORT);
    CHECK_EQ(weft_dial_addr(&strange), -EAFNOSUPPORT);
    CHECK_EQ(weft_listen("192.0.2.1:0"), -EADDRNOTAVAIL);
    return 0;
}

/* ---- dialling where nobody answers ---- */

CO_TEST(a_refused_dial_is_econnrefused_and_leaves_no_fd)
{
    struct weft_addr at;
    int closed = socket(AF_INET, SOCK_STREAM, 0), before;

    /* Bound and not listening: nobody else can take the port meanwhile. */
    at = parse("127.0.0.1:0");
    CHECK_EQ(bind(closed, (struct sockaddr *)&at.storage, at.len), 0);
    CHECK_EQ(weft_local_addr(closed, &at), 0);
    before = open_fds();
    for (int i = 0; i < 20; i++)
        CHECK_EQ(weft_dial_addr(&at), -ECONNREFUSED);
    CHECK_EQ(weft_dial(unix_text("missing")), -ENOENT);
    CHECK_EQ(weft_close(weft_listen(unix_text("dead"))), 0);
    CHECK_EQ(weft_dial(unix_text("dead")), -ECONNREFUSED);
    CHECK_EQ(open_fds(), before);
    CHECK_EQ(weft_close(closed), 0);
    remove_dir("dead");
    return 0;
}

/* A listener whose queue is full; *held are the connections in it. */
static int full_listener(const char *where, struct weft_addr *at, int *held, int *n_held)
{
    struct weft_addr addr = parse(where);
    int listener = weft_listen_with(&addr, .backlog = 1);

    CHECK_GE(listener, 0);
    CHECK_EQ(weft_local_addr(listener, at), 0);
    for (*n_held = 0; *n_held < 8; ++*n_held) {
        int fd = socket(at->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        int rc = connect(fd, (struct sockaddr *)&at->storage, at->len);
        if (rc != 0 && (errno != EINPROGRESS || poll(&p, 1, 50) == 0)) {
            close(fd);
            break;
        }
        held[*n_held] = fd;
    }
    CHECK_LT(*n_held, 8);
    return listener;
}

/* Goal: a dial that nobody takes ends with its deadline, says that the scope did it, and leaves
 * nothing behind. */
CO_TEST(a_dial_to_a_full_queue_ends_by_its_deadline)
{
    for (int is_unix = 0; is_unix < 2; is_unix++) {
        struct weft_addr at;
        int held[8], n_held;
        int listener =
            full_listener(is_unix ? unix_text("full") : "127.0.0.1:0", &at, held, &n_held);
        int before = open_fds();

        WEFT_DEADLINE(s, 30 * WEFT_MS) {
            CHECK_EQ(weft_dial_addr(&at), -ETIMEDOUT);
            CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
        }
        CHECK_EQ(open_fds(), before);
        CHECK_EQ(in_flight(), 0);
        while (n_held-- > 0)
            close(held[n_held]);
        CHECK_EQ(weft_close(listener), 0);
    }
    remove_dir("full");
    return 0;
}

static int dial_and_close(void *arg)
{
    int fd = weft_dial_addr(arg);

    CHECK_GE(fd, 0);
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}

/* Goal: dials to a UNIX listener whose queue is full wait for room, without a deadline. */
CO_TEST(a_dial_to_a_full_unix_queue_waits_for_room)
{
    struct weft_addr at;
    struct weft_co *dialers[6];
    int held[8], n_held;
    int listener = full_listener(unix_text("full"), &at, held, &n_held);

    for (int i = 0; i < COUNT(dialers); i++)
        dialers[i] = weft_go_with(dial_and_close, &at);
    CHECK_EQ(weft_sleep(5 * WEFT_MS), 0);
    for (int i = 0; i < n_held + COUNT(dialers); i++) {
        int fd = weft_accept(listener, NULL);
        CHECK_GE(fd, 0);
        CHECK_EQ(weft_close(fd), 0);
    }
    for (int i = 0; i < COUNT(dialers); i++)
        join(dialers[i]);
    while (n_held-- > 0)
        close(held[n_held]);
    CHECK_EQ(weft_close(listener), 0);
    remove_dir("full");
    return 0;
}

/* ---- listening ---- */

CO_TEST(a_dead_unix_socket_file_is_removed_and_nothing_else)
{
    struct weft_addr addr = parse(unix_text("path"));
    const char *path = ((struct sockaddr_un *)&addr.storage)->sun_path;
    struct stat st;
    int fd = weft_listen_addr(&addr, NULL), file;

    CHECK_GE(fd, 0);
    CHECK_EQ(weft_listen_addr(&addr, NULL), -EADDRINUSE); /* it lives */
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(stat(path, &st), 0);                                      /* it is left behind */
    CHECK_EQ(weft_listen_with(&addr, .keep_path = 1), -EADDRINUSE);
    CHECK_EQ(stat(path, &st), 0);
    fd = weft_listen_addr(&addr, NULL);
    CHECK_GE(fd, 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(unlink(path), 0);
    fd = weft_listen_with(&addr, .keep_path = 1); /* nothing there: no error */
    CHECK_GE(fd, 0);
    CHECK_EQ(weft_close(fd), 0);
    CHECK_EQ(unlink(path), 0);
    file = open(path, O_CREAT | O_RDWR, 0600);
    CHECK_EQ(weft_listen_addr(&addr, NULL), -EADDRINUSE);
    CHECK_EQ(stat(path, &st), 0);
    CHECK(S_ISREG(st.st_mode));
    close(file);
    remove_dir("path");
    return 0;
}

CO_TEST(two_listeners_share_a_port_by_reuse_port_only)
{
    struct weft_addr at = parse("127.0.0.1:0");
    int first = weft_listen_with(&at, .reuse_port = 1);

    CHECK_GE(first, 0);
    CHECK_EQ(weft_local_addr(first, &at), 0);
    CHECK_EQ(weft_listen_addr(&at, NULL), -EADDRINUSE);
    int second = weft_listen_with(&at, .reuse_port = 1);
    CHECK_GE(second, 0);
    CHECK_EQ(weft_close(first), 0);
    int client = weft_dial_addr(&at), server = weft_accept(second, NULL);
    CHECK_GE(client, 0);
    CHECK_GE(server, 0);
    close_both((int[2]){client, server});
    CHECK_EQ(weft_close(second), 0);
    return 0;
}

/* Goal: SO_REUSEADDR: a port can be listened on again although a connection lingers there. */
CO_TEST(a_port_can_be_listened_on_again_at_once)
{
    struct weft_addr at;
    int listener = listen_tcp(&at), client = weft_dial_addr(&at);
    int server = weft_accept(listener, NULL);

    CHECK_GE(client, 0);
    CHECK_EQ(weft_close(server), 0); /* the end that closes first lingers */
    CHECK_EQ(weft_close(client), 0);
    CHECK_EQ(weft_close(listener), 0);
    listener = weft_listen_addr(&at, NULL);
    CHECK_GE(listener, 0);
    CHECK_EQ(weft_close(listener), 0);
    return 0;
}

CO_TEST(every_socket_is_close_on_exec)
{
    struct weft_addr at;
    int fds[5];

    fds[0] = listen_tcp(&at);
    fds[1] = weft_dial_addr(&at);
    fds[2] = weft_accept(fds[0], NULL);
    unix_pair(fds + 3);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
        CHECK_EQ(weft_close(fds[i]), 0);
    }
    return 0;
}

/* ---- ends and errors ---- */

static int read_end(void *arg)
{
    char byte;

    return (int)weft_read((int)(intptr_t)arg, &byte, 1);
}

/* Goal: each direction is shut by itself, also under a reader that waits. */
CO_TEST(a_shutdown_closes_one_direction)
{
    for (int is_tcp = 0; is_tcp < 2; is_tcp++) {
        int fds[2], result = -1;
        char byte;
        (is_tcp ? tcp_pair : unix_pair)(fds);
        struct weft_co *reader = weft_go_with(read_end, (void *)(intptr_t)fds[0]);

        await_in_flight(1);
        CHECK_EQ(weft_shutdown(fds[0], SHUT_RD), 0);
        CHECK_EQ(weft_join(reader, &result), 0);
        CHECK_EQ(result, 0);
        CHECK_EQ(weft_write(fds[0], "x", 1), 1); /* the other direction lives */
        CHECK_EQ(weft_read(fds[1], &byte, 1), 1);
        reader = weft_go_with(read_end, (void *)(intptr_t)fds[1]);
        await_in_flight(1);
        CHECK_EQ(weft_shutdown(fds[0], SHUT_RDWR), 0);
        CHECK_EQ(weft_join(reader, &result), 0);
        CHECK_EQ(result, 0);
        CHECK_EQ(weft_write(fds[0], "x", 1), -EPIPE);
        close_both(fds);
    }
    return 0;
}

/* Goal: a reset is -ECONNRESET for a reader that waits and for one that comes later; a writer gets
 * a code and no signal. */
CO_TEST(a_reset_is_econnreset)
{
    for (int waits = 0; waits < 2; waits++) {
        int fds[2], result = 0;
        struct weft_co *reader = NULL;

        CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
        tcp_pair(fds);
        if (waits) {
            reader = weft_go_with(read_end, (void *)(intptr_t)fds[0]);
            await_in_flight(1);
        }
        set_reset_on_close(fds[1]);
        CHECK_EQ(weft_close(fds[1]), 0);
        if (waits)
            CHECK_EQ(weft_join(reader, &result), 0);
        else
            result = read_end((void *)(intptr_t)fds[0]);
        CHECK_EQ(result, -ECONNRESET);
        CHECK_EQ(weft_write(fds[0], "x", 1), -EPIPE);
        CHECK_EQ(weft_close(fds[0]), 0);
    }
    return 0;
}

struct writer {
    int fd, form;
};

/* Writes until it fails, by one of the forms. */
static int write_until_error(void *arg)
{
    static char bytes[4096];
    const struct writer *w = arg;
    struct iovec iov[2] = {{bytes, 1000}, {bytes, 3096}};
    ssize_t n;

    do {
        n = w->form == 0   ? weft_write(w->fd, bytes, sizeof bytes)
            : w->form == 1 ? weft_writev(w->fd, iov, 2)
                           : weft_write_full(w->fd, bytes, sizeof bytes);
    } while (n > 0);
    return (int)n;
}

/* Goal: a write to a peer that is gone is -EPIPE, not a signal, on every kind of fd and by every
 * form, whether the writer comes later or waits for room; SIGPIPE would kill this process. */
CO_TEST(a_write_to_a_closed_peer_is_epipe_without_sigpipe)
{
    static void (*const makers[])(int fds[2]) = {unix_pair, tcp_pair, pipe_pair, foreign_pair};

    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    for (int m = 0; m < COUNT(makers); m++) {
        for (int form = 0; form < 6; form++) {
            int fds[2], result = 0;
            makers[m](fds);
            struct writer w = {.fd = fds[1], .form = form / 2};
            if (form % 2 == 0)
                CHECK_EQ(weft_close(fds[0]), 0);
            struct weft_co *co = weft_go_with(write_until_error, &w);
            if (form % 2 == 1) {
                await_in_flight(1);
                CHECK_EQ(weft_close(fds[0]), 0);
            }
            CHECK_EQ(weft_join(co, &result), 0);
            if (result != -EPIPE && makers[m] == tcp_pair)
                CHECK_EQ(result, -ECONNRESET); /* there were bytes that the peer had not read */
            else if (result != -EPIPE && makers[m] != pipe_pair && form % 2 == 1)
                CHECK_EQ(result, -ECONNRESET);
            else
                CHECK_EQ(result, -EPIPE);
            CHECK_EQ(weft_write(fds[1], "x", 1), -EPIPE);
            CHECK_EQ(weft_close(fds[1]), 0);
        }
    }
    return 0;
}

/* Goal: TCP's own time-out is -ETIMEDOUT and no scope's doing.
 * Method: TCP_USER_TIMEOUT gives up on a peer that keeps its window shut. */
CO_TEST(the_time_out_of_tcp_itself_has_no_scope_as_cause)
{
    static char bytes[1 << 16];
    int fds[2], give_up_ms = 100;
    ssize_t n;

    tcp_pair(fds);
    CHECK_EQ(weft_set_buffers(fds[0], 4096, 4096), 0);
    CHECK_EQ(weft_set_buffers(fds[1], 4096, 4096), 0);
    CHECK_EQ(setsockopt(fds[0], IPPROTO_TCP, TCP_USER_TIMEOUT, &give_up_ms, sizeof give_up_ms), 0);
    WEFT_DEADLINE(s, LONG_NS) {
        do
            n = weft_write(fds[0], bytes, sizeof bytes);
        while (n > 0);
        CHECK_EQ(n, -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_NONE);
    }
    close_both(fds);
    return 0;
}

/* Goal: the calls on something that is no connection give the documented codes. */
CO_TEST(a_call_on_what_is_no_connection_is_a_code)
{
    struct weft_addr addr;
    int fds[2], listener = listen_tcp(&addr), alone = socket(AF_INET, SOCK_STREAM, 0);

    pipe_pair(fds);
    CHECK_EQ(weft_shutdown(-1, SHUT_RD), -EBADF);
    CHECK_EQ(weft_shutdown(fds[0], SHUT_RD), -ENOTSOCK);
    CHECK_EQ(weft_shutdown(alone, SHUT_WR), -ENOTCONN);
    CHECK_EQ(weft_shutdown(listener, 99), -EINVAL);
    CHECK_EQ(weft_local_addr(-1, &addr), -EBADF);
    CHECK_EQ(weft_local_addr(fds[0], &addr), -ENOTSOCK);
    CHECK_EQ(weft_local_addr(alone, &addr), 0);
    CHECK_EQ(weft_peer_addr(-1, &addr), -EBADF);
    CHECK_EQ(weft_peer_addr(fds[0], &addr), -ENOTSOCK);
    CHECK_EQ(weft_peer_addr(alone, &addr), -ENOTCONN);
    CHECK_EQ(weft_peer_addr(listener, &addr), -ENOTCONN);
    CHECK_EQ(weft_set_nodelay(-1, true), -EBADF);
    CHECK_EQ(weft_set_nodelay(fds[0], true), -ENOTSOCK);
    CHECK_EQ(weft_set_keepalive(-1, WEFT_SEC, 0, 0), -EBADF);
    CHECK_EQ(weft_set_keepalive(fds[0], 0, 0, 0), -ENOTSOCK);
    CHECK_EQ(weft_set_buffers(-1, 1, 1), -EBADF);
    CHECK_EQ(weft_set_buffers(fds[0], 1, 1), -ENOTSOCK);
    close_both(fds);
    close_both((int[2]){listener, alone});
    return 0;
}
