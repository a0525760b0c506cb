/*
 * tests/host/tools_symtab.c - tools/symtab.c and lib/symbol.c against each other and the compilers.
 *
 * WHAT. Compiles a program with gcc and clang (if there) at several levels, makes its table, and
 * holds each address of its code against the lists that the table was made from: function names
 * against .symtab, file and line against the line table. Knows where inlined calls must appear.
 * Then damages the table, byte by byte and at random: every answer must be text, none may fault.
 */
#define main symtab_main
#include "tools/symtab.c"
#undef main

#include "lib/symbol.c"
#include "tools/common/dwarf.c"
#include "tools/common/elf.c"
#include "tools/common/util.c"
#include "tests/host/check.h"
#include "tests/host/dies.h"
#include "tests/host/tempdir.h"

static const char program[] =
    "int volatile sink;\n"                                             /* 1 */
    "static inline __attribute__((always_inline)) int leaf(int x)\n"   /* 2 */
    "{\n"                                                              /* 3 */
    "    sink = x;\n"                                                  /* 4 */
    "    sink = x + 1;\n"                                              /* 5 */
    "    return sink * x;\n"                                           /* 6 */
    "}\n"                                                              /* 7 */
    "static inline __attribute__((always_inline)) int middle(int x)\n" /* 8 */
    "{\n"                                                              /* 9 */
    "    return leaf(x) + leaf(x + 2);\n"                              /* 10 */
    "}\n"                                                              /* 11 */
    "__attribute__((noinline)) int outermost(int x)\n"                 /* 12 */
    "{\n"                                                              /* 13 */
    "    int y = middle(x);\n"                                         /* 14 */
    "    for (int i = 0; i < x; i++)\n"                                /* 15 */
    "        y += leaf(i);\n"                                          /* 16 */
    "    return y;\n"                                                  /* 17 */
    "}\n"                                                              /* 18 */
    "int main(void)\n"                                                 /* 19 */
    "{\n"                                                              /* 20 */
    "    return outermost(3) & 1;\n"                                   /* 21 */
    "}\n";                                                             /* 22 */

/* Compile the program; false if the compiler isn't there. */
static bool build(const char *flags, const char *image)
{
    return system(util_printf("cd %s && %s program.c -o %s 2>log", dir, flags, image)) == 0;
}

/* The row that holds addr, by walking from the start: not the search that the table uses. */
static const struct dwarf_row *row_of(const struct table *t, uint64_t addr)
{
    const struct dwarf_row *row = NULL;

    for (size_t i = 0; i < t->n_rows && t->rows[i].addr <= addr; i++)
        row = &t->rows[i];
    return row;
}

static bool text_is_sane(const struct bytes *table, const char *text)
{
    const char *start = (const char *)table->data, *end = start + table->n;

    return (text >= start && text < end) || strcmp(text, "?") == 0;
}

/* Each address of a function: its name, offset, and the line that the line table says. */
static void check_addresses(const struct table *t, const struct bytes *out, const char *flags)
{
    unsigned wrong_names = 0, wrong_lines = 0, checked = 0;

    for (size_t i = 0; i < t->n_functions; i++) {
        const struct function *f = &t->functions[i];

        for (uint64_t addr = f->start; addr < f->end; addr++, checked++) {
            const struct dwarf_row *row = row_of(t, addr);
            struct symbol sym;

            bool found = symbol_lookup_in(out->data, out->n, addr, &sym);
            if (row && row->file && row->line)
                wrong_lines += sym.line != row->line || strcmp(sym.file, row->file) != 0;
            wrong_names += !found || sym.offset != addr - f->start;
            while (symbol_outer_in(out->data, out->n, &sym))
                ;
            wrong_names += strcmp(sym.name, f->name) != 0;
        }
    }
    check(checked > 100, "addresses checked", flags);
    check(wrong_names == 0, "name and offset of each address", flags);
    check(wrong_lines == 0, "file and line of each address", flags);

    struct symbol sym;
    check(!symbol_lookup_in(out->data, out->n, t->functions[0].start - 1, &sym) &&
              strcmp(sym.name, "?") == 0,
          "nothing before the first function", flags);
    check(!symbol_lookup_in(out->data, out->n, t->functions[t->n_functions - 1].end, &sym),
          "nothing behind the last function", flags);
}

/* outermost() holds middle(), which holds leaf() twice, and leaf() by itself. */
static void check_inlines(const struct bytes *out, const struct elf *elf, const char *flags)
{
    const struct elf_symbol *f = NULL;
    unsigned direct = 0, nested = 0, wrong = 0, wrong_lines = 0;

    for (size_t i = 0; i < elf->n_symbols; i++) /* LTO adds ".constprop.0" and the like */
        if (strncmp(elf->symbols[i].name, "outermost", 9) == 0 && elf->symbols[i].size)
            f = &elf->symbols[i];
    if (!f) {
        check(false, "outermost() has a symbol", flags);
        return;
    }
    for (uint64_t addr = f->value; addr < f->value + f->size; addr++) {
        char chain[256] = "";
        struct symbol sym;

        for (bool more = symbol_lookup_in(out->data, out->n, addr, &sym); more;
             more = symbol_outer_in(out->data, out->n, &sym)) {
            size_t len = strlen(chain);

            snprintf(chain + len, sizeof chain - len, "%.*s:%u ", (int)strcspn(sym.name, "."),
                     sym.name, sym.line);
            wrong += strcmp(sym.file, "program.c") != 0;
        }
        unsigned line = 0;
        char rest[200] = "";
        if (sscanf(chain, "leaf:%u %199[^\n]", &line, rest) == 2) {
            nested += strcmp(rest, "middle:10 outermost:14 ") == 0;
            direct += strcmp(rest, "outermost:16 ") == 0;
            wrong_lines += line != 0 && (line < 2 || line > 7); /* 0: clang names no line */
        }
    }
    check(nested > 0, "a call inlined in an inlined call", flags);
    check(direct > 0, "an inlined call", flags);
    /* clang counts a nop for the loop as the call's, with the loop's line */
    check(wrong == 0 && wrong_lines <= 2, "files and lines of inlined calls", flags);
}

static const char script[] =
    "PHDRS { text PT_LOAD FLAGS(5); data PT_LOAD FLAGS(6); symtab PT_LOAD FLAGS(4); }\n"
    "SECTIONS {\n"
    "  . = 0xffffffff80200000;\n"
    "  .text : { *(.text .text.*) } :text\n"
    "  . = ALIGN(4096);\n"
    "  .data : { *(.data .data.*) } :data\n"
    "  .bss : { *(.bss .bss.*) } :data\n"
    "  .symtab_rt : ALIGN(4096) { __symtab_start = .; KEEP(*(.symtab_rt)) __symtab_end = .; } "
    ":symtab\n"
    "  image_end = .;\n"
    "  /DISCARD/ : { *(.comment) *(.note*) *(.eh_frame*) *(.interp) *(.dyn*) *(.gnu*) *(.hash) }\n"
    "}\n"
    "ENTRY(main)\n";

/* Status of symtab --verify; 1 if it ended the tool. */
static int verify_status(const char *image)
{
    char *args[] = {"symtab", "--root", dir, "--verify", util_printf("%s/%s", dir, image)};

    if (setjmp(died))
        return 1;
    util_die_hook = on_die;
    int status = symtab_main(5, args);
    util_die_hook = NULL;
    return status;
}

/* Link twice, as the Makefile does; nothing may move, and a table of another image is refused. */
static void check_two_links(const char *cc, const char *ld)
{
    const char *flags = "-O2 -g -ffreestanding -nostdlib -static -fno-pie -no-pie -mcmodel=kernel "
                        "-mno-red-zone -fno-asynchronous-unwind-tables -Wl,--build-id=none";
    const char *what = util_printf("%s %s", cc, ld);
    char *args[] = {"symtab",
                    "-q",
                    "--root",
                    dir,
                    "-S",
                    "-o",
                    util_printf("%s/table.S", dir),
                    util_printf("%s/first.elf", dir)};

    if (system(
            util_printf("cd %s && %s %s %s -c program.c -o program.o 2>log && %s %s %s -T script "
                        "program.o -o first.elf 2>>log",
                        dir, cc, flags, ld, cc, flags, ld)) != 0) {
        printf("%s: not there\n", what);
        return;
    }
    check(symtab_main(8, args) == 0, "table of the first link", what);
    check(system(util_printf(
              "cd %s && %s -c table.S -o table.o 2>>log && %s %s %s -T script program.o "
              "table.o -o second.elf 2>>log",
              dir, cc, cc, flags, ld)) == 0,
          "second link", what);
    check(verify_status("second.elf") == 0, "--verify of the second link", what);

    check(system(util_printf(
              "cd %s && (echo 'int moved(int x) { return x * 7; }'; cat program.c) "
              ">other.c && %s %s -c other.c -o other.o 2>>log && %s %s %s -T script other.o "
              "table.o -o other.elf 2>>log",
              dir, cc, flags, cc, flags, ld)) == 0,
          "link of another program", what);
    check(verify_status("other.elf") == 1 && strstr(said, "code moved"),
          "--verify sees that code moved", what);
    check(verify_status("first.elf") == 1 && strstr(said, "no table"),
          "--verify sees that there is no table", what);
    util_die_hook = NULL;
}

static void check_damage(const struct bytes *out, uint64_t low, uint64_t high)
{
    uint8_t *copy = malloc(out->n); /* an own block, so that the sanitizer sees each byte past it */
    unsigned bad_text = 0, unseen = 0;
    struct symbol sym;

    memcpy(copy, out->data, out->n);
    struct bytes damaged = {copy, out->n, out->n};
    check(symbol_table_ok_in(copy, out->n), "checksum of a good table", "");
    for (unsigned round = 0; round < 60000; round++) {
        unsigned n = 1 + rand32() % 4;
        size_t at[4];

        for (unsigned i = 0; i < n; i++) {
            at[i] = round < out->n ? (round + i) % out->n : rand32() % out->n;
            copy[at[i]] = (uint8_t)(rand32() & 1 ? rand32() : 255);
        }
        for (unsigned k = 0; k < 4; k++) {
            uint64_t pc = k ? low + rand32() % (high - low) : rand64();
            bool more = symbol_lookup_in(copy, out->n, pc, &sym);

            for (unsigned depth = 0; more; depth++) {
                bad_text += !text_is_sane(&damaged, sym.name) || !text_is_sane(&damaged, sym.file);
                bad_text += strlen(sym.name) + strlen(sym.file) > 2 * out->n || depth > 100000;
                more = symbol_outer_in(copy, out->n, &sym);
            }
        }
        unseen += memcmp(copy, out->data, out->n) != 0 && memcmp(copy, out->data, 16) == 0 &&
                  symbol_table_ok_in(copy, out->n) &&
                  memcmp(copy + 56, out->data + 56, out->n - 56);
        for (unsigned i = 0; i < n; i++)
            copy[at[i]] = out->data[at[i]];
    }
    check(bad_text == 0, "answers from a damaged table", "");
    check(unseen == 0, "the checksum sees damage", "");
    for (size_t n = 0; n < out->n; n += 1 + n / 16) { /* cut off */
        uint8_t *cut = malloc(n ? n : 1);

        memcpy(cut, out->data, n);
        check(!symbol_lookup_in(cut, n, low, &sym), "a table cut short", "");
        free(cut);
    }
    check(!symbol_lookup_in(NULL, 0, low, &sym) && !symbol_outer_in(NULL, 0, &sym), "no table", "");
    free(copy);
}

int main(void)
{
    static const char *const variants[] = {
        "gcc -Og -g",          "gcc -O2 -g",
        "gcc -O2 -gdwarf-4",   "gcc -O3 -g -flto",
        "gcc -O2 -g -no-pie",  "clang -O2 -g",
        "clang -O1 -gdwarf-4", "clang -Og -g -ffunction-sections",
    };
    unsigned built = 0;

    check_seed();
    tempdir_make();
    util_write_file(util_printf("%s/program.c", dir), program, sizeof program - 1);
    util_write_file(util_printf("%s/script", dir), script, sizeof script - 1);
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        struct elf elf;
        struct table t;

        if (!build(variants[i], "image"))
            continue;
        built++;
        elf_open(&elf, util_printf("%s/image", dir));
        struct bytes out = symtab_make(&t, &elf, dir);
        check_addresses(&t, &out, variants[i]);
        check_inlines(&out, &elf, variants[i]);

        struct table again;
        struct bytes same = symtab_make(&again, &elf, dir);
        check(same.n == out.n && memcmp(same.data, out.data, out.n) == 0, "same table twice", "");
        if (i == 1 || built == 1)
            check_damage(&out, t.functions[0].start, t.functions[t.n_functions - 1].end);
        util_free_all();
    }
    check_two_links("gcc", "");
    check_two_links("clang", "");
    check_two_links("clang", "-fuse-ld=lld");
    util_free_all();
    printf("%u of %zu variants built and checked\n", built, sizeof variants / sizeof *variants);
    check(built > 0, "a compiler is there", "gcc, clang");
    tempdir_remove();
    util_free_all();
    return check_end();
}
