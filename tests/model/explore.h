/* SPDX-License-Identifier: MIT */
/*
 * explore.h - runs the real sources of a protocol in every order that matters, on one thread.
 *
 * A model is a handful of threads, written as plain functions that call the sources under test.
 * Those are built against include/stdatomic.h here, so that each atomic operation comes to the
 * explorer: it decides who runs next and what a load sees, and it goes on until all decisions have
 * been tried, within two bounds: how often a thread is interrupted that could go on (preemptions),
 * and how many stores are seen late (late).  Most bugs need two of the one and one of the other,
 * and that is what `make check` tries at most; `make model` tries all that a model asks for.
 *
 *     #include "explore.h"                     (in tests/model/NAME.c)
 *     static struct weft__gate gate;           all state is laid out by begin(), each time
 *     static struct model_cell data;           data that the protocol shall protect
 *     static void begin(void) { memset(&gate, 0, sizeof gate); model_cell_init(&data); }
 *     static void owner(void) { weft__gate_enter(&gate); model_put(&data, 1); ... }
 *     static void thief(void) { weft__gate_seize(&gate); ... }
 *     static void end(void) { MODEL_CHECK(...); }
 *     MODEL_TEST(an_owner_and_a_thief_are_never_in_at_once,
 *           .begin = begin, .thread = {owner, thief}, .end = end, .preemptions = 3, .late = 2)
 *
 * What goes wrong is printed as the schedule that leads there, step by step: a MODEL_CHECK() that
 * fails, weft__fatal(), data touched by two threads with no order between them, or threads that
 * wait for one another for ever (a lost wake-up).
 *
 * Who runs.  A thread can be interrupted before each operation on a word that another one uses as
 * well.  One that waits (weft__sys_futex_wait(), model_event_wait()) is out of the way until it is
 * woken.  One that spins says so by weft__sys_yield_cpu() or weft__sys_nap(): it comes back when a
 * word has changed that it has looked at; WEFT__BOUND() (base/compiler.h) makes each spinning
 * loop of the sources come there in its first round.
 *
 * What is seen.  A store stays in its thread's buffer, where only its own thread sees it, until a
 * fence drains it; or until another thread looks at that word: then both are tried, the old value
 * and the new.  Stores with release leave the buffer after all that are older, relaxed ones in any
 * order but for one word.  Read-modify-writes act on memory at once; those with release, and
 * seq_cst fences, drain the buffer, and membarrier() drains everybody's.  Loads happen in program
 * order.
 *
 * What is ordered.  Each thread has a vector clock that travels with release and acquire as C11 has
 * it.  Two uses of plain data in the sources that no such chain orders are a bug, also where this
 * machine would never show it (explorer/plain.h): so a missing lock and an order that is too weak
 * show at once.  The model's own data has to be in a struct model_cell to be looked after likewise;
 * a cell inside a lock tests exclusion and visibility in one.  Memory that is freed, or of a stack
 * that is left (model_let_go()), is over: to use it later, or with no order before that, is a bug.
 *
 * What is left out.  A state is known by what each thread has read from whom, and by what memory
 * and the buffers hold; one that was seen before with as much left of both bounds is not gone
 * through again.  Plain data adds nothing to a state, since it is in order.
 *
 * Not shown: loads that happen early (but a missing acquire shows in a cell), compare-exchanges
 * that fail for nothing, more than the bounds.  A relaxed store to a word on the stack must not be
 * the last thing that is done with that stack.
 */
#ifndef WEFT_MODEL_EXPLORE_H
#define WEFT_MODEL_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/stdatomic.h"
#include "../test.h"

#define MODEL_THREADS_MAX 4

struct model {
    const char *name;
    void (*begin)(void); /* lays out all state; before each execution */
    void (*thread[MODEL_THREADS_MAX])(void);
    void (*end)(void); /* all threads have ended; may be NULL */
    int preemptions;
    int late;
    bool is_of_the_explorer; /* what it finds, not whether the sources are sound */
};

static void model_explore(const struct model *model);

/* A test of that name that goes through all executions of a model. */
#define MODEL_TEST(name_, ...)                                                                     \
    TEST_LIMIT(name_, 120)                                                                         \
    {                                                                                              \
        static const struct model model = {.name = #name_, __VA_ARGS__};                           \
        model_explore(&model);                                                                     \
    }

_Noreturn static void model_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define MODEL_CHECK(x)                                                                             \
    do {                                                                                           \
        if (!(x))                                                                                  \
            model_fail("%s:%d: MODEL_CHECK(%s) is false", __FILE__, __LINE__, #x);                 \
    } while (0)

/* Who has seen what: of each thread, how many of its steps. */
struct model_clock {
    uint16_t at[MODEL_THREADS_MAX];
};

/* Plain data under watch. */
struct model_cell {
    long value;
    uint16_t written; /* when, and by whom, + 1; 0: by begin() */
    uint8_t writer;
    struct model_clock read;
};

#define model_cell_init(cell) (*(cell) = (struct model_cell){0})
#define model_put(cell, value) model_cell_put((cell), (value), MODEL_AT(#cell))
#define model_get(cell) model_cell_get((cell), MODEL_AT(#cell))
#define model_add(cell, n) model_put((cell), model_get(cell) + (n))

/* What a thread can sleep on, as the kernel has it: it stays set until somebody has waited for it.
 * It orders nothing by itself; one that stands for more of the sources than a sleep may. */
struct model_event {
    bool is_set;
    bool orders; /* what came before the set is visible after the wait */
    struct model_clock clock;
    uint64_t hash;
};

/* The memory of something that the running thread has freed, or left on its stack, is over. */
#define model_let_go(at, bytes) model_do_let_go((at), (bytes), __builtin_return_address(0))

#define model_event_init(event) (*(event) = (struct model_event){0})
#define model_event_set(event) model_event_do_set((event), MODEL_AT(#event))
#define model_event_wait(event) model_event_do_wait((event), MODEL_AT(#event))

#include "explorer/trace.h"

#include "explorer/path.h"

#include "explorer/threads.h"

#include "explorer/gone.h"

#include "explorer/memory.h"

#include "explorer/plain.h"

#include "explorer/kernel.h"

#endif
