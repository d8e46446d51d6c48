/* SPDX-License-Identifier: MIT */
/* fp_control.c - floating-point control words: the switch leaves them, the fp calls move them. */
#include "asm_test.h"

static void *main_sp, *co_sp;
static struct test_stack co_stack;

/* Rounding upward, set and seen by hand: <fenv.h> would need libm. */
#if defined(__x86_64__)

#define MXCSR_UP 0x4000u
#define X87_UP 0x0800u
#define X87_ZERO_DIVIDE_MASK 0x0004u

static uint32_t sse_get(void)
{
    return __builtin_ia32_stmxcsr();
}

static uint16_t x87_get(void)
{
    uint16_t word;
    __asm__ volatile("fnstcw %0" : "=m"(word));
    return word;
}

static void x87_set(uint16_t word)
{
    __asm__ volatile("fldcw %0" ::"m"(word));
}

static void round_up(void)
{
    __builtin_ia32_ldmxcsr(sse_get() | MXCSR_UP);
    x87_set(x87_get() | X87_UP);
}

static void round_to_nearest(void)
{
    __builtin_ia32_ldmxcsr(sse_get() & ~0x6000u);
    x87_set((uint16_t)(x87_get() & ~0x0c00u));
}

static bool words_say_up(void)
{
    CHECK_EQ((sse_get() & 0x6000) == MXCSR_UP, (x87_get() & 0x0c00) == X87_UP);
    return (sse_get() & 0x6000) == MXCSR_UP;
}

#elif defined(__aarch64__)

static uint64_t fpcr_get(void)
{
    uint64_t word;
    __asm__ volatile("mrs %0, fpcr" : "=r"(word));
    return word;
}

static void fpcr_set(uint64_t word)
{
    __asm__ volatile("msr fpcr, %0" ::"r"(word));
}

static void round_up(void)
{
    fpcr_set(fpcr_get() | 1ul << 22);
}

static void round_to_nearest(void)
{
    fpcr_set(fpcr_get() & ~(3ul << 22));
}

static bool words_say_up(void)
{
    return (fpcr_get() >> 22 & 3) == 1;
}

#endif

/* Whether arithmetic really rounds upward: a third is below 1/3 to nearest and above it upward. */
static bool is_rounding_up(void)
{
    volatile double one = 1, three = 3;
    const bool is_up = one / three > 0x1.5555555555555p-2;

    CHECK_EQ(words_say_up(), is_up);
    return is_up;
}

static void need_real_arithmetic(void)
{
    if (RUNNING_ON_VALGRIND)
        SKIP("valgrind computes with control words of its own");
}

static void *co_rounds_up(void *arg)
{
    (void)arg;
    CHECK(!is_rounding_up());
    round_up();
    weft__ctx_switch(&co_sp, main_sp);
    CHECK(!is_rounding_up());
    round_up();
    return main_sp;
}

/* Goal: the control words belong to the thread: a switch neither saves nor restores them, nor does
 * the beginning of a context or its end.
 * Method: a context sets upward rounding, which the next one must see, and the other way round. */
TEST(a_switch_does_not_touch_the_control_words)
{
    need_real_arithmetic();
    co_stack = stack_make();
    for (int w = 0; w < WAY_COUNT; w++) {
        co_sp = new_for(ways[w], co_stack.top, co_rounds_up, NULL, NULL);
        CHECK(!is_rounding_up());
        leave_by(ways[w], &main_sp, co_sp);
        CHECK(is_rounding_up());
        round_to_nearest();
        weft__ctx_switch(&main_sp, co_sp);
        CHECK(is_rounding_up());
        round_to_nearest();
    }
}

/* A switch of a context that owns its floating-point environment. */
static void owner_switch(void **save, void *load)
{
    struct weft__fp_control own;

    weft__fp_save(&own);
    weft__ctx_switch(save, load);
    weft__fp_load(&own);
}

static void *co_owns_its_environment(void *arg)
{
    (void)arg;
    CHECK(!is_rounding_up());
    round_up();
    for (;;) {
        owner_switch(&co_sp, main_sp);
        CHECK(is_rounding_up());
    }
    return NULL; /* not reached */
}

/* Goal: weft__fp_save() and weft__fp_load() move the control words with their owner.
 * Method: two owners, one of which rounds upward, switch to and fro and divide. */
TEST(owners_keep_their_control_words)
{
    need_real_arithmetic();
    co_stack = stack_make();
    co_sp = weft__ctx_make(co_stack.top, co_owns_its_environment, NULL, NULL);
    for (int i = 0; i < 1000; i++) {
        owner_switch(&main_sp, co_sp);
        CHECK(!is_rounding_up());
    }
}

/* Goal: both words are written, and loading what was saved changes nothing.
 * Method: save over two different fillings, load, save again. */
TEST(save_and_load_are_inverse)
{
    need_real_arithmetic();
    struct weft__fp_control a, b, c;

    round_up();
    memset(&a, 0, sizeof a);
    memset(&b, 0xff, sizeof b);
    weft__fp_save(&a);
    weft__fp_save(&b);
    CHECK_EQ(memcmp(&a, &b, sizeof a), 0);
    round_to_nearest();
    CHECK(!is_rounding_up());
    weft__fp_load(&a);
    CHECK(is_rounding_up());
    weft__fp_load(&a);
    weft__fp_save(&c);
    CHECK_EQ(memcmp(&a, &c, sizeof a), 0);
}

/* Goal: the exception flags of scalar arithmetic move with the words on both architectures.
 * Method: save without, raise "division by zero", load, save: the flag must be gone. */
TEST(exception_flags_move_along)
{
    need_real_arithmetic();
    struct weft__fp_control clean, raised, after;
    volatile double one = 1, zero = 0, sink;
#if defined(__x86_64__)
    const int word = 0;
    const uint32_t flag = 0x04;
    __builtin_ia32_ldmxcsr(sse_get() & ~0x3fu);
#else
    const int word = 1;
    const uint32_t flag = 0x02;
    __asm__ volatile("msr fpsr, xzr");
#endif
    weft__fp_save(&clean);
    sink = one / zero;
    weft__fp_save(&raised);
    weft__fp_load(&clean);
    weft__fp_save(&after);
    (void)sink;
    CHECK_EQ(clean.words[word] & flag, 0);
    CHECK_EQ(raised.words[word] & flag, flag);
    CHECK_EQ(after.words[word] & flag, 0);
}

#if defined(__x86_64__)
/* Goal: an x87 exception flag that another context left does not strike the owner whose control
 * word unmasks that exception.
 * Method: divide by zero on the x87 with the exception masked, load words that unmask it, and use
 * the x87: no SIGFPE may come.  Then divide again: now it must. */
static void on_fpe(int sig)
{
    (void)sig;
    _exit(0);
}

static void x87_divide(void)
{
    volatile long double one = 1, zero = 0, sink;
    sink = one / zero;
    (void)sink;
}

TEST(a_foreign_x87_flag_does_not_strike)
{
    need_real_arithmetic();
    struct weft__fp_control unmasked;

    weft__fp_save(&unmasked);
    unmasked.words[1] &= ~X87_ZERO_DIVIDE_MASK;
    x87_divide();
    weft__fp_load(&unmasked);
    __asm__ volatile("fld1\n\tfstp %%st(0)\n\tfwait" ::: "memory");
    signal(SIGFPE, on_fpe);
    x87_divide();
    __asm__ volatile("fwait");
    TEST_FAIL("the control word of the x87 was not loaded");
}
#endif
