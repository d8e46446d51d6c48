/* SPDX-License-Identifier: MIT */
/*
 * job.h - a function that blocks, carried out by a thread of the pool while its caller waits.
 *
 * The thread that takes the job out of the queue claims the caller's wait, and wakes it when the
 * function has returned.  So the claim decides between the function and a scope: as long as the job
 * is queued, a scope that ends may claim the wait, and the function is never called; once it has
 * begun, nothing ends the wait but its end, and what the caller has lent it stays his.
 */
#ifndef WEFT_PARK_JOB_H
#define WEFT_PARK_JOB_H

#include "park.h"

/*
 * Run fn(arg) there and put its value into *result; reports say that the caller waits for `reason`
 * and `object`.  On a plain thread, which has no pool, it is called here and now.
 *
 * Returns 0: fn has returned; or what the scope says that has ended before it was called; or
 * -EAGAIN or -ENOMEM: there is no thread for it.
 */
int weft__park_job(int (*fn)(void *), void *arg, int *result, enum weft__wait_reason reason,
                   const void *object, const void *caller);

#endif
