/*
 * gc/alloc.h - collected memory, as the runtime's own C code asks for it.
 *
 * Everything arrives zeroed, is kept alive by a reference from a stack, a register, a root or a
 * live object, and never moves. Context: a goroutine, no spin lock held, preemption on; an
 * allocation may help marking, wait for a collection, or panic (out of memory). Pointer stores into
 * the object go through gc_set() (rt/gc.h) or gc_copy_barrier() (gc/barrier.h) from the moment on
 * that anybody else can see it; before that too, if the object may have been marked meanwhile, so
 * simply always.
 */
#pragma once

#include <rt/gc.h>

/* One object of this type. Never NULL. */
static inline void *gc_alloc(struct rt_type *type)
{
    return type->size <= RT_GC_INLINE_ZERO_MAX ? rt_gc_alloc(type) : rt_gc_alloc_big(type);
}

/* n elements. n too large to be an array: lang_panic_make_len(). */
static inline void *gc_alloc_array(struct rt_type *elem, size_t n)
{
    return rt_gc_alloc_array(elem, n);
}

/*
 * A header of prefix_bytes (a multiple of 8, at most 4096) followed by n elements, as one object: a
 * channel and its buffer. The header's words are scanned conservatively if prefix_scan, else not at
 * all. Returns NULL if the size is impossible (n * elem->size overflows or exceeds the address
 * space); the caller panics in its own words. Out of memory panics here.
 */
void *gc_alloc_prefixed(size_t prefix_bytes, bool prefix_scan, struct rt_type *elem, size_t n);

/*
 * The start of the live object that p points into (interior pointers too), and its usable size;
 * NULL if p does not point into the collected heap or at a free slot. Any goroutine; the answer is
 * stable only while the caller keeps the object alive.
 */
void *gc_object_of(const void *p, size_t *bytes);

/*
 * There is no memory for something. step counts from 0 for this request; each call tries harder
 * (DESIGN.md section 6): sweep, collect, drop caches and run finalizers and collect again. True: it
 * is worth trying again. A goroutine, no lock held, preemption on; may park.
 */
bool gc_find_memory(unsigned step);
