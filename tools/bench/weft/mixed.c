/* SPDX-License-Identifier: MIT */
/*
 * mixed.c - mixed: an echo server some of whose requests compute for a millisecond, and how long
 * the others take.
 *
 * The server is written with Weft and runs in a process of its own; the client is a plain epoll
 * loop in this one.  Each connection has one request on its way at any time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define CONNECTIONS 50
#define MESSAGE_BYTES 64
#define HEAVY 'H' /* the first byte of a request that computes */
#define LIGHT 'L'
#define HEAVY_EACH 10
#define HEAVY_US 1000
#define RUN_NS (2 * WEFT_SEC)
#define STUCK_MS 5000
#define SAMPLES_MAX 4000000

/* --- The server ----------------------------------------------------------------------------- */

static void serve(void *arg)
{
    const int fd = (int)(intptr_t)arg;
    char message[MESSAGE_BYTES];

    while (weft_read_full(fd, message, sizeof(message)) == (ssize_t)sizeof(message)) {
        if (message[0] == HEAVY)
            bench_burn(HEAVY_US);
        if (weft_write_full(fd, message, sizeof(message)) != (ssize_t)sizeof(message))
            break;
    }
    weft_close(fd);
}

static void accept_all(void *arg)
{
    const int listener = (int)(intptr_t)arg;
    int fd;

    while ((fd = weft_accept(listener, NULL)) >= 0) {
        MUST(weft_set_nodelay(fd, true));
        MUST(weft_go(serve, (void *)(intptr_t)fd));
    }
    bench_die("weft_accept", fd);
}

/* Says on which port it listens, and serves until its stdin ends. */
static int server(void *arg)
{
    struct weft_addr addr;
    char byte;

    (void)arg;
    bench_burn_prepare();
    const int listener = weft_listen("127.0.0.1:0");
    if (listener < 0)
        bench_die("weft_listen", listener);
    MUST(weft_local_addr(listener, &addr));
    printf("%d\n", weft_addr_port(&addr));
    fflush(stdout);
    MUST(weft_go(accept_all, (void *)(intptr_t)listener));
    const ssize_t n = weft_read(STDIN_FILENO, &byte, 1);
    if (n != 0)
        bench_die("weft_read of stdin", n);
    return 0;
}

void bench_mixed_child(void)
{
    bench_in_runtime(server, NULL, 0);
}

/* --- The client ----------------------------------------------------------------------------- */

struct connection {
    int fd;
    int got_bytes; /* of the answer */
    bool is_heavy;
    int64_t sent_ns;
};

struct client {
    struct connection connections[CONNECTIONS];
    int epoll;
    long n_sent;
    long n_samples;
    int64_t *light_ns;
};

static void send_request(struct client *client, struct connection *c)
{
    char message[MESSAGE_BYTES] = {0};

    c->is_heavy = ++client->n_sent % HEAVY_EACH == 0;
    c->got_bytes = 0;
    message[0] = c->is_heavy ? HEAVY : LIGHT;
    c->sent_ns = weft_now();
    EXPECT(SYSTEM(send(c->fd, message, sizeof(message), MSG_NOSIGNAL)) == sizeof(message));
}

static void open_connection(struct client *client, struct connection *c, int port)
{
    const struct sockaddr_in addr = {.sin_family = AF_INET,
                                     .sin_port = htons((uint16_t)port),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    const int on = 1;

    c->fd = (int)SYSTEM(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    SYSTEM(connect(c->fd, (const struct sockaddr *)&addr, sizeof(addr)));
    SYSTEM(setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
    SYSTEM(epoll_ctl(client->epoll, EPOLL_CTL_ADD, c->fd, &event));
}

/* Something can be read; the next request follows the answer at once. */
static void take_answer(struct client *client, struct connection *c)
{
    char message[MESSAGE_BYTES];
    const long n =
        SYSTEM(recv(c->fd, message, (size_t)(MESSAGE_BYTES - c->got_bytes), MSG_DONTWAIT));

    EXPECT(n != 0); /* the server has closed the connection */
    c->got_bytes += (int)n;
    if (c->got_bytes < MESSAGE_BYTES)
        return;
    if (!c->is_heavy && client->n_samples < SAMPLES_MAX)
        client->light_ns[client->n_samples++] = weft_now() - c->sent_ns;
    send_request(client, c);
}

static void talk(struct client *client)
{
    const int64_t end_ns = weft_now() + RUN_NS;
    struct epoll_event events[CONNECTIONS];

    for (int i = 0; i < CONNECTIONS; i++)
        send_request(client, &client->connections[i]);
    while (weft_now() < end_ns) {
        const long n = SYSTEM(epoll_wait(client->epoll, events, CONNECTIONS, STUCK_MS));
        EXPECT(n > 0); /* the server answers */
        for (long i = 0; i < n; i++)
            take_answer(client, events[i].data.ptr);
    }
}

void bench_mixed(double *values)
{
    struct client client = {.epoll = (int)SYSTEM(epoll_create1(EPOLL_CLOEXEC)),
                            .light_ns = malloc(SAMPLES_MAX * sizeof(int64_t))};
    struct bench_child child;
    int port = 0;

    EXPECT(client.light_ns != NULL);
    bench_child_start(&child, "mixed");
    EXPECT(fscanf(child.from, "%d", &port) == 1);
    for (int i = 0; i < CONNECTIONS; i++)
        open_connection(&client, &client.connections[i], port);
    talk(&client);
    EXPECT(client.n_samples > 0);
    values[0] = bench_percentile(client.light_ns, client.n_samples, 99) / 1e3;

    for (int i = 0; i < CONNECTIONS; i++)
        close(client.connections[i].fd);
    close(client.epoll);
    free(client.light_ns);
    EXPECT(bench_child_end(&child) == 0);
}
