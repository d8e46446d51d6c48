/* SPDX-License-Identifier: MIT */
/* config.c - see config.h. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/compiler.h"
#include "../base/sys.h"
#include "../base/text.h"
#include "../reactor/driver.h"
#include "../stack/stack.h"
#include "place.h"
#include "preset.h"

#define STACK_BYTES_DEFAULT ((size_t)256 * 1024)
#define BLOCKING_DEFAULT 512
#define SPIN_MAX_NS ((int64_t)10000000000)
#define BLOCKING_IDLE_DEFAULT_NS ((int64_t)10000000000)
#define RING_ENTRIES_MIN 16
#define RING_ENTRIES_MAX 4096
#define RING_POLL_MAX_MS 10000
#define WAKE_BATCH_MAX_US 10000
#define SECOND_NS ((int64_t)1000000000)
#define NAME_TTL_DEFAULT_S 10
#define NAME_ERROR_TTL_DEFAULT_S 1
#define NAME_TTL_MAX_S 86400

/* Of a number that may be 0: the environment does not say. */
#define UNSET UINT64_MAX
#define SPIN_ALWAYS (UINT64_MAX - 1)

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
#define COROUTINES_ALLOWED "a number of coroutines from 1 to 2147483647"
#define SPIN_ALLOWED "a time in microseconds, up to 10000000, or always"
#define RING_ENTRIES_ALLOWED "a power of two from 16 to 4096"
#define RING_POLL_ALLOWED "a time in milliseconds, up to 10000"
#define WAKE_BATCH_ALLOWED "a time of up to ten milliseconds"
#define WAKE_BATCH_US_ALLOWED "a time in microseconds, up to 10000"
#define FD_OPS_ALLOWED "a number of operations from 1 to 2147483647"
#define NAME_TTL_ALLOWED "a time in nanoseconds, or -1 for none"
#define NAME_TTL_S_ALLOWED "a number of seconds from 0 to 86400"
#define STACK_ALLOWED "a size from 16K to 1024M, with or without the suffix K or M"

static bool is_ring_size(uint64_t n)
{
    return n >= RING_ENTRIES_MIN && (n & (n - 1)) == 0;
}

const char *const weft__reactor_words[] = {"auto", "io_uring", "epoll", "kqueue"};

#if WEFT__HAVE_EPOLL && WEFT__HAVE_KQUEUE
#define REACTORS_BUILT "auto, io_uring, epoll or kqueue"
#elif WEFT__HAVE_EPOLL
#define REACTORS_BUILT "auto, io_uring or epoll"
#else
#define REACTORS_BUILT "auto or kqueue"
#endif

static bool is_built(enum weft_reactor reactor)
{
    switch (reactor) {
    case WEFT_REACTOR_IO_URING: /* liburing may be missing all the same: the start says so */
    case WEFT_REACTOR_EPOLL:
        return WEFT__HAVE_EPOLL;
    case WEFT_REACTOR_KQUEUE:
        return WEFT__HAVE_KQUEUE;
    default:
        return true;
    }
}

/* A word that is known and stands for nothing in this build is refused like one that is not. */
static int env_reactor(int *out)
{
    int rc = env_word("WEFT_REACTOR", weft__reactor_words, WEFT__COUNT(weft__reactor_words),
                      REACTORS_BUILT, out);
    if (rc == 0 && *out != 0 && !is_built((enum weft_reactor)*out)) {
        rc = refuse("WEFT_REACTOR", weft__sys_env("WEFT_REACTOR"),
                    REACTORS_BUILT "; the others are not in this build");
    }
    return rc;
}

/* Of the reactor and of what waits in it. */
static int check_io(const struct weft_config *c)
{
    if ((int)c->reactor < 0 || c->reactor > WEFT_REACTOR_KQUEUE) {
        return refuse("weft_config.reactor", NULL, "a value of enum weft_reactor");
    }
    if (!is_built(c->reactor)) {
        return refuse("weft_config.reactor", NULL, "of those in this build: " REACTORS_BUILT);
    }
    if (c->ring_entries < 0 || c->ring_entries > RING_ENTRIES_MAX ||
        (c->ring_entries != 0 && !is_ring_size((uint64_t)c->ring_entries))) {
        return refuse("weft_config.ring_entries", NULL, RING_ENTRIES_ALLOWED);
    }
    if (c->ring_poll_ms < 0 || c->ring_poll_ms > RING_POLL_MAX_MS) {
        return refuse("weft_config.ring_poll_ms", NULL, RING_POLL_ALLOWED);
    }
    if (c->fd_ops_max < 0) {
        return refuse("weft_config.fd_ops_max", NULL, FD_OPS_ALLOWED);
    }
    if (c->wake_batch_ns < 0 || c->wake_batch_ns > (int64_t)WAKE_BATCH_MAX_US * 1000) {
        return refuse("weft_config.wake_batch_ns", NULL, WAKE_BATCH_ALLOWED);
    }
    if (c->name_ttl_ns < -1) {
        return refuse("weft_config.name_ttl_ns", NULL, NAME_TTL_ALLOWED);
    }
    if (c->name_error_ttl_ns < -1) {
        return refuse("weft_config.name_error_ttl_ns", NULL, NAME_TTL_ALLOWED);
    }
    return 0;
}

static int check_given(const struct weft_config *c)
{
    if (c->procs < 0 || c->procs > WEFT_PROCS_MAX) {
        return refuse("weft_config.procs", NULL, PROCS_ALLOWED);
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
    if (c->no_steal < WEFT_STEAL || c->no_steal > 1) {
        return refuse("weft_config.no_steal", NULL, "0, 1 or WEFT_STEAL");
    }
    if ((int)c->preset < 0 || c->preset > WEFT_PRESET_PER_CORE) {
        return refuse("weft_config.preset", NULL, "a value of enum weft_preset");
    }
    if (c->spin_ns < WEFT_SPIN_NONE || (c->spin_ns > SPIN_MAX_NS && c->spin_ns != WEFT_NEVER)) {
        return refuse("weft_config.spin_ns", NULL,
                      "a time up to ten seconds, WEFT_NEVER or WEFT_SPIN_NONE");
    }
    if (c->blocking_idle_ns < 0) {
        return refuse("weft_config.blocking_idle_ns", NULL, "a time in nanoseconds, or WEFT_NEVER");
    }
    if (c->coroutines_max < 0) {
        return refuse("weft_config.coroutines_max", NULL, COROUTINES_ALLOWED);
    }
    if ((int)c->at_max < 0 || c->at_max > WEFT_AT_MAX_WAIT) {
        return refuse("weft_config.at_max", NULL, "a value of enum weft_at_max");
    }
    return check_io(c);
}

/* Microseconds, or a word that stands for no end of them. */
static int env_spin(uint64_t *out)
{
    const char *value = weft__sys_env("WEFT_SPIN_US");
    if (value != NULL && strcmp(value, "always") == 0) {
        *out = SPIN_ALWAYS;
        return 0;
    }
    return env_number("WEFT_SPIN_US", 0, SPIN_MAX_NS / 1000, SPIN_ALLOWED, out);
}

static int env_ring_entries(uint64_t *out)
{
    int rc = env_number("WEFT_RING_ENTRIES", RING_ENTRIES_MIN, RING_ENTRIES_MAX,
                        RING_ENTRIES_ALLOWED, out);
    return rc == 0 && *out != 0 && !is_ring_size(*out)
               ? refuse("WEFT_RING_ENTRIES", weft__sys_env("WEFT_RING_ENTRIES"),
                        RING_ENTRIES_ALLOWED)
               : rc;
}

/* What the environment says; 0 where it says nothing, or UNSET where that is a value. */
struct env {
    int reactor, guard, at_max, preset;
    uint64_t procs, stack, verbose, signals, steal, blocking, stall_report, coroutines, spin_us;
    uint64_t name_ttl_s, name_error_ttl_s, ring_entries, ring_poll_ms, fd_ops_max;
    uint64_t submit_wait, wake_batch_us;
};

/* The environment is checked even where the configuration wins: a typing error must not hide. */
static int read_environment(struct env *e)
{
    static const char *const guards[] = {"auto", "madvise", "mprotect", "canary"};
    static const char *const at_maxes[] = {"refuse", "wait"};
    static const char *const presets[] = {"balanced", "throughput", "latency", "cpu", "per_core"};
    *e = (struct env){.signals = 1,
                      .steal = UNSET,
                      .spin_us = UNSET,
                      .submit_wait = 1,
                      .name_ttl_s = NAME_TTL_DEFAULT_S,
                      .name_error_ttl_s = NAME_ERROR_TTL_DEFAULT_S};
    if (env_reactor(&e->reactor) != 0 ||
        env_word("WEFT_GUARD", guards, 4, "auto, madvise, mprotect or canary", &e->guard) != 0 ||
        env_number("WEFT_PROCS", 1, WEFT_PROCS_MAX, PROCS_ALLOWED, &e->procs) != 0 ||
        env_number("WEFT_STACK", WEFT_STACK_BYTES_MIN, WEFT_STACK_BYTES_MAX, STACK_ALLOWED,
                   &e->stack) != 0 ||
        env_number("WEFT_VERBOSE", 0, 1, "0 or 1", &e->verbose) != 0 ||
        env_number("WEFT_SIGNALS", 0, 1, "0 or 1", &e->signals) != 0 ||
        env_number("WEFT_STEAL", 0, 1, "0 or 1", &e->steal) != 0 ||
        env_number("WEFT_BLOCKING_MAX", 1, WEFT_BLOCKING_THREADS_MAX, BLOCKING_ALLOWED,
                   &e->blocking) != 0 ||
        env_number("WEFT_STALL_REPORT", 0, 1, "0 or 1", &e->stall_report) != 0 ||
        env_number("WEFT_COROUTINES_MAX", 1, INT32_MAX, COROUTINES_ALLOWED, &e->coroutines) != 0 ||
        env_word("WEFT_COROUTINES_AT_MAX", at_maxes, 2, "refuse or wait", &e->at_max) != 0 ||
        env_word("WEFT_PRESET", presets, 5, "balanced, throughput, latency, cpu or per_core",
                 &e->preset) != 0 ||
        env_spin(&e->spin_us) != 0 ||
        env_number("WEFT_NAME_TTL", 0, NAME_TTL_MAX_S, NAME_TTL_S_ALLOWED, &e->name_ttl_s) != 0 ||
        env_number("WEFT_NAME_ERROR_TTL", 0, NAME_TTL_MAX_S, NAME_TTL_S_ALLOWED,
                   &e->name_error_ttl_s) != 0 ||
        env_ring_entries(&e->ring_entries) != 0 ||
        env_number("WEFT_RING_POLL_MS", 0, RING_POLL_MAX_MS, RING_POLL_ALLOWED,
                   &e->ring_poll_ms) != 0 ||
        env_number("WEFT_FD_OPS_MAX", 1, INT32_MAX, FD_OPS_ALLOWED, &e->fd_ops_max) != 0 ||
        env_number("WEFT_SUBMIT_WAIT", 0, 1, "0 or 1", &e->submit_wait) != 0 ||
        env_number("WEFT_WAKE_BATCH_US", 0, WAKE_BATCH_MAX_US, WAKE_BATCH_US_ALLOWED,
                   &e->wake_batch_us) != 0) {
        return -EINVAL;
    }
    return 0;
}

/* How long answers of name services are kept: from here on 0 means not at all. */
static int64_t name_ttl_ns(int64_t given_ns, uint64_t env_s)
{
    if (given_ns < 0) {
        return 0;
    }
    return given_ns != 0 ? given_ns : (int64_t)env_s * SECOND_NS;
}

/* Where the configuration says nothing. */
static void apply_environment(struct weft_config *c, const struct env *e)
{
    if (c->reactor == WEFT_REACTOR_DEFAULT) {
        c->reactor = e->reactor != 0 ? (enum weft_reactor)e->reactor : WEFT_REACTOR_AUTO;
    }
    if (c->guard == WEFT_GUARD_DEFAULT) {
        c->guard = e->guard != 0 ? (enum weft_guard)e->guard : WEFT_GUARD_AUTO;
    }
    if (c->at_max == WEFT_AT_MAX_DEFAULT) {
        c->at_max = e->at_max != 0 ? (enum weft_at_max)e->at_max : WEFT_AT_MAX_REFUSE;
    }
    if (c->preset == WEFT_PRESET_DEFAULT) {
        c->preset = e->preset != 0 ? (enum weft_preset)e->preset : WEFT_PRESET_BALANCED;
    }
    if (c->procs == 0) {
        c->procs = (int)e->procs;
    }
    if (c->stack_bytes == 0) {
        c->stack_bytes = (size_t)e->stack;
    }
    if (c->blocking_max == 0) {
        c->blocking_max = (int)e->blocking;
    }
    if (c->coroutines_max == 0) {
        c->coroutines_max = (int)e->coroutines;
    }
    if (c->no_steal == 0 && e->steal != UNSET) {
        c->no_steal = e->steal == 0 ? 1 : WEFT_STEAL;
    }
    if (c->spin_ns == 0 && e->spin_us != UNSET) {
        c->spin_ns = e->spin_us == 0             ? WEFT_SPIN_NONE
                     : e->spin_us == SPIN_ALWAYS ? WEFT_NEVER
                                                 : (int64_t)e->spin_us * 1000;
    }
    if (c->ring_entries == 0) {
        c->ring_entries = (int)e->ring_entries;
    }
    if (c->ring_poll_ms == 0) {
        c->ring_poll_ms = (int)e->ring_poll_ms;
    }
    if (c->fd_ops_max == 0) {
        c->fd_ops_max = (int)e->fd_ops_max;
    }
    if (c->wake_batch_ns == 0) {
        c->wake_batch_ns = (int64_t)e->wake_batch_us * 1000;
    }
    c->no_submit_wait = c->no_submit_wait || e->submit_wait == 0;
    c->name_ttl_ns = name_ttl_ns(c->name_ttl_ns, e->name_ttl_s);
    c->name_error_ttl_ns = name_ttl_ns(c->name_error_ttl_ns, e->name_error_ttl_s);
    c->verbose = c->verbose || e->verbose == 1;
    c->no_signal_handlers = c->no_signal_handlers || e->signals == 0;
    c->stall_report = c->stall_report || e->stall_report == 1;
}

/* A list of CPUs, or a word; what it says goes into place->of_p. */
static int take_cpus(struct weft__place *place, const char *name, const char *value)
{
    char allowed[256];
    struct weft__text t;
    memset(&place->of_p, 0, sizeof place->of_p);
    if (strcmp(value, "any") == 0) {
        return 0;
    }
    if (strcmp(value, "each") == 0) {
        place->of_p = place->own;
        return 0;
    }
    if (weft__cpu_set_parse(&place->of_p, value) &&
        weft__cpu_set_is_within(&place->of_p, &place->own)) {
        return 0;
    }
    weft__text_init(&t, allowed, sizeof allowed);
    weft__text_add(&t, "any, each, or a list such as 0-3,8 of CPUs that the process may use (");
    weft__cpu_set_list(&place->own, &t);
    weft__text_add(&t, ")");
    return refuse(name, value, allowed);
}

static int resolve_cpus(const struct weft_config *c, struct weft__place *place)
{
    const char *env = weft__sys_env("WEFT_CPUS");
    weft__place_init(place);
    int rc = env != NULL ? take_cpus(place, "WEFT_CPUS", env) : 0;
    if (rc == 0 && c->cpus != NULL) {
        rc = take_cpus(place, "weft_config.cpus", c->cpus);
    } else if (env == NULL && weft__presets[c->preset].binds) {
        place->of_p = place->own;
    }
    place->is_used = place->is_used || weft__cpu_set_count(&place->of_p) > 0;
    return rc;
}

static void apply_defaults(struct weft_config *c)
{
    const struct weft__preset *preset = &weft__presets[c->preset];
    if (c->stack_bytes == 0) {
        c->stack_bytes = STACK_BYTES_DEFAULT;
    }
    if (c->blocking_max == 0) {
        c->blocking_max = BLOCKING_DEFAULT;
    }
    if (c->blocking_idle_ns == 0) {
        c->blocking_idle_ns = BLOCKING_IDLE_DEFAULT_NS;
    }
    if (c->thread_name == NULL) {
        c->thread_name = "weft";
    }
    if (c->no_steal == 0) {
        c->no_steal = preset->no_steal ? 1 : WEFT_STEAL;
    }
    if (c->spin_ns == 0) {
        c->spin_ns = preset->spin_ns;
    }
}

int weft__config_resolve(struct weft_config *out, struct weft__place *place,
                         const struct weft_config *given)
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
    struct env env;
    int rc = check_given(out);
    if (rc == 0) {
        rc = read_environment(&env);
    }
    if (rc == 0) {
        apply_environment(out, &env);
        rc = resolve_cpus(out, place);
    }
    if (rc == 0) {
        apply_defaults(out);
    }
    return rc;
}
