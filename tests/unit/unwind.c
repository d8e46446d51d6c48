/* SPDX-License-Identifier: MIT */
/*
 * Goal: the unwinder finds the callers that are there, from signal handlers, from parked contexts
 * and over copies of stacks, with names; and garbage makes it stop, never crash.
 * Method: known chains of static functions, compared with backtrace() where libc has it; stacks
 * between inaccessible pages filled with random words.
 *
 * matrix: once
 */
/* ldflags: -Wl,--eh-frame-hdr */
#define _GNU_SOURCE
#include "arch/unwind.h"
#include "test.h"

#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <ucontext.h>
#if defined(__GLIBC__) && !defined(UNWIND_WITHOUT_BACKTRACE)
#include <execinfo.h>
#define HAVE_BACKTRACE 1
#else
#define HAVE_BACKTRACE 0
#endif

#define PCS_MAX 64
#define NOINLINE __attribute__((noinline))
/* The compiler must not turn the call before it into a jump, which would hide a frame. */
#define NO_TAIL_CALL() __asm__ volatile("" ::: "memory")

static struct walk {
    struct weft__frame frame;
    struct weft__stack_view view;
    uintptr_t pcs[PCS_MAX];
    int count;
    void *expected[PCS_MAX]; /* by backtrace() */
    int expected_count;
} walk;

static uintptr_t stack_top;

/* To be called ahead: it allocates, which a signal handler must not. */
static void find_stack_top(void)
{
    pthread_attr_t attr;
    void *base;
    size_t bytes;

    CHECK_EQ(pthread_getattr_np(pthread_self(), &attr), 0);
    CHECK_EQ(pthread_attr_getstack(&attr, &base, &bytes), 0);
    pthread_attr_destroy(&attr);
    stack_top = (uintptr_t)base + bytes;
}

/* The stack of this thread from `lo` to its top. */
static struct weft__stack_view view_from(uintptr_t lo)
{
    return (struct weft__stack_view){lo, stack_top - lo, (const unsigned char *)lo};
}

/* The name of the function alone, without a suffix of the compiler's such as ".constprop.0". */
static const char *function_name(uintptr_t pc, bool is_return)
{
    static char text[512];
    weft__symbol(pc, is_return, text, sizeof(text));
    text[strcspn(text, ".+ ")] = '\0';
    return text;
}

/* The names from the first of `names` on are those of the walk, in order. */
static void check_names(const struct walk *w, const char *const *names, int n_names)
{
    int i = 0;

    while (i < w->count && strcmp(function_name(w->pcs[i], i > 0), names[0]) != 0)
        i++;
    CHECK_LE(i + n_names, w->count);
    for (int n = 0; n < n_names; n++, i++)
        CHECK_STR(function_name(w->pcs[i], i > 0), names[n]);
}

/* ---- signal handlers ---- */

static void (*volatile at_depth)(void);

static NOINLINE void level_5(void)
{
    at_depth();
    NO_TAIL_CALL();
}

#define LEVEL(n, next)                                                                             \
    static NOINLINE void level_##n(void)                                                           \
    {                                                                                              \
        next();                                                                                    \
        NO_TAIL_CALL();                                                                            \
    }
LEVEL(4, level_5)
LEVEL(3, level_4)
LEVEL(2, level_3)
LEVEL(1, level_2)

static const char *const levels[] = {"level_5", "level_4", "level_3", "level_2", "level_1"};

static void *fault_page;

static void walk_in_handler(int sig, siginfo_t *info, void *uc)
{
    (void)info;
    weft__frame_signal(&walk.frame, uc);
    /* The red zone is below the stack pointer, and a leaf's frame may lie there. */
    walk.view = view_from(walk.frame.sp - 128);
    walk.count = weft__unwind(&walk.frame, &walk.view, walk.pcs, PCS_MAX);
#if HAVE_BACKTRACE
    walk.expected_count = backtrace(walk.expected, PCS_MAX);
#endif
    if (sig == SIGSEGV)
        CHECK_EQ(mprotect(fault_page, 4096, PROT_READ | PROT_WRITE), 0);
}

/* From pcs[from] to the outermost function, both found the same. */
static void check_same_as_backtrace(const struct walk *w, int from)
{
    int i = 0;

    if (w->expected_count == 0)
        return; /* musl has no backtrace() */
    while (i < w->expected_count && (uintptr_t)w->expected[i] != w->pcs[from])
        i++;
    CHECK_EQ(w->expected_count - i, w->count - from);
    for (int n = from; n < w->count; n++, i++)
        CHECK_EQ(w->pcs[n], w->expected[i]);
}

static void on_signal(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};

    weft__unwind_prime();
    find_stack_top();
#if HAVE_BACKTRACE
    backtrace(walk.expected, PCS_MAX); /* its first call loads libgcc */
#endif
    CHECK_EQ(sigaction(sig, &sa, NULL), 0);
}

static void raise_usr1(void)
{
    raise(SIGUSR1);
    NO_TAIL_CALL();
}

static void write_to_the_page(void)
{
    *(volatile int *)fault_page = 1;
}

TEST(a_walk_from_a_signal_handler_finds_all_callers)
{
    on_signal(SIGUSR1, walk_in_handler, 0);
    at_depth = raise_usr1;
    level_1();
    check_names(&walk, levels, 5);
    check_same_as_backtrace(&walk, 0);
}

TEST(a_walk_after_a_fault_from_an_alternate_stack_finds_all_callers)
{
    static unsigned char bytes[32 * 1024];
    const stack_t alternate = {.ss_sp = bytes, .ss_size = sizeof(bytes)};

    fault_page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(fault_page != MAP_FAILED);
    CHECK_EQ(sigaltstack(&alternate, NULL), 0);
    on_signal(SIGSEGV, walk_in_handler, SA_ONSTACK);
    at_depth = write_to_the_page;
    level_1();
    CHECK_STR(function_name(walk.pcs[0], false), "write_to_the_page");
    check_names(&walk, levels, 5);
    check_same_as_backtrace(&walk, 0);
}

/*
 * Two functions side by side.  last_call ends with a call, so that the return address is in
 * faults_at_once, whose first instruction faults, so that the byte before is in last_call.  At
 * that place one has a frame and the other has not.
 */
void last_call(void);
void faults_at_once(void);
#if defined(__x86_64__)
__asm__("    .text\n"
        "    .type last_call, @function\n"
        "last_call:\n"
        "    .cfi_startproc\n"
        "    subq $24, %rsp\n"
        "    .cfi_adjust_cfa_offset 24\n"
        "    call leave\n"
        "    .cfi_endproc\n"
        "    .size last_call, . - last_call\n"
        "    .type faults_at_once, @function\n"
        "faults_at_once:\n"
        "    .cfi_startproc\n"
        "    ud2\n"
        "    ret\n"
        "    .cfi_endproc\n"
        "    .size faults_at_once, . - faults_at_once\n");
#elif defined(__aarch64__)
__asm__("    .text\n"
        "    .type last_call, %function\n"
        "last_call:\n"
        "    .cfi_startproc\n"
        "    stp x29, x30, [sp, -32]!\n"
        "    .cfi_adjust_cfa_offset 32\n"
        "    .cfi_rel_offset x29, 0\n"
        "    .cfi_rel_offset x30, 8\n"
        "    bl leave\n"
        "    .cfi_endproc\n"
        "    .size last_call, . - last_call\n"
        "    .type faults_at_once, %function\n"
        "faults_at_once:\n"
        "    .cfi_startproc\n"
        "    udf 0\n"
        "    ret\n"
        "    .cfi_endproc\n"
        "    .size faults_at_once, . - faults_at_once\n");
#endif

static sigjmp_buf after_leave;

__attribute__((used, noreturn)) static NOINLINE void leave(void)
{
    raise(SIGUSR1);
    siglongjmp(after_leave, 1);
}

static NOINLINE void call_last_call(void)
{
    last_call();
    NO_TAIL_CALL();
}

TEST(a_call_at_the_end_of_a_function_belongs_to_it)
{
    static const char *const names[] = {"leave", "last_call", "call_last_call", "level_5"};

    on_signal(SIGUSR1, walk_in_handler, 0);
    at_depth = call_last_call;
    if (sigsetjmp(after_leave, 1) == 0)
        level_1();
    check_names(&walk, names, 4);
    check_names(&walk, levels, 5);
    check_same_as_backtrace(&walk, 0);
}

/* Goal: the signal frame of libc is stepped through, by its expressions.  Method: the walk begins
 * in the handler itself. */
#if defined(__x86_64__) && HAVE_BACKTRACE
static void walk_through_handler(int sig, siginfo_t *info, void *interrupted)
{
    ucontext_t here, *uc = interrupted;

    (void)info;
    CHECK_EQ(getcontext(&here), 0);
    weft__frame_signal(&walk.frame, &here);
    walk.view = view_from(walk.frame.sp);
    walk.count = weft__unwind(&walk.frame, &walk.view, walk.pcs, PCS_MAX);
    walk.expected_count = backtrace(walk.expected, PCS_MAX);
    if (sig == SIGILL)
        uc->uc_mcontext.gregs[REG_RIP] += 2; /* over the ud2 */
}

TEST(a_walk_passes_the_signal_frame)
{
    on_signal(SIGUSR1, walk_through_handler, 0);
    at_depth = raise_usr1;
    level_1();
    CHECK_STR(function_name(walk.pcs[0], false), "walk_through_handler");
    check_names(&walk, levels, 5);
    check_same_as_backtrace(&walk, 1); /* the calls in the handler are two */
}

static NOINLINE void call_faults_at_once(void)
{
    faults_at_once();
    NO_TAIL_CALL();
}

TEST(the_first_instruction_of_a_function_belongs_to_it)
{
    on_signal(SIGILL, walk_through_handler, 0);
    at_depth = call_faults_at_once;
    level_1();
    check_names(&walk, levels, 5);
    check_same_as_backtrace(&walk, 1);
    for (int i = 0; i < walk.count; i++)
        if (walk.pcs[i] == (uintptr_t)faults_at_once)
            return;
    CHECK(!"faults_at_once is not in the walk");
}
#endif

/* ---- parked contexts ---- */

#define STACK_BYTES (64 * 1024)
static unsigned char parked_stack[STACK_BYTES] __attribute__((aligned(64)));
static unsigned char short_stack[STACK_BYTES] __attribute__((aligned(64)));
static void *parked_sp, *main_sp;
static const int no_result = 0;

static void park(void)
{
    weft__ctx_switch(&parked_sp, main_sp);
    NO_TAIL_CALL();
}

/* Ends at once. */
static void *short_entry(void *arg)
{
    return *(void **)arg;
}

static void park_for_a_new_one(void)
{
    (void)weft__ctx_begin(&parked_sp, short_stack + STACK_BYTES, short_entry, &main_sp, NULL,
                          &no_result);
    NO_TAIL_CALL();
}

static void *parked_entry(void *arg)
{
    CHECK(arg == &parked_sp);
    level_1();
    CHECK(!"reached");
    return NULL;
}

static const char *const parked_names[] = {"park",    "level_5", "level_4",      "level_3",
                                           "level_2", "level_1", "parked_entry", "weft__ctx_start"};

/* A context that is parked six calls deep on parked_stack; returns where it is. */
static uintptr_t make_parked(void)
{
    weft__unwind_prime();
    at_depth = park;
    parked_sp = weft__ctx_make(parked_stack + STACK_BYTES, parked_entry, &parked_sp, NULL);
    weft__ctx_switch(&main_sp, parked_sp);
    return (uintptr_t)parked_sp;
}

static void walk_parked(uintptr_t saved_sp, const unsigned char *copy)
{
    walk.view = (struct weft__stack_view){(uintptr_t)parked_stack, STACK_BYTES, copy};
    CHECK(weft__frame_parked(&walk.frame, &walk.view, saved_sp));
    walk.count = weft__unwind(&walk.frame, &walk.view, walk.pcs, PCS_MAX);
}

TEST(a_parked_context_is_walked_to_its_trampoline)
{
    walk_parked(make_parked(), parked_stack);
    CHECK_EQ(walk.count, 8);
    check_names(&walk, parked_names, 8);
}

/* Goal: it is all the same whether a context was left by weft__ctx_switch() or weft__ctx_begin(),
 * and whether it began by either. */
TEST(a_context_parked_for_a_new_one_is_walked_to_its_trampoline)
{
    static const char *const names[] = {
        "park_for_a_new_one", "level_5",        "level_4", "level_3", "level_2", "level_1",
        "parked_entry",       "weft__ctx_start"};

    weft__unwind_prime();
    at_depth = park_for_a_new_one;
    (void)weft__ctx_begin(&main_sp, parked_stack + STACK_BYTES, parked_entry, &parked_sp, NULL,
                          &no_result);
    walk_parked((uintptr_t)parked_sp, parked_stack);
    CHECK_EQ(walk.count, 8);
    check_names(&walk, names, 8);
}

TEST(a_context_that_has_not_run_is_its_trampoline)
{
    weft__unwind_prime();
    void *sp = weft__ctx_make(parked_stack + STACK_BYTES, parked_entry, NULL, NULL);
    walk_parked((uintptr_t)sp, parked_stack);
    CHECK_EQ(walk.count, 1);
    CHECK_STR(function_name(walk.pcs[0], false), "weft__ctx_start");
}

TEST(a_copy_of_a_stack_is_walked_like_the_stack)
{
    static unsigned char copy[STACK_BYTES];
    uintptr_t saved_sp = make_parked();

    memcpy(copy, parked_stack, STACK_BYTES);
    memset(parked_stack, 0xa5, STACK_BYTES);
    walk_parked(saved_sp, copy);
    CHECK_EQ(walk.count, 8);
    check_names(&walk, parked_names, 8);
}

TEST(a_word_outside_the_view_ends_the_walk)
{
    uintptr_t saved_sp = make_parked();
    int last = 0;

    for (size_t bytes = 0; bytes <= (uintptr_t)parked_stack + STACK_BYTES - saved_sp; bytes++) {
        struct weft__stack_view v = {saved_sp, bytes, (unsigned char *)saved_sp};
        if (!weft__frame_parked(&walk.frame, &v, saved_sp)) {
            CHECK_LT(bytes, WEFT__CTX_WORDS * sizeof(uintptr_t));
            continue;
        }
        int count = weft__unwind(&walk.frame, &v, walk.pcs, PCS_MAX);
        CHECK(count == last || count == last + 1);
        last = count;
    }
    CHECK_EQ(last, 8);
    CHECK(!weft__frame_parked(&walk.frame, &walk.view, saved_sp - STACK_BYTES));
    CHECK(!weft__frame_parked(&walk.frame, &walk.view, UINTPTR_MAX - 7));
}

/* Goal: a frame without tables is stepped over by its frame pointer, once, and only where that
 * leads to code with tables.  Method: pc 8 is in no module, and data has no tables; level_3 is
 * entered by hand, where its own return address is on top of the stack or in x30. */
static void step_over(uintptr_t nowhere)
{
    enum { LO = 0x7000 };
    const uintptr_t in_level_3 = (uintptr_t)level_3 + 1;
    uintptr_t words[] = {0, 0, LO + 40, in_level_3, nowhere, 0, in_level_3, 0};
    struct weft__stack_view v = {LO, sizeof(words), (unsigned char *)words};
    struct weft__frame f = {.pc = nowhere, .sp = LO, .fp = LO + 16};

    f.saved[30] = nowhere; /* x30 */
    CHECK_EQ(weft__unwind(&f, &v, walk.pcs, PCS_MAX), 3);
    CHECK_EQ(walk.pcs[1], in_level_3);
    CHECK_EQ(walk.pcs[2], nowhere); /* its frame pointer would lead on, but one guess is enough */
    f.sp = LO + 24;
    CHECK_EQ(weft__unwind(&f, &v, walk.pcs, PCS_MAX), 1); /* points down the stack */
    f.sp = LO;
    f.fp = LO + 17;
    CHECK_EQ(weft__unwind(&f, &v, walk.pcs, PCS_MAX), 1); /* is not aligned */
    f.fp = LO + sizeof(words) - 8;
    CHECK_EQ(weft__unwind(&f, &v, walk.pcs, PCS_MAX), 1); /* ends outside the view */
    f.fp = LO + 24;
    CHECK_EQ(weft__unwind(&f, &v, walk.pcs, PCS_MAX), 1); /* leads nowhere */
}

TEST(a_frame_pointer_is_followed_once_where_tables_are_missing)
{
    weft__unwind_prime();
    step_over(8);
    step_over((uintptr_t)parked_stack);
}

/* ---- garbage ---- */

#define GARBAGE_BYTES 4096
static struct {
    uintptr_t begin, bytes;
} code_ranges[64];
static int code_range_count;

static int collect_code(struct dl_phdr_info *info, size_t info_bytes, void *arg)
{
    (void)info_bytes, (void)arg;
    for (int i = 0; i < info->dlpi_phnum && code_range_count < 64; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X))
            continue;
        code_ranges[code_range_count].begin = info->dlpi_addr + ph->p_vaddr;
        code_ranges[code_range_count++].bytes = ph->p_memsz;
    }
    return 0;
}

/* A word that is likely to lead a walk astray. */
static uintptr_t astray(uint64_t *random, uintptr_t lo)
{
    uint64_t r = test_random(random);
    uint64_t range = (r >> 8) % (uint64_t)code_range_count;

    switch (r & 7) {
    case 0:
        return test_random(random);
    case 1:
        return (r >> 8) % 64 - 32;
    case 2:
    case 3:
        return lo + (r >> 8) % (GARBAGE_BYTES + 64) - 32;
    case 4:
        return lo + (r >> 8) % GARBAGE_BYTES / 8 * 8;
    default:
        return code_ranges[range].begin + (r >> 16) % code_ranges[range].bytes;
    }
}

/* Goal: a stack that changed while it was copied, or never was one, cannot crash the walk or make
 * it read elsewhere.  Method: 100,000 views between two inaccessible pages: a real stack with a few
 * words replaced, or random words all over, with real or random registers. */
TEST_LIMIT(garbage_never_crashes_the_walk, 60)
{
    uintptr_t saved_sp = make_parked(), lo = saved_sp;
    unsigned char *pages =
        mmap(NULL, 3 * GARBAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t random = test_seed(), total = 0;

    CHECK(pages != MAP_FAILED);
    CHECK_EQ(mprotect(pages + GARBAGE_BYTES, GARBAGE_BYTES, PROT_READ | PROT_WRITE), 0);
    dl_iterate_phdr(collect_code, NULL);
    size_t real_bytes = (uintptr_t)parked_stack + STACK_BYTES - saved_sp;
    if (real_bytes > GARBAGE_BYTES)
        real_bytes = GARBAGE_BYTES;

    for (int round = 0; round < 100000; round++) {
        bool is_real = round % 2;
        size_t bytes = is_real ? real_bytes : GARBAGE_BYTES - test_random(&random) % 64;
        /* The end of the view is the end of the page. */
        unsigned char *copy = pages + 2 * GARBAGE_BYTES - bytes;
        struct weft__stack_view v = {lo, bytes, copy};
        struct weft__frame f;
        uintptr_t word;

        if (is_real)
            memcpy(copy, (void *)saved_sp, bytes);
        size_t n_words = is_real ? 1 + test_random(&random) % 8 : bytes / 8;
        for (size_t i = 0; i < n_words; i++) {
            word = astray(&random, lo);
            size_t at = is_real ? test_random(&random) % (bytes - 8) : i * 8;
            memcpy(copy + at, &word, sizeof(word));
        }
        CHECK(weft__frame_parked(&f, &v, lo));
        if (round % 4 < 2) {
            for (int i = 0; i < 32; i++)
                f.saved[i] = astray(&random, lo);
            f.pc = astray(&random, lo);
            f.fp = astray(&random, lo);
            f.sp = round % 8 ? lo + test_random(&random) % 256 : astray(&random, lo);
        }
        int count = weft__unwind(&f, &v, walk.pcs, PCS_MAX);
        CHECK(count >= 1 && count <= PCS_MAX);
        total += (uint64_t)count;
    }
    CHECK_GT(total, 100000 + 100000 / 4); /* it did walk */
    CHECK_EQ(weft__unwind(&walk.frame, &walk.view, walk.pcs, 0), 0);
}
