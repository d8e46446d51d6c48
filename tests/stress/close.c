/* SPDX-License-Identifier: MIT */
/*
 * close.c - fds that are closed under those who use them, and numbers that come back at once.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include "net_test.h"
#include "no_lookout.h" /* a ring made for a relief processor could have the number closed last */

/* ---- numbers that come back ---- */

struct storm {
    int64_t until_ns;
    _Atomic uint64_t next_id, n_done;
};

struct reader {
    int fd;
    uint64_t id;
    _Atomic int n_read;
    _Atomic bool may_end;
};

/* Is some operation in flight on the fd? */
static bool is_waited_on(int fd)
{
    struct weft__fd *entry = weft__fd_get(&weft_runtime_current()->reactors.fds, fd);

    CHECK(entry != NULL);
    weft__lock(&entry->lock);
    const bool waits = entry->in_flight != NULL;
    weft__unlock(&entry->lock);
    return waits;
}

/* Everything that arrives on this connection must carry its id; then it is closed under us. */
static int read_own_id(void *arg)
{
    struct reader *r = arg;
    uint64_t got;
    ssize_t n;

    while ((n = weft_read_full(r->fd, &got, sizeof got)) == sizeof got) {
        CHECK_EQ(got, r->id);
        r->n_read++;
    }
    CHECK(n == -EBADF || n == 0);
    CHECK(r->may_end); /* nobody has closed it yet */
    return 0;
}

/* Opens a pair, sends ids through it, closes both ends under a reader that waits; again. */
static int open_and_close(void *arg)
{
    struct storm *s = arg;
    uint64_t random = test_seed() + weft_id();

    while (weft_now() < s->until_ns) {
        int fds[2];
        uint64_t id = ++s->next_id;
        const int kind = (int)(test_random(&random) % 3);
        (kind == 0 ? unix_pair : kind == 1 ? foreign_pair : tcp_pair)(fds);
        struct reader r = {.fd = fds[0], .id = id};
        struct weft_co *co = weft_go_with(read_own_id, &r);

        const int n = (int)(test_random(&random) % 4);
        for (int i = 0; i < n; i++) {
            CHECK_EQ(weft_write_full(fds[1], &id, sizeof id), sizeof id);
            if (test_random(&random) % 2)
                weft_yield();
        }
        /* A reader between two reads would rightly use the next socket of that number. */
        while (r.n_read < n || !is_waited_on(fds[0]))
            weft_yield();
        r.may_end = true;
        if (test_random(&random) % 2) {
            CHECK_EQ(weft_close(fds[0]), 0); /* under the reader */
            join(co);
            CHECK_EQ(weft_close(fds[1]), 0);
        } else {
            CHECK_EQ(weft_close(fds[1]), 0); /* the reader meets the end */
            join(co);
            CHECK_EQ(weft_close(fds[0]), 0);
        }
        s->n_done++;
    }
    return 0;
}

/* Goal: 8 coroutines that open, use and close connections get each other's numbers all the time,
 * and never each other's bytes or events.
 * Method: every connection has an id, and each message on it is that id. */
STRESS_TEST(numbers_that_come_back_bring_nothing_of_their_past)
{
    struct storm s = {.until_ns = weft_now() + test_stress_ms() * WEFT_MS};
    struct weft_co *co[8];
    int before = open_fds();

    for (int i = 0; i < 8; i++)
        co[i] = weft_go_with(open_and_close, &s);
    for (int i = 0; i < 8; i++)
        join(co[i]);
    CHECK_GT(s.n_done, 50);
    CHECK_EQ(in_flight(), 0);
    CHECK_EQ(open_fds(), before);
    return 0;
}

/* ---- closing against everything ---- */

struct victim {
    int fd, call;
    uint64_t random;
};

/* Uses the fd in some way until it is closed. */
static int use_until_closed(void *arg)
{
    struct victim *v = arg;
    char buf[4096] = "";

    for (;;) {
        ssize_t rc = 0;
        WEFT_DEADLINE(d, test_random(&v->random) % 2 ? 200 * WEFT_US : WEFT_NEVER) {
            struct weft_case cases[] = {weft_case_readable(v->fd), weft_case_writable(v->fd)};
            switch (v->call) {
            case 0: rc = weft_read(v->fd, buf, sizeof buf); break;
            case 1: rc = weft_write(v->fd, buf, sizeof buf); break;
            case 2: rc = weft_wait_fd(v->fd, POLLIN); break;
            default:
                rc = weft_select(cases, 1 + (int)(test_random(&v->random) % 2));
                if (rc >= 0)
                    rc = cases[rc].rc;
            }
        }
        if (rc == -EBADF)
            return 0;
        CHECK(rc > 0 || rc == -ETIMEDOUT);
        weft_yield();
    }
}

static int feed(void *arg)
{
    struct victim *v = arg;
    char buf[512] = "";
    ssize_t n;

    do {
        WEFT_DEADLINE(d, 100 * WEFT_US)
            n = test_random(&v->random) % 2 ? weft_write(v->fd, buf, sizeof buf)
                                            : weft_read(v->fd, buf, sizeof buf);
        weft_yield();
    } while (n > 0 || n == -ETIMEDOUT);
    CHECK(n == 0 || n == -EPIPE || n == -ECONNRESET);
    return 0;
}

/* Goal: a close in the middle of reads, writes, polls, selects and deadlines on the same fd ends
 * all of them, once, and the other end sees it.
 * Method: a number is not used again before all have seen the close, since a call that comes later
 * would rightly use the new socket. */
STRESS_TEST(a_close_races_with_everything_and_ends_all_of_it)
{
    const int64_t until = weft_now() + test_stress_ms() * WEFT_MS;
    uint64_t random = test_seed();
    int n = 0;

    for (; n < 20 || weft_now() < until; n++) {
        int fds[2];
        struct victim victims[4], feeder;
        struct weft_co *co[4], *other;
        (n % 3 == 0 ? tcp_pair : n % 3 == 1 ? unix_pair : foreign_pair)(fds);

        feeder = (struct victim){.fd = fds[1], .random = test_random(&random)};
        other = weft_go_with(feed, &feeder);
        for (int i = 0; i < 4; i++) {
            victims[i] = (struct victim){.fd = fds[0], .call = i, .random = test_random(&random)};
            co[i] = weft_go_with(use_until_closed, &victims[i]);
        }
        CHECK_EQ(weft_sleep((int64_t)(test_random(&random) % 1000) * WEFT_US), 0);
        CHECK_EQ(weft_close(fds[0]), 0);
        for (int i = 0; i < 4; i++)
            join(co[i]);
        join(other);
        CHECK_EQ(weft_close(fds[1]), 0);
        CHECK_EQ(in_flight(), 0);
    }
    return 0;
}

/* ---- listeners ---- */

static int take_until_closed(void *arg)
{
    int fd;

    while ((fd = weft_accept((int)(intptr_t)arg, NULL)) >= 0)
        CHECK_EQ(weft_close(fd), 0);
    /* Between two accepts the number may have become that of a dialled socket. */
    CHECK(fd == -EBADF || fd == -EINVAL);
    return 0;
}

static int dial_until_refused(void *arg)
{
    int fd;

    while ((fd = weft_dial_addr(arg)) >= 0)
        CHECK_EQ(weft_close(fd), 0);
    CHECK(fd == -ECONNREFUSED || fd == -ECONNRESET || fd == -EADDRNOTAVAIL);
    return 0;
}

/* Goal: a listener that is closed under accepts and dials ends both, and leaves no fd. */
STRESS_TEST(a_listener_is_closed_under_load_and_leaves_nothing)
{
    const int64_t until = weft_now() + test_stress_ms() * WEFT_MS;
    uint64_t random = test_seed();
    int before = open_fds(), n = 0;

    for (; n < 10 || weft_now() < until; n++) {
        struct weft_addr at;
        struct weft_co *takers[2], *dialers[2];
        int listener = listen_tcp(&at);

        for (int i = 0; i < 2; i++) {
            takers[i] = weft_go_with(take_until_closed, (void *)(intptr_t)listener);
            dialers[i] = weft_go_with(dial_until_refused, &at);
        }
        CHECK_EQ(weft_sleep((int64_t)(test_random(&random) % 3000) * WEFT_US), 0);
        CHECK_EQ(weft_close(listener), 0);
        for (int i = 0; i < 2; i++) {
            join(dialers[i]);
            join(takers[i]);
        }
        CHECK_EQ(in_flight(), 0);
    }
    CHECK_EQ(open_fds(), before);
    return 0;
}
