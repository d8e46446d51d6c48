/* SPDX-License-Identifier: MIT */
/*
 * sites.h - put before each file of the library when it is built for tests/fault (fault.mk): each
 * call that passes the fault door says from where.
 *
 * The sites lie in a section of their own, where a test finds all of them, also those that are
 * never come to.  A call with a door that has no line here is found out by the test.
 */
#ifndef WEFT_TESTS_FAULT_SITES_H
#define WEFT_TESTS_FAULT_SITES_H

#include "base/sys.h"

struct fault_site {
    const char *file, *call; /* "src/net/dial.c", "weft__sys_socket" */
    long line;
};

/* In the test: this thread is about to make the call; NULL: it has made it. */
void fault_at(const struct fault_site *site);

#define FAULT_AT(function, ...)                                                                    \
    ({                                                                                             \
        static const struct fault_site site_                                                       \
            __attribute__((section("fault_sites"), used, aligned(8))) = {__FILE__, #function,      \
                                                                         __LINE__};                \
        fault_at(&site_);                                                                          \
        __auto_type result_ = function(__VA_ARGS__);                                               \
        fault_at(NULL);                                                                            \
        result_;                                                                                   \
    })

#define weft__alloc(...) FAULT_AT(weft__alloc, __VA_ARGS__)
#define weft__alloc_line(...) FAULT_AT(weft__alloc_line, __VA_ARGS__)
#define weft__map(...) FAULT_AT(weft__map, __VA_ARGS__)
#define weft__sys_fault_now(...) FAULT_AT(weft__sys_fault_now, __VA_ARGS__)
#define weft__sys_mmap(...) FAULT_AT(weft__sys_mmap, __VA_ARGS__)
#define weft__sys_mprotect(...) FAULT_AT(weft__sys_mprotect, __VA_ARGS__)
#define weft__sys_madvise(...) FAULT_AT(weft__sys_madvise, __VA_ARGS__)
#define weft__sys_madvise_all(...) FAULT_AT(weft__sys_madvise_all, __VA_ARGS__)
#define weft__sys_forget(...) FAULT_AT(weft__sys_forget, __VA_ARGS__)
#define weft__sys_small_pages(...) FAULT_AT(weft__sys_small_pages, __VA_ARGS__)
#define weft__sys_membarrier_register(...) FAULT_AT(weft__sys_membarrier_register, __VA_ARGS__)
#define weft__sys_membarrier(...) FAULT_AT(weft__sys_membarrier, __VA_ARGS__)
#define weft__sys_thread_start(...) FAULT_AT(weft__sys_thread_start, __VA_ARGS__)
#define weft__sys_thread_count(...) FAULT_AT(weft__sys_thread_count, __VA_ARGS__)
#define weft__sys_kernel_thread_count(...) FAULT_AT(weft__sys_kernel_thread_count, __VA_ARGS__)
#define weft__sys_cpus_get(...) FAULT_AT(weft__sys_cpus_get, __VA_ARGS__)
#define weft__sys_cpus_set(...) FAULT_AT(weft__sys_cpus_set, __VA_ARGS__)
#define weft__sys_cpu_count(...) FAULT_AT(weft__sys_cpu_count, __VA_ARGS__)
#define weft__sys_read_file(...) FAULT_AT(weft__sys_read_file, __VA_ARGS__)
#define weft__sys_read_now(...) FAULT_AT(weft__sys_read_now, __VA_ARGS__)
#define weft__sys_write_now(...) FAULT_AT(weft__sys_write_now, __VA_ARGS__)
#define weft__sys_recv_now(...) FAULT_AT(weft__sys_recv_now, __VA_ARGS__)
#define weft__sys_send_now(...) FAULT_AT(weft__sys_send_now, __VA_ARGS__)
#define weft__sys_recvmsg_now(...) FAULT_AT(weft__sys_recvmsg_now, __VA_ARGS__)
#define weft__sys_sendmsg_now(...) FAULT_AT(weft__sys_sendmsg_now, __VA_ARGS__)
#define weft__sys_recvmmsg_now(...) FAULT_AT(weft__sys_recvmmsg_now, __VA_ARGS__)
#define weft__sys_sendmmsg_now(...) FAULT_AT(weft__sys_sendmmsg_now, __VA_ARGS__)
#define weft__sys_sendfile_now(...) FAULT_AT(weft__sys_sendfile_now, __VA_ARGS__)
#define weft__sys_splice_now(...) FAULT_AT(weft__sys_splice_now, __VA_ARGS__)
#define weft__sys_pipe(...) FAULT_AT(weft__sys_pipe, __VA_ARGS__)
#define weft__sys_pread(...) FAULT_AT(weft__sys_pread, __VA_ARGS__)
#define weft__sys_accept_now(...) FAULT_AT(weft__sys_accept_now, __VA_ARGS__)
#define weft__sys_connect(...) FAULT_AT(weft__sys_connect, __VA_ARGS__)
#define weft__sys_readv(...) FAULT_AT(weft__sys_readv, __VA_ARGS__)
#define weft__sys_writev(...) FAULT_AT(weft__sys_writev, __VA_ARGS__)
#define weft__sys_read(...) FAULT_AT(weft__sys_read, __VA_ARGS__)
#define weft__sys_write(...) FAULT_AT(weft__sys_write, __VA_ARGS__)
#define weft__sys_close(...) FAULT_AT(weft__sys_close, __VA_ARGS__)
#define weft__sys_poll(...) FAULT_AT(weft__sys_poll, __VA_ARGS__)
#define weft__sys_socket(...) FAULT_AT(weft__sys_socket, __VA_ARGS__)
#define weft__sys_socketpair(...) FAULT_AT(weft__sys_socketpair, __VA_ARGS__)
#define weft__sys_bind(...) FAULT_AT(weft__sys_bind, __VA_ARGS__)
#define weft__sys_listen(...) FAULT_AT(weft__sys_listen, __VA_ARGS__)
#define weft__sys_shutdown(...) FAULT_AT(weft__sys_shutdown, __VA_ARGS__)
#define weft__sys_getsockname(...) FAULT_AT(weft__sys_getsockname, __VA_ARGS__)
#define weft__sys_getpeername(...) FAULT_AT(weft__sys_getpeername, __VA_ARGS__)
#define weft__sys_setsockopt(...) FAULT_AT(weft__sys_setsockopt, __VA_ARGS__)
#define weft__sys_getsockopt(...) FAULT_AT(weft__sys_getsockopt, __VA_ARGS__)
#define weft__sys_family(...) FAULT_AT(weft__sys_family, __VA_ARGS__)
#define weft__sys_eventfd(...) FAULT_AT(weft__sys_eventfd, __VA_ARGS__)
#define weft__sys_epoll_create(...) FAULT_AT(weft__sys_epoll_create, __VA_ARGS__)
#define weft__sys_epoll_ctl(...) FAULT_AT(weft__sys_epoll_ctl, __VA_ARGS__)
#define weft__sys_epoll_wait(...) FAULT_AT(weft__sys_epoll_wait, __VA_ARGS__)
#define weft__sys_kqueue(...) FAULT_AT(weft__sys_kqueue, __VA_ARGS__)
#define weft__sys_kevent(...) FAULT_AT(weft__sys_kevent, __VA_ARGS__)
#define weft__sys_lookup(...) FAULT_AT(weft__sys_lookup, __VA_ARGS__)

#endif
