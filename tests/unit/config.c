/* SPDX-License-Identifier: MIT */
/*
 * config.c - what a configuration and the environment may say, which of them wins, and that
 * nonsense is refused in one line that names it and what is allowed.
 *
 * matrix: once
 */
#include "co_test.h"
#include "reactor/driver.h"

static const char *const variables[] = {
    "WEFT_PROCS",        "WEFT_REACTOR",        "WEFT_GUARD",  "WEFT_STACK",
    "WEFT_VERBOSE",      "WEFT_SIGNALS",        "WEFT_STEAL",  "WEFT_BLOCKING_MAX",
    "WEFT_STALL_REPORT", "WEFT_COROUTINES_MAX", "WEFT_PRESET", "WEFT_COROUTINES_AT_MAX",
    "WEFT_CPUS",         "WEFT_SPIN_US",        "WEFT_NAME_TTL", "WEFT_NAME_ERROR_TTL",
    "WEFT_RING_ENTRIES", "WEFT_RING_POLL_MS",   "WEFT_FD_OPS_MAX",
    "WEFT_SUBMIT_WAIT",  "WEFT_WAKE_BATCH_US"};

static void clear_environment(void)
{
    for (int i = 0; i < COUNT(variables); i++)
        unsetenv(variables[i]);
}

/* What fn writes to stderr. */
static char said[4096];

static void listen_to(void (*fn)(void *), void *arg)
{
    FILE *f = tmpfile();
    const int old = dup(2);

    CHECK(f != NULL && old >= 0);
    fflush(stderr);
    CHECK_GE(dup2(fileno(f), 2), 0);
    fn(arg);
    fflush(stderr);
    CHECK_GE(dup2(old, 2), 0);
    close(old);
    rewind(f);
    said[fread(said, 1, sizeof said - 1, f)] = '\0';
    fclose(f);
}

static int n_lines(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static int never_run(void *arg)
{
    (void)arg;
    TEST_FAIL("a runtime has started");
}

static void run_expecting_125(void *config)
{
    CHECK_EQ(weft_run_config(never_run, NULL, config), 125);
}

struct bad {
    const char *name, *value, *allowed;
};

static const struct bad bad[] = {
    {"WEFT_PROCS", "0", "from 1 to 256"},
    {"WEFT_PROCS", "257", "from 1 to 256"},
    {"WEFT_PROCS", "-1", "from 1 to 256"},
    {"WEFT_PROCS", "two", "from 1 to 256"},
    {"WEFT_PROCS", "2x", "from 1 to 256"},
    {"WEFT_PROCS", " 2", "from 1 to 256"},
    {"WEFT_PROCS", "99999999999999999999", "from 1 to 256"},
    {"WEFT_PROCS", "18446744073709551618", "from 1 to 256"},
#if !WEFT__HAVE_KQUEUE
    {"WEFT_REACTOR", "kqueue", "auto, io_uring or epoll; the others are not in this build"},
#endif
    {"WEFT_REACTOR", "EPOLL", "auto, io_uring"},
    {"WEFT_GUARD", "none", "auto, madvise, mprotect or canary"},
    {"WEFT_STACK", "4096", "16K to 1024M"},
    {"WEFT_STACK", "16383", "16K to 1024M"},
    {"WEFT_STACK", "1025M", "16K to 1024M"},
    {"WEFT_STACK", "64KB", "16K to 1024M"},
    {"WEFT_STACK", "17592186044416M", "16K to 1024M"},
    {"WEFT_STACK", "K", "16K to 1024M"},
    {"WEFT_VERBOSE", "yes", "0 or 1"},
    {"WEFT_SIGNALS", "2", "0 or 1"},
    {"WEFT_STEAL", "off", "0 or 1"},
    {"WEFT_BLOCKING_MAX", "0", "from 1 to 16384"},
    {"WEFT_BLOCKING_MAX", "16385", "from 1 to 16384"},
    {"WEFT_BLOCKING_MAX", "many", "from 1 to 16384"},
    {"WEFT_STALL_REPORT", "2", "0 or 1"},
    {"WEFT_COROUTINES_MAX", "0", "from 1 to 2147483647"},
    {"WEFT_COROUTINES_MAX", "2147483648", "from 1 to 2147483647"},
    {"WEFT_COROUTINES_MAX", "none", "from 1 to 2147483647"},
    {"WEFT_COROUTINES_AT_MAX", "block", "refuse or wait"},
    {"WEFT_PRESET", "fast", "balanced, throughput, latency, cpu or per_core"},
    {"WEFT_PRESET", "", "balanced, throughput, latency, cpu or per_core"},
    {"WEFT_SPIN_US", "-1", "microseconds, up to 10000000"},
    {"WEFT_SPIN_US", "10000001", "microseconds, up to 10000000"},
    {"WEFT_SPIN_US", "1ms", "microseconds, up to 10000000, or always"},
    {"WEFT_RING_ENTRIES", "0", "a power of two from 16 to 4096"},
    {"WEFT_RING_ENTRIES", "100", "a power of two from 16 to 4096"},
    {"WEFT_RING_ENTRIES", "8192", "a power of two from 16 to 4096"},
    {"WEFT_RING_POLL_MS", "10001", "milliseconds, up to 10000"},
    {"WEFT_FD_OPS_MAX", "0", "from 1 to 2147483647"},
    {"WEFT_SUBMIT_WAIT", "no", "0 or 1"},
    {"WEFT_WAKE_BATCH_US", "10001", "microseconds, up to 10000"},
    {"WEFT_WAKE_BATCH_US", "-1", "microseconds, up to 10000"},
    {"WEFT_CPUS", "", "a list such as 0-3,8 of CPUs that the process may use ("},
    {"WEFT_CPUS", "all", "any, each, or a list"},
    {"WEFT_CPUS", "0-", "a list such as 0-3,8"},
    {"WEFT_CPUS", "0,each", "a list such as 0-3,8"},
    {"WEFT_CPUS", "8191", "a list such as 0-3,8"}, /* no machine at hand has it */
    {"WEFT_CPUS", "0-8192", "a list such as 0-3,8"},
    {"WEFT_NAME_TTL", "-1", "seconds from 0 to 86400"},
    {"WEFT_NAME_TTL", "86401", "seconds from 0 to 86400"},
    {"WEFT_NAME_ERROR_TTL", "1s", "seconds from 0 to 86400"},
};

TEST(a_bad_environment_is_one_line_and_125)
{
    for (int i = 0; i < COUNT(bad); i++) {
        clear_environment();
        setenv(bad[i].name, bad[i].value, 1);
        listen_to(run_expecting_125, NULL);
        if (n_lines(said) != 1 || !strstr(said, bad[i].name) || !strstr(said, bad[i].value) ||
            !strstr(said, bad[i].allowed))
            TEST_FAIL("%s=%s said: %s", bad[i].name, bad[i].value, said);
    }
}

/* Even where the configuration would win: a typing error must not hide. */
TEST(a_bad_environment_is_refused_though_the_configuration_wins)
{
    struct weft_config config = WEFT_CONFIG_INIT;

    clear_environment();
    config.procs = 1;
    setenv("WEFT_PROCS", "many", 1);
    listen_to(run_expecting_125, &config);
    CHECK(strstr(said, "WEFT_PROCS") != NULL);
}

TEST(a_bad_field_is_one_line_that_names_it)
{
    static const struct {
        struct weft_config config;
        const char *names;
    } fields[] = {
        {{.size = sizeof(struct weft_config), .procs = -1}, "procs"},
        {{.size = sizeof(struct weft_config), .procs = 257}, "procs"},
        {{.size = sizeof(struct weft_config), .reactor = (enum weft_reactor)9}, "reactor"},
#if !WEFT__HAVE_KQUEUE
        {{.size = sizeof(struct weft_config), .reactor = WEFT_REACTOR_KQUEUE}, "reactor"},
#endif
        {{.size = sizeof(struct weft_config), .guard = (enum weft_guard)77}, "guard"},
        {{.size = sizeof(struct weft_config), .stack_bytes = 1}, "stack_bytes"},
        {{.size = sizeof(struct weft_config), .stack_bytes = SIZE_MAX}, "stack_bytes"},
        {{.size = sizeof(struct weft_config), .blocking_max = -1}, "blocking_max"},
        {{.size = sizeof(struct weft_config), .blocking_max = 16385}, "blocking_max"},
        {{.size = sizeof(struct weft_config), .blocking_idle_ns = -1}, "blocking_idle_ns"},
        {{.size = sizeof(struct weft_config), .coroutines_max = -1}, "coroutines_max"},
        {{.size = sizeof(struct weft_config), .at_max = (enum weft_at_max)3}, "at_max"},
        {{.size = sizeof(struct weft_config), .preset = (enum weft_preset)6}, "preset"},
        {{.size = sizeof(struct weft_config), .spin_ns = -2}, "spin_ns"},
        {{.size = sizeof(struct weft_config), .spin_ns = 10 * WEFT_SEC + 1}, "spin_ns"},
        {{.size = sizeof(struct weft_config), .no_steal = 2}, "no_steal"},
        {{.size = sizeof(struct weft_config), .no_steal = -2}, "no_steal"},
        {{.size = sizeof(struct weft_config), .cpus = ""}, "weft_config.cpus="},
        {{.size = sizeof(struct weft_config), .cpus = "8191"}, "weft_config.cpus=8191"},
        {{.size = sizeof(struct weft_config), .name_ttl_ns = -2}, "name_ttl_ns"},
        {{.size = sizeof(struct weft_config), .name_error_ttl_ns = INT64_MIN}, "name_error_ttl_ns"},
        {{.size = sizeof(struct weft_config), .ring_entries = 48}, "ring_entries"},
        {{.size = sizeof(struct weft_config), .ring_entries = 8}, "ring_entries"},
        {{.size = sizeof(struct weft_config), .ring_poll_ms = -1}, "ring_poll_ms"},
        {{.size = sizeof(struct weft_config), .fd_ops_max = -1}, "fd_ops_max"},
        {{.size = sizeof(struct weft_config), .wake_batch_ns = -1}, "wake_batch_ns"},
        {{.size = sizeof(struct weft_config), .wake_batch_ns = 11 * WEFT_MS}, "wake_batch_ns"},
        {{.size = 0, .procs = 1}, "size"},
        {{.size = SIZE_MAX, .procs = 1}, "size"},
    };

    clear_environment();
    for (int i = 0; i < COUNT(fields); i++) {
        struct weft_config config = fields[i].config;
        listen_to(run_expecting_125, &config);
        if (n_lines(said) != 1 || !strstr(said, fields[i].names))
            TEST_FAIL("field %d said: %s", i, said);
    }
}

static int tell_procs(void *arg)
{
    (void)arg;
    return weft_runtime_procs(NULL);
}

/* Goal: a program built with an older or a newer header works: what it does not know is default,
 * what we do not know must be 0. */
TEST(a_shorter_and_a_longer_configuration_are_understood)
{
    struct {
        struct weft_config config;
        int64_t unknown;
    } longer = {WEFT_CONFIG_INIT, 0};
    struct weft_config shorter = WEFT_CONFIG_INIT;

    clear_environment();
    shorter.size = offsetof(struct weft_config, reactor);
    shorter.procs = 3;
    shorter.guard = (enum weft_guard)77; /* beyond its size: not ours to read */
    CHECK_EQ(weft_run_config(tell_procs, NULL, &shorter), 3);
    longer.config.size = sizeof longer;
    longer.config.procs = 2;
    CHECK_EQ(weft_run_config(tell_procs, NULL, &longer.config), 2);
    longer.unknown = 1;
    listen_to(run_expecting_125, &longer.config);
    CHECK_EQ(n_lines(said), 1);
}

static int describe(void *arg)
{
    CHECK_EQ(weft_runtime_describe(NULL, arg, 256), 0);
    return 0;
}

static void describe_into(struct weft_config *config, char *text)
{
    CHECK_EQ(weft_run_config(describe, text, config), 0);
}

TEST(the_environment_is_obeyed_and_the_configuration_wins)
{
    struct weft_config config = WEFT_CONFIG_INIT;
    char text[256];

    clear_environment();
    setenv("WEFT_PROCS", "2", 1);
    setenv("WEFT_REACTOR", "epoll", 1);
    setenv("WEFT_GUARD", "canary", 1);
    setenv("WEFT_STACK", "100K", 1);
    describe_into(NULL, text);
    CHECK(strstr(text, "epoll") && strstr(text, "canary") && strstr(text, "2 processors"));
    CHECK(strstr(text, "128 KiB") != NULL); /* rounded up to a power of two */
    config.procs = 1;
    config.guard = WEFT_GUARD_MPROTECT;
    config.stack_bytes = 1 << 20;
    describe_into(&config, text);
    CHECK(strstr(text, "epoll") && strstr(text, "mprotect") && strstr(text, "1 processor,"));
    CHECK(strstr(text, "1 MiB") != NULL);
}

static void run_verbosely(void *unused)
{
    (void)unused;
    CHECK_EQ(weft_run(tell_procs, NULL), 2);
}

TEST(verbose_is_one_line_that_says_which_and_why)
{
    clear_environment();
    setenv("WEFT_PROCS", "2", 1);
    setenv("WEFT_REACTOR", "epoll", 1);
    listen_to(run_verbosely, NULL);
    CHECK_STR(said, "");
    setenv("WEFT_VERBOSE", "1", 1);
    listen_to(run_verbosely, NULL);
    CHECK_EQ(n_lines(said), 1);
    CHECK(strstr(said, "reactor epoll (") && strstr(said, "guard ") &&
          strstr(said, "2 processors"));
}

static int stay_where_spawned(void *arg)
{
    (void)arg;
    const int at = weft_thread_index();
    for (int i = 0; i < 200; i++) {
        weft_yield();
        CHECK_EQ(weft_thread_index(), at);
    }
    return 0;
}

static int spawn_without_stealing(void *arg)
{
    struct weft_co *co[40];

    (void)arg;
    for (int i = 0; i < COUNT(co); i++)
        co[i] = weft_go_with(stay_where_spawned, NULL, .on_p = WEFT_ON_P(i % 4));
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    struct weft_stats stats = {.size = sizeof stats};
    CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    CHECK_EQ(stats.steals, 0);
    return 0;
}

TEST(stealing_can_be_switched_off)
{
    struct weft_config config = WEFT_CONFIG_INIT;

    clear_environment();
    config.procs = 4;
    config.no_steal = 1;
    CHECK_EQ(weft_run_config(spawn_without_stealing, NULL, &config), 0);
    setenv("WEFT_STEAL", "0", 1);
    config.no_steal = 0;
    CHECK_EQ(weft_run_config(spawn_without_stealing, NULL, &config), 0);
}
