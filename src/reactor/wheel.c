/* SPDX-License-Identifier: MIT */
/*
 * wheel.c - the timer wheel.
 *
 * Time is cut into ticks of 2^12 ns.  A tick is read as groups of bits, one group a level, which is
 * the index of a slot there:
 *
 *   tick      ... | group 4 | group 3 | group 2 | group 1 | group 0
 *   bits          |    8    |    8    |    8    |   12    |    8
 *   a slot is     |  78 h   |  18 min |  4.3 s  |  1 ms   |   4 us
 *
 * Each level is a ring that looks ahead of elapsed_tick by its number of slots less one, and a
 * timer lies in the lowest level that sees as far.  So within a level all occupied slots are ahead
 * of elapsed_tick and in order of time, and the first of all is that of the level whose first one
 * begins first.  When elapsed_tick reaches the start of a slot above the fine level, the slot is
 * emptied and its timers are added again; each lands lower, so that a timer moves 4 times at most
 * on its way (and once more for each 2 years).
 *
 * To move one costs a look at memory that was not used for long, and to empty a slot of many is a
 * long time for those who wait for the wheel.  Hence level 1 is the widest: what waits for less
 * than some seconds moves once, a millisecond's worth at a time, right before it fires.
 *
 * What lies beyond the last level waits in its farthest slot.  Such timers are later than their
 * slot says, hence that is the one level whose slots are not in order of their earliest deadlines;
 * only weft__wheel_next_ns() has to know.
 *
 *   elapsed_tick >= 0, and it never goes back
 *   bits         set exactly for the slots that hold a timer
 *   words        bit i of a level's is set exactly if word i of its bits is not 0
 *   min_ns       <= each deadline in the slot, while the slot holds one
 */
#include "wheel.h"

#include <stddef.h>
#include <string.h>

#define LAST_LEVEL (WEFT__WHEEL_LEVELS - 1)
#define FINE WEFT__WHEEL_FINE_SLOTS
#define BEHIND_TICKS (INT64_C(1) << 16) /* 268 ms */
#define TAKEN_MAX (8 * WEFT__WHEEL_LANES)

/* A level: where its group lies in a tick, how wide it is, and the first of its slots. */
static const struct level {
    uint8_t shift, bits;
    uint16_t first;
} levels[WEFT__WHEEL_LEVELS] = {
    {0, 8, 0}, {8, 12, FINE}, {20, 8, FINE + 4096}, {28, 8, FINE + 4352}, {36, 8, FINE + 4608},
};

/* The instant a tick begins, rounded towards the present: nothing is before 0. */
static int64_t tick_of(int64_t ns)
{
    return ns < 0 ? 0 : ns >> WEFT__WHEEL_TICK_SHIFT;
}

static unsigned mask_of(int level)
{
    return (1u << levels[level].bits) - 1;
}

static unsigned group_of(int64_t tick, int level)
{
    return (unsigned)(tick >> levels[level].shift) & mask_of(level);
}

/* The level of a slot. */
static int level_of(unsigned slot)
{
    int level = LAST_LEVEL;
    while (slot < levels[level].first)
        level--;
    return level;
}

void weft__wheel_init(struct weft__wheel *w, int64_t now_ns)
{
    w->elapsed_tick = tick_of(now_ns);
}

/* The slot for a deadline. */
static unsigned place(const struct weft__wheel *w, int64_t deadline_ns)
{
    int64_t tick = tick_of(deadline_ns);
    if (tick < w->elapsed_tick)
        tick = w->elapsed_tick; /* overdue: the current slot is the next one looked at */

    int64_t slot, ahead;
    int level = -1;
    do {
        level++;
        slot = tick >> levels[level].shift;
        ahead = slot - (w->elapsed_tick >> levels[level].shift);
    } while (ahead > mask_of(level) && level < LAST_LEVEL);
    if (ahead > mask_of(level))
        slot -= ahead - mask_of(level);
    return levels[level].first + ((unsigned)slot & mask_of(level));
}

static int64_t *min_of(struct weft__wheel *w, unsigned slot)
{
    return slot < FINE ? &w->fine[slot].min_ns : &w->coarse[slot - FINE].min_ns;
}

/* The list of a slot that the next timer goes into. */
static struct weft__timer **list_for_next(struct weft__wheel *w, unsigned slot)
{
    if (slot < FINE)
        return &w->fine[slot].first;
    w->lane = w->lane + 1 < WEFT__WHEEL_LANES ? w->lane + 1 : 0;
    return &w->coarse[slot - FINE].first[w->lane];
}

static bool is_empty(const struct weft__wheel *w, unsigned slot)
{
    if (slot < FINE)
        return w->fine[slot].first == NULL;
    uintptr_t any = 0;
    for (int lane = 0; lane < WEFT__WHEEL_LANES; lane++)
        any |= (uintptr_t)w->coarse[slot - FINE].first[lane];
    return any == 0;
}

static void mark_occupied(struct weft__wheel *w, unsigned slot)
{
    int level = level_of(slot);
    w->bits[slot / 64] |= UINT64_C(1) << (slot % 64);
    w->words[level] |= UINT64_C(1) << (slot - levels[level].first) / 64;
}

/* A slot's last timer has gone. */
static void mark_empty(struct weft__wheel *w, unsigned slot)
{
    w->bits[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    if (w->bits[slot / 64] == 0) {
        int level = level_of(slot);
        w->words[level] &= ~(UINT64_C(1) << (slot - levels[level].first) / 64);
    }
}

static bool is_marked(const struct weft__wheel *w, unsigned slot)
{
    return (w->bits[slot / 64] >> (slot % 64) & 1) != 0;
}

static void link_timer(struct weft__wheel *w, struct weft__timer *t)
{
    unsigned slot = place(w, t->deadline_ns);
    struct weft__timer **head = list_for_next(w, slot);
    int64_t *min_ns = min_of(w, slot);

    if (!is_marked(w, slot)) {
        mark_occupied(w, slot);
        *min_ns = t->deadline_ns;
    } else if (t->deadline_ns < *min_ns) {
        *min_ns = t->deadline_ns;
    }
    t->slot = (uint16_t)slot;
    t->next = *head;
    t->prev_next = head;
    if (*head != NULL)
        (*head)->prev_next = &t->next;
    *head = t;
}

void weft__wheel_add(struct weft__wheel *w, struct weft__timer *t, int64_t deadline_ns)
{
    t->deadline_ns = deadline_ns;
    link_timer(w, t);
    w->armed_count++;
}

bool weft__wheel_remove(struct weft__wheel *w, struct weft__timer *t)
{
    if (!weft__timer_is_armed(t))
        return false;
    *t->prev_next = t->next;
    if (t->next != NULL)
        t->next->prev_next = t->prev_next;
    else if (is_empty(w, t->slot))
        mark_empty(w, t->slot);
    t->prev_next = NULL;
    w->armed_count--;
    return true;
}

/* The index of the first occupied slot of a level that has some, searched as a ring from the
 * present. */
static unsigned first_occupied(const struct weft__wheel *w, int level)
{
    const uint64_t *bits = &w->bits[levels[level].first / 64];
    unsigned from = group_of(w->elapsed_tick, level), word = from / 64;
    uint64_t ahead = bits[word] & (~UINT64_C(0) << (from % 64));
    if (ahead == 0) {
        /* In a later word, or from the first on: then perhaps in this one, before `from`. */
        uint64_t later = w->words[level] & (~UINT64_C(1) << word);
        word = (unsigned)__builtin_ctzll(later != 0 ? later : w->words[level]);
        ahead = bits[word];
    }
    return word * 64 + (unsigned)__builtin_ctzll(ahead);
}

/* The tick at which an occupied slot begins. */
static int64_t slot_start(const struct weft__wheel *w, int level, unsigned index)
{
    int shift = levels[level].shift;
    unsigned ahead = (index - group_of(w->elapsed_tick, level)) & mask_of(level);
    return ((w->elapsed_tick >> shift) + ahead) << shift;
}

/* The slot that begins first, of several the one of the highest level, as its level and its index
 * there; returns when, INT64_MAX if the wheel is empty. */
static int64_t first_slot(const struct weft__wheel *w, int *level, unsigned *index)
{
    int64_t first = INT64_MAX;
    for (int l = LAST_LEVEL; l >= 0; l--) {
        if (w->words[l] == 0)
            continue;
        unsigned i = first_occupied(w, l);
        int64_t start = slot_start(w, l, i);
        if (start < first) {
            first = start;
            *level = l;
            *index = i;
        }
    }
    return first;
}

void weft__wheel_catch_up(struct weft__wheel *w, int64_t now_ns)
{
    int64_t tick = tick_of(now_ns);
    if (tick - w->elapsed_tick < BEHIND_TICKS)
        return;
    int level;
    unsigned index;
    int64_t first = first_slot(w, &level, &index);
    if (tick >= first)
        tick = first - 1; /* that one is to be emptied first */
    if (tick > w->elapsed_tick)
        w->elapsed_tick = tick;
}

/* Take timers out of a slot's lists, one of each in turn and nothing else between, so that those of
 * all lists are on their way at a time; as many as there is room for.  Returns how many. */
static int take_lanes(struct weft__timer **lanes, struct weft__timer **taken)
{
    int n = 0, before = -1;
    while (n != before && n <= TAKEN_MAX - WEFT__WHEEL_LANES) {
        before = n;
        for (int lane = 0; lane < WEFT__WHEEL_LANES; lane++) {
            struct weft__timer *t = lanes[lane];
            if (t != NULL) {
                taken[n++] = t;
                lanes[lane] = t->next;
            }
        }
    }
    return n;
}

/* Add the timers of a slot above the fine level again, which elapsed_tick has just reached. */
static void cascade(struct weft__wheel *w, unsigned slot)
{
    struct weft__timer *lanes[WEFT__WHEEL_LANES];
    struct weft__timer *taken[TAKEN_MAX];
    int n;

    memcpy(lanes, w->coarse[slot - FINE].first, sizeof lanes);
    memset(w->coarse[slot - FINE].first, 0, sizeof lanes);
    mark_empty(w, slot);
    while ((n = take_lanes(lanes, taken)) != 0) {
        for (int i = 0; i < n; i++) {
            link_timer(w, taken[i]);
        }
    }
}

/* What one advance has taken out so far. */
struct fired {
    struct weft__timer *first, **end;
    int count, max;
};

/* Append a timer to a list whose last link is *end; returns the new last link. */
static struct weft__timer **append(struct weft__timer **end, struct weft__timer *t)
{
    *end = t;
    t->prev_next = end;
    return &t->next;
}

/*
 * Take the due timers of a fine slot.  Those that are due but above max are put in front of those
 * that are not, so that repeated calls at one time do not search the whole slot again and again;
 * and where all so far were due, the rest need not be looked at.
 */
static void take_due(struct weft__wheel *w, unsigned index, int64_t now_ns, struct fired *fired)
{
    struct weft__timer **head = &w->fine[index].first, *t = *head;
    struct weft__timer *due = NULL, **due_end = &due, *later = NULL, **later_end = &later;
    int64_t min_ns = INT64_MAX;

    while (t != NULL && (fired->count < fired->max || later != NULL)) {
        struct weft__timer *next = t->next;
        if (t->deadline_ns <= now_ns && fired->count < fired->max) {
            fired->end = append(fired->end, t);
            t->prev_next = NULL;
            fired->count++;
            w->armed_count--;
        } else {
            if (t->deadline_ns <= now_ns)
                due_end = append(due_end, t);
            else
                later_end = append(later_end, t);
            if (t->deadline_ns < min_ns)
                min_ns = t->deadline_ns;
        }
        t = next;
    }

    *later_end = t; /* the part that was not looked at; then `due` and `later` are empty */
    if (t != NULL)
        t->prev_next = later_end;
    else
        w->fine[index].min_ns = min_ns;
    *due_end = later;
    if (later != NULL)
        later->prev_next = due_end;
    *head = due;
    if (due != NULL)
        due->prev_next = head;
    else
        mark_empty(w, index);
}

struct weft__timer *weft__wheel_advance(struct weft__wheel *w, int64_t now_ns, int max)
{
    int64_t elapsed_ns = w->elapsed_tick << WEFT__WHEEL_TICK_SHIFT;
    if (now_ns < elapsed_ns)
        now_ns = elapsed_ns; /* time went backwards */
    int64_t now_tick = tick_of(now_ns);
    struct fired fired = {.end = &fired.first, .max = max};

    while (fired.count < max) {
        int level = 0;
        unsigned index = 0;
        int64_t start = first_slot(w, &level, &index);
        if (start > now_tick) {
            w->elapsed_tick = now_tick;
            break;
        }
        w->elapsed_tick = start;
        if (level > 0)
            cascade(w, levels[level].first + index);
        else if (w->fine[index].min_ns <= now_ns)
            take_due(w, index, now_ns, &fired);
        else
            break; /* the current slot, and nothing in it is due */
    }
    *fired.end = NULL;
    return fired.first;
}

/* Of the last level: timers that wait in a slot for want of a farther one may be later than those
 * of the slots behind it. */
static int64_t last_level_next_ns(const struct weft__wheel *w)
{
    int64_t next_ns = INT64_MAX;
    for (unsigned i = 0; i <= mask_of(LAST_LEVEL); i++) {
        unsigned slot = levels[LAST_LEVEL].first + i;
        if (is_marked(w, slot) && w->coarse[slot - FINE].min_ns < next_ns)
            next_ns = w->coarse[slot - FINE].min_ns;
    }
    return next_ns;
}

int64_t weft__wheel_next_ns(const struct weft__wheel *w)
{
    int64_t next_ns = w->words[LAST_LEVEL] != 0 ? last_level_next_ns(w) : INT64_MAX;
    for (int level = 0; level < LAST_LEVEL; level++) {
        if (w->words[level] == 0)
            continue;
        unsigned slot = levels[level].first + first_occupied(w, level);
        int64_t min_ns = slot < FINE ? w->fine[slot].min_ns : w->coarse[slot - FINE].min_ns;
        if (min_ns < next_ns)
            next_ns = min_ns;
    }
    return next_ns;
}
