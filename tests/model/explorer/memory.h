/* SPDX-License-Identifier: MIT */
/* memory.h - what is seen: words, the buffers of stores, and who is ordered before whom; see
 * explore.h. */
#ifndef WEFT_MODEL_MEMORY_H
#define WEFT_MODEL_MEMORY_H

#define MODEL_WORDS 4096 /* a power of two; at most half of them are used */

static struct model_word model_words[MODEL_WORDS];
static int model_n_words;

static uint64_t model_peek(const volatile void *at, unsigned bytes)
{
    switch (bytes) {
    case 1:
        return *(const volatile uint8_t *)at;
    case 2:
        return *(const volatile uint16_t *)at;
    case 4:
        return *(const volatile uint32_t *)at;
    default:
        return *(const volatile uint64_t *)at;
    }
}

static void model_poke(volatile void *at, unsigned bytes, uint64_t value)
{
    switch (bytes) {
    case 1:
        *(volatile uint8_t *)at = (uint8_t)value;
        break;
    case 2:
        *(volatile uint16_t *)at = (uint16_t)value;
        break;
    case 4:
        *(volatile uint32_t *)at = (uint32_t)value;
        break;
    default:
        *(volatile uint64_t *)at = value;
    }
}

/* The running thread is about to use the word at an address. */
static struct model_word *model_use(const volatile void *at, bool writes)
{
    size_t i = ((uintptr_t)at * UINT64_C(0x9e3779b97f4a7c15)) >> 40 & (MODEL_WORDS - 1);
    struct model_word *w;

    while ((w = &model_words[i])->at && w->at != (uintptr_t)at)
        i = (i + 1) & (MODEL_WORDS - 1);
    if (!w->at) {
        if (2 * ++model_n_words > MODEL_WORDS)
            model_fail("more than %d words", MODEL_WORDS / 2);
        w->at = (uintptr_t)at;
    }
    if (w->run != ex.run) {
        w->run = ex.run;
        w->version = 0;
        w->hash = 0;
        memset(&w->clock, 0, sizeof w->clock);
    }
    w->users |= (uint8_t)(1 << ex.cur->id);
    w->is_written |= writes;
    if (!w->is_shared && w->is_written && (w->users & (w->users - 1))) {
        w->is_shared = true;
        ex.must_restart = true;
    }
    return w;
}

/* ---- order ---- */

static void model_join(struct model_clock *to, const struct model_clock *from)
{
    for (int i = 0; i < MODEL_THREADS_MAX; i++)
        if (to->at[i] < from->at[i])
            to->at[i] = from->at[i];
}

static bool model_acquires(memory_order order)
{
    return order == memory_order_acquire || order >= memory_order_acq_rel;
}

static bool model_releases(memory_order order)
{
    return order >= memory_order_release;
}

/* What a read of a word brings with it. */
static void model_see(struct model_thread *t, const struct model_word *w, memory_order order)
{
    t->hash = model_mix(t->hash, w->hash);
    model_join(model_acquires(order) ? &t->clock : &t->seen, &w->clock);
}

/* What a write takes along. */
static struct model_clock model_publish(struct model_thread *t, memory_order order)
{
    if (!model_releases(order))
        return t->released;
    struct model_clock clock = t->clock;

    t->clock.at[t->id]++;
    return clock;
}

static void model_pass_fence(struct model_thread *t)
{
    model_join(&t->clock, &t->seen);
    t->released = t->clock;
    t->clock.at[t->id]++;
}

/* ---- memory and buffers ---- */

/* A change of its own is nothing that a spinning thread waits for. */
static void model_know_own(struct model_thread *t, const struct model_word *w)
{
    for (int i = 0; i < t->n_watch; i++)
        if (t->watch[i] == w && t->watch_version[i] + 1 == w->version)
            t->watch_version[i]++;
}

/* A write of t comes to memory. */
static void model_write(struct model_thread *t, struct model_word *w, volatile void *at,
                        unsigned bytes, uint64_t value, uint64_t hash)
{
    model_poke(at, bytes, value);
    ex.memory_hash ^= model_mix(w->at, w->hash);
    w->hash = model_mix(hash, w->hash);
    w->version++;
    ex.memory_hash ^= model_mix(w->at, w->hash);
    model_know_own(t, w);
}

/* May the i-th store of a buffer not leave before an older one? */
static bool model_waits_for(const struct model_thread *t, int i, int older)
{
    return t->held[i].is_release || t->held[i].word == t->held[older].word;
}

/* The stores of others to a word: true if some of them stay behind. */
static bool model_resolve(const struct model_thread *t, const struct model_word *w);

/* The i-th store of t leaves the buffer, after those that it must not overtake.  Others may have
 * stored to the same word: which of them is last is decided here. */
static void model_leave_buffer(struct model_thread *t, int i)
{
    for (int k = 0; k < i; k++) {
        const int n = t->n_held;

        if (model_waits_for(t, i, k)) {
            model_leave_buffer(t, k);
            i -= n - t->n_held;
            k = -1; /* those that are left have moved up */
        }
    }
    struct model_held h = t->held[i];

    model_refuse_gone((uintptr_t)h.at, true, t->id);
    if (!ex.is_settling) {
        ex.is_settling = true;
        (void)model_resolve(t, h.word);
        ex.is_settling = false;
    }
    memmove(&t->held[i], &t->held[i + 1], sizeof t->held[0] * (size_t)(t->n_held - i - 1));
    t->n_held--;
    model_write(t, h.word, h.at, h.bytes, h.value, h.hash);
    h.word->clock = h.clock;
    model_note(STEP_LEAVES, t->id, h.where, h.value, h.order);
}

static bool model_drain(struct model_thread *t)
{
    const bool had_some = t->n_held > 0;

    while (t->n_held > 0)
        model_leave_buffer(t, 0);
    return had_some;
}

static bool model_drain_all(void)
{
    bool had_some = false;

    for (int i = 0; i < ex.n; i++)
        had_some |= model_drain(&ex.threads[i]);
    return had_some;
}

/* The newest store of t to a word that is still in its buffer, -1 if there is none. */
static int model_newest(const struct model_thread *t, const struct model_word *w)
{
    int i = t->n_held - 1;

    while (i >= 0 && t->held[i].word != w)
        i--;
    return i;
}

/* Is it known of the i-th store of t that it is late, by itself or by one that it waits for? */
static bool model_is_late(const struct model_thread *t, int i)
{
    for (int k = 0; k < i; k++)
        if (t->held[k].is_late && model_waits_for(t, i, k))
            return true;
    return t->held[i].is_late;
}

/* Somebody else uses a word that t has stored to: how many of these stores come before?  Mostly
 * all; each one that is left behind is late. */
static bool model_resolve_with(struct model_thread *t, const struct model_word *w)
{
    int at[MODEL_HELD_MAX];
    int n = 0, options = 1;

    for (int i = 0; i < t->n_held; i++)
        if (t->held[i].word == w)
            at[n++] = i;
    if (n == 0)
        return false;
    /* The last one alone may stay, or the last two, ... */
    while (options <= n && (ex.late > 0 || model_is_late(t, at[n - options])))
        options++;
    const int stay = model_choose(options);

    if (stay > 0 && !model_is_late(t, at[n - stay])) {
        ex.late--;
        t->held[at[n - stay]].is_late = true;
    }
    if (stay < n)
        model_leave_buffer(t, at[n - stay - 1]);
    return stay > 0;
}

static bool model_resolve(const struct model_thread *t, const struct model_word *w)
{
    bool is_old = false;

    for (int i = 0; i < ex.n; i++)
        if (&ex.threads[i] != t)
            is_old |= model_resolve_with(&ex.threads[i], w);
    return is_old;
}

/* ---- spinning ---- */

static void model_look(struct model_thread *t, struct model_word *w)
{
    if (!w->is_shared)
        return;
    for (int i = 0; i < t->n_watch; i++)
        if (t->watch[i] == w)
            return;
    if (t->n_watch == MODEL_WATCH_MAX) {
        t->watches_all = true;
        return;
    }
    t->watch[t->n_watch] = w;
    t->watch_version[t->n_watch++] = w->version;
}

/* Is there something new in what a spinning thread has looked at, or on its way? */
static bool model_has_changed(const struct model_thread *t)
{
    if (t->watches_all)
        return true;
    for (int i = 0; i < t->n_watch; i++) {
        if (t->watch[i]->version != t->watch_version[i])
            return true;
        for (int k = 0; k < ex.n; k++)
            if (&ex.threads[k] != t && model_newest(&ex.threads[k], t->watch[i]) >= 0)
                return true;
    }
    return false;
}

/* Wait until somebody has changed a word that was looked at since the last call.  What is on its
 * way to such a word comes in: a store is not held back for ever. */
static void model_spin(const struct model_at *where)
{
    struct model_thread *t = ex.cur;

    model_note(STEP_SPINS, t->id, where, 0, memory_order_relaxed);
    t->status = MODEL_SPINS;
    t->hash = model_mix(t->hash, 5);
    model_pick(false, where);
    t->status = MODEL_READY;
    for (int i = 0; i < t->n_watch; i++)
        for (int k = 0; k < ex.n; k++)
            for (int newest;
                 &ex.threads[k] != t && (newest = model_newest(&ex.threads[k], t->watch[i])) >= 0;)
                model_leave_buffer(&ex.threads[k], newest);
    t->n_watch = 0;
    t->watches_all = false;
}

/* ---- the operations ---- */

/* Others may come first. */
static void model_come_to(const struct model_word *w, const struct model_at *where)
{
    if (w->is_shared)
        model_pick(true, where);
    model_refuse_gone(w->at, false, ex.cur->id);
}

void model_init(volatile void *at, unsigned bytes, uint64_t value)
{
    if (ex.cur)
        model_store(at, bytes, value, memory_order_relaxed, MODEL_AT("init"));
    else
        model_poke(at, bytes, value);
}

uint64_t model_load(const volatile void *at, unsigned bytes, memory_order order,
                    const struct model_at *where)
{
    struct model_thread *t = ex.cur;

    if (!t)
        return model_peek(at, bytes);
    struct model_word *w = model_use(at, false);

    model_come_to(w, where);
    const int own = model_newest(t, w);

    if (own >= 0) {
        t->hash = model_mix(t->hash, 1);
        model_note(STEP_LOAD_OWN, t->id, where, t->held[own].value, order);
        return t->held[own].value;
    }
    const bool is_old = model_resolve(t, w);

    model_look(t, w);
    model_see(t, w, order);
    if (w->is_shared)
        model_note(is_old ? STEP_LOAD_OLD : STEP_LOAD, t->id, where, model_peek(at, bytes), order);
    return model_peek(at, bytes);
}

void model_store(volatile void *at, unsigned bytes, uint64_t value, memory_order order,
                 const struct model_at *where)
{
    struct model_thread *t = ex.cur;

    if (!t) {
        model_poke(at, bytes, value);
        return;
    }
    struct model_word *w = model_use(at, true);

    model_come_to(w, where);
    t->hash = model_mix(t->hash, 2);
    if (!w->is_shared) {
        w->clock = model_publish(t, order);
        model_write(t, w, at, bytes, value, t->hash);
        return;
    }
    if (t->n_held == MODEL_HELD_MAX)
        model_leave_buffer(t, 0);
    model_note(STEP_STORE, t->id, where, value, order);
    t->held[t->n_held++] = (struct model_held){
        .word = w,
        .at = at,
        .bytes = bytes,
        .is_release = model_releases(order),
        .value = value,
        .hash = t->hash,
        .clock = model_publish(t, order),
        .where = where,
        .order = order,
    };
    if (order == memory_order_seq_cst)
        model_drain(t);
}

/* A read-modify-write or its failure begins: what it finds. */
static uint64_t model_begin_rmw(struct model_thread *t, struct model_word *w,
                                const volatile void *at, unsigned bytes, memory_order order,
                                const struct model_at *where)
{
    model_come_to(w, where);
    if (model_releases(order))
        model_drain(t);
    for (int own; (own = model_newest(t, w)) >= 0;)
        model_leave_buffer(t, own);
    (void)model_resolve(t, w);
    model_look(t, w);
    return model_peek(at, bytes);
}

/* And succeeds.  It goes on what the last release began, so that word's clock stays in it. */
static void model_end_rmw(struct model_thread *t, struct model_word *w, volatile void *at,
                          unsigned bytes, uint64_t value, memory_order order)
{
    model_see(t, w, order);
    const struct model_clock clock = model_publish(t, order);

    model_join(&w->clock, &clock);
    model_write(t, w, at, bytes, value, t->hash);
    if (order == memory_order_seq_cst)
        model_pass_fence(t);
}

uint64_t model_rmw(volatile void *at, unsigned bytes, enum model_rmw op, uint64_t value,
                   memory_order order, const struct model_at *where)
{
    struct model_thread *t = ex.cur;
    struct model_word *w = t ? model_use(at, true) : NULL;
    const uint64_t old = t ? model_begin_rmw(t, w, at, bytes, order, where) : model_peek(at, bytes);
    const uint64_t results[] = {
        [MODEL_EXCHANGE] = value,  [MODEL_ADD] = old + value, [MODEL_SUB] = old - value,
        [MODEL_AND] = old & value, [MODEL_OR] = old | value,
    };

    if (!t) {
        model_poke(at, bytes, results[op]);
        return old;
    }
    model_end_rmw(t, w, at, bytes, results[op], order);
    if (w->is_shared)
        model_note(STEP_RMW, t->id, where, old, order);
    return old;
}

bool model_compare_exchange(volatile void *at, unsigned bytes, void *expected, uint64_t desired,
                            memory_order success, memory_order failure,
                            const struct model_at *where)
{
    struct model_thread *t = ex.cur;
    struct model_word *w = t ? model_use(at, true) : NULL;
    const uint64_t old =
        t ? model_begin_rmw(t, w, at, bytes, success, where) : model_peek(at, bytes);
    const bool is_equal = old == model_peek(expected, bytes);

    if (!t && is_equal)
        model_poke(at, bytes, desired);
    if (!is_equal)
        model_poke(expected, bytes, old);
    if (!t)
        return is_equal;
    if (is_equal)
        model_end_rmw(t, w, at, bytes, desired, success);
    else
        model_see(t, w, failure);
    if (w->is_shared)
        model_note(is_equal ? STEP_RMW : STEP_CAS_FAILS, t->id, where, old, success);
    return is_equal;
}

void model_fence(memory_order order, const struct model_at *where)
{
    if (order != memory_order_seq_cst)
        model_fail("%s:%d: only seq_cst fences are modelled", where->file, where->line);
    if (!ex.cur)
        return;
    model_note(STEP_FENCE, ex.cur->id, where, 0, order);
    model_drain(ex.cur);
    model_pass_fence(ex.cur);
    ex.cur->hash = model_mix(ex.cur->hash, 6);
}

TEST_FN void model_membarrier(const struct model_at *where)
{
    model_pick(true, where);
    model_note(STEP_MEMBARRIER, ex.cur->id, where, 0, memory_order_seq_cst);
    for (int i = 0; i < ex.n; i++) {
        model_drain(&ex.threads[i]);
        model_pass_fence(&ex.threads[i]);
        ex.threads[i].hash = model_mix(ex.threads[i].hash, 7 + (uint64_t)ex.cur->id);
    }
}

/* ---- plain data ---- */

TEST_FN void model_cell_put(struct model_cell *c, long value, const struct model_at *where)
{
    struct model_thread *t = ex.cur;

    c->value = value;
    if (!t)
        return;
    model_note(STEP_PUT, t->id, where, (uint64_t)value, memory_order_relaxed);
    if (c->written > t->clock.at[c->writer])
        model_fail("T%d writes what T%d has written, with no order between them", t->id, c->writer);
    for (int i = 0; i < ex.n; i++)
        if (i != t->id && c->read.at[i] > t->clock.at[i])
            model_fail("T%d writes what T%d has read, with no order between them", t->id, i);
    c->written = t->clock.at[t->id];
    c->writer = (uint8_t)t->id;
}

TEST_FN long model_cell_get(struct model_cell *c, const struct model_at *where)
{
    struct model_thread *t = ex.cur;

    if (!t)
        return c->value;
    model_note(STEP_GET, t->id, where, (uint64_t)c->value, memory_order_relaxed);
    if (c->written > t->clock.at[c->writer])
        model_fail("T%d reads what T%d has written, with no order between them", t->id, c->writer);
    c->read.at[t->id] = t->clock.at[t->id];
    return c->value;
}

#endif
