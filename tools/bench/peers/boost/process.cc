// SPDX-License-Identifier: MIT
//
// Processes: the children that this program starts, and what is measured from outside.
#include "bench.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <thread>

#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace
{
// Starts a program with its output in a file.
pid_t start(const char *path, std::vector<std::string> args, int output)
{
    std::vector<char *> argv;
    for (std::string &arg : args)
        argv.push_back(arg.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    pid_t pid;
    int error = posix_spawn(&pid, path, &actions, nullptr, argv.data(), environ);
    check(error == 0, "a program cannot be started");
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

pid_t start_child(const std::string &name, int runs, int output)
{
    return start("/proc/self/exe",
                 {"boost", "--procs", std::to_string(procs), "--runs", std::to_string(runs),
                  "--child", name},
                 output);
}

void wait_for(pid_t pid)
{
    int how;
    check(waitpid(pid, &how, 0) == pid && WIFEXITED(how) && WEXITSTATUS(how) == 0,
          "a child failed");
}

int open_null()
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    check(null >= 0, "/dev/null cannot be opened");
    return null;
}
} // namespace

Values run_child(const std::string &name, int runs)
{
    int ends[2];
    check(pipe2(ends, O_CLOEXEC) == 0, "no pipe");
    pid_t pid = start_child(name, runs, ends[1]);
    close(ends[1]);
    Values values;
    FILE *output = fdopen(ends[0], "r");
    check(output != nullptr, "no memory");
    for (double value; std::fscanf(output, "%lf", &value) == 1;)
        values.push_back(value);
    std::fclose(output);
    wait_for(pid);
    return values;
}

double status(const std::string &pid, const std::string &field)
{
    std::ifstream file("/proc/" + pid + "/status");
    for (std::string line; std::getline(file, line);) {
        if (line.compare(0, field.size() + 1, field + ":") == 0)
            return std::stod(line.substr(field.size() + 1));
    }
    fail("there is no " + field + " in /proc/" + pid + "/status");
}

Values startup_ms()
{
    constexpr std::size_t times = 25;
    std::array<double, times> ours, trues;
    int null = open_null();
    for (std::size_t i = 0; i < times; i++) {
        auto begin = Clock::now();
        wait_for(start_child("startup", 1, null));
        auto between = Clock::now();
        wait_for(start("/bin/true", {"true"}, null));
        ours[i] = milliseconds(between - begin);
        trues[i] = milliseconds(Clock::now() - between);
    }
    close(null);
    std::sort(ours.begin(), ours.end());
    std::sort(trues.begin(), trues.end());
    return {ours[times / 2] - trues[times / 2]};
}

void startup_child()
{
    run_fibers(SLEEP, [] {});
}

// Looks from outside: a process that reads its own /proc grows by that.
Values idle_rss()
{
    int null = open_null();
    pid_t pid = start_child("idle", 1, null);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    double kilobytes = status(std::to_string(pid), "VmRSS");
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    close(null);
    return {kilobytes};
}

void idle_child()
{
    run_fibers(SLEEP, [] { boost::this_fiber::sleep_for(std::chrono::minutes(1)); });
}
