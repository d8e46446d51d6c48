/* SPDX-License-Identifier: MIT */
/* stack.h - room for the one call that needs more of it than coroutines have. */
#ifndef WEFT_STACK_H
#define WEFT_STACK_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

/**
 * weft_call_on_big_stack - call fn(arg) on a stack of another size.
 *
 * @fn     is called by the same coroutine: it may do all that its caller may, waiting included, and
 *         the locals, cleanups and scopes are the same.
 * @arg    handed to fn.
 * @bytes  address space of the stack, guard included, rounded up to a power of two:
 *         WEFT_STACK_BYTES_MIN..MAX, anything else is fatal.
 *
 * For deep recursion and for libraries that want a thread's stack, in a program whose coroutines
 * have small ones.  The stack is taken from the runtime, as for weft_go_with(), and goes back
 * afterwards: some 50 ns if one lies ready, and memory is taken for what fn really touches.  Calls
 * may be nested.  An overflow is found and reported as on any stack.
 *
 * Leave fn by returning, or by weft_exit(): neither longjmp() nor an exception of C++ gets out.
 *
 * Returns    what fn returns.
 * Errors     -ENOMEM  no such stack can be had; fn was not called
 *            -EPERM   not called from a coroutine; fn was not called
 * Blocks     as fn does.
 * Threads    a coroutine.
 */
WEFT_API_MUST int weft_call_on_big_stack(int (*fn)(void *), void *arg, size_t bytes);

WEFT_END_DECLS
#endif
