/* SPDX-License-Identifier: MIT */
/* module_macho.c - macOS has tables of its own (compact unwind), and code there keeps frame
 * pointers. */
#include "module.h"
#include "unwind.h"

const bool weft__modules_have_tables = false;

uintptr_t weft__module_tables(uintptr_t pc)
{
    (void)pc;
    return 0;
}

void weft__unwind_prime(void)
{
}
