/*
 * From addresses to names of functions, by the symbol tables of the files that are mapped.
 *
 * The dynamic linker knows exported functions only, and of a program none; so the tables are read
 * from the files: the full one, or that of exported names where the rest was stripped. A file that
 * has changed since it was mapped gives wrong names, nothing worse: all of it is checked. Nothing
 * is kept, since a look is needed for reports alone. Any thread may call.
 */
#include "debug/symbol.h"

#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/** What is mapped where an address lies. */
struct module {
    uintptr_t address;
    uintptr_t base; /**< What is added to the file's addresses. */
    bool found;
    char path[256]; /**< Empty: the program itself. */
};

/** A file in memory. */
struct image {
    const char *bytes;
    size_t size;
};

static int
check_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct module *module = arg;
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type == PT_LOAD &&
            module->address - info->dlpi_addr - segment->p_vaddr < segment->p_memsz) {
            module->found = true;
            module->base = info->dlpi_addr;
            snprintf(module->path, sizeof module->path, "%s", info->dlpi_name);
            return 1;
        }
    }
    return 0;
}

static bool
open_image(const char *path, struct image *ret_image)
{
    int fd = open(path[0] == '\0' ? "/proc/self/exe" : path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    struct stat status;
    void *bytes = MAP_FAILED;
    if (fstat(fd, &status) == 0 && (size_t)status.st_size >= sizeof(ElfW(Ehdr))) {
        bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    close(fd);
    if (bytes == MAP_FAILED) {
        return false;
    }
    *ret_image = (struct image){bytes, (size_t)status.st_size};
    return true;
}

static bool
inside(const struct image *image, uint64_t offset, uint64_t size)
{
    return offset <= image->size && size <= image->size - offset;
}

/** The section of a kind; NULL when there is none, or it is not whole. */
static const ElfW(Shdr) * find_section(const struct image *image, unsigned type)
{
    const ElfW(Ehdr) *header = (const void *)image->bytes;
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_shentsize != sizeof(ElfW(Shdr)) || header->e_shoff % sizeof(uint32_t) != 0 ||
        !inside(image, header->e_shoff, header->e_shnum * sizeof(ElfW(Shdr)))) {
        return NULL;
    }
    const ElfW(Shdr) *sections = (const void *)(image->bytes + header->e_shoff);
    for (unsigned i = 0; i < header->e_shnum; i++) {
        if (sections[i].sh_type == type && sections[i].sh_link < header->e_shnum &&
            inside(image, sections[i].sh_offset, sections[i].sh_size) &&
            inside(image, sections[sections[i].sh_link].sh_offset,
                   sections[sections[i].sh_link].sh_size)) {
            return &sections[i];
        }
    }
    return NULL;
}

/** The function of one table that an address of the file lies in; NULL when there is none. */
static const char *
search(const struct image *image, unsigned type, uintptr_t address, uintptr_t *ret_start)
{
    const ElfW(Shdr) *table = find_section(image, type);
    if (table == NULL) {
        return NULL;
    }
    const ElfW(Ehdr) *header = (const void *)image->bytes;
    const ElfW(Shdr) *strings =
        (const ElfW(Shdr) *)(const void *)(image->bytes + header->e_shoff) + table->sh_link;
    const ElfW(Sym) *symbols = (const void *)(image->bytes + table->sh_offset);
    for (size_t i = 0; i < table->sh_size / sizeof *symbols; i++) {
        const ElfW(Sym) *symbol = &symbols[i];
        if ((symbol->st_info & 0xf) == STT_FUNC && address - symbol->st_value < symbol->st_size &&
            symbol->st_name < strings->sh_size) {
            const char *name = image->bytes + strings->sh_offset + symbol->st_name;
            if (memchr(name, '\0', strings->sh_size - symbol->st_name) != NULL) {
                *ret_start = symbol->st_value;
                return name;
            }
        }
    }
    return NULL;
}

static size_t
written(int length, size_t size)
{
    return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}

static const char *
file_name(const char *path, char *buffer, size_t size)
{
    if (path[0] == '\0') {
        ssize_t length = readlink("/proc/self/exe", buffer, size - 1);
        buffer[length > 0 ? length : 0] = '\0';
        path = buffer;
    }
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

size_t
green__symbol_write(const void *address, bool returned, char *buffer, size_t size)
{
    char own[256];
    struct module module = {.address = (uintptr_t)address - returned};
    dl_iterate_phdr(check_module, &module);
    if (!module.found) {
        return written(snprintf(buffer, size, "%p", address), size);
    }
    const char *file = file_name(module.path, own, sizeof own);
    uintptr_t within = module.address - module.base;
    struct image image;
    const char *name = NULL;
    bool opened = open_image(module.path, &image);
    uintptr_t start = 0;
    if (opened && (name = search(&image, SHT_SYMTAB, within, &start)) == NULL) {
        name = search(&image, SHT_DYNSYM, within, &start);
    }
    size_t offset = (size_t)(within + returned - start);
    int length = name != NULL && offset == 0 ? snprintf(buffer, size, "%s (%s)", name, file)
                 : name != NULL ? snprintf(buffer, size, "%s+0x%zx (%s)", name, offset, file)
                                : snprintf(buffer, size, "%p (%s+0x%zx)", address, file,
                                           (size_t)(within + returned));
    if (opened) {
        munmap((void *)image.bytes, image.size);
    }
    return written(length, size);
}
