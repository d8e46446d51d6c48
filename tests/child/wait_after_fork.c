/* SPDX-License-Identifier: MIT */
/*
 * wait_after_fork.c - a coroutine that forks and then waits or ends in the child is told so; exec
 * and _exit work there, and the parent goes on.
 *
 * expect-exit: 7
 * expect-stderr: ^weft: fatal: weft_sleep.. was called in the child of a fork; there only exec
 * expect-stderr: coroutine [0-9]+ "forker"
 * expect-stderr: ^weft: fatal: a coroutine ends in the child of a fork; there only exec and _exit
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft.h>

static int status_of(pid_t child)
{
    int status = 0;

    while (waitpid(child, &status, 0) != child)
        ;
    return status;
}

static int forker(void *arg)
{
    pid_t child = fork();

    (void)arg;
    if (child == 0) {
        (void)weft_sleep(WEFT_MS);
        _exit(1);
    }
    int status = status_of(child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        return 1;
    child = fork();
    if (child == 0)
        return 0;
    status = status_of(child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        return 8;
    child = fork();
    if (child == 0)
        _exit(42);
    status = status_of(child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 42)
        return 2;
    child = fork();
    if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    if (status_of(child) != 0)
        return 3;
    return weft_sleep(WEFT_MS) == 0 ? 7 : 4;
}

static int app(void *arg)
{
    int result = 5;
    struct weft_co *co = weft_go_with(forker, arg, .name = "forker");

    return co == NULL || weft_join(co, &result) != 0 ? 6 : result;
}

int main(void)
{
    return weft_run(app, NULL);
}
