/* SPDX-License-Identifier: MIT */
/*
 * conformance.c - one semantics: each operation of the contract (enum weft__op_kind of
 * reactor/op.h), whatever happens to it, gives the same under every driver.
 *
 *     build/tests/unit/conformance --table     what each driver gives, cell by cell
 *
 * Each cell is a scenario with what it must give, or the reason why the two cannot meet; one that
 * is empty fails the program.  A new operation is one line in `rows` and the header with its
 * scenarios: a function each that gets a scene (conformance.h) and returns what the operation gave.
 * Most are those of conformance.h, once the row has its make(), call() and let_go().  A new
 * situation is a line in SITUATIONS, and a cell in each row.  A new driver is a word in `drivers`.
 * What an emulator answers itself is in `not_emulated`.
 * tests/build/conformance.sh sees that no kind of the contract is without a row.
 *
 * matrix: once
 */
#define _GNU_SOURCE
#define TEST_OPTION "--table"
#include "conformance_copy.h"
#include "conformance_file.h"
#include "conformance_message.h"
#include "conformance_socket.h"

static const struct row rows[] = {
    {"READ", "weft_read", make_pair, call_read, peer_writes,
     {read_huge, read_nothing, read_to_nowhere, NULL}, READ_CELLS(bad_memory)},
    {"READV", "weft_readv", make_pair, call_readv, peer_writes,
     {readv_huge, readv_nothing, readv_to_nowhere, NULL}, READ_CELLS(bad_readv)},
    {"WRITE", "weft_write", make_jam, call_write, peer_reads_all,
     {write_huge, write_nothing, write_from_nowhere, write_large}, WRITE_CELLS(bad_memory)},
    {"WRITEV", "weft_writev", make_jam, call_writev, peer_reads_all,
     {writev_huge, writev_nothing, writev_from_nowhere, writev_large}, WRITE_CELLS(bad_writev)},
    {"RECVMSG", "weft_recv_msg", make_pair, call_recv_msg, peer_writes,
     {recv_huge, recv_nothing, recv_to_nowhere, NULL}, RECV_CELLS},
    {"SENDMSG", "weft_send_msg", make_jam, call_send_msg, peer_reads_all,
     {send_huge, send_nothing, send_from_nowhere, send_large}, SEND_CELLS},
    {"SENDFILE", "weft_sendfile", make_jam, call_sendfile, peer_reads_all,
     {sendfile_huge, sendfile_nothing, NULL, sendfile_large}, SENDFILE_CELLS},
    {"SPLICE_IN", "weft_relay_copy", make_pair, call_splice_in, peer_writes,
     {splice_in_huge, splice_in_nothing, NULL, NULL}, SPLICE_IN_CELLS},
    {"SPLICE_OUT", "weft_relay_copy", make_jam, call_splice_out, peer_reads_all,
     {NULL, splice_out_nothing, NULL, NULL}, SPLICE_OUT_CELLS},
    {"ACCEPT", "weft_accept", listen_as, call_accept, somebody_comes, {NULL}, ACCEPT_CELLS},
    {"CONNECT", "weft_dial_addr", make_crowd, call_dial, take_one, {NULL}, CONNECT_CELLS},
    {"POLL", "weft_wait_fd", make_pair, call_wait_fd, peer_writes, {NULL}, POLL_CELLS},
    {"CLOSE", "weft_close", make_pair, call_close, NULL, {NULL}, CLOSE_CELLS},
    {"FILE_READ", "weft_pread", make_file, call_pread, NULL,
     {pread_huge, pread_nothing, pread_to_nowhere, NULL}, PREAD_CELLS},
    {"FILE_WRITE", "weft_pwrite", make_file, call_pwrite, NULL,
     {pwrite_huge, pwrite_nothing, pwrite_from_nowhere, NULL}, PWRITE_CELLS},
    {"FILE_SYNC", "weft_fsync", make_file, call_fsync, NULL, {NULL}, SYNC_CELLS},
    {"FILE_RESIZE", "weft_ftruncate", make_file, call_resize, NULL, {NULL}, RESIZE_CELLS},
    {"STAT", "weft_stat", make_nothing, call_stat, NULL, PATH_FORMS(stat), PATH_CELLS(5)},
    {"OPEN", "weft_open", make_nothing, call_open, NULL, PATH_FORMS(open), PATH_CELLS(AN_FD)},
    {"RENAME", "weft_rename", make_nothing, call_rename, NULL, PATH_FORMS(rename), PATH_CELLS(0)},
    {"UNLINK", "weft_unlink", make_nothing, call_unlink, NULL, PATH_FORMS(unlink), PATH_CELLS(0)},
    {"MKDIR", "weft_mkdir", make_nothing, call_mkdir, NULL, PATH_FORMS(mkdir), PATH_CELLS(0)},
};

static const char *const drivers[] = {"io_uring", "epoll", "kqueue"};

/*
 * Where a driver must give something else than stands in the cell, and why: here or nowhere.  What
 * may differ beyond results (who of several waiters is first, when a cancel arrives) is in
 * ARCHITECTURE.md.
 */
static const struct difference {
    const char *driver, *kind;
    enum situation situation;
    ssize_t expected[FLAVOURS];
    const char *why;
} differences[] = {
    {.driver = NULL}, /* the last one */
};

/*
 * Which cells say nothing of a driver under qemu-user, since it answers by itself: before a call it
 * looks at all memory that the call names.
 */
#define LOOKS_AT_ALL "the emulator wants all of the buffer to be there, the kernel what it fills"
#define LOOKS_FIRST "the emulator looks at the memory before the call waits"
static const struct own_answer {
    const char *kind;
    enum situation situation;
    const char *why;
} not_emulated[] = {
    {"READ", HUGE, LOOKS_AT_ALL},   {"READV", HUGE, LOOKS_AT_ALL}, {"RECVMSG", HUGE, LOOKS_AT_ALL},
    {"FILE_READ", HUGE, LOOKS_AT_ALL}, {"READ", BAD, LOOKS_FIRST}, {"READV", BAD, LOOKS_FIRST},
    {"WRITE", BAD, LOOKS_FIRST},    {"WRITEV", BAD, LOOKS_FIRST},  {"RECVMSG", BAD, LOOKS_FIRST},
    {"SENDMSG", BAD, LOOKS_FIRST},
};

static const char *const situations[] = {
#define X(name, text) text,
    SITUATIONS(X)
#undef X
};

/* What a driver gave, in memory that the children share with their parent. */
struct results {
    bool is_there; /* the driver can be had */
    ssize_t of[COUNT(rows)][SITUATION_COUNT][FLAVOURS];
};

static struct results *results;

/* ---- all cells under one driver ---- */

/* Why a cell is not run, although it has a scenario; or NULL. */
static const char *own_answer_to(const struct row *row, int k)
{
    for (int i = 0; i < COUNT(not_emulated) && test_is_emulated(); i++) {
        if (strcmp(not_emulated[i].kind, row->kind) == 0 && (int)not_emulated[i].situation == k)
            return not_emulated[i].why;
    }
    return NULL;
}

static bool is_run(const struct row *row, int k)
{
    return row->cells[k].run != NULL && own_answer_to(row, k) == NULL;
}

/* No descriptor is left.  The runtime and an emulator have some for a moment, at any time: so not
 * one more than the least that was seen before must be there in the end. */
static void await_no_more_fds(int *least)
{
    const int64_t until = weft_now() + LONG_NS;
    int n;

    while ((n = open_fds()) > *least && weft_now() < until)
        CHECK_EQ(weft_sleep(WEFT_MS), 0);
    CHECK_GE(*least, n);
    *least = n;
}

static void run_cell(const struct row *row, const struct cell *cell, ssize_t *given, int *least_fds)
{
    for (int i = 0; i < FLAVOURS; i++) {
        struct scene s = {.flavour = &flavours[i], .row = row};
        if (test_env("VERBOSE", 0))
            fprintf(stderr, "%s, %s: %s\n", row->kind, flavours[i].name,
                    situations[cell - row->cells]);
        begin(&s);
        given[i] = cell->run(&s);
        end(&s);
        CHECK_EQ(in_flight(), 0);
        await_no_more_fds(least_fds);
    }
}

static int run_all(void *arg)
{
    struct results *r = arg;

    r->is_there = true;
    open_throughs();
    int least_fds = open_fds();
    for (int i = 0; i < COUNT(rows); i++) {
        for (int k = 0; k < SITUATION_COUNT; k++)
            if (is_run(&rows[i], k))
                run_cell(&rows[i], &rows[i].cells[k], r->of[i][k], &least_fds);
    }
    close_throughs();
    return 0;
}

static const ssize_t *expected_of(const char *driver, const struct row *row, int k)
{
    for (const struct difference *d = differences; d->driver != NULL; d++) {
        if (strcmp(d->driver, driver) == 0 && strcmp(d->kind, row->kind) == 0 &&
            (int)d->situation == k)
            return d->expected;
    }
    return row->cells[k].expected;
}

/* ---- results in words ---- */

static const struct {
    ssize_t result;
    const char *word;
} words[] = {
#define X(name) {-name, "-" #name}
    X(EBADF), X(EINVAL), X(EFAULT), X(EPIPE), X(ECONNRESET), X(ECONNREFUSED), X(ETIMEDOUT),
    X(ECANCELED), X(EAFNOSUPPORT), X(ESPIPE), X(EAGAIN), X(ENOTSOCK), X(EBUSY),
    X(ENOENT), X(ENAMETOOLONG),
#undef X
    {SOME, "some"},
    {AN_FD, "an fd"},
};

/* As "5", or "-ECONNRESET|-EPIPE" where TCP and UNIX differ. */
static const char *in_words(const ssize_t *result, char text[64])
{
    size_t used = 0;

    for (int i = 0; i < FLAVOURS && (i == 0 || result[i] != result[0]); i++) {
        char number[24];
        const char *word = number;
        snprintf(number, sizeof number, "%zd", result[i]);
        for (int k = 0; k < COUNT(words); k++)
            word = words[k].result == result[i] ? words[k].word : word;
        used += (size_t)snprintf(text + used, 64 - used, "%s%s", i > 0 ? "|" : "", word);
    }
    return text;
}

static bool is_wrong(const char *driver, const struct results *r, int i, int k)
{
    const ssize_t *expected = expected_of(driver, &rows[i], k);

    return is_run(&rows[i], k) && memcmp(expected, r->of[i][k], sizeof r->of[i][k]) != 0;
}

/* ---- the tests ---- */

static void check_driver(const char *driver)
{
    struct results *r = calloc(1, sizeof *r);
    char given[64], expected[64];
    int n_wrong = 0;

    if (getenv("WEFT_REACTOR") && strcmp(getenv("WEFT_REACTOR"), driver) != 0)
        SKIP("the environment asks for another driver");
    setenv("WEFT_REACTOR", driver, 1);
    int rc = weft_run(run_all, r);
    if (!r->is_there)
        SKIP("this driver cannot be had here");
    CHECK_EQ(rc, 0);
    for (int i = 0; i < COUNT(rows); i++) {
        for (int k = 0; k < SITUATION_COUNT; k++) {
            const char *why = own_answer_to(&rows[i], k);
            if (why != NULL)
                fprintf(stderr, "%s, %s: not asked, %s\n", rows[i].kind, situations[k], why);
            if (!is_wrong(driver, r, i, k))
                continue;
            fprintf(stderr, "%s, %s: %s instead of %s\n", rows[i].kind, situations[k],
                    in_words(r->of[i][k], given),
                    in_words(expected_of(driver, &rows[i], k), expected));
            n_wrong++;
        }
    }
    CHECK_EQ(n_wrong, 0);
    free(r);
}

TEST(each_cell_gives_what_the_table_says_on_io_uring)
{
    check_driver("io_uring");
}

TEST(each_cell_gives_what_the_table_says_on_epoll)
{
    check_driver("epoll");
}

TEST(each_cell_gives_what_the_table_says_on_kqueue)
{
    check_driver("kqueue");
}

TEST(no_cell_is_empty)
{
    for (int i = 0; i < COUNT(rows); i++) {
        for (int k = 0; k < SITUATION_COUNT; k++) {
            const struct cell *cell = &rows[i].cells[k];
            if ((cell->run == NULL) == (cell->none == NULL))
                TEST_FAIL("%s, %s: neither a scenario nor a reason", rows[i].kind, situations[k]);
        }
    }
    for (const struct difference *d = differences; d->driver != NULL; d++)
        CHECK(d->why != NULL);
}

/* ---- the table ---- */

/* Each driver in a process of its own. */
static void gather(void)
{
    const size_t bytes = sizeof *results * COUNT(drivers);

    results = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(results != MAP_FAILED);
    for (int d = 0; d < COUNT(drivers); d++) {
        int status;
        const pid_t pid = fork();
        if (pid == 0) {
            setenv("WEFT_REACTOR", drivers[d], 1);
            _exit(weft_run(run_all, &results[d]) != 0);
        }
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        results[d].is_there = results[d].is_there && status == 0;
        if (!results[d].is_there)
            printf("(%s cannot be had here, or has failed)\n", drivers[d]);
    }
}

/* 1 if the drivers do not agree. */
static int print_cell(int i, int k)
{
    const char *own = own_answer_to(&rows[i], k);
    const char *none = own != NULL ? own : rows[i].cells[k].none;
    char text[64];
    int n_wrong = 0;

    printf("%-10s %-14s", rows[i].kind, situations[k]);
    if (none != NULL)
        printf(" n/a: %s", none);
    for (int d = 0; none == NULL && d < COUNT(drivers); d++) {
        printf(" %-20s", results[d].is_there ? in_words(results[d].of[i][k], text) : "");
        n_wrong += results[d].is_there && is_wrong(drivers[d], &results[d], i, k);
    }
    puts(n_wrong > 0 ? " WRONG" : "");
    return n_wrong > 0;
}

static int print_table(void)
{
    int n_run = 0, n_none = 0, n_wrong = 0;

    gather();
    printf("%-10s %-14s", "", "");
    for (int d = 0; d < COUNT(drivers); d++)
        printf(" %-20s", drivers[d]);
    puts("  (tcp|unix where they differ)");
    for (int i = 0; i < COUNT(rows); i++) {
        for (int k = 0; k < SITUATION_COUNT; k++) {
            n_wrong += print_cell(i, k);
            n_run += is_run(&rows[i], k);
            n_none += !is_run(&rows[i], k);
        }
    }
    for (const struct difference *d = differences; d->driver != NULL; d++)
        printf("%s differs in %s, %s: %s\n", d->driver, d->kind, situations[d->situation], d->why);
    printf("%d operations x %d situations: %d cells run, %d cannot be, %d wrong\n", COUNT(rows),
           SITUATION_COUNT, n_run, n_none, n_wrong);
    return n_wrong > 0;
}

static int test_option(void)
{
    return print_table();
}
