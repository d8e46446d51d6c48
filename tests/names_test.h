/* SPDX-License-Identifier: MIT */
/* names_test.h - a name service of the tests' own: it says what it is told to, when it is told to,
 * by a clock that stands still. */
#ifndef WEFT_NAMES_TEST_H
#define WEFT_NAMES_TEST_H

#include <unistd.h>

#include "co_test.h"
#include "net/names.h"

typedef int answer_fn(const char *host, const char *service, int family, struct weft_addr *addrs);

static struct {
    answer_fn *answer;
    atomic_bool is_shut;  /* lookups wait inside */
    atomic_int n_lookups; /* that have begun */
    atomic_int n_inside;
    _Atomic int64_t now_ns;
} fake;

TEST_FN int fake_lookup(const char *host, const char *service, int family, int socktype,
                        struct weft_addr *addrs, int max)
{
    struct weft_addr found[WEFT_RESOLVE_MAX];

    (void)socktype;
    memset(found, 0, sizeof found);
    atomic_fetch_add(&fake.n_lookups, 1);
    atomic_fetch_add(&fake.n_inside, 1);
    while (atomic_load(&fake.is_shut))
        usleep(100);
    int rc = fake.answer(host, service, family, found);
    for (int i = 0; i < rc && i < max; i++)
        addrs[i] = found[i];
    atomic_fetch_sub(&fake.n_inside, 1);
    return rc < max ? rc : max;
}

TEST_FN int64_t fake_clock_ns(void)
{
    return atomic_load(&fake.now_ns);
}

/* Before a runtime is started. */
TEST_FN void use_fake_names(answer_fn *answer)
{
    static const struct weft__names_door door = {fake_lookup, fake_clock_ns};

    fake.answer = answer;
    atomic_store(&fake.now_ns, 1);
    weft__names_door = &door;
}

TEST_FN void set_addr(struct weft_addr *addr, const char *text)
{
    CHECK_EQ(weft_addr_parse(addr, text), 0);
}

/* Every name has this one. */
TEST_FN int answer_one(const char *host, const char *service, int family, struct weft_addr *addrs)
{
    (void)host;
    (void)service;
    (void)family;
    set_addr(&addrs[0], "192.0.2.1:0");
    return 1;
}

/* Waits until so many lookups are inside. */
TEST_FN void await_lookups(int n)
{
    while (atomic_load(&fake.n_inside) != n)
        CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
}

/* How often a text is in the dump. */
TEST_FN int count_in_dump(const char *what)
{
    static char text[1 << 16];
    FILE *f = tmpfile();
    int n = 0;

    CHECK(f != NULL);
    CHECK_GE(weft_dump(fileno(f)), 1);
    rewind(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

/* Waits until so many coroutines wait for names. */
TEST_FN void await_askers(int n)
{
    while (count_in_dump("waits: name ") != n)
        CHECK_EQ(weft_sleep(100 * WEFT_US), 0);
}

#endif
