/* SPDX-License-Identifier: MIT */
/* buffer_rig.h - streams whose every read and write a test decides: how much, and which error. */
#ifndef WEFT_TESTS_BUFFER_RIG_H
#define WEFT_TESTS_BUFFER_RIG_H

#include "co_test.h"

/* How much of n a call carries out: at most `step`; a random part of it if there is a seed. */
struct pace {
    size_t step;
    uint64_t seed;
};

TEST_FN size_t paced(struct pace *p, size_t n)
{
    const size_t most = p->step < n ? p->step : n;
    return p->seed == 0 ? most : 1 + test_random(&p->seed) % most;
}

/* Gives data, then the end; `error` at a place, once or for ever. */
struct source {
    const char *data;
    size_t bytes, at;
    struct pace pace;
    size_t stops[2]; /* a read does not go beyond these places; 0: none */
    int error;
    size_t error_at;
    bool error_lasts;
    int one_in; /* -ETIMEDOUT at random: one call in so many; 0: never */
    int n_calls, n_errors;
    const void *last_buf;
};

TEST_FN ssize_t source_read(void *arg, void *buf, size_t n)
{
    struct source *s = arg;

    CHECK_GT(n, 0);
    s->n_calls++;
    s->last_buf = buf;
    if (s->one_in > 0 && test_random(&s->pace.seed) % (unsigned)s->one_in == 0) {
        s->n_errors++;
        return -ETIMEDOUT;
    }
    if (s->error != 0 && s->at == s->error_at) {
        const int error = s->error;
        s->n_errors++;
        s->error = s->error_lasts ? error : 0;
        return error;
    }
    size_t left = s->bytes - s->at;
    if (s->error != 0 && s->error_at > s->at && left > s->error_at - s->at)
        left = s->error_at - s->at;
    for (int i = 0; i < COUNT(s->stops); i++)
        if (s->stops[i] > s->at && left > s->stops[i] - s->at)
            left = s->stops[i] - s->at;
    if (left == 0)
        return 0;
    n = paced(&s->pace, n < left ? n : left);
    memcpy(buf, s->data + s->at, n);
    s->at += n;
    return (ssize_t)n;
}

TEST_FN struct weft_stream stream_from(struct source *s)
{
    return (struct weft_stream){.read = source_read, .arg = s};
}

/* Takes data; `error` when so much has been taken, once or for ever. */
struct sink {
    char data[1 << 16];
    size_t bytes;
    struct pace pace;
    int error;
    size_t error_at;
    bool error_lasts;
    int one_in;
    int n_calls, n_errors;
    int last_count; /* pieces of the last call */
};

TEST_FN ssize_t sink_writev(void *arg, const struct iovec *iov, int count)
{
    struct sink *s = arg;
    size_t n = 0, done = 0;

    for (int i = 0; i < count; i++)
        n += iov[i].iov_len;
    CHECK_GT(n, 0);
    CHECK_LE(count, 16);
    s->n_calls++;
    s->last_count = count;
    if (s->one_in > 0 && test_random(&s->pace.seed) % (unsigned)s->one_in == 0) {
        s->n_errors++;
        return -ETIMEDOUT;
    }
    if (s->error != 0 && s->bytes == s->error_at) {
        const int error = s->error;
        s->n_errors++;
        s->error = s->error_lasts ? error : 0;
        return error;
    }
    if (s->error != 0 && s->error_at > s->bytes && n > s->error_at - s->bytes)
        n = s->error_at - s->bytes;
    n = paced(&s->pace, n);
    CHECK_LE(s->bytes + n, sizeof s->data);
    for (int i = 0; done < n; i++) {
        const size_t part = iov[i].iov_len < n - done ? iov[i].iov_len : n - done;
        memcpy(s->data + s->bytes, iov[i].iov_base, part);
        s->bytes += part;
        done += part;
    }
    return (ssize_t)n;
}

TEST_FN ssize_t sink_write(void *arg, const void *buf, size_t n)
{
    const struct iovec all = {(void *)(uintptr_t)buf, n};
    return sink_writev(arg, &all, 1);
}

TEST_FN struct weft_stream stream_to(struct sink *s, bool is_vectored)
{
    return (struct weft_stream){
        .write = sink_write, .writev = is_vectored ? sink_writev : NULL, .arg = s};
}

#endif
