/* SPDX-License-Identifier: MIT */
/*
 * path.h - the decisions of one execution, the next ones to try, and which states were seen before;
 * see explore.h.
 *
 * Depth first: an execution repeats the decisions of the last one up to the last that has an
 * alternative left, takes that, and the first alternative from there on.
 */
#ifndef WEFT_MODEL_PATH_H
#define WEFT_MODEL_PATH_H

#define MODEL_PATH_MAX 20000

struct model_decision {
    uint8_t n;
    uint8_t taken;
};

static struct {
    struct model_decision at[MODEL_PATH_MAX];
    int n;    /* decisions that are known */
    int next; /* of them, how many this execution has come to */
} model_path;

/* One of n, n > 0. */
static int model_choose(int n)
{
    if (n == 1)
        return 0;
    if (model_path.next == model_path.n) {
        if (model_path.n == MODEL_PATH_MAX)
            model_fail("an execution does not end: %d decisions", model_path.n);
        model_path.at[model_path.n++] = (struct model_decision){(uint8_t)n, 0};
    }
    const struct model_decision *d = &model_path.at[model_path.next++];

    if (d->n != n)
        model_fail("an execution is not repeated by its decisions: %d of %d", n, d->n);
    return d->taken;
}

/* Has this execution left what the last one did? */
static bool model_path_is_new(void)
{
    return model_path.next == model_path.n;
}

/* The decisions of the next execution; false if there is none. */
static bool model_path_advance(void)
{
    while (model_path.n > 0) {
        struct model_decision *d = &model_path.at[model_path.n - 1];

        if (++d->taken < d->n)
            break;
        model_path.n--;
    }
    model_path.next = 0;
    return model_path.n > 0;
}

/* Spreads every bit of both over the result. */
static inline uint64_t model_mix(uint64_t a, uint64_t b)
{
    uint64_t x = (a ^ (b * UINT64_C(0x9e3779b97f4a7c15))) * UINT64_C(0xbf58476d1ce4e5b9);

    x ^= x >> 29;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 32) ^ (a << 1);
}

/*
 * States that were seen: a word each, of the upper bits of their hash, and below what was left of
 * the two bounds.  States that agree in the 56 bits are taken for the same; in a check that goes
 * through a million of them that happens once in 150,000 times.
 */
#define MODEL_BOUND_MAX 15

static struct {
    uint64_t *slots; /* 0: empty */
    size_t n, room;  /* room is a power of two */
} model_seen;

static void model_seen_make(size_t room)
{
    model_seen.slots = calloc(room, sizeof *model_seen.slots);
    CHECK(model_seen.slots != NULL);
    model_seen.room = room;
}

static void model_seen_clear(void)
{
    free(model_seen.slots);
    model_seen_make((size_t)1 << 16);
    model_seen.n = 0;
}

/* Where a state is, or goes. */
static uint64_t *model_seen_find(uint64_t state)
{
    size_t i = (state >> 8) & (model_seen.room - 1);

    while (model_seen.slots[i] && (model_seen.slots[i] ^ state) >> 8)
        i = (i + 1) & (model_seen.room - 1);
    return &model_seen.slots[i];
}

static void model_seen_grow(void)
{
    uint64_t *old = model_seen.slots;
    const size_t n = model_seen.room;

    model_seen_make(2 * n);
    for (size_t i = 0; i < n; i++)
        if (old[i])
            *model_seen_find(old[i]) = old[i];
    free(old);
}

/* Notes a state; true if it was there, with as much left of both. */
static bool model_seen_note(uint64_t hash, unsigned preemptions, unsigned late)
{
    const uint64_t state = (hash | 256) & ~UINT64_C(255);
    uint64_t *slot = model_seen_find(state);
    const unsigned had_preemptions = *slot & 15, had_late = *slot >> 4 & 15;

    if (*slot && had_preemptions >= preemptions && had_late >= late)
        return true;
    if (*slot && (had_preemptions > preemptions || had_late > late))
        return false;
    model_seen.n += !*slot;
    *slot = state | late << 4 | preemptions;
    if (4 * model_seen.n > 3 * model_seen.room)
        model_seen_grow();
    return false;
}

#endif
