/* SPDX-License-Identifier: MIT */
/*
 * trim.c - weft_trim() gives back what a runtime keeps: its own processor's at once, the others' at
 * their next look around, also of those that sleep; and all that goes on meanwhile goes on.
 *
 * matrix: short
 */
#include <fcntl.h>
#include <pthread.h>

#include "co_test.h"
#include "coro/slab.h"
#include "no_lookout.h" /* caches are the processors' own */
#include "sched/sched.h"

static long resident_bytes(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    char line[256];

    CHECK(f != NULL);
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "Rss: %ld", &pages) == 1)
            break;
    fclose(f);
    return pages * 1024;
}

#define TOUCHED (32 * 1024)

/* On the real stack, where a sanitizer keeps others elsewhere. */
__attribute__((noinline)) static void touch_stack(void)
{
    volatile char *frame = __builtin_alloca(TOUCHED);

    for (int i = 0; i < TOUCHED; i += 1024)
        frame[i] = 1;
}

static atomic_int n_there;

static int touch_and_stay(void *gate)
{
    touch_stack();
    atomic_fetch_add(&n_there, 1);
    return chan_recv(gate, NULL) == -EPIPE ? 0 : -1;
}

/* n coroutines live at a time, and end. */
static void burst(int n)
{
    chan *gate = chan_make(0, 0);
    struct weft_co **co = calloc((size_t)n, sizeof *co);

    atomic_store(&n_there, 0);
    for (int i = 0; i < n; i++)
        CHECK((co[i] = weft_go_with(touch_and_stay, gate)) != NULL);
    while (atomic_load(&n_there) < n)
        weft_yield();
    chan_close(gate);
    for (int i = 0; i < n; i++)
        join(co[i]);
    free(co);
    chan_unref(gate);
}

/* Goal: what an idle runtime keeps by itself, the memory of 1,024 stacks and 64 a processor, goes
 * back, all of it but for what runs.
 * Method: the call says how much it gave; that of the other processors follows and shows in the
 * memory that the process has. */
CO_TEST(the_memory_of_all_kept_stacks_goes_back)
{
    const int n = 1500;
    const int kept = n - 64 * weft_runtime_procs(NULL) < 1000 ? n / 2 : 1000;

    burst(n);
    const long before = resident_bytes();
    const int64_t given = weft_trim(NULL);
    CHECK_GE(given, (int64_t)kept * TOUCHED);
    while (test_scale() == 1 && resident_bytes() > before - (long)kept * TOUCHED)
        (void)weft_sleep(WEFT_MS);
    burst(n);
    CHECK_GE(weft_trim(weft_runtime_current()), (int64_t)kept * TOUCHED);
    return 0;
}

/* Goal: also what lies in the caches of the other processors, which sleep.
 * Method: coroutines pinned to each, fewer than a cache takes, so that all that can go is there; as
 * no processor takes work from another, nobody wakes those that sleep for anything else.  Under a
 * sanitizer, whose memory is the process's too, it is seen that all have answered. */
static int wait_for_others(void *unused)
{
    enum { EACH = 30 };
    const int procs = weft_runtime_procs(NULL);
    struct weft_co *co[EACH];
    chan *gate;

    (void)unused;
    (void)weft_trim(NULL);
    (void)weft_sleep(10 * WEFT_MS);
    const long at_rest = resident_bytes();
    for (int p = 0; p < procs; p++) {
        gate = chan_make(0, 0);
        atomic_store(&n_there, 0);
        for (int i = 0; i < EACH; i++)
            co[i] = weft_go_with(touch_and_stay, gate, .on_p = WEFT_ON_P(p), .pinned = 1);
        while (atomic_load(&n_there) < EACH)
            weft_yield();
        chan_close(gate);
        for (int i = 0; i < EACH; i++)
            join(co[i]);
        chan_unref(gate);
    }
    const long kept = (long)EACH * procs * TOUCHED;
    (void)weft_sleep(20 * WEFT_MS); /* most likely they sleep by then; no result depends on it */
    (void)weft_trim(NULL);
    while (atomic_load(&weft_runtime_current()->trims_due) != 0 ||
           (test_scale() == 1 && resident_bytes() > at_rest + kept / 4))
        (void)weft_sleep(WEFT_MS);
    return 0;
}

TEST(processors_that_sleep_give_their_own_back)
{
    struct weft_config config = WEFT_CONFIG_INIT;

    config.procs = 3;
    config.no_steal = 1;
    CHECK_EQ(weft_run_config(wait_for_others, NULL, &config), 0);
}

static void end_at_once(void *n)
{
    atomic_fetch_add((atomic_int *)n, 1);
}

static void start_many(int n)
{
    atomic_int n_ended = 0;

    for (int i = 0; i < n; i++)
        CHECK_EQ(weft_go(end_at_once, &n_ended), 0);
    while (atomic_load(&n_ended) < n)
        weft_yield();
}

static int end_with_handle(void *n)
{
    end_at_once(n);
    return 0;
}

/* n descriptors in use at a time: of coroutines that this processor alone may begin. */
static void use_descriptors(int n)
{
    const int here = weft_thread_index();
    atomic_int n_ended = 0;

    for (int i = 0; i < n; i++)
        weft_detach(
            weft_go_with(end_with_handle, &n_ended, .on_p = WEFT_ON_P(here), .pinned = 1));
    while (atomic_load(&n_ended) < n)
        weft_yield();
}

/* Goal: the memory of descriptors goes back, and they are used again. */
CO_TEST(the_memory_of_free_descriptors_goes_back)
{
    const int n = scaled(40000);
    const long bytes = n * 128L;

    for (int round = 0; round < 3; round++) {
        use_descriptors(n);
        const long before = resident_bytes();
        int64_t given = weft_trim(NULL);
        if (weft_runtime_procs(NULL) == 1)
            CHECK_GE(given, bytes * 3 / 4);
        /* With others, the last who empties his cache gives back what is free then. */
        while (test_scale() == 1 && resident_bytes() > before - bytes * 3 / 4)
            (void)weft_sleep(WEFT_MS);
    }
    return 0;
}

static int stay_the_same(void *gate)
{
    const uint64_t id = weft_id();

    atomic_fetch_add(&n_there, 1);
    CHECK_EQ(chan_recv(gate, NULL), -EPIPE);
    return weft_id() == id ? 0 : -1;
}

/* Goal: one descriptor in use holds its slab, wherever in it that is.
 * Method: of many coroutines a few stay, one or two a slab; what else there was is used anew. */
CO_TEST(a_descriptor_in_use_keeps_its_slab)
{
    enum { ONE_IN = 700 };
    const int n = scaled(7000);
    chan *gate[2] = {chan_make(0, 0), chan_make(0, 0)};
    struct weft_co **co = calloc((size_t)n, sizeof *co);

    atomic_store(&n_there, 0);
    for (int i = 0; i < n; i++)
        CHECK((co[i] = weft_go_with(stay_the_same, gate[i % ONE_IN == 0])) != NULL);
    while (atomic_load(&n_there) < n)
        weft_yield();
    for (int stays = 0; stays < 2; stays++) {
        chan_close(gate[stays]);
        for (int i = 0; i < n; i++)
            if ((i % ONE_IN == 0) == stays)
                join(co[i]);
        CHECK_GE(weft_trim(NULL), 0);
        use_descriptors(n);
        chan_unref(gate[stays]);
    }
    free(co);
    return 0;
}

static atomic_bool is_over;

static void *trim_always(void *rt)
{
    int null = open("/dev/null", O_WRONLY);

    for (int i = 0; !atomic_load(&is_over); i++) {
        CHECK_GE(weft_trim(rt), 0);
        if (i % 16 == 0)
            CHECK_GE(weft_dump(null), 0);
    }
    close(null);
    return NULL;
}

/* Goal: nothing is lost or given out twice while two threads and a coroutine trim without a pause.
 * Method: each coroutine that is started counts, and each that stays is joined. */
STRESS_TEST_ON_TWO(all_goes_on_while_memory_is_given_back)
{
    const int64_t until = test_now_ms() + test_stress_ms();
    pthread_t th[2];

    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&th[i], NULL, trim_always, weft_runtime_current()), 0);
    while (test_now_ms() < until) {
        burst(scaled(300));
        start_many(scaled(3000));
        CHECK_GE(weft_trim(NULL), 0);
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(pthread_join(th[i], NULL), 0);
    return 0;
}

/* Goal: what plain threads get is cut from one slab after the other, each descriptor once. */
TEST(plain_threads_cut_one_slab_after_the_other)
{
    struct weft__slabs s = {.free = NULL};
    static struct weft__g *g[2 * WEFT__SLAB_COUNT + 1];

    weft__slabs_init(&s, NULL);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT(g); i++) {
            CHECK((g[i] = weft__g_get_shared(&s)) != NULL);
            g[i]->arg = &g[i];
        }
        for (int i = 0; i < COUNT(g); i++)
            CHECK(g[i]->arg == &g[i]);
        for (int i = 0; i < COUNT(g); i++)
            weft__g_put_shared(&s, g[i]);
    }
    weft__slabs_free(&s);
}

/* Goal: when a slab is emptied and cut anew, whoever cut it up before does not go on with it. */
TEST(a_slab_is_cut_by_one)
{
    struct weft__slabs s = {.free = NULL};
    struct weft__g_cache a = {.first = NULL}, b = {.first = NULL};
    static struct weft__g *g[WEFT__SLAB_COUNT];

    weft__slabs_init(&s, NULL);
    for (int i = 0; i < COUNT(g); i++)
        CHECK((g[i] = weft__g_get(&s, &a)) != NULL);
    for (int i = 0; i < COUNT(g); i++)
        weft__g_put(&s, &a, g[i]);
    weft__g_cache_flush(&s, &a);
    CHECK_GT(weft__slabs_trim(&s), 0);
    CHECK(weft__g_get(&s, &b) == g[0]);
    CHECK(weft__g_get(&s, &a) != NULL);
    CHECK(a.slab != b.slab);
    weft__slabs_free(&s);
}

enum { HALVES = 2, HALF = WEFT__SLAB_COUNT };

struct half {
    struct weft__slabs *slabs;
    pthread_barrier_t *begin;
    struct weft__g **g;
};

static void *put_and_trim(void *arg)
{
    struct half *half = arg;
    struct weft__g_cache cache = {.first = NULL};

    pthread_barrier_wait(half->begin);
    for (int i = 0; i < HALF; i++)
        weft__g_put(half->slabs, &cache, half->g[i]);
    weft__g_cache_flush(half->slabs, &cache);
    (void)weft__slabs_trim(half->slabs);
    return NULL;
}

/* Goal: who trims while another is at it, who has not seen all, is not forgotten.
 * Method: two threads put the descriptors of the same slabs back and trim; nothing is left then. */
TEST(a_trim_that_meets_another_is_not_lost)
{
    struct weft__slabs s = {.free = NULL};
    struct weft__g_cache cache = {.first = NULL};
    static struct weft__g *g[HALVES][HALF];
    pthread_barrier_t begin;

    weft__slabs_init(&s, NULL);
    CHECK_EQ(pthread_barrier_init(&begin, NULL, HALVES), 0);
    for (int round = 0; round < 2000 / test_scale(); round++) {
        struct half halves[HALVES];
        pthread_t threads[HALVES];
        for (int i = 0; i < HALVES * HALF; i++)
            CHECK((g[i % HALVES][i / HALVES] = weft__g_get(&s, &cache)) != NULL);
        for (int i = 0; i < HALVES; i++) {
            halves[i] = (struct half){&s, &begin, g[i]};
            CHECK_EQ(pthread_create(&threads[i], NULL, put_and_trim, &halves[i]), 0);
        }
        for (int i = 0; i < HALVES; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
        if (s.free != NULL)
            TEST_FAIL("round %d: descriptors are left", round);
    }
    pthread_barrier_destroy(&begin);
    weft__slabs_free(&s);
}

TEST(without_a_runtime_there_is_nothing_to_trim)
{
    CHECK_EQ(weft_trim(NULL), -EINVAL);
}
