/*
 * tools/elf2pe.c - turns a position-independent ELF executable into a UEFI application (PE32+).
 *
 *     elf2pe IN.elf OUT.efi
 *
 * WHAT. Each loadable segment becomes a section, each R_X86_64_RELATIVE relocation an entry of
 * .reloc; any other relocation is an error. Addresses move up by one page, to make room for the PE
 * headers, which ELF has in its first segment. The ELF file comes from -fpie code linked with -pie
 * --no-dynamic-linker -z separate-code -z norelro.
 *
 * INVARIANTS
 * [elf2pe.1] PE addresses are ELF addresses plus MOVE, of sections and of what relocations point
 * to. [elf2pe.2] There is always a .reloc section: without one, firmware may load nowhere but at
 * address 0. [elf2pe.3] Equal input gives equal output: no time stamp.
 *
 * SOURCES. Microsoft PE Format (2023); System V ABI, AMD64 supplement 4.4 (relocations).
 */
#include "tools/common/elf.h"
#include "tools/common/util.h"

#include <stdlib.h>
#include <string.h>

enum {
    MOVE = 4096,
    PAGE = 4096,
    FILE_ALIGN = 512,
    SECTIONS_MAX = 12,
    COFF_AT = 0x44, /* behind the DOS header and "PE" */
    OPTIONAL_AT = COFF_AT + 20,
    OPTIONAL_BYTES = 112 + 16 * 8,
    SECTION_TABLE_AT = OPTIONAL_AT + OPTIONAL_BYTES,
    HEADER_BYTES = 1024,

    R_X86_64_RELATIVE = 8,
    RELOC_DIR64 = 10,

    SCN_CODE = 0x20,
    SCN_DATA = 0x40,
    SCN_DISCARDABLE = 0x02000000,
    SCN_EXECUTE = 0x20000000,
    SCN_READ = 0x40000000,
    SCN_WRITE = (int)0x80000000,
};

_Static_assert(SECTION_TABLE_AT + SECTIONS_MAX * 40 <= HEADER_BYTES, "headers fit");

struct pe_section {
    const char *name;
    uint32_t rva, mem_bytes, file_bytes, flags;
    const uint8_t *data;
};

static uint32_t align_up(uint64_t n, uint32_t to)
{
    return (uint32_t)((n + to - 1) / to * to);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

/* Apply the relocations for a base of 0, and list where they are. Returns how many. */
static size_t relocate(const struct elf *elf, uint32_t **rvas)
{
    size_t n = 0, cap = 0;

    if (elf->type != ELF_ET_DYN)
        util_die("%s: is no position-independent executable", elf->path);

    for (size_t i = 0; i < elf->n_sections; i++) {
        const struct elf_section *s = &elf->sections[i];

        if (!(s->flags & ELF_SHF_ALLOC) || (s->type != ELF_SHT_RELA && s->type != ELF_SHT_REL))
            continue;
        if (s->type == ELF_SHT_REL)
            util_die("%s: relocations without addends", elf->path);
        for (uint64_t at = 0; at + 24 <= s->size; at += 24) {
            uint64_t where = elf_get(s->data + at, 8), type = elf_get(s->data + at + 8, 8);
            uint8_t *to = elf_at(elf, where, 8);

            if (type != R_X86_64_RELATIVE)
                util_die("%s: relocation of type %llu at %#llx: only RELATIVE is possible",
                         elf->path, (unsigned long long)(type & 0xffffffff),
                         (unsigned long long)where);
            if (to == NULL)
                util_die("%s: relocation at %#llx, where the file has no bytes", elf->path,
                         (unsigned long long)where);
            elf_put(to, 8, elf_get(s->data + at + 16, 8) + MOVE); /* [elf2pe.1] */
            UTIL_PUSH(*rvas, n, cap) = (uint32_t)where + MOVE;
        }
    }
    if (n > 0)
        qsort(*rvas, n, sizeof **rvas, by_value);
    return n;
}

/* .reloc: a block for each page; its entries are 2 bytes, an even number of them. */
static uint8_t *reloc_make(const uint32_t *rvas, size_t n, uint32_t *bytes)
{
    uint8_t *out = util_alloc(12 * n + 12);
    uint32_t at = 0;

    if (n == 0) { /* [elf2pe.2] */
        elf_put(out + 4, 4, 12);
        at = 12;
    }
    for (size_t i = 0; i < n;) {
        uint32_t page = rvas[i] & -(uint32_t)PAGE, start = at;

        elf_put(out + at, 4, page);
        at += 8;
        for (; i < n && (rvas[i] & -(uint32_t)PAGE) == page; i++, at += 2)
            elf_put(out + at, 2, RELOC_DIR64 << 12 | (rvas[i] - page));
        at = align_up(at, 4);
        elf_put(out + start + 4, 4, at - start);
    }
    *bytes = at;
    return out;
}

static size_t sections_make(const struct elf *elf, struct pe_section *sections, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < elf->n_segments; i++) {
        const struct elf_segment *s = &elf->segments[i];
        bool x = s->flags & ELF_PF_X, w = s->flags & ELF_PF_W;

        if (s->type != ELF_PT_LOAD || s->mem_bytes == 0)
            continue;
        if (x && w)
            util_die("%s: segment %zu is writable and executable", elf->path, i);
        if (s->vaddr + s->mem_bytes > INT32_MAX || s->file_bytes > s->mem_bytes)
            util_die("%s: segment %zu is too large", elf->path, i);
        if (n == max)
            util_die("%s: more than %zu segments", elf->path, max);
        /* GNU ld begins the data in the middle of a page of its own. */
        uint32_t pad = (uint32_t)(s->vaddr % PAGE);
        uint8_t *data = util_alloc(pad + s->file_bytes);
        memcpy(data + pad, elf->data + s->offset, s->file_bytes);
        sections[n++] =
            (struct pe_section){.name = x   ? ".text"
                                        : w ? ".data"
                                            : ".rdata",
                                .rva = (uint32_t)s->vaddr - pad + MOVE,
                                .mem_bytes = (uint32_t)s->mem_bytes + pad,
                                .file_bytes = (uint32_t)s->file_bytes + pad,
                                .flags = SCN_READ | (x ? SCN_EXECUTE | SCN_CODE : SCN_DATA) |
                                         (w ? (uint32_t)SCN_WRITE : 0),
                                .data = data};
    }
    return n;
}

static uint8_t *pe_make(const struct elf *elf, size_t *bytes)
{
    struct pe_section sections[SECTIONS_MAX];
    uint32_t *rvas = NULL, reloc_bytes, code_bytes = 0, code_rva = 0;
    size_t n_rvas = relocate(elf, &rvas), n = sections_make(elf, sections, SECTIONS_MAX - 1);
    const uint8_t *reloc = reloc_make(rvas, n_rvas, &reloc_bytes);

    if (n == 0)
        util_die("%s: has nothing to load", elf->path);
    uint32_t end = align_up((uint64_t)sections[n - 1].rva + sections[n - 1].mem_bytes, PAGE);
    sections[n++] = (struct pe_section){
        ".reloc", end, reloc_bytes, reloc_bytes, SCN_READ | SCN_DATA | SCN_DISCARDABLE, reloc};
    uint32_t image_bytes = align_up((uint64_t)end + reloc_bytes, PAGE);

    *bytes = HEADER_BYTES;
    for (size_t i = 0; i < n; i++)
        *bytes += align_up(sections[i].file_bytes, FILE_ALIGN);
    uint8_t *out = util_alloc(*bytes), *row = out + SECTION_TABLE_AT;
    uint32_t at = HEADER_BYTES;
    for (size_t i = 0; i < n; i++, row += 40) {
        const struct pe_section *s = &sections[i];
        uint32_t raw = align_up(s->file_bytes, FILE_ALIGN);

        if (i > 0 && s->rva < align_up((uint64_t)s[-1].rva + s[-1].mem_bytes, PAGE))
            util_die("%s: its segments share pages, or are not in rising order", elf->path);
        if (s->flags & SCN_CODE) {
            code_rva = s->rva;
            code_bytes += raw;
        }
        memcpy(row, s->name, strlen(s->name));
        elf_put(row + 8, 4, s->mem_bytes);
        elf_put(row + 12, 4, s->rva);
        elf_put(row + 16, 4, raw);
        elf_put(row + 20, 4, raw ? at : 0);
        elf_put(row + 36, 4, s->flags);
        memcpy(out + at, s->data, s->file_bytes);
        at += raw;
    }

    memcpy(out, "MZ", 2);
    elf_put(out + 0x3c, 4, COFF_AT - 4);
    memcpy(out + COFF_AT - 4, "PE\0\0", 4);
    elf_put(out + COFF_AT, 2, 0x8664);
    elf_put(out + COFF_AT + 2, 2, n);
    elf_put(out + COFF_AT + 16, 2, OPTIONAL_BYTES);
    elf_put(out + COFF_AT + 18, 2, 0x022e); /* executable, large addresses, nothing for debuggers */
    uint8_t *o = out + OPTIONAL_AT;
    elf_put(o, 2, 0x20b); /* PE32+ */
    elf_put(o + 4, 4, code_bytes);
    elf_put(o + 16, 4, elf->entry + MOVE);
    elf_put(o + 20, 4, code_rva);
    elf_put(o + 32, 4, PAGE);
    elf_put(o + 36, 4, FILE_ALIGN);
    elf_put(o + 48, 2, 2); /* subsystem version: any */
    elf_put(o + 56, 4, image_bytes);
    elf_put(o + 60, 4, HEADER_BYTES);
    elf_put(o + 68, 2, 10); /* EFI application */
    elf_put(o + 108, 4, 16);
    elf_put(o + 112 + 5 * 8, 4, end); /* base relocations */
    elf_put(o + 112 + 5 * 8 + 4, 4, reloc_bytes);
    return out;
}

int main(int argc, char **argv)
{
    struct elf elf;
    size_t bytes;

    util_program = "elf2pe";
    if (argc != 3) {
        fprintf(stderr, "usage: elf2pe IN.elf OUT.efi\n");
        return 2;
    }
    elf_open(&elf, argv[1]);
    const uint8_t *pe = pe_make(&elf, &bytes);
    util_write_file(argv[2], pe, bytes);
    return 0;
}
