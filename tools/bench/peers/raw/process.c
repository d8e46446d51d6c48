/* SPDX-License-Identifier: MIT */
/*
 * process.c - what a plain C program takes to start and end, and to be there.
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "raw.h"

#define STARTS 25

extern char **environ;

double raw_status_kb(int pid, const char *field)
{
    char path[64], line[256];
    double kb = 0;
    FILE *f;

    if (pid == 0)
        snprintf(path, sizeof(path), "/proc/self/status");
    else
        snprintf(path, sizeof(path), "/proc/%d/status", pid);
    f = fopen(path, "r");
    if (f == NULL)
        return 0;
    while (fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            kb = strtod(line + strlen(field), NULL);
    fclose(f);
    return kb;
}

int raw_child(const char *role)
{
    if (strcmp(role, "idle") == 0) {
        if (write(STDOUT_FILENO, "!", 1) == 1)
            pause();
        return 1;
    }
    return strcmp(role, "return") == 0 ? 0 : 2;
}

static pid_t start(const char *path, const char *role, const posix_spawn_file_actions_t *actions)
{
    char *argv[] = {(char *)path, role != NULL ? "--child" : NULL, (char *)role, NULL};
    pid_t pid;
    const int rc = posix_spawn(&pid, path, actions, NULL, argv, environ);

    if (rc != 0)
        raw_die(path, rc);
    return pid;
}

/* From before the start of a process until it was waited for, in ms. */
static double life_ms(const char *path, const char *role)
{
    const int64_t begin = now_ns();
    const pid_t pid = start(path, role, NULL);
    int status;

    if (waitpid(pid, &status, 0) != pid || status != 0)
        raw_die(path, ECHILD);
    return (double)(now_ns() - begin) / 1e6;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof(*values), compare);
    return values[n / 2];
}

int raw_startup(double *values)
{
    double own[STARTS], least[STARTS];

    for (int i = 0; i < STARTS; i++) {
        own[i] = life_ms("/proc/self/exe", "return");
        least[i] = life_ms("/bin/true", NULL);
    }
    values[0] = median(own, STARTS) - median(least, STARTS);
    return 0;
}

int raw_idle_rss(double *values)
{
    posix_spawn_file_actions_t actions;
    int fds[2];
    char ready;
    pid_t pid;
    bool is_there;

    if (pipe(fds) != 0)
        raw_die("pipe", errno);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, fds[0]);
    posix_spawn_file_actions_addclose(&actions, fds[1]);
    pid = start("/proc/self/exe", "idle", &actions);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    is_there = read(fds[0], &ready, 1) == 1;
    close(fds[0]);
    values[0] = raw_status_kb(pid, "VmRSS:");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return is_there && values[0] > 0 ? 0 : -1;
}
