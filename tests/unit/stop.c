/* SPDX-License-Identifier: MIT */
/*
 * stop.c - a stop meets a thread that is about to start a coroutine, coroutines that wait in an
 * object with others, who stay, and one that sleeps.
 *
 * matrix: short
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <sched/sched.h>

#include "co_test.h"

static struct weft_runtime *rt;
static atomic_int has_come;
static _Thread_local bool is_guest;

/* The guest is held up in the middle of its call, until the runtime has no thread any more. */
static void *hold_up(void *user, size_t bytes, size_t alignment)
{
    void *p = NULL;

    (void)user;
    if (is_guest) {
        is_guest = false;
        atomic_store(&has_come, 1);
        while (atomic_load_explicit(&rt->n_running_ms, memory_order_relaxed) != 0)
            sched_yield();
        usleep(20000); /* and as good as stopped */
    }
    if (alignment < sizeof p)
        alignment = sizeof p;
    return posix_memalign(&p, alignment, bytes) == 0 ? p : NULL;
}

static void release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

static const struct weft_allocator allocator = {
    .size = sizeof allocator, .allocate = hold_up, .release = release};

static int never_called(void *arg)
{
    (void)arg;
    TEST_FAIL("there is no thread for it");
}

static void *come_in(void *rc)
{
    is_guest = true;
    *(int *)rc = weft_block_on(rt, never_called, NULL, NULL);
    return NULL;
}

/* Goal: a thread that came before the stop, and starts its coroutine when there is nobody left to
 * run it, is told so; and the stop waits for it. */
TEST(a_thread_that_is_about_to_start_a_coroutine_is_told_of_the_stop)
{
    pthread_t th;
    int rc = 1;

    CHECK_EQ(weft_set_allocator(&allocator), 0);
    CHECK_EQ(weft_runtime_start(&rt, NULL), 0);
    CHECK_EQ(pthread_create(&th, NULL, come_in, &rc), 0);
    while (atomic_load(&has_come) == 0)
        sched_yield();
    CHECK_GE(weft_runtime_stop(rt), 0);
    CHECK_EQ(pthread_join(th, NULL), 0);
    CHECK_EQ(rc, -ESHUTDOWN);
}

/* ---- those behind one who is discarded ---- */

static struct weft_runtime *staying;
static atomic_int n_gone_on;

static uint64_t n_parks(struct weft_runtime *of)
{
    struct weft_stats s = {.size = sizeof s};

    CHECK_EQ(weft_runtime_stats(of, &s), 0);
    return s.parks;
}

/* Of two runtimes: `first` waits in one, then `second` in the other.  The first one is stopped. */
static void discard_the_first(void (*first)(void *), void (*second)(void *), void *object)
{
    CHECK_EQ(weft_runtime_start(&rt, NULL), 0);
    CHECK_EQ(weft_runtime_start(&staying, NULL), 0);
    CHECK_EQ(weft_runtime_go(rt, first, object), 0);
    while (n_parks(rt) == 0)
        sched_yield();
    if (second != NULL) {
        CHECK_EQ(weft_runtime_go(staying, second, object), 0);
        while (n_parks(staying) == 0)
            sched_yield();
    }
    CHECK_EQ(weft_runtime_stop(rt), 1);
}

/* So many of those who stay have gone on, and have come to their end. */
static void wait_for_the_others(int n)
{
    while (atomic_load(&n_gone_on) < n)
        usleep(100);
    (void)weft_runtime_stop(staying);
}

static void take_two(void *sem)
{
    (void)!weft_sem_acquire(sem, 2);
    TEST_FAIL("there was one permit");
}

static void take_one(void *sem)
{
    CHECK_EQ(weft_sem_acquire(sem, 1), 0);
    atomic_fetch_add(&n_gone_on, 1);
}

TEST(those_behind_a_request_that_is_discarded_get_their_permits)
{
    struct weft_sem *sem = weft_sem_make(1);

    discard_the_first(take_two, take_one, sem);
    wait_for_the_others(1);
    CHECK_EQ(weft_sem_try_acquire(sem, 1), -EAGAIN);
    weft_sem_free(sem);
}

static void go_in_to_write(void *rw)
{
    (void)!weft_rwlock_write_lock(rw);
    TEST_FAIL("there was a reader");
}

static void go_in_to_read(void *rw)
{
    CHECK_EQ(weft_rwlock_read_lock(rw), 0);
    weft_rwlock_read_unlock(rw);
    atomic_fetch_add(&n_gone_on, 1);
}

TEST(readers_behind_a_writer_that_is_discarded_go_in)
{
    struct weft_rwlock *rw = weft_rwlock_make();

    CHECK_EQ(weft_rwlock_read_lock(rw), 0);
    discard_the_first(go_in_to_write, go_in_to_read, rw);
    wait_for_the_others(1);
    weft_rwlock_read_unlock(rw);
    weft_rwlock_free(rw);
}

static void meet(void *barrier)
{
    (void)!weft_barrier_wait(barrier);
    atomic_fetch_add(&n_gone_on, 1);
}

/* Goal: nobody is met who is gone. */
TEST(one_that_is_discarded_has_not_come)
{
    struct weft_barrier *b = weft_barrier_make(2);

    discard_the_first(meet, NULL, b);
    CHECK_EQ(weft_runtime_go(staying, meet, b), 0);
    while (n_parks(staying) == 0 && atomic_load(&n_gone_on) == 0)
        sched_yield();
    CHECK_EQ(atomic_load(&n_gone_on), 0);
    CHECK_EQ(weft_barrier_wait(b), 1);
    wait_for_the_others(1);
    weft_barrier_free(b);
}

static void wait_for_event(void *event)
{
    (void)!weft_event_wait(event);
}

static atomic_int n_blocks;

static void *count_allocate(void *user, size_t bytes, size_t alignment)
{
    atomic_fetch_add(&n_blocks, 1);
    return hold_up(user, bytes, alignment);
}

static void count_release(void *user, void *memory)
{
    atomic_fetch_sub(&n_blocks, 1);
    release(user, memory);
}

static const struct weft_allocator counting = {
    .size = sizeof counting, .allocate = count_allocate, .release = count_release};

/* Goal: what nobody waits in any more is freed, although one never came out. */
TEST(an_object_whose_waiter_was_discarded_is_freed)
{
    CHECK_EQ(weft_set_allocator(&counting), 0);
    struct weft_event *e = weft_event_make();

    discard_the_first(wait_for_event, NULL, e);
    wait_for_the_others(0);
    int n = atomic_load(&n_blocks);
    weft_event_free(e);
    CHECK_EQ(atomic_load(&n_blocks), n - 1);
}

/* ---- one who sleeps, and has waited in a channel or will ---- */

static struct weft_chan *ch;
static atomic_bool has_slept;

static void receive_and_sleep(void *unused)
{
    int value;

    (void)unused;
    CHECK_EQ(weft_chan_recv(ch, &value), 0);
    weft_chan_unref(ch);
    (void)!weft_sleep(3600 * WEFT_SEC);
}

static int leave_one_asleep(void *unused)
{
    const int value = 1;

    (void)unused;
    ch = weft_chan_make(sizeof value, 0);
    go(receive_and_sleep, NULL);
    CHECK_EQ(weft_chan_send(ch, &value), 0);
    weft_yield();
    return 0;
}

/* Goal: a coroutine that sleeps when its runtime is stopped is taken out of no queue: the channel
 * that it waited in before is gone. */
TEST(one_that_sleeps_is_in_no_queue)
{
    CHECK_EQ(weft_run_with(leave_one_asleep, NULL, .procs = 1), 0);
}

static void sleep_and_receive(void *unused)
{
    (void)unused;
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    atomic_store(&has_slept, true);
    (void)!weft_chan_recv(ch, NULL);
}

static int leave_one_that_receives(void *unused)
{
    (void)unused;
    ch = weft_chan_make(0, 0);
    go(sleep_and_receive, NULL);
    while (!atomic_load(&has_slept))
        weft_yield();
    weft_yield();
    return 0;
}

/* Goal: one that has slept before it waits in a channel is taken out of that, which lives on. */
TEST(one_that_has_slept_is_taken_out_of_its_queue)
{
    CHECK_EQ(weft_run_with(leave_one_that_receives, NULL, .procs = 1), 0);
    CHECK_EQ(weft_chan_close(ch), 0);
    weft_chan_unref(ch);
}
