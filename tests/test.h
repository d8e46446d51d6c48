/* SPDX-License-Identifier: MIT */
/*
 * test.h - the whole test harness: one header, no library, so that it builds for every target.
 *
 *     #include "test.h"
 *     TEST(a_closed_channel_refuses_a_send) { CHECK_EQ(send_one(), -EPIPE); }
 *     TEST_LIMIT(every_stack_has_a_guard, 60) { ... }       60 s instead of 20
 *
 *     prog                  all tests, each in a forked child under its time limit
 *     prog NAME...          these tests          prog --list   their names
 *     prog NAME --here      in this process and without a limit, for gdb
 *     prog OPTION           what a program does beside: it defines TEST_OPTION before the include,
 *                           and test_option(), whose result is the status
 *
 * A test passes by returning, fails at the first CHECK, by dying, or by the limit (SIGQUIT first,
 * so that the runtime dumps its coroutines, SIGKILL a second later), and is left out by
 * SKIP("reason").  CHECK and SKIP work on any thread and in any coroutine.  The parent never
 * starts a thread, so forking is safe under the sanitizers too.
 *
 * Environment: WEFT_TEST_SCALE multiplies the limits (sanitizers, emulators); WEFT_TEST_SEED
 * repeats a run; WEFT_STRESS_SECONDS is how long a stress test lasts; WEFT_BUILD is the build
 * directory that the program belongs to (examples are in $WEFT_BUILD/examples).
 */
#ifndef WEFT_TEST_H
#define WEFT_TEST_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEST_FN static __attribute__((unused))
#define TEST_EXIT_SKIP 77
#define TEST_LIMIT_SECONDS 20

struct test_case {
    const char *name;
    void (*fn)(void);
    int limit_seconds;
    struct test_case *next;
};

static struct test_case *test_first, **test_tail = &test_first;
static char *test_reason; /* 256 bytes shared with the children; NULL if there are none */

#define TEST_LIMIT(id, seconds)                                                                    \
    static void test_##id(void);                                                                   \
    static struct test_case test_case_##id = {#id, test_##id, seconds, NULL};                      \
    __attribute__((constructor)) static void test_add_##id(void)                                   \
    {                                                                                              \
        *test_tail = &test_case_##id;                                                              \
        test_tail = &test_case_##id.next;                                                          \
    }                                                                                              \
    static void test_##id(void)
#define TEST(id) TEST_LIMIT(id, TEST_LIMIT_SECONDS)

/* _exit, not exit: a failing test may stand on a coroutine's stack with threads all around. */
#define TEST_FAIL(...)                                                                             \
    do {                                                                                           \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                                            \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fputc('\n', stderr);                                                                       \
        fflush(NULL);                                                                              \
        _exit(1);                                                                                  \
    } while (0)

#define SKIP(reason)                                                                               \
    do {                                                                                           \
        if (test_reason)                                                                           \
            snprintf(test_reason, 256, "%s", reason);                                              \
        else                                                                                       \
            printf("skip: %s\n", reason);                                                          \
        fflush(NULL);                                                                              \
        _exit(TEST_EXIT_SKIP);                                                                     \
    } while (0)

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x))                                                                                  \
            TEST_FAIL("CHECK(%s) is false", #x);                                                   \
    } while (0)

/* Integers and pointers; both values are printed. */
#define TEST_COMPARE(a, op, b, text)                                                               \
    do {                                                                                           \
        const long long test_a = (long long)(a), test_b = (long long)(b);                          \
        if (!(test_a op test_b))                                                                   \
            TEST_FAIL("%s is false: %lld and %lld", text, test_a, test_b);                         \
    } while (0)
#define CHECK_EQ(a, b) TEST_COMPARE(a, ==, b, #a " == " #b)
#define CHECK_NE(a, b) TEST_COMPARE(a, !=, b, #a " != " #b)
#define CHECK_LT(a, b) TEST_COMPARE(a, <, b, #a " < " #b)
#define CHECK_LE(a, b) TEST_COMPARE(a, <=, b, #a " <= " #b)
#define CHECK_GT(a, b) TEST_COMPARE(a, >, b, #a " > " #b)
#define CHECK_GE(a, b) TEST_COMPARE(a, >=, b, #a " >= " #b)
#define CHECK_STR(a, b)                                                                            \
    do {                                                                                           \
        const char *test_a = (a), *test_b = (b);                                                   \
        if (!test_a || !test_b || strcmp(test_a, test_b) != 0)                                     \
            TEST_FAIL("%s is not %s: \"%s\" and \"%s\"", #a, #b, test_a ? test_a : "(null)",       \
                      test_b ? test_b : "(null)");                                                 \
    } while (0)

TEST_FN long test_env(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtol(text, NULL, 0) : otherwise;
}

/* How much slower than a plain build on plain hardware this run may be. */
TEST_FN long test_scale(void)
{
    return test_env("WEFT_TEST_SCALE", 1);
}

/* Does qemu-user run this program?  Its own thread is one of the process, so that no deadlock is
 * certain; and some system calls behave in another way. */
TEST_FN bool test_is_emulated(void)
{
    const char *emulator = getenv("WEFT_EMULATOR");
    return emulator != NULL && strstr(emulator, "qemu") != NULL;
}

TEST_FN int64_t test_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A moment, by the clock: to give the CPU away instead takes as long as others like to have it. */
TEST_FN void test_spin_us(int64_t us)
{
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - begin.tv_sec) * 1000000000LL + now.tv_nsec - begin.tv_nsec < us * 1000);
}

/* How long a stress test goes on. */
TEST_FN int64_t test_stress_ms(void)
{
    return test_env("WEFT_STRESS_SECONDS", 2) * 1000;
}

/* The seed of this run: WEFT_TEST_SEED, or the clock.  It is printed when a test fails. */
TEST_FN uint64_t test_seed(void)
{
    static uint64_t seed;
    const char *text = getenv("WEFT_TEST_SEED");
    if (!seed && text && *text)
        seed = strtoull(text, NULL, 0);
    if (!seed)
        seed = ((uint64_t)test_now_ms() << 20 ^ (uint64_t)getpid()) | 1;
    return seed;
}

/* xorshift64*: the next number of the sequence in *state, which begins with a seed other than 0. */
TEST_FN uint64_t test_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545F4914F6CDD1D);
}

static void test_on_sigchld(int sig)
{
    (void)sig;
}

/* Waits for the child until a time; SIGCHLD is blocked, so that none is missed. */
static int test_wait_child(pid_t pid, int *status, int64_t until_ms)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    while (waitpid(pid, status, WNOHANG) != pid) {
        int64_t left = until_ms - test_now_ms();
        if (left <= 0)
            return 0;
        struct timespec ts = {(time_t)(left / 1000), (long)(left % 1000) * 1000000};
        (void)sigtimedwait(&set, NULL, &ts);
    }
    return 1;
}

/* Runs one test in a child that leads a process group, so that nothing it started survives it. */
static int test_run(const struct test_case *test, const sigset_t *old_mask)
{
    const long limit = test->limit_seconds * test_scale();
    const int64_t start = test_now_ms();
    int status = 0, late = 0;

    test_reason[0] = '\0';
    fflush(NULL);
    const pid_t pid = fork();
    if (pid < 0) {
        printf("FAIL %s: fork: %s\n", test->name, strerror(errno));
        return 1;
    }
    if (pid == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGCHLD, SIG_DFL);
        sigprocmask(SIG_SETMASK, old_mask, NULL);
        test->fn();
        exit(0);
    }
    if (!test_wait_child(pid, &status, start + limit * 1000)) {
        late = 1;
        kill(pid, SIGQUIT);
        if (!test_wait_child(pid, &status, test_now_ms() + 1000)) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
        }
    }
    kill(-pid, SIGKILL);

    const int ms = (int)(test_now_ms() - start);
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (!late && code == 0) {
        printf("ok %s (%d ms)\n", test->name, ms);
        return 0;
    }
    if (!late && code == TEST_EXIT_SKIP) {
        printf("skip %s: %s\n", test->name, test_reason);
        return TEST_EXIT_SKIP;
    }
    printf("FAIL %s (%d ms): ", test->name, ms);
    if (late)
        printf("not done after %ld s", limit);
    else if (WIFSIGNALED(status))
        printf("died by signal %d, %s", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        printf("exit status %d", code);
    printf("; WEFT_TEST_SEED=%llu\n", (unsigned long long)test_seed());
    return 1;
}

static int test_is_named(const char *name, char **names, int n_names)
{
    int n_given = 0;
    for (int i = 1; i < n_names; i++) {
        if (strncmp(names[i], "--", 2) == 0)
            continue;
        n_given++;
        if (strcmp(names[i], name) == 0)
            return 1;
    }
    return n_given == 0;
}

#ifdef TEST_OPTION
static int test_option(void);
#endif

int main(int argc, char **argv)
{
    int n_passed = 0, n_failed = 0, n_skipped = 0, n_here = 0, here = 0, list = 0;
    sigset_t set, old_mask;

    for (int i = 1; i < argc; i++) {
        here |= strcmp(argv[i], "--here") == 0;
        list |= strcmp(argv[i], "--list") == 0;
    }
    test_seed();
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
#ifdef TEST_OPTION
    if (argc > 1 && strcmp(argv[1], TEST_OPTION) == 0)
        return test_option();
#endif
    if (!here) {
        test_reason =
            (char *)mmap(NULL, 256, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        signal(SIGCHLD, test_on_sigchld);
        sigprocmask(SIG_BLOCK, &set, &old_mask);
    }
    for (struct test_case *test = test_first; test; test = test->next) {
        if (!test_is_named(test->name, argv, argc))
            continue;
        if (list) {
            puts(test->name);
        } else if (here) {
            test->fn();
            n_here++;
        } else {
            const int rc = test_run(test, &old_mask);
            n_passed += rc == 0;
            n_skipped += rc == TEST_EXIT_SKIP;
            n_failed += rc == 1;
        }
    }
    if (list)
        return 0;
    n_passed += n_here;
    if (n_passed + n_failed + n_skipped == 0) {
        printf("FAIL no test of that name\n");
        n_failed = 1;
    }
    printf("%d passed, %d failed, %d skipped\n", n_passed, n_failed, n_skipped);
    return n_failed != 0;
}

#endif
