/* SPDX-License-Identifier: MIT */
/*
 * parked.c - the memory of a million parked coroutines, without the coroutines: one big region, and
 * for each slot of it a guard at its lower end, as wide as Weft's, and one touched page at its
 * upper end.
 *
 * The guard is madvise(MADV_GUARD_INSTALL), of Linux 6.13, which leaves the mapping whole.  Without
 * it there is none: mprotect() would cut the region into more mappings than a process may have.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "raw.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define SLOTS 1000000
#define SLOT_BYTES ((size_t)256 * 1024)
#define GUARD_BYTES ((size_t)64 * 1024)
#define KB 1024

static bool has_guards(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool is_there;

    if (p == MAP_FAILED)
        return false;
    is_there = madvise(p, page, MADV_GUARD_INSTALL) == 0;
    munmap(p, page);
    return is_there;
}

const char *raw_parked_note(void)
{
    return has_guards() ? "guards by madvise" : "no guards";
}

/* Fills in the values; 0 or an errno. */
static int park(double *values)
{
    const bool is_guarded = has_guards();
    const double rss_kb = raw_status_kb(0, "VmRSS:"), pte_kb = raw_status_kb(0, "VmPTE:");
    const int64_t start = now_ns();
    char *region = mmap(NULL, SLOTS * SLOT_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (region == MAP_FAILED)
        return errno;
    madvise(region, SLOTS * SLOT_BYTES, MADV_NOHUGEPAGE); /* a huge page would fill eight slots */
    for (size_t i = 0; i < SLOTS; i++) {
        char *slot = region + i * SLOT_BYTES;

        if (is_guarded && madvise(slot, GUARD_BYTES, MADV_GUARD_INSTALL) != 0)
            return errno;
        *(volatile char *)(slot + SLOT_BYTES - 1) = 1;
    }
    values[2] = (double)(now_ns() - start) / 1e6;
    values[0] = (raw_status_kb(0, "VmRSS:") - rss_kb) * KB / SLOTS;
    values[1] = (raw_status_kb(0, "VmPTE:") - pte_kb) * KB / SLOTS;
    return 0;
}

int raw_parked(double *values)
{
    struct {
        int error;
        double values[ROWS_MAX];
    } answer = {.error = EPIPE};
    int fds[2];
    pid_t pid;

    if (pipe(fds) != 0 || (pid = fork()) < 0)
        raw_die("parked", errno);
    if (pid == 0) {
        answer.error = park(answer.values);
        _exit(write(fds[1], &answer, sizeof(answer)) != (ssize_t)sizeof(answer));
    }
    close(fds[1]);
    if (read(fds[0], &answer, sizeof(answer)) != (ssize_t)sizeof(answer) && answer.error == 0)
        answer.error = EPIPE;
    close(fds[0]);
    waitpid(pid, NULL, 0);
    if (answer.error != 0) {
        fprintf(stderr, "raw: parked: %s\n", strerror(answer.error));
        return -1;
    }
    memcpy(values, answer.values, sizeof(answer.values));
    return 0;
}
