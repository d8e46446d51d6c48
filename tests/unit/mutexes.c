/* SPDX-License-Identifier: MIT */
/*
 * mutexes.c - pthread mutexes of coroutines: the checked build reports one that is held while its
 * coroutine leaves the thread, with both places, and says nothing of a program that is right.  All
 * other builds do not look, so they say nothing at all.
 *
 * Each program runs in a process of its own, whose stderr is looked at.
 *
 * matrix: once
 */
#include <pthread.h>

#include "../src/sched/mutexes.h"
#include "co_test.h"
#include "no_lookout.h" /* what waits in pthread_cond_wait() looks like a hog; its is_told is one */

#ifdef WEFT__WATCHES_MUTEXES
#define IS_CHECKED true
#else
#define IS_CHECKED false
#endif

/* By its name, in a report. */
#define SEEN __attribute__((noinline))

static char said[8192];

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* What `app` says on stderr. */
static void run(int (*app)(void *))
{
    int errors[2];
    int status;
    size_t n = 0;
    ssize_t got;

    CHECK_EQ(pipe(errors), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(errors[1], 2);
        _exit(weft_run_with(app, NULL, .procs = 1));
    }
    close(errors[1]);
    while ((got = read(errors[0], said + n, sizeof said - 1 - n)) > 0)
        n += (size_t)got;
    said[n] = 0;
    close(errors[0]);
    CHECK_EQ(waitpid(child, &status, 0), child);
    if (status != 0)
        TEST_FAIL("status %x\n%s", (unsigned)status, said);
}

static int count_lines(void)
{
    int n = 0;

    for (const char *at = said; *at != 0; at++)
        n += *at == '\n';
    return n;
}

/* One line, with these in this order, in the build that looks. */
static void expect_report(const char *does, const char *where, const char *locked_at)
{
    const char *at = strstr(said, "weft: coroutine ");

    if (!IS_CHECKED) {
        CHECK_STR(said, "");
        return;
    }
    at = at != NULL ? strstr(at, does) : NULL;
    at = at != NULL ? strstr(at, where) : NULL;
    at = at != NULL ? strstr(at, " while it holds a pthread mutex locked at ") : NULL;
    at = at != NULL ? strstr(at, locked_at) : NULL;
    if (at == NULL || count_lines() != 1)
        TEST_FAIL("it said:\n%s", said);
}

static SEEN void lock_it(void)
{
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* It waits indeed: with one processor the other begins no sooner. */
static SEEN void wait_for_another(void)
{
    CHECK_EQ(weft_join(weft_go_with(do_nothing, NULL), NULL), 0);
}

static int wait_with_it(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_set_name("holder"), 0);
    for (int i = 0; i < 3; i++) {
        lock_it();
        wait_for_another();
        pthread_mutex_unlock(&mutex);
    }
    return 0;
}

TEST(a_mutex_held_across_a_wait_is_reported_once_with_both_places)
{
    run(wait_with_it);
    expect_report("\"holder\" waits at ", "wait_for_another+0x", "lock_it+0x");
}

static SEEN int yield_with_it(void *arg)
{
    (void)arg;
    CHECK_EQ(pthread_mutex_trylock(&mutex), 0);
    weft_yield();
    return pthread_mutex_unlock(&mutex);
}

TEST(a_mutex_held_across_a_yield_is_reported)
{
    run(yield_with_it);
    expect_report("\"main\" yields at ", "yield_with_it+0x", "yield_with_it+0x");
}

static int end_with_it(void *arg)
{
    (void)arg;
    lock_it();
    return 0;
}

TEST(a_mutex_held_at_the_end_is_reported)
{
    run(end_with_it);
    expect_report("\"main\" ends", "", "lock_it+0x");
}

static SEEN int lock_inner(void *arg)
{
    pthread_mutex_t *recursive = arg;

    CHECK_EQ(pthread_mutex_lock(recursive), 0);
    CHECK_EQ(pthread_mutex_lock(recursive), 0);
    CHECK_EQ(pthread_mutex_unlock(recursive), 0);
    return 0;
}

static int keep_one_of_two(void *arg)
{
    pthread_mutexattr_t attr;
    pthread_mutex_t recursive;

    (void)arg;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&recursive, &attr);
    lock_inner(&recursive);
    wait_for_another();
    return pthread_mutex_unlock(&recursive);
}

TEST(a_recursive_mutex_is_held_until_its_last_unlock)
{
    run(keep_one_of_two);
    expect_report("\"main\" waits at ", "wait_for_another+0x", "lock_inner");
}

static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static bool is_told;

static void *tell(void *arg)
{
    (void)arg;
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    is_told = true;
    CHECK_EQ(pthread_cond_signal(&cond), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return NULL;
}

static void use_a_condition(void)
{
    pthread_t th;

    is_told = false;
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_create(&th, NULL, tell, NULL), 0);
    while (!is_told)
        CHECK_EQ(pthread_cond_wait(&cond, &mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(pthread_join(th, NULL), 0);
}

static void lock_in_another_order(void)
{
    pthread_mutex_t other = PTHREAD_MUTEX_INITIALIZER;

    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_mutex_lock(&other), 0);
    CHECK_EQ(pthread_mutex_trylock(&other), EBUSY);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&other), 0);
}

static int do_it_right(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        use_a_condition();
        wait_for_another();
        lock_in_another_order();
        weft_yield();
        fprintf(stdout, "%s", "");
        free(malloc(100000));
    }
    return 0;
}

static int do_it_all_right(void *arg)
{
    struct weft_co *co = weft_go_with(do_it_right, arg);

    do_it_right(arg);
    join(co);
    return 0;
}

TEST(of_a_program_that_is_right_nothing_is_said)
{
    run(do_it_all_right);
    CHECK_STR(said, "");
}
