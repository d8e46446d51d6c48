/* SPDX-License-Identifier: MIT */
/*
 * cfi.h - call frame information: from the registers in one frame to those of its caller, by the
 * program that the compiler left in .eh_frame (DWARF 5, section 6.4).
 */
#ifndef WEFT_ARCH_CFI_H
#define WEFT_ARCH_CFI_H

#include "dwarf.h"

/* What describes one function: its FDE, and the CIE that it shares with others. */
struct weft__cfi {
    struct weft__dwarf_bytes initial, program; /* the instructions of the CIE and of the FDE */
    uintptr_t pc_begin, pc_end;
    uint64_t code_factor;
    int64_t data_factor;
    uint64_t return_column;
    unsigned pointer_encoding;
    bool is_signal_frame; /* the caller was interrupted anywhere, not behind a call */
};

/*
 * Replace f by its caller's frame.  `pc` is the place in the function for which the tables are
 * read: f->pc, or the call before it.  False, with f unchanged, where the walk ends: no caller, a
 * word outside the view, or tables that are not understood.
 */
bool weft__cfi_step(const struct weft__cfi *cfi, uintptr_t pc, struct weft__frame *f,
                    const struct weft__stack_view *v);

#endif
