/* SPDX-License-Identifier: MIT */
/*
 * pipe.c - pipes, terminals and the standard streams: what goes through them, what ends a wait for
 * them, and that those who share them find them as they were.
 *
 * matrix: short
 */
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "net_test.h"
#include "pty_test.h"

#define MANY (1 << 20)

static bool is_nonblock(int fd)
{
    const int flags = fcntl(fd, F_GETFL);

    CHECK_GE(flags, 0);
    return (flags & O_NONBLOCK) != 0;
}

static bool is_close_on_exec(int fd)
{
    return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

/* ---- pipes ---- */

struct flow {
    int from, to;
};

static int write_many(void *arg)
{
    const struct flow *f = arg;
    unsigned char part[10000];

    for (int done = 0; done < MANY; done += (int)sizeof part) {
        const int n = MANY - done < (int)sizeof part ? MANY - done : (int)sizeof part;
        for (int i = 0; i < n; i++)
            part[i] = pattern((uint64_t)(done + i));
        CHECK_EQ(weft_write_full(f->to, part, (size_t)n), n);
    }
    return 0;
}

static void read_many(int fd)
{
    unsigned char part[7000];
    ssize_t n;

    for (int done = 0; done < MANY; done += (int)n) {
        n = weft_read(fd, part, sizeof part);
        CHECK_GT(n, 0);
        for (int i = 0; i < n; i++)
            CHECK_EQ(part[i], pattern((uint64_t)(done + i)));
    }
}

/* Many bytes from one end to the other, which neither holds. */
static void flow(int from, int to)
{
    struct flow f = {from, to};
    struct weft_co *co = weft_go_with(write_many, &f);

    read_many(from);
    join(co);
}

CO_TEST(a_pipe_carries_bytes_in_order_and_then_its_end)
{
    int fds[2];
    char byte;

    CHECK_EQ(weft_pipe(fds), 0);
    for (int i = 0; i < 2; i++)
        CHECK(is_nonblock(fds[i]) && is_close_on_exec(fds[i]));
    flow(fds[0], fds[1]);
    CHECK_EQ(weft_close(fds[1]), 0);
    CHECK_EQ(weft_read(fds[0], &byte, 1), 0);
    CHECK_EQ(weft_close(fds[0]), 0);
    return 0;
}

/* Goal: the process lives on: SIGPIPE has its default. */
CO_TEST(a_pipe_that_nobody_reads_refuses_a_write)
{
    int fds[2];

    CHECK_EQ(weft_pipe(fds), 0);
    CHECK_EQ(close(fds[0]), 0);
    CHECK_EQ(weft_write(fds[1], "x", 1), -EPIPE);
    CHECK_EQ(close(fds[1]), 0);
    return 0;
}

static int read_a_byte(void *fd)
{
    char byte;

    return (int)weft_read(*(int *)fd, &byte, 1);
}

static int write_a_byte(void *fd)
{
    return (int)weft_write(*(int *)fd, "x", 1);
}

/* The call has to wait: a deadline ends it, and so does a cancel. */
static void expect_ends(int (*call)(void *), int fd)
{
    int result = 0;

    WEFT_DEADLINE(s, WEFT_MS)
        CHECK_EQ(call(&fd), -ETIMEDOUT);
    struct weft_co *co = weft_go_with(call, &fd);
    await_in_flight(1);
    weft_cancel(co);
    CHECK_EQ(weft_join(co, &result), 0);
    CHECK_EQ(result, -ECANCELED);
}

CO_TEST(scopes_end_waits_for_a_pipe_and_lose_nothing)
{
    static char sink[65536];
    int fds[2];
    size_t n_written, n_read = 0;

    CHECK_EQ(weft_pipe(fds), 0);
    expect_ends(read_a_byte, fds[0]);
    n_written = fill(fds[1]);
    expect_ends(write_a_byte, fds[1]);
    CHECK_EQ(weft_close(fds[1]), 0);
    for (ssize_t n; (n = weft_read(fds[0], sink, sizeof sink)) > 0;)
        n_read += (size_t)n;
    CHECK_EQ(n_read, n_written);
    CHECK_EQ(weft_close(fds[0]), 0);
    return 0;
}

/* ---- what others share ---- */

CO_TEST(a_pipe_is_opened_again_for_the_caller_alone)
{
    int fds[2];
    char byte = 0;

    CHECK_EQ(pipe(fds), 0);
    int in = weft_reopen(fds[0]), out = weft_reopen(fds[1]);
    CHECK_GT(in, 2);
    CHECK_GT(out, 2);
    CHECK(is_nonblock(in) && is_close_on_exec(in));
    CHECK(is_nonblock(out) && is_close_on_exec(out));
    flow(in, out);
    flow(fds[0], out);
    flow(in, fds[1]);
    expect_ends(read_a_byte, in);
    fill(out);
    expect_ends(write_a_byte, out);
    CHECK(!is_nonblock(fds[0]) && !is_nonblock(fds[1]));
    CHECK_EQ(close(fds[0]), 0);
    CHECK_EQ(close(in), 0);
    CHECK_EQ(weft_write(out, &byte, 1), -EPIPE); /* no other reader was left behind */
    CHECK_EQ(weft_close(out), 0);
    CHECK_EQ(close(fds[1]), 0);
    return 0;
}

static int open_temporary(void)
{
    FILE *file = tmpfile();

    CHECK(file != NULL);
    int fd = dup(fileno(file));
    fclose(file);
    return fd;
}

TEST(what_cannot_be_opened_again_is_copied_as_it_is)
{
    int terminal[2], pair[2];
    struct stat was, is;

    open_pty(terminal, true);
    foreign_pair(pair);
    const int fds[] = {open_temporary(), open("/dev/null", O_RDWR | O_CLOEXEC), pair[0],
                       eventfd(0, EFD_NONBLOCK), terminal[1]};
    for (int i = 0; i < COUNT(fds); i++) {
        int copy = weft_reopen(fds[i]);
        CHECK_GT(copy, 2);
        CHECK(is_close_on_exec(copy));
        CHECK_EQ(fcntl(copy, F_GETFL), fcntl(fds[i], F_GETFL));
        CHECK_EQ(fstat(copy, &is), 0);
        CHECK_EQ(fstat(fds[i], &was), 0);
        CHECK_EQ(is.st_ino, was.st_ino);
        close(copy);
    }
    int keys = weft_reopen(terminal[1]);
    char byte = 0;
    CHECK_EQ(write(keys, "k", 1), 1); /* of the same terminal */
    CHECK_EQ(read(terminal[0], &byte, 1), 1);
    CHECK_EQ(byte, 'k');
}

TEST(without_proc_a_pipe_is_copied_as_it_is)
{
    char empty[] = "/tmp/weft-empty-XXXXXX";
    int fds[2];

    CHECK_EQ(pipe(fds), 0);
    CHECK(mkdtemp(empty) != NULL);
    const bool is_shut_in = chroot(empty) == 0 && chdir("/") == 0;
    if (!is_shut_in) {
        rmdir(empty);
        SKIP("no right to leave the root");
    }
    int copy = weft_reopen(fds[0]);
    CHECK_GT(copy, 2);
    CHECK(!is_nonblock(copy) && is_close_on_exec(copy));
    _exit(0); /* what a sanitizer does at the end takes /proc */
}

TEST(without_an_fd_or_room_for_one_a_code_says_so)
{
    const struct rlimit few = {64, 64};
    int fds[2], both[2] = {-1, -1}, last = -1;

    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(weft_reopen(-1), -EBADF);
    CHECK_EQ(weft_reopen(63), -EBADF);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int fd; (fd = dup(fds[0])) >= 0;)
        last = fd;
    CHECK_EQ(weft_reopen(fds[0]), -EMFILE);
    CHECK_EQ(weft_pipe(both), -EMFILE);
    close(last);
    CHECK_EQ(weft_pipe(both), -EMFILE); /* of two there is only one */
    CHECK_EQ(both[0], -1);
    CHECK_EQ(weft_reopen(fds[0]), last);
    _exit(0); /* and here, an fd */
}

/* ---- standard streams ---- */

/* What the program has, and a shell before and after it. */
static void become_standard(int in, int out)
{
    CHECK_EQ(dup2(in, 0), 0);
    CHECK_EQ(dup2(out, 1), 1);
}

static int screen; /* behind the terminal */

/* By words of a line, and back. */
static void talk_over(int in, int out)
{
    char line[32] = "";

    expect_ends(read_a_byte, in);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(write(screen, "a line\n", 7), 7);
        CHECK_EQ(weft_read(in, line, sizeof line), 7);
        CHECK(memcmp(line, "a line\n", 7) == 0);
        CHECK_EQ(weft_write_full(out, "another", 7), 7);
        CHECK_EQ(weft_read_full(screen, line, 7), 7);
        CHECK(memcmp(line, "another", 7) == 0);
    }
}

/* Until it takes no more, and only the coroutine waits. */
static void fill_screen(int out)
{
    static char zeros[4096];
    static char sink[1 << 20];
    size_t n_written = 0;
    ssize_t n;

    WEFT_DEADLINE(s, WEFT_MS)
        while ((n = weft_write(out, zeros, sizeof zeros)) > 0)
            n_written += (size_t)n;
    CHECK_EQ(n, -ETIMEDOUT);
    CHECK_LT(n_written, sizeof sink);
    CHECK_EQ(weft_read_full(screen, sink, n_written), n_written);
}

static int use_terminal(void *arg)
{
    (void)arg;
    talk_over(0, 1);
    fill_screen(1);
    int in = weft_reopen(0), out = weft_reopen(1);
    CHECK(is_nonblock(in) && is_nonblock(out));
    talk_over(in, out);
    fill_screen(out);
    flow(screen, out);
    CHECK_EQ(weft_close(in), 0);
    CHECK_EQ(weft_close(out), 0);
    return 0;
}

/* Goal: a shell that gets its terminal back finds it as it was, though a coroutine never waited for
 * it with its thread. */
TEST(a_terminal_is_read_and_written_and_left_as_it_was)
{
    int fds[2];

    open_pty(fds, false);
    screen = fds[1];
    become_standard(fds[0], fds[0]);
    const int flags = fcntl(fds[0], F_GETFL);
    CHECK_EQ(weft_run(use_terminal, NULL), 0);
    CHECK_EQ(fcntl(fds[0], F_GETFL), flags);
    CHECK(!is_nonblock(0));
}

static int read_half_and_half(void *arg)
{
    char part[500];
    int copy = weft_reopen(0);

    (void)arg;
    for (int i = 0; i < 4; i++) { /* they share the place where they are, too */
        CHECK_EQ(weft_read(i % 2 == 0 ? 0 : copy, part, sizeof part), sizeof part);
        for (int k = 0; k < (int)sizeof part; k++)
            CHECK_EQ((unsigned char)part[k], pattern((uint64_t)(i * (int)sizeof part + k)));
    }
    CHECK_EQ(weft_read(0, part, sizeof part), 0);
    CHECK_EQ(weft_read(copy, part, sizeof part), 0);
    CHECK_EQ(weft_write_full(1, "out", 3), 3);
    CHECK_EQ(weft_close(copy), 0);
    return 0;
}

TEST(standard_streams_may_be_files)
{
    int in = open_temporary(), out = open_temporary();
    char back[8] = "";

    for (int i = 0; i < 2000; i++)
        CHECK_EQ(write(in, &(unsigned char){pattern((uint64_t)i)}, 1), 1);
    CHECK_EQ(lseek(in, 0, SEEK_SET), 0);
    become_standard(in, out);
    CHECK_EQ(weft_run(read_half_and_half, NULL), 0);
    CHECK_EQ(pread(out, back, sizeof back, 0), 3);
    CHECK_STR(back, "out");
}
