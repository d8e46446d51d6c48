/* SPDX-License-Identifier: MIT */
/* unwind.c - the CFI is exact at every instruction of the switch. */
#include "step.h"

#include <unwind.h>

#define FRAMES_MAX 64
#define ROUNDS 20
#define CODE_MAX 256

/* A walk from the instruction about to run: the function of each frame from there outward. */
struct walk {
    uintptr_t from; /* the pc of that instruction; frames before it are the signal handler's */
    int n;
    uintptr_t function[FRAMES_MAX];
    bool has_regs;
    uint64_t regs[REGISTER_COUNT]; /* as the frame of test_switch_registers() has them */
};

int main(int argc, char **argv);

static void *main_sp, *co_sp;
static struct test_stack co_stack;
static uint64_t main_regs[REGISTER_COUNT], co_regs[REGISTER_COUNT];
static bool co_has_started;
static bool was_walked[CODE_MAX]; /* by offset from weft__ctx_switch */
static int n_walks;

static _Unwind_Reason_Code on_frame(struct _Unwind_Context *context, void *arg)
{
    struct walk *w = arg;
    int is_before = 0; /* the signal hit before the instruction at ip, which is no return address */
    const uintptr_t ip = _Unwind_GetIPInfo(context, &is_before);

    if (ip == 0 || (w->n == 0 && ip != w->from)) /* 0: libgcc's mark of the end */
        return _URC_NO_REASON;
    CHECK_LT(w->n, FRAMES_MAX);
    /* It looks up the byte before what it is given. */
    const uintptr_t function =
        (uintptr_t)_Unwind_FindEnclosingFunction((void *)(ip + (is_before ? 1 : 0)));
    w->function[w->n++] = function;
    if (function == (uintptr_t)test_switch_registers) {
        w->has_regs = true;
        for (int i = 0; i < REGISTER_COUNT; i++)
            w->regs[i] = _Unwind_GetGR(context, register_dwarf(i));
    }
    return _URC_NO_REASON;
}

/* The functions between a context's switch and its outer end; each calls the one before it. */
static NOINLINE void co_inner(void)
{
    uint64_t out[REGISTER_COUNT];

    co_has_started = true;
    test_switch_registers(&co_sp, main_sp, co_regs, out);
    STAY_ON_STACK();
}

static NOINLINE void co_outer(void)
{
    co_inner();
    STAY_ON_STACK();
}

static void co_entry(void *arg)
{
    (void)arg;
    for (;;)
        co_outer();
}

static NOINLINE void main_inner(void)
{
    uint64_t out[REGISTER_COUNT];

    test_switch_registers(&main_sp, co_sp, main_regs, out);
    STAY_ON_STACK();
}

/* The frames of the coroutine, all of them: nothing lies beyond weft__ctx_start. */
static int expect_co(uintptr_t pc, uintptr_t *expected)
{
    int n = 0;

    if (is_in_switch(pc)) {
        expected[n++] = (uintptr_t)weft__ctx_switch;
        if (co_has_started) {
            expected[n++] = (uintptr_t)test_switch_registers;
            expected[n++] = (uintptr_t)co_inner;
            expected[n++] = (uintptr_t)co_outer;
            expected[n++] = (uintptr_t)co_entry;
        }
    }
    expected[n++] = (uintptr_t)weft__ctx_start;
    return n;
}

static int expect_main(uintptr_t *expected)
{
    expected[0] = (uintptr_t)weft__ctx_switch;
    expected[1] = (uintptr_t)test_switch_registers;
    expected[2] = (uintptr_t)main_inner;
    return 3;
}

static bool walk_has(const struct walk *w, uintptr_t function)
{
    for (int i = 0; i < w->n; i++)
        if (w->function[i] == function)
            return true;
    return false;
}

/* Which context an instruction belongs to is told by the stack it runs on, not by the CFI. */
static void check_walk(const struct walk *w, uintptr_t sp)
{
    const bool is_co = stack_has(&co_stack, sp);
    const uint64_t *regs = is_co ? co_regs : main_regs;
    const long offset = (long)(w->from - (uintptr_t)weft__ctx_switch);
    uintptr_t expected[FRAMES_MAX];
    const int n = is_co ? expect_co(w->from, expected) : expect_main(expected);

    for (int i = 0; i < n; i++)
        if (i >= w->n || w->function[i] != expected[i])
            TEST_FAIL("at weft__ctx_switch%+ld, %s: frame %d of %d is %#lx, not %#lx", offset,
                      is_co ? "coroutine" : "main", i, w->n, i < w->n ? (long)w->function[i] : 0,
                      (long)expected[i]);
    if (is_co)
        CHECK_EQ(w->n, n);
    else
        CHECK(walk_has(w, (uintptr_t)main));
    if (!w->has_regs) {
        CHECK(is_co && (!co_has_started || is_in_start(w->from)));
        return;
    }
    for (int i = 0; i < REGISTER_COUNT; i++)
        if (w->regs[i] != regs[i])
            TEST_FAIL("at weft__ctx_switch%+ld, %s: register %d (DWARF) is %#llx, not %#llx",
                      offset, is_co ? "coroutine" : "main", register_dwarf(i),
                      (unsigned long long)w->regs[i], (unsigned long long)regs[i]);
}

static void walk_here(uintptr_t pc, uintptr_t sp)
{
    struct walk w = {.from = pc};

    if (!is_in_switch(pc) && !is_in_start(pc))
        return;
    _Unwind_Backtrace(on_frame, &w);
    check_walk(&w, sp);
    was_walked[pc - (uintptr_t)weft__ctx_switch] = true;
    n_walks++;
}

/* That stepping left nothing out.  On x86_64, where instructions cannot be told apart without a
 * decoder, the first and the last are looked for; the processor stops at those between. */
static void check_every_instruction(void)
{
    const size_t start = (uintptr_t)weft__ctx_start - (uintptr_t)weft__ctx_switch;

    CHECK(was_walked[0]);
#if defined(__x86_64__)
    size_t last = start - 1;
    while (!was_walked[last])
        last--;
    CHECK_EQ(memcmp((char *)weft__ctx_switch + last, "\x3e\xff\xe1", 3), 0); /* notrack jmp *%rcx */
    CHECK(was_walked[start + 1]);
#else
    const uint32_t *code = (const uint32_t *)weft__ctx_switch;
    size_t i = 0;
    do
        CHECK(was_walked[4 * i]);
    while (!IS_RET(code[i++]));
    CHECK(was_walked[start + 4]);
    CHECK(was_walked[start + 8]);
#endif
}

/* Goal: from every instruction of weft__ctx_switch() and weft__ctx_start an unwinder finds the
 * callers, every callee-saved register of theirs, and the end.
 * Method: step through switches into a new context, out of it and back.  At each instruction,
 * walk from the signal frame.  On the coroutine's stack the walk is exactly the coroutine's
 * functions and ends at weft__ctx_start; on the other it leads to main(). */
TEST(every_instruction_unwinds)
{
    struct walk prime = {.from = 1};

    CHECK_LT((uintptr_t)weft__ctx_make - (uintptr_t)weft__ctx_switch, CODE_MAX);
    _Unwind_Backtrace(on_frame, &prime); /* whatever it loads and allocates, now */
    co_stack = stack_make();
    for (int round = 0; round < ROUNDS; round++) {
        co_has_started = false;
        co_sp = weft__ctx_make(co_stack.top - 8 * round, co_entry, NULL);
        registers_fill(main_regs, 1, (uint64_t)round);
        registers_fill(co_regs, 2, (uint64_t)round);
        step_begin(walk_here);
        main_inner();
        main_inner();
        main_inner();
        step_end();
    }
    check_every_instruction();
    CHECK_GE(n_walks, ROUNDS * 6 * 17);
}
