/* SPDX-License-Identifier: MIT */
/* trace.h - what one execution did, and how it is printed when it went wrong; see explore.h. */
#ifndef WEFT_MODEL_TRACE_H
#define WEFT_MODEL_TRACE_H

#include <stdarg.h>

#define MODEL_STEPS_MAX 20000

enum model_kind {
    STEP_LOAD,
    STEP_LOAD_OWN,
    STEP_LOAD_OLD,
    STEP_STORE,
    STEP_LEAVES,
    STEP_RMW,
    STEP_CAS_FAILS,
    STEP_FENCE,
    STEP_MEMBARRIER,
    STEP_PUT,
    STEP_GET,
    STEP_NAPS,
    STEP_SPINS,
    STEP_SLEEPS,
    STEP_WAKES,
    STEP_INTERRUPTED,
    STEP_ENDS,
};

struct model_step {
    enum model_kind kind;
    int thread;
    const struct model_at *where;
    uint64_t value;
    memory_order order;
};

static struct model_step model_steps[MODEL_STEPS_MAX];
static int model_n_steps;

static void model_note(enum model_kind kind, int thread, const struct model_at *where,
                       uint64_t value, memory_order order)
{
    if (model_n_steps == MODEL_STEPS_MAX)
        model_fail("an execution does not end: %d steps", model_n_steps);
    model_steps[model_n_steps++] = (struct model_step){kind, thread, where, value, order};
}

TEST_FN const char *model_step_text(enum model_kind kind)
{
    static const char *const texts[] = {
        [STEP_LOAD] = "loads",
        [STEP_LOAD_OWN] = "loads, from its own buffer",
        [STEP_LOAD_OLD] = "loads the old value,",
        [STEP_STORE] = "stores into its buffer",
        [STEP_LEAVES] = "has a store leave its buffer:",
        [STEP_RMW] = "reads and modifies, and finds",
        [STEP_CAS_FAILS] = "fails to exchange, and finds",
        [STEP_FENCE] = "passes a fence",
        [STEP_MEMBARRIER] = "makes everybody pass a fence",
        [STEP_PUT] = "writes",
        [STEP_GET] = "reads",
        [STEP_NAPS] = "naps till all stores have left their buffers",
        [STEP_SPINS] = "spins: waits for a change of what it has looked at",
        [STEP_SLEEPS] = "sleeps",
        [STEP_WAKES] = "wakes",
        [STEP_INTERRUPTED] = "is interrupted",
        [STEP_ENDS] = "ends",
    };

    return texts[kind];
}

TEST_FN void model_print_step(int number, const struct model_step *s)
{
    static const char *const orders[] = {"relaxed", "acquire", "release", "acq_rel", "seq_cst"};
    char text[256];
    int n = snprintf(text, sizeof text, "%5d  %*sT%d %s", number, 4 * s->thread, "", s->thread,
                     model_step_text(s->kind));

    if (s->kind <= STEP_CAS_FAILS)
        n += snprintf(text + n, sizeof text - (size_t)n, " %#llx  %s, %s",
                      (unsigned long long)s->value, s->where->what, orders[s->order]);
    else if (s->kind == STEP_PUT || s->kind == STEP_GET)
        n += snprintf(text + n, sizeof text - (size_t)n, " %lld  %s", (long long)s->value,
                      s->where->what);
    else if (s->where)
        n += snprintf(text + n, sizeof text - (size_t)n, "  %s", s->where->what);
    if (s->where)
        printf("%-90s %s:%d\n", text, s->where->file, s->where->line);
    else
        puts(text);
}

/* The end of the test: the schedule, then what went wrong. */
_Noreturn static void model_fail(const char *format, ...)
{
    va_list args;

    for (int i = 0; i < model_n_steps; i++)
        model_print_step(i + 1, &model_steps[i]);
    printf("after %d steps: ", model_n_steps);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(NULL);
    _exit(1);
}

#endif
