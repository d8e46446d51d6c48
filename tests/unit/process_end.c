/* SPDX-License-Identifier: MIT */
/*
 * process_end.c - children that are not waited for to the end: scopes that end the wait, and with
 * it the child or not; children that are freed; kernels and programs that do not tell of ends.
 *
 * matrix: short
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "net_test.h"

#define SH(script) ((char *[]){"sh", "-c", script, NULL})

/* A child that has said that it is ready. */
struct child {
    struct weft_process *p;
    int in, out;
};

static struct child start(char *script, struct weft_spawn_opts opts)
{
    struct child c = {NULL, -1, -1};
    char text[6] = "";

    opts.size = sizeof opts;
    opts.in = weft_stdio_pipe(&c.in);
    opts.out = weft_stdio_pipe(&c.out);
    CHECK_EQ(weft_spawn(&c.p, SH(script), &opts), 0);
    CHECK_EQ(weft_read_full(c.out, text, 6), 6);
    CHECK(memcmp(text, "ready\n", 6) == 0);
    return c;
}
#define START(script, ...) start(script, (struct weft_spawn_opts){__VA_ARGS__})

static void close_streams(struct child *c)
{
    CHECK_EQ(weft_close(c->in), 0);
    CHECK_EQ(weft_close(c->out), 0);
}

/* Nobody has its output open any more: it and all that it started are gone. */
static void expect_gone(struct child *c)
{
    char rest[16];

    CHECK_EQ(weft_read(c->out, rest, sizeof rest), 0);
    close_streams(c);
    weft_process_free(c->p);
}

#define WAITS "echo ready; read line"
#define ENDS_ORDERLY "trap 'exit 3' TERM; echo ready; while :; do sleep 0.02; done"
#define CANNOT_BE_ASKED "trap '' TERM; echo ready; while :; do sleep 0.02; done"
#define FAMILY_THAT_CANNOT "trap '' TERM; sleep 1000 & echo ready; while :; do sleep 0.02; done"
#define CHILD_THAT_CANNOT "(trap '' TERM; echo ready; sleep 1000) & exec cat"
#define FAMILY "sleep 1000 & echo ready; exec cat"

struct wait {
    struct weft_process *p;
    int rc, status, scope_status;
};

static int wait_for(void *arg)
{
    struct wait *w = arg;

    w->status = -1;
    w->rc = weft_process_wait(w->p, &w->status);
    w->scope_status = weft_scope_status();
    return 0;
}

/* Cancelled while it waits. */
static struct wait wait_and_cancel(struct child *c)
{
    struct wait w = {.p = c->p};
    struct weft_co *co = weft_go_with(wait_for, &w);

    await_in_flight(1);
    weft_cancel(co);
    join(co);
    CHECK_EQ(w.rc, -ECANCELED);
    CHECK_EQ(w.scope_status, -ECANCELED);
    return w;
}

/* ---- scopes ---- */

CO_TEST(a_scope_ends_the_wait_and_the_child_goes_on)
{
    struct child c = START(WAITS);
    int status = -1;

    WEFT_DEADLINE(s, WEFT_MS) {
        CHECK_EQ(weft_process_wait(c.p, &status), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
    }
    CHECK_EQ(wait_and_cancel(&c).status, -1);
    CHECK_EQ(weft_process_kill(c.p, 0), 0);
    CHECK_EQ(weft_write(c.in, "x\n", 2), 2);
    CHECK_EQ(weft_process_wait(c.p, &status), 0);
    CHECK_EQ(weft_status_code(status), 0);
    WEFT_DEADLINE(s, -1)
        CHECK_EQ(weft_process_wait(c.p, NULL), 0); /* it is known */
    expect_gone(&c);
    return 0;
}

CO_TEST(a_cancel_ends_a_child_that_is_not_to_outlive_it)
{
    struct child c = START(WAITS, .cancel_signal = SIGTERM);
    struct wait w = wait_and_cancel(&c);

    CHECK_EQ(weft_status_signal(w.status), SIGTERM);
    CHECK_EQ(weft_process_wait(c.p, NULL), 0);
    expect_gone(&c);
    c = START(ENDS_ORDERLY, .cancel_signal = SIGTERM, .cancel_grace_ns = WEFT_NEVER);
    CHECK_EQ(weft_status_code(wait_and_cancel(&c).status), 3);
    expect_gone(&c);
    return 0;
}

CO_TEST(who_does_not_end_within_the_grace_is_killed)
{
    struct child c = START(CANNOT_BE_ASKED, .cancel_signal = SIGTERM, .cancel_grace_ns = WEFT_MS);
    const int64_t before_ns = weft_now();

    CHECK_EQ(weft_status_signal(wait_and_cancel(&c).status), SIGKILL);
    CHECK_GE(weft_now() - before_ns, WEFT_MS);
    expect_gone(&c);
    return 0;
}

/* Goal: that the grace was a scope as well is not to be seen. */
CO_TEST(the_scope_that_ended_a_child_is_the_cause)
{
    struct child c = START(CANNOT_BE_ASKED, .cancel_signal = SIGTERM, .cancel_grace_ns = WEFT_MS);
    int status = -1;

    WEFT_SCOPE(outer) {
        WEFT_DEADLINE(inner, WEFT_MS) {
            CHECK_EQ(weft_process_wait(c.p, &status), -ETIMEDOUT);
            CHECK_EQ(weft_scope_cause(&inner), WEFT_CAUSE_THIS);
            CHECK_EQ(weft_scope_cause(&outer), WEFT_CAUSE_INNER);
        }
        CHECK_EQ(weft_scope_status(), 0);
    }
    CHECK_EQ(weft_status_signal(status), SIGKILL);
    expect_gone(&c);
    return 0;
}

/* Goal: of a group nobody is left: its output has an end, which a grandchild would keep open. */
CO_TEST(a_cancel_ends_a_group_as_a_whole)
{
    struct child c = START(FAMILY_THAT_CANNOT, .cancel_signal = SIGTERM,
                           .cancel_grace_ns = WEFT_MS, .leads_group = 1);

    CHECK_EQ(weft_status_signal(wait_and_cancel(&c).status), SIGKILL);
    expect_gone(&c);
    c = START(CHILD_THAT_CANNOT, .cancel_signal = SIGTERM, .leads_group = 1);
    CHECK_EQ(weft_status_signal(wait_and_cancel(&c).status), SIGTERM);
    expect_gone(&c);
    return 0;
}

CO_TEST(a_signal_to_one_that_leads_a_group_reaches_the_group)
{
    struct child c = START(FAMILY, .leads_group = 1);
    int status = -1;

    CHECK_EQ(weft_process_kill(c.p, SIGUSR2), 0);
    CHECK_EQ(weft_process_wait(c.p, &status), 0);
    CHECK_EQ(weft_status_signal(status), SIGUSR2);
    expect_gone(&c);
    return 0;
}

/* ---- freed, or left ---- */

static bool has_children(void)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

CO_TEST(a_child_that_is_freed_is_ended_and_leaves_no_zombie)
{
    struct child c = START(CANNOT_BE_ASKED);

    CHECK(has_children());
    WEFT_DEADLINE(s, -1)
        weft_process_free(c.p); /* whatever the scopes */
    CHECK(!has_children());
    close_streams(&c);
    struct weft_process *p = NULL;
    CHECK_EQ(weft_spawn(&p, SH("exit 0"), NULL), 0);
    weft_process_free(p);
    CHECK(!has_children());
    return 0;
}

TEST(a_plain_thread_starts_and_frees_children)
{
    struct weft_process *p = NULL;
    char text[6] = "";
    int out = -1;

    CHECK_EQ(weft_spawn_with(&p, SH(CANNOT_BE_ASKED), .out = weft_stdio_pipe(&out)), 0);
    CHECK_EQ(poll(&(struct pollfd){.fd = out, .events = POLLIN}, 1, -1), 1);
    CHECK_EQ(read(out, text, 6), 6);
    CHECK_EQ(weft_process_kill(p, SIGTERM), 0);
    CHECK_EQ(weft_process_kill(p, 0), 0);
    weft_process_free(p);
    CHECK(!has_children());
    close(out);
}

static struct weft_process *left;

static void wait_for_it(void *status)
{
    (void)!weft_process_wait(left, status);
}

static int leave_one_who_waits(void *arg)
{
    CHECK_EQ(weft_spawn(&left, SH("sleep 1000"), NULL), 0);
    CHECK_EQ(weft_go(wait_for_it, arg), 0);
    await_in_flight(1);
    return 0;
}

static int wait_again(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_process_kill(left, SIGKILL), 0);
    return weft_process_wait(left, NULL);
}

/* Goal: who waited in a runtime that was stopped waits no more, and the child is the next one's. */
TEST(a_child_outlives_the_runtime_that_started_it)
{
    int status = -1;

    CHECK_EQ(weft_run(leave_one_who_waits, &status), 0);
    CHECK_EQ(weft_process_kill(left, 0), 0);
    CHECK_EQ(weft_run(wait_again, NULL), 0);
    weft_process_free(left);
    CHECK_EQ(weft_run(leave_one_who_waits, &status), 0);
    weft_process_free(left);
    CHECK(!has_children());
}

/* ---- who does not tell of ends ---- */

/* From here on the kernel has no pidfds: in this process, and before there are other threads. */
static void forbid_pidfds(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 434 /* pidfd_open */, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = COUNT(code), .filter = code};

    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        SKIP("no seccomp filter may be set here");
}

static int wait_without_pidfds(void *arg)
{
    struct child c = START(WAITS);
    struct wait w = {.p = c.p};

    (void)arg;
    WEFT_DEADLINE(s, 3 * WEFT_MS)
        CHECK_EQ(weft_process_wait(c.p, NULL), -ETIMEDOUT);
    struct weft_co *co = weft_go_with(wait_for, &w);
    CHECK_EQ(weft_write(c.in, "x\n", 2), 2);
    join(co);
    CHECK_EQ(w.rc, 0);
    CHECK_EQ(weft_status_code(w.status), 0);
    expect_gone(&c);
    c = START(CANNOT_BE_ASKED, .cancel_signal = SIGTERM, .cancel_grace_ns = 3 * WEFT_MS);
    WEFT_DEADLINE(s, WEFT_MS)
        CHECK_EQ(weft_process_wait(c.p, &w.status), -ETIMEDOUT);
    CHECK_EQ(weft_status_signal(w.status), SIGKILL);
    expect_gone(&c);
    c = START(WAITS);
    weft_process_free(c.p);
    CHECK(!has_children());
    close_streams(&c);
    return 0;
}

TEST(where_the_kernel_tells_of_no_ends_they_are_asked_for)
{
    forbid_pidfds();
    CHECK_EQ(weft_run(wait_without_pidfds, NULL), 0);
}

CO_TEST(an_end_that_somebody_else_took_is_a_code)
{
    struct child c = START(WAITS);
    const pid_t pid = weft_process_pid(c.p);
    int status = -1;

    CHECK_EQ(weft_write(c.in, "x\n", 2), 2);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(weft_process_kill(c.p, SIGKILL), -ESRCH); /* the number may be another's */
    CHECK_EQ(weft_process_wait(c.p, &status), -ECHILD);
    CHECK_EQ(weft_process_wait(c.p, &status), -ECHILD);
    expect_gone(&c);

    CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    c = START(WAITS);
    CHECK_EQ(weft_write(c.in, "x\n", 2), 2);
    CHECK_EQ(weft_process_wait(c.p, &status), -ECHILD);
    expect_gone(&c);
    return 0;
}
