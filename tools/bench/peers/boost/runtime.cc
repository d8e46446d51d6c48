// SPDX-License-Identifier: MIT
//
// Threads that run fibers: one with round_robin, or several with work_stealing.
#include "bench.h"

#include <malloc.h>
#include <mutex>
#include <thread>

unsigned procs = 1;

namespace
{
constexpr std::size_t MAIN_STACK_BYTES = 256 * 1024;

void run_main(const std::function<void()> &main)
{
    Fiber(std::allocator_arg, boost::fibers::fixedsize_stack(MAIN_STACK_BYTES), main).join();
}

void join_work_stealing(Idle idle)
{
    boost::fibers::use_scheduling_algorithm<boost::fibers::algo::work_stealing>(procs,
                                                                                idle == SLEEP);
}
} // namespace

void run_fibers(Idle idle, const std::function<void()> &main)
{
    // Stacks that are freed are wanted again soon: malloc() gives nothing back to the kernel.
    mallopt(M_TRIM_THRESHOLD, -1);
    mallopt(M_MMAP_MAX, 0);
    if (procs == 1) {
        run_main(main); // round_robin is what a thread has
        return;
    }

    bool is_over = false;
    boost::fibers::mutex mutex;
    boost::fibers::condition_variable over;
    std::vector<std::thread> others;
    for (unsigned i = 1; i < procs; i++) {
        others.emplace_back([&] {
            join_work_stealing(idle);
            std::unique_lock<boost::fibers::mutex> lock(mutex);
            over.wait(lock, [&] { return is_over; });
        });
    }
    join_work_stealing(idle); // returns when all of them have
    run_main(main);
    {
        std::lock_guard<boost::fibers::mutex> lock(mutex);
        is_over = true;
    }
    over.notify_all();
    for (std::thread &other : others)
        other.join();
}
