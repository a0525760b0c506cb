/*
 * tools/size.c - where an image's bytes go.
 *
 *     size [-n COUNT] IMAGE      COUNT: how many symbols (default 25)
 *
 * Prints the sections, what each folder has of code, and the biggest symbols with the place of
 * their definition. Code counts for the folder of the line that it stems from: an inlined function
 * counts where it was written, not where it was inlined.
 */
#include "tools/common/dwarf.h"
#include "tools/common/elf.h"
#include "tools/common/util.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct share {
    const char *name;
    uint64_t bytes;
};

static void print_sections(const struct elf *elf)
{
    unsigned long long total = 0, zero = 0, table = 0;

    printf("%10s  section\n", "bytes");
    for (size_t i = 0; i < elf->n_sections; i++) {
        const struct elf_section *s = &elf->sections[i];

        if (!(s->flags & ELF_SHF_ALLOC) || !s->size)
            continue;
        printf("%10llu  %s%s\n", (unsigned long long)s->size, s->name,
               s->data ? "" : " (zero, not in the file)");
        if (strcmp(s->name, ".symtab_rt") == 0)
            table += s->size;
        else if (s->data)
            total += s->size;
        else
            zero += s->size;
    }
    printf("%10llu  stripped, without the symbol and line table; that is %llu, and %llu are zero\n",
           total, table, zero);
}

static int share_compare(const void *a, const void *b)
{
    const struct share *x = a, *y = b;

    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

static const char *folder_of(const char *file)
{
    const char *slash = strrchr(file, '/');

    return util_intern(slash ? util_printf("%.*s", (int)(slash - file), file) : file);
}

static void print_folders(struct dwarf *dw, const struct dwarf_row *rows, size_t n)
{
    struct share *shares = NULL;
    size_t n_shares = 0, cap = 0;

    for (size_t i = 0; i + 1 < n; i++) {
        if (!rows[i].file || !elf_is_text(dw->elf, rows[i].addr))
            continue;
        const char *folder = folder_of(rows[i].file);
        size_t k = 0;

        while (k < n_shares && shares[k].name != folder)
            k++;
        if (k == n_shares)
            UTIL_PUSH(shares, n_shares, cap) = (struct share){folder, 0};
        shares[k].bytes += rows[i + 1].addr - rows[i].addr;
    }
    if (n_shares == 0)
        return;
    qsort(shares, n_shares, sizeof *shares, share_compare);
    printf("\n%10s  folder\n", "code");
    for (size_t i = 0; i < n_shares; i++)
        printf("%10llu  %s\n", (unsigned long long)shares[i].bytes, shares[i].name);
}

static int symbol_compare(const void *a, const void *b)
{
    const struct elf_symbol *x = a, *y = b;

    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return x->value != y->value ? (x->value < y->value ? -1 : 1) : strcmp(x->name, y->name);
}

/* "file:line" of the code or the variable at addr, or "". */
static const char *where(struct dwarf *dw, const struct dwarf_row *rows, size_t n, uint64_t addr)
{
    size_t low = 0, high = n;

    if (!elf_is_text(dw->elf, addr)) {
        for (uint32_t i = 0; i < dw->n_dies; i++)
            if (dw->dies[i].tag == DW_TAG_variable && (dw->dies[i].has & DIE_ADDR) &&
                dw->dies[i].addr == addr)
                return dwarf_where(dw, i);
        return "";
    }
    while (low < high) {
        size_t mid = (low + high) / 2;

        if (rows[mid].addr <= addr)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == 0 || !rows[low - 1].file)
        return "";
    return util_printf("%s:%u", rows[low - 1].file, rows[low - 1].line);
}

static void print_symbols(struct dwarf *dw, const struct dwarf_row *rows, size_t n_rows,
                          size_t count)
{
    const struct elf *elf = dw->elf;

    if (elf->n_symbols == 0)
        return;
    qsort(elf->symbols, elf->n_symbols, sizeof *elf->symbols, symbol_compare);
    printf("\n%10s  symbol\n", "bytes");
    for (size_t i = 0; i < elf->n_symbols && count; i++) {
        const struct elf_symbol *s = &elf->symbols[i];
        const struct elf_section *in = elf_section_at(elf, s->value);

        if (!s->size || !in || (s->type != ELF_STT_FUNC && s->type != ELF_STT_OBJECT))
            continue;
        if (i && elf->symbols[i - 1].value == s->value && elf->symbols[i - 1].size == s->size)
            continue; /* another name of the same */
        printf("%10llu  %-10s %s  %s\n", (unsigned long long)s->size, in->name, s->name,
               where(dw, rows, n_rows, s->value));
        count--;
    }
}

int main(int argc, char **argv)
{
    unsigned long count = 25;
    const char *image = NULL;
    char cwd[4096];
    struct elf elf;
    struct dwarf dw;
    size_t n;

    util_program = "size";
    for (int i = 1; i < argc; i++) {
        char *end = NULL;

        if (strcmp(argv[i], "-n") == 0 && i + 1 < argc)
            count = strtoul(argv[++i], &end, 10);
        else if (argv[i][0] == '-' || image)
            image = "";
        else
            image = argv[i];
        if (end && (*end || end == argv[i]))
            image = "";
    }
    if (!image || !*image) {
        fprintf(stderr, "usage: size [-n COUNT] IMAGE\n");
        return 2;
    }
    elf_open(&elf, image);
    dwarf_open(&dw, &elf, getcwd(cwd, sizeof cwd) ? cwd : "");

    const struct dwarf_row *rows = dwarf_rows(&dw, &n);
    print_sections(&elf);
    print_folders(&dw, rows, n);
    print_symbols(&dw, rows, n, count);
    return 0;
}
