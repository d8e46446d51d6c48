/* SPDX-License-Identifier: MIT */
/* event.h - an event in a case of a select. */
#ifndef WEFT_SYNC_EVENT_H
#define WEFT_SYNC_EVENT_H

#include "../park/select_ops.h"

extern const struct weft__select_ops weft__event_ops;

#endif
