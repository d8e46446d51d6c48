/* SPDX-License-Identifier: MIT */
/*
 * guard.c - stacks and what protects them: sizes, guards that fault, the budget of mprotect, and
 * the memory that goes back after a burst.
 *
 * matrix: short
 */
#include <base/self.h>
#include <sched/sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "co_test.h"
#include "no_lookout.h"

/* The value of a line "Name:  123 kB" of /proc/self/status. */
static long status_kib(const char *name)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    long kib = -1;

    CHECK(f != NULL);
    while (kib < 0 && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtol(line + strlen(name) + 1, NULL, 10);
    fclose(f);
    CHECK_GE(kib, 0);
    return kib;
}

static const struct weft__stack *own_stack(void)
{
    return weft__m_self()->cur->stack;
}

static int check_size(void *arg)
{
    const struct weft__stack *s = own_stack();
    const size_t bytes = *(size_t *)arg;
    const char *here = __builtin_frame_address(0);

    CHECK_EQ((size_t)1 << s->shift, bytes);
    CHECK(here > s->low && here < s->top);
    /* Guard and colour take a part, but most of it is the coroutine's. */
    CHECK_GE(s->top - s->low, (ptrdiff_t)(bytes - bytes / 4 - 1024));
    CHECK_EQ((uintptr_t)__builtin_frame_address(0) % 16, 0);
    return 0;
}

CO_TEST(stacks_have_the_size_that_was_asked_for)
{
    static const struct {
        size_t asked, given;
    } sizes[] = {{16 << 10, 16 << 10},
                 {20000, 32 << 10},
                 {65536, 65536},
                 {65537, 131072},
                 {1 << 20, 1 << 20},
                 {8 << 20, 8 << 20},
                 {(size_t)1 << 30, (size_t)1 << 30}};

    for (int round = 0; round < 3; round++)
        for (int i = 0; i < COUNT(sizes); i++) {
            size_t given = sizes[i].given;
            if (round > 0 && given >> 30 != 0 && test_scale() > 1)
                continue; /* ASan takes ten seconds to lay it out */
            join(weft_go_with(check_size, &given, .stack_bytes = sizes[i].asked));
        }
    return 0;
}

__attribute__((noinline)) static int sum_deep(int kib)
{
    volatile char frame[1000];

    frame[0] = frame[999] = 1;
    return kib <= 1 ? frame[0] : sum_deep(kib - 1) + frame[999];
}

static int use_most(void *arg)
{
    const struct weft__stack *s = own_stack();
    const int kib = (int)((s->top - s->low) / 1024);

    (void)arg;
    /* A frame of sum_deep is a little more than 1 KiB; a sanitizer makes it much more. */
    const int deep = kib * (test_scale() > 1 ? 4 : 8) / 10;
    CHECK_EQ(sum_deep(deep), deep);
    return 0;
}

CO_TEST(most_of_a_stack_can_be_used)
{
    for (size_t bytes = test_scale() > 1 ? 128 << 10 : 16 << 10; bytes <= 4 << 20; bytes *= 2)
        join(weft_go_with(use_most, NULL, .stack_bytes = bytes));
    return 0;
}

#ifdef WEFT__ASAN
void __asan_poison_memory_region(void const volatile *p, size_t bytes);
#endif
#define LARGE_STACK ((size_t)16 << 20)
#define MUCH_OF_IT ((size_t)6 << 20)
#define ON_P0 .on_p = WEFT_ON_P(0), .pinned = 1

/* As if by frames that were never unwound. */
static int leave_fences(void *low)
{
    const struct weft__stack *s = own_stack();

    *(char **)low = s->low;
#ifdef WEFT__ASAN
    __asan_poison_memory_region(s->top - MUCH_OF_IT, MUCH_OF_IT / 2);
#endif
    return 0;
}

static int fill_much_of_it(void *low)
{
    char frame[MUCH_OF_IT];

    CHECK(own_stack()->low == *(char **)low);
    memset(frame, 1, sizeof frame);
    return frame[sizeof frame - 1] - 1;
}

static int use_a_large_one_twice(void *arg)
{
    char *low = NULL;

    (void)arg;
    join(weft_go_with(leave_fences, &low, .stack_bytes = LARGE_STACK, ON_P0));
    join(weft_go_with(fill_much_of_it, &low, .stack_bytes = LARGE_STACK, ON_P0));
    return 0;
}

/* Goal: what AddressSanitizer has noted of the last user of a stack is no matter of its next one's,
 * on one so large that it is not written over.
 * Method: all three on one processor, where who joins runs when the stack has been given back. */
CO_TEST(a_large_stack_is_as_new_for_its_next_user)
{
    join(weft_go_with(use_a_large_one_twice, NULL, ON_P0));
    return 0;
}

/* Can the kernel read it?  It refuses what a guard protects. */
static bool is_readable(const char *p)
{
    int fd[2];

    CHECK_EQ(pipe(fd), 0);
    const ssize_t n = write(fd[1], p, 1);
    CHECK(n == 1 || errno == EFAULT);
    close(fd[0]);
    close(fd[1]);
    return n == 1;
}

static int probe_guard(void *arg)
{
    const struct weft__stack *s = own_stack();
    const char *base = s->low - weft__guard_bytes((size_t)1 << s->shift);

    (void)arg;
    if (s->guard == GUARD_KIND_CANARY) {
        CHECK(weft__canary_is_intact(s->low));
        return 0;
    }
    CHECK(is_readable(s->low));
    CHECK(!is_readable(s->low - 1));
    CHECK(!is_readable(base));
    weft_yield();
    CHECK(!is_readable(s->low - 1));
    return 0;
}

/* Goal: each stack is guarded right below its usable part, over the whole width of the guard; used
 * ones and fresh ones, of every size. */
CO_TEST(every_stack_has_a_guard_right_below_it)
{
    struct weft_co *co[300];

    for (size_t bytes = 16 << 10; bytes <= 1 << 20; bytes *= 4)
        for (int round = 0; round < 2; round++) {
            for (int i = 0; i < COUNT(co); i++)
                co[i] = weft_go_with(probe_guard, NULL, .stack_bytes = bytes);
            for (int i = 0; i < COUNT(co); i++)
                join(co[i]);
        }
    return 0;
}

static atomic_int n_parked;

static void park(void *arg)
{
    atomic_fetch_add(&n_parked, 1);
    CHECK_EQ(chan_recv(arg, NULL), -EPIPE);
    atomic_fetch_sub(&n_parked, 1);
}

static void park_many(chan *ch, int n, void (*fn)(void *))
{
    for (int i = 1; i <= n; i++) {
        CHECK_EQ(go(fn, ch), 0);
        if (i % 100 == 0)
            weft_yield();
    }
    while (atomic_load(&n_parked) < n)
        weft_yield();
}

static void release(chan *ch)
{
    chan_close(ch);
    while (atomic_load(&n_parked) > 0)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    chan_unref(ch);
}

static void probe_and_park(void *arg)
{
    CHECK_EQ(probe_guard(NULL), 0);
    park(arg);
}

/* Goal: who needs many stacks at a time gets each with its guard, those too that were guarded
 * together with others before they were taken.  Method: more than the first region holds, all in
 * use at once. */
CO_TEST(stacks_guarded_ahead_are_guarded)
{
    chan *ch = chan_make(0, 0);

    park_many(ch, 900, probe_and_park);
    release(ch);
    return 0;
}

static int n_told(const char *text, const char *word)
{
    int n = 0;
    for (; (text = strstr(text, word)) != NULL; text++)
        n++;
    return n;
}

/* Goal: where the kernel refuses a guard that it has, as in locked memory, the next best is taken,
 * within its budget. */
TEST(a_guard_that_is_refused_becomes_the_next_best)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct weft__guards g;

    CHECK(p != MAP_FAILED);
    if (weft__guards_init(&g, WEFT_GUARD_MADVISE) != 0)
        SKIP("this kernel has no MADV_GUARD_INSTALL");
    if (syscall(SYS_mlock, p, page) != 0) /* the sanitizers make nothing of mlock() */
        SKIP("memory cannot be locked here");
    CHECK_EQ(weft__guard_install(&g, p, page), GUARD_KIND_MPROTECT);
    CHECK_EQ(g.mprotect_count, 1);
    CHECK_GT(g.mprotect_max, 1);
    CHECK_EQ(munmap(p, page), 0);
}

static int exhaust_budget(void *arg)
{
    chan *ch = chan_make(0, 0);

    struct weft__guards *g = &weft__m_self()->rt->stacks.guards;
    uint64_t n = 40000;

    (void)arg;
    if (test_scale() > 1) { /* so many are too many for the sanitizers' own memory */
        n /= 50;
        g->mprotect_max /= 50;
    }
    park_many(ch, (int)n, park);
    CHECK_LE(g->mprotect_count, g->mprotect_max);
    CHECK_GE(g->mprotect_count, g->mprotect_max < n ? g->mprotect_max : n);
    /* The process can still map and allocate. */
    for (int i = 0; i < 1000; i++) {
        void *p = mmap(NULL, 4096, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(p != MAP_FAILED);
        void *q = malloc(1 << 20);
        CHECK(q != NULL);
        free(q);
    }
    release(ch);
    return 0;
}

/* Goal: guards by mprotect split mappings, of which a process has a limited number: 40,000 stacks
 * keep within their budget of it, the others get canaries, and that is said once.
 * Method: stderr goes to a file for the time. */
TEST_LIMIT(guards_by_mprotect_keep_within_their_budget, 60)
{
    struct weft_config config = WEFT_CONFIG_INIT;
    static char text[4096];
    FILE *f = tmpfile();
    const int old = dup(2);

    CHECK(f != NULL && old >= 0 && dup2(fileno(f), 2) >= 0);
    config.guard = WEFT_GUARD_MPROTECT;
    config.stack_bytes = 64 << 10;
    const int rc = weft_run_config(exhaust_budget, NULL, &config);
    CHECK(dup2(old, 2) >= 0);
    rewind(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fputs(text, stderr);
    CHECK_EQ(rc, 0);
    CHECK_EQ(n_told(text, "\n"), 1);
    CHECK_EQ(n_told(text, "vm.max_map_count"), 2);
    CHECK(strstr(text, "canaries") != NULL);
}

__attribute__((noinline)) static void touch(int kib)
{
    volatile char frame[1008];

    frame[0] = 1;
    if (kib > 1)
        touch(kib - 1);
    frame[1007] = frame[0];
}

static void touch_and_park(void *arg)
{
    touch(28);
    park(arg);
}

/* Goal: after a burst of coroutines the memory of their stacks goes back, but for a bounded number
 * of hot ones; many bursts do not add up.
 * Method: bursts of 10,000 that touch 32 KiB each, 320 MB.  When they are over, the shared list may
 * keep 1,024 of them, and each processor 64. */
CO_TEST(memory_goes_back_after_a_burst)
{
    const int n = test_scale() > 1 ? 1500 : 10000;
    const long hot_kib = (1024 + 64 * (weft_runtime_procs(NULL) + 1)) * 40;

    const long before = status_kib("VmRSS");
    for (int burst = 0; burst < 4; burst++) {
        chan *ch = chan_make(0, 0);
        park_many(ch, n, touch_and_park);
        if (test_scale() == 1)
            CHECK_GE(status_kib("VmRSS"), before + n * 28L);
        release(ch);
        /* Idle processors give it back; this one is not idle before it sleeps. */
        const int looks = test_scale() > 1 ? 100 : 1000; /* slow builds keep more, unchecked */
        for (int i = 0; i < looks && status_kib("VmRSS") > before + hot_kib; i++)
            CHECK_EQ(weft_sleep(10 * WEFT_MS), 0);
        if (test_scale() == 1)
            CHECK_LE(status_kib("VmRSS"), before + hot_kib);
    }
    return 0;
}

/* On another thread, until an idle runtime has given back what is too much. */
static int wait_for_the_trim(void *arg)
{
    const struct weft__stacks *s = arg;

    for (int i = 0; i < 10000 && weft__stacks_have_surplus(s); i++)
        usleep(1000);
    return weft__stacks_have_surplus(s) ? -ETIMEDOUT : 0;
}

static void check_cold(struct weft__stacks *s)
{
    int n = 0;

    weft__lock(&s->lock);
    for (struct weft__stack *k = s->cold[s->default_shift - WEFT__STACK_SHIFT_MIN]; k != NULL;
         k = k->next, n++)
        CHECK_EQ(weft__sys_resident(k->low, (size_t)(k->top - k->low) & ~(size_t)4095), 0);
    weft__unlock(&s->lock);
    CHECK_GE(n, 500);
}

/* Goal: who is idle after a burst goes on giving back until it is done, unasked, and each stack of
 * those that go back together has lost its memory.  Method: nothing else happens meanwhile: the
 * only coroutine waits for a thread that looks on. */
CO_TEST_ON_ONE(what_is_too_much_goes_back_while_nothing_happens)
{
    struct weft__stacks *s = &weft__m_self()->rt->stacks;
    chan *ch = chan_make(0, 0);
    int result = -1;

    park_many(ch, 2000, touch_and_park);
    release(ch);
    CHECK_EQ(weft_blocking(wait_for_the_trim, s, &result), 0);
    CHECK_EQ(result, 0);
    check_cold(s);
    return 0;
}

/* Goal: a parked coroutine touches one page of its stack, not more, unless a canary is all that
 * guards it: that is in another page. */
CO_TEST(a_parked_coroutine_costs_one_page)
{
    enum { N = 5000 };
    chan *ch = chan_make(0, 0);

    park_many(ch, 100, park);
    const long before = status_kib("VmRSS");
    for (int i = 1; i <= N; i++) {
        go(park, ch);
        if (i % 100 == 0)
            weft_yield();
    }
    while (atomic_load(&n_parked) < 100 + N)
        weft_yield();
    const long each = (status_kib("VmRSS") - before) * 1024 / N;
    const int pages = strcmp(weft_runtime_guard(NULL), "canary") == 0 ? 2 : 1;
    /* The sanitizers have memory of their own for each. */
    if (test_scale() == 1 && each > pages * 4096 + 300)
        TEST_FAIL("%ld bytes each", each);
    release(ch);
    return 0;
}

static int lock_all_and_go(void *arg)
{
    chan *ch = chan_make(0, 0);

    (void)arg;
    park_many(ch, 300, park);
    CHECK_LE(status_kib("VmLck"), 200 << 10);
    join(weft_go_with(probe_guard, NULL));
    release(ch);
    return 0;
}

/* Goal: in a program that locks all its memory, stacks are not filled with memory because they are
 * reserved, and still have their guards.
 * Method: 300 stacks of 256 KiB and their reservation would be 75 MB and more. */
TEST(locked_memory_does_not_fill_the_arena)
{
    /* The sanitizers' shadow cannot be locked; there the rest is run. */
    if (test_scale() == 1 && mlockall(MCL_FUTURE) != 0)
        SKIP("memory cannot be locked here");
    CHECK_EQ(weft_run(lock_all_and_go, NULL), 0);
}
