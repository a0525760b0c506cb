/*
 * gc/span.c - spans and shapes: where objects live, and from any address to its object.
 *
 * WHAT. Makes and frees spans; keeps the page map; gives each (size class, pointer mask) that the
 * program uses a number. Descriptors and epoch bytes are blocks of small slabs, because they must
 * outlive nothing and because epoch bytes at the same offset in every span would fight for the same
 * few cache sets.
 *
 * INVARIANTS. gc/heap.h has those of spans. Here:
 * [span.1] A descriptor block is complete before its span is published, and is reused only after
 *          the span was taken out of the page map while nobody marked [heap.3].
 * [span.2] gc_heap_bytes covers a span before the page map shows it.
 * [span.3] The page map's part for the window is cleared before gc_heap_bytes covers any of it.
 * [span.4] No object ends where RAM ends. A word on a stack that names an object's end keeps it,
 *          and this address is in many a dead frame: of the page allocator, of whoever walked all
 *          memory.
 * [span.5] If slots do not fill the units, the byte behind their epoch bytes is 0, no epoch: a word that
 *          points there needs no check to mean nothing.
 *
 * LOCKING. meta_lock (rank GC_POOL) guards the slabs; shapes_lock (rank SPAN) the insertion of
 * shapes, which are found without it.
 * ORDERING. A shape is complete before its number is stored into the table (release; pairs with
 * gc_shape_find()'s acquire).
 * REJECTED. Epoch bytes inside the span: a 4 KiB object would no longer fit twice into 8 KiB. One
 * flat table of bytes for all RAM: a sixteenth of it, whether used or not. 32-bit page map entries:
 * two more instructions for each pointer marked.
 */
#include <gc/heap.h>
#include <gc/barriercheck.h>
#include <lib/fail.h>
#include <lib/list.h>
#include <lib/rand.h>
#include <lib/string.h>
#include <mm/page.h>
#include <mm/vmap.h>
#include <sched/stw.h>

#define CLASS_ROW(bytes_, units_)                                                                  \
    {.bytes = (bytes_),                                                                            \
     .magic = GC_MAGIC(bytes_),                                                                    \
     .units = (units_),                                                                            \
     .slots = (units_)*GC_UNIT_BYTES / (bytes_)},
const struct gc_class gc_classes[GC_CLASS_COUNT] = {GC_CLASSES(CLASS_ROW)};

struct gc_span **gc_pagemap;
uintptr_t gc_heap_bytes;
uint64_t gc_heap_in_use;
uint64_t gc_meta_bytes;
struct gc_shape gc_shapes[GC_SHAPES];

/* ---- Blocks for descriptors: slabs of one block size ---- */

#define META_STEP 64u
#define META_BLOCK_MAX (GC_SPAN_HEAD_BYTES + 4096u)
#define META_SIZES (META_BLOCK_MAX / META_STEP + 1)
#define META_SMALL_MAX 640u /* blocks up to this come from slabs of one page */

/* l under meta_lock */
struct meta_slab {
    struct list link; /* [l] on meta_partial[size] while a block is free */
    uint64_t free;    /* [l] bit i: block i */
    uint32_t block_bytes;
    uint32_t n_blocks;
    uint8_t pad[META_STEP - 32];
};
_Static_assert(sizeof(struct meta_slab) == META_STEP, "blocks stay 64-aligned");

static struct spinlock meta_lock = SPINLOCK_INIT(RANK_GC_POOL);
static struct list meta_partial[META_SIZES] GUARDED_BY(&meta_lock);

static size_t meta_slab_bytes(size_t block_bytes)
{
    return block_bytes <= META_SMALL_MAX ? PAGE_BYTES : 4 * PAGE_BYTES;
}

static size_t meta_block_bytes(size_t n_slots)
{
    return align_up(GC_SPAN_HEAD_BYTES + n_slots, META_STEP);
}

static struct meta_slab *meta_slab_make(size_t block_bytes)
{
    size_t bytes = meta_slab_bytes(block_bytes);
    struct meta_slab *slab = page_alloc(bytes / PAGE_BYTES, bytes / PAGE_BYTES, 0);
    if (slab == NULL)
        return NULL;
    add_relaxed(&gc_meta_bytes, bytes);
    slab->block_bytes = (uint32_t)block_bytes;
    slab->n_blocks = (uint32_t)((bytes - sizeof(*slab)) / block_bytes);
    slab->free = (UINT64_C(1) << slab->n_blocks) - 1;
    _Static_assert((PAGE_BYTES - META_STEP) / (2 * META_STEP) < 64,
                   "a word has a bit for each block");
    return slab;
}

/* A block for a descriptor with n_slots epoch bytes; content undefined; NULL: no memory. */
static struct gc_span *meta_alloc(size_t n_slots)
{
    size_t block_bytes = meta_block_bytes(n_slots);
    struct list *partial = &meta_partial[block_bytes / META_STEP];
    struct meta_slab *fresh = NULL;

    spin_lock(&meta_lock);
    if (list_empty(partial)) {
        spin_unlock(&meta_lock);
        fresh = meta_slab_make(block_bytes);
        if (fresh == NULL)
            return NULL;
        spin_lock(&meta_lock);
        list_push_back(partial, &fresh->link);
    }
    struct meta_slab *slab = container_of(partial->next, struct meta_slab, link);
    unsigned i = bit_lowest(slab->free);
    slab->free &= slab->free - 1;
    if (slab->free == 0)
        list_remove(&slab->link);
    spin_unlock(&meta_lock);
    return (struct gc_span *)((char *)slab + sizeof(*slab) + i * block_bytes);
}

static void meta_free(struct gc_span *span, size_t n_slots)
{
    size_t block_bytes = meta_block_bytes(n_slots);
    size_t slab_bytes = meta_slab_bytes(block_bytes);
    struct meta_slab *slab = (struct meta_slab *)align_down((uintptr_t)span, slab_bytes);
    unsigned i = (unsigned)(((char *)span - (char *)(slab + 1)) / block_bytes);

    ASSERT(slab->block_bytes == block_bytes && (slab->free >> i & 1) == 0);
    spin_lock(&meta_lock);
    if (slab->free == 0)
        list_push_front(&meta_partial[block_bytes / META_STEP], &slab->link);
    slab->free |= UINT64_C(1) << i;
    bool empty = slab->free == (UINT64_C(1) << slab->n_blocks) - 1;
    if (empty)
        list_remove(&slab->link);
    spin_unlock(&meta_lock);
    if (empty) {
        page_free(slab, slab_bytes / PAGE_BYTES);
        sub_acq_rel(&gc_meta_bytes, slab_bytes);
    }
}

/* ---- The page map ---- */

static size_t pagemap_units; /* [I] */
static size_t ram_units;     /* [I] of those, for RAM; the rest is for the window, ... */
static bool window_open;     /* [a] ... and cleared when the first span comes into it [span.3] */
static struct spinlock window_lock = SPINLOCK_INIT(RANK_GC_POOL);
static uintptr_t ram_end;     /* [I] in the direct map */
static uintptr_t window_base; /* [I] what lies above is made of frames */

size_t gc_pagemap_units(void)
{
    return pagemap_units;
}

static void pagemap_set(const struct gc_span *where, struct gc_span *value)
{
    struct gc_span **entry = &gc_pagemap[gc_unit_of(where->base)];
    for (uint32_t i = 0; i < where->n_units; i++)
        store_release(&entry[i], value); /* partner: gc_span_of() [heap.4] */
}

static void heap_bytes_cover(uintptr_t end)
{
    uintptr_t want = end - ARCH_DIRECT_BASE;
    uintptr_t have = load_relaxed(&gc_heap_bytes);
    while (have < want && !cas_acq_rel(&gc_heap_bytes, have, want))
        have = load_relaxed(&gc_heap_bytes);
}

static bool in_frames(const struct gc_span *span)
{
    return span->base >= window_base;
}

static void open_window(void)
{
    if (load_acquire(&window_open)) /* partner: the store below */
        return;
    spin_lock(&window_lock);
    if (!window_open)
        memset(gc_pagemap + ram_units, 0, (pagemap_units - ram_units) * sizeof(gc_pagemap[0]));
    store_release(&window_open, true);
    spin_unlock(&window_lock);
}

void gc_span_publish(struct gc_span *span)
{
    if (RT_UNLIKELY(in_frames(span)))
        open_window();
    /* first [span.2]; a pointer just behind the last span must pass the filter too */
    heap_bytes_cover(span->base + (uintptr_t)span->n_units * GC_UNIT_BYTES + 8);
    pagemap_set(span, span);
    add_relaxed(&gc_heap_in_use, (uint64_t)span->n_units * GC_UNIT_BYTES);
}

size_t gc_span_index_end(void)
{
    return (load_relaxed(&gc_heap_bytes) + GC_UNIT_BYTES - 1) >> GC_UNIT_SHIFT;
}

struct gc_span *gc_span_at_index(size_t unit)
{
    struct gc_span *span = load_acquire(&gc_pagemap[unit]); /* partner: pagemap_set() */
    return span != NULL && gc_unit_of(span->base) == unit ? span : NULL;
}

/* ---- Spans ---- */

/* A shape in demand gets spans of more units where its class says 1: fewer descriptors. */
#define SPAN_MANY_UNITS 4u
#define SPAN_MANY_AFTER 32u

/* [span.5] The byte is one of the padding: where slots fill the units it is asked for only if the
 * last slot is left out [span.4]. */
#define PADDED(bytes, units)                                                                       \
    ((units)*GC_UNIT_BYTES % (bytes) == 0 ? (units)*GC_UNIT_BYTES / (bytes) % 16 != 1              \
                                          : (units)*GC_UNIT_BYTES / (bytes) % 16 != 0)
#define CLASS_PADDED(bytes, units)                                                                 \
    _Static_assert(PADDED(bytes, units) && ((units) != 1 || PADDED(bytes, SPAN_MANY_UNITS)),       \
                   "spans of " #bytes " have padding behind their epoch bytes");
GC_CLASSES(CLASS_PADDED)

struct gc_span *gc_span_make(unsigned shape_number)
{
    struct gc_shape *shape = &gc_shapes[shape_number];
    const struct gc_class *class = &gc_classes[shape->class];
    uint32_t units = class->units;
    if (fail_now(FAIL_SPAN))
        return NULL;
    if (units == 1 && load_relaxed(&shape->n_spans) >= SPAN_MANY_AFTER)
        units = SPAN_MANY_UNITS;

    size_t pages = (size_t)units * (GC_UNIT_BYTES / PAGE_BYTES);
    void *run = page_alloc(pages, GC_UNIT_BYTES / PAGE_BYTES, PAGE_ZERO);
    if (run == NULL && units != class->units) {
        units = class->units;
        pages = (size_t)units * (GC_UNIT_BYTES / PAGE_BYTES);
        run = page_alloc(pages, GC_UNIT_BYTES / PAGE_BYTES, PAGE_ZERO);
    }
    if (run == NULL)
        return NULL;
    uint32_t n_slots = units * GC_UNIT_BYTES / class->bytes;
    if ((uintptr_t)run + (uintptr_t)n_slots * class->bytes == ram_end)
        n_slots--; /* [span.4] */
    struct gc_span *span = meta_alloc(n_slots);
    if (span == NULL) {
        page_free(run, pages);
        return NULL;
    }
    *span = (struct gc_span){
        .base = (uintptr_t)run,
        .limit = (uintptr_t)run + (uintptr_t)n_slots * class->bytes,
        .mask = shape->mask,
        .slot_bytes = class->bytes,
        .magic = class->magic,
        .n_slots = (uint16_t)n_slots,
        .shape = (uint16_t)shape_number,
        .kind = shape->kind,
        .fresh = 1,
        .swept = (uint8_t)gc_sweep_gen,
        .n_units = units,
    };
    memset(gc_epochs(span), 0, align_up(n_slots, 16)); /* [span.5] */
    add_relaxed(&shape->n_spans, 1);
    if (RT_UNLIKELY(gc_barrier_check))
        gc_check_cover(span);
    gc_span_publish(span);
    return span;
}

/* ---- Large objects ---- */

#define FRAME_UNITS ((uint32_t)(VMAP_FRAME_BYTES / GC_UNIT_BYTES))

/* Frames for so many bytes; the addresses that only a flush can give back are flushed for. */
static void *frames_alloc(size_t n_frames)
{
    bool stale;
    void *run = vmap_alloc(n_frames, &stale);

    if (run == NULL && stale) {
        stw_begin(STW_FLUSH);
        stw_flush_tlb();
        vmap_flushed_stw();
        stw_end();
        run = vmap_alloc(n_frames, &stale);
    }
    return run;
}

static void *units_alloc(size_t units)
{
    return page_alloc(units * (GC_UNIT_BYTES / PAGE_BYTES), GC_UNIT_BYTES / PAGE_BYTES, 0);
}

static void run_free(const struct gc_span *span, uintptr_t from, uint32_t units)
{
    if (in_frames(span))
        vmap_free((void *)from, units / FRAME_UNITS);
    else
        page_free((void *)from, (size_t)units * (GC_UNIT_BYTES / PAGE_BYTES));
}

struct gc_span *gc_span_make_large(size_t bytes)
{
    size_t units = (bytes + GC_UNIT_BYTES - 1) >> GC_UNIT_SHIFT;
    if (units > UINT32_MAX / 2 || fail_now(FAIL_SPAN))
        return NULL;
    void *run = units_alloc(units);
    if (run != NULL && (uintptr_t)run + align_up(bytes, 8) == ram_end) { /* [span.4] */
        void *longer = units_alloc(units + 1);
        page_free(run, units * (GC_UNIT_BYTES / PAGE_BYTES));
        run = longer;
        units++;
    }
    if (run == NULL && bytes >= VMAP_FRAME_BYTES) {
        units = align_up(units, FRAME_UNITS);
        run = frames_alloc(units / FRAME_UNITS);
    }
    if (run == NULL)
        return NULL;
    struct gc_span large = {
        .base = (uintptr_t)run,
        .limit = (uintptr_t)run + align_up(bytes, 8),
        .n_slots = 1,
        .kind = GC_LARGE,
        .swept = (uint8_t)gc_sweep_gen,
        .n_units = (uint32_t)units,
    };
    struct gc_span *span = meta_alloc(1);
    if (span == NULL) {
        run_free(&large, large.base, large.n_units);
        return NULL;
    }
    *span = large;
    gc_epochs(span)[0] = 0;
    *gc_large_elem(span) = NULL;
    add_relaxed(&gc_shapes[0].n_spans, 1);
    if (RT_UNLIKELY(gc_barrier_check))
        gc_check_cover(span);
    return span;
}

#define FREE_UNITS (4 * FRAME_UNITS) /* at a time */

bool gc_span_free(struct gc_span *span)
{
    ASSERT(span->state == GC_SPAN_OUT || span->state == GC_SPAN_SWEEPING);
    ASSERT(gc_span_of(span->base) == span && gc_epoch == gc_epoch_also); /* [heap.3] */
    struct gc_span part = *span; /* what is freed now: its end */
    part.n_units = span->n_units <= FREE_UNITS ? span->n_units : FREE_UNITS;
    part.base += (uintptr_t)(span->n_units - part.n_units) * GC_UNIT_BYTES;
    pagemap_set(&part, NULL);
    if (RT_UNLIKELY(gc_barrier_check))
        gc_check_uncover(&part);
    sub_acq_rel(&gc_heap_in_use, (uint64_t)part.n_units * GC_UNIT_BYTES);
    run_free(span, part.base, part.n_units);
    span->n_units -= part.n_units;
    if (span->n_units != 0)
        return false;
    sub_acq_rel(&gc_shapes[span->shape].n_spans, 1);
    meta_free(span, span->n_slots);
    return true;
}

/* ---- Shapes ---- */

#define SHAPE_BITS 9u
#define SHAPE_TABLE (1u << SHAPE_BITS) /* open addressing; at most half full */
_Static_assert(SHAPE_TABLE >= 2 * GC_MASK_SHAPES, "probing is short, and ends");

static uint16_t shape_table[SHAPE_TABLE]; /* [a] */
static struct spinlock shapes_lock = SPINLOCK_INIT(RANK_SPAN);
static unsigned shapes_used GUARDED_BY(&shapes_lock);

static unsigned shape_hash(unsigned class, uint64_t mask)
{
    return (unsigned)((mask ^ (uint64_t) class << 58 ^ class) * RNG_GOLDEN >> (64 - SHAPE_BITS));
}

/* The table's index of this shape, or of the free entry where it belongs. */
static unsigned shape_probe(unsigned class, uint64_t mask)
{
    unsigned i = shape_hash(class, mask);
    for (;; i = (i + 1) % SHAPE_TABLE) {
        unsigned number = load_acquire(&shape_table[i]); /* pairs with shape_insert_locked() */
        if (number == 0 || (gc_shapes[number].class == class && gc_shapes[number].mask == mask))
            return i;
    }
}

static unsigned shape_insert_locked(unsigned at, unsigned class, uint64_t mask, const char *name)
    REQUIRES(&shapes_lock);

static unsigned shape_insert_locked(unsigned at, unsigned class, uint64_t mask, const char *name)
{
    if (shapes_used == GC_MASK_SHAPES)
        return 0;
    unsigned number = GC_SHAPE_MASK + shapes_used++;
    struct gc_shape *shape = &gc_shapes[number];
    shape->lock.rank = RANK_SPAN;
    shape->kind = GC_MASK;
    shape->class = (uint8_t) class;
    shape->mask = mask;
    shape->name = name;
    store_release(&shape_table[at], (uint16_t)number);
    return number;
}

unsigned gc_shape_find(size_t bytes, uint64_t mask, const char *name)
{
    unsigned class = gc_class_of(bytes);
    DEBUG_ASSERT(bytes <= GC_MASK_BYTES_MAX);
    DEBUG_ASSERT(gc_classes[class].bytes >= GC_MASK_BYTES_MAX ||
                 mask >> gc_classes[class].bytes / 8 == 0);
    if (mask == 0)
        return GC_SHAPE_NOSCAN + class;
    unsigned number = shape_table[shape_probe(class, mask)];
    if (number != 0)
        return number;
    spin_lock(&shapes_lock);
    unsigned at = shape_probe(class, mask);
    number = shape_table[at];
    if (number == 0)
        number = shape_insert_locked(at, class, mask, name);
    spin_unlock(&shapes_lock);
    return number;
}

void gc_span_init(paddr_t ram_top)
{
    ASSERT(gc_pagemap == NULL);
    for (unsigned i = 0; i < META_SIZES; i++)
        list_init(&meta_partial[i]);
    for (unsigned i = 0; i < GC_SHAPES; i++)
        gc_shapes[i].lock.rank = RANK_SPAN;
    gc_shapes[0].kind = GC_LARGE;
    for (unsigned i = 0; i < GC_CLASS_COUNT; i++) {
        gc_shapes[GC_SHAPE_NOSCAN + i].kind = GC_NOSCAN;
        gc_shapes[GC_SHAPE_NOSCAN + i].class = (uint8_t)i;
        gc_shapes[GC_SHAPE_HEADER + i].kind = GC_HEADER;
        gc_shapes[GC_SHAPE_HEADER + i].class = (uint8_t)i;
    }
    /* the window: twice the frames that there can be, so that its gaps do not matter much */
    struct page_stats stats;
    page_get_stats(&stats);
    size_t frames = 2 * (stats.total_pages * PAGE_BYTES / VMAP_FRAME_BYTES);
    ram_end = ARCH_DIRECT_BASE + ram_top;
    window_base = ARCH_DIRECT_BASE + align_up(ram_top, VMAP_FRAME_BYTES);
    vmap_init(window_base, frames);
    ram_units = (align_up(ram_top, VMAP_FRAME_BYTES) >> GC_UNIT_SHIFT) + 1; /* one behind the end */
    pagemap_units = ram_units + frames * FRAME_UNITS;
    size_t bytes = align_up(pagemap_units * sizeof(gc_pagemap[0]), PAGE_BYTES);
    gc_pagemap = page_alloc(bytes / PAGE_BYTES, 1, 0);
    if (gc_pagemap == NULL)
        fatal("gc: no memory for the page map");
    memset(gc_pagemap, 0, ram_units * sizeof(gc_pagemap[0]));
    gc_meta_bytes = bytes;
}
