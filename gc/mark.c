/*
 * gc/mark.c - concurrent tri-colour marking.
 *
 * WHAT. Finds every object that could be reached when the cycle began, while goroutines run.
 * gc/cycle.c stops the world twice around it: to turn the barrier on, and to see that nothing is
 * grey.
 *
 * COLOURS. White: a live slot whose epoch byte is the last cycle's. Black or grey: the current
 * one's. An entry of the grey set may still be white: it is marked when it is taken. Objects born
 * while marking are black.
 *
 * INVARIANTS
 * [mark.1] Every object that was reachable in STW#1 is black, grey, or reachable from a grey entry
 *          through white objects only. Kept by gc/barrier.c, which greys what is overwritten, and
 *          by no goroutine running on a stack that was not scanned (gc/roots.c).
 * [mark.2] An object is scanned by whoever makes it black. Two cpus may both do so, at the same
 *          moment: the work is done twice, and nothing else happens.
 * [mark.3] Marking ends only when no cpu has an entry and no chunk is shared; gc_mark_is_done_stw()
 *          decides, so nothing moves.
 * [mark.4] No more chunks is no failure: the object is marked and its span flagged, and the flagged
 *          spans' marked objects are scanned again.
 * [mark.5] A large object is scanned in pieces of PIECE_BYTES; where one begins, the next
 *          OBLET_BYTES boundary is made grey first, so that others can take it.
 *
 * ONE ENTRY'S WAY. Fields are pushed as they are, if they lie in the heap's range, onto the cpu's
 * chunk (last in, first out: the chain stays in the cache). From there an entry goes into a ring of
 * RING entries, first in, first out, where its object's line and epoch byte are prefetched; when it
 * comes out they are there.
 *
 * LOCKING. A cpu's local state: its lock (rank GC_LOCAL), held for a slice; thieves try. Chunk
 * lists: pool_lock (rank GC_POOL).
 * ORDERING. Epoch bytes are plain; fields are read as words. The barrier makes every order right:
 * what is overwritten was greyed before.
 *
 * REJECTED. Recursion: a list of a million nodes is a million frames. Marking when an object is
 * found: a cache miss for each pointer, and nothing to prefetch for. Work that belongs to worker
 * goroutines: a preempted one would keep it.
 * SOURCES. Dijkstra et al., CACM 21(11), 1978. Yuasa, J. Systems and Software 11(3), 1990. Cher,
 * Hosking, Vitek, "Software prefetching for mark-sweep garbage collection", ASPLOS 2004 (the ring).
 */
#include <gc/mark.h>
#include <gc/cycle.h>
#include <lib/bits.h>
#include <lib/string.h>
#include <mm/page.h>
#include <sched/sched.h>

#define RING 16u /* a power of two */
#define PIECE_BYTES GC_PIECE_BYTES
#define OBLET_BYTES (128u << 10)
#define DRAIN_OVER 256 /* by how much a slice may exceed its budget */
#define OBJECT_COST 4  /* in words of the slice's budget */

PERCPU(struct gc_local, gc_local);
uint64_t gc_scan_work;
uint32_t gc_chunk_limit;

static struct spinlock pool_lock = SPINLOCK_INIT(RANK_GC_POOL);
static struct gc_chunk *pool_full;  /* under pool_lock */
static struct gc_chunk *pool_empty; /* under pool_lock */
static uint32_t n_full;             /* [a] written under pool_lock */
static uint32_t n_chunks;           /* under pool_lock: all there are */
static uint32_t n_empty;            /* under pool_lock */
static uint32_t hungry;             /* [a] cpus that looked for work and found none lately */
static uint32_t rescan_spans;       /* [a] how many spans are flagged [mark.4] */
static struct spinlock rescan_lock = SPINLOCK_INIT(RANK_GC_POOL);
static size_t rescan_unit; /* under rescan_lock: where the walk over flagged spans is */
static uint32_t
    rescan_slot; /* under rescan_lock: next slot of that span; 0: the span is to be looked at */
static uint32_t slices_running; /* [a] */

/* ---- Chunks ---- */

static struct gc_chunk *chunk_make_locked(void)
{
    if (gc_chunk_limit != 0 && n_chunks >= gc_chunk_limit)
        return NULL;
    struct gc_chunk *pair = page_alloc_one(0);
    if (pair == NULL)
        return NULL;
    n_chunks += 2;
    pair[1].n = 0;
    pair[1].next = pool_empty;
    pool_empty = &pair[1];
    n_empty++;
    return pair;
}

static struct gc_chunk *chunk_get_empty(void)
{
    spin_lock(&pool_lock);
    struct gc_chunk *c = pool_empty;
    if (c != NULL) {
        pool_empty = c->next;
        n_empty--;
    } else {
        c = chunk_make_locked();
    }
    spin_unlock(&pool_lock);
    if (c != NULL)
        c->n = 0;
    return c;
}

static void chunk_put_empty(struct gc_chunk *c)
{
    spin_lock(&pool_lock);
    c->next = pool_empty;
    pool_empty = c;
    n_empty++;
    spin_unlock(&pool_lock);
}

static void chunk_put_full(struct gc_chunk *c)
{
    spin_lock(&pool_lock);
    c->next = pool_full;
    pool_full = c;
    store_relaxed(&n_full, n_full + 1);
    spin_unlock(&pool_lock);
}

static struct gc_chunk *chunk_get_full(void)
{
    if (load_relaxed(&n_full) == 0)
        return NULL;
    spin_lock(&pool_lock);
    struct gc_chunk *c = pool_full;
    if (c != NULL) {
        pool_full = c->next;
        store_relaxed(&n_full, n_full - 1);
    }
    spin_unlock(&pool_lock);
    return c;
}

#define CHUNKS_KEPT 16u

void gc_mark_trim(void)
{
    /* chunks come in pairs that share a page; a page goes back when both are empty and next to each
     * other in the sorted list. Sorting by insertion would be quadratic, so both halves meet
     * through a flag in the entries. */
    spin_lock(&pool_lock);
    struct gc_chunk *list = pool_empty;
    uint32_t total = n_empty;
    pool_empty = NULL;
    n_empty = 0;
    spin_unlock(&pool_lock);
    if (total <= CHUNKS_KEPT) {
        while (list != NULL) {
            struct gc_chunk *next = list->next;
            chunk_put_empty(list);
            list = next;
        }
        return;
    }
    /* entry[0] of a page's first chunk counts its halves on this list; entry[1] of each marks them
     * as seen */
    for (struct gc_chunk *c = list; c != NULL; c = c->next)
        ((struct gc_chunk *)align_down((uintptr_t)c, PAGE_BYTES))->entry[0] = 0;
    for (struct gc_chunk *c = list; c != NULL; c = c->next)
        ((struct gc_chunk *)align_down((uintptr_t)c, PAGE_BYTES))->entry[0]++;
    uint32_t kept = 0, freed = 0;
    struct gc_chunk *pages = NULL;
    while (list != NULL) {
        struct gc_chunk *c = list, *first = (struct gc_chunk *)align_down((uintptr_t)c, PAGE_BYTES);
        list = c->next;
        if (first->entry[0] < 2 || kept < CHUNKS_KEPT) {
            if (first->entry[0] == 2)
                first->entry[0] = 1; /* its other half stays too */
            chunk_put_empty(c);
            kept++;
            continue;
        }
        freed++;
        if (c == first) {
            c->next = pages;
            pages = c;
        }
    }
    spin_lock(&pool_lock);
    n_chunks -= freed;
    spin_unlock(&pool_lock);
    while (pages != NULL) {
        struct gc_chunk *next = pages->next;
        page_free_one(pages);
        pages = next;
    }
}

/* ---- A cpu's grey set ---- */

void gc_local_lock(void)
{
    preempt_off();
    spin_lock(&this_cpu_ptr(gc_local)->lock);
}

void gc_local_unlock(void)
{
    spin_unlock(&this_cpu_ptr(gc_local)->lock);
    preempt_on();
}

/* [mark.4] There is no room for this entry: mark its object, if it is one, and flag the span. */
static RT_COLD void overflow(struct gc_local *l, uintptr_t entry)
{
    uintptr_t a = entry & ~(uintptr_t)7;
    for (int i = 0; i < 2; i++, a -= 8) { /* a stack word may mean the object before it */
        struct gc_span *span = gc_span_of(a);
        if (span == NULL || a >= span->limit)
            continue;
        uint32_t slot = gc_slot_of(span, a);
        uint8_t *epoch = &gc_epochs(span)[slot];
        if (slot >= span->n_slots || !gc_live_byte(*epoch))
            continue;
        bool white = *epoch != gc_epoch;
        if (white) {
            *epoch = gc_epoch;
            l->marked_bytes += gc_slot_size(span);
        }
        if ((white || (entry & GC_ENTRY_PIECE)) && swap_acq_rel(&span->rescan, 1) == 0)
            add_acq_rel(&rescan_spans, 1);
        if (!(entry & GC_ENTRY_STACK))
            break;
    }
}

static RT_NOINLINE void push_slow(struct gc_local *l, uintptr_t entry)
{
    struct gc_chunk *c = chunk_get_empty();
    if (c == NULL) {
        overflow(l, entry);
        return;
    }
    chunk_put_full(l->chunk);
    c->entry[0] = entry;
    c->n = 1;
    l->chunk = c;
}

static inline void push(struct gc_local *l, uintptr_t entry)
{
    struct gc_chunk *c = l->chunk;
    if (RT_UNLIKELY(c->n == GC_CHUNK_ENTRIES)) {
        push_slow(l, entry);
        return;
    }
    c->entry[c->n++] = entry;
}

static inline void push_word(struct gc_local *l, uintptr_t word)
{
    if (gc_maybe(word))
        push(l, word & ~(uintptr_t)7);
}

void gc_scan_words(const void *lo, const void *hi)
{
    struct gc_local *l = this_cpu_ptr(gc_local);
    for (const uintptr_t *p = lo; p < (const uintptr_t *)hi; p++) {
        uintptr_t w = *(const volatile uintptr_t *)p;
        if (gc_maybe(w))
            push(l, (w & ~(uintptr_t)7) | GC_ENTRY_STACK);
    }
    l->scan_bytes += (uintptr_t)hi - (uintptr_t)lo;
}

void gc_grey(uintptr_t word)
{
    struct gc_local *l = this_cpu_ptr(gc_local);
    spin_lock(&l->lock);
    push_word(l, word);
    spin_unlock(&l->lock);
}

/* ---- Scanning ---- */

/* Is the i-th word of an element a possible pointer? */
static inline bool type_has(const struct rt_type *elem, size_t i)
{
    if (elem->kind == RT_TYPE_MASK)
        return elem->ptrmask >> i & 1;
    if (elem->kind == RT_TYPE_BITMAP)
        return elem->map[i / 64] >> (i % 64) & 1;
    return elem->kind != RT_TYPE_NOSCAN;
}

/*
 * Scan a typed object from byte `from` on, for at most a piece; true: there is more.
 * object   its first byte; bytes: its length; the prefix is at its start
 */
static bool scan_piece(struct gc_local *l, uintptr_t object, size_t bytes, size_t from,
                       size_t prefix, bool prefix_scan, const struct rt_type *elem)
{
    size_t to = from + PIECE_BYTES < bytes ? from + PIECE_BYTES : bytes;
    const volatile uintptr_t *p = (const volatile uintptr_t *)object;
    size_t i = from / 8, end = to / 8;

    l->scan_bytes += to - from;
    for (; i < prefix / 8 && i < end; i++)
        if (prefix_scan)
            push_word(l, p[i]);
    if (elem == NULL)
        return false;
    size_t elem_words = elem->size / 8;
    if (elem_words <= 1 || elem->size % 8 != 0) {
        for (; i < end; i++)
            push_word(l, p[i]);
    } else {
        size_t in = (i - prefix / 8) % elem_words;
        for (; i < end; i++) {
            if (type_has(elem, in))
                push_word(l, p[i]);
            if (++in == elem_words)
                in = 0;
        }
    }
    return to < bytes;
}

void gc_scan_typed(uintptr_t base, size_t bytes, size_t from, const struct rt_type *elem)
{
    (void)scan_piece(this_cpu_ptr(gc_local), base, bytes, from, 0, false, elem);
}

static void scan_large(struct gc_local *l, const struct gc_span *span, uintptr_t at)
{
    size_t from = at - span->base, bytes = span->limit - span->base;

    if (from % OBLET_BYTES == 0 && bytes - from > OBLET_BYTES)
        push(l, (at + OBLET_BYTES) | GC_ENTRY_PIECE); /* [mark.5] */
    size_t oblet_end = from - from % OBLET_BYTES + OBLET_BYTES;
    size_t end = oblet_end < bytes ? oblet_end : bytes;
    if (from + PIECE_BYTES < end)
        push(l, (at + PIECE_BYTES) | GC_ENTRY_PIECE);
    (void)scan_piece(l, span->base, end, from, span->prefix_bytes, span->prefix_scan, span->elem);
}

static void scan_headered(struct gc_local *l, const struct gc_header *header, size_t from)
{
    uintptr_t object = (uintptr_t)header + header->offset;

    if (from + PIECE_BYTES < header->bytes && header->elem != NULL)
        push(l, (object + from + PIECE_BYTES) | GC_ENTRY_PIECE);
    (void)scan_piece(l, object, header->bytes, from, header->prefix_bytes, header->prefix_scan,
                     header->elem);
}

/* Scan an object that is black already. Returns its cost in words. */
static inline int scan_object(struct gc_local *l, const struct gc_span *span, uintptr_t object)
{
    if (RT_LIKELY(span->kind == GC_MASK)) {
        const volatile uintptr_t *p = (const volatile uintptr_t *)object;
        uint64_t mask = span->mask;
        l->scan_bytes += span->slot_bytes;
        if (mask == UINT64_MAX || (mask & (mask + 1)) == 0) { /* a run of pointers from the start */
            for (unsigned n = mask == UINT64_MAX ? 64 : bit_lowest(~mask); n != 0; n--)
                push_word(l, *p++);
        } else {
            for (; mask != 0; mask &= mask - 1)
                push_word(l, p[bit_lowest(mask)]);
        }
        return OBJECT_COST + (int)(span->slot_bytes / 8);
    }
    if (span->kind == GC_NOSCAN)
        return 1;
    if (span->kind == GC_HEADER)
        scan_headered(l, (const struct gc_header *)object, 0);
    else if (span->elem != NULL || span->prefix_scan)
        scan_large(l, span, span->base);
    return OBJECT_COST + PIECE_BYTES / 8 / 2;
}

void gc_grey_locked(uintptr_t word)
{
    push_word(this_cpu_ptr(gc_local), word);
}

void gc_scan_contents(uintptr_t object)
{
    const struct gc_span *span = gc_span_of(object);
    (void)scan_object(this_cpu_ptr(gc_local), span,
                      gc_slot_address(span, gc_slot_of(span, object)));
}

/* Go on with an object whose earlier pieces are done. */
static void scan_continue(struct gc_local *l, uintptr_t at)
{
    struct gc_span *span = gc_span_of_maybe(at);

    if (span->kind == GC_LARGE) {
        scan_large(l, span, at);
        return;
    }
    const struct gc_header *header =
        (const struct gc_header *)gc_slot_address(span, gc_slot_of(span, at));
    scan_headered(l, header, at - ((uintptr_t)header + header->offset));
}

/* ---- The ring and the slice ---- */

struct ring_entry {
    const struct gc_span *span;
    uint8_t *epoch;
    uintptr_t object;
};

/*
 * Resolve an entry; false: it is no object. Prefetches what scanning will touch.
 */
static inline bool resolve(uintptr_t a, struct gc_span *const *pagemap, struct ring_entry *out)
{
    const struct gc_span *span = pagemap[(a - ARCH_DIRECT_BASE) >> GC_UNIT_SHIFT];

    if (RT_UNLIKELY(span == NULL) || RT_UNLIKELY(a >= span->limit))
        return false;
    uint32_t slot = gc_slot_of(span, a);
    out->span = span;
    out->epoch = &gc_epochs(span)[slot];
    out->object = gc_slot_address(span, slot);
    arch_prefetch(out->epoch);
    arch_prefetch((const void *)out->object);
    return true;
}

/* An entry with a tag: the rest of an object, or a word of a stack. False: there is nothing more to
 * do for it. */
static RT_NOINLINE bool take_tagged(struct gc_local *l, uintptr_t entry)
{
    uintptr_t a = entry & ~(uintptr_t)7;
    if (entry & GC_ENTRY_PIECE) {
        scan_continue(l, a);
        return false;
    }
    const struct gc_span *span = gc_span_of_maybe(a);
    uint32_t slot;
    if (span == NULL || a >= span->limit || (slot = gc_slot_of(span, a)) >= span->n_slots ||
        a == gc_slot_address(span, slot))
        push_word(l, a - 8); /* the end of the object before it, perhaps */
    return true;
}

/* Fill an empty grey set from elsewhere. Lock held. */
static bool refill_from_pool(struct gc_local *l)
{
    struct gc_chunk *c = chunk_get_full();
    if (c == NULL)
        return false;
    chunk_put_empty(l->chunk);
    l->chunk = c;
    return true;
}

static bool local_empty(const struct gc_local *l)
{
    const struct gc_chunk *c = load_relaxed(&l->chunk);
    return c->n == 0;
}

/* Give half of ours away if somebody is waiting and nothing is shared. */
static void share(struct gc_local *l)
{
    struct gc_chunk *mine = l->chunk;

    if (load_relaxed(&hungry) == 0 || load_relaxed(&n_full) != 0 || mine->n < 8)
        return;
    struct gc_chunk *half = chunk_get_empty();
    if (half == NULL)
        return;
    uint64_t give = mine->n / 2;
    (memcpy)(half->entry, mine->entry,
             give * sizeof(mine->entry[0])); /* the oldest: nearest to the roots */
    half->n = give;
    (memmove)(mine->entry, mine->entry + give, (mine->n - give) * sizeof(mine->entry[0]));
    mine->n -= give;
    chunk_put_full(half);
}

/*
 * The inner loop. Costs are counted in some ten instructions each: an entry 2, an object 2, each of
 * its pointers 1. When the budget is used up nothing more goes into the ring, but what is in it is
 * scanned, unless that takes more than DRAIN_OVER: put back, it would be resolved a second time,
 * and a slice is short.
 * The chunk's top is kept in a register and written back around calls.
 */
static void drain(struct gc_local *l, int budget)
{
    struct ring_entry ring[RING];
    unsigned head = 0, n = 0;
    const uint8_t white = gc_epoch_also, black = gc_epoch;
    struct gc_span *const *pagemap = gc_pagemap;
    const uintptr_t heap_bytes = gc_heap_bytes; /* what is above came later: black */
    uint64_t marked = 0, noscan = 0;            /* bytes; the second are in the first */
    uintptr_t *base = l->chunk->entry, *top = base + l->chunk->n;

#define SAVE_TOP() (l->chunk->n = (uint64_t)(top - base))
#define LOAD_TOP() (base = l->chunk->entry, top = base + l->chunk->n)
    for (;;) {
        while (n < RING && top != base && budget > 0) {
            uintptr_t entry = *--top;
            budget -= 2;
            if (RT_UNLIKELY((entry & 7) != 0)) {
                SAVE_TOP();
                bool more = take_tagged(l, entry);
                LOAD_TOP();
                if (!more) {
                    budget -= PIECE_BYTES / 8;
                    continue;
                }
                entry &= ~(uintptr_t)7;
            }
            if (RT_LIKELY(resolve(entry, pagemap, &ring[(head + n) % RING])))
                n++;
        }
        if (RT_UNLIKELY(n == 0)) {
            if (budget <= 0)
                break;
            SAVE_TOP();
            if (!local_empty(l) || refill_from_pool(l)) {
                LOAD_TOP();
                continue;
            }
            break;
        }
        if (RT_UNLIKELY(budget <= -DRAIN_OVER))
            break;
        const struct ring_entry *e = &ring[head];
        const struct gc_span *span = e->span;
        head = (head + 1) % RING;
        n--;
        if (*e->epoch != white)
            continue;
        *e->epoch = black;
        budget -= 2;
        if (RT_LIKELY(span->kind <= GC_MASK)) {
            const volatile uintptr_t *p = (const volatile uintptr_t *)e->object;
            uint64_t mask = span->mask;
            marked += span->slot_bytes;
            if (mask == 0)
                noscan += span->slot_bytes;
            for (; mask != 0; mask &= mask - 1) {
                uintptr_t w = p[bit_lowest(mask)];
                budget--;
                if (w - ARCH_DIRECT_BASE >= heap_bytes)
                    continue;
                if (RT_UNLIKELY(top == base + GC_CHUNK_ENTRIES)) {
                    SAVE_TOP();
                    push_slow(l, w & ~(uintptr_t)7);
                    LOAD_TOP();
                } else {
                    *top++ = w & ~(uintptr_t)7;
                }
            }
            continue;
        }
        SAVE_TOP();
        marked += gc_slot_size(span);
        noscan += gc_slot_size(span); /* scan_object() counts for itself */
        budget -= scan_object(l, span, e->object);
        LOAD_TOP();
    }
    SAVE_TOP();
    for (; n != 0; n--, head++) /* what is in the ring goes back */
        push(l, ring[head % RING].object);
    l->marked_bytes += marked;
    l->scan_bytes += marked - noscan;
#undef SAVE_TOP
#undef LOAD_TOP
}

/* Take what another cpu has. Lock of l held; tries the others'. */
static bool steal(struct gc_local *l)
{
    unsigned n = arch_cpu_count(), self = arch_cpu_id();

    for (unsigned i = 1; i < n; i++) {
        struct gc_local *other = cpu_ptr((self + i) % n, gc_local);
        if (local_empty(other) || !spin_trylock(&other->lock))
            continue;
        struct gc_chunk *c = other->chunk;
        bool got = c->n != 0;
        if (got) {
            other->chunk = l->chunk; /* empty */
            l->chunk = c;
        }
        spin_unlock(&other->lock);
        if (got)
            return true;
    }
    return false;
}

/* Is a flagged span's walk under way, or still to come? */
static bool rescanning(void)
{
    return load_acquire(&rescan_spans) != 0 || load_relaxed(&rescan_slot) != 0;
}

/*
 * [mark.4] Scan the next marked object of a flagged span again. Our grey set is empty, so what one
 * piece of it pushes first (the rest of itself) finds room, and each pass makes something black
 * that was white.
 */
static bool rescan_step(struct gc_local *l)
{
    if (!rescanning() || !spin_trylock(&rescan_lock))
        return false;
    size_t end = gc_span_index_end();
    for (size_t steps = 0; steps < 256 && local_empty(l); steps++) {
        if (rescan_unit >= end)
            rescan_unit = rescan_slot = 0;
        struct gc_span *span = gc_span_at_index(rescan_unit);
        if (span == NULL || (rescan_slot == 0 && !load_relaxed(&span->rescan)) ||
            rescan_slot >= span->n_slots) {
            rescan_unit++;
            rescan_slot = 0;
            continue;
        }
        if (rescan_slot == 0) {
            (void)swap_acq_rel(&span->rescan, 0); /* whoever overflows from here on flags it anew */
            sub_acq_rel(&rescan_spans, 1);
        }
        uint32_t slot = rescan_slot++;
        if (gc_epochs(span)[slot] == gc_epoch)
            (void)scan_object(l, span, gc_slot_address(span, slot));
    }
    spin_unlock(&rescan_lock);
    return true;
}

bool gc_mark_slice(uint64_t *work)
{
    *work = 0;
    preempt_off();
    if (gc_phase != GC_MARKING) {
        preempt_on();
        return false;
    }
    struct gc_local *l = this_cpu_ptr(gc_local);
    bool did = true;

    add_acq_rel(&slices_running, 1);
    spin_lock(&l->lock);
    uint64_t before = l->scan_bytes;
    if (local_empty(l) && !refill_from_pool(l) && !gc_roots_step() && !steal(l) && !rescan_step(l))
        did = false;
    if (did) {
        drain(l, GC_SLICE_COST);
        share(l);
        *work = l->scan_bytes - before;
        add_relaxed(&gc_scan_work, *work);
    }
    spin_unlock(&l->lock);
    sub_acq_rel(&slices_running, 1);
    if (load_relaxed(&hungry) != !did)
        store_relaxed(&hungry, !did);
    if (load_relaxed(&n_full) != 0 && sched_idle_cpus() != 0)
        sched_wake_one();
    preempt_on();
    return did;
}

/* ---- Is it done? ---- */

static bool nothing_grey(void)
{
    if (load_acquire(&n_full) != 0 || rescanning())
        return false;
    for (unsigned i = 0; i < arch_cpu_count(); i++)
        if (!local_empty(cpu_ptr(i, gc_local)))
            return false;
    return true;
}

bool gc_mark_looks_done(void)
{
    return load_acquire(&slices_running) == 0 && gc_roots_done() && nothing_grey();
}

bool gc_mark_is_done_stw(void)
{
    return gc_roots_done() && nothing_grey();
}

/* Each cpu has a chunk for good: with it alone marking would still end [mark.4]. */
void gc_mark_init(void)
{
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        struct gc_local *l = cpu_ptr(i, gc_local);
        l->lock.rank = RANK_GC_LOCAL;
        l->chunk = chunk_get_empty();
        if (l->chunk == NULL)
            fatal("gc: no memory for the grey set of cpu %u", i);
    }
}

void gc_mark_begin_stw(void)
{
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        struct gc_local *l = cpu_ptr(i, gc_local);
        l->marked_bytes = l->scan_bytes = 0;
    }
    gc_scan_work = 0;
    rescan_unit = rescan_slot = 0;
    gc_roots_begin_stw();
}

void gc_mark_sum_stw(uint64_t *marked_bytes, uint64_t *scan_bytes)
{
    *marked_bytes = *scan_bytes = 0;
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        const struct gc_local *l = cpu_ptr(i, gc_local);
        *marked_bytes += l->marked_bytes;
        *scan_bytes += l->scan_bytes;
    }
}
