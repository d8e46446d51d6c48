/* SPDX-License-Identifier: MIT */
/*
 * select_timeout.c - waiting for several things at once, and not for ever.
 *
 *   1  a select over two sources and a timeout: the fast one answers, the slow one is given up;
 *   2  the same limit as a deadline scope, which holds for every blocking call inside it;
 *   3  a ticker and a timeout in one loop.
 */
#include <errno.h>
#include <stdio.h>

#include <weft.h>

struct source {
    const char *name;
    int64_t after_ns;
    chan *answers; /* of const char * */
    chan *stop;    /* closed when nobody waits for answers any more */
};

/* Answers once, after a time, unless it is told to stop first. */
static int source_run(void *arg)
{
    struct source *s = arg;

    SELECT {
        ON_AFTER(s->after_ns) { chan_send(s->answers, &s->name); }
        ON_RECV(s->stop, NULL) { printf("%s stops\n", s->name); }
    }
    return 0;
}

static void wait_with_timeout(chan *answers)
{
    const char *name = "";
    bool is_over = false;

    while (!is_over) {
        SELECT {
            ON_RECV(answers, &name) { printf("%s answers\n", name); }
            ON_AFTER(300 * WEFT_MS) {
                puts("no more answers for 300 ms");
                is_over = true; /* a break here would only leave the select */
            }
        }
    }
}

static void wait_within_deadline(chan *answers)
{
    WEFT_DEADLINE(limit, 50 * WEFT_MS) {
        int rc = weft_sleep(10 * WEFT_MS);

        if (rc == 0)
            rc = chan_recv(answers, NULL);
        if (rc == -ETIMEDOUT && weft_scope_cause(&limit) == WEFT_CAUSE_THIS)
            puts("the deadline of 50 ms has passed");
    }
}

static void count_ticks(void)
{
    struct weft_ticker *ticker = weft_ticker_make(10 * WEFT_MS, WEFT_TICK_BURST);
    const int64_t end_ns = weft_deadline_in(2 * WEFT_SEC);
    int n_ticks = 0;
    bool is_over = false;

    while (!is_over) {
        struct weft_case cases[] = {weft_case_tick(ticker), weft_case_until(end_ns)};

        if (n_ticks < 3 && weft_select(cases, 2) == 0)
            n_ticks++;
        else
            is_over = true;
    }
    printf("%d ticks\n", n_ticks);
    weft_ticker_free(ticker);
}

static int app(void *arg)
{
    chan *answers = chan_make(sizeof(const char *), 2);
    chan *stop = chan_make(0, 0);
    struct source fast = {"fast", 1 * WEFT_MS, answers, stop};
    struct source slow = {"slow", 3600 * WEFT_SEC, answers, stop};
    struct weft_co *running[] = {weft_go_with(source_run, &fast, .name = "fast"),
                                 weft_go_with(source_run, &slow, .name = "slow")};
    int rc = 0;

    (void)arg;
    wait_with_timeout(answers);
    wait_within_deadline(answers);
    count_ticks();

    chan_close(stop); /* every receive from it is ready from now on, with -EPIPE */
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = running[i] == NULL ? 1 : weft_join(running[i], NULL);
    chan_unref(answers);
    chan_unref(stop);
    return rc == 0 ? 0 : 1;
}

int main(void)
{
    return weft_run(app, NULL);
}
