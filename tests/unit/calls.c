/* SPDX-License-Identifier: MIT */
/*
 * calls.c - every public call (calls.h) wherever it may come to be made: in a coroutine, on a plain
 * thread without a runtime, beside one and after one, in the child of a fork and in the parent
 * after it, in a signal handler.  What comes of it is what its field `Threads` says.
 *
 * Each row is walked in a process of its own: some end it, some use up what they are given.
 *
 * matrix: once
 */
#include "calls.h"
#include "calls_file.h"
#include "calls_process.h"
#include "calls_copy.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "no_lookout.h" /* one that runs at a fork leaves locks behind */

#define SECONDS_MAX 10

/* What the process of a row leaves. */
struct outcome {
    int64_t value;
    int signal; /* that ended it, or 0 */
    char said[4096];
};

/* What every process of this program sees. */
static struct outcome *shared;
static struct things things;

/* ---- the things ---- */

static int end_named(void *arg)
{
    (void)arg;
    return 0;
}

static int wait_in_a_scope(void *arg)
{
    struct things *t = arg;

    WEFT_SCOPE (s) {
        t->scope = &s;
        (void)weft_sleep(WEFT_NEVER);
    }
    return 0;
}

static void wait_for_a_signal(void *arg)
{
    (void)chan_recv(arg, NULL);
}

static int wait_for_bytes(void *arg)
{
    int empty[2];

    (void)arg;
    CHECK_EQ(pipe(empty), 0);
    (void)!weft_read(empty[0], (char[1]){0}, 1);
    return 0;
}

static uint64_t count_parks(void)
{
    struct weft_stats stats = {.size = sizeof stats};

    CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    return stats.parks;
}

/* Those who wait, and a handle of one that has ended. */
static void spawn_some(struct things *t)
{
    t->rt = weft_runtime_current();
    t->sleeper = weft_go_with(wait_in_a_scope, t);
    t->reader = weft_go_with(wait_for_bytes, NULL);
    CHECK_EQ(weft_go_at(wait_for_a_signal, t->awaited, WEFT_SITE), 0);
    t->ended = weft_go_with(end_named, NULL);
    while (!weft_done(t->ended) || t->scope == NULL || count_parks() < 3)
        weft_yield();
}

static int build(void *arg)
{
    struct things *t = arg;
    char name[64];

    t->pid = getpid();
    t->chan = weft_chan_make_shared(0, 4);
    CHECK_EQ(chan_send(t->chan, NULL), 0);
    t->awaited = weft_chan_make_shared(0, 1);
    t->mutex = weft_mutex_make();
    t->wg = weft_wg_make();
    weft_group_begin(&t->group, NULL);
    t->ticker = weft_ticker_make(1, WEFT_TICK_BURST);
    t->oneshot = weft_oneshot_make(0);
    CHECK_EQ(weft_oneshot_send(t->oneshot, NULL), 0);
    t->broadcast = weft_broadcast_make(0, 1);
    t->subscriber = weft_broadcast_subscribe(t->broadcast);
    CHECK_EQ(weft_broadcast_send(t->broadcast, NULL), 1);
    t->watch = weft_watch_make(0, NULL);
    snprintf(name, sizeof name, "unix:@weft-calls-%d", getpid());
    CHECK_EQ(weft_addr_parse(&t->addr, name), 0);
    CHECK_EQ(pipe(t->pipe), 0);
    CHECK_EQ(write(t->pipe[1], "xx", 2), 2);
    t->file = weft_temp_file(NULL);
    CHECK_EQ(weft_pwrite(t->file, "x", 1, 0), 1);
    if (weft_in_coroutine())
        spawn_some(t);
    return 0;
}

/* A runtime with all that the calls need.  At a fork its threads must hold no lock: so it has one
 * processor where there will be one. */
static void start(struct things *t, bool will_fork)
{
    struct weft_config c = WEFT_CONFIG_INIT;

    c.procs = will_fork ? 1 : 0;
    CHECK_EQ(weft_runtime_start(&t->rt, &c), 0);
    CHECK_EQ(weft_block_on(t->rt, build, t, NULL), 0);
}

/* ---- where the calls are made ---- */

/* At once: the _exit() of ThreadSanitizer gives other threads a second to race. */
static void leave(void)
{
    syscall(SYS_exit_group, 0);
}

static void make_the_call(const struct row *row)
{
    shared->value = row->call(&things);
}

static int in_this_coroutine(void *row)
{
    CHECK_EQ(weft_set_name("caller"), 0);
    make_the_call(row);
    return 0;
}

/* `fn` in the child of a fork; how it ends is the outcome. */
static void fork_and(void (*fn)(const struct row *row), const struct row *row)
{
    int status;
    pid_t parent = getpid();
    pid_t child = fork();

    if (child == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
            _exit(1);
        fn(row);
        leave();
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        shared->signal = WTERMSIG(status);
    else
        CHECK_EQ(WEXITSTATUS(status), 0);
}

static int in_the_child(void *row)
{
    CHECK_EQ(weft_set_name("forker"), 0);
    fork_and(make_the_call, row);
    CHECK_EQ(weft_sleep(WEFT_US), 0); /* the parent goes on, and nothing of it was ended */
    CHECK(!weft_done(things.reader) && !weft_done(things.sleeper));
    return 0;
}

static void make_none(const struct row *row)
{
    (void)row;
}

static int in_the_parent(void *row)
{
    fork_and(make_none, row);
    return in_this_coroutine(row);
}

static const struct row *row_of_handler;

static void on_signal(int sig)
{
    (void)sig;
    make_the_call(row_of_handler);
}

static int in_a_handler(void *row)
{
    sigset_t set;

    row_of_handler = row;
    signal(SIGUSR1, on_signal);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
    if (weft_in_coroutine())
        CHECK_EQ(weft_set_name("caller"), 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    return 0;
}

static void coroutine(const struct row *row)
{
    start(&things, false);
    CHECK_EQ(weft_block_on(things.rt, in_this_coroutine, (void *)row, NULL), 0);
}

static void parent(const struct row *row)
{
    start(&things, true);
    CHECK_EQ(weft_block_on(things.rt, in_the_parent, (void *)row, NULL), 0);
}

static void before_start(const struct row *row)
{
    build(&things);
    make_the_call(row);
}

static void beside(const struct row *row)
{
    start(&things, false);
    make_the_call(row);
}

static void after_stop(const struct row *row)
{
    start(&things, false);
    CHECK_EQ(weft_runtime_stop(things.rt), 3);
    things.rt = NULL;
    things.scope = NULL;
    make_the_call(row);
}

static void child_of_a_coroutine(const struct row *row)
{
    start(&things, true);
    CHECK_EQ(weft_block_on(things.rt, in_the_child, (void *)row, NULL), 0);
}

static void child_of_a_thread(const struct row *row)
{
    start(&things, true);
    fork_and(make_the_call, row);
}

static void handler_on_a_thread(const struct row *row)
{
    start(&things, false);
    in_a_handler((void *)row);
}

static void handler_in_a_coroutine(const struct row *row)
{
    start(&things, false);
    CHECK_EQ(weft_block_on(things.rt, in_a_handler, (void *)row, NULL), 0);
}

/* ---- what comes of them ---- */

/* One row, in a process of its own whose stderr is kept. */
static void walk(void (*where)(const struct row *row), const struct row *row)
{
    int errors[2];
    int status;
    size_t n = 0;
    ssize_t got;

    memset(shared, 0, sizeof *shared);
    shared->value = NOT_THERE - 1;
    CHECK_EQ(pipe(errors), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        alarm((unsigned)(SECONDS_MAX * test_scale()));
        dup2(errors[1], 2);
        close(errors[0]);
        close(errors[1]);
        where(row);
        leave();
    }
    close(errors[1]);
    while ((got = read(errors[0], shared->said + n, sizeof shared->said - 1 - n)) > 0)
        n += (size_t)got;
    close(errors[0]);
    CHECK_EQ(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        shared->signal = WTERMSIG(status);
    else if (WEXITSTATUS(status) != 0)
        TEST_FAIL("%s: status %d\n%s", row->name, WEXITSTATUS(status), shared->said);
}

/* Does the line of its end name the call: "weft_go()" names weft_go_at()? */
static bool names_the_call(const char *said, const char *name)
{
    const char *head = "weft: fatal: weft_";
    size_t n = strlen("weft: fatal: ");

    return strncmp(said, head, strlen(head)) == 0 &&
           strncmp(said + n, name, strcspn(said + n, "(")) == 0;
}

static bool is_fatal_line(const char *said, const char *text)
{
    const char *end = strchr(said, '\n');
    const char *at = strstr(said, text);

    return strncmp(said, "weft: fatal: ", 13) == 0 && at != NULL && end != NULL && at < end;
}

static void expect(const struct row *row, int64_t expected, bool in_child)
{
    if (expected != FATAL) {
        if (shared->signal != 0 || shared->value != expected)
            TEST_FAIL("%s: %lld, signal %d, instead of %lld\n%s", row->name,
                      (long long)shared->value, shared->signal, (long long)expected, shared->said);
        return;
    }
    bool is_told = in_child ? is_fatal_line(shared->said, "in the child of a fork; there only exec")
                            : is_fatal_line(shared->said, "was called outside a coroutine");
    if (shared->signal != SIGABRT || !is_told ||
        (row->who == COROUTINE && !names_the_call(shared->said, row->name)))
        TEST_FAIL("%s: %lld, signal %d, and it said:\n%s", row->name, (long long)shared->value,
                  shared->signal, shared->said);
}

static void begin(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
}

static bool is_not_there(void)
{
    return shared->signal == 0 && shared->value == NOT_THERE;
}

TEST_LIMIT(a_coroutine_may_make_every_call_but_those_for_threads, 60)
{
    begin();
    for (const struct row *row = first_row; row != NULL; row = row->next) {
        walk(coroutine, row);
        expect(row, row->in_coroutine, false);
        CHECK((row->in_coroutine < 0) >= (row->who == PLAIN_THREAD && row->in_coroutine != 125));
    }
}

TEST_LIMIT(a_fork_changes_nothing_in_the_parent, 60)
{
    begin();
    for (const struct row *row = first_row; row != NULL; row = row->next) {
        walk(parent, row);
        expect(row, row->in_coroutine, false);
    }
}

TEST_LIMIT(a_thread_calls_before_a_runtime_is_started, 60)
{
    begin();
    for (const struct row *row = first_row; row != NULL; row = row->next) {
        walk(before_start, row);
        if (!is_not_there())
            expect(row, row->on_thread, false);
    }
}

TEST_LIMIT(a_thread_calls_beside_a_runtime, 60)
{
    begin();
    for (const struct row *row = first_row; row != NULL; row = row->next) {
        walk(beside, row);
        expect(row, row->on_thread, false);
        CHECK((row->on_thread == FATAL || row->on_thread == -EPERM) == (row->who == COROUTINE));
    }
}

TEST_LIMIT(a_thread_calls_after_the_runtime_was_stopped, 60)
{
    begin();
    for (const struct row *row = first_row; row != NULL; row = row->next) {
        walk(after_stop, row);
        if (!is_not_there())
            expect(row, row->on_thread, false);
    }
}

TEST_LIMIT(in_the_child_of_a_coroutines_fork_a_call_works_or_ends_in_a_line, 60)
{
    begin();
    for (const struct row *row = first_row; row != NULL; row = row->next) {
        walk(child_of_a_coroutine, row);
        expect(row, row->in_child, true);
        if (row->in_child == FATAL && strstr(shared->said, "\"forker\"") == NULL)
            TEST_FAIL("%s does not name the coroutine that forked:\n%s", row->name, shared->said);
        CHECK(row->who > SIGNALS || row->in_child == row->on_thread);
    }
}

TEST_LIMIT(in_the_child_of_a_threads_fork_a_call_works_or_ends_in_a_line, 60)
{
    begin();
    for (const struct row *row = first_row; row != NULL; row = row->next) {
        walk(child_of_a_thread, row);
        expect(row, row->in_child, true);
    }
}

TEST_LIMIT(some_calls_may_be_made_in_a_signal_handler, 60)
{
    begin();
    for (const struct row *row = first_row; row != NULL; row = row->next) {
        if (row->who != SIGNALS)
            continue;
        walk(handler_in_a_coroutine, row);
        expect(row, row->in_coroutine, false);
        walk(handler_on_a_thread, row);
        expect(row, row->on_thread, false);
    }
}

/* ---- what was held at the fork ---- */

static atomic_bool is_over;

static void *use_without_end(void *ch)
{
    while (!atomic_load(&is_over)) {
        (void)!weft_chan_try_send(ch, NULL);
        (void)!weft_chan_try_recv(ch, NULL);
    }
    return NULL;
}

static void is_in_use(const struct row *row)
{
    (void)row;
    shared->value = chan_try_recv(things.chan, NULL);
}

static int fork_often(void *arg)
{
    (void)arg;
    for (shared->signal = 0; shared->signal == 0;)
        fork_and(is_in_use, NULL);
    return 0;
}

static void beside_a_user(const struct row *row)
{
    pthread_t th;

    (void)row;
    start(&things, true);
    CHECK_EQ(pthread_create(&th, NULL, use_without_end, things.chan), 0);
    CHECK_EQ(weft_block_on(things.rt, fork_often, NULL, NULL), 0);
    atomic_store(&is_over, true);
    CHECK_EQ(pthread_join(th, NULL), 0);
}

/* Goal: who wants in the child what another thread held at the fork does not hang.
 * Method: a thread uses a channel all the time; forks, until one comes while it does. */
TEST_LIMIT(in_the_child_of_a_fork_nobody_waits_for_a_lock_that_was_held, 60)
{
    const struct row row = {.name = "weft_chan_try_recv"};

    begin();
    walk(beside_a_user, &row);
    CHECK_EQ(shared->signal, SIGABRT);
    CHECK(is_fatal_line(shared->said, "another thread"));
}
