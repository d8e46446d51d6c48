// SPDX-License-Identifier: MIT
//
// The workloads of tools/bench/README.md in Boost.Fiber. This file reads the command line, runs
// what was asked for, and prints a line a row.
//
// A process can join Boost's work stealing only once, so each workload runs in a child: the same
// program with --child NAME, which prints its values, a line a run.
//
// Left out: select2 and select8 (Boost.Fiber has no select), mixed (it has no sockets). skynet,
// fib, parked and timers need 5 to 10 GB and up to 15 s a run: nearly all fibers of a tree are
// alive at the same time, and each has touched two pages. They run with --heavy only, and once.
#include "bench.h"

#include <algorithm>
#include <cstring>

#include <boost/version.hpp>

namespace
{
struct Row {
    std::string name, unit;
};

// How a workload is measured.
enum How {
    LOOP,    // by a loop, as ns an operation; finding the number of rounds is the warm-up
    WARM,    // by a measure; one call comes first and does not count
    FRESH,   // by a measure, each run in a process of its own
    OUTSIDE, // by a measure that is called in this process, which runs no fibers
};

struct Workload {
    std::vector<Row> rows;
    How how;
    std::function<long(long)> loop;
    std::function<Values()> measure;
    Idle idle = SLEEP;
    bool is_heavy = false;
};

Workload ops(const char *name, long (*loop)(long), Idle idle)
{
    return {{{name, "ns"}}, LOOP, loop, nullptr, idle};
}

const std::vector<Workload> workloads = {
    ops("yield", yields, LOOK_FOR_WORK),
    ops("spawn_one", spawn_one, SLEEP),
    ops("spawn_batch", spawn_batch, SLEEP),
    ops("chan_unbuf", chan_unbuf, SLEEP),
    ops("chan_buf", chan_buf, SLEEP),
    ops("chan_mpmc", chan_mpmc, SLEEP),
    ops("mutex", mutex, SLEEP),
    {{{"skynet", "ms"}}, FRESH, nullptr, skynet_ms, LOOK_FOR_WORK, true},
    {{{"skynet.rss", "MB"}}, FRESH, nullptr, skynet_rss, LOOK_FOR_WORK, true},
    {{{"fib", "ms"}}, FRESH, nullptr, fib_ms, LOOK_FOR_WORK, true},
    {{{"skynet_work", "ms"}}, WARM, nullptr, skynet_work_ms, LOOK_FOR_WORK},
    {{{"fib_work", "ms"}}, WARM, nullptr, fib_work_ms, LOOK_FOR_WORK},
    ops("pairs", pairs, LOOK_FOR_WORK),
    {{{"parked.bytes", "B"}, {"parked.pte", "B"}, {"parked.create", "ms"}, {"parked.wake", "ms"}},
     FRESH,
     nullptr,
     parked,
     SLEEP,
     true},
    {{{"timers.cpu", "ms"}, {"timers.p50", "us"}, {"timers.p99", "us"}},
     FRESH,
     nullptr,
     timers,
     SLEEP,
     true},
    {{{"sleep.100us_p50", "us"}, {"sleep.100us_p99", "us"}}, WARM, nullptr, sleep_100us},
    {{{"sleep.1ms_p50", "us"}, {"sleep.1ms_p99", "us"}}, WARM, nullptr, sleep_1ms},
    {{{"startup", "ms"}}, OUTSIDE, nullptr, startup_ms},
    {{{"idle_rss", "kB"}}, OUTSIDE, nullptr, idle_rss},
};

// What there is no way to do: names that are known, but have no rows.
const std::vector<std::string> left_out = {"select2", "select8", "mixed"};

constexpr int HEAVY_RUNS = 1;

struct {
    bool json = false, heavy = false;
    int runs = 7;
    std::string child;
    std::vector<std::string> names;
} options;

[[noreturn]] void usage(const std::string &what)
{
    std::fprintf(stderr, "%s\nusage: boost [--procs N] [--json] [--runs N] [--heavy] [NAME...]\n",
                 what.c_str());
    std::exit(2);
}

int number(const char *option, const char *word)
{
    char *end = nullptr;
    long n = word != nullptr ? std::strtol(word, &end, 10) : 0;
    if (n < 1 || n > 1000000 || *end != '\0')
        usage(std::string(option) + " needs a number above 0");
    return static_cast<int>(n);
}

void read_options(char **args)
{
    for (; *args != nullptr; args++) {
        std::string arg = *args;
        if (arg == "--json")
            options.json = true;
        else if (arg == "--heavy")
            options.heavy = true;
        else if (arg == "--procs")
            procs = static_cast<unsigned>(number("--procs", *++args));
        else if (arg == "--runs")
            options.runs = number("--runs", *++args);
        else if (arg == "--child" && args[1] != nullptr)
            options.child = *++args;
        else if (arg[0] == '-')
            usage("unknown option " + arg);
        else
            options.names.push_back(arg);
    }
}

// Whether a row is one of those that the user named.
bool is_selected(const std::string &row, const std::string &name)
{
    return row == name || row.compare(0, name.size() + 1, name + ".") == 0;
}

bool is_wanted(const Row &row)
{
    const auto &names = options.names;
    return names.empty() || std::any_of(names.begin(), names.end(), [&](const auto &name) {
               return is_selected(row.name, name);
           });
}

void check_names()
{
    std::vector<std::string> known = left_out;
    for (const Workload &workload : workloads) {
        for (const Row &row : workload.rows)
            known.push_back(row.name);
    }
    for (const std::string &name : options.names) {
        if (std::none_of(known.begin(), known.end(),
                         [&](const auto &row) { return is_selected(row, name); }))
            usage("there is no workload " + name);
    }
}

struct Timed {
    long ops;
    Nanoseconds took;
};

Timed timed(const std::function<long(long)> &loop, long rounds)
{
    auto start = Clock::now();
    long ops = loop(rounds);
    return {ops, Clock::now() - start};
}

// Finds how many rounds fill a run, then measures.
void run_loop(const std::function<long(long)> &loop)
{
    constexpr Nanoseconds enough = std::chrono::milliseconds(50); // less says little
    constexpr Nanoseconds target = std::chrono::milliseconds(100);
    long rounds = 1;
    Nanoseconds took = timed(loop, rounds).took;
    while (took < enough) {
        rounds *= 2;
        took = timed(loop, rounds).took;
    }
    rounds = std::max(1L, static_cast<long>(static_cast<double>(rounds) * target.count() /
                                            static_cast<double>(took.count())));
    for (int i = 0; i < options.runs; i++) {
        Timed run = timed(loop, rounds);
        std::printf("%.3f\n", static_cast<double>(run.took.count()) / run.ops);
    }
}

void run_measure(const Workload &workload)
{
    if (workload.how == WARM)
        workload.measure();
    for (int i = 0; i < options.runs; i++) {
        for (double value : workload.measure())
            std::printf("%.3f ", value);
        std::printf("\n");
    }
}

// What --child NAME does; NAME is the first row of a workload.
void child()
{
    if (options.child == "startup")
        return startup_child();
    if (options.child == "idle")
        return idle_child();
    for (const Workload &workload : workloads) {
        if (workload.rows[0].name != options.child)
            continue;
        calibrate_work();
        return run_fibers(workload.idle, [&] {
            if (workload.how == LOOP)
                run_loop(workload.loop);
            else
                run_measure(workload);
        });
    }
    usage("there is no child " + options.child);
}

// The values of all runs, one run after the other.
Values run(const Workload &workload)
{
    const std::string &name = workload.rows[0].name;
    if (workload.how == LOOP || workload.how == WARM)
        return run_child(name, options.runs);
    Values all;
    int runs = workload.is_heavy ? std::min(options.runs, HEAVY_RUNS) : options.runs;
    for (int i = 0; i < runs; i++) {
        Values one = workload.how == FRESH ? run_child(name, 1) : workload.measure();
        all.insert(all.end(), one.begin(), one.end());
    }
    return all;
}

void show(const Row &row, Values values)
{
    std::sort(values.begin(), values.end());
    std::size_t n = values.size();
    double median = (values[(n - 1) / 2] + values[n / 2]) / 2;
    double min = values.front(), max = values.back();
    if (options.json)
        std::printf("{\"peer\":\"boost\",\"version\":\"%s\",\"name\":\"%s\",\"procs\":%u,"
                    "\"unit\":\"%s\",\"median\":%.3f,\"min\":%.3f,\"max\":%.3f,\"runs\":%zu}\n",
                    BOOST_LIB_VERSION, row.name.c_str(), procs, row.unit.c_str(), median, min, max,
                    n);
    else
        std::printf("%-16s %14.3f %-2s   (%.3f to %.3f, %zu runs)\n", row.name.c_str(), median,
                    row.unit.c_str(), min, max, n);
    std::fflush(stdout);
}
} // namespace

int main(int, char **argv)
{
    read_options(argv + 1);
    if (!options.child.empty()) {
        child();
        return 0;
    }
    check_names();
    for (const Workload &workload : workloads) {
        const std::vector<Row> &rows = workload.rows;
        if (std::none_of(rows.begin(), rows.end(), is_wanted) ||
            (workload.is_heavy && !options.heavy))
            continue;
        Values all = run(workload);
        check(!all.empty() && all.size() % rows.size() == 0, "a child printed too little");
        for (std::size_t i = 0; i < rows.size(); i++) {
            Values column;
            for (std::size_t j = i; j < all.size(); j += rows.size())
                column.push_back(all[j]);
            if (is_wanted(rows[i]))
                show(rows[i], column);
        }
    }
    return 0;
}
