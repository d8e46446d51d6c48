/* SPDX-License-Identifier: MIT */
/*
 * actor.c - an actor with a mailbox, kept alive by a supervisor.
 *
 *     actor [MESSAGES]
 *
 * The actor owns a sum and takes one message at a time: a number to add, or a question, which
 * brings the channel for the answer along.  A message that it cannot bear ends it with an error;
 * its group starts it again after a pause.  The mailbox is not the actor's: what waits in it is not
 * lost, and the sum goes on from what was last written down.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <weft.h>

WEFT_CHAN_TYPE(long_chan, long);

struct message {
    long add;
    long_chan answer; /* .ch == NULL: no question */
};

WEFT_CHAN_TYPE(mailbox, struct message);

#define POISON (-1)

struct accountant {
    mailbox mail;
    long written_down; /* outlives the actor: one runs at a time */
    int n_lives;
};

/* One life of the actor: until the mailbox is closed, or a message is too much for it. */
static int live(void *arg)
{
    struct accountant *a = arg;
    long sum = a->written_down;
    struct message m;

    a->n_lives++;
    while (mailbox_recv(a->mail, &m) == 0) {
        if (m.add == POISON)
            return -EINVAL;
        sum += m.add;
        a->written_down = sum;
        if (m.answer.ch != NULL && long_chan_send(m.answer, sum) != 0)
            return -EPIPE;
    }
    return 0;
}

static long ask(struct accountant *a)
{
    long_chan answer = long_chan_make(1);
    long sum = -1;

    if (mailbox_send(a->mail, (struct message){0, answer}) == 0)
        (void)!long_chan_recv(answer, &sum);
    long_chan_unref(answer);
    return sum;
}

static int app(void *arg)
{
    const int n_messages = *(int *)arg;
    struct accountant a = {.mail = mailbox_make(8)};
    int rc = 0;

    WEFT_GROUP(g) {
        rc = weft_group_go(&g, live, &a, .name = "accountant", .restarts = -1,
                           .backoff_ns = WEFT_MS, .backoff_max_ns = 20 * WEFT_MS);
        for (int i = 1; i <= n_messages && rc == 0; i++) {
            rc = mailbox_send(a.mail, (struct message){.add = i});
            if (rc == 0 && i % 100 == 0) /* somebody makes a mistake */
                rc = mailbox_send(a.mail, (struct message){.add = POISON});
        }
        printf("the sum is %ld\n", ask(&a));
        mailbox_close(a.mail); /* which ends the actor well: it is not started again */
    }
    printf("in %d lives\n", a.n_lives);
    mailbox_unref(a.mail);
    return rc == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    int n_messages = argc > 1 ? atoi(argv[1]) : 1000;

    if (n_messages < 0) {
        fprintf(stderr, "usage: actor [MESSAGES]\n");
        return 2;
    }
    return weft_run(app, &n_messages);
}
