/* SPDX-License-Identifier: MIT */
/* sys_name.c - the name services of the system, as -errno. */
#define _GNU_SOURCE
#include <weft/net.h>

#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <string.h>

#include "compiler.h"
#include "sys_result.h"

int weft__sys_lookup_error(int eai, int error)
{
    switch (eai) {
    case EAI_NONAME:
        return -ENOENT;
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
#ifdef EAI_ADDRFAMILY
    case EAI_ADDRFAMILY:
#endif
        return -ENODATA;
    case EAI_SERVICE:
        return -EPROTONOSUPPORT;
    case EAI_AGAIN:
        return -EAGAIN;
    case EAI_FAMILY:
        return -EAFNOSUPPORT;
    case EAI_SOCKTYPE:
    case EAI_BADFLAGS:
        return -EINVAL;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return error > 0 ? -error : -EIO;
#ifdef EAI_OVERFLOW
    case EAI_OVERFLOW:
        return -ENAMETOOLONG;
#endif
    default: /* EAI_FAIL, and what a libc may have beside */
        return -EIO;
    }
}

int weft__sys_lookup(const char *host, const char *service, int family, int socktype,
                     struct weft_addr *addrs, int max)
{
    int fault = weft__fault(WEFT__CALL_LOOKUP);
    if (WEFT__UNLIKELY(fault != 0)) {
        return fault;
    }
    struct addrinfo hints = {.ai_family = family, .ai_socktype = socktype};
    struct addrinfo *list = NULL;
    int eai = getaddrinfo(host, service, &hints, &list);
    if (eai != 0) {
        return weft__sys_lookup_error(eai, weft__errno());
    }
    int n = 0;
    for (const struct addrinfo *ai = list; ai != NULL && n < max; ai = ai->ai_next) {
        if (ai->ai_addrlen <= sizeof addrs[n].storage) {
            memset(&addrs[n], 0, sizeof addrs[n]);
            memcpy(&addrs[n].storage, ai->ai_addr, ai->ai_addrlen);
            addrs[n].len = ai->ai_addrlen;
            n++;
        }
    }
    freeaddrinfo(list);
    return n > 0 ? n : -ENODATA;
}

int64_t weft__sys_interface(const char *name)
{
    unsigned index = if_nametoindex(name);
    return index != 0 ? (int64_t)index : -ENODEV;
}
