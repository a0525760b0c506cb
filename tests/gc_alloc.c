/*
 * tests/gc_alloc.c - objects of all sizes and kinds: zeroed, aligned, apart, found by any address
 * inside them.
 */
#include <tests/test.h>
#include <gc/alloc.h>
#include <gc/cycle.h>
#include <gc/sweep.h>
#include <lib/bits.h>
#include <mm/page.h>
#include <rt/rt.h>
#include <sched/stw.h>

struct pair {
    gc(struct pair *) a, b;
};
struct wide {
    char text[600];
    gc(struct pair *) p;
    int tail;
};
struct lines {
    uint64_t v[8];
} __attribute__((aligned(64)));

static bool all_zero(const void *p, size_t bytes)
{
    const unsigned char *c = p;
    for (size_t i = 0; i < bytes; i++)
        if (c[i] != 0)
            return false;
    return true;
}

/* Any size, dirtied and dropped again and again, arrives zeroed and aligned [alloc.3]. */
TEST(gc_alloc, noscan_of_any_size_is_zeroed_and_aligned)
{
    for (unsigned round = 0; round < 3000; round++) {
        size_t bytes = 1 + rng_below(&t->rng, round % 50 == 0 ? 100000 : 3000);
        unsigned char *p = gc_bytes(bytes);
        EXPECT(t, all_zero(p, bytes));
        EXPECT_EQ(t, (uintptr_t)p % (bytes >= 16 ? 16 : 8), 0);
        (memset)(p, 0xa5, bytes);
        size_t usable;
        EXPECT(t, gc_object_of(p, &usable) == p && usable >= bytes);
        EXPECT(t, gc_object_of(p + rng_below(&t->rng, (uint32_t)bytes), &usable) == p);
    }
}

TEST(gc_alloc, types_keep_their_alignment)
{
    for (unsigned i = 0; i < 200; i++) {
        struct lines *l = gc_new(struct lines);
        struct lines *many = gc_make(struct lines, 1 + i % 20);
        EXPECT_EQ(t, (uintptr_t)l % 64, 0);
        EXPECT_EQ(t, (uintptr_t)many % 64, 0);
        struct wide *w = gc_new(struct wide);
        EXPECT_EQ(t, (uintptr_t)w % 16, 0);
        EXPECT(t, all_zero(w, sizeof *w));
        (memset)(w->text, 1, sizeof w->text);
    }
}

/* Objects that live at the same time do not overlap: each keeps its own pattern. */
TEST(gc_alloc, live_objects_are_apart)
{
    gc(uint32_t *) *keep = gc_make_refs(uint32_t *, 2000);
    uint32_t words[64];
    for (unsigned i = 0; i < 2000; i++) {
        uint32_t n = 1 + rng_below(&t->rng, 60);
        uint32_t *p = gc_make(uint32_t, n);
        for (uint32_t j = 0; j < n; j++)
            p[j] = i * 64 + n;
        gc_set(keep[i], p);
    }
    rt_gc();
    for (unsigned i = 0; i < 2000; i++) {
        uint32_t n = keep[i][0] - i * 64;
        REQUIRE(t, n >= 1 && n <= 60);
        for (uint32_t j = 0; j < n; j++)
            EXPECT_EQ(t, keep[i][j], i * 64 + n);
    }
    (void)words;
}

TEST(gc_alloc, try_new_gives_an_object)
{
    struct pair *p = rt_try_new(struct pair);
    REQUIRE(t, p != NULL);
    EXPECT(t, p->a == NULL && p->b == NULL);
    char *s = gc_strdup("hello");
    EXPECT_STR(t, s, "hello");
}

/* A count that cannot be is a panic, not a small object. */
TEST_DIES(gc_alloc, impossible_length_panics, 2, "runtime error: makeslice: len out of range")
{
    volatile size_t n = SIZE_MAX / 4;
    gc_keep(gc_make(struct pair, n));
}

TEST(gc_alloc, raw_memory_is_reused_and_zeroed)
{
    enum { N = 300 };
    unsigned char *p[N];
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < N; i++) {
            size_t bytes = 1 + (i * 37) % 5000;
            p[i] = rt_alloc(bytes);
            REQUIRE(t, p[i] != NULL);
            EXPECT(t, all_zero(p[i], bytes));
            EXPECT_EQ(t, (uintptr_t)p[i] % 16, 0);
            (memset)(p[i], (int)i, bytes);
        }
        for (unsigned i = 0; i < N; i++)
            rt_free(p[(i * 7) % N]);
    }
}

/* Up and down through all kinds of blocks: what fits of the contents is there. */
TEST(gc_alloc, raw_memory_is_resized)
{
    static const size_t sizes[] = {0,    1,     16,     17,     100,  2048, 2049,
                                   5000, 40000, 300000, 299000, 2000, 48,   1};
    unsigned char *p = NULL;
    size_t had = 0;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        p = rt_realloc(p, sizes[i]);
        REQUIRE(t, p != NULL);
        for (size_t k = 0; k < had && k < sizes[i]; k++)
            REQUIRE(t, p[k] == (unsigned char)(k * 7));
        had = sizes[i];
        for (size_t k = 0; k < had; k++)
            p[k] = (unsigned char)(k * 7);
    }
    EXPECT(t, rt_realloc(p, (size_t)-1) == NULL);
    EXPECT(t, rt_realloc(p, (size_t)1 << 40) == NULL);
    rt_free(p);
}

TEST_DIES(gc_alloc, double_free_of_raw_memory_is_fatal, 2, "rt_free: double free")
{
    void *a = rt_alloc(64), *b = rt_alloc(64);
    rt_free(a);
    rt_free(a);
    rt_free(b);
}

/* mallocs - frees is what lives; live bytes are those of slots. */
TEST(gc_alloc, statistics_agree)
{
    struct rt_mem_stats before, after;
    rt_gc();
    rt_read_mem_stats(&before);
    gc(struct pair *) *keep = gc_make_refs(struct pair *, 1000);
    for (unsigned i = 0; i < 1000; i++)
        gc_set(keep[i], gc_new(struct pair));
    rt_read_mem_stats(&after);
    EXPECT_GE(t, after.mallocs - before.mallocs, 1001);
    EXPECT_LE(t, after.mallocs - before.mallocs, 1100);
    EXPECT_GE(t, after.total_alloc_bytes - before.total_alloc_bytes,
              1000 * sizeof(struct pair) + 8000);
    rt_gc();
    rt_read_mem_stats(&after);
    EXPECT_GE(t, after.mallocs - after.frees, 1001);
    EXPECT_LE(t, after.pause_max_ns, after.pause_total_ns);
    EXPECT_LE(t, after.num_forced_gc, after.num_gc);
    gc_keep(keep);
}

/* What the spans hold, counted by hand; world stopped. */
static void heap_counted_stw(uint64_t *objects, uint64_t *span_bytes)
{
    *objects = *span_bytes = 0;
    for (size_t unit = 0, end = gc_span_index_end(); unit < end; unit++) {
        const struct gc_span *span = gc_span_at_index(unit);
        if (span == NULL)
            continue;
        *span_bytes += (uint64_t)span->n_units * GC_UNIT_BYTES;
        for (uint32_t slot = 0; slot < span->n_slots; slot++)
            *objects += gc_epochs(span)[slot] != 0;
    }
}

static gc_root(gc(void *) *, kept);

/* The identities of struct rt_mem_stats, at any moment: what was allocated and not freed is in the spans. */
TEST(gc_alloc, statistics_are_what_the_spans_hold)
{
    uint64_t objects, span_bytes;
    struct rt_mem_stats s;

    gc_set(kept.p, gc_make_refs(void *, 300));
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 3000; i++)
            gc_set(kept.p[i % 300], gc_bytes(1 + rng_below(&t->rng, i % 100 == 0 ? 90000 : 900)));
        if (round % 4 == 3)
            rt_gc();
        stw_begin(STW_TEST);
        rt_read_mem_stats(&s);
        heap_counted_stw(&objects, &span_bytes);
        stw_end();
        EXPECT_GE(t, objects, s.mallocs - s.frees);
        /* a byte that a restarted range left, at most one on a cpu [alloc.1] */
        EXPECT_LE(t, objects, s.mallocs - s.frees + arch_cpu_count());
        EXPECT_EQ(t, s.heap_in_use_bytes, span_bytes);
        EXPECT_LE(t, s.heap_in_use_bytes + s.stack_in_use_bytes, s.sys_bytes);
        EXPECT_LE(t, s.num_forced_gc, s.num_gc);
        EXPECT_LE(t, s.pause_max_ns, s.pause_total_ns);
        EXPECT_LE(t, s.pause_max_ns, s.stop_max_ns);
    }
    gc_set(kept.p, NULL);
}

/* stop_max_ns is the longest stop, to the nanosecond and however long ago. */
TEST(gc_alloc, the_longest_stop_is_remembered)
{
    struct rt_mem_stats s;
    int64_t longest = 0;

    rt_read_mem_stats(&s);
    for (unsigned i = 0; i < STW_HISTORY + 10; i++) {
        int64_t begin = stw_begin(STW_TEST);
        while (i == 0 && arch_nanotime() - begin < (int64_t)(s.stop_max_ns + s.stop_max_ns / 8))
            arch_cpu_relax();
        int64_t took = stw_end();
        if (took > longest)
            longest = took;
    }
    rt_read_mem_stats(&s);
    EXPECT_EQ(t, s.stop_max_ns, longest);
}

static uint32_t stops_begun, stops_ended;
static int64_t stops_took_ns;

static void on_begin(void)
{
    stops_begun++;
}
static void on_end(int64_t ns)
{
    stops_ended++;
    stops_took_ns += ns;
}

/* The stops of a collection: announced before and after, listed with the newest first, and summed up. */
TEST(gc_alloc, stops_are_listed)
{
    struct rt_mem_stats before, after;
    int64_t pauses[8], sum = 0;

    rt_read_mem_stats(&before);
    stops_begun = stops_ended = 0;
    stops_took_ns = 0;
    rt_gc_on_stop(on_begin, on_end);
    rt_gc();
    rt_gc_on_stop(NULL, NULL);
    rt_read_mem_stats(&after);
    if (after.num_gc != before.num_gc + 1)
        test_skip(t, "another collection came in between");
    REQUIRE(t, rt_gc_pauses(pauses, 8) >= stops_ended && stops_ended >= 1 && stops_ended <= 8);
    for (unsigned i = 0; i < stops_ended; i++)
        sum += pauses[i];
    EXPECT_EQ(t, stops_begun, stops_ended);
    EXPECT_EQ(t, sum, stops_took_ns);
    EXPECT_EQ(t, after.pause_total_ns - before.pause_total_ns, stops_took_ns);
    EXPECT_EQ(t, after.num_forced_gc, before.num_forced_gc + 1);
}

/* However little lives, the heap may grow to 4 MiB; GOGC scales that, as in Go. */
TEST_OPTS(gc_alloc, the_goal_is_at_least_four_mib, .need_mib = 32)
{
    static const struct {
        int percent;
        uint64_t least;
    } want[] = {{100, 4 << 20}, {50, 2 << 20}, {200, 8 << 20}, {100, 4 << 20}};
    struct rt_mem_stats s;
    int old = rt_gc_set_percent(100);

    for (unsigned i = 0; i < sizeof want / sizeof want[0]; i++) {
        rt_gc();
        (void)rt_gc_set_percent(want[i].percent);
        rt_read_mem_stats(&s);
        uint64_t live = s.heap_live_bytes;
        test_note(t, "GOGC=%d, %lu KiB live: goal %lu KiB", want[i].percent,
                  (unsigned long)live >> 10, (unsigned long)s.heap_goal_bytes >> 10);
        if (live < (1 << 20))
            EXPECT_EQ(t, s.heap_goal_bytes, want[i].least);
        EXPECT_GE(t, s.heap_goal_bytes, want[i].least);
    }
    (void)rt_gc_set_percent(old);
}

static gc_root_array(struct pair *, chains, 500);

static RT_NOINLINE void chains_make(void)
{
    for (unsigned i = 0; i < 500; i++)
        for (unsigned j = 0; j < 1000; j++) {
            struct pair *p = gc_new(struct pair);
            gc_set(p->a, chains.p[i]);
            gc_set(chains.p[i], p);
        }
}

/* Spans without an object go back to where pages come from. */
TEST_OPTS(gc_alloc, empty_spans_are_given_back, .need_mib = 32)
{
    rt_gc();
    int64_t before = test_free_pages();
    chains_make(); /* 8 MB */
    int64_t with = test_free_pages();
    EXPECT_LE(t, with, before - 500 * 1000 * sizeof(struct pair) / PAGE_BYTES);
    for (unsigned i = 0; i < 500; i++)
        gc_set(chains.p[i], NULL);
    rt_gc();
    rt_gc(); /* what a cpu held in the first one */
    EXPECT_GE(t, test_free_pages() + 300, before);
}

/* A cycle that nobody waits for leaves its sweep to allocation, span by span, and to cpus with nothing to do. */
TEST_OPTS(gc_alloc, idle_cpus_sweep, .need_mib = 64)
{
    chains_make();
    rt_gc();
    for (uint64_t cycle = gc_num_cycles(); gc_num_cycles() == cycle;)
        for (unsigned i = 0; i < 100; i++)
            gc_keep(gc_bytes(2000)); /* these sweep spans of their own shape only */
    for (unsigned i = 0; i < 200 && !gc_sweep_done(); i++)
        rt_sleep(1000000);
    EXPECT(t, gc_sweep_done());
    for (unsigned i = 0; i < 500; i++)
        gc_set(chains.p[i], NULL);
    rt_gc();
}
