/* SPDX-License-Identifier: MIT */
/*
 * yield.c - a bare switch of stacks: the least that a yield can cost.
 *
 * The switch is inline, and tells the compiler that all registers are lost: it saves only those
 * that the code around it needs, which is none here.  What has to be kept by hand are the stack
 * pointer, the frame pointer and where to go on.
 *
 * `from` and `to` are in the registers of a function's first two arguments: a new context, whose
 * program counter is a function, gets them as these.  One that goes on finds itself in `to`.
 */
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#include "raw.h"

#ifdef RAW_HAS_SWITCH

#define COROUTINES 4 /* a thread */
#define STACK_BYTES (64 * 1024)
#define COLOUR_BYTES 64 /* the stacks begin at different cache sets */

struct context {
    _Alignas(64) void *sp; /* switch_to() knows the offsets of these three */
    void *fp, *pc;
    struct context *next, *home;
    uint64_t n_left; /* yields */
};

#if defined(__x86_64__)

/* Goes on in `to`; returns `from` when somebody goes on there. */
static inline __attribute__((always_inline)) struct context *switch_to(struct context *from,
                                                                       struct context *to)
{
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rsp, 0(%0)\n\t"
                     "movq %%rbp, 8(%0)\n\t"
                     "movq %%rax, 16(%0)\n\t"
                     "movq 0(%1), %%rsp\n\t"
                     "movq 8(%1), %%rbp\n\t"
                     "jmpq *16(%1)\n"
                     "1:"
                     : "+D"(from), "+S"(to)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
                       "memory", "cc");
    return to;
}

/* As after a call: the return address, which nobody uses, lies below 16 aligned bytes. */
#define ENTRY_BYTES sizeof(void *)

#else

static inline __attribute__((always_inline)) struct context *switch_to(struct context *old,
                                                                       struct context *new)
{
    register struct context *from __asm__("x0") = old;
    register struct context *to __asm__("x1") = new;

    __asm__ volatile("adr x9, 1f\n\t"
                     "mov x10, sp\n\t"
                     "stp x10, x29, [%0]\n\t"
                     "str x9, [%0, #16]\n\t"
                     "ldp x10, x29, [%1]\n\t"
                     "ldr x9, [%1, #16]\n\t"
                     "mov sp, x10\n\t"
                     "br x9\n"
                     "1:\n\t"
                     "hint #36" /* bti j: a place that a branch may come to */
                     : "+r"(from), "+r"(to)
                     :
                     : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
                       "x14", "x15", "x16", "x17", "x19", "x20", "x21", "x22", "x23", "x24", "x25",
                       "x26", "x27", "x28", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7",
                       "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18",
                       "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29",
                       "v30", "v31", "memory", "cc");
    return to;
}

#define ENTRY_BYTES 0

#endif

_Static_assert(offsetof(struct context, fp) == 8 && offsetof(struct context, pc) == 16,
               "the offsets that switch_to() uses");

/* A coroutine: nothing but yields, until it has done its share. */
static void yield_often(struct context *from, struct context *self)
{
    (void)from;
    for (;;) {
        if (self->n_left-- == 0)
            switch_to(self, self->home);
        self = switch_to(self, self->next);
    }
}

struct thread {
    pthread_t id;
    uint64_t n_yields;
    struct context home, coroutines[COROUTINES];
    char *stacks;
};

static void *run_thread(void *arg)
{
    struct thread *t = arg;

    for (int i = 0; i < COROUTINES; i++) {
        const size_t top = (size_t)(i + 1) * STACK_BYTES - (size_t)i * COLOUR_BYTES;

        t->coroutines[i] = (struct context){
            .sp = t->stacks + top - ENTRY_BYTES,
            .pc = (void *)yield_often,
            .next = &t->coroutines[(i + 1) % COROUTINES],
            .home = &t->home,
            .n_left = t->n_yields / COROUTINES, /* the first one to have done it ends all */
        };
    }
    switch_to(&t->home, &t->coroutines[0]);
    return NULL;
}

/* n yields on each of the threads: with one thread in this one, else each in one of its own. */
double raw_yield(int procs, uint64_t n)
{
    struct thread *threads = aligned_alloc(64, (size_t)procs * sizeof(*threads));
    int64_t start, end;
    int rc = 0;

    if (threads == NULL)
        raw_die("yield", ENOMEM);
    for (int i = 0; i < procs; i++) {
        threads[i].n_yields = n;
        threads[i].stacks = aligned_alloc(4096, COROUTINES * STACK_BYTES);
        if (threads[i].stacks == NULL)
            raw_die("yield", ENOMEM);
    }
    start = now_ns();
    for (int i = 1; i < procs && rc == 0; i++)
        rc = pthread_create(&threads[i].id, NULL, run_thread, &threads[i]);
    if (rc != 0)
        raw_die("pthread_create", rc);
    run_thread(&threads[0]);
    for (int i = 1; i < procs; i++)
        pthread_join(threads[i].id, NULL);
    end = now_ns();
    for (int i = 0; i < procs; i++)
        free(threads[i].stacks);
    free(threads);
    return (double)(end - start);
}

#endif
