/* SPDX-License-Identifier: MIT */
/*
 * unwind.c - walking a stack: for each pc find the module, in its .eh_frame_hdr the entry (FDE) of
 * the function, and step to the caller by cfi.c.
 *
 * backtrace() and libgcc's unwinder are not used: they allocate and take locks at their first call,
 * and they read the stack in place, while we walk copies of stacks that may have changed while
 * they were copied.
 *
 * Functions are found by .eh_frame_hdr alone.  gcc leaves it out of programs linked by -static:
 * walks in there need -Wl,--eh-frame-hdr on the command that links.  On a system that has other
 * tables (module.h) walks go by frame pointers.
 */
#include "unwind.h"

#include <string.h>

#include "../base/sys.h"
#include "cfi.h"
#include "module.h"

/* The bytes of a module's tables from an address on.  They are within 2 GiB of the header, since
 * its distances have 32 bits; is_bad if the address is not. */
static struct weft__dwarf_bytes bytes_at(uintptr_t hdr, uintptr_t address)
{
    const unsigned char *end = (const unsigned char *)(hdr + INT32_MAX);
    if (address - hdr + INT32_MAX >= 2 * (uintptr_t)INT32_MAX)
        return (struct weft__dwarf_bytes){end, end, true};
    return (struct weft__dwarf_bytes){(const unsigned char *)address, end, false};
}

/* Narrows b to the entry that begins there, without its length. */
static void enter_entry(struct weft__dwarf_bytes *b)
{
    uint64_t bytes = weft__dwarf_fixed(b, 4);
    if (bytes == UINT32_MAX)
        bytes = weft__dwarf_fixed(b, 8);
    if (bytes == 0 || bytes > (uint64_t)(b->end - b->at))
        b->is_bad = true; /* 0 is the end of the section */
    else
        b->end = b->at + bytes;
}

/* Reads a CIE: what is common to functions, and how their FDEs are written. */
static bool parse_cie(struct weft__cfi *cfi, struct weft__dwarf_bytes b, bool *has_augmentation)
{
    char letters[8] = "";

    enter_entry(&b);
    if (weft__dwarf_fixed(&b, 4) != 0)
        return false; /* the mark of a CIE */
    uint64_t version = weft__dwarf_fixed(&b, 1);
    for (size_t i = 0; (letters[i] = (char)weft__dwarf_fixed(&b, 1)) != '\0'; i++)
        if (i == sizeof(letters) - 1)
            return false;
    cfi->code_factor = weft__dwarf_uleb(&b);
    cfi->data_factor = weft__dwarf_sleb(&b);
    cfi->return_column = version == 1 ? weft__dwarf_fixed(&b, 1) : weft__dwarf_uleb(&b);
    cfi->pointer_encoding = 0;
    cfi->is_signal_frame = false;

    *has_augmentation = letters[0] == 'z';
    if (!*has_augmentation && letters[0] != '\0')
        return false;
    uint64_t bytes = *has_augmentation ? weft__dwarf_uleb(&b) : 0;
    if (b.is_bad || (version != 1 && version != 3) || bytes > (uint64_t)(b.end - b.at))
        return false;
    cfi->initial = (struct weft__dwarf_bytes){b.at + bytes, b.end, false};
    for (const char *letter = letters + (letters[0] == 'z'); *letter != '\0'; letter++) {
        if (*letter == 'R')
            cfi->pointer_encoding = (unsigned)weft__dwarf_fixed(&b, 1);
        else if (*letter == 'P') /* the routine that C++ calls to handle exceptions */
            weft__dwarf_pointer(&b, (unsigned)weft__dwarf_fixed(&b, 1));
        else if (*letter == 'L') /* how the address of its tables is written */
            weft__dwarf_fixed(&b, 1);
        else if (*letter == 'S')
            cfi->is_signal_frame = true;
        else if (*letter != 'B') /* aarch64: signed by key B, which strips like A */
            return false;
    }
    return !b.is_bad;
}

/* Reads the FDE at an address, and its CIE. */
static bool parse_fde(struct weft__cfi *cfi, uintptr_t hdr, uintptr_t address)
{
    struct weft__dwarf_bytes b = bytes_at(hdr, address);
    bool has_augmentation;

    enter_entry(&b);
    uintptr_t place = (uintptr_t)b.at;
    uint64_t back = weft__dwarf_fixed(&b, 4); /* the distance to the CIE */
    if (b.is_bad || back == 0 || !parse_cie(cfi, bytes_at(hdr, place - back), &has_augmentation))
        return false;
    cfi->pc_begin = weft__dwarf_pointer(&b, cfi->pointer_encoding);
    cfi->pc_end = cfi->pc_begin + weft__dwarf_pointer(&b, cfi->pointer_encoding & 0x0f);
    uint64_t bytes = has_augmentation ? weft__dwarf_uleb(&b) : 0;
    if (b.is_bad || bytes > (uint64_t)(b.end - b.at))
        return false;
    cfi->program = (struct weft__dwarf_bytes){b.at + bytes, b.end, false};
    return true;
}

/* An entry of the table in .eh_frame_hdr, sorted by function; both relative to the header. */
struct hdr_entry {
    int32_t function, fde;
};

static struct hdr_entry hdr_entry(const unsigned char *table, uint64_t i)
{
    struct hdr_entry entry;
    memcpy(&entry, table + i * sizeof(entry), sizeof(entry));
    return entry;
}

/* Finds what describes the function that holds pc. */
static bool find_cfi(uintptr_t pc, struct weft__cfi *cfi)
{
    uintptr_t hdr = weft__module_tables(pc);
    if (hdr == 0)
        return false;
    struct weft__dwarf_bytes b = bytes_at(hdr, hdr);
    uint64_t version = weft__dwarf_fixed(&b, 1);
    unsigned section_encoding = (unsigned)weft__dwarf_fixed(&b, 1);
    unsigned count_encoding = (unsigned)weft__dwarf_fixed(&b, 1);
    uint64_t table_encoding = weft__dwarf_fixed(&b, 1);
    weft__dwarf_pointer(&b, section_encoding);
    uint64_t count = weft__dwarf_pointer(&b, count_encoding);
    /* 0x3b: 4 bytes signed, relative to the header; linkers write no other table. */
    if (b.is_bad || version != 1 || table_encoding != 0x3b || count == 0 ||
        count > (uint64_t)(b.end - b.at) / sizeof(struct hdr_entry))
        return false;

    /* Entries before `low` begin at or before pc, those from `high` on after it. */
    uint64_t low = 0, high = count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (hdr + (uintptr_t)(intptr_t)hdr_entry(b.at, middle).function <= pc)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return false;
    uintptr_t fde = hdr + (uintptr_t)(intptr_t)hdr_entry(b.at, low - 1).fde;
    return parse_fde(cfi, hdr, fde) && pc >= cfi->pc_begin && pc < cfi->pc_end;
}

/*
 * Step over a function without CFI by the frame pointer, which points to the caller's and the
 * return address behind it.  That is a guess, since the register may hold anything: the result has
 * to be a place that has CFI.
 */
static bool step_by_frame_pointer(struct weft__frame *f, const struct weft__stack_view *v)
{
    const uintptr_t word = sizeof(uintptr_t);
    uintptr_t caller_fp, caller_pc;
    struct weft__cfi cfi;

    if (f->fp < f->sp || f->fp % word != 0)
        return false;
    if (!weft__stack_word(v, f->fp, &caller_fp) || !weft__stack_word(v, f->fp + word, &caller_pc))
        return false;
    if (weft__modules_have_tables && !find_cfi(caller_pc - 1, &cfi))
        return false;
    f->pc = caller_pc;
    f->sp = f->fp + 2 * word;
    f->fp = caller_fp;
    return true;
}

int weft__unwind(const struct weft__frame *f, const struct weft__stack_view *v, uintptr_t *pcs,
                 int max)
{
    struct weft__frame at = *f;
    bool is_return = false, has_guessed = false;
    int count = 0;

    while (count < max) {
        struct weft__cfi cfi;
        pcs[count++] = at.pc;
        /* A call that does not return may be the last instruction of its function: the return
         * address is then in the next one, and the byte before it is what belongs to the call. */
        uintptr_t looked_up = at.pc - is_return;
        if (find_cfi(looked_up, &cfi)) {
            if (!weft__cfi_step(&cfi, looked_up, &at, v))
                break;
            is_return = !cfi.is_signal_frame;
        } else {
            if (has_guessed || !step_by_frame_pointer(&at, v))
                break;
            is_return = true;
            has_guessed = weft__modules_have_tables;
        }
    }
    return count;
}

bool weft__frame_parked(struct weft__frame *f, const struct weft__stack_view *v, uintptr_t saved_sp)
{
    uintptr_t words[WEFT__CTX_WORDS];

    for (size_t i = 0; i < WEFT__CTX_WORDS; i++)
        if (!weft__stack_word(v, saved_sp + i * sizeof(uintptr_t), &words[i]))
            return false;
    memset(f, 0, sizeof(*f));
    f->pc = words[WEFT__CTX_PC];
    f->sp = saved_sp + sizeof(words);
#if defined(__x86_64__)
    f->fp = words[WEFT__CTX_RBP];
    f->saved[3] = words[WEFT__CTX_RBX];
    f->saved[12] = words[WEFT__CTX_R12];
    f->saved[13] = words[WEFT__CTX_R13];
    f->saved[14] = words[WEFT__CTX_R14];
    f->saved[15] = words[WEFT__CTX_R15];
#elif defined(__aarch64__)
    f->fp = words[WEFT__CTX_X29];
    memcpy(&f->saved[19], &words[WEFT__CTX_X19], 10 * sizeof(uintptr_t)); /* x19 .. x28 */
    f->saved[WEFT__DWARF_REG_LR] = f->pc;
#endif
    return true;
}

void weft__frame_signal(struct weft__frame *f, const void *ucontext)
{
    uintptr_t registers[WEFT__SIGNAL_REGISTERS];

    weft__sys_signal_registers(ucontext, registers);
    memcpy(f->saved, registers, sizeof(f->saved));
    f->pc = registers[WEFT__SIGNAL_REG_PC];
    f->sp = registers[WEFT__DWARF_REG_SP];
    f->fp = registers[WEFT__DWARF_REG_FP];
}
