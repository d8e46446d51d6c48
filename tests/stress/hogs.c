/* SPDX-License-Identifier: MIT */
/*
 * hogs.c - coroutines that keep their processors for a random while, all the time, beside others
 * that count each other's messages: what is served from outside meets its owner at every step.
 *
 * matrix: short
 */
#include "net_test.h"

static int64_t until;

static void keep_for(int64_t ns)
{
    const int64_t end = weft_now() + ns;

    while (weft_now() < end)
        ;
}

static int hog(void *arg)
{
    uint64_t x = *(uint64_t *)arg | 1;

    while (test_now_ms() < until) {
        keep_for((int64_t)(test_random(&x) % 12) * WEFT_MS);
        switch (test_random(&x) % 3) {
        case 0:
            weft_yield();
            break;
        case 1:
            CHECK_EQ(weft_sleep((int64_t)(test_random(&x) % 3000) * WEFT_US), 0);
            break;
        default:
            usleep(3000);
        }
    }
    return 0;
}

struct pair {
    chan *there, *back;
    int fds[2];
    uint64_t seed;
};

static int play(void *arg)
{
    struct pair *p = arg;
    uint64_t x = p->seed | 1;
    long v = 0, expected;
    char byte = 'a';

    while (test_now_ms() < until) {
        expected = v + 1;
        CHECK_EQ(chan_send(p->there, &v), 0);
        CHECK_EQ(chan_recv(p->back, &v), 0);
        CHECK_EQ(v, expected);
        CHECK_EQ(weft_write(p->fds[0], &byte, 1), 1);
        CHECK_EQ(weft_read(p->fds[0], &byte, 1), 1);
        if (test_random(&x) % 4 == 0)
            WEFT_DEADLINE (s, (int64_t)(test_random(&x) % 1500) * WEFT_US)
                (void)!weft_sleep(WEFT_MS);
    }
    chan_close(p->there);
    CHECK_EQ(weft_shutdown(p->fds[0], SHUT_WR), 0);
    return 0;
}

static int answer(void *arg)
{
    struct pair *p = arg;
    long v;
    char byte;

    while (chan_recv(p->there, &v) == 0) {
        v++;
        CHECK_EQ(chan_send(p->back, &v), 0);
        CHECK_EQ(weft_read(p->fds[1], &byte, 1), 1);
        CHECK_EQ(weft_write(p->fds[1], &byte, 1), 1);
    }
    return 0;
}

enum { PAIRS = 8, HOGS_MAX = 4 };

/* Goal: nothing is lost, nor done twice, while processors are hogged, served and come back, and
 * relief ones are called and sent to rest. */
STRESS_TEST(pairs_talk_on_while_hogs_come_and_go)
{
    static struct pair pairs[PAIRS];
    struct weft_co *co[2 * PAIRS + HOGS_MAX];
    uint64_t x = test_seed() | 1, seeds[HOGS_MAX];
    int n = 0;

    until = test_now_ms() + test_stress_ms();
    for (int i = 0; i < PAIRS; i++) {
        pairs[i] = (struct pair){chan_make(sizeof(long), i % 3), chan_make(sizeof(long), 0),
                                 {0, 0}, test_random(&x)};
        (i % 2 ? tcp_pair : unix_pair)(pairs[i].fds);
        co[n++] = weft_go_with(play, &pairs[i]);
        co[n++] = weft_go_with(answer, &pairs[i]);
    }
    for (int i = 0; i < HOGS_MAX; i++) {
        seeds[i] = test_random(&x);
        co[n++] = weft_go_with(hog, &seeds[i]);
    }
    while (n-- > 0)
        join(co[n]);
    for (int i = 0; i < PAIRS; i++) {
        for (int k = 0; k < 2; k++)
            CHECK_EQ(weft_close(pairs[i].fds[k]), 0);
        chan_unref(pairs[i].there);
        chan_unref(pairs[i].back);
    }
    return 0;
}
