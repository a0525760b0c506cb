/*
 * tools/common/elf.c - see elf.h.
 *
 * INVARIANTS
 * [elf.1] No pointer into the file is made before its offset and length were compared with the
 *         file's size, without an addition that could wrap.
 * [elf.2] A name is a text within its string table: that table's last byte is NUL, or it isn't
 *         used.
 * SOURCES. System V gABI, chapters 4 and 5.
 */
#include "tools/common/elf.h"

#include "tools/common/util.h"

#include <string.h>

uint64_t elf_get(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

void elf_put(uint8_t *at, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static bool in_file(const struct elf *elf, uint64_t offset, uint64_t bytes)
{
    return offset <= elf->size && bytes <= elf->size - offset;
}

static const char *name_in(const struct elf *elf, const struct elf_section *strings, uint64_t at)
{
    if (!strings || !strings->data || strings->size == 0)
        return "";
    if (strings->data[strings->size - 1] != 0 || at >= strings->size)
        util_die("%s: bad name offset or string table", elf->path);
    return (const char *)strings->data + at;
}

static void parse_sections(struct elf *elf, uint64_t table, unsigned entry, uint64_t n,
                           uint64_t names)
{
    if (n == 0)
        return;
    if (entry != 64 || n > elf->size / 64 || !in_file(elf, table, n * 64))
        util_die("%s: section table lies outside the file", elf->path);
    elf->sections = util_alloc(n * sizeof *elf->sections);
    elf->n_sections = n;
    for (uint64_t i = 0; i < n; i++) {
        const uint8_t *h = elf->data + table + i * 64;
        struct elf_section *s = &elf->sections[i];

        s->type = (uint32_t)elf_get(h + 4, 4);
        s->flags = elf_get(h + 8, 8);
        s->addr = elf_get(h + 16, 8);
        s->offset = elf_get(h + 24, 8);
        s->size = elf_get(h + 32, 8);
        s->link = (uint32_t)elf_get(h + 40, 4);
        s->info = (uint32_t)elf_get(h + 44, 4);
        s->name = "";
        if (s->type == 0 || s->type == ELF_SHT_NOBITS)
            continue;
        if (!in_file(elf, s->offset, s->size))
            util_die("%s: section %u lies outside the file", elf->path, (unsigned)i);
        s->data = elf->data + s->offset;
    }
    if (names >= n)
        util_die("%s: no section has the section names", elf->path);
    for (uint64_t i = 0; i < n; i++)
        elf->sections[i].name =
            name_in(elf, &elf->sections[names], elf_get(elf->data + table + i * 64, 4));
}

static void parse_segments(struct elf *elf, uint64_t table, unsigned entry, uint64_t n)
{
    if (n == 0)
        return;
    if (entry != 56 || !in_file(elf, table, n * 56))
        util_die("%s: program header table lies outside the file", elf->path);
    elf->segments = util_alloc(n * sizeof *elf->segments);
    elf->n_segments = n;
    for (uint64_t i = 0; i < n; i++) {
        const uint8_t *h = elf->data + table + i * 56;
        struct elf_segment *p = &elf->segments[i];

        p->type = (uint32_t)elf_get(h, 4);
        p->flags = (uint32_t)elf_get(h + 4, 4);
        p->offset = elf_get(h + 8, 8);
        p->vaddr = elf_get(h + 16, 8);
        p->paddr = elf_get(h + 24, 8);
        p->file_bytes = elf_get(h + 32, 8);
        p->mem_bytes = elf_get(h + 40, 8);
        if (p->type == ELF_PT_LOAD &&
            (!in_file(elf, p->offset, p->file_bytes) || p->mem_bytes < p->file_bytes ||
             p->vaddr + p->mem_bytes < p->vaddr))
            util_die("%s: segment %u lies outside the file", elf->path, (unsigned)i);
    }
}

static void parse_symbols(struct elf *elf)
{
    for (size_t i = 0; i < elf->n_sections; i++) {
        const struct elf_section *table = &elf->sections[i];

        if (table->type != ELF_SHT_SYMTAB)
            continue;
        if (table->link >= elf->n_sections)
            util_die("%s: symbol table without names", elf->path);
        elf->n_symbols = table->size / 24;
        elf->symbols = util_alloc(elf->n_symbols * sizeof *elf->symbols + 1);
        for (size_t k = 0; k < elf->n_symbols; k++) {
            const uint8_t *h = table->data + k * 24;
            struct elf_symbol *s = &elf->symbols[k];

            s->name = name_in(elf, &elf->sections[table->link], elf_get(h, 4));
            s->type = h[4] & 15;
            s->bind = h[4] >> 4;
            s->section = (uint16_t)elf_get(h + 6, 2);
            s->value = elf_get(h + 8, 8);
            s->size = elf_get(h + 16, 8);
        }
        return;
    }
}

void elf_parse(struct elf *elf, const char *path, uint8_t *data, size_t size)
{
    *elf = (struct elf){.path = path, .data = data, .size = size};
    if (size < 64 || memcmp(data, "\177ELF", 4) != 0)
        util_die("%s: not an ELF file", path);
    if (data[4] != 2 || data[5] != 1 || elf_get(data + 18, 2) != 62)
        util_die("%s: not an ELF file for x86-64 (64 bits, little-endian)", path);
    elf->type = (uint16_t)elf_get(data + 16, 2);
    elf->entry = elf_get(data + 24, 8);

    uint64_t sections = elf_get(data + 40, 8), n_sections = elf_get(data + 60, 2);
    uint64_t names = elf_get(data + 62, 2);
    if (sections && n_sections == 0 && in_file(elf, sections, 64)) {
        n_sections =
            elf_get(data + sections + 32, 8); /* more than 65,279: counts are in section 0 */
        if (names == 0xffff)
            names = elf_get(data + sections + 40, 4);
    }
    parse_segments(elf, elf_get(data + 32, 8), (unsigned)elf_get(data + 54, 2),
                   elf_get(data + 56, 2));
    parse_sections(elf, sections, (unsigned)elf_get(data + 58, 2), n_sections, names);
    parse_symbols(elf);
}

void elf_open(struct elf *elf, const char *path)
{
    size_t size;
    uint8_t *data = util_read_file(path, &size);

    elf_parse(elf, path, data, size);
}

struct elf_section *elf_section(const struct elf *elf, const char *name)
{
    for (size_t i = 0; i < elf->n_sections; i++)
        if (elf->sections[i].type != 0 && strcmp(elf->sections[i].name, name) == 0)
            return &elf->sections[i];
    return NULL;
}

const struct elf_symbol *elf_symbol(const struct elf *elf, const char *name)
{
    for (size_t i = 0; i < elf->n_symbols; i++)
        if (elf->symbols[i].section != ELF_SHN_UNDEF && strcmp(elf->symbols[i].name, name) == 0)
            return &elf->symbols[i];
    return NULL;
}

struct elf_section *elf_section_at(const struct elf *elf, uint64_t addr)
{
    for (size_t i = 0; i < elf->n_sections; i++) {
        struct elf_section *s = &elf->sections[i];

        if ((s->flags & ELF_SHF_ALLOC) && addr >= s->addr && addr - s->addr < s->size)
            return s;
    }
    return NULL;
}

uint8_t *elf_at(const struct elf *elf, uint64_t addr, uint64_t bytes)
{
    struct elf_section *s = elf_section_at(elf, addr);

    if (!s || !s->data || bytes > s->size - (addr - s->addr))
        return NULL;
    return s->data + (addr - s->addr);
}

bool elf_is_text(const struct elf *elf, uint64_t addr)
{
    const struct elf_section *s = elf_section_at(elf, addr);

    return s && (s->flags & ELF_SHF_EXEC);
}

struct reader reader_of(const struct elf *elf, const struct elf_section *section)
{
    static const uint8_t nothing[1];
    struct reader r = {nothing, nothing, nothing, elf->path,
                       section ? section->name : "debug data"};

    if (section && section->data) {
        if (section->flags & ELF_SHF_COMPRESSED)
            util_die("%s: section %s is compressed: build with -gz=none", elf->path, section->name);
        r.start = r.at = section->data;
        r.end = r.start + section->size;
    }
    return r;
}

void reader_fail(const struct reader *r, const char *why)
{
    util_die("%s: %s: %s at offset 0x%llx", r->path, r->what, why,
             (unsigned long long)reader_offset(r));
}

static void reader_need(struct reader *r, uint64_t bytes)
{
    if (bytes > (uint64_t)(r->end - r->at))
        reader_fail(r, "ends too early");
}

uint64_t reader_uint(struct reader *r, unsigned bytes)
{
    reader_need(r, bytes);
    r->at += bytes;
    return elf_get(r->at - bytes, bytes);
}

uint8_t reader_u8(struct reader *r)
{
    reader_need(r, 1);
    return *r->at++;
}

uint64_t reader_uleb(struct reader *r)
{
    uint64_t value = 0;

    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = reader_u8(r);

        if (shift < 64)
            value |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128))
            return value;
    }
}

int64_t reader_sleb(struct reader *r)
{
    uint64_t value = 0;

    for (unsigned shift = 0;;) {
        uint8_t byte = reader_u8(r);

        if (shift < 64)
            value |= (uint64_t)(byte & 127) << shift;
        shift += 7;
        if (!(byte & 128)) {
            if ((byte & 64) && shift < 64)
                value |= ~UINT64_C(0) << shift;
            return (int64_t)value;
        }
    }
}

const char *reader_string(struct reader *r)
{
    const uint8_t *nul = r->at < r->end ? memchr(r->at, 0, (size_t)(r->end - r->at)) : NULL;
    const char *text = (const char *)r->at;

    if (!nul)
        reader_fail(r, "text without end");
    r->at = nul + 1;
    return text;
}

void reader_skip(struct reader *r, uint64_t bytes)
{
    reader_need(r, bytes);
    r->at += bytes;
}

void reader_seek(struct reader *r, uint64_t offset)
{
    r->at = r->start;
    reader_need(r, offset);
    r->at += offset;
}

struct reader reader_take(struct reader *r, uint64_t bytes)
{
    struct reader sub = *r;

    reader_skip(r, bytes);
    sub.end = r->at;
    return sub;
}
