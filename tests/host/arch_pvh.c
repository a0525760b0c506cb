/*
 * tests/host/arch_pvh.c - the PVH start info against good, bad and mutated memory.
 */
#include <arch/x86_64/pvh.c>
#include <tests/host/fuzz.h>

#define BASE 0x10000u
#define BYTES 0x8000u
#define START BASE
#define MODLIST (BASE + 0x100)
#define MEMMAP (BASE + 0x400)
#define CMDLINE (BASE + 0x1000)
#define NAME (BASE + 0xf00)

static struct boot_info info;

/* A start info as QEMU makes it, with n_modules modules and n_ranges ranges. */
static void build(uint32_t version, uint32_t n_modules, uint32_t n_ranges, const char *cmdline)
{
    phys_reset(BASE, BYTES);
    complaints_clear();
    fields.n = 0;
    phys_field(START, 4, PVH_MAGIC);
    phys_field(START + 4, 4, version);
    phys_field(START + 8, 4, 0);
    phys_field(START + 12, 4, n_modules);
    phys_field(START + 16, 8, n_modules == 0 ? 0 : MODLIST);
    phys_field(START + 24, 8, cmdline == NULL ? 0 : CMDLINE);
    phys_field(START + 32, 8, 0xe0000);
    if (version >= 1) {
        phys_field(START + 40, 8, n_ranges == 0 ? 0 : MEMMAP);
        phys_field(START + 48, 4, n_ranges);
    }
    for (uint32_t i = 0; i < n_modules; i++) {
        phys_field(MODLIST + 32 * i, 8, 0x200000 + 0x10000 * i);
        phys_field(MODLIST + 32 * i + 8, 8, 0x1234);
        phys_field(MODLIST + 32 * i + 16, 8, i == 0 ? NAME : 0);
    }
    for (uint32_t i = 0; i < n_ranges; i++) {
        phys_field(MEMMAP + 24 * i, 8, 0x100000ull * i);
        phys_field(MEMMAP + 24 * i + 8, 8, 0x100000);
        phys_field(MEMMAP + 24 * i + 16, 4, 1 + i % 3);
    }
    strcpy((char *)phys_at(NAME), "data.txt");
    fields.at[fields.n].paddr = NAME + 8; /* the NULs are fields, too */
    fields.at[fields.n++].width = 1;
    if (cmdline != NULL) {
        strcpy((char *)phys_at(CMDLINE), cmdline);
        fields.at[fields.n].paddr = CMDLINE + strlen(cmdline);
        fields.at[fields.n++].width = 1;
    }
}

static bool parse(void)
{
    return pvh_parse(&info, &fuzz_reader, START);
}

/* [pvh.2], [pvh.3]: what holds whatever memory held. */
static void check_info(void)
{
    CHECK(info.n_ranges <= BOOT_RANGES_MAX, "%zu", info.n_ranges);
    CHECK(info.n_modules <= BOOT_MODULES_MAX, "%zu", info.n_modules);
    CHECK(info.n_keep <= BOOT_KEEP_MAX, "%zu", info.n_keep);
    CHECK(info.cmdline != NULL && strlen(info.cmdline) <= info.cmdline_len, "command line");
    CHECK(info.cmdline[info.cmdline_len] == 0, "command line's NUL");
    for (size_t i = 0; i < info.n_modules; i++) {
        CHECK(strlen(info.modules[i].name) < PVH_TEXT_MAX, "name");
        CHECK(info.modules[i].bytes == 0 ||
                  info.modules[i].paddr + (info.modules[i].bytes - 1) >= info.modules[i].paddr,
              "module wraps");
    }
    CHECK(phys.n_maps < 4 * PVH_TEXT_STEP * (BOOT_MODULES_MAX + 2), "%zu views", phys.n_maps);
}

#ifdef LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    phys_reset(BASE, size < BYTES ? size : BYTES);
    memcpy(phys.data, data, phys.bytes);
    parse();
    check_info();
    return 0;
}
#else

static void test_good(void)
{
    fuzz_group("pvh: a good start info arrives whole");
    build(1, 2, 6, "GOGC=50 -- a b");
    CHECK(parse() && complaints == 0, "%s", complaint_last);
    CHECK(strcmp(info.cmdline, "GOGC=50 -- a b") == 0 && info.cmdline_len == 14, "%s",
          info.cmdline);
    CHECK(info.n_ranges == 6 && info.ranges[5].base == 0x500000 &&
              info.ranges[5].bytes == 0x100000 && info.ranges[5].type == BOOT_MEM_ACPI,
          "ranges");
    CHECK(info.n_modules == 2 && info.modules[1].paddr == 0x210000, "modules");
    CHECK(info.modules[0].bytes == 0x1234 && strcmp(info.modules[0].name, "data.txt") == 0, "name");
    CHECK(info.modules[1].name[0] == 0, "no name");
    CHECK(info.rsdp == 0xe0000, "rsdp");
    /* start info, memory map, module list, command line, one name, two modules */
    CHECK(info.n_keep == 7, "%zu", info.n_keep);
    check_info();

    build(1, 0, 1, NULL);
    CHECK(parse() && complaints == 0 && info.cmdline_len == 0 && info.cmdline[0] == 0, "no line");
    build(7, 0, 1, "a");
    CHECK(parse() && complaints == 0 && info.n_ranges == 1, "a later version is read as 1");
}

static void test_bad(void)
{
    fuzz_group("pvh: each kind of bad start info is named");
    build(1, 0, 1, "a");
    phys_put(START, 4, 0x1badb002);
    CHECK(!parse() && info.cmdline[0] == 0, "magic");
    CHECK_COMPLAINTS(1, "start info is bad: magic 0x1badb002");
    complaints_clear();
    CHECK(!pvh_parse(&info, &fuzz_reader, BASE + BYTES - 8), "outside");
    CHECK_COMPLAINTS(1, "start info is bad: can't be read");

    build(0, 1, 0, "a=b");
    CHECK(parse() && info.n_ranges == 0 && info.n_modules == 1, "version 0");
    CHECK_COMPLAINTS(1, "memory map is bad: start info version 0 has none");
    build(1, 0, 0, "a=b");
    CHECK(parse() && info.n_ranges == 0, "no map");
    CHECK_COMPLAINTS(1, "memory map is bad: the start info has none");

    /* a version 1 that ends where version 0 does */
    build(1, 0, 0, NULL);
    phys.bytes = 40;
    CHECK(parse(), "short");
    CHECK_COMPLAINTS(2, "version 0 has none");

    build(1, 0, 600, "a");
    CHECK(parse() && info.n_ranges == BOOT_RANGES_MAX, "%zu", info.n_ranges);
    CHECK_COMPLAINTS(1, "it has 600 entries");
    build(1, 0, 3, "a");
    phys_put(START + 48, 4, 0xffffffff);
    CHECK(parse() && info.n_ranges == BOOT_RANGES_MAX, "absurd count");
    CHECK_COMPLAINTS(1, "it has 4294967295 entries");
    build(1, 0, 3, "a");
    phys_put(START + 40, 8, BASE + BYTES - 24);
    CHECK(parse() && info.n_ranges == 1, "map runs out of memory: %zu", info.n_ranges);
    CHECK_COMPLAINTS(1, "entry 1 of 3");
    build(1, 0, 3, "a");
    phys_put(START + 40, 8, ~0ull - 23);
    CHECK(parse() && info.n_ranges == 0, "map wraps");
    CHECK_COMPLAINTS(1, "can't be read");

    build(1, 3, 1, "a");
    phys_put(MODLIST, 8, ~0ull - 15);
    CHECK(parse() && info.n_modules == 2, "module wraps");
    CHECK_COMPLAINTS(1, "module 0 at 0xfffffffffffffff0 of 0x1234 bytes can't be");
    build(1, 3, 1, "a");
    phys_put(START + 12, 4, 1u << 31);
    CHECK(parse() && info.n_modules <= BOOT_MODULES_MAX, "absurd modules");
    build(1, 1, 1, "a");
    phys_put(START + 16, 8, ~0ull - 7);
    CHECK(parse() && info.n_modules == 0, "module list wraps");
    CHECK_COMPLAINTS(1, "module 0 of 1");
    build(1, 1, 1, "a");
    phys_put(MODLIST + 16, 8, 0x99);
    CHECK(parse() && info.n_modules == 1 && info.modules[0].name[0] == 0, "name unreadable");
    CHECK_COMPLAINTS(1, "module name is bad");
    build(1, 1, 1, "a");
    phys_put(MODLIST + 8, 8, 0);
    CHECK(parse() && info.n_modules == 1 && complaints == 0, "an empty file is a file");
}

/* Physical memory of which only short pieces can be seen at once. */
static const void *map_short(void *ctx, uint64_t paddr, size_t bytes)
{
    return bytes > 300 ? NULL : phys_reader_map(ctx, paddr, bytes);
}

static void test_cmdline(void)
{
    static char longest[10001];

    fuzz_group("pvh: command lines of any length, and without end");
    memset(longest, 'x', 10000);
    build(1, 0, 1, longest);
    CHECK(parse() && complaints == 0 && info.cmdline_len == 10000, "%zu", info.cmdline_len);
    CHECK(strcmp(info.cmdline, longest) == 0, "text");

    build(1, 0, 1, longest + 9000);
    CHECK(pvh_parse(&info, &(struct phys_reader){map_short, NULL}, START), "short views");
    CHECK_COMPLAINTS(1, "can't be read as a whole");
    check_info();

    /* The NUL is the very last readable byte; then there is none. */
    for (unsigned n = 0; n < 600; n++) {
        build(1, 0, 1, longest + 10000 - n);
        phys.bytes = CMDLINE - BASE + n + 1;
        CHECK(parse() && complaints == 0 && info.cmdline_len == n, "%u", n);
        complaints_clear();
        phys.bytes--;
        CHECK(parse() && info.cmdline_len == 0 && info.cmdline[0] == 0, "%u", n);
        CHECK_COMPLAINTS(1, "command line is bad: text at 0x11000 can't be read at");
    }

    phys_reset(BASE, 0x20000);
    complaints_clear();
    memset(phys.data, 'y', phys.bytes);
    memset(phys.data, 0, 56);
    phys_put(START, 4, PVH_MAGIC);
    phys_put(START + 4, 4, 1);
    phys_put(START + 24, 8, BASE + 56);
    CHECK(parse() && info.cmdline_len == 0, "endless");
    CHECK(strstr(complaint_last, "start info has none") != NULL && complaints == 2, "%s",
          complaint_last);

    /* at the very end of the address space */
    build(1, 0, 1, "a");
    phys_put(START + 24, 8, ~0ull - 3);
    CHECK(parse() && info.cmdline_len == 0, "wraps");
    phys_reset(~0ull - 0xfff, 0x1000);
    complaints_clear();
    memset(phys.data, 'z', phys.bytes);
    memset(phys.data, 0, 56);
    phys_put(phys.base, 4, PVH_MAGIC);
    phys_put(phys.base + 24, 8, ~0ull - 300);
    CHECK(pvh_parse(&info, &fuzz_reader, phys.base) && info.cmdline_len == 0, "last byte");
    CHECK(complaints == 2, "%u", complaints);
}

static void test_mutants(void)
{
    double end = fuzz_now() + fuzz.seconds;
    unsigned rounds = 0;

    fuzz_group("pvh: mutated start infos stay within bounds");
    while (fuzz_now() < end) {
        build(fuzz_below(8) != 0, fuzz_below(40), fuzz_below(100), "GOGC=50 seed=7 -- one two");
        for (unsigned n = 1 + fuzz_below(8); n != 0; n--)
            phys_mutate();
        parse();
        check_info();
        rounds++;
    }
    printf("    %u mutants\n", rounds);
}

int main(void)
{
    fuzz_begin();
    test_good();
    test_bad();
    test_cmdline();
    test_mutants();
    return fuzz_end();
}
#endif
