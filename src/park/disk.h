/* SPDX-License-Identifier: MIT */
/* disk.h - a call that waits for a disk, carried out while its caller waits (sched/disk.h). */
#ifndef WEFT_PARK_DISK_H
#define WEFT_PARK_DISK_H

#include "park.h"

/* As weft__park_job(), for a call that is known to have to read from a disk. */
int weft__park_disk_job(int (*fn)(void *), void *arg, int *result, enum weft__wait_reason reason,
                        const void *object, const void *caller);

#endif
