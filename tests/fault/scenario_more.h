/* SPDX-License-Identifier: MIT */
/* scenario_more.h - of calls.c: what else there is with a call that can fail. */
#ifndef WEFT_TESTS_SCENARIO_MORE_H
#define WEFT_TESTS_SCENARIO_MORE_H

#include "scenario.h"
#include "scenario_io.h"

static int objects(void)
{
    struct weft_mutex *mutex = weft_mutex_make();
    struct weft_rwlock *rwlock = weft_rwlock_make();
    struct weft_cond *cond = weft_cond_make();
    struct weft_sem *sem = weft_sem_make(1);
    struct weft_barrier *barrier = weft_barrier_make(1);
    struct weft_event *event = weft_event_make();
    struct weft_wait_group *wg = weft_wg_make();
    struct weft_ticker *ticker = weft_ticker_make(WEFT_SEC, WEFT_TICK_SKIP);
    bool all = mutex && rwlock && cond && sem && barrier && event && wg && ticker;

    weft_mutex_free(mutex);
    weft_rwlock_free(rwlock);
    weft_cond_free(cond);
    weft_sem_free(sem);
    weft_barrier_free(barrier);
    weft_event_free(event);
    weft_wg_free(wg);
    weft_ticker_free(ticker);
    return all ? 0 : -ENOMEM;
}

static int children(void)
{
    struct weft_group group;
    int rc = 0;

    weft_group_begin(&group, NULL);
    for (int i = 0; i < 4 && rc == 0; i++)
        rc = weft_group_go(&group, do_nothing, NULL);
    return first_error(rc, weft_group_end(&group));
}

/* A channel that grows. */
static int unbounded(void)
{
    chan *ch = chan_make(sizeof(int), WEFT_CHAN_UNBOUNDED);
    int rc = ch != NULL ? 0 : -ENOMEM, v;

    for (int i = 0; i < 300 && rc == 0; i++)
        rc = chan_send(ch, &i);
    for (int i = 0; i < 300 && rc == 0; i++) {
        rc = chan_recv(ch, &v);
        rc = rc == 0 && v != i ? -EPROTO : rc;
    }
    if (ch != NULL)
        chan_unref(ch);
    return rc;
}

/* More cases, and more fds, than have room on the stack. */
static int select_on_many(void)
{
    enum { PAIRS = 6 };
    int fds[PAIRS][2], n = 0, rc = 0;
    struct weft_case cases[2 * PAIRS];

    while (n < PAIRS && rc == 0) {
        rc = weft_socket_pair(fds[n]);
        n += rc == 0;
    }
    for (int i = 0; i < n; i++) {
        cases[2 * i] = weft_case_readable(fds[i][0]);
        cases[2 * i + 1] = weft_case_after(WEFT_MS);
    }
    if (rc == 0) {
        rc = weft_select(cases, 2 * PAIRS);
        rc = rc < 0 ? rc : rc % 2 == 1 ? 0 : cases[rc].rc < 0 ? (int)cases[rc].rc : -EPROTO;
    }
    while (n-- > 0) {
        rc = first_error(rc, weft_close(fds[n][0]));
        rc = first_error(rc, weft_close(fds[n][1]));
    }
    return rc;
}

static int several_come(void)
{
    enum { COMERS = 8 };
    struct weft_addr at;
    int fds[COMERS], n = 0, rc = 0, listener = weft_listen("127.0.0.1:0");

    if (listener < 0)
        return listener;
    rc = weft_local_addr(listener, &at);
    while (n < COMERS && rc == 0) {
        fds[n] = weft_dial_addr(&at);
        rc = fds[n] < 0 ? fds[n] : 0;
        n += rc == 0;
    }
    WEFT_DEADLINE (s, PATIENCE) {
        for (int i = 0; i < n && rc == 0; i++) {
            int fd = weft_accept(listener, NULL);
            rc = fd < 0 ? fd : weft_close(fd);
        }
    }
    while (n-- > 0)
        rc = first_error(rc, weft_close(fds[n]));
    return first_error(rc, weft_close(listener));
}

static int options(void)
{
    struct weft_addr any, peer;
    int rc = weft_addr_parse(&any, "127.0.0.1:0");
    int listener = rc == 0 ? weft_listen_with(&any, .reuse_port = 1) : rc;

    if (listener < 0)
        return listener;
    rc = weft_local_addr(listener, &any);
    int fd = rc == 0 ? weft_dial_addr(&any) : rc;
    if (fd >= 0) {
        rc = weft_set_nodelay(fd, true);
        rc = first_error(rc, weft_set_keepalive(fd, WEFT_SEC, WEFT_SEC, 3));
        rc = first_error(rc, weft_set_keepalive(fd, 0, 0, 0));
        rc = first_error(rc, weft_set_buffers(fd, 65536, 65536));
        rc = first_error(rc, weft_peer_addr(fd, &peer));
        rc = first_error(rc, weft_shutdown(fd, SHUT_WR));
        rc = first_error(rc, weft_close(fd));
    } else {
        rc = fd;
    }
    return first_error(rc, weft_close(listener));
}

/* A socket file that nobody listens on any more, and an address that not every system has. */
static int listen_anew(void)
{
    char where[64];
    int rc = 0;

    name_anew(where, "unix:/tmp/");
    for (int i = 0; i < 2 && rc == 0; i++) {
        int fd = weft_listen(where);
        rc = fd < 0 ? fd : weft_close(fd);
    }
    (void)unlink(where + strlen("unix:"));
    int fd = rc == 0 ? weft_listen("[::1]:0") : rc;
    if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
        return 0;
    return fd < 0 ? fd : weft_close(fd);
}

static int listen_by_name(void)
{
    struct weft_addr found[2];
    int fd = weft_listen("b.test:0");
    int rc = fd < 0 ? fd : weft_close(fd);

    int n = weft_resolve("b.test", NULL, found, 2, NULL);
    return first_error(rc, n < 0 ? n : 0);
}

static int wait_and_read(void *fd)
{
    char back[6] = "";
    struct iovec iov[2] = {{back, 2}, {back + 2, 4}};
    int rc = weft_wait_fd(*(int *)fd, POLLIN);

    if (rc < 0)
        return rc;
    ssize_t n = weft_readv(*(int *)fd, iov, 2);
    if (n > 0 && n < 6) {
        ssize_t more = weft_read_full(*(int *)fd, back + n, (size_t)(6 - n));
        n = more < 0 ? more : n + more;
    }
    return check_echo(back, n);
}

static int write_to_reader(int fds[2])
{
    struct weft_co *reader = weft_go_with(wait_and_read, &fds[0]);

    if (reader != NULL)
        weft_yield(); /* it waits by now, most likely */
    ssize_t n = weft_write_full(fds[1], "weaver", 6);
    int rc = first_error(n < 0 ? (int)n : 0, weft_close(fds[1]));
    rc = first_error(rc, reader != NULL ? join_for(reader) : -ENOMEM);
    return first_error(rc, weft_close(fds[0]));
}

/* An fd that is not ours. */
static int through_a_pipe(void)
{
    int fds[2];

    CHECK_EQ(pipe(fds), 0);
    return write_to_reader(fds);
}

static int through_a_pair(void)
{
    int fds[2], rc = weft_socket_pair(fds);

    return rc != 0 ? rc : write_to_reader(fds);
}

/* A listener that is not ours. */
static int accept_from_a_stranger(void)
{
    struct weft_addr at;
    int rc, listener = socket(AF_INET, SOCK_STREAM, 0);

    set_addr(&at, "127.0.0.1:0");
    CHECK_EQ(bind(listener, (struct sockaddr *)&at.storage, at.len), 0);
    CHECK_EQ(listen(listener, 8), 0);
    rc = weft_local_addr(listener, &at);
    int fd = rc == 0 ? weft_dial_addr(&at) : rc;
    if (fd >= 0) {
        WEFT_DEADLINE (s, PATIENCE)
            rc = weft_accept(listener, NULL);
        rc = rc < 0 ? rc : weft_close(rc);
        rc = first_error(rc, weft_close(fd));
    } else {
        rc = fd;
    }
    return first_error(rc, weft_close(listener));
}

/* A file: it is always ready. */
static int through_a_file(void)
{
    FILE *f = tmpfile();
    char back[6] = "";

    CHECK(f != NULL);
    int fd = fileno(f);
    ssize_t n = weft_write_full(fd, "weaver", 6);
    int rc = n == 6 ? 0 : n < 0 ? (int)n : -EIO;
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    if (rc == 0)
        rc = check_echo(back, weft_read_full(fd, back, sizeof back));
    fclose(f);
    return rc;
}

static void nothing(void *unused)
{
    (void)unused;
}

/* More than one slab of descriptors is free, and stacks. */
static int give_back(void)
{
    struct weft_stats stats = {.size = sizeof stats};
    int rc = 0;

    CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    const uint64_t before = stats.live;
    for (int i = 0; i < 600 && rc == 0; i++)
        rc = weft_go(nothing, NULL);
    do {
        weft_yield();
        CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    } while (stats.live > before);
    int64_t bytes = weft_trim(NULL);
    weft_yield();
    return first_error(rc, bytes < 0 ? (int)bytes : 0);
}

static const struct piece {
    const char *name;
    int (*run)(void);
} pieces[] = {
#define PIECE(function)                                                                            \
    {                                                                                              \
#function, function                                                                        \
    }
    PIECE(leave_some_behind), /* the first, with the start and the stop of the runtime */
    PIECE(channels),          PIECE(settle_all),     PIECE(shapes),         PIECE(block),
    PIECE(futures),           PIECE(objects),        PIECE(children),       PIECE(unbounded),
    PIECE(echo_over_tcp),     PIECE(echo_over_unix), PIECE(select_on_pair), PIECE(select_on_many),
    PIECE(several_come),      PIECE(options),        PIECE(listen_anew),    PIECE(dial_by_name),
    PIECE(listen_by_name),    PIECE(lines_on_pair),  PIECE(through_a_pipe), PIECE(through_a_pair),
    PIECE(give_back),         PIECE(through_a_file), PIECE(accept_from_a_stranger),
    PIECE(datagrams),         PIECE(copies),         PIECE(buffers),
};

#endif
