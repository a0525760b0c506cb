/*
 * sched/stackfault.c - stacks that grow under the feet of whoever runs on them.
 *
 * WHAT. A goroutine that steps on an unmapped page of its own stack, near its stack pointer, gets
 * it, and every page between it and the mapped part. The handler takes pages from this cpu's
 * reserve: no lock, so a runtime section may grow its stack too, even with a spin lock held.
 *
 * INVARIANTS
 * [stackfault.1] The mapped part of a stack is one piece: [stack_committed, slot's top).
 * [stackfault.2] Before the reserve or the tables below run out, the goroutine goes through its
 *                scheduler, which fills them up: the handler asks for that when half of the reserve
 *                is left. Code with preemption off needs less than half of the reserve at a time.
 * [stackfault.3] Where there is no memory for that, the goroutine goes to the end of the queue, and
 *                the reaper finds some (ended goroutines' stacks, a collection). Only if that leads
 *                to nothing for PATIENCE_NS the program ends.
 */
#include <lib/assert.h>
#include <lib/bits.h>
#include <lib/trace.h>
#include <mm/stack.h>
#include <sched/internal.h>

#define NEAR_BYTES (2 * ARCH_PAGE_BYTES) /* compilers may leave a page below sp untouched */

static bool tables_below(const struct goroutine *g, uintptr_t page)
{
    uintptr_t ahead = page - STACK_TABLES_AHEAD;
    return ahead <= g->stack_lo || ahead > page || arch_map_prepared(ahead);
}

bool arch_on_stack_fault(struct arch_frame *frame, uintptr_t va)
{
    struct goroutine *g = goroutine_current();
    uintptr_t page = align_down(va, ARCH_PAGE_BYTES), sp = arch_frame_sp(frame);

    if (g == NULL || page < goroutine_stack_lowest(g) || page >= g->stack_committed)
        return false;
    if (va + NEAR_BYTES < sp || sp < g->stack_lo || sp > g->stack_hi)
        return false;
    while (g->stack_committed > page) {
        uintptr_t next = g->stack_committed - ARCH_PAGE_BYTES;
        void *ram = arch_map_prepared(next) ? stack_reserve_take() : NULL;
        if (ram == NULL) {
            if (preempt_depth() != 0)
                fatal_frame(frame,
                            "stack: no page in reserve for goroutine %lu inside a runtime section",
                            (unsigned long)g->id);
            this_cpu(sched_cpu).refill = true;
            sched_leave(frame, LEAVE_FRONT); /* the fault happens again, with a full reserve */
        }
        arch_map_page(next, virt_to_phys(ram), ARCH_WRITE);
        g->stack_committed = next;
        if (g->stack_hi - next > STACK_KEEP_BYTES)
            g->odd |= ODD_DEEP;
    }
    trace(TRACE_STACK_GROW, g->id, page);
    if (stack_reserve_left() < STACK_RESERVE_PAGES / 2 || !tables_below(g, page)) {
        this_cpu(sched_cpu).refill = true;
        if (preempt_depth() == 0 && arch_frame_irqs_on(frame))
            sched_leave(frame, LEAVE_FRONT);
        sched_request_self();
    }
    return true;
}

#define PATIENCE_NS INT64_C(5000000000)

static int64_t starving_since; /* [a] no cpu got what it needed since then; 0: the last one did */

bool stackfault_refill(struct goroutine *g)
{
    int64_t now = arch_nanotime(), since = load_relaxed(&starving_since);
    bool late = since != 0 && now - since > PATIENCE_NS;

    if (g != NULL && !tables_below(g, g->stack_committed) &&
        !arch_map_prepare(g->stack_committed - STACK_TABLES_AHEAD, STACK_TABLES_AHEAD)) {
        if (late)
            fatal("stack: no memory for the tables of goroutine %lu's stack", (unsigned long)g->id);
    } else if (!stack_reserve_fill() && stack_reserve_left() < STACK_RESERVE_PAGES / 2) {
        if (late)
            fatal("stack: no memory left for stacks to grow");
    } else {
        store_relaxed(&starving_since, 0);
        return true;
    }
    if (since == 0)
        store_relaxed(&starving_since, now);
    return false;
}

bool stack_open_reserve(struct goroutine *g)
{
    uintptr_t page = g->stack_lo + STACK_GUARD_BYTES;

    if (g->reserve_open || g->stack_committed != goroutine_stack_lowest(g))
        return false;
    void *ram = g->reserve_ram != NULL ? g->reserve_ram : stack_reserve_take();
    if (ram == NULL)
        return false;
    g->reserve_ram = NULL;
    g->reserve_open = true;
    g->odd |= ODD_RESERVE;
    arch_map_page(page, virt_to_phys(ram), ARCH_WRITE);
    g->stack_committed = page;
    return true;
}

/*
 * The page stays the goroutine's: other cpus may hold its translation until they flush, and then a
 * later overflow there goes unnoticed through this page into the guard, where it is noticed.
 */
void stack_close_reserve(struct goroutine *g)
{
    uintptr_t page = g->stack_lo + STACK_GUARD_BYTES;

    if (!g->reserve_open ||
        (uintptr_t)__builtin_frame_address(0) < page + STACK_RESERVE_BYTES + NEAR_BYTES)
        return;
    preempt_off();
    g->stack_committed = goroutine_stack_lowest(g);
    g->reserve_open = false;
    g->reserve_ram = phys_to_virt(arch_unmap_page(page));
    arch_tlb_flush_page(page);
    preempt_on();
}
