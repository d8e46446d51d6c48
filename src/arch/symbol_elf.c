/* SPDX-License-Identifier: MIT */
/*
 * symbol_elf.c - the name of an address, from the symbol table in its module's file.
 *
 * dladdr() knows exported names only, and a runtime's reports are mostly about statics.  Nothing is
 * kept between calls: reports are rare, and a cache would have to notice modules that go.
 * The file may be any: every offset is checked against its size before it is followed.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unwind.h"

static const char program_path[] = "/proc/self/exe";

struct module {
    uintptr_t pc;   /* what is asked for */
    uintptr_t bias; /* load address minus link-time address */
    const Elf64_Phdr *headers;
    int header_count;
    const char *path; /* that can be opened */
};

/* A file in memory. */
struct image {
    const unsigned char *at;
    size_t bytes;
};

/* dl_iterate_phdr() calls this for each module, the program itself first; 1 ends the search. */
static int is_module_of_pc(struct dl_phdr_info *info, size_t info_bytes, void *arg)
{
    struct module *m = arg;

    (void)info_bytes;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const Elf64_Phdr *ph = &info->dlpi_phdr[i];
        if (ph->p_type != PT_LOAD || m->pc - (info->dlpi_addr + ph->p_vaddr) >= ph->p_memsz)
            continue;
        m->bias = info->dlpi_addr;
        m->headers = info->dlpi_phdr;
        m->header_count = info->dlpi_phnum;
        const char *name = info->dlpi_name;
        m->path = name == NULL || name[0] == '\0' ? program_path : name;
        return 1;
    }
    return 0;
}

static bool map_file(const char *path, struct image *image)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    void *at = MAP_FAILED;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
        at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (at == MAP_FAILED)
        return false;
    *image = (struct image){at, (size_t)st.st_size};
    return true;
}

/* Copies out a structure; false if it is not all inside the file. */
static bool read_at(const struct image *image, uint64_t offset, void *to, size_t bytes)
{
    if (offset > image->bytes || bytes > image->bytes - offset)
        return false;
    memcpy(to, image->at + offset, bytes);
    return true;
}

/* The file is what was loaded: it may have been replaced meanwhile, and where a program was started
 * through the dynamic linker, /proc/self/exe is the latter. */
static bool is_loaded_file(const struct image *image, const Elf64_Ehdr *eh, const struct module *m)
{
    size_t bytes = (size_t)m->header_count * sizeof(Elf64_Phdr);
    return memcmp(eh->e_ident, ELFMAG, SELFMAG) == 0 && eh->e_phnum == m->header_count &&
           eh->e_phoff <= image->bytes && bytes <= image->bytes - eh->e_phoff &&
           memcmp(image->at + eh->e_phoff, m->headers, bytes) == 0;
}

/* Finds a section by type. */
static bool find_section(const struct image *image, const Elf64_Ehdr *eh, uint32_t type,
                         Elf64_Shdr *section)
{
    if (eh->e_shentsize != sizeof(*section))
        return false;
    for (uint64_t i = 0; i < eh->e_shnum; i++)
        if (!read_at(image, eh->e_shoff + i * sizeof(*section), section, sizeof(*section)))
            return false;
        else if (section->sh_type == type)
            return true;
    return false;
}

/* The name at an offset of a string table; NULL if it does not end inside the file. */
static const char *string_at(const struct image *image, const Elf64_Shdr *strings, uint64_t offset)
{
    if (strings->sh_offset > image->bytes || offset > image->bytes - strings->sh_offset)
        return NULL;
    const char *text = (const char *)image->at + strings->sh_offset + offset;
    size_t left = image->bytes - strings->sh_offset - offset;
    return strnlen(text, left) < left ? text : NULL;
}

/* The function that covers a link-time address, in a symbol table; returns its name or NULL. */
static const char *find_function(const struct image *image, const Elf64_Ehdr *eh, uint32_t type,
                                 uintptr_t address, uintptr_t *begin)
{
    Elf64_Shdr symbols, strings;
    const char *name = NULL;

    if (!find_section(image, eh, type, &symbols) ||
        !read_at(image, eh->e_shoff + symbols.sh_link * sizeof(strings), &strings, sizeof(strings)))
        return NULL;
    for (uint64_t i = 0; i < symbols.sh_size / sizeof(Elf64_Sym); i++) {
        Elf64_Sym symbol;
        if (!read_at(image, symbols.sh_offset + i * sizeof(symbol), &symbol, sizeof(symbol)))
            break;
        unsigned kind = ELF64_ST_TYPE(symbol.st_info);
        if ((kind != STT_FUNC && kind != STT_GNU_IFUNC) || symbol.st_shndx == SHN_UNDEF ||
            address - symbol.st_value >= symbol.st_size)
            continue;
        /* The innermost; of several names for one place a global one, which is what people know. */
        bool is_global = ELF64_ST_BIND(symbol.st_info) == STB_GLOBAL;
        if (name != NULL && (symbol.st_value < *begin || (symbol.st_value == *begin && !is_global)))
            continue;
        const char *found = string_at(image, &strings, symbol.st_name);
        if (found != NULL && found[0] != '\0') {
            name = found;
            *begin = symbol.st_value;
        }
    }
    return name;
}

/* Fills in the name of the function, "??" if there is none. */
static void name_function(const struct module *m, char *text, size_t bytes)
{
    struct image image;
    Elf64_Ehdr eh;
    uintptr_t begin = 0, address = m->pc - m->bias;
    const char *name = NULL;

    snprintf(text, bytes, "??");
    if (!map_file(m->path, &image))
        return;
    if (read_at(&image, 0, &eh, sizeof(eh)) && is_loaded_file(&image, &eh, m)) {
        name = find_function(&image, &eh, SHT_SYMTAB, address, &begin);
        if (name == NULL)
            name = find_function(&image, &eh, SHT_DYNSYM, address, &begin);
    }
    if (name != NULL)
        snprintf(text, bytes, "%s+0x%zx", name, (size_t)(address - begin));
    munmap((void *)image.at, image.bytes);
}

/* Appends " (file+0xaddress)", the file without its folders. */
static void append_place(const struct module *m, char *text, size_t bytes)
{
    char program[PATH_MAX];
    const char *path = m->path;

    if (path == program_path) {
        ssize_t n = readlink(program_path, program, sizeof(program) - 1);
        if (n > 0) {
            program[n] = '\0';
            path = program;
        }
    }
    const char *slash = strrchr(path, '/');
    size_t used = strlen(text);
    snprintf(text + used, bytes - used, " (%s+0x%zx)", slash != NULL ? slash + 1 : path,
             (size_t)(m->pc - m->bias));
}

char *weft__symbol(uintptr_t pc, bool is_return, char *text, size_t bytes)
{
    struct module m = {.pc = pc - is_return};

    if (bytes == 0)
        return text;
    if (dl_iterate_phdr(is_module_of_pc, &m) == 0) {
        snprintf(text, bytes, "0x%zx", (size_t)pc);
        return text;
    }
    name_function(&m, text, bytes);
    append_place(&m, text, bytes);
    return text;
}
