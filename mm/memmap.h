/*
 * mm/memmap.h - from what the firmware says about memory to what may be used.
 *
 * A struct memmap is a sorted list of page-aligned ranges that neither touch nor overlap. Plain C
 * with no lock: the boot cpu makes it once, and whoever holds one owns it.
 */
#pragma once

#include <arch/bootinfo.h>

#define MEMMAP_PAGE_BYTES 4096u
#define MEMMAP_KEEP_MAX (BOOT_KEEP_MAX + 16) /* what the loader keeps, the image and a few more */
#define MEMMAP_RANGES_MAX (BOOT_RANGES_MAX + MEMMAP_KEEP_MAX)

struct mem_range {
    uint64_t base, end; /* [base, end): multiples of MEMMAP_PAGE_BYTES, base < end */
};

struct memmap {
    size_t n;
    struct mem_range ranges[MEMMAP_RANGES_MAX];
};

/*
 * Make *map the pages that lie wholly in RAM and not, even in part, in anything else.
 *
 * raw    ranges as the firmware gave them, in any order and state. Any type but BOOT_MEM_RAM takes
 *        memory away, and where two ranges disagree it wins.
 * keep   more ranges to take away (image, modules, start info, ...); their type does not matter.
 *        n_keep is at most MEMMAP_KEEP_MAX.
 * limit  addresses from here on can't be used (the machine's physical address width, the size of
 *        the direct map); a multiple of the page size, not 0.
 *
 * Oddities in `raw` are named by boot_complain(), one line for each kind: ranges that are empty,
 * wrap (RAM is then ignored; anything else reaches to the end), lie above the limit, or overlap
 * RAM. Returns the number of usable bytes; 0 means that this machine can't run.
 */
uint64_t memmap_build(struct memmap *map, const struct boot_range *raw, size_t n_raw,
                      const struct boot_range *keep, size_t n_keep, uint64_t limit);

/*
 * Take [base, end), rounded outwards to pages, out of the map. If that would cut a range in two and
 * there is no room for one more, the smaller half is lost, with a complaint.
 */
void memmap_remove(struct memmap *map, uint64_t base, uint64_t end);

/*
 * The first MiB is the firmware's playground and is not given to anybody, but for a run of `bytes`
 * in which other cores start: takes the highest one below 640 KiB, and then all of the first MiB,
 * out of the map. Returns its address, a multiple of the page size and never 0; 0 if there is none.
 */
uint64_t memmap_take_low(struct memmap *map, uint64_t bytes);

/* Bytes in all ranges. */
uint64_t memmap_bytes(const struct memmap *map);

/* Is every page of [base, end) in the map? */
bool memmap_has(const struct memmap *map, uint64_t base, uint64_t end);

/* Stops unless the ranges are sorted, aligned, not empty, and apart. */
void memmap_verify(const struct memmap *map);
