/* SPDX-License-Identifier: MIT */
/* defer_cxx.cc - keys and cleanups from C++, where a block is also left by an exception. */
#include <weft.h>

#include "test.h"

static char trail[16];

static void mark(void *arg)
{
    strcat(trail, static_cast<const char *>(arg));
}

static struct weft_key key = WEFT_KEY(mark, NULL);

static char a[] = "a", b[] = "b", c[] = "c", d[] = "d";

static void throw_it()
{
    WEFT_DEFER(mark, b);
    weft_yield();
    throw 1;
}

static int app(void *)
{
    CHECK_EQ(weft_local_set(&key, a), 0);
    CHECK_EQ(weft_defer(mark, d), 0);
    try {
        throw_it();
    } catch (int) {
        strcat(trail, c);
    }
    return 0;
}

/* Goal: an exception that passes a block runs its cleanup, once, before it is caught. */
TEST(an_exception_runs_the_cleanups_of_blocks)
{
    CHECK_EQ(weft_run(app, NULL), 0);
    CHECK_STR(trail, "bcda");
}
