/* SPDX-License-Identifier: MIT */
/*
 * program.h - runs an example as a process of its own and talks to it over plain sockets; nothing
 * here is linked to Weft.  A peer that hears nothing for PATIENCE_MS fails its test.
 */
#ifndef TESTS_EXAMPLES_PROGRAM_H
#define TESTS_EXAMPLES_PROGRAM_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "test.h"

#define PATIENCE_MS 8000
#define ARGS_MAX 24

struct program {
    pid_t pid;
    int in;   /* its standard input */
    int out;  /* its standard output */
    int err;  /* its standard error; -1: ours */
    int port; /* of a server */
};

/* NULL: it was not built. */
TEST_FN const char *program_find(const char *name)
{
    static char path[4096];
    const char *examples = getenv("WEFT_EXAMPLES_DIR");
    const char *build = getenv("WEFT_BUILD");

    if (examples != NULL)
        snprintf(path, sizeof(path), "%s/%s", examples, name);
    else
        snprintf(path, sizeof(path), "%s/examples/%s", build != NULL ? build : "build", name);
    return access(path, X_OK) == 0 ? path : NULL;
}

TEST_FN const char *program_path(const char *name)
{
    const char *path = program_find(name);

    if (path == NULL)
        TEST_FAIL("there is no example %s: make examples", name);
    return path;
}

/* In the child: becomes the program, by way of the emulator if there is one. */
TEST_FN void program_exec(const char *name, va_list list)
{
    const char *emulator = getenv("WEFT_EMULATOR");
    char *args[ARGS_MAX + 1] = {NULL};
    int n = 0;

    if (emulator != NULL) {
        char *words = strdup(emulator);

        for (char *word = strtok(words, " "); word != NULL && n < 16; word = strtok(NULL, " "))
            args[n++] = word;
    }
    args[n++] = strdup(program_path(name));
    while (n < ARGS_MAX && (args[n] = va_arg(list, char *)) != NULL)
        n++;
    execvp(args[0], args);
    TEST_FAIL("exec %s: %s", args[0], strerror(errno));
}

static void make_pipe(int ends[2])
{
    CHECK_EQ(pipe(ends), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(fcntl(ends[i], F_SETFD, FD_CLOEXEC), 0);
}

/* Starts an example; the arguments end with NULL. */
TEST_FN struct program program_start(bool keeps_stderr, const char *name, ...)
{
    int in[2], out[2], err[2] = {-1, -1};
    struct program p;
    va_list list;

    make_pipe(in);
    make_pipe(out);
    if (keeps_stderr)
        make_pipe(err);
    fflush(NULL);
    va_start(list, name);
    p.pid = fork();
    CHECK_GE(p.pid, 0);
    if (p.pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        if (keeps_stderr)
            dup2(err[1], 2);
        program_exec(name, list);
    }
    va_end(list);
    close(in[0]);
    close(out[1]);
    if (keeps_stderr)
        close(err[1]);
    p.in = in[1];
    p.out = out[0];
    p.err = err[0];
    p.port = 0;
    return p;
}

/* The next line of an fd into `line`, without its end; false at the end of the stream. */
TEST_FN bool read_line(int fd, char *line, size_t bytes, int64_t limit_ms)
{
    const int64_t until_ms = test_now_ms() + limit_ms * test_scale();
    size_t n = 0;

    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        const int64_t left_ms = until_ms - test_now_ms();
        ssize_t got;

        line[n] = '\0';
        if (left_ms <= 0 || poll(&ready, 1, (int)left_ms) == 0)
            TEST_FAIL("no line came in %lld ms, only \"%.200s\"", (long long)limit_ms, line);
        got = read(fd, line + n, 1);
        if (got <= 0 || line[n] == '\n') {
            line[n] = '\0';
            return got > 0;
        }
        if (++n == bytes)
            TEST_FAIL("a line of more than %zu bytes", bytes);
    }
}

/* All that an fd brings until its end, as a string in one buffer that the next call overwrites. */
TEST_FN const char *read_to_end(int fd)
{
    static char text[1 << 20];
    const int64_t until_ms = test_now_ms() + PATIENCE_MS * test_scale();
    size_t n = 0;

    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        const int64_t left_ms = until_ms - test_now_ms();
        ssize_t got;

        text[n] = '\0';
        if (left_ms <= 0 || poll(&ready, 1, (int)left_ms) == 0)
            TEST_FAIL("the end did not come, only \"%.200s\"", text);
        got = read(fd, text + n, sizeof(text) - 1 - n);
        if (got <= 0)
            return text;
        n += (size_t)got;
    }
}

/* Waits for the end of the process, which must come in time; returns its status as waitpid(). */
TEST_FN int program_wait(struct program *p, int64_t limit_ms)
{
    struct pollfd end = {(int)syscall(SYS_pidfd_open, p->pid, 0), POLLIN, 0};
    int status;

    CHECK_GE(end.fd, 0);
    if (poll(&end, 1, (int)(limit_ms * test_scale())) != 1)
        TEST_FAIL("the program is still there after %lld ms", (long long)limit_ms);
    close(end.fd);
    CHECK_EQ(waitpid(p->pid, &status, 0), p->pid);
    return status;
}

/* The output of a program that is to end well. */
#define program_output(...) program_output_of(program_start(false, __VA_ARGS__, (char *)NULL))
TEST_FN const char *program_output_of(struct program p)
{
    const char *text;

    close(p.in);
    text = read_to_end(p.out);
    CHECK_EQ(program_wait(&p, PATIENCE_MS), 0);
    return text;
}

/* ---- servers and those who talk to them ---- */

/* Starts a server on a port of the system's choice; more options follow, then NULL. */
#define server_start(...) server_announced(program_start(false, __VA_ARGS__, (char *)NULL))
TEST_FN struct program server_announced(struct program p)
{
    static const char start[] = "listening on 127.0.0.1:";
    char line[256];

    CHECK(read_line(p.out, line, sizeof(line), PATIENCE_MS));
    if (strncmp(line, start, sizeof(start) - 1) != 0)
        TEST_FAIL("the first line is \"%s\"", line);
    p.port = atoi(line + sizeof(start) - 1);
    CHECK_GT(p.port, 0);
    return p;
}

/* Asks the server to stop; it must leave with 0 within a second. */
TEST_FN void server_stop(struct program *p, int sig)
{
    CHECK_EQ(kill(p->pid, sig), 0);
    CHECK_EQ(program_wait(p, PATIENCE_MS), 0);
}

/* A connection; recv_bytes limits what it takes in unread, 0: the system's default. */
TEST_FN int connect_with(const struct program *p, int recv_bytes)
{
    const struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)p->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK_GE(fd, 0);
    if (recv_bytes > 0)
        CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &recv_bytes, sizeof(recv_bytes)), 0);
    if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0)
        TEST_FAIL("connect: %s", strerror(errno));
    return fd;
}

/* Nothing more comes, and the end is an orderly one, not a reset. */
TEST_FN void expect_end(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    char rest[64];
    ssize_t n;

    if (poll(&ready, 1, PATIENCE_MS * (int)test_scale()) == 0)
        TEST_FAIL("the end did not come");
    n = recv(fd, rest, sizeof(rest), 0);
    if (n != 0)
        TEST_FAIL("%s \"%.*s\" instead of the end", n < 0 ? strerror(errno) : "",
                  (int)(n < 0 ? 0 : n), rest);
    close(fd);
}

TEST_FN void send_bytes(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        const ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

        if (sent < 0)
            TEST_FAIL("send: %s", strerror(errno));
        bytes += sent;
        n -= (size_t)sent;
    }
}

TEST_FN void send_text(int fd, const char *text)
{
    send_bytes(fd, text, strlen(text));
}

#endif
