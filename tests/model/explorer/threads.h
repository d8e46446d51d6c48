/* SPDX-License-Identifier: MIT */
/* threads.h - who runs: the threads of a model, on stacks of their own; see explore.h. */
#ifndef WEFT_MODEL_THREADS_H
#define WEFT_MODEL_THREADS_H

#include <arch/context.h>
#include <base/self.h>

#define MODEL_STACK_BYTES ((size_t)128 * 1024)
#define MODEL_HELD_MAX 64
#define MODEL_WATCH_MAX 64

/* A word that is used by atomic operations. */
struct model_word {
    uintptr_t at;
    uint8_t users; /* a bit a thread, kept from one execution to the next */
    bool is_written, is_shared;
    uint32_t run; /* what follows is of this execution */
    uint32_t version;
    uint64_t hash; /* who wrote it last, after whom */
    struct model_clock clock;
};

/* A store that has not left its thread's buffer. */
struct model_held {
    struct model_word *word;
    volatile void *at;
    unsigned bytes;
    bool is_release;
    bool is_late; /* somebody has seen the value before */
    uint64_t value;
    uint64_t hash;
    struct model_clock clock;
    const struct model_at *where;
    memory_order order;
};

enum model_status { MODEL_READY, MODEL_SPINS, MODEL_SLEEPS, MODEL_ON_FUTEX, MODEL_ENDED };

struct model_thread {
    int id;
    enum model_status status;
    void (*fn)(void);
    void *sp;
    uint64_t hash; /* what it has done and seen */
    struct model_clock clock;
    struct model_clock released; /* by its last fence: what its relaxed stores publish */
    struct model_clock seen;     /* by relaxed loads: what its next fence acquires */
    struct model_held held[MODEL_HELD_MAX];
    int n_held;
    struct model_word *watch[MODEL_WATCH_MAX]; /* what it has looked at since it last spun */
    uint32_t watch_version[MODEL_WATCH_MAX];
    int n_watch;
    bool watches_all;          /* it has looked at more than that */
    struct model_event *event; /* what it sleeps on */
    const volatile void *futex;
    bool is_woken, has_deadline;
    struct weft__m *m; /* its weft__m_self() and weft__gate_self() while another one runs */
    struct weft__gate *gate;
};

static struct {
    const struct model *model;
    struct model_thread threads[MODEL_THREADS_MAX];
    int n;
    struct model_thread *cur; /* NULL in begin() and end() */
    void *main_sp;
    int preemptions, late; /* what is left of the bounds */
    bool is_cut;           /* this execution came to a state that was seen */
    bool must_restart;     /* a word turned out to be shared, which nobody minded so far */
    bool goes_through_all; /* also what was seen before: a test of the explorer itself */
    bool is_settling;      /* the order of stores to one word is being decided */
    uint64_t memory_hash;
    uint32_t run;
} ex;

static char model_stacks[MODEL_THREADS_MAX][MODEL_STACK_BYTES] __attribute__((aligned(64)));

/* memory.h */
static bool model_has_changed(const struct model_thread *t);
static bool model_drain(struct model_thread *t);
static bool model_drain_all(void);
static struct model_clock model_publish(struct model_thread *t, memory_order order);
static void model_join(struct model_clock *to, const struct model_clock *from);

static bool model_can_run(const struct model_thread *t)
{
    switch (t->status) {
    case MODEL_READY:
        return true;
    case MODEL_SPINS:
        return model_has_changed(t);
    case MODEL_SLEEPS:
        return t->event->is_set;
    case MODEL_ON_FUTEX:
        return t->is_woken || t->has_deadline;
    case MODEL_ENDED:
        break;
    }
    return false;
}

/* The state: what each thread has done and seen, what memory and the buffers hold. */
static uint64_t model_state_hash(void)
{
    uint64_t hash = model_mix(ex.memory_hash, (uint64_t)(ex.cur - ex.threads));

    for (int i = 0; i < ex.n; i++) {
        const struct model_thread *t = &ex.threads[i];

        hash = model_mix(hash, t->hash + (uint64_t)t->status);
        for (int k = 0; k < t->n_held; k++)
            hash = model_mix(hash, t->held[k].hash + t->held[k].is_late);
    }
    return hash;
}

static void model_leave(void)
{
    void *gone;

    weft__ctx_switch(&gone, ex.main_sp);
    __builtin_unreachable();
}

_Noreturn static void model_stuck(void)
{
    char text[256] = "";
    size_t n = 0;

    for (int i = 0; i < ex.n; i++)
        if (ex.threads[i].status != MODEL_ENDED)
            n += (size_t)snprintf(text + n, sizeof text - n, " T%d %s", i,
                                  ex.threads[i].status == MODEL_SPINS ? "spins" : "sleeps");
    model_fail("nobody can go on:%s", text);
}

/* Who may run now?  The running one first, if it can go on. */
static int model_candidates(bool can_go_on, struct model_thread **out)
{
    int n = 0;

    if (can_go_on) {
        out[n++] = ex.cur;
        if (ex.preemptions == 0)
            return n;
    }
    for (int i = 0; i < ex.n; i++) {
        struct model_thread *t = &ex.threads[i];

        if (!(can_go_on && t == ex.cur) && model_can_run(t))
            out[n++] = t;
    }
    return n;
}

static void model_switch(struct model_thread *to)
{
    struct model_thread *from = ex.cur;

    if (to == from)
        return;
    from->m = weft__m_self();
    from->gate = weft__gate_self();
    ex.cur = to;
    weft__m_set_self(to->m);
    weft__gate_set_self(to->gate);
    weft__ctx_switch(&from->sp, to->sp);
}

/* The running thread has come to a place where others may go on; or must, if it cannot. */
static void model_pick(bool can_go_on, const struct model_at *where)
{
    struct model_thread *out[MODEL_THREADS_MAX];
    int n = model_candidates(can_go_on, out);

    if (n == 0 && model_drain_all())
        n = model_candidates(false, out);
    if (n == 0) {
        for (int i = 0; i < ex.n && !ex.must_restart; i++)
            if (ex.threads[i].status != MODEL_ENDED)
                model_stuck();
        model_leave();
    }
    /* Only where there is a choice: to look at a state costs more than some steps. */
    if (n > 1 && model_path_is_new() && !ex.goes_through_all &&
        model_seen_note(model_state_hash(), (unsigned)ex.preemptions, (unsigned)ex.late)) {
        ex.is_cut = true;
        model_leave();
    }
    struct model_thread *to = out[model_choose(n)];

    if (can_go_on && to != ex.cur) {
        ex.preemptions--;
        model_note(STEP_INTERRUPTED, ex.cur->id, where, 0, memory_order_relaxed);
    }
    model_switch(to);
}

static void *model_thread_main(void *arg)
{
    struct model_thread *t = arg;

    t->fn();
    model_note(STEP_ENDS, t->id, NULL, 0, memory_order_relaxed);
    t->status = MODEL_ENDED;
    model_pick(false, NULL);
    return NULL;
}

static void model_thread_init(struct model_thread *t, int id, void (*fn)(void))
{
    t->id = id;
    t->status = MODEL_READY;
    t->fn = fn;
    t->hash = (uint64_t)id + 1;
    memset(&t->clock, 0, sizeof t->clock);
    t->clock.at[id] = 1;
    memset(&t->released, 0, sizeof t->released);
    memset(&t->seen, 0, sizeof t->seen);
    t->n_held = 0;
    t->n_watch = 0;
    t->watches_all = false;
    t->m = NULL;
    t->gate = NULL;
    t->sp = weft__ctx_make(model_stacks[id] + MODEL_STACK_BYTES, model_thread_main, t, NULL);
}

/* ---- sleeping ---- */

TEST_FN void model_event_do_set(struct model_event *e, const struct model_at *where)
{
    struct model_thread *t = ex.cur;

    model_pick(true, where);
    model_note(STEP_WAKES, t->id, where, 0, memory_order_relaxed);
    e->is_set = true;
    e->hash = model_mix(t->hash, e->hash);
    t->hash = model_mix(t->hash, 3);
    if (e->orders) {
        model_drain(t);
        e->clock = model_publish(t, memory_order_release);
    }
}

TEST_FN void model_event_do_wait(struct model_event *e, const struct model_at *where)
{
    struct model_thread *t = ex.cur;

    model_pick(true, where);
    if (!e->is_set) {
        model_note(STEP_SLEEPS, t->id, where, 0, memory_order_relaxed);
        t->event = e;
        t->status = MODEL_SLEEPS;
        model_pick(false, where);
        t->status = MODEL_READY;
    }
    e->is_set = false;
    if (e->orders)
        model_join(&t->clock, &e->clock);
    t->hash = model_mix(t->hash, e->hash);
    e->hash = model_mix(e->hash, 4);
}

/* ---- the whole ---- */

static void model_be_nobody(void)
{
    ex.cur = NULL;
    weft__m_set_self(NULL);
    weft__gate_set_self(NULL);
}

/* One execution; false if it came to a state that was seen before. */
static bool model_execute(void)
{
    const struct model *what = ex.model;

    ex.run++;
    ex.n = 0;
    ex.memory_hash = 0;
    ex.preemptions = what->preemptions;
    ex.late = what->late;
    ex.is_cut = false;
    ex.is_settling = false;
    model_n_steps = 0;
    model_be_nobody();
    what->begin();
    model_be_nobody();
    for (; ex.n < MODEL_THREADS_MAX && what->thread[ex.n]; ex.n++)
        model_thread_init(&ex.threads[ex.n], ex.n, what->thread[ex.n]);
    ex.cur = &ex.threads[model_choose(ex.n)];
    weft__ctx_switch(&ex.main_sp, ex.cur->sp);
    if (ex.is_cut || ex.must_restart)
        return false;
    model_drain_all();
    model_be_nobody();
    if (what->end)
        what->end();
    return true;
}

/* What was gone through. */
struct model_count {
    long whole, cut, steps;
    int longest;
};

static void model_count_one(struct model_count *count, bool is_whole)
{
    *(is_whole ? &count->whole : &count->cut) += 1;
    count->steps += model_n_steps;
    if (count->longest < model_n_steps)
        count->longest = model_n_steps;
}

static void model_crash(int sig)
{
    model_fail("T%d was ended by signal %d", ex.cur ? ex.cur->id : -1, sig);
}

/* A pointer that leads nowhere is an outcome like others: its schedule is printed. */
static void model_catch_crashes(void)
{
    static char stack[64 * 1024];
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    const struct sigaction action = {.sa_handler = model_crash, .sa_flags = SA_ONSTACK};

    CHECK_EQ(sigaltstack(&alternate, NULL), 0);
    CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
    CHECK_EQ(sigaction(SIGBUS, &action, NULL), 0);
}

static void model_explore(const struct model *what)
{
    const clock_t start = clock();
    const int more = (int)test_env("WEFT_MODEL_MORE", 0);
    struct model m = *what;
    struct model_count count = {0};

    m.preemptions += more;
    m.late += more;
    if (test_env("WEFT_MODEL_SHORT", 0) && !m.is_of_the_explorer) {
        m.preemptions = m.preemptions < 2 ? m.preemptions : 2;
        m.late = m.late < 1 ? m.late : 1;
    }
    CHECK(m.preemptions <= MODEL_BOUND_MAX && m.late <= MODEL_BOUND_MAX);
    ex.model = &m;
    model_catch_crashes();
    model_seen_clear();
    for (;;) {
        model_count_one(&count, model_execute());
        if (ex.must_restart) {
            ex.must_restart = false;
            model_seen_clear();
            model_path.n = model_path.next = 0;
            count = (struct model_count){0};
        } else if (!model_path_advance()) {
            break;
        }
    }
    printf("%s\n    at most %d preemptions, %d late stores: %ld executions, %ld that ended in a "
           "state seen before; %zu states, %ld steps, %d in the longest; %.2f s\n",
           m.name, m.preemptions, m.late, count.whole, count.cut, model_seen.n, count.steps,
           count.longest, (double)(clock() - start) / CLOCKS_PER_SEC);
}

#endif
