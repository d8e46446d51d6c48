// SPDX-License-Identifier: MIT
//
// Trees of fibers: skynet and fib, and the same with a little computing in each leaf.
#include "bench.h"

#include <algorithm>

namespace
{
using Channel = boost::fibers::unbuffered_channel<std::uint64_t>;

constexpr std::uint64_t SKYNET_LEAVES = 1000000, SKYNET_WORK_LEAVES = 100000;

long work_per_us = 1; // steps that take a microsecond
std::atomic<std::uint64_t> work_sink;

// A chain of n multiplications that the compiler cannot shorten.
__attribute__((noinline)) std::uint64_t steps(long n)
{
    auto x = static_cast<std::uint64_t>(n);
    for (long i = 0; i < n; i++)
        x = x * 6364136223846793005U + 1442695040888963407U;
    return x;
}

// Computes for us microseconds. It asks no clock.
void work(long us)
{
    if (us > 0 && steps(us * work_per_us) == 0)
        work_sink++; // practically never; it keeps the result in use
}

void skynet(Channel &up, std::uint64_t first, std::uint64_t leaves, long us)
{
    if (leaves == 1) {
        work(us);
        up.push(first);
        return;
    }
    constexpr unsigned children = 10;
    Channel from;
    std::uint64_t part = leaves / children;
    for (unsigned i = 0; i < children; i++)
        go([&from, first, part, i, us] { skynet(from, first + i * part, part, us); }).detach();
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < children; i++)
        sum += from.value_pop();
    up.push(sum);
}

double skynet_took(std::uint64_t leaves, long us)
{
    auto start = Clock::now();
    Channel up;
    go([&up, leaves, us] { skynet(up, 0, leaves, us); }).detach();
    check(up.value_pop() == leaves * (leaves - 1) / 2, "skynet: a leaf was lost");
    return milliseconds(Clock::now() - start);
}

long fib(long n, long us)
{
    if (n < 2) {
        work(us);
        return n;
    }
    long there = 0;
    Fiber other = go([&there, n, us] { there = fib(n - 1, us); });
    long here = fib(n - 2, us);
    other.join();
    return here + there;
}

double fib_took(long n, long us, long expected)
{
    auto start = Clock::now();
    check(fib(n, us) == expected, "fib: wrong result");
    return milliseconds(Clock::now() - start);
}
} // namespace

// Takes the fastest of some tries: whatever disturbs only makes it slower.
void calibrate_work()
{
    constexpr long n = 1000000;
    Nanoseconds best = std::chrono::hours(1);
    for (int i = 0; i < 10; i++) {
        auto start = Clock::now();
        if (steps(n) == 0)
            work_sink++;
        best = std::min<Nanoseconds>(best, Clock::now() - start);
    }
    work_per_us = std::max(1L, static_cast<long>(n * 1000 / best.count()));
}

Values skynet_ms()
{
    return {skynet_took(SKYNET_LEAVES, 0)};
}

Values skynet_rss()
{
    skynet_took(SKYNET_LEAVES, 0);
    return {status("self", "VmHWM") / 1024};
}

Values skynet_work_ms()
{
    return {skynet_took(SKYNET_WORK_LEAVES, 1)};
}

Values fib_ms()
{
    return {fib_took(30, 0, 832040)};
}

Values fib_work_ms()
{
    return {fib_took(24, 1, 46368)};
}
