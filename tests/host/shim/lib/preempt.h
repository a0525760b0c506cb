/*
 * tests/host/shim/lib/preempt.h - lib/preempt.h for host tests: counts, so that balance can be
 * checked.
 */
#pragma once

#include <arch/arch.h>

PERCPU(uint32_t, preempt); /* depth */

static inline void preempt_off(void)
{
    this_cpu(preempt)++;
    __asm__ volatile("" ::: "memory");
}

static inline void preempt_on(void)
{
    __asm__ volatile("" ::: "memory");
    if (this_cpu(preempt)-- == 0)
        abort();
}

static bool host_preempt_asked; /* a test sets it */

static inline bool preempt_asked(void)
{
    return host_preempt_asked;
}

static inline uint32_t preempt_depth(void)
{
    return this_cpu(preempt);
}
