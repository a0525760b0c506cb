/*
 * mm/bootmem.h - early, one-way memory: before there is a page allocator.
 *
 * For page tables and for the page allocator's own books. Whole pages of usable RAM, zeroed, by
 * physical address; nothing is ever given back. When the page allocator starts it takes what is
 * left. Boot cpu only, no lock. Usable by the machine layer before the direct map exists, if
 * `limit` says how far memory can be reached yet.
 */
#pragma once

#include <mm/memmap.h>

struct bootmem {
    struct memmap left;               /* what was not given out */
    void *(*to_virt)(uint64_t paddr); /* how a page that is given out is reached for zeroing */
    uint64_t used_bytes;
    bool closed; /* the page allocator has taken over */
};

/* The machine's own. */
extern struct bootmem bootmem;

/*
 * Begin with the ranges of *map, which is copied. to_virt gives the address at which the pages of
 * an allocation are mapped, one after another; it may be changed later (b->to_virt) when mappings
 * change.
 */
void bootmem_init(struct bootmem *b, const struct memmap *map, void *(*to_virt)(uint64_t paddr));

/*
 * bytes  rounded up to pages; not 0
 * align  of the address: a power of two, at least a page
 * limit  the run ends at or below it; UINT64_MAX if anywhere
 * Returns the lowest run that fits, zeroed; 0 if there is none. A call after bootmem_close() is
 * fatal.
 */
uint64_t bootmem_alloc(struct bootmem *b, uint64_t bytes, uint64_t align, uint64_t limit);

/* End of the early days: returns the ranges that are the page allocator's from now on. Once. */
const struct memmap *bootmem_close(struct bootmem *b);
