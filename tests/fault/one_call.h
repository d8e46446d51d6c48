/* SPDX-License-Identifier: MIT */
/* one_call.h - for files.c and processes.c: of the calls of one kind the k-th one fails. */
#ifndef WEFT_FAULT_ONE_CALL_H
#define WEFT_FAULT_ONE_CALL_H

static _Atomic enum weft__call kind;
static _Atomic int k, error, n_calls;
static _Atomic bool is_armed, was_injected;

/* To be weft__sys_fault. */
static int decide(enum weft__call call)
{
    if (!is_armed || call != kind || ++n_calls != k)
        return 0;
    was_injected = true;
    return error;
}

static int first_error(ssize_t a, ssize_t b)
{
    return a < 0 ? (int)a : b < 0 ? (int)b : 0;
}

#endif
