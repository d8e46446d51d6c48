/* SPDX-License-Identifier: MIT */
/*
 * calculator.c - the example in C++, seen from plain sockets.
 *
 * link: none
 */
#include "program.h"

static struct program calculator_start(void)
{
    if (program_find("calculator") == NULL)
        SKIP("there was no C++ compiler to build it");
    return server_start("calculator");
}

/* The answer to one line. */
static void expect_answer(int fd, const char *line, const char *expected)
{
    char answer[256];

    snprintf(answer, sizeof(answer), "%s\n", line);
    send_text(fd, answer);
    if (!read_line(fd, answer, sizeof(answer), PATIENCE_MS))
        TEST_FAIL("the connection ended instead of an answer to \"%s\"", line);
    CHECK_STR(answer, expected);
}

/* Goal: each line is answered, also one whose exception was thrown deep in its parts. */
TEST(calculator_answers_what_is_right_and_what_is_wrong)
{
    struct program p = calculator_start();
    const int fd = connect_with(&p, 0);

    expect_answer(fd, "1 + 2 * 3", "7");
    expect_answer(fd, "rate = -(1 - 2.5)", "1.5");
    expect_answer(fd, "rate * (2 + 4) / nothing", "error: there is no 'nothing'");
    expect_answer(fd, "rate * (1 / 0)", "error: division by zero");
    expect_answer(fd, "(1 + 2", "error: a bracket is open");
    expect_answer(fd, "1 2", "error: what is '2'?");
    expect_answer(fd, "", "error: a number is missing");
    expect_answer(fd, "- - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - "
                      "- - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - 1",
                  "error: this is too deep");
    expect_answer(fd, "rate * 2\r", "3");
    send_text(fd, "quit\n");
    expect_end(fd);
    server_stop(&p, SIGTERM);
}

/* Goal: what one client names another knows, and nobody keeps the names locked who has failed. */
TEST(calculator_shares_its_names)
{
    enum { CLIENTS = 8 };
    struct program p = calculator_start();
    char line[64], expected[64];
    int fd[CLIENTS];

    for (int i = 0; i < CLIENTS; i++)
        fd[i] = connect_with(&p, 0);
    for (int i = 0; i < CLIENTS; i++) {
        expect_answer(fd[i], "unknown", "error: there is no 'unknown'");
        snprintf(line, sizeof(line), "name%c = %d", 'a' + i, i);
        snprintf(expected, sizeof(expected), "%d", i);
        expect_answer(fd[i], line, expected);
        snprintf(line, sizeof(line), "name%c + 1", 'a' + i);
        snprintf(expected, sizeof(expected), "%d", i + 1);
        expect_answer(fd[(i + 1) % CLIENTS], line, expected);
    }
    for (int i = 0; i < CLIENTS; i++)
        close(fd[i]);
    server_stop(&p, SIGINT);
}

/* Goal: a stop is told to those who are there, by a write in a catch block. */
TEST(calculator_says_goodbye)
{
    struct program p = calculator_start();
    const int fd = connect_with(&p, 0);
    char line[256];

    expect_answer(fd, "2 * 2", "4");
    CHECK_EQ(kill(p.pid, SIGTERM), 0);
    CHECK(read_line(fd, line, sizeof(line), PATIENCE_MS));
    CHECK_STR(line, "goodbye: read: cancelled");
    expect_end(fd);
    CHECK_EQ(program_wait(&p, PATIENCE_MS), 0);
}

/* Goal: a line without an end is refused before it takes all memory. */
TEST(calculator_refuses_a_line_without_an_end)
{
    static char nines[4097];
    struct program p = calculator_start();
    const int fd = connect_with(&p, 0);
    char line[256];

    memset(nines, '9', sizeof(nines));
    send_bytes(fd, nines, sizeof(nines));
    CHECK(read_line(fd, line, sizeof(line), PATIENCE_MS));
    CHECK_STR(line, "goodbye: a line is too long");
    close(fd);
    server_stop(&p, SIGTERM);
}
