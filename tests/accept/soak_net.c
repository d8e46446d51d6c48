/* SPDX-License-Identifier: MIT */
/*
 * soak_net.c - thousands of connections, millions of messages, and one in a hundred meets a cancel,
 * a deadline or a reset: every byte is accounted for, and nothing is left behind.
 *
 * usage: soak_net [CONNECTIONS [MESSAGES]]      5000 and 10000000; `make soak-net` runs it on each
 *                                               driver
 *
 * A line is a connection and its successors: a client that writes, a server that reads.  A message
 * has a number and a sum; the server counts those that came whole, in their order, and says so once
 * in sixteen, for which the client waits: there most calls are ended.  Whoever of the
 * two breaks a session says so in the line first: only then may the other meet an error, and only
 * then may bytes that were sent not arrive.  When a session is over on both sides,
 *
 *     sent = received                 if nobody has broken it
 *     sent = received + lost          if somebody has
 *
 * At the end of it all, the descriptors, the coroutines, the threads and the blocks of memory are
 * as many as before, after a small run that has made what is made once.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <weft.h>

#define MUST(x)                                                                                    \
    do {                                                                                           \
        if (!(x))                                                                                  \
            fail(__LINE__, #x);                                                                    \
    } while (0)

static _Noreturn void fail(int line, const char *what)
{
    printf("soak-net: FAIL: soak_net.c:%d: %s does not hold\n", line, what);
    fflush(stdout);
    (void)weft_dump(2);
    _exit(1);
}

/* ---- messages ---- */

#define PAYLOAD_MAX 1500
#define STALL_SECONDS 60 /* without a message: something hangs */
#define WINDOW 16        /* messages to an answer */

struct message {
    uint32_t bytes; /* of the payload */
    uint32_t number;
    uint64_t sum;
    unsigned char payload[PAYLOAD_MAX];
};
#define HEAD_BYTES offsetof(struct message, payload)

struct line {
    int id;
    chan *ended; /* the server tells the client that it has seen the end of a session */
    atomic_bool is_broken;
    _Atomic uint64_t sent, received; /* in this session */
    uint64_t client_random, server_random;
    char in[8192]; /* the server's; `have` bytes are in it */
    size_t have;
    uint32_t next; /* number of the next message */
};

static struct {
    struct weft_addr at;
    struct line *lines;
    struct weft_wait_group *open; /* servers and clients that are at work */
    int n_lines;
    unsigned long long target;
    atomic_bool is_over; /* the target is reached */
    atomic_ullong messages, sent, received, lost, sessions, broken;
    atomic_ullong meant; /* calls that were to be ended: some have done by that time */
    atomic_ullong cancelled, late;
} soak;

/* xorshift64* */
static uint64_t below(uint64_t *random, uint64_t n)
{
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return (*random * UINT64_C(0x2545F4914F6CDD1D) >> 32) % n;
}

static uint64_t sum_of(const struct message *m, int id)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325) ^ (uint64_t)id ^ (uint64_t)m->number << 24;

    for (uint32_t i = 0; i < m->bytes; i++)
        sum = (sum ^ m->payload[i]) * UINT64_C(1099511628211);
    return sum;
}

static size_t make_message(struct line *l, struct message *m, uint32_t number)
{
    uint64_t *random = &l->client_random;

    m->number = number;
    m->bytes = (uint32_t)below(random, below(random, 32) == 0 ? PAYLOAD_MAX : 64);
    for (uint32_t i = 0; i < m->bytes; i++)
        m->payload[i] = (unsigned char)(*random >> (i % 56));
    m->sum = sum_of(m, l->id);
    return HEAD_BYTES + m->bytes;
}

/* ---- calls that something ends ---- */

struct call {
    int fd;
    char *bytes;
    size_t n;
    ssize_t rc;
    bool is_write;
};

static int make_call(void *arg)
{
    struct call *c = arg;

    c->rc = c->is_write ? weft_write_full(c->fd, c->bytes, c->n) : weft_read(c->fd, c->bytes, c->n);
    return 0;
}

/* By a coroutine that is cancelled, perhaps before it begins, perhaps while it waits. */
static void make_cancelled_call(struct call *c, uint64_t *random)
{
    struct weft_co *co = weft_go_with(make_call, c);
    int unused;

    MUST(co != NULL);
    for (uint64_t turns = below(random, 4); turns > 0; turns--)
        weft_yield();
    weft_cancel(co);
    MUST(weft_join(co, &unused) == 0);
    atomic_fetch_add(&soak.cancelled, c->rc == -ECANCELED);
}

/* One call, which once in so many times is to be ended by somebody else; how far it came, or an
 * error of the connection. */
static ssize_t move(struct call *c, uint64_t *random, uint64_t once_in)
{
    uint64_t chance = below(random, 2 * once_in);

    atomic_fetch_add(&soak.meant, chance < 2);
    if (chance == 0) {
        make_cancelled_call(c, random);
    } else if (chance == 1) {
        WEFT_DEADLINE (d, (int64_t)below(random, 200) * WEFT_US)
            (void)make_call(c);
        atomic_fetch_add(&soak.late, c->rc == -ETIMEDOUT);
    } else {
        (void)make_call(c);
    }
    return c->rc;
}

static bool was_ended(ssize_t rc)
{
    return rc == -ECANCELED || rc == -ETIMEDOUT;
}

static void break_off(struct line *l, int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    atomic_store(&l->is_broken, true);
    MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    MUST(weft_close(fd) == 0);
    atomic_fetch_add(&soak.broken, 1);
}

/* ---- the server ---- */

/* All whole messages that are in the buffer; how many answers are due. */
static size_t take_messages(struct line *l)
{
    uint64_t n = 0;
    size_t n_answers = 0;
    size_t at = 0;
    struct message m;

    while (l->have - at >= HEAD_BYTES) {
        memcpy(&m, l->in + at, HEAD_BYTES);
        MUST(m.bytes < PAYLOAD_MAX);
        if (l->have - at < HEAD_BYTES + m.bytes)
            break;
        memcpy(m.payload, l->in + at + HEAD_BYTES, m.bytes);
        MUST(m.number == l->next++);
        n_answers += l->next % WINDOW == 0;
        MUST(m.sum == sum_of(&m, l->id));
        at += HEAD_BYTES + m.bytes;
        n++;
    }
    memmove(l->in, l->in + at, l->have - at);
    l->have -= at;
    if (atomic_fetch_add(&soak.messages, n) + n >= soak.target)
        atomic_store(&soak.is_over, true);
    return n_answers;
}

/* Until the session ends, one way or the other. */
static void serve_line(struct line *l, int fd)
{
    l->have = 0;
    l->next = 0;
    for (;;) {
        if (below(&l->server_random, 400) == 0) {
            break_off(l, fd);
            return;
        }
        struct call c = {.fd = fd, .bytes = l->in + l->have, .n = sizeof l->in - l->have};
        ssize_t n = move(&c, &l->server_random, 100);
        if (was_ended(n))
            continue;
        if (n <= 0) {
            MUST((n == 0 && l->have == 0) || atomic_load(&l->is_broken));
            break;
        }
        atomic_fetch_add(&l->received, (uint64_t)n);
        l->have += (size_t)n;
        for (size_t due = take_messages(l); due > 0; due--) {
            if (weft_write(fd, "y", 1) != 1)
                MUST(atomic_load(&l->is_broken)); /* the next read says so, too */
        }
    }
    MUST(weft_close(fd) == 0);
}

static void serve(void *arg)
{
    int fd = (int)(intptr_t)arg, id = -1;
    char ok = 'y';

    MUST(weft_read_full(fd, &id, sizeof id) == sizeof id);
    MUST(id >= 0 && id < soak.n_lines);
    struct line *l = &soak.lines[id];
    MUST(weft_write(fd, &ok, 1) == 1);
    serve_line(l, fd);
    MUST(chan_send(l->ended, NULL) == 0);
    weft_wg_done(soak.open);
}

static int take_connections(void *listener)
{
    int fd;

    while ((fd = weft_accept(*(int *)listener, NULL)) >= 0) {
        weft_wg_add(soak.open, 1);
        MUST(weft_go(serve, (void *)(intptr_t)fd) == 0);
    }
    MUST(fd == -EBADF); /* it was closed: nobody comes any more */
    return 0;
}

/* ---- the client ---- */

/* False if the session is broken. */
static bool send_message(struct line *l, int fd, struct message *m, size_t bytes)
{
    size_t done = 0;

    while (done < bytes) {
        struct call c = {.fd = fd, .bytes = (char *)m + done, .n = bytes - done, .is_write = true};
        ssize_t n = move(&c, &l->client_random, 200);
        if (n < 0 && !was_ended(n)) {
            MUST(atomic_load(&l->is_broken));
            return false;
        }
        if (n > 0) {
            atomic_fetch_add(&l->sent, (uint64_t)n);
            done += (size_t)n;
        }
    }
    return true;
}

/* The same. */
static bool await_answer(struct line *l, int fd)
{
    char answer = 0;
    struct call c = {.fd = fd, .bytes = &answer, .n = 1};

    while (was_ended(move(&c, &l->client_random, 5)))
        ;
    MUST((c.rc == 1 && answer == 'y') || atomic_load(&l->is_broken));
    return c.rc == 1;
}

static int open_session(struct line *l)
{
    char ok = 0;
    int fd = weft_dial_addr(&soak.at);

    MUST(fd >= 0);
    MUST(weft_write_full(fd, &l->id, sizeof l->id) == sizeof l->id);
    MUST(weft_read(fd, &ok, 1) == 1 && ok == 'y');
    return fd;
}

static void settle(struct line *l)
{
    uint64_t sent = atomic_load(&l->sent), received = atomic_load(&l->received);

    MUST(atomic_load(&l->is_broken) ? received <= sent : received == sent);
    atomic_fetch_add(&soak.sent, sent);
    atomic_fetch_add(&soak.received, received);
    atomic_fetch_add(&soak.lost, sent - received);
    atomic_fetch_add(&soak.sessions, 1);
}

static void run_session(struct line *l)
{
    struct message m;
    bool is_broken = false;

    atomic_store(&l->is_broken, false);
    atomic_store(&l->sent, 0);
    atomic_store(&l->received, 0);
    int fd = open_session(l);
    for (uint32_t number = 0; !is_broken && !atomic_load(&soak.is_over); number++) {
        is_broken = !send_message(l, fd, &m, make_message(l, &m, number)) ||
                    ((number + 1) % WINDOW == 0 && !await_answer(l, fd));
        if (!is_broken && below(&l->client_random, 400) == 0) {
            break_off(l, fd);
            fd = -1;
            break;
        }
    }
    if (fd >= 0)
        MUST(weft_close(fd) == 0);
    MUST(chan_recv(l->ended, NULL) == 0);
    settle(l);
}

static void run_client(void *arg)
{
    while (!atomic_load(&soak.is_over))
        run_session(arg);
    weft_wg_done(soak.open);
}

/* ---- what there is ---- */

struct state {
    int fds, threads;
    long blocks, resident_kib;
};

static atomic_long n_blocks;

static void *allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    atomic_fetch_add(&n_blocks, 1);
    return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

static void release(void *user, void *memory)
{
    (void)user;
    atomic_fetch_sub(&n_blocks, 1);
    free(memory);
}

static int count_entries(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;

    MUST(dir != NULL);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n - 2;
}

static long resident_kib(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long pages = 0;

    MUST(f != NULL && fscanf(f, "%*d %ld", &pages) == 1);
    fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* When no more threads are left than that: the kernel puts them away when it likes. */
static struct state look(int threads)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    for (int i = 0; i < 100 && count_entries("/proc/self/task") > threads; i++)
        usleep(10000);
    return (struct state){
        .fds = count_entries("/proc/self/fd"),
        .threads = count_entries("/proc/self/task"),
        .blocks = atomic_load(&n_blocks),
        .resident_kib = resident_kib(),
    };
}

/* ---- a run ---- */

static void print_progress(int second)
{
    printf("soak-net: %3d s: %llu messages, %llu sessions broken, %llu calls ended by a cancel, "
           "%llu by a deadline; %d fds, %ld MiB\n",
           second, soak.messages, soak.broken, soak.cancelled, soak.late,
           count_entries("/proc/self/fd"), resident_kib() / 1024);
    fflush(stdout);
}

static int watch_progress(void *unused)
{
    unsigned long long before = 0;
    int second = 0, last_moved = 0;

    (void)unused;
    while (weft_sleep(WEFT_SEC) == 0) {
        second++;
        if (soak.messages != before)
            last_moved = second;
        before = soak.messages;
        MUST(second - last_moved < STALL_SECONDS);
        if (second % 5 == 0)
            print_progress(second);
    }
    return 0;
}

static void make_lines(void)
{
    soak.lines = calloc((size_t)soak.n_lines, sizeof *soak.lines);
    MUST(soak.lines != NULL);
    for (int i = 0; i < soak.n_lines; i++) {
        struct line *l = &soak.lines[i];
        l->id = i;
        l->ended = chan_make(0, 1);
        MUST(l->ended != NULL);
        l->client_random = (uint64_t)i * 2 + 1;
        l->server_random = ~(uint64_t)i;
    }
}

static int run(void *unused)
{
    enum { TAKERS = 4 };
    struct weft_co *takers[TAKERS];
    int listener = weft_listen("127.0.0.1:0"), result;

    (void)unused;
    MUST(listener >= 0 && weft_local_addr(listener, &soak.at) == 0);
    make_lines();
    soak.open = weft_wg_make();
    weft_wg_add(soak.open, soak.n_lines);
    struct weft_co *watcher = weft_go_with(watch_progress, NULL);
    for (int i = 0; i < TAKERS; i++)
        takers[i] = weft_go_with(take_connections, &listener);
    for (int i = 0; i < soak.n_lines; i++)
        MUST(weft_go(run_client, &soak.lines[i]) == 0);
    MUST(weft_wg_wait(soak.open) == 0);
    MUST(weft_close(listener) == 0);
    for (int i = 0; i < TAKERS; i++)
        MUST(weft_join(takers[i], &result) == 0);
    weft_cancel(watcher);
    MUST(weft_join(watcher, &result) == 0);
    weft_wg_free(soak.open);
    for (int i = 0; i < soak.n_lines; i++)
        chan_unref(soak.lines[i].ended);
    free(soak.lines);
    return 0;
}

static void soak_once(int n_lines, unsigned long long target)
{
    memset(&soak, 0, sizeof soak);
    soak.n_lines = n_lines;
    soak.target = target;
    MUST(weft_run(run, NULL) == 0);
    MUST(soak.messages >= target);
    MUST(soak.sent == soak.received + soak.lost);
}

/* Two descriptors a line, and some of the runtime's own. */
static void raise_limit(int n_lines)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)n_lines * 2 + 1200;

    MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted;
    limit.rlim_max = limit.rlim_max > wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return;
    MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    printf("soak-net: refused: %d connections take %llu descriptors, and at most %llu can be had "
           "(ulimit -Hn)\n",
           n_lines, (unsigned long long)wanted, (unsigned long long)limit.rlim_max);
    exit(1);
}

static void check_end(const struct state *before, const struct state *after)
{
    MUST(after->fds == before->fds);
    MUST(after->threads == before->threads);
    /* The handle of weft_run() rests for a while; gates of relief processors are kept. */
    MUST(after->blocks - before->blocks <= 1 + 8);
    MUST(after->resident_kib - before->resident_kib < 16 * 1024);
}

static void print_verdict(const struct state *before, const struct state *after, int64_t ns)
{
    const char *driver = getenv("WEFT_REACTOR") ? getenv("WEFT_REACTOR") : "auto";

    printf("soak-net: PASS on %s: %d connections, %llu messages in %.0f s; %llu bytes sent = %llu "
           "received + %llu lost in %llu broken of %llu sessions; ",
           driver, soak.n_lines, soak.messages, (double)ns / 1e9, soak.sent, soak.received,
           soak.lost, soak.broken, soak.sessions);
    printf("of %llu calls that were to be ended %llu were by a cancel, %llu by a deadline; "
           "fds %d and threads %d as before, blocks %+ld, memory %+ld KiB\n",
           soak.meant, soak.cancelled, soak.late, after->fds, after->threads,
           after->blocks - before->blocks, after->resident_kib - before->resident_kib);
}

int main(int argc, char **argv)
{
    static const struct weft_allocator counting = {
        .size = sizeof counting, .allocate = allocate, .release = release};
    int n_lines = argc > 1 ? atoi(argv[1]) : 5000;
    unsigned long long target = argc > 2 ? strtoull(argv[2], NULL, 10) : 10000000;

    if (argc > 3 || n_lines < 1 || n_lines > 1000000 || target < 1) {
        fprintf(stderr, "usage: soak_net [CONNECTIONS [MESSAGES]]\n");
        return 2;
    }
    raise_limit(n_lines);
    MUST(weft_set_allocator(&counting) == 0);
    soak_once(n_lines < 100 ? n_lines : 100, target < 10000 ? target : 10000);
    struct state before = look(1);
    int64_t start_ns = weft_now();
    soak_once(n_lines, target);
    int64_t ns = weft_now() - start_ns;
    struct state after = look(before.threads);
    check_end(&before, &after);
    print_verdict(&before, &after, ns);
    return 0;
}
