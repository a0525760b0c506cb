/*
 * tests/host/tools_gcmap.c - tools/gcmap.c on programs that gcc and clang made.
 *
 * WHAT. One program with collected types of every form is compiled by both compilers, at several
 * levels, with LTO, with DWARF 4 and 5: all must give the maps written here by hand [gcmap.3]. The
 * maps must be in the image afterwards. Then small programs, each with one mistake: the message
 * must be the one expected, and the image unchanged [gcmap.2]. The macros below are those of
 * include/rt/gc.h, cut down to what leaves a trace in the image.
 */
#define main gcmap_main
#include "tools/gcmap.c"
#undef main

#include "tools/common/dwarf.c"
#include "tools/common/elf.c"
#include "tools/common/util.c"
#include "tests/host/check.h"
#include "tests/host/tempdir.h"

static const char macros[] =
    "#include <stdint.h>\n#include <stddef.h>\n"
    "struct rt_type { uint64_t ptrmask; uint32_t size; uint16_t align; uint8_t kind, flags;\n"
    "    const uint64_t *map; const char *name; uint32_t shape, array_shape; };\n"
    "struct rt_root_desc { void *address; uint64_t count; struct rt_type *type; };\n"
    "#define SECTION(s) __attribute__((used, section(s), aligned(8)))\n"
    "#define RECORD(T) struct { struct rt_type type; __typeof__(T) *witness[0]; }\n"
    "#define INIT(T) {.type = {.size = sizeof(T), .align = _Alignof(__typeof__(T)), .name = #T}}\n"
    "#define RT_TYPE(T) (__extension__({ static RECORD(T) rt_type_ SECTION(\"rt_types\") = "
    "INIT(T); "
    "&rt_type_.type; }))\n"
    "#define gc(T) __typeof__(__typeof__(T) const)\n"
    "#define gc_foreign(T) __typeof__(__typeof__(T) volatile)\n"
    "#define gc_new(T) ((__typeof__(T) *)rt_gc_alloc(RT_TYPE(T)))\n"
    "#define gc_root(T, name) struct { gc(T) p; } name SECTION(\"rt_roots\"); \\\n"
    "    static RECORD(gc(T)) type_of_##name SECTION(\"rt_types\") = INIT(gc(T)); \\\n"
    "    static const struct rt_root_desc desc_of_##name SECTION(\"rt_rootdesc\") = \\\n"
    "        {(void *)&name, 1, &type_of_##name.type}\n"
    "uint64_t rt_typemap_pool[64] SECTION(\"rt_typemaps\") = {0};\n"
    "static char heap[1 << 16];\nstatic size_t used;\n"
    "static __attribute__((noinline)) void *rt_gc_alloc(struct rt_type *t)\n"
    "{ __asm__ volatile(\"\" : : \"r\"(t)); void *p = heap + used; used += t->size; return p; }\n"
    "static void use(const void *p) { __asm__ volatile(\"\" : : \"r\"(p) : \"memory\"); }\n";

static const char good[] =
    "struct node { gc(struct node *) left, right; gc(struct node *) kids[4]; int key; };\n"
    "struct ints { int *p; size_t len, cap; };\n"
    "typedef struct { gc(void *) v; int n; } pair;\n"
    "typedef char *text;\n"
    "struct device;\n"
    "struct mixed {\n"
    "    char tag; gc(text) name; gc_foreign(const char *) literal;\n"
    "    void (*fn)(struct mixed *); gc(struct ints) items; pair pairs[2];\n"
    "    unsigned bits : 3, more : 7; double d; gc_foreign(struct device *) dev[2];\n"
    "    struct { short s; gc(struct node *) n; } inner; uintptr_t number;\n"
    "    struct { gc(struct node *) deep; long l; }; gc(struct mixed *) tail[]; };\n"
    "union both { gc(struct node *) n; gc(struct mixed *) m; };\n"
    "struct tagged { int kind; union both u; };\n"
    "struct either { int kind; union { gc(struct node *) n; double d; } u; };\n"
    "struct plain { int a[100]; double d; char c[999]; };\n"
    "struct big { gc(struct node *) first; char data[1000]; gc(struct node *) refs[70]; long end; "
    "};\n"
    "struct big2 { gc(struct node *) first; char data[1000]; gc(struct node *) refs[70]; long e; "
    "};\n"
    "struct wide { gc(struct node *) n[64]; };\n"
    "struct matrix { struct { long x; gc(struct node *) n; } cell[3][4]; };\n"
    "enum colour { RED, GREEN };\n"
    "struct small { enum colour c; _Bool b; _Complex double z; _Alignas(32) gc(pair *) p; };\n"
    "struct atomic { _Atomic(int) count; gc(struct node *) n; int *restrict const r; };\n"
    "struct rt_chan;\n#define chan(T) __typeof__(__typeof__(T) *(*)(struct rt_chan *))\n"
    "struct chans { int n; gc(chan(int)) c; gc(chan(chan(pair))) d; int (*f)(int *); };\n"
    "static gc_foreign(chan(int)) borrowed_chan; static int (*callback)(int *);\n"
    "static gc_root(struct node *, head);\n"
    "gc_root(struct ints, list);\n"
    "static gc_foreign(struct node *) borrowed;\n"
    "static struct node *volatile *indirect;\nstatic char *letters;\n"
    "static inline struct node *make(void) { return gc_new(struct node); }\n"
    "__attribute__((noinline)) static void more(void) { use(gc_new(struct node)); use(make()); }\n"
    "int main(void) { use(make()); more(); use(gc_new(struct mixed)); use(gc_new(pair));\n"
    "    use(gc_new(struct tagged)); use(gc_new(struct either)); use(gc_new(struct plain));\n"
    "    use(gc_new(struct big)); use(gc_new(struct big2)); use(gc_new(struct wide));\n"
    "    use(gc_new(struct matrix)); use(gc_new(struct small)); use(gc_new(struct atomic));\n"
    "    use(gc_new(int)); use(gc_new(struct node *)); use(gc_new(struct chans)); "
    "use(gc_new(gc(struct node *))); use(gc_new(unsigned long[7]));\n"
    "    { struct local { char c; gc(struct node *) n; }; use(gc_new(struct local)); }\n"
    "    use(&head); use(&list); use((void *)&borrowed); use(&indirect); use((void "
    "*)&borrowed_chan); use(&callback); use(&letters); return 0; "
    "}\n";

/* Written by hand from the types above. */
static const char *const wanted[] = {
    "__typeof__(__typeof__(struct node *) const): 8 bytes, align 8, mask 1",
    "gc(struct node *): 8 bytes, align 8, mask 1",
    "gc(struct ints): 24 bytes, align 8, mask 1",
    "int: 4 bytes, align 4, noscan",
    "pair: 16 bytes, align 8, mask 1",
    "struct atomic: 24 bytes, align 8, mask 6",
    "struct big: 1576 bytes, align 8, bitmap 1 c000000000000000 ffffffffffffffff f",
    "struct big2: 1576 bytes, align 8, bitmap 1 c000000000000000 ffffffffffffffff f",
    "struct chans: 32 bytes, align 8, mask 6",
    "struct node *: 8 bytes, align 8, mask 1",
    "struct either: 16 bytes, align 8, conservative",
    "struct local: 16 bytes, align 8, mask 2",
    "struct matrix: 192 bytes, align 8, mask aaaaaa",
    "struct mixed: 160 bytes, align 8, mask 50292",
    "struct node: 56 bytes, align 8, mask 3f",
    "struct plain: 1408 bytes, align 8, noscan",
    "struct small: 64 bytes, align 32, mask 10",
    "struct tagged: 16 bytes, align 8, mask 2",
    "struct wide: 512 bytes, align 8, mask ffffffffffffffff",
    "unsigned long[7]: 56 bytes, align 8, noscan",
};

/* Compile macros + text with `flags`; false if the compiler isn't there or can't do that. */
static bool build(const char *flags, const char *text)
{
    const char *source = util_printf("%s%s", macros, text);

    util_write_file(util_printf("%s/program.c", dir), source, strlen(source));
    return system(util_printf("cd %s && %s -fno-pie -no-pie program.c -o image 2>log", dir,
                              flags)) == 0;
}

/* Are the compiler that begins this command, and the linker that it asks for, on this machine? */
static bool there(const char *flags)
{
    return system(util_printf("command -v %.*s >/dev/null", (int)strcspn(flags, " "), flags)) ==
               0 &&
           (strstr(flags, "-fuse-ld=lld") == NULL || system("command -v ld.lld >/dev/null") == 0);
}

static void gcmap_of_image(struct gcmap *g)
{
    *g = (struct gcmap){0};
    elf_open(&g->elf, util_printf("%s/image", dir));
    gcmap_run(g, dir);
}

static void check_maps(const struct gcmap *g, const char *flags)
{
    size_t n = 0;

    if (g->n_dump)
        qsort(g->dump, g->n_dump, sizeof *g->dump, text_compare);
    for (size_t i = 0; i < g->n_dump; i++)
        if (i == 0 || g->dump[i] != g->dump[i - 1])
            g->dump[n++] = g->dump[i];
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        bool found = false;

        for (size_t k = 0; k < n; k++)
            found |= strcmp(g->dump[k], wanted[i]) == 0;
        check(found, wanted[i], flags);
    }
    if (!check(n == sizeof wanted / sizeof *wanted, "number of types", flags))
        print_sorted(g->dump, n, stdout);
}

/* What gcmap writes is in the image: read it as the collector will. */
static void check_image(const char *flags)
{
    char *args[] = {"gcmap", util_printf("%s/image", dir)};
    unsigned unfilled = 0, filled = 0, wrong = 0;
    uint64_t maps[2] = {0, 0};
    struct elf elf;

    if (!check(gcmap_main(2, args) == 0, "status", flags))
        return;
    elf_open(&elf, args[1]);
    struct area types = area_find(&elf, "rt_types");
    for (uint64_t addr = types.start; addr < types.stop; addr += DESC_BYTES) {
        const uint8_t *desc = elf_at(&elf, addr, DESC_BYTES);
        const char *name = string_at(&elf, elf_get(desc + DESC_NAME, 8));

        if (!name) {
            wrong++;
            continue;
        }
        unfilled += desc[DESC_KIND] == KIND_UNFILLED;
        filled += desc[DESC_KIND] != KIND_UNFILLED;
        if (strcmp(name, "struct mixed") == 0)
            wrong += elf_get(desc, 8) != 0x50292 || desc[DESC_KIND] != KIND_MASK;
        if (strcmp(name, "struct big") == 0)
            maps[0] = elf_get(desc + DESC_MAP, 8);
        if (strcmp(name, "struct big2") == 0)
            maps[1] = elf_get(desc + DESC_MAP, 8);
    }
    const uint8_t *map = elf_at(&elf, maps[0], 32);
    check(filled >= 19 && unfilled == 0 && wrong == 0, "records in the image", flags);
    check(map && elf_get(map, 8) == 1 && elf_get(map + 8, 8) == 3ull << 62 &&
              elf_get(map + 24, 8) == 15,
          "bitmap in the image", flags);
    check(maps[0] == maps[1], "equal bitmaps are stored once", flags);

    size_t before_bytes, after_bytes;
    uint8_t *before = util_read_file(args[1], &before_bytes);
    check(gcmap_main(2, args) == 0, "a second run", flags);
    uint8_t *after = util_read_file(args[1], &after_bytes);
    check(before_bytes == after_bytes && memcmp(before, after, after_bytes) == 0,
          "a second run changes nothing", flags);
    check(system(args[1]) == 0, "the image still runs", flags);
}

struct mistake {
    const char *text, *message;
};

#define HEAD "struct node { gc(struct node *) next; int key; };\n"
#define CHAN "struct rt_chan;\n#define chan(T) __typeof__(__typeof__(T) *(*)(struct rt_chan *))\n"
#define MAIN(T) "int main(void) { use(gc_new(struct node)); use(gc_new(" T ")); return 0; }\n"

static const struct mistake mistakes[] = {
    {HEAD "struct bad { int a; struct node *n; };\n" MAIN("struct bad"),
     "program.c:24: field 'n' of struct bad is a plain pointer (struct node *) in collected struct "
     "bad: declare it gc(struct node *), or gc_foreign(struct node *) if it never holds a "
     "collected "
     "pointer"},
    {HEAD "struct bad { const char *s; };\n" MAIN("struct bad"),
     "program.c:24: field 's' of struct bad is a plain pointer (const char *) in collected struct "
     "bad: declare it gc(const char *), or gc_foreign(const char *) if it never holds a collected "
     "pointer"},
    {HEAD
     "struct in { long l; void *p; };\nstruct bad { gc(struct in *) ok; struct in x[3]; };\n" MAIN(
         "struct bad"),
     "program.c:24: field 'p' of struct in is a plain pointer (void *) in collected struct bad: "
     "declare it gc(void *), or gc_foreign(void *) if it never holds a collected pointer"},
    {HEAD "struct bad { struct node *a[2]; };\n" MAIN("struct bad"),
     "program.c:24: field 'a' of struct bad is a plain pointer (struct node *) in collected struct "
     "bad: declare it gc(struct node *), or gc_foreign(struct node *) if it never holds a "
     "collected "
     "pointer"},
    {HEAD "struct bad { union { struct node *n; int i; } u; };\n" MAIN("struct bad"),
     "program.c:24: field 'n' of union (unnamed) is a plain pointer (struct node *) in collected "
     "struct bad: declare it gc(struct node *), or gc_foreign(struct node *) if it never holds a "
     "collected pointer"},
    {HEAD "struct bad { _Atomic(struct node *) n; };\n" MAIN("struct bad"),
     "program.c:24: field 'n' of struct bad is a plain pointer (struct node *) in collected struct "
     "bad: declare it gc(struct node *), or gc_foreign(struct node *) if it never holds a "
     "collected "
     "pointer"},
    {HEAD
     "struct __attribute__((packed)) bad { char c; gc(struct node *) n; };\n" MAIN("struct bad"),
     "program.c:24: field 'n' of struct bad lies at offset 1: a collected pointer must be aligned"},
    {HEAD CHAN "struct bad { gc(struct node *) n; chan(int) c; };\n" MAIN("struct bad"),
     "program.c:26: field 'c' of struct bad is a plain pointer (chan(int)) in collected struct "
     "bad: "
     "declare it gc(chan(int)), or gc_foreign(chan(int)) if it never holds a collected pointer"},
    {HEAD CHAN "static chan(struct node *) queue;\nint main(void) { use(&queue); return 0; }\n",
     "program.c:26: global 'queue' can hold collected 'chan(struct node *)': declare it gc_root"},
    {HEAD "struct node *global;\n" MAIN("int"),
     "program.c:24: global 'global' can hold collected 'struct node': declare it gc_root"},
    {HEAD "static struct { int n; struct node *list[4]; } table;\nint main(void) { use(&table); "
          "use(gc_new(struct node)); return 0; }\n",
     "program.c:24: global 'table' can hold collected 'struct node': declare it gc_root"},
    {HEAD
     "static struct node sentinel;\nint main(void) { use(&sentinel); use(gc_new(struct node)); "
     "return 0; }\n",
     "program.c:24: global 'sentinel' can hold collected 'struct node': declare it gc_root"},
    {HEAD "static void f(void)\n{\n    static struct node *last;\n    use(&last);\n    last = "
          "gc_new(struct node);\n}\nint main(void) { f(); return 0; }\n",
     "program.c:26: global 'last' can hold collected 'struct node': declare it gc_root"},
    {HEAD "struct other { int x; };\nstruct holder { gc(struct other *) o; };\nstruct other "
          "*global;\n" MAIN("struct holder"),
     "program.c:26: global 'global' can hold collected 'struct other': declare it gc_root"},
    {HEAD "static struct { int n; gc(char *) text[2]; } texts;\nint main(void) { use(&texts); "
          "use(gc_new(struct node)); return 0; }\n",
     "program.c:24: global 'texts' can hold collected 'char *': declare it gc_root"},
    {HEAD "struct ints { int *p; long len, cap; };\nstatic struct { gc(struct ints) s; } slice;\n"
          "int main(void) { use(&slice); use(gc_new(struct node)); return 0; }\n",
     "program.c:25: global 'slice' can hold collected 'int *': declare it gc_root"},
    {HEAD "static struct { gc(void *) any; } any;\nint main(void) { use(&any); "
          "use(gc_new(struct node)); return 0; }\n",
     "program.c:24: global 'any' can hold collected 'void *': declare it gc_root"},
    {HEAD "struct { gc(struct node *) p; } lonely SECTION(\"rt_roots\");\n" MAIN("int"),
     "program.c:24: global 'lonely' is in rt_roots, but no entry in rt_rootdesc names it: declare "
     "it "
     "gc_root"},
    {HEAD
     "struct pair { gc(struct node *) a; struct node *b; };\nstatic struct { struct pair p; } "
     "half SECTION(\"rt_roots\");\nstatic const struct rt_root_desc d SECTION(\"rt_rootdesc\") = "
     "{&half, 1, 0};\n" MAIN("int"),
     "program.c:24: field 'b' of struct pair is a plain pointer (struct node *) in collected root "
     "half: declare it gc(struct node *), or gc_foreign(struct node *) if it never holds a "
     "collected "
     "pointer"},
};

static void check_mistakes(const char *flags)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        size_t before_bytes, after_bytes;
        struct gcmap g;

        if (!build(flags, mistakes[i].text)) {
            check(false, "a program with a mistake compiles", flags);
            continue;
        }
        char *image = util_printf("%s/image", dir);
        uint8_t *before = util_read_file(image, &before_bytes);
        gcmap_of_image(&g);
        if (!check(g.n_errors == 1 && strcmp(g.errors[0], mistakes[i].message) == 0,
                   mistakes[i].message, flags))
            for (size_t k = 0; k < g.n_errors; k++)
                printf("  got: %s\n", g.errors[k]);

        /* The tool as such: status 1, image as before. Its message goes to the log. */
        int status = system(util_printf("%s --gcmap %s >%s/log 2>&1", util_program, image, dir));
        uint8_t *after = util_read_file(image, &after_bytes);
        check(status != 0 && before_bytes == after_bytes && memcmp(before, after, after_bytes) == 0,
              "a refused image stays as it was", flags);
        util_free_all();
    }
}

static void check_full_pool(void)
{
    static const char text[] =
        HEAD "#define BIG(k) struct big##k { long pad[k]; gc(struct node *) n[4000]; };\n"
             "BIG(1) BIG(2)\n"
             "int main(void) { use(gc_new(struct big1)); use(gc_new(struct big2)); return 0; }\n";

    if (!build("gcc -O1 -g", text) && !build("clang -O1 -g", text))
        return;
    int status = system(util_printf("%s --gcmap %s/image >%s/log 2>&1", util_program, dir, dir));
    size_t bytes;
    const char *log = (const char *)util_read_file(util_printf("%s/log", dir), &bytes);
    check(status != 0 &&
              strstr(util_printf("%.*s", (int)bytes, log),
                     "rt_typemaps has room for 64 words, but the bitmaps of objects above 512 "
                     "bytes need 126"),
          "a full pool is an error", log);
    char *args[] = {"gcmap", "--pool", util_printf("%s/pool.S", dir), util_printf("%s/image", dir)};
    check(gcmap_main(4, args) == 0 &&
              strstr((const char *)util_read_file(args[2], &bytes), ".zero 1008\n"),
          "a pool of the right size", args[2]);
}

int main(int argc, char **argv)
{
    static const char *const variants[] = {
        "gcc -g -Og",
        "gcc -g -O2",
        "gcc -g -O3",
        "gcc -g -O2 -flto",
        "gcc -gdwarf-4 -O2",
        "gcc -gdwarf-4 -O2 -flto",
        "gcc -g -O0",
        "clang -g -Og",
        "clang -g -O2",
        "clang -g -O3",
        "clang -gdwarf-4 -O2",
        "clang -g -O2 -flto -fuse-ld=lld",
        "clang -g -O2 -flto=thin -fuse-ld=lld",
        "clang -gdwarf-4 -O2 -fuse-ld=lld -ffunction-sections -fdata-sections",
    };
    unsigned built = 0;

    if (argc == 3 && strcmp(argv[1], "--gcmap") == 0) { /* this program as the tool itself */
        char *args[] = {"gcmap", argv[2]};
        return gcmap_main(2, args);
    }
    tempdir_make();
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        struct gcmap g;

        if (!build(variants[i], good)) {
            check(!there(variants[i]), "the program compiles", variants[i]);
            continue;
        }
        built++;
        gcmap_of_image(&g);
        check(g.n_errors == 0, "no errors in a good program", variants[i]);
        print_sorted(g.errors, g.n_errors, stdout);
        check_maps(&g, variants[i]);
        check_image(variants[i]);
        util_free_all();
    }
    printf("%u of %zu variants built and checked\n", built, sizeof variants / sizeof *variants);
    check(built > 0, "a compiler is there", "gcc, clang");
    util_program = argv[0];
    if (build("gcc -g -O2", good))
        check_mistakes("gcc -g -O2");
    if (build("clang -gdwarf-4 -O1", good))
        check_mistakes("clang -gdwarf-4 -O1");
    check_full_pool();
    tempdir_remove();
    util_free_all();
    return check_end();
}
