/* SPDX-License-Identifier: MIT */
/*
 * Goal: every instruction of call frame information and every operation of its expressions does
 * what DWARF says, and what is not understood ends the walk.
 * Method: programs of our own, byte by byte, over a stack of numbered words that exists as a copy
 * only.  src/arch/dwarf.c is tested along with src/arch/cfi.c.
 *
 * matrix: once
 */
#include "arch/cfi.h"
#include "test.h"

enum {
    SP = WEFT__DWARF_REG_SP,
    FP = WEFT__DWARF_REG_FP,
#if defined(__x86_64__)
    RA = WEFT__DWARF_REG_PC,
#else
    RA = WEFT__DWARF_REG_LR,
#endif
    CODE = 0x400000,
    STACK = 0x7000,
};

/* Steps with a program of our own over words 0x1000, 0x1001, ... at STACK.  At the start the CFA
 * is sp + 16 and the return address is at CFA - 8. */
static bool step(struct weft__frame *f, uintptr_t offset, const unsigned char *program,
                 size_t bytes)
{
    static const unsigned char initial[] = {0x0c, SP, 16, 0x80 | RA, 1};
    static uintptr_t words[32];
    const struct weft__stack_view v = {STACK, sizeof(words), (unsigned char *)words};
    const struct weft__cfi cfi = {
        .initial = {initial, initial + sizeof(initial), false},
        .program = {program, program + bytes, false},
        .pc_begin = CODE,
        .pc_end = CODE + 1000,
        .code_factor = 4,
        .data_factor = -8,
        .return_column = RA,
    };

    for (int i = 0; i < 32; i++)
        words[i] = 0x1000 + (uintptr_t)i;
    memset(f, 0, sizeof(*f));
    for (int i = 0; i < 32; i++)
        f->saved[i] = 0x2000 + (uintptr_t)i;
    f->pc = CODE + offset;
    f->sp = STACK;
    f->fp = STACK + 64;
    return weft__cfi_step(&cfi, CODE + offset, f, &v);
}

/* The program is given as bytes; the result is f. */
#define STEP(offset, ...)                                                                          \
    step(&f, offset, (const unsigned char[]){__VA_ARGS__},                                         \
         sizeof((const unsigned char[]){__VA_ARGS__}))

TEST(rules_say_where_registers_are)
{
    struct weft__frame f;

    CHECK(STEP(0, 0x00));
    CHECK_EQ(f.pc, 0x1001);
    CHECK_EQ(f.sp, STACK + 16);
    CHECK_EQ(f.fp, STACK + 64);
    CHECK_EQ(f.saved[12], 0x200c);
    CHECK(STEP(0, 0x0e, 64, 0x80 | 12, 3)); /* def_cfa_offset; offset */
    CHECK_EQ(f.pc, 0x1007);
    CHECK_EQ(f.sp, STACK + 64);
    CHECK_EQ(f.saved[12], 0x1005);
    CHECK(STEP(0, 0x0d, FP, 0x05, FP, 2)); /* def_cfa_register; offset_extended */
    CHECK_EQ(f.sp, STACK + 80);
    CHECK_EQ(f.fp, 0x1008);
    CHECK(STEP(0, 0x12, FP, 0x7d, 0x11, 12, 0x7f)); /* def_cfa_sf 24; offset_extended_sf 8 */
    CHECK_EQ(f.sp, STACK + 64 + 24);
    CHECK_EQ(f.saved[12], 0x100c);
    CHECK(STEP(0, 0x13, 0x7c, 0x14, 12, 1, 0x15, 3, 0x7f)); /* def_cfa_offset_sf; val_offset(_sf) */
    CHECK_EQ(f.sp, STACK + 32);
    CHECK_EQ(f.saved[12], STACK + 24);
    CHECK_EQ(f.saved[3], STACK + 40);
    CHECK(STEP(0, 0x09, 12, 3, 0x07, 3, 0x80 | 2, 1, 0x08, 2)); /* register, undefined, same */
    CHECK_EQ(f.saved[12], 0x2003);
    CHECK_EQ(f.saved[3], 0);
    CHECK_EQ(f.saved[2], 0x2002);
    CHECK(STEP(0, 0x80 | RA, 2, 0xc0 | RA, 0x80 | 12, 2, 0x06, 12)); /* restore(_extended) */
    CHECK_EQ(f.pc, 0x1001);
    CHECK_EQ(f.saved[12], 0x200c);
    CHECK(STEP(0, 0x2f, 12, 2, 0x2e, 8)); /* GNU_negative_offset_extended, GNU_args_size */
    CHECK_EQ(f.saved[12], 0x1004);
    CHECK(STEP(0, 0x05, 0xc8, 0x00, 1)); /* a vector register */
    CHECK(STEP(0, 0x15, SP, 0x7f));      /* a stack pointer other than the CFA */
    CHECK_EQ(f.sp, STACK + 24);
}

TEST(a_row_stands_for_the_code_up_to_the_next)
{
    struct weft__frame f;
#define ROWS 0x41, 0x0e, 32, 0x0a, 0x02, 2, 0x0e, 48, 0x03, 1, 0, 0x0b, 0x04, 1, 0, 0, 0, 0x0e, 64
    static const struct {
        uintptr_t offset, sp;
    } rows[] = {{0, 16},  {3, 16},  {4, 32},  {11, 32}, {12, 48},
                {15, 48}, {16, 32}, {19, 32}, {20, 64}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CHECK(STEP(rows[i].offset, ROWS));
        CHECK_EQ(f.sp, STACK + rows[i].sp);
    }
}

/* Evaluates an expression as the value of register 12; the CFA is STACK + 16. */
#define VALUE(...)                                                                                 \
    (STEP(0, 0x16, 12, sizeof((const unsigned char[]){__VA_ARGS__}), __VA_ARGS__) ? f.saved[12]    \
                                                                                  : 0xbad)

TEST(expressions_are_computed)
{
    struct weft__frame f;

    CHECK_EQ(VALUE(0x96), STACK + 16);
    CHECK_EQ(VALUE(0x70 + SP, 8, 0x06), 0x1001);                    /* breg, deref */
    CHECK_EQ(VALUE(0x92, 12, 0x7f), 0x200b);                        /* bregx */
    CHECK_EQ(VALUE(0x35, 0x4f), 31);                                /* lit5, lit31 */
    CHECK_EQ(VALUE(0x08, 0xff), 255);                               /* const1u */
    CHECK_EQ(VALUE(0x09, 0xff), -1);                                /* const1s */
    CHECK_EQ(VALUE(0x0a, 0, 0x80), 0x8000);                         /* const2u */
    CHECK_EQ(VALUE(0x0b, 0, 0x80), -0x8000);                        /* const2s */
    CHECK_EQ(VALUE(0x0c, 0, 0, 0, 0x80), 0x80000000);               /* const4u */
    CHECK_EQ(VALUE(0x0d, 0, 0, 0, 0x80), -(1LL << 31));             /* const4s */
    CHECK_EQ(VALUE(0x0e, 1, 0, 0, 0, 0, 0, 0, 1), (1LL << 56) + 1); /* const8u */
    CHECK_EQ(VALUE(0x10, 0x80, 1), 128);                            /* constu */
    CHECK_EQ(VALUE(0x11, 0x80, 0x7f), -128);                        /* consts */
    CHECK_EQ(VALUE(0x33, 0x12, 0x1e), 9);                           /* dup, mul */
    CHECK_EQ(VALUE(0x33, 0x34, 0x14, 0x1c), 1);                     /* over, minus */
    CHECK_EQ(VALUE(0x33, 0x34, 0x35, 0x15, 2), 3);                  /* pick */
    CHECK_EQ(VALUE(0x33, 0x34, 0x16, 0x1c), 1);                     /* swap */
    CHECK_EQ(VALUE(0x33, 0x34, 0x13), 3);                           /* drop */
    CHECK_EQ(VALUE(0x3c, 0x3a, 0x1a), 8);                           /* and */
    CHECK_EQ(VALUE(0x3c, 0x3a, 0x21), 14);                          /* or */
    CHECK_EQ(VALUE(0x3c, 0x3a, 0x27), 6);                           /* xor */
    CHECK_EQ(VALUE(0x33, 0x1f, 0x20), 2);                           /* neg, not */
    CHECK_EQ(VALUE(0x33, 0x23, 0x80, 1, 0x22), STACK + 16 + 131);   /* plus_uconst, plus */
    CHECK_EQ(VALUE(0x33, 0x34, 0x24), 48);                          /* shl */
    CHECK_EQ(VALUE(0x33, 0x1f, 0x08, 60, 0x25), 15);                /* shr */
    CHECK_EQ(VALUE(0x34, 0x1f, 0x31, 0x26), -2);                    /* shra */
    CHECK_EQ(VALUE(0x34, 0x1f, 0x08, 99, 0x26), -1);
    for (int op = 0; op < 6; op++) { /* eq, ge, gt, le, lt, ne: -1 with 1, 1 with 1, 1 with -1 */
        static const int results[][3] = {{0, 1, 0}, {0, 1, 1}, {0, 0, 1},
                                         {1, 1, 0}, {1, 0, 0}, {1, 0, 1}};
        unsigned char o = (unsigned char)(0x29 + op);
        CHECK_EQ(VALUE(0x09, 0xff, 0x31, o), results[op][0]);
        CHECK_EQ(VALUE(0x31, 0x31, o), results[op][1]);
        CHECK_EQ(VALUE(0x31, 0x09, 0xff, o), results[op][2]);
    }
    CHECK_EQ(VALUE(0x33, 0x2f, 1, 0, 0x34), 3);                   /* skip */
    CHECK_EQ(VALUE(0x33, 0x31, 0x28, 1, 0, 0x34), 3);             /* bra, taken */
    CHECK_EQ(VALUE(0x33, 0x30, 0x28, 1, 0, 0x34), 4);             /* bra, not taken */
    CHECK_EQ(VALUE(0x3a, 0x31, 0x1c, 0x12, 0x28, 0xfa, 0xff), 0); /* a loop down to 0 */
    CHECK(STEP(0, 0x10, 12, 2, 0x70 + SP, 0));                    /* expression: in memory */
    CHECK_EQ(f.saved[12], 0x1000);
    CHECK(STEP(0, 0x0f, 2, 0x70 + FP, 8)); /* def_cfa_expression */
    CHECK_EQ(f.sp, STACK + 72);
    CHECK_EQ(f.pc, 0x1008);
}

TEST(what_is_not_understood_ends_the_walk_and_changes_nothing)
{
    struct weft__frame f;

    CHECK(!STEP(0, 0x07, RA)); /* undefined return address: the outermost frame */
    CHECK_EQ(f.pc, CODE);
    CHECK_EQ(f.sp, STACK);
    CHECK_EQ(f.fp, STACK + 64);
    CHECK_EQ(f.saved[12], 0x200c);
    CHECK(!STEP(0, 0x3f)); /* unknown instructions */
    CHECK(!STEP(0, 0x0e)); /* cut off */
    CHECK(!STEP(0, 0x0e, 0xff, 0xff));
    CHECK(!STEP(0, 0x0f, 5, 0x30));
    CHECK(!STEP(0, 0x0b));                         /* nothing remembered */
    CHECK(!STEP(0, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a)); /* too much remembered */
    CHECK(!STEP(0, 0x0e, 0x90, 0x02));             /* CFA beyond the view */
    CHECK(!STEP(0, 0x0d, 0x40));                   /* CFA by a vector register */
    CHECK(!STEP(0, 0x09, 12, 0x40));
    CHECK(!STEP(0, 0x14, SP, 3));                   /* a caller below its callee */
    CHECK_EQ(VALUE(0x13, 0x13), 0xbad);             /* stack underflow */
    CHECK_EQ(VALUE(0x13), 0xbad);                   /* nothing left */
    CHECK_EQ(VALUE(0x12, 0x2f, 0xfc, 0xff), 0xbad); /* overflow, by a loop */
    CHECK_EQ(VALUE(0x2f, 0xfd, 0xff), 0xbad);       /* endless */
    CHECK_EQ(VALUE(0x2f, 0xfc, 0xff), 0xbad);       /* jumps outside */
    CHECK_EQ(VALUE(0x2f, 1, 0), 0xbad);
    CHECK_EQ(VALUE(0x30, 0x06), 0xbad); /* reads outside the view */
    CHECK_EQ(VALUE(0x92, 0x40, 0), 0xbad);
    CHECK_EQ(VALUE(0x0e, 1), 0xbad);
    CHECK_EQ(VALUE(0x9c), 0xbad); /* an unknown operation */
}
