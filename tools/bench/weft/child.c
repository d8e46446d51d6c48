/* SPDX-License-Identifier: MIT */
/* child.c - processes: this program again with --child NAME, and how long a program takes. */
#define _GNU_SOURCE /* pipe2 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define SELF "/proc/self/exe"

void bench_child_argv(char *argv[8], const char *name)
{
    static char procs[16];
    int n = 0;

    snprintf(procs, sizeof(procs), "%d", bench_options.procs);
    argv[n++] = (char *)(uintptr_t)SELF;
    argv[n++] = (char *)(uintptr_t) "--procs";
    argv[n++] = procs;
    argv[n++] = (char *)(uintptr_t) "--reactor";
    argv[n++] = (char *)(uintptr_t)bench_options.reactor_name;
    argv[n++] = (char *)(uintptr_t) "--child";
    argv[n++] = (char *)(uintptr_t)name;
    argv[n] = NULL;
}

/* In the new process: does not return.  It ends with its parent, however that ends. */
static __attribute__((noreturn)) void become(char *const argv[])
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execv(argv[0], argv);
    _exit(127);
}

static int wait_for(int pid)
{
    int status;

    while (waitpid(pid, &status, 0) == -1) {
        if (errno != EINTR)
            bench_die("waitpid", -errno);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void bench_child_start(struct bench_child *child, const char *name)
{
    char *argv[8];
    int to[2], from[2];

    bench_child_argv(argv, name);
    SYSTEM(pipe2(to, O_CLOEXEC));
    SYSTEM(pipe2(from, O_CLOEXEC));
    fflush(stdout);
    child->pid = (int)SYSTEM(fork());
    if (child->pid == 0) {
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        become(argv);
    }
    close(to[0]);
    close(from[1]);
    child->to = fdopen(to[1], "w");
    child->from = fdopen(from[0], "r");
    if (child->to == NULL || child->from == NULL)
        bench_die("fdopen", -errno);
}

int bench_child_end(struct bench_child *child)
{
    fclose(child->to);
    fclose(child->from);
    return wait_for(child->pid);
}

int64_t bench_time_process(char *const argv[])
{
    const int64_t start_ns = weft_now();
    const int pid = (int)SYSTEM(fork());

    if (pid == 0)
        become(argv);
    const int status = wait_for(pid);
    const int64_t ns = weft_now() - start_ns;

    if (status != 0) {
        fprintf(stderr, "weft-bench: %s exited with %d\n", argv[0], status);
        exit(1);
    }
    return ns;
}
