/* SPDX-License-Identifier: MIT */
/*
 * small.c - the examples that run and end by themselves: what they print and how they end.
 *
 * link: none
 */
#include "program.h"

/* Does the text hold a line of exactly this content? */
static bool has_line(const char *text, const char *line)
{
    const size_t n = strlen(line);

    for (const char *at = strstr(text, line); at != NULL; at = strstr(at + 1, line)) {
        if ((at == text || at[-1] == '\n') && at[n] == '\n')
            return true;
    }
    return false;
}

/* The last line of a text that ends with a newline, in the text itself. */
static const char *last_line(const char *text)
{
    const char *at = text + strlen(text);

    CHECK_GT(at - text, 1);
    for (at--; at > text && at[-1] != '\n'; at--)
        ;
    return at;
}

/* Goal: hello waits for the coroutine that it started.
 * Method: both lines are there, the coroutine's first. */
TEST(hello_greets_from_two_coroutines)
{
    const char *text = program_output("hello");
    const char *first = strstr(text, "hello from coroutine ");
    const char *second = strstr(text, "hello from the first coroutine\n");

    CHECK(first != NULL && second != NULL && first < second);
}

/* Goal: no ball is lost.  Method: each round adds one to it. */
TEST(pingpong_plays_all_rounds)
{
    CHECK(strncmp(program_output("pingpong", "5000"), "5000 rounds, ", 13) == 0);
    CHECK(strncmp(program_output("pingpong", "0"), "0 rounds, ", 10) == 0);
}

/* Goal: the chain gives the primes in order and ends when app has enough.
 * Method: the 500th prime is 3571; the program ends by itself, with all filters joined. */
TEST(sieve_finds_primes_and_ends)
{
    const char *text = program_output("sieve", "500");
    int n_lines = 0, before = 1;

    CHECK_STR(last_line(text), "3571\n");
    for (const char *at = text; *at != '\0'; at = strchr(at, '\n') + 1, n_lines++) {
        CHECK_GT(atoi(at), before);
        before = atoi(at);
    }
    CHECK_EQ(n_lines, 500);
    CHECK_STR(program_output("sieve", "0"), "");
}

/* Goal: the consumer gets all that the producer has sent before its close. */
TEST(producer_and_consumer_agree_on_the_sum)
{
    CHECK_STR(program_output("producer"), "the sum is 45\n");
}

/* The line of a reader of that name: what it has seen and lost, and what came last. */
static void check_reader(const char *text, const char *name, int count, int last)
{
    const char *at = strstr(text, name);
    int n_seen = 0, n_lost = 0, price = 0;

    CHECK(at != NULL);
    CHECK_EQ(sscanf(at + strlen(name), ": %d prices seen, %d lost, the last one %d", &n_seen,
                    &n_lost, &price), 3);
    CHECK_EQ(n_seen + n_lost, count);
    CHECK_GT(n_seen, 0);
    CHECK_EQ(price, last);
}

/* Goal: however slow a subscriber is, it knows of every price, and sees the last one.
 * Method: the price goes up by 3 in three steps, and the highest is the last one here. */
TEST(broadcast_reaches_the_slow_and_the_fast)
{
    const char *text = program_output("broadcast", "50");

    check_reader(text, "screen", 50, 156);
    check_reader(text, "report", 50, 156);
    CHECK(has_line(text, "record: 156"));
}

/* Goal: every number passes each stage once.  Method: the sum is known by a formula. */
TEST(pipeline_adds_up_all_squares)
{
    CHECK_STR(program_output("pipeline"), "the squares of 1000 numbers add up to 333833500\n");
    CHECK_STR(program_output("pipeline", "0"), "the squares of 0 numbers add up to 0\n");
}

/* Goal: select answers, gives up and ticks as it says.  Method: the output is always the same. */
TEST(select_timeout_tells_its_story)
{
    CHECK_STR(program_output("select_timeout"), "fast answers\n"
                                                "no more answers for 300 ms\n"
                                                "the deadline of 50 ms has passed\n"
                                                "3 ticks\n"
                                                "slow stops\n");
}

/* Goal: each job is done by exactly one worker.
 * Method: what the workers report adds up; below 1,000 the longest way starts at 871. */
TEST(worker_pool_does_each_job_once)
{
    const char *text = program_output("worker_pool", "5", "1000");
    int n_workers = 0, total = 0;

    CHECK_STR(last_line(text), "1000 jobs; the longest way to 1 is from 871, in 178 steps\n");
    for (const char *at = text; (at = strstr(at, " did ")) != NULL; at++) {
        total += atoi(at + 5);
        n_workers++;
    }
    CHECK_EQ(n_workers, 5);
    CHECK_EQ(total, 1000);
}

/* Goal: each line is written for the request that it belongs to, also by coroutines that the
 * coroutines of a request start, and after its answer.
 * Method: of each request all lines are there, and its last one counts them and the coroutines. */
TEST(tracing_knows_the_request_of_every_line)
{
    enum { REQUESTS = 20 };
    const char *text = program_output("tracing", "20");
    int n_lines[REQUESTS + 1] = {0}, n_over = 0, id, said, n;

    for (const char *at = text; *at != '\0'; at = strchr(at, '\n') + 1) {
        CHECK_EQ(sscanf(at, "[request %d] ", &id), 1);
        CHECK(id >= 1 && id <= REQUESTS && n_lines[id] >= 0);
        if (sscanf(at, "[request %*d] over: %d coroutines wrote %d lines", &n, &said) == 2) {
            CHECK_EQ(n, 6);
            CHECK_EQ(said, n_lines[id]);
            n_lines[id] = -1; /* nothing comes after it */
            n_over++;
        } else {
            n_lines[id]++;
        }
    }
    CHECK_EQ(n_over, REQUESTS);
    CHECK(has_line(text, "[request 7] user: not in the cache"));
    CHECK(has_line(text, "[request 7] price: done"));
    CHECK(has_line(text, "[request 7] audit: written"));
    CHECK(has_line(text, "[request 7] answered"));
}

/* Goal: everybody who parks comes back, and the figures are there.
 * Method: a small crowd; what a million costs is measured elsewhere. */
TEST(million_wakes_and_joins_all)
{
    const char *text = program_output("million", "1000");

    CHECK(strncmp(text, "1000 coroutines, guard ", 23) == 0);
    CHECK(strstr(text, "\nVmRSS ") != NULL);
    CHECK(strstr(text, "\nVmPTE ") != NULL);
    CHECK(has_line(text, "1000 coroutines came back"));
}

/* Goal: where memory is short, it takes as many as fit and says so.
 * Method: more are asked for than any machine has memory for; the start is enough to see. */
TEST(million_takes_as_many_as_fit)
{
    struct program p = program_start(false, "million", "1000000000000", (char *)NULL);
    char line[256];

    CHECK(read_line(p.out, line, sizeof(line), PATIENCE_MS));
    kill(p.pid, SIGKILL);
    CHECK(strncmp(line, "memory is short: ", 17) == 0);
    CHECK_GT(atol(line + 17), 0);
}

/* Goal: the guard of one in many works, and the report names the one.
 * Method: the name that is announced on stdout stands in the report on stderr; the process is
 * killed by a signal: SIGSEGV, or SIGABRT where canaries are all there is. */
TEST(million_overflow_dies_with_the_right_name)
{
    struct program p;
    char line[256], *name = NULL;
    bool is_canary = false;
    int status;

    /* The way to die is what is tested here, so the sanitizers keep out of it. */
    setenv("ASAN_OPTIONS", "handle_segv=0:handle_abort=0", 1);
    setenv("TSAN_OPTIONS", "handle_segv=0:handle_abort=0", 1);
    p = program_start(true, "million", "1000", "--overflow", (char *)NULL);
    while (name == NULL && read_line(p.out, line, sizeof(line), PATIENCE_MS)) {
        is_canary |= strstr(line, "guard canary") != NULL;
        name = strstr(line, "victim-");
    }
    CHECK(name != NULL);
    CHECK(strstr(read_to_end(p.err), name) != NULL);
    status = program_wait(&p, PATIENCE_MS);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), is_canary ? SIGABRT : SIGSEGV);
}

/* Goal: an actor that fails comes back and has lost nothing.  Method: the sum of 1 to 1000, with a
 * message after each hundred that it cannot bear: 11 lives. */
TEST(actor_comes_back_and_keeps_its_sum)
{
    CHECK_STR(program_output("actor"), "the sum is 500500\nin 11 lives\n");
    CHECK_STR(program_output("actor", "0"), "the sum is 0\nin 1 lives\n");
}

/* Goal: a cancel ends its branch of the tree and no other; what is shielded is done. */
TEST(cancel_tree_ends_one_half_and_then_the_other)
{
    CHECK_STR(program_output("cancel_tree", "6"),
              "64 leaves wait\n"
              "32 were cancelled with the left half\n"
              "64 when patience was over; 32 have put their things away\n");
}

/* Goal: no more are let in than the rate allows.  Method: the program measures it. */
TEST(rate_limiter_keeps_its_rate)
{
    const char *text = program_output("rate_limiter", "50", "1000", "5");

    CHECK_STR(last_line(text), "50 requests, at most 1000 a second: kept\n");
}

/* Goal: all pages are fetched once but for the one that never answers, which is given up. */
TEST(crawler_finds_all_pages_and_gives_up_on_one)
{
    /* Pages 15, 16, 31 and so on are found on the page that does not answer, and nowhere else. */
    CHECK_STR(program_output("crawler", "15", "3"), "14 pages fetched, 1 given up\n");
}

/* ---- files ---- */

/* The path of a file of this content in a folder of its own. */
static const char *file_with(const char *bytes, size_t n)
{
    static char path[64];
    int fd;

    snprintf(path, sizeof path, "/tmp/weft-example-XXXXXX");
    fd = mkstemp(path);
    CHECK_GE(fd, 0);
    CHECK_EQ(write(fd, bytes, n), n);
    CHECK_EQ(close(fd), 0);
    return path;
}

/* Goal: a copy is like the original, through more blocks than there are at a time. */
TEST(copy_copies_every_byte)
{
    enum { BYTES = 3000001 };
    static char bytes[BYTES], copied[BYTES + 1];
    char to[80];
    uint64_t random = test_seed();

    for (int i = 0; i < BYTES; i++)
        bytes[i] = (char)test_random(&random);
    const char *from = file_with(bytes, BYTES);
    snprintf(to, sizeof to, "%s-copy", from);
    CHECK_STR(program_output("copy", from, to), "3000001 bytes copied\n");
    int fd = open(to, O_RDONLY);
    CHECK_GE(fd, 0);
    CHECK_EQ(read(fd, copied, BYTES + 1), BYTES);
    CHECK(memcmp(bytes, copied, BYTES) == 0);
    CHECK_EQ(truncate(from, 0), 0);
    CHECK_STR(program_output("copy", from, to), "0 bytes copied\n");
    CHECK_EQ(unlink(from), 0);
    CHECK_EQ(unlink(to), 0);
    struct program p = program_start(true, "copy", from, to, (char *)NULL);
    CHECK_STR(read_to_end(p.err), "copy: no such file, directory or name\n");
    CHECK_EQ(WEXITSTATUS(program_wait(&p, PATIENCE_MS)), 1);
}

static void expect_line(struct program *p, const char *expected)
{
    char line[256];

    CHECK(read_line(p->out, line, sizeof line, PATIENCE_MS));
    CHECK_STR(line, expected);
}

/* Goal: the last lines come at once, then what is added, and what is there after the file has
 * become shorter; SIGTERM ends it well. */
TEST(tail_follow_prints_the_end_and_what_is_added)
{
    const char *path = file_with("one\ntwo\nthree\n", 14);
    struct program p = program_start(false, "tail_follow", path, "2", (char *)NULL);
    int fd = open(path, O_WRONLY | O_APPEND);

    expect_line(&p, "two");
    expect_line(&p, "three");
    CHECK_EQ(write(fd, "four\nfi", 7), 7);
    expect_line(&p, "four");
    CHECK_EQ(write(fd, "ve\n", 3), 3);
    expect_line(&p, "five");
    CHECK_EQ(ftruncate(fd, 0), 0);
    CHECK_EQ(write(fd, "new\n", 4), 4);
    expect_line(&p, "new");
    CHECK_EQ(unlink(path), 0);
    server_stop(&p, SIGTERM);
}
