/*
 * tests/gc_alloc.c - objects of all sizes and kinds: zeroed, aligned, apart, found by any address
 * inside them.
 */
#include <tests/test.h>
#include <gc/alloc.h>
#include <gc/cycle.h>
#include <lib/bits.h>

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
