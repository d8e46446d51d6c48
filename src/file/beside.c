/* SPDX-License-Identifier: MIT */
/* beside.c - see beside.h. */
#include "beside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>

#include "../base/atomic.h"
#include "../base/clock.h"
#include "../base/random.h"
#include "../base/sys.h"

#define TRIES 100
#define PREFIX ".weft-"
#define LETTERS 12

/* How many bytes of path are its folder, without the slash: 0 for "/a", -1 if it names none. */
static ssize_t folder_bytes(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash - path : -1;
}

void weft__beside_folder(char folder[WEFT__PATH_BYTES], const char *path)
{
    ssize_t n = folder_bytes(path);
    if (n <= 0) {
        memcpy(folder, n < 0 ? "." : "/", 2);
        return;
    }
    n = n < WEFT__PATH_BYTES ? n : WEFT__PATH_BYTES - 1;
    memcpy(folder, path, (size_t)n);
    folder[n] = 0;
}

/* A name need not be secret, since a file that is there is never opened; only seldom taken. */
static uint64_t draw(void)
{
    static _Atomic uint64_t last;
    uint64_t state = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) << 48;
    state ^= (uint64_t)weft__clock_ns() ^ (uint64_t)weft__sys_thread_id() << 32;
    state |= 1;
    (void)weft__random_next(&state);
    return weft__random_next(&state);
}

int weft__beside_make_in(char made[WEFT__PATH_BYTES], const char *folder, size_t bytes, mode_t mode)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    if (bytes + sizeof "/" PREFIX + LETTERS > WEFT__PATH_BYTES) {
        return -ENAMETOOLONG;
    }
    int fd = -EEXIST;
    for (int i = 0; i < TRIES && fd == -EEXIST; i++) {
        memcpy(made, folder, bytes);
        memcpy(made + bytes, "/" PREFIX, sizeof "/" PREFIX);
        char *at = made + bytes + sizeof "/" PREFIX - 1;
        uint64_t random = draw();
        for (int k = 0; k < LETTERS; k++, random >>= 5) {
            *at++ = letters[random & 31];
        }
        *at = 0;
        fd = weft__sys_open(made, O_RDWR | O_CREAT | O_EXCL, mode);
    }
    return fd;
}

int weft__beside_make(char made[WEFT__PATH_BYTES], const char *path, mode_t mode)
{
    ssize_t n = folder_bytes(path);
    return n < 0 ? weft__beside_make_in(made, ".", 1, mode)
                 : weft__beside_make_in(made, path, (size_t)n, mode);
}
