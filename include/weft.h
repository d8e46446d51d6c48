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
 *
 * Who may make a call says its field `Threads`, in these words; what follows them is a detail:
 *   - "everywhere": coroutines and plain threads, with and without a runtime, before one is started
 *     and after it was stopped, in the child of a fork;
 *   - "everywhere, also in a signal handler": the same, and async-signal-safe.  No other call is;
 *   - "any thread": as everywhere, but for the child of a fork: there the process ends with one
 *     line where the call would wait, wake, cancel, start or stop anything;
 *   - "a coroutine": elsewhere, the child of a fork included, the process ends with one line that
 *     names the call, unless the field gives a code;
 *   - "a plain thread": refused in a coroutine with the code that the field gives; in the child of
 *     a fork as any thread.
 *
 * A fork while a runtime lives changes nothing in the parent.  The child has one thread, a plain
 * one, also where a coroutine has forked; of the runtimes nothing goes on there, and it is meant to
 * call exec or _exit.
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
#include <weft/local.h>
#include <weft/defer.h>
#include <weft/stack.h>
#include <weft/future.h>
#include <weft/io.h>
#include <weft/file.h>
#include <weft/pipe.h>
#include <weft/process.h>
#include <weft/signal.h>
#include <weft/copy.h>
#include <weft/net.h>
#include <weft/message.h>
#include <weft/datagram.h>
#include <weft/name.h>
#include <weft/buffer.h>
#include <weft/buffer_pool.h>
#include <weft/blocking.h>
#include <weft/memory.h>
#include <weft/observe.h>

#ifndef WEFT_NO_SHORT_NAMES
#include <weft/short.h>
#endif

#endif
