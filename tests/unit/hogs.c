/* SPDX-License-Identifier: MIT */
/*
 * hogs.c - what others do goes on while coroutines compute, or block their threads.
 *
 * matrix: short
 */
#include <pthread.h>
#include <unistd.h>

#include "net_test.h"

#define RELIEF_MAX WEFT__RELIEF_MAX

/* What keeps its processor until it is told to end. */
static atomic_bool is_over;
static atomic_int n_hogs;

static void burn_for(int64_t ns)
{
    const int64_t until = weft_now() + ns;

    while (weft_now() < until && !atomic_load(&is_over))
        ;
}

static int compute(void *unused)
{
    (void)unused;
    atomic_fetch_add(&n_hogs, 1);
    while (!atomic_load(&is_over))
        ;
    return 0;
}

static int compute_in_bursts(void *unused)
{
    (void)unused;
    atomic_fetch_add(&n_hogs, 1);
    while (!atomic_load(&is_over)) {
        burn_for(50 * WEFT_MS);
        weft_yield();
    }
    return 0;
}

static int block_pipe[2];

/* As a library that knows nothing of Weft. */
static int block_in_read(void *unused)
{
    char byte;

    (void)unused;
    atomic_fetch_add(&n_hogs, 1);
    CHECK_EQ(read(block_pipe[0], &byte, 1), 0);
    return 0;
}

typedef int hog_fn(void *unused);
static hog_fn *const hogs[] = {compute, compute_in_bursts, block_in_read};

struct hogs {
    int n;
    struct weft_co *co[RELIEF_MAX + 8];
};

/* Start n of one kind; returns when all have begun. */
static struct hogs hogs_begin(hog_fn *fn, int n)
{
    struct hogs h = {.n = n};

    atomic_store(&is_over, false);
    atomic_store(&n_hogs, 0);
    CHECK_EQ(pipe(block_pipe), 0);
    for (int i = 0; i < n; i++)
        h.co[i] = weft_go_with(fn, NULL);
    while (atomic_load(&n_hogs) < n)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    return h;
}

static void hogs_end(struct hogs *h)
{
    atomic_store(&is_over, true);
    CHECK_EQ(close(block_pipe[1]), 0);
    for (int i = 0; i < h->n; i++)
        join(h->co[i]);
    CHECK_EQ(close(block_pipe[0]), 0);
}

static struct weft_stats stats_now(void)
{
    struct weft_stats stats = {.size = sizeof stats};

    CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    return stats;
}

/* ---- what goes on ---- */

static int sleep_often(void *unused)
{
    (void)unused;
    for (int i = 0; i < 20; i++)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    return 0;
}

static int talk(void *arg)
{
    chan *const *ch = arg;

    for (int i = 0; i < 200; i++) {
        int v = i;
        CHECK_EQ(chan_send(ch[0], &v), 0);
        CHECK_EQ(chan_recv(ch[1], &v), 0);
        CHECK_EQ(v, i + 1);
    }
    chan_close(ch[0]);
    return 0;
}

static int answer(void *arg)
{
    chan *const *ch = arg;
    int v;

    while (chan_recv(ch[0], &v) == 0) {
        v++;
        CHECK_EQ(chan_send(ch[1], &v), 0);
        if (v % 20 == 0)
            CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
    }
    return 0;
}

static int echo(void *arg)
{
    const int fd = *(int *)arg;
    char byte;

    while (weft_read(fd, &byte, 1) == 1)
        CHECK_EQ(weft_write(fd, &byte, 1), 1);
    return 0;
}

static int use_echo(void *arg)
{
    const int fd = *(int *)arg;
    char byte = 'x';

    for (int i = 0; i < 50; i++) {
        CHECK_EQ(weft_write(fd, &byte, 1), 1);
        CHECK_EQ(weft_read(fd, &byte, 1), 1);
    }
    CHECK_EQ(weft_shutdown(fd, SHUT_WR), 0);
    return 0;
}

static void leaf(void *arg)
{
    weft_wg_done(arg);
}

static int spawn_many(void *unused)
{
    struct weft_wait_group *wg = weft_wg_make();

    (void)unused;
    for (int round = 0; round < 5; round++) {
        weft_wg_add(wg, 300);
        for (int i = 0; i < 300; i++)
            CHECK_EQ(go(leaf, wg), 0);
        CHECK_EQ(weft_wg_wait(wg), 0);
    }
    weft_wg_free(wg);
    return 0;
}

static int time_out(void *arg)
{
    char byte;

    WEFT_DEADLINE (s, 5 * WEFT_MS)
        CHECK_EQ(weft_read(*(int *)arg, &byte, 1), -ETIMEDOUT);
    return 0;
}

/* All of it; returns when it is done. */
static void go_on(void)
{
    chan *ch[2] = {chan_make(sizeof(int), 0), chan_make(sizeof(int), 0)};
    int fds[2], quiet[2];
    struct weft_co *co[30];
    int n = 0;

    tcp_pair(fds);
    unix_pair(quiet);
    for (int i = 0; i < 20; i++)
        co[n++] = weft_go_with(sleep_often, NULL);
    co[n++] = weft_go_with(talk, ch);
    co[n++] = weft_go_with(answer, ch);
    co[n++] = weft_go_with(echo, &fds[0]);
    co[n++] = weft_go_with(use_echo, &fds[1]);
    co[n++] = weft_go_with(spawn_many, NULL);
    co[n++] = weft_go_with(time_out, &quiet[0]);
    while (n-- > 0)
        join(co[n]);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(weft_close(fds[i]), 0);
        CHECK_EQ(weft_close(quiet[i]), 0);
        chan_unref(ch[i]);
    }
}

static int n_more; /* hogs than processors; -1: one less */

static int go_on_beside(void *kind)
{
    hog_fn *fn = hogs[(uintptr_t)kind];
    struct hogs h = hogs_begin(fn, weft_runtime_procs(NULL) + n_more);

    go_on();
    hogs_end(&h);
    go_on();
    return 0;
}

static void each_kind(int procs, int more)
{
    n_more = more;
    for (uintptr_t kind = 0; kind < COUNT(hogs); kind++)
        CHECK_EQ(weft_run_with(go_on_beside, (void *)kind, .procs = procs), 0);
}

/* Goal: with every kind of hog on one of two processors, sleepers, partners of a channel, readers
 * of a socket, those who spawn and those who wait for a deadline go on.
 * Method: else this takes for ever. */
TEST(all_goes_on_beside_a_hog)
{
    each_kind(2, -1);
}

/* Goal: the same with all processors hogged. */
TEST(all_goes_on_beside_a_hog_on_the_only_processor)
{
    each_kind(1, 0);
}

TEST(all_goes_on_beside_hogs_on_all_processors)
{
    each_kind(2, 0);
}

static int rest_before(void *unused)
{
    for (int round = 0; round < 2; round++) {
        CHECK_EQ(weft_sleep(200 * WEFT_MS), 0);
        CHECK_EQ(go_on_beside(unused), 0);
    }
    return 0;
}

/* Goal: the look-out, which sleeps when all do, is there when a hog comes. */
TEST(all_goes_on_beside_a_hog_after_a_rest)
{
    n_more = 0;
    CHECK_EQ(weft_run_with(rest_before, NULL, .procs = 1), 0);
}

/* Goal: and with as many more hogs than processors as is promised. */
TEST_LIMIT(all_goes_on_beside_many_hogs, 60)
{
    n_more = RELIEF_MAX - 1;
    CHECK_EQ(weft_run_with(go_on_beside, (void *)2, .procs = 1), 0);
    CHECK_EQ(weft_run_with(go_on_beside, (void *)2, .procs = 2), 0);
    CHECK_EQ(weft_run_with(go_on_beside, (void *)0, .procs = 1), 0);
}

static int stay(void *unused)
{
    const struct weft__m *m = weft__m_self();

    (void)unused;
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
        CHECK(weft__m_self() == m);
    }
    return 0;
}

static int pin_beside(void *unused)
{
    struct hogs h = hogs_begin(compute, 1);

    (void)unused;
    CHECK(weft__m_self()->p->is_relief);
    struct weft_co *co = weft_go_with(stay, NULL, .pinned = 1);
    join(co);
    co = weft_go_with(stay, NULL, .pinned = 1);
    hogs_end(&h);
    join(co);
    return 0;
}

/* Goal: a pinned coroutine that is started beside the hog runs, on one thread for its life. */
TEST(a_pinned_coroutine_that_begins_beside_a_hog_runs)
{
    CHECK_EQ(weft_run_with(pin_beside, NULL, .procs = 1), 0);
}

/* ---- afterwards ---- */

static void await_rest(void)
{
    const int64_t until = weft_now() + LONG_NS;

    while (stats_now().relief != 0 && weft_now() < until)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(stats_now().relief, 0);
}

static int look_where_we_run(void *unused)
{
    int n = 0;

    (void)unused;
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
        n += weft__m_self()->p->is_relief;
    }
    return n;
}

/* How often coroutines found themselves on a relief processor. */
static int count_on_relief(void)
{
    struct weft_co *co[20];
    int sum = 0, n;

    for (int i = 0; i < COUNT(co); i++)
        co[i] = weft_go_with(look_where_we_run, NULL);
    for (int i = 0; i < COUNT(co); i++) {
        CHECK_EQ(weft_join(co[i], &n), 0);
        sum += n;
    }
    return sum;
}

/* A word of another thread's, as a debugger sees it. */
static uint32_t peek(const uint32_t *word)
{
    uint32_t value = 0;

    CHECK_EQ(weft__sys_copy_memory(&value, word, sizeof value), (ssize_t)sizeof value);
    return value;
}

/* Descriptors and stacks in the caches of relief processors; they are asleep by now, or soon. */
static int count_kept(void)
{
    struct weft_runtime *rt = weft_runtime_current();
    int sum = 0;

    for (int i = rt->procs; i < weft__p_count(rt); i++) {
        const struct weft__p *p = weft__p_at(rt, i);
        sum += (int)(peek(&p->g_cache.count) + peek(&p->stack_cache.count));
    }
    return sum;
}

static int leave_it_to_the_regular_ones(void *unused)
{
    const int64_t until = weft_now() + LONG_NS;

    (void)unused;
    for (int round = 0; round < 3; round++) {
        struct hogs h = hogs_begin(compute, weft_runtime_procs(NULL) + 2);
        CHECK_GE(stats_now().relief, 1);
        go_on();
        hogs_end(&h);
        await_rest();
        while ((count_on_relief() != 0 || count_kept() != 0) && weft_now() < until)
            await_rest();
        CHECK_LT(weft_now(), until);
    }
    CHECK_LE(weft__p_count(weft_runtime_current()), weft_runtime_procs(NULL) + RELIEF_MAX);
    return 0;
}

/* Goal: when the hogs are gone the relief processors rest, keep nothing for themselves, and take no
 * coroutine any more.
 * Method: until it is seen once, since whoever gets no CPU looks like a hog. */
TEST(relief_processors_rest_when_the_hogs_are_gone)
{
    CHECK_EQ(weft_run_with(leave_it_to_the_regular_ones, NULL, .procs = 1), 0);
    CHECK_EQ(weft_run_with(leave_it_to_the_regular_ones, NULL, .procs = 2), 0);
}

static int end_in_a_deadlock(void *never)
{
    struct hogs h = hogs_begin(compute, 1);

    go_on();
    hogs_end(&h);
    return chan_recv(never, NULL);
}

/* Goal: a deadlock is still found after relief processors were at work. */
TEST(a_deadlock_is_found_after_a_hog)
{
    struct weft_runtime *rt;
    struct weft_config config = WEFT_CONFIG_INIT;
    chan *never = chan_make(0, 0);

    if (test_is_emulated())
        SKIP("under qemu-user no deadlock is certain");
    for (config.procs = 1; config.procs <= 2; config.procs++) {
        CHECK_EQ(weft_runtime_start(&rt, &config), 0);
        CHECK_EQ(weft_block_on(rt, end_in_a_deadlock, never, NULL), -EDEADLK);
        CHECK_EQ(weft_runtime_stop(rt), 1);
    }
    chan_unref(never);
}

static void compute_alone(void *unused)
{
    (void)compute(unused);
}

static void sleep_for_ever(void *unused)
{
    (void)unused;
    for (;;)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
}

static void *end_them(void *unused)
{
    usleep(50000);
    atomic_store(&is_over, true);
    return unused;
}

/* Goal: a runtime stops as soon as its hogs have come back, whoever serves it. */
TEST(a_runtime_with_hogs_stops_when_they_end)
{
    struct weft_config config = WEFT_CONFIG_INIT;
    struct weft_runtime *rt;
    pthread_t thread;

    for (int hogs_more = 0; hogs_more < 3; hogs_more++) {
        config.procs = 1;
        atomic_store(&is_over, false);
        atomic_store(&n_hogs, 0);
        CHECK_EQ(weft_runtime_start(&rt, &config), 0);
        for (int i = 0; i < 10; i++)
            CHECK_EQ(weft_runtime_go(rt, sleep_for_ever, NULL), 0);
        for (int i = 0; i <= hogs_more; i++)
            CHECK_EQ(weft_runtime_go(rt, compute_alone, NULL), 0);
        while (atomic_load(&n_hogs) <= hogs_more)
            usleep(1000);
        CHECK_EQ(pthread_create(&thread, NULL, end_them, NULL), 0);
        CHECK_GE(weft_runtime_stop(rt), 10);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
}
