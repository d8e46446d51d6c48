/* SPDX-License-Identifier: MIT */
/*
 * rwlock.c - the read-write lock as include/weft/rwlock.h promises it.
 *
 * matrix: short
 */
#include "crowd.h"
#include "no_lookout.h"

struct book {
    struct weft_rwlock *rw;
    int pages[2]; /* plain: guarded by rw alone, so that a race detector watches them too */
    atomic_int n_reading, n_written;
};

static void read_or_write(void *arg, uint64_t *random)
{
    struct book *b = arg;

    for (int i = 0; i < scaled(800); i++) {
        if (test_random(random) % 4 != 0) {
            CHECK_EQ(weft_rwlock_read_lock(b->rw), 0);
            atomic_fetch_add(&b->n_reading, 1);
            int before = b->pages[0];
            if (i % 16 == 0)
                crowd_pause();
            CHECK_EQ(b->pages[0], before);
            CHECK_EQ(b->pages[1], before);
            atomic_fetch_sub(&b->n_reading, 1);
            weft_rwlock_read_unlock(b->rw);
        } else {
            CHECK_EQ(weft_rwlock_write_lock(b->rw), 0);
            CHECK_EQ(atomic_load(&b->n_reading), 0);
            b->pages[0]++;
            if (i % 16 == 0)
                crowd_pause();
            b->pages[1]++;
            atomic_fetch_add(&b->n_written, 1);
            weft_rwlock_write_unlock(b->rw);
        }
    }
}

static int share_a_book(void *n_threads)
{
    struct book b = {.rw = weft_rwlock_make()};

    crowd(12, *(const int *)n_threads, read_or_write, &b);
    CHECK_EQ(b.pages[0], atomic_load(&b.n_written));
    CHECK_EQ(b.pages[1], b.pages[0]);
    weft_rwlock_free(b.rw);
    weft_rwlock_free(NULL);
    return 0;
}

/* Goal: who writes is alone, whatever the number of processors, and sees what was written before.
 * Method: two words that are equal outside of a write; a writer is away between them. */
TEST(a_writer_is_alone_on_any_number_of_processors)
{
    int none = 0;

    CHECK_EQ(weft_run(share_a_book, &none), 0);
    CHECK_EQ(weft_run_with(share_a_book, &none, .procs = 1), 0);
    CHECK_EQ(weft_run_with(share_a_book, &none, .procs = 2), 0);
    CHECK_EQ(weft_run_with(share_a_book, &none, .procs = 8), 0);
}

/* Goal: plain threads read and write beside coroutines. */
TEST(plain_threads_share_a_read_write_lock)
{
    int some = 3;

    CHECK_EQ(weft_run(share_a_book, &some), 0);
    CHECK_EQ(weft_run_with(share_a_book, &some, .procs = 1), 0);
}

/* Goal: the try forms take what is free, beside what is allowed, and never wait. */
CO_TEST(try_forms_take_what_is_free)
{
    struct weft_rwlock *rw = weft_rwlock_make();

    CHECK_EQ(weft_rwlock_read_try_lock(rw), 0);
    CHECK_EQ(weft_rwlock_read_try_lock(rw), 0);
    CHECK_EQ(weft_rwlock_write_try_lock(rw), -EAGAIN);
    weft_rwlock_read_unlock(rw);
    CHECK_EQ(weft_rwlock_write_try_lock(rw), -EAGAIN);
    weft_rwlock_read_unlock(rw);
    CHECK_EQ(weft_rwlock_write_try_lock(rw), 0);
    CHECK_EQ(weft_rwlock_read_try_lock(rw), -EAGAIN);
    CHECK_EQ(weft_rwlock_write_try_lock(rw), -EAGAIN);
    weft_rwlock_write_unlock(rw);
    weft_rwlock_free(rw);
    return 0;
}

struct line {
    struct weft_rwlock *rw;
    char order[16]; /* R, r: a reader came in, has left; W, w: a writer */
    int n;
    atomic_int started;
};

static int read_in_line(void *arg)
{
    struct line *l = arg;

    atomic_fetch_add(&l->started, 1);
    CHECK_EQ(weft_rwlock_read_lock(l->rw), 0);
    l->order[l->n++] = 'R';
    weft_yield();
    l->order[l->n++] = 'r';
    weft_rwlock_read_unlock(l->rw);
    return 0;
}

static int write_in_line(void *arg)
{
    struct line *l = arg;

    atomic_fetch_add(&l->started, 1);
    CHECK_EQ(weft_rwlock_write_lock(l->rw), 0);
    l->order[l->n++] = 'W';
    weft_yield();
    l->order[l->n++] = 'w';
    weft_rwlock_write_unlock(l->rw);
    return 0;
}

/* One that stands in the line when this returns, there being one processor. */
static struct weft_co *stand(struct line *l, int (*fn)(void *))
{
    int n = atomic_load(&l->started);
    struct weft_co *co = weft_go_with(fn, l);

    while (atomic_load(&l->started) == n)
        weft_yield();
    return co;
}

static int stand_in_line(void *unused)
{
    static int (*const who[])(void *) = {read_in_line, read_in_line, write_in_line, read_in_line,
                                         read_in_line};
    struct line l = {.rw = weft_rwlock_make()};
    struct weft_co *co[COUNT(who)];

    (void)unused;
    CHECK_EQ(weft_rwlock_write_lock(l.rw), 0);
    for (int i = 0; i < COUNT(who); i++)
        co[i] = stand(&l, who[i]);
    weft_rwlock_write_unlock(l.rw);
    for (int i = 0; i < COUNT(who); i++)
        join(co[i]);
    CHECK_STR(l.order, "RRrrWwRRrr");
    weft_rwlock_free(l.rw);
    return 0;
}

/* Goal: who waits is served in order, and readers that wait one after the other go in together.
 * Method: with one processor a coroutine that has started has also parked. */
TEST(readers_go_in_together_and_all_in_order)
{
    CHECK_EQ(weft_run_with(stand_in_line, NULL, .procs = 1), 0);
}

static int stand_behind_a_writer(void *unused)
{
    struct line l = {.rw = weft_rwlock_make()};

    (void)unused;
    CHECK_EQ(weft_rwlock_read_lock(l.rw), 0);
    struct weft_co *writer = stand(&l, write_in_line);
    CHECK_EQ(weft_rwlock_read_try_lock(l.rw), -EAGAIN);
    struct weft_co *reader = stand(&l, read_in_line);
    CHECK_STR(l.order, "");
    weft_rwlock_read_unlock(l.rw);
    join(writer);
    join(reader);
    CHECK_STR(l.order, "WwRr");
    weft_rwlock_free(l.rw);
    return 0;
}

/* Goal: a writer that waits is not starved by readers: those who come later go behind it. */
TEST(a_waiting_writer_is_not_passed)
{
    CHECK_EQ(weft_run_with(stand_behind_a_writer, NULL, .procs = 1), 0);
}

static int write_in_vain(void *arg)
{
    struct line *l = arg;

    atomic_fetch_add(&l->started, 1);
    WEFT_DEADLINE(s, 2 * WEFT_MS) {
        CHECK_EQ(weft_rwlock_write_lock(l->rw), -ETIMEDOUT);
        CHECK_EQ(weft_scope_cause(&s), WEFT_CAUSE_THIS);
    }
    return 0;
}

static int stand_behind_one_who_gives_up(void *unused)
{
    struct line l = {.rw = weft_rwlock_make()};

    (void)unused;
    CHECK_EQ(weft_rwlock_read_lock(l.rw), 0);
    struct weft_co *writer = stand(&l, write_in_vain);
    struct weft_co *reader = stand(&l, read_in_line);
    join(writer);
    join(reader); /* although we have not unlocked */
    weft_rwlock_read_unlock(l.rw);
    weft_rwlock_free(l.rw);
    return 0;
}

/* Goal: a writer that gives up lets those behind it pass. */
TEST(readers_behind_a_writer_that_gives_up_go_in)
{
    CHECK_EQ(weft_run_with(stand_behind_one_who_gives_up, NULL, .procs = 1), 0);
}

/* Goal: a deadline ends the wait of a reader; what is free is taken though it has passed. */
CO_TEST(a_deadline_ends_the_wait_for_a_read_lock)
{
    struct weft_rwlock *rw = weft_rwlock_make();
    struct line l = {.rw = rw};

    CHECK_EQ(weft_rwlock_read_lock(rw), 0);
    struct weft_co *writer = stand(&l, write_in_line);
    while (weft_rwlock_read_try_lock(rw) == 0) { /* until the writer waits */
        weft_rwlock_read_unlock(rw);
        weft_yield();
    }
    WEFT_DEADLINE(s, WEFT_MS)
        CHECK_EQ(weft_rwlock_read_lock(rw), -ETIMEDOUT);
    weft_rwlock_read_unlock(rw);
    join(writer);
    WEFT_DEADLINE(s, 0) {
        CHECK_EQ(weft_rwlock_read_lock(rw), 0);
        weft_rwlock_read_unlock(rw);
        CHECK_EQ(weft_rwlock_write_lock(rw), 0);
        weft_rwlock_write_unlock(rw);
    }
    weft_rwlock_free(rw);
    return 0;
}

static void unlock_for_another(void *rw)
{
    weft_rwlock_read_unlock(rw);
}

/* Goal: a reader may leave the unlock to somebody else. */
CO_TEST(a_read_lock_is_unlocked_by_anybody)
{
    struct weft_rwlock *rw = weft_rwlock_make();

    CHECK_EQ(weft_rwlock_read_lock(rw), 0);
    CHECK_EQ(go(unlock_for_another, rw), 0);
    CHECK_EQ(weft_rwlock_write_lock(rw), 0);
    weft_rwlock_write_unlock(rw);
    weft_rwlock_free(rw);
    return 0;
}
