/* SPDX-License-Identifier: MIT */
/*
 * io_drained.c - reads of a connection that the last read has emptied: they wait without a try, and
 * nothing is lost by it, whatever the peer does before, while and after they wait.
 *
 * What the peer does is a script, carried out by plain calls:
 *
 *   a-z  these bytes, by one send for each run     A-Z  one urgent byte (MSG_OOB)
 *   @    's' with a descriptor beside it (UNIX)    ^    the urgent byte is taken, on our side
 *   .    a pause                                   >    shutdown of the writing side
 *   <    shutdown of our own reading side       =    urgent bytes are in line from now on
 *   $    close                                     #    close by a reset
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <netinet/in.h>
#include <pthread.h>

#include "net_test.h"

/* ---- connections: fds[0] is ours, of one of these makes, fds[1] is used by plain calls ---- */

static struct sockaddr_in own_addr(int fd)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;

    CHECK_EQ(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    return at;
}

static void dialled(int fds[2])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char text[32];

    CHECK_GE(listener, 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_EQ(listen(listener, 4), 0);
    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(own_addr(listener).sin_port));
    fds[0] = weft_dial(text);
    CHECK_GE(fds[0], 0);
    fds[1] = accept(listener, NULL, NULL);
    CHECK_GE(fds[1], 0);
    CHECK_EQ(close(listener), 0);
}

static int connect_raw(int listener)
{
    struct sockaddr_in at = own_addr(listener);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK_GE(fd, 0);
    CHECK_EQ(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void accepted(int fds[2])
{
    struct weft_addr unused;
    int listener = listen_tcp(&unused);

    fds[1] = connect_raw(listener);
    fds[0] = weft_accept(listener, NULL);
    CHECK_GE(fds[0], 0);
    CHECK_EQ(weft_close(listener), 0);
}

/* The other end is a copy, so that the script may close it. */
static void unix_copied(int fds[2])
{
    unix_pair(fds);
    int own = fds[1];
    fds[1] = dup(own);
    CHECK_GE(fds[1], 0);
    CHECK_EQ(weft_close(own), 0);
}

static void (*const makers[])(int fds[2]) = {dialled, accepted, unix_copied};
enum { TCP_MAKERS = 2 };

/* ---- the peer ---- */

static void send_descriptor(int fd)
{
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec iov = {(void *)(uintptr_t) "s", 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    msg.msg_control = control.room;
    msg.msg_controllen = sizeof control.room;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    CHECK_EQ(sendmsg(fd, &msg, MSG_NOSIGNAL), 1);
}

struct play {
    int fd, peer; /* peer is -1 once the script has closed it */
    const char *script;
    bool yields; /* a pause lets the coroutine's processor go on */
};

static void close_peer(struct play *p)
{
    if (p->peer >= 0)
        CHECK_EQ(close(p->peer), 0);
    p->peer = -1;
}

static void act(struct play *p)
{
    char byte;

    for (const char *s = p->script; *s != 0; s++) {
        size_t n = 0;
        while (islower((unsigned char)s[n]))
            n++;
        if (n > 0) {
            CHECK_EQ(send(p->peer, s, n, MSG_NOSIGNAL), n);
            s += n - 1;
        } else if (isupper((unsigned char)*s)) {
            CHECK_EQ(send(p->peer, s, 1, MSG_NOSIGNAL | MSG_OOB), 1);
        } else if (*s == '.') {
            if (!p->yields)
                usleep(300);
            else
                CHECK_EQ(weft_sleep(300 * WEFT_US), 0);
        } else if (*s == '@') {
            send_descriptor(p->peer);
        } else if (*s == '^') {
            (void)!recv(p->fd, &byte, 1, MSG_OOB | MSG_DONTWAIT); /* none if it was passed */
        } else if (*s == '>') {
            CHECK_EQ(shutdown(p->peer, SHUT_WR), 0);
        } else if (*s == '=') {
            CHECK_EQ(setsockopt(p->fd, SOL_SOCKET, SO_OOBINLINE, &(int){1}, sizeof(int)), 0);
        } else if (*s == '<') {
            CHECK_EQ(weft_shutdown(p->fd, SHUT_RD), 0);
        } else {
            if (*s == '#')
                set_reset_on_close(p->peer);
            close_peer(p);
        }
    }
}

static void end(struct play *p)
{
    CHECK_EQ(in_flight(), 0);
    close_peer(p);
    CHECK_EQ(weft_close(p->fd), 0);
}

static int act_when_waited_for(void *arg)
{
    await_in_flight(1);
    act(arg);
    return 0;
}

static void *act_on_thread(void *arg)
{
    act(arg);
    return NULL;
}

/* ---- the reader ---- */

/* Nothing that is tested waits longer: what hangs is a failure, and not of the whole program. */
#define SOON_NS (3 * WEFT_SEC * test_scale())

static ssize_t read_soon(int fd, void *buf, size_t n)
{
    WEFT_DEADLINE (s, SOON_NS)
        return weft_read(fd, buf, n);
    return 0;
}

/* How the connection was used before: the mark is set by a try, by the driver, or not at all. */
enum prior { FRESH, SHORT_BY_TRY, SHORT_BY_WAIT, PRIORS };
enum when { BEFORE, WHILE, BESIDE, WHENS };

static void use_before(int fds[2], enum prior prior)
{
    struct play p = {.fd = fds[0], .peer = fds[1], .script = "xyz"};
    struct weft_co *co = NULL;
    char buf[100];

    if (prior == FRESH)
        return;
    if (prior == SHORT_BY_TRY)
        act(&p);
    else
        co = weft_go_with(act_when_waited_for, &p);
    CHECK_EQ(read_soon(fds[0], buf, sizeof buf), 3);
    if (co != NULL)
        join(co);
}

/* Sizes of reads, in turn. */
static const size_t sizes[][3] = {{100, 100, 100}, {1, 100, 1}, {2, 3, 100}, {1, 1, 1}};

struct expected {
    char bytes[64]; /* urgent ones left out: those that a later one follows come as others do */
    size_t n;
    bool ends, is_reset, has_urgent;
};

static struct expected expect(const char *script)
{
    struct expected e = {.has_urgent = *script == '='};

    for (const char *s = script; *s != 0; s++) {
        if (islower((unsigned char)*s) || *s == '@' || (e.has_urgent && isupper((unsigned char)*s)))
            e.bytes[e.n++] = *s == '@' ? 's' : *s;
        e.ends |= strchr("<>$#", *s) != NULL;
        e.is_reset |= *s == '#';
    }
    return e;
}

/* Reads until all has come, and the end if there is one. */
static void read_all(int fd, const struct expected *e, const size_t sizes_in_turn[3],
                     const char *what)
{
    char buf[100];
    size_t n = 0;
    ssize_t got = 1;

    for (int i = 0; n < e->n || e->ends; i++) {
        got = read_soon(fd, buf, sizes_in_turn[i % 3]);
        if (got <= 0)
            break;
        for (ssize_t k = 0; k < got; k++) {
            if (!e->has_urgent && isupper((unsigned char)buf[k]))
                continue;
            if (n == e->n || buf[k] != e->bytes[n])
                TEST_FAIL("%s: '%c' after %zu bytes", what, buf[k], n);
            n++;
        }
    }
    bool is_end = got == 0 || (e->is_reset && (got == -ECONNRESET || got == -EPIPE));
    if (got <= 0 && !(e->ends && is_end))
        TEST_FAIL("%s: %zd after %zu of %zu bytes", what, got, n, e->n);
    if (n < e->n && !e->is_reset) /* a reset may overtake bytes */
        TEST_FAIL("%s: the end after %zu of %zu bytes", what, n, e->n);
    if (e->ends)
        CHECK_EQ(read_soon(fd, buf, sizeof buf), 0); /* and from then on */
}

static void check_play(const char *script, int maker, enum prior prior, enum when when,
                       const size_t sizes_in_turn[3])
{
    struct expected e = expect(script);
    struct weft_co *co = NULL;
    pthread_t thread;
    char what[100];
    int fds[2];

    makers[maker](fds);
    struct play p = {fds[0], fds[1], script, when == WHILE};
    snprintf(what, sizeof what, "\"%s\", maker %d, prior %d, when %d, sizes %zu %zu %zu", script,
             maker, (int)prior, (int)when, sizes_in_turn[0], sizes_in_turn[1], sizes_in_turn[2]);
    use_before(fds, prior);
    if (when == BEFORE)
        act(&p);
    else if (when == WHILE)
        co = weft_go_with(act_when_waited_for, &p);
    else
        CHECK_EQ(pthread_create(&thread, NULL, act_on_thread, &p), 0);
    read_all(fds[0], &e, sizes_in_turn, what);
    if (co != NULL)
        join(co);
    if (when == BESIDE)
        CHECK_EQ(pthread_join(thread, NULL), 0);
    end(&p);
}

/* Each script in every state of the connection, at every time; a slow build takes some of them. */
static void check_plays(const char *const *scripts, int n_scripts, int first_maker, int end_maker)
{
    const int every = test_scale() > 1 ? 5 : 1;

    for (int s = 0; s < n_scripts; s++)
        for (int maker = first_maker; maker < end_maker; maker++)
            for (int k = s % every; k < PRIORS * WHENS * COUNT(sizes); k += every)
                check_play(scripts[s], maker, (enum prior)(k % PRIORS),
                           (enum when)(k / PRIORS % WHENS), sizes[k / PRIORS / WHENS]);
}

/* Goal: bytes that come while nobody waits, while somebody does and just after a short read all
 * arrive, for reads larger and smaller than what is there.
 * Method: each kind of socket, each way in which the last read was short. */
CO_TEST(bytes_after_a_short_read_arrive)
{
    static const char *const scripts[] = {"a", "abc", "ab.cd", "a.b.c", "abcdefghijklmnop"};

    check_plays(scripts, COUNT(scripts), 0, COUNT(makers));
    return 0;
}

/* Goal: bytes and the end that come as one event are read one after the other. */
CO_TEST(the_end_that_comes_with_bytes_is_not_missed)
{
    static const char *const scripts[] = {"abc$", "abc>", "a.b$", "ab.>", "$", ">", "abc<"};

    check_plays(scripts, COUNT(scripts), 0, COUNT(makers));
    return 0;
}

/* Goal: a reset behind bytes ends the reader. */
CO_TEST(a_reset_that_comes_with_bytes_is_not_missed)
{
    static const char *const scripts[] = {"abc#", "ab.#", "#", "ab>#"};

    check_plays(scripts, COUNT(scripts), 0, TCP_MAKERS);
    return 0;
}

/* Goal: bytes behind urgent data are not left behind: a read ends in front of it, and is short
 * although there is more. */
CO_TEST(bytes_behind_urgent_data_arrive)
{
    static const char *const scripts[] = {"abXcd", "Xab",        "abX.cd", "ab.Xcd", "abXcdYefZgh",
                                          "XYab",  "abX.cdY.ef", "abXcd$", "abX$",   "abX.>"};

    check_plays(scripts, COUNT(scripts), 0, TCP_MAKERS);
    return 0;
}

/* Goal: the same where the urgent byte has been taken before anybody saw the event: the bytes are
 * in two parts still, and nothing tells of it any more.
 * Method: on one processor the script is done before the reactor looks. */
CO_TEST(bytes_behind_urgent_data_that_was_taken_arrive)
{
    static const char *const scripts[] = {"abX^cd", "abXcd^", "abX^.cd", "aX^bcY^de", "abX^cd$"};

    check_plays(scripts, COUNT(scripts), 0, TCP_MAKERS);
    return 0;
}

/* Goal: urgent bytes that are asked for in line (SO_OOBINLINE), where they split a read as well,
 * come with all others. */
CO_TEST(urgent_data_in_line_arrives)
{
    static const char *const scripts[] = {"=abXcYde", "=aXb.cYd.Ze", "=X.Y.Z", "=aXb$", "=abX>"};

    check_plays(scripts, COUNT(scripts), 0, TCP_MAKERS);
    return 0;
}

/* Goal: a message with a descriptor, which splits the bytes of a UNIX connection, loses none. */
CO_TEST(bytes_behind_a_descriptor_arrive)
{
    static const char *const scripts[] = {"ab@cd", "@", "@@@", "ab@@cd@$", "ab.@.cd", "ab@$"};

    check_plays(scripts, COUNT(scripts), TCP_MAKERS, COUNT(makers));
    return 0;
}

/* For tests of their own: the i-th of all makes and states, with three bytes to send. */
enum { STATES = COUNT(makers) * PRIORS };

static struct play begin(int i)
{
    int fds[2];

    makers[i % COUNT(makers)](fds);
    use_before(fds, (enum prior)(i / COUNT(makers) % PRIORS));
    return (struct play){.fd = fds[0], .peer = fds[1], .script = "abc"};
}

static void await_bytes(int fd)
{
    struct pollfd there = {.fd = fd, .events = POLLIN};

    CHECK_EQ(poll(&there, 1, 5000), 1);
}

/* ---- two readers ---- */

struct share {
    int fd;
    size_t size;
    _Atomic int *n_each;
};

static int read_share(void *arg)
{
    struct share *s = arg;
    char buf[100];
    ssize_t got;

    while ((got = read_soon(s->fd, buf, s->size)) > 0) {
        for (ssize_t k = 0; k < got; k++)
            s->n_each[(unsigned char)buf[k]]++;
    }
    return (int)got;
}

/* Goal: of two readers of one connection, none is left waiting while there are bytes, and both see
 * the end.
 * Method: single bytes and runs of them, from a thread; each byte is counted once. */
CO_TEST(two_readers_share_a_connection)
{
    static const char script[] = "a.bc.defghi.j.klmnopqrstuvwxyz$";

    for (int i = 0; i < 60 / (int)test_scale(); i++) {
        _Atomic int n_each[256] = {0};
        pthread_t thread;
        int fds[2];
        makers[i % COUNT(makers)](fds);
        struct share s[2] = {{.fd = fds[0], .size = 100, .n_each = n_each},
                             {.fd = fds[0], .size = i % 2 ? 2 : 100, .n_each = n_each}};
        struct play p = {fds[0], fds[1], script, false};
        struct weft_co *co[2] = {weft_go_with(read_share, &s[0]), weft_go_with(read_share, &s[1])};

        if (i % 4 == 0)
            await_in_flight(2);
        CHECK_EQ(pthread_create(&thread, NULL, act_on_thread, &p), 0);
        join(co[0]);
        join(co[1]);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        for (int c = 0; c < COUNT(n_each); c++)
            CHECK_EQ(n_each[c], c >= 'a' && c <= 'z');
        CHECK_EQ(weft_close(fds[0]), 0);
    }
    return 0;
}

/* ---- readiness, deadlines ---- */

/* Waits for the fd in one of the ways: what its rc is, or -EAGAIN if it is not ready. */
static int wait_readable(int fd, int way, int64_t timeout_ns)
{
    int rc = 0;

    if (way == 0) {
        WEFT_DEADLINE (s, timeout_ns)
            rc = weft_wait_fd(fd, POLLIN);
        return rc == -ETIMEDOUT ? -EAGAIN : rc;
    }
    struct weft_case cases[] = {weft_case_readable(fd), weft_case_after(timeout_ns)};
    if (weft_select(cases, 2) == 1)
        return -EAGAIN;
    return (int)cases[0].rc;
}

/* Goal: after a short read, who waits for readiness waits, is told of what is there and of what
 * comes, and the read that follows gets it. */
CO_TEST(readiness_is_told_after_a_short_read)
{
    for (int i = 0; i < 2 * STATES; i++) {
        const int way = i / STATES;
        char buf[100];
        struct play p = begin(i);

        for (int turn = 0; turn < 4; turn++) {
            CHECK_EQ(wait_readable(p.fd, way, 300 * WEFT_US), -EAGAIN);
            struct weft_co *co = weft_go_with(act_when_waited_for, &p);
            CHECK_EQ(wait_readable(p.fd, way, SOON_NS), POLLIN);
            join(co);
            CHECK_EQ(read_soon(p.fd, buf, 2), 2);
            CHECK_EQ(wait_readable(p.fd, way, SOON_NS), POLLIN); /* the rest */
            CHECK_EQ(read_soon(p.fd, buf, sizeof buf), 1);
            act(&p); /* there before anybody waits */
            CHECK_EQ(wait_readable(p.fd, way, SOON_NS), POLLIN);
            CHECK_EQ(read_soon(p.fd, buf, sizeof buf), 3);
        }
        close_peer(&p);
        CHECK_EQ(wait_readable(p.fd, way, SOON_NS) & POLLIN, POLLIN);
        CHECK_EQ(read_soon(p.fd, buf, sizeof buf), 0);
        end(&p);
    }
    return 0;
}

/* Goal: a deadline that ends a read that waits after a short one loses nothing that comes later. */
CO_TEST(a_deadline_after_a_short_read_loses_nothing)
{
    for (int i = 0; i < STATES; i++) {
        char buf[100];
        struct play p = begin(i);

        for (int turn = 0; turn < 4; turn++) {
            WEFT_DEADLINE (s, turn % 2 * 500 * WEFT_US) {
                CHECK_EQ(weft_read(p.fd, buf, sizeof buf), -ETIMEDOUT);
                CHECK_EQ(weft_read(p.fd, buf, sizeof buf), -ETIMEDOUT);
                CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
            }
            act(&p);
            CHECK_EQ(read_soon(p.fd, buf, sizeof buf), 3);
        }
        end(&p);
    }
    return 0;
}

/* Goal: bytes that are there are read although the deadline has passed, after a short read too: a
 * call that could finish at once does. */
CO_TEST(bytes_win_over_a_deadline_that_has_passed_after_a_short_read)
{
    for (int i = 0; i < STATES; i++) {
        char buf[100];
        struct play p = begin(i);

        for (int turn = 0; turn < 3; turn++) {
            act(&p);
            await_bytes(p.fd);
            WEFT_DEADLINE (s, -1) {
                CHECK_EQ(weft_read(p.fd, buf, sizeof buf), 3);
                CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_NONE);
            }
        }
        end(&p);
    }
    return 0;
}

/* ---- closing, and numbers that come back ---- */

static int close_when_waited_for(void *arg)
{
    await_in_flight(1);
    CHECK_EQ(weft_close((int)(intptr_t)arg), 0);
    return 0;
}

/* Goal: a read that waits after a short one ends when its fd is closed. */
CO_TEST(a_close_ends_a_read_that_waits_after_a_short_one)
{
    for (int i = 0; i < STATES; i++) {
        char buf[100];
        struct play p = begin(i);
        struct weft_co *co = weft_go_with(close_when_waited_for, (void *)(intptr_t)p.fd);

        CHECK_EQ(read_soon(p.fd, buf, sizeof buf), -EBADF);
        join(co);
        CHECK_EQ(in_flight(), 0);
        CHECK_EQ(read_soon(p.fd, buf, sizeof buf), -EBADF);
        CHECK_EQ(close(p.peer), 0);
    }
    return 0;
}

/* Has the last read of this number emptied it? */
static bool is_marked(int fd)
{
    struct weft__fd *entry = weft__fd_find(&weft_runtime_current()->reactors.fds, fd);

    return entry != NULL && atomic_load(&entry->is_drained);
}

/* Closes the fd, whose number is that of the next connection. */
static struct play make_again(int number, bool is_tcp)
{
    struct weft_addr unused;
    int fds[2], listener = listen_tcp(&unused); /* in a number below, if one is free */

    fds[1] = connect_raw(listener);
    CHECK_EQ(weft_close(number), 0);
    CHECK(!is_marked(number));
    if (is_tcp) {
        fds[0] = weft_accept(listener, NULL);
    } else {
        CHECK_EQ(close(fds[1]), 0); /* a higher number */
        unix_pair(fds);
    }
    CHECK_EQ(fds[0], number);
    CHECK(!is_marked(number));
    CHECK_EQ(weft_close(listener), 0);
    return (struct play){.fd = fds[0], .peer = fds[1], .script = "abc"};
}

/* Goal: that a connection was emptied says nothing of the next one of its number.
 * Method: bytes are there, so a deadline that has passed tells whether there was a try. */
CO_TEST(a_number_that_comes_back_is_not_taken_for_empty)
{
    for (int i = COUNT(makers); i < 2 * STATES; i++) {
        char buf[100];
        struct play old = begin(i);
        CHECK_EQ(is_marked(old.fd), i % STATES >= COUNT(makers));
        struct play p = make_again(old.fd, i < STATES);

        act(&p);
        await_bytes(p.fd);
        WEFT_DEADLINE (s, -1)
            CHECK_EQ(weft_read(p.fd, buf, sizeof buf), 3);
        act(&p);
        CHECK_EQ(read_soon(p.fd, buf, sizeof buf), 3);
        close_peer(&old);
        CHECK_EQ(weft_close(p.fd), 0);
        CHECK_EQ(i < STATES ? close(p.peer) : weft_close(p.peer), 0);
    }
    return 0;
}
