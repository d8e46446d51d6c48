/* SPDX-License-Identifier: MIT */
/* beside.h - for file/: a new file in a folder, of a name that nobody has.  These calls block. */
#ifndef WEFT_FILE_BESIDE_H
#define WEFT_FILE_BESIDE_H

#include <sys/types.h>

#define WEFT__PATH_BYTES 4096

/* The folder that path is in: "." if it names none.  Cut if it does not fit. */
void weft__beside_folder(char folder[WEFT__PATH_BYTES], const char *path);

/* Make a file in a folder, whose name has `bytes` bytes, open for reading and writing; `made`
 * receives its path.  The fd, or -errno. */
int weft__beside_make_in(char made[WEFT__PATH_BYTES], const char *folder, size_t bytes,
                         mode_t mode);

/* The same in the folder that path is in. */
int weft__beside_make(char made[WEFT__PATH_BYTES], const char *path, mode_t mode);

#endif
