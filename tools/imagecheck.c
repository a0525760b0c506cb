/*
 * tools/imagecheck.c - refuses an image that could not run, or would run with holes.
 *
 *     imagecheck [-v] IMAGE      -v: print the sections as well
 *
 * WHAT. Each tag is one check; a finding is one line, and the status is then 1.
 * [image.1] Statically linked: no undefined symbol, dynamic section, interpreter, relocation, TLS.
 * [image.2] No helper of the compiler's library (__udivti3, __atomic_load, _Unwind_Resume ...):
 *           it was not built with our flags, and may use registers or stack that we don't save.
 * [image.3] No segment and no section is writable and executable, none asks for an executable
 *           stack, no page belongs to two segments of different rights, and what is written
 *           lies in a writable segment.
 * [image.4] rt_rseq holds pairs (start, end) of code addresses: start < end, both in one
 *           section, at most RANGE_MAX apart, none overlapping: a stopped core is moved back to
 *           start.
 * [image.5] The entry points of the ELF header and of the PVH note lie in executable segments.
 * [image.6] Sections of pointers (rt_tests, rt_knobs ...) are whole: a multiple of 8 bytes, each
 *           pointing into the image.
 */
#include "tools/common/elf.h"
#include "tools/common/util.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, RANGE_MAX = 512 };

static unsigned n_findings;

static void finding(const struct elf *elf, const char *text)
{
    n_findings++;
    printf("%s: %s\n", elf->path, text);
}

static void check_static(const struct elf *elf)
{
    if (elf->type != ELF_ET_EXEC)
        finding(elf, "is not a statically linked executable");
    for (size_t i = 0; i < elf->n_symbols; i++) {
        const struct elf_symbol *s = &elf->symbols[i];

        if (s->section == ELF_SHN_UNDEF && s->name[0])
            finding(elf, util_printf("undefined symbol %s", s->name));
    }
    for (size_t i = 0; i < elf->n_sections; i++) {
        const struct elf_section *s = &elf->sections[i];

        if (s->size == 0)
            continue;
        if (s->type == ELF_SHT_DYNAMIC)
            finding(elf, util_printf("dynamic section %s", s->name));
        if (s->type == ELF_SHT_RELA || s->type == ELF_SHT_REL)
            finding(elf, util_printf("relocations are left in %s", s->name));
        if (s->flags & ELF_SHF_TLS)
            finding(elf, util_printf("thread-local data in %s", s->name));
    }
    for (size_t i = 0; i < elf->n_segments; i++)
        if (elf->segments[i].type == ELF_PT_INTERP || elf->segments[i].type == ELF_PT_DYNAMIC)
            finding(elf, "has a segment for a dynamic linker");
}

static bool is_helper(const char *name)
{
    static const char *const prefixes[] = {
        "_Unwind_", "__gcc_personality", "__emutls_", "__tls_get_", "__atomic_",
        "__sync_",  "__morestack",       "__cxa_",    "__gxx_"};
    static const char *const operations[] = {
        "udiv", "div",  "umod",   "mod",   "udivmod", "divmod", "mul",  "mulo",     "add",
        "sub",  "neg",  "ashl",   "ashr",  "lshr",    "cmp",    "ucmp", "popcount", "clz",
        "ctz",  "ffs",  "parity", "clrsb", "bswap",   "powi",   "absv", "addv",     "subv",
        "mulv", "negv", "eq",     "ne",    "lt",      "le",     "gt",   "ge",       "unord"};
    static const char *const conversions[] = {"float", "fix", "extend", "trunc"};
    static const char *const modes[] = {"ti", "di", "si", "tf", "xf", "df", "sf",
                                        "hf", "tc", "xc", "dc", "sc", "oi"};

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    if (name[0] != '_' || name[1] != '_')
        return false;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        size_t len = strlen(operations[i]);

        if (strncmp(name + 2, operations[i], len) != 0)
            continue;
        for (size_t m = 0; m < sizeof modes / sizeof *modes; m++)
            if (strncmp(name + 2 + len, modes[m], 2) == 0 && name[2 + len + 2] >= '2' &&
                name[2 + len + 2] <= '4' && name[2 + len + 3] == '\0')
                return true;
    }
    for (size_t i = 0; i < sizeof conversions / sizeof *conversions; i++) {
        size_t len = strlen(conversions[i]), all = strlen(name);

        if (strncmp(name + 2, conversions[i], len) != 0)
            continue;
        for (size_t m = 0; m < sizeof modes / sizeof *modes; m++) /* [un[s]] mode mode [2] */
            if (all >= len + 6 && all <= len + 10 &&
                strncmp(name + all - 2 - (name[all - 1] == '2'), modes[m], 2) == 0)
                return true;
    }
    return false;
}

static void check_helpers(const struct elf *elf)
{
    for (size_t i = 0; i < elf->n_symbols; i++) {
        const struct elf_symbol *s = &elf->symbols[i];

        if (s->type != ELF_STT_FILE && s->type != ELF_STT_SECTION && is_helper(s->name))
            finding(elf, util_printf("%s is a helper of the compiler's library", s->name));
    }
}

static bool segment_is_writable(const struct elf *elf, uint64_t addr)
{
    for (size_t i = 0; i < elf->n_segments; i++) {
        const struct elf_segment *p = &elf->segments[i];

        if (p->type == ELF_PT_LOAD && addr >= p->vaddr && addr - p->vaddr < p->mem_bytes)
            return (p->flags & ELF_PF_W) != 0;
    }
    return false;
}

static void check_rights(const struct elf *elf)
{
    const uint32_t gnu_stack = 0x6474e551;

    for (size_t i = 0; i < elf->n_segments; i++) {
        const struct elf_segment *p = &elf->segments[i];

        if (p->type == gnu_stack && (p->flags & ELF_PF_X))
            finding(elf, "asks for an executable stack");
        if (p->type != ELF_PT_LOAD || p->mem_bytes == 0)
            continue;
        if ((p->flags & ELF_PF_W) && (p->flags & ELF_PF_X))
            finding(elf, util_printf("segment at 0x%llx is writable and executable",
                                     (unsigned long long)p->vaddr));
        for (size_t k = 0; k < i; k++) {
            const struct elf_segment *q = &elf->segments[k];

            if (q->type != ELF_PT_LOAD || q->mem_bytes == 0 || q->flags == p->flags)
                continue;
            if (p->vaddr / PAGE <= (q->vaddr + q->mem_bytes - 1) / PAGE &&
                q->vaddr / PAGE <= (p->vaddr + p->mem_bytes - 1) / PAGE)
                finding(elf,
                        util_printf("segments at 0x%llx and 0x%llx share a page",
                                    (unsigned long long)q->vaddr, (unsigned long long)p->vaddr));
        }
    }
    for (size_t i = 0; i < elf->n_sections; i++) {
        const struct elf_section *s = &elf->sections[i];

        if ((s->flags & ELF_SHF_ALLOC) && (s->flags & ELF_SHF_WRITE) && (s->flags & ELF_SHF_EXEC))
            finding(elf, util_printf("section %s is writable and executable", s->name));
        if ((s->flags & ELF_SHF_ALLOC) && (s->flags & ELF_SHF_WRITE) && s->size &&
            !segment_is_writable(elf, s->addr))
            finding(elf,
                    util_printf("section %s is written, but its segment is read-only", s->name));
    }
}

/* The bytes between the linker's __start_NAME and __stop_NAME; false if there are none. */
static bool registry(const struct elf *elf, const char *name, const uint8_t **data, uint64_t *bytes)
{
    const struct elf_symbol *start = elf_symbol(elf, util_printf("__start_%s", name));
    const struct elf_symbol *stop = elf_symbol(elf, util_printf("__stop_%s", name));

    if (!start || !stop || start->value == stop->value)
        return false;
    *bytes = stop->value - start->value;
    *data = stop->value > start->value ? elf_at(elf, start->value, *bytes) : NULL;
    if (!*data || *bytes % 8 != 0) {
        finding(elf, util_printf("%s: no whole number of pointers in the file", name));
        return false;
    }
    return true;
}

struct range {
    uint64_t start, end;
};

static int range_compare(const void *a, const void *b)
{
    const struct range *x = a, *y = b;

    return x->start < y->start ? -1 : x->start > y->start;
}

static void check_restart_ranges(const struct elf *elf)
{
    const uint8_t *data;
    uint64_t bytes;

    if (!registry(elf, "rt_rseq", &data, &bytes))
        return;
    if (bytes % 16 != 0) {
        finding(elf, "rt_rseq: an odd number of addresses, not pairs");
        return;
    }

    size_t n = bytes / 16;
    struct range *ranges = util_alloc(n * sizeof *ranges);
    for (size_t i = 0; i < n; i++) {
        struct range r = {elf_get(data + i * 16, 8), elf_get(data + i * 16 + 8, 8)};
        const struct elf_section *s = elf_section_at(elf, r.start);

        ranges[i] = r;
        if (r.start >= r.end || r.end - r.start > RANGE_MAX || !elf_is_text(elf, r.start) ||
            r.end > s->addr + s->size)
            finding(elf, util_printf("rt_rseq: pair %zu (0x%llx, 0x%llx) is no range of code", i,
                                     (unsigned long long)r.start, (unsigned long long)r.end));
    }
    qsort(ranges, n, sizeof *ranges, range_compare);
    for (size_t i = 1; i < n; i++)
        if (ranges[i].start < ranges[i - 1].end)
            finding(elf, util_printf("rt_rseq: ranges overlap at 0x%llx",
                                     (unsigned long long)ranges[i].start));
}

static void check_registries(const struct elf *elf)
{
    static const char *const names[] = {"rt_tests", "rt_knobs"};

    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        const uint8_t *data;
        uint64_t bytes;

        if (!registry(elf, names[k], &data, &bytes))
            continue;
        for (uint64_t i = 0; i < bytes; i += 8)
            if (!elf_section_at(elf, elf_get(data + i, 8)))
                finding(elf, util_printf("%s: entry %llu points out of the image", names[k],
                                         (unsigned long long)i / 8));
    }
}

static bool is_physical_code(const struct elf *elf, uint64_t paddr)
{
    for (size_t i = 0; i < elf->n_segments; i++) {
        const struct elf_segment *p = &elf->segments[i];

        if (p->type == ELF_PT_LOAD && (p->flags & ELF_PF_X) && paddr >= p->paddr &&
            paddr - p->paddr < p->file_bytes)
            return true;
    }
    return false;
}

static void check_entries(const struct elf *elf)
{
    const struct elf_section *note = elf_section(elf, ".note.pvh");

    if (!elf_is_text(elf, elf->entry) && !is_physical_code(elf, elf->entry))
        finding(elf, "the ELF entry lies in no executable segment");
    if (!note || note->size < 20)
        return;

    struct reader r = reader_of(elf, note);
    uint64_t name = reader_uint(&r, 4), bytes = reader_uint(&r, 4), type = reader_uint(&r, 4);
    if (name != 4 || type != 18 || (bytes != 4 && bytes != 8) || memcmp(r.at, "Xen", 4) != 0)
        finding(elf, ".note.pvh is no PVH note (name Xen, type 18)");
    reader_skip(&r, 4);
    if (!is_physical_code(elf, reader_uint(&r, bytes == 8 ? 8 : 4)))
        finding(elf, "the PVH entry lies in no executable segment");
}

static void print_sections(const struct elf *elf)
{
    for (size_t i = 0; i < elf->n_sections; i++) {
        const struct elf_section *s = &elf->sections[i];

        if ((s->flags & ELF_SHF_ALLOC) && s->size)
            printf("  %-20s %016llx %9llu  %c%c%s\n", s->name, (unsigned long long)s->addr,
                   (unsigned long long)s->size, s->flags & ELF_SHF_WRITE ? 'w' : '-',
                   s->flags & ELF_SHF_EXEC ? 'x' : '-', s->data ? "" : "  zero");
    }
}

/* What a stripped image takes, and beside it the table for reports. */
static void print_total(const struct elf *elf)
{
    unsigned long long file = 0, zero = 0, table = 0;

    for (size_t i = 0; i < elf->n_sections; i++) {
        const struct elf_section *s = &elf->sections[i];

        if (!(s->flags & ELF_SHF_ALLOC))
            continue;
        if (strcmp(s->name, ".symtab_rt") == 0)
            table += s->size;
        else if (s->data)
            file += s->size;
        else
            zero += s->size;
    }
    printf("  %.1f KiB code and data, %.1f KiB zero, and %.1f KiB symbol and line table\n",
           (double)file / 1024, (double)zero / 1024, (double)table / 1024);
}

int main(int argc, char **argv)
{
    bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    struct elf elf;

    util_program = "imagecheck";
    if (argc != 2 + verbose || argv[argc - 1][0] == '-') {
        fprintf(stderr, "usage: imagecheck [-v] IMAGE\n");
        return 2;
    }
    elf_open(&elf, argv[argc - 1]);
    check_static(&elf);
    check_helpers(&elf);
    check_rights(&elf);
    check_restart_ranges(&elf);
    check_registries(&elf);
    check_entries(&elf);
    if (verbose) {
        print_sections(&elf);
        print_total(&elf);
    }
    return n_findings != 0;
}
