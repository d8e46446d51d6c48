/* SPDX-License-Identifier: MIT */
/* dir.c - listing a folder: names are fetched by the pool, many at a time. */
#include <weft/file.h>

#include <errno.h>
#include <string.h>

#include "../base/sys.h"
#include "../park/job.h"

#define BATCH_BYTES ((size_t)32 * 1024)

/* As the kernel lays one out. */
struct record {
    uint64_t inode;
    int64_t next;
    uint16_t bytes;
    uint8_t type;
    char name[];
};

struct weft_dir {
    int fd;
    size_t at, n; /* in batch */
    uint64_t batch[BATCH_BYTES / sizeof(uint64_t)];
};

static int fetch(void *arg)
{
    struct weft_dir *dir = arg;
    ssize_t n = weft__sys_read_dir(dir->fd, dir->batch, BATCH_BYTES);
    dir->at = 0;
    dir->n = n > 0 ? (size_t)n : 0;
    return (int)n;
}

struct opening {
    const char *path;
    struct weft_dir *dir;
};

static int open_and_fetch(void *arg)
{
    struct opening *o = arg;
    int fd = weft__sys_open(o->path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        return fd;
    }
    o->dir->fd = fd;
    int rc = fetch(o->dir);
    if (rc < 0) {
        (void)weft__sys_close(fd);
    }
    return rc;
}

int weft_dir_open(struct weft_dir **dir, const char *path)
{
    struct opening o = {.path = path, .dir = weft__alloc(sizeof *o.dir)};
    if (o.dir == NULL) {
        return -ENOMEM;
    }
    int result = 0;
    int rc = weft__park_job(open_and_fetch, &o, &result, WAIT_PATH, NULL,
                            __builtin_return_address(0));
    rc = rc != 0 ? rc : result;
    if (rc < 0) {
        weft__free(o.dir);
        return rc;
    }
    *dir = o.dir;
    return 0;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* What is next in the batch; NULL if nothing is. */
static const struct record *next_record(struct weft_dir *dir)
{
    while (dir->at < dir->n) {
        const struct record *r = (const void *)((const char *)dir->batch + dir->at);
        dir->at += r->bytes;
        if (!is_dots(r->name)) {
            return r;
        }
    }
    return NULL;
}

int weft_dir_next(struct weft_dir *dir, struct weft_dir_entry *entry)
{
    const struct record *r;
    while ((r = next_record(dir)) == NULL) {
        int result = 0;
        int rc = weft__park_job(fetch, dir, &result, WAIT_FILE, (const void *)(intptr_t)dir->fd,
                                __builtin_return_address(0));
        rc = rc != 0 ? rc : result;
        if (rc <= 0) {
            return rc;
        }
    }
    *entry = (struct weft_dir_entry){
        .name = r->name,
        .inode = r->inode,
        .type = (mode_t)r->type << 12, /* so are both numbered */
    };
    return 1;
}

void weft_dir_close(struct weft_dir *dir)
{
    if (dir != NULL) {
        (void)weft__sys_close(dir->fd); /* which nobody else knows */
        weft__free(dir);
        if (weft__park_runtime() != NULL) {
            weft__park_descriptor_is_free(weft__park_fd_waits());
        }
    }
}
