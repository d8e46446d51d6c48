/* SPDX-License-Identifier: MIT */
/*
 * backtrace.c - backtrace() inside coroutines stops at the entry, whenever it is called.
 *
 * Functions of libc are called without the linker's stubs: those have no CFI on aarch64, so that a
 * sample that hits one ends there.
 *
 * cflags: -fno-plt
 */
#include "asm_test.h"

#include <execinfo.h>
#include <sys/time.h>

#define DEPTH 20
#define FRAMES_MAX 128
#define TICKS_MIN 100
#define CO_COUNT 4

static void *main_sp, *co_sp[CO_COUNT];
static struct test_stack co_stack[CO_COUNT + 1]; /* the last is for contexts that end at once */

static NOINLINE int backtrace_at_depth(void **frames, int depth)
{
    int n = depth == 0 ? backtrace(frames, FRAMES_MAX) : backtrace_at_depth(frames, depth - 1);
    STAY_ON_STACK();
    return n;
}

static void *co_backtraces(void *arg)
{
    void *frames[FRAMES_MAX];

    (void)arg;
    for (int i = 1; i <= 2; i++)
        ((uintptr_t *)co_stack[0].top)[-i] = (uintptr_t)backtrace_at_depth + 16;
    const int n = backtrace_at_depth(frames, 0);
    const int n_deep = backtrace_at_depth(frames, DEPTH);

    CHECK_LT(n_deep, FRAMES_MAX);
    CHECK_GE(n, 3); /* backtrace_at_depth, this function, weft__ctx_start */
    CHECK_GT(n_deep, n);
    CHECK(is_in_start((uintptr_t)frames[n_deep - 1]));
    for (int i = 0; i < n_deep - 1; i++)
        CHECK(!is_in_start((uintptr_t)frames[i]));
    return main_sp;
}

/* Goal: backtrace() in a coroutine stops at its entry, whichever call it begins by.
 * Method: call it at two depths; the last frame, and no other, is where contexts begin.  The zeros
 * above the first frame, a second line of defence, are replaced by a pc to walk on to. */
TEST(backtrace_stops_at_the_entry)
{
    co_stack[0] = stack_make();
    for (int w = 0; w < WAY_COUNT; w++) {
        co_sp[0] = new_for(ways[w], co_stack[0].top, co_backtraces, NULL, NULL);
        leave_by(ways[w], &main_sp, co_sp[0]);
    }
}

static void *storm_frames[FRAMES_MAX];
static volatile sig_atomic_t n_ticks, n_ticks_in_co;
static volatile int64_t storm_now_ms;

static bool is_on_co_stack(const void *address)
{
    for (int i = 0; i <= CO_COUNT; i++)
        if (stack_has(&co_stack[i], (uintptr_t)address))
            return true;
    return false;
}

/* A sampling profiler.  Its own frame tells whose stack was hit. */
static void on_tick(int sig)
{
    const int n = backtrace(storm_frames, FRAMES_MAX);
    const bool is_in_co = is_on_co_stack(__builtin_frame_address(0));

    (void)sig;
    n_ticks++;
    n_ticks_in_co += is_in_co;
    CHECK_GT(n, 2);
    CHECK_LT(n, FRAMES_MAX);
    CHECK_EQ(is_outermost((uintptr_t)storm_frames[n - 1]), is_in_co);
}

/* Each coroutine leaves for the next, the last one for main; every second one waits.  Reading the
 * clock now and then is also when a sanitizer that holds signals back lets them through. */
static NOINLINE void switch_on(intptr_t i)
{
    static const int result = 0;
    static unsigned n_turns;
    void *const to = i + 1 < CO_COUNT ? co_sp[i + 1] : main_sp;

    if (++n_turns % 1024 == 0)
        storm_now_ms = test_now_ms();
    if (i % 2 == 0)
        weft__ctx_switch(&co_sp[i], to);
    else
        (void)weft__ctx_wait(&co_sp[i], to, &result);
    STAY_ON_STACK();
}

static void *co_storms(void *arg)
{
    for (;;)
        switch_on((intptr_t)arg);
    return NULL; /* not reached */
}

static void after_end(void)
{
    __asm__ volatile("" ::: "memory");
}

static NEVER_RETURNS void *co_ends(void *by_call)
{
    if (by_call != NULL)
        ctx_end(main_sp, after_end);
    return main_sp;
}

/* Goal: a profiler may sample at any instant of a switch storm.
 * Method: SIGPROF at 1 kHz of processor time with backtrace() in the handler, while main and four
 * coroutines switch without pause, and main leaves in each way for contexts that end at once, in
 * either way, with something to be called after it; each walk ends where its stack begins.  It
 * lasts until both the time and the number of samples suffice, since the kernel may tick at 100 Hz
 * only. */
TEST_LIMIT(a_profiler_walks_at_any_instant, 60)
{
    const struct itimerval each_ms = {{0, 1000}, {0, 1000}}, off = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = on_tick};
    unsigned n_lives = 0;

    CHECK_GT(backtrace(storm_frames, FRAMES_MAX), 0); /* loads and allocates at its first call */
    for (intptr_t i = 0; i < CO_COUNT; i++) {
        co_stack[i] = stack_make();
        co_sp[i] = weft__ctx_make(co_stack[i].top, co_storms, (void *)i, NULL);
    }
    co_stack[CO_COUNT] = stack_make();
    const int64_t end_ms = test_now_ms() + test_stress_ms();
    CHECK_EQ(sigaction(SIGPROF, &action, NULL), 0);
    CHECK_EQ(setitimer(ITIMER_PROF, &each_ms, NULL), 0);
    while (n_ticks < TICKS_MIN || n_ticks_in_co == 0 || storm_now_ms < end_ms) {
        leave_fn *const way = ways[n_lives % WAY_COUNT];
        void *const by_call = n_lives++ / WAY_COUNT % 2 ? &main_sp : NULL;
        weft__ctx_switch(&main_sp, co_sp[0]);
        leave_by(way, &main_sp, new_for(way, co_stack[CO_COUNT].top, co_ends, by_call, after_end));
    }
    CHECK_EQ(setitimer(ITIMER_PROF, &off, NULL), 0);
}
