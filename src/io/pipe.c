/* SPDX-License-Identifier: MIT */
/* pipe.c - pipes, and terminals and pipes of others opened once more. */
#include <weft/pipe.h>

#include <errno.h>

#include "../base/sys.h"
#include "../base/sys_process.h"

int weft_pipe(int fds[2])
{
    return weft__sys_pipe(fds, true);
}

int weft_reopen(int fd)
{
    if (fd < 0) {
        return -EBADF;
    }
    int rc = weft__sys_reopen(fd);
    bool is_final = rc >= 0 || rc == -EBADF || rc == -EMFILE || rc == -ENFILE;
    return is_final ? rc : weft__sys_dup(fd);
}
