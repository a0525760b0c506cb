/*
 * gc/mark.h - concurrent marking: grey objects, and whoever turns them black.
 */
#pragma once

#include <gc/heap.h>
#include <sched/goroutine.h>

/*
 * An entry of the grey set is an address in the heap, counted from ARCH_DIRECT_BASE, or a tag and
 * the address of a word, so counted. Not every entry is an object, and not every object is white
 * still: whoever takes it looks. What has a tag is negative.
 */
#define GC_ENTRY_PIECE (UINT64_C(3) << 62) /* scan on from here, to the end of this piece */
#define GC_ENTRY_STACK (UINT64_C(1) << 63) /* found on a stack: may be the end of what is before */
#define GC_ENTRY_TAG (UINT64_C(3) << 62)

#define GC_CHUNK_ENTRIES 254u
struct gc_chunk {
    struct gc_chunk *next; /* on one of the lists of chunks */
    uint64_t n;            /* entries; while a marker drains it, GC_CHUNK_BOTTOM */
    uintptr_t entry[GC_CHUNK_ENTRIES];
};
/* No entry, but negative: a marker that takes entries off the end and finds n is through. */
#define GC_CHUNK_BOTTOM UINT64_MAX
_Static_assert(offsetof(struct gc_chunk, entry) == offsetof(struct gc_chunk, n) + 8,
               "n is where an entry before the first would be");
_Static_assert(sizeof(struct gc_chunk) == 2048, "two to a page");

/* Entries whose objects were found and whose lines are being fetched: n of them, from head on. */
#define GC_RING 16u /* a power of two */
struct gc_ring {
    const struct gc_span *span[GC_RING];
    uint8_t *epoch[GC_RING];
    uintptr_t object[GC_RING];
    uint64_t head, n;
};

/* l under lock */
struct gc_local {
    struct spinlock lock;   /* rank GC_LOCAL: the owner cpu, or one that steals */
    struct gc_chunk *chunk; /* [l] its grey objects, last in first out; never NULL */
    struct gc_ring ring;    /* [l] and those that come next, first in first out */
    uint64_t marked_bytes;  /* [l] this cycle */
    uint64_t scan_bytes;    /* [l] this cycle: words looked at, in bytes */
};
DECLARE_PERCPU(struct gc_local, gc_local);

extern uint64_t gc_scan_work; /* [a] bytes scanned this cycle, roots included */

/* What a slice may do if nobody asks for the cpu: at most some 10,000 instructions, counted as in
 * drain(). */
#define GC_SLICE_COST 8192

void gc_mark_init(void); /* boot; cpus are up */

/*
 * Mark for a slice on this cpu: grey objects of its own, shared ones, roots, stolen ones. False: it
 * found nothing to do. *work: bytes scanned. Any context but a handler; preemption off inside.
 */
bool gc_mark_slice(uint64_t *work);

/* Is nothing grey anywhere and every root scanned, as far as one can see without stopping? */
bool gc_mark_looks_done(void);
/* The same for sure; O(cpus). The world is stopped. */
bool gc_mark_is_done_stw(void);

/* A cycle begins; world stopped: queue the roots. */
void gc_mark_begin_stw(void);
/* Give memory of chunks back, but for a few. A goroutine. */
void gc_mark_trim(void);

/* Make an address grey (any word). Preemption off; while marking. */
void gc_grey(uintptr_t word);
/* Scan aligned words conservatively into this cpu's grey set. Its lock is held (gc_local_lock). */
void gc_scan_words(const void *lo, const void *hi);
/* The same with the local lock held. */
void gc_grey_locked(uintptr_t word);
/* Scan an object without marking it (its slot's start or object start). Lock held. */
void gc_scan_contents(uintptr_t object);
/* One piece (at most GC_ROOT_PIECE_BYTES) of an array of elem, from byte `from` on. Lock held. */
void gc_scan_typed(uintptr_t base, size_t bytes, size_t from, const struct rt_type *elem);
#define GC_ROOT_PIECE_BYTES 512u
void gc_local_lock(void) NO_LOCK_ANALYSIS;
void gc_local_unlock(void) NO_LOCK_ANALYSIS;

/* For tests: no more chunks than this exist; 0: no limit. */
extern uint32_t gc_chunk_limit;

/* ---- gc/roots.c ---- */

/* One piece of the roots of this cycle. False: all done, or others have the rest. Lock held. */
bool gc_roots_step(void);
bool gc_roots_done(void);
size_t gc_roots_global_bytes(void); /* of declared globals; any context */
void gc_roots_begin_stw(void);
bool gc_roots_scanned(const struct goroutine *g);

/* Where g's stack counts from, if its stack pointer is sp: not below what is mapped, aligned. */
static inline uintptr_t gc_stack_from(const struct goroutine *g, uintptr_t sp)
{
    return align_up(sp < g->stack_committed ? g->stack_committed : sp, sizeof(uintptr_t));
}

/* World stopped: what every cpu is running and was not scanned in this cycle. */
enum gc_scan_how {
    GC_SCAN_SHALLOW, /* here if it is at most 1 KiB deep, else before it runs on */
    GC_SCAN_WHOLE,   /* here, however deep */
    GC_SCAN_LATER,   /* not yet: only its own scheduler, or a later call, may */
};
void gc_roots_scan_running_stw(enum gc_scan_how how);
/* Mode insertion: no stacks are scanned while marking; all of them in STW#2. */
void gc_roots_skip_stacks_stw(void);
void gc_roots_rescan_stacks_stw(void);
