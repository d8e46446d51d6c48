/* SPDX-License-Identifier: MIT */
/*
 * tracing.c - every line of a log says for which request it was written.
 *
 *     tracing [REQUESTS]
 *
 * The request is a local of the coroutine that serves it.  The coroutines that this one starts
 * inherit it, and so do those that they start: nobody hands it on, and say() finds it wherever it
 * is called.  Each of them holds a reference; when the last one has ended, which may be after the
 * answer was given, the request is over and its books are closed.
 */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <weft.h>

struct request {
    int id;
    atomic_int n_refs, n_coroutines, n_lines;
    struct weft_wait_group *all; /* one more is over */
};

static void *request_ref(void *value)
{
    struct request *r = value;

    atomic_fetch_add(&r->n_refs, 1);
    atomic_fetch_add(&r->n_coroutines, 1);
    return r;
}

static void request_unref(void *value)
{
    struct request *r = value;
    struct weft_wait_group *all = r->all;

    if (atomic_fetch_sub(&r->n_refs, 1) > 1)
        return;
    printf("[request %d] over: %d coroutines wrote %d lines\n", r->id, r->n_coroutines, r->n_lines);
    free(r);
    weft_wg_done(all);
}

static struct weft_key current_request = {.destroy = request_unref, .inherit = request_ref};

/* Log a line, for the request that this is done for. */
static void say(const char *format, ...)
{
    struct request *r = weft_local_get(&current_request);
    char line[128];
    va_list list;

    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    printf("[request %d] %s\n", r != NULL ? r->id : 0, line);
    if (r != NULL)
        atomic_fetch_add(&r->n_lines, 1);
}

static void say_done(void *what)
{
    say("%s: done", (const char *)what);
}

/* ---- what is done for a request: none of it knows of requests ---- */

static int ask_database(void *what)
{
    WEFT_DEFER(say_done, what); /* however this is left */
    for (int tries = 1; tries <= 2; tries++) {
        WEFT_DEADLINE (limit, tries == 1 ? WEFT_MS : WEFT_SEC) {
            if (weft_sleep(3 * WEFT_MS) == 0) /* the time that the answer takes */
                return 0;
            say("%s: no answer in time", (const char *)what);
        }
    }
    return -1;
}

static int look_up(void *what)
{
    struct weft_co *database;
    int rc = -1;

    say("%s: not in the cache", (const char *)what);
    database = weft_go_with(ask_database, what, .name = "database");
    if (database == NULL || weft_join(database, &rc) != 0)
        return -1;
    return rc;
}

/* Nobody waits for it: it outlives the answer. */
static void write_audit(void *what)
{
    if (weft_sleep(5 * WEFT_MS) == 0)
        say("%s: written", (const char *)what);
}

/* ---- a request ---- */

static void serve(void *arg)
{
    struct request *r = arg;
    struct weft_co *user, *price;
    int user_rc = -1, price_rc = -1;

    if (weft_local_set(&current_request, r) != 0)
        abort(); /* it would be over before it has begun */
    say("begins");
    user = weft_go_with(look_up, "user", .name = "user");
    price = weft_go_with(look_up, "price", .name = "price");
    if (go(write_audit, "audit") != 0)
        say("no memory for an audit");
    if (user != NULL && weft_join(user, &user_rc) != 0)
        say("the user was not waited for");
    if (price != NULL && weft_join(price, &price_rc) != 0)
        say("the price was not waited for");
    say(user_rc == 0 && price_rc == 0 ? "answered" : "failed");
}

static int app(void *arg)
{
    const int n_requests = *(int *)arg;
    struct weft_wait_group *all = weft_wg_make();
    int rc;

    if (all == NULL)
        return 1;
    for (int id = 1; id <= n_requests; id++) {
        struct request *r = malloc(sizeof *r);

        if (r == NULL)
            return 1;
        *r = (struct request){.id = id, .n_refs = 1, .n_coroutines = 1, .all = all};
        weft_wg_add(all, 1);
        if (go(serve, r) != 0)
            return 1;
    }
    rc = weft_wg_wait(all);
    weft_wg_free(all);
    return rc == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    int n_requests = argc > 1 ? atoi(argv[1]) : 3;

    return weft_run(app, &n_requests);
}
