/*
 * sched/irq.c - from an interrupt line to goroutines.
 *
 * The handler counts and asks for the scheduler; the scheduler calls the line's function on its own
 * stack, where it may ready() somebody. So nothing that a handler does can wait, allocate or meet a
 * lock [arch.2].
 *
 * [irq.1] A line's function runs on one cpu at a time: `busy` is taken by a swap. Whoever finds it
 *         taken leaves the interrupt to the one that has it, who looks again after giving it back.
 * LOCKING. `fired` is counted up by handlers; `delivered` belongs to whoever has `busy`. Attaching
 * is rare, under lines_lock (rank TIMER).
 * ORDERING. Giving `busy` back is a full barrier before the last look at `fired`; counting `fired`
 * up is one before trying `busy`: one of the two sees the other.
 */
#include <lib/assert.h>
#include <lib/spinlock.h>
#include <sched/internal.h>

struct line {
    uint64_t fired;                    /* [a] */
    uint64_t delivered;                /* of whoever has busy */
    uint32_t busy;                     /* [a] somebody runs fn [irq.1] */
    bool (*fn)(void *arg, uint64_t n); /* [a] stored last */
    void *arg;
};

static struct line lines[ARCH_IRQ_LINES];
static struct spinlock lines_lock = SPINLOCK_INIT(RANK_TIMER);
static uint32_t undelivered; /* [a] not 0: some line has something */
static int32_t waiters;      /* [a] */

void arch_on_irq(struct arch_frame *frame, unsigned irq)
{
    if (irq < ARCH_IRQ_LINES) {
        add_relaxed(&lines[irq].fired, 1);
        store_release(&undelivered, 1); /* partner: irq_run() */
    }
    arch_on_resched(frame);
}

bool irq_run_needed(void)
{
    return load_relaxed(&undelivered) != 0;
}

static void line_run(struct line *l)
{
    while (load_seq_cst(&l->fired) != load_relaxed(&l->delivered) &&
           swap_acq_rel(&l->busy, 1) == 0) {
        uint64_t n = load_acquire(&l->fired) - l->delivered;
        bool (*fn)(void *, uint64_t) = load_acquire(&l->fn); /* partner: irq_attach() */
        store_relaxed(&l->delivered, l->delivered + n);
        if (n != 0 && fn != NULL && fn(l->arg, n))
            arch_irq_done((unsigned)(l - lines));
        store_seq_cst(&l->busy, 0);
    }
}

bool irq_run(void)
{
    if (RT_LIKELY(load_relaxed(&undelivered) == 0) || swap_acq_rel(&undelivered, 0) == 0)
        return false;
    for (unsigned i = 0; i < ARCH_IRQ_LINES; i++)
        line_run(&lines[i]);
    return true;
}

bool irq_attach(unsigned irq, bool (*fn)(void *arg, uint64_t n), void *arg)
{
    bool ok = false;

    if (irq >= ARCH_IRQ_LINES)
        return false;
    spin_lock(&lines_lock);
    if (lines[irq].fn == NULL) {
        lines[irq].arg = arg;
        store_release(&lines[irq].fn, fn);
        ok = true;
    }
    spin_unlock(&lines_lock);
    return ok && arch_irq_line(irq, true);
}

void irq_waiters_add(int n)
{
    add_relaxed(&waiters, n);
}

bool irq_anybody_waits(void)
{
    return load_relaxed(&waiters) > 0;
}
