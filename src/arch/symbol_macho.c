/* SPDX-License-Identifier: MIT */
/* symbol_macho.c - the name of an address on macOS, where dladdr() knows statics as well. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "unwind.h"

char *weft__symbol(uintptr_t pc, bool is_return, char *text, size_t bytes)
{
    uintptr_t looked_up = pc - is_return;
    Dl_info info;

    if (bytes == 0)
        return text;
    if (dladdr((void *)looked_up, &info) == 0) {
        snprintf(text, bytes, "0x%zx", (size_t)pc);
        return text;
    }
    const char *slash = info.dli_fname != NULL ? strrchr(info.dli_fname, '/') : NULL;
    const char *file = slash != NULL ? slash + 1 : info.dli_fname;
    size_t place = (size_t)(looked_up - (uintptr_t)info.dli_fbase);
    if (info.dli_sname != NULL)
        snprintf(text, bytes, "%s+0x%zx (%s+0x%zx)", info.dli_sname,
                 (size_t)(looked_up - (uintptr_t)info.dli_saddr), file, place);
    else
        snprintf(text, bytes, "?? (%s+0x%zx)", file, place);
    return text;
}
