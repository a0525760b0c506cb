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
 *          OBLET_BYTES boundary is made grey first, so that others can take it. Only an entry at
 *          the start of a piece leads to the next one; one in the middle is what was left of a
 *          piece.
 * [mark.6] A slice leaves within a QUANTUM when somebody asks for its cpu (preempt_asked()), and
 *          does at least a QUANTUM of work before: whoever drains while stopped comes to an end.
 *          Chunks that it may need are there before it begins: pages may cost more than the
 *          quantum.
 *
 * ONE ENTRY'S WAY. Fields are pushed as they are, if they lie in the heap's range, onto the cpu's
 * chunk (last in, first out: the chain stays in the cache). From there an entry goes into a ring of
 * GC_RING entries, first in, first out, where its object's line and epoch byte are prefetched; when
 * it comes out they are there. Chunk and ring stay with the cpu from slice to slice.
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
#include <lib/fail.h>
#include <lib/string.h>
#include <mm/page.h>
#include <sched/sched.h>

#define WINDOW 64u /* words that are scanned at a time: as many as a mask has bits */
#define PIECE_BYTES 2048u
#define OBLET_BYTES (128u << 10)

PERCPU(struct gc_local, gc_local);
uint64_t gc_scan_work;
uint32_t gc_chunk_limit;

static struct spinlock pool_lock = SPINLOCK_INIT(RANK_GC_POOL);
static struct gc_chunk *pool_full;  /* under pool_lock */
static struct gc_chunk *pool_empty; /* under pool_lock */
static uint32_t n_full;             /* [a] written under pool_lock */
static uint32_t n_chunks;           /* under pool_lock: all there are */
static uint32_t n_empty;            /* [a] written under pool_lock */
static bool no_pages;               /* under pool_lock: not worth asking again in this slice */
static uint32_t hungry;             /* [a] cpus that looked for work and found none lately */
static uint32_t rescan_spans;       /* [a] how many spans are flagged [mark.4] */
static struct spinlock rescan_lock = SPINLOCK_INIT(RANK_GC_POOL);
static size_t rescan_unit;      /* under rescan_lock: where the walk over flagged spans is */
static uint32_t rescan_slot;    /* the same: next slot of that span; 0: it is to be looked at */
static uint32_t slices_running; /* [a] partners: gc_mark_slice(), gc_mark_looks_done() */

/* ---- Chunks ---- */

static void chunk_put_empty_locked(struct gc_chunk *c)
{
    c->next = pool_empty;
    pool_empty = c;
    store_relaxed(&n_empty, n_empty + 1);
}

/* Two more, on a page of their own. False: no memory. */
static bool chunks_make_locked(void)
{
    if (no_pages || (gc_chunk_limit != 0 && n_chunks >= gc_chunk_limit))
        return false;
    struct gc_chunk *pair = page_alloc_one(0);
    no_pages = pair == NULL;
    if (no_pages)
        return false;
    n_chunks += 2;
    chunk_put_empty_locked(&pair[1]);
    chunk_put_empty_locked(&pair[0]);
    return true;
}

static struct gc_chunk *chunk_get_empty(void)
{
    struct gc_chunk *c = NULL;

    if (fail_now(FAIL_CHUNK))
        return NULL;
    spin_lock(&pool_lock);
    if (pool_empty != NULL || chunks_make_locked()) {
        c = pool_empty;
        pool_empty = c->next;
        store_relaxed(&n_empty, n_empty - 1);
        c->n = 0;
    }
    spin_unlock(&pool_lock);
    return c;
}

static void chunk_put_empty(struct gc_chunk *c)
{
    spin_lock(&pool_lock);
    chunk_put_empty_locked(c);
    spin_unlock(&pool_lock);
}

/* Chunks for what a slice can push, whole windows in each, and for what it gives away [mark.6]. */
#define SLICE_CHUNKS (GC_SLICE_COST / 8 / (GC_CHUNK_ENTRIES / WINDOW * WINDOW) + 2)

static void chunks_ahead(void)
{
    if (load_relaxed(&n_empty) >= SLICE_CHUNKS)
        return;
    spin_lock(&pool_lock);
    no_pages = page_largest_free_run() == 0;
    while (n_empty < SLICE_CHUNKS && chunks_make_locked())
        ;
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

/* Where the empty chunks of a page are counted: in the page's first entry. Between cycles no chunk
 * has entries, wherever it is. */
static uintptr_t *empty_of_page(const struct gc_chunk *c)
{
    return &((struct gc_chunk *)align_down((uintptr_t)c, PAGE_BYTES))->entry[0];
}

/* Two chunks share a page: it goes back if both are empty. */
void gc_mark_trim(void)
{
    struct gc_chunk *pages = NULL;
    uint32_t kept = 0, freed = 0;

    if (load_relaxed(&n_empty) <= CHUNKS_KEPT)
        return;
    spin_lock(&pool_lock);
    struct gc_chunk *list = pool_empty;
    pool_empty = NULL;
    store_relaxed(&n_empty, 0);
    spin_unlock(&pool_lock);
    for (struct gc_chunk *c = list; c != NULL; c = c->next)
        *empty_of_page(c) = 0;
    for (struct gc_chunk *c = list; c != NULL; c = c->next)
        ++*empty_of_page(c);
    for (struct gc_chunk *c = list, *next; c != NULL; c = next) {
        next = c->next;
        if (*empty_of_page(c) < 2 || kept < CHUNKS_KEPT) {
            *empty_of_page(c) = 1; /* its other half stays, too */
            chunk_put_empty(c);
            kept++;
            continue;
        }
        freed++;
        if (c->entry == empty_of_page(c)) {
            c->next = pages;
            pages = c;
        }
    }
    spin_lock(&pool_lock);
    n_chunks -= freed;
    spin_unlock(&pool_lock);
    for (struct gc_chunk *c = pages, *next; c != NULL; c = next) {
        next = c->next;
        page_free_one(c);
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
    uintptr_t a = (entry & ~GC_ENTRY_TAG) + ARCH_DIRECT_BASE, tag = entry & GC_ENTRY_TAG;
    for (int i = 0; i < 2; i++, a -= 8) { /* a stack word may mean the object before it */
        uint32_t slot;
        struct gc_span *span = gc_slot_at(a, &slot);
        uint8_t *epoch = span != NULL ? &gc_epochs(span)[slot] : NULL;
        if (span == NULL || !gc_live_byte(*epoch))
            continue;
        bool white = *epoch != gc_epoch;
        if (white) {
            *epoch = gc_epoch;
            l->marked_bytes += gc_slot_size(span);
        }
        if ((white || tag == GC_ENTRY_PIECE) && swap_acq_rel(&span->rescan, 1) == 0)
            add_acq_rel(&rescan_spans, 1);
        if (tag != GC_ENTRY_STACK)
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

/* An address and its tag, or 0. */
static inline void push(struct gc_local *l, uintptr_t a, uintptr_t tag)
{
    struct gc_chunk *c = l->chunk;
    uintptr_t entry = (a - ARCH_DIRECT_BASE) | tag;
    if (RT_UNLIKELY(c->n == GC_CHUNK_ENTRIES)) {
        push_slow(l, entry);
        return;
    }
    c->entry[c->n++] = entry;
}

static inline void push_word(struct gc_local *l, uintptr_t word)
{
    if (gc_maybe(word))
        push(l, word, 0);
}

void gc_scan_words(const void *lo, const void *hi)
{
    struct gc_local *l = this_cpu_ptr(gc_local);
    for (const uintptr_t *p = lo; p < (const uintptr_t *)hi; p++) {
        uintptr_t w = *(const volatile uintptr_t *)p;
        if (gc_maybe(w))
            push(l, w & ~(uintptr_t)7, GC_ENTRY_STACK);
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

/* The top of this cpu's chunk, of a new one if there is no room for a window; NULL: no memory. */
static inline uintptr_t *room(struct gc_local *l)
{
    struct gc_chunk *c = l->chunk;

    if (RT_UNLIKELY(c->n > GC_CHUNK_ENTRIES - WINDOW)) {
        c = chunk_get_empty();
        if (c == NULL)
            return NULL;
        chunk_put_full(l->chunk);
        l->chunk = c;
    }
    return c->entry + c->n;
}

/* Push those of the words chosen by `mask` that may be references; there is room. The new top. */
static RT_ALWAYS_INLINE uintptr_t *push_window(uintptr_t *top, const uintptr_t *p, uint64_t mask,
                                               uintptr_t direct_base, uintptr_t heap_bytes)
{
    for (; mask != 0; mask &= mask - 1) {
        uintptr_t w = load_relaxed(&p[arch_lowest_bit(mask)]); /* once: it may change meanwhile */
        w -= direct_base;
        if (w < heap_bytes)
            *top++ = w;
    }
    return top;
}

/* Entry n of top is this word, if it may be a reference: how many entries there are then. */
static RT_ALWAYS_INLINE size_t put_if(uintptr_t *top, size_t n, const uintptr_t *p,
                                      uintptr_t heap_bytes)
{
    uintptr_t w = load_relaxed(p) - ARCH_DIRECT_BASE;
    top[n] = w;
    return n + (w < heap_bytes);
}

/* push_window() for all words of a window: five instructions for each, none of them a branch. */
static inline uintptr_t *push_dense(uintptr_t *top, const uintptr_t *p, uintptr_t heap_bytes)
{
    size_t n = 0;

    for (const uintptr_t *end = p + WINDOW; p < end; p += 4) {
        n = put_if(top, n, p, heap_bytes);
        n = put_if(top, n, p + 1, heap_bytes);
        n = put_if(top, n, p + 2, heap_bytes);
        n = put_if(top, n, p + 3, heap_bytes);
    }
    return top + n;
}

static void scan_window(struct gc_local *l, const uintptr_t *p, uint64_t mask)
{
    uintptr_t *top = room(l);

    if (RT_LIKELY(top != NULL)) {
        if (mask == UINT64_MAX)
            top = push_dense(top, p, gc_heap_bytes);
        else
            top = push_window(top, p, mask, ARCH_DIRECT_BASE, gc_heap_bytes);
        l->chunk->n = (uint64_t)(top - l->chunk->entry);
        return;
    }
    for (; mask != 0; mask &= mask - 1)
        push_word(l, load_relaxed(&p[bit_lowest(mask)])); /* as far as it goes [mark.4] */
}

/*
 * What the words of an array look like: the mask of its element, repeated as often as a window has
 * room for it. Elements of more than a window have no such pattern: words is theirs, element_mask()
 * tells of each window.
 */
struct pattern {
    uint64_t mask;
    size_t words;
};

static uint64_t element_mask(const struct rt_type *elem, size_t window)
{
    if (elem->kind == RT_TYPE_MASK)
        return elem->ptrmask;
    if (elem->kind == RT_TYPE_BITMAP)
        return elem->map[window];
    return elem->kind == RT_TYPE_NOSCAN ? 0 : UINT64_MAX;
}

static struct pattern pattern_of(const struct rt_type *elem)
{
    struct pattern p = {UINT64_MAX, elem->size / 8};

    if (p.words <= 1 || elem->size % 8 != 0)
        return (struct pattern){UINT64_MAX, WINDOW};
    if (p.words <= WINDOW)
        p.mask = element_mask(elem, 0);
    for (; p.words <= WINDOW / 2; p.words *= 2)
        p.mask |= p.mask << p.words;
    return p;
}

/*
 * Scan words [i, end) of an array that begins at `base`. Returns the first word not scanned: end,
 * unless somebody asks for this cpu and `leave` allows to go before.
 */
static size_t scan_elements(struct gc_local *l, const uintptr_t *base, size_t i, size_t end,
                            const struct rt_type *elem, bool leave)
{
    struct pattern p = pattern_of(elem);
    size_t in = i % p.words; /* where in the pattern */

    while (i < end) {
        size_t n = WINDOW - in % WINDOW;
        if (n > p.words - in)
            n = p.words - in;
        if (n > end - i)
            n = end - i;
        uint64_t mask = p.words <= WINDOW ? p.mask : element_mask(elem, in / WINDOW);
        mask >>= in % WINDOW;
        if (n < WINDOW)
            mask &= (UINT64_C(1) << n) - 1;
        scan_window(l, base + i, mask);
        i += n;
        in += n;
        if (in == p.words)
            in = 0;
        if (RT_UNLIKELY(preempt_asked()) && leave)
            break;
    }
    return i;
}

/* What an object of its own length looks like: struct gc_header and its like in a large span. */
struct layout {
    uintptr_t object;
    size_t bytes, prefix_bytes;
    bool prefix_scan;
    const struct rt_type *elem;
};

/*
 * Scan from byte `from` to the end of that piece [mark.5]. If somebody asks for this cpu, what is
 * left of the piece is made grey instead.
 */
static void scan_piece(struct gc_local *l, const struct layout *o, size_t from)
{
    size_t to = align_down(from, PIECE_BYTES) + PIECE_BYTES;
    const uintptr_t *base = (const uintptr_t *)o->object;
    size_t i = from / 8, end = (to < o->bytes ? to : o->bytes) / 8, prefix = o->prefix_bytes / 8;

    l->scan_bytes += end * 8 - from;
    for (; i < prefix && i < end; i++)
        if (o->prefix_scan)
            push_word(l, load_relaxed(&base[i]));
    if (i == end || o->elem == NULL)
        return;
    i = prefix + scan_elements(l, base + prefix, i - prefix, end - prefix, o->elem, true);
    if (i < end) {
        l->scan_bytes -= (end - i) * 8;
        push(l, o->object + i * 8, GC_ENTRY_PIECE);
    }
}

void gc_scan_typed(uintptr_t base, size_t bytes, size_t from, const struct rt_type *elem)
{
    struct gc_local *l = this_cpu_ptr(gc_local);
    size_t to = from + GC_ROOT_PIECE_BYTES < bytes ? from + GC_ROOT_PIECE_BYTES : bytes;

    l->scan_bytes += to - from;
    (void)scan_elements(l, (const uintptr_t *)base, from / 8, to / 8, elem, false);
}

static void scan_large(struct gc_local *l, const struct gc_span *span, uintptr_t at)
{
    size_t from = at - span->base, bytes = span->limit - span->base;

    if (from % OBLET_BYTES == 0 && bytes - from > OBLET_BYTES)
        push(l, at + OBLET_BYTES, GC_ENTRY_PIECE); /* [mark.5] */
    size_t oblet_end = align_down(from, OBLET_BYTES) + OBLET_BYTES;
    size_t end = oblet_end < bytes ? oblet_end : bytes;
    if (from % PIECE_BYTES == 0 && from + PIECE_BYTES < end)
        push(l, at + PIECE_BYTES, GC_ENTRY_PIECE);
    scan_piece(l,
               &(struct layout){span->base, end, span->prefix_bytes, span->prefix_scan,
                                *gc_large_elem(span)},
               from);
}

static void scan_headered(struct gc_local *l, const struct gc_header *header, size_t from)
{
    uintptr_t object = (uintptr_t)header + header->offset;

    if (from % PIECE_BYTES == 0 && from + PIECE_BYTES < header->bytes &&
        (header->elem != NULL || header->prefix_scan))
        push(l, object + from + PIECE_BYTES, GC_ENTRY_PIECE);
    scan_piece(l,
               &(struct layout){object, header->bytes, header->prefix_bytes, header->prefix_scan,
                                header->elem},
               from);
}

/* Scan an object that is black already, or its first piece. */
static void scan_object(struct gc_local *l, const struct gc_span *span, uintptr_t object)
{
    if (span->kind == GC_MASK) {
        l->scan_bytes += span->slot_bytes;
        scan_window(l, (const uintptr_t *)object, span->mask);
    } else if (span->kind == GC_HEADER) {
        scan_headered(l, (const struct gc_header *)object, 0);
    } else if (span->kind == GC_LARGE && (*gc_large_elem(span) != NULL || span->prefix_scan)) {
        scan_large(l, span, span->base);
    }
}

void gc_grey_locked(uintptr_t word)
{
    push_word(this_cpu_ptr(gc_local), word);
}

void gc_scan_contents(uintptr_t object)
{
    const struct gc_span *span = gc_span_of(object);
    scan_object(this_cpu_ptr(gc_local), span, gc_slot_address(span, gc_slot_of(span, object)));
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

/* ---- Sharing ---- */

/* Fill an empty grey set from elsewhere. Lock held. */
static bool refill_from_pool(struct gc_local *l)
{
    struct gc_chunk *c = chunk_get_full();
    if (c == NULL)
        return false;
    chunk_put_empty(l->chunk); /* local_empty() */
    l->chunk = c;
    return true;
}

static bool local_empty(const struct gc_local *l)
{
    const struct gc_chunk *c = load_relaxed(&l->chunk);
    return c->n == 0 && load_relaxed(&l->ring.n) == 0;
}

#define FEW_ENTRIES 64u

/*
 * Half of a chunk's entries go to an empty one. Few entries are what depth first leaves of something
 * like a tree: each stands for as much as all that are newer. So it is every other one: of an older
 * and a newer half the newer would be nothing. Many are those of something wide.
 */
static void split(struct gc_chunk *from, struct gc_chunk *to)
{
    uint64_t n = from->n;

    if (n > FEW_ENTRIES) {
        (memcpy)(to->entry, from->entry, n / 2 * sizeof(to->entry[0]));
        (memmove)(from->entry, from->entry + n / 2, (n - n / 2) * sizeof(to->entry[0]));
    } else {
        for (uint64_t i = 0; i + 1 < n; i += 2) {
            to->entry[i / 2] = from->entry[i];
            from->entry[i / 2] = from->entry[i + 1];
        }
        if (n % 2 != 0)
            from->entry[n / 2] = from->entry[n - 1];
    }
    to->n = n / 2;
    from->n = n - n / 2;
}

/* Give half of ours away if somebody is waiting and nothing is shared. */
static void share(struct gc_local *l)
{
    struct gc_chunk *mine = l->chunk;

    if (load_relaxed(&hungry) == 0 || load_relaxed(&n_full) != 0 || mine->n < 8 || preempt_asked())
        return;
    struct gc_chunk *half = chunk_get_empty();
    if (half == NULL)
        return;
    split(mine, half);
    chunk_put_full(half);
}

/* ---- The inner loop ----
 * Costs are counted in instructions, roughly: an entry ENTRY_COST, up to three references included,
 * else a byte scanned one, and the ring's first entries FILL_COST more. */

#define ENTRY_COST 64
#define FILL_COST 32
#define QUANTUM 512 /* after so many the loop looks whether somebody asks for this cpu */

/* An entry resolved. */
struct found {
    const struct gc_span *span;
    uint8_t *epoch;
    uintptr_t object;
};

/* What the loop keeps in registers. */
struct marker {
    struct gc_local *l;
    uintptr_t *top;  /* of l->chunk's entries; its own count is GC_CHUNK_BOTTOM */
    uintptr_t *room; /* up to here there is room for a window */
    struct gc_span *const *pagemap;
    uintptr_t direct_base;   /* ARCH_DIRECT_BASE: no instruction has room for it */
    uintptr_t heap_bytes;    /* what is above came later: black */
    int64_t quantum, budget; /* what is left of this quantum, and after it */
    uint64_t marked, noscan; /* bytes; the second are in the first */
    uint8_t white, black;
};

/* Around calls of functions that know the chunk only. */
static RT_ALWAYS_INLINE void marker_save(struct marker *m)
{
    m->l->chunk->n = (uint64_t)(m->top - m->l->chunk->entry);
}

static RT_ALWAYS_INLINE void marker_load(struct marker *m)
{
    struct gc_chunk *c = m->l->chunk;
    m->top = c->entry + c->n;
    m->room = c->entry + (GC_CHUNK_ENTRIES - WINDOW);
    c->n = GC_CHUNK_BOTTOM;
}

/* An entry with a tag: the rest of an object, or a word of a stack. False: no more to do for it. */
static RT_NOINLINE bool take_tagged(struct gc_local *l, uintptr_t entry)
{
    uintptr_t a = (entry & ~GC_ENTRY_TAG) + ARCH_DIRECT_BASE;
    if ((entry & GC_ENTRY_TAG) == GC_ENTRY_PIECE) {
        scan_continue(l, a);
        return false;
    }
    uint32_t slot;
    const struct gc_span *span = gc_slot_at(a, &slot);
    if (span == NULL || a == gc_slot_address(span, slot))
        push_word(l, a - 8); /* the end of the object before it, perhaps */
    return true;
}

/* Pay for one more object; false: the slice is over. */
static RT_ALWAYS_INLINE bool go_on(struct marker *m)
{
    m->quantum -= ENTRY_COST;
    if (RT_LIKELY(m->quantum >= 0))
        return true;
    m->budget -= QUANTUM - m->quantum; /* all that was spent: one piece is several quanta */
    m->quantum = QUANTUM;
    return m->budget > 0 && !preempt_asked();
}

enum popped { POP_FOUND, POP_NO_OBJECT, POP_EMPTY };

/* The rest of pop(): there is no entry, or it has a tag. */
static RT_ALWAYS_INLINE enum popped pop_tagged(struct marker *m, uintptr_t *a)
{
    if (*a == GC_CHUNK_BOTTOM) {
        m->top++;
        return POP_EMPTY;
    }
    marker_save(m);
    bool more = take_tagged(m->l, *a);
    marker_load(m);
    *a &= ~GC_ENTRY_TAG;
    if (!more)
        m->quantum -= PIECE_BYTES;
    return more ? POP_FOUND : POP_NO_OBJECT;
}

/*
 * The slot that an entry points into, or the one behind the last [span.5]. In a small span the low
 * 32 bits of entry and base are enough; in a large one all is slot 0.
 */
static RT_ALWAYS_INLINE uint64_t entry_slot(const struct gc_span *span, uintptr_t entry)
{
    _Static_assert(ARCH_DIRECT_BASE % (UINT64_C(1) << 32) == 0, "what an entry counts from");
    return gc_slot_index((uint32_t)(entry - span->base), span->magic);
}

/* Take the newest entry, find its object, and prefetch what scanning will touch. */
static RT_ALWAYS_INLINE enum popped pop(struct marker *m, struct found *out)
{
    m->top--;
    __asm__("" : "+r"(m->top)); /* in the same register as before */
    uintptr_t a = *m->top;

    if (RT_UNLIKELY((intptr_t)a < 0)) {
        enum popped what = pop_tagged(m, &a);
        if (what != POP_FOUND)
            return what;
    }
    const struct gc_span *span = m->pagemap[a >> GC_UNIT_SHIFT];
    if (RT_UNLIKELY(span == NULL))
        return POP_NO_OBJECT;
    uint64_t slot = entry_slot(span, a);
    out->span = span;
    out->epoch = gc_epochs(span) + slot;
    out->object = span->base + slot * span->slot_bytes;
    arch_prefetch(out->epoch);
    arch_prefetch((const void *)out->object);
    return POP_FOUND;
}

/* Scan an object of any kind that is black already. */
static RT_ALWAYS_INLINE void scan_any(struct marker *m, const struct gc_span *span,
                                      uintptr_t object, uint64_t bytes)
{
    m->noscan += bytes; /* scan_object() counts for itself */
    m->quantum -= PIECE_BYTES;
    marker_save(m);
    scan_object(m->l, span, object);
    marker_load(m);
}

/* Masks from 1 to this one have references in the first three words only. */
#define MASK_OF_FEW 7u

/* Make a white object black: mark and scan it. */
static RT_ALWAYS_INLINE void blacken(struct marker *m, const struct gc_span *span, uint8_t *epoch,
                                     uintptr_t object)
{
    if (*epoch != m->white)
        return;
    *epoch = m->black;
    uint64_t bytes = span->slot_bytes, mask = span->mask;
    if (RT_UNLIKELY(mask - 1 >= MASK_OF_FEW)) {
        if (mask == 0) {
            bytes = gc_slot_size(span);
            m->marked += bytes;
            if (span->kind == GC_NOSCAN)
                m->noscan += bytes;
            else
                scan_any(m, span, object, bytes);
            return;
        }
        /* Most of many are often NULL: four instructions for the first four. */
        mask &= arch_negative4((const uintptr_t *)object) | ~UINT64_C(15);
        if (mask == 0) {
            m->marked += bytes;
            return;
        }
        m->quantum -= (int64_t)bytes;
    }
    m->marked += bytes;
    if (RT_LIKELY(m->top <= m->room))
        m->top =
            push_window(m->top, (const uintptr_t *)object, mask, m->direct_base, m->heap_bytes);
    else
        scan_any(m, span, object, bytes);
}

/*
 * Mark until `budget` is used up, somebody asks for this cpu, or nothing is left. While the ring is
 * full and the chunk is not empty, the next entry takes the place of the one that is marked: the
 * short loop. What is in the ring at the end stays there for the next slice, or for a thief.
 */
static void drain(struct gc_local *l, int64_t budget)
{
    struct gc_ring *ring = &l->ring;
    uint64_t head = ring->head, n = ring->n;
    struct found f;
    struct marker m = {
        .l = l,
        .pagemap = gc_pagemap,
        .direct_base = ARCH_DIRECT_BASE,
        .heap_bytes = gc_heap_bytes,
        .quantum = QUANTUM,
        .budget = budget,
        .white = gc_epoch_also,
        .black = gc_epoch,
    };

    __asm__("" : "+r"(m.direct_base)); /* not made anew for each word */
    marker_load(&m);
    for (bool more = true; more;) {
        enum popped what = POP_FOUND;
        while (n < GC_RING && more && (what = pop(&m, &f)) != POP_EMPTY) {
            if (RT_UNLIKELY(what != POP_FOUND)) {
                more = go_on(&m); /* pieces fill no ring, and there may be very many */
                continue;
            }
            m.quantum -= FILL_COST;
            uint64_t at = (head + n) % GC_RING;
            n++;
            ring->span[at] = f.span;
            ring->epoch[at] = f.epoch;
            ring->object[at] = f.object;
        }
        while (n == GC_RING && (more = go_on(&m))) {
            what = pop(&m, &f);
            if (RT_UNLIKELY(what == POP_EMPTY))
                break;
            if (RT_UNLIKELY(what != POP_FOUND))
                continue;
            const struct gc_span *span = ring->span[head];
            uint8_t *epoch = ring->epoch[head];
            uintptr_t object = ring->object[head];
            ring->span[head] = f.span;
            ring->epoch[head] = f.epoch;
            ring->object[head] = f.object;
            head = (head + 1) % GC_RING;
            blacken(&m, span, epoch, object);
        }
        if (n == 0 && more) {
            marker_save(&m);
            more = refill_from_pool(l);
            marker_load(&m);
        } else if (more && (more = go_on(&m))) {
            uint64_t at = head;
            head = (head + 1) % GC_RING;
            n--;
            blacken(&m, ring->span[at], ring->epoch[at], ring->object[at]);
        }
    }
    marker_save(&m);
    ring->head = head;
    ring->n = n;
    l->marked_bytes += m.marked;
    l->scan_bytes += m.marked - m.noscan;
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
        if (c->n == 1) {
            other->chunk = l->chunk; /* empty */
            l->chunk = c;
        } else {
            split(c, l->chunk);
        }
        struct gc_ring *r = &other->ring;
        uint64_t take = l->chunk->n == 0 ? (r->n + 1) / 2 : 0;
        for (; take > 0; take--, r->n--) {
            push(l, r->object[r->head], 0);
            r->head = (r->head + 1) % GC_RING;
        }
        spin_unlock(&other->lock);
        if (!local_empty(l))
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
            scan_object(l, span, gc_slot_address(span, slot));
        if (preempt_asked())
            break;
    }
    spin_unlock(&rescan_lock);
    return true;
}

bool gc_mark_slice(uint64_t *work)
{
    *work = 0;
    chunks_ahead();
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
    rescan_unit = rescan_slot = 0;
    no_pages = false;
    gc_roots_begin_stw();
}
