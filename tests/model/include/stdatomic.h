/* SPDX-License-Identifier: MIT */
/*
 * stdatomic.h - what base/atomic.h finds in place of the compiler's <stdatomic.h> when a source is
 * built for a model check: each operation goes to the explorer (../explore.h), which decides who
 * runs and what is seen.
 *
 * The types stay the compiler's, so structures have the layout that they always have; only what
 * the sources use is here.
 */
#ifndef WEFT_MODEL_STDATOMIC_H
#define WEFT_MODEL_STDATOMIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    memory_order_relaxed,
    memory_order_acquire,
    memory_order_release,
    memory_order_acq_rel,
    memory_order_seq_cst,
} memory_order;

/* Where an operation stands, and on what. */
struct model_at {
    const char *file;
    int line;
    const char *what;
};

enum model_rmw { MODEL_EXCHANGE, MODEL_ADD, MODEL_SUB, MODEL_AND, MODEL_OR };

void model_init(volatile void *at, unsigned bytes, uint64_t value);
uint64_t model_load(const volatile void *at, unsigned bytes, memory_order order,
                    const struct model_at *where);
void model_store(volatile void *at, unsigned bytes, uint64_t value, memory_order order,
                 const struct model_at *where);
uint64_t model_rmw(volatile void *at, unsigned bytes, enum model_rmw op, uint64_t value,
                   memory_order order, const struct model_at *where);
bool model_compare_exchange(volatile void *at, unsigned bytes, void *expected, uint64_t desired,
                            memory_order success, memory_order failure,
                            const struct model_at *where);
void model_fence(memory_order order, const struct model_at *where);

#define MODEL_AT(what_)                                                                            \
    ({                                                                                             \
        static const struct model_at model_at_ = {__FILE__, __LINE__, what_};                      \
        &model_at_;                                                                                \
    })
/* The type behind a pointer to an atomic one, and a value of it as a word. */
#define MODEL_TYPE(p) __typeof__((void)0, *(p))
#define MODEL_WORD(p, value) ((uint64_t)(MODEL_TYPE(p))(value))

#define atomic_init(p, value) model_init((p), sizeof *(p), MODEL_WORD(p, value))
#define atomic_load_explicit(p, order)                                                             \
    ((MODEL_TYPE(p))model_load((p), sizeof *(p), (order), MODEL_AT(#p)))
#define atomic_store_explicit(p, value, order)                                                     \
    model_store((p), sizeof *(p), MODEL_WORD(p, value), (order), MODEL_AT(#p))

#define atomic_load(p) atomic_load_explicit(p, memory_order_seq_cst)
#define atomic_store(p, value) atomic_store_explicit(p, value, memory_order_seq_cst)

typedef struct {
    _Atomic bool is_set;
} atomic_flag;
#define ATOMIC_FLAG_INIT                                                                           \
    {                                                                                              \
        false                                                                                      \
    }
#define atomic_flag_test_and_set_explicit(p, order)                                                \
    atomic_exchange_explicit(&(p)->is_set, true, order)
#define atomic_flag_clear_explicit(p, order) atomic_store_explicit(&(p)->is_set, false, order)

/* What was there; nobody need look at it. */
#define MODEL_RMW(p, op, word, order)                                                              \
    ({                                                                                             \
        MODEL_TYPE(p)                                                                              \
        model_old_ =                                                                               \
            (MODEL_TYPE(p))model_rmw((p), sizeof *(p), (op), (word), (order), MODEL_AT(#p));       \
        model_old_;                                                                                \
    })
#define atomic_exchange_explicit(p, value, order)                                                  \
    MODEL_RMW(p, MODEL_EXCHANGE, MODEL_WORD(p, value), order)
#define atomic_fetch_add_explicit(p, value, order) MODEL_RMW(p, MODEL_ADD, (uint64_t)(value), order)
#define atomic_fetch_sub_explicit(p, value, order) MODEL_RMW(p, MODEL_SUB, (uint64_t)(value), order)
#define atomic_fetch_and_explicit(p, value, order) MODEL_RMW(p, MODEL_AND, (uint64_t)(value), order)
#define atomic_fetch_or_explicit(p, value, order) MODEL_RMW(p, MODEL_OR, (uint64_t)(value), order)

#define atomic_compare_exchange_strong_explicit(p, expected, desired, success, failure)            \
    model_compare_exchange((p), sizeof *(p), (expected), MODEL_WORD(p, desired), (success),        \
                           (failure), MODEL_AT(#p))
/* Weak ones do not fail for nothing: they are in loops, which would only go round once more. */
#define atomic_compare_exchange_weak_explicit atomic_compare_exchange_strong_explicit

#define atomic_thread_fence(order) model_fence((order), MODEL_AT("fence"))
/* For the compiler alone; what pairs with it is membarrier(), which the explorer carries out. */
#define atomic_signal_fence(order) __asm__ volatile("" ::: "memory")

#endif
