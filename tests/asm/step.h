/* SPDX-License-Identifier: MIT */
/*
 * step.h - run the code of the switch one instruction at a time, inside this process.
 *
 * Between step_begin() and step_end(), step_hook is called by a signal handler before each
 * instruction of asm/switch_<arch>.S that runs, and before the first one after leaving it.  Nothing
 * else is stepped through: a sanitizer's own code, which the compiler put between, could not be
 * entered again by the handler.  Breakpoints wait wherever C may enter the code.  From there the
 * trap flag leads on x86_64 from one instruction to the next; on aarch64, where only a debugger may
 * step and qemu's emulation of user programs has none, the breakpoint itself walks through the
 * code: it has few branches, so where the next one belongs is known.
 */
#ifndef WEFT_TEST_STEP_H
#define WEFT_TEST_STEP_H

#include "asm_test.h"

#include <ucontext.h>

static void (*step_hook)(uintptr_t pc, uintptr_t sp);
static const void *step_ucontext; /* while the hook runs: all the registers */

#if defined(__x86_64__)
typedef uint8_t step_code;
#define BREAKPOINT 0xcc /* int3 */
#elif defined(__aarch64__)
typedef uint32_t step_code;
#define BREAKPOINT 0xd4200000u /* brk #0 */
#endif

/* Where breakpoints are, and what belongs there: one, or six while C runs, which may come back by a
 * call of any of the functions, by the return of an entry or of what is called after it. */
static step_code *step_at[6];
static step_code step_old[6];
static int step_count;

/* By an instruction of its own: ThreadSanitizer knows code as memory that nobody writes. */
static void step_put(step_code *at, step_code instruction)
{
#if defined(__x86_64__)
    __asm__ volatile("movb %1, %0" : "=m"(*at) : "q"(instruction));
#elif defined(__aarch64__)
    __asm__ volatile("str %w1, %0" : "=m"(*at) : "r"(instruction));
#endif
    __builtin___clear_cache((char *)at, (char *)(at + 1));
}

static void step_add(uintptr_t at)
{
    step_at[step_count] = (step_code *)at;
    step_old[step_count] = *step_at[step_count];
    step_put(step_at[step_count++], BREAKPOINT);
}

static void step_add_all(void)
{
    step_add((uintptr_t)weft__ctx_switch);
    step_add((uintptr_t)weft__ctx_wait);
    step_add((uintptr_t)weft__ctx_end);
    step_add((uintptr_t)weft__ctx_begin);
    step_add((uintptr_t)weft__ctx_start + START_RETURNED);
    step_add((uintptr_t)weft__ctx_start + START_CALLED);
}

static void step_disarm(void)
{
    while (step_count > 0) {
        step_count--;
        step_put(step_at[step_count], step_old[step_count]);
    }
}

/* Makes the code writable, too: nothing else in the process could put a breakpoint there. */
static void step_arm(void)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t low = (uintptr_t)weft__ctx_switch & -page;

    CHECK_EQ(mprotect((void *)low, (uintptr_t)weft__ctx_make + 64 - low,
                      PROT_READ | PROT_WRITE | PROT_EXEC),
             0);
    step_add_all();
}

#if defined(__x86_64__)

#define TRAP_FLAG 0x100

static void step_on_trap(int sig, siginfo_t *info, void *ucontext)
{
    greg_t *regs = ((ucontext_t *)ucontext)->uc_mcontext.gregs;

    (void)sig;
    if (info->si_code != TRAP_TRACE) { /* a breakpoint, and the pc is past it */
        step_disarm();
        regs[REG_RIP]--;
        regs[REG_EFL] |= TRAP_FLAG;
    }
    step_ucontext = ucontext;
    step_hook((uintptr_t)regs[REG_RIP], (uintptr_t)regs[REG_RSP]);
    if (!is_in_code((uintptr_t)regs[REG_RIP])) {
        regs[REG_EFL] &= ~TRAP_FLAG;
        step_add_all();
    }
}

#elif defined(__aarch64__)

#define IS_RET(instruction) (((instruction)&0xfffffc1f) == 0xd65f0000)
#define IS_BLR(instruction) (((instruction)&0xfffffc1f) == 0xd63f0000)
#define IS_B(instruction) (((instruction)&0xfc000000) == 0x14000000)
#define DISTANCE_OF_B(instruction) ((intptr_t)((int32_t)((instruction) << 6) >> 6) * 4)
#define IS_CBZ_X(instruction) (((instruction)&0xff000000) == 0xb4000000)
#define DISTANCE_OF_CBZ(instruction) ((intptr_t)((int32_t)((instruction) << 8) >> 13) * 4)

static void step_on_trap(int sig, siginfo_t *info, void *ucontext)
{
    mcontext_t *m = &((ucontext_t *)ucontext)->uc_mcontext;
    uintptr_t next = m->pc + 4;

    (void)sig, (void)info;
    step_disarm();
    const uint32_t instruction = *(const uint32_t *)m->pc;
    CHECK_NE(instruction, BREAKPOINT);
    if (IS_RET(instruction))
        next = m->regs[30];
    if (IS_B(instruction))
        next = m->pc + (uintptr_t)DISTANCE_OF_B(instruction);
    if (IS_CBZ_X(instruction) && m->regs[instruction & 31] == 0)
        next = m->pc + (uintptr_t)DISTANCE_OF_CBZ(instruction);
    step_ucontext = ucontext;
    step_hook(m->pc, m->sp);
    if (IS_BLR(instruction) || !is_in_code(next))
        step_add_all();
    else
        step_add(next);
}

#endif

TEST_FN void step_begin(void (*hook)(uintptr_t pc, uintptr_t sp))
{
    struct sigaction action = {.sa_sigaction = step_on_trap, .sa_flags = SA_SIGINFO};

    if (RUNNING_ON_VALGRIND)
        SKIP("valgrind translates the program: it cannot be stepped through");
    step_hook = hook;
    CHECK_EQ(sigaction(SIGTRAP, &action, NULL), 0);
    step_arm();
}

TEST_FN void step_end(void)
{
    step_disarm();
}

#endif
