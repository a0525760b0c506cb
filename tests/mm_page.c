/*
 * tests/mm_page.c - the page allocator on the machine: all cores at once, each wrong free, its
 * costs.
 *
 * The allocator is the one that the running system uses, so nothing here takes the last pages;
 * that, and the comparison with a naive allocator page by page, is tests/host/mm_page.c.
 */
#include <tests/test.h>

#include <lib/preempt.h>
#include <lib/string.h>
#include <mm/page.h>
#include <rt/rt.h>

/* ---- All cores at once ----
 * A page that somebody owns carries OWNED ^ address in its first word, swapped in: whoever finds
 * that word there already has been given a page of somebody else [page.1]. */

#define OWNED UINT64_C(0x0123deadbeef4567)
#define LIVE_MAX 256

struct worker {
    struct rng rng;
    uint64_t max_pages; /* it keeps no more than this many */
    uint64_t ops, refused, wrong;
};

static void pages_own(struct worker *w, char *run, size_t n)
{
    for (size_t i = 0; i < n; i++, run += PAGE_BYTES)
        if (swap_acq_rel((uint64_t *)run, OWNED ^ (uintptr_t)run) == (OWNED ^ (uintptr_t)run))
            w->wrong++;
}

static void pages_disown(struct worker *w, char *run, size_t n)
{
    for (size_t i = 0; i < n; i++, run += PAGE_BYTES)
        if (swap_acq_rel((uint64_t *)run, 0) != (OWNED ^ (uintptr_t)run))
            w->wrong++;
}

static bool pages_are_zero(const char *run, size_t n)
{
    const uint64_t *word = (const uint64_t *)run;

    for (size_t i = 0; i < n * (PAGE_BYTES / 8); i++)
        if (word[i] != 0)
            return false;
    return true;
}

static void worker_run(struct worker *w)
{
    static const uint8_t sizes[] = {1, 1, 1, 1, 2, 2, 3, 4, 5, 8, 16, 17, 40, 63, 64, 65};
    struct {
        char *run;
        size_t n;
    } live[LIVE_MAX];
    size_t n_live = 0;
    uint64_t n_pages = 0, n_ops = w->ops;

    for (uint64_t op = 0; op < n_ops || n_live != 0; op++) {
        bool grow = op < n_ops && n_live < LIVE_MAX && rng_below(&w->rng, 100) < 55;

        if (rng_below(&w->rng, 64) == 0)
            (void)page_zero_idle();
        if (rng_below(&w->rng, 1024) == 0)
            pcache_flush_all();
        if (grow) {
            size_t n = sizes[rng_below(&w->rng, ARRAY_LEN(sizes))];
            size_t align = (size_t)1 << rng_below(&w->rng, 5);
            unsigned flags = rng_below(&w->rng, 4) == 0 ? PAGE_ZERO : 0;

            if (n_pages + n > w->max_pages)
                continue;
            char *run = n == 1 ? page_alloc_one(flags) : page_alloc(n, align, flags);
            if (run == NULL) {
                w->refused++;
                continue;
            }
            if (n != 1 && virt_to_phys(run) % (align * PAGE_BYTES) != 0)
                w->wrong++;
            if (flags != 0 && !pages_are_zero(run, n))
                w->wrong++;
            pages_own(w, run, n);
            live[n_live].run = run;
            live[n_live++].n = n;
            n_pages += n;
        } else if (n_live != 0) {
            size_t i = rng_below(&w->rng, (uint32_t)n_live), part = live[i].n;
            char *run = live[i].run;

            if (part > 1 && rng_below(&w->rng, 2)) { /* only its first pages */
                part = 1 + rng_below(&w->rng, (uint32_t)part - 1);
                live[i].run += part * PAGE_BYTES;
                live[i].n -= part;
            } else {
                live[i] = live[--n_live];
            }
            pages_disown(w, run, part);
            n_pages -= part;
            if (part == 1)
                page_free_one(run);
            else
                page_free(run, part);
        }
    }
}

/* No page has two owners, zeroed pages are zero, nothing is lost; at every moment the books are
 * right. */
TEST_OPTS(page, random_on_all_cores, .timeout_s = 60)
{
    enum { WORKERS_MAX = 16 };
    struct worker workers[WORKERS_MAX];
    struct page_stats before, after;
    struct rt_waitgroup wg = {0};
    unsigned n = 2 * rt_num_cpu() < WORKERS_MAX ? 2 * rt_num_cpu() : WORKERS_MAX;
    uint64_t wrong = 0;

    pcache_flush_all();
    page_get_stats(&before);
    for (unsigned i = 0; i < n; i++) {
        workers[i] = (struct worker){
            .rng = rng_split(t->seed, i), .max_pages = before.free_pages / 2 / n, .ops = 40000 / n};
        wg_go(&wg, worker_run, &workers[i]);
    }
    for (unsigned i = 0; i < 5; i++) {
        page_verify();
        rt_sleep(5000000);
    }
    rt_wg_wait(&wg);
    for (unsigned i = 0; i < n; i++)
        wrong += workers[i].wrong;
    EXPECT_EQ(t, wrong, 0);
    page_verify();
    page_get_stats(&after);
    EXPECT_EQ(t, after.total_pages, before.total_pages);
    /* stacks of goroutines may have come or gone */
    EXPECT_GE(t, after.free_pages + 64 * n, before.free_pages);
    test_note(t, "%lu refills, %lu drains, %lu pages zeroed ahead",
              (unsigned long)(after.refills - before.refills),
              (unsigned long)(after.drains - before.drains),
              (unsigned long)(after.zeroed_ahead - before.zeroed_ahead));
}

/* A run that needs the pages in the caches gets them; the last of many runs leaves nothing but
 * scraps. */
TEST(page, caches_are_emptied_for_a_run)
{
    struct page_stats s;
    void *first = page_alloc_one(0), *one = page_alloc_one(0);

    REQUIRE(t, first != NULL && one != NULL);
    page_free_one(one);
    page_free_one(first);
    page_get_stats(&s);
    EXPECT_GE(t, s.cached_pages, 1);

    pcache_flush_all();
    uint64_t largest = page_largest_free_run();
    EXPECT_GE(t, largest, 1);

    one = page_alloc_one(0); /* opens a cache, perhaps in the largest run */
    page_free_one(one);
#ifndef RT_DEBUG /* which would write to every byte of it */
    void *run = page_alloc(largest, 1, 0);
    if (run != NULL) /* others may have taken a page of it meanwhile */
        page_free(run, largest);
#endif

    page_verify();
    EXPECT(t, page_alloc(s.total_pages + 1, 1, 0) == NULL);
    EXPECT(t, page_alloc(1, (size_t)1 << 40, 0) == NULL);
}

/* A freed page comes back first, from the same cpu's cache, and is zeroed if that is asked for. */
TEST(page, freed_page_is_dirty)
{
    preempt_off(); /* stay on this cpu */
    char *page = page_alloc_one(0);
    if (page != NULL) {
        memset(page, 0x5a, PAGE_BYTES);
        page_free_one(page);
    }
    char *again = page_alloc_one(PAGE_ZERO);
    preempt_on();
    REQUIRE(t, page != NULL && again != NULL);
    EXPECT(t, pages_are_zero(again, 1));
    page_free_one(again);
}

/* ALLOC_FAIL: some request fails, and only one. */
TEST(page, fail_at)
{
    struct page_stats before, after;
    unsigned refused = 0;

    page_get_stats(&before);
    page_fail_at(3);
    for (unsigned i = 0; i < 20; i++) {
        void *page = page_alloc_one(0);

        if (page == NULL)
            refused++;
        else
            page_free_one(page);
    }
    page_get_stats(&after);
    EXPECT_EQ(t, after.failures - before.failures, 1);
    EXPECT_LE(t, refused, 1); /* it may have hit somebody else's */
}

/* ---- Wrong frees end the run, in every build ---- */

TEST_DIES(page, double_free_dies, 2, "page: double free of 0x")
{
    void *page = page_alloc_one(0);

    page_free_one(page);
    page_free_one(page);
}

TEST_DIES(page, double_free_of_a_run_dies, 2, "page: double free of 0x")
{
    void *run = page_alloc(70, 1, 0);

    page_free(run, 70);
    page_free(run, 70);
}

TEST_DIES(page, wild_free_dies, 2, "page: wild free of 0x0")
{
    page_free_one(NULL);
}

TEST_DIES(page, misaligned_free_dies, 2, "page: misaligned free of 0x")
{
    page_free_one((char *)page_alloc_one(0) + 8);
}

TEST_DIES(page, free_of_reserved_page_dies, 2, "page: (free of reserved page|wild free of) 0x")
{
    page_free_one(phys_to_virt(0x8000)); /* the first MiB is nobody's */
}

/* ---- What it costs, in instructions ---- */

/* Bring memory to `percent` full of runs of 1 to 40 pages with holes between; a list through the
 * runs. */
struct filler {
    struct filler *next;
    size_t n;
};

static struct filler *fill(struct rng *rng, unsigned percent)
{
    struct filler *list = NULL;
    struct page_stats s;

    page_get_stats(&s);
    for (uint64_t goal = s.total_pages * (100 - percent) / 100; s.free_pages > goal;) {
        for (unsigned i = 0; i < 40; i++) {
            size_t n = 1 + rng_below(rng, 40);
            struct filler *run = page_alloc(n, 1, 0), *hole = page_alloc(1 + n / 8, 1, 0);

            if (hole != NULL)
                page_free(hole, 1 + n / 8);
            if (run == NULL)
                return list;
            *run = (struct filler){list, n};
            list = run;
        }
        page_get_stats(&s);
    }
    /* every eighth goes again: holes of all sizes */
    unsigned k = 0;
    for (struct filler **at = &list; *at != NULL;) {
        struct filler *run = *at;

        if (++k % 8 == 0) {
            *at = run->next;
            page_free(run, run->n);
        } else {
            at = &run->next;
        }
    }
    return list;
}

/* Mean instructions of an allocation and of a free of n pages, over 64 in a row each. */
static void cost(struct test *t, size_t n, const char *what)
{
    enum { N = 64 };
    void *run[N];
    size_t got = 0;

    preempt_off();
    int64_t start = rt_nanotime();
    for (; got < N; got++) {
        run[got] = n == 1 ? page_alloc_one(0) : page_alloc(n, 1, 0);
        if (run[got] == NULL)
            break;
    }
    int64_t middle = rt_nanotime();
    for (size_t i = 0; i < got; i++)
        if (n == 1)
            page_free_one(run[i]);
        else
            page_free(run[i], n);
    int64_t end = rt_nanotime();
    preempt_on();
    if (got != 0)
        test_note(t, "%s, %zu pages: alloc %ld, free %ld (%zu)", what, n,
                  (long)((middle - start) / (int64_t)got), (long)((end - middle) / (int64_t)got),
                  got);
}

TEST_OPTS(page, instructions, .icount_only = true, .need_mib = 64)
{
    static const uint8_t percents[] = {10, 90};
    enum { N = 32, PER_PAGE_MAX = TEST_BY_COMPILER(24, 26) }; /* 20; loop and clock add */

    for (unsigned k = 0; k < ARRAY_LEN(percents); k++) {
        struct filler *list = fill(&t->rng, percents[k]), *next;
        const char *what = k == 0 ? "10 % full" : "90 % full";

        cost(t, 1, what);
        cost(t, 3, what);
        cost(t, 16, what);
        cost(t, 512, what);
        for (; list != NULL; list = next) {
            next = list->next;
            page_free(list, list->n);
        }
    }
    page_verify();

    /* From the cache alone: in a whole block, which is found by taking all pages in front of it. */
    struct filler *front = NULL, *next;
    uintptr_t page[N], block = PCACHE_PAGES * PAGE_BYTES;
    int64_t start = 0, middle = 0, end = 0;
    bool whole = false;
    while (!whole) {
        struct filler *first = page_alloc_one(0);
        REQUIRE(t, first != NULL);
        *first = (struct filler){front, 1};
        front = first;
        if ((uintptr_t)first % block != 0)
            continue;
        page[0] = (uintptr_t)first;
        preempt_off();
        start = rt_nanotime();
        for (unsigned i = 1; i < N; i++)
            page[i] = (uintptr_t)page_alloc_one(0);
        middle = rt_nanotime();
        for (unsigned i = 1; i < N; i++)
            page_free_one((void *)page[i]);
        end = rt_nanotime();
        preempt_on();
        whole = page[N - 1] - page[0] == (N - 1) * PAGE_BYTES;
    }
    for (; front != NULL; front = next) {
        next = front->next;
        page_free_one(front);
    }
    test_note(t, "one page from the cache: alloc %ld, free %ld (with the loop)",
              (long)(middle - start) / (N - 1), (long)(end - middle) / (N - 1));
#ifndef RT_DEBUG
    EXPECT_LE(t, (middle - start) / (N - 1), PER_PAGE_MAX);
    EXPECT_LE(t, (end - middle) / (N - 1), PER_PAGE_MAX);
#endif
}
