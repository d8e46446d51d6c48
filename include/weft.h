/* SPDX-License-Identifier: MIT */
/*
 * weft.h - goroutines for C: the one header most programs name.
 *
 * It includes weft/<subject>.h, one header a subject, and gives the everyday calls short
 * names (go, chan_send, ...).  Define WEFT_NO_SHORT_NAMES before the include to leave them out.
 *
 * Conventions that hold everywhere:
 *   - a call returns a value >= 0 on success and -errno on failure; nothing reports through errno,
 *     which is a thread-local, and a coroutine may wake on another thread;
 *   - constructors return a pointer, NULL only for lack of memory;
 *   - whatever may wait parks the coroutine, never the thread, and obeys the deadline scopes
 *     around it (weft/scope.h);
 *   - every public call is a possible switch and migration point: keep no thread-local address
 *     (errno's included) across one;
 *   - times are int64_t nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef WEFT_H
#define WEFT_H

#include <weft/base.h>
#include <weft/runtime.h>
#include <weft/go.h>
#include <weft/chan.h>
#include <weft/oneshot.h>
#include <weft/broadcast.h>
#include <weft/watch.h>
#include <weft/typed.h>
#include <weft/select.h>
#include <weft/time.h>
#include <weft/scope.h>
#include <weft/group.h>
#include <weft/sync.h>
#include <weft/io.h>
#include <weft/net.h>
#include <weft/observe.h>

#ifndef WEFT_NO_SHORT_NAMES
#include <weft/short.h>
#endif

#endif
