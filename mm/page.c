/*
 * mm/page.c - the page allocator: one bit a page, and a radix tree of summaries over the bits.
 *
 * WHAT. RAM is cut into chunks of 512 pages (2 MiB, aligned). A chunk has three bits a page: free,
 * known to be zero, and RAM (ours at all). Above them a tree with 8 children a node tells of each
 * stretch the free pages at its start, the longest free run, and the free pages at its end; so the
 * lowest run of any length is found by walking down, O(log RAM), and any change is carried up until
 * a summary stays the same.
 *
 * HOLES. Chunks have dense numbers: only where there is RAM is there a chunk, whether at 1 MiB or
 * at 4 TiB. A segment is a stretch of chunks whose addresses follow each other; address to chunk is
 * a binary search among the segments (2 or 3 on usual machines). Pages have dense numbers too,
 * chunk * 512 + index. Between two segments lies a fence, a chunk without RAM, so that no run
 * crosses from one to the other. Alignment up to a chunk is the same in numbers and addresses;
 * beyond it, page_align_up() goes by the address.
 *
 * INVARIANTS
 * [page.1] A page that is ours is in exactly one state: free in the bitmap; free in the cache of
 *          the cpu that claimed its block; taken by page_zero_idle() (counted in n_zeroing); used.
 *          Its bit is set in the bitmap in the first case only.
 * [page.2] A claimed block (claim != 0) has no bit in the bitmap, and is all RAM [pcache.2]
 *          [pcache.3].
 * [page.3] Whenever the lock is free, each summary is that of what lies below it.
 * [page.4] The zero bit of a free page says that every byte is 0. It is cleared when a page is
 *          freed, not when it is allocated: so whoever got a run may read its bits without the lock
 *          until it frees it (others change the words, but never set one of these bits).
 * [page.5] The lowest run that fits is taken, except that an aligned request stops looking low
 *          after ALIGN_TRIES chunks that have long enough runs in the wrong places, if a longer run
 *          fits for certain.
 *
 * LOCKING. page_lock, rank PAGE, guards everything here [p]; segments are fixed after init [I]. The
 * caches have tokens inside it (mm/pcache.h). Time under the lock: O(log RAM) for short runs; on
 * top some 20 instructions for every 64 pages, or 60 to 100 for every chunk that a run covers
 * whole; a long run is freed in steps. A drain costs some hundred for each cpu.
 * ORDERING. Contents of a page go from who freed it to who gets it, and from page_zero_idle(), by
 * the lock or the token.
 *
 * REJECTED. Buddy lists: spans of 3, 5, 10 pages would waste up to half. Size-sorted trees of runs
 * (best fit): as fast, but the books live in free pages or need allocating, and low-first packing
 * is lost. A table by address: 64 TiB of direct map would need 256 MiB of it. Zeroing ahead under
 * the lock: 0.8 us for each page that all others wait; zeroing out of sight of the allocator: the
 * last free page would be refused.
 * SOURCES. Go, src/runtime/mpagealloc.go, mpallocbits.go, mpagecache.go (the tree, the page cache;
 * proposal 35112). Here: dense chunks for holes, known-zero bits, alignment, frees into the cache.
 */
#include <mm/page.h>

#include <lib/assert.h>
#include <lib/bitmap.h>
#include <mm/bootmem.h>
#include <string.h>

#define CHUNK_PAGES 512u
#define CHUNK_WORDS (CHUNK_PAGES / 64)
#define FANOUT_LOG2 3u
#define FANOUT (1u << FANOUT_LOG2)
#define LEVELS_MAX 9u
#define CHUNKS_MAX ((UINT64_C(1) << 23) - 1) /* so that a count of pages fits in 32 bits */
#define ALIGN_TRIES 16u
#define ZERO_SCAN_CHUNKS 64u /* looked at by one page_zero_idle() */
#define POISON 0xdfdfdfdfdfdfdfdfu

struct chunk {
    uint64_t free[CHUNK_WORDS];  /* [p] [page.1] */
    uint64_t zero[CHUNK_WORDS];  /* [p] to write; owners of pages read their bits [page.4] */
    uint64_t ram[CHUNK_WORDS];   /* [p] */
    uint16_t claim[CHUNK_WORDS]; /* [p] cpu + 1 whose cache has the block, or 0 [page.2] */
};

/* Of a stretch of pages: free ones at its start, longest free run, free ones at its end. */
struct summary {
    uint32_t start, max, end;
};

/* Both numbers of its first page, and its length, are multiples of CHUNK_PAGES. */
struct segment {
    uint64_t first_frame; /* [I] physical page number */
    uint64_t first_page;  /* [I] dense number of the same */
    uint64_t n_pages;     /* [I] */
};

static struct {
    struct segment *segments;           /* [I] sorted, by address and by number alike */
    size_t n_segments;                  /* [I] */
    struct chunk *chunks;               /* [I] the array */
    uint64_t n_chunks;                  /* [I] fences included */
    struct summary *levels[LEVELS_MAX]; /* [I] [0] has one for each chunk, the last has the root */
    unsigned n_levels;                  /* [I] */

    uint64_t n_total;   /* [p] pages that are ours */
    uint64_t n_free;    /* [p] bits set in the bitmap */
    uint64_t n_zeroing; /* [p] taken by page_zero_idle() */
    uint64_t fail_at;   /* [p] page_fail_at(): requests until the failure; 0: not armed */
    uint64_t n_changes; /* [a] written [p]; the idle scan compares it without the lock */
    uint64_t n_failures, n_zeroed_ahead; /* [p] */

    /* the scan of page_zero_idle() */
    uint64_t scan_chunk;   /* [p] where it goes on */
    uint64_t scan_seen;    /* [p] free pages passed so far */
    uint64_t scan_changes; /* [p] n_changes when it began */
    uint64_t scan_done;    /* [a] written [p]; n_changes when the last full scan began */
} heap;

struct spinlock page_lock = SPINLOCK_INIT(RANK_PAGE);

/* ---- Numbers and addresses ---- */

/* The last segment that begins at or below, by address or by number; NULL if there is none. */
static const struct segment *segment_search(uint64_t key, bool by_frame)
{
    size_t lo = 0, hi = heap.n_segments;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct segment *s = &heap.segments[mid];

        if ((by_frame ? s->first_frame : s->first_page) <= key)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo == 0 ? NULL : &heap.segments[lo - 1];
}

/* The number of the page at an address, which is aligned; false if no chunk has it. */
static bool page_number(uintptr_t address, uint64_t *page)
{
    uint64_t frame = virt_to_phys((const void *)address) >> PAGE_SHIFT;
    const struct segment *s = segment_search(frame, true);

    if (s == NULL || frame - s->first_frame >= s->n_pages)
        return false;
    *page = s->first_page + (frame - s->first_frame);
    return true;
}

/* page_number() of an address that we gave out ourselves. */
static uint64_t page_known(uintptr_t address)
{
    uint64_t page = 0;
    bool known = page_number(address, &page);

    ASSERT(known);
    return page;
}

static uintptr_t page_address(uint64_t page)
{
    const struct segment *s = segment_search(page, false);

    return (uintptr_t)phys_to_virt((s->first_frame + (page - s->first_page)) << PAGE_SHIFT);
}

/* The first number at or after `page` where the address is a multiple of `align` pages. */
static uint64_t page_align_up(uint64_t page, uint64_t align)
{
    if (align <= CHUNK_PAGES)
        return align_up(page, align);

    const struct segment *s = segment_search(page, false);
    uint64_t frame = s->first_frame + (page - s->first_page), aligned = align_up(frame, align);

    return page + (aligned - frame); /* may lie beyond the segment: no run reaches there */
}

static struct chunk *chunk_of(uint64_t page)
{
    return &heap.chunks[page / CHUNK_PAGES];
}

static unsigned word_of(uint64_t page)
{
    return (unsigned)(page % CHUNK_PAGES / 64);
}

/* The pages [page, end) word by word: the part in the word that `page` is in. */
static unsigned piece_pages(uint64_t page, uint64_t end)
{
    uint64_t rest = 64 - page % 64;

    return (unsigned)(end - page < rest ? end - page : rest);
}

/* ---- Summaries [page.3] ---- */

static struct summary summary_of_chunk(const struct chunk *c)
{
    unsigned run = 0, max = 0, start = CHUNK_PAGES;

    for (unsigned w = 0; w < CHUNK_WORDS; w++) {
        uint64_t word = c->free[w];

        if (~word == 0) {
            run += 64;
            continue;
        }
        run += word_ones_low(word); /* the run that came from below ends in this word */
        if (start == CHUNK_PAGES)
            start = run;
        if (run > max)
            max = run;
        run = word_ones_high(word);
        if (max >= 62 || word == 0)
            continue; /* nothing longer fits between two clear bits */
        for (uint64_t longer = word_runs(word, max + 1); longer != 0; longer &= word >> max)
            max++;
    }
    if (run == CHUNK_PAGES)
        start = run;
    return (struct summary){start, run > max ? run : max, run};
}

/* Of node `i` at `level` > 0, from its children. */
static struct summary summary_of_node(unsigned level, uint64_t i)
{
    const struct summary *child = &heap.levels[level - 1][i << FANOUT_LOG2];
    uint64_t size = (uint64_t)CHUNK_PAGES << (FANOUT_LOG2 * (level - 1)); /* of a child */
    uint64_t run = 0, max = 0, start = 0;
    bool whole = true; /* all free up to here */

    for (unsigned k = 0; k < FANOUT; k++) {
        if (whole)
            start += child[k].start;
        if (child[k].max > max)
            max = child[k].max;
        run += child[k].start;
        if (run > max)
            max = run;
        if (child[k].start != size) {
            whole = false;
            run = child[k].end;
        }
    }
    return (struct summary){(uint32_t)start, (uint32_t)max, (uint32_t)run};
}

static struct summary summary_of(unsigned level, uint64_t i)
{
    return level == 0 ? summary_of_chunk(&heap.chunks[i]) : summary_of_node(level, i);
}

static bool summary_equal(struct summary a, struct summary b)
{
    return a.start == b.start && a.max == b.max && a.end == b.end;
}

static bool summary_store(struct summary *at, struct summary s)
{
    bool changed = !summary_equal(*at, s);

    at->start = s.start;
    store_relaxed(&at->max, s.max); /* the root's is read without the lock */
    at->end = s.end;
    return changed;
}

enum whole { WHOLE_NOT, WHOLE_TAKEN, WHOLE_FREE };

/* Nodes (first, last] of a level; true: one has changed. whole: as below. */
static RT_NOINLINE bool summaries_update_rest(unsigned level, uint64_t first, uint64_t last,
                                              enum whole whole)
{
    struct summary *s = heap.levels[level];
    uint32_t pages = whole == WHOLE_FREE ? CHUNK_PAGES << (FANOUT_LOG2 * level) : 0;
    bool changed = false;

    while (++first < last) {
        if (whole == WHOLE_NOT) {
            changed |= summary_store(&s[first], summary_of(level, first));
        } else {
            s[first] = (struct summary){pages, pages, pages};
            changed = true;
        }
    }
    return changed | summary_store(&s[last], summary_of(level, last));
}

/*
 * The bits of pages [first, last] have changed; whole: all alike, so that what lies wholly inside,
 * at any level, is known to be free to the last page, or not at all, without a look.
 */
static void summaries_update_locked(uint64_t first, uint64_t last, enum whole whole)
    REQUIRES(&page_lock)
{
    bool changed = true;

    first /= CHUNK_PAGES;
    last /= CHUNK_PAGES;
    for (unsigned level = 0; changed && level < heap.n_levels; level++) {
        changed = summary_store(&heap.levels[level][first], summary_of(level, first));
        if (last != first)
            changed |= summaries_update_rest(level, first, last, whole);
        first >>= FANOUT_LOG2;
        last >>= FANOUT_LOG2;
    }
    store_relaxed(&heap.n_changes, heap.n_changes + 1);
}

/* ---- Searching [page.5] ---- */

struct hunt {
    uint64_t n, align;
    uint64_t run;   /* free pages that end where we are ... */
    uint64_t at;    /* ... and begin here, if any */
    uint64_t found; /* the answer */
    unsigned tries; /* chunks that may still disappoint */
};

/* `more` free pages follow, from `page` on. Is it enough? */
static bool hunt_extend(struct hunt *h, uint64_t page, uint64_t more)
{
    if (more == 0)
        return false;
    if (h->run == 0)
        h->at = page;
    h->run += more;
    if (h->run < h->n)
        return false;
    h->found = page_align_up(h->at, h->align);
    return h->found - h->at <= h->run - h->n;
}

static bool hunt_chunk(struct hunt *h, uint64_t i)
{
    const struct chunk *c = &heap.chunks[i];

    for (unsigned w = 0; w < CHUNK_WORDS; w++) {
        uint64_t page = i * CHUNK_PAGES + w * 64, word = c->free[w];

        if (hunt_extend(h, page, word_ones_low(word)))
            return true;
        if (~word == 0)
            continue;
        if (h->n < 64 && h->align <= 64) {
            uint64_t starts = word_runs(word, (unsigned)h->n) & word_multiples((unsigned)h->align);

            if (starts != 0) {
                h->found = page + bit_lowest(starts);
                return true;
            }
        }
        h->run = word_ones_high(word);
        h->at = page + 64 - h->run;
    }
    if (h->tries != 0)
        h->tries--;
    return false;
}

/* Search below node `i` of `level`; at most LEVELS_MAX deep. */
static bool hunt_node(struct hunt *h, unsigned level, uint64_t i)
{
    const struct summary *s = &heap.levels[level][i];
    uint64_t size = (uint64_t)CHUNK_PAGES << (FANOUT_LOG2 * level), first = i * size;

    if (s->max < h->n || s->start == size) { /* nothing new inside: only what crosses its edges */
        if (hunt_extend(h, first, s->start))
            return true;
        if (s->start != size) {
            h->run = s->end;
            h->at = first + size - s->end;
        }
        return false;
    }
    if (level == 0)
        return hunt_chunk(h, i);
    for (unsigned k = 0; k < FANOUT && h->tries != 0; k++)
        if (hunt_node(h, level - 1, (i << FANOUT_LOG2) + k))
            return true;
    return false;
}

static bool hunt_all(struct hunt *h)
{
    return hunt_node(h, heap.n_levels - 1, 0);
}

/* The lowest free run of the bitmap that fits; false if there is none. */
static bool page_find_locked(uint64_t n, uint64_t align, uint64_t *at) REQUIRES(&page_lock)
{
    uint64_t max = heap.levels[heap.n_levels - 1]->max;
    struct hunt hunt = {.n = n, .align = align, .tries = UINT32_MAX};

    if (max < n)
        return false;
    if (align > 1 && max - n >= align - 1) { /* some run fits wherever it begins */
        hunt.tries = ALIGN_TRIES;
        if (!hunt_all(&hunt)) {
            hunt = (struct hunt){.n = n + align - 1, .align = 1, .tries = UINT32_MAX};
            if (!hunt_all(&hunt))
                fatal("page: summary promises %lu pages that are not there", (unsigned long)hunt.n);
            hunt.found = page_align_up(hunt.found, align);
        }
    } else if (!hunt_all(&hunt)) {
        return false;
    }
    *at = hunt.found;
    return true;
}

/* ---- Taking and giving bits ---- */

/* Is [page, end) at least a chunk, from the start of one? */
static bool begins_whole_chunk(uint64_t page, uint64_t end)
{
    return page % CHUNK_PAGES == 0 && end - page >= CHUNK_PAGES;
}

static bool chunk_take(struct chunk *c)
{
    uint64_t all = UINT64_MAX;

    for (unsigned w = 0; w < CHUNK_WORDS; w++) {
        all &= c->free[w];
        c->free[w] = 0;
    }
    return ~all == 0;
}

static void pages_take_locked(uint64_t page, uint64_t n) REQUIRES(&page_lock)
{
    for (uint64_t p = page, end = page + n; p < end;) {
        if (begins_whole_chunk(p, end)) {
            bool was_free = chunk_take(chunk_of(p));

            ASSERT(was_free);
            p += CHUNK_PAGES;
            continue;
        }
        unsigned len = piece_pages(p, end);
        uint64_t mask = word_mask(p % 64, len);
        uint64_t *word = &chunk_of(p)->free[word_of(p)];

        ASSERT((*word & mask) == mask);
        *word &= ~mask;
        p += len;
    }
    heap.n_free -= n;
    summaries_update_locked(page, page + n - 1, WHOLE_TAKEN);
}

RT_NORETURN RT_COLD static void free_fatal(const char *what, uintptr_t address)
{
    fatal("page: %s 0x%lx", what, (unsigned long)address);
}

/*
 * Free the pages of one block that `mask` selects, known to be zero or not, where free pages of
 * that block are now [page.2]; unless something is wrong with one of them.
 */
static void block_free_locked(uint64_t block, uint64_t mask, bool zero) REQUIRES(&page_lock)
{
    struct chunk *c = chunk_of(block);
    unsigned w = word_of(block), claim = c->claim[w];
    uint64_t wrong = mask & ~c->ram[w];

    if (wrong != 0)
        free_fatal("free of reserved page", page_address(block + bit_lowest(wrong)));
    wrong = claim != 0 ? pcache_insert_locked(claim - 1, mask, zero) : c->free[w] & mask;
    if (wrong != 0)
        free_fatal("double free of", page_address(block + bit_lowest(wrong)));
    if (claim != 0)
        return;
    c->free[w] |= mask;
    store_relaxed(&c->zero[w], zero ? c->zero[w] | mask : c->zero[w] & ~mask);
    heap.n_free += bits_count(mask);
}

/* The number of the run's first page, if its addresses can be ours. */
static uint64_t free_number(uintptr_t run, size_t n_pages)
{
    uint64_t page = 0;

    if (run % PAGE_BYTES != 0)
        free_fatal("misaligned free of", run);
    if (n_pages == 0)
        free_fatal("free of no pages at", run);
    if (!page_number(run, &page))
        free_fatal("wild free of", run);

    const struct segment *s = segment_search(page, false);
    uint64_t rest = s->n_pages - (page - s->first_page);

    if (n_pages > rest)
        free_fatal("wild free of", run + rest * PAGE_BYTES);
    return page;
}

/* A chunk that is all RAM, all used and not claimed anywhere: free it. False: it is none. */
static bool chunk_free_locked(struct chunk *c) REQUIRES(&page_lock)
{
    uint64_t ram = UINT64_MAX, odd = 0;

    for (unsigned w = 0; w < CHUNK_WORDS; w++) {
        ram &= c->ram[w];
        odd |= c->free[w] | c->claim[w];
    }
    if (~ram != 0 || odd != 0)
        return false;
    for (unsigned w = 0; w < CHUNK_WORDS; w++) {
        c->free[w] = UINT64_MAX;
        store_relaxed(&c->zero[w], 0);
    }
    heap.n_free += CHUNK_PAGES;
    return true;
}

#define FREE_STEP (16u * CHUNK_PAGES) /* for which one section is short enough */

/* Free a part of a run, at most FREE_STEP pages. */
static void part_free_locked(uint64_t page, uint64_t n) REQUIRES(&page_lock)
{
    enum whole whole = WHOLE_FREE;

    for (uint64_t p = page, end = page + n; p < end;) {
        if (begins_whole_chunk(p, end)) {
            if (chunk_free_locked(chunk_of(p))) {
                p += CHUNK_PAGES;
                continue;
            }
            whole = WHOLE_NOT; /* some of it goes elsewhere */
        }
        unsigned len = piece_pages(p, end);

        block_free_locked(align_down(p, 64), word_mask(p % 64, len), false);
        p += len;
    }
    summaries_update_locked(page, page + n - 1, whole);
}

void page_free_locked(uintptr_t run, size_t n_pages)
{
    part_free_locked(free_number(run, n_pages), n_pages);
}

/* ---- For mm/pcache.c ---- */

uintptr_t page_first_free_locked(void)
{
    uint64_t page;

    return page_find_locked(1, 1, &page) ? page_address(page) : 0;
}

bool page_take_locked(uintptr_t address)
{
    uint64_t page = page_known(address);

    pages_take_locked(page, 1);
    return chunk_of(page)->zero[word_of(page)] >> (page % 64) & 1;
}

uint64_t page_block_free_locked(uintptr_t address)
{
    uint64_t page = page_known(address);
    const struct chunk *c = chunk_of(page);

    return ~c->ram[word_of(page)] == 0 && c->claim[word_of(page)] == 0 ? c->free[word_of(page)] : 0;
}

uintptr_t page_whole_block_locked(uintptr_t address)
{
    uint64_t page = page_known(address), block;

    if (~chunk_of(page)->ram[word_of(page)] == 0 ||
        !page_find_locked(PCACHE_PAGES, PCACHE_PAGES, &block))
        return 0;
    return page_address(block);
}

void page_claim_locked(uintptr_t block, unsigned cpu, uint64_t *free, uint64_t *zero)
{
    uint64_t page = page_known(block);
    struct chunk *c = chunk_of(page);
    unsigned w = word_of(page);

    ASSERT(page % 64 == 0 && c->claim[w] == 0 && ~c->ram[w] == 0);
    *free = c->free[w];
    *zero = c->zero[w];
    c->free[w] = 0;
    c->claim[w] = (uint16_t)(cpu + 1);
    heap.n_free -= bits_count(*free);
    summaries_update_locked(page, page, WHOLE_NOT);
}

void page_unclaim_locked(uintptr_t block, uint64_t free, uint64_t zero)
{
    uint64_t page = page_known(block);
    struct chunk *c = chunk_of(page);
    unsigned w = word_of(page);

    ASSERT(c->claim[w] != 0 && c->free[w] == 0);
    c->claim[w] = 0;
    c->free[w] = free;
    store_relaxed(&c->zero[w], zero); /* of used pages: as it was or cleared [page.4] */
    heap.n_free += bits_count(free);
    summaries_update_locked(page, page, WHOLE_NOT);
}

bool page_request_locked(void)
{
    return heap.fail_at == 0 || --heap.fail_at != 0;
}

void page_failed_locked(void)
{
    heap.n_failures++;
}

bool page_fail_armed_locked(void)
{
    return heap.fail_at != 0;
}

bool page_wait_zeroing_locked(void)
{
    if (heap.n_zeroing == 0)
        return false;
    /* the zeroing cpu has preemption off: it comes to the lock after a few pages */
    spin_unlock_keep(&page_lock);
    arch_cpu_relax();
    spin_lock(&page_lock);
    preempt_on(); /* spin_unlock_keep() left one */
    return true;
}

/* ---- Contents ---- */

void page_clear(void *page)
{
    memset(page, 0, PAGE_BYTES);
}

/* Zero the pages of a run that we own and that are not known to be zero [page.4]. */
static void run_clear(uint64_t page, uint64_t n)
{
    char *at = (char *)page_address(page);

    for (uint64_t p = page, end = page + n; p < end;) {
        unsigned len = piece_pages(p, end);
        uint64_t dirty = ~load_relaxed(&chunk_of(p)->zero[word_of(p)]) & word_mask(p % 64, len);

        for (; dirty != 0; dirty &= dirty - 1)
            page_clear(at + ((p / 64 * 64 + bit_lowest(dirty) - page) << PAGE_SHIFT));
        p += len;
    }
}

#ifdef RT_DEBUG
/* Some words of each page: of a poisoned one all are poison, of a zeroed one all are 0. */
void page_debug_alloc(void *run, size_t n_pages, unsigned flags)
{
    const uint64_t *word = run;

    for (size_t i = 0; i < n_pages; i++, word += PAGE_BYTES / 8) {
        uint64_t expected = flags & PAGE_ZERO ? 0 : POISON;

        if (expected != 0 && word[0] != POISON)
            continue; /* never freed so far, or known to be zero */
        for (size_t k = 0; k < PAGE_BYTES / 8; k += 37)
            if (word[k] != expected)
                fatal("page: free page 0x%lx was written to: 0x%lx at offset %lu",
                      (unsigned long)word, (unsigned long)word[k], (unsigned long)(k * 8));
    }
}

void page_debug_free(void *run, size_t n_pages)
{
    uint64_t page = free_number((uintptr_t)run, n_pages); /* before anything is overwritten */

    for (uint64_t p = page; p < page + n_pages; p++)
        if ((load_relaxed(&chunk_of(p)->ram[word_of(p)]) >> (p % 64) & 1) == 0)
            free_fatal("free of reserved page", page_address(p));
    memset(run, POISON & 0xff, n_pages * PAGE_BYTES);
}
#endif

/* ---- Runs ---- */

void *page_alloc(size_t n_pages, size_t align_pages, unsigned flags)
{
    uint64_t at = 0;
    bool found = false;

    ASSERT(n_pages != 0 && is_pow2(align_pages));
    if (n_pages == 1 && align_pages == 1)
        return page_alloc_one(flags);
    if (n_pages <= PCACHE_RUN_MAX && align_pages <= PCACHE_PAGES) {
        void *run = pcache_alloc_run(n_pages, align_pages, flags);

        if (run != NULL) {
            page_debug_alloc(run, n_pages, flags);
            return run;
        }
    }

    spin_lock(&page_lock);
    if (page_request_locked()) {
        do {
            found = page_find_locked(n_pages, align_pages, &at);
            if (!found && n_pages >= CHUNK_PAGES && pcache_drain_all_locked()) {
                spin_unlock(&page_lock); /* two searches and a long run: too much for one section */
                spin_lock(&page_lock);
                found = page_find_locked(n_pages, align_pages, &at);
            }
            if (!found && pcache_drain_all_locked())
                found = page_find_locked(n_pages, align_pages, &at);
        } while (!found && page_wait_zeroing_locked());
    }
    if (found) {
        pages_take_locked(at, n_pages);
        if (n_pages <= PCACHE_RUN_MAX)
            pcache_prefer_locked(page_address(at), n_pages);
    } else {
        page_failed_locked();
    }
    spin_unlock(&page_lock);

    if (!found)
        return NULL;
    if (flags & PAGE_ZERO)
        run_clear(at, n_pages);

    void *run = (void *)page_address(at);
    page_debug_alloc(run, n_pages, flags);
    return run;
}

void page_free(void *run, size_t n_pages)
{
    if (n_pages == 1) {
        page_free_one(run);
        return;
    }
    page_debug_free(run, n_pages);
    if (n_pages - 1 < PCACHE_PAGES && pcache_free_run((uintptr_t)run, n_pages))
        return;

    uint64_t page = free_number((uintptr_t)run, n_pages);
    for (uint64_t n; n_pages != 0; page += n, n_pages -= n) {
        n = n_pages < FREE_STEP ? n_pages : FREE_STEP;
        spin_lock(&page_lock);
        part_free_locked(page, n);
        spin_unlock(&page_lock);
    }
}

void page_fail_at(uint64_t k)
{
    spin_lock(&page_lock);
    heap.fail_at = k;
    (void)pcache_drain_all_locked();
    spin_unlock(&page_lock);
}

/* ---- Zeroing ahead ---- */

/* Find a block with free pages that are not known to be zero; go on where the last call stopped. */
static uint64_t zero_scan_locked(uint64_t *block) REQUIRES(&page_lock)
{
    if (heap.scan_chunk == 0)
        heap.scan_changes = heap.n_changes;
    for (unsigned k = 0; k < ZERO_SCAN_CHUNKS; k++, heap.scan_chunk++) {
        if (heap.scan_chunk >= heap.n_chunks || heap.scan_seen >= PAGE_ZERO_AHEAD) {
            heap.scan_chunk = heap.scan_seen = 0;
            store_relaxed(&heap.scan_done, heap.scan_changes); /* no news until bits change */
            return 0;
        }
        if (heap.levels[0][heap.scan_chunk].max == 0)
            continue;

        const struct chunk *c = &heap.chunks[heap.scan_chunk];
        unsigned seen = 0;

        for (unsigned w = 0; w < CHUNK_WORDS; w++) {
            *block = heap.scan_chunk * CHUNK_PAGES + w * 64;
            if ((c->free[w] & ~c->zero[w]) != 0)
                return c->free[w] & ~c->zero[w];
            seen += bits_count(c->free[w]);
        }
        heap.scan_seen += seen;
    }
    return 0;
}

/*
 * Take pages of a block out of the bitmap for zeroing. Neither this nor putting them back is a
 * change that the scan should hear of.
 */
static void zero_take_locked(uint64_t block, uint64_t mask) REQUIRES(&page_lock)
{
    chunk_of(block)->free[word_of(block)] &= ~mask;
    heap.n_free -= bits_count(mask);
    heap.n_zeroing += bits_count(mask);
    summaries_update_locked(block, block, WHOLE_NOT);
    store_relaxed(&heap.n_changes, heap.n_changes - 1);
}

/* Put them back: zeroed, or as they were. Meanwhile the block may have been claimed. */
static void zero_put_locked(uint64_t block, uint64_t done, uint64_t left) REQUIRES(&page_lock)
{
    block_free_locked(block, done, true);
    if (left != 0)
        block_free_locked(block, left, false);
    heap.n_zeroing -= bits_count(done | left);
    heap.n_zeroed_ahead += bits_count(done);
    summaries_update_locked(block, block, WHOLE_NOT);
    store_relaxed(&heap.n_changes, heap.n_changes - 1);
}

bool page_zero_idle(void)
{
    uint64_t block = 0, mask = 0;

    if (load_relaxed(&heap.scan_done) == load_relaxed(&heap.n_changes))
        return false;
    if (!spin_trylock(&page_lock))
        return true;
    if (heap.n_zeroing != 0) {
        spin_unlock(&page_lock);
        return false; /* another cpu is at it: one is enough */
    }

    uint64_t dirty = zero_scan_locked(&block);
    for (unsigned k = 0; k < PAGE_ZERO_STEP && dirty != 0; k++, dirty &= dirty - 1)
        mask |= dirty & -dirty;
    if (mask == 0) {
        bool more = heap.scan_chunk != 0;

        spin_unlock(&page_lock);
        return more;
    }
    zero_take_locked(block, mask);
    spin_unlock_keep(&page_lock); /* not preemptible: others may come to wait for these pages */

    uintptr_t base = page_address(block);
    uint64_t left = mask;
    for (; left != 0 && !preempt_asked(); left &= left - 1)
        page_clear((void *)(base + ((uintptr_t)bit_lowest(left) << PAGE_SHIFT)));

    spin_lock(&page_lock);
    zero_put_locked(block, mask & ~left, left);
    spin_unlock(&page_lock);
    preempt_on();
    return true;
}

/* ---- Start ---- */

#define CHUNK_BYTES ((uint64_t)CHUNK_PAGES * PAGE_BYTES)

/* Where the books lie, one after another; offsets from a base that is aligned to 64. */
struct layout {
    size_t n_segments;
    uint64_t n_chunks;
    unsigned n_levels;
    uint64_t level_count[LEVELS_MAX]; /* each a multiple of FANOUT but for the root's */
    size_t chunks_at, level_at[LEVELS_MAX], bytes;
};

/*
 * Cut the ranges into segments. A gap of up to one chunk costs as much as the fence that it saves,
 * so the segment goes on through it. segments may be NULL: only count.
 */
static void layout_segments(struct layout *l, const struct mem_range *ranges, size_t n,
                            struct segment *segments)
{
    uint64_t end = 0; /* chunk after the current segment, by address */
    uint64_t first = 0;

    l->n_segments = 0;
    l->n_chunks = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t lo = ranges[i].base / CHUNK_BYTES, hi = (ranges[i].end - 1) / CHUNK_BYTES + 1;
        bool grows = l->n_segments != 0 && lo <= end + 1;
        uint64_t more = grows ? (hi > end ? hi - end : 0) : hi - lo;
        uint64_t fence = grows || l->n_segments == 0 ? 0 : 1;

        if (l->n_chunks + fence >= CHUNKS_MAX)
            break;
        if (more > CHUNKS_MAX - l->n_chunks - fence)
            more = CHUNKS_MAX - l->n_chunks - fence;
        if (!grows) {
            l->n_chunks += fence;
            l->n_segments++;
            first = l->n_chunks;
            end = lo;
        }
        l->n_chunks += more;
        end += more;
        if (segments != NULL) {
            struct segment *s = &segments[l->n_segments - 1];

            if (!grows)
                s->first_frame = lo * CHUNK_PAGES;
            s->first_page = first * CHUNK_PAGES;
            s->n_pages = (l->n_chunks - first) * CHUNK_PAGES;
        }
    }
}

static void layout_make(struct layout *l)
{
    size_t at = align_up(l->n_segments * sizeof(struct segment), 64);
    uint64_t count = l->n_chunks;

    l->chunks_at = at;
    at += l->n_chunks * sizeof(struct chunk);
    for (l->n_levels = 0;; count = l->level_count[l->n_levels++] / FANOUT) {
        l->level_count[l->n_levels] = count == 1 ? 1 : align_up(count, FANOUT);
        l->level_at[l->n_levels] = at;
        at += l->level_count[l->n_levels] * sizeof(struct summary);
        if (count == 1)
            break;
    }
    l->n_levels++;
    ASSERT(l->n_levels <= LEVELS_MAX);
    l->bytes = align_up(at, 64);
}

size_t page_meta_bytes(const struct mem_range *ranges, size_t n)
{
    struct layout l;

    layout_segments(&l, ranges, n, NULL);
    l.n_segments++; /* a range more */
    l.n_chunks += 2;
    layout_make(&l);
    return l.bytes;
}

void page_init(const struct mem_range *ranges, size_t n, void *meta, size_t meta_bytes)
{
    struct layout l;

    ASSERT(n != 0 && (uintptr_t)meta % 64 == 0);
    layout_segments(&l, ranges, n, NULL);
    layout_make(&l);
    ASSERT(l.bytes <= meta_bytes);

    memset(&heap, 0, sizeof(heap));
    heap.segments = meta;
    heap.n_segments = l.n_segments;
    layout_segments(&l, ranges, n, heap.segments);
    heap.chunks = (struct chunk *)((char *)meta + l.chunks_at);
    heap.n_chunks = l.n_chunks;
    heap.n_levels = l.n_levels;
    for (unsigned i = 0; i < l.n_levels; i++)
        heap.levels[i] = (struct summary *)((char *)meta + l.level_at[i]);
    heap.scan_done = UINT64_MAX; /* everything is news */
    for (size_t i = 0; i < n; i++)
        (void)page_give(ranges[i].base, ranges[i].end - ranges[i].base);
}

paddr_t page_ram_top(void)
{
    const struct segment *s = &heap.segments[heap.n_segments - 1];

    return (s->first_frame + s->n_pages) << PAGE_SHIFT;
}

void page_init_boot(struct bootmem *b)
{
    size_t bytes = page_meta_bytes(b->left.ranges, b->left.n);
    uint64_t meta = bootmem_alloc(b, bytes, PAGE_BYTES, UINT64_MAX);

    if (meta == 0)
        fatal("page: no %lu bytes for the page allocator's books", (unsigned long)bytes);

    const struct memmap *map = bootmem_close(b);
    page_init(map->ranges, map->n, phys_to_virt(meta), bytes);
}

/* All of a chunk, unless some of it has been given already. */
static bool chunk_give(struct chunk *c)
{
    uint64_t any = 0;

    for (unsigned w = 0; w < CHUNK_WORDS; w++)
        any |= c->ram[w];
    if (any != 0)
        return false;
    for (unsigned w = 0; w < CHUNK_WORDS; w++)
        c->ram[w] = c->free[w] = UINT64_MAX;
    return true;
}

static void pages_give_locked(uint64_t page, uint64_t n) REQUIRES(&page_lock)
{
    for (uint64_t p = page, end = page + n; p < end;) {
        struct chunk *c = chunk_of(p);

        if (begins_whole_chunk(p, end) && chunk_give(c)) { /* as nearly always at the start */
            p += CHUNK_PAGES;
            continue;
        }
        unsigned len = piece_pages(p, end), w = word_of(p);
        uint64_t mask = word_mask(p % 64, len), twice = c->ram[w] & mask;

        if (twice != 0)
            free_fatal("page given twice:", page_address(align_down(p, 64) + bit_lowest(twice)));
        c->ram[w] |= mask;
        c->free[w] |= mask;
        p += len;
    }
    heap.n_total += n;
    heap.n_free += n;
    summaries_update_locked(page, page + n - 1, WHOLE_NOT);
}

size_t page_give(paddr_t base, uint64_t bytes)
{
    size_t given = 0;

    ASSERT(base % PAGE_BYTES == 0 && bytes % PAGE_BYTES == 0);
    spin_lock(&page_lock);
    for (size_t i = 0; i < heap.n_segments; i++) {
        const struct segment *s = &heap.segments[i];
        uint64_t lo = base / PAGE_BYTES, hi = lo + bytes / PAGE_BYTES;

        /* the part in this segment */
        lo = lo > s->first_frame ? lo : s->first_frame;
        hi = hi < s->first_frame + s->n_pages ? hi : s->first_frame + s->n_pages;
        if (lo < hi) {
            pages_give_locked(s->first_page + (lo - s->first_frame), hi - lo);
            given += hi - lo;
        }
    }
    spin_unlock(&page_lock);
    return given;
}

/* ---- Looking ---- */

uint64_t page_largest_free_run(void)
{
    return heap.n_levels == 0 ? 0 : load_relaxed(&heap.levels[heap.n_levels - 1]->max);
}

void page_get_stats(struct page_stats *stats)
{
    spin_lock(&page_lock);
    *stats = (struct page_stats){
        .total_pages = heap.n_total,
        .largest_free_run = page_largest_free_run(),
        .refills = pcache_refills,
        .drains = pcache_drains,
        .failures = heap.n_failures,
        .zeroed_ahead = heap.n_zeroed_ahead,
    };
    for (unsigned cpu = 0; cpu < pcache_count_locked(); cpu++)
        stats->cached_pages += bits_count(pcache_view_locked(cpu).free);
    stats->free_pages = heap.n_free + heap.n_zeroing + stats->cached_pages;
    spin_unlock(&page_lock);
}

static void verify_that(bool good, const char *what, uint64_t page)
{
    if (!good)
        fatal("page: verify: %s at 0x%lx", what, (unsigned long)page_address(page));
}

static bool all_zero(const uint64_t *page)
{
    for (size_t i = 0; i < PAGE_BYTES / 8; i++)
        if (page[i] != 0)
            return false;
    return true;
}

/* One chunk: its bits, its claims and its summary. Adds up what is free and what is ours. */
static void verify_chunk_locked(uint64_t i, uint64_t *n_free, uint64_t *n_ram) REQUIRES(&page_lock)
{
    const struct chunk *c = &heap.chunks[i];

    verify_that(summary_equal(summary_of_chunk(c), heap.levels[0][i]),
                "summary of a chunk differs from its bits [page.3]", i * CHUNK_PAGES);
    for (unsigned w = 0; w < CHUNK_WORDS; w++) {
        uint64_t block = i * CHUNK_PAGES + w * 64;

        *n_free += bits_count(c->free[w]);
        *n_ram += bits_count(c->ram[w]);
        verify_that((c->free[w] & ~c->ram[w]) == 0, "a free page is not RAM", block);
        for (uint64_t zero = c->free[w] & c->zero[w]; zero != 0; zero &= zero - 1)
            verify_that(all_zero((const void *)page_address(block + bit_lowest(zero))),
                        "a page known to be zero is not [page.4]", block + bit_lowest(zero));
        if (c->claim[w] == 0)
            continue;
        verify_that(c->free[w] == 0 && ~c->ram[w] == 0, "bits in a claimed block [page.2]", block);
        verify_that(c->claim[w] <= pcache_count_locked() &&
                        pcache_view_locked(c->claim[w] - 1u).block == page_address(block),
                    "a block is claimed, but not by that cpu's cache [pcache.2]", block);
    }
}

void page_verify(void)
{
    uint64_t n_free = 0, n_ram = 0, n_cached = 0;

    spin_lock(&page_lock);
    for (uint64_t i = 0; i < heap.n_chunks; i++)
        verify_chunk_locked(i, &n_free, &n_ram);
    for (unsigned level = 1; level < heap.n_levels; level++) {
        uint64_t size = (uint64_t)CHUNK_PAGES << (FANOUT_LOG2 * level);

        for (uint64_t i = 0; i * size < heap.n_chunks * CHUNK_PAGES; i++)
            verify_that(summary_equal(summary_of_node(level, i), heap.levels[level][i]),
                        "summary of a node differs from its children [page.3]", i * size);
    }
    for (unsigned cpu = 0; cpu < pcache_count_locked(); cpu++) {
        struct pcache_view view = pcache_view_locked(cpu);

        n_cached += bits_count(view.free);
        if (view.block == 0)
            continue;
        uint64_t page = page_known(view.block);
        verify_that(page % 64 == 0 && chunk_of(page)->claim[word_of(page)] == cpu + 1,
                    "a cache has a block that it did not claim [page.2]", page);
    }
    if (n_free != heap.n_free)
        fatal("page: verify: %lu pages free, but %lu bits", (unsigned long)heap.n_free,
              (unsigned long)n_free);
    if (n_ram != heap.n_total || n_free + n_cached + heap.n_zeroing > n_ram)
        fatal("page: verify: %lu pages, %lu of them RAM, %lu free, %lu cached",
              (unsigned long)heap.n_total, (unsigned long)n_ram, (unsigned long)n_free,
              (unsigned long)n_cached);
    spin_unlock(&page_lock);
}
