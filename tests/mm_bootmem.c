/*
 * tests/mm_bootmem.c - the memory map and the early allocator in the running image.
 *
 * The host test (tests/host/mm_memmap.c) compares random maps with a model. Here: the same code as
 * the image's compiler made it, on pretended memory, and the books of this very boot.
 */
#include <tests/test.h>

#include <lib/string.h>
#include <mm/bootmem.h>

#define PAGE MEMMAP_PAGE_BYTES
#define N_PAGES 16u

static struct memmap map;
static struct bootmem mem;
static uint8_t pages[N_PAGES * PAGE]; /* pretended memory, from address PAGE on */

static void *pages_virt(uint64_t paddr)
{
    return pages + (paddr - PAGE);
}

/* Non-RAM wins, neighbours join, edges are rounded inwards [memmap.1] [memmap.2]. */
TEST(memmap, ranges_come_out_sorted_and_apart)
{
    static const struct boot_range raw[] = {
        {0x40000, 0x10000, BOOT_MEM_RAM},
        {0x10000, 0x10800, BOOT_MEM_RAM},
        {0x20800, 0x0f800, BOOT_MEM_RAM}, /* shares a page with the one before */
    };
    static const struct boot_range keep[] = {{0x42010, 1, BOOT_MEM_RESERVED},
                                             {0, 0x10001, BOOT_MEM_RESERVED}};

    EXPECT_EQ(t, memmap_build(&map, raw, 3, keep, 2, UINT64_C(1) << 40), 0x2e000u);
    memmap_verify(&map);
    REQUIRE(t, map.n == 3);
    EXPECT_EQ(t, map.ranges[0].base, 0x11000u);
    EXPECT_EQ(t, map.ranges[0].end, 0x30000u);
    EXPECT_EQ(t, map.ranges[1].end, 0x42000u);
    EXPECT_EQ(t, map.ranges[2].base, 0x43000u);
    EXPECT_EQ(t, memmap_take_low(&map, 2 * PAGE), 0x4e000u);
    EXPECT_EQ(t, map.n, 0u);
}

/* Each page is left or was given once, and comes zeroed [bootmem.1] [bootmem.2]. */
TEST(bootmem, random_requests_until_empty)
{
    static uint8_t given[N_PAGES];
    unsigned n_given = 0;

    memset(given, 0, sizeof(given));
    memset(pages, 0xa5, sizeof(pages));
    map.n = 1;
    map.ranges[0] = (struct mem_range){PAGE, PAGE + sizeof(pages)};
    bootmem_init(&mem, &map, pages_virt);
    while (memmap_bytes(&mem.left) != 0) {
        unsigned n = 1 + rng_below(&t->rng, 3);
        uint64_t align = (uint64_t)PAGE << rng_below(&t->rng, 3);
        uint64_t at = bootmem_alloc(&mem, n * PAGE - rng_below(&t->rng, PAGE), align, UINT64_MAX);

        memmap_verify(&mem.left);
        if (at == 0) {
            at = bootmem_alloc(&mem, PAGE, PAGE, UINT64_MAX); /* there is a page left */
            align = PAGE;
            n = 1;
        }
        REQUIRE(t, at % align == 0 && at >= PAGE && at + n * PAGE <= PAGE + sizeof(pages));
        for (unsigned i = 0; i < n; i++) {
            uint64_t page = (at - PAGE) / PAGE + i;

            EXPECT_EQ(t, given[page]++, 0);
            for (unsigned k = 0; k < PAGE; k += 61)
                EXPECT_EQ(t, pages[page * PAGE + k], 0);
        }
        memset(pages_virt(at), 0x5a, n * PAGE);
        n_given += n;
    }
    EXPECT_EQ(t, n_given, N_PAGES);
    EXPECT_EQ(t, mem.used_bytes, sizeof(pages));
    EXPECT_EQ(t, bootmem_alloc(&mem, 1, PAGE, UINT64_MAX), 0u);
}

/* This boot: the page allocator has taken over, and what it took is in order. */
TEST(bootmem, this_boot)
{
    EXPECT(t, bootmem.closed);
    EXPECT_GE(t, bootmem.used_bytes, PAGE);
    memmap_verify(&bootmem.left);
    EXPECT_GE(t, memmap_bytes(&bootmem.left), 1u << 20);
    EXPECT(t, !memmap_has(&bootmem.left, 0, PAGE));
    test_note(t, "%zu ranges, %llu KiB left, %llu KiB used early", bootmem.left.n,
              (unsigned long long)memmap_bytes(&bootmem.left) >> 10,
              (unsigned long long)bootmem.used_bytes >> 10);
}

TEST_DIES(bootmem, a_call_after_the_end_is_fatal, 2, "assertion failed: !b->closed")
{
    bootmem_alloc(&bootmem, PAGE, PAGE, UINT64_MAX);
}
