/* SPDX-License-Identifier: MIT */
/*
 * plain.h - plain data of the sources: the compiler is told to prepare them for ThreadSanitizer,
 * and what it then calls at each load and store is here instead; see explore.h.
 *
 * So every execution that is explored is one in which races are looked for, by the same clocks that
 * order the cells.
 */
#ifndef WEFT_MODEL_PLAIN_H
#define WEFT_MODEL_PLAIN_H

#define MODEL_PLAIN 16384 /* a power of two: so many aligned groups of eight bytes */

/* Of eight bytes: which of them each thread has last written and read, when and from where. */
static struct model_plain {
    uintptr_t at;
    uint32_t run;
    uint8_t written[MODEL_THREADS_MAX], read[MODEL_THREADS_MAX];
    uint16_t write_time[MODEL_THREADS_MAX], read_time[MODEL_THREADS_MAX];
    const void *from[MODEL_THREADS_MAX];
} model_plains[MODEL_PLAIN];
static int model_n_plains;

static struct model_plain *model_plain_at(uintptr_t at)
{
    size_t i = (at * UINT64_C(0x9e3779b97f4a7c15)) >> 40 & (MODEL_PLAIN - 1);
    struct model_plain *p;

    while ((p = &model_plains[i])->at && p->at != at)
        i = (i + 1) & (MODEL_PLAIN - 1);
    if (!p->at && 4 * ++model_n_plains > 3 * MODEL_PLAIN)
        model_fail("the sources use more than %d groups of eight bytes", 3 * MODEL_PLAIN / 4);
    if (p->run != ex.run)
        *p = (struct model_plain){.at = at, .run = ex.run};
    return p;
}

/* Says which line of the sources an address of code belongs to. */
static void model_print_place(const void *from)
{
    extern const char __executable_start[];
    char program[256], command[400];
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);

    program[n > 0 ? n : 0] = '\0';
    snprintf(command, sizeof command, "addr2line -s -p -i -f -e '%s' %#lx", program,
             (unsigned long)((const char *)from - __executable_start) - 1);
    fflush(NULL);
    if (system(command) != 0)
        printf("%s\n", command);
}

static void model_plain_race(const struct model_plain *p, int by, int with, const void *from,
                             bool writes)
{
    printf("T%d %s:\n", by, writes ? "writes" : "reads");
    model_print_place(from);
    printf("T%d last used that at:\n", with);
    model_print_place(p->from[with]);
    model_fail("T%d and T%d use plain data with no order between them", by, with);
}

/* Some of eight bytes are used. */
static void model_plain_use_group(uintptr_t at, uint8_t bytes, bool writes, const void *from)
{
    const struct model_thread *t = ex.cur;
    struct model_plain *p = model_plain_at(at);

    model_refuse_gone(at, false, t->id);
    for (int i = 0; i < ex.n; i++) {
        if (i == t->id)
            continue;
        if (((p->written[i] & bytes) && p->write_time[i] > t->clock.at[i]) ||
            (writes && (p->read[i] & bytes) && p->read_time[i] > t->clock.at[i]))
            model_plain_race(p, t->id, i, from, writes);
    }
    p->from[t->id] = from;
    if (writes) {
        p->written[t->id] = bytes;
        p->write_time[t->id] = t->clock.at[t->id];
    } else {
        p->read[t->id] = bytes;
        p->read_time[t->id] = t->clock.at[t->id];
    }
}

static void model_plain_use(const void *at, unsigned bytes, bool writes, const void *from)
{
    if (!ex.cur)
        return;
    for (uintptr_t a = (uintptr_t)at; bytes > 0;) {
        const unsigned first = a % 8, n = bytes < 8 - first ? bytes : 8 - first;

        model_plain_use_group(a - first, (uint8_t)(((1u << n) - 1) << first), writes, from);
        a += n;
        bytes -= n;
    }
}

/* Who has used it without being ordered before this has used what is somebody else's by now. */
TEST_FN void model_do_let_go(const void *at, size_t bytes, const void *from)
{
    if (!ex.cur)
        return;
    model_plain_use(at, (unsigned)bytes, true, from);
    model_note_gone(at, bytes);
}

#define MODEL_PLAIN_USES(name, bytes)                                                              \
    void __tsan_read##name(const void *at);                                                        \
    void __tsan_write##name(const void *at);                                                       \
    void __tsan_read##name(const void *at)                                                         \
    {                                                                                              \
        model_plain_use(at, bytes, false, __builtin_return_address(0));                            \
    }                                                                                              \
    void __tsan_write##name(const void *at)                                                        \
    {                                                                                              \
        model_plain_use(at, bytes, true, __builtin_return_address(0));                             \
    }
#define MODEL_UNALIGNED_USES(bytes)                                                                \
    void __tsan_unaligned_read##bytes(const void *at);                                             \
    void __tsan_unaligned_write##bytes(const void *at);                                            \
    void __tsan_unaligned_read##bytes(const void *at)                                              \
    {                                                                                              \
        model_plain_use(at, bytes, false, __builtin_return_address(0));                            \
    }                                                                                              \
    void __tsan_unaligned_write##bytes(const void *at)                                             \
    {                                                                                              \
        model_plain_use(at, bytes, true, __builtin_return_address(0));                             \
    }

MODEL_PLAIN_USES(1, 1)
MODEL_PLAIN_USES(2, 2)
MODEL_PLAIN_USES(4, 4)
MODEL_PLAIN_USES(8, 8)
MODEL_PLAIN_USES(16, 16)
MODEL_UNALIGNED_USES(2)
MODEL_UNALIGNED_USES(4)
MODEL_UNALIGNED_USES(8)
MODEL_UNALIGNED_USES(16)

void __tsan_read_range(const void *at, unsigned long bytes);
void __tsan_write_range(const void *at, unsigned long bytes);
void __tsan_read_range(const void *at, unsigned long bytes)
{
    model_plain_use(at, (unsigned)bytes, false, __builtin_return_address(0));
}
void __tsan_write_range(const void *at, unsigned long bytes)
{
    model_plain_use(at, (unsigned)bytes, true, __builtin_return_address(0));
}

void __tsan_init(void);
void __tsan_func_entry(void *from);
void __tsan_func_exit(void);
void __tsan_init(void)
{
}
void __tsan_func_entry(void *from)
{
    (void)from;
}
void __tsan_func_exit(void)
{
}

#endif
