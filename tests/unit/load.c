/* SPDX-License-Identifier: MIT */
/*
 * load.c - a processor that always has something to run looks at everything else in between.
 *
 * matrix: short
 */
#include "net_test.h"

/* Two that talk to each other all the time; they neither yield nor leave their processor. */
static atomic_bool is_over;

static int talk(void *arg)
{
    chan *const *ch = arg;
    int v = 0;

    while (chan_recv(ch[0], &v) == 0 && chan_send(ch[1], &v) == 0)
        ;
    chan_close(ch[1]);
    return 0;
}

static int begin_to_talk(void *arg)
{
    chan *const *ch = arg;
    int v = 0;

    do
        CHECK_EQ(chan_send(ch[0], &v), 0);
    while (chan_recv(ch[1], &v) == 0 && !atomic_load(&is_over));
    chan_close(ch[0]);
    return 0;
}

struct talkers {
    chan *ch[2];
    struct weft_co *co[2];
};

static void start_talk(struct talkers *t)
{
    atomic_store(&is_over, false);
    for (int i = 0; i < 2; i++)
        t->ch[i] = chan_make(sizeof(int), 0);
    t->co[0] = weft_go_with(talk, t->ch);
    t->co[1] = weft_go_with(begin_to_talk, t->ch);
}

static void end_talk(struct talkers *t)
{
    atomic_store(&is_over, true);
    for (int i = 0; i < 2; i++)
        join(t->co[i]);
    for (int i = 0; i < 2; i++)
        chan_unref(t->ch[i]);
}

static int sleep_beside(void *unused)
{
    struct talkers t;

    (void)unused;
    start_talk(&t);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    end_talk(&t);
    return 0;
}

/* Goal: a timer fires although two coroutines keep the only processor busy with each other.
 * Method: else this takes for ever. */
TEST_LIMIT(a_timer_fires_beside_a_talking_pair, 10)
{
    CHECK_EQ(weft_run_with(sleep_beside, NULL, .procs = 1), 0);
}

static int write_later(void *arg)
{
    CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_EQ(weft_write(*(int *)arg, "x", 1), 1);
    return 0;
}

static int read_beside(void *unused)
{
    struct talkers t;
    char byte;
    int fds[2];

    (void)unused;
    unix_pair(fds);
    start_talk(&t);
    for (int i = 0; i < 10; i++) {
        struct weft_co *co = weft_go_with(write_later, &fds[1]);
        CHECK_EQ(weft_read(fds[0], &byte, 1), 1);
        join(co);
    }
    end_talk(&t);
    close_both(fds);
    return 0;
}

/* Goal: an fd that becomes ready is noticed beside two that keep the only processor busy. */
TEST_LIMIT(an_event_arrives_beside_a_talking_pair, 10)
{
    CHECK_EQ(weft_run_with(read_beside, NULL, .procs = 1), 0);
}

/* Goal: a sleep that is shorter than a millisecond sleeps, too: it does not turn round and round
 * because some call of the kernel counts in milliseconds.
 * Method: the processors count their sleeps; those that are over at once come in thousands. */
CO_TEST(a_short_sleep_is_one_sleep)
{
    struct weft_stats before = {.size = sizeof before}, after = before;
    const int n = 300;

    CHECK_EQ(weft_runtime_stats(NULL, &before), 0);
    for (int i = 0; i < n; i++)
        CHECK_EQ(weft_sleep(900 * WEFT_US), 0);
    CHECK_EQ(weft_runtime_stats(NULL, &after), 0);
    CHECK_LE(after.sleeps - before.sleeps, n * 4 * weft_runtime_procs(NULL));
    return 0;
}
