/* SPDX-License-Identifier: MIT */
/* co_test.h - what tests of coroutine primitives share: a test whose body is a coroutine. */
#ifndef WEFT_CO_TEST_H
#define WEFT_CO_TEST_H

#include <stdatomic.h>
#include <weft.h>

#include "test.h"

/* The body is the first coroutine of a runtime, configured by the environment; it ends with
 * `return 0`. */
#define CO_TEST(id)                                                                                \
    static int in_##id(void *unused);                                                              \
    TEST(id)                                                                                       \
    {                                                                                              \
        CHECK_EQ(weft_run(in_##id, NULL), 0);                                                      \
    }                                                                                              \
    static int in_##id(void *unused __attribute__((unused)))

/* On one processor, whatever the environment says: on several, others would do the work. */
#define CO_TEST_ON_ONE(id)                                                                         \
    static int in_##id(void *unused);                                                              \
    TEST(id)                                                                                       \
    {                                                                                              \
        CHECK_EQ(weft_run_with(in_##id, NULL, .procs = 1), 0);                                     \
    }                                                                                              \
    static int in_##id(void *unused __attribute__((unused)))

/* One that goes on for test_stress_ms(): its limit grows by that. */
#define STRESS_TEST(id)                                                                            \
    TEST_PROLONG(id)                                                                               \
    CO_TEST(id)

/* The same on two processors where WEFT_PROCS asks for one: for what takes two. */
#define STRESS_TEST_ON_TWO(id)                                                                     \
    TEST_PROLONG(id)                                                                               \
    static int in_##id(void *unused);                                                              \
    TEST(id)                                                                                       \
    {                                                                                              \
        const char *procs = getenv("WEFT_PROCS");                                                  \
        if (procs == NULL || atoi(procs) < 2)                                                      \
            setenv("WEFT_PROCS", "2", 1);                                                          \
        CHECK_EQ(weft_run(in_##id, NULL), 0);                                                      \
    }                                                                                              \
    static int in_##id(void *unused __attribute__((unused)))

#define TEST_PROLONG(id)                                                                           \
    static struct test_case test_case_##id;                                                        \
    __attribute__((constructor)) static void test_prolong_##id(void)                               \
    {                                                                                              \
        test_case_##id.limit_seconds += (int)(test_stress_ms() / 1000);                            \
    }

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* A loop count, smaller where the build is slow. */
TEST_FN int scaled(int n)
{
    int fewer = n / (int)test_scale();

    return fewer < 50 ? 50 : fewer;
}

/* Joins a coroutine that must end well. */
TEST_FN void join(struct weft_co *co)
{
    int result = -1;

    CHECK_EQ(weft_join(co, &result), 0);
    CHECK_EQ(result, 0);
}

/* Lets others run for a while; no test may need that they have. */
TEST_FN void yield_often(int n)
{
    for (int i = 0; i < n; i++)
        weft_yield();
}

#endif
