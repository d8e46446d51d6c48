/* SPDX-License-Identifier: MIT */
/* version.c - who we are, and what our result codes mean. */
#define _GNU_SOURCE
#include <weft/base.h>

#include <string.h>

const char *weft_version(void)
{
    return WEFT_STR(WEFT_VERSION_MAJOR) "." WEFT_STR(WEFT_VERSION_MINOR) "." WEFT_STR(
        WEFT_VERSION_PATCH);
}

/* A table of our own: strerror() may allocate and depends on the locale, strerrordesc_np() is not
 * in every libc. */
static const struct {
    int code;
    const char *text;
} texts[] = {
    {1, "operation not permitted"},
    {2, "no such file, directory or name"},
    {4, "interrupted"},
    {5, "input/output error"},
    {9, "bad file descriptor, or closed meanwhile"},
    {11, "would block"},
    {12, "out of memory"},
    {13, "permission denied"},
    {14, "bad address"},
    {16, "busy"},
    {17, "exists already"},
    {18, "belongs to another runtime"},
    {19, "no such device"},
    {20, "not a directory"},
    {21, "is a directory"},
    {22, "invalid argument"},
    {23, "too many open files in the system"},
    {24, "too many open files in the process"},
    {27, "file too large"},
    {28, "no space left"},
    {29, "illegal seek"},
    {30, "read-only file system"},
    {32, "closed by the other side"},
    {35, "deadlock"},
    {36, "name too long"},
    {38, "not provided by this system"},
    {61, "no data of that kind"},
    {71, "protocol error"},
    {75, "value too large"},
    {88, "not a socket"},
    {90, "message too long"},
    {92, "protocol option not available"},
    {93, "protocol or service not known"},
    {95, "operation not supported"},
    {97, "address family not supported"},
    {98, "address already in use"},
    {99, "address not available"},
    {100, "network is down"},
    {101, "network is unreachable"},
    {103, "connection aborted"},
    {104, "connection reset by the other side"},
    {105, "no buffer space"},
    {106, "already connected"},
    {107, "not connected"},
    {108, "being stopped"},
    {110, "timed out"},
    {111, "connection refused"},
    {112, "host is down"},
    {113, "host is unreachable"},
    {114, "already in progress"},
    {115, "in progress"},
    {122, "quota exceeded"},
    {125, "cancelled"},
};

const char *weft_strerror(ssize_t rc)
{
    if (rc >= 0) {
        return "success";
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].code == -rc) {
            return texts[i].text;
        }
    }
    return "unknown error";
}
