/* SPDX-License-Identifier: MIT */
/*
 * kqueue.c - what the kqueue driver asks of the kernel, and makes of what it is told: the driver
 * itself over a door to the kernel that the tests hold.  The fds are real, the filters are not: a
 * test says which events are there, and looks at the filters that the driver has left.
 *
 * cflags: -Itests/unit/kqueue_include
 * matrix: once
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sys/event.h>

#include "base/clock.h"
#include "test.h"

/* The driver of this test, beside the one that the library may have. */
#define weft__driver_kqueue driver_under_test
#include "../../src/reactor/kqueue.c"

/* ---- The door. ---- */

#define FILTERS_MAX 16
#define QUEUES 2
#define FIRST_QUEUE 1000

static struct filter {
    int kq;
    struct kevent is; /* as it was added */
} filters[FILTERS_MAX];
static int n_filters;

static struct {
    int kq;
    struct kevent event;
} told_next[FILTERS_MAX];
static int n_told;

static int n_queues, n_changes, n_triggers;
static int refusal_of_add; /* an errno for the next filter */
static int failure;        /* a -errno for the next call */
static int64_t deadline_seen;

int weft__sys_kqueue(void)
{
    CHECK_LT(n_queues, QUEUES);
    return FIRST_QUEUE + n_queues++;
}

static struct filter *find_filter(int kq, int fd, int filter)
{
    for (int i = 0; i < n_filters; i++) {
        struct filter *f = &filters[i];
        if (f->kq == kq && (int)f->is.ident == fd && f->is.filter == filter) {
            return f;
        }
    }
    return NULL;
}

/* Change one filter, as a kernel does; an errno. */
static int apply(int kq, const struct kevent *c)
{
    struct filter *f = find_filter(kq, (int)c->ident, c->filter);
    n_changes++;
    if ((c->flags & EV_DELETE) != 0) {
        if (f != NULL) {
            *f = filters[--n_filters];
        }
        return f != NULL ? 0 : ENOENT;
    }
    CHECK_EQ(c->flags & (EV_ADD | EV_CLEAR), EV_ADD | EV_CLEAR);
    CHECK(f == NULL); /* one that is there would not be looked at again everywhere */
    if (refusal_of_add != 0) {
        int error = refusal_of_add;
        refusal_of_add = 0;
        return error;
    }
    CHECK_LT(n_filters, FILTERS_MAX);
    filters[n_filters++] = (struct filter){kq, *c};
    return 0;
}

int weft__sys_kevent(int kq, const struct kevent *changes, int n_given, struct kevent *events,
                     int n_events, int64_t deadline_ns)
{
    int n = 0;
    int rc = failure;
    failure = 0;
    if (rc != 0) {
        return rc;
    }
    for (int i = 0; i < n_given; i++) {
        int error = apply(kq, &changes[i]);
        if ((changes[i].flags & EV_RECEIPT) != 0) {
            CHECK_LT(n, n_events);
            events[n] = changes[i];
            events[n].flags = EV_ERROR;
            events[n++].data = error;
        } else if (error != 0) {
            return -error;
        }
    }
    if (n_given == 0) {
        deadline_seen = deadline_ns;
        for (int i = 0; i < n_told; i++) {
            if (told_next[i].kq == kq) {
                events[n++] = told_next[i].event;
            }
        }
        n_told = 0;
    }
    return n;
}

void weft__sys_kevent_trigger(int kq, uintptr_t ident)
{
    CHECK(find_filter(kq, (int)ident, EVFILT_USER) != NULL);
    n_triggers++;
}

/* ---- The tests' side. ---- */

static struct weft__reactor_group group;
static struct weft__op_list done;
static int pair[2];

static void start(int count)
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    group.driver = &driver_under_test;
    group.reactors = weft__alloc_line(sizeof *group.reactors * (size_t)count);
    CHECK(group.reactors != NULL);
    atomic_init(&group.count, count);
    weft__op_list_init(&done);
    for (int i = 0; i < count; i++) {
        struct weft__reactor *r = &group.reactors[i];
        r->group = &group;
        weft__lock_init(&r->reap_lock, RANK_REACTOR);
        weft__op_list_init(&r->ready);
        r->wake_fd = -1;
        CHECK_EQ(driver_under_test.start(r), 0);
    }
}

static void start_with_own(int count)
{
    start(count);
    CHECK_EQ(weft__fd_adopt(&group.fds, pair[0]), 0);
}

static void prepare(struct weft__op *op, enum weft__op_kind kind, int fd)
{
    static char bytes[64];
    weft__op_init(op, kind, fd, NULL);
    if (kind == WEFT__OP_POLL) {
        op->events = POLLIN;
    } else {
        op->buf = bytes;
        op->bytes = sizeof bytes;
    }
}

static int submit(int r, struct weft__op *op)
{
    return driver_under_test.submit(&group.reactors[r], op);
}

static void let_event_come(int r, int fd, int filter, unsigned flags)
{
    struct filter *f = find_filter(FIRST_QUEUE + r, fd, filter);
    CHECK(f != NULL);
    told_next[n_told].kq = f->kq;
    told_next[n_told].event = f->is;
    told_next[n_told++].event.flags = (unsigned short)flags;
}

/* How many operations a wait reports. */
static int wait_once(int r)
{
    int n = 0;
    weft__op_list_init(&done);
    driver_under_test.wait(&group.reactors[r], 0, &done);
    for (struct weft__op *op = done.first; op != NULL; op = op->next) {
        n++;
    }
    return n;
}

static int filters_of(int fd)
{
    int n = 0;
    for (int i = 0; i < n_filters; i++) {
        n += filters[i].is.filter != EVFILT_USER && (int)filters[i].is.ident == fd;
    }
    return n;
}

static void put(int fd, const char *text)
{
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
}

/* ---- Deadlines and wakes. ---- */

TEST(a_deadline_reaches_the_kernel_as_it_is)
{
    static const int64_t deadlines[] = {0, 1, 123456789012345, INT64_MAX};
    start(1);
    for (size_t i = 0; i < sizeof deadlines / sizeof deadlines[0]; i++) {
        driver_under_test.wait(&group.reactors[0], deadlines[i], &done);
        CHECK_EQ(deadline_seen, deadlines[i]);
    }
}

/* Goal: a wake costs one call until the owner has come by, and its sleep is none. */
TEST(a_wake_triggers_once_until_it_was_seen)
{
    start(2);
    driver_under_test.wake(&group.reactors[1]);
    driver_under_test.wake(&group.reactors[1]);
    CHECK_EQ(n_triggers, 1);
    driver_under_test.wait(&group.reactors[0], INT64_MAX, &done);
    CHECK_EQ(deadline_seen, INT64_MAX);
    driver_under_test.wait(&group.reactors[1], INT64_MAX, &done);
    CHECK_EQ(deadline_seen, 0);
    driver_under_test.wake(&group.reactors[1]);
    CHECK_EQ(n_triggers, 2);
}

/* Goal: EV_CLEAR takes a wake back when anybody has read it: a reaper passes it on. */
TEST(a_wake_that_a_reaper_met_still_ends_the_owners_sleep)
{
    start(1);
    let_event_come(0, WAKE_IDENT, EVFILT_USER, 0);
    driver_under_test.reap(&group.reactors[0], &done);
    driver_under_test.wait(&group.reactors[0], INT64_MAX, &done);
    CHECK_EQ(deadline_seen, 0);
}

/* ---- Sockets of ours. ---- */

/* Goal: each direction is registered once in the life of the socket, and nothing is left of it. */
TEST(a_socket_has_a_filter_from_its_first_wait_to_its_close)
{
    struct weft__op op;
    start_with_own(1);
    for (int i = 0; i < 3; i++) {
        prepare(&op, WEFT__OP_READ, pair[0]);
        CHECK_EQ(submit(0, &op), 0);
        CHECK_EQ(filters_of(pair[0]), 1);
        put(pair[1], "x");
        let_event_come(0, pair[0], EVFILT_READ, 0);
        CHECK_EQ(wait_once(0), 1);
        CHECK_EQ(op.result, 1);
    }
    CHECK_EQ(n_changes, 1 + 2); /* the wake; a filter, and the look whether one was left */
    struct weft__op poll_out;
    prepare(&poll_out, WEFT__OP_POLL, pair[0]);
    poll_out.events = POLLOUT;
    CHECK_EQ(submit(0, &poll_out), 0);
    CHECK_EQ(filters_of(pair[0]), 2);
    let_event_come(0, pair[0], EVFILT_WRITE, 0);
    CHECK_EQ(wait_once(0), 1);
    CHECK_EQ(poll_out.result, POLLOUT);
    prepare(&op, WEFT__OP_CLOSE, pair[0]);
    CHECK_EQ(submit(0, &op), 1);
    CHECK_EQ(op.result, 0);
    CHECK_EQ(filters_of(pair[0]), 0);
}

/* Goal: an edge that finds nobody waiting is tried by the next one. */
TEST(an_event_that_finds_nobody_is_kept)
{
    struct weft__op op;
    start_with_own(1);
    prepare(&op, WEFT__OP_READ, pair[0]);
    CHECK_EQ(submit(0, &op), 0);
    let_event_come(0, pair[0], EVFILT_READ, 0);
    driver_under_test.cancel(&group.reactors[0], &op, -ECANCELED);
    put(pair[1], "early");
    CHECK_EQ(wait_once(0), 1); /* the cancelled one; the event comes after it */
    CHECK_EQ(op.result, -ECANCELED);
    prepare(&op, WEFT__OP_READ, pair[0]);
    CHECK_EQ(submit(0, &op), 1);
    CHECK_EQ(op.result, 5);
}

TEST(an_event_of_an_earlier_life_is_ignored)
{
    struct weft__op op;
    start_with_own(1);
    prepare(&op, WEFT__OP_READ, pair[0]);
    CHECK_EQ(submit(0, &op), 0);
    let_event_come(0, pair[0], EVFILT_READ, EV_EOF);
    told_next[0].event.udata = (char *)told_next[0].event.udata - 2;
    put(pair[1], "x");
    CHECK_EQ(wait_once(0), 0);
    let_event_come(0, pair[0], EVFILT_READ, 0);
    CHECK_EQ(wait_once(0), 1);
}

/* Goal: a read that empties the socket leaves nothing to try, unless the event said that more than
 * bytes is there: then the next read meets the end instead of waiting for another event. */
TEST(an_end_that_came_with_the_bytes_is_not_forgotten)
{
    struct weft__op op;
    start_with_own(1);
    for (int with_end = 0; with_end < 2; with_end++) {
        prepare(&op, WEFT__OP_READ, pair[0]);
        CHECK_EQ(submit(0, &op), 0);
        put(pair[1], "last");
        if (with_end != 0) {
            CHECK_EQ(close(pair[1]), 0);
        }
        let_event_come(0, pair[0], EVFILT_READ, with_end != 0 ? EV_EOF : 0);
        CHECK_EQ(wait_once(0), 1);
        CHECK_EQ(op.result, 4);
        unsigned kept = weft__fd_find(&group.fds, pair[0])->ready;
        CHECK_EQ(kept, with_end != 0 ? WEFT__DIR_IN : 0);
    }
    prepare(&op, WEFT__OP_READ, pair[0]);
    CHECK_EQ(submit(0, &op), 1);
    CHECK_EQ(op.result, 0);
}

/* Goal: an fd has one home: who waits elsewhere adds nothing to his own queue. */
TEST(events_arrive_where_the_fd_was_first_waited_for)
{
    struct weft__op first, second;
    start_with_own(2);
    prepare(&first, WEFT__OP_READ, pair[0]);
    prepare(&second, WEFT__OP_READ, pair[0]);
    CHECK_EQ(submit(1, &first), 0);
    CHECK_EQ(submit(0, &second), 0);
    CHECK_EQ(filters_of(pair[0]), 1);
    put(pair[1], "x");
    let_event_come(1, pair[0], EVFILT_READ, 0);
    CHECK_EQ(wait_once(1), 1);
    CHECK(done.first == &first);
}

/* ---- Somebody's fds. ---- */

/* Goal: the number may be another file at each wait: its filter is begun anew, and goes with the
 * last who waits. */
TEST(a_foreign_fd_is_registered_anew_and_forgotten)
{
    struct weft__op first, second;
    start(1);
    prepare(&first, WEFT__OP_POLL, pair[0]);
    prepare(&second, WEFT__OP_READ, pair[0]);
    CHECK_EQ(submit(0, &first), 0);
    int n_before = n_changes;
    CHECK_EQ(submit(0, &second), 0);
    CHECK_EQ(n_changes, n_before + 2); /* deleted, added */
    CHECK_EQ(filters_of(pair[0]), 1);
    driver_under_test.cancel(&group.reactors[0], &first, -ECANCELED);
    CHECK_EQ(filters_of(pair[0]), 1);
    put(pair[1], "x");
    let_event_come(0, pair[0], EVFILT_READ, 0);
    CHECK_EQ(wait_once(0), 2);
    CHECK_EQ(second.result, 1);
    CHECK_EQ(filters_of(pair[0]), 0);
}

/* Goal: nobody turns in a circle: an event that ends no wait changes no filter. */
TEST(an_event_for_nothing_asks_for_nothing)
{
    struct weft__op op;
    start(1);
    prepare(&op, WEFT__OP_POLL, pair[0]);
    op.events = POLLPRI;
    CHECK_EQ(submit(0, &op), 0);
    put(pair[1], "x");
    int n_before = n_changes;
    let_event_come(0, pair[0], EVFILT_READ, 0);
    CHECK_EQ(wait_once(0), 0);
    CHECK_EQ(n_changes, n_before);
    CHECK_EQ(filters_of(pair[0]), 1);
}

/* ---- What the kernel refuses. ---- */

/* Goal: a file without events is read at once; any other refusal is the operation's result, and
 * it is not in flight. */
TEST(a_refused_filter_is_a_result)
{
    static const int no_events[] = {EINVAL, ENODEV, EOPNOTSUPP};
    struct weft__op op;
    start(1);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 3; i++) {
        refusal_of_add = no_events[i];
        prepare(&op, WEFT__OP_READ, fd);
        CHECK_EQ(submit(0, &op), 1);
        CHECK_EQ(op.result, 0);
    }
    refusal_of_add = ENOMEM;
    prepare(&op, WEFT__OP_READ, pair[0]);
    CHECK_EQ(submit(0, &op), -ENOMEM);
    failure = -EBADF;
    prepare(&op, WEFT__OP_READ, pair[0]);
    CHECK_EQ(submit(0, &op), -EBADF);
    CHECK_EQ(weft__reactors_in_flight(&group), 0);
    CHECK_EQ(filters_of(pair[0]), 0);
}

/* Goal: of two filters the one that was not refused is known, and taken away in the end. */
TEST(a_half_refused_registration_is_cleaned_up)
{
    struct weft__op op;
    start(1);
    prepare(&op, WEFT__OP_POLL, pair[0]);
    op.events = POLLIN | POLLOUT;
    refusal_of_add = ENOMEM;
    CHECK_EQ(submit(0, &op), -ENOMEM);
    CHECK_EQ(filters_of(pair[0]), 1);
    let_event_come(0, pair[0], EVFILT_WRITE, 0);
    CHECK_EQ(wait_once(0), 0);
    CHECK_EQ(filters_of(pair[0]), 0);
}

/* A file on a disk would have no event at its end. */
TEST(a_regular_file_has_no_filter)
{
    struct weft__op op;
    start(1);
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int n_before = n_changes;
    prepare(&op, WEFT__OP_READ, fd);
    CHECK_EQ(submit(0, &op), 1);
    CHECK_EQ(op.result, op.bytes);
    CHECK_EQ(n_changes, n_before);
}

TEST(a_failing_wait_is_one_without_events)
{
    start(1);
    failure = -ENOMEM;
    CHECK_EQ(wait_once(0), 0);
}

TEST(a_queue_that_cannot_be_set_up_leaves_nothing)
{
    struct weft__reactor r = {.group = &group};
    failure = -ENOMEM;
    CHECK_EQ(driver_under_test.start(&r), -ENOMEM);
}
