/* SPDX-License-Identifier: MIT */
/*
 * cancel_tree.c - a tree of coroutines, and a cancel that goes down one branch of it.
 *
 *     cancel_tree [DEPTH]
 *
 * Every node opens a group for its two children and waits for them; the leaves wait for something
 * that never comes.  Cancelling the group of the left branch ends that half and nothing else; then
 * a deadline ends the rest, whose leaves have something to put away first.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <weft.h>

static atomic_int n_waiting, n_cancelled, n_put_away;

struct node {
    int depth;
    bool is_careful; /* the leaves below it put something away */
};

/* Waits for ever; what is shielded is done all the same. */
static int leaf(const struct node *node)
{
    int rc;

    atomic_fetch_add(&n_waiting, 1);
    rc = weft_sleep(WEFT_NEVER);
    atomic_fetch_add(&n_cancelled, 1);
    if (node->is_careful) {
        WEFT_SHIELD(a_moment, WEFT_SEC) {
            if (weft_sleep(WEFT_MS) == 0)
                atomic_fetch_add(&n_put_away, 1);
        }
    }
    return rc;
}

static int branch(void *arg)
{
    const struct node *node = arg;
    struct node below = {node->depth - 1, node->is_careful};
    int rc = 0;

    if (node->depth == 0)
        return leaf(node);
    WEFT_GROUP(children) {
        for (int i = 0; i < 2 && rc == 0; i++)
            rc = weft_group_go(&children, branch, &below);
        if (rc == 0)
            rc = weft_group_wait(&children);
    }
    return rc;
}

static int app(void *arg)
{
    const int depth = *(int *)arg;
    struct node left = {depth - 1, false}, right = {depth - 1, true};
    int rc = 0;

    WEFT_GROUP(right_half, .on_error = WEFT_GROUP_RUNS_ON) {
        WEFT_GROUP(left_half, .on_error = WEFT_GROUP_RUNS_ON) {
            rc = weft_group_go(&left_half, branch, &left);
            if (rc == 0)
                rc = weft_group_go(&right_half, branch, &right);
            while (rc == 0 && atomic_load(&n_waiting) < 1 << depth)
                weft_yield();
            printf("%d leaves wait\n", atomic_load(&n_waiting));
            weft_group_cancel(&left_half);
        }
        printf("%d were cancelled with the left half\n", atomic_load(&n_cancelled));
        WEFT_DEADLINE(patience, 10 * WEFT_MS) {
            if (weft_group_wait(&right_half) == -ETIMEDOUT)
                printf("%d when patience was over; %d have put their things away\n",
                       atomic_load(&n_cancelled), atomic_load(&n_put_away));
        }
    }
    return rc == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    int depth = argc > 1 ? atoi(argv[1]) : 10;

    if (depth < 1 || depth > 16) {
        fprintf(stderr, "usage: cancel_tree [DEPTH], from 1 to 16\n");
        return 2;
    }
    return weft_run(app, &depth);
}
