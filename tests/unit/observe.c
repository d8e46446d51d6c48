/* SPDX-License-Identifier: MIT */
/*
 * observe.c - the dump tells of every coroutine its state, what it waits for, its sites and its
 * calls; the counters count; the description names what is at work.
 *
 * matrix: short
 */
#include <sys/socket.h>

#include "co_test.h"
#include "no_lookout.h"

static char text[1 << 20];

/* The dump as text; the number of coroutines in it. */
static int dump(void)
{
    FILE *f = tmpfile();

    CHECK(f != NULL);
    const int n = weft_dump(fileno(f));
    rewind(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return n;
}

/* The part of the dump about the coroutine of that name: up to the next one. */
static const char *part_about(const char *name)
{
    static char part[16384];
    char quoted[64];

    snprintf(quoted, sizeof quoted, "\"%s\" ", name); /* and then what it does */
    const char *at = strstr(text, quoted);
    if (at == NULL)
        TEST_FAIL("nothing about %s in: %s", name, text);
    const char *end = strstr(at, "\ncoroutine ");
    const size_t n = end ? (size_t)(end - at) : strlen(at);
    CHECK_LT(n, sizeof part);
    memcpy(part, at, n);
    part[n] = '\0';
    return part;
}

static void check_part(const char *name, const char *words)
{
    const char *part = part_about(name);

    if (strstr(part, words) == NULL)
        TEST_FAIL("no \"%s\" in what is said about %s: %s", words, name, part);
}

struct world {
    chan *empty, *full;
    struct weft_mutex *held;
    struct weft_wait_group *wg;
    struct weft_co *victim;
    int fd[2];
};

static struct world w;

/* One a way to wait; not inlined, so that their names are in the stacks. */
#define WAITER(name, call)                                                                         \
    __attribute__((noinline)) static int name(void *arg)                                           \
    {                                                                                              \
        (void)arg;                                                                                 \
        const int rc = (int)(call);                                                                \
        CHECK(rc == 0 || rc == 1 || rc == -EPIPE);                                                 \
        return 0;                                                                                  \
    }

static char byte;
WAITER(in_recv, weft_chan_recv(w.empty, NULL)) /* not the inline short form: see its site */
WAITER(in_send, chan_send(w.full, NULL))
WAITER(in_sleep, weft_sleep(30 * WEFT_MS))
WAITER(in_lock, weft_mutex_lock(w.held))
WAITER(in_group, weft_wg_wait(w.wg))
WAITER(in_read, weft_read(w.fd[1], &byte, 1))
WAITER(in_join, weft_join(w.victim, NULL))

__attribute__((noinline)) static int in_select(void *arg)
{
    struct weft_case cases[] = {weft_case_recv(w.empty, NULL), weft_case_send(w.full, NULL)};

    (void)arg;
    CHECK_GE(chan_select(cases, COUNT(cases)), 0);
    return 0;
}

__attribute__((noinline)) static int outer_frame(void *arg)
{
    volatile int rc = in_recv(arg); /* volatile: no tail call, so that this frame stays */

    return rc;
}

static void make_world(void)
{
    w.empty = chan_make(0, 0);
    w.full = chan_make(0, 1);
    CHECK_EQ(chan_send(w.full, NULL), 0);
    w.held = weft_mutex_make();
    CHECK_EQ(weft_mutex_lock(w.held), 0);
    w.wg = weft_wg_make();
    weft_wg_add(w.wg, 1);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, w.fd), 0);
}

static void end_world(void)
{
    chan_close(w.empty);
    chan_close(w.full);
    weft_mutex_unlock(w.held);
    weft_wg_done(w.wg);
    CHECK_EQ(weft_write(w.fd[0], "x", 1), 1);
}

/* The dump that shows n coroutines waiting. */
static void dump_when_parked(int n)
{
    int parked;

    do {
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
        CHECK_GE(dump(), n);
        parked = 0;
        for (const char *at = text; (at = strstr(at, "waits at ")) != NULL; at++)
            parked++;
    } while (parked < n);
}

CO_TEST(the_dump_says_who_waits_for_what_and_where)
{
    struct weft_co *co[9];
    int n = 0;
    char expected[64];

    make_world();
    co[n++] = w.victim = weft_go_with(in_recv, NULL, .name = "victim");
    co[n++] = weft_go_with(in_send, NULL, .name = "sender");
    co[n++] = weft_go_with(in_lock, NULL, .name = "locker");
    co[n++] = weft_go_with(in_group, NULL, .name = "grouped");
    co[n++] = weft_go_with(in_read, NULL, .name = "reader");
    co[n++] = weft_go_with(in_select, NULL, .name = "chooser");
    co[n++] = weft_go_with(outer_frame, NULL, .name = "nested");
    co[n++] = weft_go_with(in_join, NULL, .name = "joiner");
    dump_when_parked(n);

    snprintf(expected, sizeof expected, "receive from channel %p", (void *)w.empty);
    check_part("victim", expected);
    snprintf(expected, sizeof expected, "send to channel %p", (void *)w.full);
    check_part("sender", expected);
    snprintf(expected, sizeof expected, "mutex %p", (void *)w.held);
    check_part("locker", expected);
    snprintf(expected, sizeof expected, "wait group %p", (void *)w.wg);
    check_part("grouped", expected);
    snprintf(expected, sizeof expected, "read from fd %d\n", w.fd[1]);
    check_part("reader", expected);
    snprintf(expected, sizeof expected, "join %p", (void *)w.victim);
    check_part("joiner", expected);
    check_part("chooser", "waits: select");
    check_part("main", "is running");
    check_part("main", "spawned at weft_run\n");
    end_world();
    for (int i = 1; i < n - 1; i++)
        join(co[i]);
    join(co[n - 1]); /* has joined the victim */
    return 0;
}

CO_TEST(the_dump_shows_spawn_site_wait_site_and_calls)
{
    struct weft_co *co[2];
    char site[128];

    make_world();
    co[0] = weft_go_with(outer_frame, NULL, .name = "nested");
    snprintf(site, sizeof site, "spawned at %s:%d\n", __FILE__, __LINE__ - 1);
    co[1] = weft_go_with(in_group, NULL, .name = "grouped");
    dump_when_parked(2);
    check_part("nested", site);
    check_part("nested", "waits at in_recv");
    check_part("nested", " outer_frame");
    check_part("grouped", "waits at in_group");
    check_part("grouped", "#0 ");
    end_world();
    for (int i = 0; i < 2; i++)
        join(co[i]);
    return 0;
}

static void never_started(void *arg)
{
    (void)arg;
}

static int dump_unstarted(void *unused)
{
    (void)unused;
    for (int i = 0; i < 10; i++)
        go(never_started, NULL);
    CHECK_EQ(dump(), 11);
    int n = 0;
    for (const char *at = text; (at = strstr(at, "has not started")) != NULL; at++)
        n++;
    CHECK_EQ(n, 10);
    CHECK(strstr(text, ", 11 coroutines\n") != NULL);
    return 0;
}

TEST(coroutines_that_have_not_started_are_in_the_dump)
{
    struct weft_config config = WEFT_CONFIG_INIT;

    config.procs = 1;
    CHECK_EQ(weft_run_config(dump_unstarted, NULL, &config), 0);
}

TEST(a_dump_without_a_runtime_is_empty)
{
    CHECK_EQ(dump(), 0);
    CHECK_STR(text, "");
}

CO_TEST(a_dump_into_a_bad_fd_is_an_error)
{
    CHECK_EQ(weft_dump(-1), -EBADF);
    return 0;
}

static atomic_bool stop;

static int come_and_go(void *arg)
{
    while (!atomic_load(&stop)) {
        join(weft_go_with(in_sleep, arg, .name = "short lived"));
        weft_yield();
    }
    return 0;
}

/* Goal: a dump may be taken at any time: descriptors, names and stacks that change meanwhile give
 * an old line, never a fault. */
CO_TEST(dumps_can_be_taken_while_everything_changes)
{
    struct weft_co *co[20];

    for (int i = 0; i < COUNT(co); i++)
        co[i] = weft_go_with(come_and_go, NULL);
    for (int i = 0; i < scaled(100); i++) {
        CHECK_GE(dump(), 1);
        weft_yield();
    }
    atomic_store(&stop, true);
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    return 0;
}

static void count_down(void *arg)
{
    weft_yield();
    weft_wg_done(arg);
}

CO_TEST(the_counters_count)
{
    struct weft_stats a = {.size = sizeof a}, b = {.size = sizeof b};
    struct weft_wait_group *wg = weft_wg_make();

    CHECK_EQ(weft_runtime_stats(NULL, &a), 0);
    CHECK_EQ(a.live, 1);
    weft_wg_add(wg, 100);
    for (int i = 0; i < 100; i++)
        go(count_down, wg);
    CHECK_EQ(weft_wg_wait(wg), 0);
    do { /* the last of them may be on its way out; and a sleep that begins late takes no timer */
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
        CHECK_EQ(weft_runtime_stats(NULL, &b), 0);
    } while (b.live > 1 || b.timers == a.timers);
    CHECK_EQ(b.spawned - a.spawned, 100);
    CHECK_GE(b.switches - a.switches, 100);
    CHECK_GE(b.parks, a.parks + 1);
    CHECK_GE(b.stacks, 2);
    weft_wg_free(wg);
    return 0;
}

static int yield_a_hundred_times(void *unused)
{
    (void)unused;
    yield_often(100);
    return 0;
}

static int count_switches(void *unused)
{
    struct weft_stats a = {.size = sizeof a}, b = {.size = sizeof b};
    struct weft_co *co[2];

    (void)unused;
    CHECK_EQ(weft_runtime_stats(NULL, &a), 0);
    for (int i = 0; i < COUNT(co); i++)
        co[i] = weft_go_with(yield_a_hundred_times, NULL);
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    CHECK_EQ(weft_runtime_stats(NULL, &b), 0);
    CHECK_GE(b.parks, a.parks + 1);
    CHECK_EQ((b.switches - b.parks) - (a.switches - a.parks), COUNT(co) * (100 + 1));
    return 0;
}

/* Goal: each time that a coroutine is left is counted once: when it waits, yields and ends.
 * Method: on one processor, which no other one helps, nobody who yields here is alone. */
TEST(each_switch_is_counted)
{
    CHECK_EQ(weft_run_with(count_switches, NULL, .procs = 1, .no_steal = 1), 0);
}

CO_TEST(an_older_and_shorter_stats_struct_is_filled_as_far_as_it_goes)
{
    struct weft_stats s;

    memset(&s, 0x55, sizeof s);
    s.size = offsetof(struct weft_stats, switches);
    CHECK_EQ(weft_runtime_stats(NULL, &s), 0);
    CHECK_EQ(s.live, 1);
    CHECK_EQ(s.switches, 0x5555555555555555);
    s.size = 1;
    CHECK_EQ(weft_runtime_stats(NULL, &s), -EINVAL);
    return 0;
}

TEST(a_plain_thread_has_no_runtime_to_ask_about)
{
    struct weft_stats s = {.size = sizeof s};
    char line[64];

    CHECK_EQ(weft_runtime_stats(NULL, &s), -EINVAL);
    CHECK_EQ(weft_runtime_describe(NULL, line, sizeof line), -EINVAL);
    CHECK_STR(weft_runtime_reactor(NULL), "");
    CHECK_STR(weft_runtime_guard(NULL), "");
}

CO_TEST(the_description_names_what_is_at_work)
{
    char line[256], cut[8];

    CHECK_EQ(weft_runtime_describe(NULL, line, sizeof line), 0);
    CHECK(strstr(line, weft_runtime_reactor(NULL)) != NULL);
    CHECK(strstr(line, weft_runtime_guard(NULL)) != NULL);
    CHECK(strstr(line, "stacks of ") != NULL);
    const char *asked = getenv("WEFT_REACTOR");
    if (asked && strcmp(asked, "auto") != 0)
        CHECK_STR(weft_runtime_reactor(NULL), asked);
    asked = getenv("WEFT_GUARD");
    if (asked && strcmp(asked, "auto") != 0)
        CHECK_STR(weft_runtime_guard(NULL), asked);
    CHECK_EQ(weft_runtime_describe(NULL, cut, sizeof cut), 0);
    CHECK_EQ(strlen(cut), sizeof cut - 1);
    CHECK_EQ(strncmp(cut, line, sizeof cut - 1), 0);
    CHECK_EQ(weft_runtime_describe(NULL, cut, 0), -EINVAL);
    return 0;
}
