/* SPDX-License-Identifier: MIT */
/*
 * uring.c - the driver on io_uring: the kernel carries an operation out, or says when to try it.
 *
 *   fd            operation                    sent as
 *   ours          read, write, messages        RECV, SEND, RECVMSG, SENDMSG: the kernel waits;
 *                                              but to send datagrams: weft__ring_is_direct()
 *   a file        FILE_READ, ..., MKDIR        READV, WRITEV, FSYNC, ..., where the kernel has it
 *   ours          accept, connect, poll        POLL_ADD, then weft__op_try(): a cancel in between
 *   somebody's    all                          loses no connection, and no fd that blocks holds
 *   ours, set     all                          a kernel worker
 *   O_NONBLOCK
 *
 * Who owns what.  The submission side belongs to the owner of the P alone; what it has shown to the
 * kernel, others may send (uring_ring.h).  The completion side is under reap_lock; completions are
 * copied out and handled after its unlock, since an entry's lock has the lower rank.  So two
 * threads may handle completions of one operation at once.
 *
 * An operation is sent under its own address, its cancel under the address with a tag.  op->refs
 * counts what is still to come: 1 for the operation itself, held from submit until its completion
 * was not followed by another try; 1 for its cancel, which is asked for once at most, held from the
 * request to the completion of the ASYNC_CANCEL.  Whoever drops the last one reports it: so no
 * buffer is let go, and no record, while the kernel or a request list names it.
 *
 * What others want the owner to send goes through r->requests, with the reasons in op->wants:
 *
 *   anyone                                   owner, in wait
 *   1 sets cancel_error, or finds that       1 takes the list, reads request_next
 *     the operation must be sent again       2 exchanges wants with 0
 *   2 adds a bit to wants; it was 0:         3 sends the operation again unless cancel_error is
 *     pushes the op, wakes the owner           set, and the cancel unless nothing is out there
 *
 * [URING-ARM] is the order of that hand-over.  Submit and step 3 release it as well after they last
 * touched the operation, and each completion acquires it, because what passes through the kernel's
 * rings is an order that neither the C memory model nor a race detector sees.
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>

#include "../base/clock.h"
#include "../base/fatal.h"
#include "../base/sys.h"
#include "driver.h"
#include "uring_ring.h"

#define COMPLETIONS 256 /* taken at a time where room is needed for more */
#define ROOM_TRIES 16   /* before a full queue that the kernel does not take is given up */

/* user_data: the address of an op, which is a multiple of 8, and a tag. */
enum { TAG_OP = 0, TAG_CANCEL = 1, TAG_WAKE = 2, TAG_MASK = 7 };
enum { WANT_SEND = 1, WANT_CANCEL = 2 };

struct state {
    struct io_uring ring;
    struct weft__op *unsent; /* requests there was no room for, linked by request_next */
    uint64_t wake_count;     /* where the kernel puts what it reads from wake_fd */
    bool is_wake_armed;      /* a read of wake_fd is in the ring; under reap_lock */
    bool has_poll_first;     /* the kernel can be told that a first try is useless */
    bool can_show;           /* what is queued can be sent by others */
    uint32_t file_kinds;     /* the operations of files that the kernel has: bits of their kinds */
};

struct completion {
    uint64_t user_data;
    int res;
};

static struct state *state_of(const struct weft__reactor *r)
{
    return r->driver_state;
}

static void handle_ready(struct weft__reactor *r);

/* ---- The submission side: the owner. ---- */

/* Make room for n entries.  The kernel may take fewer than it is given, or refuse (-EBUSY) until
 * completions are taken: what is queued stays queued. */
static bool make_room(struct weft__reactor *r, unsigned n)
{
    struct io_uring *ring = &state_of(r)->ring;
    for (int i = 0; i < ROOM_TRIES && io_uring_sq_space_left(ring) < n; i++) {
        int rc = weft__ring_make_room(ring);
        weft__ring_check(rc);
        if (rc < 0) {
            handle_ready(r);
        }
    }
    return io_uring_sq_space_left(ring) >= n;
}

/* The caller has made room, and says what it is. */
static struct io_uring_sqe *take_sqe(struct state *st)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&st->ring);
    WEFT__ASSERT(sqe != NULL);
    return sqe;
}

/* Queue an operation, the first time or again. */
static void send_op(struct state *st, struct weft__op *op)
{
    struct io_uring_sqe *sqe = take_sqe(st);
    weft__ring_prepare(sqe, op, st->has_poll_first);
    io_uring_sqe_set_data64(sqe, (uintptr_t)op | TAG_OP);
}

/* Say that `want` is to be sent for op; is_owner: the caller comes back to its wait by itself. */
static void request(struct weft__op *op, uint32_t want, bool is_owner)
{
    struct weft__reactor *r = op->reactor;
    /* acq_rel [URING-ARM] */
    if (atomic_fetch_or_explicit(&op->wants, want, memory_order_acq_rel) == 0) {
        weft__reactor_request(r, op);
        if (!is_owner) {
            weft__reactor_wake(r);
        }
    }
}

/* Ask for the end of an operation; the first to ask decides what it is called. */
static void ask_cancel(struct weft__reactor *from, struct weft__op *op, int error)
{
    int none = 0;
    /* A worker that waits for a disk hears nothing: it would be asked for ever. */
    if (weft__op_is_of_file(op) ||
        !atomic_compare_exchange_strong_explicit(&op->cancel_error, &none, error,
                                                 memory_order_relaxed, memory_order_relaxed)) {
        return;
    }
    weft__perturb();
    /* One that has no reference left is complete and about to be reported: left alone.  Relaxed:
     * a reference only keeps it; what is read later is ordered by [URING-ARM]. */
    uint32_t refs = atomic_load_explicit(&op->refs, memory_order_relaxed);
    do {
        if (refs == 0) {
            return;
        }
    } while (!atomic_compare_exchange_weak_explicit(&op->refs, &refs, refs + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    weft__perturb();
    request(op, WANT_CANCEL, op->reactor == from);
}

static int close_fd(struct weft__reactor *r, struct weft__fd *entry, struct weft__op *op)
{
    weft__lock(&entry->lock);
    int rc = 0;
    if (entry->is_closing) {
        rc = -EBADF;
    } else if (entry->in_flight == NULL) {
        op->result = weft__fd_close(entry, op->fd);
        rc = 1;
    } else {
        /* The kernel holds the socket open for what is in flight, so the peer would see no end:
         * whoever reports the last of them closes. */
        entry->is_closing = true;
        entry->closer = op;
        weft__count(r->n_submitted);
        for (struct weft__op *each = entry->in_flight; each != NULL; each = each->fd_next) {
            ask_cancel(r, each, -EBADF);
        }
    }
    weft__unlock(&entry->lock);
    return rc;
}

/* Queue an operation.  There is room for it. */
static void begin_op(struct weft__reactor *r, struct weft__op *op)
{
    send_op(state_of(r), op);
    atomic_store_explicit(&op->refs, 1, memory_order_relaxed);
    /* release [URING-ARM]: to whoever handles the first completion, after our last access. */
    atomic_store_explicit(&op->wants, 0, memory_order_release);
    weft__count(r->n_submitted);
    if (state_of(r)->can_show) {
        weft__ring_show(&state_of(r)->ring); /* from here on anybody may send it: uring_send() */
    }
}

/* The same, and link it to its fd, from where on a CLOSE can ask for its end. */
static int begin_on_fd(struct weft__reactor *r, struct weft__fd *entry, struct weft__op *op)
{
    weft__lock(&entry->lock);
    if (entry->is_closing || weft__fd_is_another(entry, op)) {
        weft__unlock(&entry->lock);
        return -EBADF;
    }
    if (!weft__op_is_of_file(op) && !weft__fd_has_room(entry, r->group->choice.fd_ops_max)) {
        weft__unlock(&entry->lock);
        return -EBUSY;
    }
    op->is_socket = atomic_load_explicit(&entry->is_own, memory_order_relaxed);
    op->flags |= weft__ring_is_direct(entry, op) ? WEFT__OP_DIRECT : 0;
    weft__fd_link(entry, op);
    begin_op(r, op);
    weft__unlock(&entry->lock);
    return 0;
}

/* An operation of a file: can this kernel do it? */
static int check_file(const struct weft__reactor *r, const struct weft__op *op)
{
    bool is_known = (state_of(r)->file_kinds >> op->kind & 1) != 0;
    return is_known ? weft__sys_fault_now(WEFT__CALL_FILE) : -EOPNOTSUPP;
}

static int uring_submit(struct weft__reactor *r, struct weft__op *op)
{
    struct weft__fd *entry = weft__fd_get(&r->group->fds, op->fd);
    op->reactor = r;
    int rc = weft__op_is_of_file(op) ? check_file(r, op) : 0;
    if (rc < 0) {
        return rc;
    }
    if (entry == NULL && !weft__op_is_of_path(op)) {
        return op->fd < 0 ? -EBADF : -ENOMEM;
    }
    if (op->kind == WEFT__OP_CLOSE) {
        return close_fd(r, entry, op);
    }
    if (op->kind == WEFT__OP_CONNECT && (op->flags & WEFT__OP_BEGUN) == 0) {
        op->result = weft__op_try(op, true);
        if ((op->flags & WEFT__OP_BEGUN) == 0) {
            return 1;
        }
    }
    if (!make_room(r, 1)) {
        return -ENOMEM;
    }
    if (entry == NULL) {
        begin_op(r, op);
    } else {
        rc = begin_on_fd(r, entry, op);
    }
    if (rc == 0 && r->group->choice.submits_at_once) {
        weft__ring_enter(&state_of(r)->ring, 0);
    }
    return rc;
}

/* ---- The completion side: whoever reaps. ---- */

/* The last reference is gone: take it off its fd, and close that if a CLOSE waits for it. */
static void finish(struct weft__reactor *r, struct weft__op *op, struct weft__op_list *out)
{
    struct weft__fd *entry = weft__fd_find(&r->group->fds, op->fd);
    struct weft__op *closer = NULL;
    if (entry == NULL) { /* on a path */
        weft__op_list_add(out, op);
        return;
    }
    weft__lock(&entry->lock);
    weft__fd_unlink(entry, op);
    if (entry->in_flight == NULL && entry->closer != NULL) {
        closer = entry->closer;
        closer->result = weft__fd_close(entry, op->fd);
    }
    weft__unlock(&entry->lock);
    weft__op_list_add(out, op);
    if (closer != NULL) {
        weft__op_list_add(out, closer);
    }
}

static void drop_ref(struct weft__reactor *r, struct weft__op *op, struct weft__op_list *out)
{
    weft__perturb();
    /* acq_rel [URING-REFS]: the result, written by whoever had the operation's own reference, is
     * seen by whoever drops the last one. */
    if (atomic_fetch_sub_explicit(&op->refs, 1, memory_order_acq_rel) == 1) {
        finish(r, op, out);
    }
}

/* The operation has this result; -EAGAIN, -EINTR and -ECANCELED say that it did not happen. */
static void settle(struct weft__reactor *r, struct weft__op *op, ssize_t n, bool is_owner,
                   struct weft__op_list *out)
{
    if ((n == -EAGAIN && !weft__op_is_of_file(op)) || n == -EINTR || n == -ECANCELED) {
        int error = atomic_load_explicit(&op->cancel_error, memory_order_relaxed);
        if (error == 0) {
            /* Somebody else was faster, the socket does not block, or the thread that had sent it
             * ended, and the kernel cancelled what was its own: once more. */
            if (n == -EAGAIN) {
                op->flags &= (uint8_t)~WEFT__OP_DIRECT;
            }
            request(op, WANT_SEND, is_owner);
            return;
        }
        n = error;
    }
    op->result = n;
    drop_ref(r, op, out);
}

static void handle_op(struct weft__reactor *r, struct weft__op *op, int res, bool is_owner,
                      struct weft__op_list *out)
{
    /* acquire [URING-ARM]: from whoever sent it last. */
    (void)atomic_load_explicit(&op->wants, memory_order_acquire);
    ssize_t n = res;
    if (weft__op_is_of_file(op)) {
        n = weft__ring_file_result(op, res);
    } else if (res >= 0 && (op->flags & WEFT__OP_DIRECT) == 0) {
        if (op->kind != WEFT__OP_POLL) {
            n = weft__op_try(op, op->is_socket);
        } else {
            n = res & (op->events | POLLERR | POLLHUP);
        }
    } else if (res > 0 && op->kind == WEFT__OP_READ && (size_t)res < op->bytes) {
        op->flags |= WEFT__OP_SHORT;
    }
    settle(r, op, n, is_owner, out);
}

/*
 * An ASYNC_CANCEL came back.  Found or not, the operation has its own completion.  Not found while
 * that has not been handled mostly means that it is on its way; but the kernel may also have been
 * between two tries of its own, after which it waits again: so it is asked once more until the
 * operation is seen to end.
 */
static void handle_cancel(struct weft__reactor *r, struct weft__op *op, int res, bool is_owner,
                          struct weft__op_list *out)
{
    if ((res == -ENOENT || res == -EALREADY) &&
        atomic_load_explicit(&op->refs, memory_order_relaxed) > 1) {
        request(op, WANT_CANCEL, is_owner);
        return;
    }
    drop_ref(r, op, out);
}

/* Copy at most `max` completions out; with reap_lock held. */
static int collect(struct weft__reactor *r, struct completion *got, int max, bool is_owner)
{
    struct state *st = state_of(r);
    struct io_uring_cqe *cqe;
    unsigned head;
    unsigned n_seen = 0;
    int n = 0;
    io_uring_for_each_cqe(&st->ring, head, cqe)
    {
        if (n == max) {
            break;
        }
        n_seen++;
        if (cqe->user_data == TAG_WAKE) {
            st->is_wake_armed = false;
            if (!is_owner) {
                weft__reactor_pass_wake(r);
            }
            continue;
        }
        /* They lie on as many stacks, out of use for long: fetched at once, not one by one. */
        weft__prefetch((const void *)(uintptr_t)cqe->user_data, sizeof(struct weft__op));
        got[n++] = (struct completion){cqe->user_data, cqe->res};
    }
    io_uring_cq_advance(&st->ring, n_seen);
    return n;
}

static void handle_all(struct weft__reactor *r, const struct completion *got, int n, bool is_owner,
                       struct weft__op_list *out)
{
    for (int i = 0; i < n; i++) {
        struct weft__op *op =
            (struct weft__op *)(uintptr_t)(got[i].user_data & ~(uint64_t)TAG_MASK);
        if ((got[i].user_data & TAG_MASK) == TAG_CANCEL) {
            handle_cancel(r, op, got[i].res, is_owner, out);
        } else {
            handle_op(r, op, got[i].res, is_owner, out);
        }
    }
}

/* Take completions in the middle of a submit; they are reported by the next wait. */
static void handle_ready(struct weft__reactor *r)
{
    struct state *st = state_of(r);
    struct completion got[COMPLETIONS];
    weft__lock(&r->reap_lock);
    if (io_uring_cq_has_overflow(&st->ring)) {
        (void)io_uring_get_events(&st->ring);
    }
    int n = collect(r, got, COMPLETIONS, true);
    weft__unlock(&r->reap_lock);
    handle_all(r, got, n, true, &r->ready);
}

static void uring_reap(struct weft__reactor *r, struct weft__op_list *done)
{
    struct state *st = state_of(r);
    struct completion got[WEFT__EVENTS_MAX];
    if (!weft__try_lock(&r->reap_lock)) {
        return;
    }
    /* Completions that did not fit are kept by the kernel, which brings them when asked. */
    if (io_uring_cq_ready(&st->ring) == 0 && io_uring_cq_has_overflow(&st->ring)) {
        (void)io_uring_get_events(&st->ring);
    }
    int n = collect(r, got, WEFT__EVENTS_MAX, false);
    weft__unlock(&r->reap_lock);
    struct weft__op_list out;
    weft__op_list_init(&out);
    handle_all(r, got, n, false, &out);
    weft__reactor_report(r, &out, done);
}

/* ---- The owner's round. ---- */

/*
 * Send what one operation wants; there is room for two entries.  For an owner that does not come,
 * another thread does so: the submission queue is not its own, but a cancel has a call of its own.
 * What must be sent again, and a cancel that the kernel refuses, then waits for the owner.
 */
static void send_wanted(struct weft__reactor *r, struct weft__op *op, bool is_owner,
                        struct weft__op_list *out)
{
    struct state *st = state_of(r);
    /* acq_rel [URING-ARM]: from who asked; to who asks next and reuses request_next. */
    uint32_t wants = atomic_exchange_explicit(&op->wants, 0, memory_order_acq_rel);
    if ((wants & WANT_SEND) != 0) {
        /* A cancel that is set later finds it in the ring, since its own request comes later. */
        int error = atomic_load_explicit(&op->cancel_error, memory_order_relaxed);
        if (error == 0 && !is_owner) {
            request(op, wants, false);
            return;
        }
        if (error == 0) {
            send_op(st, op);
            /* release [URING-ARM]: to whoever handles its completion, after our last access. */
            (void)atomic_fetch_or_explicit(&op->wants, 0, memory_order_release);
            return;
        }
        op->result = error;
        drop_ref(r, op, out); /* not the last one if WANT_CANCEL is set too */
    }
    if ((wants & WANT_CANCEL) != 0) {
        /* acq_rel [URING-REFS]: acquire if the operation's own reference is gone; release, as our
         * last access, to whoever drops the cancel's. */
        if (atomic_fetch_add_explicit(&op->refs, 0, memory_order_acq_rel) == 1) {
            drop_ref(r, op, out);
        } else if (!is_owner) {
            int rc = weft__ring_cancel(&st->ring, (uintptr_t)op | TAG_OP);
            handle_cancel(r, op, rc == 0 ? 0 : -ENOENT, false, out);
        } else {
            struct io_uring_sqe *sqe = take_sqe(st);
            io_uring_prep_cancel64(sqe, (uintptr_t)op | TAG_OP, 0);
            io_uring_sqe_set_data64(sqe, (uintptr_t)op | TAG_CANCEL);
        }
    }
}

static void send_requests(struct weft__reactor *r, struct weft__op_list *out)
{
    struct state *st = state_of(r);
    struct weft__op *lists[2] = {st->unsent, weft__reactor_take_requests(r)};
    st->unsent = NULL;
    for (int i = 0; i < 2; i++) {
        struct weft__op *next;
        for (struct weft__op *op = lists[i]; op != NULL; op = next) {
            next = op->request_next;
            if (make_room(r, 2)) {
                send_wanted(r, op, true, out);
            } else {
                op->request_next = st->unsent;
                st->unsent = op;
            }
        }
    }
}

static void uring_send(struct weft__reactor *r, struct weft__op_list *done)
{
    /* Under this lock, since an owner that is about to sleep counts what is to be sent first. */
    if (state_of(r)->can_show && weft__try_lock(&r->reap_lock)) {
        weft__ring_send_shown(&state_of(r)->ring);
        weft__unlock(&r->reap_lock);
    }
    struct weft__op_list out;
    struct weft__op *next;
    weft__op_list_init(&out);
    for (struct weft__op *op = weft__reactor_take_requests(r); op != NULL; op = next) {
        next = op->request_next;
        send_wanted(r, op, false, &out);
    }
    weft__reactor_report(r, &out, done);
}

/* Keep a read of wake_fd in the ring; with reap_lock held.  False if there is no room. */
static bool arm_wake(struct weft__reactor *r)
{
    struct state *st = state_of(r);
    if (st->is_wake_armed) {
        return true;
    }
    if (io_uring_sq_space_left(&st->ring) == 0) {
        return false;
    }
    struct io_uring_sqe *sqe = take_sqe(st);
    io_uring_prep_read(sqe, r->wake_fd, &st->wake_count, sizeof st->wake_count, 0);
    io_uring_sqe_set_data64(sqe, TAG_WAKE);
    st->is_wake_armed = true;
    return true;
}

static void uring_wait(struct weft__reactor *r, int64_t deadline_ns, struct weft__op_list *done)
{
    struct state *st = state_of(r);
    struct completion got[WEFT__EVENTS_MAX];
    struct weft__op_list out;
    weft__op_list_init(&out);
    send_requests(r, &out);
    weft__op_list_join(&out, &r->ready);
    weft__lock(&r->reap_lock);
    bool may_sleep = deadline_ns != 0 && out.first == NULL && st->unsent == NULL &&
                     !weft__reactor_is_woken(r) && arm_wake(r);
    weft__ring_enter(&st->ring, may_sleep ? deadline_ns : 0);
    int n = collect(r, got, WEFT__EVENTS_MAX, true);
    weft__unlock(&r->reap_lock);
    weft__reactor_clear_wake(r);
    handle_all(r, got, n, true, &out);
    if (may_sleep && atomic_load_explicit(&r->requests, memory_order_relaxed) != NULL) {
        /* What we were woken for shall not wait until the caller comes back. */
        send_requests(r, &out);
        weft__ring_enter(&st->ring, 0);
    }
    weft__reactor_report(r, &out, done);
}

/* ---- Start and stop. ---- */

static int uring_start(struct weft__reactor *r)
{
    struct weft__reactor *first = &r->group->reactors[0];
    struct state *st = weft__alloc_line(sizeof *st);
    if (st == NULL) {
        return -ENOMEM;
    }
    int rc = weft__ring_start(&st->ring, r == first ? NULL : &state_of(first)->ring,
                              &r->group->choice, &st->file_kinds);
    if (rc < 0) {
        goto out_state;
    }
    st->can_show = weft__ring_can_show(&st->ring);
    st->has_poll_first = weft__ring_has_poll_first(&st->ring);
    rc = weft__sys_eventfd();
    if (rc < 0) {
        goto out_ring;
    }
    r->wake_fd = rc;
    rc = weft__sys_set_nonblock(r->wake_fd, false); /* else its read would not wait in the ring */
    if (rc < 0) {
        goto out_wake;
    }
    r->driver_state = st;
    return 0;
out_wake:
    (void)weft__sys_close(r->wake_fd);
out_ring:
    weft__ring_stop(&st->ring);
out_state:
    weft__free(st);
    return rc;
}

/* Nothing is in flight but our own read of wake_fd, which is made to end before its target goes. */
static void uring_stop(struct weft__reactor *r)
{
    struct state *st = state_of(r);
    struct completion got[COMPLETIONS];
    uint64_t one = 1;
    if (st->is_wake_armed) {
        (void)weft__sys_write(r->wake_fd, &one, sizeof one);
    }
    while (st->is_wake_armed) {
        weft__ring_enter(&st->ring, weft__clock_ns() + 1000000);
        weft__lock(&r->reap_lock);
        (void)collect(r, got, COMPLETIONS, true);
        weft__unlock(&r->reap_lock);
    }
    weft__ring_stop(&st->ring);
    (void)weft__sys_close(r->wake_fd);
    weft__free(st);
    r->driver_state = NULL;
}

const struct weft__driver weft__driver_uring = {
    .name = "io_uring",
    .start = uring_start,
    .stop = uring_stop,
    .submit = uring_submit,
    .cancel = ask_cancel,
    .wait = uring_wait,
    .reap = uring_reap,
    .send = uring_send,
    .wake = weft__reactor_wake,
};
