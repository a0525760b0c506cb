/*
 * gc/heap.h - the collected heap as the files of this folder see it: spans, shapes, epochs.
 *
 * WORDS. A span is a run of 8 KiB units that holds slots of one shape. A shape is a size class and
 * what its slots look like inside: a pointer mask, nothing to scan, or a header in each slot. An
 * epoch byte for each slot says when the object in it was last seen. The page map leads from any
 * address to its span.
 *
 * INVARIANTS
 * [heap.1] The epoch byte of a slot is 0 if it is free, else the cycle in which its object was
 *          allocated or last marked. A slot is live if its byte is gc_epoch, or gc_epoch_also (the
 *          cycle before, while marking; the same cycle otherwise). Any other byte is a dead object
 *          that the sweep has not met yet.
 * [heap.2] Before STW#1, every span that no cpu has cached was swept: no dead bytes there. So at
 *          most two values are live and a byte of long ago never comes alive. Cached spans are
 *          swept when they are refilled from, and every cpu lets go of each of its spans at least
 *          every 128 cycles.
 * [heap.3] Between STW#1 and STW#2 no span changes its shape or goes away: whoever resolves an
 *          address while marking needs no lock. Spans are freed by the sweep, and the sweep is over
 *          before STW#1.
 * [heap.4] A span's descriptor and epoch bytes are complete before its page map entries are stored
 *          (release; the partner is the dependent load in gc_span_of()).
 * [heap.5] A span is in one place: cached by a cpu, on one list of its shape, or in the hands of
 *          whoever sweeps it, which happens with preemption off, so a stopped world never sees the
 *          last.
 * [heap.6] In a span of headered slots, the header is written before the epoch byte becomes live.
 * [heap.7] While marking, a live byte turns from gc_epoch_also into gc_epoch at any moment: whoever
 *          compares it with both reads it once, or takes a live object for a dead one.
 */
#pragma once

#include <arch/arch.h>
#include <arch_gc.h>
#include <gc/size.h>
#include <lib/assert.h>
#include <lib/atomic.h>
#include <lib/bits.h>
#include <lib/spinlock.h>
#include <rt/gc.h>

/* ---- Shapes ---- */

enum gc_kind {
    GC_NOSCAN, /* no pointers */
    GC_MASK,   /* the span's mask says which words are pointers */
    GC_HEADER, /* each slot begins with a struct gc_header */
    GC_LARGE,  /* one object, its header in the descriptor */
};

/*
 * What an object of its own length looks like: in front of it in the slot, or in the descriptor of
 * a large span. The object is `offset` bytes behind the header: a prefix, scanned or not, then
 * elements of one type.
 */
struct gc_header {
    const struct rt_type *elem; /* NULL: nothing to scan but, perhaps, the prefix */
    uint32_t bytes;             /* of the object, prefix included; a large one ends with `limit` */
    uint16_t prefix_bytes;
    uint8_t offset; /* from the slot's start to the object: 16, 32 or 64; 0 in a large span */
    uint8_t prefix_scan;
};
_Static_assert(sizeof(struct gc_header) == 16,
               "objects behind it are 16-aligned; gc_fast.S stores two words");

/* Shape numbers: 0 is nobody's, then one for each class without pointers, with headers, then masks
 * as met. */
#define GC_SHAPE_NOSCAN 1u
#define GC_SHAPE_HEADER (GC_SHAPE_NOSCAN + GC_CLASS_COUNT)
#define GC_SHAPE_MASK (GC_SHAPE_HEADER + GC_CLASS_COUNT)
#define GC_MASK_SHAPES 256u /* a program with more gets headers for the rest */
#define GC_SHAPES (GC_SHAPE_MASK + GC_MASK_SHAPES)

struct gc_span;

/* I fixed once the shape can be found   l under lock   a atomic */
struct gc_shape {
    struct spinlock lock;       /* rank SPAN */
    uint8_t kind;               /* [I] enum gc_kind */
    uint8_t class;              /* [I] */
    uint64_t mask;              /* [I] GC_MASK: bit i: word i is a pointer */
    const char *name;           /* [I] the first type that had it; for reports */
    struct gc_span *partial[2]; /* [l] by sweep parity: some slots are free */
    struct gc_span *full[2];    /* [l] by sweep parity: none is */
    uint32_t n_spans;           /* [a] */
};

extern struct gc_shape gc_shapes[GC_SHAPES];

/* ---- Spans ---- */

/* I fixed while the span exists   o its owner [heap.5]   a atomic */
struct gc_span {
    uintptr_t base;      /* [I] slot 0; a multiple of a unit */
    uintptr_t limit;     /* [I] end of the last slot; of a large object: its end, rounded up to 8 */
    uint64_t mask;       /* [I] GC_MASK: as the shape, never 0; of all others 0 */
    uint32_t slot_bytes; /* [I] 0 for GC_LARGE */
    uint32_t magic;      /* [I] 0 for GC_LARGE: every offset is slot 0 */
    uint16_t n_slots;    /* [I] */
    uint16_t shape;      /* [I] index in gc_shapes; 0 for GC_LARGE */
    uint8_t kind;        /* [I] enum gc_kind */
    uint8_t fresh;       /* [o] slots never handed out are all zero */
    uint8_t swept;       /* [o] low byte of the gc_sweep_gen it was last swept in */
    uint8_t rescan;      /* [a] a grey object of it was dropped: scan all its marked ones again */
    uint32_t n_units;    /* [I] */
    uint16_t prefix_bytes; /* [I] GC_LARGE */
    uint8_t prefix_scan;   /* [I] GC_LARGE */
    uint8_t state;         /* [o] enum gc_span_state, for checks */
    struct gc_span *next;  /* [o] link of the list it is on */
    uint64_t n_specials;   /* [a] finalizers, cleanups, weak references on its objects */
    /* n_slots epoch bytes follow, then padding to 64 */
};
#define GC_SPAN_HEAD_BYTES 64u
_Static_assert(sizeof(struct gc_span) == GC_SPAN_HEAD_BYTES,
               "epoch bytes are 16-aligned behind it");

enum gc_span_state { GC_SPAN_OUT, GC_SPAN_CACHED, GC_SPAN_LISTED, GC_SPAN_SWEEPING };

static inline uint8_t *gc_epochs(const struct gc_span *span)
{
    return (uint8_t *)(uintptr_t)(span + 1);
}

/* Of a GC_LARGE span, as in struct gc_header: behind its only epoch byte. [I] */
static inline const struct rt_type **gc_large_elem(const struct gc_span *span)
{
    return (const struct rt_type **)(uintptr_t)(gc_epochs(span) + 8);
}

/* The page map: an entry for each unit from ARCH_DIRECT_BASE on: RAM, and the window behind it. */
extern struct gc_span **gc_pagemap; /* [I] its place; an entry: [a] [heap.4] */
extern uintptr_t gc_heap_bytes;     /* [a] only grows: no span ends above ARCH_DIRECT_BASE + this */

size_t gc_pagemap_units(void); /* entries of the page map */

/* The entry for an address. */
static inline size_t gc_unit_of(uintptr_t a)
{
    return (a - ARCH_DIRECT_BASE) >> GC_UNIT_SHIFT;
}

/* Could this word point into the heap? A cheap filter: one subtraction, one compare. */
static inline bool gc_maybe(uintptr_t word)
{
    return word - ARCH_DIRECT_BASE < gc_heap_bytes;
}

/* The span around an address for which gc_maybe() holds; NULL if there is none. */
static inline struct gc_span *gc_span_of_maybe(uintptr_t a)
{
    return gc_pagemap[gc_unit_of(a)];
}

static inline struct gc_span *gc_span_of(uintptr_t a)
{
    return gc_maybe(a) ? gc_span_of_maybe(a) : NULL;
}

/* The slot that a points into, or n_slots or more if it points behind the last one. */
static inline uint32_t gc_slot_of(const struct gc_span *span, uintptr_t a)
{
    return gc_slot_index(a - span->base, span->magic);
}

/* The span whose slot a points into, and that slot; NULL if a points into none. Any word. */
static inline struct gc_span *gc_slot_at(uintptr_t a, uint32_t *slot)
{
    struct gc_span *span = gc_span_of(a);
    if (span == NULL || a >= span->limit) {
        *slot = 0;
        return NULL;
    }
    *slot = gc_slot_of(span, a);
    return span;
}

static inline uintptr_t gc_slot_address(const struct gc_span *span, uint32_t slot)
{
    return span->base + (uintptr_t)slot * span->slot_bytes;
}

/* What an object of this span counts for in statistics and pacing. */
static inline uint64_t gc_slot_size(const struct gc_span *span)
{
    return span->slot_bytes != 0 ? span->slot_bytes : (uint64_t)span->n_units * GC_UNIT_BYTES;
}

/* ---- Epochs ---- */

extern uint8_t gc_epoch;       /* [S] 1 to 255: the current cycle */
extern uint8_t gc_epoch_birth; /* [S] what new objects get: gc_epoch, but in a drill */
extern uint8_t gc_epoch_also;  /* [S] the one before while marking, else gc_epoch */
extern uint32_t gc_sweep_gen;  /* [S] cycles that reached their sweep; parity: which shape lists */

static inline bool gc_live_byte(uint8_t byte)
{
    return byte == gc_epoch || byte == gc_epoch_also;
}

/* Which of 64 bits from `first` on are slots of the span? */
static inline uint64_t gc_slots_there(const struct gc_span *span, uint32_t first)
{
    uint32_t left = span->n_slots - first;
    return left >= 64 ? UINT64_MAX : (UINT64_C(1) << left) - 1;
}

/* The free ones of 64 slots from `first` on, a multiple of 64, as the epoch bytes are: bit i is
 * slot first + i. What is neither `epoch` nor `also` is free. */
static inline uint64_t gc_free_slots_but(const struct gc_span *span, uint32_t first, uint8_t epoch,
                                         uint8_t also)
{
    const uint8_t *epochs = gc_epochs(span) + first;
    uint64_t live = epoch == also ? arch_bytes_equal64(epochs, epoch)
                                  : arch_bytes_either64(epochs, epoch, also); /* [heap.7] */
    return ~live & gc_slots_there(span, first);
}

static inline uint64_t gc_free_slots(const struct gc_span *span, uint32_t first)
{
    return gc_free_slots_but(span, first, gc_epoch, gc_epoch_also);
}

/* The same of a span that was swept in this generation: there the bytes of free slots are 0. */
static inline uint64_t gc_free_slots_swept(const struct gc_span *span, uint32_t first)
{
    return arch_bytes_equal64(gc_epochs(span) + first, 0) & gc_slots_there(span, first);
}

/* How many; mostly all, if most is garbage. */
static inline unsigned gc_count_slots(uint64_t slots)
{
    return slots == UINT64_MAX ? 64 : bits_count(slots);
}

/* ---- Each cpu's free slots ---- */

/*
 * A group is 64 slots of the cached span. Only the owner cpu touches these, with preemption off or
 * in a restartable range (gc_fast.S knows the offsets).
 */
struct gc_cache {
    uint64_t free;   /* [a] bit i: slot i of the group is free, and ours; statistics read it */
    uint8_t *epochs; /* epoch byte of the group's slot 0 */
    uintptr_t base;  /* the group's slot 0 */
    uint32_t slot_bytes;
    uint32_t zero_bytes; /* to clear when a slot is handed out: 0 if the group is clear already */
};
_Static_assert(sizeof(struct gc_cache) == 32, "gc_fast.S");
#define GC_CACHE_SHIFT 5

struct gc_cache_span {
    struct gc_span *span;
    uint32_t next_slot; /* from here on it was not cached yet; a multiple of 64 */
};

DECLARE_PERCPU(struct gc_cache[GC_SHAPES], gc_cache);
DECLARE_PERCPU(struct gc_cache_span[GC_SHAPES], gc_cache_span);

/* A slot taken by the fast path: its start (0: none is cached), and how much of it to clear. */
struct gc_taken {
    uintptr_t slot;
    uint64_t zero_bytes;
};
struct gc_taken gc_take(uint32_t cache_offset);
struct gc_taken gc_take_header(uint32_t cache_offset, uint64_t word0, uint64_t word1);

/* ---- gc/span.c ---- */

/* Set up the page map for RAM below ram_top and the shapes. Boot cpu, after the page allocator. */
void gc_span_init(paddr_t ram_top);

/* The shape number for `bytes` (at most GC_MASK_BYTES_MAX) with this mask; 0: the table is full. */
unsigned gc_shape_find(size_t bytes, uint64_t mask, const char *name);

/* A new span of this shape, in the page map, all slots free; NULL: no memory. Preemption on. */
struct gc_span *gc_span_make(unsigned shape);

/*
 * A span for one large object, its epoch byte 0, memory not zeroed: one run of RAM, or frames of 2
 * MiB from all over it that are mapped behind RAM's end. Preemption on; may stop the world to get
 * addresses back. The page map has it after gc_span_publish().
 */
struct gc_span *gc_span_make_large(size_t bytes);
void gc_span_publish(struct gc_span *span);

/*
 * Take a span out of the page map and give its memory back. Not while marking [heap.3]. Of a large
 * one at most some megabytes, from its end: true if that was all of it, else it is to be called
 * again.
 */
bool gc_span_free(struct gc_span *span);

extern uint64_t gc_heap_in_use; /* [a] bytes in spans */
extern uint64_t gc_meta_bytes;  /* [a] bytes in the page map and in slabs of descriptors */

/* Every span, in address order: unit from 0 to gc_span_index_end(), NULL where none begins. */
size_t gc_span_index_end(void);
struct gc_span *gc_span_at_index(size_t unit);

/* Is the i-th word of an element a reference, or perhaps one? */
static inline bool gc_word_refers(const struct rt_type *elem, size_t i)
{
    if (elem->kind == RT_TYPE_MASK)
        return elem->ptrmask >> i & 1;
    if (elem->kind == RT_TYPE_BITMAP)
        return elem->map[i / 64] >> (i % 64) & 1;
    return elem->kind != RT_TYPE_NOSCAN;
}

/* Put a swept span, owned by the caller, on its shape's list (gc/sweep.c). */
void gc_shape_push(struct gc_span *span, bool full);
void gc_shape_push_unswept(struct gc_span *span); /* one that is to be swept in this generation */
