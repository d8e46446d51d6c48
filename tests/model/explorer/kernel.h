/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - what lies below the sources under test: the part of base/sys.h and base/fatal.h that a
 * model can have, and the clock, which stands still unless a model moves it.
 */
#ifndef WEFT_MODEL_KERNEL_H
#define WEFT_MODEL_KERNEL_H

#include <base/fatal.h>
#include <base/fence.h>
#include <base/sys.h>

#define MODEL_BEGIN_NS 1000000000

/* What has passed since MODEL_BEGIN_NS; begin() sets it to 0 where a model moves it. */
static _Atomic int64_t model_passed_ns;

TEST_FN void model_pass_time(int64_t ns)
{
    (void)atomic_fetch_add_explicit(&model_passed_ns, ns, memory_order_relaxed);
}

/* The sources' clock_gettime(). */
int model_clock_gettime(clockid_t clock, struct timespec *now);
int model_clock_gettime(clockid_t clock, struct timespec *now)
{
    const int64_t ns =
        MODEL_BEGIN_NS + atomic_load_explicit(&model_passed_ns, memory_order_relaxed);

    (void)clock;
    now->tv_sec = (time_t)(ns / 1000000000);
    now->tv_nsec = (long)(ns % 1000000000);
    return 0;
}

void weft__fatal(const char *what)
{
    model_fail("weft__fatal(\"%s\")", what);
}

void weft__sys_yield_cpu(void)
{
    model_spin(MODEL_AT("yield"));
}

/* A nap of a millisecond is for processors to let go of what they hold back (base/fence.h); shorter
 * ones are a spinning thread's. */
void weft__sys_nap(int64_t ns)
{
    if (ns < 1000000) {
        model_spin(MODEL_AT("nap"));
        return;
    }
    model_pick(true, MODEL_AT("long nap"));
    model_note(STEP_NAPS, ex.cur->id, MODEL_AT("long nap"), 0, memory_order_relaxed);
    model_drain_all();
    ex.cur->hash = model_mix(ex.cur->hash, 9);
}

int weft__sys_membarrier(void)
{
    model_membarrier(MODEL_AT("membarrier"));
    return 0;
}

/* A finite deadline may pass at any moment. */
int weft__sys_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
    struct model_thread *t = ex.cur;

    model_drain(t);
    if (model_load(word, sizeof *word, memory_order_relaxed, MODEL_AT("futex wait")) != expected)
        return -EAGAIN;
    model_note(STEP_SLEEPS, t->id, MODEL_AT("futex"), 0, memory_order_relaxed);
    t->status = MODEL_ON_FUTEX;
    t->futex = word;
    t->is_woken = false;
    t->has_deadline = deadline_ns != INT64_MAX;
    model_pick(false, MODEL_AT("futex"));
    t->status = MODEL_READY;
    return t->is_woken ? 0 : -ETIMEDOUT;
}

void weft__sys_futex_wake(_Atomic uint32_t *word, int count)
{
    struct model_thread *t = ex.cur;

    model_pick(true, MODEL_AT("futex wake"));
    model_drain(t);
    model_note(STEP_WAKES, t->id, MODEL_AT("futex"), 0, memory_order_relaxed);
    for (int i = 0; i < ex.n && count > 0; i++) {
        struct model_thread *u = &ex.threads[i];

        if (u->status == MODEL_ON_FUTEX && u->futex == word && !u->is_woken) {
            u->is_woken = true;
            u->hash = model_mix(u->hash, t->hash);
            count--;
        }
    }
    t->hash = model_mix(t->hash, 8);
}

/* Memory of this execution, given out anew in the next one. */
static char model_heap[1 << 16] __attribute__((aligned(64)));
static size_t model_heap_used;
static uint32_t model_heap_run;

/* In front of each piece stands a line with its size. */
void *weft__alloc_line(size_t bytes)
{
    if (model_heap_run != ex.run)
        model_heap_used = 0;
    model_heap_run = ex.run;
    char *p = model_heap + model_heap_used + 64;

    model_heap_used += 64 + (bytes + 63) / 64 * 64;
    if (model_heap_used > sizeof model_heap)
        model_fail("a model allocates more than %zu bytes", sizeof model_heap);
    memcpy(p - 64, &bytes, sizeof bytes);
    return memset(p, 0, bytes);
}

void *weft__alloc(size_t bytes)
{
    return weft__alloc_line(bytes);
}

void weft__free(void *p)
{
    size_t bytes;

    if (p == NULL)
        return;
    memcpy(&bytes, (char *)p - 64, sizeof bytes);
    model_let_go(p, bytes);
}

#endif
