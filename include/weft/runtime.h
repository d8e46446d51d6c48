/* SPDX-License-Identifier: MIT */
/* runtime.h - starting, entering and stopping a runtime; its configuration. */
#ifndef WEFT_RUNTIME_H
#define WEFT_RUNTIME_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

struct weft_runtime;

enum weft_reactor {
    WEFT_REACTOR_DEFAULT = 0, /* WEFT_REACTOR from the environment, else auto */
    WEFT_REACTOR_AUTO,        /* io_uring where it works, else epoll; elsewhere kqueue */
    WEFT_REACTOR_IO_URING,
    WEFT_REACTOR_EPOLL,
    WEFT_REACTOR_KQUEUE, /* of macOS and FreeBSD; refused where the build has none */
};

enum weft_guard {
    WEFT_GUARD_DEFAULT = 0, /* WEFT_GUARD from the environment, else auto */
    WEFT_GUARD_AUTO,     /* madvise where it works, else mprotect within its budget, else canary */
    WEFT_GUARD_MADVISE,  /* MADV_GUARD_INSTALL, Linux 6.13: splits no mapping */
    WEFT_GUARD_MPROTECT, /* a protected page each, up to 45 % of vm.max_map_count, then canaries */
    WEFT_GUARD_CANARY,   /* a pattern at the low end, checked at every switch out */
};

/* What the start of a coroutine does when there are as many as may be. */
enum weft_at_max {
    WEFT_AT_MAX_DEFAULT = 0, /* WEFT_COROUTINES_AT_MAX from the environment, else refuse */
    WEFT_AT_MAX_REFUSE,      /* it fails with -EAGAIN */
    WEFT_AT_MAX_WAIT,        /* it waits, in its turn, until one ends */
};

/* What a runtime is for: a preset gives other fields their defaults, and they win where they are
 * set.  README.md says what each gains. */
enum weft_preset {
    WEFT_PRESET_DEFAULT = 0, /* WEFT_PRESET from the environment, else balanced */
    WEFT_PRESET_BALANCED,
    WEFT_PRESET_THROUGHPUT, /* little CPU time for each request, above all while CPUs are idle:
                               processors wake each other seldom and sleep at once */
    WEFT_PRESET_LATENCY,    /* short answers, for CPU time: spin_ns is 200 us */
    WEFT_PRESET_CPU,        /* coroutines that compute: spin_ns is 1 ms, and the last coroutine of a
                               processor that does not switch is taken from it at once */
    WEFT_PRESET_PER_CORE,   /* one thread a CPU and no traffic between them: cpus is "each", and
                               no_steal is 1 */
};

#define WEFT_PROCS_MAX 256
#define WEFT_BLOCKING_THREADS_MAX 16384
#define WEFT_STACK_BYTES_MIN ((size_t)16 * 1024)
#define WEFT_STACK_BYTES_MAX ((size_t)1024 * 1024 * 1024)

#define WEFT_STEAL (-1)     /* for no_steal */
#define WEFT_SPIN_NONE (-1) /* for spin_ns */

/*
 * Configuration.  Fill in what you want changed and leave the rest 0; `size` is set by
 * WEFT_CONFIG_INIT or by the macros that take a configuration.  A field that is set wins over the
 * environment variable named beside it, which wins over the default.
 */
struct weft_config {
    size_t size;               /* sizeof(struct weft_config): lets the struct grow */
    int procs;                 /* WEFT_PROCS: processors; default min(affinity, cgroup quota), and
                                   those at work follow it, between 2 and the number at the start
                                   (README.md); a number that is asked for stays */
    enum weft_reactor reactor; /* WEFT_REACTOR: auto, io_uring, epoll */
    enum weft_guard guard;     /* WEFT_GUARD: auto, madvise, mprotect, canary */
    size_t stack_bytes;        /* WEFT_STACK: address space of a stack, guard included; default
                                   262144, rounded up to a power of two; in the environment the
                                   suffixes K and M are understood */
    const char *thread_name;   /* prefix of the names of the runtime's threads, of which up to 11
                                   bytes are kept; default "weft".  "weft-0" runs processor 0,
                                   "weft-spare" none, "weft-out" a coroutine that has given its
                                   processor away (WEFT_BLOCKING), "weft-job" blocking calls; the
                                   process's one thread for reports is "weft-watch" */
    int no_signal_handlers;    /* 1: install no SIGSEGV, SIGBUS and SIGQUIT handlers
                                   (WEFT_SIGNALS=0 does the same) */
    int verbose;               /* WEFT_VERBOSE=1: one line on stderr that says which reactor and
                                   guard were taken, and why; and one when the number of processors
                                   at work changes */
    int no_steal;              /* 1: processors take no work from each other (WEFT_STEAL=0), and a
                                   coroutine stays on the one where it was spawned or placed,
                                   whoever wakes it, also while another computes there;
                                   WEFT_STEAL: they do, whatever the preset says (WEFT_STEAL=1) */
    int stall_report;          /* WEFT_STALL_REPORT=1: a line and a call stack on stderr for each
                                   coroutine that keeps its processor for 10 ms without a call that
                                   can switch; SIGURG is sent to its thread for that, so a system
                                   call of its own may end with EINTR */
    int blocking_max;          /* WEFT_BLOCKING_MAX: threads for weft_blocking() at most, and calls
                                   between weft_blocking_enter() and leave; and such as the kernel
                                   may have for what one thread asks of files; default 512 */
    int64_t blocking_idle_ns;  /* how long such a thread stays idle; default 10 s */
    int coroutines_max;        /* WEFT_COROUTINES_MAX: how many there are at a time, the first one
                                  of weft_run() included; default no limit */
    enum weft_at_max at_max;   /* WEFT_COROUTINES_AT_MAX: refuse, wait */
    enum weft_preset preset;   /* WEFT_PRESET: balanced, throughput, latency, cpu,
                                   per_core */
    const char *cpus;          /* WEFT_CPUS: "0-3,8", a list as `taskset -c` reads it: each
                                   processor has one of these CPUs, in turn, and its thread runs
                                   there alone; "each": the same with all CPUs that the process may
                                   use; "any" (the default): they run where the kernel likes.
                                   There are as many processors as CPUs, if procs is 0 and a
                                   cgroup quota allows.  Threads for blocking calls, and those of
                                   coroutines in WEFT_BLOCKING, may use all CPUs of the process;
                                   a thread or a program that a coroutine starts by itself (but
                                   not the child of a fork()) inherits the one CPU */
    int64_t spin_ns;           /* WEFT_SPIN_US, in microseconds: how long a processor without work
                                   goes on looking for some before its thread sleeps, up to
                                   ten seconds, or WEFT_NEVER (in the environment "always"): it
                                   never sleeps; default WEFT_SPIN_NONE; it costs CPU time, and
                                   saves the tens of microseconds that waking a thread takes */
    int64_t name_ttl_ns;       /* WEFT_NAME_TTL, in seconds, 0 for none: how long an answer of
                                   weft_resolve() is used again; default 10 s, -1: not at all */
    int64_t name_error_ttl_ns; /* WEFT_NAME_ERROR_TTL: the same of an error; default 1 s */
    int ring_entries;          /* WEFT_RING_ENTRIES: of an io_uring submission queue, of which each
                                   processor has one, 16 to 4096 and a power of two; so many go to
                                   the kernel in one call, more than that wait in flight as well;
                                   default 256.  The memory counts against RLIMIT_MEMLOCK */
    int ring_poll_ms;          /* WEFT_RING_POLL_MS: a thread of the kernel looks for submissions,
                                   all rings together, so that they take no system call, and sleeps
                                   after so many milliseconds without; up to 10000; default 0: no
                                   such thread.  It takes a CPU; epoll knows nothing of it */
    int fd_ops_max;            /* WEFT_FD_OPS_MAX: how many calls may wait on one fd at a time; one
                                   more ends with -EBUSY; default no limit */
    int no_submit_wait;        /* 1: an operation goes to the kernel at once, by a system call of
                                   its own (WEFT_SUBMIT_WAIT=0), not together with others when its
                                   processor next waits or looks for events: where coroutines
                                   compute long between two waits; epoll has nothing to submit */
    int64_t wake_batch_ns;     /* WEFT_WAKE_BATCH_US, in microseconds: how long a processor that an
                                   event has woken lets others come before it runs them all, up to
                                   10 ms, but no longer than to its next timer; default 0.  It saves
                                   CPU time where events are many and each needs little; what other
                                   threads hand to the processor meanwhile waits as well */
};

#define WEFT_CONFIG_INIT                                                                           \
    {                                                                                              \
        .size = sizeof(struct weft_config)                                                         \
    }

/**
 * weft_run - start a runtime, run app(arg) as its first coroutine, stop when it returns.
 *
 * @app  the program's first coroutine; its result becomes the result of this call.
 * @arg  handed to app.
 *
 * When app returns, coroutines that are still alive are discarded, as in Go; join those that
 * matter.  If every coroutine is parked and nothing can ever wake one, a report says who waits
 * for what and the process exits with status 2.  The calling thread waits and keeps its signal
 * mask: block a signal before this call if a signalfd is to receive it.
 *
 * Returns    app's value; 125 after one line on stderr if the runtime cannot start (bad
 *            environment, no memory, no threads, called from inside a coroutine).
 * Errors     none as a code.
 * Blocks     the calling thread until app has returned.
 * Threads    a plain thread; 125 in a coroutine.
 */
WEFT_API int weft_run(int (*app)(void *), void *arg);

/**
 * weft_run_config - weft_run() with a configuration.
 *
 * @app     as for weft_run().
 * @arg     handed to app.
 * @config  read before app starts, not kept; NULL for the defaults.
 *
 * Returns    as weft_run(); a bad field in config is one line on stderr and 125.
 * Errors     none as a code.
 * Blocks     the calling thread until app has returned.
 * Threads    a plain thread; 125 in a coroutine.
 */
WEFT_API int weft_run_config(int (*app)(void *), void *arg, const struct weft_config *config);

#ifndef __cplusplus
/* weft_run_with(app, arg, .procs = 2, .reactor = WEFT_REACTOR_EPOLL): fields by name. */
#define weft_run_with(app, arg, ...)                                                               \
    weft_run_config(app, arg,                                                                      \
                    &(struct weft_config){.size = sizeof(struct weft_config), __VA_ARGS__})
#endif

/**
 * weft_runtime_start - create a runtime whose threads wait for work.
 *
 * @out     receives the runtime; the caller owns it and ends it with weft_runtime_stop().
 * @config  read, not kept; NULL for the defaults.
 *
 * Returns    0.
 * Errors     -EINVAL  a bad field or environment variable (one line on stderr names it)
 *            -ENOMEM  no memory or address space
 *            -EAGAIN  no threads
 *            -EMFILE  no file descriptors for the reactor; -ENFILE likewise
 *            -ENOSYS, -EPERM  the reactor that was asked for by name is not available
 * Blocks     the calling thread, for the time of the start.
 * Threads    any thread.
 */
WEFT_API_MUST int weft_runtime_start(struct weft_runtime **out, const struct weft_config *config);

/**
 * weft_runtime_stop - end a runtime: its threads finish what they are running and leave.
 *
 * @rt  the runtime; gone when this returns.
 *
 * Coroutines that are running reach their next blocking call and are discarded there, as are those
 * that are parked or were never started; operations in flight are cancelled, and the kernel has let
 * go of every buffer before a stack is given back.  A coroutine that computes without blocking
 * holds this call up, as does a call of weft_blocking() that has begun; they are named on stderr
 * once a second.
 *
 * Returns    how many coroutines had not ended by themselves; 0 is a clean end.
 * Errors     -EDEADLK  called from one of its own coroutines
 * Blocks     the calling thread until the last runtime thread has left.
 * Threads    any thread, once; -EDEADLK in one of its own coroutines.
 */
WEFT_API int weft_runtime_stop(struct weft_runtime *rt);

/**
 * weft_block_on - run fn(arg) as a coroutine of a runtime and wait for its result.
 *
 * @rt      the runtime.
 * @fn      the coroutine.
 * @arg     handed to fn.
 * @result  receives fn's value when 0 is returned; may be NULL.
 *
 * Returns    0.
 * Errors     -EAGAIN    there are as many coroutines as may be (weft_config.coroutines_max)
 *            -EDEADLK   every coroutine of rt is parked and nothing can wake one; fn stays parked,
 *                       or still has no place
 *            -ENOMEM    no memory for the coroutine
 *            -EXDEV     called from a coroutine
 *            -ESHUTDOWN the runtime is being stopped
 * Blocks     the calling thread.
 * Threads    a plain thread; -EXDEV in a coroutine.
 */
WEFT_API_MUST int weft_block_on(struct weft_runtime *rt, int (*fn)(void *), void *arg, int *result);

/**
 * weft_runtime_go_at - start a coroutine of a runtime from a plain thread; use weft_runtime_go().
 *
 * @rt    the runtime.
 * @fn    the coroutine.
 * @arg   handed to fn.
 * @site  the spawn site for reports; a string that lives for ever.
 *
 * Where rt has a limit and says wait, a coroutine of rt and a plain thread wait until it is their
 * turn; a coroutine of another runtime is refused.
 *
 * Returns    0.
 * Errors     -EAGAIN    there are as many coroutines as may be (weft_config.coroutines_max)
 *            -EDEADLK   on a plain thread that waits: nothing can end one of them
 *            -ENOMEM    no memory for the descriptor
 *            -ESHUTDOWN the runtime is being stopped
 *            -ETIMEDOUT, -ECANCELED  a surrounding scope of a coroutine that waits has ended
 * Blocks     the coroutine, or the plain thread, at a limit that says wait; else never.
 * Threads    any thread, coroutines of this and of other runtimes included.
 */
WEFT_API int weft_runtime_go_at(struct weft_runtime *rt, void (*fn)(void *), void *arg,
                                const char *site);
#define weft_runtime_go(rt, fn, arg) weft_runtime_go_at(rt, fn, arg, WEFT_SITE)

/**
 * weft_runtime_current - the runtime of the coroutine that calls.
 *
 * Returns    the runtime, or NULL on a plain thread.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere, also in a signal handler.
 */
WEFT_API struct weft_runtime *weft_runtime_current(void);

/**
 * weft_runtime_procs - how many processors (P) a runtime has.
 *
 * @rt  the runtime; NULL for the caller's.
 *
 * The number does not change; how many of them run coroutines now is in weft_runtime_stats().
 *
 * Returns    the number, at least 1; 0 if rt is NULL and the caller is a plain thread.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere, also in a signal handler.
 */
WEFT_API int weft_runtime_procs(const struct weft_runtime *rt);

WEFT_END_DECLS
#endif
