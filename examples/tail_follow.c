/* SPDX-License-Identifier: MIT */
/*
 * tail_follow.c - prints the end of a file, and then what is added to it, as `tail -f`.
 *
 *     tail_follow FILE [LINES]          until SIGINT or SIGTERM
 *
 * The kernel tells of changes through an fd (inotify), which is waited for like any other; so is
 * the fd of the signals, in the same select.  A file that has become shorter is read anew.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <weft.h>

struct follow {
    const char *path;
    int lines;   /* of its end */
    int signals; /* a signalfd */
    int file, changes;
    int64_t at; /* what is before it is printed */
};

/* Prints what is there from f->at on. */
static int print_rest(struct follow *f)
{
    char block[16384];
    ssize_t n;

    while ((n = weft_pread(f->file, block, sizeof block, f->at)) > 0) {
        if (weft_write_full(1, block, (size_t)n) != n)
            return -EPIPE;
        f->at += n;
    }
    return (int)n;
}

/* Where the last lines begin: looks for their ends backwards, block by block. */
static int find_last_lines(struct follow *f, int64_t size)
{
    char block[16384];
    int n_ends = 0;

    f->at = f->lines > 0 ? 0 : size;
    for (int64_t end = f->at < size ? size : 0; end > 0;) {
        int64_t start = end > (int64_t)sizeof block ? end - (int64_t)sizeof block : 0;
        ssize_t n = weft_pread(f->file, block, (size_t)(end - start), start);
        if (n < 0)
            return (int)n;
        for (ssize_t i = n; i-- > 0;) {
            /* The end of the last line is not one before it. */
            if (block[i] == '\n' && start + i + 1 < size && ++n_ends == f->lines) {
                f->at = start + i + 1;
                return 0;
            }
        }
        end = start;
    }
    return 0;
}

/* The file has changed. */
static int catch_up(struct follow *f)
{
    char events[4096];
    struct stat st;
    ssize_t n = weft_read(f->changes, events, sizeof events); /* before the look: none is lost */
    int rc = n < 0 ? (int)n : weft_fstat(f->file, &st);

    if (rc != 0)
        return rc;
    if (st.st_size < f->at) {
        fprintf(stderr, "tail_follow: %s has become shorter\n", f->path);
        f->at = 0;
    }
    return print_rest(f);
}

static int follow(struct follow *f)
{
    struct stat st;
    int rc = weft_fstat(f->file, &st);

    if (rc == 0)
        rc = find_last_lines(f, st.st_size);
    if (rc == 0)
        rc = print_rest(f);
    while (rc == 0) {
        bool is_over = false;
        WEFT_SELECT {
            WEFT_ON_READABLE(f->changes) rc = catch_up(f);
            WEFT_ON_READABLE(f->signals) is_over = true;
        }
        if (is_over)
            break;
    }
    return rc;
}

static int app(void *arg)
{
    struct follow *f = arg;
    int rc = f->file = weft_open(f->path, O_RDONLY, 0);

    f->changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (rc >= 0)
        rc = inotify_add_watch(f->changes, f->path, IN_MODIFY) < 0 ? -errno : follow(f);
    if (rc < 0)
        fprintf(stderr, "tail_follow: %s: %s\n", f->path, weft_strerror(rc));
    weft_close(f->file);
    weft_close(f->changes);
    return rc < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct follow f = {.path = argc > 1 ? argv[1] : "", .lines = argc > 2 ? atoi(argv[2]) : 10};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    f.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return weft_run(app, &f);
}
