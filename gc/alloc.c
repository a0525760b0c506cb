/*
 * gc/alloc.c - allocation: from a type to a zeroed object.
 *
 * WHAT. Each cpu has, for each shape, a word of 64 free slots of a span that it holds. gc_fast.S
 * takes slots from that word; here is everything else: which shape a type has, refilling the word
 * from the span's epoch bytes, getting another span, objects above 32 KiB, arrays.
 *
 * INVARIANTS
 * [alloc.1] A slot whose bit is in a cpu's free word has an epoch byte of 0; only the lowest one's
 *           may be an epoch that a restarted range left. Whoever gives such a word back zeroes it.
 * [alloc.2] An object gets the epoch that is current when its slot is committed, so one that is
 *           born while marking is black.
 * [alloc.3] Memory is clear before the program sees it: groups of small slots are cleared when they
 *           are cached, larger ones when they are handed out. Until then they hold dead bytes,
 *           which a marker may read: any word is safe to mark through.
 *
 * LOCKING. A cpu's cache: preemption off.
 * REJECTED. A free list through the objects: it touches a dead line for each allocation and makes
 * "is this slot free?" a search. Counting in the fast path: counts are made 64 at a time.
 * SOURCES. The free word is Go's allocCache; the restartable range is an idea of Bershad, Redell
 * and Ellis, "Fast mutual exclusion for uniprocessors", 1992.
 */
#include <arch/bulk.h>
#include <gc/alloc.h>
#include <gc/barriercheck.h>
#include <gc/cycle.h>
#include <gc/sweep.h>
#include <gc/up.h>
#include <lib/bits.h>
#include <lib/string.h>
#include <mm/page.h>

_Static_assert(offsetof(struct rt_type, shape) == 32, "gc_fast.S: TYPE_SHAPE");
_Static_assert(offsetof(struct gc_cache, epochs) == 8 && offsetof(struct gc_cache, base) == 16 &&
                   offsetof(struct gc_cache, slot_bytes) == 24 &&
                   offsetof(struct gc_cache, zero_bytes) == 28,
               "gc_fast.S: CACHE_*");

PERCPU(struct gc_cache[GC_SHAPES], gc_cache);
PERCPU(struct gc_cache_span[GC_SHAPES], gc_cache_span);

void *gc_alloc_slow(struct rt_type *type); /* called by gc_fast.S */

/* ---- One cpu's cache ---- */

static struct gc_cache *cache_of(unsigned shape)
{
    return &(*this_cpu_ptr(gc_cache))[shape];
}

static struct gc_cache_span *cache_span_of(unsigned shape)
{
    return &(*this_cpu_ptr(gc_cache_span))[shape];
}

static void clear_group(uintptr_t base, size_t slot_bytes, uint64_t free)
{
    if (RT_LIKELY(free == UINT64_MAX)) {
        arch_fill_words((void *)base, 0, 8 * slot_bytes);
        return;
    }
    while (free != 0) { /* run by run */
        unsigned first = bit_lowest(free), run = bit_lowest(~(free >> first));
        memset((void *)(base + first * slot_bytes), 0, run * slot_bytes);
        free &= ~(((UINT64_C(1) << run) - 1) << first);
    }
}

/* Cache the next 64 slots of the cpu's span, if any of them is free. False: it has none left. */
static bool cache_next_slots(struct gc_cache *cache, struct gc_cache_span *cs)
{
    const struct gc_span *span = cs->span;
    uint64_t free = 0;
    uint32_t first;

    for (first = cs->next_slot; free == 0; first += 64) {
        if (first >= span->n_slots)
            return false;
        free = gc_free_slots_swept(span, first);
    }
    DEBUG_ASSERT(free == gc_free_slots(span, first - 64));
    cs->next_slot = first;
    first -= 64;
    uint32_t slot_bytes = span->slot_bytes, zero_bytes = 0;
    uintptr_t base = gc_slot_address(span, first);
    if (!span->fresh) {
        if ((slot_bytes <= RT_GC_INLINE_ZERO_MAX && span->kind != GC_HEADER) || gc_barrier_check)
            clear_group(base, slot_bytes, free);
        else
            zero_bytes = slot_bytes;
    }
    cache->epochs = gc_epochs(span) + first;
    cache->base = base;
    cache->slot_bytes = slot_bytes;
    cache->zero_bytes = zero_bytes;
    unsigned n = gc_count_slots(free);
    gc_count_allocated(n, (uint64_t)n * slot_bytes);
    cache->free = free; /* last: from here on the fast path takes them */
    return true;
}

/* The same where gcstress= may be set: one slot at a time, so that each allocation comes by. */
static RT_NOINLINE bool cache_some_slots(struct gc_cache *cache, struct gc_cache_span *cs)
{
    if (!cache_next_slots(cache, cs))
        return false;
    uint64_t others = cache->free & (cache->free - 1);
    if (gc_stress != 0 && others != 0) {
        unsigned n = gc_count_slots(others);
        cache->free &= ~others;
        cs->next_slot -= 64;
        gc_count_unallocated(n, (uint64_t)n * cache->slot_bytes);
    }
    return true;
}

/* Take the span that a cpu has cached for this shape away from it: from our own, preemption off, or
 * from any, world stopped. */
static struct gc_span *cache_detach(struct gc_cache *cache, struct gc_cache_span *cs,
                                    bool *exhausted)
{
    struct gc_span *span = cs->span;
    uint64_t left = cache->free;

    if (span == NULL)
        return NULL;
    if (left != 0) {
        unsigned n_left = bits_count(left);
        cache->free = 0;
        gc_count_unallocated(n_left, (uint64_t)n_left * span->slot_bytes);
        cache->epochs[bit_lowest(left)] = 0; /* [alloc.1] */
        DEBUG_ASSERT((left & ~arch_bytes_equal64(cache->epochs, 0)) == 0);
    }
    cs->span = NULL;
    span->state = GC_SPAN_SWEEPING;
    *exhausted = left == 0 && cs->next_slot >= span->n_slots;
    return span;
}

static void cache_release(struct gc_cache *cache, struct gc_cache_span *cs)
{
    bool exhausted;
    struct gc_span *span = cache_detach(cache, cs, &exhausted);
    if (span == NULL)
        return;
    if (exhausted && span->swept == (uint8_t)gc_sweep_gen)
        gc_shape_push(span, true);
    else
        gc_sweep_and_file(span);
}

void gc_cache_flush_stw(unsigned cpu)
{
    for (unsigned i = 1; i < GC_SHAPES; i++)
        cache_release(&(*cpu_ptr(cpu, gc_cache))[i], &(*cpu_ptr(cpu, gc_cache_span))[i]);
}

/* A few shapes at a time, so that each has its turn well before the epoch comes round [heap.2]. */
#define RETIRE_SHAPES 4u
#define RETIRE_TURNS (GC_SHAPES / RETIRE_SHAPES + 1)

static RT_NOINLINE void cache_retire(unsigned cpu, unsigned shape)
{
    bool exhausted;
    gc_shape_push_unswept(cache_detach(&(*cpu_ptr(cpu, gc_cache))[shape],
                                       &(*cpu_ptr(cpu, gc_cache_span))[shape], &exhausted));
}

void gc_cache_retire_stw(unsigned cpu)
{
    const struct gc_cache_span *cs = *cpu_ptr(cpu, gc_cache_span);
    unsigned shape = gc_sweep_gen % RETIRE_TURNS * RETIRE_SHAPES, end = shape + RETIRE_SHAPES;

    for (; shape < end && shape < GC_SHAPES; shape++)
        if (RT_UNLIKELY(cs[shape].span != NULL))
            cache_retire(cpu, shape);
}

static void cache_take_span(unsigned shape, struct gc_span *span)
{
    struct gc_cache_span *cs = cache_span_of(shape);
    DEBUG_ASSERT(cs->span == NULL);
    span->state = GC_SPAN_CACHED;
    cs->span = span;
    cs->next_slot = 0;
}

/* One try to make this cpu's word of the shape not 0, from spans that exist. Preemption off. */
static bool cache_refill(unsigned shape, bool *more)
{
    struct gc_cache_span *cs = cache_span_of(shape);

    *more = false;
    if (cache_of(shape)->free != 0)
        return true; /* we came to another cpu meanwhile, or somebody else refilled it */
    if (cs->span != NULL) {
        if (cs->span->swept == (uint8_t)gc_sweep_gen && cache_some_slots(cache_of(shape), cs))
            return true;
        cache_release(cache_of(shape), cs); /* a span from before the last STW#2 is swept first */
    }
    struct gc_span *span = gc_shape_take(shape, 4, more);
    if (span == NULL)
        return false;
    cache_take_span(shape, span);
    return cache_some_slots(cache_of(shape), cs);
}

/* refill() where the collector wants nothing and the cpu's span has more: nearly always. */
static inline bool refill_quickly(unsigned shape)
{
    if (RT_UNLIKELY(!gc_may_alloc()))
        return false;
    arch_touch_stack(); /* nothing below grows it with preemption off */
    preempt_off();
    struct gc_cache *cache = cache_of(shape);
    struct gc_cache_span *cs = cache_span_of(shape);
    bool ok = cache->free == 0 && cs->span != NULL && cs->span->swept == (uint8_t)gc_sweep_gen &&
              cache_next_slots(cache, cs);
    preempt_on();
    return ok;
}

/*
 * Make the shape's free word on this cpu not 0; the goroutine may be elsewhere when the caller
 * looks. False: no memory.
 */
static RT_NOINLINE bool refill(unsigned shape)
{
    bool more;

    arch_touch_stack(); /* as above */
    gc_before_alloc((size_t)gc_classes[gc_shapes[shape].class].bytes * 64);
    do {
        preempt_off();
        bool ok = cache_refill(shape, &more);
        preempt_on();
        if (ok)
            return true;
    } while (more);

    struct gc_span *span = gc_span_make(shape);
    if (span == NULL)
        return false;
    preempt_off();
    if (cache_of(shape)->free == 0 && cache_span_of(shape)->span == NULL) {
        cache_take_span(shape, span);
        (void)cache_some_slots(cache_of(shape), cache_span_of(shape));
    } else {
        span->swept = (uint8_t)gc_sweep_gen;
        gc_shape_push(span, false);
    }
    preempt_on();
    return true;
}

/* ---- Objects up to 32 KiB ---- */

enum alloc_flags { ALLOC_TRY = 1 };

/* Memory is short: try harder, or give up as the flags say. Returns whether to try again. */
static bool memory_short(unsigned step, size_t bytes, unsigned flags)
{
    if (gc_find_memory(step))
        return true;
    if (flags & ALLOC_TRY)
        return false;
    lang_panic_out_of_memory(bytes);
}

#ifdef RT_DEBUG
#define DEBUG_PREEMPT_OFF() preempt_off()
#define DEBUG_PREEMPT_ON() preempt_on()
#else
#define DEBUG_PREEMPT_OFF() ((void)0)
#define DEBUG_PREEMPT_ON() ((void)0)
#endif

/* A slot of this shape, cleared but for its header; 0 only with ALLOC_TRY. */
static uintptr_t alloc_slot(unsigned shape, const struct gc_header *header, unsigned flags)
{
    uint32_t at = shape << GC_CACHE_SHIFT;
    const uint64_t *words = (const uint64_t *)(const void *)header;
    unsigned step = 0;

    for (;;) {
        /* the verifier would take dead bytes in a new object for lost references */
        DEBUG_PREEMPT_OFF();
        struct gc_taken got = words == NULL ? gc_take(at) : gc_take_header(at, words[0], words[1]);
        if (RT_LIKELY(got.slot != 0)) {
            uint64_t skip = words == NULL ? 0 : sizeof(*header);
            if (got.zero_bytes != 0)
                (memset)((void *)(got.slot + skip), 0, got.zero_bytes - skip);
            DEBUG_PREEMPT_ON();
            return got.slot;
        }
        DEBUG_PREEMPT_ON();
        if (!refill_quickly(shape) && !refill(shape) &&
            !memory_short(step++, gc_classes[gc_shapes[shape].class].bytes, flags))
            return 0;
    }
}

/* ---- Objects above 32 KiB ---- */

#define CLEAR_STEP (64u << 10)

static void *alloc_large(size_t bytes, const struct gc_header *header, unsigned flags)
{
    struct gc_span *span;
    unsigned step = 0;

    arch_touch_stack();
    gc_before_alloc(bytes);
    while ((span = gc_span_make_large(bytes)) == NULL) {
        if (!memory_short(step++, bytes, flags))
            return NULL;
    }
    *gc_large_elem(span) = header->elem;
    span->prefix_bytes = header->prefix_bytes;
    span->prefix_scan = header->prefix_scan;
    size_t room = (size_t)span->n_units * GC_UNIT_BYTES;
    for (size_t done = 0; done < room; done += CLEAR_STEP) {
        size_t left = room - done;
        (memset)((void *)(span->base + done), 0, left < CLEAR_STEP ? left : CLEAR_STEP);
    }

    void *object = (void *)span->base;
    /* long, so preemptible: its slot is free still, and nobody sweeps what is on no list */
    gc_span_publish(span);
    preempt_off();
    gc_epochs(span)[0] = gc_epoch_birth; /* [alloc.2] */
    span->swept = (uint8_t)gc_sweep_gen;
    gc_count_allocated(1, gc_slot_size(span));
    gc_shape_push(span, true);
    preempt_on();
    return object;
}

/* ---- From types to shapes ---- */

#define HEADER_BYTES sizeof(struct gc_header)

/* Every word of `bytes`: what a type without a map is taken for. */
static uint64_t all_words(size_t bytes)
{
    size_t words = bytes / 8;
    return words >= 64 ? UINT64_MAX : (UINT64_C(1) << words) - 1;
}

static bool type_noscan(const struct rt_type *type)
{
    return type->kind == RT_TYPE_NOSCAN || type->size < 8;
}

/* The pointer mask of a type of at most 512 bytes; false: it is too large for one. */
static bool type_mask(const struct rt_type *type, uint64_t *mask)
{
    if (type_noscan(type)) {
        *mask = 0;
        return true;
    }
    if (type->size > GC_MASK_BYTES_MAX)
        return false;
    if (type->kind == RT_TYPE_MASK)
        *mask = type->ptrmask;
    else if (type->kind == RT_TYPE_BITMAP)
        *mask = type->map[0];
    else
        *mask = all_words(type->size);
    return true;
}

/* Room for an object of this alignment: class sizes and span bases are multiples of 64 where it
 * matters. */
static size_t aligned_bytes(size_t bytes, size_t align)
{
    if (bytes == 0)
        bytes = 1;
    if (align <= 16)
        return bytes;
    ASSERT(align <= 64);
    return align_up(bytes, align);
}

static unsigned aligned_class(size_t bytes, size_t align)
{
    unsigned class = gc_class_of(bytes);
    while (align >= 16 && gc_classes[class].bytes % align != 0)
        class ++;
    return class;
}

/* The shape for one object of this type without a header; 0: it needs one, or is large. */
static unsigned type_shape(const struct rt_type *type)
{
    uint64_t mask;
    size_t bytes = aligned_bytes(type->size, type->align);

    if (bytes > GC_SMALL_MAX || !type_mask(type, &mask))
        return 0;
    unsigned class = aligned_class(bytes, type->align);
    if (mask == 0)
        return GC_SHAPE_NOSCAN + class;
    return gc_shape_find(gc_classes[class].bytes, mask, type->name);
}

/* An object that carries, or whose span carries, a header: `bytes` in all, prefix included. */
static void *alloc_headered(size_t bytes, size_t align, struct gc_header *header, unsigned flags)
{
    header->offset = align <= HEADER_BYTES ? HEADER_BYTES : (uint8_t)align;
    size_t room = bytes + header->offset;
    if (room > GC_SMALL_MAX) {
        header->offset = 0;
        return alloc_large(bytes, header, flags);
    }
    header->bytes = (uint32_t)bytes;
    unsigned class = aligned_class(room, align);
    if (gc_classes[class].bytes > GC_SMALL_MAX)
        fatal("gc: no class for %zu bytes aligned to %zu", bytes, align);
    uintptr_t slot = alloc_slot(GC_SHAPE_HEADER + class, header, flags);
    return slot == 0 ? NULL : (void *)(slot + header->offset);
}

static void *alloc_noscan(size_t bytes, size_t align, unsigned flags)
{
    bytes = aligned_bytes(bytes, align);
    if (bytes > GC_SMALL_MAX)
        return alloc_large(bytes, &(struct gc_header){.elem = NULL}, flags);
    return (void *)alloc_slot(GC_SHAPE_NOSCAN + aligned_class(bytes, align), NULL, flags);
}

static void *alloc_type(struct rt_type *type, unsigned flags)
{
    unsigned shape = type->shape >> GC_CACHE_SHIFT;
    if (shape == 0) {
        shape = type_shape(type);
        type->shape = shape << GC_CACHE_SHIFT; /* whoever is first or last, it is the same */
    }
    if (shape != 0)
        return (void *)alloc_slot(shape, NULL, flags);
    size_t bytes = aligned_bytes(type->size, type->align);
    if (type_noscan(type))
        return alloc_noscan(bytes, type->align, flags);
    return alloc_headered(bytes, type->align, &(struct gc_header){.elem = type}, flags);
}

/* No free slot is cached, or the type has no shape yet. */
void *gc_alloc_slow(struct rt_type *type)
{
    if (RT_LIKELY(type->shape != 0) && RT_LIKELY(refill_quickly(type->shape >> GC_CACHE_SHIFT)))
        return rt_gc_alloc(type);
    return alloc_type(type, 0);
}

void *rt_gc_alloc_big(struct rt_type *type)
{
    return alloc_type(type, 0);
}

void *rt_gc_try_alloc(struct rt_type *type)
{
    return alloc_type(type, ALLOC_TRY);
}

/* ---- Arrays ---- */

/* Repeat an element's mask over the words of a slot. */
static uint64_t repeat_mask(uint64_t mask, size_t elem_words, size_t words)
{
    uint64_t all = 0;
    for (size_t at = 0; at < words; at += elem_words)
        all |= mask << at;
    return all & all_words(words * 8);
}

static void *alloc_array(struct rt_type *elem, size_t n, unsigned flags)
{
    size_t bytes = aligned_bytes(n * elem->size, elem->align);
    uint64_t mask;

    if (type_noscan(elem))
        return alloc_noscan(bytes, elem->align, flags);
    if (bytes <= GC_MASK_BYTES_MAX && elem->size % 8 == 0 && type_mask(elem, &mask)) {
        unsigned class = aligned_class(bytes, elem->align);
        size_t slot_bytes = gc_classes[class].bytes;
        unsigned shape =
            slot_bytes > GC_MASK_BYTES_MAX
                ? 0
                : gc_shape_find(slot_bytes, repeat_mask(mask, elem->size / 8, slot_bytes / 8),
                                elem->name);
        if (shape != 0)
            return (void *)alloc_slot(shape, NULL, flags);
    }
    return alloc_headered(bytes, elem->align, &(struct gc_header){.elem = elem}, flags);
}

/* The largest count times size that is not nonsense: half the address space, as Go's maxAlloc. */
#define ARRAY_BYTES_MAX ((size_t)1 << 47)

size_t rt_gc_array_bytes(size_t n, size_t elem_bytes)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, elem_bytes, &bytes) || bytes > ARRAY_BYTES_MAX)
        lang_panic_make_len();
    return bytes;
}

void *rt_gc_alloc_array(struct rt_type *elem, size_t n)
{
    (void)rt_gc_array_bytes(n, elem->size);
    return alloc_array(elem, n, 0);
}

void *rt_gc_alloc_noscan(size_t bytes)
{
    (void)rt_gc_array_bytes(bytes, 1);
    return alloc_noscan(bytes, bytes >= 16 ? 16 : 8, 0); /* no type says what it is for */
}

static struct rt_type word_type = {
    .ptrmask = 1, .size = 8, .align = 8, .kind = RT_TYPE_MASK, .name = "reference"};

void *rt_gc_alloc_words(size_t n)
{
    (void)rt_gc_array_bytes(n, 8);
    return alloc_array(&word_type, n, 0);
}

void *gc_alloc_prefixed(size_t prefix_bytes, bool prefix_scan, struct rt_type *elem, size_t n)
{
    size_t bytes;

    ASSERT(prefix_bytes % 8 == 0 && prefix_bytes <= 4096 && prefix_bytes % elem->align == 0);
    if (__builtin_mul_overflow(n, (size_t)elem->size, &bytes) || bytes > ARRAY_BYTES_MAX)
        return NULL;
    bytes += prefix_bytes;
    if (!prefix_scan && (n == 0 || type_noscan(elem)))
        return alloc_noscan(bytes, elem->align, 0);
    struct gc_header header = {
        .elem = n == 0 || type_noscan(elem) ? NULL : elem,
        .prefix_bytes = (uint16_t)prefix_bytes,
        .prefix_scan = prefix_scan,
    };
    return alloc_headered(aligned_bytes(bytes, elem->align), elem->align, &header, 0);
}

char *rt_gc_strdup(const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = alloc_noscan(n, 1, 0);
    return (memcpy)(copy, text, n);
}

/* ---- Which object is it? ---- */

void *gc_object_of(const void *p, size_t *bytes)
{
    uint32_t slot;
    const struct gc_span *span = gc_slot_at((uintptr_t)p, &slot);
    if (span == NULL || !gc_live_byte(gc_epochs(span)[slot]))
        return NULL;
    if (span->kind == GC_LARGE) {
        *bytes = span->limit - span->base;
        return (void *)span->base;
    }
    uintptr_t start = gc_slot_address(span, slot);
    *bytes = span->slot_bytes;
    if (span->kind == GC_HEADER) {
        const struct gc_header *header = (const struct gc_header *)start;
        *bytes = header->bytes;
        start += header->offset;
    }
    return (void *)start;
}
