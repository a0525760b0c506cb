/*
 * gc/barrier.h - the write barrier's slow half, and bulk forms for the runtime.
 *
 * WHO NEEDS WHAT (DESIGN.md section 6). A store of a reference into memory that another goroutine
 * can reach, a parked goroutine's stack included, is gc_set(), or gc_copy_barrier() for a block.
 * Whoever takes a reference out of a place that marking does not scan by itself in time (a channel
 * buffer, a waiter record, a pool, a timer) shades it: gc_copy_barrier() out of it does, or
 * gc_shade_range().
 */
#pragma once

#include <rt/barrier.h>
#include <stddef.h>

/*
 * memmove() for memory that may hold references: while marking, what dst held is shaded first, in
 * chunks of at most 64 words, each one not preemptible. Aligned words move as words. Any goroutine;
 * preemption may be off.
 */
void gc_copy_barrier(void *dst, const void *src, size_t bytes);

/* Zero memory that may hold references: the same with zeros. */
void gc_clear_barrier(void *dst, size_t bytes);

/* Shade whatever the aligned words of [p, p + bytes) point to, if marking. Any words are
 * allowed. */
void gc_shade_range(const void *p, size_t bytes);

/* Shade the object that p points into, if marking; any word is allowed. Preemption may be on or
 * off. */
void gc_shade(const void *p);
