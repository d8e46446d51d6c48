/* SPDX-License-Identifier: MIT */
/*
 * disk.c - calls that wait for a disk (park/disk.h): the line, those who serve it, and those who go
 * for themselves.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include "park/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>

#include "base/self.h"
#include "co_test.h"
#include "sched/sched.h"

/* The disk of the runtime that the caller runs in: never slow, and nobody leaves the line for
 * impatience, unless a test says otherwise. */
static struct weft__disk *disk_with(uint32_t servers)
{
    struct weft__disk *d = &weft__m_self()->rt->disk;

    d->servers_max = servers;
    d->slow_ns = INT64_MAX;
    d->patience_ns = 3600 * WEFT_SEC;
    return d;
}

static void await_all_gone(struct weft__disk *d)
{
    while (atomic_load(&d->serving) != 0)
        CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
    CHECK_EQ(atomic_load(&d->n_waiting), 0);
    CHECK(atomic_load(&d->inbox) == NULL && d->line.first == NULL);
}

static int call(int (*fn)(void *), void *arg, int *result)
{
    return weft__park_disk_job(fn, arg, result, WAIT_FILE, NULL, NULL);
}

/* A gate in front of calls that shall take as long as a test wants. */
static atomic_bool is_open;
static atomic_int n_inside, n_peak, n_called;
static int called[8]; /* with what */

static int stand(void *arg)
{
    called[atomic_fetch_add(&n_called, 1) % COUNT(called)] = *(int *)arg;
    atomic_fetch_add(&n_inside, 1);
    while (!atomic_load(&is_open))
        usleep(200);
    atomic_fetch_sub(&n_inside, 1);
    return *(int *)arg;
}

static int call_and_stand(void *arg)
{
    int result = -1;
    int rc = call(stand, arg, &result);

    CHECK(rc != 0 || result == *(int *)arg);
    return rc;
}

static struct weft_co *stand_with(int *number)
{
    return weft_go_with(call_and_stand, number);
}

static void await_inside(int n)
{
    while (atomic_load(&n_inside) != n)
        CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
}

static void await_line(const struct weft__disk *d, uint32_t n)
{
    while (atomic_load(&d->n_waiting) != n)
        CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
}

static int result_of(struct weft_co *co)
{
    int result = 1;

    CHECK_EQ(weft_join(co, &result), 0);
    return result;
}

/* ---- the line ---- */

#define CALLERS 40
#define CALLS 25

static int pass(void *arg)
{
    int n = atomic_fetch_add(&n_inside, 1) + 1, peak = atomic_load(&n_peak);

    while (n > peak && !atomic_compare_exchange_weak(&n_peak, &peak, n))
        ;
    sched_yield();
    atomic_fetch_sub(&n_inside, 1);
    atomic_fetch_add(&n_called, 1);
    return *(int *)arg;
}

static int call_often(void *arg)
{
    for (int i = 0; i < CALLS; i++) {
        int number = i, result = -1;

        CHECK_EQ(call(pass, &number, &result), 0);
        CHECK_EQ(result, i);
        if (i % 5 == 0)
            weft_yield();
    }
    (void)arg;
    return 0;
}

/* Goal: all calls are made, once each, by no more at a time than there may be servers. */
CO_TEST(a_few_serve_all)
{
    struct weft__disk *d = disk_with(3);
    struct weft_co *callers[CALLERS];

    for (int i = 0; i < CALLERS; i++)
        callers[i] = weft_go_with(call_often, NULL);
    for (int i = 0; i < CALLERS; i++)
        join(callers[i]);
    CHECK_EQ(atomic_load(&n_called), CALLERS * CALLS);
    CHECK_LE(atomic_load(&n_peak), 3);
    await_all_gone(d);
    return 0;
}

/* Goal: who stands in the line is served in his turn, or called off and never served; those behind
 * him are served all the same. */
CO_TEST(a_call_in_the_line_is_called_off)
{
    struct weft__disk *d = disk_with(1);
    int numbers[] = {7, 8, 9, 10};
    struct weft_co *first = stand_with(&numbers[0]), *second, *third, *fourth;

    await_inside(1);
    second = stand_with(&numbers[1]);
    await_line(d, 1);
    third = stand_with(&numbers[2]);
    await_line(d, 2);
    fourth = stand_with(&numbers[3]);
    await_line(d, 3);
    weft_cancel(second);
    CHECK_EQ(result_of(second), -ECANCELED);
    await_line(d, 2);
    WEFT_DEADLINE (s, WEFT_MS)
        CHECK_EQ(call_and_stand(&numbers[1]), -ETIMEDOUT);
    CHECK_EQ(atomic_load(&d->n_waiting), 2);
    weft_cancel(first); /* he is being served: nothing ends that */
    atomic_store(&is_open, true);
    join(first);
    CHECK_EQ(result_of(third), 0);
    CHECK_EQ(result_of(fourth), 0);
    CHECK_EQ(atomic_load(&n_called), 3);
    CHECK_EQ(called[1], 9);
    CHECK_EQ(called[2], 10);
    await_all_gone(d);
    return 0;
}

#define PAGE 4096

static atomic_bool has_read;

static int read_page(void *arg)
{
    static char page[PAGE] __attribute__((aligned(PAGE)));

    CHECK_EQ(weft_pread(*(int *)arg, page, PAGE, 0), PAGE);
    CHECK_EQ(page[PAGE - 1], 'd');
    atomic_store(&has_read, true);
    return 0;
}

/* A file of one page that is always read from the disk. */
static int direct_file(void)
{
    char page[PAGE], path[32];
    const int fd = weft_temp_file(NULL);

    CHECK_GE(fd, 0);
    memset(page, 'd', PAGE);
    CHECK_EQ(weft_pwrite(fd, page, PAGE, 0), PAGE);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const int direct = weft_open(path, O_RDONLY | O_DIRECT, 0);
    CHECK_EQ(weft_close(fd), 0);
    if (direct == -EINVAL)
        SKIP("this file system has no direct I/O");
    CHECK_GE(direct, 0);
    return direct;
}

static int read_behind_another(void *unused)
{
    struct weft__disk *d = disk_with(1);
    int number = 1, fd = direct_file();
    struct weft_co *first = stand_with(&number), *reader;

    (void)unused;
    await_inside(1);
    reader = weft_go_with(read_page, &fd);
    while (atomic_load(&d->n_waiting) == 0) {
        CHECK(!atomic_load(&has_read));
        CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
    }
    atomic_store(&is_open, true);
    join(first);
    join(reader);
    CHECK_EQ(weft_close(fd), 0);
    return 0;
}

/* Goal: without a ring it is the line where a read waits for the disk.
 * Method: by direct I/O, which is never tried first: a try may find what it has made the kernel
 * read. */
TEST(a_read_from_the_disk_stands_in_the_line)
{
    CHECK_EQ(weft_run_with(read_behind_another, NULL, .reactor = WEFT_REACTOR_EPOLL), 0);
}

/* ---- those who go for themselves ---- */

/* Goal: calls that cannot be served by a few at a time are not waited for by others.
 * Method: the first stands at a gate that the second opens. */
static int open_gate(void *arg)
{
    atomic_store(&is_open, true);
    return *(int *)arg;
}

CO_TEST(who_waits_too_long_goes_for_himself)
{
    struct weft__disk *d = disk_with(1);
    int number = 5, result = -1;
    struct weft_co *first = stand_with(&number);

    d->patience_ns = WEFT_MS;
    await_inside(1);
    CHECK_EQ(call(open_gate, &number, &result), 0);
    CHECK_EQ(result, 5);
    join(first);
    await_all_gone(d);
    return 0;
}

/* Goal: a disk that answers late is asked everything at once, for a while.
 * Method: every answer is late; and then none. */
CO_TEST(a_slow_disk_is_asked_everything_at_once)
{
    struct weft__disk *d = disk_with(1);
    struct weft_co *standing[5];
    int number = 3;

    d->slow_ns = -1;
    d->open_ns = 3600 * WEFT_SEC;
    atomic_store(&is_open, true);
    while (atomic_load(&d->open_until_ns) == 0)
        CHECK_EQ(call_and_stand(&number), 0);
    atomic_store(&is_open, false);
    for (int i = 0; i < COUNT(standing); i++)
        standing[i] = stand_with(&number);
    await_inside(COUNT(standing));
    CHECK_EQ(atomic_load(&d->n_waiting), 0);
    atomic_store(&d->open_until_ns, 1);
    struct weft_co *served = stand_with(&number);
    await_inside(COUNT(standing) + 1);
    struct weft_co *in_line = stand_with(&number);
    await_line(d, 1);
    atomic_store(&is_open, true);
    for (int i = 0; i < COUNT(standing); i++)
        join(standing[i]);
    join(served);
    join(in_line);
    await_all_gone(d);
    return 0;
}

/* A call of the program's that keeps the only thread. */
static int keep_the_thread(void *unused)
{
    int result = 0;

    CHECK_EQ(weft_blocking(stand, &(int){0}, &result), 0);
    (void)unused;
    return 0;
}

static int call_without_a_thread(void *unused)
{
    struct weft__disk *d = disk_with(2);
    int number = 4;
    struct weft_co *keeper = weft_go_with(keep_the_thread, NULL);

    (void)unused;
    await_inside(1);
    for (int is_patient = 0; is_patient <= 1; is_patient++) {
        d->patience_ns = is_patient ? 3600 * WEFT_SEC : WEFT_US;
        WEFT_DEADLINE (s, 5 * WEFT_MS)
            CHECK_EQ(call_and_stand(&number), -ETIMEDOUT);
        CHECK_EQ(atomic_load(&d->n_waiting), 0);
    }
    struct weft_co *late = stand_with(&number);
    await_line(d, 1);
    atomic_store(&is_open, true);
    join(keeper);
    join(late);
    CHECK_EQ(atomic_load(&n_called), 2);
    await_all_gone(d);
    return 0;
}

/* Goal: as long as no thread can be had, the call waits for one, in the line or out of it, and a
 * scope ends that. */
TEST(a_call_waits_for_a_thread)
{
    CHECK_EQ(weft_run_with(call_without_a_thread, NULL, .blocking_max = 1), 0);
}

static void stand_in_line_for_ever(void *unused)
{
    static int number;

    (void)unused;
    (void)disk_with(2);
    weft_detach(weft_go_with(keep_the_thread, NULL));
    await_inside(1);
    for (int i = 0; i < 2; i++)
        weft_detach(stand_with(&number));
}

static void *open_when_it_stops(void *rt)
{
    while (!atomic_load(&((struct weft_runtime *)rt)->pool.is_closed))
        usleep(200);
    atomic_store(&is_open, true);
    return NULL;
}

/* Goal: those in the line when their runtime is stopped are discarded with it, and nobody serves
 * them any more.  Method: the only thread is kept until the pool has been closed. */
TEST(a_stop_discards_those_in_the_line)
{
    struct weft_config config = WEFT_CONFIG_INIT;
    struct weft_runtime *rt;
    pthread_t th;

    config.blocking_max = 1;
    CHECK_EQ(weft_runtime_start(&rt, &config), 0);
    CHECK_EQ(weft_runtime_go(rt, stand_in_line_for_ever, NULL), 0);
    while (atomic_load(&rt->disk.n_waiting) != 2)
        usleep(200);
    CHECK_EQ(pthread_create(&th, NULL, open_when_it_stops, rt), 0);
    CHECK_GE(weft_runtime_stop(rt), 2);
    CHECK_EQ(pthread_join(th, NULL), 0);
    CHECK_EQ(atomic_load(&n_called), 1);
}

/* ---- elsewhere ---- */

static void *call_on_a_thread(void *arg)
{
    int result = -1;

    CHECK_EQ(call(pass, arg, &result), 0);
    CHECK_EQ(result, 6);
    return NULL;
}

TEST(a_plain_thread_makes_the_call_itself)
{
    int number = 6;

    call_on_a_thread(&number);
    CHECK_EQ(atomic_load(&n_called), 1);
}
