/* SPDX-License-Identifier: MIT */
/*
 * server.h - what both echo servers share: options, listeners, threads, the end by a signal.
 */
#ifndef RAW_SERVER_H
#define RAW_SERVER_H

#define SERVER_FDS_MAX (1 << 20) /* all descriptors are below */

struct server {
    const char *name;
    void (*serve)(int listener); /* a thread's whole life; it has the listener for itself */
};

/*
 * Reads --host, --port and --procs, starts so many threads with a listener each on the same port,
 * and waits for SIGTERM or SIGINT.  Returns what main() is to return.
 */
int server_main(const struct server *server, int argc, char **argv);

/* Says what failed and ends the process. */
_Noreturn void server_die(const char *what, int error);

#endif
