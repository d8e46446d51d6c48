/* SPDX-License-Identifier: MIT */
/* alignment.c - the first frame: where it lies, what it hands over, how the stack is aligned; and
 * how it is after an end. */
#include "asm_test.h"

typedef float vector __attribute__((vector_size(16)));

static void *main_sp, *co_sp;
static struct test_stack co_stack, other_stack;

struct report {
    void *arg;
    uintptr_t frame, vector_at;
    char text[32];
    float sum;
    bool is_filled;
};

static struct report report;

/* Sixteen vectors that live across a call are more than there are registers for: some are stored
 * with instructions that fault on a misaligned stack. */
static NOINLINE float spill_vectors(void)
{
    vector v[16], sum = {0};

    for (int i = 0; i < 16; i++) {
        v[i] = (vector){(float)i, 1, 2, 3};
        __asm__ volatile("" : "+m"(v[i]));
    }
    for (int i = 0; i < 16; i++)
        sum += v[i];
    report.vector_at = (uintptr_t)&v[0];
    return sum[0] + sum[1] + sum[2] + sum[3];
}

static NOINLINE void look_around(void *frame)
{
    report.frame = (uintptr_t)frame;
    report.sum = spill_vectors();
    snprintf(report.text, sizeof report.text, "%.3f", 1.0 / 8);
    report.is_filled = true;
}

static void *co_reports(void *arg)
{
    report.arg = arg;
    look_around(__builtin_frame_address(0));
    return main_sp;
}

static void check_report(const struct test_stack *stack)
{
    CHECK(report.is_filled);
    CHECK_EQ(report.frame % 16, 0);
    CHECK_EQ(report.vector_at % 16, 0);
    CHECK(stack_has(stack, report.frame));
    CHECK_EQ((long)report.sum, 120 + 16 * 6);
    CHECK_STR(report.text, "0.125");
}

static void check_entry(uintptr_t down, leave_fn *way)
{
    memset(&report, 0, sizeof report);
    co_sp = new_for(way, co_stack.top - down, co_reports, (void *)(down + 5), NULL);
    leave_by(way, &main_sp, co_sp);
    check_report(&co_stack);
    CHECK_EQ(report.arg, down + 5);
}

/* Goal: entry finds the stack as the ABI wants it, whatever the alignment of top and whichever
 * call it begins by, and its argument.
 * Method: for each residue of top, begin a context that looks at its frame's address (16-aligned
 * by both ABIs), spills vectors and prints a double; by each way. */
TEST(the_stack_is_aligned_at_entry)
{
    co_stack = stack_make();
    for (uintptr_t down = 0; down < 32; down++)
        for (int w = 0; w < WAY_COUNT; w++)
            check_entry(down, ways[w]);
}

static void after_reports(void)
{
    look_around(__builtin_frame_address(0));
}

/* Leaves first, to go on at the end of another one. */
static void *co_goes_on(void *is_left)
{
    if (is_left != NULL)
        weft__ctx_switch(&co_sp, main_sp);
    return main_sp;
}

static void *co_ends_with_co(void *by_call)
{
    if (by_call != NULL)
        ctx_end(co_sp, after_reports);
    return co_sp;
}

/* Goal: what is called after an end finds the stack as the ABI wants it, too, on the stack of the
 * one that goes on.
 * Method: as above, in what is called after a return and after a call of weft__ctx_end(), with one
 * that has been left and one that has not begun, for each residue of its top. */
TEST(the_stack_is_aligned_after_an_end)
{
    co_stack = stack_make();
    other_stack = stack_make();
    for (uintptr_t i = 0; i < 32 * 4 * WAY_COUNT; i++) {
        void *const is_left = (void *)(i & 1), *const by_call = (void *)(i & 2);
        const uintptr_t down = i / 4 % 32;
        leave_fn *const way = ways[i / (4 * 32)];
        memset(&report, 0, sizeof report);
        co_sp = weft__ctx_make(co_stack.top - down, co_goes_on, is_left, NULL);
        if (is_left != NULL)
            weft__ctx_switch(&main_sp, co_sp);
        leave_by(way, &main_sp,
                 new_for(way, other_stack.top - down, co_ends_with_co, by_call, after_reports));
        check_report(&co_stack);
    }
}

/* Goal: weft__ctx_make() writes at most 128 bytes below top and nothing at or above it.
 * Method: fill the stack with a pattern, make a context for each residue of top, compare. */
TEST(making_a_context_touches_128_bytes_at_most)
{
    co_stack = stack_make();
    for (uintptr_t down = 64; down < 64 + 32; down++) {
        char *top = co_stack.top - down;
        memset(co_stack.low, 0xa5, STACK_BYTES);
        char *sp = weft__ctx_make(top, co_reports, NULL, NULL);
        CHECK(sp < top);
        CHECK(sp >= top - 256);
        for (char *at = co_stack.low; at < co_stack.top; at++)
            if ((at < top - 128 || at >= top) && *at != (char)0xa5)
                TEST_FAIL("byte at top %+ld was written", (long)(at - top));
    }
}

/* What an entry finds. */
struct look {
    void *back; /* who was left */
    uintptr_t fp, sp;
};

/* An entry that touches no stack: notes its registers in *look, and ends with look->back. */
HIDDEN void *test_entry_looks(void *look);

/* clang-format off */
__asm__(
    ".pushsection .text\n"
    ".globl test_entry_looks\n"
    ".hidden test_entry_looks\n"
#if defined(__x86_64__)
    ".type test_entry_looks, @function\n"
    "test_entry_looks:\n"
    ".cfi_startproc\n"
    "    endbr64\n"
    "    movq %rbp, 8(%rdi)\n"
    "    movq %rsp, 16(%rdi)\n"
    "    movq 0(%rdi), %rdi\n"
    "    xorl %esi, %esi\n"
    "    jmp weft__ctx_end\n"
#else
    ".type test_entry_looks, %function\n"
    ".p2align 2\n"
    "test_entry_looks:\n"
    ".cfi_startproc\n"
    "    hint #34\n" /* bti c */
    "    mov x9, sp\n"
    "    stp x29, x9, [x0, 8]\n"
    "    ldr x0, [x0]\n"
    "    mov x1, xzr\n"
    "    b weft__ctx_end\n"
#endif
    ".cfi_endproc\n"
    ".size test_entry_looks, . - test_entry_looks\n"
    ".popsection\n");
/* clang-format on */

/* Where the stack of an entry begins, in bytes below the aligned top. */
#if defined(__x86_64__)
#define ENTRY_BYTES 24 /* two words of zeros, and the call of the entry */
#else
#define ENTRY_BYTES 16
#endif

/* Goal: weft__ctx_begin() writes nothing at or above top, and below it no more than the zeros where
 * the stack ends and, on x86_64, the pc that the entry returns to.
 * Method: as above, with an entry that writes nothing. */
TEST(beginning_a_context_touches_three_words_at_most)
{
    static const int result = 0;
    struct look look;

    for (uintptr_t down = 64; down < 64 + 32; down++) {
        co_stack = stack_make();
        char *top = co_stack.top - down;
        char *const aligned = top - (uintptr_t)top % 16;
        memset(co_stack.low, 0xa5, STACK_BYTES);
        (void)weft__ctx_begin(&look.back, top, test_entry_looks, &look, NULL, &result);
        CHECK_EQ(look.sp, aligned - ENTRY_BYTES);
        for (char *at = co_stack.low; at < co_stack.top; at++)
            if ((at < aligned - ENTRY_BYTES || at >= aligned) && *at != (char)0xa5)
                TEST_FAIL("byte at top %+ld was written", (long)(at - top));
        CHECK_EQ(((uintptr_t *)aligned)[-1], 0);
        CHECK_EQ(((uintptr_t *)aligned)[-2], 0);
    }
}

/* Goal: a walk along frame pointers ends at entry, with or without CFI, whichever call it begins
 * by.
 * Method: leave with something in every register; the frame pointer that the entry finds is 0, and
 * so are the words above its frame. */
TEST(the_chain_of_frame_pointers_ends_at_entry)
{
    uint64_t in[REGISTER_COUNT], out[OUT_COUNT];
    static const int result = 0;
    struct look look;

    for (int w = 0; w < WAY_COUNT; w++) {
        co_stack = stack_make();
        memset(co_stack.low, 0xa5, STACK_BYTES);
        registers_fill(in, 1, (uint64_t)w);
        co_sp = new_for(ways[w], co_stack.top, test_entry_looks, &look, NULL);
        test_switch_registers(&look.back, co_sp, in, out, ways[w], &result);
        CHECK_EQ(look.fp, 0);
        CHECK_EQ(((uintptr_t *)co_stack.top)[-1], 0);
        CHECK_EQ(((uintptr_t *)co_stack.top)[-2], 0);
    }
}
