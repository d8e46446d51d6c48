/* SPDX-License-Identifier: MIT */
/*
 * graceful.c - the server that ends well: what a signal does to those who are served, to those who
 * wait and to those who come.
 *
 * link: none
 */
#include "program.h"

static void expect_line(int fd, const char *expected)
{
    char line[256];

    CHECK(read_line(fd, line, sizeof(line), PATIENCE_MS));
    CHECK_STR(line, expected);
}

static void expect_status(struct program *p, int expected)
{
    const int status = program_wait(p, PATIENCE_MS);

    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), expected);
}

/* A connection at work: both requests have come with one segment, and the first is answered. */
static int connect_and_work(const struct program *p, const char *requests)
{
    const int fd = connect_with(p, 0);

    send_text(fd, requests);
    expect_line(fd, "hello");
    return fd;
}

static void signal_and_expect(const struct program *p, int sig, const char *said)
{
    CHECK_EQ(kill(p->pid, sig), 0);
    expect_line(p->out, said);
}

TEST(requests_are_answered)
{
    struct program p = server_start("graceful", "0");
    const int fd = connect_with(&p, 0);

    send_text(fd, "one\nwork 1\n\ntwo\n");
    expect_line(fd, "one");
    expect_line(fd, "done 1");
    expect_line(fd, "");
    expect_line(fd, "two");
    signal_and_expect(&p, SIGINT, "draining: 1 connections");
    expect_end(fd);
    expect_status(&p, 0);
}

static void expect_refused(const struct program *p)
{
    const struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)p->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK_EQ(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), -1);
    CHECK_EQ(errno, ECONNREFUSED);
    close(fd);
}

TEST(a_signal_drains)
{
    struct program p = server_start("graceful", "0", "1000");
    const int idle = connect_with(&p, 0), at_work = connect_and_work(&p, "hello\nwork 300\nbye\n");

    signal_and_expect(&p, SIGTERM, "draining: 2 connections");
    expect_end(idle);
    expect_refused(&p);
    expect_line(at_work, "done 300");
    expect_line(at_work, "bye"); /* was there before, too */
    expect_end(at_work);
    expect_status(&p, 0);
}

TEST(a_second_signal_cuts)
{
    struct program p = server_start("graceful", "0", "1000");
    const int at_work = connect_and_work(&p, "hello\nwork 1000000\n");

    signal_and_expect(&p, SIGTERM, "draining: 1 connections");
    signal_and_expect(&p, SIGTERM, "cut: 1 connections");
    expect_end(at_work);
    expect_status(&p, 1);
}

TEST(when_time_is_over_the_rest_is_cut)
{
    struct program p = server_start("graceful", "0", "1");
    const int at_work = connect_and_work(&p, "hello\nwork 1000000\n");

    signal_and_expect(&p, SIGTERM, "draining: 1 connections");
    expect_line(p.out, "time is over: 1 connections");
    expect_end(at_work);
    expect_status(&p, 1);
}
