/* SPDX-License-Identifier: MIT */
/* calls_message.h - rows of calls.h: datagrams, and messages with flags and descriptors. */
#ifndef WEFT_TESTS_CALLS_MESSAGE_H
#define WEFT_TESTS_CALLS_MESSAGE_H

ROW("weft_dgram_bind_addr", COROUTINE, 0, FATAL, FATAL,
    OPENED(weft_dgram_bind_addr(&t->addr, NULL)))
ROW("weft_dgram_bind", COROUTINE, 0, FATAL, FATAL, OPENED(weft_dgram_bind("127.0.0.1:0")))
ROW("weft_dgram_open", COROUTINE, 0, FATAL, FATAL, OPENED(weft_dgram_open(AF_INET)))
ROW("weft_dgram_dial", COROUTINE, -ECONNREFUSED, FATAL, FATAL,
    weft_dgram_dial("unix:@weft-nobody-is-there"))
ROW("weft_dgram_connect", EVERYWHERE, -EBADF, -EBADF, -EBADF, weft_dgram_connect(-1, NULL))
ROW("weft_dgram_send", COROUTINE, -EBADF, FATAL, FATAL, weft_dgram_send(-1, "x", 1, NULL))
ROW("weft_dgram_recv", COROUTINE, -EBADF, FATAL, FATAL, weft_dgram_recv(-1, NULL, 0, NULL, NULL))
ROW("weft_dgram_send_many", COROUTINE, -EBADF, FATAL, FATAL,
    weft_dgram_send_many(-1, &(struct weft_dgram){.bytes = 0}, 1))
ROW("weft_dgram_recv_many", COROUTINE, -EBADF, FATAL, FATAL,
    weft_dgram_recv_many(-1, &(struct weft_dgram){.bytes = 0}, 1))
ROW("weft_dgram_send_train", COROUTINE, -EBADF, FATAL, FATAL,
    weft_dgram_send_train(-1, "x", 1, 1, NULL))
ROW("weft_dgram_recv_train", COROUTINE, -EBADF, FATAL, FATAL,
    weft_dgram_recv_train(-1, NULL, 0, &(size_t){0}, NULL))
ROW("weft_dgram_merge", EVERYWHERE, -EBADF, -EBADF, -EBADF, weft_dgram_merge(-1, true))
ROW("weft_set_broadcast", EVERYWHERE, -EBADF, -EBADF, -EBADF, weft_set_broadcast(-1, true))
ROW("weft_multicast_join", EVERYWHERE, -EINVAL, -EINVAL, -EINVAL,
    weft_multicast_join(-1, &t->addr, NULL))
ROW("weft_multicast_leave", EVERYWHERE, -EINVAL, -EINVAL, -EINVAL,
    weft_multicast_leave(-1, &t->addr, NULL))
ROW("weft_multicast_ttl", EVERYWHERE, -EBADF, -EBADF, -EBADF, weft_multicast_ttl(-1, 1))
ROW("weft_multicast_loop", EVERYWHERE, -EBADF, -EBADF, -EBADF, weft_multicast_loop(-1, true))
ROW("weft_multicast_interface", EVERYWHERE, -EBADF, -EBADF, -EBADF,
    weft_multicast_interface(-1, NULL))
ROW("weft_recv", COROUTINE, -EBADF, FATAL, FATAL, weft_recv(-1, NULL, 0, 0))
ROW("weft_send", COROUTINE, -EBADF, FATAL, FATAL, weft_send(-1, "x", 1, 0))
ROW("weft_peek", COROUTINE, -EBADF, FATAL, FATAL, weft_peek(-1, (char[1]){0}, 1))
ROW("weft_recv_msg", COROUTINE, -EBADF, FATAL, FATAL, weft_recv_msg(-1, &(struct msghdr){0}, 0))
ROW("weft_send_msg", COROUTINE, -EBADF, FATAL, FATAL, weft_send_msg(-1, &(struct msghdr){0}, 0))
ROW("weft_send_fds", COROUTINE, -EBADF, FATAL, FATAL,
    weft_send_fds(-1, "x", 1, (int[1]){0}, 1))
ROW("weft_recv_fds", COROUTINE, -EBADF, FATAL, FATAL,
    weft_recv_fds(-1, (char[1]){0}, 1, NULL, &(int){0}))

#endif
