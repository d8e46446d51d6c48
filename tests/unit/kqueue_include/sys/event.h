/* SPDX-License-Identifier: MIT */
/* event.h - of kqueue(2), what the driver uses: for tests/unit/kqueue.c, where there is no kqueue.
 * The numbers are those of macOS and the BSDs. */
#ifndef WEFT_TEST_SYS_EVENT_H
#define WEFT_TEST_SYS_EVENT_H

#include <stdint.h>

struct kevent {
    uintptr_t ident;
    short filter;
    unsigned short flags;
    unsigned int fflags;
    intptr_t data;
    void *udata;
};

#define EV_SET(to, ident_, filter_, flags_, fflags_, data_, udata_)                                \
    (*(to) = (struct kevent){.ident = (ident_),                                                    \
                             .filter = (filter_),                                                  \
                             .flags = (flags_),                                                    \
                             .fflags = (fflags_),                                                  \
                             .data = (data_),                                                      \
                             .udata = (udata_)})

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)
#define EVFILT_USER (-11)

#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_CLEAR 0x0020
#define EV_RECEIPT 0x0040
#define EV_ERROR 0x4000
#define EV_EOF 0x8000

#endif
