/* SPDX-License-Identifier: MIT */
/*
 * Goal: addresses get the names that people know them by, and a file that is not what it was, or
 * not what it says, does no harm.
 * Method: addresses of all kinds, and a library whose file is damaged after it was loaded.
 *
 * matrix: once
 */
#define _GNU_SOURCE
#include "arch/unwind.h"
#include "test.h"

#include <dlfcn.h>
#include <link.h>

static __attribute__((noinline)) int a_static_function(int x)
{
    __asm__ volatile("" : "+r"(x));
    return x + 1;
}

TEST(a_static_function_has_a_name_and_an_address_in_its_file)
{
    char text[256], tail[64];
    uintptr_t pc = (uintptr_t)a_static_function;

    weft__symbol(pc + 2, false, text, sizeof(text));
    CHECK(strncmp(text, "a_static_function+0x2 (", 23) == 0);
    weft__symbol(pc + 3, true, text, sizeof(text));
    CHECK(strncmp(text, "a_static_function+0x2 (", 23) == 0);

    char program[256], *file = program;
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
    CHECK_GT(n, 0);
    program[n] = '\0';
    if (strrchr(program, '/') != NULL)
        file = strrchr(program, '/') + 1;
    CHECK(strncmp(text + 23, file, strlen(file)) == 0);
    const char *address = strrchr(text, '+');
    CHECK(address != NULL);
    unsigned long offset = strtoul(address + 3, NULL, 16);
    CHECK_EQ(offset % 4096, (pc + 2) % 4096);
    snprintf(tail, sizeof(tail), "+0x%lx)", offset);
    CHECK_STR(address, tail);
}

TEST(a_function_of_a_library_has_a_name)
{
    char text[256];
    Dl_info info;

    weft__symbol((uintptr_t)lrand48, false, text, sizeof(text));
    CHECK(strncmp(text, "lrand48+0x0 (", 13) == 0);
    if (dladdr((void *)(uintptr_t)lrand48, &info) == 0 || strstr(info.dli_fname, "lib") == NULL)
        SKIP("libc is not a shared object here");
    CHECK(strstr(text, "(libc") != NULL || strstr(text, "(ld-musl") != NULL);
}

TEST(what_has_no_name_is_printed_as_its_address)
{
    static int datum;
    char text[256];

    CHECK_STR(weft__symbol(0, false, text, sizeof(text)), "0x0");
    CHECK_STR(weft__symbol(0x1234, true, text, sizeof(text)), "0x1234");
    CHECK_STR(weft__symbol(UINTPTR_MAX, false, text, sizeof(text)), "0xffffffffffffffff");
    weft__symbol((uintptr_t)&datum, false, text, sizeof(text));
    CHECK(strncmp(text, "?? (", 4) == 0);
}

TEST(a_short_buffer_holds_the_beginning)
{
    char text[256], whole[256];

    weft__symbol((uintptr_t)a_static_function, false, whole, sizeof(whole));
    for (size_t bytes = 1; bytes < 64; bytes++) {
        memset(text, 'x', sizeof(text));
        weft__symbol((uintptr_t)a_static_function, false, text, bytes);
        CHECK_LT(strlen(text), bytes);
        CHECK(strncmp(text, whole, strlen(text)) == 0);
        CHECK_EQ(text[bytes], 'x');
    }
    text[0] = 'y';
    CHECK(weft__symbol(0, false, text, 0) == text && text[0] == 'y');
}

static void write_file(const char *path, const void *data, size_t bytes)
{
    FILE *f = fopen(path, "w");
    CHECK(f != NULL && fwrite(data, 1, bytes, f) == bytes);
    CHECK_EQ(fclose(f), 0);
}

/* Goal: a module's file may be cut off, replaced or damaged after it was loaded.  Method: a copy of
 * libm is loaded, then other files take its name. */
TEST_LIMIT(a_damaged_file_gives_no_name_and_no_crash, 60)
{
    char dir[] = "/tmp/weft-unwind-XXXXXX", path[64], text[256];
    struct link_map *map;
    uint64_t random = test_seed();

    void *libm = dlopen("libm.so.6", RTLD_NOW);
    if (libm == NULL || dlinfo(libm, RTLD_DI_LINKMAP, &map) != 0)
        SKIP("no libm to load");
    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof(path), "%s/copy.so", dir);
    FILE *f = fopen(map->l_name, "r");
    CHECK(f != NULL && fseek(f, 0, SEEK_END) == 0);
    size_t bytes = (size_t)ftell(f);
    unsigned char *data = malloc(bytes), *damaged = malloc(bytes);
    rewind(f);
    CHECK(data != NULL && damaged != NULL && fread(data, 1, bytes, f) == bytes);
    fclose(f);
    write_file(path, data, bytes);
    void *copy = dlopen(path, RTLD_NOW);
    CHECK(copy != NULL);
    uintptr_t pc = (uintptr_t)dlsym(copy, "nan");
    CHECK(strncmp(weft__symbol(pc, false, text, sizeof(text)), "nan+0x0 (copy.so+0x", 19) == 0);
    unlink(path); /* what is mapped stays */

    ElfW(Ehdr) eh;
    memcpy(&eh, data, sizeof(eh));
    const size_t cuts[] = {0,    1,         17,         sizeof(eh) - 1, sizeof(eh),
                           1000, bytes / 2, eh.e_shoff, eh.e_shoff + 1, bytes - 1};
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        write_file(path, data, cuts[i]);
        weft__symbol(pc, false, text, sizeof(text));
        CHECK(strncmp(text, "?? (copy.so+0x", 14) == 0 || strncmp(text, "nan+0x0 (", 9) == 0);
    }
    /* Section headers that lie across the end of the file, which is the end of the mapping. */
    memcpy(damaged, data, bytes);
    eh.e_shoff = 8192 - 8;
    memcpy(damaged, &eh, sizeof(eh));
    write_file(path, damaged, 8192);
    CHECK(strncmp(weft__symbol(pc, false, text, sizeof(text)), "?? (copy.so+0x", 14) == 0);
    memcpy(&eh, data, sizeof(eh));
    for (int round = 0; round < 200; round++) {
        memcpy(damaged, data, bytes);
        for (int i = 0; i < 8; i++) /* section headers are what leads elsewhere */
            damaged[eh.e_shoff + test_random(&random) % (bytes - eh.e_shoff)] ^=
                (unsigned char)(test_random(&random) >> 8);
        write_file(path, damaged, bytes);
        weft__symbol(pc, false, text, sizeof(text));
        CHECK(strnlen(text, sizeof(text)) < sizeof(text)); /* garbage may have a long name */
    }
    unlink(path);
    CHECK_EQ(rmdir(dir), 0);
    free(data);
    free(damaged);
}
