/*
 * mm/pcache.c - slow paths of the per-cpu page caches.
 *
 * WHAT. mm/pcache.h has the model, the invariants [pcache.1] to [pcache.4] and the inline fast
 * paths. Here caches are opened (a block is claimed), closed, and reached into from other cpus.
 *
 * WHICH BLOCK. An empty cache takes the block of the lowest free page; where that can't be claimed,
 * at the ragged edges of RAM, the lowest block that is wholly free. A run that had to come from the
 * bitmap moves the cache there if that block can serve another one like it, which the cache could
 * not; a page freed into another block moves it if the cache is empty or full, so that neither a
 * burst of frees nor one of allocations takes the lock for each page.
 *
 * LOCKING. Page lock, then token; nothing inside the token. A cpu that holds the page lock is alone
 * with its own cache (others need that lock, its own fast path has preemption off), but takes the
 * token all the same where it writes, so that there is one rule.
 *
 * WHY NO FREE PAGE HIDES. A free page is in the bitmap, in a cache, or being zeroed by an idle cpu
 * [page.1]. Who finds no run in the bitmap, under the lock, empties all caches, under the same
 * lock: from then on nothing can be cached until it unlocks, as claims need the lock and a closed
 * cache sends frees to it. So when the second search fails too, and nobody is zeroing, no run is
 * free at that moment.
 */
#include <mm/pcache.h>

#include <lib/assert.h>
#include <lib/bitmap.h>

PERCPU(struct pcache, pcache);
uint64_t pcache_refills, pcache_drains;

static unsigned pcache_cpus GUARDED_BY(&page_lock); /* cpus below it may have a cache */

static uintptr_t block_of(uintptr_t page)
{
    return align_down(page, (uint64_t)PCACHE_PAGES * PAGE_BYTES);
}

/* ---- Token [pcache.1] ---- */

/* Wait for the token of a cache that is open. */
static void pcache_enter_locked(struct pcache *pc) REQUIRES(&page_lock)
{
    while (swap_acq_rel(&pc->token, 0) == 0) /* partner: the store that leaves */
        arch_cpu_relax();
}

static void pcache_leave_locked(struct pcache *pc) REQUIRES(&page_lock)
{
    store_release(&pc->token, pc->block); /* partner: swaps of the token */
}

/* ---- Opening and closing ---- */

static bool pcache_close_locked(unsigned cpu) REQUIRES(&page_lock)
{
    struct pcache *pc = cpu_ptr(cpu, pcache);

    if (pc->block == 0)
        return false;
    pcache_enter_locked(pc);

    uint64_t free = pc->free;
    page_unclaim_locked(pc->block, free, pc->zero);
    pc->free = pc->zero = 0;
    pc->block = 0; /* and the token stays 0 */
    return free != 0;
}

static void pcache_open_locked(unsigned cpu, uintptr_t block) REQUIRES(&page_lock)
{
    struct pcache *pc = cpu_ptr(cpu, pcache);

    ASSERT(pc->block == 0);
    page_claim_locked(block, cpu, &pc->free, &pc->zero);
    pc->block = block;
    if (cpu >= pcache_cpus)
        pcache_cpus = cpu + 1;
    pcache_refills++;
    pcache_leave_locked(pc);
}

bool pcache_drain_all_locked(void)
{
    bool any = false;

    for (unsigned cpu = 0; cpu < pcache_cpus; cpu++)
        any |= pcache_close_locked(cpu);
    pcache_drains += any;
    return any;
}

void pcache_flush_all(void)
{
    spin_lock(&page_lock);
    (void)pcache_drain_all_locked();
    spin_unlock(&page_lock);
}

uint64_t pcache_insert_locked(unsigned cpu, uint64_t mask, bool zero)
{
    struct pcache *pc = cpu_ptr(cpu, pcache);

    pcache_enter_locked(pc);
    uint64_t twice = pc->free & mask;
    pc->free |= mask;
    pc->zero = zero ? pc->zero | mask : pc->zero & ~mask;
    pcache_leave_locked(pc);
    return twice;
}

void pcache_prefer_locked(uintptr_t page, size_t n_pages)
{
    unsigned cpu = arch_cpu_id();
    uint64_t mine = cpu_ptr(cpu, pcache)->free, there = page_block_free_locked(page);
    uintptr_t block = block_of(page);

    if (page_fail_armed_locked())
        return;
    if (there == 0) {
        if (mine != 0 || n_pages == 0)
            return;
        block = page_whole_block_locked(page);
        if (block == 0)
            return;
    } else if (n_pages == 0 ? mine != 0 && ~mine != 0 : word_runs(there, (unsigned)n_pages) == 0) {
        return;
    }
    (void)pcache_close_locked(cpu);
    pcache_open_locked(cpu, block);
}

unsigned pcache_count_locked(void)
{
    return pcache_cpus;
}

struct pcache_view pcache_view_locked(unsigned cpu)
{
    struct pcache *pc = cpu_ptr(cpu, pcache);
    struct pcache_view view = {.block = pc->block};

    if (pc->block != 0) {
        pcache_enter_locked(pc);
        view.free = pc->free;
        view.zero = pc->zero;
        pcache_leave_locked(pc);
    } else {
        ASSERT(load_relaxed(&pc->token) == 0 && pc->free == 0);
    }
    return view;
}

/* ---- One page ---- */

/* The lowest page of this cpu's cache, 0 if it has none. */
static uintptr_t pcache_pop_locked(unsigned cpu, bool *zero) REQUIRES(&page_lock)
{
    struct pcache *pc = cpu_ptr(cpu, pcache);
    uintptr_t page = 0;

    if (pc->block == 0)
        return 0;
    pcache_enter_locked(pc);
    if (pc->free != 0) {
        unsigned bit = bit_lowest(pc->free);

        pc->free &= pc->free - 1;
        *zero = pc->zero >> bit & 1;
        page = pc->block + ((uintptr_t)bit << PAGE_SHIFT);
    }
    pcache_leave_locked(pc);
    return page;
}

/* A page from the bitmap, if possible by way of this cpu's cache; 0 if none is free there. */
static uintptr_t pcache_refill_locked(unsigned cpu, bool *zero) REQUIRES(&page_lock)
{
    uintptr_t page = page_first_free_locked();

    if (page == 0)
        return 0;
    if (page_block_free_locked(page) != 0 && !page_fail_armed_locked()) {
        (void)pcache_close_locked(cpu);
        pcache_open_locked(cpu, block_of(page));
        return pcache_pop_locked(cpu, zero);
    }
    *zero = page_take_locked(page);
    pcache_prefer_locked(page, 1);
    return page;
}

void *page_alloc_one_slow(uintptr_t token, unsigned flags)
{
    uintptr_t page = 0;
    bool zero = false;

    if (token != 0) /* before the lock, as others wait for it there */
        this_cpu_store_release(pcache.token, token);
    spin_lock(&page_lock);
    preempt_on(); /* the fast path's; the lock's holds on */

    unsigned cpu = arch_cpu_id();
    if (page_request_locked()) {
        do {
            /* pages freed by others meanwhile, or the token was busy */
            page = pcache_pop_locked(cpu, &zero);
            if (page == 0)
                page = pcache_refill_locked(cpu, &zero);
            if (page == 0 && pcache_drain_all_locked())
                page = pcache_refill_locked(cpu, &zero);
        } while (page == 0 && page_wait_zeroing_locked());
    }
    if (page == 0)
        page_failed_locked();
    spin_unlock(&page_lock);

    if (page == 0)
        return NULL;
    if ((flags & PAGE_ZERO) != 0 && !zero)
        page_clear((void *)page);
    page_debug_alloc((void *)page, 1, flags);
    return (void *)page;
}

void *page_alloc_one_dirty(uintptr_t token)
{
    uint64_t free = this_cpu(pcache).free;
    void *page = (void *)(token + ((uintptr_t)bit_lowest(free) << PAGE_SHIFT));

    this_cpu(pcache).free = free & (free - 1);
    this_cpu_store_release(pcache.token, token);
    preempt_on();
    page_clear(page);
    return page;
}

void page_free_one_slow(uintptr_t token, uint64_t rotated)
{
    uintptr_t page = token + pcache_unrotate(rotated);

    if (token != 0)
        this_cpu_store_release(pcache.token, token);
    spin_lock(&page_lock);
    preempt_on();
    page_free_locked(page, 1);
    pcache_prefer_locked(page, 0);
    spin_unlock(&page_lock);
}

/* ---- Short runs, by the token alone ---- */

void *pcache_alloc_run(size_t n_pages, size_t align_pages, unsigned flags)
{
    preempt_off();
    uintptr_t token = this_cpu_swap(pcache.token, 0);
    if (token == 0) {
        preempt_on();
        return NULL;
    }

    uint64_t free = this_cpu(pcache).free;
    uint64_t starts = word_runs(free, (unsigned)n_pages) & word_multiples((unsigned)align_pages);
    uint64_t dirty = 0;
    uintptr_t run = 0;

    if (starts != 0) {
        unsigned bit = bit_lowest(starts);
        uint64_t mask = word_mask(bit, (unsigned)n_pages);

        this_cpu(pcache).free = free & ~mask;
        dirty = mask & ~this_cpu(pcache).zero;
        run = token + ((uintptr_t)bit << PAGE_SHIFT);
    }
    this_cpu_store_release(pcache.token, token);
    preempt_on();

    if (flags & PAGE_ZERO)
        for (; dirty != 0; dirty &= dirty - 1)
            page_clear((void *)(token + ((uintptr_t)bit_lowest(dirty) << PAGE_SHIFT)));
    return (void *)run;
}

bool pcache_free_run(uintptr_t run, size_t n_pages)
{
    bool mine = false;

    preempt_off();
    uintptr_t token = this_cpu_swap(pcache.token, 0);
    if (token != 0) {
        uint64_t bit = (run - token) / PAGE_BYTES;

        if (run % PAGE_BYTES == 0 && bit < PCACHE_PAGES && n_pages <= PCACHE_PAGES - bit) {
            uint64_t mask = word_mask((unsigned)bit, (unsigned)n_pages);

            mine = (this_cpu(pcache).free & mask) == 0; /* else the slow path says what is wrong */
            if (mine) {
                this_cpu(pcache).free |= mask;
                this_cpu(pcache).zero &= ~mask;
            }
        }
        this_cpu_store_release(pcache.token, token);
    }
    preempt_on();
    return mine;
}
