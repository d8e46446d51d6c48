/* SPDX-License-Identifier: MIT */
/*
 * cfi.c - the interpreter of call frame information.
 *
 * A function's tables are a program that is run from the function's start to the pc in question;
 * what stands then is a row: how to compute the CFA (the caller's stack pointer) and a rule for
 * each register.  Rules and the CFA may be expressions; the PLT and the signal frame of libc need
 * them.
 *
 * Runs in signal handlers, perhaps on a small alternate stack: no allocation, no locks, no static
 * data, 4 KiB of stack.  Each loop consumes bytes of a program, so garbage ends too.
 */
#include "cfi.h"

#include <string.h>

enum {
    REG_FP = WEFT__DWARF_REG_FP,
    REG_SP = WEFT__DWARF_REG_SP,
    REG_COUNT = WEFT__DWARF_REG_COUNT,
    REMEMBERED_MAX = 4, /* compilers nest DW_CFA_remember_state once or twice */
};

/* Where the caller's value of a register is. */
enum rule_kind {
    RULE_SAME,      /* still in the register */
    RULE_UNDEFINED, /* nowhere */
    RULE_AT_OFFSET, /* in memory at CFA + value */
    RULE_OFFSET,    /* it is CFA + value */
    RULE_REGISTER,  /* in register number `value` */
    RULE_AT_BLOCK,  /* in memory at the address that an expression gives */
    RULE_BLOCK,     /* it is what an expression gives */
};

struct rule {
    enum rule_kind kind;
    union {
        int64_t value;
        const unsigned char *block;
    };
};

struct row {
    uint64_t cfa_register;
    int64_t cfa_offset;
    const unsigned char *cfa_block; /* if not NULL, instead of the register */
    bool is_return_signed;          /* aarch64: the return address carries a signature */
    struct rule rules[REG_COUNT];
};

struct machine {
    const struct weft__cfi *cfi;
    struct weft__dwarf_bytes code;
    uintptr_t location; /* the row stands for the code from here on */
    struct row row, initial;
    int remembered_count;
    struct row remembered[REMEMBERED_MAX];
};

static void set_rule(struct machine *m, uint64_t reg, enum rule_kind kind, int64_t value)
{
    if (reg < REG_COUNT)
        m->row.rules[reg] = (struct rule){.kind = kind, .value = value};
}

/* Products wrap: a wild value makes a wild address, and that is caught when it is read. */
static int64_t factored(const struct machine *m, uint64_t n)
{
    return (int64_t)(n * (uint64_t)m->cfi->data_factor);
}

/* Steps over an expression; returns where it begins. */
static const unsigned char *skip_block(struct machine *m)
{
    const unsigned char *block = m->code.at;
    uint64_t bytes = weft__dwarf_uleb(&m->code);

    if (bytes > (uint64_t)(m->code.end - m->code.at))
        m->code.is_bad = true;
    else
        m->code.at += bytes;
    return block;
}

static void set_rule_block(struct machine *m, uint64_t reg, enum rule_kind kind)
{
    const unsigned char *block = skip_block(m);
    if (reg < REG_COUNT)
        m->row.rules[reg] = (struct rule){.kind = kind, .block = block};
}

static void set_cfa(struct machine *m, uint64_t reg, int64_t offset)
{
    m->row.cfa_register = reg;
    m->row.cfa_offset = offset;
    m->row.cfa_block = NULL;
}

static void restore_rule(struct machine *m, uint64_t reg)
{
    if (reg < REG_COUNT)
        m->row.rules[reg] = m->initial.rules[reg];
}

static void remember_row(struct machine *m)
{
    if (m->remembered_count < REMEMBERED_MAX)
        m->remembered[m->remembered_count++] = m->row;
    else
        m->code.is_bad = true;
}

static void recall_row(struct machine *m)
{
    if (m->remembered_count > 0)
        m->row = m->remembered[--m->remembered_count];
    else
        m->code.is_bad = true;
}

/* Instructions about the CFA, the row as a whole, and what only takes up space. */
static void run_other(struct machine *m, unsigned op)
{
    struct weft__dwarf_bytes *b = &m->code;
    uint64_t reg;

    switch (op) {
    case 0x00: /* DW_CFA_nop */
        return;
    case 0x0a: /* DW_CFA_remember_state */
        return remember_row(m);
    case 0x0b: /* DW_CFA_restore_state */
        return recall_row(m);
    case 0x0c: /* DW_CFA_def_cfa */
        reg = weft__dwarf_uleb(b);
        return set_cfa(m, reg, (int64_t)weft__dwarf_uleb(b));
    case 0x0d: /* DW_CFA_def_cfa_register */
        return set_cfa(m, weft__dwarf_uleb(b), m->row.cfa_offset);
    case 0x0e: /* DW_CFA_def_cfa_offset */
        return set_cfa(m, m->row.cfa_register, (int64_t)weft__dwarf_uleb(b));
    case 0x0f: /* DW_CFA_def_cfa_expression */
        m->row.cfa_block = skip_block(m);
        return;
    case 0x12: /* DW_CFA_def_cfa_sf */
        reg = weft__dwarf_uleb(b);
        return set_cfa(m, reg, factored(m, (uint64_t)weft__dwarf_sleb(b)));
    case 0x13: /* DW_CFA_def_cfa_offset_sf */
        return set_cfa(m, m->row.cfa_register, factored(m, (uint64_t)weft__dwarf_sleb(b)));
#if defined(__aarch64__)
    case 0x2d: /* DW_CFA_AARCH64_negate_ra_state */
        m->row.is_return_signed = !m->row.is_return_signed;
        return;
#endif
    case 0x2e: /* DW_CFA_GNU_args_size: of use to exceptions only */
        weft__dwarf_uleb(b);
        return;
    default:
        b->is_bad = true;
    }
}

/* Instructions that set the rule of a register, which is their first operand. */
static bool run_rule(struct machine *m, unsigned op)
{
    struct weft__dwarf_bytes *b = &m->code;

    if (!(op >= 0x05 && op <= 0x09) && !(op >= 0x10 && op <= 0x16 && op != 0x12 && op != 0x13) &&
        op != 0x2f)
        return false;
    uint64_t reg = weft__dwarf_uleb(b);
    switch (op) {
    case 0x05: /* DW_CFA_offset_extended */
        set_rule(m, reg, RULE_AT_OFFSET, factored(m, weft__dwarf_uleb(b)));
        break;
    case 0x06: /* DW_CFA_restore_extended */
        restore_rule(m, reg);
        break;
    case 0x07: /* DW_CFA_undefined */
        set_rule(m, reg, RULE_UNDEFINED, 0);
        break;
    case 0x08: /* DW_CFA_same_value */
        set_rule(m, reg, RULE_SAME, 0);
        break;
    case 0x09: /* DW_CFA_register */
        set_rule(m, reg, RULE_REGISTER, (int64_t)weft__dwarf_uleb(b));
        break;
    case 0x10: /* DW_CFA_expression */
        set_rule_block(m, reg, RULE_AT_BLOCK);
        break;
    case 0x11: /* DW_CFA_offset_extended_sf */
        set_rule(m, reg, RULE_AT_OFFSET, factored(m, (uint64_t)weft__dwarf_sleb(b)));
        break;
    case 0x14: /* DW_CFA_val_offset */
        set_rule(m, reg, RULE_OFFSET, factored(m, weft__dwarf_uleb(b)));
        break;
    case 0x15: /* DW_CFA_val_offset_sf */
        set_rule(m, reg, RULE_OFFSET, factored(m, (uint64_t)weft__dwarf_sleb(b)));
        break;
    case 0x16: /* DW_CFA_val_expression */
        set_rule_block(m, reg, RULE_BLOCK);
        break;
    case 0x2f: /* DW_CFA_GNU_negative_offset_extended */
        set_rule(m, reg, RULE_AT_OFFSET, factored(m, 0 - weft__dwarf_uleb(b)));
        break;
    }
    return true;
}

/* Instructions that end a row; false if op is none of them. */
static bool run_advance(struct machine *m, unsigned op)
{
    uint64_t by;

    if (op == 0x01) { /* DW_CFA_set_loc */
        m->location = weft__dwarf_pointer(&m->code, m->cfi->pointer_encoding);
        return true;
    }
    if (op >> 6 == 1) /* DW_CFA_advance_loc */
        by = op & 0x3f;
    else if (op >= 0x02 && op <= 0x04) /* DW_CFA_advance_loc1, 2, 4 */
        by = weft__dwarf_fixed(&m->code, (size_t)1 << (op - 0x02));
    else
        return false;
    m->location += by * m->cfi->code_factor;
    return true;
}

/* Runs instructions up to the row of pc; false if they make no sense. */
static bool run(struct machine *m, struct weft__dwarf_bytes code, uintptr_t pc)
{
    m->code = code;
    while (m->code.at < m->code.end && !m->code.is_bad) {
        unsigned op = (unsigned)weft__dwarf_fixed(&m->code, 1);
        if (run_advance(m, op)) {
            if (m->location > pc)
                break;
        } else if (op >> 6 == 2) { /* DW_CFA_offset */
            set_rule(m, op & 0x3f, RULE_AT_OFFSET, factored(m, weft__dwarf_uleb(&m->code)));
        } else if (op >> 6 == 3) { /* DW_CFA_restore */
            restore_rule(m, op & 0x3f);
        } else if (!run_rule(m, op)) {
            run_other(m, op);
        }
    }
    return !m->code.is_bad;
}

static bool find_cfa(const struct row *row, const uintptr_t *registers,
                     const struct weft__stack_view *v, uintptr_t *cfa)
{
    if (row->cfa_block != NULL)
        return weft__dwarf_evaluate(row->cfa_block, registers, NULL, v, cfa);
    if (row->cfa_register >= REG_COUNT)
        return false;
    *cfa = registers[row->cfa_register] + (uintptr_t)row->cfa_offset;
    return true;
}

/* The caller's value of register `reg`. */
static bool apply(const struct rule *rule, unsigned reg, const uintptr_t *registers, uintptr_t cfa,
                  const struct weft__stack_view *v, uintptr_t *value)
{
    uintptr_t address;

    switch (rule->kind) {
    case RULE_SAME:
        *value = registers[reg];
        return true;
    case RULE_UNDEFINED:
        *value = 0;
        return true;
    case RULE_AT_OFFSET:
        return weft__stack_word(v, cfa + (uintptr_t)rule->value, value);
    case RULE_OFFSET:
        *value = cfa + (uintptr_t)rule->value;
        return true;
    case RULE_REGISTER:
        if ((uint64_t)rule->value >= REG_COUNT)
            return false;
        *value = registers[rule->value];
        return true;
    case RULE_AT_BLOCK:
        return weft__dwarf_evaluate(rule->block, registers, &cfa, v, &address) &&
               weft__stack_word(v, address, value);
    case RULE_BLOCK:
        return weft__dwarf_evaluate(rule->block, registers, &cfa, v, value);
    }
    return false;
}

/* Takes the signature out of a return address: xpaclri, which older processors take for a nop. */
static uintptr_t strip_signature(uintptr_t pc)
{
#if defined(__aarch64__)
    __asm__("mov x30, %0\n\thint 7\n\tmov %0, x30" : "+r"(pc) : : "x30");
#endif
    return pc;
}

bool weft__cfi_step(const struct weft__cfi *cfi, uintptr_t pc, struct weft__frame *f,
                    const struct weft__stack_view *v)
{
    struct machine m = {.cfi = cfi, .location = cfi->pc_begin};
    uintptr_t registers[REG_COUNT], callers[REG_COUNT], cfa;
    uint64_t column = cfi->return_column;

    memcpy(registers, f->saved, sizeof(registers));
    registers[REG_FP] = f->fp;
    registers[REG_SP] = f->sp;
#if defined(__x86_64__)
    registers[WEFT__DWARF_REG_PC] = f->pc; /* on aarch64, the column of the return address is x30 */
#endif

    if (!run(&m, cfi->initial, pc))
        return false;
    m.initial = m.row;
    if (!run(&m, cfi->program, pc) || column >= REG_COUNT || !find_cfa(&m.row, registers, v, &cfa))
        return false;
    for (unsigned reg = 0; reg < REG_COUNT; reg++)
        if (!apply(&m.row.rules[reg], reg, registers, cfa, v, &callers[reg]))
            return false;
    if (m.row.rules[REG_SP].kind == RULE_SAME)
        callers[REG_SP] = cfa; /* by definition of the CFA */

    uintptr_t caller_pc = callers[column], caller_sp = callers[REG_SP];
    if (m.row.is_return_signed)
        caller_pc = strip_signature(caller_pc);
    /* The outermost frame has no return address: its rule is RULE_UNDEFINED, or the word is 0. */
    if (caller_pc == 0 || (caller_sp == f->sp && caller_pc == f->pc))
        return false;
    if (caller_sp < f->sp && !cfi->is_signal_frame)
        return false; /* callers are further up, but a handler may stand on an alternate stack */

    memcpy(f->saved, callers, sizeof(callers));
    f->pc = caller_pc;
    f->sp = caller_sp;
    f->fp = callers[REG_FP];
    return true;
}
