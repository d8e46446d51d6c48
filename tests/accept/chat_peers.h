/* SPDX-License-Identifier: MIT */
/*
 * chat_peers.h - the clients of chat_load.c: how they come in, hear, speak and leave.
 *
 * It holds code and not only declarations: chat_load.c, its one user, is built by one compiler
 * call without a map.  What the clients are for is written there.
 */
#ifndef CHAT_PEERS_H
#define CHAT_PEERS_H

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000LL
#define SEC 1000000000LL
#define LINE_BYTES_MAX 1024    /* of the protocol, without the line's end */
#define IN_BYTES 2048          /* the start of a line, with the sender's name before it */
#define CONNECTING_MAX 32      /* clients on their way in at once */
#define RAMP_NS (60 * SEC)     /* until all stayers are in */
#define DRAIN_NS (10 * SEC)    /* until everybody has heard everything */
#define EXIT_NS (1 * SEC)      /* from SIGTERM to the server's exit */
#define SAID_JOINED 0x80000000u /* in a list of what was heard: "* uN joined" */
#define SAID_LEFT 0xc0000000u   /* "* uN left"; else the number of a message */
#define NOT_YET SIZE_MAX

enum role { REFERENCE, STAYER, MUTE, CHURNER };
enum phase { GREETING, TALKING, QUITTING, GONE };
enum way { BY_QUIT, BY_CLOSE, BY_RESET, BY_HALF_LINE, NAMELESS, N_WAYS };
static const char *const way_name[N_WAYS] = {"quit", "close", "reset", "half line", "no name"};

struct numbers {
    uint32_t *v;
    size_t n, room;
};

struct message {
    uint32_t client, seq;
    uint32_t bytes;  /* of the text, once it is whole */
    int64_t sent_ns; /* 0 until its last part was written; it stays so if that never happened */
};

struct client {
    int fd;
    enum role role;
    enum phase phase;
    enum way way;
    uint32_t id;
    uint32_t said_count, said_heard; /* whole messages; those heard by the reference */
    size_t joined_at, left_at;       /* places in the reference's list */
    int64_t leave_at_ns, rest_at_ns; /* 0: nothing is due */
    uint32_t rest_id;                /* the message whose second part is due */
    bool saw_end;
    struct numbers heard;
    char *out; /* what the socket did not take yet */
    size_t out_bytes;
    char in[IN_BYTES]; /* the start of a line */
    size_t in_bytes;
};

static struct {
    struct addrinfo *address;
    int clients, rate, seconds;
    double limit_ms, stay_s;
    long server_pid;
    uint64_t seed;
    bool json;
} opt = {.clients = 500, .rate = 100, .seconds = 30, .limit_ms = 100, .stay_s = 10, .seed = 1};

static struct client **client; /* by id; never freed before the end */
static size_t n_clients;
static struct message *message; /* by id */
static size_t n_messages;
static struct numbers latency_us, lateness_us; /* of deliveries; of our own sends */
static struct {
    struct client *c;
    int64_t next_ns; /* when the next one comes, if there is none */
} *slot;
static int n_slots, n_stayers, n_stayers_in;
static int ep;
static bool running, ending, reference_is_in;
static int64_t mute_cut_ns, next_send_ns; /* mute_cut_ns: 0 until it was announced */
static unsigned fault_count, left_by[N_WAYS];
static char fault[256]; /* the first one */

static int64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * SEC + ts.tv_nsec;
}

static uint64_t random_below(uint64_t n)
{
    static uint64_t x;

    if (x == 0)
        x = opt.seed * 0x9e3779b97f4a7c15u | 1;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return (x >> 11) % n;
}

__attribute__((format(printf, 1, 2))) static void fail(const char *format, ...)
{
    char text[sizeof fault];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (fault_count++ == 0)
        strcpy(fault, text);
    if (fault_count <= 10)
        fprintf(stderr, "chat_load: %s\n", text);
}

_Noreturn static void die(const char *what, int error)
{
    fprintf(stderr, "chat_load: %s: %s\n", what, strerror(error));
    exit(2);
}

static void *grow(void *p, size_t n, size_t elem_bytes)
{
    if ((n & (n - 1)) != 0)
        return p; /* room is always the power of two at or above n */
    p = realloc(p, (n == 0 ? 1 : 2 * n) * elem_bytes);
    if (p == NULL)
        die("a list", ENOMEM);
    return p;
}

static void push(struct numbers *l, uint32_t value)
{
    l->v = grow(l->v, l->n, sizeof *l->v);
    l->v[l->n++] = value;
}

/* ---- connections ---- */

static void watch(struct client *c, int op, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = c};

    if (epoll_ctl(ep, op, c->fd, &ev) != 0)
        fail("u%u: epoll_ctl: %s", c->id, strerror(errno));
}

static void drop(struct client *c)
{
    close(c->fd);
    c->fd = -1;
    c->phase = GONE;
    free(c->out);
    c->out = NULL;
    c->out_bytes = 0;
}

/* Write now, or as much as the socket takes: the rest follows when it can be written again. */
static void put(struct client *c, const char *text, size_t bytes)
{
    ssize_t n = 0;

    if (c->phase == GONE)
        return;
    if (c->out_bytes == 0) {
        n = send(c->fd, text, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && c->role != MUTE)
            fail("u%u: send: %s", c->id, strerror(errno));
        if (n < 0)
            n = 0;
        if ((size_t)n == bytes)
            return;
        watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    }
    c->out = realloc(c->out, c->out_bytes + bytes);
    if (c->out == NULL)
        die("a queue", ENOMEM);
    memcpy(c->out + c->out_bytes, text + n, bytes - (size_t)n);
    c->out_bytes += bytes - (size_t)n;
}

static void put_rest(struct client *c)
{
    ssize_t n = send(c->fd, c->out, c->out_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n > 0) {
        memmove(c->out, c->out + n, c->out_bytes - (size_t)n);
        c->out_bytes -= (size_t)n;
    }
    if (c->out_bytes == 0)
        watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static struct client *connect_one(enum role role, int64_t now)
{
    struct client *c = calloc(1, sizeof *c);
    const struct addrinfo *a = opt.address;
    int one = 1, small = 536;

    if (c == NULL)
        die("a client", ENOMEM);
    client = grow(client, n_clients, sizeof *client);
    client[n_clients] = c;
    c->id = (uint32_t)n_clients++;
    c->role = role;
    c->joined_at = c->left_at = NOT_YET;
    c->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket", errno);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (role == MUTE) {
        setsockopt(c->fd, IPPROTO_TCP, TCP_MAXSEG, &small, sizeof small);
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &one, sizeof one);
    }
    if (role == CHURNER) {
        uint64_t stay_ns = (uint64_t)(opt.stay_s * 1e9);

        c->way = (enum way)(random_below(12) == 0 ? NAMELESS : random_below(NAMELESS));
        c->leave_at_ns = now + (int64_t)(stay_ns / 5 + random_below(stay_ns * 8 / 5 + 1));
        if (c->way == NAMELESS)
            c->leave_at_ns = now + (int64_t)random_below(SEC);
    }
    if (connect(c->fd, a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS)
        die("connect", errno);
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
    return c;
}

/* ---- hearing ---- */

static bool starts_with(const char *s, size_t n, const char *start)
{
    size_t len = strlen(start);

    return n >= len && memcmp(s, start, len) == 0;
}

/* A decimal number at *p, with `after` behind it; *p moves behind that. */
static bool number(const char **p, const char *end, char after, uint64_t *value)
{
    const char *s = *p;

    *value = 0;
    while (s < end && *s >= '0' && *s <= '9')
        *value = *value * 10 + (uint64_t)(*s++ - '0');
    if (s == *p || s == end || *s != after)
        return false;
    *p = s + 1;
    return true;
}

static void hear_announcement(struct client *c, struct client *who, uint32_t what)
{
    if (who == c || who->role == REFERENCE)
        return;
    if (who->role == STAYER) { /* the ramp; it is not part of the lists */
        if (c->role == REFERENCE && what == SAID_JOINED)
            n_stayers_in++;
        if (c->role == REFERENCE && what == SAID_LEFT && !ending)
            fail("stayer u%u left", who->id);
        return;
    }
    if (c->role == REFERENCE) {
        size_t *at = what == SAID_JOINED ? &who->joined_at : &who->left_at;

        if (*at != NOT_YET || (what == SAID_LEFT && who->joined_at == NOT_YET))
            fail("u%u was announced twice, or left before it joined", who->id);
        *at = c->heard.n;
        if (who->role == MUTE && what == SAID_LEFT)
            mute_cut_ns = now_ns();
    }
    push(&c->heard, what | who->id);
}

static void hear_star(struct client *c, const char *line, size_t n)
{
    const char *p = line + 3, *end = line + n;
    uint64_t id;

    if (c->phase == GREETING) { /* a name is asked for */
        char text[64];
        int bytes = snprintf(text, sizeof text, "u%u%s", c->id,
                             c->way == NAMELESS ? "" : c->role == REFERENCE ? "\n/who\n" : "\n");

        c->phase = TALKING;
        put(c, text, (size_t)bytes);
        return;
    }
    if (c->role == REFERENCE && memmem(line, n, "u0", 2) != NULL)
        reference_is_in = true; /* the answer to /who: the others may come */
    if (!starts_with(line, n, "* u") || !number(&p, end, ' ', &id) || id >= n_clients)
        return;
    if (starts_with(p, (size_t)(end - p), "joined"))
        hear_announcement(c, client[id], SAID_JOINED);
    else if (starts_with(p, (size_t)(end - p), "left"))
        hear_announcement(c, client[id], SAID_LEFT);
}

static void hear_message(struct client *c, const char *line, size_t n, int64_t now)
{
    const char *p = line + 1, *end = line + n;
    uint64_t name = 0, id = 0, from = 0, seq = 0;
    struct message *m;
    char tail[32];
    int tail_bytes;

    if (line[0] != 'u' || !number(&p, end, ':', &name) || !starts_with(p, 3, " m ") ||
        (p += 3, !number(&p, end, ' ', &id)) || !number(&p, end, ' ', &from) ||
        !number(&p, end, ' ', &seq) || id >= n_messages || name != from) {
        fail("u%u heard a strange line: %.*s", c->id, (int)(n < 100 ? n : 100), line);
        return;
    }
    m = &message[id];
    if (from != m->client || seq != m->seq || from == c->id) {
        fail("u%u heard message %u changed, or its own: %.80s", c->id, (unsigned)id, line);
        return;
    }
    tail_bytes = snprintf(tail, sizeof tail, " %lld", (long long)m->sent_ns);
    if (m->sent_ns != 0) {
        const char *text = memchr(line, ' ', n) + 1;
        const char *pad_end = end - tail_bytes;

        if ((size_t)(end - text) != m->bytes || memcmp(pad_end, tail, (size_t)tail_bytes) != 0)
            fail("u%u heard message %u with %zu bytes of %u", c->id, (unsigned)id,
                 (size_t)(end - text), m->bytes);
        while (p < pad_end && *p == (char)('a' + id % 26))
            p++;
        if (p != pad_end)
            fail("u%u heard message %u with a changed byte", c->id, (unsigned)id);
        push(&latency_us, (uint32_t)((now - m->sent_ns) / 1000));
    } else if (client[from]->phase != GONE) {
        fail("u%u heard message %u before its end was sent", c->id, (unsigned)id);
    }
    if (c->role == REFERENCE) {
        if (seq != client[from]->said_heard)
            fail("message %u of u%u where %u was due", (unsigned)seq, (unsigned)from,
                 client[from]->said_heard);
        client[from]->said_heard = (uint32_t)seq + (m->sent_ns != 0);
    }
    push(&c->heard, (uint32_t)id);
}

static void hear_line(struct client *c, const char *line, size_t n, int64_t now)
{
    if (n > 0 && line[n - 1] == '\r')
        n--;
    if (c->role == MUTE && c->phase != GREETING)
        return;
    if (n > 0 && line[0] == '*')
        hear_star(c, line, n);
    else if (n > 0 && line[0] == '!' && ending)
        return;
    else if (n > 0 && line[0] == '!')
        fail("u%u was told: %.*s", c->id, (int)n, line);
    else
        hear_message(c, line, n, now);
}

static void hear_end(struct client *c, int error)
{
    c->saw_end = true;
    if (!ending && c->role != MUTE && !(c->phase == QUITTING && error == 0))
        fail("u%u was cut off: %s", c->id, error == 0 ? "end of stream" : strerror(error));
    drop(c);
}

static void hear(struct client *c)
{
    static char buf[65536 + IN_BYTES];
    ssize_t n = recv(c->fd, buf + c->in_bytes, 65536, MSG_DONTWAIT);
    int64_t now = now_ns();
    char *p = buf, *end, *nl;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        hear_end(c, n == 0 ? 0 : errno);
        return;
    }
    memcpy(buf, c->in, c->in_bytes);
    end = buf + c->in_bytes + n;
    while (c->phase != GONE && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        hear_line(c, p, (size_t)(nl - p), now);
        p = nl + 1;
    }
    c->in_bytes = (size_t)(end - p);
    if (c->in_bytes >= IN_BYTES) {
        fail("u%u got a line of more than %d bytes", c->id, IN_BYTES);
        c->in_bytes = 0;
    }
    memcpy(c->in, p, c->in_bytes);
}

/* ---- speaking ---- */

/* The end of the message `id`, of which `bytes` are out; its time is that of this write. */
static void say_rest(struct client *c, uint32_t id, char *text, size_t bytes, size_t before)
{
    struct message *m = &message[id];

    m->sent_ns = now_ns();
    bytes += (size_t)snprintf(text + bytes, 32, " %lld\n", (long long)m->sent_ns);
    m->bytes = (uint32_t)(before + bytes - 1);
    c->said_count++;
    put(c, text, bytes);
}

static void say(struct client *c, bool in_two, bool without_end)
{
    char text[LINE_BYTES_MAX + 1];
    size_t pad = random_below(16) == 0 ? 500 + random_below(400) : 20 + random_below(60);
    uint32_t id = (uint32_t)n_messages;
    size_t bytes;

    message = grow(message, n_messages, sizeof *message);
    message[n_messages++] = (struct message){.client = c->id, .seq = c->said_count};
    bytes = (size_t)snprintf(text, sizeof text, "m %u %u %u ", id, c->id, c->said_count);
    memset(text + bytes, (char)('a' + id % 26), pad);
    bytes += pad;
    if (!in_two && !without_end) {
        say_rest(c, id, text, bytes, 0);
        return;
    }
    put(c, text, bytes);
    message[id].bytes = (uint32_t)bytes;
    if (in_two) {
        c->rest_id = id;
        c->rest_at_ns = now_ns() + 10 * MS + (int64_t)random_below(190 * MS);
    }
}

static void leave(struct client *c)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    left_by[c->way]++;
    switch (c->way) {
    case BY_QUIT:
        put(c, "/quit\n", 6);
        c->phase = QUITTING;
        c->leave_at_ns = 0;
        return;
    case BY_RESET:
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        break;
    case BY_HALF_LINE:
        say(c, false, true);
        break;
    default:
        break;
    }
    drop(c);
}

static void churn(int64_t now)
{
    for (int i = 0; i < n_slots; i++) {
        struct client *c = slot[i].c;

        if (c == NULL) {
            if (running && now >= slot[i].next_ns)
                slot[i].c = connect_one(CHURNER, now);
        } else if (c->phase == GONE) {
            slot[i].c = NULL;
            slot[i].next_ns = now + (int64_t)random_below(SEC);
        } else if (running && c->phase == TALKING && c->rest_at_ns == 0 && c->out_bytes == 0 &&
                   c->leave_at_ns != 0 && now >= c->leave_at_ns) {
            leave(c);
        }
    }
}

/* Stayers first, then whoever is in a slot; NULL if there is nobody. */
static struct client *speaker(int i)
{
    if (i >= n_stayers)
        return slot[i - n_stayers].c;
    return (size_t)i + 1 < n_clients ? client[i + 1] : NULL;
}

static void speak(int64_t now)
{
    for (int i = 0; i < n_stayers + n_slots; i++) {
        struct client *c = speaker(i);

        if (c != NULL && c->rest_at_ns != 0 && now >= c->rest_at_ns) {
            char text[64];

            c->rest_at_ns = 0;
            say_rest(c, c->rest_id, text, 0, message[c->rest_id].bytes);
        }
    }
    for (int tries = 0; running && now >= next_send_ns && tries < 1000; tries++) {
        struct client *c = speaker((int)random_below((uint64_t)(n_stayers + n_slots)));

        if (c == NULL || c->phase != TALKING || c->rest_at_ns != 0 || c->way == NAMELESS)
            continue; /* somebody else speaks; most stayers always can */
        push(&lateness_us, (uint32_t)((now - next_send_ns) / 1000));
        say(c, random_below(8) == 0, false);
        next_send_ns += SEC / opt.rate;
    }
}

#endif
