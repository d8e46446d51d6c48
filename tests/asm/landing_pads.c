/* SPDX-License-Identifier: MIT */
/* landing_pads.c - the code holds where indirect branches are guarded: IBT, or BTI pages. */
#include "step.h"

#include <link.h>
#include <sys/auxv.h>

static int (*volatile ctx_wait)(void **, void *, const int *) = weft__ctx_wait;
static void *main_sp, *co_sp;
static struct test_stack co_stack;
static int n_turns, n_ends;

#define TURNS 5

static void after_counts(void)
{
    n_ends++;
}

static void *co_turns(void *by_call)
{
    static const int result = 3;

    for (int i = 0; i < TURNS; i++)
        if (ctx_wait(&co_sp, main_sp, &result) == result)
            n_turns++;
    if (by_call != NULL)
        ctx_end(main_sp, after_counts);
    return main_sp;
}

/* The life of a context, which begins in a given way. */
static void turn(leave_fn *way, bool ends_by_call)
{
    co_sp = new_for(way, co_stack.top, co_turns, ends_by_call ? &co_sp : NULL, after_counts);
    leave_by(way, &main_sp, co_sp);
    for (int i = 0; i < TURNS; i++)
        weft__ctx_switch(&main_sp, co_sp);
}

/* What C may call through a pointer. */
static void *const functions[] = {(void *)weft__ctx_switch, (void *)weft__ctx_wait,
                                  (void *)weft__ctx_end,    (void *)weft__ctx_begin,
                                  (void *)weft__ctx_make,   (void *)weft__fp_save,
                                  (void *)weft__fp_load};
#define FUNCTION_COUNT (sizeof functions / sizeof functions[0])

#if defined(__x86_64__)

static bool was_tracked; /* the instruction before this one was a tracked branch */
static int n_tracked, n_untracked;

/* Whether the instruction at pc jumps or calls by a register or by memory: (41) ff /2 or ff /4.  A
 * notrack in front of it (3e) takes it out. */
static bool is_tracked_branch(const unsigned char *pc)
{
    n_untracked += pc[0] == 0x3e && pc[1] == 0xff;
    if (*pc == 0x41)
        pc++;
    return pc[0] == 0xff && ((pc[1] & 0x38) == 0x10 || (pc[1] & 0x38) == 0x20);
}

/* What an IBT processor does: after a tracked indirect branch, anything but endbr64 is a fault. */
static void track(uintptr_t pc, uintptr_t sp)
{
    (void)sp;
    if (was_tracked && memcmp((void *)pc, "\xf3\x0f\x1e\xfa", 4) != 0)
        TEST_FAIL("a tracked branch of the switch leads to %#lx, which is no endbr64", (long)pc);
    was_tracked = is_in_code(pc) && is_tracked_branch((const unsigned char *)pc);
    n_tracked += was_tracked;
}

/* Goal: the switch would run on a processor with indirect branch tracking switched on, which
 * Linux does not switch on for user programs yet.
 * Method: step through the lives of contexts and apply the rule of IBT to each branch of our
 * code. */
TEST(each_tracked_branch_lands_on_endbr64)
{
#if !defined(__CET__) || !(__CET__ & 1)
    SKIP("this program was built without -fcf-protection=branch");
#endif
    co_stack = stack_make();
    step_begin(track);
    for (int w = 0; w < WAY_COUNT; w++) {
        turn(ways[w], false);
        turn(ways[w], true);
    }
    step_end();
    CHECK_EQ(n_turns, 2 * WAY_COUNT * TURNS);
    CHECK_EQ(n_ends, 2 * WAY_COUNT);
    /* weft__ctx_start calls entry and what comes after it.  All else goes back by ret, or by jump:
     * into a new context, unless by weft__ctx_begin(), and each time between two places. */
    CHECK_EQ(n_tracked, 2 * 2 * WAY_COUNT);
    CHECK_EQ(n_untracked, 2 * (WAY_COUNT - 1 + 2 * WAY_COUNT * TURNS));
}

/* Goal: C may call each function of the file through a pointer.
 * Method: they begin with endbr64. */
TEST(each_function_begins_with_endbr64)
{
    for (size_t i = 0; i < FUNCTION_COUNT; i++)
        CHECK_EQ(memcmp(functions[i], "\xf3\x0f\x1e\xfa", 4), 0);
}

#elif defined(__aarch64__)

#ifndef PROT_BTI
#define PROT_BTI 0x10
#endif
#ifndef HWCAP2_BTI
#define HWCAP2_BTI (1 << 17)
#endif

#define PSTATE_BTYPE (3ul << 10) /* what kind of indirect branch came before this instruction */

static volatile int n_caught;

/* Lets the instruction run that the guard refused. */
static void on_sigill(int sig, siginfo_t *info, void *ucontext)
{
    (void)sig, (void)info;
    n_caught++;
    ((ucontext_t *)ucontext)->uc_mcontext.pstate &= ~PSTATE_BTYPE;
}

static int protect_code(struct dl_phdr_info *info, size_t size, void *arg)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        const uintptr_t low = (info->dlpi_addr + ph->p_vaddr) & -page;
        const uintptr_t high = info->dlpi_addr + ph->p_vaddr + ph->p_memsz;
        if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X))
            CHECK_EQ(mprotect((void *)low, high - low, *(int *)arg), 0);
    }
    return 1; /* the program comes first; the libraries stay as they are */
}

/* Guards the code of this program, or no longer, as the loader does for a program whose note says
 * that all of it was built for BTI. */
static void guard_program(bool on)
{
    int protection = PROT_READ | PROT_EXEC | (on ? PROT_BTI : 0);

    dl_iterate_phdr(protect_code, &protection);
}

/* A branch to an instruction that is no landing pad. */
static NOINLINE void branch_badly(void)
{
    __asm__ volatile("adr x9, 1f\n\tbr x9\n1:\tnop" ::: "x9", "memory");
}

/* All that runs guarded.  It calls nothing of the libraries: their linkage stubs may have been
 * linked without landing pads. */
static NOINLINE int turn_guarded(int n_rounds)
{
    leave_fn *volatile switch_fn = weft__ctx_switch;
    int (*volatile begin_fn)(void **, void *, entry_fn *, void *, after_fn *, const int *) =
        weft__ctx_begin;
    void *(*volatile make_fn)(void *, entry_fn *, void *, after_fn *) = weft__ctx_make;
    void (*volatile save_fn)(struct weft__fp_control *) = weft__fp_save;
    void (*volatile load_fn)(const struct weft__fp_control *) = weft__fp_load;
    struct weft__fp_control control;
    static const int result = 0;

    for (int i = 0; i < n_rounds; i++) {
        co_sp = make_fn(co_stack.top, co_turns, NULL, after_counts);
        switch_fn(&main_sp, co_sp);
        for (int n = 0; n < TURNS; n++)
            switch_fn(&main_sp, co_sp);
        begin_fn(&main_sp, co_stack.top, co_turns, &co_sp, after_counts, &result);
        for (int n = 0; n < TURNS; n++)
            ctx_wait(&main_sp, co_sp, &result);
        turn(BEGIN, false);
        save_fn(&control);
        load_fn(&control);
    }
    return n_caught;
}

/* Goal: contexts switch on pages that the processor guards.
 * Method: guard the whole program before any of that code has run (an emulator keeps what it has
 * translated); make contexts, begin some, switch to and fro and let them end, with each function
 * of the file also called through a pointer: nothing may be caught.  A branch without a landing
 * pad, which must be, shows that the guard was on. */
TEST(contexts_switch_on_guarded_pages)
{
    struct sigaction action = {.sa_sigaction = on_sigill, .sa_flags = SA_SIGINFO};

#ifndef __ARM_FEATURE_BTI_DEFAULT
    SKIP("this program was built without -mbranch-protection=bti");
#endif
    if (!(getauxval(AT_HWCAP2) & HWCAP2_BTI))
        SKIP("this processor has no BTI");
    co_stack = stack_make();
    CHECK_EQ(sigaction(SIGILL, &action, NULL), 0);
    guard_program(true);
    const int n_caught_in_turns = turn_guarded(1000);
    branch_badly();
    guard_program(false);
    CHECK_EQ(n_turns, 3 * 1000 * TURNS);
    CHECK_EQ(n_ends, 3 * 1000);
    CHECK_EQ(n_caught_in_turns, 0);
    CHECK_EQ(n_caught, 1);
}

/* Goal: C may call each function of the file through a pointer.
 * Method: they begin with bti c. */
TEST(each_function_begins_with_bti_c)
{
    for (size_t i = 0; i < FUNCTION_COUNT; i++)
        CHECK_EQ(*(const uint32_t *)functions[i], 0xd503245f);
}

#endif
