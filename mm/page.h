/*
 * mm/page.h - the page allocator: runs of 4 KiB pages of RAM.
 *
 * Pages are named by their address in the direct map. A run has any length and any power of two as
 * its alignment, and an owner may give back any part of it. First fit by address: runs are placed
 * low, so the high end of memory stays whole. One page comes from this cpu's cache in some twenty
 * instructions and without the lock (mm/pcache.h); everything else takes the lock (rank PAGE) for
 * O(log RAM) steps.
 *
 * Context: goroutines, schedulers, boot; spin locks of lower rank may be held. Never an interrupt
 * handler [arch.2]. Nothing here waits for memory or calls upwards: out of memory is NULL, and what
 * to do about it is the collector's business.
 *
 * Wrong frees end in fatal(), in every build: "page: double free of 0x...", "page: misaligned free
 * of ...", "page: wild free of ..." (no RAM there), "page: free of reserved page ..." (RAM, but
 * never handed out: the image, page tables, firmware), "page: free of no pages at ...".
 */
#pragma once

#include <arch/arch.h>
#include <mm/memmap.h>

#define PAGE_BYTES 4096u
#define PAGE_SHIFT 12

_Static_assert(PAGE_BYTES == ARCH_PAGE_BYTES && PAGE_BYTES == MEMMAP_PAGE_BYTES, "one page size");

enum page_flags {
    PAGE_ZERO = 1, /* every byte is 0; costs nothing for pages known to be zero already */
};

struct bootmem;

/*
 * Take over all that bootmem has left; the allocator's own books are bootmem's last allocation.
 * Once, on the boot cpu, when the direct map is up and bootmem's to_virt is phys_to_virt. fatal()
 * if there is no memory for the books.
 */
void page_init_boot(struct bootmem *b);

/*
 * The same, step by step: how many bytes the books for these ranges need (or for any subset that
 * has at most one range more), and the start itself.
 * ranges  sorted, page-aligned, apart (struct memmap); copied
 * meta    page_meta_bytes(ranges, n) or more, all zero, aligned to 64, outside the ranges; kept for
 *         ever
 * More than 16 TiB of RAM are not used: the highest are left out.
 */
size_t page_meta_bytes(const struct mem_range *ranges, size_t n);
void page_init(const struct mem_range *ranges, size_t n, void *meta, size_t meta_bytes);

/*
 * Hand in reserved pages that nobody needs any more (firmware tables that were read, code of the
 * start). [base, base + bytes) is page-aligned. Pages outside the 2 MiB chunks that page_init()
 * knew are not taken. Returns how many pages were; it is fatal if one of them is the allocator's
 * already.
 */
size_t page_give(paddr_t base, uint64_t bytes);

/* No page that was or will be allocated lies at or above this address. After page_init(). */
paddr_t page_ram_top(void);

/*
 * Allocate n_pages (not 0) that follow each other; the first one's address is a multiple of
 * align_pages pages (a power of two; 1 for any). flags: enum page_flags; without PAGE_ZERO the
 * content is anything. Returns NULL if there is no such run, and only then: caches of other cpus
 * are emptied first. Runs of up to PCACHE_RUN_MAX pages are tried from this cpu's cache without the
 * lock. Zeroing happens after the lock, with preemption as the caller has it.
 */
RT_MUST_USE void *page_alloc(size_t n_pages, size_t align_pages, unsigned flags);

/* Give back n_pages (not 0) from `run` on: any part of what was allocated, in any pieces. */
void page_free(void *run, size_t n_pages);

/* One page, from this cpu's cache; inline below (mm/pcache.h). */
static inline void *page_alloc_one(unsigned flags) RT_MUST_USE;
static inline void page_free_one(void *page);

/*
 * For an idle cpu: zero some free pages ahead, at most PAGE_ZERO_STEP a call (some 4,096 stores,
 * preemption off; but whoever asks for the cpu waits for one page, not for all). Returns whether it
 * is worth calling again; if not (the PAGE_ZERO_AHEAD lowest free pages are zero, or another cpu is
 * at it) the cpu may halt. Costs two loads when there is nothing to do. A page that is being zeroed
 * is as allocatable as any: whoever finds nothing else waits for it.
 */
#define PAGE_ZERO_STEP 8u
#define PAGE_ZERO_AHEAD 4096u
bool page_zero_idle(void);

struct page_stats {
    uint64_t total_pages;      /* all that the allocator owns */
    uint64_t free_pages;       /* of those, not allocated; includes: */
    uint64_t cached_pages;     /* ... free pages that lie in a cpu's cache */
    uint64_t largest_free_run; /* pages, outside the caches */
    uint64_t refills;          /* times a cpu took a block of 64 pages into its cache */
    uint64_t drains;           /* times all caches were emptied because memory was short */
    uint64_t failures;         /* requests that got NULL (those asked for by page_fail_at() too) */
    uint64_t zeroed_ahead;     /* pages zeroed by page_zero_idle() */
};

/* A consistent picture: takes the lock and each cache's token, O(cpus). */
void page_get_stats(struct page_stats *stats);

/*
 * Pages of the largest free run outside the caches (pcache_flush_all() empties these). One load:
 * any context, a report of fatal() included; it may be outdated when it is read.
 */
uint64_t page_largest_free_run(void);

/*
 * Walk everything under the lock and stop in fatal() at the first thing that is wrong: each summary
 * is that of its bits [page.3], counters agree with bits, free pages are RAM, caches are disjoint
 * from the bitmap and from each other [page.1] [page.2], free + used is the total. O(RAM): for
 * tests and stress builds.
 */
void page_verify(void);

/*
 * For tests of running out of memory: the k-th request from now on (1: the next; a run counts once)
 * fails, and only that one. 0 takes it back. While armed, every request takes the lock: caches stay
 * empty.
 */
void page_fail_at(uint64_t k);

#include <mm/pcache.h>
