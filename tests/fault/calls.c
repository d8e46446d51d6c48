/* SPDX-License-Identifier: MIT */
/*
 * calls.c - each call of each call site of the library fails, once and for ever, with each error
 * that a kernel has for it, or moves less than it was asked to: no crash, no hang, no leak, no lost
 * byte, every error is a code.
 *
 * Method: the library is built once more, with the fault door open and with call sites that say
 * where they are (sites.h).  A run without failures counts what each piece of the scenario calls.
 * Then each of these calls fails in turn (plan.h), in a runtime of its own, several of them in one
 * forked child.  After them the whole scenario must succeed without failures, and the process must
 * own as many fds and threads as one that had none, and no block of memory.  A child that ends in
 * another way is done again, plan by plan, to tell which it was.
 *
 * What is printed: how many distinct (call site, k, errno) were come to, and the sites that no
 * failure has come to: the branches behind them are not tried.
 *
 * Builds that are slow take a part of the plans only, from a seeded start; there it says little of
 * the sites.
 *
 * cflags: -DWEFT_FAULT
 * link: fault
 * matrix: once
 * limit: 240
 */
#define _GNU_SOURCE
#include "names_test.h"
#include "net_test.h"
#include "no_lookout.h" /* the gate of a relief processor is one block more */
#include "plan.h"
#include "scenario_more.h"

#define PROCS 2
#define BATCH 32 /* plans in one child */
#define PLANS_MAX 16384
#define K_SUM_MAX 512

/* ---- memory: blocks that the library owns, handles apart ---- */

struct block {
    void *base;
    size_t bytes;
};

static _Atomic int n_blocks, n_handles;

static void *count_allocate(void *user, size_t bytes, size_t alignment)
{
    const size_t head = alignment > sizeof(struct block) ? alignment : sizeof(struct block);
    char *base = aligned_alloc(head, (head + bytes + head - 1) / head * head);

    (void)user;
    if (base == NULL)
        return NULL;
    struct block *b = (struct block *)(base + head) - 1;
    b->base = base;
    b->bytes = bytes;
    *(bytes == sizeof(struct weft_co) ? &n_handles : &n_blocks) += 1;
    return base + head;
}

static void count_release(void *user, void *memory)
{
    struct block *b = (struct block *)memory - 1;

    (void)user;
    *(b->bytes == sizeof(struct weft_co) ? &n_handles : &n_blocks) -= 1;
    free(b->base);
}

static const struct weft_allocator counting = {
    .size = sizeof counting, .allocate = count_allocate, .release = count_release};

/* ---- one life of a runtime ---- */

static int run_piece(void *arg)
{
    const struct plan *p = arg;

    if (p->piece > 0)
        arm(p);
    int rc = pieces[p->piece].run();
    if (p->piece > 0)
        is_armed = false;
    return rc;
}

static int run_all_pieces(void *unused)
{
    int rc = 0;

    (void)unused;
    for (int i = 0; i < COUNT(pieces); i++)
        rc = first_error(rc, pieces[i].run());
    return rc;
}

/* The handle of a weft_block_on() rests a while after its release, so that a second use of it is
 * found: *n_resting counts those. */
static int run_once(int (*fn)(void *), void *arg, int *n_resting)
{
    struct weft_runtime *rt = NULL;
    int result = 0;
    int rc = weft_runtime_start(
        &rt, &(struct weft_config){.size = sizeof(struct weft_config), .procs = PROCS});

    if (rc != 0)
        return rc;
    int n_before = n_handles;
    rc = weft_block_on(rt, fn, arg, &result);
    *n_resting += rc == 0 || n_handles > n_before;
    CHECK_GE(weft_runtime_stop(rt), 0);
    return rc != 0 ? rc : result;
}

static int run_plan(const struct plan *p, int *n_resting)
{
    if (p->piece == 0)
        arm(p); /* the start and the stop are in it */
    int rc = run_once(run_piece, (void *)(uintptr_t)p, n_resting);
    is_armed = false;
    return rc;
}

/* ---- a child, and what it reports ---- */

/* As many as a process of ours has that is at rest; a sanitizer may have one of its own. */
static int threads_at_rest;

/* A thread that was joined counts until the kernel has put it away. */
static int count_threads(void)
{
    const int64_t until = test_now_ms() + (threads_at_rest == 0 ? 300 : 5000);
    int n = (weft__sys_thread_count)(); /* the function: it is no call site of the library */

    while (n > threads_at_rest && test_now_ms() < until) {
        usleep(100);
        n = (weft__sys_thread_count)();
    }
    return n;
}

/* In memory that the child shares with the test. */
static struct report {
    int clean_rc, n_resting, n_handles, n_blocks, n_fds, n_threads, n_without_site;
    struct outcome {
        int rc, n_injected;
    } plans[BATCH];
    int counts[COUNT(pieces)][SITES_MAX][WEFT__CALL_COUNT]; /* of the run without failures */
    struct plan leads_to[SITES_MAX][COUNT(failures)];       /* a plan that leads there */
} *report;

/* Sites that no run without failures has come to. */
static void note_reached(const struct plan *p)
{
    for (int i = 0; i < count_sites(); i++) {
        for (int f = 0; f < COUNT(failures); f++) {
            struct plan *leads = &report->leads_to[i][f];
            bool is_known = leads->first.failures != NULL;
            if (n_calls[i][failures[f].kind] == 0 || is_known || p->is_lasting)
                continue;
            for (int piece = 0; piece < COUNT(pieces); piece++)
                is_known |= report->counts[piece][i][failures[f].kind] > 0;
            if (!is_known)
                *leads = *p;
        }
    }
}

static void child(const struct plan *plans, int n)
{
    CHECK_EQ(weft_set_allocator(&counting), 0);
    weft__sys_fault = decide;
    use_fake_names(answer_two);
    for (int i = 0; i < n; i++) {
        report->plans[i].rc = run_plan(&plans[i], &report->n_resting);
        report->plans[i].n_injected = n_injected;
        if (plans[i].first.failures == NULL)
            memcpy(report->counts[plans[i].piece], (void *)n_calls, sizeof report->counts[0]);
        else
            note_reached(&plans[i]);
    }
    report->clean_rc = run_once(run_all_pieces, NULL, &report->n_resting);
    report->n_handles = n_handles;
    report->n_blocks = n_blocks - PROCS; /* gates are kept for the next runtime */
    report->n_fds = open_fds() - n_closes_injected;
    report->n_threads = count_threads();
    report->n_without_site = n_without_site;
}

/* With no stack for anybody, now or later, nothing can go on: a report says so, and that is all. */
static bool may_end_all(const struct plan *p)
{
    return p->is_lasting && (p->first.failures->kind == WEFT__CALL_MPROTECT ||
                             p->first.failures->kind == WEFT__CALL_ALLOC);
}

/* Runs the plans in a child; its status, as waitpid() gives it. */
static int run_in_child(const struct plan *plans, int n)
{
    int status;

    memset(report, 0, offsetof(struct report, counts));
    fflush(NULL);
    const pid_t pid = fork();
    CHECK_GE(pid, 0);
    if (pid == 0) {
        alarm(20 * (unsigned)test_scale());
        child(plans, n);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return status;
}

/* ---- the sweep ---- */

static struct report sound; /* of a child without failures */
static struct plan plans[PLANS_MAX];
static bool was_hit[SITES_MAX];
static uint8_t was_done[SITES_MAX][K_SUM_MAX][COUNT(failures)][ERRORS_MAX];
static int n_distinct, n_plans_run, n_swept;

static void say_what_is_bad(const struct plan *plan_in, int status)
{
    print_plan(plan_in);
    fprintf(stderr, ", in %s: ", pieces[plan_in->piece].name);
    if (status != 0)
        fprintf(stderr, "%s %d\n", WIFSIGNALED(status) ? "died by signal" : "exit status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    else
        fprintf(stderr,
                "rc %d, then %d; blocks %d, handles %d (%d rest), fds %d (%d), threads %d (%d), "
                "%d calls without a site\n",
                report->plans[0].rc, report->clean_rc, report->n_blocks, report->n_handles,
                report->n_resting, report->n_fds, sound.n_fds, report->n_threads, sound.n_threads,
                report->n_without_site);
}

static bool is_code(int rc)
{
    return rc <= 0 && rc >= -4095 && rc != -EPROTO && rc != -EDEADLK;
}

static bool is_good_end(int n)
{
    bool is_good = report->clean_rc == 0 && report->n_blocks == 0 &&
                   report->n_handles == report->n_resting && report->n_fds == sound.n_fds &&
                   report->n_threads == sound.n_threads && report->n_without_site == 0;

    for (int i = 0; i < n; i++)
        is_good = is_good && is_code(report->plans[i].rc);
    return is_good;
}

/* That of its last step. */
static void note_done(const struct plan *p)
{
    const struct step *s = p->then.failures != NULL ? &p->then : &p->first;
    const int k = s == &p->first ? p->k_before + s->k : s->k;
    uint8_t *done = &was_done[s->site][k % K_SUM_MAX][s->failures - failures][s->error];

    n_distinct += *done == 0;
    *done = 1;
    was_hit[s->site] = true;
}

static int steps_of(const struct plan *p)
{
    return p->then.failures != NULL ? 2 : 1;
}

/* False if one of them ended badly. */
static bool run_batch(const struct plan *p, int n)
{
    int status = run_in_child(p, n);
    bool ended = n == 1 && may_end_all(p) && WIFEXITED(status) && WEXITSTATUS(status) == 2;
    bool is_good = ended || (status == 0 && is_good_end(n));

    if (!is_good && n > 1) {
        bool all_good = true;
        for (int i = 0; i < n; i++)
            all_good &= run_batch(&p[i], 1);
        if (all_good)
            fprintf(stderr, "the next is bad only together with %d others\n", n - 1);
        else
            return false;
    }
    if (!is_good)
        say_what_is_bad(p, status);
    for (int i = 0; i < n; i++) {
        if (ended || report->plans[i].n_injected >= steps_of(&p[i]))
            note_done(&p[i]);
    }
    n_plans_run += n;
    return is_good;
}

static bool is_message(const struct fault_site *site)
{
    return strstr(site->call, "msg_now") != NULL; /* their door knows no SHORT */
}

/* All failures of the calls of one kind that a piece makes at a site. */
static int add_plans(int n, struct plan p, int count)
{
    struct step *s = &p.first;

    for (s->k = 1; s->k <= count && s->k <= K_MAX; s->k++) {
        for (s->error = 0; s->failures->errors[s->error] != 0; s->error++) {
            if (error_of(s) == SHORT && is_message(&__start_fault_sites[s->site]))
                continue;
            bool may_last = p.k_before + s->k == 1 && s->error < s->failures->n_lasting;
            for (int lasts = 0; lasts <= may_last; lasts++) {
                p.is_lasting = lasts;
                CHECK_LT(n, PLANS_MAX);
                plans[n++] = p;
            }
        }
    }
    return n;
}

static int make_plans(void)
{
    int n = 0;

    for (int f = 0; f < COUNT(failures); f++) {
        for (int site = 0; site < count_sites(); site++) {
            struct plan p = {.first = {.site = site, .failures = &failures[f]}};
            for (p.piece = 0; p.piece < COUNT(pieces); p.piece++) {
                int count = report->counts[p.piece][site][failures[f].kind];
                n = add_plans(n, p, count);
                p.k_before += count;
            }
        }
    }
    return n;
}

/* Of the sites that only a failure has led to, the first call there. */
static int make_second_plans(void)
{
    int n = 0;

    for (int f = 0; f < COUNT(failures); f++) {
        for (int site = 0; site < count_sites(); site++) {
            struct plan p = report->leads_to[site][f];
            if (p.first.failures == NULL)
                continue;
            p.then = (struct step){.site = site, .failures = &failures[f], .k = 1};
            for (; failures[f].errors[p.then.error] != 0; p.then.error++)
                plans[n++] = p;
        }
    }
    return n;
}

/* A child of its own: for the start, which the first runtime of a process does in another way than
 * the second; for what the process remembers; for what may end it. */
static bool is_alone(const struct plan *p)
{
    return p->piece == 0 || p->is_lasting || p->then.failures != NULL ||
           p->first.failures->kind == WEFT__CALL_MEMBARRIER;
}

/* How many share a child, from plan i on. */
static int batch_at(int i, int n)
{
    int end = i;

    while (end < n && end - i < BATCH && !is_alone(&plans[end]) &&
           plans[end].first.failures == plans[i].first.failures)
        end++;
    return end > i ? end - i : 1;
}

/* False if the driver cannot be had here. */
static bool count_calls(void)
{
    struct plan census[BATCH];

    for (int from = 0; from < COUNT(pieces); from += BATCH) {
        int n = 0;
        while (n < BATCH && from + n < COUNT(pieces)) {
            census[n] = (struct plan){.piece = from + n};
            n++;
        }
        CHECK_EQ(run_in_child(census, n), 0);
        for (int i = 0; i < n; i++) {
            if (report->plans[i].rc == -ENOSYS || report->plans[i].rc == -EPERM)
                return false;
            CHECK_EQ(report->plans[i].rc, 0);
        }
        CHECK_EQ(report->clean_rc, 0);
        CHECK_EQ(report->n_blocks, 0);
        CHECK_EQ(report->n_handles, report->n_resting);
        if (report->n_without_site != 0)
            TEST_FAIL("%d calls pass the door without a line in sites.h", report->n_without_site);
        sound = *report;
        threads_at_rest = sound.n_threads;
    }
    return true;
}

/* Of so many plans one is run. */
static int one_in(void)
{
    return test_scale() == 1 ? 1 : 2 * (int)test_scale();
}

static bool run_plans(int n)
{
    int n_left = 0;
    bool is_good = true;

    for (int i = (int)(test_seed() % (uint64_t)one_in()); i < n; i += one_in())
        plans[n_left++] = plans[i];
    for (int i = 0; i < n_left;) {
        int batch = batch_at(i, n_left);
        is_good &= run_batch(&plans[i], batch);
        i += batch;
    }
    return is_good;
}

static bool sweep(const char *reactor, const char *guard)
{
    const int64_t start_ms = test_now_ms();
    int n_before = n_plans_run;

    setenv("WEFT_REACTOR", reactor, 1);
    setenv("WEFT_GUARD", guard, 1);
    threads_at_rest = 0;
    memset(report, 0, sizeof *report);
    if (!count_calls()) {
        printf("%s cannot be had here\n", reactor);
        return true;
    }
    n_swept++;
    bool is_good = run_plans(make_plans());
    is_good &= run_plans(make_second_plans());
    printf("%-9s %d plans in %d ms\n", reactor, n_plans_run - n_before,
           (int)(test_now_ms() - start_ms));
    return is_good;
}

/* ---- what it came to ---- */

static void print_coverage(void)
{
    int n_hit = 0, n_left_out = 0, n = count_sites();

    for (int i = 0; i < n; i++) {
        n_hit += was_hit[i];
        n_left_out += is_left_out[i];
    }
    printf("%d distinct (call site, k, errno)\n", n_distinct);
    printf("%d of %d call sites were made to fail, %d are left out, %d were not come to:\n", n_hit,
           n, n_left_out, n - n_hit - n_left_out);
    for (int i = 0; i < n; i++) {
        const struct fault_site *site = &__start_fault_sites[i];
        if (!was_hit[i])
            printf("  %s:%ld: %s%s%s\n", site->file, site->line, site->call,
                   is_left_out[i] ? ", left out: " : "", is_left_out[i] ? why_left_out(site) : "");
    }
}

TEST_LIMIT(no_failing_call_crashes_hangs_leaks_or_loses_a_byte, 200)
{
    static const struct {
        const char *reactor, *guard;
    } rows[] = {{"io_uring", "auto"}, {"epoll", "mprotect"}};
    const char *only = getenv("WEFT_REACTOR");
    bool is_good = true;

    CHECK_LE(count_sites(), SITES_MAX);
    for (int i = 0; i < count_sites(); i++)
        is_left_out[i] = why_left_out(&__start_fault_sites[i]) != NULL;
    only = only != NULL ? strdup(only) : NULL;
    unsetenv("WEFT_VERBOSE");
    unsetenv("WEFT_PROCS");
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(report != MAP_FAILED);
    for (int i = 0; i < COUNT(rows); i++) {
        if (only == NULL || strcmp(only, rows[i].reactor) == 0)
            is_good &= sweep(rows[i].reactor, rows[i].guard);
    }
    print_coverage();
    CHECK(is_good);
    CHECK_GE(n_distinct, (n_swept == COUNT(rows) && one_in() == 1 ? 3000 : 300 / one_in()));
}
