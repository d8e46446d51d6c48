/* SPDX-License-Identifier: MIT */
/* gdb.c - gdb walks out of running and parked contexts, and stops at their entry. */
#include "asm_test.h"

#include <sys/utsname.h>

#define OUTPUT_BYTES (256 * 1024)
#define UNDER_GDB "WEFT_TEST_UNDER_GDB"

/* What gdb looks at by name: kept, though nothing here reads them, and two functions that no
 * compiler folds into one. */
#define FOR_GDB __attribute__((used))
static FOR_GDB void *gdb_main_sp, *gdb_parked_sp, *gdb_fresh_sp, *gdb_waiter_sp;
static const int gdb_result = 1;

static char output[OUTPUT_BYTES];

static FOR_GDB NOINLINE void gdb_stop_in_coroutine(void)
{
    __asm__ volatile("" ::"r"(1) : "memory");
}

static FOR_GDB NOINLINE void gdb_stop_in_main(void)
{
    __asm__ volatile("" ::"r"(2) : "memory");
}

static NOINLINE void gdb_inner(void)
{
    gdb_stop_in_coroutine();
    weft__ctx_switch(&gdb_parked_sp, gdb_main_sp);
    STAY_ON_STACK();
}

static void *gdb_entry(void *arg)
{
    (void)arg;
    for (;;)
        gdb_inner();
    return NULL; /* not reached */
}

static void *gdb_short_entry(void *arg)
{
    (void)arg;
    return gdb_main_sp;
}

static FOR_GDB NOINLINE void gdb_after(void)
{
    __asm__ volatile("" ::"r"(3) : "memory");
}

static NOINLINE void gdb_waits(void)
{
    (void)weft__ctx_wait(&gdb_waiter_sp, gdb_main_sp, &gdb_result);
    STAY_ON_STACK();
}

static NOINLINE void gdb_ends(void)
{
    ctx_end(gdb_main_sp, gdb_after);
    STAY_ON_STACK();
}

static void *gdb_wait_entry(void *arg)
{
    (void)arg;
    gdb_waits();
    gdb_ends();
    return NULL; /* not reached */
}

/* The program that gdb runs: one coroutine that runs and parks, one that ends at once, one that
 * waits and ends at a depth, and one that has never run. */
static NOINLINE void target(void)
{
    const struct test_stack parked = stack_make(), ended = stack_make(), fresh = stack_make();
    const struct test_stack waiter = stack_make();

    gdb_fresh_sp = weft__ctx_make(fresh.top, gdb_entry, NULL, NULL);
    (void)weft__ctx_begin(&gdb_main_sp, parked.top, gdb_entry, NULL, NULL, &gdb_result);
    weft__ctx_switch(&gdb_main_sp, weft__ctx_make(ended.top, gdb_short_entry, NULL, NULL));
    gdb_waiter_sp = weft__ctx_make(waiter.top, gdb_wait_entry, NULL, NULL);
    (void)weft__ctx_wait(&gdb_main_sp, gdb_waiter_sp, &gdb_result);
    (void)weft__ctx_wait(&gdb_main_sp, gdb_waiter_sp, &gdb_result);
    gdb_stop_in_main();
    STAY_ON_STACK();
}

/* Takes the registers of a parked context from its save area, as a gdb script for users does. */
#define STRING_OF(number) #number
#define STRING(number) STRING_OF(number)
#if defined(__x86_64__)
#define GDB_FP "$rbp = $area[" STRING(WEFT__CTX_RBP) "]\n"
#else
#define GDB_FP "$x29 = $area[" STRING(WEFT__CTX_X29) "]\n"
#endif
#define GDB_ENTER                                                                                  \
    "define enter\n"                                                                               \
    "  set $area = (unsigned long *)$arg0\n"                                                       \
    "  set " GDB_FP                                                                                \
    "  set $sp = (unsigned long)($area + " STRING(WEFT__CTX_WORDS) ")\n"                           \
    "  set $pc = $area[" STRING(WEFT__CTX_PC) "]\n"                                                \
    "end\n"

/* Shows a backtrace at each instruction from here to where the code is left. */
#define GDB_STEPS                                                                                  \
    "define steps\n"                                                                               \
    "  while $pc >= (unsigned long)weft__ctx_switch && $pc < (unsigned long)weft__ctx_make\n"      \
    "    echo [step]\\n\n    bt\n    stepi\n"                                                      \
    "  end\n"                                                                                      \
    "end\n"

static const char script[] = GDB_ENTER GDB_STEPS
    "set pagination off\nset confirm off\nset width 0\nset debuginfod enabled off\n"
    "break *weft__ctx_begin\nbreak gdb_stop_in_coroutine\nrun\nsteps\ncontinue\n"
    "echo [running]\\n\nbt\n"
    "delete\nbreak *weft__ctx_switch\ncontinue\nsteps\ncontinue\nsteps\n"
    "delete\nfinish\nsteps\n"
    "break *weft__ctx_wait\ncontinue\nsteps\ncontinue\nsteps\ncontinue\nsteps\n"
    "delete\nbreak *weft__ctx_end\ncontinue\nsteps\necho [after]\\n\nbt\nfinish\nsteps\n"
    "delete\nbreak gdb_stop_in_main\ncontinue\n"
    "echo [main]\\n\nbt\n"
    "echo [parked]\\n\nenter gdb_parked_sp\nbt\n"
    "echo [fresh]\\n\nenter gdb_fresh_sp\nbt\n"
    "echo [end]\\n\nkill\nquit\n";

/* The functions of a backtrace, innermost first, as "a<b<c"; gdb's lines are "#1  0x... in b (".
 * Where there is no debug information, gdb takes a__b for an Ada name and prints a.b. */
static void functions_of(const char *section, char *names, size_t bytes)
{
    size_t used = 0;

    names[0] = '\0';
    for (const char *line = strchr(section, '\n'); line && line[1] == '#';
         line = strchr(line + 1, '\n')) {
        const char *name = line + 1 + strcspn(line + 1, " ");
        name += strspn(name, " ");
        if (strncmp(name, "0x", 2) == 0 && strstr(name, " in "))
            name = strstr(name, " in ") + 4;
        if (used)
            names[used++] = '<';
        for (; !strchr(" \n", *name); name++) {
            CHECK_LT(used + 4, bytes);
            if (*name == '.')
                names[used++] = '_';
            names[used++] = *name == '.' ? '_' : *name;
        }
        names[used] = '\0';
    }
}

/* The backtrace after a mark in gdb's output. */
static const char *backtrace_at(const char *mark)
{
    static char names[4096];
    const char *section = strstr(output, mark);

    if (!section)
        TEST_FAIL("gdb did not come to %s:\n%s", mark, output);
    functions_of(section, names, sizeof names);
    return names;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

static bool is_kind(const char *names, const char *kind)
{
    const size_t n = strlen(kind) - 1;

    if (kind[n] == '*')
        return strncmp(names, kind, n) == 0 && ends_with(names, "<main");
    return strcmp(names, kind) == 0;
}

/* Every stop inside the code, by what gdb may find there and how often at least.  What ends with
 * '*' is on main's stack. */
static void check_steps(void)
{
    static const struct {
        const char *names;
        int count_min;
    } kinds[] = {
        {"weft__ctx_begin<target<*", 16},
        {"weft__ctx_begin", 6},
        {"weft__ctx_start", 5}, /* two instructions for each of two contexts, and the last one */
        {"weft__ctx_switch<gdb_inner<gdb_entry<weft__ctx_start", 8},
        {"weft__ctx_switch<target<*", 16},
        {"weft__ctx_switch<weft__ctx_start", 7},
        {"weft__ctx_wait<gdb_waits<gdb_wait_entry<weft__ctx_start", 16},
        {"weft__ctx_wait<target<*", 16},
        {"weft__ctx_wait<weft__ctx_start", 7},
        {"weft__ctx_end<gdb_ends<gdb_wait_entry<weft__ctx_start", 2},
        {"weft__ctx_end<target<*", 2},
        {"weft__ctx_start<target<*", 16},
    };
    enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };
    static char names[4096];
    int counts[KIND_COUNT] = {0};

    for (const char *at = strstr(output, "[step]"); at; at = strstr(at + 1, "[step]")) {
        int kind = 0;
        functions_of(at, names, sizeof names);
        while (kind < KIND_COUNT && !is_kind(names, kinds[kind].names))
            kind++;
        if (kind == KIND_COUNT)
            TEST_FAIL("inside the switch gdb finds %s", names);
        counts[kind]++;
    }
    for (int kind = 0; kind < KIND_COUNT; kind++)
        if (counts[kind] < kinds[kind].count_min)
            TEST_FAIL("gdb finds %s %d times only", kinds[kind].names, counts[kind]);
}

/* Runs gdb over this program and reads what it prints; "" if the shell finds no gdb. */
static void run_gdb(void)
{
    char program[512], path[] = "/tmp/weft-gdb-XXXXXX", command[1024];
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    const int fd = mkstemp(path);

    CHECK_GT(n, 0);
    program[n] = '\0';
    CHECK_GE(fd, 0);
    CHECK_EQ(write(fd, script, sizeof script - 1), sizeof script - 1);
    close(fd);
    snprintf(command, sizeof command,
             "command -v gdb >/dev/null && " UNDER_GDB "=1 gdb -nx -batch -x %s --args "
             "'%s' gdb_walks_contexts --here 2>&1 </dev/null",
             path, program);
    FILE *pipe = popen(command, "r");
    CHECK(pipe != NULL);
    CHECK_LT(fread(output, 1, sizeof output - 1, pipe), sizeof output - 1);
    pclose(pipe);
    unlink(path);
}

/* An emulator of user programs hides from gdb what it runs; the shell it starts is not emulated. */
static bool is_emulated(void)
{
    char machine[64] = "";
    struct utsname name;
    FILE *pipe = popen("uname -m", "r");

    CHECK(pipe != NULL);
    CHECK(fgets(machine, sizeof machine, pipe) != NULL);
    pclose(pipe);
    machine[strcspn(machine, "\n")] = '\0';
    CHECK_EQ(uname(&name), 0);
    return strcmp(machine, name.machine) != 0;
}

/* Goal: gdb's backtrace of a context is right while it runs, at each instruction of a switch, of
 * the beginning of a context and of the end of one, in what is called after the end, while it is
 * parked, and before it ran; and it ends at weft__ctx_start.
 * Method: this same test, run by gdb, is the program that is looked at. */
TEST_LIMIT(gdb_walks_contexts, 60)
{
    if (getenv(UNDER_GDB)) {
        target();
        return;
    }
    if (is_emulated())
        SKIP("gdb cannot look into a program that an emulator runs");
    run_gdb();
    if (output[0] == '\0')
        SKIP("gdb is not installed");
    if (strstr(output, "ptrace: Operation not permitted"))
        SKIP("this machine lets no process trace another");
    CHECK_STR(backtrace_at("[running]"),
              "gdb_stop_in_coroutine<gdb_inner<gdb_entry<weft__ctx_start");
    check_steps();
    CHECK(is_kind(backtrace_at("[after]"), "gdb_after<weft__ctx_start<target<*"));
    CHECK(ends_with(backtrace_at("[main]"), "<main"));
    CHECK_STR(backtrace_at("[parked]"), "gdb_inner<gdb_entry<weft__ctx_start");
    CHECK_STR(backtrace_at("[fresh]"), "weft__ctx_start");
    CHECK(strstr(output, "[end]") != NULL);
}
