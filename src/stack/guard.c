/* SPDX-License-Identifier: MIT */
/* guard.c - see guard.h. */
#include "guard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "../base/sys.h"
#include "../base/text.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/* gcc on aarch64 probes large frames in steps of 64 KiB, so a guard of that width cannot be jumped
 * by code compiled with -fstack-clash-protection; small stacks get a quarter of their size. */
#define GUARD_BYTES_MAX ((size_t)64 * 1024)

/* The default of vm.max_map_count, for when /proc cannot be read. */
#define MAP_COUNT_DEFAULT 65530

#define CANARY_WORD 0x77656674cafe0d1du /* "weft" and a pattern that is no address */

static uint64_t read_max_map_count(void)
{
    char text[32];
    if (weft__sys_read_file("/proc/sys/vm/max_map_count", text, sizeof text) <= 0) {
        return MAP_COUNT_DEFAULT;
    }
    uint64_t n = strtoull(text, NULL, 10);
    return n > 0 ? n : MAP_COUNT_DEFAULT;
}

static void set_budget(struct weft__guards *g)
{
    g->mprotect_max = read_max_map_count() * 45 / 100;
}

/* qemu-user answers MADV_GUARD_INSTALL with success and installs nothing, so only a guard that the
 * kernel refuses to read from counts. */
static bool probe_madvise(void)
{
    size_t page = weft__sys_page_bytes();
    char *p = weft__sys_mmap(page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    if (weft__sys_is_error(p)) {
        return false;
    }
    (void)weft__sys_munlock(p, page * 2);
    bool works = weft__sys_madvise(p, page, MADV_GUARD_INSTALL) == 0 && weft__sys_is_guarded(p) &&
                 !weft__sys_is_guarded(p + page);
    weft__sys_munmap(p, page * 2);
    return works;
}

int weft__guards_init(struct weft__guards *g, enum weft_guard wanted)
{
    g->mprotect_count = 0;
    g->mprotect_max = 0;
    atomic_init(&g->fell_back, false);
    g->why = "as asked";
    switch (wanted) {
    case WEFT_GUARD_MPROTECT:
        g->kind = GUARD_KIND_MPROTECT;
        set_budget(g);
        return 0;
    case WEFT_GUARD_CANARY:
        g->kind = GUARD_KIND_CANARY;
        return 0;
    case WEFT_GUARD_MADVISE:
        g->kind = GUARD_KIND_MADVISE;
        return probe_madvise() ? 0 : -ENOSYS;
    default:
        break;
    }
    if (probe_madvise()) {
        g->kind = GUARD_KIND_MADVISE;
        g->why = "probed";
    } else {
        g->kind = GUARD_KIND_MPROTECT;
        g->why = "this kernel has no MADV_GUARD_INSTALL";
        set_budget(g);
    }
    return 0;
}

size_t weft__guard_bytes(size_t stack_bytes)
{
    size_t quarter = stack_bytes / 4; /* a page at least: weft__stack_shift() sees to it */
    return quarter < GUARD_BYTES_MAX ? quarter : GUARD_BYTES_MAX;
}

static void say_budget_is_used_up(struct weft__guards *g)
{
    if (atomic_exchange_explicit(&g->fell_back, true, memory_order_relaxed)) {
        return;
    }
    char line[256];
    struct weft__text t;
    weft__text_init(&t, line, sizeof line);
    weft__text_add(&t, "weft: ");
    weft__text_dec(&t, g->mprotect_count);
    weft__text_add(&t, " stacks are guarded by mprotect, as many as vm.max_map_count allows; "
                       "further ones get canaries (raise sysctl vm.max_map_count for guards)\n");
    (void)weft__text_write(&t, 2);
}

enum weft__guard_kind weft__guard_install(struct weft__guards *g, char *low, size_t bytes)
{
    if (g->kind == GUARD_KIND_MADVISE && weft__sys_madvise(low, bytes, MADV_GUARD_INSTALL) == 0) {
        return GUARD_KIND_MADVISE;
    }
    if (g->kind == GUARD_KIND_MADVISE && g->mprotect_max == 0) {
        set_budget(g); /* not before: mostly it is not needed */
    }
    if (g->kind != GUARD_KIND_CANARY) {
        if (g->mprotect_count < g->mprotect_max && weft__sys_mprotect(low, bytes, PROT_NONE) == 0) {
            g->mprotect_count++;
            return GUARD_KIND_MPROTECT;
        }
        say_budget_is_used_up(g);
    }
    return GUARD_KIND_CANARY;
}

bool weft__guard_install_all(const struct weft__guards *g, char *low, size_t bytes, size_t stride,
                             uint32_t n)
{
    struct iovec ranges[WEFT__GUARDS_MAX];
    for (uint32_t i = 0; i < n; i++) {
        ranges[i] = (struct iovec){low + i * stride, bytes};
    }
    return g->kind == GUARD_KIND_MADVISE &&
           weft__sys_madvise_all(ranges, (int)n, MADV_GUARD_INSTALL) == 0;
}

void weft__canary_write(char *low)
{
    for (size_t i = 0; i < WEFT__CANARY_BYTES; i += sizeof(uint64_t)) {
        uint64_t word = CANARY_WORD ^ i;
        memcpy(low + i, &word, sizeof word);
    }
}

bool weft__canary_is_intact(const char *low)
{
    uint64_t wrong = 0;
    for (size_t i = 0; i < WEFT__CANARY_BYTES; i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, low + i, sizeof word);
        wrong |= word ^ (CANARY_WORD ^ i);
    }
    return wrong == 0;
}

const char *weft__guard_name(enum weft__guard_kind kind)
{
    static const char *const names[] = {"madvise", "mprotect", "canary"};
    return names[kind];
}
