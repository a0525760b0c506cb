/*
 * tests/host/mm_page.c - the page allocator on a machine of host threads, against a naive one.
 *
 * One thread plays four cpus in the model tests, so a seed replays exactly; then real threads run
 * at once.
 */
#include <mm/memmap.c>
#include <mm/bootmem.c>
#include <mm/page.c>
#include <mm/pcache.c>
#include <tests/host/fuzz.h>
#include <tests/host/shim/machine.h>
#include <pthread.h>

#define CPUS 4u
#define RANGES_MAX 32u
#define PAGES_MAX (1u << 16)

/* ---- The naive allocator: one byte a page ---- */

static struct mem_range ranges[RANGES_MAX];
static size_t n_ranges;
static size_t range_first[RANGES_MAX]; /* index of a range's first page */
static size_t n_pages;
static uint64_t frames[PAGES_MAX]; /* of page i, rising */
static uint8_t used[PAGES_MAX];
static size_t n_used;
static void *meta;

static long model_index(const void *p)
{
    uint64_t pa = (uintptr_t)p - host_direct_base;

    for (size_t i = 0; i < n_ranges; i++)
        if (pa >= ranges[i].base && pa < ranges[i].end)
            return (long)(range_first[i] + (pa - ranges[i].base) / PAGE_BYTES);
    return -1;
}

static void *model_address(size_t i)
{
    return phys_to_virt(frames[i] * PAGE_BYTES);
}

/* The lowest free run that fits, -1 if none. */
static long model_find(size_t n, size_t align)
{
    size_t run = 0;

    for (size_t i = 0; i < n_pages; i++) {
        if (used[i]) {
            run = 0;
            continue;
        }
        run = run != 0 && frames[i] == frames[i - 1] + 1 ? run + 1 : 1;
        if (run >= n && frames[i + 1 - n] % align == 0)
            return (long)(i + 1 - n);
    }
    return -1;
}

static void model_mark(size_t first, size_t n, bool to)
{
    for (size_t i = first; i < first + n; i++) {
        CHECK(used[i] != to, "page %zu at %p", i, model_address(i));
        used[i] = to;
    }
    n_used += to ? n : -n;
}

/* Begin with `n` ranges; pages hold rubbish, so that nobody can rely on fresh memory. */
static void fresh(const struct mem_range *r, size_t n)
{
    static struct mem_range mapped[RANGES_MAX];
    static size_t n_mapped;

    if (n != n_mapped || memcmp(mapped, r, n * sizeof(*r)) != 0)
        for (size_t i = 0; i < n; i++)
            host_ram(r[i].base, r[i].end - r[i].base);
    n_mapped = n;
    memmove(mapped, r, n * sizeof(*r));

    n_ranges = n;
    n_pages = n_used = 0;
    for (size_t i = 0; i < n; i++) {
        ranges[i] = mapped[i];
        range_first[i] = n_pages;
        for (uint64_t f = mapped[i].base / PAGE_BYTES; f < mapped[i].end / PAGE_BYTES; f++) {
            frames[n_pages++] = f;
            *(uint64_t *)phys_to_virt(f * PAGE_BYTES) = ~f; /* and no page looks poisoned */
            *(uint64_t *)phys_to_virt(f * PAGE_BYTES + 8 * (f % 512)) = ~f;
        }
    }
    memset(used, 0, sizeof(used));

    free(meta);
    size_t bytes = page_meta_bytes(ranges, n);
    meta = aligned_alloc(64, bytes);
    memset(meta, 0, bytes);
    host_cpu = 0;
    host_cpus(CPUS);
    page_lock = (struct spinlock)SPINLOCK_INIT(RANK_PAGE);
    pcache_cpus = 0;
    pcache_refills = pcache_drains = 0;
    page_init(ranges, n, meta, bytes);
}

static void check_stats(void)
{
    struct page_stats s;

    page_verify();
    page_get_stats(&s);
    CHECK(s.total_pages == n_pages && s.free_pages == n_pages - n_used,
          "total %lu of %zu, free %lu of %zu", s.total_pages, n_pages, s.free_pages,
          n_pages - n_used);
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        CHECK(*cpu_ptr(cpu, preempt) == 0, "cpu %u", cpu);
}

static bool is_zero(const void *run, size_t n)
{
    const uint64_t *word = run;

    for (size_t i = 0; i < n * (PAGE_BYTES / 8); i++)
        if (word[i] != 0)
            return false;
    return true;
}

/* Allocate and compare. exact: the caches are empty, so the lowest run must come. */
static void *checked_alloc(size_t n, size_t align, unsigned flags, bool exact)
{
    long expected = exact ? model_find(n, align) : -2;
    void *run = n == 1 && align == 1 ? page_alloc_one(flags) : page_alloc(n, align, flags);

    if (run == NULL) {
        if (!exact)
            expected = model_find(n, align);
        CHECK(expected == -1, "%zu pages, align %zu: refused, but %ld fits", n, align, expected);
        return NULL;
    }
    long at = model_index(run);
    CHECK(at >= 0, "%p is not RAM", run);
    if (at < 0)
        return NULL;
    CHECK(frames[at] % align == 0, "%p, align %zu", run, align);
    CHECK(frames[at + (long)n - 1] == frames[at] + n - 1, "%p: %zu pages cross a hole", run, n);
    if (exact)
        CHECK(at == expected, "%zu pages, align %zu: %ld, not the lowest, %ld", n, align, at,
              expected);
    if (flags & PAGE_ZERO)
        CHECK(is_zero(run, n), "%p, %zu pages", run, n);
    model_mark((size_t)at, n, true);
    for (size_t i = 0; i < n; i++) { /* the owner writes; another owner would be seen by free */
        uint64_t *word = (uint64_t *)((char *)run + i * PAGE_BYTES);

        word[0] = word[511] = word[1 + i % 510] = (uintptr_t)word;
    }
    return run;
}

static void checked_free(void *run, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t *word = (uint64_t *)((char *)run + i * PAGE_BYTES);

        CHECK(word[0] == (uintptr_t)word && word[511] == (uintptr_t)word, "%p", (void *)word);
    }
    model_mark((size_t)model_index(run), n, false);
    if (n == 1)
        page_free_one(run);
    else
        page_free(run, n);
}

/* ---- Words ---- */

static void test_words(void)
{
    fuzz_group("words: runs, masks and multiples equal the naive ones");
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t word = rng_next(&fuzz_rng) | rng_next(&fuzz_rng);
        unsigned n = 1 + fuzz_below(64), low = 0, high = 0;
        uint64_t starts = 0;

        for (unsigned k = fuzz_below(4); k != 0; k--)
            word |= rng_next(&fuzz_rng);
        if (i < 2)
            word = i == 0 ? 0 : ~UINT64_C(0);
        for (unsigned s = 0; s + n <= 64; s++) {
            unsigned len = 0;
            while (len < n && (word >> (s + len) & 1))
                len++;
            if (len == n)
                starts |= UINT64_C(1) << s;
        }
        CHECK(word_runs(word, n) == starts, "%#lx, %u", word, n);
        while (low < 64 && (word >> low & 1))
            low++;
        while (high < 64 && (word >> (63 - high) & 1))
            high++;
        CHECK(word_ones_low(word) == low && word_ones_high(word) == high, "%#lx", word);
    }
    for (unsigned align = 1; align <= 64; align *= 2)
        for (unsigned b = 0; b < 64; b++)
            CHECK((word_multiples(align) >> b & 1) == (b % align == 0), "%u, %u", align, b);
    for (unsigned from = 0; from < 64; from++)
        for (unsigned n = 1; from + n <= 64; n++)
            for (unsigned b = 0; b < 64; b++)
                CHECK((word_mask(from, n) >> b & 1) == (b >= from && b < from + n), " ");
}

/* ---- Small and exhaustive ---- */

/* Every state of 10 pages that lie across a word, a chunk or a node of the tree; every request.
 * [page.5] */
static void exhaustive_at(uint64_t first_frame)
{
    const unsigned n = 10;
    struct mem_range r = {first_frame * PAGE_BYTES, (first_frame + n) * PAGE_BYTES};
    char *base;

    fresh(&r, 1);
    base = phys_to_virt(r.base);
    CHECK(checked_alloc(n, 1, 0, true) == base, " ");
    for (unsigned state = 0; state < 1u << n; state++) { /* a bit: the page is free */
        for (unsigned i = 0; i < n; i++)
            if (state >> i & 1)
                checked_free(base + i * PAGE_BYTES, 1);
        page_verify();
        for (unsigned want = 1; want <= n + 1; want++)
            for (unsigned align = 1; align <= 16; align *= 2) {
                void *run = checked_alloc(want, align, 0, true);
                if (run != NULL)
                    checked_free(run, want);
            }
        for (unsigned i = 0; i < n; i++)
            if (state >> i & 1)
                CHECK(checked_alloc(1, 1, 0, true) != NULL, " ");
        CHECK(page_alloc_one(0) == NULL, " ");
    }
}

static void test_exhaustive(void)
{
    static const uint64_t edges[] = {100, 1024 - 5, 512 + 64 - 3, 512 * 8 - 4, 512 * 64 - 9};

    fuzz_group("exhaustive: every state of 10 pages, every request, at every kind of edge");
    for (size_t i = 0; i < ARRAY_LEN(edges); i++)
        exhaustive_at(edges[i]);
}

/* ---- Random, against the naive allocator ---- */

static struct {
    char *run;
    size_t n;
} live[PAGES_MAX];
static size_t n_live;

static void random_ranges(void)
{
    struct mem_range r[RANGES_MAX];
    size_t n = 1 + fuzz_below(12);
    uint64_t at = fuzz_below(3000);

    for (size_t i = 0; i < n; i++) {
        uint64_t pages = 1 + fuzz_below(fuzz_below(2) ? 60 : 1800);

        r[i] = (struct mem_range){at * PAGE_BYTES, (at + pages) * PAGE_BYTES};
        at += pages + 1 + fuzz_below(fuzz_below(2) ? 20 : 4000);
        if (fuzz_below(8) == 0) /* far away: beyond 512 GiB too */
            at += (uint64_t)fuzz_below(200) << (30 - PAGE_SHIFT);
    }
    fresh(r, n);
}

/* n operations; full: percent of memory in use that it tends to. */
static void random_ops(size_t n, unsigned full, bool exact)
{
    for (size_t op = 0; op < n; op++) {
        bool grow = n_used * 100 < n_pages * full ? fuzz_below(10) < 7 : fuzz_below(10) < 3;

        host_cpu = fuzz_below(CPUS);
        if (exact)
            pcache_flush_all();
        if (fuzz_below(64) == 0)
            (void)page_zero_idle();
        if (fuzz_below(512) == 0)
            pcache_flush_all();
        if (grow || n_live == 0) {
            static const uint16_t sizes[] = {1, 1, 1, 1, 2, 2, 3, 4, 5, 8, 16, 17, 40, 63, 64, 65};
            size_t want = sizes[fuzz_below(16)], align = 1;
            unsigned flags = fuzz_below(4) == 0 ? PAGE_ZERO : 0;

            if (fuzz_below(40) == 0)
                want = 1 + fuzz_below(1500);
            if (!exact && fuzz_below(3) == 0)
                align = (size_t)1 << fuzz_below(11);
            char *run = checked_alloc(want, align, flags, exact);
            if (run != NULL) {
                live[n_live].run = run;
                live[n_live++].n = want;
            }
        } else {
            size_t i = fuzz_below((uint32_t)n_live), part = live[i].n;
            char *run = live[i].run;

            if (part > 1 && fuzz_below(2)) { /* a part of it, from either end */
                part = 1 + fuzz_below((uint32_t)part - 1);
                live[i].n -= part;
                if (fuzz_below(2))
                    live[i].run += part * PAGE_BYTES;
                else
                    run += live[i].n * PAGE_BYTES;
            } else {
                live[i] = live[--n_live];
            }
            checked_free(run, part);
        }
        if (op % 10000 == 0)
            check_stats();
    }
}

static void free_all(void)
{
    while (n_live != 0) {
        n_live--;
        checked_free(live[n_live].run, live[n_live].n);
    }
    check_stats();
    CHECK(n_used == 0, "%zu", n_used);
    pcache_flush_all();
    check_stats();
}

static size_t random_machines(double seconds, bool exact)
{
    size_t ops = 0;

    for (double end = fuzz_now() + seconds; fuzz_now() < end || ops == 0; ops += 60000) {
        random_ranges();
        random_ops(20000, 20 + fuzz_below(80), exact);
        random_ops(20000, 100, exact); /* mostly full: failures are checked one by one */
        random_ops(20000, 60 + fuzz_below(39), exact);
        free_all();
    }
    return ops;
}

static void test_model(void)
{
    fuzz_group("model: caches of four cpus, random holes, parts of runs");
    printf("    %zu operations\n", random_machines(fuzz.seconds, false));
    fuzz_group("model: without caches, always the lowest run");
    printf("    %zu operations\n", random_machines(fuzz.seconds, true));
}

/* ---- To the last page ---- */

static const struct mem_range usual[] = {{0x100000, 0x9f0000}, {0xa00000, 0x1a00000}};

/* Whatever the caches of other cpus hold, the last page and the last run are found. */
static void test_exhaustion(void)
{
    size_t got = 0;
    void *page;

    fuzz_group("exhaustion: every cpu's cache is found, to the last page");
    fresh(usual, 2);
    for (host_cpu = 0; (page = checked_alloc(1, 1, 0, false)) != NULL; got++) {
        live[n_live].run = page;
        live[n_live++].n = 1;
        host_cpu = got % CPUS;
    }
    CHECK(got == n_pages && n_used == n_pages, "%zu of %zu", got, n_pages);
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        host_cpu = cpu;
        CHECK(page_alloc_one(0) == NULL && page_alloc(2, 1, 0) == NULL, " ");
    }
    host_cpu = 3; /* one page, freed by another cpu, is found by each */
    for (unsigned i = 0; i < 100; i++) {
        size_t k = fuzz_below((uint32_t)n_live);

        checked_free(live[k].run, 1);
        host_cpu = fuzz_below(CPUS);
        page = checked_alloc(1, 1, PAGE_ZERO, false);
        CHECK(page == live[k].run, "%p", page);
    }
    free_all();

    for (unsigned cpu = 0; cpu < CPUS; cpu++) { /* each holds a block in its cache */
        host_cpu = cpu;
        page = checked_alloc(1, 1, 0, false);
        checked_free(page, 1);
    }
    struct page_stats s;
    page_get_stats(&s);
    CHECK(s.cached_pages >= 64 * CPUS, "%lu", s.cached_pages);
    host_cpu = 1;
    size_t whole = (usual[1].end - usual[1].base) / PAGE_BYTES;
    page = checked_alloc(whole, 512, 0, false);
    CHECK(page != NULL, "a run of a whole range, with caches in use");
    void *rest = checked_alloc(n_pages - whole, 1, PAGE_ZERO, false);
    CHECK(rest != NULL && page_alloc_one(0) == NULL, " ");
    page_get_stats(&s);
    CHECK(s.free_pages == 0 && s.cached_pages == 0 && s.largest_free_run == 0 && s.failures != 0,
          " ");
    CHECK(page_largest_free_run() == 0, " ");
    checked_free(rest, n_pages - whole);
    CHECK(page_largest_free_run() == n_pages - whole, " ");
    checked_free(page, whole);
    check_stats();
}

/* A big machine with holes: books by RAM, not by the highest address. */
static void test_sparse(void)
{
    struct mem_range r[] = {{0x100000, 0x900000},
                            {UINT64_C(600) << 30, (UINT64_C(600) << 30) + 0x300000},
                            {(UINT64_C(1) << 40) + 0x7000, (UINT64_C(1) << 40) + 0x9000},
                            {(UINT64_C(2) << 40) - 0x200000, UINT64_C(2) << 40}};

    fuzz_group("sparse: RAM beyond 512 GiB, books below 0.1 % and 4 KiB");
    CHECK(page_meta_bytes(r, 4) < 4096, "%zu", page_meta_bytes(r, 4));
    fresh(r, 4);
    check_stats();
    CHECK(page_alloc(2049, 1, 0) == NULL, " ");
    void *low = checked_alloc(2048, 1, 0, true), *high = checked_alloc(768, 512, PAGE_ZERO, true);
    CHECK(high == phys_to_virt(r[1].base), " ");
    void *two = checked_alloc(1, 1, 0, false), *top = checked_alloc(512, 512, 0, false);
    CHECK(two == phys_to_virt(r[2].base) && top == phys_to_virt(r[3].base), " ");
    check_stats();
    CHECK(EXPECT_FATAL("wild free of", page_free((char *)top + 511 * PAGE_BYTES, 2)), " ");
    fresh(r, 4);
    (void)low;

    struct mem_range big = {0x100000, UINT64_C(64) << 30};
    CHECK(page_meta_bytes(&big, 1) < (UINT64_C(64) << 30) / 8192, "%zu", page_meta_bytes(&big, 1));

    /* more than fits in the numbers: the highest are left out, nothing breaks */
    struct layout l;
    struct mem_range huge[] = {{0, UINT64_C(10) << 40}, {UINT64_C(20) << 40, UINT64_C(40) << 40}};
    layout_segments(&l, huge, 2, NULL);
    layout_make(&l);
    CHECK(l.n_chunks == CHUNKS_MAX && l.n_segments == 2, "%lu", l.n_chunks);
}

/* 4 GiB, untouched: all levels of the tree, big runs, alignment up to 1 GiB. */
static void test_big(void)
{
    const struct mem_range r = {0x7ff00000, UINT64_C(0x180000000)};
    static struct {
        uint64_t frame, n;
    } run[64];

    fuzz_group("big: every level of the tree follows every change");
    host_ram(r.base, r.end - r.base);
    fresh(usual, 2);
    free(meta);
    meta = aligned_alloc(64, page_meta_bytes(&r, 1));
    memset(meta, 0, page_meta_bytes(&r, 1));
    page_init(&r, 1, meta, page_meta_bytes(&r, 1));
    CHECK(heap.n_levels == 5, "%u", heap.n_levels);
    for (unsigned op = 0; op < 400; op++) {
        unsigned i = fuzz_below(64);

        if (run[i].n != 0) {
            page_free(phys_to_virt(run[i].frame * PAGE_BYTES), run[i].n);
            run[i].n = 0;
        } else {
            uint64_t n = 1 + fuzz_below(1u << (1 + fuzz_below(18)));
            uint64_t align = UINT64_C(1) << fuzz_below(19);
            void *at = page_alloc(n, align, 0);

            if (at != NULL) {
                run[i].frame = virt_to_phys(at) / PAGE_BYTES;
                run[i].n = n;
                CHECK(run[i].frame % align == 0, "%lu of %lu", n, align);
                for (unsigned k = 0; k < 64; k++)
                    CHECK(k == i || run[k].n == 0 || run[k].frame >= run[i].frame + n ||
                              run[i].frame >= run[k].frame + run[k].n,
                          "overlap");
            }
        }
        if (op % 4 == 0)
            page_verify();
    }
}

/* [page.5]: runs in the wrong places, many chunks of them. */
static void test_misaligned_holes(void)
{
    const struct mem_range r = {0x100000, 0x100000 + 40 * (CHUNK_PAGES * PAGE_BYTES)};

    fuzz_group("alignment: found behind any number of runs in the wrong places");
    for (unsigned longer = 0; longer < 2; longer++) {
        fresh(&r, 1);
        char *base = checked_alloc(n_pages, 1, 0, true);
        for (size_t i = 1; i + 4 <= n_pages; i += 4)
            checked_free(base + i * PAGE_BYTES, 2); /* odd: never aligned to 2 */
        CHECK(page_alloc(2, 2, 0) == NULL, " ");
        size_t at = n_pages - 400 - n_pages % 4; /* four pages: one aligned pair, or two and more */
        checked_free(base + at * PAGE_BYTES, 1);
        if (longer)
            checked_free(base + (at + 3) * PAGE_BYTES, 1);
        CHECK(checked_alloc(2, 2, 0, true) == base + at * PAGE_BYTES, " ");
        check_stats();
    }
}

/* ---- What must not be freed [page.1] [pcache.2] [pcache.3] ---- */

static void test_bad_frees(void)
{
    static const struct mem_range r[] = {{0x100000, 0x245000}, {0x247000, 0x600000}};
    char *volatile run = NULL, *volatile page = NULL; /* after a longjmp too */

    fuzz_group("bad frees: each is named, wherever the page is");
#define BAD(part, setup, ...)                                                                      \
    do {                                                                                           \
        fresh(r, 2);                                                                               \
        setup;                                                                                     \
        CHECK(EXPECT_FATAL(part, __VA_ARGS__), "got \"%s\"", host_fatal_text);                     \
    } while (0)
    BAD("page: wild free of 0x0", , page_free_one(NULL)); /* first thing on a cpu */
    BAD("page: wild free of 0x3f000", , page_free_one((void *)0x3f000));
    BAD("page: wild free of 0x0", page = page_alloc_one(0), page_free_one(NULL));
    BAD("page: wild free", , page_free_one(phys_to_virt(0x800000)));
    BAD("page: wild free", , page_free(phys_to_virt(UINT64_C(1) << 50), 3));
    BAD("page: wild free", run = phys_to_virt(0x5ff000), page_free(page_alloc(1, 1, 0), 100000));
    BAD("page: misaligned free", page = page_alloc_one(0), page_free_one(page + 8));
    BAD("page: misaligned free", page = page_alloc_one(0), page_free_one(page + 1));
    BAD("page: misaligned free", page = page_alloc_one(0), page_free_one(page - 4095));
    BAD("page: misaligned free", run = page_alloc(5, 1, 0), page_free(run + 4000, 2));
    BAD("page: misaligned free", , page_free_one((void *)0xfff));
    BAD("page: misaligned free", , page_free_one((void *)-1));
    BAD("page: free of no pages", run = page_alloc(5, 1, 0), page_free(run, 0));
    BAD("page: free of reserved page", , page_free_one(phys_to_virt(0x245000)));
    BAD("page: free of reserved page", , page_free_one(phys_to_virt(0xff000)));
    BAD("page: free of reserved page", run = page_alloc(325, 1, 0), page_free(run, 326));
    /* double: of a page in the bitmap, ... */
    BAD("page: double free", run = page_alloc(70, 1, 0); page_free(run, 70), page_free(run, 70));
    BAD("page: double free", run = page_alloc(70, 1, 0);
        page_free(run + 69 * 4096, 1), page_free(run, 70));
    BAD("page: double free", run = page_alloc(70, 1, 0); page_free(run, 70), page_free_one(run));
    BAD("page: double free", , page_free_one(phys_to_virt(0x580000))); /* never allocated */
    /* ... in this cpu's cache, ... */
    BAD("page: double free", page = page_alloc_one(0); page_free_one(page), page_free_one(page));
    BAD("page: double free", page = page_alloc_one(0), page_free_one(page + PAGE_BYTES));
    BAD("page: double free", page = page_alloc_one(0), page_free(page, 2));
    BAD("page: double free", page = page_alloc_one(0), page_free(page, 70));
    BAD("page: double free", page = page_alloc(40, 1, 0), page_free(page, 41));
    BAD("page: double free", run = page_alloc(4, 1, 0);
        page_free_one(run + 4096), page_free(run, 4));
    /* ... in another's, ... */
    BAD("page: double free", page = page_alloc_one(0); page_free_one(page);
        host_cpu = 2, page_free_one(page));
    BAD("page: double free", page = page_alloc_one(0); page_free_one(page); host_cpu = 2;
        CHECK(page_alloc_one(0) != NULL, " "), page_free(page, 3));
    /* ... after that cache was emptied */
    BAD("page: double free", page = page_alloc_one(0); page_free_one(page);
        pcache_flush_all(), page_free_one(page));
    BAD("page: page given twice", , page_give(0x200000, 0x1000));
#undef BAD
    fresh(r, 2); /* and good ones: pieces of runs that lie in a claimed block */
    run = checked_alloc(3, 1, 0, false);
    page = checked_alloc(1, 1, 0, false);
    host_cpu = 1;
    checked_free(run + PAGE_BYTES, 1);
    checked_free(run, 1);
    host_cpu = 0;
    checked_free(run + 2 * PAGE_BYTES, 1);
    checked_free(page, 1);
    check_stats();
}

/* page_verify() sees each kind of damage. */
static void test_verify(void)
{
    fuzz_group("verify: every kind of damage is seen");
#define DAMAGE(part, ...)                                                                          \
    do {                                                                                           \
        fresh(usual, 2);                                                                           \
        CHECK(page_alloc_one(0) != NULL && page_alloc(1000, 1, 0) != NULL, " ");                   \
        page_verify();                                                                             \
        __VA_ARGS__;                                                                               \
        CHECK(EXPECT_FATAL(part, page_verify()), "got \"%s\"", host_fatal_text);                   \
    } while (0)
    DAMAGE("summary of a chunk", heap.chunks[12].free[3] ^= 16);
    DAMAGE("summary of a chunk", heap.levels[0][5].end++);
    DAMAGE("summary of a node", heap.levels[1][1].max--);
    DAMAGE("summary of a node", heap.levels[2][0].start++);
    DAMAGE("pages free, but", heap.n_free++);
    DAMAGE("of them RAM", heap.n_total++);
    DAMAGE("is not RAM", heap.chunks[12].ram[3] &= ~1u);
    DAMAGE("is not [page.4]", heap.chunks[12].zero[3] |= 1);
    DAMAGE("not by that cpu's cache", heap.chunks[3].claim[3] = 2; heap.chunks[3].free[3] = 0;
           summaries_update_locked(1536, 1536, WHOLE_NOT));
    DAMAGE("in a claimed block", heap.chunks[12].claim[3] = 1);
    DAMAGE("did not claim", heap.chunks[0].claim[4] = 0;
           CHECK(cpu_ptr(0, pcache)->block != 0, " "));
#undef DAMAGE
}

/* ---- Zeroing ahead, failing on request, start from bootmem ---- */

static void test_zero_idle(void)
{
    struct page_stats s;
    unsigned calls = 0;

    fuzz_group("zeroing ahead: pages come zeroed, and only dirty ones are written; a cpu that is "
               "asked for "
               "leaves");
    fresh(usual, 2);
    host_preempt_asked = true; /* before the first page: all of them go back as they were */
    for (unsigned i = 0; i < 10; i++)
        CHECK(page_zero_idle(), " ");
    page_get_stats(&s);
    CHECK(s.zeroed_ahead == 0, "%lu", s.zeroed_ahead);
    check_stats();
    host_preempt_asked = false;
    while (page_zero_idle())
        calls++;
    page_get_stats(&s);
    CHECK(s.zeroed_ahead >= PAGE_ZERO_AHEAD && s.zeroed_ahead < PAGE_ZERO_AHEAD + CHUNK_PAGES,
          "%lu", s.zeroed_ahead);
    CHECK(calls < s.zeroed_ahead / PAGE_ZERO_STEP + 200, "%u calls", calls);
    check_stats();
    page_lock.locked = 1; /* nothing to do: not even the lock is looked at */
    CHECK(!page_zero_idle(), " ");
    page_lock.locked = 0;

    /* a mark in a page that is known to be zero stays: nobody zeroed it twice */
    uint64_t *marked = phys_to_virt(0x300000);
    marked[7] = 42;
    void *run = page_alloc(1024, 1, PAGE_ZERO);
    CHECK((char *)run <= (char *)marked && (char *)marked < (char *)run + (1024 << PAGE_SHIFT) &&
              marked[7] == 42,
          " ");
    page_free(run, 1024); /* now dirty */
    run = page_alloc(1024, 1, PAGE_ZERO);
    CHECK(is_zero(run, 1024), " ");
    page_free(run, 1024);
    CHECK(page_zero_idle(), "news: pages were freed");
    while (page_zero_idle())
        continue;
    check_stats();

    /* through the cache: known stays known, freed is dirty, drained keeps what it knows */
    for (unsigned round = 0; round < 300; round++) {
        unsigned flags = fuzz_below(2) ? PAGE_ZERO : 0;
        char *page = fuzz_below(2) ? page_alloc_one(flags) : page_alloc(3, 1, flags);
        size_t n = 1;

        if (flags)
            CHECK(is_zero(page, n), " ");
        memset(page, 0x77, n * PAGE_BYTES);
        if (fuzz_below(2))
            page_free_one(page);
        if (fuzz_below(8) == 0)
            pcache_flush_all();
        if (fuzz_below(4) == 0)
            (void)page_zero_idle();
        page_verify();
    }
}

static void *put_back(void *block)
{
    struct timespec ts = {.tv_nsec = 20000000};

    host_cpu = 3;
    nanosleep(&ts, NULL);
    spin_lock(&page_lock);
    zero_put_locked(*(uint64_t *)block, 0xf0, 0);
    spin_unlock(&page_lock);
    return NULL;
}

/* The last pages are being zeroed by another cpu: who wants them waits. [page.1] */
static void test_zeroing_waited_for(void)
{
    fuzz_group("zeroing ahead: whoever finds nothing else waits for it");
    for (unsigned n = 1; n <= 4; n++) {
        pthread_t thread;
        uint64_t block = 1024;

        fresh(usual, 2);
        char *run = page_alloc((usual[1].end - usual[1].base) / PAGE_BYTES, 1, 0);
        char *low = page_alloc((usual[0].end - usual[0].base) / PAGE_BYTES, 1, 0);
        CHECK(run != NULL && low != NULL, " ");
        page_free((char *)page_address(block) + 4 * PAGE_BYTES, 4);
        spin_lock(&page_lock);
        pcache_drain_all_locked();
        zero_take_locked(block, 0xf0);
        spin_unlock(&page_lock);
        page_verify();
        memset((char *)page_address(block) + 4 * PAGE_BYTES, 0, 4 * PAGE_BYTES);
        pthread_create(&thread, NULL, put_back, &block);
        char *got = n == 1 ? page_alloc_one(PAGE_ZERO) : page_alloc(n, 1, PAGE_ZERO);
        CHECK(got == (char *)page_address(block) + 4 * PAGE_BYTES, "%u pages: %p", n, (void *)got);
        pthread_join(thread, NULL);
        page_verify();
    }
}

static void test_fail_at(void)
{
    struct page_stats s;

    fuzz_group("fail_at: exactly the k-th request fails");
    fresh(usual, 2);
    for (unsigned k = 1; k < 40; k++) {
        void *page[40], *run[40];

        page_fail_at(k);
        for (unsigned i = 1; i < 40; i++) {
            bool one = fuzz_below(2);

            page[i] = one ? page_alloc_one(0) : NULL;
            run[i] = one ? NULL : page_alloc(i, 1, 0);
            CHECK(((one ? page[i] : run[i]) == NULL) == (i == k), "%u of %u", i, k);
            if (page[i] != NULL && fuzz_below(2)) {
                page_free_one(page[i]);
                page[i] = NULL;
            }
        }
        for (unsigned i = 1; i < 40; i++) {
            if (page[i] != NULL)
                page_free_one(page[i]);
            if (run[i] != NULL)
                page_free(run[i], i);
        }
        page_verify();
    }
    page_fail_at(5);
    page_fail_at(0);
    for (unsigned i = 0; i < 10; i++)
        CHECK(page_alloc_one(0) != NULL, " ");
    page_get_stats(&s);
    CHECK(s.failures == 39, "%lu", s.failures);
}

static void *reach(uint64_t paddr)
{
    return phys_to_virt(paddr);
}

static void test_start(void)
{
    static struct memmap map;
    static struct bootmem b;

    fuzz_group("start: bootmem's rest, its books out of its own memory");
    fresh(usual, 2);
    map.n = 2;
    memcpy(map.ranges, usual, sizeof(usual));
    bootmem_init(&b, &map, reach);
    CHECK(bootmem_alloc(&b, 0x5000, 0x200000, UINT64_MAX) == 0x200000, " ");
    host_cpus(CPUS);
    page_init_boot(&b);
    page_verify();
    struct page_stats s;
    page_get_stats(&s);
    CHECK(s.total_pages == n_pages - b.used_bytes / PAGE_BYTES && s.free_pages == s.total_pages,
          " ");

    /* pages that bootmem gave out are reserved until they are handed in */
    CHECK(page_give(0x200000, 0x5000) == 5, " ");
    CHECK(page_give(UINT64_C(1) << 36, 0x5000) == 0, "pages of no known chunk");
    page_verify();
    page_get_stats(&s);
    CHECK(s.free_pages == n_pages - b.used_bytes / PAGE_BYTES + 5, " ");
    n_live = 0;
}

/* ---- Threads ---- */

static struct {
    uint8_t owner[PAGES_MAX]; /* [a] cpu + 1 */
    int64_t tickets;          /* [a] pages that may still be asked for */
    bool stop;                /* [a] */
    uint64_t ops;             /* [a] */
    uint64_t wrong;           /* [a] */
} mt;

static void own(char *run, size_t n, uint8_t from, uint8_t to)
{
    long at = model_index(run);

    for (size_t i = 0; i < n; i++)
        if (__atomic_exchange_n(&mt.owner[at + (long)i], to, __ATOMIC_RELAXED) != from)
            add_relaxed(&mt.wrong, 1);
}

static bool take_tickets(int64_t n)
{
    if (__atomic_sub_fetch(&mt.tickets, n, __ATOMIC_ACQ_REL) >= 0)
        return true;
    __atomic_add_fetch(&mt.tickets, n, __ATOMIC_ACQ_REL);
    return false;
}

/* With a ticket for each page, a request for one page must never be refused. */
static void *worker(void *arg)
{
    enum { KEEP = 3000 };
    static __thread struct {
        char *run;
        size_t n;
    } mine[KEEP];
    struct rng rng = rng_split(fuzz.seed, 77 + (uintptr_t)arg);
    size_t n_mine = 0;
    uint64_t ops = 0;

    host_cpu = (unsigned)(uintptr_t)arg;
    for (; !load_relaxed(&mt.stop) || n_mine != 0; ops++) {
        bool grow = !load_relaxed(&mt.stop) && n_mine < KEEP && rng_below(&rng, 100) < 53;

        if (grow) {
            size_t n = rng_below(&rng, 4) == 0 ? 1 + rng_below(&rng, 40) : 1;
            unsigned flags = rng_below(&rng, 8) == 0 ? PAGE_ZERO : 0;
            if (!take_tickets((int64_t)n))
                continue;
            char *run = n == 1 ? page_alloc_one(flags) : page_alloc(n, n % 2 + 1, flags);
            if (run == NULL) {
                if (n == 1)
                    add_relaxed(&mt.wrong, 1); /* there was a free page */
                __atomic_add_fetch(&mt.tickets, n, __ATOMIC_ACQ_REL);
                continue;
            }
            own(run, n, 0, (uint8_t)(host_cpu + 1));
            if (flags && !is_zero(run, n))
                add_relaxed(&mt.wrong, 1);
            for (size_t i = 0; i < n; i++)
                *(uint64_t *)(run + i * PAGE_BYTES + 1024) = (uintptr_t)run;
            mine[n_mine].run = run;
            mine[n_mine++].n = n;
        } else if (n_mine != 0) {
            size_t i = rng_below(&rng, (uint32_t)n_mine), n = mine[i].n;
            char *run = mine[i].run;
            for (size_t k = 0; k < n; k++)
                if (*(uint64_t *)(run + k * PAGE_BYTES + 1024) != (uintptr_t)run)
                    add_relaxed(&mt.wrong, 1);
            mine[i] = mine[--n_mine];
            own(run, n, (uint8_t)(host_cpu + 1), 0);
            if (n == 1)
                page_free_one(run);
            else
                page_free(run, n);
            __atomic_add_fetch(&mt.tickets, n, __ATOMIC_ACQ_REL);
        }
    }
    add_relaxed(&mt.ops, ops);
    return NULL;
}

static void *zeroer(void *arg)
{
    host_cpu = (unsigned)(uintptr_t)arg;
    while (!load_relaxed(&mt.stop)) {
        (void)page_zero_idle();
        if (rng_next(&(struct rng){load_relaxed(&heap.n_changes)}) % 64 == 0)
            pcache_flush_all();
    }
    return NULL;
}

static void test_threads(double seconds, size_t tickets_less)
{
    static const struct mem_range small[] = {{0x100000, 0x900000}, {0xb00000, 0xf12000}};
    pthread_t threads[CPUS];

    fresh(small, 2);
    memset(&mt, 0, sizeof(mt));
    mt.tickets = (int64_t)(n_pages - tickets_less);
    for (uintptr_t i = 0; i < CPUS; i++)
        pthread_create(&threads[i], NULL, i == CPUS - 1 ? zeroer : worker, (void *)i);
    for (double end = fuzz_now() + seconds; fuzz_now() < end;) {
        struct timespec ts = {.tv_nsec = 50000000};
        nanosleep(&ts, NULL);
    }
    store_relaxed(&mt.stop, true);
    for (unsigned i = 0; i < CPUS; i++)
        pthread_join(threads[i], NULL);
    host_cpu = 0;
    CHECK(mt.wrong == 0, "%lu pages with two owners, changed, or refused", mt.wrong);
    struct page_stats s;
    page_get_stats(&s);
    check_stats();
    pcache_flush_all();
    check_stats();
    printf("    %lu operations, %lu refills, %lu drains, %lu zeroed ahead\n", mt.ops, s.refills,
           s.drains, s.zeroed_ahead);
}

int main(void)
{
#ifdef __SANITIZE_THREAD__ /* that one allows no window of this size, and needs only the threads   \
                            */
    const bool all = false;
#else
    const bool all = true;
#endif
    fuzz_begin();
    if (all) {
        test_words();
        test_exhaustive();
        test_exhaustion();
        test_sparse();
        test_big();
        test_misaligned_holes();

        test_bad_frees();
        test_verify();
        test_zero_idle();
        test_zeroing_waited_for();

        test_fail_at();
        test_start();
        test_model();
    }
    fuzz_group("threads: no page has two owners, none is refused while one is free");
    test_threads(fuzz.seconds / 2, 0);
    test_threads(fuzz.seconds / 2, 300);
    return fuzz_end();
}
