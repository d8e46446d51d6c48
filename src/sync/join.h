/* SPDX-License-Identifier: MIT */
/* join.h - a handle in a case of a select. */
#ifndef WEFT_SYNC_JOIN_H
#define WEFT_SYNC_JOIN_H

#include "../park/select_ops.h"

extern const struct weft__select_ops weft__join_ops;

#endif
