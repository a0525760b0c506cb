/*
 * mm/stack.c - slots, their pages, and each cpu's reserve of pages for faults.
 *
 * INVARIANTS
 * [stack.1] The page tables of a slot's top STACK_TABLES_AHEAD are there from the start; the deeper
 *           ones of a large slot are made ahead of need (sched/stackfault.c), so a slot of
 *           gigabytes costs no more than a small one.
 * [stack.2] The reserve belongs to its cpu: the handler takes from it with interrupts off, others
 *           fill it with preemption off, and each step is one that the handler may interrupt.
 * [stack.3] A mapped stack page is unmapped only when its goroutine has ended, and its address is
 *           used again only after every cpu has flushed (trim_all() in sched/goroutine.c); but for
 *           the reserve page (stack_close_reserve() in sched/stackfault.c). Slots are never given
 *           back, only reused.
 *
 * LOCKING. stack_lock (rank STACK) guards the bump pointer of the window.
 */
#include <lib/assert.h>
#include <lib/atomic.h>
#include <lib/bits.h>
#include <lib/spinlock.h>
#include <mm/page.h>
#include <mm/stack.h>

_Static_assert(STACK_TABLES_AHEAD <= STACK_SLOT_MIN, "the tables made first lie in the slot");

static struct spinlock stack_lock = SPINLOCK_INIT(RANK_STACK);
static uintptr_t window_next = ARCH_STACK_BASE; /* guarded by stack_lock */
static uint64_t committed_pages;                /* [a] */

/* [c], interrupts off [stack.2] */
struct reserve {
    uint32_t n;
    void *pages[STACK_RESERVE_PAGES];
};
static PERCPU(struct reserve, stack_reserve);

uintptr_t stack_slot_alloc(size_t bytes, size_t *slot_bytes)
{
    uint64_t size = align_up(bytes + STACK_GUARD_BYTES + STACK_RESERVE_BYTES, STACK_SLOT_MIN);

    if (bytes > STACK_SLOT_MAX)
        return 0;
    spin_lock(&stack_lock);
    uintptr_t lo = window_next;
    bool fits = lo + size <= ARCH_STACK_BASE + ARCH_STACK_BYTES;
    if (fits)
        window_next = lo + size + STACK_COLOUR_BYTES;
    spin_unlock(&stack_lock);
    uintptr_t top = lo + size;
    if (!fits || !arch_map_prepare(top - STACK_TABLES_AHEAD, STACK_TABLES_AHEAD)) /* [stack.1] */
        return 0;
    void *page = page_alloc_one(PAGE_ZERO);
    if (page == NULL)
        return 0;
    arch_map_page(top - PAGE_BYTES, virt_to_phys(page), ARCH_WRITE);
    add_relaxed(&committed_pages, 1);
    *slot_bytes = size;
    return top;
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
