/* SPDX-License-Identifier: MIT */
/* kinds.c - which table serves which kind of case: a new primitive adds its line here. */
#include "../chan/chan.h"
#include "../sync/join.h"
#include "select.h"

const struct weft__select_ops *weft__select_ops_of(int kind)
{
    switch (kind) {
    case WEFT_CASE_RECV:
        return &weft__chan_recv_ops;
    case WEFT_CASE_SEND:
        return &weft__chan_send_ops;
    case WEFT_CASE_JOIN:
        return &weft__join_ops;
    default:
        return NULL;
    }
}
