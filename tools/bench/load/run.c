/* SPDX-License-Identifier: MIT */
/*
 * run.c - connects, keeps the messages going, and counts what falls into the window.
 *
 *     start        begin                      end            give up
 *       |  warm-up   |   the window             |   drain       |
 *
 * Closed loop: a connection sends its next message when the last one came back.  An answer counts
 * if it came within the window.
 *
 * Open loop: message k of connection i is due at start + (k * connections + i) / rate, whether or
 * not the server keeps up.  If the connection still waits for an answer then, the message waits,
 * too; its latency is counted from when it was due, so that a stall is felt by all that fall into
 * it.  A latency counts if the message was due within the window; those that are still without an
 * answer when we give up are counted with the time that they have waited.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "connection.h"
#include "run.h"

#define NS_PER_S 1000000000
#define DRAIN_NS NS_PER_S
#define MARK_NS 20000000 /* from the end until connections are closed: time to read counters */
#define EVENTS 256

struct run {
    const struct options *options;
    struct result *result;
    struct connection *connections;
    int epoll_fd;
    int64_t start_ns, begin_ns, end_ns, give_up_ns;
    uint64_t n_scheduled; /* open loop: messages that have become due, on all connections */
    bool has_begun, has_ended;
};

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static bool is_open_loop(const struct run *r)
{
    return r->options->rate > 0;
}

static int64_t due_ns(const struct run *r, uint64_t number)
{
    return r->start_ns + (int64_t)((double)number * NS_PER_S / r->options->rate);
}

static bool is_in_window(const struct run *r, int64_t ns)
{
    return ns >= r->begin_ns && ns < r->end_ns;
}

/* When the message that `c` is to send next is due: now, or by the schedule. */
static int64_t next_due_ns(const struct run *r, const struct connection *c, int64_t now)
{
    return is_open_loop(r) ? due_ns(r, c->number * r->options->connections + c->index) : now;
}

static void send_next(struct run *r, struct connection *c, int64_t now)
{
    c->since_ns = next_due_ns(r, c, now);
    c->sent_ns = now;
    if (connection_start(c, r->epoll_fd) == PROGRESS_LOST)
        r->result->errors++;
}

static void take_answer(struct run *r, struct connection *c, int64_t now)
{
    if (is_in_window(r, now))
        r->result->requests++;
    if (is_in_window(r, is_open_loop(r) ? c->since_ns : now))
        histogram_add(&r->result->latency, now - c->since_ns);
    if (!is_open_loop(r)) {
        if (now < r->end_ns)
            send_next(r, c, now);
    } else if (c->n_due > 0) {
        c->n_due--;
        send_next(r, c, now);
    }
}

/* Open loop: sends what is due by now; connections that are busy will do so when they can. */
static void send_due(struct run *r)
{
    int64_t now = now_ns();
    int64_t due;

    while ((due = due_ns(r, r->n_scheduled)) <= now && due < r->end_ns) {
        struct connection *c = &r->connections[r->n_scheduled++ % r->options->connections];

        if (c->fd < 0)
            continue;
        if (c->is_busy) {
            c->n_due++;
            continue;
        }
        now = now_ns();
        if (is_in_window(r, due))
            histogram_add(&r->result->lateness, now - due);
        send_next(r, c, now);
    }
}

static bool is_done(const struct run *r, int64_t now)
{
    bool is_waiting = false, is_alive = false;

    for (unsigned i = 0; i < r->options->connections; i++) {
        is_waiting |= r->connections[i].is_busy;
        is_alive |= r->connections[i].fd >= 0;
    }
    if (!is_alive)
        return true;
    return now >= r->end_ns && (!is_waiting || now >= r->give_up_ns);
}

/* Says when the window begins and ends, for whoever reads the counters of the server then. */
static void mark(struct run *r, int64_t now)
{
    const char *word = NULL;

    if (!r->has_begun && now >= r->begin_ns) {
        r->has_begun = true;
        word = "begin";
    } else if (!r->has_ended && now >= r->end_ns) {
        r->has_ended = true;
        word = "end";
    }
    if (word != NULL && r->options->has_marks) {
        puts(word);
        fflush(stdout);
    }
}

/* How long epoll may wait: until the next message is due or the next part of the run begins. */
static struct timespec time_to_wait(const struct run *r, int64_t now)
{
    int64_t until = !r->has_begun ? r->begin_ns : !r->has_ended ? r->end_ns : r->give_up_ns;
    int64_t ns;

    if (is_open_loop(r) && !r->has_ended && due_ns(r, r->n_scheduled) < until)
        until = due_ns(r, r->n_scheduled);
    ns = until > now ? until - now : 0;
    return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

static int loop(struct run *r)
{
    struct epoll_event events[EVENTS];
    int64_t now = now_ns();

    while (!r->has_ended || !is_done(r, now)) {
        const struct timespec wait = time_to_wait(r, now);
        const int n = epoll_pwait2(r->epoll_fd, events, EVENTS, &wait, NULL);

        if (n < 0 && errno != EINTR) {
            fprintf(stderr, "load: epoll_pwait2: %s\n", strerror(errno));
            return -1;
        }
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            const enum progress progress = connection_advance(c, r->epoll_fd);

            if (progress == PROGRESS_LOST)
                r->result->errors++;
            else if (progress == PROGRESS_ANSWERED)
                take_answer(r, c, now_ns());
        }
        if (is_open_loop(r))
            send_due(r);
        now = now_ns();
        mark(r, now);
    }
    return 0;
}

/* What is still without an answer: an error if it was sent before the window ended. */
static void count_rest(struct run *r)
{
    const int64_t now = now_ns();

    for (unsigned i = 0; i < r->options->connections; i++) {
        struct connection *c = &r->connections[i];

        if (c->is_busy && c->sent_ns < r->end_ns && now >= r->give_up_ns)
            r->result->errors++;
        if (c->is_busy && is_open_loop(r) && is_in_window(r, c->since_ns))
            histogram_add(&r->result->latency, now - c->since_ns);
        for (c->number++; c->n_due > 0; c->n_due--, c->number++) {
            const int64_t due = next_due_ns(r, c, now);

            if (is_in_window(r, due)) {
                histogram_add(&r->result->latency, now - due);
                r->result->unsent++;
            }
        }
    }
}

static int connect_all(struct run *r)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *addr;
    int rc = getaddrinfo(r->options->host, r->options->port, &hints, &addr);

    if (rc != 0) {
        fprintf(stderr, "load: %s: %s\n", r->options->host, gai_strerror(rc));
        return -1;
    }
    for (unsigned i = 0; i < r->options->connections && rc == 0; i++) {
        r->connections[i].index = i;
        if (!connection_open(&r->connections[i], r->epoll_fd, addr->ai_addr, addr->ai_addrlen))
            rc = -1;
    }
    freeaddrinfo(addr);
    return rc;
}

static void set_times(struct run *r)
{
    r->start_ns = now_ns();
    r->begin_ns = r->start_ns + (int64_t)(r->options->warmup * NS_PER_S);
    r->end_ns = r->begin_ns + (int64_t)(r->options->seconds * NS_PER_S);
    r->give_up_ns = r->end_ns + DRAIN_NS;
}

int run_load(const struct options *options, struct result *result)
{
    const struct timespec pause = {.tv_nsec = MARK_NS};
    struct run r = {.options = options, .result = result};
    int rc;

    r.connections = calloc(options->connections, sizeof(*r.connections));
    r.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (r.connections == NULL || !connection_prepare(options->bytes) || r.epoll_fd < 0) {
        fprintf(stderr, "load: no memory or no epoll\n");
        return -1;
    }
    prctl(PR_SET_TIMERSLACK, 1UL); /* sends are due at times that we mean to the microsecond */
    for (unsigned i = 0; i < options->connections; i++)
        r.connections[i].fd = -1;
    rc = connect_all(&r);
    if (rc == 0) {
        set_times(&r);
        for (unsigned i = 0; i < options->connections && !is_open_loop(&r); i++)
            send_next(&r, &r.connections[i], now_ns());
        rc = loop(&r);
        count_rest(&r);
        if (options->has_marks)
            nanosleep(&pause, NULL);
    }
    for (unsigned i = 0; i < options->connections; i++)
        connection_close(&r.connections[i]);
    close(r.epoll_fd);
    free(r.connections);
    return rc;
}
