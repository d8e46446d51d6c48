/* SPDX-License-Identifier: MIT */
/*
 * request.h - the requests of the Redis protocol (RESP2), as they come out of a buffered reader.
 *
 *     *2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n      an array of strings, each with its length
 *     ECHO "hi"\r\n                         the same as one types it
 *
 * One that has come whole is left where it is, in the reader's buffer, until the next one is read;
 * of others, what a peer announces is never allocated before it has come.
 */
#ifndef REDIS_SERVER_REQUEST_H
#define REDIS_SERVER_REQUEST_H

#include <weft.h>

#include "bytes.h"

#define REQUEST_ARGS_MAX 65536
#define REQUEST_ARG_BYTES_MAX ((size_t)16 << 20)
#define REQUEST_BYTES_MAX ((size_t)64 << 20)

struct request {
    int count; /* at least 1 */
    struct span *args; /* until the next one is read */
    const char *refusal; /* after -EPROTO: what is wrong */

    int room;            /* of args */
    size_t in_place;     /* so many bytes of the reader's buffer are it; 0: it is in `memory` */
    struct bytes memory; /* each has two bytes behind it */
};

/* Reads the next one.  Returns 1; 0 at the end of the stream; -EPROTO if it is none: where the next
 * one begins is not known then; or an error of the stream. */
int request_read(struct request *r, struct weft_reader *in);

void request_free(struct request *r);

#endif
