/* SPDX-License-Identifier: MIT */
/* sys_process.c - see sys_process.h. */
#define _GNU_SOURCE
#include "sys_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include "compiler.h"
#include "sys_result.h"

extern char **environ;

/* The calls of posix_spawn() return their errors. */
static int set_attributes(posix_spawnattr_t *attr, bool leads_group)
{
    sigset_t none, all;
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigemptyset(&none);
    sigfillset(&all);
    (void)posix_spawnattr_setsigmask(attr, &none);
    (void)posix_spawnattr_setsigdefault(attr, &all);
    if (leads_group) {
        (void)posix_spawnattr_setpgroup(attr, 0);
        flags |= POSIX_SPAWN_SETPGROUP;
    }
    return -posix_spawnattr_setflags(attr, (short)flags);
}

static int set_actions(posix_spawn_file_actions_t *actions, const struct weft__child *child)
{
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++) {
        if (child->fds[i] >= 0) {
            rc = -posix_spawn_file_actions_adddup2(actions, child->fds[i], i);
        }
    }
    if (rc == 0 && child->dir != NULL) {
        rc = -posix_spawn_file_actions_addchdir_np(actions, child->dir);
    }
    return rc;
}

static int spawn_with(const struct weft__child *child, const posix_spawnattr_t *attr)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    int rc = -posix_spawn_file_actions_init(&actions);
    if (rc != 0) {
        return rc;
    }
    rc = set_actions(&actions, child);
    if (rc == 0) {
        rc = -posix_spawnp(&pid, child->argv[0], &actions, attr, child->argv,
                           child->env != NULL ? child->env : environ);
    }
    posix_spawn_file_actions_destroy(&actions);
    return rc != 0 ? rc : (int)pid;
}

int weft__sys_spawn(const struct weft__child *child)
{
    posix_spawnattr_t attr;
    int rc = weft__fault(WEFT__CALL_SPAWN);
    rc = rc != 0 ? rc : -posix_spawnattr_init(&attr);
    if (rc != 0) {
        return rc;
    }
    rc = set_attributes(&attr, child->leads_group);
    rc = rc != 0 ? rc : spawn_with(child, &attr);
    posix_spawnattr_destroy(&attr);
    return rc;
}

int weft__sys_pidfd(int pid)
{
    int rc = weft__fault(WEFT__CALL_PIDFD);
    if (rc == 0) {
#ifdef SYS_pidfd_open
        rc = weft__result((int)syscall(SYS_pidfd_open, pid, 0));
#else
        (void)pid;
        rc = -ENOSYS;
#endif
    }
    return weft__sys_move_fd(rc);
}

int weft__sys_wait_child(int pid, bool may_block, int *status)
{
    int rc;
    do {
        rc = weft__result(waitpid(pid, status, may_block ? 0 : WNOHANG));
    } while (rc == -EINTR);
    return rc > 0 ? 1 : rc;
}

int weft__sys_has_ended(int pid)
{
    siginfo_t info;
    info.si_pid = 0;
    int rc = weft__result(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT));
    return rc < 0 ? rc : info.si_pid != 0;
}

int weft__sys_kill(int pid, int pidfd, bool to_group, int sig)
{
    (void)pidfd;
#ifdef SYS_pidfd_send_signal
    if (pidfd >= 0 && !to_group) {
        return weft__result((int)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0));
    }
#endif
    return weft__result(kill(to_group ? -pid : pid, sig));
}

int weft__sys_dup(int fd)
{
    int rc = weft__fault(WEFT__CALL_DUP);
    return rc != 0 ? rc : weft__result(fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

#ifdef TIOCGPTN
/* The master's side of a pseudo-terminal, opened anew, would be another terminal. */
static bool is_terminal(int fd)
{
    int number;
    return isatty(fd) == 1 && ioctl(fd, TIOCGPTN, &number) != 0;
}

int weft__sys_reopen(int fd)
{
    char path[40];
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &st) != 0) {
        return -EBADF;
    }
    if (!S_ISFIFO(st.st_mode) && !is_terminal(fd)) {
        return -ENOTTY;
    }
    int rc = weft__fault(WEFT__CALL_DUP);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    flags = (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    return rc != 0 ? rc : weft__result(open(path, flags));
}

#else
/* Only a terminal has a name by which it can be opened. */
int weft__sys_reopen(int fd)
{
    char path[128];
    int flags = fcntl(fd, F_GETFL);
    int rc = flags < 0 ? -EBADF : -ttyname_r(fd, path, sizeof path);
    if (rc != 0) {
        return rc == -EBADF ? rc : -ENOTTY;
    }
    rc = weft__fault(WEFT__CALL_DUP);
    flags = (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    return rc != 0 ? rc : weft__result(open(path, flags));
}
#endif

int weft__sys_open_null(void)
{
    return weft__result(open("/dev/null", O_RDWR | O_CLOEXEC));
}

static void change_mask(int how, uint64_t signals)
{
    sigset_t set;
    sigemptyset(&set);
    for (int sig = 1; sig <= 64; sig++) {
        if ((signals >> (sig - 1) & 1) != 0) {
            sigaddset(&set, sig);
        }
    }
    pthread_sigmask(how, &set, NULL);
}

void weft__sys_open_signals(uint64_t open, uint64_t shut)
{
    change_mask(SIG_BLOCK, shut);
    change_mask(SIG_UNBLOCK, open);
}
