/*
 * tests/gc_oom.c - when memory is short: requests that fail once, and memory that is all in use.
 */
#include <tests/test.h>
#include <gc/alloc.h>
#include <gc/report.h>
#include <mm/page.h>
#include <rt/rt.h>

struct node {
    gc(struct node *) next;
    long pad[30];
};
static gc_root(struct node *, head);

static size_t pages_used(void)
{
    struct page_stats s;
    page_get_stats(&s);
    return (size_t)(s.total_pages - s.free_pages);
}

static void nothing(RT_UNUSED void *arg)
{
}

static uint32_t born, gone; /* goroutines of one scenario; a panic may leave some running */

static void quiet(void)
{
    __atomic_fetch_add(&gone, 1, __ATOMIC_RELEASE);
}

/* Each builds something and lets it go. */
static void small_objects(void)
{
    for (unsigned i = 0; i < 500; i++) {
        struct node *n = gc_new(struct node);
        gc_set(n->next, head.p);
        gc_set(head.p, n);
    }
}
static void bytes_of_all_sizes(void)
{
    for (size_t n = 1; n < 40000; n += n / 3 + 1)
        gc_keep(gc_bytes(n));
}
static void arrays(void)
{
    for (size_t n = 1; n < 3000; n += n / 2 + 1)
        gc_keep(gc_make(struct node, n / 8 + 1));
}
static void references(void)
{
    gc(struct node *) *refs = gc_make_refs(struct node *, 600);
    for (unsigned i = 0; i < 600; i++)
        gc_set(refs[i], gc_new(struct node));
}
static void large(void)
{
    for (unsigned i = 0; i < 4; i++)
        gc_keep(gc_bytes(100000 + i * 50000));
}
static void conservative(void)
{
    gc(void *) *u = gc_conservative(5000);
    gc_set(u[4999], gc_bytes(10));
}
static void channels(void)
{
    chan(struct node *) c = chan_make(struct node *, 100);
    for (unsigned i = 0; i < 100; i++)
        chan_send(c, gc_new(struct node));
}
static void goroutines(void)
{
    for (unsigned i = 0; i < 80; i++) {
        go(quiet);
        born++;
    }
}
static void finalizers(void)
{
    for (unsigned i = 0; i < 100; i++)
        rt_set_finalizer(gc_new(struct node), nothing);
}
static void weak(void)
{
    for (unsigned i = 0; i < 100; i++)
        gc_keep(rt_weak_make(gc_new(struct node)));
}
static void cleanups(void)
{
    for (unsigned i = 0; i < 100; i++)
        (void)rt_add_cleanup(gc_new(struct node), nothing, NULL);
}
static void strings(void)
{
    for (unsigned i = 0; i < 1000; i++)
        gc_keep(gc_strdup("a string"));
}
static void tries(void)
{
    for (unsigned i = 0; i < 500; i++)
        gc_keep(rt_try_new(struct node));
}
static void collection(void)
{
    small_objects();
    rt_gc();
}

static void (*const scenarios[])(void) = {
    small_objects, bytes_of_all_sizes, arrays, references, large,   conservative, channels,
    goroutines,    finalizers,         weak,   cleanups,   strings, tries,        collection,
};

/* The k-th request for pages fails, for every k that is reached: nothing hangs, nothing is lost,
 * pages agree. */
TEST_OPTS(gc_oom, a_request_that_fails_once_does_no_harm, .timeout_s = 120)
{
    for (unsigned s = 0; s < sizeof scenarios / sizeof scenarios[0]; s++) {
        for (uint64_t k = 1; k <= 40; k++) {
            struct page_stats before, after;
            page_get_stats(&before);
            page_fail_at(k);
            struct rt_panic *e = catch_panic(scenarios[s]);
            page_fail_at(0);
            page_get_stats(&after);
            while (__atomic_load_n(&gone, __ATOMIC_ACQUIRE) != born)
                rt_yield();
            gc_set(head.p, NULL);
            if (e != NULL)
                EXPECT_EQ(t, e->kind, RT_PANIC_OUT_OF_MEMORY);
            if (after.failures == before.failures)
                break; /* fewer than k requests */
        }
        rt_gc();
        page_verify();
    }
}

/*
 * Nodes that do not lead to each other: in one chain, a single dead word of a stack that happens to
 * name the newest (or the end of RAM, which is the end of the last node) would keep all of them,
 * and the test would test luck.
 */
static gc_root_array(struct node *, shelves, 4096);

static RT_NOINLINE unsigned long fill(void)
{
    unsigned long count = 0;
    for (struct node *n; (n = rt_try_new(struct node)) != NULL; count++) {
        gc_set(n->next, shelves.p[count % 4096]);
        gc_set(shelves.p[count % 4096], n);
    }
    return count;
}

static void empty(void)
{
    for (unsigned i = 0; i < 4096; i++)
        gc_set(shelves.p[i], NULL);
}

/* All memory in use: rt_try_new() says so, gc_new() panics, and afterwards everything can be used
 * again. */
static void eat(void)
{
    for (unsigned long count = 0;; count++) {
        struct node *n = gc_new(struct node);
        gc_set(n->next, shelves.p[count % 4096]);
        gc_set(shelves.p[count % 4096], n);
    }
}

TEST_OPTS(gc_oom, all_memory_in_use_is_a_panic_and_comes_back, .timeout_s = 120)
{
    struct page_stats s;
    page_get_stats(&s);
    if (s.total_pages > (64u << 20) / PAGE_BYTES)
        test_skip(t, "takes long with more than 64 MiB");
    rt_gc();
    size_t before = pages_used();
    for (unsigned round = 0; round < 2; round++) {
        EXPECT_GE(t, fill() * sizeof(struct node), s.free_pages * PAGE_BYTES / 2);
        empty();
        struct rt_panic *e = catch_panic(eat);
        REQUIRE(t, e != NULL);
        EXPECT_EQ(t, e->kind, RT_PANIC_OUT_OF_MEMORY);
        empty();
        rt_gc();
    }
    EXPECT_LE(t, pages_used(), before + 200);
    page_verify();
}
