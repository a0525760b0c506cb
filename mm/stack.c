/*
 * mm/stack.c - slots, their pages, and each cpu's reserve of pages for faults.
 *
 * INVARIANTS
 * [stack.1] The page tables of a slot's top STACK_TABLES_AHEAD are there from the start; the deeper
 *           ones of a large slot are made ahead of need (sched/stackfault.c), so a slot of
 *           gigabytes costs no more than a small one.
 * [stack.2] The reserve belongs to its cpu: the handler takes from it with interrupts off, others
 *           fill it with preemption off, and each step is one that the handler may interrupt.
 * [stack.3] A mapped stack page is unmapped only by stack_trim(), whose addresses may be used again
 *           only after every cpu has flushed (sched/stackfault.c); slots are never given back, only
 *           reused.
 *
 * LOCKING. stack_lock (rank STACK) guards the bump pointer of the window.
 */
#include <lib/assert.h>
#include <lib/atomic.h>
#include <lib/bits.h>
#include <lib/spinlock.h>
#include <mm/page.h>
#include <mm/stack.h>

static struct spinlock stack_lock = SPINLOCK_INIT(RANK_STACK);
static uintptr_t window_next = ARCH_STACK_BASE; /* guarded by stack_lock */
static uint64_t committed_pages;                /* [a] */

struct reserve {
    uint32_t n; /* [c] */
    void *pages[STACK_RESERVE_PAGES];
};
static PERCPU(struct reserve, stack_reserve);

uintptr_t stack_slot_alloc(size_t bytes, size_t *slot_bytes)
{
    uint64_t want = bytes + STACK_GUARD_BYTES + STACK_RESERVE_BYTES;

    if (bytes > STACK_SLOT_MAX)
        return 0;
    uint64_t size = STACK_SLOT_MIN;
    while (size < want)
        size <<= 1;
    /* A size that is not the default is rounded only to slots, so that "64 MiB" is not 128. */
    if (size > STACK_SLOT_MIN)
        size = align_up(want, STACK_SLOT_MIN);

    spin_lock(&stack_lock);
    uintptr_t lo = window_next;
    bool fits = lo + size <= ARCH_STACK_BASE + ARCH_STACK_BYTES;
    if (fits)
        window_next = lo + size + STACK_COLOUR_BYTES;
    spin_unlock(&stack_lock);
    if (!fits || !arch_map_prepare(size > STACK_TABLES_AHEAD ? lo + size - STACK_TABLES_AHEAD : lo,
                                   size > STACK_TABLES_AHEAD ? STACK_TABLES_AHEAD : size))
        return 0;
    uintptr_t top = lo + size;
    if (stack_commit(top - PAGE_BYTES, top) != top - PAGE_BYTES)
        return 0;
    *slot_bytes = size;
    return top;
}

uintptr_t stack_commit(uintptr_t lo, uintptr_t hi)
{
    while (hi > lo) {
        void *page = page_alloc_one(PAGE_ZERO);
        if (page == NULL)
            break;
        hi -= PAGE_BYTES;
        arch_map_page(hi, virt_to_phys(page), ARCH_WRITE);
        add_relaxed(&committed_pages, 1);
    }
    return hi;
}

void *stack_reserve_take(void)
{
    irqflags_t flags = arch_irq_save();
    uint32_t n = this_cpu(stack_reserve).n;
    void *page = NULL;
    if (n > 0) {
        page = this_cpu_ptr(stack_reserve)->pages[n - 1];
        this_cpu(stack_reserve).n = n - 1;
        add_relaxed(&committed_pages, 1);
    }
    arch_irq_restore(flags);
    return page;
}

unsigned stack_reserve_left(void)
{
    return this_cpu(stack_reserve).n;
}

static bool reserve_fill(struct reserve *r)
{
    while (r->n < STACK_RESERVE_PAGES) {
        void *page = page_alloc_one(PAGE_ZERO);
        if (page == NULL)
            return false;
        irqflags_t flags = arch_irq_save(); /* [stack.2] */
        r->pages[r->n++] = page;
        arch_irq_restore(flags);
    }
    return true;
}

bool stack_reserve_fill(void)
{
    return reserve_fill(this_cpu_ptr(stack_reserve));
}

bool stack_reserve_make(unsigned cpu)
{
    return reserve_fill(cpu_ptr(cpu, stack_reserve));
}

void stack_bytes_gone(size_t bytes)
{
    add_relaxed(&committed_pages, -(uint64_t)(bytes / PAGE_BYTES));
}

uint64_t stack_bytes_in_use(void)
{
    return load_relaxed(&committed_pages) * PAGE_BYTES;
}
