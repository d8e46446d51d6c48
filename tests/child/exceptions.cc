// SPDX-License-Identifier: MIT
/*
 * exceptions.cc - C++ exceptions inside coroutines: thrown and caught, with waits and migrations in
 * between, in catch blocks that are nested, rethrown, and in destructors that an exception runs.
 *
 * Each coroutine checks that what it handles is its own, whatever the others on its thread handle.
 *
 * limit: 60
 * expect-exit: 0
 * expect-stdout: ^all handled their own$
 */
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <weft.h>

namespace {

constexpr int coroutines = 200, rounds = 50;

struct waits_when_destroyed {
    ~waits_when_destroyed()
    {
        weft_yield(); // while the exception is on its way
    }
};

void fail(const char *what)
{
    std::fprintf(stderr, "%s\n", what);
    std::_Exit(1);
}

std::string name_of(int id, int round)
{
    return std::to_string(id) + "/" + std::to_string(round);
}

void throw_through_a_wait(const std::string &name)
{
    waits_when_destroyed w;
    throw std::runtime_error(name);
}

void handle_one(int id, int round)
{
    const std::string name = name_of(id, round);
    try {
        try {
            throw_through_a_wait(name);
        } catch (const std::runtime_error &e) {
            weft_yield();
            if (e.what() != name)
                fail("another's exception");
            try {
                throw_through_a_wait("inner " + name);
            } catch (const std::exception &inner) {
                if (round % 8 == 0 && weft_sleep(1000) != 0)
                    fail("the sleep failed");
                if (inner.what() != "inner " + name)
                    fail("another's inner exception");
            }
            if (std::uncaught_exceptions() != 0)
                fail("an exception too many is on its way");
            throw; // the outer one again, after all these waits
        }
    } catch (const std::exception &e) {
        weft_yield();
        if (e.what() != name)
            fail("another's exception was thrown again");
    }
    if (std::current_exception() != nullptr)
        fail("an exception is left");
}

int work(void *arg)
{
    const int id = static_cast<int>(reinterpret_cast<intptr_t>(arg));
    for (int round = 0; round < rounds; round++)
        handle_one(id, round);
    return 0;
}

int app(void *)
{
    static weft_co *co[coroutines];
    struct weft_go_opts opts = {};
    opts.size = sizeof opts;
    opts.site = WEFT_SITE;
    for (intptr_t i = 0; i < coroutines; i++)
        co[i] = weft_go_opts(work, reinterpret_cast<void *>(i), &opts);
    for (auto &each : co)
        if (weft_join(each, nullptr) != 0)
            fail("the join failed");
    return 0;
}

} // namespace

int main()
{
    if (weft_run(app, nullptr) != 0)
        return 1;
    std::puts("all handled their own");
    return 0;
}
