/*
 * tests/host/mm_memmap.c - firmware memory maps and the early allocator, against a naive model.
 */
#include <mm/memmap.c>
#include <mm/bootmem.c>
#include <tests/host/fuzz.h>
#include <setjmp.h>

static jmp_buf on_fatal;
static bool fatal_expected;

/* The runtime's end of a run: here an assertion that a test wants to see, or a failure. */
void fatal(const char *fmt, ...)
{
    va_list args;

    if (fatal_expected)
        longjmp(on_fatal, 1);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
    abort();
}

/* Does the expression end in fatal()? */
#define IS_FATAL(expr)                                                                             \
    (fatal_expected = true, setjmp(on_fatal) == 0 ? ((void)(expr), fatal_expected = false, false)  \
                                                  : (fatal_expected = false, true))

static struct memmap map;

/* ---- The model: one byte for each unit of a small address space ---- */

#define CELLS (64u << 10)
static uint8_t cells[CELLS]; /* bit 0: RAM, bit 1: something else */

/* Mark the range as [memmap.1] reads it. unit: bytes of a cell; every bound is a multiple of it. */
static void model_mark(const struct boot_range *r, bool keep, uint64_t unit, uint64_t limit)
{
    bool ram = !keep && r->type == BOOT_MEM_RAM;
    __uint128_t end = (__uint128_t)r->base + r->bytes;

    if (end > (__uint128_t)1 << 64) {
        if (ram)
            return;
        end = (__uint128_t)1 << 64;
    }
    for (uint64_t a = r->base; a < limit && a < end; a += unit)
        cells[a / unit] |= ram ? 1 : 2;
}

/* Compare every page, and the shape of the list. */
static void check_map(const struct boot_range *raw, size_t n_raw, const struct boot_range *keep,
                      size_t n_keep, uint64_t unit)
{
    uint64_t limit = CELLS * unit, bytes = 0, got;
    uint64_t per_page = MEMMAP_PAGE_BYTES / unit;
    size_t at = 0;

    memset(cells, 0, sizeof(cells));
    for (size_t i = 0; i < n_raw; i++)
        model_mark(&raw[i], false, unit, limit);
    for (size_t i = 0; i < n_keep; i++)
        model_mark(&keep[i], true, unit, limit);

    got = memmap_build(&map, raw, n_raw, keep, n_keep, limit);
    memmap_verify(&map);
    for (uint64_t page = 0; page < CELLS / per_page; page++) {
        uint64_t addr = page * MEMMAP_PAGE_BYTES;
        bool usable = true, in_map;

        for (uint64_t c = page * per_page; c < (page + 1) * per_page; c++)
            usable &= cells[c] == 1;
        while (at < map.n && map.ranges[at].end <= addr)
            at++;
        in_map = at < map.n && map.ranges[at].base <= addr;
        CHECK(in_map == usable, "page %#lx", addr);
        bytes += usable ? MEMMAP_PAGE_BYTES : 0;
    }
    CHECK(got == bytes && memmap_bytes(&map) == bytes, "%#lx, not %#lx", got, bytes);
}

/* A range on the grid; sometimes empty, wrapping, or beyond. */
static struct boot_range random_range(uint64_t unit)
{
    struct boot_range r;
    uint64_t top = CELLS * unit;

    r.base = fuzz_below(CELLS) * unit;
    r.bytes = fuzz_below(fuzz_below(4) ? CELLS / 8 : CELLS) * unit;
    if (fuzz_below(3) == 0) { /* on page bounds, so that ranges meet */
        r.base &= ~(uint64_t)(MEMMAP_PAGE_BYTES - 1);
        r.bytes &= ~(uint64_t)(MEMMAP_PAGE_BYTES - 1);
    }
    r.type = (enum boot_mem)(fuzz_below(2) ? 1 : fuzz_below(8));
    switch (fuzz_below(24)) {
    case 0:
        r.bytes = 0;
        break;
    case 1:
        r.bytes = 0 - r.base; /* ends exactly at 2^64 */
        break;
    case 2:
        r.bytes = 0 - r.base + unit * (1 + fuzz_below(9));
        break;
    case 3:
        r.bytes = 0 - unit;
        break;
    case 4:
        r.base = top - unit * fuzz_below(5);
        break;
    case 5:
        r.base = 0 - unit * (1 + fuzz_below(5));
        break;
    case 6:
        r.base = top + unit * fuzz_below(100);
        break;
    }
    return r;
}

#ifdef LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct boot_range raw[BOOT_RANGES_MAX], keep[MEMMAP_KEEP_MAX];
    size_t n_raw = 0, n_keep = 0;

    /* Five bytes a range: type and flags, base, bytes; the top nibbles choose what is odd. */
    for (; size >= 5 && n_raw < BOOT_RANGES_MAX; data += 5, size -= 5) {
        struct boot_range r = {(data[1] | data[2] << 8) * 512ull, (data[3] | data[4] << 8) * 512ull,
                               (enum boot_mem)(data[0] & 7)};

        if (data[0] & 0x80)
            r.base |= 0xffffull << 48;
        if (data[0] & 0x40)
            r.bytes |= 0xffffull << 48;
        if ((data[0] & 0x20) != 0 && n_keep < MEMMAP_KEEP_MAX)
            keep[n_keep++] = r;
        else
            raw[n_raw++] = r;
    }
    check_map(raw, n_raw, keep, n_keep, 512);
    return 0;
}
#else

#define RAM BOOT_MEM_RAM
#define RES BOOT_MEM_RESERVED
#define GIB ((uint64_t)1 << 30)
#define LIMIT ((uint64_t)1 << 46)

static uint64_t build(const struct boot_range *raw, size_t n)
{
    complaints_clear();
    return memmap_build(&map, raw, n, NULL, 0, LIMIT);
}
#define BUILD(...)                                                                                 \
    build((const struct boot_range[]){__VA_ARGS__},                                                \
          sizeof((const struct boot_range[]){__VA_ARGS__}) / sizeof(struct boot_range))

static void expect_ranges(size_t n, const struct mem_range *want)
{
    CHECK(map.n == n, "%zu ranges, not %zu", map.n, n);
    for (size_t i = 0; i < n && i < map.n; i++)
        CHECK(map.ranges[i].base == want[i].base && map.ranges[i].end == want[i].end,
              "range %zu is %#lx to %#lx", i, map.ranges[i].base, map.ranges[i].end);
}
#define EXPECT_RANGES(...)                                                                         \
    expect_ranges(sizeof((const struct mem_range[]){__VA_ARGS__}) / sizeof(struct mem_range),      \
                  (const struct mem_range[]){__VA_ARGS__})

static void test_by_hand(void)
{
    fuzz_group("memmap: a map as QEMU's q35 gives it, with 6 GiB");
    BUILD({0, 0x9fc00, RAM}, {0x9fc00, 0x400, RES}, {0xf0000, 0x10000, RES},
          {0x100000, 0x7fedf000, RAM}, {0x7ffdf000, 0x21000, RES}, {0xb0000000, 0x10000000, RES},
          {0xfffc0000, 0x40000, RES}, {0x100000000, 0x100000000, RAM},
          {0xfd00000000, 0x300000000, RES});
    CHECK(complaints == 0, "%s", complaint_last);
    EXPECT_RANGES({0, 0x9f000}, {0x100000, 0x7ffdf000}, {0x100000000, 0x200000000});
    CHECK(memmap_take_low(&map, 4096) == 0x9e000, "low page");
    EXPECT_RANGES({0x100000, 0x7ffdf000}, {0x100000000, 0x200000000});
    CHECK(memmap_has(&map, 0x100000, 0x200000) && !memmap_has(&map, 0x9e000, 0x9f000), "has");

    fuzz_group("memmap: each kind of oddity is named, and harms nothing");
    BUILD({2 * GIB, GIB, RAM}, {0, GIB, RAM}); /* unsorted is no fault */
    CHECK(complaints == 0, "%s", complaint_last);
    EXPECT_RANGES({0, GIB}, {2 * GIB, 3 * GIB});
    BUILD({0, GIB, RAM}, {GIB, GIB, RAM});
    EXPECT_RANGES({0, 2 * GIB});
    BUILD({0, 0x1800, RAM}, {0x1800, 0x1800, RAM}); /* they share a page */
    EXPECT_RANGES({0, 0x3000});
    BUILD({0, GIB, RAM}, {0x10800, 0x10, RES});
    CHECK_COMPLAINTS(1, "memory map is bad: ranges overlap one before: 1, first entry 1: "
                        "0x10800, 0x10 bytes, type 2");
    EXPECT_RANGES({0, 0x10000}, {0x11000, GIB});
    BUILD({0x10800, 0x10, RES}, {0, GIB, RAM});
    CHECK_COMPLAINTS(1, "overlap");
    EXPECT_RANGES({0, 0x10000}, {0x11000, GIB});
    BUILD({0, GIB, RAM}, {0x1000, GIB, RAM});
    CHECK_COMPLAINTS(1, "overlap");
    EXPECT_RANGES({0, GIB + 0x1000});
    BUILD({0, GIB, RES}, {0x1000, GIB / 2, RES}, {GIB, GIB, RAM}); /* of no consequence */
    CHECK(complaints == 0, "%s", complaint_last);
    BUILD({0x5000, 0, RAM}, {0x6000, 0, RES}, {0, GIB, RAM});
    CHECK_COMPLAINTS(1, "ranges are empty: 2, first entry 0");
    EXPECT_RANGES({0, GIB});
    BUILD({0, GIB, RAM}, {0x200000, ~0ull, RAM});
    CHECK_COMPLAINTS(1, "ranges wrap");
    EXPECT_RANGES({0, GIB});
    BUILD({0, GIB, RAM}, {0x200000, ~0ull, RES});
    CHECK(complaints == 2, "wraps and overlaps: %u", complaints);
    EXPECT_RANGES({0, 0x200000});
    BUILD({0, GIB, RAM}, {LIMIT - 0x1000, 0x2000, RAM}, {LIMIT + GIB, GIB, RAM});
    CHECK_COMPLAINTS(1, "RAM above what can be addressed: 2");
    EXPECT_RANGES({0, GIB}, {LIMIT - 0x1000, LIMIT});
    BUILD({~0ull - 0xfff, 0x1000, RAM}, {0, GIB, RAM}); /* ends at 2^64: does not wrap */
    CHECK_COMPLAINTS(1, "RAM above what can be addressed: 1");
    BUILD({0x1001, 0x1ffe, RAM});
    CHECK(map.n == 0 && memmap_bytes(&map) == 0, "less than a page");
    BUILD({0, GIB, 0}, {0, GIB, 77});
    CHECK(map.n == 0, "unknown types are not RAM");
    CHECK(memmap_build(&map, NULL, 0, NULL, 0, LIMIT) == 0 && map.n == 0, "no map");
}

static void test_low(void)
{
    fuzz_group("memmap: the first MiB gives a run for starting cores, and nothing else");
    BUILD({0, 16 * MIB, RAM}); /* no hole at 640 KiB: a map that lies */
    CHECK(memmap_take_low(&map, 0x2000) == 0x9e000, "top of low RAM");
    EXPECT_RANGES({MIB, 16 * MIB});
    BUILD({0, 0x1000, RAM}, {MIB, MIB, RAM});
    CHECK(memmap_take_low(&map, 1) == 0, "page 0 is never given");
    BUILD({0, 0x2000, RAM}, {MIB, MIB, RAM});
    CHECK(memmap_take_low(&map, 1) == 0x1000, "page 1 is");
    BUILD({0, 0x3000, RAM}, {0x3000, 0x1000, RES}, {0x4000, 0x1000, RAM});
    CHECK(memmap_take_low(&map, 0x2000) == 0x1000 && map.n == 0, "the only run of two");
}

static void test_random(void)
{
    static struct boot_range raw[BOOT_RANGES_MAX], keep[MEMMAP_KEEP_MAX];
    double end = fuzz_now() + fuzz.seconds;
    unsigned rounds = 0;

    fuzz_group("memmap: random maps equal the model on every page [memmap.1] [memmap.2]");
    while (fuzz_now() < end) {
        uint64_t unit = (uint64_t[]){1, 16, 512, 4096}[fuzz_below(4)];
        size_t n_raw = fuzz_below(fuzz_below(20) ? 12 : BOOT_RANGES_MAX + 1);
        size_t n_keep = fuzz_below(fuzz_below(10) ? 4 : MEMMAP_KEEP_MAX + 1);

        for (size_t i = 0; i < n_raw; i++)
            raw[i] = random_range(unit);
        for (size_t i = 0; i < n_keep; i++)
            keep[i] = random_range(unit);
        check_map(raw, n_raw, keep, n_keep, unit);
        rounds++;
    }
    printf("    %u maps\n", rounds);

    /* The most ranges that there can be: [memmap.3] at its bound. */
    for (size_t i = 0; i < BOOT_RANGES_MAX; i++)
        raw[i] = (struct boot_range){i * 0x4000, 0x3000, RAM};
    for (size_t i = 0; i < MEMMAP_KEEP_MAX; i++)
        keep[i] = (struct boot_range){i * 0x4000 + 0x1000, 0x1000, RES};
    memmap_build(&map, raw, BOOT_RANGES_MAX, keep, MEMMAP_KEEP_MAX, LIMIT);
    memmap_verify(&map);
    CHECK(map.n == MEMMAP_RANGES_MAX, "%zu", map.n);
    complaints_clear();
    memmap_remove(&map, 0x4000 * 200 + 0x1000, 0x4000 * 200 + 0x2000);
    memmap_verify(&map);
    CHECK_COMPLAINTS(1, "0x1000 bytes are lost");
    memmap_remove(&map, 0, ~0ull);
    CHECK(map.n == 0, "all gone");
}

static void test_remove(void)
{
    uint8_t page[256];

    fuzz_group("memmap: taking ranges away equals the model");
    for (int round = 0; round < 3000; round++) {
        memset(page, 0, sizeof(page));
        memset(page + 10, 1, 90);
        memset(page + 120, 1, 100);
        BUILD({10 * 4096, 90 * 4096, RAM}, {120 * 4096, 100 * 4096, RAM});
        for (int n = 0; n < 12; n++) {
            uint64_t base = fuzz_below(256 * 4096), end = base + fuzz_below(20 * 4096);

            memmap_remove(&map, base, end);
            for (uint64_t p = base / 4096; base != end && p <= (end - 1) / 4096 && p < 256; p++)
                page[p] = 0;
            memmap_verify(&map);
            for (uint64_t p = 0; p < 256; p++)
                CHECK(memmap_has(&map, p * 4096, p * 4096 + 4096) == page[p], "page %lu", p);
        }
    }
}

/* ---- bootmem ---- */

#define ARENA_PAGES 600
static uint8_t *arena; /* stands for physical memory from 0 */

static void *arena_virt(uint64_t paddr)
{
    return arena + paddr;
}

static void test_bootmem(void)
{
    static uint8_t owner[ARENA_PAGES]; /* 0 no RAM, 1 left, 2 given out */
    static struct bootmem b;
    unsigned refused = 0;

    fuzz_group("bootmem: pages are given once, zeroed, aligned; the rest is left [bootmem.1]");
    arena = malloc(ARENA_PAGES * 4096);
    for (int round = 0; round < 400; round++) {
        uint64_t used = 0, total;

        memset(arena, 0xa5, ARENA_PAGES * 4096);
        memset(owner, 0, sizeof(owner));
        total =
            BUILD({0, 150 * 4096, RAM}, {50 * 4096, 3 * 4096, RES}, {200 * 4096, 400 * 4096, RAM});
        for (uint64_t p = 0; p < ARENA_PAGES; p++)
            owner[p] = memmap_has(&map, p * 4096, p * 4096 + 4096);
        bootmem_init(&b, &map, arena_virt);
        for (int n = 0; n < 60; n++) {
            uint64_t bytes = 1 + fuzz_below(fuzz_below(8) ? 3 * 4096 : 200 * 4096);
            uint64_t align = 4096ull << (fuzz_below(4) ? 0 : fuzz_below(8));
            uint64_t limit = fuzz_below(3) ? UINT64_MAX : fuzz_below(ARENA_PAGES * 4096);
            uint64_t got = bootmem_alloc(&b, bytes, align, limit);
            uint64_t pages = (bytes + 4095) / 4096;

            memmap_verify(&b.left);
            if (got == 0) { /* then the model must find no room either */
                refused++;
                for (uint64_t p = align / 4096; p + pages <= ARENA_PAGES; p += align / 4096) {
                    uint64_t k = 0;

                    while (k < pages && owner[p + k] == 1)
                        k++;
                    CHECK(k < pages || (p + pages) * 4096 > limit, "refused, but page %lu is free",
                          p);
                }
                continue;
            }
            CHECK(got % align == 0 && got + pages * 4096 <= limit, "%#lx", got);
            for (uint64_t p = got / 4096; p < got / 4096 + pages; p++) {
                CHECK(owner[p] == 1, "page %lu", p);
                owner[p] = 2;
                for (unsigned k = 0; k < 4096; k += 97) /* [bootmem.2] */
                    CHECK(arena[p * 4096 + k] == 0 && arena[p * 4096 + 4095] == 0, "not zeroed");
            }
            memset(arena + got, 0x5a, pages * 4096);
            used += pages * 4096;
        }
        CHECK(b.used_bytes == used && memmap_bytes(&b.left) == total - used, "sums");
        for (uint64_t p = 0; p < ARENA_PAGES; p++)
            CHECK(memmap_has(&b.left, p * 4096, p * 4096 + 4096) == (owner[p] == 1), "left %lu", p);
        CHECK(bootmem_close(&b) == &b.left, "close");
    }
    CHECK(refused > 100, "only %u refusals were tried", refused);
    CHECK(IS_FATAL(bootmem_alloc(&b, 1, 4096, UINT64_MAX)), "after the end");
    CHECK(IS_FATAL(bootmem_close(&b)), "closed twice");
    bootmem_init(&b, &map, arena_virt);
    CHECK(IS_FATAL(bootmem_alloc(&b, 0, 4096, UINT64_MAX)), "no bytes");
    CHECK(IS_FATAL(bootmem_alloc(&b, 1, 4096 * 3, UINT64_MAX)), "align");
    CHECK(bootmem_alloc(&b, UINT64_MAX - 4096, 1ull << 63, UINT64_MAX) == 0, "absurd");
    /* Rounding up goes round the end of the address space: refused, not taken from elsewhere. */
    b.left = (struct memmap){1, {{0xc000000000000000, 0xc000000000001000}}};
    CHECK(bootmem_alloc(&b, 1, 1ull << 63, UINT64_MAX) == 0, "aligned round the end");
    map.ranges[0].end = map.ranges[1].base;
    CHECK(IS_FATAL(bootmem_init(&b, &map, arena_virt)), "a broken map");
    free(arena);
}

int main(void)
{
    fuzz_begin();
    test_by_hand();
    test_low();
    test_random();
    test_remove();
    test_bootmem();
    return fuzz_end();
}
#endif
