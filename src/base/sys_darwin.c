/* SPDX-License-Identifier: MIT */
/* sys_darwin.c - what only macOS is asked so.  Parking needs macOS 14.4. */
#include <dirent.h>
#include <errno.h>
#include <libproc.h>
#include <mach/mach.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/attr.h>
#include <sys/ucontext.h>
#include <time.h>
#include <unistd.h>

#include "atomic.h"
#include "clock.h"
#include "sys_bsd.h"
#include "sys_result.h"

/* Of <os/os_sync_wait_on_address.h>, which older SDKs lack. */
#define OS_CLOCK_MACH_ABSOLUTE_TIME 32
int os_sync_wait_on_address(void *addr, uint64_t value, size_t size, uint32_t flags);
int os_sync_wait_on_address_with_timeout(void *addr, uint64_t value, size_t size, uint32_t flags,
                                         uint32_t clockid, uint64_t timeout_ns);
int os_sync_wake_by_address_any(void *addr, size_t size, uint32_t flags);
int os_sync_wake_by_address_all(void *addr, size_t size, uint32_t flags);

/* Another value than `expected` is a wait that is over at once. */
int weft__sys_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
    int rc;
    if (deadline_ns == INT64_MAX) {
        rc = weft__result(os_sync_wait_on_address((void *)word, expected, sizeof *word, 0));
    } else {
        int64_t left_ns = deadline_ns - weft__clock_ns();
        if (left_ns <= 0) {
            return -ETIMEDOUT; /* a time-out of 0 is refused */
        }
        rc = weft__result(os_sync_wait_on_address_with_timeout((void *)word, expected,
                                                               sizeof *word, 0,
                                                               OS_CLOCK_MACH_ABSOLUTE_TIME,
                                                               (uint64_t)left_ns));
    }
    return rc == -ETIMEDOUT ? rc : 0;
}

void weft__sys_futex_wake(_Atomic uint32_t *word, int count)
{
    while (count-- > 0) {
        if (count > 1) {
            (void)os_sync_wake_by_address_all((void *)word, sizeof *word, 0);
            return;
        }
        (void)os_sync_wake_by_address_any((void *)word, sizeof *word, 0);
    }
}

void weft__sys_thread_name(const char *name)
{
    pthread_setname_np(name);
}

/* The number of its port in this process. */
int weft__sys_thread_id(void)
{
    return (int)pthread_mach_thread_np(pthread_self());
}

void weft__sys_thread_stack(const void **low, size_t *bytes)
{
    pthread_t self = pthread_self();
    *bytes = pthread_get_stacksize_np(self);
    *low = (const char *)pthread_get_stackaddr_np(self) - *bytes; /* it gives the high end */
}

int weft__sys_thread_count(void)
{
    struct proc_taskinfo info;
    int n = proc_pidinfo(getpid(), PROC_PIDTASKINFO, 0, &info, (int)sizeof info);
    return n == (int)sizeof info ? info.pti_threadnum : -ENOSYS;
}

int64_t weft__sys_thread_cpu_ns(int id)
{
    thread_basic_info_data_t info;
    mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;
    if (thread_info((thread_act_t)id, THREAD_BASIC_INFO, (thread_info_t)&info, &count) !=
        KERN_SUCCESS) {
        return -ESRCH;
    }
    int64_t us = ((int64_t)info.user_time.seconds + info.system_time.seconds) * 1000000 +
                 info.user_time.microseconds + info.system_time.microseconds;
    return us * 1000;
}

int weft__sys_thread_signal(int id, int sig)
{
    pthread_t thread = pthread_from_mach_thread_np((mach_port_t)id);
    return thread != NULL ? -pthread_kill(thread, sig) : -ESRCH;
}

/* Nobody is told which CPUs are his, only how many there are. */
int weft__sys_cpus_get(struct weft__cpu_set *set)
{
    memset(set, 0, sizeof *set);
    int rc = weft__fault(WEFT__CALL_AFFINITY);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    for (long i = 0; rc == 0 && i < n && i < WEFT__CPUS_MAX; i++) {
        set->bits[(size_t)i / WEFT__CPU_WORD_BITS] |= 1ul << ((size_t)i % WEFT__CPU_WORD_BITS);
    }
    return rc;
}

int weft__sys_cpus_set(const struct weft__cpu_set *set)
{
    (void)set;
    return -ENOSYS;
}

void weft__sys_signal_registers(const void *ucontext, uintptr_t registers[WEFT__SIGNAL_REGISTERS])
{
    const struct __darwin_mcontext64 *mc = ((const ucontext_t *)ucontext)->uc_mcontext;
    memset(registers, 0, WEFT__SIGNAL_REGISTERS * sizeof *registers);
#if defined(__x86_64__)
    const uint64_t by_number[] = {
        mc->__ss.__rax, mc->__ss.__rdx, mc->__ss.__rcx, mc->__ss.__rbx, mc->__ss.__rsi,
        mc->__ss.__rdi, mc->__ss.__rbp, mc->__ss.__rsp, mc->__ss.__r8,  mc->__ss.__r9,
        mc->__ss.__r10, mc->__ss.__r11, mc->__ss.__r12, mc->__ss.__r13, mc->__ss.__r14,
        mc->__ss.__r15, mc->__ss.__rip};
    memcpy(registers, by_number, sizeof by_number);
#elif defined(__aarch64__)
    memcpy(registers, mc->__ss.__x, sizeof mc->__ss.__x); /* x0 .. x28 */
    registers[29] = (uintptr_t)mc->__ss.__fp;
    registers[30] = (uintptr_t)mc->__ss.__lr;
    registers[31] = (uintptr_t)mc->__ss.__sp;
    registers[32] = (uintptr_t)mc->__ss.__pc;
#endif
}

/* One name, as getattrlistbulk(2) packs what is asked for below. */
struct __attribute__((packed, aligned(4))) entry {
    uint32_t bytes;
    attribute_set_t has;
    attrreference_t name; /* its place from here on */
    uint32_t type;
    uint64_t inode;
};

/* In the order of enum vtype, whose header not every SDK has. */
static const unsigned char types[] = {DT_UNKNOWN, DT_REG, DT_DIR,  DT_BLK,
                                      DT_CHR,     DT_LNK, DT_SOCK, DT_FIFO};

/* readdir(3) would do, if its place in the folder were not the stream's own. */
ssize_t weft__sys_read_dir(int fd, void *records, size_t bytes)
{
    FAULT(FILE);
    struct attrlist wanted = {.bitmapcount = ATTR_BIT_MAP_COUNT,
                              .commonattr = ATTR_CMN_RETURNED_ATTRS | ATTR_CMN_NAME |
                                            ATTR_CMN_OBJTYPE | ATTR_CMN_FILEID};
    uint64_t room[2048];
    const char *from = (const char *)room;
    char *to = records;
    int n = weft__result(getattrlistbulk(fd, &wanted, room,
                                         bytes < sizeof room ? bytes : sizeof room,
                                         FSOPT_PACK_INVAL_ATTRS));
    for (int i = 0; i < n; i++) {
        const struct entry *e = (const struct entry *)from;
        const char *name = (const char *)&e->name + e->name.attr_dataoffset;
        unsigned type = e->type < WEFT__COUNT(types) ? types[e->type] : DT_UNKNOWN;
        to += weft__sys_put_record(to, e->inode, type, name, strlen(name));
        from += e->bytes;
    }
    return n < 0 ? n : to - (char *)records;
}

/* Readable when it was written to: a datagram socket that is connected to itself.  What an eventfd
 * adds up is read one by one here. */
int weft__sys_eventfd(void)
{
    FAULT(EVENTFD);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    int fd = weft__sys_socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return fd;
    }
    int rc = weft__sys_bind(fd, (const struct sockaddr *)&at, len);
    rc = rc != 0 ? rc : weft__sys_getsockname(fd, (struct sockaddr *)&at, &len);
    rc = rc != 0 ? rc : weft__sys_connect(fd, (const struct sockaddr *)&at, len);
    if (rc != 0) {
        (void)weft__sys_close(fd);
        return rc;
    }
    return weft__sys_move_fd(fd);
}
