/* SPDX-License-Identifier: MIT */
/*
 * select_block.c - the block form of select: clauses, how they are left, errors, short names.
 *
 * matrix: short
 */
#include <poll.h>
#include <sys/socket.h>

#include "co_test.h"

/* Goal: the clause of the chosen case runs, once, with its rc; no other does. */
CO_TEST(the_clause_of_the_chosen_case_runs_once)
{
    chan *in = chan_make(sizeof(int), 1), *out = chan_make(sizeof(int), 1);
    int v = 0, w = 4, ran[3] = {0};

    CHECK_EQ(chan_send(out, &w), 0); /* full: only `in` can go on */
    for (int i = 1; i <= 50; i++) {
        CHECK_EQ(chan_send(in, &i), 0);
        WEFT_SELECT {
            WEFT_ON_SEND(out, &w) {
                ran[0]++;
            }
            WEFT_ON_RECV(in, &v) {
                CHECK_EQ(WEFT_SELECT_RC, 0);
                ran[1]++;
            }
            WEFT_ON_AFTER(WEFT_SEC) {
                ran[2]++;
            }
        }
        CHECK_EQ(v, i);
        CHECK_EQ(ran[1], i);
    }
    CHECK_EQ(ran[0], 0);
    CHECK_EQ(ran[2], 0);
    chan_close(in);
    SELECT {
        ON_RECV(in, &v) {
            CHECK_EQ(SELECT_RC, -EPIPE);
            ran[2]++;
        }
    }
    CHECK_EQ(ran[2], 1);
    chan_unref(in);
    chan_unref(out);
    return 0;
}

static int return_7(void *arg)
{
    (void)arg;
    return 7;
}

/* Goal: each kind of clause is entered when its case is chosen. */
CO_TEST(every_kind_of_clause_works)
{
    chan *ch = chan_make(sizeof(int), 1);
    struct weft_ticker *t = weft_ticker_make(WEFT_MS, WEFT_TICK_SKIP);
    struct weft_co *co = weft_go_with(return_7, NULL);
    int sv[2], v = 1, result = 0, seen = 0;

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
    SELECT {
        ON_DEFAULT { seen |= 1; }
        ON_RECV(ch, &v) { seen |= 1 << 16; }
    }
    SELECT {
        ON_RECV(ch, &v) { seen |= 1 << 16; }
        ON_SEND(ch, &v) { seen |= 2; }
    }
    SELECT {
        ON_SEND(ch, &v) { seen |= 1 << 16; }
        ON_RECV(ch, &v) { seen |= 4; }
    }
    SELECT {
        ON_READABLE(sv[0]) { seen |= 1 << 16; }
        ON_WRITABLE(sv[0]) { seen |= (SELECT_RC & POLLOUT) != 0 ? 8 : 0; }
    }
    CHECK_EQ(write(sv[1], "x", 1), 1);
    SELECT {
        ON_READABLE(sv[0]) { seen |= (SELECT_RC & POLLIN) != 0 ? 16 : 0; }
        ON_RECV(ch, &v) { seen |= 1 << 16; }
    }
    SELECT {
        ON_JOIN(co, &result) { seen |= result == 7 ? 32 : 0; }
    }
    SELECT {
        ON_TICK(t) { seen |= SELECT_RC >= 1 ? 64 : 0; }
        ON_RECV(ch, &v) { seen |= 1 << 16; }
    }
    SELECT {
        ON_RECV(NULL, &v) { seen |= 1 << 16; }
        ON_AFTER(WEFT_MS) { seen |= 128; }
    }
    CHECK_EQ(seen, 255);
    close(sv[0]);
    close(sv[1]);
    weft_ticker_free(t);
    chan_unref(ch);
    return 0;
}

static chan *count_calls(chan *ch, int *calls)
{
    (*calls)++;
    return ch;
}

/* Goal: the arguments of a clause are evaluated once, whether it is chosen or not. */
CO_TEST(arguments_are_evaluated_once)
{
    chan *ch = chan_make(sizeof(int), 1);
    int a = 0, b = 0, n = 0, v = 5;

    for (int i = 1; i <= 10; i++) {
        SELECT {
            ON_RECV(count_calls(ch, &a), &v) { CHECK_EQ(v, 5); }
            ON_SEND(count_calls(ch, &b), (n++, &v)) { CHECK_EQ(SELECT_RC, 0); }
        }
        CHECK_EQ(a, i);
        CHECK_EQ(b, i);
        CHECK_EQ(n, i);
    }
    chan_unref(ch);
    return 0;
}

/* Goal: break and continue inside a clause leave the select, and not the loop around it. */
CO_TEST(break_and_continue_leave_the_select)
{
    int turns = 0, behind = 0, after = 0;

    for (int i = 0; i < 10; i++) {
        SELECT {
            ON_AFTER(0) {
                turns++;
                if (i % 2 == 0)
                    break;
                if (i % 2 == 1)
                    continue;
                behind++;
            }
        }
        after++;
    }
    CHECK_EQ(turns, 10);
    CHECK_EQ(behind, 0);
    CHECK_EQ(after, 10);
    return 0;
}

static int return_from_a_clause(chan *ch)
{
    int v;

    SELECT {
        ON_RECV(ch, &v) { return v; }
        ON_AFTER(10 * WEFT_SEC) { return -1; }
    }
    return -2;
}

static int goto_from_a_clause(chan *ch)
{
    int v = 0;

    for (;;) {
        SELECT {
            ON_RECV(ch, &v) {
                if (v == 3)
                    goto out;
            }
        }
    }
out:
    return v;
}

static int send_0_to_9(void *arg)
{
    for (int i = 0; i < 10; i++)
        CHECK_EQ(chan_send(arg, &i), 0);
    return 0;
}

/* Goal: return and goto leave the function and the loop; the channel is as before. */
CO_TEST(return_and_goto_leave_a_clause)
{
    chan *ch = chan_make(sizeof(int), 0);
    struct weft_co *co = weft_go_with(send_0_to_9, ch);

    CHECK_EQ(return_from_a_clause(ch), 0);
    CHECK_EQ(goto_from_a_clause(ch), 3);
    for (int i = 4; i < 10; i++)
        CHECK_EQ(return_from_a_clause(ch), i);
    join(co);
    chan_unref(ch);
    return 0;
}

/* Goal: the error clause runs, with the code, when a scope has ended, and only then; it may stand
 * anywhere and be left by break. */
CO_TEST(the_error_clause_runs_when_a_scope_ends)
{
    chan *ch = chan_make(sizeof(int), 1);
    int v, errors = 0, others = 0;

    for (int i = 0; i < 6; i++) {
        WEFT_DEADLINE(s, i * 200 * WEFT_US) {
            SELECT {
                ON_RECV(ch, &v) { others++; }
                ON_ERROR(rc) {
                    CHECK_EQ(rc, -ETIMEDOUT);
                    errors++;
                    if (i % 2 == 0)
                        break;
                    if (i % 3 == 0)
                        continue;
                }
                ON_RECV(NULL, &v) { others++; }
            }
        }
        SELECT {
            ON_ERROR(rc) { others += 1 + (rc != 0); }
            ON_DEFAULT { v = 0; }
        }
    }
    CHECK_EQ(errors, 6);
    CHECK_EQ(others, 0);
    WEFT_DEADLINE(s, 0) /* without an error clause the block is just left */
        SELECT {
            ON_RECV(ch, &v) { others++; }
        }
    CHECK_EQ(others, 0);
    chan_unref(ch);
    return 0;
}

/* Goal: a block takes WEFT_SELECT_BLOCK_MAX clauses, and each can be the chosen one. */
CO_TEST(a_block_takes_sixteen_clauses)
{
    chan *ch[WEFT_SELECT_BLOCK_MAX];
    int v, chosen;

    CHECK_EQ(WEFT_SELECT_BLOCK_MAX, 16);
    for (int i = 0; i < 16; i++)
        ch[i] = chan_make(sizeof(int), 1);
    for (int i = 0; i < 16; i++) {
        CHECK_EQ(chan_send(ch[i], &i), 0);
        chosen = -1;
        SELECT {
            ON_RECV(ch[0], &v) { chosen = 0; }
            ON_RECV(ch[1], &v) { chosen = 1; }
            ON_RECV(ch[2], &v) { chosen = 2; }
            ON_RECV(ch[3], &v) { chosen = 3; }
            ON_RECV(ch[4], &v) { chosen = 4; }
            ON_RECV(ch[5], &v) { chosen = 5; }
            ON_RECV(ch[6], &v) { chosen = 6; }
            ON_RECV(ch[7], &v) { chosen = 7; }
            ON_RECV(ch[8], &v) { chosen = 8; }
            ON_RECV(ch[9], &v) { chosen = 9; }
            ON_RECV(ch[10], &v) { chosen = 10; }
            ON_RECV(ch[11], &v) { chosen = 11; }
            ON_RECV(ch[12], &v) { chosen = 12; }
            ON_RECV(ch[13], &v) { chosen = 13; }
            ON_RECV(ch[14], &v) { chosen = 14; }
            ON_RECV(ch[15], &v) { chosen = 15; }
        }
        CHECK_EQ(chosen, i);
        CHECK_EQ(v, i);
    }
    for (int i = 0; i < 16; i++)
        chan_unref(ch[i]);
    return 0;
}

static int select_in_a_clause(chan *outer, chan *inner)
{
    int v = 0, w = 0;

    SELECT {
        ON_RECV(outer, &v) {
/* A block inside a clause has a variable of the same name, which is meant to hide the outer one. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
            SELECT {
                ON_RECV(NULL, &w) { w = -1; }
                ON_RECV(inner, &w) { w *= 10; }
            }
#pragma GCC diagnostic pop
            CHECK_EQ(SELECT_RC, 0);
        }
        ON_RECV(NULL, &v) { v = -1; }
    }
    return v + w;
}

/* Goal: a select may stand inside a clause of another. */
CO_TEST(a_clause_may_hold_a_select)
{
    chan *ch = chan_make(sizeof(int), 0);
    struct weft_co *co = weft_go_with(send_0_to_9, ch);

    for (int i = 0; i < 10; i += 2)
        CHECK_EQ(select_in_a_clause(ch, ch), i + 10 * (i + 1));
    join(co);
    chan_unref(ch);
    return 0;
}

/* Goal: an empty block waits for ever, until a scope ends. */
CO_TEST(an_empty_block_waits_until_a_scope_ends)
{
    int64_t start = weft_now();

    WEFT_DEADLINE(s, 2 * WEFT_MS) {
        SELECT {
        }
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
    }
    CHECK_GE(weft_now() - start, 2 * WEFT_MS);
    return 0;
}

struct both_ways {
    chan *to, *from;
    int n;
};

static int echo_by_blocks(void *arg)
{
    struct both_ways *b = arg;
    int v = 0, held = 0;

    for (int done = 0; done < b->n;) {
        SELECT {
            ON_RECV(held ? NULL : b->to, &v) { held = 1; }
            ON_SEND(held ? b->from : NULL, &v) {
                held = 0;
                done++;
            }
        }
    }
    return 0;
}

/* Goal: blocks on both sides of unbuffered channels deliver everything in order. */
CO_TEST(blocks_meet_blocks_on_unbuffered_channels)
{
    struct both_ways b = {chan_make(sizeof(int), 0), chan_make(sizeof(int), 0), scaled(5000)};
    struct weft_co *co = weft_go_with(echo_by_blocks, &b);
    int sent = 0, received = 0, v;

    while (received < b.n) {
        SELECT {
            ON_SEND(sent < b.n ? b.to : NULL, &sent) { sent++; }
            ON_RECV(b.from, &v) {
                CHECK_EQ(v, received);
                received++;
            }
        }
    }
    CHECK_EQ(sent, b.n);
    join(co);
    chan_unref(b.to);
    chan_unref(b.from);
    return 0;
}
