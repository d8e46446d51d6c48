/* SPDX-License-Identifier: MIT */
/*
 * plan.h - of calls.c: the call sites of the library, which of their calls fails, and how.
 *
 * A plan names a site, the k-th call of a kind there, and an error.  The same site is come to in
 * several pieces of the scenario; k counts through all of them, piece by piece, but only the piece
 * in which the call lies is run.  A site that only a failure leads to has plans of two steps: that
 * failure, then its own.
 */
#ifndef WEFT_TESTS_PLAN_H
#define WEFT_TESTS_PLAN_H

#include "sites.h"

#include "co_test.h"

#define SITES_MAX 256
#define K_MAX 48 /* calls of one site in one piece that are made to fail: loops go on for long */
#define ERRORS_MAX 11
#define SHORT 1 /* not an error: 1 byte is moved, and no more */

extern const struct fault_site __start_fault_sites[], __stop_fault_sites[];

TEST_FN int count_sites(void)
{
    return (int)(__stop_fault_sites - __start_fault_sites);
}

/* ---- what can fail, and how ---- */

/* The failures of one kind that a kernel can give; the first `n_lasting` may go on for ever. */
static const struct failures {
    enum weft__call kind;
    int n_lasting;
    int errors[ERRORS_MAX + 1]; /* up to the 0 */
} failures[] = {
    {WEFT__CALL_ALLOC, 1, {-ENOMEM}},
    {WEFT__CALL_MMAP, 0, {-ENOMEM, -EAGAIN, -EPERM}},
    {WEFT__CALL_MPROTECT, 1, {-ENOMEM, -EACCES}},
    {WEFT__CALL_MADVISE, 1, {-ENOMEM, -EINVAL, -EAGAIN}},
    {WEFT__CALL_READ, 1, {-ECONNRESET, -EAGAIN, SHORT, -EIO, -ENOMEM, -ENOBUFS, -ETIMEDOUT,
                          -EHOSTUNREACH, -ENETDOWN, -ECONNREFUSED}},
    {WEFT__CALL_WRITE, 0, {-EPIPE, -EAGAIN, SHORT, -ECONNRESET, -EIO, -ENOMEM, -ENOBUFS, -ENOSPC,
                           -ETIMEDOUT, -EHOSTUNREACH, -EPERM}},
    {WEFT__CALL_ACCEPT, 1, {-EMFILE, -ECONNABORTED, -EAGAIN, -ENFILE, -ENOBUFS, -ENOMEM, -EPROTO,
                            -ENETDOWN, -EHOSTUNREACH, -EPERM, -EINVAL}},
    {WEFT__CALL_CONNECT, 1, {-ENETUNREACH, -ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH, -EACCES,
                             -EADDRNOTAVAIL, -EPERM, -ENOBUFS, -ENOENT, -EAGAIN}},
    {WEFT__CALL_SOCKET, 1, {-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM, -EAFNOSUPPORT, -EACCES,
                            -EPROTONOSUPPORT}},
    {WEFT__CALL_BIND, 1, {-EADDRINUSE, -EACCES, -EADDRNOTAVAIL, -ENOMEM, -EROFS}},
    {WEFT__CALL_LISTEN, 1, {-EADDRINUSE, -EOPNOTSUPP, -ENOBUFS}},
    {WEFT__CALL_SOCKOPT, 1, {-ENOMEM, -ENOBUFS, -ENOPROTOOPT, -EINVAL, -EPERM, -ENOTCONN}},
    {WEFT__CALL_POLL, 0, {-ENOMEM, -EINVAL}},
    {WEFT__CALL_EPOLL_CREATE, 1, {-EMFILE, -ENFILE, -ENOMEM}},
    {WEFT__CALL_EPOLL_CTL, 2, {-ENOMEM, -ENOSPC, -ENOENT, -EEXIST}},
    {WEFT__CALL_EPOLL_WAIT, 0, {-EINTR}},
    {WEFT__CALL_KQUEUE, 1, {-EMFILE, -ENFILE, -ENOMEM}},
    {WEFT__CALL_KEVENT, 0, {-ENOMEM}},
    {WEFT__CALL_EVENTFD, 1, {-EMFILE, -ENFILE, -ENOMEM, -ENODEV}},
    {WEFT__CALL_URING_SETUP, 3, {-ENOMEM, -EPERM, -EINVAL, -ENOSYS, -EMFILE, -ENFILE, -EACCES}},
    {WEFT__CALL_URING_ENTER, 0, {-EAGAIN, -EINTR, -EBUSY, -ENOMEM}},
    {WEFT__CALL_THREAD, 1, {-EAGAIN, -ENOMEM, -EPERM}},
    {WEFT__CALL_CLOSE, 0, {-EIO, -ENOSPC, -EDQUOT}},
    {WEFT__CALL_MEMBARRIER, 1, {-EPERM, -ENOSYS, -EINVAL}},
    {WEFT__CALL_AFFINITY, 1, {-EINVAL, -EPERM, -ENOSYS}},
    {WEFT__CALL_PIPE, 1, {-EMFILE, -ENFILE}},
    {WEFT__CALL_FILE, 0, {-EIO, -EINTR, -ENOMEM, SHORT}},
    {WEFT__CALL_LOOKUP, 1, {-EAGAIN, -ENOENT, -ENODATA, -EIO, -ENOMEM, -EPROTONOSUPPORT,
                            -ENAMETOOLONG}},
};

/* Calls that no kernel lets fail, or whose failure says nothing about the runtime. */
static const struct {
    const char *file, *call, *why;
} left_out[] = {
    {"src/reactor/reactors.c", "weft__sys_write", "an eventfd that is not full takes a wake"},
    {"src/reactor/uring.c", "weft__sys_write", "an eventfd that is not full takes a wake"},
    {"src/base/text.c", "weft__sys_write", "a report that cannot be written is lost"},
};

static const char *why_left_out(const struct fault_site *site)
{
    for (int i = 0; i < COUNT(left_out); i++) {
        if (strcmp(site->file, left_out[i].file) == 0 && strcmp(site->call, left_out[i].call) == 0)
            return left_out[i].why;
    }
    return NULL;
}

/* ---- which call fails ---- */

struct step {
    int site;
    const struct failures *failures; /* of the kind */
    int k;                           /* in this piece, from 1 */
    int error;                       /* its place in `errors` */
};

struct plan {
    int piece;
    struct step first; /* without `failures` none fails, all are counted */
    int k_before;      /* calls in earlier pieces */
    bool is_lasting;   /* all of the kind fail from there on, wherever */
    struct step then;  /* without `failures` there is no second one */
};

static struct plan plan;
static _Atomic bool is_armed, has_begun;
static _Atomic int n_injected, n_closes_injected;
static _Atomic int n_without_site;
static _Atomic int n_calls[SITES_MAX][WEFT__CALL_COUNT];
static bool is_left_out[SITES_MAX];

static __thread const struct fault_site *site_now;

__attribute__((noinline)) void fault_at(const struct fault_site *site)
{
    site_now = site;
}

static int error_of(const struct step *s)
{
    return s->failures->errors[s->error];
}

static bool is_meant(const struct step *s, int site, enum weft__call call, int n)
{
    return s->failures != NULL && s->failures->kind == call && s->site == site && s->k == n;
}

static int inject(const struct step *s)
{
    n_injected++;
    n_closes_injected += s->failures->kind == WEFT__CALL_CLOSE; /* the fd stays: our doing */
    return error_of(s);
}

static __attribute__((noinline)) int decide(enum weft__call call)
{
    const struct fault_site *site = site_now;

    if (!is_armed)
        return 0;
    if (site == NULL) {
        n_without_site++;
        return 0;
    }
    int i = (int)(site - __start_fault_sites);
    if (is_left_out[i])
        return 0;
    int n = ++n_calls[i][call];
    if (has_begun && is_meant(&plan.then, i, call, n))
        return inject(&plan.then);
    if (is_meant(&plan.first, i, call, n))
        has_begun = true;
    else if (!plan.is_lasting || !has_begun || plan.first.failures->kind != call)
        return 0;
    return inject(&plan.first);
}

static void arm(const struct plan *p)
{
    plan = *p;
    n_injected = 0;
    has_begun = false;
    memset((void *)n_calls, 0, sizeof n_calls);
    is_armed = true;
}

static const char *const kind_names[] = {
#define X(name) #name,
    WEFT__CALLS(X)
#undef X
};

static void print_step(const struct step *s, int k)
{
    const struct fault_site *site = &__start_fault_sites[s->site];

    fprintf(stderr, "%s:%ld, %s %d, %s", site->file, site->line, kind_names[s->failures->kind], k,
            error_of(s) == SHORT ? "short" : weft_strerror(error_of(s)));
}

TEST_FN void print_plan(const struct plan *p)
{
    print_step(&p->first, p->k_before + p->first.k);
    if (p->then.failures != NULL) {
        fputs("; then ", stderr);
        print_step(&p->then, p->then.k);
    }
    fputs(p->is_lasting ? ", from then on" : ", once", stderr);
}

#endif
