/* SPDX-License-Identifier: MIT */
/* port.h - names that the headers of some systems lack, and what stands for them there. */
#ifndef WEFT_BASE_PORT_H
#define WEFT_BASE_PORT_H

#include <errno.h>
#include <signal.h>
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

#ifndef MSG_MORE
#define MSG_MORE 0 /* a hint */
#endif

#ifndef MSG_CONFIRM
#define MSG_CONFIRM 0 /* another */
#endif

#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0 /* a program that is started inherits what was received */
#endif

#if defined(__APPLE__)
struct mmsghdr {
    struct msghdr msg_hdr;
    unsigned msg_len;
};
#define SIGRTMIN 32 /* there are none */
#define SI_TKILL SI_USER
#elif defined(__FreeBSD__)
#define SI_TKILL SI_LWP
#endif

#ifndef SOCK_NONBLOCK
#define SOCK_NONBLOCK 0x10000000 /* known to weft__sys_socket() alone */
#endif

#endif
