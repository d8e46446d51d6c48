/* SPDX-License-Identifier: MIT */
/*
 * buffer.h - buffered reading and writing: lines, exact counts, text, over any stream of bytes.
 *
 *     char in_bytes[4096], out_bytes[4096];
 *     struct weft_reader in;
 *     struct weft_writer out;
 *     struct weft_line line;
 *     weft_reader_init(&in, weft_stream_of_fd(fd), in_bytes, sizeof in_bytes);
 *     weft_writer_init(&out, weft_stream_of_fd(fd), out_bytes, sizeof out_bytes);
 *     while ((rc = weft_reader_line(&in, &line)) > 0)
 *         n = weft_writer_printf(&out, "you said: %s\n", line.text);
 *
 * A stream is two functions and their argument, so that an fd, TLS, a pipe between coroutines or a
 * test can be one.  Memory is what the buffers are, whatever a peer sends.
 *
 * No byte is lost or doubled, whatever ends a call: what was read and not handed out stays in the
 * reader, what was taken and not sent stays in the writer, and a later call goes on there.
 * -ETIMEDOUT and -ECANCELED are told as they come; every other error of a stream is kept, and all
 * later calls that need the stream return it.  So who goes on after a -ETIMEDOUT of TCP itself,
 * which no scope is the cause of, meets what the kernel says next: the end, or -EPIPE.  The end of
 * a stream is not kept: it is asked for again.
 *
 * A reader, or a writer, is used by one coroutine at a time; a call while another one waits in it
 * is fatal.  The two directions of an fd are independent.
 */
#ifndef WEFT_BUFFER_H
#define WEFT_BUFFER_H

#include <stdarg.h>
#include <sys/uio.h>
#include <weft/base.h>

WEFT_BEGIN_DECLS

/* What bytes come from and go to.  A function that is not needed may be NULL. */
struct weft_stream {
    /* As weft_read(): 1 .. n bytes, waiting for the first; 0 at the end; -errno. */
    ssize_t (*read)(void *arg, void *buf, size_t n);
    /* As weft_write(): how many were taken, 1 .. n; -errno. */
    ssize_t (*write)(void *arg, const void *buf, size_t n);
    /* As weft_writev(), for at most 16 pieces; NULL: `write` is called for one after the other. */
    ssize_t (*writev)(void *arg, const struct iovec *iov, int count);
    void *arg;
};

/* Storage for a reader and a writer; the fields are private. */
struct weft_reader {
    struct weft_stream from;
    char *buf;
    size_t bytes, start, end; /* of the buffer; what it holds is from start to end */
    size_t line_bytes_max;
    int error; /* that the stream gave, and that lasts */
    int delimiter;
    bool is_skipping; /* inside a line that was too long, up to its delimiter */
    bool is_waiting;  /* in the stream's read */
};

struct weft_writer {
    struct weft_stream to;
    char *buf;
    size_t bytes, start, end;
    int error;
    bool is_waiting; /* in the stream's write */
};

/* A line in a buffer. */
struct weft_line {
    char *text;       /* without its end; a zero follows it, and may also be in it */
    size_t bytes;     /* without its end */
    size_t end_bytes; /* 1 "\n", 2 "\r\n"; 0: the stream ended first; it may not be whole */
};

/**
 * weft_stream_of_fd - the stream of an fd: weft_read(), weft_write() and weft_writev().
 *
 * @fd  any fd; stays the caller's to close.
 *
 * Returns    the stream.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API_MUST struct weft_stream weft_stream_of_fd(int fd);

/**
 * weft_reader_init - set up a reader with a buffer of the caller's.
 *
 * @r      storage; nothing needs to be done at its end.
 * @from   where bytes come from.
 * @buf    the buffer; it and r must stay where they are.
 * @bytes  its size, at least 3; fewer are fatal, and so is a stream that cannot read.
 *
 * Returns    nothing.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API void weft_reader_init(struct weft_reader *r, struct weft_stream from, void *buf,
                               size_t bytes);

/**
 * weft_reader_make - make a reader together with its buffer.
 *
 * @from   where bytes come from.
 * @bytes  the size of the buffer, as for weft_reader_init().
 *
 * Returns    the reader, to be given to weft_reader_free(); NULL for lack of memory.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API_MUST struct weft_reader *weft_reader_make(struct weft_stream from, size_t bytes);

/**
 * weft_reader_free - free a reader of weft_reader_make(); the stream is not touched.
 *
 * @r  the reader; NULL is allowed.  What it holds is dropped.
 *
 * Returns    nothing.
 * Errors     none; fatal while somebody waits in it.
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API void weft_reader_free(struct weft_reader *r);

/**
 * weft_reader_limit - bound the length of lines.
 *
 * @r               the reader.
 * @line_bytes_max  without the end of the line.  To begin with, and at most, it is the size of the
 *                  buffer less 2.
 *
 * Returns    nothing.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere; one at a time.
 */
WEFT_API void weft_reader_limit(struct weft_reader *r, size_t line_bytes_max);

/**
 * weft_reader_buffered - how many bytes have been read from the stream and not been handed out.
 *
 * @r  the reader.
 *
 * Returns    their number; as many can be read or skipped without waiting.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere; one at a time.
 */
WEFT_API size_t weft_reader_buffered(const struct weft_reader *r);

/**
 * weft_reader_read - read what is there, waiting for the first byte.
 *
 * @r    the reader.
 * @buf  receives at most n bytes: what is buffered, else what one read of the stream gives.
 * @n    0 returns 0 at once.
 *
 * Returns    how many bytes, 1 .. n; 0 at the end of the stream.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first; nothing was read
 *            -ECANCELED  a surrounding scope was cancelled; nothing was read
 *            and what the stream gives: those of weft_read() for an fd
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine, one at a time; elsewhere if the stream's function may be called there.
 */
WEFT_API_MUST ssize_t weft_reader_read(struct weft_reader *r, void *buf, size_t n);

/**
 * weft_reader_read_full - read exactly n bytes unless the stream ends.
 *
 * @r    the reader.
 * @buf  receives the bytes.
 * @n    how many.
 *
 * Returns    n; less only if the stream ended there, or after an error: the next call tells which,
 *            and goes on behind what was read.
 * Errors     as weft_reader_read(), if nothing was read before.
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine, one at a time; elsewhere if the stream's function may be called there.
 */
WEFT_API_MUST ssize_t weft_reader_read_full(struct weft_reader *r, void *buf, size_t n);

/**
 * weft_reader_skip - drop n bytes unless the stream ends.
 *
 * @r  the reader.
 * @n  how many, at most SSIZE_MAX.
 *
 * Returns    n; less only if the stream ended there, or after an error: the next call tells which.
 * Errors     as weft_reader_read(), if nothing was dropped before; -EINVAL for a bad n.
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine, one at a time; elsewhere if the stream's function may be called there.
 */
WEFT_API_MUST ssize_t weft_reader_skip(struct weft_reader *r, size_t n);

/**
 * weft_reader_peek - look at the next n bytes without taking them.
 *
 * @r   the reader.
 * @at  receives where they are: in the reader's buffer, until the next call on the reader other
 *      than weft_reader_buffered().
 * @n   how many are waited for, at most the size of the buffer; 0 waits for none.
 *
 * Returns    how many bytes there are: n, or more if more have come; less than n only if the stream
 *            ended there.
 * Errors     -EMSGSIZE  n is more than the buffer has
 *            as weft_reader_read(); what has come is not lost, but kept for the next call
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine, one at a time; elsewhere if the stream's function may be called there.
 */
WEFT_API_MUST ssize_t weft_reader_peek(struct weft_reader *r, const char **at, size_t n);

/**
 * weft_reader_line - take the next line, which ends with "\n" or "\r\n".
 *
 * @r     the reader.
 * @line  describes it if 1 is returned: line->text is in the reader's buffer until the next call on
 *        the reader other than weft_reader_buffered(), and may be written to until then.  Its end
 *        is left out, and a zero is put there.
 *
 * A line that is not whole is taken only at the end of the stream, with line->end_bytes == 0; an
 * error leaves it where it is, for a later call.
 *
 * Returns    1: there is a line, which may be empty; 0: the stream has ended, and nothing is left.
 * Errors     -EMSGSIZE   the line is longer than the limit, or than the buffer less 2.  This is
 *                        told once, as soon as it is known; the next call skips the rest of that
 *                        line in whatever time it takes to come, and takes the line behind it.  Or
 *                        begin to read it by weft_reader_read(): then nothing will be skipped
 *            as weft_reader_read(); nothing was taken
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine, one at a time; elsewhere if the stream's function may be called there.
 */
WEFT_API_MUST int weft_reader_line(struct weft_reader *r, struct weft_line *line);

/**
 * weft_reader_until - take what comes before the next delimiter, as weft_reader_line() does.
 *
 * @r          the reader.
 * @delimiter  a byte, which is taken as well, and left out; a "\r" before it belongs to the text.
 * @line       as for weft_reader_line().
 *
 * Returns    as weft_reader_line().
 * Errors     as weft_reader_line()
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine, one at a time; elsewhere if the stream's function may be called there.
 */
WEFT_API_MUST int weft_reader_until(struct weft_reader *r, unsigned char delimiter,
                                    struct weft_line *line);

/**
 * weft_reader_line_copy - take the next line into memory of the caller's.
 *
 * @r      the reader.
 * @buf    receives the line and a zero.
 * @bytes  the size of buf; a line of `bytes` bytes or more is too long.  0 gives -EINVAL.
 * @line   describes it if 1 is returned; line->text is buf.
 *
 * Returns    as weft_reader_line().
 * Errors     as weft_reader_line()
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine, one at a time; elsewhere if the stream's function may be called there.
 */
WEFT_API_MUST int weft_reader_line_copy(struct weft_reader *r, char *buf, size_t bytes,
                                        struct weft_line *line);

/**
 * weft_reader_until_copy - weft_reader_until() into memory of the caller's.
 *
 * @r          the reader.
 * @delimiter  as for weft_reader_until().
 * @buf        receives the text and a zero.
 * @bytes      the size of buf; a text of `bytes` bytes or more is too long.  0 gives -EINVAL.
 * @line       describes it if 1 is returned; line->text is buf.
 *
 * Returns    as weft_reader_line().
 * Errors     as weft_reader_line()
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine, one at a time; elsewhere if the stream's function may be called there.
 */
WEFT_API_MUST int weft_reader_until_copy(struct weft_reader *r, unsigned char delimiter, char *buf,
                                         size_t bytes, struct weft_line *line);

/**
 * weft_writer_init - set up a writer with a buffer of the caller's.
 *
 * @w      storage.  What it holds at its end is lost: call weft_writer_flush() before.
 * @to     where bytes go.
 * @buf    the buffer; it and w must stay where they are.
 * @bytes  its size; 0 is fatal, and so is a stream that cannot write.
 *
 * Returns    nothing.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API void weft_writer_init(struct weft_writer *w, struct weft_stream to, void *buf,
                               size_t bytes);

/**
 * weft_writer_make - make a writer together with its buffer.
 *
 * @to     where bytes go.
 * @bytes  the size of the buffer, as for weft_writer_init().
 *
 * Returns    the writer, to be given to weft_writer_free(); NULL for lack of memory.
 * Errors     none as a code.
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API_MUST struct weft_writer *weft_writer_make(struct weft_stream to, size_t bytes);

/**
 * weft_writer_free - free a writer of weft_writer_make(); the stream is not touched.
 *
 * @w  the writer; NULL is allowed.  What it holds is dropped: call weft_writer_flush() before.
 *
 * Returns    nothing.
 * Errors     none; fatal while somebody waits in it.
 * Blocks     never.
 * Threads    everywhere.
 */
WEFT_API void weft_writer_free(struct weft_writer *w);

/**
 * weft_writer_buffered - how many bytes have been taken and not been sent.
 *
 * @w  the writer.
 *
 * Returns    their number, also after an error.
 * Errors     none
 * Blocks     never.
 * Threads    everywhere; one at a time.
 */
WEFT_API size_t weft_writer_buffered(const struct weft_writer *w);

/**
 * weft_writer_write - write n bytes, to the stream when the buffer has no room for them.
 *
 * @w    the writer.
 * @buf  the bytes.
 * @n    how many.
 *
 * What fits into the buffer is copied there.  What does not is sent straight from buf, together
 * with what the buffer holds, until the rest fits.  So what is not larger than the buffer is taken
 * whole or, if an error is returned, not at all.
 *
 * Returns    n: all is sent or in the buffer; less only after an error, which the next call returns
 *            unless it was the end of a scope that has been left: the first so many are taken.
 * Errors     -ETIMEDOUT  the deadline of a surrounding scope passed first; nothing was taken
 *            -ECANCELED  a surrounding scope was cancelled; nothing was taken
 *            -EIO        the stream's function took nothing
 *            -EINVAL     n is more than SSIZE_MAX
 *            and what the stream gives: those of weft_write() for an fd
 * Blocks     the coroutine, never the thread; not if the buffer has room.
 * Threads    a coroutine, one at a time; elsewhere if the stream's function may be called there.
 */
WEFT_API_MUST ssize_t weft_writer_write(struct weft_writer *w, const void *buf, size_t n);

/**
 * weft_writer_writev - weft_writer_write() of several pieces, as if they were one.
 *
 * @w      the writer.
 * @iov    the pieces; not changed.
 * @count  how many, 0 .. 1024.
 *
 * Returns    the sum of the lengths; less as weft_writer_write().
 * Errors     as weft_writer_write(); -EINVAL for a bad count, or a sum of more than SSIZE_MAX.
 * Blocks     the coroutine, never the thread; not if the buffer has room.
 * Threads    a coroutine, one at a time; elsewhere if the stream's function may be called there.
 */
WEFT_API_MUST ssize_t weft_writer_writev(struct weft_writer *w, const struct iovec *iov, int count);

/* Lets the compiler compare format and arguments. */
#define WEFT__LIKE_PRINTF __attribute__((format(printf, 2, 3)))
#define WEFT__LIKE_VPRINTF __attribute__((format(printf, 2, 0)))

/**
 * weft_writer_printf - write text as by printf(3), whole or not at all.
 *
 * @w       the writer.
 * @format  and what follows as for printf(3); may be evaluated twice.
 *
 * Returns    how many bytes the text has.
 * Errors     -EMSGSIZE  the text is not shorter than the whole buffer
 *            -EINVAL    vsnprintf() refused the format
 *            as weft_writer_write(); nothing was taken
 * Blocks     the coroutine, never the thread; not if the buffer has room for one byte more.
 * Threads    a coroutine, one at a time; elsewhere if the stream's function may be called there.
 */
WEFT_API_MUST ssize_t weft_writer_printf(struct weft_writer *w, const char *format,
                                         ...) WEFT__LIKE_PRINTF;

/**
 * weft_writer_vprintf - weft_writer_printf() for those who have the arguments as a va_list.
 *
 * @w       the writer.
 * @format  as for vprintf(3).
 * @args    the arguments; the caller's to end.
 *
 * Returns    as weft_writer_printf().
 * Errors     as weft_writer_printf()
 * Blocks     the coroutine, never the thread; not if the buffer has room for one byte more.
 * Threads    a coroutine, one at a time; elsewhere if the stream's function may be called there.
 */
WEFT_API_MUST ssize_t weft_writer_vprintf(struct weft_writer *w, const char *format,
                                          va_list args) WEFT__LIKE_VPRINTF;

/**
 * weft_writer_flush - send all that the buffer holds.
 *
 * @w  the writer.
 *
 * Returns    0: nothing is left in the buffer.
 * Errors     as weft_writer_write(); weft_writer_buffered() tells how much was not sent, and after
 *            -ETIMEDOUT or -ECANCELED a later call goes on exactly there
 * Blocks     the coroutine, never the thread.
 * Threads    a coroutine, one at a time; elsewhere if the stream's function may be called there.
 */
WEFT_API_MUST int weft_writer_flush(struct weft_writer *w);

WEFT_END_DECLS
#endif
