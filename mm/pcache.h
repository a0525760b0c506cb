/*
 * mm/pcache.h - each cpu's cache of free pages: one block of 64 pages and a 64-bit word.
 *
 * A cpu claims a block (64 pages, aligned to 64) of the bitmap: all its free pages move into the
 * cpu's `free` word, one bit a page. Then allocating a page is: find the lowest bit, clear it;
 * freeing one of this block is: set its bit, which must have been clear. Pages of other blocks are
 * freed in the bitmap.
 *
 * [pcache.1] The token. Whoever swaps a cpu's `token` for 0 and gets the block's address is alone
 *            with that cache until it stores the address back. A 0 means: closed, or somebody is
 *            inside. The cpu itself never waits for its token: if it gets 0 it goes to the slow
 *            path, behind the page lock. Others wait for it, holding the page lock; the holder has
 *            preemption off and is out again after a few instructions, without taking anything
 *            else.
 * [pcache.2] A block is claimed by at most one cpu, and while it is, its word in the bitmap is 0: a
 *            page is free in exactly one place, so that one bit tells every double free.
 * [pcache.3] Only blocks that are all RAM are claimed. So what the fast path frees may be freed, if
 *            its bit was clear.
 * [pcache.4] `zero` is right for pages that are free; for others it is anything.
 *
 * Claims change under the page lock only (mm/pcache.c).
 * ORDERING. Swapping the token out acquires, storing it back releases; they are each other's
 * partners.
 * REJECTED. Compare-and-swap on the free word alone: a block that is taken away between the look at
 * its address and the swap makes a double free invisible, and an exhausted word (0) can't be told
 * from a closed one, so the 64th page would always take the lock. Interrupts off instead of a
 * token: no other cpu could empty the cache without an IPI, and the last page could not be found
 * while that cpu is halted.
 */
#pragma once

#include <lib/atomic.h>
#include <lib/bits.h>
#include <lib/preempt.h>
#include <lib/spinlock.h>
#include <mm/page.h>

#define PCACHE_PAGES 64u   /* a block */
#define PCACHE_RUN_MAX 16u /* pages of a run that is tried from the cache */

/* t whoever has the token [pcache.1]   p under the page lock */
struct pcache {
    uintptr_t token; /* [a] address of the block, or 0 */
    uint64_t free;   /* [t] pages of the block that are free */
    uint64_t zero;   /* [t] of those, pages known to be all zero [pcache.4] */
    uintptr_t block; /* [p] address of the claimed one; 0: closed, and then token and free are 0 */
};

DECLARE_PERCPU(struct pcache, pcache);

/*
 * The page number of a byte offset; a huge number if it is not a multiple of a page, as the rest
 * comes out on top. pcache_unrotate() gives the offset back.
 */
static inline uint64_t pcache_rotate(uint64_t offset)
{
    return offset >> PAGE_SHIFT | offset << (64 - PAGE_SHIFT);
}

static inline uint64_t pcache_unrotate(uint64_t number)
{
    return number << PAGE_SHIFT | number >> (64 - PAGE_SHIFT);
}

/*
 * Where the fast paths go on when they can't, with preemption off and with the token, unless it is
 * 0. Nothing was taken yet. rotated: pcache_rotate(page - token). dirty: the lowest page is not
 * known to be zero.
 */
RT_NOINLINE void *page_alloc_one_slow(uintptr_t token, unsigned flags);
RT_NOINLINE void *page_alloc_one_dirty(uintptr_t token);
RT_NOINLINE void page_free_one_slow(uintptr_t token, uint64_t rotated);

/* Give all cached pages of all cpus back to the bitmap. Takes the page lock. */
void pcache_flush_all(void);

void page_clear(void *page); /* zero one page */

#ifdef RT_DEBUG
void page_debug_alloc(void *run, size_t n_pages, unsigned flags); /* checks poison and zeros */
void page_debug_free(void *run, size_t n_pages);                  /* poisons */
#else
#define page_debug_alloc(run, n_pages, flags) ((void)0)
#define page_debug_free(run, n_pages) ((void)0)
#endif

/* One page, or NULL if there is none. flags: enum page_flags; best a constant. */
static inline void *page_alloc_one(unsigned flags)
{
    preempt_off();
    uintptr_t token = this_cpu_swap(pcache.token, 0);
    if (RT_UNLIKELY(token == 0))
        return page_alloc_one_slow(0, flags);

    uint64_t free = this_cpu(pcache).free;
    if (RT_UNLIKELY(free == 0))
        return page_alloc_one_slow(token, flags);

    unsigned bit = bit_lowest(free);
    if ((flags & PAGE_ZERO) != 0 && RT_UNLIKELY((this_cpu(pcache).zero >> bit & 1) == 0))
        return page_alloc_one_dirty(token);
    this_cpu(pcache).free = free & ~(UINT64_C(1) << bit);
    this_cpu_store_release(pcache.token, token);
    preempt_on();

    void *page = (void *)(token + (bit << PAGE_SHIFT));
    page_debug_alloc(page, 1, flags);
    return page;
}

/* Give one page back. */
static inline void page_free_one(void *page)
{
    page_debug_free(page, 1);
    preempt_off();
    uintptr_t token = this_cpu_swap(pcache.token, 0);
    uint64_t bit = pcache_rotate((uintptr_t)page - token);

    if (RT_UNLIKELY(token == 0)) {
        page_free_one_slow(0, bit);
        return;
    }
    if (RT_UNLIKELY(bit >= PCACHE_PAGES)) {
        page_free_one_slow(token, bit);
        return;
    }
    uint64_t free = this_cpu(pcache).free;
    if (RT_UNLIKELY(free >> bit & 1)) {
        page_free_one_slow(token, bit); /* which says what is wrong */
        return;
    }
    this_cpu(pcache).zero &= free; /* clears the page's bit; shorter than by a mask [pcache.4] */
    this_cpu(pcache).free = free | UINT64_C(1) << bit;
    this_cpu_store_release(pcache.token, token);
    preempt_on();
}

/* ---- Between mm/page.c and mm/pcache.c ---- */

extern struct spinlock page_lock;                      /* rank PAGE: bitmap, summaries, claims */
extern uint64_t pcache_refills GUARDED_BY(&page_lock); /* blocks claimed */
extern uint64_t pcache_drains GUARDED_BY(&page_lock);  /* times that emptying all found a page */

/* Allocate or free inside this cpu's block by its token alone; NULL or false: not possible. */
void *pcache_alloc_run(size_t n_pages, size_t align_pages, unsigned flags);
bool pcache_free_run(uintptr_t run, size_t n_pages);

/* Empty and close every cache. Returns whether a page came back. */
bool pcache_drain_all_locked(void) REQUIRES(&page_lock);

/*
 * Free pages (a mask) of the block that `cpu` has claimed, known to be zero or not; returns those
 * that were free already.
 */
uint64_t pcache_insert_locked(unsigned cpu, uint64_t mask, bool zero) REQUIRES(&page_lock);

/*
 * A run of n_pages at `page` came from the bitmap, or (n_pages 0) a page was freed there: move this
 * cpu's cache to that block, if it may be claimed [pcache.3] and that pays.
 */
void pcache_prefer_locked(uintptr_t page, size_t n_pages) REQUIRES(&page_lock);

/* What a cpu's cache holds; for statistics and page_verify(). */
struct pcache_view {
    uintptr_t block;
    uint64_t free, zero;
};
unsigned pcache_count_locked(void) REQUIRES(&page_lock); /* cpus that ever had one: 0 to that */
struct pcache_view pcache_view_locked(unsigned cpu) REQUIRES(&page_lock);

/* The first free page of the bitmap, 0 if there is none; the page stays free. */
uintptr_t page_first_free_locked(void) REQUIRES(&page_lock);
/* Take one free page out of the bitmap; returns whether it is known to be zero. */
bool page_take_locked(uintptr_t page) REQUIRES(&page_lock);
/* The free pages of the block around `page`; 0 unless it may be claimed. */
uint64_t page_block_free_locked(uintptr_t page) REQUIRES(&page_lock);
/* If the block around `page` is not all RAM, so can't be claimed: the lowest wholly free one. Or 0. */
uintptr_t page_whole_block_locked(uintptr_t page) REQUIRES(&page_lock);
/* Move the block's free pages into the words; and back. `block` is its first page's address. */
void page_claim_locked(uintptr_t block, unsigned cpu, uint64_t *free, uint64_t *zero)
    REQUIRES(&page_lock);
void page_unclaim_locked(uintptr_t block, uint64_t free, uint64_t zero) REQUIRES(&page_lock);
/* A request begins: false if it is the one that page_fail_at() wants to fail. Counts failures. */
bool page_request_locked(void) REQUIRES(&page_lock);
void page_failed_locked(void) REQUIRES(&page_lock);
bool page_fail_armed_locked(void) REQUIRES(&page_lock);
/* Nothing is free: wait until idle cpus have put back what they are zeroing, unlocked meanwhile,
 * and true; or there is nothing to wait for. */
bool page_wait_zeroing_locked(void) REQUIRES(&page_lock);
/* One page is freed in the bitmap, or to the cache of who claimed its block, with all checks. */
void page_free_locked(uintptr_t run, size_t n_pages) REQUIRES(&page_lock);
