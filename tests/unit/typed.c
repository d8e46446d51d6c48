/* SPDX-License-Identifier: MIT */
/*
 * typed.c - typed channels and futures at run time; tests/build/typed.sh shows what does not
 * compile.
 *
 * matrix: short
 */
#include "co_test.h"

struct point {
    double x, y;
    char name[21];
};

WEFT_CHAN_TYPE(int_chan, int);
WEFT_CHAN_TYPE(byte_chan, unsigned char);
WEFT_CHAN_TYPE(point_chan, struct point);
WEFT_CHAN_TYPE(text_chan, const char *);
WEFT_CHAN_TYPE(chan_of_int_chans, int_chan);
WEFT_ONESHOT_TYPE(point_oneshot, struct point);
WEFT_BROADCAST_TYPE(int_broadcast, int);
WEFT_WATCH_TYPE(point_watch, struct point);
WEFT_FUTURE_TYPE(int_future, int);
WEFT_FUTURE_TYPE(point_future, struct point);

/* Goal: send, receive, the try forms, close and unref do what the untyped calls do. */
CO_TEST(a_typed_channel_behaves_like_the_untyped_one)
{
    int_chan c = int_chan_make(2);
    int v = 0;

    CHECK(c.ch != NULL);
    CHECK_EQ(weft_chan_cap(c.ch), 2);
    CHECK_EQ(int_chan_try_recv(c, &v), -EAGAIN);
    CHECK_EQ(int_chan_send(c, 42), 0);
    CHECK_EQ(int_chan_try_send(c, 43), 0);
    CHECK_EQ(int_chan_try_send(c, 44), -EAGAIN);
    CHECK_EQ(weft_chan_len(c.ch), 2);
    CHECK_EQ(int_chan_recv(c, &v), 0);
    CHECK_EQ(v, 42);
    CHECK_EQ(int_chan_try_recv(c, &v), 0);
    CHECK_EQ(v, 43);
    CHECK_EQ(int_chan_send(c, 45), 0);
    CHECK_EQ(int_chan_close(c), 0);
    CHECK_EQ(int_chan_close(c), 1);
    CHECK_EQ(int_chan_send(c, 46), -EPIPE);
    CHECK_EQ(int_chan_recv(c, NULL), 0);
    CHECK_EQ(int_chan_recv(c, &v), -EPIPE);
    CHECK_EQ(v, 43);
    int_chan_unref(c);
    return 0;
}

/* Goal: deadlines reach through the typed layer. */
CO_TEST(a_typed_receive_obeys_a_deadline)
{
    int_chan c = int_chan_make(0);
    int v = 1;

    WEFT_DEADLINE(s, WEFT_MS) {
        CHECK_EQ(int_chan_recv(c, &v), -ETIMEDOUT);
        CHECK_EQ(int_chan_send(c, v), -ETIMEDOUT);
    }
    CHECK_EQ(v, 1);
    int_chan_unref(c);
    return 0;
}

static int send_points(void *arg)
{
    point_chan c = *(point_chan *)arg;

    for (int i = 0; i < 100; i++) {
        struct point p = {i, -i / 2.0, ""};

        snprintf(p.name, sizeof p.name, "point %d", i);
        CHECK_EQ(point_chan_send(c, p), 0);
    }
    CHECK_EQ(point_chan_close(c), 0);
    return 0;
}

/* Goal: structures arrive whole, with a capacity and without. */
CO_TEST(structures_arrive_whole)
{
    for (size_t cap = 0; cap < 3; cap++) {
        point_chan c = point_chan_make(cap);
        struct weft_co *co = weft_go_with(send_points, &c);
        struct point p;
        char name[21];
        int n = 0;

        for (; point_chan_recv(c, &p) == 0; n++) {
            CHECK_EQ((int)p.x, n);
            CHECK_EQ((int)(p.y * 2), -n);
            snprintf(name, sizeof name, "point %d", n);
            CHECK_STR(p.name, name);
        }
        CHECK_EQ(n, 100);
        join(co);
        point_chan_unref(c);
    }
    return 0;
}

/* Goal: pointers, bytes and channels are values like others. */
CO_TEST(pointers_bytes_and_channels_are_values)
{
    text_chan texts = text_chan_make(1);
    byte_chan bytes = byte_chan_make(WEFT_CHAN_UNBOUNDED);
    chan_of_int_chans channels = chan_of_int_chans_make(1);
    int_chan inner = int_chan_make(1), got = {NULL};
    const char *text = NULL;
    unsigned char byte = 0;

    CHECK_EQ(text_chan_send(texts, "weft"), 0);
    CHECK_EQ(text_chan_recv(texts, &text), 0);
    CHECK_STR(text, "weft");
    for (int i = 0; i < 256; i++)
        CHECK_EQ(byte_chan_send(bytes, (unsigned char)i), 0);
    for (int i = 0; i < 256; i++) {
        CHECK_EQ(byte_chan_recv(bytes, &byte), 0);
        CHECK_EQ(byte, i);
    }
    CHECK_EQ(chan_of_int_chans_send(channels, inner), 0);
    CHECK_EQ(chan_of_int_chans_recv(channels, &got), 0);
    CHECK(got.ch == inner.ch);
    text_chan_unref(texts);
    byte_chan_unref(bytes);
    chan_of_int_chans_unref(channels);
    int_chan_unref(inner);
    return 0;
}

/* Goal: the untyped channel inside goes into a select. */
CO_TEST(a_typed_channel_takes_part_in_a_select)
{
    int_chan c = int_chan_make(1);
    int v = 0;

    CHECK_EQ(int_chan_send(c, 11), 0);
    SELECT {
        ON_RECV(c.ch, &v) { CHECK_EQ(v, 11); }
        ON_AFTER(10 * WEFT_SEC) { CHECK(false); }
    }
    int_chan_unref(c);
    return 0;
}

/* Goal: the typed forms of the other shapes do what the untyped calls do. */
CO_TEST(the_other_shapes_have_types_too)
{
    point_oneshot o = point_oneshot_make();
    int_broadcast b = int_broadcast_make(2);
    int_broadcast_subscriber s = int_broadcast_subscribe(b);
    struct point p = {1, 2, "one"}, q = {0, 0, ""};
    point_watch w = point_watch_make(p);
    uint64_t version = 0;
    int v = 0;

    CHECK_EQ(point_oneshot_try_recv(o, &q), -EAGAIN);
    CHECK_EQ(point_oneshot_send(o, p), 0);
    point_oneshot_close_send(o);
    CHECK_EQ(point_oneshot_recv(o, &q), 0);
    CHECK_STR(q.name, "one");
    point_oneshot_close_recv(o);

    for (int i = 0; i < 3; i++)
        CHECK_EQ(int_broadcast_send(b, i), 1);
    CHECK_EQ(int_broadcast_close(b), 0);
    int_broadcast_unref(b);
    CHECK_EQ(int_broadcast_recv(s, &v), 1);
    CHECK_EQ(v, 1);
    CHECK_EQ(int_broadcast_try_recv(s, &v), 0);
    CHECK_EQ(v, 2);
    CHECK_EQ(int_broadcast_recv(s, &v), -EPIPE);
    int_broadcast_unsubscribe(s);

    p.x = 7;
    CHECK_EQ(point_watch_set(w, p), 0);
    point_watch_get(w, &q, NULL);
    CHECK_EQ((int)q.x, 7);
    CHECK_EQ(point_watch_wait(w, NULL, &version), 0);
    CHECK_EQ(version, 2);
    CHECK_EQ(point_watch_close(w), 0);
    CHECK_EQ(point_watch_wait(w, &q, &version), -EPIPE);
    point_watch_unref(w);
    return 0;
}

static int resolve_a_point(void *arg)
{
    point_future_promise p = *(point_future_promise *)arg;
    struct point point = {1.5, -2.5, "weft"};

    CHECK_EQ(point_future_resolve(p, point), 0);
    CHECK_EQ(point_future_resolve(p, point), -EALREADY);
    CHECK_EQ(point_future_reject(p, -EIO), -EALREADY);
    point_future_promise_unref(p);
    return 0;
}

/* Goal: the calls of a typed future do what the untyped ones do, and the untyped future inside goes
 * into a select. */
CO_TEST(a_typed_future_behaves_like_the_untyped_one)
{
    point_future_promise p = point_future_make();
    point_future f = point_future_of(p);
    struct point point = {0, 0, ""};
    int_future_promise q = int_future_make();
    int_future g = int_future_of(q);
    int v = 0;

    CHECK_EQ(point_future_try_await(f, &point), -EAGAIN);
    struct weft_co *co = weft_go_with(resolve_a_point, &p);
    CHECK_EQ(point_future_await(f, &point), 0);
    CHECK(point.x == 1.5 && point.y == -2.5);
    CHECK_STR(point.name, "weft");
    join(co);
    point_future_unref(f);

    CHECK_EQ(int_future_cancel(g), 0);
    CHECK_EQ(int_future_await(g, &v), -ECANCELED);
    CHECK_EQ(int_future_resolve(q, 5), -EALREADY);
    int_future_promise_unref(q);
    SELECT {
        ON_FUTURE(g.f, &v) { CHECK_EQ(SELECT_RC, -ECANCELED); }
        ON_AFTER(10 * WEFT_SEC) { CHECK(false); }
    }
    CHECK_EQ(v, 0);
    int_future_unref(g);
    return 0;
}
