/*
 * gc/barriercheck.h - the shadow heap of GODEBUG=gcbarriercheck=1: what the barrier stored, to
 * compare.
 *
 * All calls are for that knob alone: gc_barrier_check says whether it is set, and callers look
 * first.
 */
#pragma once

#include <gc/heap.h>

extern bool gc_barrier_check; /* [I] but in a test */

/* Room for the shadows of so many units of the page map. Boot. False: no memory. */
bool gc_check_init(size_t units);

/* A span is about to be published, or was just taken out of the page map. No lock held. */
void gc_check_cover(const struct gc_span *span);
void gc_check_uncover(const struct gc_span *span);

/* The object in this slot is dead: whoever gets the slot next finds zeros. */
void gc_check_clear(const struct gc_span *span, uint32_t slot);

/*
 * The barrier's own store: enter, store, leave.
 * enter  takes the lock that makes store and note one step, and dies if one of the aligned words of
 *        [p, p + bytes) was changed by somebody else
 * leave  notes what they are now, and unlocks
 * Preemption off, no lock above rank GC_LOCAL.
 */
void gc_check_enter(const void *p, size_t bytes) NO_LOCK_ANALYSIS;
void gc_check_leave(const void *p, size_t bytes) NO_LOCK_ANALYSIS;

/* World stopped, marking over: each reference of each marked object is what the barrier stored
 * last, or this dies. */
void gc_check_all_stw(void);
