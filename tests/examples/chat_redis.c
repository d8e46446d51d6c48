/* SPDX-License-Identifier: MIT */
/*
 * chat_redis.c - chat servers that a Redis makes one room of: the example, or the real one where it
 * is installed, killed and started again.
 *
 * link: none
 */
#define _GNU_SOURCE
#include "chat_peer.h"

/* ---- a Redis, of either kind ---- */

/* Binds a socket of this process to a port of the system's choice, which it tells; -1 if there are
 * no such addresses. */
static int port_bind(sa_family_t family)
{
    struct sockaddr_storage addr = {.ss_family = family};
    socklen_t len = sizeof(addr);
    const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0)
        return -1;
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    return ntohs(((const struct sockaddr_in *)&addr)->sin_port); /* where IPv6 has it, too */
}

/* A port that nobody else is given, whether a server of this test is there or not: the socket that
 * keeps it does not listen, so that a server may. */
static int port_keep(void)
{
    const int port = port_bind(AF_INET6);

    return port > 0 ? port : port_bind(AF_INET);
}

static struct program redis_start(int port)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", port);
    return server_start("redis_server", "--port", text);
}

/* It says so when it is ready. */
static struct program real_redis_start(int port)
{
    struct program p = {.in = -1, .out = -1, .err = -1, .port = port};
    char text[16], line[4096];
    int said[2];

    snprintf(text, sizeof(text), "%d", port);
    CHECK_EQ(pipe2(said, O_CLOEXEC), 0);
    fflush(NULL);
    p.pid = fork();
    CHECK_GE(p.pid, 0);
    if (p.pid == 0) {
        dup2(said[1], 1);
        execlp("redis-server", "redis-server", "--port", text, "--bind", "127.0.0.1", "--save", "",
               "--appendonly", "no", (char *)NULL);
        TEST_FAIL("exec redis-server: %s", strerror(errno));
    }
    close(said[1]);
    p.out = said[0]; /* for good: it may say more */
    do {
        CHECK(read_line(p.out, line, sizeof(line), PATIENCE_MS));
    } while (strstr(line, "eady to accept connections") == NULL);
    return p;
}

static void redis_kill(struct program *p)
{
    CHECK_EQ(kill(p->pid, SIGKILL), 0);
    (void)program_wait(p, PATIENCE_MS);
}

/* ---- chat servers in front of it ---- */

static struct program chat_start_at(int redis_port)
{
    char where[32];

    snprintf(where, sizeof(where), "localhost:%d", redis_port);
    return server_start("chat_server", "--port", "0", "--redis", where);
}

static void expect_redis(struct peer *peer, const char *state)
{
    CHECK(hear(peer) != NULL);
    if (strncmp(peer->line, "* redis at localhost:", 21) != 0 || strstr(peer->line, state) == NULL)
        TEST_FAIL("\"%s\" instead of a redis that is %s", peer->line, state);
}

/* Comes in, and has heard that Redis is there. */
static struct peer join_linked(const struct program *server, const char *name)
{
    struct peer peer = join(server, name);

    do {
        CHECK(hear(&peer) != NULL);
    } while (strstr(peer.line, " is there: ") == NULL);
    return peer;
}

/* Two on different servers, each of which has its Redis: what came before one's word is over. */
static void meet(struct peer *one, struct peer *two)
{
    say(one, "are you there?");
    while (hear(two) != NULL && strstr(two->line, "are you there?") == NULL)
        ;
    say(two, "I am here");
    while (hear(one) != NULL && strstr(one->line, "I am here") == NULL)
        ;
}

/* Ann and Art on one server, Bob on another: what is said at one place is heard once by all; while
 * Redis is away, at that place alone. */
static void check_rooms(struct program (*start)(int))
{
    const int port = port_keep();
    struct program redis = start(port);
    struct program here = chat_start_at(port), there = chat_start_at(port);
    struct peer bob = join_linked(&there, "bob"), ann = join_linked(&here, "ann"), art;

    meet(&ann, &bob);
    art = join_linked(&here, "art");
    expect(&ann, "* art joined");
    expect(&bob, "* art joined");
    say(&ann, "good morning");
    expect(&art, "ann: good morning");
    expect(&bob, "ann: good morning");
    say(&bob, "and to you"); /* behind it, ann's own line would have come back */
    expect(&ann, "bob: and to you");
    expect(&art, "bob: and to you");
    say(&art, "/nick arthur");
    expect(&art, "* you are now arthur");
    expect(&bob, "* art is now arthur");
    expect(&ann, "* art is now arthur");
    say(&bob, "/who");
    expect(&bob, "* here: bob");

    redis_kill(&redis);
    expect_redis(&ann, "gone");
    expect_redis(&art, "gone");
    expect_redis(&bob, "gone");
    say(&ann, "among ourselves");
    expect(&art, "ann: among ourselves");
    expect_silence(&bob);

    redis = start(port);
    expect_redis(&ann, "there");
    expect_redis(&art, "there");
    expect_redis(&bob, "there");
    say(&ann, "once more");
    expect(&art, "ann: once more");
    expect(&bob, "ann: once more");
    close(ann.fd);
    expect(&art, "* ann left");
    expect(&bob, "* ann left");
    server_stop(&here, SIGTERM);
    expect_silence(&bob);
    server_stop(&there, SIGTERM);
    redis_kill(&redis);
}

/* Goal: two servers are one room; Redis gone and back again is said there, and nobody is lost. */
TEST(a_redis_makes_one_room_of_two_servers)
{
    check_rooms(redis_start);
}

/* Goal: the same with the real one. */
TEST(the_real_redis_makes_one_room_of_two_servers)
{
    if (system("command -v redis-server >/dev/null") != 0)
        SKIP("no redis-server here");
    check_rooms(real_redis_start);
}

/* Goal: who starts without a Redis is told so, and is served; it is found when it comes. */
TEST(a_redis_that_is_not_there_yet_is_waited_for)
{
    const int port = port_keep();
    struct program server = chat_start_at(port), redis;
    struct peer ann, bob;

    ann = join(&server, "ann");
    expect_redis(&ann, "gone");
    bob = join(&server, "bob");
    expect_redis(&bob, "gone");
    expect(&ann, "* bob joined");
    say(&bob, "hello");
    expect(&ann, "bob: hello");
    redis = redis_start(port);
    expect_redis(&ann, "there");
    expect_redis(&bob, "there");
    server_stop(&server, SIGTERM);
    server_stop(&redis, SIGTERM);
}

/* Goal: anybody can publish, so what is no line is not shown; what is a line is, whatever it holds.
 * Method: rubbish of all kinds by a plain client of Redis, and good lines at the end. */
TEST(what_is_no_line_is_not_shown)
{
    static const char *const rubbish[] = {
        "",
        "short",
        "0123456789abcdef",
        "0123456789abcdef ",
        "0123456789abcdef_no space",
        "0123456789abcdef two\nlines",
        "0123456789abcdef \xff\xfe",
    };
    struct program redis = redis_start(0), server = chat_start_at(redis.port);
    struct peer ann = join_linked(&server, "ann");
    struct peer from = {.fd = connect_with(&redis, 0)};
    char text[3000], line[3100];

    for (size_t i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++) {
        snprintf(line, sizeof(line), "*3\r\n$7\r\nPUBLISH\r\n$9\r\nweft-chat\r\n$%zu\r\n%s\r\n",
                 strlen(rubbish[i]), rubbish[i]);
        send_text(from.fd, line);
        expect(&from, ":1\r");
    }
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    snprintf(line, sizeof(line), "PUBLISH weft-chat \"0123456789abcdef %s\"\r\n", text);
    send_text(from.fd, line);
    expect(&from, ":1\r");
    send_text(from.fd, "PUBLISH weft-chat \"0123456789abcdef dan: grüße\"\r\n");
    expect(&from, ":1\r");
    expect(&ann, "dan: grüße");
    expect_silence(&ann);
    server_stop(&server, SIGTERM);
    server_stop(&redis, SIGTERM);
}

/* Goal: a burst of lines comes through whole and in order.
 * Method: more lines at once than the relay sends in one go. */
TEST(many_lines_at_once_come_in_order)
{
    enum { LINES = 500 };
    struct program redis = redis_start(0);
    struct program here = chat_start_at(redis.port), there = chat_start_at(redis.port);
    struct peer bob = join_linked(&there, "bob"), ann = join_linked(&here, "ann");
    char text[LINES * 16] = "";

    meet(&ann, &bob);
    for (int i = 0; i < LINES; i++)
        snprintf(text + strlen(text), 16, "line %d\n", i);
    send_text(ann.fd, text);
    for (int i = 0; i < LINES; i++) {
        snprintf(text, sizeof(text), "ann: line %d", i);
        expect(&bob, text);
    }
    expect_silence(&ann);
    server_stop(&here, SIGTERM);
    server_stop(&there, SIGTERM);
    server_stop(&redis, SIGTERM);
}
