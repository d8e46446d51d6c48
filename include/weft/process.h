/* SPDX-License-Identifier: MIT */
/*
 * process.h - child processes: start one, talk to it, wait for its end, end it.
 *
 *     int out, status;
 *     struct weft_process *child;
 *     char *argv[] = {"sort", "-u", "names", NULL};
 *     rc = weft_spawn_with(&child, argv, .out = weft_stdio_pipe(&out));
 *     while ((n = weft_read(out, buf, sizeof buf)) > 0)
 *         ...
 *     weft_close(out);
 *     rc = weft_process_wait(child, &status);
 *     if (rc == 0 && weft_status_code(status) != 0)
 *         ...
 *     weft_process_free(child);
 *
 * Every child is freed, and no zombie is left: a child that still runs then is killed.  What the
 * runtime has open is close-on-exec, and so is all that Weft opens; what the program has opened
 * without O_CLOEXEC the child inherits, as ever.  In the child no signal is blocked, and all have
 * their defaults, also those that this process ignores.
 *
 * A program that ignores SIGCHLD, or waits for any child (wait(2)), takes the ends of these
 * children, too: then weft_process_wait() gives -ECHILD.
 */
#ifndef WEFT_PROCESS_H
#define WEFT_PROCESS_H

#include <signal.h>
#include <sys/wait.h>
#include <weft/base.h>

WEFT_BEGIN_DECLS

struct weft_process;

/* Where a standard stream of the child goes; zeroed: where this process's own goes. */
struct weft_stdio {
    int kind;
    int fd;
    int *end;
};

enum weft_stdio_kind {
    WEFT_STDIO_INHERIT = 0,
    WEFT_STDIO_NULL,
    WEFT_STDIO_FD,
    WEFT_STDIO_PIPE,
    WEFT_STDIO_OUT,
};

static inline struct weft_stdio weft__stdio(int kind, int fd, int *end)
{
    struct weft_stdio s;
    s.kind = kind;
    s.fd = fd;
    s.end = end;
    return s;
}

/* /dev/null. */
static inline struct weft_stdio weft_stdio_null(void)
{
    return weft__stdio(WEFT_STDIO_NULL, -1, NULL);
}

/* An fd of this process, which keeps it. */
static inline struct weft_stdio weft_stdio_fd(int fd)
{
    return weft__stdio(WEFT_STDIO_FD, fd, NULL);
}

/* A new pipe, whose other end *end receives: close-on-exec, O_NONBLOCK, and the caller's to be
 * closed by weft_close() or close(). */
static inline struct weft_stdio weft_stdio_pipe(int *end)
{
    return weft__stdio(WEFT_STDIO_PIPE, -1, end);
}

/* For `err`: where `out` goes. */
static inline struct weft_stdio weft_stdio_out(void)
{
    return weft__stdio(WEFT_STDIO_OUT, -1, NULL);
}

/* Options of weft_spawn(); what is left 0 takes its default. */
struct weft_spawn_opts {
    size_t size;               /* sizeof(struct weft_spawn_opts), set by the macro */
    struct weft_stdio in;      /* default: this process's own, as of the next two */
    struct weft_stdio out;
    struct weft_stdio err;
    char *const *env;          /* "NAME=value", ..., NULL; default: this process's */
    const char *dir;           /* where it works; default: where this process does */
    int leads_group;           /* 1: it leads a process group of its own, and what is sent to it
                                  by this object goes to all of that */
    int cancel_signal;         /* a scope that ends a weft_process_wait() sends this; default 0:
                                  it ends the wait alone, and the child goes on */
    int64_t cancel_grace_ns;   /* then, how long until SIGKILL; default 5 s */
};

/**
 * weft_spawn - start a child process; use weft_spawn_with() for options.
 *
 * @process  receives it, to be given to weft_process_free().
 * @argv     the words of the command, then NULL.  argv[0] is looked for in this process's PATH
 *           unless it has a slash.
 * @opts     NULL for the defaults.
 *
 * Of what fails in the child on its way to the program, the error comes from here.  A child with a
 * directory of its own looks there for an argv[0] with a slash.
 *
 * Returns    0; the program has begun.
 * Errors     -ENOENT, -EACCES, -ENOEXEC, -ENOTDIR, -E2BIG, -ELOOP, ...  what exec(2) and chdir(2)
 *                        say of it
 *            -EBADF      an fd that a stream is to go to is not open
 *            -EINVAL     no word, or a kind of stream that does not exist, or a bad signal
 *            -EAGAIN     no more processes, or threads
 *            -EMFILE, -ENFILE  no descriptors are left
 *            -ENOMEM     no memory
 *            -ETIMEDOUT  the deadline of a surrounding scope passed first; nothing was started
 *            -ECANCELED  a surrounding scope was cancelled; nothing was started
 * Blocks     the coroutine, never the thread: it works on a thread for blocking calls.  Once that
 *            has begun, no scope ends it.  On a plain thread, the thread.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_spawn(struct weft_process **process, char *const argv[],
                             const struct weft_spawn_opts *opts);

/**
 * weft_process_wait - wait until a child has ended.
 *
 * @process  the child; several may wait for it, and again when it has ended.
 * @status   receives how it ended, as waitpid(2) says it; may be NULL.
 *
 * If a scope ends the wait and the child has a `cancel_signal`, it gets that, and SIGKILL after
 * `cancel_grace_ns` if it is still there; one that leads a group takes the rest of it along with
 * SIGKILL when it has ended.  The call then returns after the child's end, with its status and the
 * error of the scope.
 *
 * Returns    0.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first
 *            -ECANCELED  a surrounding scope was cancelled
 *            -ECHILD     it has ended, and its status was taken by others
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine.
 */
WEFT_API_MUST int weft_process_wait(struct weft_process *process, int *status);

/**
 * weft_process_kill - send a child a signal.
 *
 * @process  the child; if it leads a group, all of that gets the signal.
 * @sig      the signal; 0 asks only whether there is somebody.
 *
 * Returns    0; also if it has ended and nobody has waited for it yet.
 * Errors     -ESRCH   it has ended, and that is known
 *            -EPERM   it has become another user's
 *            -EINVAL  no such signal
 * Blocks     never.
 * Threads    any thread.
 */
WEFT_API int weft_process_kill(struct weft_process *process, int sig);

/**
 * weft_process_pid - the number of a child.
 *
 * @process  the child.
 *
 * Returns    its process id, > 0; it may be somebody else's after a weft_process_wait().
 * Errors     none
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API pid_t weft_process_pid(const struct weft_process *process);

/**
 * weft_process_free - be done with a child; if it has not ended, it is killed with SIGKILL first.
 *
 * @process  the child; NULL is allowed.  Fatal if somebody waits for it.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     the coroutine, until the child has ended; no scope ends it.  On a plain thread, the
 *            thread.
 * Threads    any thread.
 */
WEFT_API void weft_process_free(struct weft_process *process);

/* The exit code of a child that has ended by itself, 0 to 255; -1: a signal ended it. */
static inline int weft_status_code(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The signal that ended a child; 0: it has ended by itself. */
static inline int weft_status_signal(int status)
{
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

#ifndef __cplusplus
/* weft_spawn_with(&child, argv, .out = weft_stdio_pipe(&fd), .dir = "/tmp") */
#define weft_spawn_with(process, argv, ...)                                                        \
    weft_spawn(process, argv,                                                                      \
               &(struct weft_spawn_opts){.size = sizeof(struct weft_spawn_opts), __VA_ARGS__})
#endif

WEFT_END_DECLS
#endif
