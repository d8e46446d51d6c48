/* SPDX-License-Identifier: MIT */
/* waits_dial.h - of waits.h: the calls that dial or look names up, and what makes them go on. */
#ifndef WEFT_TESTS_WAITS_DIAL_H
#define WEFT_TESTS_WAITS_DIAL_H

static ssize_t call_dial(struct world *w)
{
    return weft_dial(w->crowd_name);
}

static ssize_t call_dial_addr(struct world *w)
{
    struct weft_addr addr;
    CHECK_EQ(weft_addr_parse(&addr, w->crowd_name), 0);
    return weft_dial_addr(&addr);
}

static ssize_t call_dial_any(struct world *w)
{
    struct weft_addr addr;
    CHECK_EQ(weft_addr_parse(&addr, w->crowd_name), 0);
    return weft_dial_any(&addr, 1, NULL);
}

static ssize_t call_dial_opts(struct world *w)
{
    return weft_dial_opts(w->crowd_name, NULL);
}

static ssize_t call_resolve(struct world *w)
{
    struct weft_addr addr;
    return weft_resolve(w->name, "80", &addr, 1, NULL);
}

static ssize_t call_listen(struct world *w)
{
    char where[40];
    snprintf(where, sizeof where, "%s:0", w->name);
    return weft_listen(where);
}

static void take_from_crowd(struct world *w)
{
    int fd = weft_accept(w->crowd, NULL);
    CHECK_GE(fd, 0);
    CHECK_EQ(weft_close(fd), 0);
}

/* The names of a world have its number; lookups wait until it is open. */
static atomic_int last_world, last_open_world;

static int answer_when_open(const char *host, const char *service, int family,
                            struct weft_addr *addrs)
{
    (void)service;
    (void)family;
    while (atoi(host + strlen("n")) > atomic_load(&last_open_world))
        usleep(100);
    set_addr(&addrs[0], "127.0.0.1:0");
    return 1;
}

__attribute__((constructor)) static void ask_the_fake(void)
{
    use_fake_names(answer_when_open);
}

static void open_names(struct world *w)
{
    atomic_store(&last_open_world, atoi(w->name + strlen("n")));
    CHECK_EQ(call_resolve(w), 1);
}

#endif
