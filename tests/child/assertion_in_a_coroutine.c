/* SPDX-License-Identifier: MIT */
/*
 * assertion_in_a_coroutine.c - an assertion of the program's that fails is told with the coroutine
 * in which it did, and where that was called from.
 *
 * expect-exit: SIGABRT
 * expect-stderr: Assertion .*two_and_two == 5
 * expect-stderr: ^weft: fatal: abort\(\) was called \(coroutine [0-9]+ "careless", spawned at
 * expect-stderr: ^    #[0-9]+ assert_it\+0x
 */
#undef NDEBUG
#include <assert.h>
#include <weft.h>

static volatile int two_and_two = 4;

__attribute__((noinline)) static int assert_it(void *arg)
{
    (void)arg;
    assert(two_and_two == 5);
    return 0;
}

static int app(void *arg)
{
    (void)arg;
    return weft_join(weft_go_with(assert_it, NULL, .name = "careless"), NULL);
}

int main(void)
{
    return weft_run(app, NULL);
}
