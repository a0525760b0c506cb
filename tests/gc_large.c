/*
 * tests/gc_large.c - objects of many megabytes: where memory is in pieces, and what becomes of them.
 */
#include <tests/test.h>
#include <gc/alloc.h>
#include <gc/cycle.h>
#include <gc/sweep.h>
#include <mm/page.h>
#include <mm/vmap.h>
#include <rt/rt.h>

#define FRAME_PAGES (VMAP_FRAME_BYTES / PAGE_BYTES)

/*
 * Every second frame of all memory is taken, in a chain through the frames' first words: no free run is longer than
 * a frame and what happens to lie next to it.
 */
static void **comb_make(size_t *n_gaps)
{
    void **all = NULL, **teeth = NULL, **frame;

    while ((frame = page_alloc(FRAME_PAGES, FRAME_PAGES, 0)) != NULL) {
        *frame = all;
        all = frame;
    }
    *n_gaps = 0;
    for (bool gap = false; all != NULL;
         gap = !gap) { /* first fit: they came in the order of their addresses */
        frame = all;
        all = *frame;
        if (gap) {
            page_free(frame, FRAME_PAGES);
            ++*n_gaps;
        } else {
            *frame = teeth;
            teeth = frame;
        }
    }
    return teeth;
}

static void comb_free(void **teeth)
{
    while (teeth != NULL) {
        void **next = *teeth;
        page_free(teeth, FRAME_PAGES);
        teeth = next;
    }
}

struct cell {
    gc(struct cell *) next;
    uint64_t id;
};

static gc_root(void *, large);

static RT_NOINLINE void fill(struct test *t, size_t bytes, uint64_t salt)
{
    uint64_t *w = gc_bytes(bytes);
    gc_set(large.p, (void *)w);
    for (size_t i = 0; i < bytes / 8; i += 509)
        w[i] = i ^ salt;
    for (size_t i = 0; i < bytes / 8; i += 509)
        REQUIRE(t, w[i] == (i ^ salt));
}

static void drop(void)
{
    gc_set(large.p, NULL);
    test_scrub_stack();
    rt_gc();
    gc_sweep_finish();
}

/* Any address inside leads to the object. Its address, hidden from conservative eyes. */
static RT_NOINLINE uintptr_t look_inside(struct test *t, size_t bytes)
{
    char *object = large.p;
    size_t size = 0;

    for (unsigned i = 0; i < 100; i++)
        EXPECT(t, gc_object_of(object + rng_next(&t->rng) % bytes, &size) == object);
    EXPECT_GE(t, size, bytes);
    return ~(uintptr_t)object;
}

static RT_NOINLINE bool is_gone(uintptr_t hidden)
{
    size_t size;
    return gc_object_of((void *)(~hidden + 5), &size) == NULL;
}

TEST_OPTS(gc_large, scattered_frames_hold_one_object, .need_mib = 100, .timeout_s = 120)
{
    size_t n_gaps;

    rt_gc();
    void **teeth = comb_make(&n_gaps);
    size_t bytes = (n_gaps - n_gaps / 4) * VMAP_FRAME_BYTES - 12345;
    EXPECT_LE(t, page_largest_free_run(), 3 * FRAME_PAGES);
    int64_t before = test_free_pages();
    /* 8 times is more addresses than the window has: they come back too */
    unsigned rounds = before < (128 << 20) / PAGE_BYTES ? 8 : 2;
    for (uint64_t round = 0; round < rounds; round++) {
        fill(t, bytes, round);
        uintptr_t hidden = look_inside(t, bytes);
        EXPECT_LE(t, test_free_pages(), before - bytes / PAGE_BYTES + 600);
        rt_gc();
        REQUIRE(t, ((uint64_t *)large.p)[509] == (509 ^ round));
        drop();
        EXPECT(t, is_gone(hidden));
        EXPECT_GE(t, test_free_pages() + 600, before);
    }
    comb_free(teeth);
    page_verify();
}

/* References all over a scattered object keep what they name, through pieces and oblets; all of it goes with it. */
static RT_NOINLINE void fill_with_references(struct test *t, size_t n, size_t step)
{
    gc(struct cell *) *refs = gc_make_refs(struct cell *, n);

    gc_set(large.p, (void *)(uintptr_t)refs);
    for (size_t i = n - 1; i < n; i -= step) {
        struct cell *cell = gc_new(struct cell);
        cell->id = i;
        gc_set(refs[i], cell);
    }
    for (unsigned i = 0; i < 3; i++) {
        rt_gc();
        for (unsigned j = 0; j < 20000; j++)
            gc_keep(gc_new(struct cell));
    }
    for (size_t i = n - 1; i < n; i -= step)
        REQUIRE(t, refs[i] != NULL && refs[i]->id == i);
}

TEST_OPTS(gc_large, scattered_references_are_marked, .need_mib = 100, .timeout_s = 120)
{
    size_t n_gaps;

    rt_gc();
    void **teeth = comb_make(&n_gaps);
    size_t frames =
        n_gaps / 2 < 8 ? n_gaps / 2 : 8; /* the verifier of a debug build looks at all of it */
    size_t n = frames * VMAP_FRAME_BYTES / 8 - 100;
    int64_t before = test_free_pages();
    fill_with_references(t, n, n / 5000);
    EXPECT_LE(t, test_free_pages() + n * 8 / PAGE_BYTES, before + 600);
    drop();
    EXPECT_GE(t, test_free_pages() + 600, before);
    comb_free(teeth);
    page_verify();
}

/* Where there is room in one piece it is taken; and a request for more than there is ends as any other. */
TEST_OPTS(gc_large, too_large_is_out_of_memory, .need_mib = 100)
{
    struct page_stats s;
    page_get_stats(&s);
    int64_t before = test_free_pages();
    EXPECT(t, rt_try_new(struct cell) != NULL);
    for (unsigned i = 0; i < 3; i++) {
        struct rt_panic *e = catch_panic(fill, t, (size_t)s.total_pages * PAGE_BYTES, (uint64_t)i);
        REQUIRE(t, e != NULL);
        EXPECT_EQ(t, e->kind, RT_PANIC_OUT_OF_MEMORY);
    }
    EXPECT_GE(t, test_free_pages() + 600, before);
    page_verify();
}
