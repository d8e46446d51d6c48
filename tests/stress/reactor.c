/* SPDX-License-Identifier: MIT */
/*
 * reactor.c - the drivers under storms: cancels, closes and reuse of fd numbers from several
 * threads, with every byte and every report counted.
 *
 * matrix: once
 */
#define _GNU_SOURCE
#include "../unit/reactor_rig.h"

#include <sched.h>

#define N_STREAMS 12
#define N_WORKERS 2
#define PATTERN 0x5a

/* One direction of a pair: a writer that numbers its bytes, and one read in flight at a time. */
struct stream {
    struct weft__op op;
    pthread_mutex_t lock; /* keeps the op alive for who cancels it */
    bool is_in_flight;
    int fds[2];
    uint8_t next_sent, next_seen;
    _Atomic uint64_t n_sent, n_seen;
    unsigned char bytes[96];
};

static struct storm {
    struct stream streams[N_STREAMS];
    _Atomic bool is_over;  /* no more writes and cancels */
    _Atomic int n_at_rest; /* streams that have seen their end */
    _Atomic uint64_t n_cancelled;
} storm;

static void read_next(struct stream *s, int r, struct weft__op_list *done);

/* A read was reported to the thread of reactor r. */
static void take_result(struct stream *s, int r, struct weft__op_list *done)
{
    CHECK_EQ(pthread_mutex_lock(&s->lock), 0); /* until here, a cancel may look at the op */
    CHECK(s->is_in_flight);
    s->is_in_flight = false;
    ssize_t n = s->op.result;
    CHECK_EQ(pthread_mutex_unlock(&s->lock), 0);
    if (n == 0) {
        atomic_fetch_add_explicit(&storm.n_at_rest, 1, memory_order_relaxed);
        return;
    }
    if (n == -ECANCELED) {
        atomic_fetch_add_explicit(&storm.n_cancelled, 1, memory_order_relaxed);
        n = 0;
    }
    CHECK_GE(n, 0);
    for (ssize_t i = 0; i < (ssize_t)sizeof s->bytes; i++) {
        CHECK_EQ(s->bytes[i], i < n ? s->next_seen : PATTERN);
        s->next_seen = (uint8_t)(i < n ? s->next_seen + 1 : s->next_seen);
        if (s->next_seen == PATTERN) {
            s->next_seen++; /* the writer leaves it out too */
        }
    }
    atomic_fetch_add_explicit(&s->n_seen, (uint64_t)n, memory_order_relaxed);
    read_next(s, r, done);
}

/* Begin the next read at reactor r, in the same record and buffer. */
static void read_next(struct stream *s, int r, struct weft__op_list *done)
{
    memset(s->bytes, PATTERN, sizeof s->bytes);
    CHECK_EQ(pthread_mutex_lock(&s->lock), 0);
    weft__op_init(&s->op, WEFT__OP_READ, s->fds[0], s);
    s->op.buf = s->bytes;
    s->op.bytes = sizeof s->bytes;
    s->is_in_flight = true;
    int rc = driver->submit(&group.reactors[r], &s->op);
    CHECK_EQ(pthread_mutex_unlock(&s->lock), 0);
    CHECK_GE(rc, 0);
    if (rc == 1) {
        weft__op_list_add(done, &s->op);
    }
}

static void *work(void *arg)
{
    int r = (int)(intptr_t)arg;
    struct weft__op_list done;
    while (atomic_load_explicit(&storm.n_at_rest, memory_order_relaxed) < N_STREAMS) {
        weft__op_list_init(&done);
        driver->wait(&group.reactors[r], after_ms(1), &done);
        driver->reap(&group.reactors[(r + 1) % group.count], &done);
        while (done.first != NULL) {
            struct weft__op *op = done.first;
            done.first = op->next;
            if (done.first == NULL) {
                done.last = &done.first;
            }
            take_result(op->owner, r, &done);
        }
    }
    return NULL;
}

static void write_some(struct stream *s, uint64_t *random)
{
    unsigned char bytes[64];
    size_t n = 1 + test_random(random) % sizeof bytes;
    uint8_t next = s->next_sent;
    for (size_t i = 0; i < n; i++) {
        bytes[i] = next++;
        if (next == PATTERN) {
            next++;
        }
    }
    struct pollfd p = {.fd = s->fds[1], .events = POLLOUT};
    if (poll(&p, 1, 0) == 1) {
        CHECK_EQ(write(s->fds[1], bytes, n), n);
        s->next_sent = next;
        atomic_fetch_add_explicit(&s->n_sent, n, memory_order_relaxed);
    }
}

/* Write and cancel at random, from a reactor of its own or, every other time, without one. */
static void *write_and_cancel(void *arg)
{
    int r = N_WORKERS;
    uint64_t random = test_seed();
    struct weft__op_list done;
    int64_t until = after_ms(test_stress_ms());
    (void)arg;
    while (weft__clock_ns() < until) {
        struct stream *s = &storm.streams[test_random(&random) % N_STREAMS];
        uint64_t dice = test_random(&random) % 8;
        if (dice < 4) {
            write_some(s, &random);
        } else if (dice < 7) {
            CHECK_EQ(pthread_mutex_lock(&s->lock), 0);
            if (s->is_in_flight) {
                driver->cancel(dice < 6 ? &group.reactors[r] : NULL, &s->op, -ECANCELED);
            }
            CHECK_EQ(pthread_mutex_unlock(&s->lock), 0);
        } else {
            sched_yield();
        }
        weft__op_list_init(&done);
        driver->wait(&group.reactors[r], 0, &done);
        while (done.first != NULL) {
            struct weft__op *op = done.first;
            done.first = op->next;
            if (done.first == NULL) {
                done.last = &done.first;
            }
            take_result(op->owner, r, &done);
        }
    }
    for (int i = 0; i < N_STREAMS; i++) {
        CHECK_EQ(close(storm.streams[i].fds[1]), 0);
    }
    return work((void *)(intptr_t)r);
}

/* Goal: a cancel loses no byte, doubles none and leaves no buffer with the kernel: success wins.
 * Method: streams of numbered bytes of all kinds, read by two threads and cancelled by a third,
 * which also writes; what is reported at a thread is submitted again there.  A cancelled read must
 * not have touched its buffer, and in the end all that was sent was seen, in order. */
ON_BOTH(cancels_race_completions_and_no_byte_is_lost)
{
    static const int kinds[] = {0, 2, 3, 5};
    pthread_t threads[N_WORKERS + 1];
    uint64_t n_bytes = 0;
    start(uring, N_WORKERS + 1);
    for (int i = 0; i < N_STREAMS; i++) {
        struct stream *s = &storm.streams[i];
        struct weft__op_list done;
        weft__op_list_init(&done);
        CHECK_EQ(pthread_mutex_init(&s->lock, NULL), 0);
        make_pair(&pair_kinds[kinds[i % 4]], s->fds);
        read_next(s, i % N_WORKERS, &done);
        CHECK(done.first == NULL);
    }
    for (int i = 0; i <= N_WORKERS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, i < N_WORKERS ? work : write_and_cancel,
                                (void *)(intptr_t)i),
                 0);
    }
    for (int i = 0; i <= N_WORKERS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    for (int i = 0; i < N_STREAMS; i++) {
        CHECK_EQ(storm.streams[i].n_seen, storm.streams[i].n_sent);
        n_bytes += storm.streams[i].n_seen;
        CHECK_EQ(close_by_op(0, storm.streams[i].fds[0]), 0);
    }
    CHECK_GT(n_bytes, 0);
    CHECK_GT(storm.n_cancelled, 0);
    printf("# %llu bytes, %llu cancelled reads\n", (unsigned long long)n_bytes,
           (unsigned long long)storm.n_cancelled);
    stop();
}

/* Goal: the kernel has let go of a buffer when its operation is reported as cancelled.
 * Method: 10,000 times, cancel a read before or after it is sent, then let the peer send: the
 * buffer of the cancelled read keeps its pattern, and the bytes go to the next read. */
ON_BOTH_LIMIT(a_cancelled_read_never_touches_its_buffer_again, 60)
{
    int n_rounds = test_scale() > 1 ? 2000 : 10000;
    uint64_t random = test_seed();
    int fds[2];
    start(uring, 1);
    make_pair(&pair_kinds[2], fds);
    for (int i = 0; i < n_rounds; i++) {
        struct task t, next;
        prepare(&t, WEFT__OP_READ, fds[0]);
        memset(t.bytes, PATTERN, sizeof t.bytes);
        CHECK_EQ(submit(0, &t), 0);
        if (test_random(&random) % 2 == 0) {
            wait_once(0, 0);
        }
        driver->cancel(&group.reactors[0], &t.op, -ECANCELED);
        CHECK_EQ(await(0, &t), -ECANCELED);
        put(fds[1], "12345678");
        prepare(&next, WEFT__OP_READ, fds[0]);
        CHECK_EQ(carry_out(0, &next), 8);
        wait_once(0, 0);
        for (size_t k = 0; k < sizeof t.bytes; k++) {
            CHECK_EQ(t.bytes[k], PATTERN);
        }
    }
    close_pair(fds);
    stop();
}

/* ---- Numbers that are used again. ---- */

struct reaping {
    pthread_t thread;
    _Atomic bool is_over;
};

static void *reap_all(void *arg)
{
    struct reaping *reaping = arg;
    while (!atomic_load_explicit(&reaping->is_over, memory_order_relaxed)) {
        for (int i = 0; i < group.count; i++) {
            reap_once(i);
        }
    }
    return NULL;
}

/* Goal: an event of an fd's earlier life reaches nobody in the next one.
 * Method: connections on the same fd number, each with an id of its own; a dup keeps the earlier
 * one open, and its peer goes on sending when the next one waits.  Another thread reaps all the
 * time, so that events are in its hands while the fd is closed. */
ON_BOTH_LIMIT(an_fd_number_used_again_gets_nothing_of_its_past, 60)
{
    struct reaping reaping = {.is_over = false};
    uint64_t random = test_seed();
    uint64_t n_rounds = 0;
    int old_dup = -1, old_peer = -1;
    start(uring, 2);
    CHECK_EQ(pthread_create(&reaping.thread, NULL, reap_all, &reaping), 0);
    int64_t until = after_ms(test_stress_ms());
    for (; n_rounds < 100 || weft__clock_ns() < until; n_rounds++) {
        struct task t, idle;
        uint64_t id = n_rounds;
        uint64_t seen;
        int fds[2];
        int r = (int)(test_random(&random) % 2);
        make_pair(&pair_kinds[test_random(&random) % 2 == 0 ? 2 : 3], fds);
        prepare(&t, WEFT__OP_READ, fds[0]);
        t.op.bytes = sizeof id;
        CHECK_EQ(weft__op_try(&t.op, weft__fd_is_own(&group.fds, fds[0])), -EAGAIN);
        if (old_peer >= 0) {
            CHECK_EQ(write(old_peer, "past", 4), 4);
        }
        CHECK_EQ(submit(r, &t), 0);
        wait_once(r, 0);
        CHECK_EQ(write(fds[1], &id, sizeof id), sizeof id);
        CHECK_EQ(await(r, &t), sizeof id);
        memcpy(&seen, t.bytes, sizeof seen);
        CHECK_EQ(seen, id);

        /* The end: something waits, bytes are under way, a dup holds the socket. */
        prepare(&idle, WEFT__OP_READ, fds[0]);
        CHECK_EQ(submit(1 - r, &idle), 0);
        if (old_dup >= 0) {
            CHECK_EQ(close(old_dup), 0);
            CHECK_EQ(close(old_peer), 0);
        }
        old_dup = fcntl(fds[0], F_DUPFD_CLOEXEC, 500);
        old_peer = fcntl(fds[1], F_DUPFD_CLOEXEC, 500);
        CHECK_EQ(close(fds[1]), 0);
        if (test_random(&random) % 2 == 0) {
            CHECK_EQ(write(old_peer, "late", 4), 4);
        }
        CHECK_EQ(close_by_op(r, fds[0]), 0);
        ssize_t n = await(1 - r, &idle);
        CHECK(n == -EBADF || n == 4);
    }
    atomic_store_explicit(&reaping.is_over, true, memory_order_relaxed);
    CHECK_EQ(pthread_join(reaping.thread, NULL), 0);
    printf("# %llu lives of an fd\n", (unsigned long long)n_rounds);
    stop();
}

/* ---- Close. ---- */

struct duel {
    struct task reads[3], closing;
    int fds[2];
    _Atomic int n_ready;
    bool is_over;
};

static struct duel duel;

/* Both threads come here between rounds. */
static void meet(int target)
{
    /* acq_rel [TEST-MEET] */
    atomic_fetch_add_explicit(&duel.n_ready, 1, memory_order_acq_rel);
    while (atomic_load_explicit(&duel.n_ready, memory_order_acquire) < target) {
        sched_yield();
    }
}

static bool are_all_reported(void)
{
    return is_done(&duel.reads[0]) && is_done(&duel.reads[1]) && is_done(&duel.reads[2]) &&
           is_done(&duel.closing);
}

static void *close_at_random(void *arg)
{
    uint64_t random = test_seed();
    (void)arg;
    for (int i = 0;; i++) {
        meet(4 * i + 2);
        if (duel.is_over) {
            return NULL;
        }
        test_spin_us((int64_t)(test_random(&random) % 32));
        prepare(&duel.closing, WEFT__OP_CLOSE, duel.fds[0]);
        int rc = submit(1, &duel.closing);
        CHECK_GE(rc, 0);
        if (rc == 1) {
            CHECK_EQ(duel.closing.op.result, 0);
            atomic_fetch_add_explicit(&duel.closing.n_reports, 1, memory_order_release);
        }
        while (!are_all_reported()) {
            wait_once(1, after_ms(1));
            reap_once(0);
        }
        meet(4 * i + 4);
    }
}

/* Goal: a close that races reads from another reactor ends each of them exactly once, none after
 * the close, and the peer sees the end.
 * Method: one thread submits reads and cancels one while the other closes at a random moment. */
ON_BOTH_LIMIT(close_races_reads_of_another_reactor, 60)
{
    pthread_t closer;
    int i = 0;
    start(uring, 2);
    CHECK_EQ(pthread_create(&closer, NULL, close_at_random, NULL), 0);
    for (int64_t until = after_ms(test_stress_ms()); i < 100 || weft__clock_ns() < until; i++) {
        make_pair(&pair_kinds[i % 2 == 0 ? 2 : 3], duel.fds);
        memset(&duel.closing, 0, sizeof duel.closing);
        for (int k = 0; k < 3; k++) {
            prepare(&duel.reads[k], WEFT__OP_READ, duel.fds[0]);
            CHECK_EQ(submit(0, &duel.reads[k]), 0);
        }
        meet(4 * i + 2);
        wait_once(0, 0);
        if (i % 3 == 0) {
            driver->cancel(&group.reactors[0], &duel.reads[1].op, -ETIMEDOUT);
        }
        while (!are_all_reported()) {
            wait_once(0, after_ms(1));
            reap_once(1);
        }
        meet(4 * i + 4);
        for (int k = 0; k < 3; k++) {
            CHECK_EQ(duel.reads[k].n_reports, 1);
            ssize_t n = duel.reads[k].result;
            CHECK(n == -EBADF || (k == 1 && i % 3 == 0 && n == -ETIMEDOUT));
        }
        CHECK_EQ(duel.closing.n_reports, 1);
        struct pollfd p = {.fd = duel.fds[1], .events = POLLIN};
        CHECK_EQ(poll(&p, 1, 100 * (int)test_scale()), 1);
        CHECK_EQ(read(duel.fds[1], duel.closing.bytes, 1), 0);
        CHECK_EQ(close(duel.fds[1]), 0);
    }
    duel.is_over = true;
    meet(4 * i + 2);
    CHECK_EQ(pthread_join(closer, NULL), 0);
    printf("# %d closes\n", i);
    stop();
}
