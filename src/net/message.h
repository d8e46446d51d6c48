/* SPDX-License-Identifier: MIT */
/* message.h - for net/: one message, tried and waited for. */
#ifndef WEFT_NET_MESSAGE_H
#define WEFT_NET_MESSAGE_H

#include <weft/net.h>

#include "../io/io.h"

/* Set up the record of an operation on one message, WEFT__OP_RECVMSG or WEFT__OP_SENDMSG. */
void weft__message_init(struct weft__op_wait *ow, enum weft__op_kind kind, int fd,
                        const struct msghdr *msg, int flags);

/* Send op's message, or what try_now sends in its place; waits for room.  The result of op, or of
 * try_now. */
ssize_t weft__message_send(struct weft__op *op, weft__io_try_fn *try_now, const void *caller);

/* Of a message that came: its sender, of whose address the kernel wrote `len` bytes: none at all
 * for a UNIX socket without a name. */
void weft__message_sender(struct weft_addr *from, socklen_t len);

#endif
