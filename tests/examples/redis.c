/* SPDX-License-Identifier: MIT */
/*
 * redis.c - the Redis server, seen from plain sockets, and by redis-cli and redis-benchmark where
 * these are installed.
 *
 * link: none
 */
#include "program.h"

static struct program redis_start(void)
{
    return server_start("redis_server", "--port", "0");
}

/* The next n bytes; false if the stream ends before. */
static bool read_bytes(int fd, char *bytes, size_t n)
{
    const int64_t until_ms = test_now_ms() + PATIENCE_MS * test_scale();
    size_t done = 0;

    while (done < n) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        const int64_t left_ms = until_ms - test_now_ms();
        ssize_t got;

        if (left_ms <= 0 || poll(&ready, 1, (int)left_ms) == 0)
            TEST_FAIL("only %zu of %zu bytes came: \"%.*s\"", done, n, (int)done, bytes);
        got = recv(fd, bytes + done, n - done, 0);
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

static void expect_text(int fd, const char *expected)
{
    char bytes[4096] = "";

    CHECK_LT(strlen(expected), sizeof(bytes));
    if (!read_bytes(fd, bytes, strlen(expected)) || strcmp(bytes, expected) != 0)
        TEST_FAIL("\"%s\" instead of \"%s\"", bytes, expected);
}

/* One request, as one types it, and the whole of its answer. */
static void ask(int fd, const char *request, const char *answer)
{
    char line[256];

    send_bytes(fd, line, (size_t)snprintf(line, sizeof(line), "%s\r\n", request));
    expect_text(fd, answer);
}

struct asked {
    const char *request, *answer;
};

static void ask_all(const struct asked *asked, size_t count)
{
    struct program p = redis_start();
    const int fd = connect_with(&p, 0);

    for (size_t i = 0; i < count; i++)
        ask(fd, asked[i].request, asked[i].answer);
    server_stop(&p, SIGTERM);
}

#define ASK_ALL(asked) ask_all(asked, sizeof(asked) / sizeof(asked[0]))
#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
#define NO_INTEGER "-ERR value is not an integer or out of range\r\n"

/* Goal: texts, counters and what SET can be told. */
TEST(texts_and_numbers_are_kept)
{
    static const struct asked asked[] = {
        {"PING", "+PONG\r\n"},
        {"ping hi", "$2\r\nhi\r\n"},
        {"ECHO \"two words \\\" \\\\\"", "$13\r\ntwo words \" \\\r\n"},
        {"GET k", "$-1\r\n"},
        {"SET k v", "+OK\r\n"},
        {"GET k", "$1\r\nv\r\n"},
        {"SET k w NX", "$-1\r\n"},
        {"SET k w XX", "+OK\r\n"},
        {"SET new w XX", "$-1\r\n"},
        {"SET new w NX EX 100", "+OK\r\n"},
        {"SET k v NX XX", "-ERR syntax error\r\n"},
        {"SET k v EX", "-ERR syntax error\r\n"},
        {"SET k v EX 1 PX 1", "-ERR syntax error\r\n"},
        {"SET k v EX soon", NO_INTEGER},
        {"SET k v EX 0", "-ERR invalid expire time in 'set' command\r\n"},
        {"SET k v EX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n"},
        {"APPEND k xyz", ":4\r\n"},
        {"APPEND fresh xyz", ":3\r\n"},
        {"MGET k none fresh", "*3\r\n$4\r\nwxyz\r\n$-1\r\n$3\r\nxyz\r\n"},
        {"MSET a 1 b 2", "+OK\r\n"},
        {"MSET a 1 b", "-ERR wrong number of arguments for 'mset' command\r\n"},
        {"INCR a", ":2\r\n"},
        {"INCRBY a -12", ":-10\r\n"},
        {"DECR a", ":-11\r\n"},
        {"GET a", "$3\r\n-11\r\n"},
        {"INCR k", NO_INTEGER},
        {"SET a 9223372036854775807", "+OK\r\n"},
        {"INCR a", "-ERR increment or decrement would overflow\r\n"},
        {"INCRBY a -9223372036854775808", ":-1\r\n"},
        {"SET a 9223372036854775808", "+OK\r\n"},
        {"INCR a", NO_INTEGER},
        {"INCR never", ":1\r\n"},
    };

    ASK_ALL(asked);
}

/* Goal: lists, sets and hashes; none is left empty, and none is taken for another. */
TEST(lists_sets_and_hashes_are_kept)
{
    static const struct asked asked[] = {
        {"RPUSH l b c", ":2\r\n"},
        {"LPUSH l a z", ":4\r\n"},
        {"LRANGE l 0 -1", "*4\r\n$1\r\nz\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"},
        {"LRANGE l -2 9", "*2\r\n$1\r\nb\r\n$1\r\nc\r\n"},
        {"LRANGE l -9 -4", "*1\r\n$1\r\nz\r\n"},
        {"LRANGE l 4 9", "*0\r\n"},
        {"LRANGE l 0 -9", "*0\r\n"},
        {"LRANGE l -9223372036854775808 9223372036854775807",
         "*4\r\n$1\r\nz\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"},
        {"RPOP l", "$1\r\nc\r\n"},
        {"LPOP l", "$1\r\nz\r\n"},
        {"LPOP l", "$1\r\na\r\n"},
        {"GET l", WRONG_TYPE},
        {"LPOP l", "$1\r\nb\r\n"},
        {"LPOP l", "$-1\r\n"},
        {"EXISTS l", ":0\r\n"},
        {"SADD s x x", ":1\r\n"},
        {"SADD s x y", ":1\r\n"},
        {"LPUSH s x", WRONG_TYPE},
        {"SPOP none", "$-1\r\n"},
        {"HSET h f 1 g 2", ":2\r\n"},
        {"HSET h f 3", ":0\r\n"},
        {"HSET h f", "-ERR wrong number of arguments for 'hset' command\r\n"},
        {"HGET h f", "$1\r\n3\r\n"},
        {"HGET h none", "$-1\r\n"},
        {"HGET none f", "$-1\r\n"},
        {"SADD h x", WRONG_TYPE},
        {"MGET h", "*1\r\n$-1\r\n"},
        {"EXISTS s h none s", ":3\r\n"},
        {"SET h now-a-text", "+OK\r\n"},
        {"DEL s h none", ":2\r\n"},
        {"SADD one x", ":1\r\n"},
        {"SMEMBERS one", "*1\r\n$1\r\nx\r\n"},
        {"SPOP one", "$1\r\nx\r\n"},
        {"SMEMBERS one", "*0\r\n"},
        {"DBSIZE", ":0\r\n"},
    };

    ASK_ALL(asked);
}

/* Goal: keys are found by patterns, also by such as have many ways to match, and what the tools ask
 * for at their start is answered. */
TEST(keys_and_connections_are_asked_about)
{
    static const struct asked asked[] = {
        {"MSET one 1 two 2 three 3 [x] 4", "+OK\r\n"},
        {"DBSIZE", ":4\r\n"},
        {"KEYS o*", "*1\r\n$3\r\none\r\n"},
        {"KEYS ?[v-x]o", "*1\r\n$3\r\ntwo\r\n"},
        {"KEYS *[^eo]", "*1\r\n$3\r\n[x]\r\n"},
        {"KEYS \\[x]", "*1\r\n$3\r\n[x]\r\n"},
        {"KEYS *[", "*0\r\n"},
        {"KEYS *h*r*e", "*1\r\n$5\r\nthree\r\n"},
        {"SET aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa x", "+OK\r\n"},
        {"KEYS *a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", "*0\r\n"},
        {"TTL none", ":-2\r\n"},
        {"TTL one", ":-1\r\n"},
        {"EXPIRE one 100", ":1\r\n"},
        {"INCR one", ":2\r\n"},
        {"SET one 1", "+OK\r\n"},
        {"PTTL one", ":-1\r\n"},
        {"EXPIRE none 100", ":0\r\n"},
        {"EXPIRE one 9223372036854775807", "-ERR invalid expire time in 'expire' command\r\n"},
        {"EXPIRE one -1", ":1\r\n"},
        {"EXISTS one", ":0\r\n"},
        {"CONFIG GET save dir", "*4\r\n$4\r\nsave\r\n$0\r\n\r\n$3\r\ndir\r\n$0\r\n\r\n"},
        {"CONFIG SET save x", "-ERR CONFIG GET is all there is\r\n"},
        {"COMMAND DOCS", "*0\r\n"},
        {"SELECT 0", "+OK\r\n"},
        {"SELECT 1", "-ERR DB index is out of range\r\n"},
        {"nonsense here", "-ERR unknown command 'nonsense'\r\n"},
        {"GET", "-ERR wrong number of arguments for 'get' command\r\n"},
        {"GET a b", "-ERR wrong number of arguments for 'get' command\r\n"},
        {"FLUSHALL", "+OK\r\n"},
        {"DBSIZE", ":0\r\n"},
    };

    ASK_ALL(asked);
}

/* How long a key has, as TTL or PTTL says. */
static int rest_of(int fd, const char *request)
{
    char answer[64];

    send_text(fd, request);
    CHECK(read_line(fd, answer, sizeof(answer), PATIENCE_MS));
    CHECK_EQ(answer[0], ':');
    return atoi(answer + 1);
}

/* Goal: a key whose time is over is gone, and so is its memory's owner, without being asked for.
 * Method: of two short-lived keys the later one is asked for until it is not there; the other one
 * is not counted any more. */
TEST(keys_end_when_their_time_is_over)
{
    struct program p = redis_start();
    const int fd = connect_with(&p, 0);
    const int64_t start_ms = test_now_ms();
    char answer[64];

    ask(fd, "SET other v PX 50", "+OK\r\n");
    ask(fd, "SET short v PX 50", "+OK\r\n");
    do {
        CHECK_LT(test_now_ms() - start_ms, PATIENCE_MS * test_scale());
        send_text(fd, "GET short\r\n");
        CHECK(read_line(fd, answer, sizeof(answer), PATIENCE_MS));
        if (strcmp(answer, "$1\r") == 0)
            CHECK(read_line(fd, answer, sizeof(answer), PATIENCE_MS));
    } while (strcmp(answer, "$-1\r") != 0);
    CHECK_GE(test_now_ms() - start_ms, 50);
    ask(fd, "TTL short", ":-2\r\n");
    ask(fd, "DBSIZE", ":0\r\n");
    ask(fd, "SET long 1 EX 100", "+OK\r\n");
    ask(fd, "INCR long", ":2\r\n"); /* which leaves its end as it is */
    CHECK_GE(rest_of(fd, "TTL long\r\n"), 1);
    CHECK_LE(rest_of(fd, "TTL long\r\n"), 100);
    CHECK_GE(rest_of(fd, "PTTL long\r\n"), 1000);
    CHECK_LE(rest_of(fd, "PTTL long\r\n"), 100000);
    server_stop(&p, SIGTERM);
}

/* Goal: strings are bytes of any value and of any number up to the limit, in any pieces.
 * Method: a request byte by byte; one of 1 MiB with all values in it, read back. */
TEST(a_string_is_any_bytes_in_any_pieces)
{
    enum { BIG = 1 << 20 };
    static const char small[] = "*3\r\n$3\r\nSET\r\n$2\r\na\n\r\n$3\r\n\0\r\n\r\n";
    struct program p = redis_start();
    const int fd = connect_with(&p, 0);
    char *big = malloc(BIG), *back = malloc(BIG);

    CHECK(big != NULL && back != NULL);
    for (size_t i = 0; i < sizeof(small) - 1; i++)
        send_bytes(fd, small + i, 1);
    expect_text(fd, "+OK\r\n");
    send_text(fd, "*2\r\n$3\r\nGET\r\n$2\r\na\n\r\n");
    CHECK(read_bytes(fd, back, 9));
    CHECK(memcmp(back, "$3\r\n\0\r\n\r\n", 9) == 0);
    for (int i = 0; i < BIG; i++)
        big[i] = (char)(i * 7 + i / 256);
    send_text(fd, "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1048576\r\n");
    send_bytes(fd, big, BIG);
    send_text(fd, "\r\n");
    expect_text(fd, "+OK\r\n");
    send_text(fd, "*2\r\n$3\r\nGET\r\n$1\r\nb\r\n");
    expect_text(fd, "$1048576\r\n");
    CHECK(read_bytes(fd, back, BIG));
    CHECK(memcmp(big, back, BIG) == 0);
    expect_text(fd, "\r\n");
    free(big);
    free(back);
    server_stop(&p, SIGTERM);
}

/* Goal: requests that come together are answered together, and in their order.
 * Method: fifty counts in one send; the first receive has all answers.  Then ten thousand. */
TEST(a_pipeline_is_answered_in_one_piece)
{
    enum { TOGETHER = 50, MANY = 10000 };
    struct program p = redis_start();
    const int fd = connect_with(&p, 0);
    char text[TOGETHER * 8 + 1] = "", answers[TOGETHER * 8], line[32];
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    size_t bytes = 0;

    for (int i = 0; i < TOGETHER; i++)
        strcat(text, "INCR n\r\n");
    send_text(fd, text);
    CHECK_EQ(poll(&ready, 1, PATIENCE_MS * (int)test_scale()), 1);
    for (int i = 1; i <= TOGETHER; i++)
        bytes += (size_t)snprintf(line, sizeof(line), ":%d\r\n", i);
    CHECK_EQ(recv(fd, answers, sizeof(answers), 0), bytes);
    for (int i = 0; i < MANY; i += TOGETHER)
        send_text(fd, text);
    for (int i = 1; i <= MANY; i++) {
        CHECK(read_line(fd, line, sizeof(line), PATIENCE_MS));
        CHECK_EQ(atoi(line + 1), TOGETHER + i);
    }
    server_stop(&p, SIGTERM);
}

/* Goal: commands of several clients at once are atomic.
 * Method: eight connections count the same key, 2,000 times each, all under way together; the last
 * answers are the sum and what is below it. */
TEST(commands_of_many_clients_are_atomic)
{
    enum { CLIENTS = 8, EACH = 2000, TOGETHER = 20 };
    struct program p = redis_start();
    char text[TOGETHER * 8 + 1] = "", line[32];
    int fd[CLIENTS], last = 0;

    for (int i = 0; i < CLIENTS; i++)
        fd[i] = connect_with(&p, 0);
    for (int i = 0; i < TOGETHER; i++)
        strcat(text, "INCR n\r\n");
    for (int n = 0; n < EACH; n += TOGETHER) {
        for (int i = 0; i < CLIENTS; i++)
            send_text(fd[i], text);
    }
    for (int i = 0; i < CLIENTS; i++) {
        for (int n = 0, before = 0; n < EACH; n++) {
            CHECK(read_line(fd[i], line, sizeof(line), PATIENCE_MS));
            CHECK_GT(atoi(line + 1), before);
            before = atoi(line + 1);
            last = before > last ? before : last;
        }
    }
    CHECK_EQ(last, CLIENTS * EACH);
    server_stop(&p, SIGTERM);
}

/* Goal: what is no request is answered with the reason, and the connection ends in order; others
 * do not notice.  What is announced need not come: it is refused by its size alone. */
TEST(what_is_no_request_is_refused)
{
    static const struct asked bad[] = {
        {"*x\r\n", "invalid multibulk length"},
        {"*\r\n", "invalid multibulk length"},
        {"*65537\r\n", "invalid multibulk length"},
        {"*99999999999999999999\r\n", "invalid multibulk length"},
        {"*1\r\n:1\r\n", "expected '$'"},
        {"*1\r\n\r\n", "expected '$'"},
        {"*1\r\n$-1\r\n", "invalid bulk length"},
        {"*1\r\n$\r\n", "invalid bulk length"},
        {"*1\r\n$4 \r\n", "invalid bulk length"},
        {"*1\r\n$16777217\r\n", "invalid bulk length"},
        {"*1\r\n$4\r\nPINGPONG\r\n", "a string is longer than it said"},
        {"ECHO \"hi\r\n", "unbalanced quotes in request"},
        {"ECHO \"h\"i\r\n", "unbalanced quotes in request"},
        {"ECHO \"hi\\\r\n", "unbalanced quotes in request"},
    };
    struct program p = redis_start();
    const int other = connect_with(&p, 0);
    char *text = malloc(20000), line[128];
    int fd;

    CHECK(text != NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fd = connect_with(&p, 0);
        send_text(fd, bad[i].request);
        snprintf(line, sizeof(line), "-ERR Protocol error: %s\r\n", bad[i].answer);
        expect_text(fd, line);
        expect_end(fd);
    }
    memset(text, 'x', 20000);
    fd = connect_with(&p, 0);
    send_bytes(fd, text, 20000);
    expect_text(fd, "-ERR Protocol error: too big inline request\r\n");
    expect_end(fd);
    fd = connect_with(&p, 0);
    send_text(fd, "*1\r\n$16777216\r\nonly this, and then the end");
    shutdown(fd, SHUT_WR);
    expect_end(fd);
    fd = connect_with(&p, 0);
    send_text(fd, "PING\r\n\r\n*0\r\n*-1\r\n \r\nPING\r\nPI");
    shutdown(fd, SHUT_WR);
    expect_text(fd, "+PONG\r\n+PONG\r\n");
    expect_end(fd);
    ask(other, "QUIT", "+OK\r\n");
    expect_end(other);
    free(text);
    server_stop(&p, SIGTERM);
}

/* Goal: a message reaches all who have subscribed, and nobody else; who has subscribed can still
 * ask for a little. */
TEST(messages_go_to_those_who_have_subscribed)
{
    struct program p = redis_start();
    const int one = connect_with(&p, 0), two = connect_with(&p, 0), from = connect_with(&p, 0);

    ask(from, "PUBLISH news nobody", ":0\r\n");
    ask(one, "SUBSCRIBE news sport news",
        "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n"
        "*3\r\n$9\r\nsubscribe\r\n$5\r\nsport\r\n:2\r\n"
        "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:2\r\n");
    ask(two, "PING\r\nSUBSCRIBE news\r\nPING hi",
        "+PONG\r\n*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n*2\r\n$4\r\npong\r\n$2\r\nhi\r\n");
    ask(from, "PUBLISH news \"it rains\"", ":2\r\n");
    expect_text(one, "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$8\r\nit rains\r\n");
    expect_text(two, "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$8\r\nit rains\r\n");
    ask(one, "GET k",
        "-ERR Can't execute 'get': only SUBSCRIBE / UNSUBSCRIBE / PING / QUIT are "
        "allowed in this context\r\n");
    ask(one, "UNSUBSCRIBE news never",
        "*3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:1\r\n"
        "*3\r\n$11\r\nunsubscribe\r\n$5\r\nnever\r\n:1\r\n");
    ask(from, "PUBLISH news again", ":1\r\n");
    expect_text(two, "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nagain\r\n");
    ask(one, "UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$5\r\nsport\r\n:0\r\n");
    ask(one, "UNSUBSCRIBE", "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n");
    ask(one, "GET k", "$-1\r\n");
    send_text(two, "*1\r\n$-5\r\n");
    expect_text(two, "-ERR Protocol error: invalid bulk length\r\n");
    expect_end(two);
    ask(from, "PUBLISH news \"are you there?\"", ":0\r\n");
    ask(one, "SUBSCRIBE news", "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    ask(one, "QUIT", "+OK\r\n");
    expect_end(one);
    server_stop(&p, SIGTERM);
}

/* Goal: a request that asks for much keeps nobody waiting for long, and takes no endless memory.
 * Method: two for more channels than could be searched one by one in our patience; others listen
 * when a message reaches the last of them.  What cannot be answered cheaply is refused. */
TEST_LIMIT(nobody_asks_for_too_much, 40)
{
    enum { CHANNELS = 65000, BYTES = 1 << 20 };
    struct program p = redis_start();
    const int much = connect_with(&p, 0), other = connect_with(&p, 0);
    char *text = malloc(2 * BYTES), answer[64];
    size_t n;

    CHECK(text != NULL);
    for (int batch = 0; batch < 2; batch++) {
        n = (size_t)sprintf(text, "*%d\r\n$9\r\nSUBSCRIBE\r\n", CHANNELS + 1);
        for (int i = 0; i < CHANNELS; i++)
            n += (size_t)sprintf(text + n, "$7\r\n%d%06d\r\n", batch, i);
        send_bytes(much, text, n);
        do {
            send_text(other, batch == 0 ? "PUBLISH 0064999 x\r\n" : "PUBLISH 1064999 x\r\n");
            CHECK(read_line(other, answer, sizeof(answer), PATIENCE_MS));
        } while (strcmp(answer, ":0\r") == 0);
    }
    close(much);
    memset(text, 'a', BYTES);
    send_text(other, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048576\r\n");
    send_bytes(other, text, BYTES);
    send_text(other, "\r\nKEYS ");
    send_bytes(other, text, 129);
    send_text(other, "\r\nMGET");
    for (int i = 0; i < 65; i++)
        send_text(other, " k");
    send_text(other, "\r\nMGET k\r\n");
    expect_text(other, "+OK\r\n-ERR a pattern of more than 128 bytes\r\n"
                       "-ERR the answer exceeds maximum allowed size\r\n*1\r\n$1048576\r\n");
    free(text);
    server_stop(&p, SIGTERM);
}

/* Goal: a subscriber who does not read is cut off, and delays nobody.
 * Method: messages of 1 MiB for one who reads nothing, until one reaches nobody; each is answered.
 * It must take more than what is allowed, and not much more. */
TEST_LIMIT(a_subscriber_who_does_not_read_is_cut_off, 40)
{
    enum { BYTES = 1 << 20 };
    struct program p = redis_start();
    const int mute = connect_with(&p, 4096), from = connect_with(&p, 0);
    char *text = malloc(BYTES), answer[32];
    const int64_t until_ms = test_now_ms() + 2 * PATIENCE_MS * test_scale();
    int n_messages = 0;

    CHECK(text != NULL);
    memset(text, 'x', BYTES);
    send_text(mute, "SUBSCRIBE news\r\n");
    expect_text(mute, "*3\r\n$9\r\nsubscribe\r\n");
    do {
        CHECK_LT(test_now_ms(), until_ms);
        send_text(from, "*3\r\n$7\r\nPUBLISH\r\n$4\r\nnews\r\n$1048576\r\n");
        send_bytes(from, text, BYTES);
        send_text(from, "\r\n");
        CHECK(read_line(from, answer, sizeof(answer), PATIENCE_MS));
        n_messages++;
        if (n_messages > 40) /* the end of the connection takes its time, and no messages */
            usleep(10000);
    } while (strcmp(answer, ":1\r") == 0);
    CHECK_STR(answer, ":0\r");
    CHECK_GT(n_messages, 32);
    free(text);
    server_stop(&p, SIGTERM);
}

/* What a tool prints that is to end well; skipped where it is not installed. */
static const char *tool_output(const char *command, const struct program *p)
{
    static char text[65536];
    char line[512];
    size_t n = 0;
    FILE *out;

    snprintf(line, sizeof(line), command, p->port);
    out = popen(line, "r");
    CHECK(out != NULL);
    n = fread(text, 1, sizeof(text) - 1, out);
    text[n] = '\0';
    CHECK_EQ(pclose(out), 0);
    return text;
}

static void need(const char *look)
{
    if (system(look) != 0)
        SKIP("no redis-tools here");
}

/* Goal: the real redis-cli talks to the server. */
TEST(the_real_redis_cli_is_served)
{
    need("command -v redis-cli >/dev/null");
    struct program p = redis_start();

    CHECK_STR(tool_output("redis-cli -p %d set k 'two words'", &p), "OK\n");
    CHECK_STR(tool_output("redis-cli -p %d get k", &p), "two words\n");
    CHECK_STR(tool_output("printf 'RPUSH l a b\\nLRANGE l 0 -1\\nDBSIZE\\n' | redis-cli -p %d", &p),
              "2\na\nb\n2\n");
    server_stop(&p, SIGTERM);
}

/* Goal: the real redis-benchmark runs to its end, without a warning, plain and with a pipeline. */
TEST_LIMIT(the_real_redis_benchmark_is_served, 60)
{
    need("command -v redis-benchmark >/dev/null");
    struct program p = redis_start();
    static const char *const rows[] = {"\"PING_INLINE\"", "\"PING_MBULK\"", "\"SET\"",  "\"GET\"",
                                       "\"INCR\"",        "\"LPOP\"",       "\"SADD\"", "\"HSET\"",
                                       "\"SPOP\"",        "\"LRANGE_100",   "\"MSET"};
    const char *text = tool_output(
        "redis-benchmark -p %d -c 20 -n 400 -P 1 --csv -t ping,set,get,incr,lpush,rpush,lpop,rpop,"
        "sadd,hset,spop,lrange_100,mset 2>&1",
        &p);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strstr(text, rows[i]) == NULL)
            TEST_FAIL("no row of %s in: %s", rows[i], text);
    }
    CHECK(strstr(text, "WARN") == NULL && strstr(text, "rror") == NULL);
    text = tool_output("redis-benchmark -p %d -c 20 -n 4000 -P 16 -t set,get -q 2>&1", &p);
    CHECK(strstr(text, "GET: ") != NULL && strstr(text, "rror") == NULL);
    server_stop(&p, SIGTERM);
}
