/* SPDX-License-Identifier: MIT */
/*
 * chan_room.c - what becomes of those who wait to send when there is room again.
 *
 * matrix: short
 */
#include "co_test.h"

static int send_77(void *arg)
{
    int number = 77;

    return chan_send(arg, &number);
}

/* Goal: one receive from a full buffer lets one waiting sender go on, without a second receive.
 * Method: nothing else happens, so a sender that is passed over is a deadlock. */
CO_TEST(a_receive_makes_room_for_one_waiting_sender)
{
    for (int cap = 1; cap <= 5; cap++) {
        chan *ch = chan_make(sizeof(int), (size_t)cap);
        int v;
        for (int i = 0; i < cap; i++)
            CHECK_EQ(chan_send(ch, &i), 0);
        struct weft_co *co = weft_go_with(send_77, ch);
        yield_often(100); /* it waits, or will find the room itself */
        CHECK_EQ(chan_recv(ch, &v), 0);
        CHECK_EQ(v, 0);
        join(co);
        CHECK_EQ(weft_chan_len(ch), cap);
        for (int i = 1; i <= cap; i++) {
            CHECK_EQ(chan_recv(ch, &v), 0);
            CHECK_EQ(v, i < cap ? i : 77);
        }
        chan_unref(ch);
    }
    return 0;
}
