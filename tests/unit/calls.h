/* SPDX-License-Identifier: MIT */
/*
 * calls.h - every public call, made once, and what comes of it in a coroutine, on a plain thread
 * and in the child of a fork: the rows of the table that tests/unit/calls.c walks.
 *
 *     ROW(name, who, in a coroutine, on a plain thread, in the child of a fork, the call)
 *
 * `who` stands for the first words of the call's field `Threads`; tests/build/calls.sh compares
 * names and words with the headers, so that no call is forgotten.  A name may go on after a space.
 * Some subjects have their rows in a file of their own, calls_*.h.
 * The call is an expression that gives a number; it finds what it needs in *t.
 */
#ifndef WEFT_TESTS_CALLS_H
#define WEFT_TESTS_CALLS_H

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "co_test.h"

/* The process ends with one line: of a call that is made outside a coroutine it begins with a name
 * that the call's own begins with; in the child of a fork it says that. */
#define FATAL INT64_MIN
/* What the call needs is not there without a runtime. */
#define NOT_THERE (INT64_MIN + 1)
#define WITH(object, call) ((object) != NULL ? (int64_t)(call) : NOT_THERE)

enum who {
    EVERYWHERE,
    SIGNALS, /* everywhere, also in a signal handler */
    ANY_THREAD,
    COROUTINE,
    PLAIN_THREAD,
};

/* What calls are made with; made by a coroutine if there is a runtime. */
struct things {
    struct weft_runtime *rt; /* NULL: there is none */
    chan *chan;              /* shared, a signal in it, and room */
    chan *awaited;           /* shared, has room; a coroutine waits there */
    struct weft_mutex *mutex;
    struct weft_wait_group *wg;
    struct weft_once once;
    struct weft_group group; /* no children */
    struct weft_ticker *ticker;
    struct weft_oneshot *oneshot; /* sent */
    struct weft_broadcast *broadcast;
    struct weft_subscriber *subscriber; /* a signal is kept for it */
    struct weft_watch *watch;
    struct weft_co *ended, *sleeper, *reader; /* NULL: there never was a runtime */
    struct weft_scope *_Atomic scope; /* in which the sleeper waits; NULL: there is no runtime */
    struct weft_addr addr;           /* where nobody listens */
    pid_t pid; /* of the process that made all this */
    int pipe[2];                     /* something to be read, and room */
    int file;                        /* without a name */
};

struct row {
    const char *name;
    enum who who;
    int64_t in_coroutine, on_thread, in_child;
    int64_t (*call)(struct things *t);
    struct row *next;
};

static struct row *first_row, **last_row = &first_row;

#define ROW_JOIN_(a, b) a##b
#define ROW_JOIN(a, b) ROW_JOIN_(a, b)
#define ROW(...) ROW_OF(__COUNTER__, __VA_ARGS__)
#define ROW_OF(n, ...) ROW_AT(ROW_JOIN(call_, n), ROW_JOIN(row_, n), __VA_ARGS__)
#define ROW_AT(call_id, row_id, name, who, in_coroutine, on_thread, in_child, number)              \
    static int64_t call_id(struct things *t)                                                       \
    {                                                                                              \
        (void)t;                                                                                   \
        return (int64_t)(number);                                                                  \
    }                                                                                              \
    static struct row row_id = {name, who, in_coroutine, on_thread, in_child, call_id, NULL};      \
    __attribute__((constructor)) static void ROW_JOIN(add_, row_id)(void)                          \
    {                                                                                              \
        *last_row = &row_id;                                                                       \
        last_row = &row_id.next;                                                                   \
    }

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void do_plainly_nothing(void *arg)
{
    (void)arg;
}

static int64_t start_and_stop(void)
{
    struct weft_runtime *rt;
    int rc = weft_runtime_start(&rt, NULL);

    return rc != 0 ? rc : weft_runtime_stop(rt);
}

/* The caller's, if it is a coroutine; else one that is there, or was started for this. */
static int64_t stop(struct things *t)
{
    if (weft_runtime_current() == NULL && t->rt == NULL)
        return start_and_stop();
    int n_left = weft_runtime_stop(weft_in_coroutine() ? weft_runtime_current() : t->rt);
    return n_left > 0 ? 0 : n_left;
}

static int64_t go_and_join(void)
{
    const struct weft_go_opts opts = {.size = sizeof opts};
    struct weft_co *co = weft_go_opts(do_nothing, NULL, &opts);

    return co == NULL ? -ENOMEM : weft_join(co, NULL);
}

static int64_t go_and_join_handle(void)
{
    struct weft_co *co = weft_go_handle_at(do_nothing, NULL, WEFT_SITE, NULL);

    return co == NULL ? -ENOMEM : weft_join(co, NULL);
}

static int64_t end_scope(bool asks_for_the_cause)
{
    struct weft_scope s;

    memset(&s, 0, sizeof s);
    if (weft_in_coroutine())
        weft_scope_begin(&s, WEFT_NEVER);
    int64_t cause = asks_for_the_cause ? (int64_t)weft_scope_cause(&s) : 0;
    return cause + weft_scope_end(&s);
}

#define IN_SCOPE(begin)                                                                            \
    ({                                                                                             \
        struct weft_scope s;                                                                       \
        begin;                                                                                     \
        weft_scope_end(&s);                                                                        \
    })

#define IN_GROUP(call)                                                                             \
    ({                                                                                             \
        struct weft_group g;                                                                       \
        weft_group_begin(&g, &(struct weft_group_opts){.size = sizeof(struct weft_group_opts),     \
                                                       .keep_ends = 1});                           \
        int64_t rc = (int64_t)(call);                                                              \
        (void)weft_group_end(&g);                                                                  \
        rc;                                                                                        \
    })

/* 0 if a constructor has made something. */
#define MADE(object) ((object) != NULL ? 0 : -1)
#define DONE(call) ((call), 0)
/* An fd, or an error. */
#define OPENED(fd) ({ int rc = (fd); rc >= 0 ? 0 : rc; })

static int64_t read_and_unlock(void)
{
    struct weft_rwlock *rw = weft_rwlock_make();
    int rc = weft_rwlock_read_lock(rw);

    weft_rwlock_read_unlock(rw);
    return rc;
}

static int64_t write_and_unlock(void)
{
    struct weft_rwlock *rw = weft_rwlock_make();
    int rc = weft_rwlock_write_lock(rw);

    weft_rwlock_write_unlock(rw);
    return rc;
}

static int64_t set_and_wait(void)
{
    struct weft_event *e = weft_event_make();

    weft_event_set(e);
    return weft_event_wait(e);
}

static int64_t wake_and_wait(void)
{
    struct weft_waker *w = weft_waker_make();

    weft_waker_wake(w);
    return weft_waker_wait(w);
}

static void *allocate(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

static void release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

/* It is too late where anything has been made. */
static int64_t set_allocator(void)
{
    static const struct weft_allocator a = {
        .size = sizeof a, .allocate = allocate, .release = release};
    int rc = weft_set_allocator(&a);

    return rc == -EBUSY ? 0 : rc;
}

static atomic_bool has_been_signalled;

static void *signal_until_seen(void *cond)
{
    while (!atomic_load(&has_been_signalled)) {
        weft_cond_signal(cond);
        usleep(100);
    }
    return NULL;
}

/* In the child of a fork nobody signals: the wait is refused before. */
static int64_t wait_and_be_signalled(struct things *t)
{
    const bool is_child = getpid() != t->pid;
    struct weft_cond *c = weft_cond_make();
    pthread_t th;
    int rc = weft_mutex_lock(t->mutex);

    if (rc != 0 || (!is_child && pthread_create(&th, NULL, signal_until_seen, c) != 0))
        return -1;
    rc = weft_cond_wait(c, t->mutex);
    atomic_store(&has_been_signalled, true);
    if (!is_child)
        pthread_join(th, NULL);
    weft_mutex_unlock(t->mutex);
    return rc;
}

static struct weft_key a_key;

static int64_t defer_in_a_block(void)
{
    struct weft_defer d;

    weft_defer_begin(&d, do_plainly_nothing, NULL);
    weft_defer_end(&d);
    return 0;
}

static int exit_at_once(void *arg)
{
    (void)arg;
    weft_exit(0);
}

static int64_t exit_and_join(void)
{
    if (!weft_in_coroutine())
        weft_exit(0);
    struct weft_co *co = weft_go_with(exit_at_once, NULL);
    return co == NULL ? -ENOMEM : weft_join(co, NULL);
}

static int64_t enter_and_leave(void)
{
    weft_blocking_enter();
    weft_blocking_leave();
    return 0;
}

/* A reader over what is in the pipe, and a writer into it: `call` gives the result. */
#define READING(call)                                                                              \
    ({                                                                                             \
        char buf[16], out[16] __attribute__((unused));                                             \
        struct weft_line line __attribute__((unused));                                             \
        struct weft_reader r;                                                                      \
        weft_reader_init(&r, weft_stream_of_fd(t->pipe[0]), buf, sizeof buf);                      \
        (int64_t)(call);                                                                           \
    })

#define WRITING(call)                                                                              \
    ({                                                                                             \
        char buf[4];                                                                               \
        struct weft_writer w;                                                                      \
        weft_writer_init(&w, weft_stream_of_fd(t->pipe[1]), buf, sizeof buf);                      \
        (int64_t)(call);                                                                           \
    })

static ssize_t write_formatted(struct weft_writer *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    ssize_t n = weft_writer_vprintf(w, format, args);
    va_end(args);
    return n;
}

/* ---- what is there without a runtime ---- */

ROW("weft_strerror", SIGNALS, 0, 0, 0, strcmp(weft_strerror(0), "success"))
ROW("weft_version", SIGNALS, 0, 0, 0, MADE(weft_version()))
ROW("weft_now", SIGNALS, 1, 1, 1, weft_now() > 0)
ROW("weft_deadline_in", SIGNALS, 1, 1, 1, weft_deadline_in(0) > 0)
ROW("weft_in_coroutine", SIGNALS, 1, 0, 0, weft_in_coroutine())
ROW("weft_id", SIGNALS, 1, 0, 0, weft_id() != 0)
ROW("weft_self", SIGNALS, 1, 0, 0, weft_self() != NULL)
ROW("weft_name", EVERYWHERE, 6, 0, 0, strlen(weft_name()))
ROW("weft_thread_index", SIGNALS, 1, 0, 0, weft_thread_index() >= 0)
ROW("weft_own_fp", EVERYWHERE, 0, 0, 0, DONE(weft_own_fp()))
ROW("weft_runtime_current", SIGNALS, 1, 0, 0, weft_runtime_current() != NULL)
ROW("weft_runtime_procs", SIGNALS, 1, 0, 0, weft_runtime_procs(NULL) > 0)
ROW("weft_runtime_stats", EVERYWHERE, 0, -EINVAL, -EINVAL,
    weft_runtime_stats(NULL, &(struct weft_stats){.size = sizeof(struct weft_stats)}))
ROW("weft_runtime_stats of-one", EVERYWHERE, 0, 0, 0,
    WITH(t->rt, weft_runtime_stats(t->rt, &(struct weft_stats){.size = sizeof(struct weft_stats)})))
ROW("weft_runtime_describe", EVERYWHERE, 0, -EINVAL, -EINVAL,
    weft_runtime_describe(NULL, (char[64]){""}, 64))
ROW("weft_runtime_reactor", EVERYWHERE, 1, 0, 0, weft_runtime_reactor(NULL)[0] != 0)
ROW("weft_runtime_guard", EVERYWHERE, 1, 0, 0, weft_runtime_guard(NULL)[0] != 0)
ROW("weft_scope_status", EVERYWHERE, 0, 0, 0, weft_scope_status())
ROW("weft_scope_remaining", EVERYWHERE, 1, 1, 1, weft_scope_remaining() == WEFT_NEVER)
ROW("weft_addr_parse", EVERYWHERE, 0, 0, 0, weft_addr_parse(&(struct weft_addr){0}, ":80"))
ROW("weft_addr_format", EVERYWHERE, 0, 0, 0,
    MADE(weft_addr_format(&t->addr, (char[WEFT_ADDR_TEXT_MAX]){""}, WEFT_ADDR_TEXT_MAX)))
ROW("weft_addr_port", EVERYWHERE, 0, 0, 0, weft_addr_port(&t->addr))
ROW("weft_shutdown", EVERYWHERE, -EBADF, -EBADF, -EBADF, weft_shutdown(-1, SHUT_RD))
ROW("weft_local_addr", EVERYWHERE, -EBADF, -EBADF, -EBADF, weft_local_addr(-1, &t->addr))
ROW("weft_peer_addr", EVERYWHERE, -EBADF, -EBADF, -EBADF, weft_peer_addr(-1, &t->addr))
ROW("weft_set_nodelay", EVERYWHERE, -EBADF, -EBADF, -EBADF, weft_set_nodelay(-1, true))
ROW("weft_set_keepalive", EVERYWHERE, -EBADF, -EBADF, -EBADF, weft_set_keepalive(-1, 1, 1, 1))
ROW("weft_set_buffers", EVERYWHERE, -EBADF, -EBADF, -EBADF, weft_set_buffers(-1, 1, 1))

/* ---- runtimes and coroutines ---- */

ROW("weft_run", PLAIN_THREAD, 125, 0, FATAL, weft_run(do_nothing, NULL))
ROW("weft_run_config", PLAIN_THREAD, 125, 0, FATAL, weft_run_config(do_nothing, NULL, NULL))
ROW("weft_runtime_start", ANY_THREAD, 0, 0, FATAL, start_and_stop())
ROW("weft_runtime_stop", ANY_THREAD, -EDEADLK, 0, FATAL, stop(t))
ROW("weft_block_on", PLAIN_THREAD, -EXDEV, 0, FATAL,
    WITH(t->rt, weft_block_on(t->rt, do_nothing, NULL, NULL)))
ROW("weft_runtime_go_at", ANY_THREAD, 0, 0, FATAL,
    WITH(t->rt, weft_runtime_go_at(t->rt, do_plainly_nothing, NULL, WEFT_SITE)))
ROW("weft_go_at", COROUTINE, 0, FATAL, FATAL, weft_go_at(do_plainly_nothing, NULL, WEFT_SITE))
ROW("weft_go_opts", COROUTINE, 0, FATAL, FATAL, go_and_join())
ROW("weft_go_handle_at", COROUTINE, 0, FATAL, FATAL, go_and_join_handle())
ROW("weft_yield", COROUTINE, 0, FATAL, FATAL, DONE(weft_yield()))
ROW("weft_set_name", COROUTINE, 0, -EPERM, -EPERM, weft_set_name("x"))
ROW("weft_join", ANY_THREAD, 0, 0, 0, WITH(t->ended, weft_join(t->ended, NULL)))
ROW("weft_detach", ANY_THREAD, 0, 0, 0, WITH(t->ended, DONE(weft_detach(t->ended))))
ROW("weft_done", ANY_THREAD, 1, 1, 1, WITH(t->ended, weft_done(t->ended)))
ROW("weft_cancel", ANY_THREAD, 0, 0, 0, WITH(t->ended, DONE(weft_cancel(t->ended))))
ROW("weft_cancel of-one-who-waits", ANY_THREAD, 0, 0, FATAL,
    WITH(t->sleeper, DONE(weft_cancel(t->sleeper))))
ROW("weft_cancel of-one-who-reads", ANY_THREAD, 0, 0, FATAL,
    WITH(t->reader, DONE(weft_cancel(t->reader))))
ROW("weft_set_allocator", EVERYWHERE, 0, 0, 0, set_allocator())
ROW("weft_trim", ANY_THREAD, 1, -EINVAL, -EINVAL, weft_trim(NULL) >= 0 ? 1 : weft_trim(NULL))
ROW("weft_trim of-one", ANY_THREAD, 1, 1, FATAL, WITH(t->rt, weft_trim(t->rt) >= 0))
ROW("weft_dump", ANY_THREAD, 1, 1, 1, weft_dump(t->pipe[1]) >= 0)

/* ---- scopes and groups ---- */

ROW("weft_scope_begin", COROUTINE, 0, FATAL, FATAL, IN_SCOPE(weft_scope_begin(&s, 0)))
ROW("weft_scope_begin_until", COROUTINE, 0, FATAL, FATAL, IN_SCOPE(weft_scope_begin_until(&s, 0)))
ROW("weft_scope_begin_shield", COROUTINE, 0, FATAL, FATAL, IN_SCOPE(weft_scope_begin_shield(&s, 0)))
ROW("weft_scope_end", COROUTINE, 0, FATAL, FATAL, end_scope(false))
ROW("weft_scope_cause", COROUTINE, 0, FATAL, FATAL, end_scope(true))
ROW("weft_scope_cancel", ANY_THREAD, 0, 0, FATAL, WITH(t->scope, DONE(weft_scope_cancel(t->scope))))
ROW("weft_group_begin", ANY_THREAD, 0, 0, 0, IN_GROUP(0))
ROW("weft_group_end", ANY_THREAD, 0, 0, 0, weft_group_end(&t->group))
ROW("weft_group_wait", ANY_THREAD, 0, 0, 0, weft_group_wait(&t->group))
ROW("weft_group_next", ANY_THREAD, -ECHILD, -ECHILD, -ECHILD, IN_GROUP(weft_group_next(&g, NULL)))
ROW("weft_group_cancel", ANY_THREAD, 0, 0, 0, DONE(weft_group_cancel(&t->group)))
ROW("weft_group_count", ANY_THREAD, 0, 0, 0, weft_group_count(&t->group))
ROW("weft_group_go_opts", COROUTINE, 0, FATAL, FATAL, IN_GROUP(weft_group_go(&g, do_nothing, NULL)))

/* ---- channels of every shape ---- */

ROW("weft_chan_make", ANY_THREAD, 0, 0, 0, MADE(weft_chan_make(1, 1)))
ROW("weft_chan_make_shared", ANY_THREAD, 0, 0, 0, MADE(weft_chan_make_shared(1, 1)))
ROW("weft_chan_ref", ANY_THREAD, 0, 0, 0, MADE(weft_chan_ref(t->chan)))
ROW("weft_chan_unref", ANY_THREAD, 0, 0, 0, DONE(weft_chan_unref(t->chan)))
ROW("weft_chan_send", ANY_THREAD, 0, 0, 0, weft_chan_send(t->chan, NULL))
ROW("weft_chan_recv", ANY_THREAD, 0, 0, 0, weft_chan_recv(t->chan, NULL))
ROW("weft_chan_try_send", ANY_THREAD, 0, 0, 0, weft_chan_try_send(t->chan, NULL))
ROW("weft_chan_try_send to-one-who-waits", ANY_THREAD, 0, 0, FATAL,
    WITH(t->awaited, weft_chan_try_send(t->awaited, NULL)))
ROW("weft_chan_try_recv", ANY_THREAD, 0, 0, 0, weft_chan_try_recv(t->chan, NULL))
ROW("weft_chan_send_foreign", PLAIN_THREAD, -EXDEV, 0, 0, weft_chan_send_foreign(t->chan, NULL, 0))
ROW("weft_chan_recv_foreign", PLAIN_THREAD, -EXDEV, 0, 0, weft_chan_recv_foreign(t->chan, NULL, 0))
ROW("weft_chan_recv_foreign waits", PLAIN_THREAD, -EXDEV, -ETIMEDOUT, FATAL,
    weft_chan_recv_foreign(weft_chan_make_shared(0, 0), NULL, WEFT_MS))
ROW("weft_chan_close", ANY_THREAD, 0, 0, 0, weft_chan_close(t->chan))
ROW("weft_chan_len", ANY_THREAD, 1, 1, 1, weft_chan_len(t->chan))
ROW("weft_chan_cap", EVERYWHERE, 4, 4, 4, weft_chan_cap(t->chan))
ROW("weft_chan_is_closed", ANY_THREAD, 0, 0, 0, weft_chan_is_closed(t->chan))
ROW("weft_oneshot_make", ANY_THREAD, 0, 0, 0, MADE(weft_oneshot_make(0)))
ROW("weft_oneshot_send", ANY_THREAD, -EALREADY, -EALREADY, -EALREADY,
    weft_oneshot_send(t->oneshot, NULL))
ROW("weft_oneshot_recv", ANY_THREAD, 0, 0, 0, weft_oneshot_recv(t->oneshot, NULL))
ROW("weft_oneshot_try_recv", ANY_THREAD, 0, 0, 0, weft_oneshot_try_recv(t->oneshot, NULL))
ROW("weft_oneshot_close_send", ANY_THREAD, 0, 0, 0, DONE(weft_oneshot_close_send(t->oneshot)))
ROW("weft_oneshot_close_recv", ANY_THREAD, 0, 0, 0, DONE(weft_oneshot_close_recv(t->oneshot)))
ROW("weft_broadcast_make", ANY_THREAD, 0, 0, 0, MADE(weft_broadcast_make(0, 1)))
ROW("weft_broadcast_ref", ANY_THREAD, 0, 0, 0, MADE(weft_broadcast_ref(t->broadcast)))
ROW("weft_broadcast_unref", ANY_THREAD, 0, 0, 0, DONE(weft_broadcast_unref(t->broadcast)))
ROW("weft_broadcast_send", ANY_THREAD, 1, 1, 1, weft_broadcast_send(t->broadcast, NULL))
ROW("weft_broadcast_close", ANY_THREAD, 0, 0, 0, weft_broadcast_close(t->broadcast))
ROW("weft_broadcast_subscribe", ANY_THREAD, 0, 0, 0, MADE(weft_broadcast_subscribe(t->broadcast)))
ROW("weft_broadcast_unsubscribe", ANY_THREAD, 0, 0, 0,
    DONE(weft_broadcast_unsubscribe(t->subscriber)))
ROW("weft_subscriber_recv", ANY_THREAD, 0, 0, 0, weft_subscriber_recv(t->subscriber, NULL))
ROW("weft_subscriber_try_recv", ANY_THREAD, 0, 0, 0, weft_subscriber_try_recv(t->subscriber, NULL))
ROW("weft_watch_make", ANY_THREAD, 0, 0, 0, MADE(weft_watch_make(0, NULL)))
ROW("weft_watch_ref", ANY_THREAD, 0, 0, 0, MADE(weft_watch_ref(t->watch)))
ROW("weft_watch_unref", ANY_THREAD, 0, 0, 0, DONE(weft_watch_unref(t->watch)))
ROW("weft_watch_set", ANY_THREAD, 0, 0, 0, weft_watch_set(t->watch, NULL))
ROW("weft_watch_get", ANY_THREAD, 0, 0, 0, DONE(weft_watch_get(t->watch, NULL, NULL)))
ROW("weft_watch_wait", ANY_THREAD, 0, 0, 0, weft_watch_wait(t->watch, NULL, (uint64_t[]){0}))
ROW("weft_watch_close", ANY_THREAD, 0, 0, 0, weft_watch_close(t->watch))
ROW("weft_select", COROUTINE, 0, FATAL, FATAL,
    weft_select((struct weft_case[]){weft_case_recv(t->chan, NULL)}, 1))

/* ---- synchronisers and time ---- */

ROW("weft_mutex_make", ANY_THREAD, 0, 0, 0, MADE(weft_mutex_make()))
ROW("weft_mutex_free", ANY_THREAD, 0, 0, 0, DONE(weft_mutex_free(t->mutex)))
ROW("weft_mutex_lock", ANY_THREAD, 0, 0, 0, weft_mutex_lock(t->mutex))
ROW("weft_mutex_try_lock", ANY_THREAD, 0, 0, 0, weft_mutex_try_lock(t->mutex))
ROW("weft_mutex_unlock", ANY_THREAD, 0, 0, 0,
    weft_mutex_lock(t->mutex) != 0 ? -1 : DONE(weft_mutex_unlock(t->mutex)))
ROW("weft_rwlock_make", ANY_THREAD, 0, 0, 0, MADE(weft_rwlock_make()))
ROW("weft_rwlock_free", ANY_THREAD, 0, 0, 0, DONE(weft_rwlock_free(weft_rwlock_make())))
ROW("weft_rwlock_read_lock", ANY_THREAD, 0, 0, 0, weft_rwlock_read_lock(weft_rwlock_make()))
ROW("weft_rwlock_read_try_lock", ANY_THREAD, 0, 0, 0,
    weft_rwlock_read_try_lock(weft_rwlock_make()))
ROW("weft_rwlock_read_unlock", ANY_THREAD, 0, 0, 0, read_and_unlock())
ROW("weft_rwlock_write_lock", ANY_THREAD, 0, 0, 0, weft_rwlock_write_lock(weft_rwlock_make()))
ROW("weft_rwlock_write_try_lock", ANY_THREAD, 0, 0, 0,
    weft_rwlock_write_try_lock(weft_rwlock_make()))
ROW("weft_rwlock_write_unlock", ANY_THREAD, 0, 0, 0, write_and_unlock())
ROW("weft_cond_make", ANY_THREAD, 0, 0, 0, MADE(weft_cond_make()))
ROW("weft_cond_free", ANY_THREAD, 0, 0, 0, DONE(weft_cond_free(weft_cond_make())))
ROW("weft_cond_signal", ANY_THREAD, 0, 0, 0, DONE(weft_cond_signal(weft_cond_make())))
ROW("weft_cond_broadcast", ANY_THREAD, 0, 0, 0, DONE(weft_cond_broadcast(weft_cond_make())))
ROW("weft_cond_wait", ANY_THREAD, 0, 0, FATAL, wait_and_be_signalled(t))
ROW("weft_sem_make", ANY_THREAD, 0, 0, 0, MADE(weft_sem_make(1)))
ROW("weft_sem_free", ANY_THREAD, 0, 0, 0, DONE(weft_sem_free(weft_sem_make(1))))
ROW("weft_sem_acquire", ANY_THREAD, 0, 0, 0, weft_sem_acquire(weft_sem_make(1), 1))
ROW("weft_sem_try_acquire", ANY_THREAD, 0, 0, 0, weft_sem_try_acquire(weft_sem_make(1), 1))
ROW("weft_sem_release", ANY_THREAD, 0, 0, 0, DONE(weft_sem_release(weft_sem_make(1), 1)))
ROW("weft_barrier_make", ANY_THREAD, 0, 0, 0, MADE(weft_barrier_make(1)))
ROW("weft_barrier_free", ANY_THREAD, 0, 0, 0, DONE(weft_barrier_free(weft_barrier_make(1))))
ROW("weft_barrier_wait", ANY_THREAD, 1, 1, 1, weft_barrier_wait(weft_barrier_make(1)))
ROW("weft_event_make", ANY_THREAD, 0, 0, 0, MADE(weft_event_make()))
ROW("weft_event_free", ANY_THREAD, 0, 0, 0, DONE(weft_event_free(weft_event_make())))
ROW("weft_event_set", ANY_THREAD, 0, 0, 0, DONE(weft_event_set(weft_event_make())))
ROW("weft_event_reset", ANY_THREAD, 0, 0, 0, DONE(weft_event_reset(weft_event_make())))
ROW("weft_event_is_set", ANY_THREAD, 0, 0, 0, weft_event_is_set(weft_event_make()))
ROW("weft_event_wait", ANY_THREAD, 0, 0, 0, set_and_wait())
ROW("weft_wg_make", ANY_THREAD, 0, 0, 0, MADE(weft_wg_make()))
ROW("weft_wg_free", ANY_THREAD, 0, 0, 0, DONE(weft_wg_free(t->wg)))
ROW("weft_wg_add", ANY_THREAD, 0, 0, 0, DONE(weft_wg_add(t->wg, 1)))
ROW("weft_wg_done", ANY_THREAD, 0, 0, 0, DONE((weft_wg_add(t->wg, 1), weft_wg_done(t->wg))))
ROW("weft_wg_wait", ANY_THREAD, 0, 0, 0, weft_wg_wait(t->wg))
ROW("weft_once_do", ANY_THREAD, 0, 0, 0, DONE(weft_once_do(&t->once, do_plainly_nothing, NULL)))
ROW("weft_sleep", COROUTINE, 0, FATAL, FATAL, weft_sleep(WEFT_US))
ROW("weft_sleep_until", COROUTINE, 0, FATAL, FATAL, weft_sleep_until(0))
ROW("weft_ticker_make", ANY_THREAD, 0, 0, 0, MADE(weft_ticker_make(1, WEFT_TICK_BURST)))
ROW("weft_ticker_wait", COROUTINE, 1, FATAL, FATAL, weft_ticker_wait(t->ticker))
ROW("weft_ticker_free", ANY_THREAD, 0, 0, 0, DONE(weft_ticker_free(t->ticker)))

/* ---- futures and wakers ---- */

#define FUTURE(call)                                                                               \
    ({                                                                                             \
        struct weft_promise *p = weft_promise_make(0);                                             \
        struct weft_future *f = weft_promise_future(p);                                            \
        (void)f;                                                                                   \
        (int64_t)(call);                                                                           \
    })
#define KEPT(call) FUTURE((weft_promise_resolve(p, NULL), call))

ROW("weft_promise_make", ANY_THREAD, 0, 0, 0, MADE(weft_promise_make(0)))
ROW("weft_promise_future", ANY_THREAD, 0, 0, 0, FUTURE(MADE(f)))
ROW("weft_promise_ref", ANY_THREAD, 0, 0, 0, FUTURE(MADE(weft_promise_ref(p))))
ROW("weft_promise_unref", ANY_THREAD, 0, 0, 0, FUTURE(DONE(weft_promise_unref(p))))
ROW("weft_promise_resolve", ANY_THREAD, 0, 0, 0, FUTURE(weft_promise_resolve(p, NULL)))
ROW("weft_promise_reject", ANY_THREAD, 0, 0, 0, FUTURE(weft_promise_reject(p, -EIO)))
ROW("weft_promise_is_cancelled", ANY_THREAD, 0, 0, 0, FUTURE(weft_promise_is_cancelled(p)))
ROW("weft_promise_on_cancel", ANY_THREAD, 0, 0, 0,
    FUTURE(weft_promise_on_cancel(p, do_plainly_nothing, NULL)))
ROW("weft_future_ref", ANY_THREAD, 0, 0, 0, FUTURE(MADE(weft_future_ref(f))))
ROW("weft_future_unref", ANY_THREAD, 0, 0, 0, FUTURE(DONE(weft_future_unref(f))))
ROW("weft_future_await", ANY_THREAD, 0, 0, 0, KEPT(weft_future_await(f, NULL)))
ROW("weft_future_try_await", ANY_THREAD, -EAGAIN, -EAGAIN, -EAGAIN,
    FUTURE(weft_future_try_await(f, NULL)))
ROW("weft_future_is_done", ANY_THREAD, 0, 0, 0, FUTURE(weft_future_is_done(f)))
ROW("weft_future_cancel", ANY_THREAD, 0, 0, 0, FUTURE(weft_future_cancel(f)))
ROW("weft_future_await_all", ANY_THREAD, 0, 0, 0, KEPT(weft_future_await_all(&f, 1)))
ROW("weft_future_await_any", ANY_THREAD, 0, 0, 0, KEPT(weft_future_await_any(&f, 1)))
ROW("weft_waker_make", ANY_THREAD, 0, 0, 0, MADE(weft_waker_make()))
ROW("weft_waker_ref", ANY_THREAD, 0, 0, 0, MADE(weft_waker_ref(weft_waker_make())))
ROW("weft_waker_unref", ANY_THREAD, 0, 0, 0, DONE(weft_waker_unref(weft_waker_make())))
ROW("weft_waker_wake", ANY_THREAD, 0, 0, 0, DONE(weft_waker_wake(weft_waker_make())))
ROW("weft_waker_wait", ANY_THREAD, 0, 0, 0, wake_and_wait())

/* ---- what belongs to a coroutine, and what blocks a thread ---- */

ROW("weft_local_get", ANY_THREAD, 1, 1, 1, weft_local_get(&a_key) == NULL)
ROW("weft_local_set", COROUTINE, 0, -EPERM, -EPERM, weft_local_set(&a_key, &a_key))
ROW("weft_inherit_same", EVERYWHERE, 0, 0, 0, MADE(weft_inherit_same(t)))
ROW("weft_errno_location", SIGNALS, 0, 0, 0, MADE(weft_errno_location()))
ROW("weft_own_errno", EVERYWHERE, 0, 0, 0, DONE(weft_own_errno()))
ROW("weft_defer", COROUTINE, 0, -EPERM, -EPERM, weft_defer(do_plainly_nothing, NULL))
ROW("weft_defer_cancel", COROUTINE, -ENOENT, -EPERM, -EPERM,
    weft_defer_cancel(do_plainly_nothing, NULL))
ROW("weft_defer_begin", ANY_THREAD, 0, 0, 0, defer_in_a_block())
ROW("weft_defer_end", ANY_THREAD, 0, 0, 0, defer_in_a_block())
ROW("weft_exit", COROUTINE, 0, FATAL, FATAL, exit_and_join())
ROW("weft_call_on_big_stack", COROUTINE, 0, -EPERM, -EPERM,
    weft_call_on_big_stack(do_nothing, NULL, (size_t)1 << 20))
ROW("weft_blocking", ANY_THREAD, 0, 0, 0, weft_blocking(do_nothing, NULL, NULL))
ROW("weft_blocking_enter", ANY_THREAD, 0, 0, 0, enter_and_leave())
ROW("weft_blocking_leave", ANY_THREAD, 0, 0, 0, enter_and_leave())

/* ---- I/O ---- */

ROW("weft_read", COROUTINE, 1, FATAL, FATAL, weft_read(t->pipe[0], (char[1]){0}, 1))
ROW("weft_write", COROUTINE, 1, FATAL, FATAL, weft_write(t->pipe[1], "x", 1))
ROW("weft_read_full", COROUTINE, 1, FATAL, FATAL, weft_read_full(t->pipe[0], (char[1]){0}, 1))
ROW("weft_write_full", COROUTINE, 1, FATAL, FATAL, weft_write_full(t->pipe[1], "x", 1))
ROW("weft_readv", COROUTINE, 1, FATAL, FATAL,
    weft_readv(t->pipe[0], &(struct iovec){(char[1]){0}, 1}, 1))
ROW("weft_writev", COROUTINE, 1, FATAL, FATAL,
    weft_writev(t->pipe[1], &(struct iovec){(char[1]){0}, 1}, 1))
ROW("weft_writev_full", COROUTINE, 1, FATAL, FATAL,
    weft_writev_full(t->pipe[1], &(struct iovec){(char[1]){0}, 1}, 1))
ROW("weft_wait_fd", COROUTINE, POLLIN, FATAL, FATAL, weft_wait_fd(t->pipe[0], POLLIN))
ROW("weft_close", ANY_THREAD, 0, 0, FATAL, weft_close(t->pipe[0]))
ROW("weft_stream_of_fd", EVERYWHERE, 0, 0, 0, MADE(weft_stream_of_fd(0).read))
ROW("weft_reader_init", EVERYWHERE, 0, 0, 0, READING(0))
ROW("weft_reader_make", EVERYWHERE, 0, 0, 0, MADE(weft_reader_make(weft_stream_of_fd(0), 3)))
ROW("weft_reader_free", EVERYWHERE, 0, 0, 0, DONE(weft_reader_free(NULL)))
ROW("weft_reader_limit", EVERYWHERE, 0, 0, 0, READING(DONE(weft_reader_limit(&r, 1))))
ROW("weft_reader_buffered", EVERYWHERE, 0, 0, 0, READING(weft_reader_buffered(&r)))
ROW("weft_reader_read", COROUTINE, 2, FATAL, FATAL, READING(weft_reader_read(&r, out, 2)))
ROW("weft_reader_read_full", COROUTINE, 2, FATAL, FATAL, READING(weft_reader_read_full(&r, out, 2)))
ROW("weft_reader_skip", COROUTINE, 1, FATAL, FATAL, READING(weft_reader_skip(&r, 1)))
ROW("weft_reader_peek", COROUTINE, 2, FATAL, FATAL,
    READING(weft_reader_peek(&r, &(const char *){NULL}, 1)))
ROW("weft_reader_line", COROUTINE, -EMSGSIZE, FATAL, FATAL,
    READING((weft_reader_limit(&r, 0), weft_reader_line(&r, &line))))
ROW("weft_reader_until", COROUTINE, 1, FATAL, FATAL, READING(weft_reader_until(&r, 'x', &line)))
ROW("weft_reader_line_copy", COROUTINE, -EMSGSIZE, FATAL, FATAL,
    READING(weft_reader_line_copy(&r, out, 1, &line)))
ROW("weft_reader_until_copy", COROUTINE, 1, FATAL, FATAL,
    READING(weft_reader_until_copy(&r, 'x', out, 1, &line)))
ROW("weft_writer_init", EVERYWHERE, 0, 0, 0, WRITING(0))
ROW("weft_writer_make", EVERYWHERE, 0, 0, 0, MADE(weft_writer_make(weft_stream_of_fd(0), 1)))
ROW("weft_writer_free", EVERYWHERE, 0, 0, 0, DONE(weft_writer_free(NULL)))
ROW("weft_writer_buffered", EVERYWHERE, 0, 0, 0, WRITING(weft_writer_buffered(&w)))
ROW("weft_writer_write", COROUTINE, 5, FATAL, FATAL, WRITING(weft_writer_write(&w, "12345", 5)))
ROW("weft_writer_writev", COROUTINE, 5, FATAL, FATAL,
    WRITING(weft_writer_writev(&w, &(struct iovec){(char[5]){0}, 5}, 1)))
ROW("weft_writer_printf", COROUTINE, 2, FATAL, FATAL,
    WRITING(weft_writer_write(&w, "123", 3) < 0 ? -1 : weft_writer_printf(&w, "%d", 45)))
ROW("weft_writer_vprintf", COROUTINE, 2, FATAL, FATAL,
    WRITING(weft_writer_write(&w, "123", 3) < 0 ? -1 : write_formatted(&w, "%d", 45)))
ROW("weft_writer_flush", COROUTINE, 0, FATAL, FATAL,
    WRITING(weft_writer_write(&w, "123", 3) < 0 ? -1 : weft_writer_flush(&w)))
ROW("weft_listen_addr", COROUTINE, 0, FATAL, FATAL, OPENED(weft_listen_addr(&t->addr, NULL)))
ROW("weft_listen", COROUTINE, 0, FATAL, FATAL, OPENED(weft_listen("127.0.0.1:0")))
ROW("weft_accept", COROUTINE, -EBADF, FATAL, FATAL, weft_accept(-1, NULL))
ROW("weft_dial_addr", COROUTINE, -ECONNREFUSED, FATAL, FATAL, weft_dial_addr(&t->addr))
ROW("weft_dial_any", COROUTINE, -ECONNREFUSED, FATAL, FATAL, weft_dial_any(&t->addr, 1, NULL))
ROW("weft_dial_opts", COROUTINE, -ECONNREFUSED, FATAL, FATAL,
    weft_dial_opts("unix:@weft-nobody-is-there", NULL))
ROW("weft_dial", COROUTINE, -ECONNREFUSED, FATAL, FATAL, weft_dial("unix:@weft-nobody-is-there"))
ROW("weft_socket_pair", COROUTINE, 0, FATAL, FATAL, weft_socket_pair((int[2]){0, 0}))
ROW("weft_resolve", ANY_THREAD, 1, 1, 1,
    weft_resolve("127.0.0.1", "80", &(struct weft_addr){0}, 1, NULL))
ROW("weft_resolve_flush", ANY_THREAD, 0, -EINVAL, -EINVAL, weft_resolve_flush(NULL))
ROW("weft_resolve_flush of-one", ANY_THREAD, 0, 0, 0, WITH(t->rt, weft_resolve_flush(t->rt)))

#include "calls_message.h"

#endif
