/* SPDX-License-Identifier: MIT */
/* unwind.c - the CFI is exact at every instruction of the switch. */
#include "step.h"

#include <unwind.h>

#include "arch/unwind.h"

#define FRAMES_MAX 64
#define ROUNDS (3 * 2 * 2 * 2 * 2 * 2)
#define CODE_MAX 1024

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
    struct regs inner; /* of either place */
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
    place_fn *place;
    int n_turns, result;
    /* Of a coroutine: how it leaves, how it ends, what is called then. */
    leave_fn *way;
    bool ends_by_call;
    after_fn *after;
};

int main(int argc, char **argv);

static struct side main_side = {.name = "main"};
static struct side co[2] = {{.name = "the first coroutine"}, {.name = "the second coroutine"}};
static bool was_walked[CODE_MAX]; /* by offset from weft__ctx_switch */
static int n_walks, n_after_walks;

static void get_regs(struct _Unwind_Context *context, struct regs *to)
{
    to->is_known = true;
    for (int i = 0; i < REGISTER_COUNT; i++)
        to->value[i] = _Unwind_GetGR(context, register_dwarf(i));
}

static bool is_place(uintptr_t function)
{
    return function == (uintptr_t)places[0] || function == (uintptr_t)places[1];
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
    if (is_place(function))
        get_regs(context, &w->inner);
    if (function == (uintptr_t)weft__ctx_start && w->n > 1) {
        get_regs(context, &w->outer);
        w->outer_sp = _Unwind_GetCFA(context); /* of the frame before, which is our sp */
    }
    return _URC_NO_REASON;
}

/* Whom a coroutine ends with. */
static void *successor(const struct side *self)
{
    return self == &co[0] ? co[1].sp : main_side.sp;
}

/* The functions between a context's switch and its outer end; each calls the one before it.  The
 * third time a coroutine ends here. */
static NOINLINE void co_inner(struct side *self)
{
    static uint64_t out[OUT_COUNT];

    if (++self->n_turns < 3)
        self->place(&self->sp, main_side.sp, self->regs, out, self->way, &self->result);
    else
        self->place(successor(self), (void *)self->after, self->regs, out, END, NULL);
    STAY_ON_STACK();
}

static NOINLINE void co_outer(struct side *self)
{
    co_inner(self);
    STAY_ON_STACK();
}

static void *co_entry(void *arg)
{
    struct side *const self = arg;

    co_outer(self);
    co_outer(self);
    if (self->ends_by_call)
        co_outer(self);
    return successor(self);
}

static NOINLINE void main_inner(const struct side *to, leave_fn *way)
{
    uint64_t out[OUT_COUNT];

    main_side.place(&main_side.sp, to->sp, main_side.regs, out, way, &main_side.result);
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
    if (is_in_wait(pc))
        return (uintptr_t)weft__ctx_wait;
    if (is_in_end(pc))
        return (uintptr_t)weft__ctx_end;
    return is_in_begin(pc) ? (uintptr_t)weft__ctx_begin : (uintptr_t)weft__ctx_start;
}

/* The frames of a coroutine, all of them: nothing lies beyond where it began; or the inner ones of
 * main. */
static int expect(const struct side *on, uintptr_t pc, uintptr_t *expected)
{
    int n = 0;

    expected[n++] = function_at(pc);
    if (is_outermost(pc))
        return n;
    if (on == &main_side || on->n_turns > 0)
        expected[n++] = (uintptr_t)on->place;
    if (on == &main_side) {
        expected[n++] = (uintptr_t)main_inner;
        return n;
    }
    if (on->n_turns > 0) {
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
    CHECK_EQ(w->inner.is_known, walk_has(w, (uintptr_t)on->place));
    CHECK_EQ(w->outer.is_known, on != &main_side && w->n > 1);
    check_regs(w, &w->inner, on->regs);
    check_regs(w, &w->outer, on->start_regs);
    if (w->outer.is_known)
        CHECK_EQ(w->outer_sp, on->start_sp);
    if (on != &main_side && w->end_sp != 0)
        CHECK_EQ(w->end_sp, on->start_sp + 16);
}

/* The same by the unwinder of Weft.  At a jump on x86_64 the return address is in the red zone. */
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

/* The zeros above the first frame, a second line of defence, are replaced by a pc to walk on to. */
static void walk_here(uintptr_t pc, uintptr_t sp)
{
    struct walk w = {.from = pc};
    const struct side *on = side_at(sp);

    if (!is_in_code(pc))
        return;
    if (is_in_begin(pc))
        CHECK_EQ(on != &main_side, is_outermost(pc));
    if (is_outermost(pc))
        CHECK_EQ(sp, on->start_sp);
    for (int i = 0; on != &main_side && i < 2; i++)
        ((uintptr_t *)on->start_sp)[i] = (uintptr_t)co_outer + 16;
    _Unwind_Backtrace(on_frame, &w);
    check_walk(&w, on);
    check_own_walk(pc, on);
    was_walked[pc - (uintptr_t)weft__ctx_switch] = true;
    n_walks++;
}

/* After an end, on the stack of the one that goes on: it is found from here, too. */
static void co_after(void)
{
    struct walk w = {.from = (uintptr_t)weft__ctx_start + START_CALLED};

    _Unwind_Backtrace(on_frame, &w);
    check_walk(&w, side_at((uintptr_t)__builtin_frame_address(0)));
    n_after_walks++;
}

static size_t offset_of(void (*function)(void))
{
    return (uintptr_t)function - (uintptr_t)weft__ctx_switch;
}

#define OFFSET_OF(function) offset_of((void (*)(void))(function))

#if defined(__x86_64__)
/* The last instruction walked before the next function. */
static size_t last_walked(size_t next)
{
    size_t last = next - 1;

    while (!was_walked[last])
        last--;
    return last;
}

/* It has to begin with these bytes. */
static size_t check_last(size_t next, const char *bytes, size_t n)
{
    const size_t last = last_walked(next);

    CHECK_EQ(memcmp((const char *)weft__ctx_switch + last, bytes, n), 0);
    return last;
}

/* At the end of a function there is a ret, and beside it a jump: add $8, %rsp; notrack jmp. */
static void check_ways_back(size_t next)
{
    const size_t last = check_last(next, "\x3e\xff\x64\x24\xf8", 5);

    CHECK_EQ(((const unsigned char *)weft__ctx_switch)[last - 5], 0xc3);
    CHECK(was_walked[last - 5]);
    CHECK(was_walked[last - 4]);
}

/* There is a jump to `target`, a short or a long one. */
static void check_jump(size_t next, size_t target)
{
    const size_t last = last_walked(next);
    const signed char *jump = (const signed char *)weft__ctx_switch + last;
    int32_t far;

    if (jump[0] == (signed char)0xeb) {
        CHECK_EQ(last + 2 + (size_t)jump[1], target);
        return;
    }
    check_last(next, "\xe9", 1);
    memcpy(&far, jump + 1, sizeof far);
    CHECK_EQ(last + 5 + (size_t)far, target);
}
#endif

/* That stepping left nothing out.  On x86_64, where instructions cannot be told apart without a
 * decoder, the first and the last are looked for, and those around a branch; the processor stops at
 * those between. */
static void check_every_instruction(void)
{
    const size_t wait = OFFSET_OF(weft__ctx_wait), start = OFFSET_OF(weft__ctx_start),
                 end = OFFSET_OF(weft__ctx_end), begin = OFFSET_OF(weft__ctx_begin);
    const size_t firsts[] = {0,
                             wait,
                             end,
                             begin,
                             start + START_RETURNED,
                             start + START_TAIL,
                             start + START_CALLED,
                             end + END_TAIL,
                             begin + BEGIN_TAIL};

    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++)
        CHECK(was_walked[firsts[i]]);
#if defined(__x86_64__)
    const char *code = (const char *)weft__ctx_switch;

    CHECK(was_walked[start + 1]);
    CHECK_EQ(memcmp(code + start + START_TAIL - 3, "\x48\x89\xc4", 3), 0);   /* mov %rax, %rsp */
    CHECK(was_walked[start + START_TAIL - 3]);
    CHECK_EQ(memcmp(code + start + START_CALLED - 3, "\x41\xff\xd5", 3), 0); /* call *%r13 */
    CHECK(was_walked[start + START_CALLED - 3]);
    check_ways_back(wait);
    check_ways_back(start);
    check_last(end, "\xc3", 1);
    CHECK_EQ(memcmp(code + begin + BEGIN_TAIL - 3, "\x48\x89\xf4", 3), 0); /* mov %rsi, %rsp */
    CHECK(was_walked[begin + BEGIN_TAIL - 3]);
    check_jump(begin, start + START_OVER);
    check_jump(OFFSET_OF(weft__ctx_make), start + 1);
#else
    const uint32_t *code = (const uint32_t *)weft__ctx_switch;
    const size_t begins[] = {0, wait / 4, start / 4 + 1, end / 4, begin / 4};

    for (size_t n = 0; n < sizeof begins / sizeof begins[0]; n++) {
        size_t i = begins[n];
        for (; !IS_RET(code[i]) && !IS_B(code[i]); i++)
            CHECK(was_walked[4 * i]);
        CHECK(was_walked[4 * i]);
    }
    CHECK_EQ(code[(start + START_RETURNED) / 4], 0x927ff81f);   /* and sp, x0, -2 */
    CHECK_EQ(code[(start + START_CALLED) / 4 - 1], 0xd63f0340); /* blr x26 */
    CHECK_EQ(code[(begin + BEGIN_TAIL) / 4 - 1], 0x9100003f);   /* mov sp, x1 */
#endif
}

/* What weft__ctx_start has in its registers if main begins the coroutine: its own, but for four. */
static void begin_registers(struct side *side)
{
    memcpy(side->start_regs, main_side.regs, sizeof side->start_regs);
#if defined(__x86_64__)
    side->start_regs[0] = (uintptr_t)co_entry;
    side->start_regs[1] = 0; /* rbp */
    side->start_regs[2] = (uintptr_t)side;
    side->start_regs[3] = (uintptr_t)side->after;
#else
    side->start_regs[7] = (uintptr_t)side->after;
    side->start_regs[8] = (uintptr_t)side;
    side->start_regs[9] = (uintptr_t)co_entry;
    side->start_regs[10] = 0; /* x29 */
#endif
}

/* To be left for by `first`.  Where weft__ctx_make() writes nothing, the area holds values that
 * differ. */
static void prepare(struct side *side, leave_fn *first, uint64_t owner, uint64_t round)
{
    uintptr_t *const top = (uintptr_t *)(side->stack.top - 8 * round);

    for (uintptr_t i = 1; i <= 64; i++)
        top[-(intptr_t)i] = 0xbad0000000000000 | owner << 48 | i << 8;
    side->sp = new_for(first, top, co_entry, side, side->after);
    if (first == BEGIN)
        begin_registers(side);
    else
        area_registers(side->sp, side->start_regs);
    side->start_sp = ((uintptr_t)top & -(uintptr_t)16) - 16;
    registers_fill(side->regs, owner, round);
    side->n_turns = 0;
}

/* All there is to choose from, in each combination: each round is a number of digits. */
static unsigned digit(uint64_t *round, unsigned base)
{
    const unsigned value = (unsigned)(*round % base);

    *round /= base;
    return value;
}

static void run_round(uint64_t round)
{
    static leave_fn *const again[2] = {weft__ctx_switch, WAIT};
    uint64_t rest = round;
    leave_fn *const first = ways[digit(&rest, WAY_COUNT)], *const way = again[digit(&rest, 2)];

    main_side.place = places[digit(&rest, 2)];
    co[0].way = co[1].way = again[digit(&rest, 2)];
    co[0].ends_by_call = digit(&rest, 2);
    co[0].after = digit(&rest, 2) ? co_after : NULL;
    CHECK_EQ(rest, 0);
    co[1].ends_by_call = !co[0].ends_by_call;
    co[1].after = co[0].after == NULL ? co_after : NULL;
    registers_fill(main_side.regs, 1, round);
    for (unsigned i = 0; i < 2; i++) {
        co[i].place = places[i];
        prepare(&co[i], i == 0 ? first : weft__ctx_switch, 2 + i, round);
    }
    step_begin(walk_here);
    main_inner(&co[0], first);
    main_inner(&co[0], way);
    main_inner(&co[0], way); /* it ends, and the second begins */
    main_inner(&co[1], way);
    main_inner(&co[1], way); /* it ends */
    step_end();
    CHECK_EQ(n_after_walks, round + 1);
}

/* Goal: from every instruction of weft__ctx_switch(), weft__ctx_wait(), weft__ctx_begin(),
 * weft__ctx_end() and weft__ctx_start, and from what is called after an end, an unwinder finds the
 * callers, every callee-saved register of theirs, and the end.
 * Method: step through switches into a new context, out of it and back to the same place and to
 * another, and through the ends of contexts, by a return or from a depth, which go on with another
 * one or begin a new one.  At each instruction, walk from the signal frame.  On a coroutine's stack
 * the walk is exactly the coroutine's functions and ends at weft__ctx_start, or where
 * weft__ctx_begin() has come to the new stack; on the other it leads to main(). */
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
    CHECK_GE(n_walks, ROUNDS * 240);
}
