/* SPDX-License-Identifier: MIT */
/*
 * chan.c - channels as include/weft/chan.h promises them: order, capacity, try forms, references.
 *
 * Close and deadlines are in chan_end.c, plain threads and several runtimes in chan_foreign.c.
 *
 * matrix: short
 */
#include "co_test.h"

/* ---- order and copies ---- */

struct stream {
    chan *ch;
    size_t elem_bytes;
    int n;
};

/* Value i of a stream: elem_bytes bytes that depend on i and on their place. */
static void fill(unsigned char *value, size_t bytes, int i)
{
    for (size_t k = 0; k < bytes; k++)
        value[k] = (unsigned char)((unsigned)i * 31 + k * 7 + (unsigned)(i >> 8));
}

static int send_stream(void *arg)
{
    struct stream *s = arg;
    unsigned char value[1000];

    for (int i = 0; i < s->n; i++) {
        fill(value, s->elem_bytes, i);
        CHECK_EQ(chan_send(s->ch, value), 0);
        memset(value, 0xee, sizeof value); /* it was copied before the call returned */
    }
    return 0;
}

/* Goal: values arrive whole and in the order of the sends, whatever the size and the capacity.
 * Method: every byte of a value depends on its number, and one byte behind it is watched. */
CO_TEST(values_arrive_whole_and_in_the_order_of_the_sends)
{
    static const size_t caps[] = {0, 1, 2, 7, 64, WEFT_CHAN_UNBOUNDED};
    static const size_t sizes[] = {1, 2, 3, 4, 8, 12, 16, 24, 64, 1000};

    for (int c = 0; c < COUNT(caps); c++) {
        for (int z = 0; z < COUNT(sizes); z++) {
            struct stream s = {chan_make(sizes[z], caps[c]), sizes[z], scaled(400)};
            unsigned char value[1001], expected[1000];
            struct weft_co *sender = weft_go_with(send_stream, &s, .name = "sender");

            for (int i = 0; i < s.n; i++) {
                fill(expected, s.elem_bytes, i);
                memset(value, 0x55, sizeof value);
                CHECK_EQ(chan_recv(s.ch, value), 0);
                CHECK_EQ(memcmp(value, expected, s.elem_bytes), 0);
                CHECK_EQ(value[s.elem_bytes], 0x55);
            }
            join(sender);
            CHECK_EQ(chan_try_recv(s.ch, value), -EAGAIN);
            chan_unref(s.ch);
        }
    }
    return 0;
}

static int send_page(void *arg)
{
    unsigned char *page = malloc(WEFT_CHAN_ELEM_BYTES_MAX);

    fill(page, WEFT_CHAN_ELEM_BYTES_MAX, 5);
    CHECK_EQ(chan_send(arg, page), 0);
    free(page);
    return 0;
}

/* Goal: a value may have WEFT_CHAN_ELEM_BYTES_MAX bytes, buffered or handed over. */
CO_TEST(a_value_of_the_largest_size_arrives_whole)
{
    unsigned char *page = malloc(WEFT_CHAN_ELEM_BYTES_MAX);
    unsigned char *expected = malloc(WEFT_CHAN_ELEM_BYTES_MAX);

    fill(expected, WEFT_CHAN_ELEM_BYTES_MAX, 5);
    for (size_t cap = 0; cap < 3; cap++) {
        chan *ch = chan_make(WEFT_CHAN_ELEM_BYTES_MAX, cap);
        struct weft_co *co = weft_go_with(send_page, ch);

        memset(page, 0, WEFT_CHAN_ELEM_BYTES_MAX);
        CHECK_EQ(chan_recv(ch, page), 0);
        CHECK_EQ(memcmp(page, expected, WEFT_CHAN_ELEM_BYTES_MAX), 0);
        join(co);
        chan_unref(ch);
    }
    free(page);
    free(expected);
    return 0;
}

static int send_five_signals(void *arg)
{
    for (int i = 0; i < 5; i++)
        CHECK_EQ(chan_send(arg, NULL), 0);
    return 0;
}

/* Goal: an element size of 0 makes a channel of signals: they are counted, NULL is their value,
 * and a pointer that is given all the same is left alone. */
CO_TEST(a_channel_of_signals_carries_no_bytes)
{
    static const size_t caps[] = {0, 3, 5, WEFT_CHAN_UNBOUNDED};

    for (int c = 0; c < COUNT(caps); c++) {
        chan *ch = chan_make(0, caps[c]);
        struct weft_co *co = weft_go_with(send_five_signals, ch);
        char watched = 'x';

        for (int i = 0; i < 5; i++)
            CHECK_EQ(chan_recv(ch, i % 2 == 0 ? NULL : &watched), 0);
        CHECK_EQ(watched, 'x');
        join(co);
        CHECK_EQ(chan_try_recv(ch, NULL), -EAGAIN);
        CHECK_EQ(chan_close(ch), 0);
        CHECK_EQ(chan_recv(ch, NULL), -EPIPE);
        chan_unref(ch);
    }
    return 0;
}

static int send_1_2_3(void *arg)
{
    for (int i = 1; i <= 3; i++)
        CHECK_EQ(chan_send(arg, &i), 0);
    return 0;
}

/* Goal: a receive into NULL takes the value and drops it. */
CO_TEST(a_receive_into_null_drops_the_value)
{
    for (size_t cap = 0; cap < 4; cap++) {
        chan *ch = chan_make(sizeof(int), cap);
        struct weft_co *co = weft_go_with(send_1_2_3, ch);
        int v = 0;

        CHECK_EQ(chan_recv(ch, NULL), 0);
        CHECK_EQ(chan_recv(ch, &v), 0);
        CHECK_EQ(v, 2);
        while (chan_try_recv(ch, NULL) == -EAGAIN)
            weft_yield();
        join(co);
        CHECK_EQ(chan_try_recv(ch, &v), -EAGAIN);
        chan_unref(ch);
    }
    return 0;
}

static atomic_int n_sends_done;

static int send_one_and_count(void *arg)
{
    int v = 77;

    CHECK_EQ(chan_send(arg, &v), 0);
    atomic_fetch_add(&n_sends_done, 1);
    return 0;
}

/* ---- capacity ---- */

/* Goal: without a buffer a send returns only when it was received.
 * Method: yield to the sender many times; nothing may have been sent before the receive. */
CO_TEST(an_unbuffered_send_waits_for_its_receive)
{
    chan *ch = chan_make(sizeof(int), 0);
    struct weft_co *co = weft_go_with(send_one_and_count, ch);
    int v = 0;

    yield_often(200);
    CHECK_EQ(atomic_load(&n_sends_done), 0);
    CHECK_EQ(weft_chan_len(ch), 0);
    CHECK_EQ(chan_recv(ch, &v), 0);
    CHECK_EQ(v, 77);
    join(co);
    CHECK_EQ(atomic_load(&n_sends_done), 1);
    chan_unref(ch);
    return 0;
}

/* Goal: a full channel makes senders wait, and each receive lets exactly one go on. */
CO_TEST(a_full_channel_holds_senders_back)
{
    enum { CAP = 5, WAITING = 4 };
    chan *ch = chan_make(sizeof(int), CAP);
    struct weft_co *co[WAITING];
    int v;

    for (int i = 0; i < CAP; i++)
        CHECK_EQ(chan_try_send(ch, &i), 0);
    v = -1;
    CHECK_EQ(chan_try_send(ch, &v), -EAGAIN);
    for (int i = 0; i < WAITING; i++)
        co[i] = weft_go_with(send_one_and_count, ch);
    for (int taken = 0; taken < CAP + WAITING; taken++) {
        yield_often(50);
        CHECK_LE(atomic_load(&n_sends_done), taken);
        CHECK_LE(weft_chan_len(ch), CAP);
        CHECK_EQ(chan_recv(ch, &v), 0);
        CHECK_EQ(v, taken < CAP ? taken : 77);
    }
    for (int i = 0; i < WAITING; i++)
        join(co[i]);
    CHECK_EQ(weft_chan_len(ch), 0);
    chan_unref(ch);
    return 0;
}

/* Goal: a send into an unbounded channel never waits, and the order holds while it grows.
 * Method: under a deadline that has passed, any wait would fail the send. */
CO_TEST(an_unbounded_send_never_waits)
{
    chan *ch = chan_make(sizeof(int), WEFT_CHAN_UNBOUNDED);
    int n = scaled(50000), sent = 0, received = 0, v;

    CHECK_EQ(weft_chan_cap(ch), WEFT_CHAN_UNBOUNDED);
    WEFT_DEADLINE(s, 0) {
        while (sent < n) {
            CHECK_EQ(chan_send(ch, &sent), 0);
            sent++;
            if (sent % 3 == 0) { /* the front moves while the back grows */
                CHECK_EQ(chan_recv(ch, &v), 0);
                CHECK_EQ(v, received++);
            }
        }
    }
    CHECK_EQ(weft_chan_len(ch), sent - received);
    while (received < n) {
        CHECK_EQ(chan_recv(ch, &v), 0);
        CHECK_EQ(v, received++);
    }
    CHECK_EQ(chan_try_recv(ch, &v), -EAGAIN);
    chan_unref(ch);
    return 0;
}

/* Goal: len counts what is buffered, cap is what the channel was made with. */
CO_TEST(len_and_cap_tell_the_truth)
{
    static const size_t caps[] = {0, 1, 3, 1000, WEFT_CHAN_UNBOUNDED};

    for (int c = 0; c < COUNT(caps); c++) {
        chan *ch = chan_make(sizeof(int), caps[c]);
        size_t n = caps[c] < 1500 ? caps[c] : 1500;

        CHECK_EQ(weft_chan_cap(ch), caps[c]);
        for (size_t i = 0; i < n; i++) {
            CHECK_EQ(weft_chan_len(ch), i);
            CHECK_EQ(chan_try_send(ch, &i), 0);
        }
        CHECK_EQ(weft_chan_len(ch), n);
        CHECK_EQ(chan_close(ch), 0);
        CHECK_EQ(weft_chan_len(ch), n);
        CHECK_EQ(weft_chan_cap(ch), caps[c]);
        for (size_t i = n; i > 0; i--) {
            CHECK_EQ(chan_recv(ch, NULL), 0);
            CHECK_EQ(weft_chan_len(ch), i - 1);
        }
        chan_unref(ch);
    }
    return 0;
}

/* Goal: a huge capacity is a promise, not an allocation that fails or takes all memory. */
CO_TEST(a_large_bounded_channel_works_at_once)
{
    chan *ch = chan_make(sizeof(int), 1 << 20);
    int v = 4;

    CHECK(ch != NULL);
    CHECK_EQ(chan_send(ch, &v), 0);
    v = 0;
    CHECK_EQ(chan_recv(ch, &v), 0);
    CHECK_EQ(v, 4);
    chan_unref(ch);
    return 0;
}

/* ---- try forms ---- */

static int recv_42(void *arg)
{
    int v = 0;

    CHECK_EQ(chan_recv(arg, &v), 0);
    CHECK_EQ(v, 42);
    return 0;
}

/* Goal: the try forms do what needs no waiting, and say -EAGAIN otherwise. */
CO_TEST(try_forms_never_wait)
{
    chan *buffered = chan_make(sizeof(int), 1), *direct = chan_make(sizeof(int), 0);
    struct weft_co *co;
    int v = 42, rc;

    CHECK_EQ(chan_try_recv(buffered, &v), -EAGAIN);
    CHECK_EQ(v, 42);
    CHECK_EQ(chan_try_send(buffered, &v), 0);
    CHECK_EQ(chan_try_send(buffered, &v), -EAGAIN);
    v = 0;
    CHECK_EQ(chan_try_recv(buffered, &v), 0);
    CHECK_EQ(v, 42);
    CHECK_EQ(chan_try_recv(direct, &v), -EAGAIN);
    CHECK_EQ(chan_try_send(direct, &v), -EAGAIN);
    CHECK_EQ(chan_try_send(NULL, &v), -EAGAIN);
    CHECK_EQ(chan_try_recv(NULL, &v), -EAGAIN);

    co = weft_go_with(recv_42, direct); /* a receiver waits: the try succeeds when it has come */
    while ((rc = chan_try_send(direct, &v)) == -EAGAIN)
        weft_yield();
    CHECK_EQ(rc, 0);
    join(co);

    co = weft_go_with(send_one_and_count, direct);
    while ((rc = chan_try_recv(direct, &v)) == -EAGAIN)
        weft_yield();
    CHECK_EQ(rc, 0);
    CHECK_EQ(v, 77);
    join(co);
    chan_unref(buffered);
    chan_unref(direct);
    return 0;
}

/* ---- references ---- */

static int unref_later(void *arg)
{
    int v = 8;

    weft_yield();
    CHECK_EQ(chan_send(arg, &v), 0);
    chan_unref(arg);
    return 0;
}

/* Goal: the channel lives as long as somebody holds a reference, and the last one frees it with
 * what it buffers (a leak check sees the rest); NULL is allowed. */
CO_TEST(the_last_reference_frees_the_channel)
{
    chan *ch = chan_make(sizeof(int), 4);
    struct weft_co *co;

    CHECK(chan_ref(ch) == ch);
    co = weft_go_with(unref_later, ch);
    CHECK_EQ(chan_send(ch, &(int){1}), 0);
    CHECK_EQ(chan_send(ch, &(int){2}), 0);
    chan_unref(ch);
    join(co);
    chan_unref(NULL);

    ch = chan_make(1000, WEFT_CHAN_UNBOUNDED);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(chan_send(ch, (char[1000]){0}), 0);
    chan_unref(ch);
    return 0;
}

/* ---- classics ---- */

struct note {
    int plain; /* neither atomic nor locked: the channel alone orders it */
    chan *back;
};

static int answer_notes(void *arg)
{
    struct note *note;

    while (chan_recv(arg, &note) == 0) {
        note->plain++;
        CHECK_EQ(chan_send(note->back, &note), 0);
    }
    return 0;
}

/* Goal: all that a sender wrote before its send is visible to the receiver, back and forth.
 * Method: ping-pong with a plain counter, which a race detector watches too. */
CO_TEST(ping_pong_orders_plain_memory)
{
    for (size_t cap = 0; cap < 2; cap++) {
        chan *to = chan_make(sizeof(struct note *), cap);
        struct note note = {0, chan_make(sizeof(struct note *), cap)}, *p = &note;
        struct weft_co *co = weft_go_with(answer_notes, to);
        int n = scaled(20000);

        for (int i = 0; i < n; i++) {
            note.plain++;
            CHECK_EQ(chan_send(to, &p), 0);
            p = NULL;
            CHECK_EQ(chan_recv(note.back, &p), 0);
            CHECK(p == &note);
            CHECK_EQ(note.plain, 2 * (i + 1));
        }
        chan_close(to);
        join(co);
        chan_unref(to);
        chan_unref(note.back);
    }
    return 0;
}

struct producer {
    chan *ch;
    int id, n;
};

static int produce(void *arg)
{
    struct producer *p = arg;

    for (int i = 0; i < p->n; i++) {
        int v = p->id << 20 | i;

        CHECK_EQ(chan_send(p->ch, &v), 0);
    }
    return 0;
}

static int consume(void *arg)
{
    struct producer *c = arg;
    int last[4] = {-1, -1, -1, -1}, v;

    while (chan_recv(c->ch, &v) == 0) {
        int id = v >> 20, i = v & 0xfffff;

        CHECK_GT(i, last[id]); /* a consumer sees each producer's values in their order */
        last[id] = i;
        c->n++;
    }
    return 0;
}

/* Goal: many producers, many consumers: each value once, each producer's order kept. */
CO_TEST(many_producers_and_consumers_share_a_channel)
{
    static const size_t caps[] = {0, 1, 10, WEFT_CHAN_UNBOUNDED};

    for (int c = 0; c < COUNT(caps); c++) {
        chan *ch = chan_make(sizeof(int), caps[c]);
        struct producer side[8] = {{0}};
        struct weft_co *co[8];
        int n = scaled(3000), total = 0;

        for (int i = 0; i < 8; i++) {
            side[i] = (struct producer){ch, i, i < 4 ? n : 0};
            co[i] = weft_go_with(i < 4 ? produce : consume, &side[i]);
        }
        for (int i = 0; i < 4; i++)
            join(co[i]);
        chan_close(ch);
        for (int i = 4; i < 8; i++) {
            join(co[i]);
            total += side[i].n;
        }
        CHECK_EQ(total, 4 * n);
        chan_unref(ch);
    }
    return 0;
}

static struct weft_wait_group *sieve_parts;

static void count_up(void *arg)
{
    int i = 2;

    while (chan_send(arg, &i) == 0)
        i++;
    chan_unref(arg);
    weft_wg_done(sieve_parts);
}

struct filter {
    chan *in, *out;
    int prime;
};

static void filter_multiples(void *arg)
{
    struct filter *f = arg;
    int i;

    while (chan_recv(f->in, &i) == 0) {
        if (i % f->prime != 0 && chan_send(f->out, &i) != 0)
            break;
    }
    chan_close(f->in);
    chan_unref(f->in);
    chan_unref(f->out);
    free(f);
    weft_wg_done(sieve_parts);
}

/* Goal: the prime sieve, a chain of filters over unbuffered channels, finds the 100th prime;
 * closing its end takes the whole chain down. */
CO_TEST(the_prime_sieve_finds_the_hundredth_prime)
{
    chan *ch = chan_make(sizeof(int), 0);
    int prime = 0;

    sieve_parts = weft_wg_make();
    weft_wg_add(sieve_parts, 101);
    CHECK_EQ(go(count_up, chan_ref(ch)), 0);
    for (int i = 0; i < 100; i++) {
        struct filter *f = malloc(sizeof *f);

        CHECK_EQ(chan_recv(ch, &prime), 0);
        *f = (struct filter){ch, chan_make(sizeof(int), 0), prime};
        ch = chan_ref(f->out);
        CHECK_EQ(go(filter_multiples, f), 0);
    }
    CHECK_EQ(prime, 541);
    chan_close(ch);
    CHECK_EQ(weft_wg_wait(sieve_parts), 0);
    weft_wg_free(sieve_parts);
    chan_unref(ch);
    return 0;
}
