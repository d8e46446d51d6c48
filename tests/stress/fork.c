/* SPDX-License-Identifier: MIT */
/*
 * fork.c - a coroutine forks again and again while others exchange bytes and values.  Whatever the
 * child tries, it ends in a line, and the parent notices nothing: each byte and value arrives once,
 * in order, though the child has the parent's rings, its epoll sets and its locks as they were.
 *
 * matrix: short
 */
#include <fcntl.h>
#include <sys/resource.h>

#include "co_test.h"

#define PAIRS 4
#define SECONDS_MAX 20

struct pair {
    int fd[2];
    chan *ch;
    struct weft_co *reader, *receiver;
    _Atomic uint64_t n_bytes; /* the bytes go through the kernel, and order nothing */
    uint64_t n_values;
};

static struct pair pairs[PAIRS];
static atomic_bool is_over;

static int write_bytes(void *arg)
{
    struct pair *p = arg;

    while (!atomic_load(&is_over)) {
        CHECK_EQ(weft_write(p->fd[0], &(unsigned char){(unsigned char)p->n_bytes}, 1), 1);
        p->n_bytes++;
    }
    CHECK_EQ(weft_shutdown(p->fd[0], SHUT_WR), 0);
    return 0;
}

static int read_bytes(void *arg)
{
    struct pair *p = arg;
    unsigned char buf[64];
    uint64_t n_read = 0;
    ssize_t n;

    while ((n = weft_read(p->fd[1], buf, sizeof buf)) > 0)
        for (ssize_t i = 0; i < n; i++, n_read++)
            CHECK_EQ(buf[i], (unsigned char)n_read);
    CHECK_EQ(n, 0);
    CHECK_EQ(n_read, p->n_bytes);
    return 0;
}

static int send_values(void *arg)
{
    struct pair *p = arg;

    for (; !atomic_load(&is_over); p->n_values++) {
        CHECK_EQ(chan_send(p->ch, &p->n_values), 0);
        if (p->n_values % 100 == 0)
            CHECK_EQ(weft_sleep(50 * WEFT_US), 0);
    }
    chan_close(p->ch);
    return 0;
}

static int receive_values(void *arg)
{
    struct pair *p = arg;
    uint64_t value;
    uint64_t n_received = 0;

    for (; chan_recv(p->ch, &value) == 0; n_received++)
        CHECK_EQ(value, n_received);
    CHECK_EQ(n_received, p->n_values);
    return 0;
}

/* What is fatal in the child whatever the others did at the moment of the fork. */
static void misbehave(struct pair *p, uint64_t what)
{
    char byte;
    struct weft_runtime *rt;

    switch (what % 6) {
    case 0: (void)weft_sleep(WEFT_MS); break;
    case 1: (void)!weft_read(p->fd[1], &byte, 1); break;
    case 2: (void)!weft_write(p->fd[0], "x", 1); break;
    case 3: weft_close(p->fd[0]); break;
    case 4: (void)!weft_runtime_start(&rt, NULL); break;
    default: (void)!weft_join(p->receiver, NULL); break;
    }
}

/* A hang is ended by the alarm, which threads of the runtime do not take. */
static void be_a_child(struct pair *p, uint64_t what)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    alarm((unsigned)(SECONDS_MAX * test_scale()));
    dup2(open("/dev/null", O_WRONLY), 2);
    misbehave(p, what);
    kill(getpid(), SIGKILL);
}

static int fork_often(void *arg)
{
    uint64_t random = test_seed();
    int64_t until_ms = test_now_ms() + test_stress_ms();

    (void)arg;
    for (int n = 0; n < 5 || test_now_ms() < until_ms; n++) {
        struct pair *p = &pairs[test_random(&random) % PAIRS];
        uint64_t what = test_random(&random);
        int status;
        pid_t child = fork();
        if (child == 0)
            be_a_child(p, what);
        while (waitpid(child, &status, WNOHANG) != child)
            CHECK_EQ(weft_sleep(200 * WEFT_US), 0);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
            TEST_FAIL("what %d: status %x", (int)(what % 6), (unsigned)status);
    }
    atomic_store(&is_over, true);
    return 0;
}

STRESS_TEST(whatever_the_child_of_a_fork_does_the_parent_loses_nothing)
{
    struct weft_co *writers[2 * PAIRS];

    for (int i = 0; i < PAIRS; i++) {
        struct pair *p = &pairs[i];
        CHECK_EQ(weft_socket_pair(p->fd), 0);
        p->ch = chan_make(sizeof(uint64_t), (size_t)i);
        p->reader = weft_go_with(read_bytes, p);
        p->receiver = weft_go_with(receive_values, p);
        writers[2 * i] = weft_go_with(write_bytes, p);
        writers[2 * i + 1] = weft_go_with(send_values, p);
    }
    join(weft_go_with(fork_often, NULL, .name = "forker"));
    for (int i = 0; i < 2 * PAIRS; i++)
        join(writers[i]);
    for (int i = 0; i < PAIRS; i++) {
        join(pairs[i].reader);
        join(pairs[i].receiver);
    }
    return 0;
}
