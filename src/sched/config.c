/* SPDX-License-Identifier: MIT */
/* config.c - see config.h. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/compiler.h"
#include "../base/sys.h"
#include "../base/text.h"
#include "../stack/stack.h"
#include "cpus.h"

#define STACK_BYTES_DEFAULT ((size_t)256 * 1024)
#define BLOCKING_DEFAULT 512
#define BLOCKING_IDLE_DEFAULT_NS ((int64_t)10000000000)
#define SECOND_NS ((int64_t)1000000000)
#define NAME_TTL_DEFAULT_S 10
#define NAME_ERROR_TTL_DEFAULT_S 1
#define NAME_TTL_MAX_S 86400

static int refuse(const char *name, const char *value, const char *allowed)
{
    char line[512];
    struct weft__text t;
    weft__text_init(&t, line, sizeof line);
    weft__text_add(&t, "weft: ");
    weft__text_add(&t, name);
    if (value != NULL) {
        weft__text_add(&t, "=");
        weft__text_add(&t, value);
    }
    weft__text_add(&t, " is not valid: it must be ");
    weft__text_add(&t, allowed);
    weft__text_add(&t, "\n");
    (void)weft__text_write(&t, 2);
    return -EINVAL;
}

/* One of several words; its index + 1, or 0. */
static int word_index(const char *value, const char *const *words, int n)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(value, words[i]) == 0) {
            return i + 1;
        }
    }
    return 0;
}

static int env_word(const char *name, const char *const *words, int n, const char *allowed,
                    int *out)
{
    const char *value = weft__sys_env(name);
    if (value == NULL) {
        return 0;
    }
    *out = word_index(value, words, n);
    return *out == 0 ? refuse(name, value, allowed) : 0;
}

/* A number with an optional K or M; false if it is none. */
static bool parse_number(const char *text, uint64_t *out)
{
    if (*text < '0' || *text > '9') {
        return false;
    }
    char *end;
    uint64_t n = strtoull(text, &end, 10);
    int shift = *end == 'K' || *end == 'k' ? 10 : *end == 'M' || *end == 'm' ? 20 : 0;
    if (shift != 0) {
        end++;
    }
    *out = n << shift;
    return *end == 0 && n <= UINT64_MAX >> shift;
}

static int env_number(const char *name, uint64_t min, uint64_t max, const char *allowed,
                      uint64_t *out)
{
    const char *value = weft__sys_env(name);
    if (value == NULL) {
        return 0;
    }
    if (!parse_number(value, out) || *out < min || *out > max) {
        return refuse(name, value, allowed);
    }
    return 0;
}

#define PROCS_ALLOWED "a number of processors from 1 to 256"
#define BLOCKING_ALLOWED "a number of threads from 1 to 16384"
#define NAME_TTL_ALLOWED "a time in nanoseconds, or -1 for none"
#define NAME_TTL_S_ALLOWED "a number of seconds from 0 to 86400"
#define STACK_ALLOWED "a size from 16K to 1024M, with or without the suffix K or M"

static int check_given(const struct weft_config *c)
{
    if (c->procs < 0 || c->procs > WEFT_PROCS_MAX) {
        return refuse("weft_config.procs", NULL, PROCS_ALLOWED);
    }
    if ((int)c->reactor < 0 || c->reactor > WEFT_REACTOR_EPOLL) {
        return refuse("weft_config.reactor", NULL, "a value of enum weft_reactor");
    }
    if ((int)c->guard < 0 || c->guard > WEFT_GUARD_CANARY) {
        return refuse("weft_config.guard", NULL, "a value of enum weft_guard");
    }
    if (c->stack_bytes != 0 && weft__stack_shift(c->stack_bytes) < 0) {
        return refuse("weft_config.stack_bytes", NULL, "0, or from 16 KiB to 1 GiB");
    }
    if (c->blocking_max < 0 || c->blocking_max > WEFT_BLOCKING_THREADS_MAX) {
        return refuse("weft_config.blocking_max", NULL, BLOCKING_ALLOWED);
    }
    if (c->blocking_idle_ns < 0) {
        return refuse("weft_config.blocking_idle_ns", NULL, "a time in nanoseconds, or WEFT_NEVER");
    }
    if (c->name_ttl_ns < -1) {
        return refuse("weft_config.name_ttl_ns", NULL, NAME_TTL_ALLOWED);
    }
    if (c->name_error_ttl_ns < -1) {
        return refuse("weft_config.name_error_ttl_ns", NULL, NAME_TTL_ALLOWED);
    }
    return 0;
}

/* The environment is checked even where the configuration wins: a typing error must not hide. */
static int apply_environment(struct weft_config *c)
{
    static const char *const reactors[] = {"auto", "io_uring", "epoll"};
    static const char *const guards[] = {"auto", "madvise", "mprotect", "canary"};
    int reactor = 0;
    int guard = 0;
    uint64_t procs = 0;
    uint64_t stack = 0;
    uint64_t verbose = 0;
    uint64_t signals = 1;
    uint64_t steal = 1;
    uint64_t blocking = 0;
    uint64_t stall_report = 0;
    if (env_word("WEFT_REACTOR", reactors, 3, "auto, io_uring or epoll", &reactor) != 0 ||
        env_word("WEFT_GUARD", guards, 4, "auto, madvise, mprotect or canary", &guard) != 0 ||
        env_number("WEFT_PROCS", 1, WEFT_PROCS_MAX, PROCS_ALLOWED, &procs) != 0 ||
        env_number("WEFT_STACK", WEFT_STACK_BYTES_MIN, WEFT_STACK_BYTES_MAX, STACK_ALLOWED,
                   &stack) != 0 ||
        env_number("WEFT_VERBOSE", 0, 1, "0 or 1", &verbose) != 0 ||
        env_number("WEFT_SIGNALS", 0, 1, "0 or 1", &signals) != 0 ||
        env_number("WEFT_STEAL", 0, 1, "0 or 1", &steal) != 0 ||
        env_number("WEFT_BLOCKING_MAX", 1, WEFT_BLOCKING_THREADS_MAX, BLOCKING_ALLOWED,
                   &blocking) != 0 ||
        env_number("WEFT_STALL_REPORT", 0, 1, "0 or 1", &stall_report) != 0) {
        return -EINVAL;
    }
    if (c->reactor == WEFT_REACTOR_DEFAULT) {
        c->reactor = reactor != 0 ? (enum weft_reactor)reactor : WEFT_REACTOR_AUTO;
    }
    if (c->guard == WEFT_GUARD_DEFAULT) {
        c->guard = guard != 0 ? (enum weft_guard)guard : WEFT_GUARD_AUTO;
    }
    if (c->procs == 0) {
        c->procs = (int)procs;
    }
    if (c->stack_bytes == 0) {
        c->stack_bytes = (size_t)stack;
    }
    if (c->blocking_max == 0) {
        c->blocking_max = (int)blocking;
    }
    c->verbose = c->verbose || verbose == 1;
    c->no_signal_handlers = c->no_signal_handlers || signals == 0;
    c->no_steal = c->no_steal || steal == 0;
    c->stall_report = c->stall_report || stall_report == 1;
    return 0;
}

/* How long answers of name services are kept: 0 for not at all, from here on. */
static int resolve_name_ttl(const char *name, uint64_t default_s, int64_t *ttl_ns)
{
    uint64_t seconds = default_s;
    int rc = env_number(name, 0, NAME_TTL_MAX_S, NAME_TTL_S_ALLOWED, &seconds);
    if (*ttl_ns == 0) {
        *ttl_ns = (int64_t)seconds * SECOND_NS;
    } else if (*ttl_ns < 0) {
        *ttl_ns = 0;
    }
    return rc;
}

int weft__config_resolve(struct weft_config *out, const struct weft_config *given)
{
    memset(out, 0, sizeof *out);
    if (given != NULL) {
        if (given->size < sizeof(given->size) + sizeof(int) || given->size > 65536) {
            return refuse("weft_config.size", NULL, "set by WEFT_CONFIG_INIT");
        }
        /* A caller compiled against an older header has a shorter struct, one compiled against a
         * newer header may use fields that we do not know. */
        size_t known = given->size < sizeof *out ? given->size : sizeof *out;
        memcpy(out, given, known);
        for (size_t i = known; i < given->size; i++) {
            if (((const char *)given)[i] != 0) {
                return refuse("weft_config", NULL, "without fields that this version lacks");
            }
        }
    }
    out->size = sizeof *out;
    int rc = check_given(out);
    if (rc == 0) {
        rc = apply_environment(out);
    }
    if (rc == 0) {
        rc = resolve_name_ttl("WEFT_NAME_TTL", NAME_TTL_DEFAULT_S, &out->name_ttl_ns);
    }
    if (rc == 0) {
        rc = resolve_name_ttl("WEFT_NAME_ERROR_TTL", NAME_ERROR_TTL_DEFAULT_S,
                              &out->name_error_ttl_ns);
    }
    if (rc != 0) {
        return rc;
    }
    if (out->procs == 0) {
        int cpus = weft__cpus_usable();
        out->procs = cpus < WEFT_PROCS_MAX ? cpus : WEFT_PROCS_MAX;
    }
    if (out->stack_bytes == 0) {
        out->stack_bytes = STACK_BYTES_DEFAULT;
    }
    if (out->blocking_max == 0) {
        out->blocking_max = BLOCKING_DEFAULT;
    }
    if (out->blocking_idle_ns == 0) {
        out->blocking_idle_ns = BLOCKING_IDLE_DEFAULT_NS;
    }
    if (out->thread_name == NULL) {
        out->thread_name = "weft";
    }
    return 0;
}
