/* SPDX-License-Identifier: MIT */
/*
 * takeover.c - a P whose coroutine does not come back, and the look-out that serves it
 * (sched/lookout.h): who has its queues, its wheel and its reactor, and who is woken.
 *
 * The first thread is the M of that P; it comes back at any moment, or never.  The look-out is a
 * plain thread.  What is left to be run is counted: each is taken once.
 */
#include <poll.h>
#include <sys/epoll.h>

#include <sched/fault.h>
#include <sched/lookout.h>
#include <weft/blocking.h>

#include "procs.h"

#define ITEMS 2
#define DUE_NS (MODEL_BEGIN_NS + 5000000) /* of the timer */
#define NOW_NS (DUE_NS + 1000000)

static struct item {
    struct weft__g g;
    struct model_cell content;
    int taken;
} items[ITEMS];
static _Atomic int n_taken;
static char a_stack; /* of those that have begun; no byte of it is used */
static struct weft__g hog;

/* ---- below the sources ---- */

/* They run nowhere: a thread that has found one has done its work. */
bool weft__g_bind_stack(struct weft__p *p, struct weft__g *g)
{
    (void)p;
    (void)g;
    return true;
}

/* What runs on a P is read through the kernel: whatever stands there. */
void *weft__sys_peek(void *const *word)
{
    uint64_t value;

    if (ex.cur != NULL)
        model_pick(true, MODEL_AT("peek"));
    value = model_load(word, sizeof value, memory_order_relaxed, MODEL_AT("peek"));
    if (ex.cur != NULL)
        ex.cur->hash = model_mix(ex.cur->hash, value);
    return (void *)(uintptr_t)value;
}

/* The clock of a thread cannot be had: then a hog is whoever has not switched. */
int64_t weft__sys_thread_cpu_ns(int id)
{
    (void)id;
    return 0;
}

static struct model_event posted;

void weft__watch_post(uint32_t what)
{
    (void)what;
    model_event_set(&posted);
}

/* ---- all of them ---- */

static void set_running(struct weft__m *m, struct weft__g *g)
{
    model_store(&m->cur, sizeof m->cur, (uint64_t)(uintptr_t)g, memory_order_relaxed,
                MODEL_AT("m->cur"));
}

/* Nothing waits to be sent. */
static void send_nothing(struct weft__reactor *r, struct weft__op_list *done)
{
    (void)r;
    (void)done;
}

/* What stands behind the wheel, which is large. */
static void begin_rest_of_p(struct weft__p *p)
{
    struct weft__reactor *r = p->reactor;

    memset(&p->wheel_next_ns, 0, sizeof *p - offsetof(struct weft__p, wheel_next_ns));
    atomic_init(&p->wheel_next_ns, INT64_MAX);
    p->reactor = r;
}

static void begin_with(int procs)
{
    static struct weft__driver driver;

    procs_begin(procs);
    for (int i = 0; i < procs; i++)
        begin_rest_of_p(&procs_p[i]);
    driver = procs_driver;
    driver.send = send_nothing;
    procs_rt.reactors.driver = &driver;
    procs_rt.relief_refused_ns = NOW_NS; /* no relief P can be made */
    memset(items, 0, sizeof items);
    memset(&hog, 0, sizeof hog);
    atomic_init(&n_taken, 0);
    atomic_init(&model_passed_ns, NOW_NS - MODEL_BEGIN_NS);
    atomic_init(&weft__lookout_sleeps, 0);
    model_event_init(&posted);
    for (int i = 0; i < ITEMS; i++)
        items[i].g.rt = &procs_rt;
    weft__lock_init(&weft__runtimes_lock, RANK_START);
    weft__runtimes = &procs_rt;
    set_running(&procs_m[0], &hog);
    /* It looks once: what it has counted in an earlier execution is over. */
    atomic_init(&weft__lookout_serves, false);
    (void)weft__lookout_round(NOW_NS);
    atomic_init(&weft__lookout_serves, true);
}

static struct weft__g *make(int i, bool has_begun)
{
    atomic_init(&items[i].g.ctx.sp, &items[i]); /* it is saved */
    model_put(&items[i].content, 1);
    items[i].g.stack = has_begun ? (void *)&a_stack : NULL;
    return &items[i].g;
}

static void take(struct weft__g *g)
{
    struct item *it = (struct item *)g;

    MODEL_CHECK(model_get(&it->content) == 1);
    model_put(&it->content, 0);
    it->taken++;
    (void)atomic_fetch_add_explicit(&n_taken, 1, memory_order_relaxed);
}

static void look_once(void)
{
    (void)weft__lookout_round(NOW_NS);
}

/* The hog comes back: its P looks for the next. */
static void come_back_and_find(void)
{
    struct weft__m *m = procs_run(0);

    set_running(m, NULL);
    weft__count(m->p->counts.begun);
    take(procs_find(m));
}

static void second_finds(void)
{
    take(procs_find(procs_run(1)));
}

/* Nobody is inside but its owner, and no copy is left of what was taken. */
static void p_is_its_own(const struct weft__p *p)
{
    MODEL_CHECK(weft__runq_count(&p->woken) == 0 && weft__deque_is_empty(&p->unstarted));
    MODEL_CHECK(atomic_load(&p->run_next) == NULL);
    MODEL_CHECK(p->m != NULL && p->m->p == p);
    MODEL_CHECK((atomic_load(&p->gate->asked) & GATE_ASKED) == 0);
    MODEL_CHECK(atomic_load(&p->gate->inside) == GATE_OUT);
    MODEL_CHECK(atomic_load(&p->wheel_lock.word) == 0);
    MODEL_CHECK(atomic_load(&p->reactor->reap_lock.word) == 0);
}

static void each_was_taken_once(void)
{
    for (int i = 0; i < ITEMS; i++)
        MODEL_CHECK(items[i].taken == 1 || model_get(&items[i].content) == 0);
    for (int i = 0; i < weft__p_count(&procs_rt); i++)
        p_is_its_own(weft__p_at(&procs_rt, i));
    MODEL_CHECK(weft__inject_is_empty(&procs_rt.inject));
    MODEL_CHECK(atomic_load(&weft__runtimes_lock.word) == 0);
}

/* ---- queues ---- */

static void begin_woken(void)
{
    begin_with(2);
    (void)weft__runq_push(&procs_p[0].woken, make(0, true));
    atomic_init(&procs_p[0].run_next, make(1, true));
}

static void begin_unstarted(void)
{
    begin_with(2);
    (void)weft__deque_push(&procs_p[0].unstarted, make(0, false));
    (void)weft__deque_push(&procs_p[0].unstarted, make(1, false));
}

/* membarrier() cannot be had. */
static void begin_with_real_fences(void)
{
    begin_woken();
    atomic_init(&weft__fence_is_asymmetric, false);
}

/* Goal: what waits behind a hog is taken once, and found by somebody, also if the hog comes back
 * while the look-out moves it; afterwards the P is its owner's.
 * Method: two coroutines, and two Ps that each must find one. */
MODEL_TEST(what_is_woken_behind_a_hog_is_taken_once, .begin = begin_woken,
           .thread = {come_back_and_find, look_once, second_finds}, .end = each_was_taken_once,
           .preemptions = 3, .late = 2)

MODEL_TEST(what_has_not_started_behind_a_hog_is_taken_once, .begin = begin_unstarted,
           .thread = {come_back_and_find, look_once, second_finds}, .end = each_was_taken_once,
           .preemptions = 3, .late = 2)

MODEL_TEST(real_fences_take_what_waits_behind_a_hog_once, .begin = begin_with_real_fences,
           .thread = {come_back_and_find, look_once, second_finds}, .end = each_was_taken_once,
           .preemptions = 3, .late = 2)

/* ---- timers ---- */

static struct weft__wait waiting;

/* The first one waits in it. */
static void begin_wait(void)
{
    memset(&waiting, 0, sizeof waiting);
    waiting.g = make(0, true);
    waiting.contest = CONTEST_OPEN;
    waiting.deadline_ns = INT64_MAX;
    atomic_init(&items[0].g.state, G_PARKED);
}

static void begin_timer(int procs)
{
    begin_with(procs);
    begin_wait();
    waiting.deadline_ns = DUE_NS;
    waiting.deadline_value = -ETIMEDOUT;
    memset(&procs_p[0].wheel, 0, sizeof procs_p[0].wheel);
    weft__wheel_init(&procs_p[0].wheel, MODEL_BEGIN_NS);
    weft__timer_init(&waiting.timer, TIMER_WAIT);
    weft__timer_arm(&procs_p[0], &waiting);
}

static void begin_timer_and_another(void)
{
    begin_timer(2);
    (void)weft__runq_push(&procs_p[0].woken, make(1, true));
}

static void begin_timer_alone(void)
{
    begin_timer(2);
    model_put(&items[1].content, 0);
}

/* It goes on: the wait is over, and its stack is used for something else. */
static void leave_wait(void)
{
    weft__timer_disarm(&waiting);
    model_plain_use(&waiting, sizeof waiting, true, __builtin_return_address(0));
}

static void wake_and_hog_on(void)
{
    procs_run(0);
    if (weft__wait_claim(&waiting, 0))
        weft__wait_wake(&waiting);
}

static void second_finds_who_waited(void)
{
    second_finds();
    leave_wait();
}

/* Goal: a timer that is due behind a hog fires once, whoever comes first. */
MODEL_TEST(a_timer_behind_a_hog_fires_once, .begin = begin_timer_and_another,
           .thread = {come_back_and_find, look_once, second_finds}, .end = each_was_taken_once,
           .preemptions = 3, .late = 2)

MODEL_TEST(a_hog_wakes_whose_timer_is_due, .begin = begin_timer_alone,
           .thread = {wake_and_hog_on, look_once, second_finds_who_waited},
           .end = each_was_taken_once, .preemptions = 2, .late = 2)

/* ---- the reactor ---- */

/* The epoll driver, over sets of the number of the reactor, as its wake_fd is.  In the first one is
 * the fd that somebody waits for; it has been ready for a while. */
static struct model_event fd_event;
static struct weft__fd entries[1];
static struct weft__op_wait op;

static bool take_event(struct model_event *e)
{
    model_pick(true, MODEL_AT("epoll_wait"));
    ex.cur->hash = model_mix(ex.cur->hash, e->hash + e->is_set);
    if (!e->is_set)
        return false;
    e->is_set = false;
    e->hash = model_mix(e->hash, 4);
    return true;
}

/* An owner that polls again and again lets others go on, as in procs.h. */
static void note_poll(int i)
{
    if (weft__m_self() == &procs_m[i] && ++procs_polls[i] > PROCS_POLLS_MAX)
        model_spin(MODEL_AT("poll"));
}

int weft__sys_epoll_wait(int epfd, struct epoll_event *events, int max, int64_t deadline_ns)
{
    int n = 0;

    (void)max;
    if (epfd == 0 && take_event(&fd_event))
        events[n++] = (struct epoll_event){.events = EPOLLIN, .data.u64 = 0};
    if (n == 0 && deadline_ns != 0) {
        procs_polls[epfd] = 0;
        model_event_wait(&procs_wake[epfd]);
    } else if (!take_event(&procs_wake[epfd])) {
        note_poll(epfd);
        return n;
    }
    events[n++] = (struct epoll_event){.events = EPOLLIN, .data.u64 = UINT64_MAX};
    return n;
}

int weft__sys_epoll_ctl(int epfd, int what, int fd, uint32_t events, uint64_t data)
{
    (void)epfd;
    (void)what;
    (void)fd;
    (void)events;
    (void)data;
    return 0;
}

int weft__sys_poll(struct pollfd *fds, unsigned n, int timeout_ms)
{
    (void)timeout_ms;
    fds[0].revents = fds[0].events;
    return (int)n;
}

static void use_epoll(int procs)
{
    procs_rt.reactors.driver = &weft__driver_epoll;
    model_event_init(&fd_event);
    for (int i = 0; i < procs; i++)
        procs_reactor[i].driver_state = (void *)(intptr_t)i;
}

static void begin_epoll(int procs)
{
    begin_with(procs);
    use_epoll(procs);
}

static void begin_op(void)
{
    begin_epoll(2);
    memset(entries, 0, sizeof entries);
    weft__lock_init(&entries[0].lock, RANK_FD);
    entries[0].home = -1;
    entries[0].in_flight_last = &entries[0].in_flight;
    atomic_init(&procs_rt.reactors.fds.chunks[0], entries);
    begin_wait();
    memset(&op, 0, sizeof op);
    weft__op_init(&op.op, WEFT__OP_POLL, 0, &op);
    op.op.events = POLLIN;
    op.wait = &waiting;
    CHECK_EQ(weft__driver_epoll.submit(&procs_reactor[0], &op.op), 0);
    fd_event.is_set = true;
    (void)weft__runq_push(&procs_p[0].woken, make(1, true));
}

/* What the operation used is for something else, once it is over. */
static void all_ops_are_over(void)
{
    MODEL_CHECK(op.op.result == POLLIN);
    MODEL_CHECK(entries[0].in_flight == NULL);
    MODEL_CHECK(!weft__has_undelivered(&procs_rt));
    each_was_taken_once();
}

/* Goal: an operation that is complete behind a hog is reported once, by whoever reaps. */
MODEL_TEST(an_operation_behind_a_hog_ends_once, .begin = begin_op,
           .thread = {come_back_and_find, look_once, second_finds}, .end = all_ops_are_over,
           .preemptions = 3, .late = 1)

static void begin_none(void)
{
    begin_epoll(1);
    procs_p[0].is_alone = true;
}

/* Two wakes, one after the other. */
static void plain_thread_wakes(void)
{
    weft__queue_woken(make(0, true), false);
    weft__queue_woken(make(1, true), false);
}

static void come_back_and_find_two(void)
{
    come_back_and_find();
    take(procs_find(procs_run(0)));
}

/* Goal: a wake that the look-out meets while it reaps still reaches the one whom it was for, who
 * has come back meanwhile, found nothing and is about to sleep. */
MODEL_TEST(a_wake_is_not_lost_to_the_look_out, .begin = begin_none,
           .thread = {come_back_and_find_two, look_once, plain_thread_wakes},
           .end = each_was_taken_once, .preemptions = 3, .late = 1)

/* ---- another one runs what waits ---- */

static void look_until_all_are_taken(void)
{
    for (;;) {
        look_once(); /* calls upon the hog, */
        look_once(); /* which is deaf */
        if (atomic_load_explicit(&n_taken, memory_order_relaxed) == ITEMS)
            return;
        model_spin(MODEL_AT("until the next look"));
    }
}

/* One P, and one in relief, which has a thread and rests. */
static void begin_relief(void)
{
    struct weft__p *p = &procs_p[1];

    begin_with(2);
    procs_rt.procs = 1;
    atomic_init(&procs_rt.n_standing, 1);
    procs_rt.relief[0] = p;
    procs_rt.relief_refused_ns = 0;
    procs_p[0].is_alone = true;
    p->is_relief = true;
    p->look.is_started = true;
}

static void make_work_and_hog_on(void)
{
    struct weft__p *p = procs_run(0)->p;

    weft__queue_unstarted(p, make(0, false));
    weft__queue_woken_here(p, make(1, true));
}

static void relief_finds_two(void)
{
    second_finds();
    second_finds();
}

/* Goal: what a hog leaves behind on the only P is run: a relief P is called, and takes it. */
MODEL_TEST(a_relief_p_takes_what_waits_behind_a_hog, .begin = begin_relief,
           .thread = {make_work_and_hog_on, relief_finds_two, look_until_all_are_taken},
           .end = each_was_taken_once, .preemptions = 2, .late = 2)

/* It was called for what somebody else has taken since. */
static void begin_called_relief(void)
{
    begin_relief();
    use_epoll(2);
    atomic_init(&procs_p[1].is_called, true);
}

static void relief_is_stopped(void)
{
    MODEL_CHECK(procs_find(procs_run(1)) == NULL);
}

/* Goal: a stop reaches a relief P, also if that meets the wake when it polls, before it sleeps. */
MODEL_TEST(a_relief_p_is_stopped, .begin = begin_called_relief,
           .thread = {procs_stop, relief_is_stopped}, .preemptions = 6, .late = 2)

/* The hog goes outside (sched/outside.c): its P is given to a thread that is started for it. */
static struct model_event thread_begins;
static void *(*thread_fn)(void *arg);
static void *thread_arg;

int weft__sys_thread_start(uint64_t *thread, size_t stack_bytes, void *(*fn)(void *), void *arg)
{
    (void)stack_bytes;
    *thread = 1;
    thread_fn = fn;
    thread_arg = arg;
    model_event_set(&thread_begins);
    return 0;
}

int weft__sys_thread_id(void)
{
    return ex.cur->id;
}

void weft__sys_timer_slack(int64_t ns)
{
    (void)ns;
}

void weft__fault_thread_begin(struct weft__m *m)
{
    (void)m;
}

void weft__fault_thread_end(struct weft__m *m)
{
    (void)m;
}

/* The thread that runs a P: when all have run, it is to end. */
void weft__switch_to_g(struct weft__m *m, struct weft__g *g)
{
    set_running(m, g);
    weft__count(m->p->counts.begun);
    take(g);
    set_running(m, NULL);
    if (atomic_load_explicit(&n_taken, memory_order_relaxed) == ITEMS)
        atomic_store_explicit(&procs_rt.is_stopping, 1, memory_order_seq_cst);
}

static void begin_one_that_goes_outside(void)
{
    begin_with(1);
    procs_p[0].is_alone = true;
    procs_rt.pool.threads_max = 1;
    weft__fp_save(&procs_rt.fp);
    weft__lock_init(&procs_rt.m_lock, RANK_IDLE);
    model_event_init(&thread_begins);
    thread_begins.orders = true;
    (void)weft__deque_push(&procs_p[0].unstarted, make(0, false));
    (void)weft__runq_push(&procs_p[0].woken, make(1, true));
}

static void go_outside(void)
{
    procs_run(0);
    weft_blocking_enter();
}

static void new_thread(void)
{
    model_event_wait(&thread_begins);
    (void)thread_fn(thread_arg);
}

/* Goal: a P that changes its thread while it is served has one all the time, which finds all that
 * waits. */
MODEL_TEST(a_p_changes_its_thread_while_it_is_served, .begin = begin_one_that_goes_outside,
           .thread = {go_outside, new_thread, look_once}, .end = each_was_taken_once,
           .preemptions = 4, .late = 3)

/* ---- a look-out that sleeps ---- */

#define QUIET_BEFORE (WEFT__QUIET_LOOKS - 1)

static void begin_quiet(void)
{
    begin_with(1);
    procs_p[0].is_alone = true;
    set_running(&procs_m[0], NULL);
    weft__idle_announce(&procs_p[0]);
    for (int i = 0; i < QUIET_BEFORE; i++)
        (void)weft__lookout_round(NOW_NS);
}

/* It is awake, whoever woke it; what it runs has work for others, and never comes back. */
static void wake_and_become_a_hog(void)
{
    struct weft__m *m = procs_run(0);

    weft__idle_end(m->p);
    set_running(m, &hog);
    make_work_and_hog_on();
}

/* As the watch thread does it, until it has seen the hog and moved what waits. */
static void look_and_sleep(void)
{
    while (weft__inject_is_empty(&procs_rt.inject)) {
        if (weft__lookout_round(NOW_NS) == INT64_MAX)
            model_event_wait(&posted);
        else if (weft__inject_is_empty(&procs_rt.inject))
            model_spin(MODEL_AT("until the next look"));
    }
}

/* Goal: [LOOKOUT-SLEEP]: a look-out that sleeps, or is about to, comes to see a P that wakes up. */
MODEL_TEST(a_look_out_that_sleeps_is_roused, .begin = begin_quiet,
           .thread = {wake_and_become_a_hog, look_and_sleep}, .preemptions = 4, .late = 3)
