/* SPDX-License-Identifier: MIT */
/* sys_process.h - the system calls about child processes and pipes, as -errno (sys.h). */
#ifndef WEFT_BASE_SYS_PROCESS_H
#define WEFT_BASE_SYS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* What a child is to be. */
struct weft__child {
    char *const *argv;
    char *const *env; /* NULL: ours */
    const char *dir;  /* NULL: ours */
    int fds[3];       /* its standard streams, > 2 each and close-on-exec; -1: ours */
    bool leads_group; /* of a process group of its own */
};

/* Start it, with no signal blocked and none ignored: its id, or -errno, also of a failed exec. */
int weft__sys_spawn(const struct weft__child *child);

/* An fd that is readable when the child has ended; -ENOSYS, -EPERM: there is no such thing. */
int weft__sys_pidfd(int pid);

/* Take the end of a child: 1, and its status; 0: it has not ended, and may_block is false;
 * -ECHILD: somebody else has taken it, or the program ignores SIGCHLD. */
int weft__sys_wait_child(int pid, bool may_block, int *status);
/* The same question without taking it: 1, 0 or -ECHILD. */
int weft__sys_has_ended(int pid);

/* To a process, by its pidfd if that is >= 0; to the group that it leads if to_group. */
int weft__sys_kill(int pid, int pidfd, bool to_group, int sig);

/* A copy above the standard streams, close-on-exec. */
int weft__sys_dup(int fd);
/* The terminal or pipe behind an fd once more, opened anew, O_NONBLOCK and close-on-exec; -ENOTTY
 * for everything else. */
int weft__sys_reopen(int fd);
int weft__sys_open_null(void);

/* Let the calling thread receive these signals (bit n - 1: signal n), and no longer those. */
void weft__sys_open_signals(uint64_t open, uint64_t shut);

#endif
