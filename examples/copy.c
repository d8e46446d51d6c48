/* SPDX-License-Identifier: MIT */
/*
 * copy.c - copies a file with read-ahead: while one block is written, the next ones are read.
 *
 *     copy FROM TO
 *
 *     reader --> full, a channel of blocks --> writer
 *        ^                                       |
 *        +---------- empty, the same <-----------+
 *
 * There are as many blocks as the channels hold; a reader that is ahead by all of them waits.  A
 * writer that fails closes both channels, and the reader reads no more.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <weft.h>

#define N_BLOCKS 8
#define BLOCK_BYTES (256 * 1024)

struct block {
    ssize_t n; /* bytes in it, or what the read has said */
    char bytes[BLOCK_BYTES];
};

WEFT_CHAN_TYPE(block_chan, struct block *);

struct copy {
    int from, to;
    block_chan empty, full;
};

/* The blocks of the file in their order; the last one says 0 or why there are no more. */
static int read_ahead(void *arg)
{
    struct copy *c = arg;
    struct block *b;
    int64_t at = 0;
    ssize_t n = 1;

    while (n > 0 && block_chan_recv(c->empty, &b) == 0) {
        n = b->n = weft_pread(c->from, b->bytes, sizeof b->bytes, at);
        at += n > 0 ? n : 0;
        if (block_chan_send(c->full, b) != 0)
            break;
    }
    return 0;
}

/* How many bytes, or -errno. */
static int64_t write_all(struct copy *c)
{
    struct block *b;
    int64_t at = 0;
    int rc;

    while ((rc = block_chan_recv(c->full, &b)) == 0) {
        if (b->n <= 0) {
            rc = (int)b->n;
            break;
        }
        ssize_t n = weft_pwrite(c->to, b->bytes, (size_t)b->n, at);
        if (n != b->n) {
            rc = n < 0 ? (int)n : -EIO;
            break;
        }
        at += n;
        if ((rc = block_chan_send(c->empty, b)) != 0)
            break;
    }
    block_chan_close(c->empty); /* the reader reads no more */
    block_chan_close(c->full);
    return rc != 0 ? rc : at;
}

static int64_t copy(struct copy *c)
{
    struct block *blocks = malloc(N_BLOCKS * sizeof *blocks);
    struct weft_co *reader;
    int64_t n;
    int rc = blocks != NULL ? 0 : -ENOMEM;

    c->empty = block_chan_make(N_BLOCKS);
    c->full = block_chan_make(N_BLOCKS);
    for (int i = 0; rc == 0 && i < N_BLOCKS; i++)
        rc = block_chan_send(c->empty, &blocks[i]);
    reader = rc == 0 ? weft_go_with(read_ahead, c, .name = "reader") : NULL;
    n = reader != NULL ? write_all(c) : -ENOMEM;
    rc = reader != NULL ? weft_join(reader, NULL) : rc;
    n = rc != 0 ? rc : n;
    block_chan_unref(c->empty);
    block_chan_unref(c->full);
    free(blocks);
    return n;
}

static int app(void *arg)
{
    char **paths = arg;
    struct copy c = {.from = weft_open(paths[0], O_RDONLY, 0), .to = -1};
    int64_t n = c.from;

    if (c.from >= 0)
        n = c.to = weft_open(paths[1], O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (c.to >= 0)
        n = copy(&c);
    if (c.to >= 0 && n >= 0 && weft_fsync(c.to) != 0)
        n = -EIO;
    weft_close(c.from);
    weft_close(c.to);
    if (n < 0) {
        fprintf(stderr, "copy: %s\n", weft_strerror(n));
        return 1;
    }
    printf("%lld bytes copied\n", (long long)n);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: copy FROM TO\n");
        return 2;
    }
    return weft_run(app, argv + 1);
}
