/* SPDX-License-Identifier: MIT */
/*
 * server.c - listeners that share a port (SO_REUSEPORT: the kernel spreads the connections over
 * them) and a thread for each.
 */
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"

#define PROCS_MAX 256
#define BACKLOG 4096

static const struct server *this_server;
static int listeners[PROCS_MAX];

_Noreturn void server_die(const char *what, int error)
{
    fprintf(stderr, "%s: %s: %s\n", this_server->name, what, strerror(error));
    exit(1);
}

static void raise_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max < SERVER_FDS_MAX ? files.rlim_max : SERVER_FDS_MAX;
    setrlimit(RLIMIT_NOFILE, &files);
}

static int listen_on(const struct sockaddr *addr, socklen_t addr_bytes)
{
    const int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;

    if (fd < 0)
        server_die("socket", errno);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0)
        server_die("SO_REUSEPORT", errno);
    if (bind(fd, addr, addr_bytes) != 0)
        server_die("bind", errno);
    if (listen(fd, BACKLOG) != 0)
        server_die("listen", errno);
    return fd;
}

/* The first listener may have chosen the port: the others take the same. */
static void listen_all(const char *host, const char *port, int procs)
{
    const struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICSERV | AI_PASSIVE,
    };
    struct sockaddr_storage addr;
    socklen_t addr_bytes = sizeof(addr);
    char text[128], port_text[16];
    struct addrinfo *found;
    const int rc = getaddrinfo(host, port, &hints, &found);

    if (rc != 0) {
        fprintf(stderr, "%s: %s: %s\n", this_server->name, host, gai_strerror(rc));
        exit(1);
    }
    listeners[0] = listen_on(found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    if (getsockname(listeners[0], (struct sockaddr *)&addr, &addr_bytes) != 0)
        server_die("getsockname", errno);
    for (int i = 1; i < procs; i++)
        listeners[i] = listen_on((struct sockaddr *)&addr, addr_bytes);
    getnameinfo((struct sockaddr *)&addr, addr_bytes, text, sizeof(text), port_text,
                sizeof(port_text), NI_NUMERICHOST | NI_NUMERICSERV);
    printf(addr.ss_family == AF_INET6 ? "listening on [%s]:%s\n" : "listening on %s:%s\n", text,
           port_text);
    fflush(stdout);
}

static void *run_thread(void *arg)
{
    this_server->serve(*(int *)arg);
    return NULL;
}

static void usage(FILE *out, int code)
{
    fprintf(out, "usage: %s [--host H] [--port N] [--procs N]\n", this_server->name);
    exit(code);
}

int server_main(const struct server *server, int argc, char **argv)
{
    static const struct option known[] = {
        {"host", required_argument, NULL, 'H'},
        {"port", required_argument, NULL, 'p'},
        {"procs", required_argument, NULL, 'P'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *host = "127.0.0.1", *port = "0";
    int procs = 1, signal_number = 0, rc = 0, c;
    pthread_t thread;
    sigset_t ends;

    this_server = server;
    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c == 'H')
            host = optarg;
        else if (c == 'p')
            port = optarg;
        else if (c == 'P')
            procs = atoi(optarg);
        else
            usage(c == 'h' ? stdout : stderr, c == 'h' ? 0 : 2);
    }
    if (optind < argc || procs < 1 || procs > PROCS_MAX)
        usage(stderr, 2);

    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    raise_limit();
    listen_all(host, port, procs);
    for (int i = 0; i < procs && rc == 0; i++)
        rc = pthread_create(&thread, NULL, run_thread, &listeners[i]);
    if (rc != 0)
        server_die("pthread_create", rc);
    sigwait(&ends, &signal_number);
    return 0;
}
