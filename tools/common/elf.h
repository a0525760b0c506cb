/*
 * tools/common/elf.h - reads ELF64 little-endian x86-64 files: sections, segments, symbols.
 *
 * elf_parse() checks every offset and size that the file states, once: after it returned, the
 * data of each section lies within the file and each name ends in a NUL. What is wrong ends the
 * tool with one line. Own definitions instead of <elf.h>, which not every host has.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ELF_SHT_PROGBITS = 1,
    ELF_SHT_SYMTAB = 2,
    ELF_SHT_RELA = 4,
    ELF_SHT_DYNAMIC = 6,
    ELF_SHT_NOBITS = 8,
    ELF_SHT_REL = 9,
    ELF_SHF_WRITE = 1,
    ELF_SHF_ALLOC = 2,
    ELF_SHF_EXEC = 4,
    ELF_SHF_TLS = 0x400,
    ELF_SHF_COMPRESSED = 0x800,
    ELF_PT_LOAD = 1,
    ELF_PT_DYNAMIC = 2,
    ELF_PT_INTERP = 3,
    ELF_PF_X = 1,
    ELF_PF_W = 2,
    ELF_PF_R = 4,
    ELF_STT_NOTYPE = 0,
    ELF_STT_OBJECT = 1,
    ELF_STT_FUNC = 2,
    ELF_STT_SECTION = 3,
    ELF_STT_FILE = 4,
    ELF_STB_LOCAL = 0,
    ELF_STB_GLOBAL = 1,
    ELF_STB_WEAK = 2,
    ELF_SHN_UNDEF = 0,
    ELF_SHN_ABS = 0xfff1,
    ELF_ET_REL = 1,
    ELF_ET_EXEC = 2,
    ELF_ET_DYN = 3,
};

struct elf_section {
    const char *name;
    uint32_t type, link, info;
    uint64_t flags, addr, offset, size;
    uint8_t *data; /* within the file; NULL if it takes no room there */
};

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, file_bytes, mem_bytes;
};

struct elf_symbol {
    const char *name;
    uint64_t value, size;
    uint8_t type, bind;
    uint16_t section; /* index, or an ELF_SHN_ value */
};

struct elf {
    const char *path;
    uint8_t *data;
    size_t size;
    uint16_t type;
    uint64_t entry;
    struct elf_section *sections;
    size_t n_sections;
    struct elf_segment *segments;
    size_t n_segments;
    struct elf_symbol *symbols;
    size_t n_symbols;
};

/* Read and check the file at `path`. */
void elf_open(struct elf *elf, const char *path);

/* Check `size` bytes at `data`, which must stay; `path` is for messages. */
void elf_parse(struct elf *elf, const char *path, uint8_t *data, size_t size);

/* Section by name, or NULL. */
struct elf_section *elf_section(const struct elf *elf, const char *name);

/* Symbol by name, or NULL; the first of several. */
const struct elf_symbol *elf_symbol(const struct elf *elf, const char *name);

/* The bytes that the file gives to the addresses [addr, addr + bytes), or NULL (not there, or
 * .bss). */
uint8_t *elf_at(const struct elf *elf, uint64_t addr, uint64_t bytes);

/* The allocated section that holds addr, or NULL. */
struct elf_section *elf_section_at(const struct elf *elf, uint64_t addr);

/* Is addr in an executable section? */
bool elf_is_text(const struct elf *elf, uint64_t addr);

/*
 * A cursor over bytes of the file. Reading past its end ends the tool with a line that quotes
 * `what`.
 */
struct reader {
    const uint8_t *start, *at, *end;
    const char *path, *what;
};

struct reader reader_of(const struct elf *elf, const struct elf_section *section);
uint64_t reader_uint(struct reader *r, unsigned bytes); /* little-endian, 1 to 8 bytes */
uint8_t reader_u8(struct reader *r);
uint64_t reader_uleb(struct reader *r);
int64_t reader_sleb(struct reader *r);
const char *reader_string(struct reader *r);
void reader_skip(struct reader *r, uint64_t bytes);
void reader_seek(struct reader *r, uint64_t offset); /* from start */
struct reader reader_take(struct reader *r,
                          uint64_t bytes); /* a cursor over the next bytes; skips them */
static inline uint64_t reader_offset(const struct reader *r)
{
    return (uint64_t)(r->at - r->start);
}
_Noreturn void reader_fail(const struct reader *r, const char *why);

uint64_t elf_get(const uint8_t *at, unsigned bytes);
void elf_put(uint8_t *at, unsigned bytes, uint64_t value);
