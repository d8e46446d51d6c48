/* SPDX-License-Identifier: MIT */
/*
 * process.c - child processes.
 *
 * A child is started on a thread for blocking calls: until its exec is over, whoever starts it
 * stands still.  Its end is an event of its pidfd; where the kernel has none, a filter forbids it,
 * or memory to wait for it is short, the child is asked for again and again, every 10 ms at last.
 * (Rejected: a thread that waits for it, which no scope could end.)
 *
 * The number of a child is its own until its end is taken, and the next one's after that.  So ends
 * are taken, and signals sent, under the lock, by system calls that do not wait.
 */
#include <weft/process.h>

#include <errno.h>
#include <poll.h>

#include <weft/blocking.h>
#include <weft/scope.h>

#include "../base/fatal.h"
#include "../base/sys.h"
#include "../base/sys_process.h"
#include "../io/io.h"

#define GRACE_NS ((int64_t)5000000000)
#define SIGNAL_MAX 64

struct weft_process {
    struct weft__lock lock; /* RANK_FD; protects the next four */
    bool is_doomed;         /* a scope has ended it: nothing of its group is to outlive it */
    bool is_ended;          /* and its end was taken */
    int error;              /* 0, or why there is no status */
    int status;
    int pid;
    int pidfd; /* -1: there is none */
    bool leads_group;
    int cancel_signal;
    int64_t grace_ns;
};

/* ---- the start ---- */

struct start {
    struct weft_process *process;
    const struct weft_stdio *streams[3];
    int ends[3]; /* ours, of new pipes */
    struct weft__child child;
};

static int open_pipe(struct start *s, int i)
{
    int fds[2];
    int rc = weft__sys_pipe(fds, false); /* programs expect that their streams block */
    if (rc != 0) {
        return rc;
    }
    int of_child = i == 0 ? 0 : 1;
    s->ends[i] = fds[1 - of_child];
    (void)weft__sys_set_nonblock(s->ends[i], true);
    rc = weft__sys_dup(fds[of_child]); /* it may be a number below 3 */
    (void)weft__sys_close(fds[of_child]);
    return rc;
}

static int open_null(void)
{
    int fd = weft__sys_open_null();
    int rc = fd < 0 ? fd : weft__sys_dup(fd);
    if (fd >= 0) {
        (void)weft__sys_close(fd);
    }
    return rc;
}

/* The fd that is to become standard stream i of the child; -1: ours does. */
static int open_stream(struct start *s, int i)
{
    switch (s->streams[i]->kind) {
    case WEFT_STDIO_NULL:
        return open_null();
    case WEFT_STDIO_FD:
        return weft__sys_dup(s->streams[i]->fd);
    case WEFT_STDIO_PIPE:
        return open_pipe(s, i);
    case WEFT_STDIO_OUT:
        return weft__sys_dup(s->child.fds[1] >= 0 ? s->child.fds[1] : 1);
    default:
        return -1;
    }
}

static void close_all(const int fds[3])
{
    for (int i = 0; i < 3; i++) {
        if (fds[i] >= 0) {
            (void)weft__sys_close(fds[i]);
        }
    }
}

/* On a thread that may wait. */
static int start(void *arg)
{
    struct start *s = arg;
    int rc = 0;
    for (int i = 0; i < 3 && rc >= 0; i++) {
        if (s->streams[i]->kind != WEFT_STDIO_INHERIT) {
            rc = s->child.fds[i] = open_stream(s, i);
        }
    }
    if (rc >= 0) {
        rc = weft__sys_spawn(&s->child);
    }
    close_all(s->child.fds);
    if (rc < 0) {
        close_all(s->ends);
        return rc;
    }
    struct weft_process *p = s->process;
    p->pid = rc;
    p->pidfd = weft__sys_pidfd(p->pid);
    for (int i = 0; i < 3; i++) {
        if (s->ends[i] >= 0) {
            *s->streams[i]->end = s->ends[i];
        }
    }
    return 0;
}

static bool are_valid(const struct weft_spawn_opts *opts, char *const argv[])
{
    const struct weft_stdio *streams[3] = {&opts->in, &opts->out, &opts->err};
    for (int i = 0; i < 3; i++) {
        int kind = streams[i]->kind;
        int last = i == 2 ? WEFT_STDIO_OUT : WEFT_STDIO_PIPE;
        if (kind < WEFT_STDIO_INHERIT || kind > last ||
            (kind == WEFT_STDIO_PIPE && streams[i]->end == NULL)) {
            return false;
        }
    }
    return argv != NULL && argv[0] != NULL && opts->cancel_signal >= 0 &&
           opts->cancel_signal <= SIGNAL_MAX && opts->cancel_grace_ns >= 0;
}

int weft_spawn(struct weft_process **process, char *const argv[],
               const struct weft_spawn_opts *opts)
{
    static const struct weft_spawn_opts defaults = {.size = sizeof defaults};
    opts = opts != NULL ? opts : &defaults;
    if (opts->size < sizeof *opts) {
        weft__fatal("weft_spawn: bad options: `size` is too small");
    }
    if (!are_valid(opts, argv)) {
        return -EINVAL;
    }
    struct weft_process *p = weft__alloc(sizeof *p);
    if (p == NULL) {
        return -ENOMEM;
    }
    weft__lock_init(&p->lock, RANK_FD);
    p->leads_group = opts->leads_group != 0;
    p->cancel_signal = opts->cancel_signal;
    p->grace_ns = opts->cancel_grace_ns != 0 ? opts->cancel_grace_ns : GRACE_NS;
    struct start s = {
        .process = p,
        .streams = {&opts->in, &opts->out, &opts->err},
        .ends = {-1, -1, -1},
        .child = {.argv = argv,
                  .env = opts->env,
                  .dir = opts->dir,
                  .fds = {-1, -1, -1},
                  .leads_group = p->leads_group},
    };
    int result = 0;
    int rc = weft_blocking(start, &s, &result);
    rc = rc != 0 ? rc : result;
    if (rc != 0) {
        weft__free(p);
        return rc;
    }
    *process = p;
    return 0;
}

/* ---- the end ---- */

/* Take the end if it is there.  0 or -ECHILD: it is, and the status; -EAGAIN. */
static int take_end(struct weft_process *p, int *status)
{
    weft__lock(&p->lock);
    if (!p->is_ended) {
        if (p->is_doomed && p->leads_group && weft__sys_has_ended(p->pid) == 1) {
            /* As long as its end is not taken its group's number is its own. */
            (void)weft__sys_kill(p->pid, p->pidfd, true, SIGKILL);
        }
        int rc = weft__sys_wait_child(p->pid, false, &p->status);
        p->is_ended = rc != 0;
        p->error = rc < 0 ? rc : 0;
    }
    int rc = p->is_ended ? p->error : -EAGAIN;
    if (rc == 0 && status != NULL) {
        *status = p->status;
    }
    weft__unlock(&p->lock);
    return rc;
}

static int await_event(struct weft_process *p, const void *caller)
{
    struct weft__op_wait ow;
    weft__op_init(&ow.op, WEFT__OP_POLL, p->pidfd, &ow);
    ow.op.events = POLLIN;
    return (int)weft__io_run(&ow.op, WAIT_PROCESS, caller);
}

static int ask_again_and_again(struct weft_process *p, const void *caller)
{
    int64_t delay_ns = 0;
    int rc = 0;
    while (rc == 0 && weft__sys_has_ended(p->pid) == 0) {
        rc = weft__io_wait_a_while(p->pidfd, &delay_ns, WAIT_PROCESS, caller);
    }
    return rc;
}

/* 0: there may be an end to be taken; or the error of a scope. */
static int await_end(struct weft_process *p, const void *caller)
{
    int rc = p->pidfd >= 0 ? await_event(p, caller) : -ENOSYS;
    if (rc < 0 && rc != -ETIMEDOUT && rc != -ECANCELED) {
        rc = ask_again_and_again(p, caller);
    }
    return rc < 0 ? rc : 0;
}

/* Whoever takes the ends of all children may have taken this one: then its number is nobody's. */
static int send_signal(struct weft_process *p, int sig, bool dooms)
{
    int rc = -ESRCH;
    weft__lock(&p->lock);
    p->is_doomed |= dooms;
    if (!p->is_ended && weft__sys_has_ended(p->pid) >= 0) {
        rc = weft__sys_kill(p->pid, p->pidfd, p->leads_group, sig);
    }
    weft__unlock(&p->lock);
    return rc;
}

/* A scope has ended the wait for one that is not to outlive it. */
static void end_it(struct weft_process *p, const void *caller)
{
    int rc = -ETIMEDOUT;
    (void)send_signal(p, p->cancel_signal, true);
    WEFT_SHIELD(grace, p->grace_ns)
        rc = await_end(p, caller);
    if (rc == 0) {
        return;
    }
    (void)send_signal(p, SIGKILL, true);
    WEFT_SHIELD(its_end, WEFT_NEVER)
        (void)await_end(p, caller);
}

int weft_process_wait(struct weft_process *p, int *status)
{
    const void *caller = __builtin_return_address(0);
    (void)weft__park_self("weft_process_wait()");
    for (;;) {
        int rc = take_end(p, status);
        if (rc != -EAGAIN) {
            return rc;
        }
        rc = await_end(p, caller);
        if (rc < 0 && p->cancel_signal != 0) {
            end_it(p, caller);
            (void)take_end(p, status);
            rc = weft__park_check_scope(); /* told again: the grace was a scope, too */
        }
        if (rc < 0) {
            return rc;
        }
    }
}

int weft_process_kill(struct weft_process *p, int sig)
{
    return sig < 0 || sig > SIGNAL_MAX ? -EINVAL : send_signal(p, sig, false);
}

pid_t weft_process_pid(const struct weft_process *p)
{
    return p->pid;
}

/* It is killed, or its end is there. */
static void await_and_take_end(struct weft_process *p, const void *caller)
{
    if (weft__park_runtime() == NULL) {
        (void)weft__sys_wait_child(p->pid, true, &p->status);
        return;
    }
    WEFT_SHIELD(its_end, WEFT_NEVER) {
        while (take_end(p, NULL) == -EAGAIN) {
            (void)await_end(p, caller);
        }
    }
}

void weft_process_free(struct weft_process *p)
{
    if (p == NULL) {
        return;
    }
    if (p->pidfd >= 0 && weft__park_is_awaited(p->pidfd)) {
        weft__fatal("weft_process_free: somebody waits for the process");
    }
    if (take_end(p, NULL) == -EAGAIN) {
        (void)weft_process_kill(p, SIGKILL);
        await_and_take_end(p, __builtin_return_address(0));
    }
    if (p->pidfd >= 0) {
        (void)weft__sys_close(p->pidfd);
    }
    weft__free(p);
}
