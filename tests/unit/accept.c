/* SPDX-License-Identifier: MIT */
/*
 * accept.c - taking connections: several takers, deadlines, and when descriptors run out.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "net_test.h"

static int accept_one(void *arg)
{
    return weft_accept((int)(intptr_t)arg, NULL);
}

/* Goal: several coroutines may wait on one listener, and each connection goes to one of them. */
CO_TEST(several_take_from_one_listener)
{
    struct weft_addr at;
    struct weft_co *takers[8];
    int listener = listen_tcp(&at), clients[8], servers[8];

    for (int i = 0; i < 8; i++)
        takers[i] = weft_go_with(accept_one, (void *)(intptr_t)listener);
    await_in_flight(8);
    for (int i = 0; i < 8; i++) {
        clients[i] = weft_dial_addr(&at);
        CHECK_GE(clients[i], 0);
    }
    for (int i = 0; i < 8; i++) {
        CHECK_EQ(weft_join(takers[i], &servers[i]), 0);
        CHECK_GE(servers[i], 0);
        for (int k = 0; k < i; k++)
            CHECK_NE(servers[k], servers[i]);
    }
    for (int i = 0; i < 8; i++)
        close_both((int[2]){clients[i], servers[i]});
    CHECK_EQ(in_flight(), 0);
    CHECK_EQ(weft_close(listener), 0);
    return 0;
}

/* Goal: what cannot be accepted from is a code at once, not a wait and not a loop. */
CO_TEST(accepting_from_what_does_not_listen_is_a_code)
{
    int fds[2], stream = socket(AF_INET, SOCK_STREAM, 0), datagram = socket(AF_INET, SOCK_DGRAM, 0);

    WEFT_DEADLINE(s, LONG_NS / 2) { /* a wait would end as -ETIMEDOUT */
        CHECK_EQ(weft_accept(-1, NULL), -EBADF);
        CHECK_EQ(weft_accept(1 << 20, NULL), -EBADF);
        CHECK_EQ(weft_accept(stream, NULL), -EINVAL);
        CHECK_EQ(weft_accept(datagram, NULL), -EINVAL);
        pipe_pair(fds);
        CHECK_EQ(weft_accept(fds[0], NULL), -ENOTSOCK);
        CHECK_EQ(weft_write(fds[1], "x", 1), 1);
        CHECK_EQ(weft_accept(fds[0], NULL), -ENOTSOCK);
        close_both(fds);
        foreign_pair(fds);
        CHECK_EQ(weft_accept(fds[0], NULL), -EINVAL);
        close_both(fds);
        unix_pair(fds);
        CHECK_EQ(weft_accept(fds[0], NULL), -EINVAL);
        close_both(fds);
        for (int i = 0; i < 3; i++) {
            fds[0] = weft_dgram_open((int[]){AF_INET, AF_INET6, AF_UNIX}[i]);
            CHECK(fds[0] >= 0 || fds[0] == -EAFNOSUPPORT);
            CHECK_EQ(weft_accept(fds[0], NULL), fds[0] < 0 ? -EBADF : -EINVAL);
            CHECK_EQ(weft_close(fds[0]), fds[0] < 0 ? -EBADF : 0);
        }
    }
    CHECK_EQ(weft_close(stream), 0);
    CHECK_EQ(weft_close(datagram), 0);
    return 0;
}

/* Goal: a listener that somebody else made, blocking or not, can be accepted from. */
CO_TEST(a_foreign_listener_is_accepted_from)
{
    for (int flags = 0; flags <= SOCK_NONBLOCK; flags += SOCK_NONBLOCK) {
        struct weft_addr at;
        int listener = socket(AF_INET, SOCK_STREAM | flags, 0), server = -1;

        CHECK_EQ(weft_addr_parse(&at, "127.0.0.1:0"), 0);
        CHECK_EQ(bind(listener, (struct sockaddr *)&at.storage, at.len), 0);
        CHECK_EQ(listen(listener, 5), 0);
        CHECK_EQ(weft_local_addr(listener, &at), 0);
        struct weft_co *taker = weft_go_with(accept_one, (void *)(intptr_t)listener);
        await_in_flight(1);
        int client = weft_dial_addr(&at);
        CHECK_GE(client, 0);
        CHECK_EQ(weft_join(taker, &server), 0);
        CHECK_GE(server, 0);
        close_both((int[2]){client, server});
        CHECK_EQ(weft_close(listener), 0);
    }
    return 0;
}

/* Goal: a connection that was reset before it was taken does not end the accept with an error. */
CO_TEST(a_connection_that_is_gone_does_not_disturb)
{
    struct weft_addr at;
    int listener = listen_tcp(&at), server, client, n_taken = 0;

    for (int i = 0; i < 20; i++) {
        client = weft_dial_addr(&at);
        CHECK_GE(client, 0);
        set_reset_on_close(client);
        CHECK_EQ(weft_close(client), 0);
    }
    client = weft_dial_addr(&at);
    CHECK_EQ(weft_write(client, "!", 1), 1);
    for (char byte = 0; byte != '!'; n_taken++) {
        server = weft_accept(listener, NULL);
        CHECK_GE(server, 0);
        ssize_t n = weft_read(server, &byte, 1); /* Linux hands over the dead ones too */
        CHECK(n == 1 || n == -ECONNRESET);
        CHECK_EQ(weft_close(server), 0);
    }
    CHECK_LE(n_taken, 21);
    CHECK_EQ(weft_close(client), 0);
    CHECK_EQ(weft_close(listener), 0);
    return 0;
}

/* ---- deadlines ---- */

CO_TEST(a_deadline_ends_an_accept)
{
    struct weft_addr at, peer;
    int listener = listen_tcp(&at), client, server;

    WEFT_DEADLINE(s, 5 * WEFT_MS) {
        CHECK_EQ(weft_accept(listener, &peer), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
    }
    CHECK_EQ(in_flight(), 0);
    client = weft_dial_addr(&at);
    WEFT_DEADLINE(s, -1) { /* it is there: success wins */
        server = weft_accept(listener, &peer);
        CHECK_GE(server, 0);
    }
    close_both((int[2]){client, server});
    CHECK_EQ(weft_close(listener), 0);
    return 0;
}

#define DIALS 400

struct late {
    struct weft_addr at;
    int n;
};

static int dial_many(void *arg)
{
    struct late *late = arg;

    for (int i = 0; i < late->n; i++) {
        int fd = weft_dial_addr(&late->at);
        char byte;
        CHECK_GE(fd, 0);
        CHECK_EQ(weft_read(fd, &byte, 1), 0); /* until the taker closes it */
        CHECK_EQ(weft_close(fd), 0);
        if (i % 3 == 0)
            CHECK_EQ(weft_sleep((i % 7) * 40 * WEFT_US), 0);
    }
    return 0;
}

/* Goal: accepts that end by their deadline lose no connection: all that dialled are served, in any
 * interleaving of a connection and the end of a deadline, and no fd is left. */
CO_TEST(accepts_with_short_deadlines_lose_no_connection)
{
    struct late late = {.n = scaled(DIALS)};
    int listener = listen_tcp(&late.at), n_taken = 0, before = open_fds();
    struct weft_co *dialer = weft_go_with(dial_many, &late);

    while (n_taken < late.n) {
        WEFT_DEADLINE(s, (n_taken % 5) * 30 * WEFT_US) {
            int fd = weft_accept(listener, NULL);
            if (fd < 0) {
                CHECK_EQ(fd, -ETIMEDOUT);
                weft_yield();
            } else {
                CHECK_EQ(weft_close(fd), 0);
                n_taken++;
            }
        }
    }
    join(dialer);
    CHECK_EQ(open_fds(), before);
    CHECK_EQ(in_flight(), 0);
    CHECK_EQ(weft_close(listener), 0);
    return 0;
}

/* ---- out of descriptors ---- */

#define CLIENTS 50

static int64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * WEFT_SEC + t.tv_nsec;
}

static uint64_t accept_waits(void)
{
    struct weft_stats stats = {.size = sizeof stats};

    CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    return stats.accept_waits;
}

/* Allows no descriptor but those that are open; returns the old limit. */
static rlim_t shut_descriptors(void)
{
    struct rlimit limit;
    int lowest_free = dup(0);

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const rlim_t old = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)lowest_free;
    close(lowest_free);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return old;
}

static void open_descriptors(rlim_t old)
{
    struct rlimit limit;

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = old;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* 50 clients of another process, each of which wants a byte within its patience; its exit status is
 * how many did not get one. */
static pid_t start_clients(const struct weft_addr *at)
{
    pid_t pid = fork();

    if (pid == 0) {
        struct pollfd p[CLIENTS];
        int n_left = CLIENTS;
        for (int i = 0; i < CLIENTS; i++) {
            p[i] = (struct pollfd){.fd = socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN};
            if (connect(p[i].fd, (const struct sockaddr *)&at->storage, at->len) != 0)
                _exit(100);
        }
        while (n_left > 0 && poll(p, CLIENTS, 10000 * (int)test_scale()) > 0) {
            for (int i = 0; i < CLIENTS; i++) {
                char byte;
                if (p[i].fd >= 0 && p[i].revents != 0 && read(p[i].fd, &byte, 1) == 1) {
                    n_left--;
                    close(p[i].fd);
                    p[i].fd = -1;
                }
            }
        }
        _exit(n_left);
    }
    CHECK_GT(pid, 0);
    return pid;
}

static int serve(void *arg)
{
    for (int i = 0; i < CLIENTS; i++) {
        int fd = weft_accept((int)(intptr_t)arg, NULL);
        CHECK_GE(fd, 0);
        CHECK_EQ(weft_write(fd, "s", 1), 1);
        CHECK_EQ(weft_close(fd), 0);
    }
    return 0;
}

/* Goal: with no descriptor left, 50 clients waiting and 2 s of time, an accept loop waits at most
 * 200 times and uses no CPU to speak of; once there are descriptors, all 50 are served. */
CO_TEST(an_accept_loop_does_not_spin_at_emfile)
{
    struct weft_addr at;
    int listener = listen_tcp(&at), status;
    pid_t clients = start_clients(&at);
    rlim_t old = shut_descriptors();
    int64_t cpu = cpu_ns();
    struct weft_co *server = weft_go_with(serve, (void *)(intptr_t)listener);

    CHECK_EQ(weft_sleep(2 * WEFT_SEC), 0);
    CHECK(!weft_done(server));
    CHECK_GE(accept_waits(), 10);
    CHECK_LE(accept_waits(), 200);
    CHECK_LT(cpu_ns() - cpu, 100 * WEFT_MS * test_scale());
    open_descriptors(old);
    join(server);
    CHECK_EQ(waitpid(clients, &status, 0), clients);
    CHECK_EQ(status, 0);
    CHECK_EQ(weft_close(listener), 0);
    return 0;
}

static int accept_into(void *fd)
{
    *(int *)fd = weft_accept(*(int *)fd, NULL);
    return 0;
}

/* Goal: an accept that waits for a descriptor, and whose listener is closed meanwhile, is refused,
 * and takes nothing from another listener that has got the number.
 * Method: the only descriptor that the close gives back is taken by the other one. */
CO_TEST(an_accept_is_not_of_the_next_listener)
{
    struct weft_addr at, next_at;
    int listener = listen_tcp(&at), spare = socket(AF_INET, SOCK_STREAM, 0);
    int taken = listener, client = weft_dial_addr(&at);

    CHECK_GE(client, 0);
    rlim_t old = shut_descriptors();
    struct weft_co *taker = weft_go_with(accept_into, &taken);
    while (accept_waits() == 0)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(weft_close(listener), 0);
    CHECK_EQ(listen_tcp(&next_at), listener);
    CHECK_EQ(connect(spare, (struct sockaddr *)&next_at.storage, next_at.len), 0);
    open_descriptors(old);
    join(taker);
    CHECK_EQ(taken, -EBADF);
    WEFT_DEADLINE (s, -1) {
        taken = weft_accept(listener, NULL);
        CHECK_GE(taken, 0);
    }
    close_both((int[2]){taken, client});
    close_both((int[2]){listener, spare});
    return 0;
}

/* ---- out of memory ---- */

enum { TABLE_FDS = WEFT__FD_CHUNK }; /* the next ones need memory in the table of fds */

static atomic_int n_refused; /* how often there was none for the table; below 0: there is */

static void *allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    if (bytes == sizeof(struct weft__fd) * WEFT__FD_CHUNK && atomic_load(&n_refused) >= 0 &&
        atomic_fetch_add(&n_refused, 1) == 0)
        return NULL;
    return aligned_alloc(alignment, (bytes + alignment - 1) & ~(alignment - 1));
}

static void release(void *user, void *p)
{
    (void)user;
    free(p);
}

static int plain_dial(const struct weft_addr *at)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK_GE(fd, 0);
    CHECK_EQ(connect(fd, (const struct sockaddr *)&at->storage, at->len), 0);
    return fd;
}

static int take_one_of_two(void *unused)
{
    struct weft_addr at;
    int listener = listen_tcp(&at), lost = plain_dial(&at), client = plain_dial(&at);
    char byte;

    (void)unused;
    for (int fd = listener; fd < TABLE_FDS - 1;)
        CHECK_GE(fd = dup(listener), 0);
    atomic_store(&n_refused, 0);
    int server = weft_accept(listener, NULL);
    CHECK_GE(server, TABLE_FDS);
    CHECK_GE(atomic_load(&n_refused), 1);
    CHECK_EQ(weft_write(server, "!", 1), 1);
    CHECK_EQ(weft_read(client, &byte, 1), 1);
    CHECK_LE(weft_read(lost, &byte, 1), 0);
    CHECK_EQ(weft_close(server), 0);
    return 0;
}

/* Goal: a connection for which the runtime finds no memory costs that connection, and not the loop
 * that takes them. */
TEST(an_accept_survives_the_lack_of_memory)
{
    static const struct weft_allocator own = {
        .size = sizeof own, .allocate = allocate, .release = release};
    struct rlimit limit;

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < TABLE_FDS + 100)
        SKIP("too few descriptors can be had here");
    limit.rlim_cur = limit.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    atomic_store(&n_refused, -1);
    CHECK_EQ(weft_set_allocator(&own), 0);
    CHECK_EQ(weft_run(take_one_of_two, NULL), 0);
}

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Goal: a weft_close() makes room at once, long before the waiting accept looks again by itself:
 * after some time it looks every 100 ms only.
 * Method: five closes, each waited for; by looking alone half of them would take 50 ms and more.
 */
CO_TEST(a_close_lets_an_accept_go_on_at_once)
{
    enum { TIMES = 5 };
    struct weft_addr at;
    int listener = listen_tcp(&at), spare[TIMES], clients[TIMES];
    int64_t waited_ns[TIMES];

    for (int i = 0; i < TIMES; i++) {
        spare[i] = open("/dev/null", O_RDONLY);
        clients[i] = weft_dial_addr(&at); /* in the queue of the listener */
        CHECK_GE(clients[i], 0);
    }
    rlim_t old = shut_descriptors();
    for (int i = 0; i < TIMES; i++) {
        int fd;
        struct weft_co *taker = weft_go_with(accept_one, (void *)(intptr_t)listener);
        CHECK_EQ(weft_sleep(150 * WEFT_MS), 0); /* its waits are long by now */
        CHECK(!weft_done(taker));
        const int64_t start = weft_now();
        CHECK_EQ(weft_close(spare[i]), 0);
        CHECK_EQ(weft_join(taker, &fd), 0);
        waited_ns[i] = weft_now() - start;
        CHECK_GE(fd, 0);
        spare[i] = fd;
    }
    qsort(waited_ns, TIMES, sizeof waited_ns[0], by_size);
    CHECK_LT(waited_ns[TIMES / 2], 20 * WEFT_MS * test_scale());
    open_descriptors(old);
    for (int i = 0; i < TIMES; i++)
        close_both((int[2]){clients[i], spare[i]});
    CHECK_EQ(weft_close(listener), 0);
    return 0;
}

/* Goal: a deadline ends the wait for a descriptor, too; the connection is still there afterwards.
 * */
CO_TEST(a_deadline_ends_an_accept_at_emfile)
{
    struct weft_addr at;
    int listener = listen_tcp(&at), client = weft_dial_addr(&at), server;
    rlim_t old = shut_descriptors();

    WEFT_DEADLINE(s, 30 * WEFT_MS) {
        CHECK_EQ(weft_accept(listener, NULL), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
    }
    CHECK_EQ(weft_dial_addr(&at), -EMFILE);
    CHECK_EQ(weft_listen("127.0.0.1:0"), -EMFILE);
    CHECK_EQ(weft_socket_pair((int[2]){0, 0}), -EMFILE);
    open_descriptors(old);
    server = weft_accept(listener, NULL);
    CHECK_GE(server, 0);
    close_both((int[2]){client, server});
    CHECK_EQ(weft_close(listener), 0);
    return 0;
}

static void take_into(void *arg)
{
    int *fd = arg;

    __atomic_store_n(fd, weft_accept(*fd, NULL), __ATOMIC_RELEASE);
}

static int start_and_dial(void *arg)
{
    struct weft_addr at;
    int *fds = arg; /* a listener, a client */

    fds[0] = listen_tcp(&at);
    fds[1] = weft_dial_addr(&at);
    CHECK_GE(fds[1], 0);
    return 0;
}

static int await_long_waits(void *arg)
{
    while (accept_waits() < *(uint64_t *)arg + 9) /* by then it looks every 100 ms */
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    return 0;
}

static int read_accept_waits(void *arg)
{
    *(uint64_t *)arg = accept_waits();
    return 0;
}

static int await_taken(void *arg)
{
    int *fds = arg; /* the listener, until it is replaced by the connection */
    const int64_t start = weft_now();

    while (__atomic_load_n(&fds[2], __ATOMIC_ACQUIRE) == fds[0])
        CHECK_EQ(weft_sleep(WEFT_MS / 4), 0);
    return (int)((weft_now() - start) / WEFT_US);
}

/* Goal: a close on a plain thread makes room for a waiting accept, too.
 * Method: ten times; by its own looks alone the accepts would take half a second. */
TEST(a_close_on_a_plain_thread_lets_an_accept_go_on)
{
    int64_t waited_us = 0;
    struct weft_runtime *rt;

    CHECK_EQ(weft_runtime_start(&rt, NULL), 0);
    for (int i = 0; i < 10; i++) {
        int fds[3], us = 0, spare = open("/dev/null", O_RDONLY);
        uint64_t waits = 0;
        CHECK_EQ(weft_block_on(rt, start_and_dial, fds, NULL), 0);
        CHECK_EQ(weft_block_on(rt, read_accept_waits, &waits, NULL), 0);
        rlim_t old = shut_descriptors();
        fds[2] = fds[0];
        CHECK_EQ(weft_runtime_go(rt, take_into, &fds[2]), 0);
        CHECK_EQ(weft_block_on(rt, await_long_waits, &waits, NULL), 0);
        CHECK_EQ(weft_close(spare), 0);
        CHECK_EQ(weft_block_on(rt, await_taken, fds, &us), 0);
        waited_us += us;
        open_descriptors(old);
        for (int k = 0; k < 3; k++)
            CHECK_EQ(weft_close(fds[k]), 0);
    }
    CHECK_LT(waited_us, 200000 * test_scale());
    CHECK_EQ(weft_runtime_stop(rt), 0);
}
