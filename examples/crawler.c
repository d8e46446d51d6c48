/* SPDX-License-Identifier: MIT */
/*
 * crawler.c - follows all links of a site, a few pages at a time, and gives up on slow ones.
 *
 *     crawler [PAGES [AT_ONCE]]
 *
 * The site is in this program too, on a port of its own: page i links to the pages 2i + 1,
 * 2i + 2 and back to 0, and page 7 never answers.
 *
 *     app --page--> fetch (a child of a group with a limit) --links, then the end--> app
 *
 * Only app starts fetches, so only app waits for room; what the children have found goes into a
 * channel without bounds, so that they never wait for app.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft.h>

#define SLOW_PAGE 7
#define PATIENCE_NS WEFT_SEC
#define PAGE_BYTES 256

/* A link that was found on a page, or, with a negative number, the end of a fetch. */
enum { FETCHED = -1, FAILED = -2 };

WEFT_CHAN_TYPE(found_chan, int);

struct crawl {
    int n_pages, at_once;
    int listener;
    struct weft_addr site;
    found_chan found;
};

struct fetch {
    struct crawl *crawl;
    int page;
};

/* ---- the site ---- */

static int answer(void *arg)
{
    const int fd = (int)(intptr_t)arg;
    char text[PAGE_BYTES] = "";
    int page = -1;

    /* A request this short comes in one piece. */
    if (weft_read(fd, text, sizeof(text) - 1) > 0 && sscanf(text, "GET /%d\n", &page) == 1) {
        if (page == SLOW_PAGE)
            (void)!weft_sleep(WEFT_NEVER);
        const int n = snprintf(text, sizeof(text), "/%d\n/%d\n/0\n", 2 * page + 1, 2 * page + 2);
        (void)!weft_write_full(fd, text, (size_t)n);
    }
    weft_close(fd);
    return 0;
}

static int serve(void *arg)
{
    struct crawl *c = arg;
    int fd;

    WEFT_GROUP(connections, .on_error = WEFT_GROUP_RUNS_ON) {
        while ((fd = weft_accept(c->listener, NULL)) >= 0) {
            if (weft_group_go(&connections, answer, (void *)(intptr_t)fd) != 0)
                weft_close(fd);
        }
        weft_group_cancel(&connections);
    }
    return 0;
}

/* ---- the crawler ---- */

/* The whole page, or -errno. */
static ssize_t get(struct crawl *c, int page, char *text, size_t room)
{
    const int fd = weft_dial_addr(&c->site);
    char request[32];
    ssize_t n = fd;

    if (fd < 0)
        return fd;
    n = weft_write_full(fd, request, (size_t)snprintf(request, sizeof(request), "GET /%d\n", page));
    if (n >= 0)
        n = weft_read_full(fd, text, room);
    weft_close(fd);
    return n;
}

static int fetch(void *arg)
{
    struct fetch *f = arg;
    struct crawl *c = f->crawl;
    char text[PAGE_BYTES] = "";
    ssize_t n = 0;
    int rc = 0;

    WEFT_DEADLINE(patience, PATIENCE_NS) {
        n = get(c, f->page, text, sizeof(text) - 1);
    }
    for (char *line = text; rc == 0 && (line = strchr(line, '/')) != NULL; line++)
        rc = found_chan_send(c->found, atoi(line + 1));
    if (rc == 0)
        rc = found_chan_send(c->found, n > 0 ? FETCHED : FAILED);
    free(f);
    return rc;
}

static int start_fetch(struct crawl *c, struct weft_group *fetches, int page)
{
    struct fetch *f = malloc(sizeof(*f));
    int rc = -ENOMEM;

    if (f != NULL) {
        *f = (struct fetch){c, page};
        rc = weft_group_go(fetches, fetch, f);
    }
    if (rc != 0)
        free(f);
    return rc;
}

static int crawl(struct crawl *c)
{
    bool *is_seen = calloc((size_t)c->n_pages, sizeof(*is_seen));
    int n_running = 0, n_ends[2] = {0, 0}, rc = is_seen != NULL ? 0 : -ENOMEM;
    int next = 0;

    WEFT_GROUP(fetches, .limit = c->at_once) {
        while (rc == 0) {
            if (next < 0) {
                n_ends[FETCHED - next]++;
                n_running--;
            } else if (next < c->n_pages && !is_seen[next]) {
                is_seen[next] = true;
                n_running++;
                rc = start_fetch(c, &fetches, next);
            }
            if (rc != 0 || n_running == 0)
                break;
            rc = found_chan_recv(c->found, &next);
        }
    }
    printf("%d pages fetched, %d given up\n", n_ends[0], n_ends[1]);
    free(is_seen);
    return rc;
}

static int app(void *arg)
{
    struct crawl *c = arg;
    int rc = 1;

    c->found = found_chan_make(WEFT_CHAN_UNBOUNDED);
    c->listener = weft_listen("127.0.0.1:0");
    if (c->listener < 0 || weft_local_addr(c->listener, &c->site) != 0)
        return 1;
    WEFT_GROUP(site) {
        rc = weft_group_go(&site, serve, c, .name = "site");
        if (rc == 0)
            rc = crawl(c);
        weft_close(c->listener);
    }
    found_chan_unref(c->found);
    return rc == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct crawl c = {
        .n_pages = argc > 1 ? atoi(argv[1]) : 100,
        .at_once = argc > 2 ? atoi(argv[2]) : 8,
    };

    if (c.n_pages < 1 || c.at_once < 1) {
        fprintf(stderr, "usage: crawler [PAGES [AT_ONCE]]\n");
        return 2;
    }
    return weft_run(app, &c);
}
