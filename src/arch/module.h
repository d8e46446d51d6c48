/* SPDX-License-Identifier: MIT */
/* module.h - what is loaded into the process, and where its tables for unwinding are. */
#ifndef WEFT_ARCH_MODULE_H
#define WEFT_ARCH_MODULE_H

#include <stdbool.h>
#include <stdint.h>

/* Does this system have tables that we read?  Else all is compiled with frame pointers. */
extern const bool weft__modules_have_tables;

/* The .eh_frame_hdr of the module that holds pc; 0 if there is none.  Safe in signal handlers. */
uintptr_t weft__module_tables(uintptr_t pc);

#endif
