/* SPDX-License-Identifier: MIT */
/*
 * books.h - the frame of books.c: those who act, the things that they share for a while, and the
 * ledger in which everything is written down once where it is given and once where it is taken.
 */
#ifndef WEFT_TESTS_BOOKS_H
#define WEFT_TESTS_BOOKS_H

#include <sched.h>

#include "net_test.h"

/* ---- the ledger ---- */

enum entry {
    NOTHING,
    SENT, RECEIVED, LEFT,
    ANSWERED, TOLD, UNTOLD,
    BROADCAST, SEEN, OVERTAKEN,
    CHANGED, VERSIONS,
    PROMISED, RESOLVED, REJECTED, CANCELLED, BROKEN,
    WRITTEN, READ, DRAINED,
    DIALED, HEARD, UNHEARD,
    ACCEPTED, SERVED, HUNG_UP,
    LOCKED, COUNTED_ALONE,
    ACQUIRED, RELEASED,
    PUT, TAKEN, KEPT,
    CAME, MET,
    BEGUN, ENDED,
    CALLED, RETURNED,
    ENTRIES
};

struct book {
    const char *name;
    struct {
        enum entry entry;
        const char *name;
    } side[5]; /* the first is the sum of the others */
};

static const struct book books[] = {
    {"values of channels", {{SENT, "sent"}, {RECEIVED, "received"}, {LEFT, "buffered at the end"}}},
    {"answers", {{ANSWERED, "sent"}, {TOLD, "received"}, {UNTOLD, "never asked for"}}},
    {"broadcasts", {{BROADCAST, "sent"}, {SEEN, "received"}, {OVERTAKEN, "reported as lost"}}},
    {"watched values", {{CHANGED, "set"}, {VERSIONS, "versions"}}},
    {"promises", {{PROMISED, "made"}, {RESOLVED, "resolved"}, {REJECTED, "rejected"},
                  {CANCELLED, "cancelled"}, {BROKEN, "broken"}}},
    {"bytes", {{WRITTEN, "written"}, {READ, "read"}, {DRAINED, "left at the end"}}},
    {"connections dialed", {{DIALED, "dialed"}, {HEARD, "answered"},
                            {UNHEARD, "not accepted before the close"}}},
    {"connections accepted", {{ACCEPTED, "accepted"}, {SERVED, "served"},
                              {HUNG_UP, "given up by the caller"}}},
    {"connections", {{SERVED, "served"}, {HEARD, "answered"}}},
    {"locks", {{LOCKED, "taken"}, {COUNTED_ALONE, "counted without atomics"}}},
    {"permits", {{ACQUIRED, "acquired"}, {RELEASED, "released"}}},
    {"tokens", {{PUT, "put"}, {TAKEN, "taken"}, {KEPT, "left"}}},
    {"at barriers", {{CAME, "came"}, {MET, "met"}}},
    {"coroutines", {{BEGUN, "begun"}, {ENDED, "ended"}}},
    {"blocking jobs", {{CALLED, "called"}, {RETURNED, "returned"}}},
};

static atomic_llong ledger[ENTRIES];

static void book(enum entry entry, int64_t n)
{
    atomic_fetch_add(&ledger[entry], n);
}

static void balance_the_books(void)
{
    for (int i = 0; i < COUNT(books); i++) {
        int64_t sum = 0;
        printf("  %-21s", books[i].name);
        for (int k = 0; k < COUNT(books[i].side) && books[i].side[k].entry != NOTHING; k++) {
            int64_t n = atomic_load(&ledger[books[i].side[k].entry]);
            printf("%s%lld %s", k == 0 ? "" : k == 1 ? " = " : " + ", (long long)n,
                   books[i].side[k].name);
            sum += k == 0 ? n : -n;
        }
        printf("\n");
        if (sum != 0)
            TEST_FAIL("the book of the %s is not balanced: %lld", books[i].name, (long long)sum);
    }
}

/* How many of something are in one thing, and the sum of their values. */
struct tally {
    atomic_llong n, sum;
};

static void tally(struct tally *t, int64_t n, int64_t sum)
{
    atomic_fetch_add(&t->n, n);
    atomic_fetch_add(&t->sum, sum);
}

static void check_tally(const struct tally *t)
{
    CHECK_EQ(atomic_load(&t->n), 0);
    CHECK_EQ(atomic_load(&t->sum), 0);
}

/* ---- who acts ---- */

struct agent {
    uint64_t x; /* his random numbers */
    bool is_thread;
    atomic_flag is_locked; /* while it is, the scope stays open */
    struct weft_scope *scope;
};

static int below(struct agent *a, int n)
{
    return (int)(test_random(&a->x) >> 33) % n;
}

static void spin_lock(atomic_flag *is_locked)
{
    while (atomic_flag_test_and_set(is_locked))
        sched_yield();
}

static void spin_unlock(atomic_flag *is_locked)
{
    atomic_flag_clear(is_locked);
}

static void dawdle(struct agent *a)
{
    if (below(a, 4) != 0)
        return;
    if (a->is_thread)
        sched_yield();
    else if (below(a, 2) == 0)
        weft_yield();
    else
        (void)!weft_sleep(20 * WEFT_US); /* whatever the scope says */
}

/* ---- what they share ---- */

/*
 * A slot holds a thing, which any agent may take for an act.  Another puts a new one there and
 * closes the old one under those who wait in it; the last who drops it settles it.
 */
struct thing {
    struct kind *kind;
    atomic_int users; /* and one for the slot */
};

enum { SLOTS = 2 };

struct kind {
    size_t bytes; /* of the struct that begins with a thing */
    void (*open)(struct thing *t, struct agent *a);
    void (*close)(struct thing *t, struct agent *a);
    void (*settle)(struct thing *t); /* its own books are balanced, and it goes */
    bool by_coroutines;              /* threads keep off */
    struct slot {
        atomic_flag is_locked;
        struct thing *thing;
    } slots[SLOTS];
};

/* With `hold`, what it does is done before a close can begin. */
static void *thing_take(struct kind *k, struct agent *a, void (*hold)(struct thing *t))
{
    struct slot *s = &k->slots[below(a, SLOTS)];

    spin_lock(&s->is_locked);
    struct thing *t = s->thing;
    atomic_fetch_add(&t->users, 1);
    if (hold != NULL)
        hold(t);
    spin_unlock(&s->is_locked);
    return t;
}

static void thing_drop(struct thing *t)
{
    if (atomic_fetch_sub(&t->users, 1) != 1)
        return;
    t->kind->settle(t);
    free(t);
}

/* A new thing in the slot, or none any more. */
static void slot_renew(struct kind *k, struct slot *s, struct agent *a, bool is_last)
{
    struct thing *t = NULL;

    if (!is_last) {
        t = calloc(1, k->bytes);
        CHECK(t != NULL);
        t->kind = k;
        atomic_init(&t->users, 1);
        k->open(t, a);
    }
    spin_lock(&s->is_locked);
    struct thing *old = s->thing;
    s->thing = t;
    spin_unlock(&s->is_locked);
    if (old == NULL)
        return;
    k->close(old, a);
    thing_drop(old);
}

#endif
