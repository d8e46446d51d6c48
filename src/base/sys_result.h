/* SPDX-License-Identifier: MIT */
/* sys_result.h - for sys*.c alone: from -1 and errno to -errno, and the fault door. */
#ifndef WEFT_BASE_SYS_RESULT_H
#define WEFT_BASE_SYS_RESULT_H

#include <sys/types.h>

#include "atomic.h"
#include "compiler.h"
#include "self.h"
#include "sys.h"

static inline int weft__result(int rc)
{
    return rc < 0 ? -weft__errno() : rc;
}

static inline ssize_t weft__result_long(long rc)
{
    return rc < 0 ? -weft__errno() : rc;
}

static inline int weft__fault(enum weft__call call)
{
#ifdef WEFT_FAULT
    weft__fault_fn *fault = atomic_load_explicit(&weft__sys_fault, memory_order_relaxed);
    return fault != NULL ? fault(call) : 0;
#else
    (void)call;
    return 0;
#endif
}

/* The door at the beginning of a call. */
#define FAULT(call)                                                                                \
    do {                                                                                           \
        int fault_ = weft__fault(WEFT__CALL_##call);                                               \
        if (WEFT__UNLIKELY(fault_ < 0)) {                                                          \
            return fault_;                                                                         \
        }                                                                                          \
    } while (0)

#endif
