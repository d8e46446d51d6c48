/* SPDX-License-Identifier: MIT */
/* waits_buffer.h - of waits.h: the calls of readers and writers, each of which has one made. */
#ifndef WEFT_TESTS_WAITS_BUFFER_H
#define WEFT_TESTS_WAITS_BUFFER_H

#include "waits_world.h"

static void write_a_line(struct world *w)
{
    CHECK_EQ(write(w->fd[0], "\n", 1), 1);
}

#define READER(r)                                                                                  \
    char r##_buf[16], byte[1] __attribute__((unused));                                             \
    struct weft_line line __attribute__((unused));                                                 \
    struct weft_reader r;                                                                          \
    weft_reader_init(&r, weft_stream_of_fd(w->fd[1]), r##_buf, sizeof r##_buf)

static ssize_t call_reader_read(struct world *w)
{
    READER(r);
    return weft_reader_read(&r, byte, 1);
}

static ssize_t call_reader_read_full(struct world *w)
{
    READER(r);
    return weft_reader_read_full(&r, byte, 1);
}

static ssize_t call_reader_skip(struct world *w)
{
    READER(r);
    return weft_reader_skip(&r, 1);
}

static ssize_t call_reader_peek(struct world *w)
{
    const char *view;
    READER(r);
    return weft_reader_peek(&r, &view, 1);
}

static ssize_t call_reader_line(struct world *w)
{
    READER(r);
    return weft_reader_line(&r, &line);
}

static ssize_t call_reader_line_copy(struct world *w)
{
    READER(r);
    return weft_reader_line_copy(&r, byte, 1, &line);
}

static ssize_t call_reader_until(struct world *w)
{
    READER(r);
    return weft_reader_until(&r, 'x', &line);
}

static ssize_t call_reader_until_copy(struct world *w)
{
    READER(r);
    return weft_reader_until_copy(&r, 'x', byte, 1, &line);
}

/* Its buffer has room for one byte more. */
#define WRITER(out)                                                                                \
    char out##_buf[4];                                                                             \
    struct weft_writer out;                                                                        \
    weft_writer_init(&out, weft_stream_of_fd(w->jam[0]), out##_buf, sizeof out##_buf);             \
    CHECK_EQ(weft_writer_write(&out, "123", 3), 3)

static ssize_t call_writer_write(struct world *w)
{
    WRITER(out);
    return weft_writer_write(&out, "45", 2);
}

static ssize_t call_writer_writev(struct world *w)
{
    struct iovec iov = {(char[]){"45"}, 2};
    WRITER(out);
    return weft_writer_writev(&out, &iov, 1);
}

static ssize_t call_writer_printf(struct world *w)
{
    WRITER(out);
    return weft_writer_printf(&out, "%d", 45);
}

__attribute__((format(printf, 2, 3))) static ssize_t print(struct weft_writer *out,
                                                           const char *format, ...)
{
    va_list args;
    va_start(args, format);
    ssize_t n = weft_writer_vprintf(out, format, args);
    va_end(args);
    return n;
}

static ssize_t call_writer_vprintf(struct world *w)
{
    WRITER(out);
    return print(&out, "%d", 45);
}

static ssize_t call_writer_flush(struct world *w)
{
    WRITER(out);
    return weft_writer_flush(&out);
}

#endif
