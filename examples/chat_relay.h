/* SPDX-License-Identifier: MIT */
/*
 * chat_relay.h - what joins the rooms of several chat servers to one, through a Redis between them.
 *
 *              +--> publish: lines of this room ----> PUBLISH weft-chat "ID line"
 *     broker --+
 *              +<-- hear: lines of other rooms <----- SUBSCRIBE weft-chat
 *
 * Redis hands a line to all who have subscribed, also to the one it came from: the ID, made anew at
 * each start, tells one's own.  The protocol wants a connection for each direction.
 *
 * The broker never waits here.  It hears of a line, and that Redis is there or gone, by `news`, and
 * puts lines into `outgoing` as long as Redis is there.  If that ends, the relay begins again after
 * a while, which is doubled as long as it is in vain.  Lines that were on their way are lost to the
 * other rooms then; nobody in this one is.
 */
#ifndef EXAMPLES_CHAT_RELAY_H
#define EXAMPLES_CHAT_RELAY_H

#include <errno.h>
#include <sys/random.h>

#include "chat_line.h"

#define RELAY_CHANNEL "weft-chat"
#define RELAY_ID_BYTES 16
#define RELAY_LINES 1024
#define RELAY_BATCH 64
#define RELAY_TEXT_BYTES_MAX (LINE_BYTES_MAX + NAME_BYTES_MAX + 64) /* as line_format() has it */
#define RELAY_ANSWER_NS (10 * WEFT_SEC)
#define RELAY_WAIT_MIN_NS (50 * WEFT_MS)
#define RELAY_WAIT_MAX_NS (5 * WEFT_SEC)

enum news_kind { NEWS_LINE, NEWS_THERE, NEWS_GONE };

struct news {
    enum news_kind kind;
    struct line *line; /* NEWS_LINE: the receiver's */
};

WEFT_CHAN_TYPE(news_chan, struct news);

struct relay {
    const char *where;
    char id[RELAY_ID_BYTES + 1];
    struct weft_co *co;
    news_chan news;     /* unbuffered: after NEWS_GONE, the broker has put its last line */
    line_chan outgoing; /* the lines in it are references */
};

/* One of the two connections with Redis. */
struct link {
    int fd;
    struct weft_reader in;
    struct weft_writer out;
    char in_bytes[4096], out_bytes[4096];
};

/* As long as both are there. */
struct session {
    struct relay *relay;
    struct link from, to;
};

/* An element of an answer; of one that is longer than all lines nothing is kept. */
struct element {
    size_t bytes;
    char text[RELAY_ID_BYTES + 1 + RELAY_TEXT_BYTES_MAX];
};

/* ---- a connection ---- */

static int link_open(struct link *link, const char *where)
{
    link->fd = weft_dial(where);
    if (link->fd < 0)
        return link->fd;
    weft_set_nodelay(link->fd, true);
    weft_set_keepalive(link->fd, 10 * WEFT_SEC, 5 * WEFT_SEC, 3);
    weft_reader_init(&link->in, weft_stream_of_fd(link->fd), link->in_bytes,
                     sizeof(link->in_bytes));
    weft_writer_init(&link->out, weft_stream_of_fd(link->fd), link->out_bytes,
                     sizeof(link->out_bytes));
    return 0;
}

static void link_close(struct link *link)
{
    if (link->fd >= 0)
        weft_close(link->fd);
}

/* The number in the next line, which begins with the mark; an answer of another kind is an error,
 * and if Redis says which, that is passed on. */
static int64_t link_number(struct link *link, char mark)
{
    struct weft_line line;
    const int rc = weft_reader_line(&link->in, &line);

    if (rc < 0)
        return rc;
    if (rc == 0 || line.end_bytes == 0)
        return -EPIPE;
    if (line.text[0] == '-')
        fprintf(stderr, "redis: %s\n", line.text + 1);
    return line.text[0] == mark && line.text[1] != '-' ? strtoll(line.text + 1, NULL, 10) : -EPROTO;
}

static int link_element(struct link *link, struct element *e)
{
    const int64_t bytes = link_number(link, '$');
    ssize_t n;

    if (bytes < 0)
        return (int)bytes;
    e->bytes = bytes <= (int64_t)sizeof(e->text) ? (size_t)bytes : 0;
    n = weft_reader_read_full(&link->in, e->text, e->bytes);
    if (n == (ssize_t)e->bytes) {
        const size_t rest = (size_t)bytes - e->bytes + 2; /* and "\r\n" */

        n = weft_reader_skip(&link->in, rest);
        return n == (ssize_t)rest ? 0 : n < 0 ? (int)n : -EPIPE;
    }
    return n < 0 ? (int)n : -EPIPE;
}

/* ---- lines that come ---- */

static bool element_is(const struct element *e, const char *text)
{
    return e->bytes == strlen(text) && memcmp(e->text, text, e->bytes) == 0;
}

/* "ID line": a line of another server, or NULL.  Anybody can publish, so it is looked at twice. */
static struct line *line_of_others(const struct relay *r, const struct element *e)
{
    const size_t skip = RELAY_ID_BYTES + 1;
    const char *text = e->text + skip;
    const size_t bytes = e->bytes > skip ? e->bytes - skip : 0;
    struct line *line;

    if (bytes == 0 || e->text[RELAY_ID_BYTES] != ' ' ||
        memcmp(e->text, r->id, RELAY_ID_BYTES) == 0 || memchr(text, '\n', bytes) != NULL ||
        !utf8_is_valid(text, bytes))
        return NULL;
    line = line_alloc(bytes + 1);
    memcpy(line->text, text, bytes);
    line->text[bytes] = '\n';
    return line;
}

static int hear_lines(void *arg)
{
    struct session *s = arg;
    struct element what, channel, text;
    int64_t rc;

    while ((rc = link_number(&s->from, '*')) == 3) {
        struct news news = {.kind = NEWS_LINE};

        if ((rc = link_element(&s->from, &what)) != 0 ||
            (rc = link_element(&s->from, &channel)) != 0 ||
            (rc = link_element(&s->from, &text)) != 0)
            break;
        news.line = element_is(&what, "message") ? line_of_others(s->relay, &text) : NULL;
        if (news.line != NULL && (rc = news_chan_send(s->relay->news, news)) != 0) {
            line_unref(news.line);
            break;
        }
    }
    return rc < 0 ? (int)rc : -EPROTO;
}

static int subscribe(struct session *s)
{
    struct element what, channel;
    int64_t rc = weft_writer_printf(&s->from.out, "SUBSCRIBE %s\r\n", RELAY_CHANNEL);

    if (rc < 0 || (rc = weft_writer_flush(&s->from.out)) < 0 ||
        (rc = link_number(&s->from, '*')) < 0 || (rc = link_element(&s->from, &what)) < 0 ||
        (rc = link_element(&s->from, &channel)) < 0 || (rc = link_number(&s->from, ':')) < 0)
        return (int)rc;
    return element_is(&what, "subscribe") ? 0 : -EPROTO;
}

/* ---- lines that go ---- */

static int publish(struct session *s, const struct line *line)
{
    const size_t bytes = line->bytes - 1; /* without its end */
    ssize_t n = weft_writer_printf(&s->to.out, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%zu\r\n%s ",
                                   strlen(RELAY_CHANNEL), RELAY_CHANNEL,
                                   RELAY_ID_BYTES + 1 + bytes, s->relay->id);

    if (n >= 0)
        n = weft_writer_write(&s->to.out, line->text, bytes);
    if (n >= 0)
        n = weft_writer_write(&s->to.out, "\r\n", 2);
    return n < 0 ? (int)n : 0;
}

/* The line, and those that are there already, are sent together, and answered. */
static int publish_batch(struct session *s, struct line *line)
{
    int64_t rc;
    int count = 0;

    do {
        rc = publish(s, line);
        line_unref(line);
        count++;
    } while (rc == 0 && count < RELAY_BATCH &&
             line_chan_try_recv(s->relay->outgoing, &line) == 0);
    if (rc == 0)
        rc = weft_writer_flush(&s->to.out);
    while (rc >= 0 && count-- > 0)
        rc = link_number(&s->to, ':'); /* how many have heard it */
    return rc < 0 ? (int)rc : 0;
}

static int publish_lines(void *arg)
{
    struct session *s = arg;
    struct line *line;
    int rc;

    while ((rc = line_chan_recv(s->relay->outgoing, &line)) == 0) {
        WEFT_DEADLINE(answer, RELAY_ANSWER_NS) {
            rc = publish_batch(s, line);
        }
        if (rc != 0)
            break;
    }
    return rc;
}

/* ---- the relay ---- */

/* Until a connection fails: then this says why.  *wait_ns is put back as soon as Redis is there. */
static int relay_session(struct session *s, int64_t *wait_ns)
{
    const struct news there = {.kind = NEWS_THERE};
    int rc = 0;

    WEFT_DEADLINE(answer, RELAY_ANSWER_NS) {
        if ((rc = link_open(&s->to, s->relay->where)) == 0 &&
            (rc = link_open(&s->from, s->relay->where)) == 0)
            rc = subscribe(s);
    }
    if (rc != 0 || (rc = news_chan_send(s->relay->news, there)) != 0)
        return rc;
    *wait_ns = RELAY_WAIT_MIN_NS;
    WEFT_GROUP(both) {
        if ((rc = weft_group_go(&both, hear_lines, s, .name = "hear")) == 0 &&
            (rc = weft_group_go(&both, publish_lines, s, .name = "publish")) == 0)
            rc = weft_group_wait(&both); /* the first that fails cancels the other */
    }
    return rc;
}

static int relay_run(void *arg)
{
    struct relay *r = arg;
    int64_t wait_ns = RELAY_WAIT_MIN_NS;
    struct line *line;
    int rc, last_rc = 0;

    do {
        struct session s = {.relay = r, .from.fd = -1, .to.fd = -1};
        const struct news gone = {.kind = NEWS_GONE};

        rc = relay_session(&s, &wait_ns);
        if (rc != last_rc && rc != -ECANCELED)
            fprintf(stderr, "redis at %s: %s\n", r->where, weft_strerror(rc));
        last_rc = rc;
        link_close(&s.from);
        link_close(&s.to);
        rc = news_chan_send(r->news, gone);
        while (line_chan_try_recv(r->outgoing, &line) == 0)
            line_unref(line);
        if (rc == 0)
            rc = weft_sleep(wait_ns);
        wait_ns = 2 * wait_ns < RELAY_WAIT_MAX_NS ? 2 * wait_ns : RELAY_WAIT_MAX_NS;
    } while (rc == 0);
    return 0;
}

static int relay_start(struct relay *r, const char *where)
{
    uint64_t id;

    if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
        return -EIO;
    snprintf(r->id, sizeof(r->id), "%016llx", (unsigned long long)id);
    r->where = where;
    r->news = news_chan_make(0);
    r->outgoing = line_chan_make(RELAY_LINES);
    if (r->news.ch != NULL && r->outgoing.ch != NULL)
        r->co = weft_go_with(relay_run, r, .name = "relay");
    return r->co != NULL ? 0 : -ENOMEM;
}

/* For the broker: the line is sent as well, but not waited for; false if there is no room. */
static bool relay_put(struct relay *r, struct line *line)
{
    atomic_fetch_add(&line->refs, 1);
    if (line_chan_try_send(r->outgoing, line) == 0)
        return true;
    line_unref(line);
    return false;
}

static struct line *relay_notice(const struct relay *r, enum news_kind kind)
{
    return kind == NEWS_THERE
               ? line_format("* redis at %s is there: all its servers are one room", r->where)
               : line_format("* redis at %s is gone: this room is on its own", r->where);
}

/* Behind the broker's last look at it. */
static void relay_stop(struct relay *r)
{
    struct line *line;

    if (r->co != NULL) {
        weft_cancel(r->co);
        WEFT_SHIELD(its_end, WEFT_NEVER) {
            (void)!weft_join(r->co, NULL);
        }
    }
    while (r->outgoing.ch != NULL && line_chan_try_recv(r->outgoing, &line) == 0)
        line_unref(line);
    line_chan_unref(r->outgoing);
    news_chan_unref(r->news);
}

#endif
