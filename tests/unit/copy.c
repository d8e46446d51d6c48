/* SPDX-License-Identifier: MIT */
/*
 * copy.c - copying inside the kernel: weft_sendfile(), relays and weft_copy().
 *
 * matrix: short
 */
#define _GNU_SOURCE
#include "base/sys_try.h"
#include "io_kinds.h"

#define FILE_BYTES (3 * 256 * 1024 + 4321)

/* A file without a name that holds the pattern from the offset `start` on. */
static int make_file(size_t bytes, uint64_t start)
{
    char name[] = "/tmp/weft-copy-XXXXXX";
    int fd = mkstemp(name);
    unsigned char *text = malloc(bytes + 1);

    CHECK_GE(fd, 0);
    CHECK_EQ(unlink(name), 0);
    for (size_t i = 0; i < bytes; i++)
        text[i] = pattern(start + i);
    CHECK_EQ(write(fd, text, bytes), bytes);
    free(text);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* Reads the pattern from `offset` on until the end of the stream, or `max` bytes of it. */
struct sink {
    int fd;
    uint64_t offset;
    size_t max;
};

static int take_pattern(void *arg)
{
    struct sink *s = arg;
    unsigned char buf[10000];

    for (ssize_t n = 1; s->max > 0 && n > 0; s->max -= (size_t)n) {
        n = weft_read(s->fd, buf, s->max < sizeof buf ? s->max : sizeof buf);
        CHECK_GE(n, 0);
        for (ssize_t i = 0; i < n; i++)
            CHECK_EQ(buf[i], pattern(s->offset++));
    }
    return 0;
}

/* Sends the pattern, in pieces, and closes. */
struct source {
    int fd;
    size_t bytes;
};

static int give_pattern(void *arg)
{
    const struct source *s = arg;
    unsigned char buf[7777];

    for (size_t done = 0; done < s->bytes;) {
        size_t n = sizeof buf < s->bytes - done ? sizeof buf : s->bytes - done;
        for (size_t i = 0; i < n; i++)
            buf[i] = pattern(done + i);
        CHECK_EQ(weft_write_full(s->fd, buf, n), n);
        done += n;
    }
    CHECK_EQ(weft_close(s->fd), 0);
    return 0;
}

/* Can the kernel move bytes to and from it without blocking a thread? */
static bool can_be_moved(const struct kind *kind)
{
    return strcmp(kind->name, "pty") != 0 && strcmp(kind->name, "foreign socketpair") != 0;
}

/* ---- sendfile ---- */

/* Goal: on every kind of fd a file arrives from its offset to its end, whatever the buffers hold,
 * and its position stays.  Method: more bytes than there are buffers; the reader comes later. */
CO_TEST(a_file_is_sent_from_its_offset_to_its_end)
{
    int file = make_file(FILE_BYTES, 0);

    for (int k = 0; k < COUNT(kinds); k++) {
        int fds[2];
        if (!can_be_moved(&kinds[k]))
            continue;
        kinds[k].make(fds);
        struct sink sink = {.fd = fds[0], .offset = 7, .max = SIZE_MAX};
        struct weft_co *reader = weft_go_with(take_pattern, &sink);
        CHECK_EQ(weft_sendfile(fds[1], file, 7, SIZE_MAX - 7), FILE_BYTES - 7);
        CHECK_EQ(weft_sendfile(fds[1], file, FILE_BYTES, 1), 0);
        CHECK_EQ(weft_sendfile(fds[1], file, 0, 0), 0);
        CHECK_EQ(lseek(file, 0, SEEK_CUR), 0);
        CHECK_EQ(weft_close(fds[1]), 0);
        join(reader);
        CHECK_EQ(sink.offset, FILE_BYTES);
        CHECK_EQ(weft_close(fds[0]), 0);
        CHECK_EQ(in_flight(), 0);
    }
    CHECK_EQ(close(file), 0);
    return 0;
}

CO_TEST(a_file_is_sent_into_a_file)
{
    int from = make_file(FILE_BYTES, 0), to = make_file(0, 0);
    struct sink sink = {.fd = to, .offset = 5, .max = SIZE_MAX};

    CHECK_EQ(weft_sendfile(to, from, 5, FILE_BYTES), FILE_BYTES - 5);
    CHECK_EQ(lseek(to, 0, SEEK_SET), 0);
    CHECK_EQ(take_pattern(&sink), 0);
    CHECK_EQ(sink.offset, FILE_BYTES);
    CHECK_EQ(close(from), 0);
    CHECK_EQ(close(to), 0);
    return 0;
}

struct sending {
    int out, file;
    size_t done;
    ssize_t rc; /* of the last call */
};

/* Until nothing more goes. */
static int send_what_goes(void *arg)
{
    struct sending *s = arg;

    s->rc = weft_sendfile(s->out, s->file, (int64_t)s->done, SIZE_MAX - s->done);
    s->done += s->rc > 0 ? (size_t)s->rc : 0;
    return 0;
}

/* Goal: a sendfile that is ended halfway says exactly how much has gone, and the next one goes on
 * there.  Method: nobody reads; a deadline ends the first, a cancel the second, which may find no
 * room at all; then all that is read is the pattern, of just the right length. */
CO_TEST(a_sendfile_that_is_ended_tells_what_has_gone)
{
    for (int k = 0; k < 2; k++) {
        int fds[2];
        kinds[k].make(fds);
        CHECK_EQ(weft_set_buffers(fds[1], 0, 20000), 0);
        CHECK_EQ(weft_set_buffers(fds[0], 20000, 0), 0);
        struct sending s = {.out = fds[1], .file = make_file(FILE_BYTES, 0)};
        WEFT_DEADLINE (soon, 20 * WEFT_MS)
            send_what_goes(&s);
        CHECK_GT(s.rc, 0);
        CHECK_LT(s.done, FILE_BYTES);
        struct weft_co *co = weft_go_with(send_what_goes, &s);
        await_in_flight(1);
        weft_cancel(co);
        join(co);
        CHECK(s.rc > 0 || s.rc == -ECANCELED);
        CHECK_LT(s.done, FILE_BYTES);
        struct sink sink = {.fd = fds[0], .max = SIZE_MAX};
        struct weft_co *reader = weft_go_with(take_pattern, &sink);
        send_what_goes(&s);
        CHECK_EQ(s.done, FILE_BYTES);
        CHECK_EQ(weft_close(fds[1]), 0);
        join(reader);
        CHECK_EQ(sink.offset, FILE_BYTES);
        CHECK_EQ(weft_close(fds[0]), 0);
        CHECK_EQ(close(s.file), 0);
    }
    return 0;
}

static bool is_nonblocking(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
}

/* Goal: a socket that is sent a file does not block, and the next one of its number does so again
 * until it is sent one, too. */
CO_TEST(a_socket_is_set_nonblocking_once_in_its_life)
{
    int fds[2], file = make_file(10, 0), number = -1, n_again = 0;

    for (int i = 0; i < 20; i++) { /* a relief processor may take the number for a moment */
        unix_pair(fds);
        CHECK(!is_nonblocking(fds[1]));
        CHECK_EQ(weft_sendfile(fds[1], file, 0, 1), 1);
        CHECK(is_nonblocking(fds[1]));
        CHECK(!is_nonblocking(fds[0]));
        n_again += fds[1] == number;
        number = fds[1];
        close_both(fds);
    }
    CHECK_GT(n_again, 0);
    CHECK_EQ(close(file), 0);
    return 0;
}

CO_TEST(what_cannot_be_sent_is_an_error_and_no_signal)
{
    int fds[2], foreign[2], file = make_file(100, 0), dir = open("/tmp", O_RDONLY);

    tcp_pair(fds);
    foreign_pair(foreign);
    CHECK_EQ(weft_sendfile(fds[1], file, -1, 1), -EINVAL);
    CHECK_EQ(weft_sendfile(fds[1], -1, 0, 1), -EBADF);
    CHECK_EQ(weft_sendfile(-1, file, 0, 1), -EBADF);
    CHECK_EQ(weft_sendfile(fds[1], fds[0], 0, 1), -ESPIPE);
    CHECK_LT(weft_sendfile(fds[1], dir, 0, 1), 0);
    CHECK_EQ(weft_sendfile(foreign[1], file, 0, 1), -EINVAL); /* it would block the thread */
    CHECK_EQ(weft_close_abort(fds[0]), 0);
    CHECK_EQ(weft_wait_fd(fds[1], POLLIN) & POLLIN, POLLIN);
    CHECK_LT(weft_sendfile(fds[1], file, 0, 100), 0);
    CHECK_EQ(weft_sendfile(fds[1], file, 0, 100), -EPIPE);
    CHECK_EQ(weft_close(fds[1]), 0);
    close_both(foreign);
    CHECK_EQ(close(file), 0);
    CHECK_EQ(close(dir), 0);
    return 0;
}

static uint64_t blocking_calls(void)
{
    struct weft_stats stats = {.size = sizeof stats};

    CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    return stats.blocking_calls;
}

/* Does the file system tell what is in memory, and is the first page of the file? */
static bool can_be_read_now(int file)
{
    struct iovec iov = {(char[1]){0}, 1};

    return preadv2(file, &iov, 1, 0, RWF_NOWAIT) == 1;
}

/* Is the first page of the file out of memory?  To try a read would fetch it. */
static bool is_on_the_disk(int file)
{
    unsigned char page;
    void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);

    CHECK(map != MAP_FAILED);
    CHECK_EQ(mincore(map, 4096, &page), 0);
    CHECK_EQ(munmap(map, 4096), 0);
    return (page & 1) == 0;
}

/* Goal: what is on the disk is read by a thread for blocking calls, what is in memory by nobody.
 * Method: the count of those calls.  The look whether a page is in memory asks a disk for it, and
 * a fast one has it there before the look is over: then it was in memory.  So the page is put out
 * until it came from the disk once. */
CO_TEST(a_processor_does_not_wait_for_the_disk)
{
    int fds[2], file = make_file(4096, 0);
    char sink[4096];
    uint64_t before = blocking_calls();

    unix_pair(fds);
    if (!can_be_read_now(file))
        SKIP("this file system does not tell what is in memory");
    CHECK_EQ(weft_sendfile(fds[1], file, 0, 4096), 4096);
    CHECK_EQ(blocking_calls(), before);
    CHECK_EQ(weft_read_full(fds[0], sink, 4096), 4096); /* until then the socket holds the page */
    CHECK_EQ(fsync(file), 0);
    for (int i = 0; blocking_calls() == before; i++) {
        CHECK_LT(i, 1000);
        CHECK_EQ(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
        if (!is_on_the_disk(file))
            SKIP("this file system keeps its files in memory");
        CHECK_EQ(weft_sendfile(fds[1], file, 0, 4096), 4096);
        CHECK_EQ(weft_read_full(fds[0], sink, 4096), 4096);
    }
    CHECK_EQ(blocking_calls(), before + 1);
    close_both(fds);
    CHECK_EQ(close(file), 0);
    return 0;
}

/* ---- relays ---- */

/* Goal: between any two kinds of fds all bytes pass, in order, until the end of the stream. */
CO_TEST(a_relay_connects_every_kind_with_every_other)
{
    const size_t bytes = 200000 / (size_t)test_scale();
    struct weft_relay relay;

    CHECK_EQ(weft_relay_open(&relay), 0);
    for (int k = 0; k < COUNT(kinds) * COUNT(kinds); k++) {
        const struct kind *from = &kinds[k / COUNT(kinds)], *to = &kinds[k % COUNT(kinds)];
        int in[2], out[2];
        if (!can_be_moved(from) || !can_be_moved(to))
            continue;
        from->make(in);
        to->make(out);
        struct source source = {.fd = in[1], .bytes = bytes};
        struct sink sink = {.fd = out[0], .max = SIZE_MAX};
        struct weft_co *reader = weft_go_with(take_pattern, &sink);
        struct weft_co *writer = weft_go_with(give_pattern, &source);
        CHECK_EQ(weft_relay_copy(&relay, out[1], in[0], SIZE_MAX), bytes);
        CHECK_EQ(weft_relay_copy(&relay, out[1], in[0], SIZE_MAX), 0);
        CHECK_EQ(weft_relay_held(&relay), 0);
        CHECK_EQ(weft_close(out[1]), 0);
        CHECK_EQ(weft_close(in[0]), 0);
        join(writer);
        join(reader);
        CHECK_EQ(sink.offset, bytes);
        CHECK_EQ(weft_close(out[0]), 0);
    }
    CHECK_EQ(weft_relay_close(&relay), 0);
    CHECK_EQ(in_flight(), 0);
    return 0;
}

/* Goal: whatever ends a copy, no byte is lost or doubled, and the counts add up.
 * Method: deadlines so short that most of them end the copy somewhere, against a reader that takes
 * little at a time. */
CO_TEST(a_relay_that_is_ended_goes_on_where_it_was)
{
    const size_t bytes = 400000 / (size_t)test_scale();
    uint64_t seed = test_seed();

    for (int k = 0; k < 3; k++) {
        int in[2], out[2], n_calls = 0;
        size_t done = 0;
        struct weft_relay relay;
        kinds[k].make(in);
        kinds[(k + 1) % 3].make(out);
        CHECK_EQ(weft_relay_open(&relay), 0);
        struct source source = {.fd = in[1], .bytes = bytes};
        struct weft_co *writer = weft_go_with(give_pattern, &source);
        struct weft_co *reader = NULL;
        struct sink sink = {.fd = out[0], .max = SIZE_MAX};
        for (ssize_t n = 1; n != 0;) {
            WEFT_DEADLINE (soon, (int64_t)(test_random(&seed) % 100) * WEFT_US)
                n = weft_relay_copy(&relay, out[1], in[0], SIZE_MAX);
            CHECK(n >= 0 || n == -ETIMEDOUT);
            done += n > 0 ? (size_t)n : 0;
            n_calls++;
            if (reader == NULL) /* the first one has met a jam, or nothing to read */
                reader = weft_go_with(take_pattern, &sink);
        }
        CHECK_GT(n_calls, 1);
        CHECK_EQ(done, bytes);
        CHECK_EQ(weft_relay_held(&relay), 0);
        CHECK_EQ(weft_close(out[1]), 0);
        CHECK_EQ(weft_close(in[0]), 0);
        join(writer);
        join(reader);
        CHECK_EQ(sink.offset, bytes);
        CHECK_EQ(weft_close(out[0]), 0);
        CHECK_EQ(weft_relay_close(&relay), 0);
    }
    return 0;
}

/* Goal: what was taken from one side and not given to the other stays, and goes first.
 * Method: a full socket behind the relay. */
CO_TEST(a_relay_keeps_what_it_cannot_give)
{
    int in[2], out[2];
    char sink[100];
    struct weft_relay relay;

    unix_pair(in);
    unix_pair(out);
    CHECK_EQ(weft_relay_open(&relay), 0);
    size_t jam = fill(out[1]);
    CHECK_EQ(weft_write(in[1], "held", 4), 4);
    WEFT_DEADLINE (soon, WEFT_MS)
        CHECK_EQ(weft_relay_copy(&relay, out[1], in[0], SIZE_MAX), -ETIMEDOUT);
    CHECK_EQ(weft_relay_held(&relay), 4);
    while (jam > 0) {
        ssize_t n = weft_read(out[0], sink, jam < sizeof sink ? jam : sizeof sink);
        CHECK_GT(n, 0);
        jam -= (size_t)n;
    }
    CHECK_EQ(weft_write(in[1], "and more", 8), 8);
    CHECK_EQ(weft_relay_copy(&relay, out[1], in[0], 1), 1);
    CHECK_EQ(weft_relay_held(&relay), 3);
    CHECK_EQ(weft_relay_copy(&relay, out[1], in[0], 6), 6);
    CHECK_EQ(weft_relay_held(&relay), 0); /* no more is taken than the limit allows */
    CHECK_EQ(weft_read_full(out[0], sink, 7), 7);
    CHECK(memcmp(sink, "heldand", 7) == 0);
    CHECK_EQ(weft_read(in[0], sink, sizeof sink), 5);
    close_both(in);
    close_both(out);
    CHECK_EQ(weft_relay_close(&relay), 0);
    return 0;
}

struct link {
    int out, in;
};

static int pass_on(void *arg)
{
    const struct link *l = arg;

    CHECK_GE(weft_copy(l->out, l->in, SIZE_MAX), 0);
    CHECK_EQ(weft_shutdown(l->out, SHUT_WR), 0);
    return 0;
}

/* Goal: both directions of two connections can be copied at once, beside the waits of others. */
CO_TEST(two_copies_in_both_directions_are_a_proxy)
{
    const size_t bytes = 300000 / (size_t)test_scale();
    int client[2], server[2];

    tcp_pair(client);
    tcp_pair(server);
    struct link there = {server[0], client[1]}, back = {client[1], server[0]};
    struct weft_co *first = weft_go_with(pass_on, &there);
    struct weft_co *second = weft_go_with(pass_on, &back);
    struct link echo = {server[1], server[1]};
    struct weft_co *echoing = weft_go_with(pass_on, &echo);
    struct sink sink = {.fd = client[0], .max = SIZE_MAX};
    struct weft_co *reader = weft_go_with(take_pattern, &sink);
    struct source source = {.fd = dup(client[0]), .bytes = bytes};
    CHECK_EQ(give_pattern(&source), 0);
    CHECK_EQ(weft_shutdown(client[0], SHUT_WR), 0);
    join(first);
    join(echoing);
    join(second);
    join(reader);
    CHECK_EQ(sink.offset, bytes);
    close_both(client);
    close_both(server);
    CHECK_EQ(in_flight(), 0);
    return 0;
}

/* Goal: a socket that was copied from and to is read and written as before. */
CO_TEST(a_socket_that_was_moved_from_is_read_as_before)
{
    int fds[2], file = make_file(10, 0);
    char buf[10];

    tcp_pair(fds);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_sendfile(fds[i], file, 0, 10), 10);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_read_full(fds[i], buf, 10), 10);
    for (int i = 0; i < 2; i++) {
        struct sink sink = {.fd = fds[i], .max = FILE_BYTES};
        struct weft_co *reader = weft_go_with(take_pattern, &sink);
        await_in_flight(1);
        struct source source = {.fd = dup(fds[1 - i]), .bytes = FILE_BYTES};
        CHECK_EQ(give_pattern(&source), 0);
        join(reader);
        CHECK_EQ(sink.offset, FILE_BYTES);
    }
    close_both(fds);
    CHECK_EQ(close(file), 0);
    return 0;
}

/* ---- copying by hand ---- */

CO_TEST(what_the_kernel_cannot_copy_a_relay_refuses)
{
    int in[2], out[2];
    struct weft_relay relay;

    foreign_pair(in);
    unix_pair(out);
    CHECK_EQ(weft_relay_open(&relay), 0);
    CHECK_EQ(weft_write(in[1], "x", 1), 1);
    CHECK_EQ(weft_relay_copy(&relay, out[1], in[0], 1), -EINVAL);
    CHECK_EQ(weft_relay_copy(&relay, in[0], out[1], 1), -EINVAL);
    CHECK_EQ(weft_relay_copy(&relay, out[1], -1, 1), -EBADF);
    CHECK_EQ(weft_relay_copy(&relay, -1, out[1], 1), -EBADF);
    CHECK_EQ(weft_relay_held(&relay), 0);
    CHECK_EQ(weft_copy(out[1], in[0], 1), 1);
    close_both(in);
    close_both(out);
    CHECK_EQ(weft_relay_close(&relay), 0);
    return 0;
}

/* Goal: weft_copy() copies what a relay refuses: sockets of others that block, terminals, files
 * that are appended to. */
CO_TEST(a_copy_goes_by_hand_where_it_must)
{
    const size_t bytes = 50000;

    for (int k = 0; k < COUNT(kinds); k++) {
        int in[2], log = make_file(3, 0);
        if (strcmp(kinds[k].name, "pty") == 0)
            continue; /* it has no end */
        CHECK_EQ(fcntl(log, F_SETFL, O_APPEND), 0);
        kinds[k].make(in);
        struct source source = {.fd = in[1], .bytes = bytes};
        struct weft_co *writer = weft_go_with(give_pattern, &source);
        CHECK_EQ(weft_copy(log, in[0], SIZE_MAX), bytes);
        join(writer);
        struct sink sink = {.fd = log, .max = SIZE_MAX};
        CHECK_EQ(lseek(log, 3, SEEK_SET), 3);
        CHECK_EQ(take_pattern(&sink), 0);
        CHECK_EQ(sink.offset, bytes);
        CHECK_EQ(weft_close(in[0]), 0);
        CHECK_EQ(close(log), 0);
    }
    return 0;
}

/* Goal: from a file, and into one, through the pool. */
CO_TEST(a_relay_reads_and_writes_files_at_their_positions)
{
    int from = make_file(FILE_BYTES, 0), to = make_file(0, 0);
    struct sink sink = {.fd = to, .offset = 9, .max = SIZE_MAX};

    CHECK_EQ(lseek(from, 9, SEEK_SET), 9);
    CHECK_EQ(weft_copy(to, from, SIZE_MAX), FILE_BYTES - 9);
    CHECK_EQ(lseek(from, 0, SEEK_CUR), FILE_BYTES);
    CHECK_EQ(lseek(to, 0, SEEK_SET), 0);
    CHECK_EQ(take_pattern(&sink), 0);
    CHECK_EQ(sink.offset, FILE_BYTES);
    CHECK_EQ(close(from), 0);
    CHECK_EQ(close(to), 0);
    return 0;
}

/* Goal: a stream that is cut off behind some bytes does not look like one that has ended there,
 * whether the kernel copies or we do by hand. */
CO_TEST(a_copy_hides_no_reset)
{
    struct weft_relay relay;

    CHECK_EQ(weft_relay_open(&relay), 0);
    for (int way = 0; way < 6; way++) {
        int in[2], out[2];

        (way % 2 == 0 ? tcp_pair : unix_pair)(in);
        (way < 4 ? unix_pair : foreign_pair)(out); /* to the latter it goes by hand */
        CHECK_EQ(weft_write_full(in[1], "abc", 3), 3);
        CHECK_EQ(weft_write_full(in[0], "x", 1), 1); /* not read: so a UNIX peer resets, too */
        set_reset_on_close(in[1]);
        CHECK_EQ(weft_close(in[1]), 0);
        for (int again = 0; again < 2; again++)
            CHECK_EQ(way < 2 ? weft_relay_copy(&relay, out[0], in[0], SIZE_MAX)
                             : weft_copy(out[0], in[0], SIZE_MAX),
                     again == 0 ? 3 : -ECONNRESET);
        CHECK_EQ(weft_copy(out[0], in[0], SIZE_MAX), 0);
        CHECK_EQ(weft_close(in[0]), 0);
        close_both(out);
    }
    CHECK_EQ(weft_relay_close(&relay), 0);
    return 0;
}

CO_TEST(copies_leave_no_descriptor_behind)
{
    int before = open_fds(), in[2], out[2];

    unix_pair(in);
    unix_pair(out);
    WEFT_DEADLINE (soon, WEFT_MS)
        CHECK_EQ(weft_copy(out[1], in[0], SIZE_MAX), -ETIMEDOUT);
    CHECK_EQ(weft_close(in[1]), 0);
    CHECK_EQ(weft_copy(out[1], in[0], SIZE_MAX), 0);
    CHECK_EQ(weft_close(in[0]), 0);
    CHECK_EQ(weft_copy(out[1], in[0], SIZE_MAX), -EBADF);
    close_both(out);
    CHECK_EQ(open_fds(), before);
    return 0;
}
