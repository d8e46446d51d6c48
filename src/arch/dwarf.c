/* SPDX-License-Identifier: MIT */
/*
 * dwarf.c - reading the numbers of .eh_frame, and the stack machine of DWARF expressions.
 *
 * Runs in signal handlers: no allocation, no locks, no static data.  Each loop consumes bytes or
 * counts down, so garbage ends too.
 */
#include "dwarf.h"

#include <string.h>

enum {
    STACK_WORDS = 16, /* of an expression; the PLT's uses 3 */
    STEPS_MAX = 1000, /* against loops made by DW_OP_skip and DW_OP_bra */
};

uint64_t weft__dwarf_fixed(struct weft__dwarf_bytes *b, size_t bytes)
{
    uint64_t value = 0;

    if ((size_t)(b->end - b->at) < bytes) {
        b->at = b->end;
        b->is_bad = true;
        return 0;
    }
    memcpy(&value, b->at, bytes); /* both architectures are little-endian */
    b->at += bytes;
    return value;
}

/* Seven bits a byte, low ones first; the number of bits read goes to *bits. */
static uint64_t leb128(struct weft__dwarf_bytes *b, unsigned *bits)
{
    uint64_t value = 0, byte;

    *bits = 0;
    do {
        byte = weft__dwarf_fixed(b, 1);
        if (*bits < 64)
            value |= (byte & 0x7f) << *bits;
        *bits += 7;
    } while (byte & 0x80);
    return value;
}

uint64_t weft__dwarf_uleb(struct weft__dwarf_bytes *b)
{
    unsigned bits;
    return leb128(b, &bits);
}

int64_t weft__dwarf_sleb(struct weft__dwarf_bytes *b)
{
    unsigned bits;
    uint64_t value = leb128(b, &bits);

    if (bits < 64 && (value >> (bits - 1) & 1))
        value |= ~UINT64_C(0) << bits;
    return (int64_t)value;
}

uintptr_t weft__dwarf_pointer(struct weft__dwarf_bytes *b, unsigned encoding)
{
    uintptr_t place = (uintptr_t)b->at, value;

    switch (encoding & 0x0f) {
    case 0x00: /* DW_EH_PE_absptr */
    case 0x04: /* DW_EH_PE_udata8 */
    case 0x0c: /* DW_EH_PE_sdata8 */
        value = weft__dwarf_fixed(b, 8);
        break;
    case 0x01: /* DW_EH_PE_uleb128 */
        value = weft__dwarf_uleb(b);
        break;
    case 0x02: /* DW_EH_PE_udata2 */
        value = weft__dwarf_fixed(b, 2);
        break;
    case 0x03: /* DW_EH_PE_udata4 */
        value = weft__dwarf_fixed(b, 4);
        break;
    case 0x09: /* DW_EH_PE_sleb128 */
        value = (uintptr_t)weft__dwarf_sleb(b);
        break;
    case 0x0a: /* DW_EH_PE_sdata2 */
        value = (uintptr_t)(int16_t)weft__dwarf_fixed(b, 2);
        break;
    case 0x0b: /* DW_EH_PE_sdata4 */
        value = (uintptr_t)(int32_t)weft__dwarf_fixed(b, 4);
        break;
    default:
        b->is_bad = true;
        return 0;
    }
    if ((encoding & 0x70) == 0x10) /* DW_EH_PE_pcrel */
        value += place;
    else if ((encoding & 0x70) != 0)
        b->is_bad = true;
    return value;
}

bool weft__stack_word(const struct weft__stack_view *v, uintptr_t address, uintptr_t *word)
{
    if (v->bytes < sizeof(*word) || address < v->lo || address - v->lo > v->bytes - sizeof(*word))
        return false;
    __builtin_memcpy(word, v->copy + (address - v->lo), sizeof(*word));
    return true;
}

struct expression {
    const uintptr_t *registers;
    const struct weft__stack_view *view;
    int depth;
    uintptr_t stack[STACK_WORDS];
    bool is_bad;
};

static void push(struct expression *e, uintptr_t word)
{
    if (e->depth < STACK_WORDS)
        e->stack[e->depth++] = word;
    else
        e->is_bad = true;
}

/* The word `below` the top of the stack, 0 if the stack is not so deep. */
static uintptr_t peek(struct expression *e, uintptr_t below)
{
    if (below < (uintptr_t)e->depth)
        return e->stack[e->depth - 1 - (int)below];
    e->is_bad = true;
    return 0;
}

static uintptr_t pop(struct expression *e)
{
    uintptr_t word = peek(e, 0);
    if (e->depth > 0)
        e->depth--;
    return word;
}

static uintptr_t deref(struct expression *e, uintptr_t address)
{
    uintptr_t word = 0;
    if (!weft__stack_word(e->view, address, &word))
        e->is_bad = true;
    return word;
}

static uintptr_t register_plus(struct expression *e, uint64_t reg, int64_t offset)
{
    if (reg < WEFT__DWARF_REG_COUNT)
        return e->registers[reg] + (uintptr_t)offset;
    e->is_bad = true;
    return 0;
}

/* Operations that push a constant, a register or a copy; false if op is none of them. */
static bool evaluate_push(struct expression *e, unsigned op, struct weft__dwarf_bytes *b)
{
    if (op >= 0x30 && op <= 0x4f) { /* DW_OP_lit0 .. DW_OP_lit31 */
        push(e, op - 0x30);
        return true;
    }
    if (op >= 0x70 && op <= 0x8f) { /* DW_OP_breg0 .. DW_OP_breg31 */
        push(e, register_plus(e, op - 0x70, weft__dwarf_sleb(b)));
        return true;
    }
    switch (op) {
    case 0x08: /* DW_OP_const1u */
    case 0x0a: /* DW_OP_const2u */
    case 0x0c: /* DW_OP_const4u */
    case 0x0e: /* DW_OP_const8u */
        push(e, weft__dwarf_fixed(b, (size_t)1 << (op - 0x08) / 2));
        return true;
    case 0x09: /* DW_OP_const1s */
        push(e, (uintptr_t)(int8_t)weft__dwarf_fixed(b, 1));
        return true;
    case 0x0b: /* DW_OP_const2s */
        push(e, (uintptr_t)(int16_t)weft__dwarf_fixed(b, 2));
        return true;
    case 0x0d: /* DW_OP_const4s */
        push(e, (uintptr_t)(int32_t)weft__dwarf_fixed(b, 4));
        return true;
    case 0x0f: /* DW_OP_const8s */
        push(e, weft__dwarf_fixed(b, 8));
        return true;
    case 0x10: /* DW_OP_constu */
        push(e, weft__dwarf_uleb(b));
        return true;
    case 0x11: /* DW_OP_consts */
        push(e, (uintptr_t)weft__dwarf_sleb(b));
        return true;
    case 0x12: /* DW_OP_dup */
        push(e, peek(e, 0));
        return true;
    case 0x14: /* DW_OP_over */
        push(e, peek(e, 1));
        return true;
    case 0x15: /* DW_OP_pick */
        push(e, peek(e, weft__dwarf_fixed(b, 1)));
        return true;
    case 0x92: { /* DW_OP_bregx */
        uint64_t reg = weft__dwarf_uleb(b);
        push(e, register_plus(e, reg, weft__dwarf_sleb(b)));
        return true;
    }
    default:
        return false;
    }
}

/* Operations on the topmost word; false if op is none of them. */
static bool evaluate_unary(struct expression *e, unsigned op, struct weft__dwarf_bytes *b)
{
    switch (op) {
    case 0x06: /* DW_OP_deref */
        push(e, deref(e, pop(e)));
        return true;
    case 0x13: /* DW_OP_drop */
        pop(e);
        return true;
    case 0x1f: /* DW_OP_neg */
        push(e, 0 - pop(e));
        return true;
    case 0x20: /* DW_OP_not */
        push(e, ~pop(e));
        return true;
    case 0x23: /* DW_OP_plus_uconst */
        push(e, pop(e) + weft__dwarf_uleb(b));
        return true;
    case 0x96: /* DW_OP_nop */
        return true;
    default:
        return false;
    }
}

/* Operations on two words, `left` pushed before `right`. */
static void evaluate_binary(struct expression *e, unsigned op)
{
    uintptr_t right = pop(e), left = pop(e);
    intptr_t s_right = (intptr_t)right, s_left = (intptr_t)left;

    switch (op) {
    case 0x16: /* DW_OP_swap */
        push(e, right);
        push(e, left);
        return;
    case 0x1a: /* DW_OP_and */
        return push(e, left & right);
    case 0x1c: /* DW_OP_minus */
        return push(e, left - right);
    case 0x1e: /* DW_OP_mul */
        return push(e, left * right);
    case 0x21: /* DW_OP_or */
        return push(e, left | right);
    case 0x22: /* DW_OP_plus */
        return push(e, left + right);
    case 0x24: /* DW_OP_shl */
        return push(e, right < 64 ? left << right : 0);
    case 0x25: /* DW_OP_shr */
        return push(e, right < 64 ? left >> right : 0);
    case 0x26: /* DW_OP_shra */
        return push(e, (uintptr_t)(s_left >> (right < 64 ? right : 63)));
    case 0x27: /* DW_OP_xor */
        return push(e, left ^ right);
    case 0x29: /* DW_OP_eq */
        return push(e, left == right);
    case 0x2a: /* DW_OP_ge */
        return push(e, s_left >= s_right);
    case 0x2b: /* DW_OP_gt */
        return push(e, s_left > s_right);
    case 0x2c: /* DW_OP_le */
        return push(e, s_left <= s_right);
    case 0x2d: /* DW_OP_lt */
        return push(e, s_left < s_right);
    case 0x2e: /* DW_OP_ne */
        return push(e, left != right);
    default:
        e->is_bad = true;
    }
}

/* DW_OP_skip, and DW_OP_bra if its condition holds. */
static void jump(struct weft__dwarf_bytes *b, const unsigned char *begin, bool is_taken)
{
    int16_t by = (int16_t)weft__dwarf_fixed(b, 2);

    if (!is_taken || b->is_bad)
        return;
    if (by < begin - b->at || by > b->end - b->at)
        b->is_bad = true;
    else
        b->at += by;
}

bool weft__dwarf_evaluate(const unsigned char *block, const uintptr_t *registers,
                          const uintptr_t *first, const struct weft__stack_view *v,
                          uintptr_t *result)
{
    struct weft__dwarf_bytes b = {block, block + 10, false};
    uint64_t bytes = weft__dwarf_uleb(&b);
    const unsigned char *begin = b.at;
    struct expression e = {.registers = registers, .view = v};

    b.end = begin + bytes;
    if (first != NULL)
        push(&e, *first);
    for (int steps = 0; b.at < b.end; steps++) {
        unsigned op = (unsigned)weft__dwarf_fixed(&b, 1);
        if (op == 0x2f) /* DW_OP_skip */
            jump(&b, begin, true);
        else if (op == 0x28) /* DW_OP_bra */
            jump(&b, begin, pop(&e) != 0);
        else if (!evaluate_push(&e, op, &b) && !evaluate_unary(&e, op, &b))
            evaluate_binary(&e, op);
        if (b.is_bad || e.is_bad || steps == STEPS_MAX)
            return false;
    }
    *result = pop(&e);
    return !e.is_bad;
}
