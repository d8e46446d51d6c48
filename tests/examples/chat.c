/* SPDX-License-Identifier: MIT */
/*
 * chat.c - the chat server's protocol, one behaviour a test, and the chat client; all seen from
 * plain sockets and pipes.
 *
 * link: none
 */
#include "chat_peer.h"

/* Goal: a name that is bad is refused with a '!' line, and another try is given, any number of
 * times.  Method: every kind of bad name, then a good one on the same connection. */
TEST(bad_names_are_refused_and_may_be_tried_again)
{
    static const char *const bad[] = {
        "",
        " ",
        "two words",
        "tab\there",
        "bell\a",
        "123456789012345678901234567890123",
        "\xff\xfe",
        "\xc3",
        "\xc0\xaf",
        "no-break\xc2\xa0space",
        "\xe2\x80\xaethgir",
        "\xd8\x9cmra",             /* a mark that turns the line around */
        "\xe3\x85\xa4",           /* a letter that is blank */
        "\xe2\xa0\x80",           /* a pattern of Braille without a dot */
        "good\xef\xb8\x8f",       /* two that select a variant and are not seen */
        "good\xf3\xa0\x84\x80",
        "good\xf3\xa0\x81\x81",   /* a tag */
    };
    struct program server = chat_start();
    struct peer peer = arrive(&server, 0);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        say(&peer, bad[i]);
        expect_mark(&peer, '!');
    }
    say(&peer, "good");
    expect_mark(&peer, '*');
    say(&peer, "/who");
    expect(&peer, "* here: good");
    server_stop(&server, SIGTERM);
}

/* Goal: 32 characters are allowed, and they are counted as characters, not as bytes. */
TEST(names_may_have_32_characters_of_utf_8)
{
    static const char *const name[] = {
        "12345678901234567890123456789012",
        "äöüßäöüßäöüßäöüßäöüßäöüßäöüßäöüß",
        "x",
        "日本語",
    };
    struct program server = chat_start();
    struct peer watcher = join(&server, "watcher");
    char expected[256];

    for (size_t i = 0; i < sizeof(name) / sizeof(name[0]); i++) {
        struct peer peer = join(&server, name[i]);

        snprintf(expected, sizeof(expected), "* %s joined", name[i]);
        expect(&watcher, expected);
        (void)peer;
    }
    server_stop(&server, SIGTERM);
}

/* Goal: a name has one owner at a time, and is free when the owner has left. */
TEST(a_taken_name_is_refused_until_its_owner_has_left)
{
    struct program server = chat_start();
    struct peer owner = join(&server, "ann"), watcher = join(&server, "watcher");
    struct peer other = arrive(&server, 0);

    say(&other, "ann");
    expect_mark(&other, '!');
    say(&other, "Ann"); /* names are compared exactly */
    expect_mark(&other, '*');
    expect(&watcher, "* Ann joined");
    close(owner.fd);
    expect(&watcher, "* ann left");
    (void)join(&server, "ann");
    expect(&watcher, "* ann joined");
    server_stop(&server, SIGTERM);
}

/* Goal: others see the joining and the lines, nobody sees his own, and who has no name sees none.
 * Method: three members and a guest; what must not come is ruled out by what comes next. */
TEST(lines_go_to_all_others_who_have_a_name)
{
    struct program server = chat_start();
    struct peer ann = join(&server, "ann"), nameless = arrive(&server, 0);
    struct peer bob = join(&server, "bob"), cid = join(&server, "cid");

    expect(&ann, "* bob joined");
    expect(&ann, "* cid joined");
    expect(&bob, "* cid joined");
    say(&ann, "good morning");
    expect(&bob, "ann: good morning");
    expect(&cid, "ann: good morning");
    say(&bob, "  two  spaces: kept ");
    expect(&ann, "bob:   two  spaces: kept ");
    expect(&cid, "bob:   two  spaces: kept ");
    expect_silence(&ann);
    expect_silence(&bob);
    expect_silence(&cid);
    say(&nameless, "dan");
    expect_mark(&nameless, '*');
    expect_silence(&nameless);
    server_stop(&server, SIGTERM);
}

enum { SPEAKERS = 4, LINES = 250 };

/* Goal: every line comes once, and in one order to all who listen.
 * Method: four speakers write 250 numbered lines each, all at the same time; two listeners must
 * hear the same thousand lines in the same order, each speaker's in his own order. */
TEST(everybody_hears_every_line_once_in_the_same_order)
{
    struct program server = chat_start();
    struct peer one = join(&server, "one"), two = join(&server, "two");
    struct peer speaker[SPEAKERS];
    int next[SPEAKERS] = {0};
    char text[64], name[8];

    expect(&one, "* two joined");
    for (int i = 0; i < SPEAKERS; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        speaker[i] = join(&server, name);
        snprintf(text, sizeof(text), "* %s joined", name);
        expect(&one, text);
        expect(&two, text);
    }
    for (int i = 0; i < LINES; i++) {
        snprintf(text, sizeof(text), "line %d", i);
        for (int k = 0; k < SPEAKERS; k++)
            say(&speaker[k], text);
    }
    for (int i = 0; i < SPEAKERS * LINES; i++) {
        int who, number;

        CHECK(hear(&one) != NULL);
        expect(&two, one.line);
        CHECK_EQ(sscanf(one.line, "s%d: line %d", &who, &number), 2);
        CHECK(who >= 0 && who < SPEAKERS);
        CHECK_EQ(number, next[who]);
        next[who]++;
    }
    expect_silence(&one);
    expect_silence(&two);
    server_stop(&server, SIGTERM);
}

/* Goal: /who lists the names, also more than fit into one line. */
TEST(who_lists_all_names)
{
    enum { MANY = 60 };
    struct program server = chat_start();
    struct peer ann = join(&server, "ann");
    bool seen[MANY] = {false};
    int n_seen = 0;
    char name[64];

    expect_silence(&ann);
    CHECK_STR(ann.line, "* here: ann");
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "a-rather-long-name-with-number%d", i);
        (void)join(&server, name);
        expect_mark(&ann, '*');
    }
    say(&ann, "/who");
    while (n_seen < MANY + 1) {
        char *word;

        expect_mark(&ann, '*');
        CHECK_LE(strlen(ann.line), 1024);
        CHECK(strncmp(ann.line, "* here: ", 8) == 0);
        for (word = strtok(ann.line + 8, " "); word != NULL; word = strtok(NULL, " "), n_seen++) {
            int i;

            if (strcmp(word, "ann") == 0)
                continue;
            CHECK_EQ(sscanf(word, "a-rather-long-name-with-number%d", &i), 1);
            CHECK(i >= 0 && i < MANY && !seen[i]);
            seen[i] = true;
        }
    }
    server_stop(&server, SIGTERM);
}

/* Goal: /nick renames, tells everybody, and refuses what a first name would be refused for. */
TEST(nick_renames)
{
    struct program server = chat_start();
    struct peer ann = join(&server, "ann"), bob = join(&server, "bob");

    expect(&ann, "* bob joined");
    say(&bob, "/nick ann");
    expect_mark(&bob, '!');
    say(&bob, "/nick not good");
    expect_mark(&bob, '!');
    say(&bob, "/nick ben");
    expect(&bob, "* you are now ben");
    expect(&ann, "* bob is now ben");
    say(&bob, "it is me");
    expect(&ann, "ben: it is me");
    (void)join(&server, "bob");
    expect(&ann, "* bob joined");
    server_stop(&server, SIGTERM);
}

/* Goal: /msg goes to one and to nobody else; a wrong name is said so. */
TEST(msg_goes_to_one)
{
    struct program server = chat_start();
    struct peer ann = join(&server, "ann"), bob = join(&server, "bob"), cid = join(&server, "cid");

    expect(&ann, "* bob joined");
    expect(&ann, "* cid joined");
    expect(&bob, "* cid joined");
    say(&ann, "/msg bob a secret");
    CHECK(hear(&bob) != NULL);
    CHECK(strstr(bob.line, "ann") != NULL);
    CHECK(strstr(bob.line, "a secret") != NULL);
    say(&ann, "/msg eve a secret");
    expect_mark(&ann, '!');
    say(&ann, "/msg bob");
    expect_mark(&ann, '!');
    say(&ann, "/unknown");
    expect_mark(&ann, '!');
    expect_silence(&cid);
    expect_silence(&bob);
    server_stop(&server, SIGTERM);
}

/* Goal: who leaves, in whatever way, is said to have left, once; half a line is not passed on.
 * Method: /quit, a half-close, a close, a reset, a close behind half a line, and one who never gave
 * a name, of whom nothing is said. */
TEST(leaving_by_any_way_is_announced_once)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    struct program server = chat_start();
    struct peer watcher = join(&server, "watcher"), peer;

    peer = join(&server, "quits");
    expect(&watcher, "* quits joined");
    say(&peer, "/quit");
    expect_mark(&peer, '*');
    expect_end(peer.fd);
    expect(&watcher, "* quits left");

    peer = join(&server, "half");
    expect(&watcher, "* half joined");
    say(&peer, "last words");
    shutdown(peer.fd, SHUT_WR);
    expect_end(peer.fd);
    expect(&watcher, "half: last words");
    expect(&watcher, "* half left");

    peer = join(&server, "resets");
    expect(&watcher, "* resets joined");
    CHECK_EQ(setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(peer.fd);
    expect(&watcher, "* resets left");

    peer = join(&server, "breaks");
    expect(&watcher, "* breaks joined");
    send_text(peer.fd, "half a li");
    close(peer.fd);
    expect(&watcher, "* breaks left");

    peer = arrive(&server, 0);
    close(peer.fd);
    expect_silence(&watcher);
    server_stop(&server, SIGTERM);
}

/* Goal: what was said before a member quits reaches it, also if it reads late and has sent more
 * than the server wants to know: a close with input unread would reset the connection, and the
 * lines that the kernel still has would be lost.
 * Method: 36 KB of lines for a member with a small receive buffer; it quits with 20 KB behind the
 * "/quit", gives a reset the time to arrive, and only then reads. */
TEST(who_quits_still_gets_what_was_said_before)
{
    enum { UNREAD = 40 };
    struct program server = chat_start();
    struct peer speaker = join(&server, "speaker"), late = arrive(&server, 4096);
    struct pollfd reset = {.fd = late.fd, .events = 0};
    char text[900], rest[20000];

    say(&late, "late");
    expect(&speaker, "* late joined");
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    for (int i = 0; i < UNREAD; i++)
        say(&speaker, text);
    expect_silence(&speaker);
    memset(rest, 'x', sizeof(rest));
    memcpy(rest, "/quit\n", 6);
    send_bytes(late.fd, rest, sizeof(rest));
    expect(&speaker, "* late left");
    CHECK_EQ(poll(&reset, 1, 200), 0);
    expect_mark(&late, '*');
    for (int i = 0; i < UNREAD; i++) {
        CHECK(hear(&late) != NULL);
        CHECK_EQ(strlen(late.line), strlen("speaker: ") + strlen(text));
    }
    expect_mark(&late, '*');
    expect_end(late.fd);
    server_stop(&server, SIGTERM);
}

/* Goal: 1,024 bytes are a line, 1,025 are not, and a line of any length costs one '!'.
 * Method: lines of just so many bytes, with both ends; 300,000 bytes; each followed by a line that
 * must come through. */
TEST(lines_that_are_too_long_are_dropped_with_a_word)
{
    struct program server = chat_start();
    struct peer ann = join(&server, "ann"), bob = join(&server, "bob");
    char *line = malloc(300001);

    CHECK(line != NULL);
    expect(&ann, "* bob joined");
    memset(line, 'x', 300000);
    send_bytes(bob.fd, line, 1024);
    send_text(bob.fd, "\n");
    CHECK(hear(&ann) != NULL);
    CHECK_EQ(strlen(ann.line), strlen("bob: ") + 1024);
    send_bytes(bob.fd, line, 1024);
    send_text(bob.fd, "\r\n");
    CHECK(hear(&ann) != NULL);
    CHECK_EQ(strlen(ann.line), strlen("bob: ") + 1024);

    send_bytes(bob.fd, line, 1025);
    send_text(bob.fd, "\nafter\n");
    expect_mark(&bob, '!');
    expect(&ann, "bob: after");
    send_bytes(bob.fd, line, 300000);
    send_text(bob.fd, "\nafter that\n");
    expect_mark(&bob, '!');
    expect(&ann, "bob: after that");
    expect_silence(&bob);
    free(line);
    server_stop(&server, SIGTERM);
}

/* Goal: what is not UTF-8 is dropped with a word; what is goes through byte by byte, whatever it
 * is and however it arrives. */
TEST(lines_that_are_not_utf_8_are_dropped_with_a_word)
{
    static const char *const bad[] = {
        "\x80",
        "abc\xff",
        "\xc3",
        "\xc3(",
        "\xc0\x80",
        "\xe0\x80\x80",
        "\xed\xa0\x80",
        "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xe2\x82",
    };
    struct program server = chat_start();
    struct peer ann = join(&server, "ann"), bob = join(&server, "bob");

    expect(&ann, "* bob joined");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        say(&bob, bad[i]);
        expect_mark(&bob, '!');
    }
    say(&bob, "grüße, 日本, \xf0\x9f\x98\x80, \xf4\x8f\xbf\xbf");
    expect(&ann, "bob: grüße, 日本, \xf0\x9f\x98\x80, \xf4\x8f\xbf\xbf");
    for (const char *at = "a piece at a time \xe2\x82\xac\r\n"; *at != '\0'; at++)
        send_bytes(bob.fd, at, 1);
    expect(&ann, "bob: a piece at a time \xe2\x82\xac");
    server_stop(&server, SIGTERM);
}

/* Goal: a member who does not read is cut off, and the others are neither delayed nor robbed.
 * Method: the mute has a small receive buffer and reads nothing; another speaks until the listener
 * has seen the mute leave; each line is waited for, so a delay would be seen.  Then the mute reads:
 * its connection has an end. */
TEST_LIMIT(a_member_who_does_not_read_is_cut_off, 40)
{
    struct program server = chat_start();
    struct peer speaker = join(&server, "speaker"), listener = join(&server, "listener");
    struct peer mute = arrive(&server, 4096);
    int64_t slowest_ms = 0;
    char text[900], expected[LINE_MAX_BYTES];
    bool has_left = false;
    int n_lines = 0;

    say(&mute, "mute");
    expect(&speaker, "* listener joined");
    expect(&speaker, "* mute joined");
    expect(&listener, "* mute joined");
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (; !has_left; n_lines++) {
        const int64_t start_ms = test_now_ms();

        CHECK_LT(n_lines, 20000);
        snprintf(expected, sizeof(expected), "speaker: %s", text);
        say(&speaker, text);
        CHECK(hear(&listener) != NULL);
        if (strcmp(listener.line, "* mute left") == 0) {
            has_left = true;
            CHECK(hear(&listener) != NULL);
        }
        CHECK_STR(listener.line, expected);
        if (test_now_ms() - start_ms > slowest_ms)
            slowest_ms = test_now_ms() - start_ms;
    }
    CHECK_GT(n_lines, 1024);
    CHECK_LT(slowest_ms, 300 * test_scale());
    expect(&speaker, "* mute left");
    (void)read_to_end(mute.fd);
    expect_silence(&listener);
    server_stop(&server, SIGTERM);
}

/* Goal: who says nothing for the time of --idle is told so and sent away; who speaks now and then
 * stays.  Method: --idle 2; one is silent, the other speaks until the first one's end has come. */
TEST(a_silent_member_is_sent_away)
{
    struct program server = server_start("chat_server", "--port", "0", "--idle", "2");
    const int64_t start_ms = test_now_ms();
    struct peer silent = join(&server, "silent"), speaker = join(&server, "speaker");
    struct pollfd news = {.fd = speaker.fd, .events = POLLIN};

    expect(&silent, "* speaker joined");
    do {
        CHECK_LT(test_now_ms() - start_ms, PATIENCE_MS);
        say(&speaker, "still here");
    } while (poll(&news, 1, 100) == 0);
    CHECK_GE(test_now_ms() - start_ms, 1900);
    expect(&speaker, "* silent left");
    while (hear(&silent) != NULL && silent.line[0] != '!')
        ;
    CHECK_STR(silent.line, "! you have been silent for too long");
    CHECK(hear(&silent) == NULL);
    expect_silence(&speaker);
    server_stop(&server, SIGTERM);
}

/* Goal: both signals announce the end, all connections end, and the server leaves with 0 within a
 * second, also when members do not read, have no name, or are in the middle of a line. */
TEST_LIMIT(the_server_announces_its_end_and_leaves_within_a_second, 40)
{
    static const int sig[] = {SIGTERM, SIGINT};
    char *line = malloc(1001);

    CHECK(line != NULL);
    memset(line, 'x', 1000);
    line[1000] = '\0';
    for (int i = 0; i < 2; i++) {
        struct program server = chat_start();
        struct peer ann = join(&server, "ann"), mute = arrive(&server, 4096);
        struct peer nameless = arrive(&server, 0), half = join(&server, "half");

        expect(&ann, "* half joined");
        say(&mute, "mute");
        expect(&ann, "* mute joined");
        send_text(half.fd, "half a li");
        for (int k = 0; k < 500; k++)
            say(&ann, line);
        expect_silence(&ann);
        server_stop(&server, sig[i]);
        expect(&ann, "* server is shutting down");
        expect_end(ann.fd);
        expect(&nameless, "* server is shutting down");
        expect_end(nameless.fd);
        close(half.fd);
        close(mute.fd);
    }
    free(line);
}

/* Goal: a server that nobody has visited leaves as well, whatever driver and size it has. */
TEST(the_server_leaves_when_nobody_is_there)
{
    struct program one = server_start("chat_server", "--port", "0", "--procs", "1");
    struct program two =
        server_start("chat_server", "--host", "localhost", "--port", "0", "--reactor", "epoll");

    server_stop(&one, SIGTERM);
    server_stop(&two, SIGINT);
}

/* Goal: the client introduces itself, passes lines both ways, and ends when its input does, after
 * the server has heard everything. */
TEST(the_client_passes_lines_both_ways)
{
    struct program server = chat_start(), client;
    struct peer ann = join(&server, "ann");
    char where[64];
    struct peer out;

    snprintf(where, sizeof(where), "127.0.0.1:%d", server.port);
    client = program_start(false, "chat_client", where, "bob", (char *)NULL);
    out.fd = client.out;
    expect_mark(&out, '*');
    expect_mark(&out, '*');
    expect(&ann, "* bob joined");
    say(&ann, "hello, bob");
    expect(&out, "ann: hello, bob");
    CHECK_EQ(write(client.in, "hello, ann\n", 11), 11);
    expect(&ann, "bob: hello, ann");
    CHECK_EQ(write(client.in, "bye\n", 4), 4);
    close(client.in);
    expect(&ann, "bob: bye");
    expect(&ann, "* bob left");
    CHECK(hear(&out) == NULL);
    CHECK_EQ(program_wait(&client, PATIENCE_MS), 0);
    server_stop(&server, SIGTERM);
}

/* Goal: the client ends when the server does, and shows its last words; and it says so when there
 * is no server. */
TEST(the_client_ends_with_the_server)
{
    struct program server = chat_start(), client;
    char where[64];
    struct peer out;
    int status;

    snprintf(where, sizeof(where), "127.0.0.1:%d", server.port);
    client = program_start(false, "chat_client", where, "bob", (char *)NULL);
    out.fd = client.out;
    expect_mark(&out, '*');
    expect_mark(&out, '*');
    server_stop(&server, SIGTERM);
    expect(&out, "* server is shutting down");
    CHECK(hear(&out) == NULL);
    CHECK_EQ(program_wait(&client, PATIENCE_MS), 0);

    client = program_start(true, "chat_client", where, "bob", (char *)NULL);
    CHECK(strstr(read_to_end(client.err), where) != NULL);
    status = program_wait(&client, PATIENCE_MS);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 1);
}
