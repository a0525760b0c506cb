/*
 * rt/barrier.h - the inline half of the write barrier: how a collected pointer is stored.
 *
 * gc_set() and its kin (rt/gc.h) end here; programs do not call these themselves. While no
 * collection marks, a store is a compare, a branch not taken and the store. While one does, the
 * slow half (gc/barrier.c) first shades the pointer that is about to be overwritten [bar.1].
 *
 * Between the compare and the store the world must not stop: the flag could change. The two are a
 * restartable range: the addresses [start, end) of every such pair of instructions are in section
 * rt_rseq, and whoever stops or deschedules a core that is inside one moves it back to the start
 * (lib/rseq.h) [bar.2]. A store that faults (a null or wild slot) is the program's panic.
 */
#pragma once

#include <rt/compiler.h>

/* Not 0 while stores need the slow half. Written only while the world is stopped. */
extern uint8_t rt_wb_on;
#define RT_WB_MARKING 1  /* a collection marks */
#define RT_WB_CHECKING 2 /* GODEBUG=gcbarriercheck=1 */
#define RT_WB_ODD 4      /* while marking: not just what is overwritten is shaded (gcmode=) */

void rt_gc_store_slow(void *slot, void *value);
void *rt_gc_swap_slow(void *slot, void *value);
bool rt_gc_cas_slow(void *slot, void *expected, void *value);

#if defined(RT_DEBUG) && !defined(INGOT_HOST)
void rt_stackcheck_store(const void *slot, const void *value); /* lang/stackcheck.h */
#else
static RT_ALWAYS_INLINE void rt_stackcheck_store(RT_UNUSED const void *slot,
                                                 RT_UNUSED const void *value)
{
}
#endif

/* *slot = value. slot is an aligned word that another goroutine may read at any time. */
static RT_ALWAYS_INLINE void rt_gc_store_word(void *slot, void *value)
{
    rt_stackcheck_store(slot, value);
#ifdef INGOT_HOST
    if (RT_LIKELY(!rt_wb_on))
        *(void *volatile *)slot = value;
    else
        rt_gc_store_slow(slot, value);
#else
    __asm__ goto("1:\tcmpb $0, rt_wb_on(%%rip)\n\t"
                 "jne %l[slow]\n\t"
                 "movq %1, (%0)\n"
                 "2:\n\t"
                 ".pushsection rt_rseq, \"a\"\n\t"
                 ".quad 1b, 2b\n\t"
                 ".popsection"
                 :
                 : "r"(slot), "r"(value)
                 : "memory", "cc"
                 : slow);
    return;
slow:
    rt_gc_store_slow(slot, value);
#endif
}

/* Exchange *slot with value, atomically; the old value. */
static RT_ALWAYS_INLINE void *rt_gc_swap_word(void *slot, void *value)
{
    rt_stackcheck_store(slot, value);
    return rt_gc_swap_slow(slot, value);
}

/* If *slot is `expected`, make it `value`, atomically; did it? */
static RT_ALWAYS_INLINE bool rt_gc_cas_word(void *slot, void *expected, void *value)
{
    rt_stackcheck_store(slot, value);
    return rt_gc_cas_slow(slot, expected, value);
}
