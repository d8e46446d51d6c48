/* SPDX-License-Identifier: MIT */
/*
 * cancel.c - everything that waits is cancelled at random moments, from coroutines and from a plain
 * thread, while deadlines pass and partners come: whatever ends a wait, the books balance.
 *
 * matrix: short
 */
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>

#include "co_test.h"

enum { WORKERS = 24, CANCELLERS = 2, PERMITS = 5 };

/* The scope of a worker, while it may be cancelled: the lock keeps it open for that long. */
struct slot {
    atomic_flag is_locked;
    struct weft_scope *scope;
};

static struct slot slots[WORKERS];
static int64_t until;
static atomic_bool is_over;
static atomic_llong sum_sent, sum_received, bytes_written, bytes_read, n_cancelled;
static atomic_int n_inside, n_reading, n_in_use;
static chan *narrow, *wide;
static struct weft_mutex *mutex;
static struct weft_rwlock *rwlock;
static struct weft_sem *sem;
static int fd[2];

static void lock_slot(struct slot *s)
{
    while (atomic_flag_test_and_set(&s->is_locked))
        sched_yield();
}

static void unlock_slot(struct slot *s)
{
    atomic_flag_clear(&s->is_locked);
}

static void publish(struct slot *s, struct weft_scope *scope)
{
    lock_slot(s);
    s->scope = scope;
    unlock_slot(s);
}

static ssize_t send_one(chan *ch, uint64_t *x)
{
    int value = (int)(test_random(x) % 1000);
    int rc = chan_send(ch, &value);

    if (rc == 0)
        atomic_fetch_add(&sum_sent, value);
    return rc;
}

static ssize_t recv_one(chan *ch)
{
    int value = 0;
    int rc = chan_recv(ch, &value);

    if (rc == 0)
        atomic_fetch_add(&sum_received, value);
    return rc;
}

static ssize_t be_alone(uint64_t *x)
{
    int rc = weft_mutex_lock(mutex);

    if (rc != 0)
        return rc;
    CHECK_EQ(atomic_fetch_add(&n_inside, 1), 0);
    if (test_random(x) % 4 == 0)
        rc = weft_sleep(20 * WEFT_US);
    CHECK_EQ(atomic_fetch_sub(&n_inside, 1), 1);
    weft_mutex_unlock(mutex);
    return rc;
}

static ssize_t read_or_write(uint64_t *x)
{
    bool reads = test_random(x) % 3 != 0;
    int rc = reads ? weft_rwlock_read_lock(rwlock) : weft_rwlock_write_lock(rwlock);

    if (rc != 0)
        return rc;
    if (reads)
        atomic_fetch_add(&n_reading, 1);
    if (test_random(x) % 4 == 0)
        rc = weft_sleep(20 * WEFT_US);
    if (reads) {
        CHECK_GE(atomic_fetch_sub(&n_reading, 1), 1);
        weft_rwlock_read_unlock(rwlock);
    } else {
        CHECK_EQ(atomic_load(&n_reading), 0);
        weft_rwlock_write_unlock(rwlock);
    }
    return rc;
}

static ssize_t use_permits(uint64_t *x)
{
    int n = 1 + (int)(test_random(x) % PERMITS);
    int rc = weft_sem_acquire(sem, n);

    if (rc != 0)
        return rc;
    CHECK_LE(atomic_fetch_add(&n_in_use, n) + n, PERMITS);
    if (test_random(x) % 4 == 0)
        rc = weft_sleep(20 * WEFT_US);
    atomic_fetch_sub(&n_in_use, n);
    weft_sem_release(sem, n);
    return rc;
}

static ssize_t choose(uint64_t *x)
{
    int in = 0, out = (int)(test_random(x) % 1000);
    struct weft_case cases[] = {weft_case_recv(narrow, &in), weft_case_send(wide, &out),
                                weft_case_readable(fd[1]), weft_case_after(50 * WEFT_US)};
    int chosen = chan_select(cases, COUNT(cases));

    if (chosen == 0)
        atomic_fetch_add(&sum_received, in);
    else if (chosen == 1)
        atomic_fetch_add(&sum_sent, out);
    return chosen < 0 ? chosen : 0;
}

static ssize_t move_bytes(uint64_t *x, bool is_read)
{
    char buf[3000] = "";
    size_t want = 1 + test_random(x) % sizeof buf;
    ssize_t n = is_read ? weft_read(fd[1], buf, want) : weft_write(fd[0], buf, want);

    if (n > 0)
        atomic_fetch_add(is_read ? &bytes_read : &bytes_written, n);
    return n < 0 ? n : 0;
}

static ssize_t do_something(uint64_t *x)
{
    switch (test_random(x) % 11) {
    case 0:
        return send_one(narrow, x);
    case 1:
        return recv_one(narrow);
    case 2:
        return send_one(wide, x);
    case 3:
        return recv_one(wide);
    case 4:
        return be_alone(x);
    case 5:
        return choose(x);
    case 6:
        return move_bytes(x, true);
    case 7:
        return move_bytes(x, false);
    case 8:
        return read_or_write(x);
    case 9:
        return use_permits(x);
    default:
        return weft_sleep((int64_t)(test_random(x) % 100) * WEFT_US);
    }
}

/* A scope after the other, with and without a deadline, some with a shielded part. */
static int work(void *arg)
{
    struct slot *slot = arg;
    uint64_t x = test_seed() ^ weft_id() << 20;

    while (test_now_ms() < until) {
        struct weft_scope s;
        ssize_t rc = 0;
        weft_scope_begin(&s, test_random(&x) % 2 ? WEFT_NEVER : 300 * WEFT_US);
        publish(slot, &s);
        while (rc == 0 && test_now_ms() < until) {
            rc = do_something(&x);
            if (test_random(&x) % 32 == 0)
                WEFT_SHIELD (t, WEFT_SEC)
                    CHECK_EQ(weft_sleep(1000), 0);
        }
        if (rc == -ECANCELED)
            atomic_fetch_add(&n_cancelled, 1);
        else if (rc != 0)
            CHECK_EQ(rc, -ETIMEDOUT);
        publish(slot, NULL);
        (void)weft_scope_end(&s);
    }
    return 0;
}

static void cancel_one(uint64_t *x)
{
    struct slot *s = &slots[test_random(x) % WORKERS];

    lock_slot(s);
    if (s->scope != NULL)
        weft_scope_cancel(s->scope);
    unlock_slot(s);
}

static int cancel_in_turn(void *arg)
{
    uint64_t x = test_seed() ^ weft_id() << 20;

    (void)arg;
    while (!atomic_load(&is_over)) {
        cancel_one(&x);
        CHECK_EQ(weft_sleep((int64_t)(test_random(&x) % 50) * WEFT_US), 0);
    }
    return 0;
}

static void *cancel_on_a_thread(void *arg)
{
    uint64_t x = test_seed() + 77;

    (void)arg;
    while (!atomic_load(&is_over)) {
        cancel_one(&x);
        usleep((useconds_t)(test_random(&x) % 50));
    }
    return NULL;
}

static void balance(void)
{
    char buf[4096];
    int value;
    ssize_t n;

    while (chan_try_recv(narrow, &value) == 0 || chan_try_recv(wide, &value) == 0)
        atomic_fetch_add(&sum_received, value);
    CHECK_EQ(atomic_load(&sum_sent), atomic_load(&sum_received));
    while ((n = recv(fd[1], buf, sizeof buf, MSG_DONTWAIT)) > 0)
        atomic_fetch_add(&bytes_read, n);
    CHECK_EQ(atomic_load(&bytes_written), atomic_load(&bytes_read));
    CHECK_EQ(weft_mutex_try_lock(mutex), 0);
    weft_mutex_unlock(mutex);
    CHECK_EQ(weft_rwlock_write_try_lock(rwlock), 0);
    weft_rwlock_write_unlock(rwlock);
    CHECK_EQ(weft_sem_try_acquire(sem, PERMITS), 0);
}

/* Goal: a cancel loses nothing that happened before it, ends every wait in a cancelled scope (else
 * this hangs), and none of a shield.
 * Method: values, bytes, locks and permits are accounted for, whoever won. */
STRESS_TEST(whatever_ends_a_wait_the_books_balance)
{
    struct weft_co *worker[WORKERS], *canceller[CANCELLERS];
    pthread_t th;

    until = test_now_ms() + test_stress_ms();
    narrow = chan_make(sizeof(int), 0);
    wide = chan_make(sizeof(int), 8);
    mutex = weft_mutex_make();
    rwlock = weft_rwlock_make();
    sem = weft_sem_make(PERMITS);
    CHECK_EQ(weft_socket_pair(fd), 0);
    CHECK_EQ(pthread_create(&th, NULL, cancel_on_a_thread, NULL), 0);
    for (int i = 0; i < WORKERS; i++)
        worker[i] = weft_go_with(work, &slots[i]);
    for (int i = 0; i < CANCELLERS; i++)
        canceller[i] = weft_go_with(cancel_in_turn, NULL);
    for (int i = 0; i < WORKERS; i++)
        join(worker[i]);
    atomic_store(&is_over, true);
    for (int i = 0; i < CANCELLERS; i++)
        join(canceller[i]);
    CHECK_EQ(pthread_join(th, NULL), 0);
    balance();
    CHECK_GT(atomic_load(&n_cancelled), 0);
    CHECK_EQ(weft_close(fd[0]), 0);
    CHECK_EQ(weft_close(fd[1]), 0);
    chan_unref(narrow);
    chan_unref(wide);
    weft_mutex_free(mutex);
    weft_rwlock_free(rwlock);
    weft_sem_free(sem);
    return 0;
}

/* --- coroutines that are cancelled while they come and go */

static int wait_for_a_cancel(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_sleep(WEFT_NEVER), -ECANCELED);
    return 7;
}

static void *cancel_all(void *arg)
{
    struct weft_co **co = arg;

    for (int i = 0; i < WORKERS; i++)
        weft_cancel(co[i]);
    return NULL;
}

/* Goal: a cancel reaches a coroutine before it begins, on its way into its wait and inside it. */
STRESS_TEST(every_cancelled_coroutine_ends)
{
    struct weft_co *co[WORKERS];

    until = test_now_ms() + test_stress_ms() / 2;
    do {
        pthread_t th;
        int result = 0;
        for (int i = 0; i < WORKERS; i++)
            co[i] = weft_go_with(wait_for_a_cancel, NULL);
        CHECK_EQ(pthread_create(&th, NULL, cancel_all, co), 0);
        weft_yield();
        CHECK_EQ(pthread_join(th, NULL), 0);
        for (int i = 0; i < WORKERS; i++) {
            CHECK_EQ(weft_join(co[i], &result), 0);
            CHECK_EQ(result, 7);
        }
    } while (test_now_ms() < until);
    return 0;
}
