/* SPDX-License-Identifier: MIT */
/*
 * chat_server.c - a chat for nc, telnet or chat_client: one room, any number of people.
 *
 *     chat_server [--host H] [--port N] [--procs N] [--reactor R] [--idle SECONDS]
 *                 [--redis HOST:PORT]
 *
 * The first line of a client is its name.  Then a line is seen by all others as "NAME: line"; lines
 * that begin with "/" are commands: /who, /nick NEW, /msg NAME text, /quit.  What the server says
 * itself begins with "*", and with "!" if something is wrong.
 *
 *     accept ---> reader --join, leave, lines--> broker --outbox--> writer
 *                 (one a client)                (one)               (one a client)
 *
 * The broker alone knows who is there.  It takes one event at a time, so there is one order of
 * lines, the same for all; and it waits for no client: a line goes into the outbox of each, and who
 * has 1,024 unread lines there is cut off.  A line is one piece of memory for all outboxes.
 *
 * The reader is a child of the server's group, and the writer of the reader's: app has only to wait
 * for one group, and no client outlives it.  A client is sent away by cancelling the scope that its
 * reader works in: the reader tells the broker, the writer has FLUSH_NS for what is left.  The
 * reader and the broker have a reference to the client each, the broker's from join to leave, and
 * until leave the reader's scope is open.
 *
 * With --redis, all servers that name the same Redis have one room (chat_relay.h); names, and with
 * them /who and /msg, are a server's own.
 */
#include <errno.h>
#include <stdatomic.h>

#include "chat_line.h"
#include "chat_relay.h"
#include "chat_text.h"
#include "server.h"

#define OUTBOX_LINES 1024
#define SEND_BUFFER_BYTES (64 * 1024) /* what the kernel may hold of unread lines, besides ours */
#define FLUSH_NS (400 * WEFT_MS)
#define NAMELESS_NS (60 * WEFT_SEC)
#define EVENTS_A_TURN 16

enum line_result { LINE_GOOD, LINE_TOO_LONG, LINE_NOT_UTF8 };

/* What a reader tells the broker; values are copied through the channel. */
struct message {
    struct client *from;
    enum line_result result;
    bool is_idle; /* no line has come for too long: there is no text */
    size_t bytes;
    char text[LINE_BYTES_MAX + 1];
};

WEFT_CHAN_TYPE(client_chan, struct client *);
WEFT_CHAN_TYPE(message_chan, struct message);

struct client {
    struct server *server;
    int fd;
    atomic_int refs;
    line_chan outbox;
    struct weft_scope scope; /* the reader's: cancelled, no more lines will come */

    /* The reader's alone. */
    int64_t patience_ns; /* how long nothing may come */
    bool is_idle;        /* nothing has come for so long */

    /* The broker's alone. */
    char name[NAME_BYTES_MAX + 1]; /* "" until it has been given */
    bool is_stopped;
    struct client *prev, *next;
    struct client *next_departed;
};

struct server {
    struct server_options options;
    int stop_fd;
    int listener;
    /* Unbuffered: a reader's leave cannot overtake its last line. */
    client_chan join, leave;
    message_chan lines;
    struct relay relay; /* without --redis its channels are NULL */

    /* The broker's alone. */
    enum news_kind redis; /* what was heard of it last; NEWS_LINE: nothing yet */
    bool is_behind;       /* the relay has not taken the last line */
    struct client *clients;
    struct client *departed; /* who has been stopped since the last announcement, oldest first */
};

/* ---- clients ---- */

static struct client *client_make(struct server *server, int fd)
{
    struct client *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->server = server;
    c->fd = fd;
    atomic_init(&c->refs, 1);
    c->outbox = line_chan_make(OUTBOX_LINES + 1); /* one place is kept for the last words */
    if (c->outbox.ch == NULL) {
        free(c);
        return NULL;
    }
    return c;
}

static void client_unref(struct client *c)
{
    struct line *line;

    if (atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    while (line_chan_try_recv(c->outbox, &line) == 0)
        line_unref(line);
    line_chan_unref(c->outbox);
    free(c);
}

/* ---- the broker ---- */

static void outbox_put(struct client *c, struct line *line)
{
    atomic_fetch_add(&line->refs, 1);
    if (line_chan_try_send(c->outbox, line) != 0)
        line_unref(line);
}

/* The client gets no more lines. */
static void note_stopped(struct server *s, struct client *c)
{
    struct client **tail = &s->departed;

    c->is_stopped = true;
    if (c->name[0] == '\0')
        return;
    while (*tail != NULL)
        tail = &(*tail)->next_departed;
    c->next_departed = NULL;
    *tail = c;
}

/* The client gets no more lines after this one; it is about to leave. */
static void stop_client(struct server *s, struct client *c, struct line *last_words)
{
    if (c->is_stopped)
        return;
    outbox_put(c, last_words);
    note_stopped(s, c);
    weft_scope_cancel(&c->scope);
}

/* Never waits.  A full outbox cuts the client off instead. */
static void put(struct server *s, struct client *c, struct line *line)
{
    if (c->is_stopped)
        return;
    if (weft_chan_len(c->outbox.ch) < OUTBOX_LINES) {
        outbox_put(c, line);
    } else {
        struct line *reason = line_format("! you read too slowly: %d lines wait", OUTBOX_LINES);

        stop_client(s, c, reason);
        line_unref(reason);
    }
}

/* One line for one client.  These two take the line over. */
static void tell(struct client *c, struct line *line)
{
    put(c->server, c, line);
    line_unref(line);
}

/* One line for everybody here who has a name, but not for `except`. */
static void tell_room(struct server *s, const struct client *except, struct line *line)
{
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (c != except && c->name[0] != '\0')
            put(s, c, line);
    }
    line_unref(line);
}

/* The same, and for the rooms of other servers. */
static void tell_others(struct server *s, const struct client *except, struct line *line)
{
    const bool was_behind = s->is_behind;

    s->is_behind = s->redis == NEWS_THERE && !relay_put(&s->relay, line);
    if (s->is_behind && !was_behind)
        tell_room(s, NULL, line_format("! redis is too slow: other servers miss lines"));
    tell_room(s, except, line);
}

/* Says who has left.  Not done on the spot: a line that is being handed out goes to all first. */
static void announce_departed(struct server *s)
{
    while (s->departed != NULL) {
        struct client *c = s->departed;

        s->departed = c->next_departed;
        tell_others(s, c, line_format("* %s left", c->name));
    }
}

static struct client *find(struct server *s, const char *name)
{
    struct client *c = s->clients;

    while (c != NULL && (c->is_stopped || strcmp(c->name, name) != 0))
        c = c->next;
    return c;
}

/* Is this a name that the client may have?  If not, it has been told why. */
static bool may_be_called(struct server *s, struct client *c, const char *name, size_t bytes)
{
    if (!name_is_good(name, bytes))
        tell(c, line_format("! a name has 1 to %d printable characters and no spaces; try another",
                            NAME_CHARS_MAX));
    else if (find(s, name) != NULL)
        tell(c, line_format("! %s is taken; try another", name));
    else
        return true;
    return false;
}

static void on_news(struct server *s, const struct news *news)
{
    if (news->kind == NEWS_LINE) {
        tell_room(s, NULL, news->line);
    } else if (news->kind != s->redis) {
        s->redis = news->kind;
        tell_room(s, NULL, relay_notice(&s->relay, news->kind));
    }
}

static void take_name(struct server *s, struct client *c, const struct message *m)
{
    if (!may_be_called(s, c, m->text, m->bytes))
        return;
    memcpy(c->name, m->text, m->bytes + 1);
    tell(c, line_format("* welcome; /who, /nick NEW, /msg NAME text, /quit"));
    if (s->redis != NEWS_LINE)
        tell(c, relay_notice(&s->relay, s->redis));
    tell_others(s, c, line_format("* %s joined", c->name));
}

/* The names, as many in a line as fit. */
static void command_who(struct server *s, struct client *asker)
{
    char names[LINE_BYTES_MAX - 16];
    size_t used = 0;

    for (const struct client *c = s->clients; c != NULL; c = c->next) {
        if (c->is_stopped || c->name[0] == '\0')
            continue;
        if (used + 1 + strlen(c->name) >= sizeof(names)) {
            tell(asker, line_format("* here:%s", names));
            used = 0;
        }
        used += (size_t)snprintf(names + used, sizeof(names) - used, " %s", c->name);
    }
    tell(asker, line_format("* here:%s", names));
}

static void command_nick(struct server *s, struct client *c, const char *name)
{
    if (!may_be_called(s, c, name, strlen(name)))
        return;
    tell_others(s, c, line_format("* %s is now %s", c->name, name));
    strcpy(c->name, name);
    tell(c, line_format("* you are now %s", c->name));
}

static void command_msg(struct server *s, struct client *c, char *name)
{
    char *text = strchr(name, ' ');
    struct client *to;

    if (text == NULL) {
        tell(c, line_format("! /msg NAME text"));
        return;
    }
    *text++ = '\0';
    to = name[0] == '\0' ? NULL : find(s, name);
    if (to == NULL)
        tell(c, line_format("! there is no %s", name));
    else
        tell(to, line_format("%s (to you): %s", c->name, text));
}

static void command(struct server *s, struct client *c, char *text)
{
    if (strcmp(text, "/who") == 0) {
        command_who(s, c);
    } else if (strncmp(text, "/nick ", 6) == 0) {
        command_nick(s, c, text + 6);
    } else if (strncmp(text, "/msg ", 5) == 0) {
        command_msg(s, c, text + 5);
    } else if (strcmp(text, "/quit") == 0) {
        struct line *bye = line_format("* bye");

        stop_client(s, c, bye);
        line_unref(bye);
    } else {
        tell(c, line_format("! commands are /who, /nick NEW, /msg NAME text, /quit"));
    }
}

static void on_join(struct server *s, struct client *c)
{
    c->next = s->clients;
    if (c->next != NULL)
        c->next->prev = c;
    s->clients = c;
    tell(c, line_format("* this is a chat; what is your name?"));
}

static void on_leave(struct server *s, struct client *c)
{
    if (!c->is_stopped)
        note_stopped(s, c);
    announce_departed(s);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        s->clients = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    client_unref(c);
}

static void send_away(struct server *s, struct client *c, struct line *reason)
{
    stop_client(s, c, reason);
    line_unref(reason);
}

static void on_line(struct server *s, struct message *m)
{
    struct client *c = m->from;

    if (c->is_stopped)
        return;
    if (m->is_idle)
        send_away(s, c, c->name[0] == '\0' ? line_format("! no name for a minute")
                                          : line_format("! you have been silent for too long"));
    else if (m->result == LINE_TOO_LONG)
        tell(c, line_format("! dropped: a line of more than %d bytes", LINE_BYTES_MAX));
    else if (m->result == LINE_NOT_UTF8)
        tell(c, line_format("! dropped: a line that is not UTF-8"));
    else if (c->name[0] == '\0')
        take_name(s, c, m);
    else if (m->text[0] == '/')
        command(s, c, m->text);
    else if (m->bytes > 0)
        tell_others(s, c, line_said_by(c->name, m->text, m->bytes));
}

/* Tells everybody, lets go of everybody, and takes no more events. */
static void on_stop(struct server *s)
{
    struct line *line = line_format("* server is shutting down");
    struct client *next;

    for (struct client *c = s->clients; c != NULL; c = next) {
        next = c->next;
        stop_client(s, c, line);
        client_unref(c);
    }
    s->departed = NULL; /* nobody is left to be told */
    line_unref(line);
    client_chan_close(s->join);
    client_chan_close(s->leave);
    message_chan_close(s->lines);
    if (s->relay.news.ch != NULL)
        news_chan_close(s->relay.news);
}

static int broker(void *arg)
{
    struct server *s = arg;
    struct client *c;
    struct message m;
    struct news news;
    bool is_stopping = false;

    for (unsigned n_events = 1; !is_stopping; n_events++) {
        SELECT {
            ON_RECV(s->join.ch, &c) { on_join(s, c); }
            ON_RECV(s->leave.ch, &c) { on_leave(s, c); }
            ON_RECV(s->lines.ch, &m) { on_line(s, &m); }
            ON_RECV(s->relay.news.ch, &news) { on_news(s, &news); }
            ON_READABLE(s->stop_fd) { is_stopping = true; }
        }
        announce_departed(s);
        /* As long as readers have lines for it the broker never parks; the writers need a turn. */
        if (n_events % EVENTS_A_TURN == 0)
            weft_yield();
    }
    on_stop(s);
    return 0;
}

/* ---- the two coroutines of a client ---- */

static int write_lines(void *arg)
{
    struct client *c = arg;
    struct batch out = {.count = 0};
    ssize_t n = 0;

    while (n >= 0) {
        if (out.count == 0 && (n = line_chan_recv(c->outbox, &out.lines[0])) == 0)
            out.count = 1;
        if (n >= 0) {
            batch_fill(&out, c->outbox);
            n = batch_write(&out, c->fd);
        }
    }
    WEFT_SHIELD(flush, FLUSH_NS) {
        do {
            batch_fill(&out, c->outbox);
        } while (out.count > 0 && batch_write(&out, c->fd) > 0);
    }
    while (out.count > 0)
        batch_advance(&out, out.lines[0]->bytes - out.done);
    weft_shutdown(c->fd, SHUT_RDWR); /* the reader ends, too, if the writer had an error */
    return 0;
}

/* It is silence that ends the patience: a line may take any time to come. */
static ssize_t read_patiently(void *arg, void *buf, size_t n)
{
    struct client *c = arg;
    ssize_t got = 0;

    WEFT_DEADLINE(silence, c->patience_ns) {
        got = weft_read(c->fd, buf, n);
        c->is_idle = got == -ETIMEDOUT && weft_scope_cause(&silence) == WEFT_CAUSE_THIS;
    }
    return got;
}

/* Brings lines to the broker until the client or the server ends; half a line is not brought. */
static void read_lines(struct client *c)
{
    const struct weft_stream from = {.read = read_patiently, .arg = c};
    char buf[4096];
    struct weft_reader in;
    struct weft_line line;
    struct message m = {.from = c};
    int rc;

    weft_reader_init(&in, from, buf, sizeof(buf));
    weft_reader_limit(&in, LINE_BYTES_MAX);
    c->patience_ns = NAMELESS_NS;
    while ((rc = weft_reader_line(&in, &line)) == -EMSGSIZE || (rc > 0 && line.end_bytes > 0)) {
        c->patience_ns = c->server->options.idle_seconds * WEFT_SEC;
        m.result = rc < 0                                 ? LINE_TOO_LONG
                   : utf8_is_valid(line.text, line.bytes) ? LINE_GOOD
                                                          : LINE_NOT_UTF8;
        if (m.result == LINE_GOOD) {
            m.bytes = line.bytes;
            memcpy(m.text, line.text, line.bytes + 1);
        }
        if (message_chan_send(c->server->lines, m) != 0)
            return;
    }
    m.is_idle = c->is_idle;
    if (m.is_idle)
        (void)!message_chan_send(c->server->lines, m);
}

/* Closes the connection so that the last lines arrive: a close with input unread would reset it. */
static void hang_up(int fd)
{
    char rest[4096];

    weft_shutdown(fd, SHUT_RDWR); /* what has come can still be read, and then there is an end */
    for (int i = 0; i < 64 && weft_read(fd, rest, sizeof(rest)) > 0; i++)
        ;
    weft_close(fd);
}

/* In a scope that the broker may cancel. */
static void take_part(struct client *c)
{
    WEFT_GROUP(g) {
        if (weft_group_go(&g, write_lines, c, .name = "writer") != 0)
            break;
        atomic_fetch_add(&c->refs, 1); /* the broker's */
        if (client_chan_send(c->server->join, c) != 0) {
            client_unref(c); /* it has not heard of us */
            break;
        }
        read_lines(c);
        WEFT_SHIELD(whatever_happens, WEFT_NEVER) {
            /* -EPIPE: the broker has let go of everybody already. */
            (void)!client_chan_send(c->server->leave, c);
        }
        weft_group_cancel(&g);
    }
}

/* The reader, which is also the client's first and last coroutine. */
static int client_run(void *arg)
{
    struct client *c = arg;

    weft_set_name("reader");
    weft_scope_begin(&c->scope, WEFT_NEVER);
    take_part(c);
    weft_scope_end(&c->scope);
    hang_up(c->fd);
    client_unref(c);
    return 0;
}

/* ---- the server ---- */

static void start_client(struct server *s, struct weft_group *clients, int fd)
{
    struct client *c = client_make(s, fd);

    weft_set_nodelay(fd, true);
    weft_set_buffers(fd, 0, SEND_BUFFER_BYTES);
    if (c != NULL && weft_group_go(clients, client_run, c) == 0)
        return;
    fprintf(stderr, "no memory for another client\n");
    weft_close(fd);
    if (c != NULL)
        client_unref(c);
}

/* Takes connections until the listener is closed, and waits for all clients. */
static int accept_clients(void *arg)
{
    struct server *s = arg;
    int fd;

    WEFT_GROUP(clients, .on_error = WEFT_GROUP_RUNS_ON) {
        while ((fd = weft_accept(s->listener, NULL)) >= 0)
            start_client(s, &clients, fd);
        if (fd != -EBADF)
            fprintf(stderr, "accept: %s\n", weft_strerror(fd));
    }
    return 0;
}

static int app(void *arg)
{
    struct server *s = arg;
    int rc = -1;

    s->listener = server_listen(&s->options);
    if (s->listener < 0)
        return 1;
    s->join = client_chan_make(0);
    s->leave = client_chan_make(0);
    s->lines = message_chan_make(0);
    if (s->options.redis[0] != '\0' && relay_start(&s->relay, s->options.redis) != 0)
        fprintf(stderr, "no memory for a relay\n");
    WEFT_GROUP(both) {
        if (weft_group_go(&both, accept_clients, s, .name = "accept") == 0)
            rc = broker(s); /* it ends when the signal comes */
        weft_close(s->listener);
    }
    relay_stop(&s->relay);
    client_chan_unref(s->join);
    client_chan_unref(s->leave);
    message_chan_unref(s->lines);
    return rc == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct server server = {
        .options = {.host = "127.0.0.1", .port = 7777, .idle_seconds = 3600, .redis = ""},
    };

    server_read_options(&server.options, argc, argv);
    server_raise_limit();
    server.stop_fd = server_stop_fd();
    return weft_run_with(app, &server, .procs = server.options.procs,
                         .reactor = server.options.reactor);
}
