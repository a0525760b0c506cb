/*
 * tests/host/tools_elf.c - tools/common on files that are wrong, and tools/imagecheck.c.
 *
 * WHAT. Images of gcc and clang (DWARF 4, 5) are mutated by a seeded generator: bytes, fields that
 * hold sizes and offsets, cut ends. Everything that the tools do with a file is done with each. A
 * bad file may only end in util_die(), which comes back here by longjmp; the sanitizers see the
 * rest. Then images with one defect each, made by the linker, go through imagecheck: it must name
 * the defect.
 */
#define main symtab_main
#include "tools/symtab.c"
#undef main
#define main gcmap_main
#include "tools/gcmap.c"
#undef main
#define main imagecheck_main
#include "tools/imagecheck.c"
#undef main

#include "lib/symbol.c"
#include "tools/common/dwarf.c"
#include "tools/common/elf.c"
#include "tools/common/util.c"
#include "tests/host/check.h"
#include "tests/host/dies.h"
#include "tests/host/tempdir.h"

#include <time.h>

/* All that tools do with a file but print and write. Returns false if it was refused. */
static bool digest(uint8_t *data, size_t size)
{
    struct elf elf;
    struct table t;
    struct gcmap g = {0};

    if (setjmp(died))
        return false;
    elf_parse(&elf, "fuzz", data, size);
    symtab_make(&t, &elf, "");
    for (uint32_t i = 0; i < t.dw.n_dies; i += 1 + i / 64) {
        dwarf_where(&t.dw, i);
        dwarf_type_name(&t.dw, dwarf_type(&t.dw, i));
    }
    g.elf = elf;
    gcmap_run(&g, "");
    return true;
}

static void put_at(uint8_t *data, size_t size, size_t at, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes && at + i < size; i++)
        data[at + i] = (uint8_t)(value >> 8 * i);
}

/* A place worth damaging: headers, section table, symbol table, debug sections. */
static size_t interesting_place(const struct elf *elf)
{
    const struct elf_section *s = &elf->sections[rand32() % elf->n_sections];

    switch (rand32() % 8) {
    case 0:
        return rand32() % 64;
    case 1:
        return elf_get(elf->data + 40, 8) + rand32() % (elf->n_sections * 64);
    case 2:
        return rand32() % elf->size;
    }
    for (int tries = 0; tries < 50 && (strncmp(s->name, ".debug", 6) != 0 || !s->size); tries++)
        s = &elf->sections[rand32() % elf->n_sections];
    if (!s->data || !s->size)
        return 0;
    /* Mostly near the start, where headers and counts are. */
    return s->offset + rand32() % (rand32() % 2 && s->size > 64 ? 64 : s->size);
}

static void mutate(const struct elf *elf, uint8_t *data, size_t size)
{
    static const uint64_t values[] = {0,          1,          127,        128,
                                      255,        0x7fffffff, 0xffffffff, 0x80000000,
                                      UINT64_MAX, 0x100000,   INT64_MAX,  UINT64_MAX - 7};

    for (unsigned n = 1 + rand32() % 3; n > 0; n--) {
        size_t at = interesting_place(elf);
        unsigned bytes = 1u << rand32() % 4;
        uint64_t value = values[rand32() % (sizeof values / sizeof *values)];

        if (at >= size)
            continue;
        switch (rand32() % 3) {
        case 0:
            data[at] ^= (uint8_t)(1u << rand32() % 8);
            break;
        case 1:
            put_at(data, size, at, bytes, value);
            break;
        case 2:
            put_at(data, size, at, 1, rand32());
            break;
        }
    }
}

static void fuzz(const char *image, double seconds)
{
    size_t size;
    const uint8_t *read = util_read_file(image, &size);
    uint8_t *original = malloc(size);
    unsigned rounds = 0, refused = 0;
    clock_t start = clock();

    memcpy(original, read, size);
    util_free_all();
    while ((double)(clock() - start) / CLOCKS_PER_SEC < seconds) {
        struct elf elf;
        size_t cut = rand32() % 16 == 0 ? rand32() % size : size;
        uint8_t *copy =
            malloc(cut ? cut : 1); /* of that size: the sanitizer sees each byte past it */

        memcpy(copy, original, cut);
        elf_parse(&elf, "fuzz", original, size);
        mutate(&elf, copy, cut);
        refused += !digest(copy, cut);
        free(copy);
        util_free_all();
        rounds++;
    }
    printf("%u mutated files, %u refused\n", rounds, refused);
    check(rounds > 20 && refused > 0 && refused < rounds, "some refused, some read", image);
    check(digest(original, size), "the file itself is read", image);
    util_free_all();
    free(original);
}

static bool run(const char *command)
{
    return system(util_printf("cd %s && (%s) >log 2>&1", dir, command)) == 0;
}

static void fuzz_all(void)
{
    static const char *const variants[] = {"gcc -g -O2", "gcc -gdwarf-4 -O1 -flto", "clang -g -O2",
                                           "clang -gdwarf-4 -O2"};
    static const char program[] =
        "struct node { struct node *const next, *const kid[4]; union { int i; double d; } u; };\n"
        "struct rt_type { unsigned long mask; unsigned size; unsigned short align; char k, f;\n"
        " const unsigned long *map; const char *name; int s[2]; };\n"
        "static struct { struct rt_type t; struct node *witness[0]; } d\n"
        " __attribute__((section(\"rt_types\"), used)) = {{0, sizeof(struct node), 8, 0, 0, 0, "
        "\"n\", "
        "{0, 0}}};\n"
        "static int sink; static struct node *global;\n"
        "static inline __attribute__((always_inline)) int leaf(int x) { sink = x; return sink + 1; "
        "}\n"
        "int mid(int x) { int y = 0; for (int i = 0; i < x; i++) y += leaf(i); return y; }\n"
        "int main(int c, char **v) { (void)v; sink = d.t.size; global = 0; return mid(c) + "
        "!global; }\n";

    util_write_file(util_printf("%s/program.c", dir), program, sizeof program - 1);
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        if (!run(util_printf("%s program.c -o image%zu", variants[i], i)))
            continue;
        fuzz(util_printf("%s/image%zu", dir, i), 0.8);
    }
}

static void texts_are_refused(void)
{
    static const struct {
        const char *text, *message;
    } files[] = {
        {"", "fuzz: not an ELF file"},
        {"hello", "fuzz: not an ELF file"},
        {"#!/bin/sh\n#................................................................",
         "fuzz: not an "
         "ELF file"},
    };

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *copy = strdup(files[i].text);

        check(!digest((uint8_t *)copy, strlen(copy)) && strcmp(said, files[i].message) == 0,
              files[i].message, files[i].text);
        free(copy);
    }
}

struct defect {
    const char *name, *source, *flags;
    const char *message; /* NULL: no finding */
};

static const char image_script[] =
    "PHDRS { text PT_LOAD FLAGS(5); ro PT_LOAD FLAGS(4); data PT_LOAD FLAGS(TEXTFLAGS); tls "
    "PT_TLS; }\n"
    "SECTIONS { . = 0xffffffff80100000;\n"
    "  .text : AT(ADDR(.text) - 0xffffffff80000000) { *(.text .text.*) } :text\n"
    "  ALIGNIT\n"
    "  .rodata : { *(.rodata .rodata.*) } :ro\n"
    "  .note.pvh : { *(.note.pvh) } :ro\n"
    "  rt_rseq : { __start_rt_rseq = .; KEEP(*(rt_rseq)) __stop_rt_rseq = .; } :ro\n"
    "  rt_tests : { __start_rt_tests = .; KEEP(*(rt_tests)) __stop_rt_tests = .; } :ro\n"
    "  . = ALIGN(4096);\n"
    "  .data : { *(.data .data.* .bss .bss.*) } :data\n"
    "  /DISCARD/ : { *(.note.gnu*) *(.comment) *(.eh_frame*) }\n"
    "}\nENTRY(start)\n";

#define START                                                                                      \
    "void start(void) { __asm__ volatile(\"nop; nop; nop; nop; hlt\"); } const char text[] = "     \
    "\"x\"; int data = 1;"
#define RSEQ(pairs) START " __asm__(\".section rt_rseq,\\\"a\\\"; .quad " pairs "; .text\");"

static const struct defect defects[] = {
    {"sound", START, "", NULL},
    {"sound rseq", RSEQ("start, start + 3, start + 3, start + 4"), "", NULL},
    {"sound note",
     START " __asm__(\".section .note.pvh,\\\"a\\\"; .long 4, 8, 18; .asciz \\\"Xen\\\"; "
           ".quad 0x100000; .text\");",
     "", NULL},
    {"undefined",
     "void gone(void); void start(void) { gone(); } const char t[] = \"x\"; int d = 1;",
     "-fuse-ld=lld -Wl,--unresolved-symbols=ignore-all", "undefined symbol gone"},
    {"weak undefined",
     "void gone(void) __attribute__((weak)); void start(void) { if (gone) gone(); }"
     " const char t[] = \"x\"; int d = 1;",
     "-fuse-ld=lld", "undefined symbol gone"},
    {"libgcc", START " __int128 divide(__int128 a, __int128 b) { return a / b; }", "-lgcc",
     "__divti3 is a helper of the compiler's library"},
    {"atomic", START " int __atomic_load_16(void) { return 0; }", "",
     "__atomic_load_16 is a helper of the compiler's library"},
    {"float helper",
     START " int __floatunsidf(void) { return 0; } int __fixunsdfti(void) { return 0; }", "",
     "__fixunsdfti is a helper of the compiler's library"},
    {"tls", START " _Thread_local int t = 3; int f(void) { return t; }", "DEFAULT",
     "thread-local data in"},
    {"relocations", START " void *p = &data;", "-Wl,--emit-relocs", "relocations are left in"},
    {"writable code", START, "RWX", "is writable and executable"},
    {"shared page", START, "SHARE", "share a page"},
    {"read-only data", START " __asm__(\".section rt_tests,\\\"aw\\\"; .quad data; .text\");", "",
     "section rt_tests is written, but its segment is read-only"},
    {"executable stack", START " __asm__(\".section .note.GNU-stack,\\\"x\\\"; .text\");",
     "-Wl,-z,execstack STACK", "asks for an executable stack"},
    {"dynamic", "int start(void) { return 0; } const char t[] = \"x\"; int d = 1;", "PIE",
     "is not a statically linked executable"},
    {"rseq reversed", RSEQ("start + 3, start"), "", "rt_rseq: pair 0"},
    {"rseq in data", RSEQ("data, data + 2"), "", "rt_rseq: pair 0"},
    {"rseq too long", RSEQ("start, start + 0x1000"), "", "rt_rseq: pair 0"},
    {"rseq half a pair", RSEQ("start"), "", "rt_rseq: an odd number of addresses"},
    {"rseq overlap", RSEQ("start, start + 3, start + 2, start + 4"), "", "rt_rseq: ranges overlap"},
    {"rseq ragged", RSEQ("start, start + 3; .byte 1"), "", "rt_rseq: no whole number of pointers"},
    {"registry", START " __asm__(\".section rt_tests,\\\"a\\\"; .quad data, 0x1234; .text\");", "",
     "rt_tests: entry 1 points out of the image"},
    {"note type",
     START " __asm__(\".section .note.pvh,\\\"a\\\"; .long 4, 8, 17; .asciz \\\"Xen\\\"; "
           ".quad 0x100000; .text\");",
     "", ".note.pvh is no PVH note"},
    {"note entry",
     START " __asm__(\".section .note.pvh,\\\"a\\\"; .long 4, 8, 18; .asciz \\\"Xen\\\"; "
           ".quad 0x900000; .text\");",
     "", "the PVH entry lies in no executable segment"},
    {"entry", START, "-Wl,-e,data", "the ELF entry lies in no executable segment"},
};

/* Text with `from` replaced. */
static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);

    return at ? util_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from))
              : util_printf("%s", text);
}

static void check_defect(const struct defect *d, const char *cc)
{
    bool pie = strstr(d->flags, "PIE") != NULL, stack = strstr(d->flags, "STACK") != NULL;
    char *script = replaced(image_script, "TEXTFLAGS", strstr(d->flags, "RWX") ? "7" : "6");
    const char *flags = d->flags[0] == '-' ? replaced(d->flags, "STACK", "") : "";

    if (stack)
        script = replaced(script, "FLAGS(6);", "FLAGS(6); st PT_GNU_STACK FLAGS(7);");
    script = replaced(script, "ALIGNIT", strstr(d->flags, "SHARE") ? "" : ". = ALIGN(4096);");
    util_write_file(util_printf("%s/script", dir), script, strlen(script));
    util_write_file(util_printf("%s/defect.c", dir), d->source, strlen(d->source));
    if (!check(run(util_printf("%s -O1 -ffreestanding -nostdlib -Wl,--build-id=none "
                               "-fno-asynchronous-unwind-tables defect.c -o defect %s %s",
                               cc,
                               pie ? "-fpie -pie -Wl,-e,start"
                               : strstr(d->flags, "DEFAULT")
                                   ? "-static -fno-pie -no-pie -Wl,-e,start"
                                   : "-static -fno-pie -no-pie -mcmodel=kernel -T script",
                               flags)),
               d->name, util_printf("builds with %s", cc)))
        return;

    char *command = util_printf("%s --imagecheck %s/defect >%s/log 2>&1", util_program, dir, dir);
    int status = system(command);
    size_t bytes;
    const char *log = (const char *)util_read_file(util_printf("%s/log", dir), &bytes);

    log = util_printf("%.*s", (int)bytes, log);
    if (!check(d->message ? status != 0 && strstr(log, d->message) : status == 0 && bytes == 0,
               d->name, cc))
        printf("  wanted: %s\n  got: %s\n", d->message ? d->message : "nothing", log);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--imagecheck") == 0) { /* this program as the tool itself */
        char *args[] = {"imagecheck", argv[2]};
        return imagecheck_main(2, args);
    }
    check_seed();
    tempdir_make();
    util_program = argv[0];
    util_die_hook = on_die;
    texts_are_refused();
    fuzz_all();
    util_die_hook = NULL;
    for (size_t i = 0; i < sizeof defects / sizeof *defects; i++) {
        bool lld = strstr(defects[i].flags, "lld") != NULL; /* GNU ld leaves such symbols out */

        if (run(lld ? "clang --version && ld.lld --version" : "gcc --version"))
            check_defect(&defects[i], lld ? "clang" : "gcc");
    }
    tempdir_remove();
    util_free_all();
    return check_end();
}
