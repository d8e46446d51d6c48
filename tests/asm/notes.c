/* SPDX-License-Identifier: MIT */
/*
 * notes.c - what the object file of the switch declares to linker and loader.
 *
 * The object is looked for in the library of this build: WEFT_BUILD, or the directories above
 * this program.  WEFT_TEST_SWITCH_OBJECT names another object or archive.
 */
#include "asm_test.h"

#include <link.h>

#if defined(__x86_64__)
#define OBJECT_NAME "switch_x86_64.o"
#else
#define OBJECT_NAME "switch_aarch64.o"
#endif

#define OUTPUT_BYTES (4 * 1024 * 1024)

static char output[OUTPUT_BYTES];

static bool find_in(const char *directory, char *path, size_t bytes)
{
    static const char *const names[] = {"lib/libweft.a", "libweft.a", ("obj/asm/" OBJECT_NAME)};

    for (int i = 0; i < 3; i++) {
        CHECK_LT(snprintf(path, bytes, "%s/%s", directory, names[i]), bytes);
        if (access(path, R_OK) == 0)
            return true;
    }
    return false;
}

static bool find_object(char *path, size_t bytes)
{
    const char *given = getenv("WEFT_TEST_SWITCH_OBJECT"), *build = getenv("WEFT_BUILD");
    char directory[512];
    const ssize_t n = readlink("/proc/self/exe", directory, sizeof directory - 1);

    if (given) {
        CHECK_LT(snprintf(path, bytes, "%s", given), bytes);
        return true;
    }
    if (build && find_in(build, path, bytes))
        return true;
    CHECK_GT(n, 0);
    directory[n] = '\0';
    for (char *slash; (slash = strrchr(directory, '/')) && slash != directory;) {
        *slash = '\0';
        if (find_in(directory, path, bytes))
            return true;
    }
    return false;
}

/* What readelf prints about the object; of an archive, the part about our member of it. */
static const char *readelf(const char *options)
{
    char path[512], command[1024];

    if (!find_object(path, sizeof path))
        SKIP("no libweft.a near this program; WEFT_BUILD names the build directory");
    snprintf(command, sizeof command, "command -v readelf >/dev/null && LC_ALL=C readelf %s '%s'",
             options, path);
    FILE *pipe = popen(command, "r");
    CHECK(pipe != NULL);
    const size_t n = fread(output, 1, sizeof output - 1, pipe);
    pclose(pipe);
    CHECK_LT(n, sizeof output - 1);
    output[n] = '\0';
    if (n == 0)
        SKIP("readelf is not installed");
    if (!strstr(path, ".a"))
        return output;
    char *member = strstr(output, "(" OBJECT_NAME ")");
    if (!member)
        TEST_FAIL("%s has no member %s", path, OBJECT_NAME);
    char *next = strstr(member, "\nFile: ");
    if (next)
        *next = '\0';
    return member;
}

/* Goal: the linker may mark a program that contains the switch as fit for guarded branches, and
 * must not mark it as fit for shadow stacks or signed return addresses.
 * Method: the property note of the object, by readelf. */
TEST(the_object_declares_guarded_branches_only)
{
    const char *notes = readelf("-nW");
#if defined(__x86_64__)
    CHECK(strstr(notes, "x86 feature: IBT") != NULL);
    CHECK(strstr(notes, "SHSTK") == NULL);
#else
    CHECK(strstr(notes, "AArch64 feature: BTI") != NULL);
    CHECK(strstr(notes, "PAC") == NULL);
#endif
}

/* Goal: the object asks for no executable stack.
 * Method: it has .note.GNU-stack, and that section has no flag X. */
TEST(the_object_wants_no_executable_stack)
{
    const char *line = strstr(readelf("-SW"), ".note.GNU-stack");
    char text[128];

    CHECK(line != NULL);
    snprintf(text, sizeof text, "%.*s", (int)strcspn(line, "\n"), line);
    CHECK(strchr(text + strlen(".note.GNU-stack"), 'X') == NULL);
}

/* Goal: the functions of the switch are not exported, and have a type and a size.
 * Method: the symbol table of the object, by readelf. */
TEST(the_symbols_are_hidden_sized_functions)
{
    static const char *const names[] = {"weft__ctx_switch", "weft__ctx_wait",  "weft__ctx_start",
                                        "weft__ctx_end",    "weft__ctx_begin", "weft__ctx_make",
                                        "weft__fp_save",    "weft__fp_load"};
    const char *symbols = readelf("-sW");

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *name = strstr(symbols, names[i]), *line = name;
        long size = 0;
        char type[16] = "", bind[16] = "", visibility[16] = "";
        if (!name)
            TEST_FAIL("no symbol %s", names[i]);
        while (line > symbols && line[-1] != '\n')
            line--;
        CHECK_EQ(sscanf(line, " %*[^:]: %*x %ld %15s %15s %15s", &size, type, bind, visibility), 4);
        CHECK_GT(size, 0);
        CHECK_STR(type, "FUNC");
        CHECK_STR(bind, "GLOBAL");
        CHECK_STR(visibility, "HIDDEN");
    }
}

static int look_at_stack_header(struct dl_phdr_info *info, size_t size, void *arg)
{
    int *flags = arg;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_GNU_STACK)
            *flags = (int)info->dlpi_phdr[i].p_flags;
    return 1; /* the program comes first */
}

/* Goal: a program linked with the switch has no executable stack, on file and at run time.
 * Method: its PT_GNU_STACK header, and the mapping that holds the frame of this function. */
TEST(the_linked_program_has_no_executable_stack)
{
    int flags = -1;
    bool is_found = false;
    char line[512], permissions[5];
    unsigned long low, high, here = (uintptr_t)__builtin_frame_address(0);

    dl_iterate_phdr(look_at_stack_header, &flags);
    CHECK_NE(flags, -1);
    CHECK_EQ(flags & PF_X, 0);

    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    while (!is_found && fgets(line, sizeof line, maps))
        is_found = sscanf(line, "%lx-%lx %4s", &low, &high, permissions) == 3 && here >= low &&
                   here < high;
    fclose(maps);
    CHECK(is_found);
    CHECK_EQ(permissions[2], '-');
}
