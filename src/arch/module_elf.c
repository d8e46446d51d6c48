/* SPDX-License-Identifier: MIT */
/*
 * module_elf.c - the tables of ELF modules.
 *
 * A module is found by _dl_find_object() of glibc 2.35, which may be called in signal handlers.
 * Elsewhere there is dl_iterate_phdr() alone, which takes a lock: weft__unwind_prime() calls it
 * ahead of time and keeps what it learns in one of two tables, while handlers read the other.
 */
#define _GNU_SOURCE
#include "module.h"

#include <link.h>

#include "../base/atomic.h"
#include "unwind.h"

const bool weft__modules_have_tables = true;

#define MODULES_MAX 256

struct module {
    uintptr_t begin, end;
    uintptr_t eh_frame_hdr; /* 0 if the module has none */
};

static struct module_table {
    int count;
    struct module modules[MODULES_MAX];
} tables[2];

static _Atomic(struct module_table *) table_now; /* what handlers read; NULL before the first */
static atomic_flag is_priming = ATOMIC_FLAG_INIT;

/* struct dl_find_object of <dlfcn.h>, which older headers lack. */
struct found_object {
    unsigned long long flags;
    void *begin, *end;
    struct link_map *link_map;
    void *eh_frame_hdr;
    unsigned long long reserved[7];
};

extern int find_object(void *address, struct found_object *result) __asm__("_dl_find_object")
    __attribute__((weak));

/* dl_iterate_phdr() calls this for each module. */
static int add_module(struct dl_phdr_info *info, size_t info_bytes, void *arg)
{
    struct module_table *table = arg;
    struct module m = {.begin = UINTPTR_MAX};

    (void)info_bytes;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + ph->p_vaddr;
        if (ph->p_type == PT_GNU_EH_FRAME)
            m.eh_frame_hdr = begin;
        if (ph->p_type != PT_LOAD)
            continue;
        if (begin < m.begin)
            m.begin = begin;
        if (begin + ph->p_memsz > m.end)
            m.end = begin + ph->p_memsz;
    }
    if (m.begin < m.end)
        table->modules[table->count++] = m;
    return table->count == MODULES_MAX;
}

void weft__unwind_prime(void)
{
    /* acquire [UNWIND-PRIMING]: the last one to prime is done with the other table. */
    if (find_object != NULL || atomic_flag_test_and_set_explicit(&is_priming, memory_order_acquire))
        return;
    struct module_table *now = atomic_load_explicit(&table_now, memory_order_relaxed);
    struct module_table *other = now == &tables[0] ? &tables[1] : &tables[0];

    other->count = 0;
    dl_iterate_phdr(add_module, other);
    /* release [UNWIND-TABLE]: handlers that find this table find it filled. */
    atomic_store_explicit(&table_now, other, memory_order_release);
    /* release [UNWIND-PRIMING] */
    atomic_flag_clear_explicit(&is_priming, memory_order_release);
}

/* What glibc says of where the module ends is not used: in static programs it leaves out the
 * tables. */
uintptr_t weft__module_tables(uintptr_t pc)
{
    if (find_object != NULL) {
        struct found_object found;
        return find_object((void *)pc, &found) == 0 ? (uintptr_t)found.eh_frame_hdr : 0;
    }
    /* acquire [UNWIND-TABLE]: the table is filled. */
    struct module_table *table = atomic_load_explicit(&table_now, memory_order_acquire);
    for (int i = 0; table != NULL && i < table->count; i++) {
        const struct module *m = &table->modules[i];
        if (pc >= m->begin && pc < m->end)
            return m->eh_frame_hdr;
    }
    return 0;
}
