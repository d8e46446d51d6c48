/* SPDX-License-Identifier: MIT */
/*
 * names.c - weft_resolve(): what is asked of the name services, once for all who want to know, what
 * is kept of their answers, and who waits for them how long.  What they are is a fake one, but for
 * the last tests.
 *
 * matrix: short
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include "base/sys.h"
#include "names_test.h"

static struct weft_stats stats(void)
{
    struct weft_stats s = {.size = sizeof s};

    CHECK_EQ(weft_runtime_stats(NULL, &s), 0);
    return s;
}

/* The only address of a host. */
static void expect_one(const char *host, const char *service, const char *text)
{
    struct weft_addr addrs[2];
    char formatted[WEFT_ADDR_TEXT_MAX];

    CHECK_EQ(weft_resolve(host, service, addrs, 2, NULL), 1);
    CHECK_STR(weft_addr_format(&addrs[0], formatted, sizeof formatted), text);
}

static int resolve_one(const char *host)
{
    struct weft_addr addr;

    return weft_resolve(host, "80", &addr, 1, NULL);
}

/* Runs it with the fake name service. */
#define FAKE_TEST(id, answer)                                                                      \
    static int in_##id(void *unused);                                                              \
    TEST(id)                                                                                       \
    {                                                                                              \
        use_fake_names(answer);                                                                    \
        CHECK_EQ(weft_run(in_##id, NULL), 0);                                                      \
    }                                                                                              \
    static int in_##id(void *unused __attribute__((unused)))

/* ---- what is not asked ---- */

static int answer_never(const char *host, const char *service, int family, struct weft_addr *addrs)
{
    (void)service;
    (void)family;
    (void)addrs;
    TEST_FAIL("\"%s\" was looked up", host);
}

static int check_literals(void *unused)
{
    (void)unused;
    expect_one("127.0.0.1", "80", "127.0.0.1:80");
    expect_one("127.0.0.1", NULL, "127.0.0.1:0");
    expect_one("::1", "443", "[::1]:443");
    expect_one("[::1]", "443", "[::1]:443");
    expect_one("fe80::1%7", "1", "[fe80::1%7]:1");
    expect_one("[fe80::1%7]", "1", "[fe80::1%7]:1");
    expect_one("unix:/tmp/x", NULL, "unix:/tmp/x");
    expect_one("unix:@x", "ignored", "unix:@x");
    return 0;
}

FAKE_TEST(literals_are_answered_without_the_pool, answer_never)
{
    WEFT_DEADLINE (s, -1)
        CHECK_EQ(check_literals(NULL), 0);
    CHECK_EQ(stats().blocking_threads, 0);
    return 0;
}

TEST(literals_are_answered_on_a_plain_thread)
{
    use_fake_names(answer_never);
    CHECK_EQ(check_literals(NULL), 0);
}

FAKE_TEST(the_interface_of_an_address_may_have_a_name, answer_never)
{
    struct weft_addr addr;
    int rc = weft_resolve("fe80::1%lo", "1", &addr, 1, NULL);

    CHECK_EQ(resolve_one("fe80::1%no-such-interface"), -ENODEV);
    CHECK_EQ(resolve_one("fe80::1%4294967296"), -ENODEV);
    if (rc == -ENODEV)
        SKIP("there is no lo here");
    CHECK_EQ(rc, 1);
    CHECK_GT(((struct sockaddr_in6 *)&addr.storage)->sin6_scope_id, 0);
    return 0;
}

FAKE_TEST(what_is_neither_a_name_nor_a_literal_is_refused, answer_never)
{
    static const char *const hosts[] = {
        "", " ", ".", ".a", "a b", "a:b", "a/b", "[a]", "[127.0.0.1]", "[::1", "::1]", "[]", "[",
        "127.1", "127.0.0.1.", "1.2.3.256", "127.0.0.1.1", "2130706433", "0x7f000001", "0x7f.1",
        "a.1", "a.0xf", "a.1.", "::g", "::1%", "::1%0", "*", "a%1", "unix:",
    };
    static const char *const services[] = {"", "65536", "-1", "+1", " 80", "80 ", "8 0", "a b",
                                           "99999999999999999999"};
    struct weft_addr addr;
    char text[300];

    for (int i = 0; i < COUNT(hosts); i++)
        if (resolve_one(hosts[i]) != -EINVAL)
            TEST_FAIL("\"%s\" gives %d", hosts[i], resolve_one(hosts[i]));
    for (int i = 0; i < COUNT(services); i++)
        if (weft_resolve("a", services[i], &addr, 1, NULL) != -EINVAL)
            TEST_FAIL("service \"%s\" is no error", services[i]);
    CHECK_EQ(weft_resolve(NULL, NULL, &addr, 1, NULL), -EINVAL);
    CHECK_EQ(weft_resolve("a", NULL, &addr, 0, NULL), -EINVAL);
    CHECK_EQ(weft_resolve_with("a", NULL, &addr, 1, .socktype = 77), -EINVAL);
    CHECK_EQ(weft_resolve_with("a", NULL, &addr, 1, .family = AF_UNIX), -EAFNOSUPPORT);
    CHECK_EQ(weft_resolve_with("::1", NULL, &addr, 1, .family = AF_INET), -ENODATA);
    memset(text, 'a', sizeof text - 1);
    text[256] = '\0';
    CHECK_EQ(resolve_one(text), -ENAMETOOLONG);
    text[64] = '\0';
    CHECK_EQ(weft_resolve("a", text, &addr, 1, NULL), -ENAMETOOLONG);
    return 0;
}

/* ---- what is asked ---- */

static int answer_by_question(const char *host, const char *service, int family,
                              struct weft_addr *addrs)
{
    if (strcmp(host, "three.test") == 0) {
        CHECK(service == NULL);
        set_addr(&addrs[0], "[2001:db8::1]:0");
        set_addr(&addrs[1], "192.0.2.1:0");
        set_addr(&addrs[2], "[fe80::1%3]:0");
        return family == AF_UNSPEC ? 3 : 1;
    }
    CHECK_STR(service, "http");
    set_addr(&addrs[0], "192.0.2.1:80");
    return 1;
}

FAKE_TEST(a_name_gives_its_addresses_with_the_port, answer_by_question)
{
    struct weft_addr addrs[4];
    char text[WEFT_ADDR_TEXT_MAX];

    CHECK_EQ(weft_resolve("three.test", "443", addrs, 4, NULL), 3);
    CHECK_STR(weft_addr_format(&addrs[0], text, sizeof text), "[2001:db8::1]:443");
    CHECK_STR(weft_addr_format(&addrs[1], text, sizeof text), "192.0.2.1:443");
    CHECK_STR(weft_addr_format(&addrs[2], text, sizeof text), "[fe80::1%3]:443");
    CHECK_EQ(weft_resolve("three.test", NULL, addrs, 2, NULL), 2); /* as many as have room */
    CHECK_EQ(weft_addr_port(&addrs[1]), 0);
    CHECK_EQ(atomic_load(&fake.n_lookups), 1); /* whatever the port */
    expect_one("a.test", "http", "192.0.2.1:80");
    expect_one("127.0.0.1", "http", "192.0.2.1:80");
    return 0;
}

FAKE_TEST(another_question_is_another_lookup, answer_one)
{
    struct weft_addr addr;

    for (int again = 0; again < 2; again++) {
        CHECK_EQ(weft_resolve("a.test", "1", &addr, 1, NULL), 1);
        CHECK_EQ(weft_resolve("A.Test", "2", &addr, 1, NULL), 1); /* the same */
        CHECK_EQ(weft_resolve("b.test", "1", &addr, 1, NULL), 1);
        CHECK_EQ(weft_resolve("a.test", "http", &addr, 1, NULL), 1);
        CHECK_EQ(weft_resolve("a.test", "HTTP", &addr, 1, NULL), 1); /* there is none, mostly */
        CHECK_EQ(weft_resolve_with("a.test", "1", &addr, 1, .family = AF_INET6), 1);
        CHECK_EQ(weft_resolve_with("a.test", "1", &addr, 1, .socktype = SOCK_DGRAM), 1);
        CHECK_EQ(atomic_load(&fake.n_lookups), 6);
    }
    return 0;
}

static int ask(void *host)
{
    return resolve_one(host);
}

static int ask_and_expect_one(void *host)
{
    CHECK_EQ(resolve_one(host), 1);
    return 0;
}

enum { ASKERS = 20 };

/* Goal: those who ask for the same at the same time wait for one lookup, and all get its answer. */
FAKE_TEST(callers_at_the_same_time_share_a_lookup, answer_one)
{
    struct weft_co *co[ASKERS];

    atomic_store(&fake.is_shut, true);
    for (int i = 0; i < ASKERS; i++)
        co[i] = weft_go_with(ask_and_expect_one, (char *)"a.test");
    await_askers(ASKERS);
    CHECK_LE(atomic_load(&fake.n_lookups), 1);
    atomic_store(&fake.is_shut, false);
    for (int i = 0; i < ASKERS; i++)
        join(co[i]);
    CHECK_EQ(atomic_load(&fake.n_lookups), 1);
    return 0;
}

/* ---- what is kept ---- */

static int answer_error_by_name(const char *host, const char *service, int family,
                                struct weft_addr *addrs)
{
    (void)service;
    (void)family;
    set_addr(&addrs[0], "192.0.2.1:0");
    return strncmp(host, "e", 1) == 0 ? -atoi(host + 1) : 1;
}

FAKE_TEST(an_answer_is_kept_for_its_time, answer_error_by_name)
{
    for (int i = 1; i <= 2; i++) {
        for (int again = 0; again < 3; again++)
            CHECK_EQ(resolve_one("a.test"), 1);
        CHECK_EQ(atomic_load(&fake.n_lookups), i);
        atomic_fetch_add(&fake.now_ns, 10 * WEFT_SEC - 1); /* the default, but for a moment */
        CHECK_EQ(resolve_one("a.test"), 1);
        CHECK_EQ(atomic_load(&fake.n_lookups), i);
        atomic_fetch_add(&fake.now_ns, 1);
    }
    return 0;
}

/* Goal: what the name services say of a name is kept; what keeps the process from asking is not. */
FAKE_TEST(errors_of_the_name_services_are_kept_for_a_shorter_time, answer_error_by_name)
{
    static const struct {
        int error;
        bool is_kept;
    } errors[] = {{ENOENT, true}, {ENODATA, true}, {EAGAIN, true},  {EIO, true},
                  {ENOMEM, false}, {EMFILE, false}, {EINVAL, false}};

    for (int i = 0; i < COUNT(errors); i++) {
        char host[32];
        int n = atomic_load(&fake.n_lookups);

        snprintf(host, sizeof host, "e%d.test", errors[i].error);
        CHECK_EQ(resolve_one(host), -errors[i].error);
        CHECK_EQ(resolve_one(host), -errors[i].error);
        CHECK_EQ(atomic_load(&fake.n_lookups), errors[i].is_kept ? n + 1 : n + 2);
        atomic_fetch_add(&fake.now_ns, WEFT_SEC);
        CHECK_EQ(resolve_one(host), -errors[i].error);
        CHECK_EQ(atomic_load(&fake.n_lookups), errors[i].is_kept ? n + 2 : n + 3);
    }
    return 0;
}

static int ask_twice_each(void *n_lookups)
{
    for (int again = 0; again < 2; again++) {
        CHECK_EQ(resolve_one("a.test"), 1);
        CHECK_EQ(resolve_one("e2.test"), -ENOENT);
    }
    CHECK_EQ(atomic_load(&fake.n_lookups), *(int *)n_lookups);
    return 0;
}

TEST(the_times_can_be_set_and_switched_off)
{
    use_fake_names(answer_error_by_name);
    CHECK_EQ(weft_run_with(ask_twice_each, (int[]){4}, .name_ttl_ns = -1, .name_error_ttl_ns = -1),
             0);
    CHECK_EQ(weft_run_with(ask_twice_each, (int[]){4 + 3}, .name_error_ttl_ns = -1), 0);
    setenv("WEFT_NAME_TTL", "0", 1);
    CHECK_EQ(weft_run_with(ask_twice_each, (int[]){7 + 3}, .name_error_ttl_ns = 5), 0);
    CHECK_EQ(weft_run_with(ask_twice_each, (int[]){10 + 2}, .name_ttl_ns = 1), 0);
    setenv("WEFT_NAME_ERROR_TTL", "0", 1);
    CHECK_EQ(weft_run(ask_twice_each, (int[]){12 + 4}), 0);
}

/* Goal: as many answers are kept as name.h says, and the oldest go. */
FAKE_TEST(of_too_many_answers_the_oldest_are_forgotten, answer_one)
{
    enum { KEPT = 256, NAMES = 300 };
    char host[32];

    for (int i = 0; i < NAMES; i++) {
        snprintf(host, sizeof host, "n%d.test", i);
        CHECK_EQ(resolve_one(host), 1);
    }
    CHECK_EQ(atomic_load(&fake.n_lookups), NAMES);
    for (int i = NAMES - KEPT; i < NAMES; i++) {
        snprintf(host, sizeof host, "n%d.test", i);
        CHECK_EQ(resolve_one(host), 1);
    }
    CHECK_EQ(atomic_load(&fake.n_lookups), NAMES);
    snprintf(host, sizeof host, "n%d.test", NAMES - KEPT - 1);
    CHECK_EQ(resolve_one(host), 1);
    CHECK_EQ(atomic_load(&fake.n_lookups), NAMES + 1);
    return 0;
}

FAKE_TEST(a_flush_forgets_what_is_known, answer_one)
{
    CHECK_EQ(weft_resolve_flush(NULL), 0); /* nothing was asked yet */
    for (int i = 1; i <= 3; i++) {
        CHECK_EQ(resolve_one("a.test"), 1);
        CHECK_EQ(resolve_one("a.test"), 1);
        CHECK_EQ(atomic_load(&fake.n_lookups), i);
        CHECK_EQ(weft_resolve_flush(i % 2 ? NULL : weft_runtime_current()), 0);
    }
    return 0;
}

FAKE_TEST(a_lookup_that_was_flushed_answers_its_callers_alone, answer_one)
{
    atomic_store(&fake.is_shut, true);
    struct weft_co *before = weft_go_with(ask_and_expect_one, (char *)"a.test");
    await_askers(1);
    CHECK_EQ(weft_resolve_flush(NULL), 0);
    struct weft_co *after = weft_go_with(ask_and_expect_one, (char *)"a.test");
    await_lookups(2);
    atomic_store(&fake.is_shut, false);
    join(before);
    join(after);
    CHECK_EQ(resolve_one("a.test"), 1);
    CHECK_EQ(atomic_load(&fake.n_lookups), 2);
    return 0;
}

TEST(on_a_plain_thread_there_is_nothing_to_flush)
{
    CHECK_EQ(weft_resolve_flush(NULL), -EINVAL);
}

/* ---- who waits how long ---- */

/* Goal: a caller whose scope ends goes on while the lookup does, whose answer the next one gets. */
FAKE_TEST(an_ended_scope_ends_the_wait_and_not_the_lookup, answer_one)
{
    atomic_store(&fake.is_shut, true);
    WEFT_DEADLINE (s, WEFT_MS) {
        CHECK_EQ(resolve_one("a.test"), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
    }
    struct weft_co *co = weft_go_with(ask, (char *)"b.test");
    int rc = 0;
    await_askers(1);
    weft_cancel(co);
    CHECK_EQ(weft_join(co, &rc), 0);
    CHECK_EQ(rc, -ECANCELED);
    /* Those that had begun; b.test's may have been called off before. */
    CHECK(atomic_load(&fake.is_shut));
    atomic_store(&fake.is_shut, false);
    CHECK_EQ(resolve_one("a.test"), 1);
    CHECK_EQ(resolve_one("b.test"), 1);
    CHECK_LE(atomic_load(&fake.n_lookups), 4);
    return 0;
}

FAKE_TEST(the_answer_of_a_lookup_without_callers_is_kept, answer_one)
{
    int rc = 0;

    atomic_store(&fake.is_shut, true);
    struct weft_co *co = weft_go_with(ask, (char *)"a.test");
    await_lookups(1);
    weft_cancel(co);
    CHECK_EQ(weft_join(co, &rc), 0);
    CHECK_EQ(rc, -ECANCELED);
    CHECK_EQ(atomic_load(&fake.n_inside), 1);
    atomic_store(&fake.is_shut, false);
    CHECK_EQ(resolve_one("a.test"), 1); /* by the same lookup, done or not */
    CHECK_EQ(atomic_load(&fake.n_lookups), 1);
    WEFT_DEADLINE (s, -1)
        CHECK_EQ(resolve_one("a.test"), 1);
    return 0;
}

static int leave_the_queue(void *unused)
{
    int rc = 0;

    (void)unused;
    atomic_store(&fake.is_shut, true);
    struct weft_co *first = weft_go_with(ask_and_expect_one, (char *)"a.test");
    await_lookups(1);
    struct weft_co *one = weft_go_with(ask, (char *)"b.test");
    struct weft_co *other = weft_go_with(ask_and_expect_one, (char *)"b.test");
    await_askers(3);
    weft_cancel(one);
    CHECK_EQ(weft_join(one, &rc), 0);
    CHECK_EQ(rc, -ECANCELED);
    CHECK_EQ(stats().blocking_queued, 1); /* for the other */
    WEFT_DEADLINE (s, WEFT_MS)
        CHECK_EQ(resolve_one("c.test"), -ETIMEDOUT);
    CHECK_EQ(stats().blocking_queued, 1);
    atomic_store(&fake.is_shut, false);
    join(first);
    join(other);
    CHECK_EQ(atomic_load(&fake.n_lookups), 2);
    CHECK_EQ(resolve_one("c.test"), 1);
    CHECK_EQ(atomic_load(&fake.n_lookups), 3);
    return 0;
}

/* Goal: a lookup that waits for a thread is called off with its last caller, not before. */
TEST(a_queued_lookup_goes_with_its_last_caller)
{
    use_fake_names(answer_one);
    CHECK_EQ(weft_run_with(leave_the_queue, NULL, .blocking_max = 1), 0);
}

FAKE_TEST(an_ended_scope_begins_no_lookup, answer_one)
{
    WEFT_DEADLINE (s, -1)
        CHECK_EQ(resolve_one("a.test"), -ETIMEDOUT);
    CHECK_EQ(atomic_load(&fake.n_lookups), 0);
    CHECK_EQ(stats().blocking_queued, 0);
    return 0;
}

static int answer_late(const char *host, const char *service, int family, struct weft_addr *addrs)
{
    usleep(50000); /* everybody sleeps meanwhile */
    return answer_one(host, service, family, addrs);
}

FAKE_TEST(a_lookup_under_way_is_no_deadlock, answer_late)
{
    CHECK_EQ(resolve_one("a.test"), 1);
    WEFT_DEADLINE (s, WEFT_MS)
        CHECK_EQ(resolve_one("b.test"), -ETIMEDOUT);
    CHECK_EQ(resolve_one("b.test"), 1);
    return 0;
}

static void ask_for_ever(void *host)
{
    (void)resolve_one(host);
}

static int leave_some_asking(void *unused)
{
    (void)unused;
    atomic_store(&fake.is_shut, true);
    go(ask_for_ever, (char *)"a.test");
    await_lookups(1);
    go(ask_for_ever, (char *)"a.test");
    go(ask_for_ever, (char *)"b.test");
    await_askers(3);
    atomic_store(&fake.is_shut, false); /* the first gets its answer or not; b.test may begin */
    return 0;
}

/* Goal: a runtime that is stopped discards those who wait for names, lookups that are queued, and
 * what is known, and keeps nothing of them; the sanitizers look for leaks. */
TEST(a_stop_discards_those_who_ask)
{
    struct weft_runtime *rt;
    struct weft_config config = WEFT_CONFIG_INIT;

    use_fake_names(answer_one);
    config.blocking_max = 1;
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(weft_runtime_start(&rt, &config), 0);
        CHECK_EQ(weft_block_on(rt, leave_some_asking, NULL, NULL), 0);
        CHECK_GE(weft_runtime_stop(rt), 0);
        CHECK_EQ(atomic_load(&fake.n_inside), 0);
    }
}

static int ask_at_random(void *arg)
{
    uint64_t x = test_seed() + (uintptr_t)arg;

    for (int i = 0; i < scaled(1000); i++) {
        char host[32];
        snprintf(host, sizeof host, "n%d.test", (int)(test_random(&x) % 8));
        const int64_t patience = (int64_t)(test_random(&x) % 200) * WEFT_US;
        WEFT_DEADLINE (s, patience) {
            int rc = resolve_one(host);
            CHECK(rc == 1 || rc == -ETIMEDOUT);
        }
        if (test_random(&x) % 16 == 0)
            CHECK_EQ(weft_resolve_flush(NULL), 0);
    }
    return 0;
}

static int ask_from_many(void *unused)
{
    struct weft_co *co[8];

    (void)unused;
    for (int i = 0; i < COUNT(co); i++)
        co[i] = weft_go_with(ask_at_random, (void *)(uintptr_t)i);
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    for (int i = 0; i < 8; i++) {
        char host[32];
        snprintf(host, sizeof host, "n%d.test", i);
        CHECK_EQ(resolve_one(host), 1);
    }
    return 0;
}

/* Goal: askers, deadlines, flushes and lookups that end meet in every order, and nobody is
 * forgotten, answered wrongly, or touches what is freed. */
TEST_LIMIT(asking_leaving_and_flushing_at_random, 60)
{
    use_fake_names(answer_one);
    CHECK_EQ(weft_run_with(ask_from_many, NULL, .name_ttl_ns = -1, .blocking_max = 2), 0);
    CHECK_EQ(weft_run_with(ask_from_many, NULL, .blocking_max = 8), 0);
}

TEST(a_plain_thread_asks_by_itself)
{
    struct weft_addr addr;

    use_fake_names(answer_one);
    for (int i = 1; i <= 2; i++) {
        CHECK_EQ(weft_resolve("a.test", "80", &addr, 1, NULL), 1);
        CHECK_EQ(weft_addr_port(&addr), 80);
        CHECK_EQ(atomic_load(&fake.n_lookups), i);
    }
}

/* ---- the real ones ---- */

TEST(every_error_of_getaddrinfo_has_a_code_with_a_text)
{
    static const struct {
        int eai, code;
    } rows[] = {
        {EAI_NONAME, -ENOENT}, {EAI_AGAIN, -EAGAIN}, {EAI_FAIL, -EIO}, {EAI_MEMORY, -ENOMEM},
        {EAI_SERVICE, -EPROTONOSUPPORT}, {EAI_FAMILY, -EAFNOSUPPORT}, {EAI_SOCKTYPE, -EINVAL},
        {EAI_BADFLAGS, -EINVAL}, {EAI_SYSTEM, -EMFILE}, {12345, -EIO},
    };
    for (int i = 0; i < COUNT(rows); i++) {
        CHECK_EQ(weft__sys_lookup_error(rows[i].eai, EMFILE), rows[i].code);
        CHECK(strcmp(weft_strerror(rows[i].code), "unknown error") != 0);
    }
    CHECK_EQ(weft__sys_lookup_error(EAI_SYSTEM, 0), -EIO);
    CHECK(strcmp(weft_strerror(-ENODATA), "unknown error") != 0);
    CHECK(strcmp(weft_strerror(-ENODEV), "unknown error") != 0);
}

static bool is_loopback(const struct weft_addr *addr)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)&addr->storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr->storage;

    return addr->storage.ss_family == AF_INET ? ntohl(in->sin_addr.s_addr) >> 24 == 127
                                              : IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

CO_TEST(localhost_is_what_the_system_says)
{
    struct weft_addr addrs[8];
    int n = weft_resolve("localhost", "80", addrs, 8, NULL);

    if (n == -ENOENT || n == -EAGAIN)
        SKIP("this system has no localhost");
    CHECK_GT(n, 0);
    for (int i = 0; i < n; i++) {
        CHECK(is_loopback(&addrs[i]));
        CHECK_EQ(weft_addr_port(&addrs[i]), 80);
    }
    n = weft_resolve_with("localhost", "80", addrs, 8, .family = AF_INET);
    CHECK_EQ(n, 1);
    CHECK_EQ(addrs[0].storage.ss_family, AF_INET);
    return 0;
}

CO_TEST(a_service_has_the_port_that_the_system_says)
{
    struct weft_addr addr;
    int rc = weft_resolve("127.0.0.1", "http", &addr, 1, NULL);

    CHECK_EQ(weft_resolve("127.0.0.1", "no-such-service", &addr, 1, NULL), -EPROTONOSUPPORT);
    if (rc == -EPROTONOSUPPORT)
        SKIP("this system knows no services");
    CHECK_EQ(rc, 1);
    CHECK_EQ(weft_addr_port(&addr), 80);
    return 0;
}
