/* SPDX-License-Identifier: MIT */
/* sys_bsd.h - what the files of macOS and the BSDs share. */
#ifndef WEFT_BASE_SYS_BSD_H
#define WEFT_BASE_SYS_BSD_H

#include <stddef.h>
#include <stdint.h>

/* Lay out what getdents64(2) of Linux says of one name; how long that is.  Theirs is longer. */
size_t weft__sys_put_record(char *to, uint64_t inode, unsigned type, const char *name,
                            size_t name_bytes);

#endif
