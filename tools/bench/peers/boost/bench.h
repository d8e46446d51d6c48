// SPDX-License-Identifier: MIT
//
// What the files of the Boost.Fiber peer share: how to start a fiber, and the workloads.
#ifndef BENCH_H
#define BENCH_H

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <boost/fiber/all.hpp>

using Fiber = boost::fibers::fiber;
using Clock = std::chrono::steady_clock;
using Nanoseconds = std::chrono::nanoseconds;
using Values = std::vector<double>;

// --- the runtime (runtime.cc) ---

// The number of processors: threads that run fibers.
extern unsigned procs;

// 16 KB: as small as is comfortable. Boost's default is 128 KB. The stacks come from malloc(),
// which run_fibers() tells to keep what is freed. Boost's own pool is for one thread only, and
// touches one more page of each stack: a tree of a million fibers takes twice as long with it.
constexpr std::size_t STACK_BYTES = 16 * 1024;

// Starts a fiber, which runs at once; the one that calls this is queued. (With launch::post it
// would be the other way round, which is slower in some of these workloads, and else the same.)
template <class Function> Fiber go(Function &&function)
{
    return Fiber(boost::fibers::launch::dispatch, std::allocator_arg,
                 boost::fibers::fixedsize_stack(STACK_BYTES), std::forward<Function>(function));
}

// What a thread does that has no fiber to run. That is a choice of the program, and there is none
// that is right for all: a thread that sleeps is not woken for work that another one has too much
// of, so nothing runs in parallel; one that looks for work all the time tears fibers apart that
// talk to each other. So each workload has what is better for it.
enum Idle { SLEEP, LOOK_FOR_WORK };

// Runs main as a fiber on `procs` threads, to its end. A process can do this once.
void run_fibers(Idle idle, const std::function<void()> &main);

// A wait group, which Boost.Fiber does not have: the last one wakes the one that waits.
class WaitGroup
{
  public:
    explicit WaitGroup(long n) : left_(n)
    {
    }

    void done()
    {
        if (--left_ == 0) {
            std::lock_guard<boost::fibers::mutex> lock(mutex_);
            none_is_left_ = true;
            none_left_.notify_one();
        }
    }

    void wait()
    {
        std::unique_lock<boost::fibers::mutex> lock(mutex_);
        none_left_.wait(lock, [this] { return none_is_left_; });
    }

  private:
    std::atomic<long> left_;
    bool none_is_left_ = false;
    boost::fibers::mutex mutex_;
    boost::fibers::condition_variable none_left_;
};

inline double milliseconds(Nanoseconds d)
{
    return static_cast<double>(d.count()) / 1e6;
}

inline double microseconds(Nanoseconds d)
{
    return static_cast<double>(d.count()) / 1e3;
}

// No workload can go on after this.
[[noreturn]] inline void fail(const std::string &what)
{
    std::fprintf(stderr, "boost: %s\n", what.c_str());
    std::exit(1);
}

inline void check(bool is_right, const char *what)
{
    if (!is_right)
        fail(what);
}

// --- workloads: they are called in a fiber ---

// These run for a number of rounds and return how many operations these were.
long yields(long rounds); // tasks.cc
long spawn_one(long rounds);
long spawn_batch(long rounds);
long mutex(long rounds);
long chan_unbuf(long rounds); // channels.cc
long chan_buf(long rounds);
long chan_mpmc(long rounds);
long pairs(long rounds);

// These return a value a row.
Values skynet_ms(); // trees.cc
Values skynet_rss();
Values skynet_work_ms();
Values fib_ms();
Values fib_work_ms();
Values parked(); // many.cc
Values timers();
Values sleep_100us();
Values sleep_1ms();

// Finds out how much to compute in a microsecond.
void calibrate_work();

// --- processes (process.cc) ---

// A line of /proc/PID/status, in kB.
double status(const std::string &pid, const std::string &field);

// Runs this program with --child NAME and so many runs; returns the numbers that it prints.
Values run_child(const std::string &name, int runs);

// These are called outside of all fibers.
Values startup_ms();
Values idle_rss();

// What they start: a first fiber that ends at once, and one that sleeps.
void startup_child();
void idle_child();

#endif
