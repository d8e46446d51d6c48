/* SPDX-License-Identifier: MIT */
/*
 * conformance.h - of conformance.c: what a cell of the table is, and how the operation of a row
 * meets what happens to it.
 *
 * A scenario is a function that gets a scene, two connected ends of the flavour under test, and
 * gives one number: what the operation gave, or one of the words below where that may be anything
 * of a kind.  What else must hold it checks itself.  Each runs once over TCP and once over UNIX
 * sockets, under each driver, and must give what stands in its cell.
 *
 * The call of a row is made in two orders: what happens has happened before the call, which then
 * finds it by its first try; or the call waits in the driver and what happens ends it.  The driver
 * must not be told apart by that either, so meet() takes both and they must be equal.
 */
#ifndef WEFT_TESTS_CONFORMANCE_H
#define WEFT_TESTS_CONFORMANCE_H

#include "io_kinds.h"

/* What can happen to an operation: the columns. */
#define SITUATIONS(X)                                                                              \
    X(WOULD_BLOCK, "would block")                                                                  \
    X(PARTIAL, "partial")                                                                          \
    X(END, "end of stream")                                                                        \
    X(RESET, "reset")                                                                              \
    X(INTERRUPTED, "EINTR")                                                                        \
    X(CLOSED, "fd closed")                                                                         \
    X(REUSED, "fd reused")                                                                         \
    X(DEADLINE, "deadline")                                                                        \
    X(CANCEL, "cancel")                                                                            \
    X(TWO_WAITERS, "two waiters")                                                                  \
    X(FOREIGN, "foreign fd")                                                                       \
    X(HUGE, "huge size")                                                                           \
    X(ZERO, "zero size")                                                                           \
    X(BAD, "bad argument")
enum situation {
#define X(name, text) name,
    SITUATIONS(X)
#undef X
        SITUATION_COUNT,
};

/* Words for results: more than any count in here, and not an errno. */
enum {
    SOME = 1 << 30, /* at least 1, and less than was asked for */
    AN_FD,          /* one that is open */
};

struct flavour {
    const char *name;
    void (*pair)(int fds[2]);
    bool is_tcp;
};
static const struct flavour flavours[] = {{"tcp", tcp_pair, true}, {"unix", unix_pair, false}};
#define FLAVOURS 2

struct scene;
typedef ssize_t call_fn(struct scene *s);
typedef ssize_t scenario(struct scene *s);

/* Where an operation meets what happens to it.  An fd that a scenario closes it sets to -1. */
struct scene {
    const struct flavour *flavour;
    const struct row *row;
    call_fn *call; /* that of the row, or a form of it */
    int fd, peer;  /* the operation is made on fd */
    struct weft_addr at;
    size_t jammed;      /* bytes that lie in the way of a write */
    bool is_tried_anew; /* the caller tries from time to time: no driver holds it */
};

/* One cell: what the scenario must give, over TCP and over UNIX; or why there is none. */
struct cell {
    scenario *run;
    ssize_t expected[FLAVOURS];
    const char *none;
};
#define GIVES(how, result) {.run = how, .expected = {result, result}}
#define GIVES_EACH(how, on_tcp, on_unix) {.run = how, .expected = {on_tcp, on_unix}}
#define NONE(why) {.none = why}

/* One operation.  make() sets the scene, at which call() would wait; let_go() makes it go on.  The
 * forms of the call are for the cells that name them. */
struct row {
    const char *kind; /* of enum weft__op_kind, without WEFT__OP_ */
    const char *name; /* the public call that makes it */
    void (*make)(struct scene *s);
    call_fn *call;
    void (*let_go)(struct scene *s);
    struct forms {
        call_fn *huge;    /* with more bytes than one system call moves */
        call_fn *zero;    /* with none */
        call_fn *nowhere; /* with memory that is not there */
        call_fn *large;   /* with more bytes than there is room for */
    } forms;
    struct cell cells[SITUATION_COUNT];
};

/* ---- scenes ---- */

static void make_pair(struct scene *s)
{
    int fds[2];

    s->flavour->pair(fds);
    s->fd = fds[0];
    s->peer = fds[1];
}

static void shut(int *fd)
{
    if (*fd >= 0)
        CHECK_EQ(weft_close(*fd), 0);
    *fd = -1;
}

/* On a scene that has a row and a flavour, and perhaps a form of the call. */
static void begin(struct scene *s)
{
    if (s->call == NULL)
        s->call = s->row->call;
    s->fd = s->peer = -1;
    s->jammed = 0;
    s->is_tried_anew = false;
    s->row->make(s);
}

static void end(struct scene *s)
{
    shut(&s->fd);
    shut(&s->peer);
}

static int make_the_call(void *arg)
{
    struct scene *s = arg;

    return (int)s->call(s);
}

static struct weft_co *start_call(struct scene *s)
{
    struct weft_co *co = weft_go_with(make_the_call, s);

    CHECK(co != NULL);
    return co;
}

/* Until n calls wait. */
static void await_waiting(const struct scene *s, int n)
{
    if (s->is_tried_anew)
        yield_often(20); /* most likely; no result depends on it */
    else
        await_in_flight(n);
}

static struct weft_co *wait_in_call(struct scene *s)
{
    struct weft_co *co = start_call(s);

    await_waiting(s, 1);
    return co;
}

static ssize_t join_call(struct weft_co *co)
{
    int result;

    CHECK_EQ(weft_join(co, &result), 0);
    return result;
}

/* What happens, before the call and while it waits. */
static ssize_t meet(struct scene *s, void (*happen)(struct scene *s))
{
    happen(s);
    ssize_t at_once = s->call(s);
    end(s);
    begin(s);
    struct weft_co *co = wait_in_call(s);
    happen(s);
    ssize_t later = join_call(co);
    CHECK_EQ(at_once, later);
    return later;
}

/* The same with another form of the call. */
static ssize_t meet_with(struct scene *s, call_fn *form, void (*happen)(struct scene *s))
{
    s->call = form;
    ssize_t rc = meet(s, happen);
    s->call = s->row->call;
    return rc;
}

/* ---- scenarios that are the same for all that waits on an fd ---- */

static ssize_t would_block(struct scene *s)
{
    return meet(s, s->row->let_go);
}

/* A signal that stops the process and one that lets it go on end the waits in the kernel of all its
 * threads with EINTR, whatever they block and handle. */
static pid_t start_signals(void)
{
    const pid_t us = getpid(), pid = fork();

    CHECK_GE(pid, 0);
    if (pid == 0) {
        for (int i = 0; i < 5; i++) {
            kill(us, SIGSTOP);
            usleep(100);
            kill(us, SIGCONT);
            usleep(300);
        }
        _exit(0);
    }
    return pid;
}

static void await_signals(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, WNOHANG) != pid)
        CHECK_EQ(weft_sleep(200 * WEFT_US), 0);
    CHECK_EQ(status, 0);
}

static ssize_t interrupted(struct scene *s)
{
    struct weft_co *co = wait_in_call(s);

    await_signals(start_signals());
    s->row->let_go(s);
    return join_call(co);
}

static ssize_t closed(struct scene *s)
{
    struct weft_co *co = wait_in_call(s);

    CHECK_EQ(weft_close(s->fd), 0);
    CHECK_EQ(s->call(s), -EBADF);
    s->fd = -1;
    return join_call(co);
}

/* The number is another file the moment after the close: whoever waited has nothing of it, and it
 * works by itself. */
static ssize_t reused(struct scene *s)
{
    int pipe_fds[2];
    struct weft_co *co = wait_in_call(s);
    char byte = 0;

    CHECK_EQ(pipe(pipe_fds), 0);
    CHECK_EQ(write(pipe_fds[1], "n", 1), 1);
    CHECK_EQ(weft_close(s->fd), 0);
    CHECK_EQ(dup2(pipe_fds[0], s->fd), s->fd);
    ssize_t rc = join_call(co);
    CHECK_EQ(weft_read(s->fd, &byte, 1), 1);
    CHECK_EQ(byte, 'n');
    close_both(pipe_fds);
    return rc;
}

/* Whatever ended the call, the next one has all that there is. */
static ssize_t still_works(struct scene *s, ssize_t rc)
{
    s->row->let_go(s);
    CHECK_GT(s->call(s), 0);
    return rc;
}

static ssize_t deadline(struct scene *s)
{
    for (int i = 0; i < 2; i++) {
        WEFT_DEADLINE (d, i == 0 ? -1 : WEFT_MS)
            CHECK_EQ(s->call(s), -ETIMEDOUT);
    }
    return still_works(s, -ETIMEDOUT);
}

static ssize_t cancel(struct scene *s)
{
    struct weft_co *co = wait_in_call(s);

    weft_cancel(co);
    ssize_t rc = join_call(co);
    co = start_call(s); /* perhaps cancelled before it begins */
    weft_cancel(co);
    CHECK_EQ(join_call(co), rc);
    return still_works(s, rc);
}

/* Both are served; which of them first is up to the driver. */
static ssize_t two_waiters(struct scene *s)
{
    struct weft_co *a = start_call(s), *b = start_call(s);

    await_waiting(s, 2);
    s->row->let_go(s);
    s->row->let_go(s);
    ssize_t rc = join_call(a);
    CHECK_EQ(join_call(b), rc);
    return rc;
}

#endif
