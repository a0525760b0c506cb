/*
 * sched/debugtrap.c - who gets the debug traps: single steps and breakpoints.
 *
 * One function at a time, for tests that step through the runtime an instruction at a time and for
 * tracers. It runs in the handler: [arch.2] holds for it.
 *
 * INVARIANTS
 * [step.1] The machine's step flag is a register, not a goroutine's: a switch by a call hands it to
 *          the next goroutine, a preempting one keeps it in the frame. So the function decides at
 *          each step by the goroutine that it meets, and what runs without one (the scheduler) is
 *          not stepped.
 * [step.2] A step that nobody wants any more ends the stepping; a breakpoint that nobody wants is a
 *          fault.
 * LOCKING. None: a handler that has loaded the old function may still run for a moment.
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
    bool (*fn)(struct arch_frame *) = load_acquire(&debug_fn); /* partner: debugtrap_set() */

    if (fn != NULL && goroutine_current() != NULL)
        return fn(frame);
    if (!arch_frame_stepping(frame))
        return false;
    arch_frame_set_step(frame, false); /* [step.1] [step.2] */
    return true;
}
