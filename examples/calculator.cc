// SPDX-License-Identifier: MIT
/*
 * calculator.cc - a line service in C++: exceptions, destructors and lambdas in coroutines.
 *
 *     calculator [PORT]                   0, any that is free, if not said
 *
 *     $ nc 127.0.0.1 PORT
 *     rate = 1.5                          names belong to all clients
 *     1.5
 *     rate * (2 + 4) / nothing
 *     error: there is no 'nothing'
 *     quit
 *
 * What goes wrong is thrown where it is found, and caught by who can go on: a bad line by the loop
 * over the lines, which answers it; a connection that fails by who serves it.  On the way there
 * destructors unlock, end scopes and close the socket.  Both they and the catch blocks wait.
 */
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/signalfd.h>
#include <weft.h>

namespace {

constexpr int64_t idle_ns = 300 * WEFT_SEC;
constexpr size_t line_max = 4096;

struct failure : std::runtime_error {
    failure(const char *what, ssize_t rc)
        : std::runtime_error(std::string(what) + ": " + weft_strerror(rc))
    {
    }
};

// Turns the error code of a call into an exception.
ssize_t check(const char *what, ssize_t rc)
{
    return rc >= 0 ? rc : throw failure(what, rc);
}

// Children that run any callable; those that still do at the end of the block are cancelled, and
// waited for.
class group {
public:
    group() { weft_group_begin(&children, nullptr); }
    ~group() { weft_group_end(&children); }
    group(const group &) = delete;
    group &operator=(const group &) = delete;

    template <typename F> void spawn(F fn)
    {
        auto kept = std::make_unique<F>(std::move(fn));
        auto run = [](void *arg) {
            std::unique_ptr<F> fn(static_cast<F *>(arg));
            (*fn)(); // an exception that leaves it would end the program
            return 0;
        };
        struct weft_child_opts opts = {};
        opts.size = sizeof opts;
        opts.site = WEFT_SITE;
        check("spawn", weft_group_go_opts(&children, run, kept.get(), &opts, true));
        kept.release();
    }

private:
    struct weft_group children;
};

// Holds a mutex for the rest of the block.
class locked {
public:
    explicit locked(struct weft_mutex *m) : mutex(m) { check("lock", weft_mutex_lock(m)); }
    ~locked() { weft_mutex_unlock(mutex); }
    locked(const locked &) = delete;
    locked &operator=(const locked &) = delete;

private:
    struct weft_mutex *mutex;
};

// The names that all clients share.
class memory {
public:
    memory() : mutex(weft_mutex_make(), weft_mutex_free)
    {
        if (mutex == nullptr)
            throw std::bad_alloc();
    }

    double get(const std::string &name)
    {
        locked l(mutex.get());
        auto found = values.find(name);
        if (found == values.end())
            throw std::invalid_argument("there is no '" + name + "'");
        return found->second;
    }

    void set(const std::string &name, double value)
    {
        locked l(mutex.get());
        values[name] = value;
    }

private:
    std::map<std::string, double> values;
    std::unique_ptr<struct weft_mutex, decltype(&weft_mutex_free)> mutex;
};

// One line:  [name =] sum, of products, of numbers, names and sums in brackets.
class expression {
public:
    expression(const std::string &line, memory &shared) : at(line.c_str()), names(shared) {}

    double value()
    {
        const char *begin = at;
        const std::string name = word();
        if (!name.empty() && take('=')) {
            const double v = whole();
            names.set(name, v);
            return v;
        }
        at = begin;
        return whole();
    }

private:
    const char *at;
    memory &names;
    int depth = 0;

    void skip_blanks()
    {
        while (*at == ' ' || *at == '\t')
            at++;
    }

    bool take(char c)
    {
        skip_blanks();
        if (*at != c)
            return false;
        at++;
        return true;
    }

    std::string word()
    {
        std::string name;
        skip_blanks();
        while ((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z'))
            name += *at++;
        return name;
    }

    double whole()
    {
        const double v = sum();
        skip_blanks();
        if (*at != '\0')
            throw std::invalid_argument(std::string("what is '") + *at + "'?");
        return v;
    }

    double sum()
    {
        double v = product();
        for (;;) {
            if (take('+'))
                v += product();
            else if (take('-'))
                v -= product();
            else
                return v;
        }
    }

    double product()
    {
        double v = factor();
        for (;;) {
            if (take('*')) {
                v *= factor();
            } else if (take('/')) {
                const double by = factor();
                if (by == 0)
                    throw std::domain_error("division by zero");
                v /= by;
            } else {
                return v;
            }
        }
    }

    double factor()
    {
        if (++depth > 50)
            throw std::length_error("this is too deep"); // for the stack of a coroutine
        const double v = take('(') ? inner() : take('-') ? -factor() : name_or_number();
        depth--;
        return v;
    }

    double inner()
    {
        const double v = sum();
        return take(')') ? v : throw std::invalid_argument("a bracket is open");
    }

    double name_or_number()
    {
        const std::string name = word();
        if (!name.empty())
            return names.get(name);
        char *end;
        const double v = std::strtod(at, &end);
        if (end == at)
            throw std::invalid_argument("a number is missing");
        at = end;
        return v;
    }
};

// A socket, which is closed with it.
class descriptor {
public:
    explicit descriptor(int fd) : fd(fd) {}
    ~descriptor() { weft_close(fd); }
    descriptor(const descriptor &) = delete;
    descriptor &operator=(const descriptor &) = delete;
    int number() const { return fd; }

private:
    int fd;
};

class connection {
public:
    explicit connection(int fd) : socket(fd) {}

    // The next line, without its end; false at the end of the stream.
    bool read_line(std::string &line)
    {
        size_t end;
        while ((end = unread.find('\n')) == std::string::npos) {
            char buf[512];
            ssize_t n = 0;
            if (unread.size() > line_max)
                throw std::length_error("a line is too long");
            WEFT_DEADLINE (idle, idle_ns)
                n = check("read", weft_read(socket.number(), buf, sizeof buf));
            if (n == 0)
                return false;
            unread.append(buf, static_cast<size_t>(n));
        }
        line = unread.substr(0, end);
        unread.erase(0, end + 1);
        if (!line.empty() && line.back() == '\r')
            line.pop_back();
        return true;
    }

    void say(const std::string &text)
    {
        const std::string line = text + "\n";
        check("write", weft_write_full(socket.number(), line.data(), line.size()));
    }

private:
    descriptor socket;
    std::string unread;
};

std::string text_of(double value)
{
    char text[32];
    std::snprintf(text, sizeof text, "%.10g", value);
    return text;
}

// The dialogue with one client, to its end.
void talk(connection &client, memory &names)
{
    std::string line;
    while (client.read_line(line) && line != "quit") {
        try {
            client.say(text_of(expression(line, names).value()));
        } catch (const std::logic_error &e) { // of the line: the next may be better
            client.say(std::string("error: ") + e.what());
        }
    }
}

void serve(connection &client, memory &names)
{
    try {
        talk(client, names);
    } catch (const std::exception &e) { // idle, cancelled, gone: it is told, for a second at most
        WEFT_SHIELD (goodbye, WEFT_SEC) {
            try {
                client.say(std::string("goodbye: ") + e.what());
            } catch (const failure &) { // it does not listen any more
            }
        }
    }
}

int listen_on(const std::string &port)
{
    struct weft_addr addr;
    char text[WEFT_ADDR_TEXT_MAX];
    const int fd = static_cast<int>(check("listen", weft_listen(("127.0.0.1:" + port).c_str())));
    check("address", weft_local_addr(fd, &addr));
    std::printf("listening on %s\n", weft_addr_format(&addr, text, sizeof text));
    std::fflush(stdout);
    return fd;
}

// Takes clients until it is cancelled.
void accept_all(int listener, group &clients, memory &names)
{
    int fd;
    while ((fd = weft_accept(listener, nullptr)) >= 0) {
        try {
            auto client = std::make_unique<connection>(fd);
            clients.spawn([client = std::move(client), &names] { serve(*client, names); });
        } catch (const std::exception &e) { // one that cannot be served is closed
            std::fprintf(stderr, "calculator: %s\n", e.what());
        }
    }
}

// Serves until a signal comes.
void run(const std::string &port, int signals)
{
    memory names;
    descriptor listener(listen_on(port));
    group clients; // ends before what it uses
    clients.spawn([&] { accept_all(listener.number(), clients, names); });
    check("signals", weft_wait_fd(signals, POLLIN));
}

struct options {
    std::string port;
    int signals;
};

int app(void *arg)
{
    const auto *o = static_cast<options *>(arg);
    try {
        run(o->port, o->signals);
    } catch (const std::exception &e) {
        std::fprintf(stderr, "calculator: %s\n", e.what());
        return 1;
    }
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, nullptr);
    options o = {argc > 1 ? argv[1] : "0", signalfd(-1, &stop, SFD_NONBLOCK | SFD_CLOEXEC)};
    return weft_run(app, &o);
}
