// SPDX-License-Identifier: MIT
/*
 * uncaught_exception.cc - a C++ exception that nobody catches ends the process as it does without
 * Weft, by std::terminate(), and the coroutine that threw it is named.
 *
 * expect-exit: SIGABRT
 * expect-stderr: ^terminate called after throwing an instance of 'std::runtime_error'$
 * expect-stderr: ^weft: fatal: abort\(\) was called \(coroutine [0-9]+ "careless", spawned at
 * expect-stderr: ^    #[0-9]+ .*throw_it
 */
#include <stdexcept>
#include <weft.h>

__attribute__((noinline)) static int throw_it(void *arg)
{
    weft_yield();
    if (arg == nullptr)
        throw std::runtime_error("nobody catches this");
    return 0;
}

static int app(void *)
{
    struct weft_go_opts opts = {};
    opts.size = sizeof opts;
    opts.name = "careless";
    opts.site = WEFT_SITE;
    return weft_join(weft_go_opts(throw_it, nullptr, &opts), nullptr);
}

int main()
{
    return weft_run(app, nullptr);
}
