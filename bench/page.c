/*
 * bench/page.c - the page allocator, as the runtime uses it. One operation is an allocation and the
 * free of it.
 *
 * "Full" is made so: single pages are taken until 5 % more than wanted are in use, then random ones
 * of them are given back. So there are holes of one page everywhere, and one large free run at the
 * high end.
 */
#include <bench/bench.h>

#include <mm/page.h>

BENCH_OPTS(PageOne, .icount_n = 10000)
{
    for (uint64_t i = 0; i < b->n; i++) {
        void *page = page_alloc_one(0);
        bench_keep(page);
        page_free_one(page);
    }
}

/* As PageOne, but 100 pages are out at a time: the cache's block of 64 is used up. */
BENCH_OPTS(PageHundred, .icount_n = 10000)
{
    void *pages[100];
    uint64_t left = b->n;

    while (left > 0) {
        uint64_t n = left < 100 ? left : 100;
        for (uint64_t i = 0; i < n; i++)
            pages[i] = page_alloc_one(0);
        for (uint64_t i = 0; i < n; i++)
            page_free_one(pages[i]);
        left -= n;
    }
}

struct filled {
    void **pages; /* what is out; the array's own pages are not in it */
    size_t n, max, array_pages;
};

static bool fill(struct filled *f, unsigned percent)
{
    struct page_stats stats;
    uint64_t seed = 0x243f6a8885a308d3u;

    page_get_stats(&stats);
    uint64_t want_used = stats.total_pages * (percent + 5) / 100;
    uint64_t used = stats.total_pages - stats.free_pages;
    f->n = 0;
    f->max = want_used > used ? want_used - used : 0;
    f->array_pages = f->max * sizeof(void *) / PAGE_BYTES + 1;
    f->pages = page_alloc(f->array_pages, 1, 0);
    if (f->pages == NULL)
        return false;
    while (f->n < f->max) {
        void *page = page_alloc(1, 1, 0);
        if (page == NULL)
            break;
        f->pages[f->n++] = page;
    }
    for (uint64_t give = stats.total_pages * 5 / 100; give > 0 && f->n > 0; give--) {
        uint64_t i = bench_random(&seed) % f->n;
        page_free(f->pages[i], 1);
        f->pages[i] = f->pages[--f->n];
    }
    return true;
}

static void empty(struct filled *f)
{
    while (f->n > 0)
        page_free(f->pages[--f->n], 1);
    page_free(f->pages, f->array_pages);
}

static void runs(struct bench *b, size_t n_pages, unsigned percent)
{
    struct filled f;

    if (!fill(&f, percent)) {
        bench_skip(b, "no memory for the list of pages");
        return;
    }
    bench_start(b);
    for (uint64_t i = 0; i < b->n; i++) {
        void *run = page_alloc(n_pages, 1, 0);
        if (run == NULL) {
            bench_skip(b, "no free run of that length");
            break;
        }
        bench_keep(run);
        page_free(run, n_pages);
    }
    bench_stop(b);
    empty(&f);
}

#define PAGE_BENCH(pages, percent)                                                                 \
    BENCH(Page##pages##Full##percent)                                                              \
    {                                                                                              \
        runs(b, pages, percent);                                                                   \
    }

PAGE_BENCH(1, 10)
PAGE_BENCH(3, 10)
PAGE_BENCH(16, 10)
PAGE_BENCH(512, 10)
PAGE_BENCH(1, 90)
PAGE_BENCH(3, 90)
PAGE_BENCH(16, 90)
PAGE_BENCH(512, 90)

/* 64 MiB: what a cpu cannot be preempted for must not grow with it much. */
BENCH_OPTS(Page16KFull10, .icount_n = 200)
{
    runs(b, 16384, 10);
}
