// SPDX-License-Identifier: MIT
//
// Fibers, their start and end, and a mutex.
#include "bench.h"

#include <mutex>

namespace
{
// Runs n fibers and waits for them.
void together(unsigned n, const std::function<void()> &task)
{
    std::vector<Fiber> fibers;
    for (unsigned i = 0; i < n; i++)
        fibers.push_back(go(task));
    for (Fiber &fiber : fibers)
        fiber.join();
}
} // namespace

// The time is that of all processors together, so theirs cancel out.
long yields(long rounds)
{
    rounds *= 1000;
    together(4 * procs, [rounds] {
        for (long i = 0; i < rounds; i++)
            boost::this_fiber::yield();
    });
    return 4 * rounds;
}

long spawn_one(long rounds)
{
    rounds *= 100;
    for (long i = 0; i < rounds; i++)
        go([] {}).join();
    return rounds;
}

long spawn_batch(long rounds)
{
    constexpr long batch = 10000;
    for (long i = 0; i < rounds; i++) {
        WaitGroup group(batch);
        for (long j = 0; j < batch; j++)
            go([&group] { group.done(); }).detach();
        group.wait();
    }
    return rounds * batch;
}

long mutex(long rounds)
{
    constexpr unsigned tasks = 8;
    rounds *= 1000;
    boost::fibers::mutex mutex;
    long total = 0;
    together(tasks, [&mutex, &total, rounds] {
        for (long i = 0; i < rounds; i++) {
            std::lock_guard<boost::fibers::mutex> lock(mutex);
            total++;
        }
    });
    check(total == tasks * rounds, "mutex: an addition was lost");
    return total;
}
