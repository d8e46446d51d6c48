/* SPDX-License-Identifier: MIT */
/* handover.c - whoever sees the pointer of a context that was left may go on with it at once. */
#include "step.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/* ThreadSanitizer does not see the release, which is in the assembly: it is told of it. */
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define IS_TSAN
#endif
#endif
#if defined(IS_TSAN) || defined(__SANITIZE_THREAD__)
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#else
#define __tsan_acquire(address) ((void)(address))
#define __tsan_release(address) ((void)(address))
#endif

static void *volatile main_sp;
static struct test_stack co_stack;
static uint64_t main_regs[REGISTER_COUNT];
static const int main_result = 7;
static bool is_waiting, has_entered;
static int n_looks;

static void *co_ends(void *arg)
{
    has_entered = true;
    return *(void **)arg;
}

static void look_at_area(uintptr_t pc, uintptr_t sp)
{
    (void)sp;
    if (main_sp == NULL || has_entered || !is_in_code(pc))
        return;
    if (!area_holds(main_sp, main_regs))
        TEST_FAIL("at weft__ctx_switch%+ld the pointer is stored, and not all of the registers",
                  (long)(pc - (uintptr_t)weft__ctx_switch));
    if (is_waiting)
        CHECK_EQ(((void **)main_sp)[WEFT__CTX_RESULT], &main_result);
    n_looks++;
}

/* Goal: the stack pointer is stored when all the registers are, and where the result will be.
 * Method: step through each call; as soon as the pointer is there, so is the rest. */
TEST(the_pointer_is_stored_last)
{
    uint64_t out[OUT_COUNT];

    co_stack = stack_make();
    for (int w = 0; w < WAY_COUNT; w++) {
        void *co_sp = new_for(ways[w], co_stack.top, co_ends, (void *)&main_sp, NULL);
        registers_fill(main_regs, 1, (uint64_t)w);
        main_sp = NULL;
        is_waiting = has_result(ways[w]);
        has_entered = false;
        n_looks = 0;
        step_begin(look_at_area);
        test_switch_registers((void **)&main_sp, co_sp, main_regs, out, ways[w], &main_result);
        step_end();
        CHECK(has_entered);
        /* The other context's registers are loaded meanwhile. */
        CHECK_GE(n_looks, ways[w] == BEGIN ? 7 : 8);
    }
}

#if defined(__aarch64__)
#define STLR_X9_X0 0xc89ffc09u
#define MOV_X9_SP 0x910003e9u
#define IS_STP_SP(instruction)                                                                     \
    (((instruction)&0xffc003e0) == 0xa90003e0 || ((instruction)&0xffc003e0) == 0x6d0003e0)
#define IS_STR_X2_SP(instruction) (((instruction)&0xffc003ff) == 0xf90003e2)

/* Goal: the store of the pointer is a release: no processor lets another one see it before the
 * registers.
 * Method: the instruction is stlr; ten stores of pairs come before it, and that of where the result
 * will be; none comes after it. */
TEST(the_pointer_is_stored_with_release)
{
    for (int w = 0; w < WAY_COUNT; w++) {
        const void *const function =
            ways[w] == BEGIN ? (const void *)weft__ctx_begin : (const void *)ways[w];
        const uint32_t *code = function;
        int n_pairs = 0, n_pairs_before = 0, n_releases = 0, n_moves = 0, n_results = 0;
        for (int i = 0; !IS_RET(code[i]) && !IS_B(code[i]); i++) {
            n_pairs += IS_STP_SP(code[i]);
            n_results += IS_STR_X2_SP(code[i]);
            n_moves += code[i] == MOV_X9_SP;
            if (code[i] != STLR_X9_X0)
                continue;
            CHECK_EQ(n_moves, 1);
            CHECK_EQ(n_results, 1);
            n_pairs_before = n_pairs;
            n_releases++;
        }
        CHECK_EQ(n_releases, 1);
        CHECK_EQ(n_pairs_before, 10);
        CHECK_EQ(n_pairs, 10);
        CHECK_EQ(n_results, 1);
    }
}
#endif

#define TURNS_MAX 200000
#define TURNS_MIN 100

/* A thread that takes turns with another one in running the coroutine. */
struct pinger {
    int index;
    void *sp;
    struct test_stack stack; /* for contexts that end at once */
};

static struct pinger pingers[2] = {{.index = 0}, {.index = 1}};
static struct pinger *here;         /* who runs the coroutine */
static _Atomic(void *) shown_to[2]; /* where the coroutine is, for him whose turn it is */
static atomic_bool is_over;
static uint64_t n_turns, ping_in[REGISTER_COUNT], ping_out[OUT_COUNT];
static int ping_result;

static void *co_goes_back(void *arg)
{
    return *(void **)arg;
}

/* Leaves the one thread so that the other one may go on with it; every third time for a context
 * that begins instead; and two times of three it waits for a result of the other one's. */
static void *co_pings(void *arg)
{
    (void)arg;
    for (;; n_turns++) {
        struct pinger *const from = here;
        void **save = (void **)&shown_to[!from->index];
        leave_fn *const way = ways[n_turns / 2 % WAY_COUNT];
        void *const to =
            way == BEGIN ? new_for(way, from->stack.top, co_goes_back, &from->sp, NULL) : from->sp;

        registers_fill(ping_in, 4, n_turns);
        __tsan_release(save);
        const int result =
            test_switch_registers(save, to, ping_in, ping_out, way, &ping_result);
        for (int i = 0; i < REGISTER_COUNT; i++)
            CHECK_EQ(ping_out[i], ping_in[i]);
        if (has_result(way))
            CHECK_EQ(result, here->index + 1);
    }
    return NULL; /* not reached */
}

static void *thread_pings(void *arg)
{
    struct pinger *self = arg;
    const int64_t end_ms = test_now_ms() + test_stress_ms() / 2;

    while (!is_over) {
        void *sp = atomic_load_explicit(&shown_to[self->index], memory_order_acquire);
        if (sp == NULL) {
            sched_yield();
            continue;
        }
        __tsan_acquire(&shown_to[self->index]);
        atomic_store_explicit(&shown_to[self->index], NULL, memory_order_relaxed);
        here = self;
        ping_result = self->index + 1;
        if (n_turns >= TURNS_MAX || (n_turns >= TURNS_MIN && test_now_ms() >= end_ms))
            is_over = true;
        else
            weft__ctx_switch(&self->sp, sp);
    }
    return NULL;
}

/* Goal: a thread that has loaded the pointer with acquire may go on with the context, although the
 * one that left it may still be about to load its next one.
 * Method: two threads wait for the coroutine in turn; it leaves each by showing itself to the
 * other one, and compares its registers and the result. */
TEST_LIMIT(another_thread_goes_on_at_once, 30)
{
    pthread_t thread;

    co_stack = stack_make();
    for (int i = 0; i < 2; i++)
        pingers[i].stack = stack_make();
    shown_to[0] = weft__ctx_make(co_stack.top, co_pings, NULL, NULL);
    CHECK_EQ(pthread_create(&thread, NULL, thread_pings, &pingers[1]), 0);
    thread_pings(&pingers[0]);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_GE(n_turns, TURNS_MIN);
}
