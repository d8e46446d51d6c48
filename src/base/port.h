/* SPDX-License-Identifier: MIT */
/* port.h - names that the headers of some systems lack, and what stands for them there. */
#ifndef WEFT_BASE_PORT_H
#define WEFT_BASE_PORT_H

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>

#ifndef ENODATA
#define ENODATA ENOATTR /* FreeBSD */
#endif

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0 /* nothing is reserved there */
#endif

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* weft__sys_socket() sees to it */
#endif

#ifndef SOCK_NONBLOCK
#define SOCK_NONBLOCK 0x10000000 /* known to weft__sys_socket() alone */
#endif

#endif
