/*
 * sched/irq.c - from an interrupt line to goroutines.
 *
 * The handler counts and asks for the scheduler; the scheduler calls the line's function on its own stack, where it may
 * ready() somebody. So nothing that a handler does can wait, allocate or meet a lock [arch.2].
 * LOCKING. `fired` is counted up by handlers and read by whoever runs the lines; `delivered` is advanced by CAS, so each
 * interrupt is delivered once. attach and detach are rare, under lines_lock (rank TIMER).
 */
#include <lib/assert.h>
#include <lib/spinlock.h>
#include <sched/internal.h>

#define LINES 160u

struct line {
    uint64_t fired;     /* [a] */
    uint64_t delivered; /* [a] */
    void (*fn)(void *arg, uint64_t n); /* [a] stored last */
    void *arg;
};

static struct line lines[LINES];
static struct spinlock lines_lock = SPINLOCK_INIT(RANK_TIMER);
static uint32_t undelivered; /* [a] not 0: some line has something */
static int32_t waiters;      /* [a] */

void arch_on_irq(struct arch_frame *frame, unsigned irq)
{
    if (irq < LINES) {
        add_relaxed(&lines[irq].fired, 1);
        store_release(&undelivered, 1); /* partner: irq_run() */
    }
    arch_on_resched(frame);
}

bool irq_run_needed(void)
{
    return load_relaxed(&undelivered) != 0;
}

bool irq_run(void)
{
    if (RT_LIKELY(load_relaxed(&undelivered) == 0) || swap_acq_rel(&undelivered, 0) == 0)
        return false;
    for (unsigned i = 0; i < LINES; i++) {
        struct line *l = &lines[i];
        uint64_t fired = load_acquire(&l->fired), done = load_relaxed(&l->delivered);
        void (*fn)(void *, uint64_t) = load_acquire(&l->fn); /* partner: irq_attach() */
        if (fired != done && cas_acq_rel(&l->delivered, done, fired) && fn != NULL)
            fn(l->arg, fired - done);
    }
    return true;
}

bool irq_attach(unsigned irq, void (*fn)(void *arg, uint64_t n), void *arg)
{
    bool ok = false;

    if (irq >= LINES)
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
