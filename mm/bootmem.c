/*
 * mm/bootmem.c - early, one-way memory: before there is a page allocator.
 *
 * WHAT. First fit from the lowest address, cut out of a copy of the memory map. What alignment
 * skips stays in the map, so nothing is lost but what was asked for.
 *
 * INVARIANTS
 * [bootmem.1] Every page of the map given to bootmem_init() is either left or was given out, once.
 * [bootmem.2] A page is zeroed when it is given out: loaders and firmware leave their things
 * behind.
 */
#include <mm/bootmem.h>

#include <lib/assert.h>
#include <lib/bits.h>
#include <string.h>

struct bootmem bootmem;

void bootmem_init(struct bootmem *b, const struct memmap *map, void *(*to_virt)(uint64_t paddr))
{
    memmap_verify(map);
    b->left = *map;
    b->to_virt = to_virt;
    b->used_bytes = 0;
    b->closed = false;
}

uint64_t bootmem_alloc(struct bootmem *b, uint64_t bytes, uint64_t align, uint64_t limit)
{
    ASSERT(!b->closed);
    ASSERT(bytes != 0 && bytes <= UINT64_MAX - MEMMAP_PAGE_BYTES);
    ASSERT(is_pow2(align) && align >= MEMMAP_PAGE_BYTES);

    bytes = align_up(bytes, MEMMAP_PAGE_BYTES);
    for (size_t i = 0; i < b->left.n; i++) {
        struct mem_range range = b->left.ranges[i];
        uint64_t base = align_up(range.base, align);
        uint64_t end = range.end < limit ? range.end : limit;

        if (base == 0)
            base = align; /* 0 means none, or that align_up() wrapped */
        if (base < range.base || base >= end || end - base < bytes)
            continue;
        memmap_remove(&b->left, base, base + bytes);
        b->used_bytes += bytes;
        memset(b->to_virt(base), 0, bytes);
        return base;
    }
    return 0;
}

const struct memmap *bootmem_close(struct bootmem *b)
{
    ASSERT(!b->closed);
    b->closed = true;
    return &b->left;
}
