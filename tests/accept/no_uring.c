/* SPDX-License-Identifier: MIT */
/*
 * no_uring.c - runs a command for which io_uring does not exist, or is forbidden.
 *
 *     no_uring [--errno EPERM|ENOSYS] COMMAND [ARGUMENT...]
 *
 * A seccomp filter makes io_uring_setup, io_uring_enter and io_uring_register fail: with EPERM, as
 * container runtimes do, or with ENOSYS, as a kernel without it does.  The filter is inherited by
 * all that the command starts.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* The numbers are the same on every architecture. */
#define NR_IO_URING_SETUP 425
#define NR_IO_URING_REGISTER 427

static int forbid(unsigned error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, NR_IO_URING_SETUP, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, NR_IO_URING_REGISTER, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int argc, char **argv)
{
    unsigned error = EPERM;
    int first = 1;

    if (argc > 2 && strcmp(argv[1], "--errno") == 0) {
        if (strcmp(argv[2], "ENOSYS") == 0)
            error = ENOSYS;
        else if (strcmp(argv[2], "EPERM") != 0)
            argc = 0;
        first = 3;
    }
    if (first >= argc) {
        fprintf(stderr, "usage: no_uring [--errno EPERM|ENOSYS] COMMAND [ARGUMENT...]\n");
        return 2;
    }
    if (forbid(error) != 0) {
        fprintf(stderr, "no_uring: the filter was refused: %s\n", strerror(errno));
        return 77;
    }
    execvp(argv[first], argv + first);
    fprintf(stderr, "no_uring: %s: %s\n", argv[first], strerror(errno));
    return 127;
}
