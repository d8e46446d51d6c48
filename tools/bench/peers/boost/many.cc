// SPDX-License-Identifier: MIT
//
// A million fibers: parked, and asleep.
#include "bench.h"

#include <algorithm>
#include <mutex>
#include <random>

#include <sys/resource.h>

namespace
{
constexpr long MANY = 1000000;

// What many wait at until it opens.
class Gate
{
  public:
    void wait()
    {
        std::unique_lock<boost::fibers::mutex> lock(mutex_);
        opened_.wait(lock, [this] { return is_open_; });
    }

    void open()
    {
        std::lock_guard<boost::fibers::mutex> lock(mutex_);
        is_open_ = true;
        opened_.notify_all();
    }

  private:
    bool is_open_ = false;
    boost::fibers::mutex mutex_;
    boost::fibers::condition_variable opened_;
};

Nanoseconds cpu_time()
{
    struct rusage usage;
    check(getrusage(RUSAGE_SELF, &usage) == 0, "getrusage");
    auto time = [](const struct timeval &t) {
        return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
    };
    return time(usage.ru_utime) + time(usage.ru_stime);
}

// The 50th and the 99th percentile in us: the value that so many percent are not above.
std::pair<double, double> percentiles(std::vector<Nanoseconds> &late)
{
    std::sort(late.begin(), late.end());
    auto at = [&](std::size_t percent) {
        return microseconds(late[(late.size() * percent + 99) / 100 - 1]);
    };
    return {at(50), at(99)};
}

// The lateness of 500 sleeps in a row.
Values sleeps(Nanoseconds d)
{
    std::vector<Nanoseconds> late(500);
    for (Nanoseconds &one : late) {
        auto start = Clock::now();
        boost::this_fiber::sleep_for(d);
        one = Clock::now() - start - d;
    }
    auto [p50, p99] = percentiles(late);
    return {p50, p99};
}
} // namespace

Values parked()
{
    Gate gate;
    WaitGroup parked(MANY), ended(MANY);
    double rss = status("self", "VmRSS"), pte = status("self", "VmPTE");

    auto start = Clock::now();
    for (long i = 0; i < MANY; i++) {
        go([&] {
            parked.done();
            gate.wait();
            ended.done();
        }).detach();
    }
    parked.wait();
    Nanoseconds create = Clock::now() - start;
    rss = status("self", "VmRSS") - rss;
    pte = status("self", "VmPTE") - pte;

    start = Clock::now();
    gate.open();
    ended.wait();
    Nanoseconds wake = Clock::now() - start;
    return {rss * 1024 / MANY, pte * 1024 / MANY, milliseconds(create), milliseconds(wake)};
}

Values timers()
{
    Gate gate;
    WaitGroup parked(MANY), ended(MANY);
    Clock::time_point t0;
    std::minstd_rand random;
    std::uniform_int_distribution<long> after_ns(1001000000, 2000000000);
    std::vector<Nanoseconds> late(MANY);
    for (long i = 0; i < MANY; i++) {
        Nanoseconds after(after_ns(random));
        go([&, i, after] {
            parked.done();
            gate.wait();
            auto until = t0 + after;
            boost::this_fiber::sleep_until(until);
            late[i] = Clock::now() - until;
            ended.done();
        }).detach();
    }
    parked.wait();

    Nanoseconds cpu = cpu_time();
    t0 = Clock::now();
    gate.open();
    ended.wait();
    cpu = cpu_time() - cpu;
    auto [p50, p99] = percentiles(late);
    return {milliseconds(cpu), p50, p99};
}

Values sleep_100us()
{
    return sleeps(std::chrono::microseconds(100));
}

Values sleep_1ms()
{
    return sleeps(std::chrono::milliseconds(1));
}
