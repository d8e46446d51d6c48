/* SPDX-License-Identifier: MIT */
/*
 * main.c - load: messages to an echo server and back, on many connections, by one thread.
 *
 *     load --host H --port N --connections C [--bytes 64] [--seconds 3] [--warmup 0.5]
 *          [--rate R] [--json] [--marks]
 *
 * Without --rate each connection sends its next message when the last one came back (closed loop).
 * With it, messages are due at fixed times, R a second, and latency is counted from these times.
 * Each byte that comes back is compared.  The exit is 0, 1 after errors, 2 for wrong options.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "run.h"

#define FDS_BESIDE 16 /* descriptors that are not connections */

static const char usage_text[] =
    "usage: load --host H --port N --connections C [--bytes 64] [--seconds 3] [--warmup 0.5]\n"
    "            [--rate R] [--json] [--marks]\n"
    "  --rate   messages a second over all connections, sent at fixed times (open loop)\n"
    "  --json   one object instead of a table\n"
    "  --marks  print lines \"begin\" and \"end\" when the measured time begins and ends\n";

/* A number from low to high; anything else ends the program with a message. */
static double number(const char *option, const char *text, double low, double high)
{
    char *end;
    const double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value >= low && value <= high)) {
        fprintf(stderr, "load: --%s wants a number from %g to %g, not '%s'\n", option, low, high,
                text);
        exit(2);
    }
    return value;
}

static void usage(FILE *out, int code)
{
    fputs(usage_text, out);
    exit(code);
}

static struct options read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"host", required_argument, NULL, 'H'},
        {"port", required_argument, NULL, 'p'},
        {"connections", required_argument, NULL, 'c'},
        {"bytes", required_argument, NULL, 'b'},
        {"seconds", required_argument, NULL, 's'},
        {"warmup", required_argument, NULL, 'w'},
        {"rate", required_argument, NULL, 'r'},
        {"json", no_argument, NULL, 'j'},
        {"marks", no_argument, NULL, 'm'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct options o = {.bytes = 64, .seconds = 3, .warmup = 0.5};
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c == 'H')
            o.host = optarg;
        else if (c == 'p' && number("port", optarg, 1, 65535) > 0)
            o.port = optarg;
        else if (c == 'c')
            o.connections = (unsigned)number("connections", optarg, 1, 1000000);
        else if (c == 'b')
            o.bytes = (unsigned)number("bytes", optarg, 1, 16 << 20);
        else if (c == 's')
            o.seconds = number("seconds", optarg, 0.01, 86400);
        else if (c == 'w')
            o.warmup = number("warmup", optarg, 0, 3600);
        else if (c == 'r')
            o.rate = number("rate", optarg, 0.01, 1e8);
        else if (c == 'j')
            o.is_json = true;
        else if (c == 'm')
            o.has_marks = true;
        else
            usage(c == 'h' ? stdout : stderr, c == 'h' ? 0 : 2);
    }
    if (optind < argc || o.host == NULL || o.port == NULL || o.connections == 0)
        usage(stderr, 2);
    return o;
}

/* Takes as many descriptors as are needed and allowed; root may raise the upper limit, too. */
static void raise_limit(unsigned connections)
{
    const rlim_t wanted = connections + FDS_BESIDE;
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= wanted)
        return;
    files.rlim_cur = wanted;
    if (files.rlim_max >= wanted && setrlimit(RLIMIT_NOFILE, &files) == 0)
        return;
    files.rlim_max = wanted;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0) {
        fprintf(stderr, "load: %u connections need more descriptors than are allowed: %s\n",
                connections, strerror(errno));
        exit(1);
    }
}

static double us(const struct result *r, double share)
{
    return histogram_quantile(&r->latency, share) / 1e3;
}

static void print_json(const struct options *o, const struct result *r)
{
    printf("{\"requests\":%llu,\"seconds\":%.3f,\"rps\":%.1f,\"p50_us\":%.3f,\"p99_us\":%.3f,"
           "\"p999_us\":%.3f,\"max_us\":%.3f,\"errors\":%llu}\n",
           (unsigned long long)r->requests, o->seconds, (double)r->requests / o->seconds,
           us(r, 0.5), us(r, 0.99), us(r, 0.999), (double)r->latency.max_ns / 1e3,
           (unsigned long long)r->errors);
}

static void print_table(const struct options *o, const struct result *r)
{
    printf("%u connections, %u bytes, ", o->connections, o->bytes);
    if (o->rate > 0)
        printf("open loop, %g/s, %g s\n", o->rate, o->seconds);
    else
        printf("closed loop, %g s\n", o->seconds);
    printf("requests  %12llu\n", (unsigned long long)r->requests);
    printf("rate      %12.0f /s\n", (double)r->requests / o->seconds);
    printf("p50       %12.1f us\n", us(r, 0.5));
    printf("p99       %12.1f us\n", us(r, 0.99));
    printf("p99.9     %12.1f us\n", us(r, 0.999));
    printf("max       %12.1f us\n", (double)r->latency.max_ns / 1e3);
    printf("errors    %12llu\n", (unsigned long long)r->errors);
    if (o->rate <= 0)
        return;
    printf("sent late %12.1f us p99, by the generator itself\n",
           histogram_quantile(&r->lateness, 0.99) / 1e3);
    if (r->unsent > 0)
        printf("%llu messages were due and not sent: the server did not keep up; they count in\n"
               "the latencies with the time that they had waited\n",
               (unsigned long long)r->unsent);
}

int main(int argc, char **argv)
{
    static struct result result;
    const struct options options = read_options(argc, argv);

    raise_limit(options.connections);
    if (run_load(&options, &result) != 0)
        return 1;
    if (options.is_json)
        print_json(&options, &result);
    else
        print_table(&options, &result);
    return result.errors > 0;
}
