/* SPDX-License-Identifier: MIT */
/*
 * dwarf.h - the smallest parts of DWARF (version 5, sections 2.5 and 7.6; the pointer encodings
 * are in the Linux Standard Base, chapter 10.5): numbers, encoded pointers, expressions.
 *
 * The tables are trusted as far as the code they describe; stack and registers are not.
 */
#ifndef WEFT_ARCH_DWARF_H
#define WEFT_ARCH_DWARF_H

#include "unwind.h"

/* Registers by DWARF number.  Those from the count on (vector registers) are not followed. */
#if defined(__x86_64__)
enum {
    WEFT__DWARF_REG_FP = 6,
    WEFT__DWARF_REG_SP = 7,
    WEFT__DWARF_REG_PC = 16,
    WEFT__DWARF_REG_COUNT = 17,
    WEFT__SIGNAL_REG_PC = WEFT__DWARF_REG_PC, /* of weft__sys_signal_registers() */
};
#elif defined(__aarch64__)
enum {
    WEFT__DWARF_REG_FP = 29,
    WEFT__DWARF_REG_LR = 30,
    WEFT__DWARF_REG_SP = 31,
    WEFT__DWARF_REG_COUNT = 32,
    WEFT__SIGNAL_REG_PC = 32,
};
#endif

/* Bytes being read.  A read beyond the end gives 0 and sets is_bad. */
struct weft__dwarf_bytes {
    const unsigned char *at, *end;
    bool is_bad;
};

/* An integer of 1, 2, 4 or 8 bytes, and numbers of seven bits a byte. */
uint64_t weft__dwarf_fixed(struct weft__dwarf_bytes *b, size_t bytes);
uint64_t weft__dwarf_uleb(struct weft__dwarf_bytes *b);
int64_t weft__dwarf_sleb(struct weft__dwarf_bytes *b);

/* A pointer as `encoding` (DW_EH_PE_*) says: absolute, or relative to its own place. */
uintptr_t weft__dwarf_pointer(struct weft__dwarf_bytes *b, unsigned encoding);

/* The word of the stack at an address; false if it is not all inside the view. */
bool weft__stack_word(const struct weft__stack_view *v, uintptr_t address, uintptr_t *word);

/*
 * Evaluate the expression at `block`, its length in front of it, all known to be readable.  It
 * begins with *first on its stack, or with nothing if `first` is NULL.  False if it is not
 * understood or reads memory outside the view.
 */
bool weft__dwarf_evaluate(const unsigned char *block, const uintptr_t *registers,
                          const uintptr_t *first, const struct weft__stack_view *v,
                          uintptr_t *result);

#endif
