/*
 * mm/stack.h - slots of address space for goroutine stacks.
 *
 * A slot is address space, a multiple of STACK_SLOT_MIN, of which the lowest page is never mapped
 * (the guard) and the next one only for the handler of an overflow (the reserve). The top page is
 * mapped for as long as the slot exists; the rest comes by page faults (sched/stackfault.c).
 */
#pragma once

#include <arch/arch.h>

#define STACK_SLOT_MIN (UINT64_C(256) << 10)
#define STACK_SLOT_MAX (UINT64_C(64) << 30)
#define STACK_TABLES_AHEAD (UINT64_C(64) << 10) /* below the mapped part there are page tables */
#define STACK_GUARD_BYTES ARCH_PAGE_BYTES
#define STACK_RESERVE_BYTES ARCH_PAGE_BYTES
/* Between slots, or the page that each goroutine uses most would fall on one of few sets of the
 * TLB, a cpu's or an emulator's: a switch among 1000 took five times as long. */
#define STACK_COLOUR_BYTES ARCH_PAGE_BYTES

/*
 * A slot with room for at least `bytes` of stack, its top page mapped and zero.
 * Returns the address above its last byte, and in *slot_bytes its size; 0 if memory or address
 * space is short, or if bytes exceeds STACK_SLOT_MAX. Takes a lock of rank STACK. A goroutine or
 * boot context.
 */
RT_MUST_USE uintptr_t stack_slot_alloc(size_t bytes, size_t *slot_bytes);

/* ---- For the page fault handler: pages that need no lock. ---- */
#define STACK_RESERVE_PAGES 16u

/* This cpu's next reserved zeroed page, or NULL. Interrupts off, or preemption off. */
void *stack_reserve_take(void);
unsigned stack_reserve_left(void);
/* Fill the reserve up. Preemption off, no lock held, not in a handler. False: memory is short. */
bool stack_reserve_fill(void);
/* The first filling, of a cpu that runs no goroutine yet: before any can take the memory. */
bool stack_reserve_make(unsigned cpu);

void stack_bytes_gone(size_t bytes); /* pages of stacks were given back */

/* Bytes of RAM behind all goroutine stacks. Any context. */
uint64_t stack_bytes_in_use(void);
