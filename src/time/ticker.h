/* SPDX-License-Identifier: MIT */
/* ticker.h - a ticker from inside, for select. */
#ifndef WEFT_TIME_TICKER_H
#define WEFT_TIME_TICKER_H

#include <weft/time.h>

/* When the next tick is due. */
int64_t weft__ticker_due_ns(const struct weft_ticker *t);

/* Take the tick that is due now: how many periods it stands for.  Plans the next one. */
int64_t weft__ticker_take(struct weft_ticker *t);

#endif
