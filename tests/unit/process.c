/* SPDX-License-Identifier: MIT */
/*
 * process.c - child processes: where their streams go, what they inherit, how they end, what ends
 * them, and what is told of those that do not begin.
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include "net_test.h"
#include "no_lookout.h" /* a relief processor has low fds for a moment */

#define SH(script) ((char *[]){"sh", "-c", script, NULL})
#define CAT ((char *[]){"cat", NULL})

static struct weft_process *spawn(char *const argv[], struct weft_spawn_opts opts)
{
    struct weft_process *p = NULL;

    opts.size = sizeof opts;
    CHECK_EQ(weft_spawn(&p, argv, &opts), 0);
    CHECK_GT(weft_process_pid(p), 0);
    return p;
}
#define SPAWN(argv, ...) spawn(argv, (struct weft_spawn_opts){__VA_ARGS__})

/* How it has ended; it is gone afterwards. */
static int end_of(struct weft_process *p)
{
    int status = -1;

    CHECK_EQ(weft_process_wait(p, &status), 0);
    weft_process_free(p);
    return status;
}

static void expect_code(struct weft_process *p, int code)
{
    const int status = end_of(p);

    CHECK_EQ(weft_status_code(status), code);
    CHECK_EQ(weft_status_signal(status), 0);
}

/* All that comes from an fd until its end, which is closed then. */
static const char *read_all(int fd)
{
    static char text[4096];
    ssize_t n = weft_read_full(fd, text, sizeof text - 1);

    CHECK_GE(n, 0);
    text[n] = '\0';
    CHECK_EQ(weft_close(fd), 0);
    return text;
}

static const char *read_file(int fd)
{
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    return read_all(fd);
}

static int open_temporary(void)
{
    FILE *file = tmpfile();

    CHECK(file != NULL);
    int fd = dup(fileno(file));
    fclose(file);
    return fd;
}

/* A cat that has begun, and so has what it will have: it has given back a byte. */
static struct weft_process *start_cat(struct weft_spawn_opts opts, int *in, int *out)
{
    char byte = 0;

    opts.in = weft_stdio_pipe(in);
    opts.out = weft_stdio_pipe(out);
    struct weft_process *p = spawn(CAT, opts);
    CHECK_EQ(weft_write(*in, "x", 1), 1);
    CHECK_EQ(weft_read(*out, &byte, 1), 1);
    CHECK_EQ(byte, 'x');
    return p;
}
#define START_CAT(in, out, ...) start_cat((struct weft_spawn_opts){__VA_ARGS__}, in, out)

/* ---- how it ends ---- */

CO_TEST(the_exit_code_of_a_child_is_known_to_all_who_wait)
{
    struct weft_process *p = SPAWN(SH("exit 7"));
    int status;

    for (int i = 0; i < 3; i++) {
        status = -1;
        CHECK_EQ(weft_process_wait(p, &status), 0);
        CHECK_EQ(weft_status_code(status), 7);
        CHECK_EQ(weft_process_wait(p, NULL), 0);
    }
    CHECK_EQ(weft_process_kill(p, 0), -ESRCH);
    weft_process_free(p);
    weft_process_free(NULL);
    return 0;
}

CO_TEST(the_signal_that_ends_a_child_is_known)
{
    int in, out;
    struct weft_process *p = START_CAT(&in, &out);

    CHECK_EQ(weft_process_kill(p, 0), 0);
    CHECK_EQ(weft_process_kill(p, -1), -EINVAL);
    CHECK_EQ(weft_process_kill(p, 65), -EINVAL);
    CHECK_EQ(weft_process_kill(p, SIGUSR1), 0);
    const int status = end_of(p);
    CHECK_EQ(weft_status_signal(status), SIGUSR1);
    CHECK_EQ(weft_status_code(status), -1);
    CHECK_EQ(weft_close(in), 0);
    CHECK_EQ(weft_close(out), 0);
    return 0;
}

struct several {
    struct weft_process *p;
    int status[4];
    atomic_int n;
};

static int wait_too(void *arg)
{
    struct several *s = arg;
    const int i = atomic_fetch_add(&s->n, 1);

    CHECK_EQ(weft_process_wait(s->p, &s->status[i]), 0);
    return 0;
}

CO_TEST(all_who_wait_for_a_child_hear_of_its_end)
{
    struct several s = {.status = {-1, -1, -1, -1}};
    struct weft_co *co[COUNT(s.status)];
    int in;

    s.p = SPAWN(SH("cat >/dev/null; exit 3"), .in = weft_stdio_pipe(&in));
    for (int i = 0; i < COUNT(co); i++)
        co[i] = weft_go_with(wait_too, &s);
    await_in_flight(COUNT(co));
    CHECK_EQ(weft_close(in), 0);
    for (int i = 0; i < COUNT(co); i++)
        join(co[i]);
    for (int i = 0; i < COUNT(s.status); i++)
        CHECK_EQ(weft_status_code(s.status[i]), 3);
    weft_process_free(s.p);
    return 0;
}

CO_TEST(many_children_end_at_once)
{
    struct weft_process *p[20];

    for (int i = 0; i < COUNT(p); i++) {
        char script[20];
        snprintf(script, sizeof script, "exit %d", i);
        p[i] = SPAWN(SH(script), .leads_group = i % 2);
    }
    for (int i = COUNT(p) - 1; i >= 0; i--)
        expect_code(p[i], i);
    return 0;
}

/* ---- where its streams go ---- */

#define LINES 5000
#define LINE "%d and some words more, so that neither pipe has room for all that is said here\n"

static int write_lines(void *fd)
{
    char line[128];

    for (int i = 0; i < LINES; i++) {
        const int n = snprintf(line, sizeof line, LINE, i);
        CHECK_EQ(weft_write_full(*(int *)fd, line, (size_t)n), n);
    }
    return weft_close(*(int *)fd);
}

/* Goal: both pipes of a child are full at times, and nobody stands still. */
CO_TEST(a_child_is_written_to_and_read_at_the_same_time)
{
    char text[128], buf[4096];
    struct weft_reader r;
    struct weft_line line;
    int in, out;
    struct weft_process *p =
        SPAWN(CAT, .in = weft_stdio_pipe(&in), .out = weft_stdio_pipe(&out));
    struct weft_co *co = weft_go_with(write_lines, &in);

    weft_reader_init(&r, weft_stream_of_fd(out), buf, sizeof buf);
    for (int i = 0; i < LINES; i++) {
        const int n = snprintf(text, sizeof text, LINE, i);
        CHECK_EQ(weft_reader_line(&r, &line), 1);
        text[n - 1] = '\0';
        CHECK_STR(line.text, text);
    }
    CHECK_EQ(weft_reader_line(&r, &line), 0);
    join(co);
    CHECK_EQ(weft_close(out), 0);
    expect_code(p, 0);
    return 0;
}

CO_TEST(errors_go_where_the_output_goes_or_elsewhere)
{
    char *const *both = SH("echo out; echo err >&2");
    int out, err;
    struct weft_process *p = SPAWN(both, .out = weft_stdio_pipe(&out), .err = weft_stdio_out());

    CHECK_STR(read_all(out), "out\nerr\n");
    expect_code(p, 0);
    p = SPAWN(both, .out = weft_stdio_pipe(&out), .err = weft_stdio_pipe(&err));
    CHECK_STR(read_all(err), "err\n");
    CHECK_STR(read_all(out), "out\n");
    expect_code(p, 0);
    p = SPAWN(both, .out = weft_stdio_null(), .err = weft_stdio_pipe(&err));
    CHECK_STR(read_all(err), "err\n");
    expect_code(p, 0);
    p = SPAWN(SH("cat; echo end"), .in = weft_stdio_null(), .out = weft_stdio_pipe(&out));
    CHECK_STR(read_all(out), "end\n");
    expect_code(p, 0);
    return 0;
}

/* Goal: files are written and read, and the two streams of this process can be exchanged.
 * Method: fds 1 and 2 are files of the test's. */
CO_TEST(streams_go_to_files_and_change_places)
{
    int file = open_temporary(), ours[2] = {open_temporary(), open_temporary()}, kept[2];

    expect_code(SPAWN(SH("echo some; echo more"), .out = weft_stdio_fd(file)), 0);
    CHECK_EQ(lseek(file, 0, SEEK_SET), 0);
    for (int i = 0; i < 2; i++) {
        kept[i] = fcntl(i + 1, F_DUPFD_CLOEXEC, 3);
        CHECK_EQ(dup2(ours[i], i + 1), i + 1);
    }
    struct weft_process *p =
        SPAWN(SH("cat; echo oops >&2"), .in = weft_stdio_fd(file), .out = weft_stdio_fd(2),
              .err = weft_stdio_fd(1));
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(dup2(kept[i], i + 1), i + 1);
        close(kept[i]);
    }
    expect_code(p, 0);
    CHECK_STR(read_file(ours[1]), "some\nmore\n");
    CHECK_STR(read_file(ours[0]), "oops\n");
    close(file);
    return 0;
}

CO_TEST(children_write_to_each_other)
{
    int between[2], in, out;

    CHECK_EQ(pipe2(between, O_CLOEXEC), 0);
    struct weft_process *first = SPAWN(SH("sed s/a/b/"), .in = weft_stdio_pipe(&in),
                                       .out = weft_stdio_fd(between[1]));
    struct weft_process *second = SPAWN(SH("sed s/b/c/"), .in = weft_stdio_fd(between[0]),
                                        .out = weft_stdio_pipe(&out));
    close(between[0]);
    close(between[1]);
    CHECK_EQ(weft_write_full(in, "a\nd\n", 4), 4);
    CHECK_EQ(weft_close(in), 0);
    CHECK_STR(read_all(out), "c\nd\n");
    expect_code(first, 0);
    expect_code(second, 0);
    return 0;
}

/* ---- what it inherits ---- */

static bool is_inherited(int fd)
{
    const int flags = fcntl(fd, F_GETFD);

    return flags >= 0 && (flags & FD_CLOEXEC) == 0;
}

/* The fds of the child are its streams, and what this process has without O_CLOEXEC. */
static void expect_fds(pid_t pid)
{
    char path[64];

    for (int fd = 0; fd < 2000; fd++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
        const bool is_there = readlink(path, (char[8]){0}, 8) > 0;
        const bool must_be = fd <= 2 || is_inherited(fd);
        if (is_there != must_be)
            TEST_FAIL("fd %d is %s there", fd, is_there ? "" : "not");
    }
}

CO_TEST(a_child_inherits_what_the_program_leaves_open_and_nothing_of_ours)
{
    int pair[2], tcp[2], pipes[2], in, out, other_in, other_out;
    struct weft_signals *signals;

    unix_pair(pair);
    tcp_pair(tcp);
    CHECK_EQ(weft_pipe(pipes), 0);
    CHECK_EQ(weft_signals_open(&signals, WEFT_SIGNAL(SIGHUP)), 0);
    const int left_open = dup(pair[0]);
    struct weft_process *other = START_CAT(&other_in, &other_out);
    struct weft_process *p = START_CAT(&in, &out);
    CHECK(is_inherited(left_open));
    CHECK(!is_inherited(in) && !is_inherited(out) && !is_inherited(weft_signals_fd(signals)));
    expect_fds(weft_process_pid(p));
    expect_fds(weft_process_pid(other));
    /* So the first to be told of its end is not kept alive by the second. */
    CHECK_EQ(weft_close(other_in), 0);
    expect_code(other, 0);
    CHECK_EQ(weft_close(in), 0);
    expect_code(p, 0);
    CHECK_EQ(weft_close(out), 0);
    CHECK_EQ(weft_close(other_out), 0);
    weft_signals_close(signals);
    close(left_open);
    close_both(pair);
    close_both(tcp);
    close_both(pipes);
    return 0;
}

/* A line of /proc/PID/status, as a number. */
static uint64_t signals_of(pid_t pid, const char *which)
{
    char path[64], line[256];
    uint64_t mask = ~UINT64_C(0);

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    CHECK(f != NULL);
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, which, strlen(which)) == 0)
            mask = strtoull(line + strlen(which), NULL, 16);
    }
    fclose(f);
    return mask;
}

#define STANDARD ((UINT64_C(1) << 31) - 1) /* of others the C library or an emulator uses some */

CO_TEST(a_child_has_no_signal_blocked_or_ignored)
{
    int in, out;

    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    CHECK(signal(SIGHUP, SIG_IGN) != SIG_ERR);
    struct weft_process *p = START_CAT(&in, &out);
    CHECK_EQ(signals_of(weft_process_pid(p), "SigBlk:") & STANDARD, 0);
    CHECK_EQ(signals_of(weft_process_pid(p), "SigIgn:") & STANDARD, 0);
    weft_process_free(p);
    CHECK_EQ(weft_close(in), 0);
    CHECK_EQ(weft_close(out), 0);
    return 0;
}

CO_TEST(a_child_has_the_environment_directory_and_group_it_is_given)
{
    char *env[] = {"PATH=/bin:/usr/bin", "WORD=hello", NULL};
    int out;
    struct weft_process *p = SPAWN(SH("echo $WORD $HOME; pwd"), .out = weft_stdio_pipe(&out),
                                   .env = env, .dir = "/");

    CHECK_STR(read_all(out), "hello\n/\n");
    CHECK_EQ(getpgid(weft_process_pid(p)), getpgid(0));
    expect_code(p, 0);
    CHECK_EQ(setenv("WORD", "ours", 1), 0);
    p = SPAWN(SH("echo $WORD; cat >&2"), .out = weft_stdio_pipe(&out), .in = weft_stdio_null(),
              .leads_group = 1);
    CHECK_STR(read_all(out), "ours\n");
    CHECK_EQ(getpgid(weft_process_pid(p)), weft_process_pid(p));
    expect_code(p, 0);
    return 0;
}

/* ---- what does not begin ---- */

static void expect_refused(char *const argv[], struct weft_spawn_opts opts, int rc)
{
    struct weft_process *p = NULL;
    const int n_fds = open_fds();

    opts.size = sizeof opts;
    CHECK_EQ(weft_spawn(&p, argv, &opts), rc);
    CHECK(p == NULL);
    CHECK_EQ(open_fds(), n_fds);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1); /* and no child is left */
}
#define REFUSED(rc, argv, ...) expect_refused(argv, (struct weft_spawn_opts){__VA_ARGS__}, rc)

CO_TEST(bad_options_of_a_child_are_refused)
{
    const struct weft_stdio no_such_kind = {.kind = 9};
    const struct weft_stdio nowhere = weft_stdio_pipe(NULL);
    int end = -1;

    REFUSED(-EINVAL, NULL);
    REFUSED(-EINVAL, ((char *[]){NULL}));
    REFUSED(-EINVAL, CAT, .in = no_such_kind);
    REFUSED(-EINVAL, CAT, .out = weft_stdio_out());
    REFUSED(-EINVAL, CAT, .err = nowhere);
    REFUSED(-EINVAL, CAT, .cancel_signal = -1);
    REFUSED(-EINVAL, CAT, .cancel_signal = 65);
    REFUSED(-EINVAL, CAT, .cancel_grace_ns = -1);
    REFUSED(-EBADF, CAT, .in = weft_stdio_pipe(&end), .out = weft_stdio_fd(-1));
    REFUSED(-EBADF, CAT, .in = weft_stdio_pipe(&end), .err = weft_stdio_fd(999));
    CHECK_EQ(end, -1);
    return 0;
}

CO_TEST(what_cannot_be_executed_is_told_by_its_error)
{
    int end = -1;

    if (test_is_emulated())
        SKIP("an emulator's vfork() tells nothing of a failed exec");
    REFUSED(-ENOENT, ((char *[]){"weft-no-such-command", NULL}), .in = weft_stdio_pipe(&end));
    REFUSED(-ENOENT, ((char *[]){"/no/such/command", NULL}), .out = weft_stdio_pipe(&end));
    REFUSED(-EACCES, ((char *[]){"/etc/passwd", NULL}), .err = weft_stdio_pipe(&end));
    REFUSED(-ENOENT, CAT, .dir = "/no/such/directory");
    REFUSED(-ENOTDIR, CAT, .dir = "/etc/passwd");
    CHECK_EQ(end, -1);
    return 0;
}

CO_TEST(in_a_scope_that_has_ended_no_child_is_started)
{
    WEFT_DEADLINE(s, -1)
        REFUSED(-ETIMEDOUT, CAT);
    WEFT_SCOPE(s) {
        weft_scope_cancel(&s);
        REFUSED(-ECANCELED, CAT);
    }
    return 0;
}
