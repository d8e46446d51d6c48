/* SPDX-License-Identifier: MIT */
/*
 * memory.c - the allocator of the program: all of the library's memory comes from it and goes back
 * to it, as it was asked for; and when it has none, that is told as any lack of memory is.
 *
 * matrix: once
 */
#include "co_test.h"
#include "no_lookout.h"

/* Blocks with a head of ours; nothing in them is zeroed. */
struct block {
    uint64_t magic;
    size_t bytes;
    void *from; /* of malloc() */
};

#define MAGIC 0x77656674626c6f63u

static atomic_int n_live, n_allocated, n_until_failure; /* the last: negative for never */
static int user;

static void *allocate(void *arg, size_t bytes, size_t alignment)
{
    CHECK(arg == &user);
    CHECK_GT(bytes, 0);
    CHECK(alignment != 0 && (alignment & (alignment - 1)) == 0);
    if (atomic_load(&n_until_failure) >= 0 && atomic_fetch_sub(&n_until_failure, 1) == 0)
        return NULL;
    char *from = malloc(bytes + sizeof(struct block) + 2 * alignment);
    CHECK(from != NULL);
    /* Aligned as asked, and no better. */
    uintptr_t at = ((uintptr_t)from + sizeof(struct block) + alignment - 1) & ~(alignment - 1);
    if ((at & alignment) == 0)
        at += alignment;
    struct block *b = (struct block *)at - 1;
    memset((void *)at, 0xa5, bytes);
    *b = (struct block){.magic = MAGIC, .bytes = bytes, .from = from};
    atomic_fetch_add(&n_live, 1);
    atomic_fetch_add(&n_allocated, 1);
    return (void *)at;
}

static void release(void *arg, void *memory)
{
    CHECK(arg == &user && memory != NULL);
    struct block *b = (struct block *)memory - 1;
    CHECK(b->magic == MAGIC);
    void *from = b->from;
    memset(b, 0x5a, sizeof *b + b->bytes);
    free(from);
    atomic_fetch_sub(&n_live, 1);
}

static const struct weft_allocator ours = {
    .size = sizeof ours, .allocate = allocate, .release = release, .user = &user};

static int give_three(void *arg)
{
    (void)arg;
    return 3;
}

static void nothing(void *arg)
{
    (void)arg;
}

static int first_error(int a, int b)
{
    return a != 0 ? a : b;
}

static int with_locks(void)
{
    struct weft_mutex *m = weft_mutex_make();
    struct weft_sem *s = weft_sem_make(1);
    struct weft_event *e = weft_event_make();
    struct weft_promise *p = weft_promise_make(8);
    struct weft_ticker *t = weft_ticker_make(WEFT_SEC, WEFT_TICK_SKIP);
    int rc = m && s && e && p && t ? 0 : -ENOMEM;

    if (m != NULL)
        weft_mutex_free(m);
    weft_sem_free(s);
    weft_event_free(e);
    weft_promise_unref(p);
    if (t != NULL)
        weft_ticker_free(t);
    return rc;
}

static int with_channels(void)
{
    chan *ch = chan_make(sizeof(int), WEFT_CHAN_UNBOUNDED);
    int v, rc = ch != NULL ? 0 : -ENOMEM;

    for (int i = 0; i < 1000 && rc == 0; i++)
        rc = chan_send(ch, &i);
    for (int i = 0; i < 1000 && rc == 0; i++) {
        rc = chan_recv(ch, &v);
        if (rc == 0)
            CHECK_EQ(v, i);
    }
    if (ch != NULL)
        chan_unref(ch);
    return rc;
}

static int with_coroutines(void)
{
    int result = 0, error = 0, rc = weft_defer(nothing, NULL);
    struct weft_co *co = weft_go_with(give_three, NULL, .name = "three", .error = &error);

    if (co == NULL) /* one that fails leaves its place */
        co = weft_go_with(give_three, NULL, .name = "three");
    CHECK_EQ(weft_join(co, &result), 0);
    CHECK_EQ(result, 3);
    rc = first_error(rc, error);
    WEFT_GROUP (g, .on_error = WEFT_GROUP_RUNS_ON)
        rc = first_error(rc, weft_group_go(&g, give_three, NULL));
    return first_error(rc, weft_blocking(give_three, NULL, NULL));
}

/* 0, or why it could not go on. */
static int scenario(void *arg)
{
    (void)arg;
    return first_error(first_error(with_locks(), with_channels()), with_coroutines());
}

static int run_once(int *n_resting)
{
    struct weft_runtime *rt;
    int result = 0;
    int rc = weft_runtime_start(&rt, &(struct weft_config){.size = sizeof(struct weft_config),
                                                           .procs = 2, .coroutines_max = 2});

    if (rc != 0)
        return rc;
    rc = weft_block_on(rt, scenario, NULL, &result);
    *n_resting += rc == 0;
    CHECK_GE(weft_runtime_stop(rt), 0);
    return first_error(rc, result);
}

/* What a process keeps for the next runtime: two gates, and handles that rest. */
static void check_live(int n_resting)
{
    CHECK_LE(atomic_load(&n_live), 2 + n_resting);
}

TEST(all_memory_comes_from_the_allocator_and_goes_back)
{
    int n_resting = 0;

    atomic_store(&n_until_failure, -1);
    CHECK_EQ(weft_set_allocator(&ours), 0);
    CHECK_EQ(weft_set_allocator(&ours), -EBUSY);
    CHECK_EQ(run_once(&n_resting), 0);
    CHECK_GE(atomic_load(&n_allocated), 20);
    check_live(n_resting);
}

/* Goal: whichever call of the allocator gives nothing, the call of Weft that needs it says so, and
 * all goes on when there is memory again. */
TEST_LIMIT(an_allocator_that_has_none_is_no_memory, 60)
{
    int n_resting = 0, k, rc = 1;
    struct weft_config config = WEFT_CONFIG_INIT;

    CHECK_EQ(weft_set_allocator(&ours), 0);
    for (k = 0; rc != 0; k++) {
        atomic_store(&n_until_failure, k);
        rc = run_once(&n_resting);
        CHECK(rc == 0 || rc == -ENOMEM);
        const bool has_failed = atomic_exchange(&n_until_failure, -1) == -1;
        if (rc == 0 && has_failed)
            rc = 1; /* the library could do without */
        check_live(n_resting + 1);
    }
    CHECK_GT(k, 20);
    config.procs = 2;
    CHECK_EQ(weft_run_config(scenario, NULL, &config), 0);
}

TEST(after_anything_was_made_it_is_too_late_for_an_allocator)
{
    chan *ch = weft_chan_make_shared(1, 1);

    CHECK(ch != NULL);
    CHECK_EQ(weft_set_allocator(&ours), -EBUSY);
    chan_unref(ch);
    CHECK_EQ(atomic_load(&n_allocated), 0);
}
