/*
 * lib/preempt.h - the per-cpu word that keeps a goroutine on its cpu.
 *
 * Code of the runtime that must not be descheduled or stopped half way raises it: preempt_off() ...
 * preempt_on(), nesting. An interrupt that wants to stop or reschedule and finds it raised only
 * clears PREEMPT_QUIET; the preempt_on() that brings the count back to 0 then takes the request. So
 * one `dec` tests both "still nested?" and "somebody waits?" [preempt.1].
 * Budget: 5,000 instructions between the two (a tracer in the tests measures it); a slice of marking
 * may take twice that, since it leaves when it is asked [mark.6].
 * LOCKING. The word belongs to its cpu; only that cpu changes it, each change is one instruction,
 * so interrupts cannot tear it.
 */
#pragma once

#include <arch/arch.h>

#define PREEMPT_QUIET 0x80000000u /* set: no request waits */

DECLARE_PERCPU(uint32_t, preempt); /* PREEMPT_QUIET + depth */

/*
 * What preempt_on() calls at depth 0 with a request waiting (arch/<port>/entry.S): sets
 * PREEMPT_QUIET again and enters arch_on_resched() on an interrupt's frame. It keeps every
 * register, so no caller has anything to save for it. With interrupts off it calls
 * preempt_request_later().
 */
void preempt_request(void);
void preempt_request_later(void); /* sched: has the next interrupt do it */

static RT_ALWAYS_INLINE void preempt_off(void)
{
    __asm__ volatile("incl %%gs:%0" : "+m"(percpu_preempt)::"memory", "cc");
}

static RT_ALWAYS_INLINE void preempt_on(void)
{
    __asm__ volatile("decl %%gs:percpu_preempt\n\t"
                     "jnz 1f\n\t"
                     "call preempt_request\n"
                     "1:" ::
                         : "memory", "cc");
}

/* Does a request wait for this section to end? What can leave early does. */
static inline bool preempt_asked(void)
{
    return (this_cpu(preempt) & PREEMPT_QUIET) == 0;
}

/* Depth, without the flag. */
static inline uint32_t preempt_depth(void)
{
    return this_cpu(preempt) & ~PREEMPT_QUIET;
}
