/* SPDX-License-Identifier: MIT */
/*
 * runner.c - the small shell: what it prints, how it ends, and what it leaves behind.
 *
 * link: none
 */
#include "program.h"
#include "pty_test.h"

/* What it prints and ends with. */
static void expect(struct program p, const char *output, int status)
{
    close(p.in);
    CHECK_STR(read_to_end(p.out), output);
    const int ended = program_wait(&p, PATIENCE_MS);
    CHECK(WIFEXITED(ended));
    CHECK_EQ(WEXITSTATUS(ended), status);
}
#define RUN(...) program_start(false, "runner", __VA_ARGS__, (char *)NULL)

TEST(commands_in_a_row_pass_on_what_they_print)
{
    expect(RUN("echo one two | tr a-z A-Z"), "ONE TWO\n", 0);
    expect(RUN("printf 'b\\nc\\na\\n'|sort|tail -n 2|tr '\\n' ' '"), "b c ", 0);
    expect(RUN("yes | head -n 2"), "y\ny\n", 0); /* the first ends by a signal, the last counts */
    expect(RUN("echo \"a | b\" '' c"), "a | b  c\n", 0);
    expect(RUN("  "), "", 0);
}

TEST(files_take_the_place_of_streams)
{
    char folder[] = "/tmp/weft-runner-XXXXXX", line[256];

    CHECK(mkdtemp(folder) != NULL);
    snprintf(line, sizeof line, "echo first > %s/f", folder);
    expect(RUN(line), "", 0);
    snprintf(line, sizeof line, "echo second >> %s/f", folder);
    expect(RUN(line), "", 0);
    snprintf(line, sizeof line, "cat < %s/f | cat", folder);
    expect(RUN(line), "first\nsecond\n", 0);
    snprintf(line, sizeof line, "rm -r %s", folder);
    expect(RUN(line), "", 0);
    expect(RUN("cat < /no/such/file"), "", 1);
}

TEST(the_status_is_that_of_the_last_command)
{
    expect(RUN("true | sh -c 'exit 7'"), "", 7);
    expect(RUN("sh -c 'exit 7' | true"), "", 0);
    expect(RUN("sh -c 'kill -9 $$'"), "", 128 + SIGKILL);
    expect(RUN("weft-no-such-command"), "", 127);
}

TEST(what_cannot_be_understood_is_refused)
{
    static const char *const lines[] = {"echo 'x", "| cat", "cat |", "a || b", "cat <", "> f"};

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        expect(RUN(lines[i]), "", 2);
    expect(RUN("--limit", "0", "true"), "", 2);
    expect(RUN("--limit", "x", "true"), "", 2);
    expect(RUN("true", "true"), "", 2);
}

/* Goal: commands do not read the lines that are the runner's, and the last need not have an end. */
TEST(lines_are_read_one_after_the_other)
{
    struct program p = program_start(false, "runner", (char *)NULL);
    static const char lines[] = "echo one\ncat\n\necho two | cat\necho 'x\nsh -c 'exit 3'";

    CHECK_EQ(write(p.in, lines, sizeof(lines) - 1), sizeof(lines) - 1);
    expect(p, "one\ntwo\n", 3);
}

/* Goal: when time is over all commands are ended: nobody has the output open any more. */
TEST(what_takes_too_long_is_ended)
{
    expect(RUN("--limit", "0.05", "sleep 1000 | cat"), "", 124);
    expect(RUN("--limit", "1000", "echo in time"), "in time\n", 0);
}

/* Says so when it has begun, and only SIGTERM ends it. */
#define STAYS "sh -c \"trap '' INT; echo ready; exec sleep 1000\""

TEST(an_interrupt_ends_what_runs_and_not_the_runner)
{
    struct program p = program_start(false, "runner", (char *)NULL);
    static const char line[] = STAYS " | cat\n";
    char text[64];

    CHECK_EQ(write(p.in, line, sizeof(line) - 1), sizeof(line) - 1);
    CHECK(read_line(p.out, text, sizeof(text), PATIENCE_MS));
    CHECK_STR(text, "ready");
    CHECK_EQ(kill(p.pid, SIGINT), 0);
    CHECK_EQ(write(p.in, "echo alive\n", 11), 11);
    expect(p, "alive\n", 0);
}

TEST(a_request_to_end_ends_what_runs_and_the_runner)
{
    struct program p = RUN(STAYS);
    char text[64];

    CHECK(read_line(p.out, text, sizeof(text), PATIENCE_MS));
    CHECK_EQ(kill(p.pid, SIGTERM), 0);
    expect(p, "", 128 + SIGTERM);
    p = program_start(false, "runner", (char *)NULL);
    CHECK_EQ(write(p.in, STAYS "\n", sizeof(STAYS)), sizeof(STAYS));
    CHECK(read_line(p.out, text, sizeof(text), PATIENCE_MS));
    CHECK_EQ(kill(p.pid, SIGTERM), 0);
    CHECK_STR(read_to_end(p.out), "");
    CHECK_EQ(WEXITSTATUS(program_wait(&p, PATIENCE_MS)), 128 + SIGTERM);
}

/* ---- on a terminal ---- */

__attribute__((noreturn)) static void run_on(const int fds[2], ...)
{
    va_list none;

    setsid();
    if (ioctl(fds[0], TIOCSCTTY, 0) != 0)
        _exit(TEST_EXIT_SKIP);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(dup2(fds[0], i), i);
    va_start(none, fds);
    program_exec("runner", none);
    _exit(1);
}

/* Until the screen shows it. */
static void await_text(int screen, const char *text)
{
    char seen[4096];
    size_t n = 0;

    do {
        struct pollfd p = {.fd = screen, .events = POLLIN};
        seen[n] = '\0';
        if (poll(&p, 1, PATIENCE_MS * (int)test_scale()) != 1 || n + 1 == sizeof(seen))
            TEST_FAIL("\"%s\" did not come, only \"%s\"", text, seen);
        CHECK_EQ(read(screen, seen + n, 1), 1);
        seen[++n] = '\0';
    } while (strstr(seen, text) == NULL);
}

static void type(int screen, const char *text)
{
    CHECK_EQ(write(screen, text, strlen(text)), strlen(text));
}

/* Goal: Ctrl-C ends what runs; a command reads what is typed; the shell that comes after finds the
 * terminal as it was. */
TEST(on_a_terminal_it_is_a_shell)
{
    struct program p = {.in = -1};
    int fds[2], status;

    open_pty(fds, false);
    const int flags = fcntl(fds[0], F_GETFL);
    p.pid = fork();
    CHECK_GE(p.pid, 0);
    if (p.pid == 0)
        run_on(fds, (char *)NULL);
    await_text(fds[1], "$ ");
    type(fds[1], STAYS "\n");
    await_text(fds[1], "ready\n");
    type(fds[1], "\003");
    await_text(fds[1], "$ ");
    type(fds[1], "cat\n");
    type(fds[1], "by cat\n");
    await_text(fds[1], "by cat\n");
    type(fds[1], "\004");
    await_text(fds[1], "$ ");
    CHECK_EQ(fcntl(fds[0], F_GETFL), flags);
    type(fds[1], "\004");
    status = program_wait(&p, PATIENCE_MS);
    if (WIFEXITED(status) && WEXITSTATUS(status) == TEST_EXIT_SKIP)
        SKIP("no terminal can be had for a session");
    CHECK_EQ(status, 0);
    CHECK_EQ(fcntl(fds[0], F_GETFL), flags);
}
