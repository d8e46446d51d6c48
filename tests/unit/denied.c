/* SPDX-License-Identifier: MIT */
/*
 * denied.c - io_uring refused by a filter, by a limit, by a full fd table: what starts instead, and
 * what is said.
 *
 * matrix: once
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/resource.h>

#include "net_test.h"

/* The numbers are the same on every architecture. */
#define NR_IO_URING_SETUP 425
#define NR_IO_URING_ENTER 426
#define NR_IO_URING_REGISTER 427

/* From here on these calls of io_uring fail in this process. */
static void forbid(unsigned first_nr, unsigned last_nr, unsigned error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first_nr, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last_nr, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = COUNT(code), .filter = code};

    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        SKIP("no seccomp filter may be set here");
}

/* A short echo, so that the reactor works and is not only named; then who it is and why. */
static int use_and_describe(void *arg)
{
    int fds[2];
    char back[4], *text = arg;

    tcp_pair(fds);
    WEFT_DEADLINE(s, WEFT_MS)
        CHECK_EQ(weft_read(fds[0], back, 4), -ETIMEDOUT);
    CHECK_EQ(weft_write_full(fds[1], "weft", 4), 4);
    CHECK_EQ(weft_read_full(fds[0], back, 4), 4);
    close_both(fds);
    CHECK_EQ(weft_runtime_describe(NULL, text, 200), 0);
    CHECK_STR(weft_runtime_reactor(NULL), strncmp(text, "reactor epoll", 13) == 0 ? "epoll"
                                                                                  : "io_uring");
    return 7;
}

/* Runs with stderr in a file: returns the status, `said` gets what was printed. */
static int run_and_listen(enum weft_reactor reactor, char *described, char *said, size_t bytes)
{
    FILE *file = tmpfile();
    int old = dup(2);

    CHECK(file != NULL);
    unsetenv("WEFT_REACTOR");
    CHECK_EQ(dup2(fileno(file), 2), 2);
    int status = weft_run_with(use_and_describe, described, .reactor = reactor, .procs = 2);
    CHECK_EQ(dup2(old, 2), 2);
    close(old);
    rewind(file);
    said[fread(said, 1, bytes - 1, file)] = '\0';
    fclose(file);
    return status;
}

static int count_lines(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* Goal: under auto, epoll steps in, says whose refusal it was, and works; io_uring asked for by
 * name fails with 125 and says what is the matter. */
static void check_step_down(const char *reason)
{
    char described[200] = "", said[2000];

    CHECK_EQ(run_and_listen(WEFT_REACTOR_AUTO, described, said, sizeof said), 7);
    CHECK_STR(said, ""); /* nothing unless it is asked for */
    if (strstr(described, "reactor epoll (") != described || !strstr(described, reason))
        TEST_FAIL("not epoll because of \"%s\": %s", reason, described);
    CHECK_EQ(run_and_listen(WEFT_REACTOR_IO_URING, described, said, sizeof said), 125);
    if (!strstr(said, "io_uring") || !strstr(said, "does not work here") || count_lines(said) != 1)
        TEST_FAIL("not one clear line: %s", said);
    CHECK_EQ(run_and_listen(WEFT_REACTOR_EPOLL, described, said, sizeof said), 7);
    CHECK(strstr(described, "asked for") != NULL);
}

TEST(without_permission_for_io_uring_epoll_steps_in)
{
    forbid(NR_IO_URING_SETUP, NR_IO_URING_REGISTER, EPERM);
    check_step_down(
#ifdef WEFT_NO_LIBURING
        "built without liburing"
#else
        strerror(EPERM)
#endif
    );
}

TEST(on_a_kernel_without_io_uring_epoll_steps_in)
{
    forbid(NR_IO_URING_SETUP, NR_IO_URING_REGISTER, ENOSYS);
    check_step_down(
#ifdef WEFT_NO_LIBURING
        "built without liburing"
#else
        strerror(ENOSYS)
#endif
    );
}

/* Goal: a filter that allows the set-up and refuses the use is found by the probe. */
TEST(where_only_the_use_of_io_uring_is_refused_epoll_steps_in)
{
    forbid(NR_IO_URING_ENTER, NR_IO_URING_ENTER, EPERM);
    check_step_down(
#ifdef WEFT_NO_LIBURING
        "built without liburing"
#else
        strerror(EPERM)
#endif
    );
}

/* Goal: a user without any locked memory gets a smaller ring or epoll, and a runtime that works,
 * also with many processors. */
TEST(without_locked_memory_a_user_gets_a_runtime)
{
    struct rlimit none = {0, 0};
    char described[200] = "";

    unsetenv("WEFT_REACTOR");
    CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        SKIP("cannot become nobody");
    CHECK_EQ(weft_run_with(use_and_describe, described, .procs = 2), 7);
    CHECK_EQ(weft_run_with(use_and_describe, described, .procs = 64), 7);
}

/* Goal: with the fd table nearly full, each start either works or fails with a code, and gives back
 * all that it took; the moment there is room it works.
 * Method: limits from none to enough, one descriptor at a time. */
TEST(a_full_fd_table_at_the_start_is_a_code)
{
    struct rlimit limit;
    int before = open_fds(), lowest = dup(0), n_failed = 0, rc = -1;

    close(lowest);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit old = limit;
    for (int r = WEFT_REACTOR_AUTO; r <= WEFT_REACTOR_EPOLL; r++) {
        rc = -1;
        for (int room = 0; room < 40 && rc != 0; room++) {
            struct weft_runtime *rt = NULL;
            limit.rlim_cur = (rlim_t)(lowest + room);
            CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
            rc = weft_runtime_start(
                &rt, &(struct weft_config){.size = sizeof(struct weft_config), .procs = 3,
                                           .reactor = (enum weft_reactor)r});
            if (rc == 0)
                CHECK_EQ(weft_runtime_stop(rt), 0);
            else if (rc == -ENOSYS || rc == -EPERM)
                rc = 0; /* no io_uring here at all */
            else
                CHECK_EQ(rc, -EMFILE);
            n_failed += rc != 0;
            CHECK_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
            CHECK_EQ(open_fds(), before);
        }
        CHECK_EQ(rc, 0);
    }
    CHECK_GT(n_failed, 3);
}
