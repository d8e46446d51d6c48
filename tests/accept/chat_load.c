/* SPDX-License-Identifier: MIT */
/*
 * chat_load.c - the acceptance of the chat server: many clients at once, judged from outside.
 *
 * It is not linked to Weft: plain sockets and epoll in one thread.  Who takes part:
 *
 *   reference  joins first, never speaks, stays: the order in which it hears is the order
 *   stayers    join before the first message, speak, stay to the end
 *   mute       joins and never reads; the server must cut it, and nobody else may notice
 *   churners   join, speak and leave again and again: by /quit, by close, by a reset, by a close
 *              in the middle of a line, or before they have sent a whole name
 *
 * A message is the line "m ID CLIENT SEQ PADDING NS"; NS is the time of its last write, and one
 * line in eight is written in two parts with a pause between.  Every client keeps what it heard,
 * messages and "joined" and "left" alike, as a list of numbers.  In the end
 *
 *   - the list of a stayer must be the reference's, less its own messages;
 *   - that of a churner must be the piece between its own "joined" and "left"; it may stop early
 *     only if the churner did (it read to the end of the stream after /quit);
 *   - the reference must have heard every sender's messages in their order and without a gap, all
 *     of them unless the sender broke its connection off;
 *   - p99.9 of the time from the write to the read, over all receivers, must be within the limit.
 *
 * "Own lateness" is how far this program was behind its own timetable when it sent: where that is
 * large, the machine was busy with something else, and the latency says little about the server.
 *
 * The mute has a tiny receive buffer and a small segment size, which keeps the server's send buffer
 * near 30 KB (it would take 4 MB otherwise), so that its outbox must fill within a short run.
 */
#define _GNU_SOURCE /* memmem */

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "chat_peers.h"

/* ---- the course of events ---- */

/* Handle what comes until `until_ns` at most; returns how many events there were. */
static int turn(int64_t until_ns)
{
    struct epoll_event ev[256];
    int64_t now = now_ns();
    int64_t wait_ns = until_ns - now;
    int n;

    if (running && next_send_ns - now < wait_ns)
        wait_ns = next_send_ns - now;
    if (wait_ns > 10 * MS)
        wait_ns = 10 * MS;
    n = epoll_wait(ep, ev, 256, wait_ns <= 0 ? 0 : (int)((wait_ns + MS - 1) / MS));
    for (int i = 0; i < n; i++) {
        struct client *c = ev[i].data.ptr;

        if (c != NULL && c->phase != GONE && (ev[i].events & EPOLLOUT) != 0)
            put_rest(c);
        if (c != NULL && c->phase != GONE && (ev[i].events & ~(uint32_t)EPOLLOUT) != 0)
            hear(c);
        if (c != NULL && c->role == MUTE && c->phase == TALKING)
            watch(c, EPOLL_CTL_MOD, 0); /* it has a name: from now on it reads nothing */
    }
    now = now_ns();
    speak(now);
    churn(now);
    return n;
}

static void ramp(void)
{
    int64_t end = now_ns() + RAMP_NS;
    int n = 0;

    (void)connect_one(REFERENCE, now_ns());
    while (!reference_is_in && fault_count == 0 && now_ns() < end)
        (void)turn(end);
    while (n_stayers_in < n_stayers && fault_count == 0 && now_ns() < end) {
        if (reference_is_in && n < n_stayers && n - n_stayers_in < CONNECTING_MAX) {
            (void)connect_one(STAYER, now_ns());
            n++;
        } else {
            (void)turn(end);
        }
    }
    if (n_stayers_in < n_stayers)
        fail("only %d of %d stayers came in", n_stayers_in, n_stayers);
}

/* All messages are said here, while churners come and go. */
static void run(void)
{
    int64_t start = now_ns();
    int64_t end = start + opt.seconds * SEC;

    (void)connect_one(MUTE, start);
    for (int i = 0; i < n_slots; i++)
        slot[i].next_ns = start + (int64_t)random_below(SEC);
    next_send_ns = start;
    running = true;
    while (now_ns() < end && fault_count < 100)
        (void)turn(end);
    running = false;
    mute_cut_ns -= mute_cut_ns != 0 ? start : 0;
}

/* Everybody reads until nothing has come for half a second. */
static void drain(void)
{
    int64_t end = now_ns() + DRAIN_NS, quiet = now_ns();

    while (now_ns() < end && now_ns() - quiet < SEC / 2) {
        if (turn(end) > 0)
            quiet = now_ns();
    }
}

/* ---- the judgement ---- */

/* The mute reads at last: there must be an end to it. */
static void judge_mute(struct client *c)
{
    int64_t end = now_ns() + 5 * SEC;

    if (mute_cut_ns == 0) {
        fail("the client that never reads was not cut");
        return;
    }
    if (c->phase != GONE) {
        c->phase = QUITTING;
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
    }
    while (!c->saw_end && now_ns() < end)
        (void)turn(end);
    if (!c->saw_end)
        fail("the client that never reads was announced as gone, but its connection is open");
}

static const char *kind_of(const struct client *c)
{
    return c->role == STAYER ? "stayer" : way_name[c->way];
}

/* Has c read all that was meant for it? */
static bool read_to_the_end(const struct client *c)
{
    return c->phase != GONE || (c->way == BY_QUIT && c->saw_end);
}

static void judge_receiver(const struct client *c)
{
    const struct numbers *all = &client[0]->heard;
    size_t k = 0, i = c->role == STAYER ? 0 : c->joined_at;
    size_t end = c->left_at == NOT_YET ? all->n : c->left_at;

    if (i == NOT_YET) { /* it broke off before it was in */
        if (read_to_the_end(c) || c->heard.n > 0)
            fail("u%u (%s) was never announced", c->id, kind_of(c));
        return;
    }
    for (; i < end; i++) {
        uint32_t v = all->v[i];
        bool own = v < SAID_JOINED ? message[v].client == c->id : (v & ~SAID_LEFT) == c->id;

        if (own)
            continue;
        if (k == c->heard.n && !read_to_the_end(c))
            return;
        if (k == c->heard.n || c->heard.v[k] != v) {
            fail("u%u (%s) heard %x in place %zu of %zu, and the reference %x in place %zu of %zu",
                 c->id, kind_of(c), k < c->heard.n ? c->heard.v[k] : 0, k, c->heard.n, v, i, end);
            return;
        }
        k++;
    }
    if (k < c->heard.n)
        fail("u%u (%s) heard %zu more than the reference", c->id, kind_of(c), c->heard.n - k);
}

static void judge(void)
{
    for (size_t i = 1; i < n_clients; i++) {
        const struct client *c = client[i];

        if (c->role == MUTE)
            continue;
        if (c->phase == GREETING)
            fail("u%u was never greeted", c->id);
        if (c->role == CHURNER && c->phase == QUITTING)
            fail("u%u said /quit and its connection is still open", c->id);
        if (c->role == STAYER || c->way != NAMELESS)
            judge_receiver(c);
        if (c->said_heard > c->said_count ||
            (read_to_the_end(c) && c->said_heard != c->said_count))
            fail("u%u (%s) said %u messages, and %u were heard", c->id, kind_of(c), c->said_count,
                 c->said_heard);
    }
}

/* SIGTERM while everybody is connected; returns the milliseconds until the server is gone. */
static double stop_server(void)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
    int pidfd = (int)syscall(SYS_pidfd_open, opt.server_pid, 0);
    struct pollfd exited = {.fd = pidfd, .events = POLLIN};
    int64_t begin = now_ns();

    ending = true;
    if (pidfd < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, pidfd, &ev) != 0 ||
        kill((pid_t)opt.server_pid, SIGTERM) != 0) {
        fail("process %ld: %s", opt.server_pid, strerror(errno));
        return 0;
    }
    while (poll(&exited, 1, 0) == 0) {
        if (now_ns() - begin > EXIT_NS) {
            fail("the server was still there %lld ms after SIGTERM", EXIT_NS / MS);
            break;
        }
        (void)turn(begin + EXIT_NS);
    }
    close(pidfd);
    return (double)(now_ns() - begin) / MS;
}

/* ---- figures ---- */

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void sort(struct numbers *l)
{
    if (l->n > 0)
        qsort(l->v, l->n, sizeof *l->v, by_value);
}

/* What a share of the numbers, which are sorted, did not exceed. */
static double quantile_ms(const struct numbers *l, double share)
{
    size_t i = (size_t)((double)l->n * share);

    if (l->n == 0)
        return 0;
    return l->v[i < l->n ? i : l->n - 1] / 1e3;
}

static double latency_ms(double share)
{
    return quantile_ms(&latency_us, share);
}

static void print_json(bool passed, double exit_ms)
{
    printf("{\"verdict\":\"%s\",\"seed\":%llu,\"clients\":%d,\"connections\":%zu,",
           passed ? "pass" : "fail", (unsigned long long)opt.seed, opt.clients, n_clients);
    printf("\"messages\":%zu,\"deliveries\":%zu,\"latency_ms\":{", n_messages, latency_us.n);
    printf("\"p50\":%.3f,\"p99\":%.3f,\"p99_9\":%.3f,\"max\":%.3f,\"limit\":%.1f},",
           latency_ms(0.5), latency_ms(0.99), latency_ms(0.999), latency_ms(1), opt.limit_ms);
    printf("\"own_lateness_ms\":{\"p99\":%.3f,\"max\":%.3f},", quantile_ms(&lateness_us, 0.99),
           quantile_ms(&lateness_us, 1));
    printf("\"histogram_below_ms\":{"); /* how many took less than each power of two */
    for (unsigned ms = 1, i = 0; ms <= 1024; ms *= 2) {
        while (i < latency_us.n && latency_us.v[i] < ms * 1000)
            i++;
        printf("%s\"%u\":%u", ms == 1 ? "" : ",", ms, i);
    }
    printf("},\"left\":{");
    for (int i = 0; i < N_WAYS; i++)
        printf("%s\"%s\":%u", i == 0 ? "" : ",", way_name[i], left_by[i]);
    printf("},\"mute_cut_s\":%.1f,\"exit_ms\":%.1f,", (double)mute_cut_ns / SEC, exit_ms);
    printf("\"faults\":%u,\"first_fault\":\"", fault_count);
    for (const char *p = fault; *p != '\0'; p++)
        putchar(*p == '"' || *p == '\\' || (unsigned char)*p < ' ' ? '?' : *p);
    printf("\"}\n");
}

static void print_line(bool passed, double exit_ms)
{
    printf("%s %d clients (%zu connections), %zu messages, %zu deliveries, "
           "latency p50 %.1f p99 %.1f p99.9 %.1f max %.1f ms, left by",
           passed ? "PASS" : "FAIL", opt.clients, n_clients, n_messages, latency_us.n,
           latency_ms(0.5), latency_ms(0.99), latency_ms(0.999), latency_ms(1));
    for (int i = 0; i < N_WAYS; i++)
        printf(" %s %u,", way_name[i], left_by[i]);
    printf(" mute cut after %.1f s, own lateness p99 %.1f max %.1f ms, ",
           (double)mute_cut_ns / SEC, quantile_ms(&lateness_us, 0.99),
           quantile_ms(&lateness_us, 1));
    if (opt.server_pid != 0)
        printf("exit after %.0f ms, ", exit_ms);
    printf("seed %llu%s%s\n", (unsigned long long)opt.seed, passed ? "" : ": ", fault);
}

/* ---- options ---- */

_Noreturn static void usage(void)
{
    fprintf(stderr,
            "usage: chat_load [options] HOST:PORT\n"
            "  --clients N      at once, the mute included (500)\n"
            "  --rate R         messages a second, of all clients together (100)\n"
            "  --seconds T      how long they are sent (30)\n"
            "  --stay S         mean stay of those who come and go, in seconds (10)\n"
            "  --limit-ms MS    bound of the p99.9 of the latency (100)\n"
            "  --server-pid P   at the end, SIGTERM to P, which must be gone within a second\n"
            "  --seed N         makes the choices repeatable (1)\n"
            "  --json           prints the figures as JSON\n");
    exit(2);
}

static void resolve(char *where)
{
    char *colon = strrchr(where, ':');
    size_t n;

    if (colon == NULL)
        usage();
    *colon = '\0';
    n = strlen(where);
    if (where[0] == '[' && where[n - 1] == ']') {
        where[n - 1] = '\0';
        where++;
    }
    if (getaddrinfo(where, colon + 1, &(struct addrinfo){.ai_socktype = SOCK_STREAM},
                    &opt.address) != 0)
        usage();
}

static void read_options(int argc, char **argv)
{
    static const struct option long_opts[] = {
        {"clients", 1, NULL, 'c'},  {"rate", 1, NULL, 'r'},       {"seconds", 1, NULL, 't'},
        {"stay", 1, NULL, 's'},     {"limit-ms", 1, NULL, 'l'},   {"server-pid", 1, NULL, 'p'},
        {"seed", 1, NULL, 'e'},     {"json", 0, NULL, 'j'},       {NULL, 0, NULL, 0}};
    int o;

    while ((o = getopt_long(argc, argv, "", long_opts, NULL)) != -1) {
        switch (o) {
        case 'c': opt.clients = atoi(optarg); break;
        case 'r': opt.rate = atoi(optarg); break;
        case 't': opt.seconds = atoi(optarg); break;
        case 's': opt.stay_s = atof(optarg); break;
        case 'l': opt.limit_ms = atof(optarg); break;
        case 'p': opt.server_pid = atol(optarg); break;
        case 'e': opt.seed = strtoull(optarg, NULL, 0); break;
        case 'j': opt.json = true; break;
        default: usage();
        }
    }
    if (optind != argc - 1 || opt.clients < 5 || opt.rate < 1 || opt.seconds < 1)
        usage();
    resolve(argv[optind]);
}

int main(int argc, char **argv)
{
    struct rlimit files;
    double exit_ms = 0;
    bool passed;

    read_options(argc, argv);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    ep = epoll_create1(EPOLL_CLOEXEC);
    n_slots = opt.clients / 5;
    n_stayers = opt.clients - n_slots - 2; /* the reference and the mute are two more */
    slot = calloc((size_t)n_slots, sizeof *slot);
    if (ep < 0 || slot == NULL)
        die("start", errno);

    ramp();
    if (fault_count == 0) {
        run();
        drain();
        judge_mute(client[n_stayers + 1]);
        judge();
    }
    if (opt.server_pid != 0)
        exit_ms = stop_server();
    sort(&latency_us);
    sort(&lateness_us);
    if (latency_us.n == 0 || latency_ms(0.999) > opt.limit_ms)
        fail("p99.9 of the latency is %.1f ms, and %.1f is the limit", latency_ms(0.999),
             opt.limit_ms);
    passed = fault_count == 0;
    if (opt.json)
        print_json(passed, exit_ms);
    else
        print_line(passed, exit_ms);
    return passed ? 0 : 1;
}
