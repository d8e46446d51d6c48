/* SPDX-License-Identifier: MIT */
/* gone.h - memory that is over: freed, or of a stack that was left.  Nobody may use it from then on
 * in this execution, and whoever has used it must come before that. */
#ifndef WEFT_MODEL_GONE_H
#define WEFT_MODEL_GONE_H

#define MODEL_GONE_MAX 32

static struct model_gone {
    uintptr_t low, high;
    int by;
} model_gones[MODEL_GONE_MAX];
static int model_n_gones;
static uint32_t model_gone_run;

/* One that has let go of it may still have stores to it on their way. */
static void model_refuse_gone(uintptr_t at, bool is_a_store_of, int thread)
{
    if (model_gone_run != ex.run)
        return;
    for (int i = 0; i < model_n_gones; i++) {
        const struct model_gone *gone = &model_gones[i];

        if (at >= gone->low && at < gone->high && !(is_a_store_of && gone->by == thread))
            model_fail("T%d uses memory that T%d has let go of", thread, gone->by);
    }
}

static void model_note_gone(const void *at, size_t bytes)
{
    if (model_gone_run != ex.run)
        model_n_gones = 0;
    model_gone_run = ex.run;
    if (model_n_gones == MODEL_GONE_MAX)
        model_fail("more than %d pieces of memory are let go of", MODEL_GONE_MAX);
    model_gones[model_n_gones++] =
        (struct model_gone){(uintptr_t)at, (uintptr_t)at + bytes, ex.cur->id};
}

#endif
