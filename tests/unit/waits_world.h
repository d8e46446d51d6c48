/* SPDX-License-Identifier: MIT */
/* waits_world.h - what the calls of waits.h wait for: made, and taken apart again. */
#ifndef WEFT_TESTS_WAITS_WORLD_H
#define WEFT_TESTS_WAITS_WORLD_H

#include <sys/socket.h>

#include "names_test.h"

/* The runtime has room for all that a test starts, and is full when a call wants it to be. */
#define COROUTINES_MAX 24

/* All that the calls wait for, none of it ready. */
struct world {
    chan *empty, *full, *gate; /* the gate closed, the holder and the children end */
    struct weft_mutex *held;
    struct weft_wait_group *wg;
    struct weft_rwlock *written; /* by the holder */
    struct weft_cond *cond;
    struct weft_mutex *cond_mutex;
    bool has_changed; /* guarded by cond_mutex */
    struct weft_sem *sem;
    struct weft_relay relay;
    struct weft_buffer_pool *buffers; /* the only one of them is out */
    void *buffer;                     /* which; NULL: it was put back */
    struct weft_barrier *barrier;
    struct weft_co *comer; /* to the barrier; NULL: nobody comes */
    struct weft_event *event;
    struct weft_co *holder; /* NULL: it was joined */
    atomic_bool is_joining; /* by the call under test */
    struct weft_ticker *slow;
    struct weft_oneshot *oneshot, *sender; /* the two ends; NULL: closed */
    struct weft_broadcast *broadcast;
    struct weft_subscriber *subscriber;
    struct weft_watch *watch;
    struct weft_group group;
    struct weft_group open_group; /* without a limit of its own */
    chan *places;                 /* those who stay, to take all that the runtime has, wait here */
    struct weft_mutex *places_mutex; /* guards the two below */
    struct weft_co *stayers[COROUTINES_MAX];
    int n_stayers;
    struct weft_co *started; /* by the call under test, where it gives a handle */
    struct weft_promise *promise; /* NULL: given up */
    struct weft_future *future;
    struct weft_waker *waker;
    int fd[2];         /* nothing to be read from [1] */
    int jam[2];        /* no room to write to [0] */
    int mail[2];       /* for datagrams: nothing to be received from [1] */
    int crammed[3];    /* the same: no room in [1], to which [0] is connected and [2] not */
    int listener;      /* nobody comes */
    int crowd, pushed; /* a listener whose backlog is full, and one who waits in it */
    char crowd_name[64];
    char name[32]; /* whose lookup waits till the world's names are open */
    int file, locked; /* one file opened twice, the second holds its lock */
    struct weft_mutex *making;    /* guards the next three (waits_process.h) */
    struct weft_signals *signals; /* NULL: nobody has asked for one */
    struct weft_process *child;   /* NULL: none was started */
    int child_in;                 /* or -1 */
    int closed_fd; /* one of these, or -1 */
};

/* The names of a world have its number; lookups wait until it is open. */
static atomic_int last_world, last_open_world;

static int answer_when_open(const char *host, const char *service, int family,
                            struct weft_addr *addrs)
{
    (void)service;
    (void)family;
    while (atoi(host + strlen("n")) > atomic_load(&last_open_world))
        usleep(100);
    set_addr(&addrs[0], "127.0.0.1:0");
    return 1;
}

__attribute__((constructor)) static void ask_the_fake(void)
{
    use_fake_names(answer_when_open);
}

static void open_names(struct world *w)
{
    atomic_store(&last_open_world, atoi(w->name + strlen("n")));
}

static int wait_at_the_gate(void *arg)
{
    WEFT_SHIELD (s, WEFT_NEVER)
        CHECK_EQ(chan_recv(arg, NULL), -EPIPE);
    return 0;
}

static int hold(void *arg)
{
    struct world *w = arg;

    CHECK_EQ(weft_rwlock_write_lock(w->written), 0);
    CHECK_EQ(weft_mutex_lock(w->held), 0);
    CHECK_EQ(chan_recv(w->gate, NULL), -EPIPE);
    weft_rwlock_write_unlock(w->written);
    weft_mutex_unlock(w->held);
    return 0;
}

/* UNIX names, since what is sent there is there when the call returns. */
static int bind_mailbox(struct weft_addr *addr)
{
    static atomic_int n;
    char name[64];

    snprintf(name, sizeof name, "unix:@weft-mail-%d-%d", getpid(), atomic_fetch_add(&n, 1));
    CHECK_EQ(weft_addr_parse(addr, name), 0);
    return weft_dgram_bind_addr(addr, NULL);
}

static void build_mailboxes(struct world *w)
{
    struct weft_addr addr;

    w->mail[1] = bind_mailbox(&addr);
    w->mail[0] = weft_dgram_open(AF_UNIX);
    CHECK_EQ(weft_dgram_connect(w->mail[0], &addr), 0);
    w->crammed[1] = bind_mailbox(&addr);
    w->crammed[0] = weft_dgram_open(AF_UNIX);
    w->crammed[2] = weft_dgram_open(AF_UNIX);
    CHECK_EQ(weft_dgram_connect(w->crammed[0], &addr), 0);
    WEFT_DEADLINE (at_once, 0)
        while (weft_dgram_send(w->crammed[0], "x", 1, NULL) == 1)
            ;
}

static void build_sockets(struct world *w)
{
    static atomic_int n;
    char block[4096] = "";

    CHECK_EQ(weft_socket_pair(w->fd), 0);
    CHECK_EQ(weft_socket_pair(w->jam), 0);
    WEFT_DEADLINE (at_once, 0)
        while (weft_write(w->jam[0], block, sizeof block) > 0)
            ;
    WEFT_DEADLINE (at_once, 0)
        while (weft_write(w->jam[0], block, 1) > 0)
            ;
    w->listener = weft_listen("127.0.0.1:0");
    CHECK_GE(w->listener, 0);
    snprintf(w->crowd_name, sizeof w->crowd_name, "unix:@weft-waits-%d-%d", getpid(),
             atomic_fetch_add(&n, 1));
    snprintf(w->name, sizeof w->name, "n%d.test", atomic_fetch_add(&last_world, 1) + 1);
    char name[] = "/tmp/weft-waits-XXXXXX";
    w->file = mkstemp(name);
    w->locked = weft_open(name, O_RDWR, 0);
    CHECK_EQ(unlink(name), 0);
    CHECK_EQ(weft_file_lock(w->locked, WEFT_FILE_LOCK_EXCLUSIVE), 0);
    w->crowd = weft_listen(w->crowd_name);
    CHECK_GE(w->crowd, 0);
    CHECK_EQ(listen(w->crowd, 0), 0);
    w->pushed = weft_dial(w->crowd_name);
    CHECK_GE(w->pushed, 0);
    build_mailboxes(w);
}

static void build(struct world *w)
{
    w->empty = chan_make(0, 1);
    w->full = chan_make(0, 1);
    CHECK_EQ(chan_send(w->full, NULL), 0);
    w->gate = chan_make(0, 0);
    w->held = weft_mutex_make();
    w->written = weft_rwlock_make();
    w->cond = weft_cond_make();
    w->cond_mutex = weft_mutex_make();
    w->has_changed = false;
    w->sem = weft_sem_make(0);
    CHECK_EQ(weft_relay_open(&w->relay), 0);
    w->buffers = weft_buffer_pool_make(1, 1);
    CHECK_EQ(weft_buffer_pool_get(w->buffers, &w->buffer), 0);
    w->barrier = weft_barrier_make(2);
    w->comer = NULL;
    w->event = weft_event_make();
    w->wg = weft_wg_make();
    weft_wg_add(w->wg, 1);
    w->promise = weft_promise_make(0);
    w->future = weft_promise_future(w->promise);
    w->waker = weft_waker_make();
    w->slow = weft_ticker_make(WEFT_SEC * 1000, WEFT_TICK_SKIP);
    atomic_init(&w->is_joining, false);
    w->holder = weft_go_with(hold, w, .name = "holder");
    while (weft_mutex_try_lock(w->held) == 0) {
        weft_mutex_unlock(w->held);
        weft_yield();
    }
    weft_group_begin(&w->group, &(struct weft_group_opts){
                                    .size = sizeof(struct weft_group_opts),
                                    .limit = 1,
                                    .keep_ends = 1,
                                });
    CHECK_EQ(weft_group_go(&w->group, wait_at_the_gate, w->gate), 0);
    weft_group_begin(&w->open_group, NULL);
    w->places = chan_make(0, 0);
    w->places_mutex = weft_mutex_make();
    w->n_stayers = 0;
    w->oneshot = w->sender = weft_oneshot_make(0);
    w->broadcast = weft_broadcast_make(0, 1);
    w->subscriber = weft_broadcast_subscribe(w->broadcast);
    w->watch = weft_watch_make(0, NULL);
    build_sockets(w);
    w->making = weft_mutex_make();
    w->signals = NULL;
    w->child = NULL;
    w->child_in = -1;
    w->closed_fd = -1;
}

/* Until none is left but the caller: who was started without a handle has left its place, too. */
static void await_ends(void)
{
    struct weft_stats stats = {.size = sizeof stats};

    do {
        weft_yield();
        CHECK_EQ(weft_runtime_stats(NULL, &stats), 0);
    } while (stats.live > 1);
}

static void let_go_of_processes(struct world *w);

static void destroy(struct world *w)
{
    open_names(w);
    chan_close(w->gate);
    if (w->holder != NULL)
        join(w->holder);
    CHECK_EQ(weft_group_end(&w->group), 0);
    CHECK_EQ(weft_group_end(&w->open_group), 0);
    chan_close(w->places);
    while (w->n_stayers > 0)
        join(w->stayers[--w->n_stayers]);
    chan_unref(w->places);
    weft_mutex_free(w->places_mutex);
    chan_unref(w->empty);
    chan_unref(w->full);
    chan_unref(w->gate);
    if (w->comer != NULL)
        join(w->comer);
    weft_mutex_free(w->held);
    weft_rwlock_free(w->written);
    weft_cond_free(w->cond);
    weft_mutex_free(w->cond_mutex);
    weft_sem_free(w->sem);
    CHECK_EQ(weft_relay_close(&w->relay), 0);
    if (w->buffer != NULL)
        weft_buffer_pool_put(w->buffers, w->buffer);
    weft_buffer_pool_free(w->buffers);
    weft_barrier_free(w->barrier);
    weft_event_free(w->event);
    weft_wg_free(w->wg);
    weft_promise_unref(w->promise);
    weft_future_unref(w->future);
    weft_waker_unref(w->waker);
    weft_ticker_free(w->slow);
    weft_oneshot_close_send(w->sender);
    weft_oneshot_close_recv(w->oneshot);
    weft_broadcast_unsubscribe(w->subscriber);
    weft_broadcast_unref(w->broadcast);
    weft_watch_unref(w->watch);
    const int fds[] = {w->fd[0],   w->fd[1],      w->jam[0],     w->jam[1],     w->file,
                       w->mail[0], w->mail[1],    w->crammed[0], w->crammed[1], w->locked,
                       w->crowd,   w->crammed[2], w->listener,   w->pushed};
    for (int i = 0; i < COUNT(fds); i++)
        CHECK_EQ(weft_close(fds[i]), fds[i] == w->closed_fd ? -EBADF : 0);
    let_go_of_processes(w);
    await_ends();
}

#endif
