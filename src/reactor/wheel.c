/* SPDX-License-Identifier: MIT */
/*
 * wheel.c - the timer wheel.
 *
 * Time is cut into ticks of 2^12 ns.  A tick is read as groups of 8 bits, one group a level: group
 * 0 is the index of a fine slot, group 4 (and nothing above it) the index in the last level.
 *
 *   tick      ... | group 4 | group 3 | group 2 | group 1 | group 0
 *   a slot is     |  4.9 h  |  69 s   |  268 ms |   1 ms  |   4 us
 *
 * A timer lies in the level of the highest group in which its tick differs from elapsed_tick.
 * So within a level all occupied slots are ahead of elapsed_tick and in order of time, and all of
 * a lower level expires before anything of a higher one: the first timer is found by five looks
 * at bitmaps.  When elapsed_tick reaches the start of a slot above the fine level, the slot is
 * emptied and its timers are added again; each lands lower, so that a timer moves 4 times at most
 * on its way (and once more for each 52 days).
 *
 * The last level is a ring: it looks 255 slots ahead of elapsed_tick, across the overflow of its
 * group.  What lies beyond waits in the slot that is 255 ahead, the farthest.  Such timers are
 * later than their slot says, hence the last level is the one whose slots are not in order of
 * their earliest deadlines; only weft__wheel_next_ns() has to know.
 *
 *   elapsed_tick >= 0, and it never goes back
 *   bits         set exactly for the slots that hold a timer
 *   slot_min_ns  <= each deadline in the slot, while the slot holds one
 */
#include "wheel.h"

#include <stddef.h>
#include <string.h>

#define GROUP_BITS 8
#define GROUP_MASK (WEFT__WHEEL_SLOTS - 1)
#define LAST_LEVEL (WEFT__WHEEL_LEVELS - 1)
#define LAST_SHIFT (GROUP_BITS * LAST_LEVEL)
#define BITMAP_WORDS (WEFT__WHEEL_SLOTS / 64)

/* The instant a tick begins, rounded towards the present: nothing is before 0. */
static int64_t tick_of(int64_t ns)
{
    return ns < 0 ? 0 : ns >> WEFT__WHEEL_TICK_SHIFT;
}

static unsigned group_of(int64_t tick, int level)
{
    return (unsigned)(tick >> (GROUP_BITS * level)) & GROUP_MASK;
}

void weft__wheel_init(struct weft__wheel *w, int64_t now_ns)
{
    w->elapsed_tick = tick_of(now_ns);
}

/* The slot for a deadline, as level * 256 + index. */
static uint16_t place(const struct weft__wheel *w, int64_t deadline_ns)
{
    int64_t tick = tick_of(deadline_ns);
    if (tick < w->elapsed_tick)
        tick = w->elapsed_tick; /* overdue: the current slot is the next one looked at */

    int64_t farthest = (w->elapsed_tick >> LAST_SHIFT) + GROUP_MASK;
    if (tick >> LAST_SHIFT > farthest)
        tick = farthest << LAST_SHIFT;

    uint64_t differing = (uint64_t)(tick ^ w->elapsed_tick);
    int level = differing == 0 ? 0 : (63 - __builtin_clzll(differing)) / GROUP_BITS;
    if (level > LAST_LEVEL)
        level = LAST_LEVEL; /* group 4 overflows between now and then */
    return (uint16_t)((unsigned)level * WEFT__WHEEL_SLOTS + group_of(tick, level));
}

static void link_timer(struct weft__wheel *w, struct weft__timer *t)
{
    unsigned slot = place(w, t->deadline_ns);
    unsigned level = slot / WEFT__WHEEL_SLOTS, index = slot % WEFT__WHEEL_SLOTS;
    struct weft__timer **head = &w->slots[level][index];
    int64_t *min_ns = &w->slot_min_ns[level][index];

    if (*head == NULL || t->deadline_ns < *min_ns)
        *min_ns = t->deadline_ns;
    t->slot = (uint16_t)slot;
    t->next = *head;
    t->prev_next = head;
    if (*head != NULL)
        (*head)->prev_next = &t->next;
    *head = t;
    w->bits[level][index / 64] |= UINT64_C(1) << (index % 64);
}

/* A slot's list became empty. */
static void mark_empty(struct weft__wheel *w, unsigned level, unsigned index)
{
    w->bits[level][index / 64] &= ~(UINT64_C(1) << (index % 64));
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
    unsigned level = t->slot / WEFT__WHEEL_SLOTS, index = t->slot % WEFT__WHEEL_SLOTS;

    *t->prev_next = t->next;
    if (t->next != NULL)
        t->next->prev_next = t->prev_next;
    t->prev_next = NULL;
    if (w->slots[level][index] == NULL)
        mark_empty(w, level, index);
    w->armed_count--;
    return true;
}

/* The first occupied slot of a level, searched as a ring from `from`; -1 if there is none. */
static int first_occupied(const uint64_t *bits, unsigned from)
{
    unsigned word = from / 64;
    uint64_t ahead = bits[word] & (~UINT64_C(0) << (from % 64));

    /* One look more than there are words: the last is at the part before `from`. */
    for (int looks = 0; looks <= BITMAP_WORDS; looks++) {
        if (ahead != 0)
            return (int)(word * 64) + __builtin_ctzll(ahead);
        word = (word + 1) % BITMAP_WORDS;
        ahead = bits[word];
    }
    return -1;
}

/* The first occupied slot of all, in *level and *index; false if the wheel is empty. */
static bool first_slot(const struct weft__wheel *w, int *level, unsigned *index)
{
    for (int l = 0; l < WEFT__WHEEL_LEVELS; l++) {
        int i = first_occupied(w->bits[l], group_of(w->elapsed_tick, l));
        if (i >= 0) {
            *level = l;
            *index = (unsigned)i;
            return true;
        }
    }
    return false;
}

/* The tick at which an occupied slot begins. */
static int64_t slot_start(const struct weft__wheel *w, int level, unsigned index)
{
    int shift = GROUP_BITS * level;
    unsigned ahead = (index - group_of(w->elapsed_tick, level)) & GROUP_MASK;
    return ((w->elapsed_tick >> shift) + ahead) << shift;
}

/* Add the timers of a slot again, which elapsed_tick has just reached. */
static void cascade(struct weft__wheel *w, int level, unsigned index)
{
    struct weft__timer *t = w->slots[level][index];

    w->slots[level][index] = NULL;
    mark_empty(w, (unsigned)level, index);
    while (t != NULL) {
        struct weft__timer *next = t->next;
        link_timer(w, t);
        t = next;
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
    struct weft__timer **head = &w->slots[0][index], *t = *head;
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
        w->slot_min_ns[0][index] = min_ns;
    *due_end = later;
    if (later != NULL)
        later->prev_next = due_end;
    *head = due;
    if (due != NULL)
        due->prev_next = head;
    else
        mark_empty(w, 0, index);
}

struct weft__timer *weft__wheel_advance(struct weft__wheel *w, int64_t now_ns, int max)
{
    int64_t elapsed_ns = w->elapsed_tick << WEFT__WHEEL_TICK_SHIFT;
    if (now_ns < elapsed_ns)
        now_ns = elapsed_ns; /* time went backwards */
    int64_t now_tick = tick_of(now_ns);
    struct fired fired = {.end = &fired.first, .max = max};

    while (fired.count < max) {
        int level;
        unsigned index;
        if (!first_slot(w, &level, &index)) {
            w->elapsed_tick = now_tick;
            break;
        }
        int64_t start = slot_start(w, level, index);
        if (start > now_tick) {
            w->elapsed_tick = now_tick;
            break;
        }
        w->elapsed_tick = start;
        if (level > 0)
            cascade(w, level, index);
        else if (w->slot_min_ns[0][index] <= now_ns)
            take_due(w, index, now_ns, &fired);
        else
            break; /* the current slot, and nothing in it is due */
    }
    *fired.end = NULL;
    return fired.first;
}

int64_t weft__wheel_next_ns(const struct weft__wheel *w)
{
    int level;
    unsigned index;

    if (!first_slot(w, &level, &index))
        return INT64_MAX;
    int64_t next_ns = w->slot_min_ns[level][index];
    if (level < LAST_LEVEL)
        return next_ns;

    /* Timers that wait in a slot for want of a farther one may be later than those of the slots
     * behind it. */
    for (unsigned word = 0; word < BITMAP_WORDS; word++) {
        for (uint64_t left = w->bits[level][word]; left != 0; left &= left - 1) {
            unsigned i = word * 64 + (unsigned)__builtin_ctzll(left);
            if (w->slot_min_ns[level][i] < next_ns)
                next_ns = w->slot_min_ns[level][i];
        }
    }
    return next_ns;
}
