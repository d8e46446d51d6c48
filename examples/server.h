/* SPDX-License-Identifier: MIT */
/*
 * server.h - what the servers of this folder have in common and what is not their subject:
 * options, the signals that stop them, the listening socket and the line that announces it.
 */
#ifndef EXAMPLES_SERVER_H
#define EXAMPLES_SERVER_H

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <weft.h>

struct server_options {
    const char *host; /* an IPv4 or IPv6 address, "localhost", or "*" for any */
    int port;         /* 0: the system chooses one */
    int procs;        /* 0: the runtime's default */
    enum weft_reactor reactor;
    int idle_seconds;  /* 0: the program has no --idle */
    const char *redis; /* NULL: the program has no --redis; "": it has, and was given none */
    const char *to;    /* the same of --to */
    const char *dir;   /* NULL: the program has no --dir */
};

static void server_usage(FILE *out, const char *program, const struct server_options *defaults)
{
    fprintf(out, "usage: %s [--host H] [--port N] [--procs N]", program);
    fprintf(out, " [--reactor auto|io_uring|epoll]%s%s%s%s\n",
            defaults->idle_seconds > 0 ? " [--idle SECONDS]" : "",
            defaults->redis != NULL ? " [--redis HOST:PORT]" : "",
            defaults->to != NULL ? " --to HOST:PORT" : "",
            defaults->dir != NULL ? " [--dir DIR]" : "");
    fprintf(out, "defaults: --host %s --port %d\n", defaults->host, defaults->port);
}

/* A whole number from low to high; anything else ends the program with a message. */
static int server_number(const char *option, const char *text, long low, long high)
{
    char *end;
    const long value = strtol(text, &end, 10);

    if (end == text || *end != '\0' || value < low || value > high) {
        fprintf(stderr, "--%s wants a number from %ld to %ld, not '%s'\n", option, low, high, text);
        exit(2);
    }
    return (int)value;
}

static enum weft_reactor server_reactor(const char *text)
{
    if (strcmp(text, "auto") == 0)
        return WEFT_REACTOR_AUTO;
    if (strcmp(text, "io_uring") == 0)
        return WEFT_REACTOR_IO_URING;
    if (strcmp(text, "epoll") == 0)
        return WEFT_REACTOR_EPOLL;
    fprintf(stderr, "--reactor is auto, io_uring or epoll, not '%s'\n", text);
    exit(2);
}

/* "host:port", of which only the colon is looked for here; else the program ends with a message. */
static const char *server_where(const char *option, const char *text)
{
    const char *colon = strrchr(text, ':');

    if (colon == NULL || colon == text || colon[1] == '\0') {
        fprintf(stderr, "--%s wants HOST:PORT, not '%s'\n", option, text);
        exit(2);
    }
    return text;
}

/* Changes `options`, which holds the defaults, by the command line. */
static void server_read_options(struct server_options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"host", required_argument, NULL, 'H'},    {"port", required_argument, NULL, 'p'},
        {"procs", required_argument, NULL, 'P'},   {"idle", required_argument, NULL, 'i'},
        {"reactor", required_argument, NULL, 'r'}, {"redis", required_argument, NULL, 'R'},
        {"to", required_argument, NULL, 't'},      {"dir", required_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    const struct server_options defaults = *options;
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c == 'H') {
            options->host = optarg;
        } else if (c == 'p') {
            options->port = server_number("port", optarg, 0, 65535);
        } else if (c == 'P') {
            options->procs = server_number("procs", optarg, 1, WEFT_PROCS_MAX);
        } else if (c == 'r') {
            options->reactor = server_reactor(optarg);
        } else if (c == 'i' && defaults.idle_seconds > 0) {
            options->idle_seconds = server_number("idle", optarg, 1, 86400);
        } else if (c == 'R' && defaults.redis != NULL) {
            options->redis = server_where("redis", optarg);
        } else if (c == 't' && defaults.to != NULL) {
            options->to = server_where("to", optarg);
        } else if (c == 'd' && defaults.dir != NULL) {
            options->dir = optarg;
        } else {
            server_usage(c == 'h' ? stdout : stderr, argv[0], &defaults);
            exit(c == 'h' ? 0 : 2);
        }
    }
    if (optind < argc) {
        server_usage(stderr, argv[0], &defaults);
        exit(2);
    }
}

/* The number of connections is limited by descriptors: takes as many as the system allows us. */
static inline void server_raise_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/*
 * An fd that becomes readable when SIGINT or SIGTERM comes.  Call it before weft_run(): the signals
 * must be blocked in this thread, too, and the runtime's own threads block them all anyway.
 */
static int server_stop_fd(void)
{
    sigset_t signals;
    int fd;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) {
        perror("signalfd");
        exit(1);
    }
    return fd;
}

/* Opens the server's socket by weft_listen() or its like and says where; -errno after a message. */
static int server_open(const struct server_options *options, int (*open_at)(const char *where))
{
    char text[WEFT_ADDR_TEXT_MAX];
    struct weft_addr addr;
    const bool is_v6 = strchr(options->host, ':') != NULL && options->host[0] != '[';
    int fd;

    snprintf(text, sizeof(text), is_v6 ? "[%s]:%d" : "%s:%d", options->host, options->port);
    fd = open_at(text);
    if (fd < 0) {
        fprintf(stderr, "cannot listen on %s: %s\n", text, weft_strerror(fd));
        return fd;
    }
    if (weft_local_addr(fd, &addr) == 0)
        weft_addr_format(&addr, text, sizeof(text));
    printf("listening on %s\n", text);
    fflush(stdout);
    return fd;
}

static inline int server_listen(const struct server_options *options)
{
    return server_open(options, weft_listen);
}

#endif
