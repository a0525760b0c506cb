/*
 * sched/debugtrap.c - who gets the debug traps: single steps and breakpoints.
 *
 * One function at a time, for tests that step through the runtime an instruction at a time and for tracers. It runs in
 * the handler: [arch.2] holds for it. Without one the trap is a fault like any other.
 */
#include <lib/atomic.h>
#include <sched/sched.h>

static bool (*debug_fn)(struct arch_frame *frame); /* [a] */

void debugtrap_set(bool (*fn)(struct arch_frame *frame))
{
    store_release(&debug_fn, fn); /* partner: arch_on_debug_trap() */
}

bool arch_on_debug_trap(struct arch_frame *frame)
{
    bool (*fn)(struct arch_frame *) = load_acquire(&debug_fn);
    return fn != NULL && fn(frame);
}
