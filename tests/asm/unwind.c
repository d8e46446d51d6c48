/* SPDX-License-Identifier: MIT */
/* unwind.c - the CFI is exact at every instruction of the switch. */
#include "step.h"

#include <unwind.h>

#include "arch/unwind.h"

#define FRAMES_MAX 64
#define ROUNDS 20
#define CODE_MAX 512

/* Callee-saved registers as a frame of the walk has them. */
struct regs {
    bool is_known;
    uint64_t value[REGISTER_COUNT];
};

/* A walk from the instruction about to run: the function of each frame from there outward. */
struct walk {
    uintptr_t from; /* the pc of that instruction; frames before it are the signal handler's */
    int n;
    uintptr_t function[FRAMES_MAX];
    struct regs inner; /* of test_switch_registers() */
    struct regs outer; /* of weft__ctx_start where it is the outermost of several */
    uintptr_t outer_sp;
    uintptr_t end_sp; /* at the end: the CFA of the outermost frame; 0 if the unwinder has no end */
};

/* The contexts: main's, and two coroutines, of which the first ends with the second, and that with
 * main's. */
struct side {
    const char *name;
    void *sp;
    struct test_stack stack; /* main's: the part that the test uses */
    uint64_t regs[REGISTER_COUNT];
    uint64_t start_regs[REGISTER_COUNT]; /* in weft__ctx_start, as is the next */
    uintptr_t start_sp;
    bool has_started;
};

int main(int argc, char **argv);

static struct side main_side = {.name = "main"};
static struct side co[2] = {{.name = "the first coroutine"}, {.name = "the second coroutine"}};
static bool was_walked[CODE_MAX]; /* by offset from weft__ctx_switch */
static int n_walks;

static void get_regs(struct _Unwind_Context *context, struct regs *to)
{
    to->is_known = true;
    for (int i = 0; i < REGISTER_COUNT; i++)
        to->value[i] = _Unwind_GetGR(context, register_dwarf(i));
}

static _Unwind_Reason_Code on_frame(struct _Unwind_Context *context, void *arg)
{
    struct walk *w = arg;
    int is_before = 0; /* the signal hit before the instruction at ip, which is no return address */
    const uintptr_t ip = _Unwind_GetIPInfo(context, &is_before);

    if (ip == 0) /* libgcc's mark of the end */
        w->end_sp = _Unwind_GetCFA(context);
    if (ip == 0 || (w->n == 0 && ip != w->from))
        return _URC_NO_REASON;
    CHECK_LT(w->n, FRAMES_MAX);
    /* It looks up the byte before what it is given. */
    const uintptr_t function =
        (uintptr_t)_Unwind_FindEnclosingFunction((void *)(ip + (is_before ? 1 : 0)));
    w->function[w->n++] = function;
    if (function == (uintptr_t)test_switch_registers)
        get_regs(context, &w->inner);
    if (function == (uintptr_t)weft__ctx_start && w->n > 1) {
        get_regs(context, &w->outer);
        w->outer_sp = _Unwind_GetCFA(context); /* of the frame before, which is our sp */
    }
    return _URC_NO_REASON;
}

/* The functions between a context's switch and its outer end; each calls the one before it. */
static NOINLINE void co_inner(struct side *self)
{
    uint64_t out[REGISTER_COUNT];

    self->has_started = true;
    test_switch_registers(&self->sp, main_side.sp, self->regs, out, weft__ctx_switch);
    STAY_ON_STACK();
}

static NOINLINE void co_outer(struct side *self)
{
    co_inner(self);
    STAY_ON_STACK();
}

static void *co_entry(void *arg)
{
    co_outer(arg);
    co_outer(arg);
    return arg == &co[0] ? co[1].sp : main_side.sp;
}

static NOINLINE void main_inner(const struct side *to, leave_fn *way)
{
    uint64_t out[REGISTER_COUNT];

    test_switch_registers(&main_side.sp, to->sp, main_side.regs, out, way);
    STAY_ON_STACK();
}

/* Which context an instruction belongs to is told by the stack it runs on, not by the CFI. */
static const struct side *side_at(uintptr_t sp)
{
    for (int i = 0; i < 2; i++)
        if (stack_has(&co[i].stack, sp))
            return &co[i];
    return &main_side;
}

static uintptr_t function_at(uintptr_t pc)
{
    if (is_in_switch(pc))
        return (uintptr_t)weft__ctx_switch;
    return is_in_enter(pc) ? (uintptr_t)weft__ctx_enter : (uintptr_t)weft__ctx_start;
}

/* The frames of a coroutine, all of them: nothing lies beyond weft__ctx_start; or the inner ones
 * of main. */
static int expect(const struct side *on, uintptr_t pc, uintptr_t *expected)
{
    int n = 0;

    expected[n++] = function_at(pc);
    if (is_in_start(pc) && !is_in_tail(pc))
        return n;
    if (on == &main_side || on->has_started)
        expected[n++] = (uintptr_t)test_switch_registers;
    if (on == &main_side) {
        expected[n++] = (uintptr_t)main_inner;
        return n;
    }
    if (on->has_started) {
        expected[n++] = (uintptr_t)co_inner;
        expected[n++] = (uintptr_t)co_outer;
        expected[n++] = (uintptr_t)co_entry;
    }
    expected[n++] = (uintptr_t)weft__ctx_start;
    return n;
}

static bool walk_has(const struct walk *w, uintptr_t function)
{
    for (int i = 0; i < w->n; i++)
        if (w->function[i] == function)
            return true;
    return false;
}

static void check_frames(const struct walk *w, const char *whose, const struct side *on)
{
    const long offset = (long)(w->from - (uintptr_t)weft__ctx_switch);
    uintptr_t expected[FRAMES_MAX];
    const int n = expect(on, w->from, expected);

    for (int i = 0; i < n; i++)
        if (i >= w->n || w->function[i] != expected[i])
            TEST_FAIL("at weft__ctx_switch%+ld, %s, %s: frame %d of %d is %#lx, not %#lx", offset,
                      on->name, whose, i, w->n, i < w->n ? (long)w->function[i] : 0,
                      (long)expected[i]);
    if (on != &main_side)
        CHECK_EQ(w->n, n);
}

static void check_regs(const struct walk *w, const struct regs *found, const uint64_t *expected)
{
    const long offset = (long)(w->from - (uintptr_t)weft__ctx_switch);

    for (int i = 0; found->is_known && i < REGISTER_COUNT; i++)
        if (found->value[i] != expected[i])
            TEST_FAIL("at weft__ctx_switch%+ld, %s frame: register %d (DWARF) is %#llx, not %#llx",
                      offset, found == &w->inner ? "inner" : "outer", register_dwarf(i),
                      (unsigned long long)found->value[i], (unsigned long long)expected[i]);
}

static void check_walk(const struct walk *w, const struct side *on)
{
    check_frames(w, "by libgcc", on);
    if (on == &main_side)
        CHECK(walk_has(w, (uintptr_t)main));
    CHECK_EQ(w->inner.is_known, walk_has(w, (uintptr_t)test_switch_registers));
    CHECK_EQ(w->outer.is_known, on != &main_side && w->n > 1);
    check_regs(w, &w->inner, on->regs);
    check_regs(w, &w->outer, on->start_regs);
    if (w->outer.is_known)
        CHECK_EQ(w->outer_sp, on->start_sp);
    if (on != &main_side && w->end_sp != 0)
        CHECK_EQ(w->end_sp, on->start_sp + 16);
}

/* The same by the unwinder of Weft.  The last instruction of weft__ctx_enter on x86_64 has its
 * return address in the red zone. */
static void check_own_walk(uintptr_t pc, const struct side *on)
{
    struct walk w = {.from = pc};
    struct weft__frame frame;
    uintptr_t pcs[FRAMES_MAX];

    weft__frame_signal(&frame, step_ucontext);
    const uintptr_t low = frame.sp - 128;
    const struct weft__stack_view view = {low, (uintptr_t)on->stack.top - low,
                                          (const unsigned char *)low};
    w.n = weft__unwind(&frame, &view, pcs, FRAMES_MAX);
    for (int i = 0; i < w.n; i++)
        w.function[i] =
            (uintptr_t)_Unwind_FindEnclosingFunction((void *)(pcs[i] + (i == 0 ? 1 : 0)));
    check_frames(&w, "by weft__unwind()", on);
}

static void walk_here(uintptr_t pc, uintptr_t sp)
{
    struct walk w = {.from = pc};

    if (!is_in_code(pc))
        return;
    if (is_in_start(pc) && !is_in_tail(pc))
        CHECK_EQ(sp, side_at(sp)->start_sp);
    _Unwind_Backtrace(on_frame, &w);
    check_walk(&w, side_at(sp));
    check_own_walk(pc, side_at(sp));
    was_walked[pc - (uintptr_t)weft__ctx_switch] = true;
    n_walks++;
}

/* That stepping left nothing out.  On x86_64, where instructions cannot be told apart without a
 * decoder, the first and the last are looked for; the processor stops at those between. */
static void check_every_instruction(void)
{
    const size_t start = (uintptr_t)weft__ctx_start - (uintptr_t)weft__ctx_switch;
    const size_t enter = (uintptr_t)weft__ctx_enter - (uintptr_t)weft__ctx_switch;

    CHECK(was_walked[0]);
    CHECK(was_walked[start + START_RETURNED]);
    CHECK(was_walked[start + START_TAIL]);
    CHECK(was_walked[enter]);
#if defined(__x86_64__)
    const unsigned char *code = (const unsigned char *)weft__ctx_switch;
    const size_t ends[3] = {start, enter, (uintptr_t)weft__ctx_make - (uintptr_t)weft__ctx_switch};
    size_t last[3];

    for (int i = 0; i < 3; i++)
        for (last[i] = ends[i] - 1; !was_walked[last[i]];)
            last[i]--;
    CHECK(was_walked[start + 1]);
    CHECK_EQ(memcmp(code + start + START_RETURNED, "\x48\x89\xc4", 3), 0); /* mov %rax, %rsp */
    CHECK_EQ(code[last[0]], 0xc3);                                         /* ret */
    CHECK_EQ(code[last[1]], 0xc3);
    CHECK_EQ(code[last[2]], 0xeb); /* jmp .Lstart */
    CHECK_EQ(last[2] + 2 + (size_t)(signed char)code[last[2] + 1], start + 1);
#else
    const uint32_t *code = (const uint32_t *)weft__ctx_switch;
    const size_t begins[3] = {0, start / 4 + 1, enter / 4};

    for (int n = 0; n < 3; n++) {
        size_t i = begins[n];
        for (; !IS_RET(code[i]) && !IS_B(code[i]); i++)
            CHECK(was_walked[4 * i]);
        CHECK(was_walked[4 * i]);
    }
    CHECK_EQ(code[(start + START_RETURNED) / 4], 0x9100001f); /* mov sp, x0 */
#endif
}

/* Where weft__ctx_make() writes nothing, the area holds values that differ.  The zeros above the
 * first frame, a second line of defence, are replaced by a pc to walk on to. */
static void prepare(struct side *side, uint64_t owner, uint64_t round)
{
    uintptr_t *const top = (uintptr_t *)(side->stack.top - 8 * round);

    for (uintptr_t i = 1; i <= 64; i++)
        top[-(intptr_t)i] = 0xbad0000000000000 | owner << 48 | i << 8;
    side->sp = weft__ctx_make(top, co_entry, side);
    for (int i = 0; i < 2; i++)
        ((uintptr_t *)side->sp)[WEFT__CTX_WORDS + i] = (uintptr_t)co_outer + 16;
    area_registers(side->sp, side->start_regs);
    side->start_sp = (uintptr_t)side->sp + WEFT__CTX_WORDS * sizeof(uintptr_t);
    registers_fill(side->regs, owner, round);
    side->has_started = false;
}

static void run_round(uint64_t round)
{
    leave_fn *const way = ways[round % 2];

    registers_fill(main_side.regs, 1, round);
    prepare(&co[0], 2, round);
    prepare(&co[1], 3, round);
    step_begin(walk_here);
    main_inner(&co[0], way);
    main_inner(&co[0], weft__ctx_switch);
    main_inner(&co[0], weft__ctx_switch); /* it ends, and the second begins */
    main_inner(&co[1], weft__ctx_switch);
    main_inner(&co[1], weft__ctx_switch); /* it ends */
    step_end();
}

/* Goal: from every instruction of weft__ctx_switch(), weft__ctx_enter() and weft__ctx_start an
 * unwinder finds the callers, every callee-saved register of theirs, and the end.
 * Method: step through switches into a new context, out of it and back, and through the ends of
 * contexts, which go on with another one or begin a new one.  At each instruction, walk from the
 * signal frame.  On a coroutine's stack the walk is exactly the coroutine's functions and ends at
 * weft__ctx_start; on the other it leads to main(). */
TEST(every_instruction_unwinds)
{
    struct walk prime = {.from = 1};

    CHECK_LT((uintptr_t)weft__ctx_make - (uintptr_t)weft__ctx_switch, CODE_MAX);
    _Unwind_Backtrace(on_frame, &prime); /* whatever it loads and allocates, now */
    weft__unwind_prime();
    main_side.stack.top = __builtin_frame_address(0);
    for (int i = 0; i < 2; i++)
        co[i].stack = stack_make();
    for (uint64_t round = 0; round < ROUNDS; round++)
        run_round(round);
    check_every_instruction();
    CHECK_GE(n_walks, ROUNDS * 160);
}
