/* SPDX-License-Identifier: MIT */
/*
 * state.c - what a coroutine counts as when a call has ended without parking it.
 *
 * matrix: short
 */
#include "base/self.h"
#include "net_test.h"

static void check_running(void)
{
    CHECK_EQ(atomic_load(&weft__m_self()->cur->state), G_RUNNING);
}

/* Goal: a wait that ends before it began leaves its coroutine running, not waiting: dumps and the
 * look at a deadlock believe that state.
 * Method: a deadline that has passed, on everything that first says that it will wait. */
CO_TEST(a_wait_that_did_not_happen_leaves_the_coroutine_running)
{
    chan *ch = chan_make(0, 0);
    struct weft_wait_group *wg = weft_wg_make();

    weft_wg_add(wg, 1);
    WEFT_DEADLINE (s, 0) {
        struct weft_case cases[] = {weft_case_recv(ch, NULL), weft_case_send(ch, NULL)};
        CHECK_EQ(chan_recv(ch, NULL), -ETIMEDOUT);
        check_running();
        CHECK_EQ(chan_send(ch, NULL), -ETIMEDOUT);
        check_running();
        CHECK_EQ(weft_select(cases, 2), -ETIMEDOUT);
        check_running();
        CHECK_EQ(weft_wg_wait(wg), -ETIMEDOUT);
        check_running();
        CHECK_EQ(weft_sleep(WEFT_SEC), -ETIMEDOUT);
        check_running();
    }
    weft_wg_done(wg);
    weft_wg_free(wg);
    chan_unref(ch);
    return 0;
}
