/* SPDX-License-Identifier: MIT */
/* kinds.c - which table serves which kind of case: a new primitive adds its line here. */
#include "../chan/chan.h"
#include "../chan/shapes.h"
#include "../future/future.h"
#include "../sync/event.h"
#include "../sync/join.h"
#include "select.h"

const struct weft__select_ops *const weft__select_kinds[WEFT_CASE_DEFAULT + 1] = {
    [WEFT_CASE_RECV] = &weft__chan_recv_ops,
    [WEFT_CASE_SEND] = &weft__chan_send_ops,
    [WEFT_CASE_ONESHOT] = &weft__oneshot_ops,
    [WEFT_CASE_BROADCAST] = &weft__broadcast_ops,
    [WEFT_CASE_WATCH] = &weft__watch_ops,
    [WEFT_CASE_JOIN] = &weft__join_ops,
    [WEFT_CASE_FUTURE] = &weft__future_ops,
    [WEFT_CASE_WAKER] = &weft__waker_ops,
    [WEFT_CASE_EVENT] = &weft__event_ops,
};
