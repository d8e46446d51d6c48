/* SPDX-License-Identifier: MIT */
/*
 * race.c - dialling a name, and the first of several addresses that answers: which attempts are
 * made, when, who wins, and that nothing of the others is left, whatever ends the race.
 *
 * matrix: short
 */
#include "names_test.h"
#include "net_test.h"
#include "no_lookout.h" /* which makes reactors, and so fds */

#include "net/dial.h"

/* A test whose runtime has the fake name service. */
#define FAKE_TEST(id, answer)                                                                      \
    static int in_##id(void *unused);                                                              \
    TEST(id)                                                                                       \
    {                                                                                              \
        use_fake_names(answer);                                                                    \
        CHECK_EQ(weft_run(in_##id, NULL), 0);                                                      \
    }                                                                                              \
    static int in_##id(void *unused __attribute__((unused)))

#define NEVER_NEXT                                                                                 \
    (&(struct weft_dial_opts){.size = sizeof(struct weft_dial_opts),                               \
                              .attempt_delay_ns = WEFT_NEVER})
#define AT_ONCE                                                                                    \
    (&(struct weft_dial_opts){.size = sizeof(struct weft_dial_opts), .attempt_delay_ns = 1})

/* An address of 127.0.0.1 where nobody listens. */
static struct weft_addr refusing_addr(void)
{
    struct weft_addr addr;

    CHECK_EQ(weft_close(listen_tcp(&addr)), 0);
    return addr;
}

/* To which there is no way. */
static struct weft_addr unreachable_addr(void)
{
    struct weft_addr addr;

    set_addr(&addr, "224.0.0.1:9");
    return addr;
}

/* A listener that has no room for those who come: it never answers them. */
struct silent {
    struct weft_addr addr;
    int listener, visitor;
};

static void silent_begin(struct silent *s)
{
    struct pollfd p = {.events = POLLIN};

    s->listener = listen_tcp(&s->addr);
    CHECK_EQ(listen(s->listener, 0), 0);
    s->visitor = weft_dial_addr(&s->addr);
    CHECK_GE(s->visitor, 0);
    p.fd = s->listener;
    CHECK_EQ(poll(&p, 1, -1), 1); /* one waits to be accepted: there is no room for more */
}

static void silent_end(struct silent *s)
{
    CHECK_EQ(weft_close(s->listener), 0);
    CHECK_EQ(weft_close(s->visitor), 0);
}

/* fd is connected to the listener; all of it is closed. */
static void expect_connected(int fd, int listener)
{
    char c;

    CHECK_GE(fd, 0);
    int peer = weft_accept(listener, NULL);
    CHECK_GE(peer, 0);
    CHECK_EQ(weft_write(peer, "x", 1), 1);
    CHECK_EQ(weft_read(fd, &c, 1), 1);
    CHECK_EQ(weft_close(peer), 0);
    CHECK_EQ(weft_close(fd), 0);
}

static void expect_nobody(int listener)
{
    struct pollfd p = {.fd = listener, .events = POLLIN};

    CHECK_EQ(poll(&p, 1, 0), 0);
}

/* ---- in which order ---- */

static void expect_order(const char *given, const char *expected)
{
    struct weft_addr addrs[16] = {0};
    const struct weft_addr *order[16];
    int n = (int)strlen(given);

    for (int i = 0; i < n; i++) { /* the position as the port */
        char text[32];
        snprintf(text, sizeof text, given[i] == '6' ? "[::1]:%d" : "127.0.0.1:%d", i);
        set_addr(&addrs[i], text);
    }
    weft__dial_order(addrs, n, order);
    for (int i = 0; i < n; i++)
        CHECK_EQ(weft_addr_port(order[i]), expected[i] - '0');
}

/* Goal: the families take turns, the first address's first, and each keeps its order. */
TEST(the_families_take_turns)
{
    expect_order("6", "0");
    expect_order("66", "01");
    expect_order("64", "01");
    expect_order("46", "01");
    expect_order("666444", "031425");
    expect_order("444666", "031425");
    expect_order("6664", "0312");
    expect_order("4666", "0123");
    expect_order("6444", "0123");
    expect_order("644464", "0142" "35");
}

/* ---- which attempts are made ---- */

CO_TEST(the_first_that_connects_is_the_only_one)
{
    struct weft_addr addrs[2];
    int first = listen_tcp(&addrs[0]), second = listen_tcp(&addrs[1]);

    int fd = weft_dial_any(addrs, 2, NEVER_NEXT);
    expect_nobody(second);
    expect_connected(fd, first);
    CHECK_EQ(weft_close(first), 0);
    CHECK_EQ(weft_close(second), 0);
    return 0;
}

CO_TEST(when_one_fails_the_next_begins_at_once)
{
    struct weft_addr addrs[4] = {refusing_addr(), unreachable_addr(), refusing_addr()};
    int listener = listen_tcp(&addrs[3]);

    expect_connected(weft_dial_any(addrs, 4, NEVER_NEXT), listener);
    CHECK_EQ(weft_close(listener), 0);
    CHECK_EQ(in_flight(), 0);
    return 0;
}

/* Goal: the attempt that does not answer is passed after the delay, and then ended and closed. */
CO_TEST(after_the_delay_the_next_begins)
{
    struct silent silent;
    silent_begin(&silent);
    struct weft_addr addrs[3] = {silent.addr, silent.addr};
    int listener = listen_tcp(&addrs[2]);
    const int fds = open_fds();

    for (int i = 0; i < 2; i++) { /* with the default delay, too */
        const int64_t delay_ns = i == 0 ? WEFT_MS : 250 * WEFT_MS;
        const int64_t begun = weft_now();
        expect_connected(weft_dial_any(addrs, 3, i == 0 ? &(struct weft_dial_opts){
                                                              .size = sizeof(struct weft_dial_opts),
                                                              .attempt_delay_ns = delay_ns}
                                                        : NULL),
                         listener);
        CHECK_GE(weft_now() - begun, 2 * delay_ns);
        CHECK_EQ(in_flight(), 0);
        CHECK_EQ(open_fds(), fds);
    }
    CHECK_EQ(weft_close(listener), 0);
    silent_end(&silent);
    return 0;
}

static int dial_first(void *addrs)
{
    return weft_dial_any(addrs, 2, AT_ONCE);
}

/* Goal: an attempt that was passed by may still win: its listener makes room when the other attempt
 * is under way to one that never answers. */
CO_TEST(a_slow_attempt_may_win)
{
    struct silent slow, silent;
    int fd = -1;
    silent_begin(&slow);
    silent_begin(&silent);
    struct weft_addr addrs[2] = {slow.addr, silent.addr};

    struct weft_co *co = weft_go_with(dial_first, addrs);
    await_in_flight(2);
    int visitor = weft_accept(slow.listener, NULL);
    CHECK_EQ(weft_join(co, &fd), 0); /* when the system tries again */
    expect_connected(fd, slow.listener);
    CHECK_EQ(weft_close(visitor), 0);
    CHECK_EQ(in_flight(), 0);
    silent_end(&slow);
    silent_end(&silent);
    return 0;
}

/* Goal: of several that connect at the same time one is returned, and the others are closed. */
CO_TEST(of_many_winners_one_is_kept)
{
    enum { MANY = 8 };
    struct weft_addr addrs[MANY];
    int listeners[MANY];

    for (int i = 0; i < MANY; i++)
        listeners[i] = listen_tcp(&addrs[i]);
    const int fds = open_fds();
    for (int i = 0; i < scaled(200); i++) {
        int fd = weft_dial_any(addrs, MANY, AT_ONCE);
        CHECK_GE(fd, 0);
        CHECK_EQ(in_flight(), 0);
        CHECK_EQ(open_fds(), fds + 1);
        CHECK_EQ(weft_close(fd), 0);
        for (int k = 0; k < MANY; k++)
            WEFT_DEADLINE (s, 0)
                for (int peer; (peer = weft_accept(listeners[k], NULL)) >= 0;)
                    CHECK_EQ(weft_close(peer), 0);
    }
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(weft_close(listeners[i]), 0);
    return 0;
}

/* ---- failures ---- */

CO_TEST(the_most_telling_error_is_returned)
{
    struct weft_addr addrs[4] = {unreachable_addr(), refusing_addr(), unreachable_addr()};
    const int fds = open_fds();

    CHECK_EQ(weft_dial_any(addrs, 3, NEVER_NEXT), -ECONNREFUSED);
    CHECK_EQ(weft_dial_any(addrs, 3, AT_ONCE), -ECONNREFUSED);
    CHECK_EQ(weft_dial_any(addrs, 2, NULL), -ECONNREFUSED);
    CHECK_EQ(weft_dial_any(addrs + 1, 2, NULL), -ECONNREFUSED);
    addrs[1] = unreachable_addr();
    CHECK_EQ(weft_dial_any(addrs, 3, NULL), -ENETUNREACH);
    addrs[1].storage.ss_family = 250;
    addrs[1].len = sizeof(struct sockaddr);
    CHECK_EQ(weft_dial_any(addrs, 2, NULL), -EAFNOSUPPORT);
    CHECK_EQ(weft_dial_any(addrs, 1, NULL), -ENETUNREACH);
    CHECK_EQ(weft_dial_any(addrs, 0, NULL), -EINVAL);
    CHECK_EQ(weft_dial_any(addrs, -1, NULL), -EINVAL);
    CHECK_EQ(in_flight(), 0);
    CHECK_EQ(open_fds(), fds);
    return 0;
}

CO_TEST(an_ended_scope_ends_the_race)
{
    struct silent silent;
    silent_begin(&silent);
    struct weft_addr addrs[3] = {silent.addr, silent.addr, silent.addr};
    const int fds = open_fds();
    int rc = 0;

    WEFT_DEADLINE (s, 10 * WEFT_MS) {
        CHECK_EQ(weft_dial_any(addrs, 3, AT_ONCE), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
    }
    WEFT_DEADLINE (s, -1) /* nothing is begun */
        CHECK_EQ(weft_dial_any(addrs, 3, AT_ONCE), -ETIMEDOUT);
    struct weft_co *co = weft_go_with(dial_first, addrs);
    await_in_flight(2);
    weft_cancel(co);
    CHECK_EQ(weft_join(co, &rc), 0);
    CHECK_EQ(rc, -ECANCELED);
    CHECK_EQ(in_flight(), 0);
    CHECK_EQ(open_fds(), fds);
    silent_end(&silent);
    return 0;
}

/* Goal: deadlines of all lengths around races that are won, lost and not decided: each ends with an
 * fd or the scope's error, and nothing is left. */
CO_TEST(a_race_may_end_at_any_moment)
{
    struct silent silent;
    silent_begin(&silent);
    struct weft_addr addrs[4] = {silent.addr, refusing_addr()};
    int first = listen_tcp(&addrs[2]), second = listen_tcp(&addrs[3]);
    const int fds = open_fds();
    uint64_t x = test_seed();

    for (int i = 0; i < scaled(300); i++) {
        int fd = -1;
        const int64_t patience = (int64_t)(test_random(&x) % 400) * WEFT_US;
        WEFT_DEADLINE (s, patience)
            fd = weft_dial_any(addrs, 2 + (int)(test_random(&x) % 3), AT_ONCE);
        CHECK(fd >= 0 || fd == -ETIMEDOUT);
        CHECK_EQ(in_flight(), 0);
        if (fd >= 0)
            CHECK_EQ(weft_close(fd), 0);
        CHECK_EQ(open_fds(), fds);
        WEFT_DEADLINE (s, 0)
            for (int peer; (peer = weft_accept(i % 2 ? first : second, NULL)) >= 0;)
                CHECK_EQ(weft_close(peer), 0);
    }
    CHECK_EQ(weft_close(first), 0);
    CHECK_EQ(weft_close(second), 0);
    silent_end(&silent);
    return 0;
}

/* ---- by name ---- */

static struct weft_addr known[3];

static int answer_known(const char *host, const char *service, int family, struct weft_addr *addrs)
{
    (void)service;
    (void)family;
    if (strcmp(host, "known.test") != 0)
        return -ENOENT;
    memcpy(addrs, known, sizeof known);
    return 3;
}

static void name_of(const struct weft_addr *addr, char *text, size_t bytes)
{
    snprintf(text, bytes, "known.test:%d", weft_addr_port(addr));
}

FAKE_TEST(a_name_is_dialled_at_all_its_addresses, answer_known)
{
    struct weft_addr at;
    char name[64];
    int listener = listen_tcp(&at);

    set_addr(&known[0], "224.0.0.1:0");
    set_addr(&known[1], "224.0.0.1:0");
    set_addr(&known[2], "127.0.0.1:0");
    name_of(&at, name, sizeof name);
    expect_connected(weft_dial(name), listener);
    expect_connected(weft_dial_with(name, .attempt_delay_ns = WEFT_NEVER), listener);
    CHECK_EQ(weft_close(listener), 0);
    CHECK_EQ(weft_dial(name), -ECONNREFUSED);
    CHECK_EQ(weft_dial("unknown.test:80"), -ENOENT);
    return 0;
}

FAKE_TEST(a_listener_may_have_a_name, answer_known)
{
    struct weft_addr at;

    set_addr(&known[0], "192.0.2.1:0"); /* nobody's */
    set_addr(&known[1], "127.0.0.1:0");
    set_addr(&known[2], "[::1]:0");
    int listener = weft_listen("known.test:0");
    CHECK_GE(listener, 0);
    CHECK_EQ(weft_local_addr(listener, &at), 0);
    CHECK_EQ(at.storage.ss_family, AF_INET);
    expect_connected(weft_dial_addr(&at), listener);
    CHECK_EQ(weft_close(listener), 0);
    CHECK_EQ(weft_listen("unknown.test:0"), -ENOENT);
    return 0;
}

static int dial_known(void *unused)
{
    (void)unused;
    return weft_dial("known.test:80");
}

/* Goal: a scope that ends while the name is looked up ends the dial. */
FAKE_TEST(an_ended_scope_ends_the_lookup_of_a_dial, answer_known)
{
    int rc = 0;

    atomic_store(&fake.is_shut, true);
    struct weft_co *co = weft_go_with(dial_known, NULL);
    await_lookups(1);
    weft_cancel(co);
    CHECK_EQ(weft_join(co, &rc), 0);
    CHECK_EQ(rc, -ECANCELED);
    WEFT_DEADLINE (s, WEFT_MS)
        CHECK_EQ(weft_dial("known.test:80"), -ETIMEDOUT);
    atomic_store(&fake.is_shut, false);
    return 0;
}

FAKE_TEST(what_is_no_host_and_service_is_einval, answer_known)
{
    static const char *const texts[] = {
        "", ":", "known.test", "known.test:", ":http", "known.test:99999", "known test:80",
        "::1:80", "[known.test]:80", "[::1]80", "127.0.0.1.:80", "127.1:80", "unix:", "a:b:80",
    };
    for (int i = 0; i < COUNT(texts); i++) {
        if (weft_dial(texts[i]) != -EINVAL || weft_listen(texts[i]) != -EINVAL)
            TEST_FAIL("\"%s\" gives %d and %d", texts[i], weft_dial(texts[i]),
                      weft_listen(texts[i]));
    }
    CHECK_EQ(atomic_load(&fake.n_lookups), 0);
    return 0;
}

CO_TEST(localhost_can_be_dialled)
{
    struct weft_addr at, addrs[8];
    char name[64];
    int listener = listen_tcp(&at);

    if (weft_resolve("localhost", "80", addrs, 8, NULL) < 0)
        SKIP("this system has no localhost");
    snprintf(name, sizeof name, "localhost:%d", weft_addr_port(&at));
    expect_connected(weft_dial(name), listener);
    CHECK_EQ(weft_close(listener), 0);
    return 0;
}
