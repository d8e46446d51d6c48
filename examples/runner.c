/* SPDX-License-Identifier: MIT */
/*
 * runner.c - runs commands as a small shell does: pipes between them, files, a time limit, Ctrl-C.
 *
 *     runner [--limit SECONDS] [LINE]
 *
 * A line is one or more commands with "|" between them; "< FILE", "> FILE" and ">> FILE" redirect,
 * quotes of both kinds keep blanks and the like in a word.  Without LINE, lines are read from the
 * standard input until it ends.  The status is that of the last command as a shell counts: 127 if
 * there is no such command, 128 + N if signal N has ended it, 124 if time was over.
 *
 *     app ---line---> job ---a group---> one coroutine a command, which waits for its process
 *      |                                  in the scope of the job: what ends that ends the process
 *      +-- selects over the end of the job and over signals: Ctrl-C cancels the job, no more
 *
 * A terminal sends Ctrl-C to the commands as well, and they may end by themselves.  Who does not is
 * sent SIGTERM, and two seconds later SIGKILL.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weft.h>

#define LINE_BYTES_MAX 4096
#define WORDS_MAX 64
#define COMMANDS_MAX 16
#define GRACE_NS (2 * WEFT_SEC)
#define STATUS_NO_FILE 1
#define STATUS_LATE 124 /* as of timeout(1) */
#define STATUS_NOT_RUN 126
#define STATUS_NOT_FOUND 127
#define STATUS_SIGNAL 128
#define STATUS_INTERRUPTED (STATUS_SIGNAL + SIGINT)

struct command {
    char *argv[WORDS_MAX + 1];
    int n_words;
    const char *from, *to; /* files; NULL: none */
    int to_flags;
    int in, out; /* what the neighbours or files have open for it; -1: the runner's own */
    int status;
};

struct job {
    struct command commands[COMMANDS_MAX];
    int n_commands;
    char words[2 * LINE_BYTES_MAX + 2];
    int64_t limit_ns;
    bool keeps_input; /* the first command may read what the runner has */
};

/* ---- the line ---- */

enum token { END, WORD, PIPE, FROM, TO, APPEND, UNCLOSED };

/* The next token from *at on; of a word the text goes to *word, ended by a zero. */
static enum token next_token(const char **at, char **word)
{
    const char *in = *at + strspn(*at, " \t");
    const bool is_append = in[0] == '>' && in[1] == '>';
    char quote = 0;

    *at = in + 1 + is_append;
    switch (*in) {
    case '\0': return END;
    case '|': return PIPE;
    case '<': return FROM;
    case '>': return is_append ? APPEND : TO;
    }
    for (; *in != '\0' && (quote != 0 || strchr(" \t|<>", *in) == NULL); in++) {
        if (*in == quote)
            quote = 0;
        else if (quote == 0 && (*in == '\'' || *in == '"'))
            quote = *in;
        else
            *(*word)++ = *in;
    }
    *(*word)++ = '\0';
    *at = in;
    return quote == 0 ? WORD : UNCLOSED;
}

/* "< FILE" and its like. */
static const char *parse_file(struct command *c, enum token what, const char **at, char **word)
{
    const char *name = *word;

    if (next_token(at, word) != WORD)
        return "a redirection has no file";
    if (what == FROM) {
        c->from = name;
    } else {
        c->to = name;
        c->to_flags = O_WRONLY | O_CREAT | O_CLOEXEC | (what == TO ? O_TRUNC : O_APPEND);
    }
    return NULL;
}

/* What is wrong with a line, or NULL; no commands if it is empty. */
static const char *parse(struct job *job, const char *at)
{
    struct command *c = job->commands;
    char *word = job->words;
    const char *wrong = NULL;

    if (strlen(at) >= LINE_BYTES_MAX)
        return "the line is too long";
    memset(job->commands, 0, sizeof(job->commands));
    for (;;) {
        char *const start = word;
        const enum token token = next_token(&at, &word);

        if (token == UNCLOSED)
            return "a quote is not closed";
        if (token == WORD && c->n_words < WORDS_MAX)
            c->argv[c->n_words++] = start;
        else if (token == WORD)
            return "a command has too many words";
        else if (token == FROM || token == TO || token == APPEND)
            wrong = parse_file(c, token, &at, &word);
        else if (token == END && c == job->commands && word == job->words)
            break;
        else if (c->n_words == 0)
            return "there is no command";
        else if (token == END)
            break;
        else if (++c == job->commands + COMMANDS_MAX)
            return "there are too many commands";
        if (wrong != NULL)
            return wrong;
    }
    job->n_commands = (int)(c - job->commands) + (c->n_words > 0);
    return NULL;
}

/* ---- the commands ---- */

static void let_go(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* A file takes the place of what is there. */
static int redirect(int *fd, const char *name, int flags)
{
    int error = 0;

    if (name == NULL)
        return 0;
    let_go(fd);
    WEFT_BLOCKING { /* for whom it may take long: a FIFO, a file far away */
        *fd = open(name, flags, 0666);
        error = errno;
    }
    return *fd >= 0 ? 0 : -error;
}

static struct weft_stdio stream_of(int fd)
{
    return fd >= 0 ? weft_stdio_fd(fd) : (struct weft_stdio){.kind = WEFT_STDIO_INHERIT};
}

/* The process, or a message and the status. */
static int start(struct command *c, struct weft_process **process)
{
    const char *what = c->from;
    int rc = redirect(&c->in, c->from, O_RDONLY | O_CLOEXEC);

    c->status = STATUS_NO_FILE;
    if (rc == 0) {
        what = c->to;
        rc = redirect(&c->out, c->to, c->to_flags);
    }
    if (rc == 0) {
        what = c->argv[0];
        rc = weft_spawn_with(process, c->argv, .in = stream_of(c->in), .out = stream_of(c->out),
                             .cancel_signal = SIGTERM, .cancel_grace_ns = GRACE_NS);
        c->status = rc == -ENOENT      ? STATUS_NOT_FOUND
                    : rc == -ECANCELED ? STATUS_INTERRUPTED
                                       : STATUS_NOT_RUN;
    }
    /* Or the neighbours would never see their end. */
    let_go(&c->in);
    let_go(&c->out);
    if (rc != 0 && rc != -ECANCELED && rc != -ETIMEDOUT)
        fprintf(stderr, "runner: %s: %s\n", what, weft_strerror(rc));
    return rc;
}

/* One command, from its start to its end. */
static int run_command(void *arg)
{
    struct command *c = arg;
    struct weft_process *process;
    int status = 0;

    if (start(c, &process) != 0)
        return 0;
    (void)!weft_process_wait(process, &status); /* cancelled, it has ended as well */
    weft_process_free(process);
    c->status = weft_status_signal(status) != 0 ? STATUS_SIGNAL + weft_status_signal(status)
                                                : weft_status_code(status);
    return 0;
}

/* Starts them from left to right; what one writes the next one reads. */
static int start_all(struct job *job, struct weft_group *commands)
{
    int rc = 0, in = job->keeps_input ? -1 : open("/dev/null", O_RDONLY | O_CLOEXEC);

    for (int i = 0; i < job->n_commands && rc == 0; i++) {
        struct command *c = &job->commands[i];
        int between[2] = {-1, -1};

        if (i + 1 < job->n_commands && pipe2(between, O_CLOEXEC) != 0)
            rc = -EMFILE;
        c->in = in;
        c->out = between[1];
        in = between[0];
        if (rc == 0)
            rc = weft_group_go(commands, run_command, c);
        if (rc != 0) {
            let_go(&c->in);
            let_go(&c->out);
        }
    }
    let_go(&in);
    return rc;
}

/* All commands of a line; the result is the status. */
static int run_job(void *arg)
{
    struct job *job = arg;
    bool is_late = false;
    int rc = 0;

    WEFT_DEADLINE(limit, job->limit_ns) {
        WEFT_GROUP(commands) {
            rc = start_all(job, &commands);
        } /* all have ended here */
        is_late = weft_scope_cause(&limit) == WEFT_CAUSE_THIS;
    }
    if (is_late) {
        fprintf(stderr, "runner: time is over\n");
        return STATUS_LATE;
    }
    if (rc == -ECANCELED)
        return STATUS_INTERRUPTED;
    if (rc != 0) {
        fprintf(stderr, "runner: %s\n", weft_strerror(rc));
        return STATUS_NOT_RUN;
    }
    return job->commands[job->n_commands - 1].status;
}

/* ---- the runner ---- */

struct runner {
    struct weft_signals *signals; /* SIGINT: what runs is to end; SIGTERM: so is the runner */
    const char *line;             /* NULL: they are read */
    bool is_over;
    bool has_terminal;
    struct job job;
    size_t used;
    char text[LINE_BYTES_MAX]; /* what was read, and not run yet */
};

static bool take_signal(struct runner *r)
{
    const int sig = weft_signals_try(r->signals, NULL);

    r->is_over |= sig == SIGTERM;
    return sig > 0;
}

static int run_line(struct runner *r, const char *line)
{
    const char *wrong = parse(&r->job, line);
    int status = 2;
    struct weft_co *co;

    if (wrong != NULL) {
        fprintf(stderr, "runner: %s\n", wrong);
        return status;
    }
    if (r->job.n_commands == 0)
        return 0;
    co = weft_go_with(run_job, &r->job, .name = "job");
    while (co != NULL) {
        SELECT {
            ON_JOIN(co, &status) { co = NULL; }
            ON_SIGNAL(r->signals) {
                if (take_signal(r))
                    weft_cancel(co);
            }
        }
    }
    return status;
}

/* Runs the first line of the text and takes it out; false if there is none. */
static bool run_first(struct runner *r, int *status)
{
    char line[LINE_BYTES_MAX];
    const char *end = memchr(r->text, '\n', r->used);

    if (end == NULL)
        return false;
    const size_t bytes = (size_t)(end - r->text);
    memcpy(line, r->text, bytes);
    line[bytes] = '\0';
    r->used -= bytes + 1;
    memmove(r->text, end + 1, r->used);
    *status = run_line(r, line);
    return true;
}

/* More text; false if no more comes. */
static bool read_more(struct runner *r)
{
    ssize_t n = -EAGAIN;

    if (r->used == sizeof(r->text)) {
        fprintf(stderr, "runner: a line has more than %d bytes\n", LINE_BYTES_MAX - 1);
        return false;
    }
    if (r->has_terminal) {
        printf("$ ");
        fflush(stdout);
    }
    SELECT {
        ON_READABLE(STDIN_FILENO) {
            n = weft_read(STDIN_FILENO, r->text + r->used, sizeof(r->text) - r->used);
        }
        ON_SIGNAL(r->signals) {
            if (take_signal(r) && r->has_terminal)
                printf("\n");
        }
    }
    if (n > 0)
        r->used += (size_t)n;
    if (n == 0 && r->used > 0) /* the last line has no end */
        r->text[r->used++] = '\n';
    else if (n == 0 || (n < 0 && n != -EAGAIN))
        return false;
    return !r->is_over;
}

static int app(void *arg)
{
    struct runner *r = arg;
    int status = 0;

    if (weft_signals_open(&r->signals, WEFT_SIGNAL(SIGINT) | WEFT_SIGNAL(SIGTERM)) != 0)
        return 1;
    r->has_terminal = r->line == NULL && isatty(STDIN_FILENO);
    r->job.keeps_input = r->line != NULL || r->has_terminal;
    if (r->line != NULL) {
        status = run_line(r, r->line);
    } else {
        do {
            while (!r->is_over && run_first(r, &status))
                ;
        } while (!r->is_over && read_more(r));
    }
    weft_signals_close(r->signals);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {{"limit", required_argument, NULL, 'l'},
                                          {NULL, 0, NULL, 0}};
    static struct runner r = {.job.limit_ns = WEFT_NEVER};
    char *end = NULL;
    double seconds = 1;
    int c;

    while ((c = getopt_long(argc, argv, "+", known, NULL)) == 'l') {
        seconds = strtod(optarg, &end);
        r.job.limit_ns = (int64_t)(seconds * 1e9);
    }
    if (c != -1 || argc - optind > 1 || (end != NULL && *end != '\0') ||
        !(seconds > 0 && seconds < 1e9)) {
        fprintf(stderr, "usage: runner [--limit SECONDS] [LINE]\n");
        return 2;
    }
    r.line = argv[optind];
    return weft_run(app, &r);
}
