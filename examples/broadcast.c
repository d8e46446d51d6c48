/* SPDX-License-Identifier: MIT */
/*
 * broadcast.c - prices for everybody who wants to know them, at everybody's own pace.
 *
 *     broadcast [COUNT]
 *
 *                +--> "screen" takes each price at once
 *     app -------+--> "report" takes its time, and is told what it has missed
 *                +--> "record" follows the highest price so far
 *
 * Who sends never waits for who receives.  A broadcast keeps the newest prices, here four: a
 * subscriber that falls further behind loses the oldest, goes on with what is kept, and knows how
 * many it has lost.  A watch keeps one value: whoever follows it wants its latest state, not each
 * step on the way.
 */
#include <stdio.h>
#include <stdlib.h>

#include <weft.h>

#define KEPT 4
#define PERIOD (2 * WEFT_MS)

WEFT_BROADCAST_TYPE(prices, int);
WEFT_WATCH_TYPE(record, int);

struct reader {
    const char *name;
    prices_subscriber prices;
    int64_t pause_ns; /* what it does with a price takes that long */
};

static int read_prices(void *arg)
{
    struct reader *r = arg;
    int price = 0, n_seen = 0;
    int64_t lost, n_lost = 0;

    while ((lost = prices_recv(r->prices, &price)) >= 0) {
        n_seen++;
        n_lost += lost;
        if (r->pause_ns > 0 && weft_sleep(r->pause_ns) != 0)
            break;
    }
    printf("%s: %d prices seen, %lld lost, the last one %d\n", r->name, n_seen, (long long)n_lost,
           price);
    prices_unsubscribe(r->prices);
    return 0;
}

static int follow_record(void *arg)
{
    record highest = *(record *)arg;
    uint64_t seen = 0;
    int price = 0;

    while (record_wait(highest, &price, &seen) == 0)
        ;
    printf("record: %d\n", price);
    return 0;
}

static void send_prices(prices all, record highest, int count)
{
    struct weft_ticker *ticker = weft_ticker_make(PERIOD, WEFT_TICK_SKIP);
    int price = 100, top = 0;

    for (int i = 0; i < count && weft_ticker_wait(ticker) > 0; i++) {
        price += i % 3 == 2 ? -5 : 4;
        prices_send(all, price);
        if (price > top) {
            top = price;
            record_set(highest, top);
        }
    }
    weft_ticker_free(ticker);
}

static int app(void *arg)
{
    prices all = prices_make(KEPT);
    record highest = record_make(0);
    struct reader screen = {"screen", prices_subscribe(all), 0};
    struct reader report = {"report", prices_subscribe(all), 5 * PERIOD};
    struct weft_co *readers[] = {weft_go_with(read_prices, &screen, .name = "screen"),
                                 weft_go_with(read_prices, &report, .name = "report"),
                                 weft_go_with(follow_record, &highest, .name = "record")};
    int rc = 0;

    send_prices(all, highest, *(int *)arg);
    prices_unref(all); /* the last reference: readers take what is kept, and end */
    record_close(highest);
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = readers[i] == NULL ? 1 : weft_join(readers[i], NULL);
    record_unref(highest);
    return rc == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 50;

    return weft_run(app, &count);
}
