/*
 * tests/gc_oom.c - when memory is short: requests that fail once, and memory that is all in use.
 */
#include <tests/test.h>
#include <gc/alloc.h>
#include <gc/cycle.h>
#include <gc/special.h>
#include <lib/fail.h>
#include <mm/page.h>
#include <rt/rt.h>

struct node {
    gc(struct node *) next;
    long pad[30];
};
static gc_root(struct node *, head);

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
    for (unsigned i = 0; i < 20; i++) {
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

static void raw_memory(void)
{
    void *p[200];
    for (unsigned i = 0; i < 200; i++)
        p[i] = rt_alloc(i * 37 % 3000); /* may be NULL */
    for (unsigned i = 0; i < 200; i++)
        rt_free(p[i]);
}
static void slices(void)
{
    slice_type(long, longs);
    struct longs s = {0};
    for (long i = 0; i < 20000; i++)
        s = append(s, i);
}
static void selects(void)
{
    chan(struct node *) a = chan_make(struct node *, 1), b = chan_make(struct node *, 1);
    for (unsigned i = 0; i < 100; i++) {
        struct node *v = NULL;
        go_select {
            on_send (a, gc_new(struct node)) {
            }
            on_recv (v, a) {
            }
            on_recv (v, b) {
            }
        }
        gc_keep(v);
    }
}
static void send_on(chan(struct node *) c)
{
    chan_send(c, gc_new(struct node));
}
static void try_send_on(chan(struct node *) c)
{
    (void)catch_panic(send_on, c); /* one that finds no memory sends nothing */
    quiet();
}
static void hand_offs(void)
{
    chan(struct node *) c = chan_make(struct node *, 64);
    for (unsigned i = 0; i < 20; i++) {
        go(try_send_on, c);
        born++;
    }
}
static struct rt_waitgroup group;
static void wait_groups(void)
{
    for (unsigned i = 0; i < 20; i++)
        wg_go(&group, nothing, NULL);
    rt_wg_wait(&group);
}
static void defers_in_a_loop(void)
{
    defers;
    for (unsigned i = 0; i < 2000; i++)
        defer(nothing, NULL);
}
static void boom(void)
{
    panic("a text of %d characters, so that it has to be copied somewhere, and then some more", 80);
}
static void panics(void)
{
    for (unsigned i = 0; i < 100; i++) {
        struct rt_panic *e = catch_panic(boom);
        if (e->kind == RT_PANIC_OUT_OF_MEMORY)
            rt_repanic(e);
    }
}
static void timers(void)
{
    for (unsigned i = 0; i < 50; i++)
        (void)chan_recv(rt_after(1000));
}
static void tickers(void)
{
    for (unsigned i = 0; i < 5; i++)
        rt_ticker_stop(rt_ticker_make(1000000));
}
static void sleepers(void)
{
    for (unsigned i = 0; i < 20; i++)
        rt_sleep(1000);
}
static void *pool_make(void)
{
    return gc_new(struct node);
}
static struct rt_pool pool = {.make = pool_make};
static void pools(void)
{
    struct node *n[50];
    for (unsigned i = 0; i < 50; i++)
        n[i] = rt_pool_get(&pool);
    for (unsigned i = 0; i < 50; i++)
        rt_pool_put(&pool, n[i]);
}
static RT_NOINLINE unsigned long dig(unsigned depth)
{
    volatile char frame[1000];
    frame[depth % 1000] = (char)depth;
    return depth == 0 ? 0 : dig(depth - 1) + (unsigned long)frame[depth % 1000];
}
static void deep(void)
{
    (void)dig(100);
    quiet();
}
static void deep_stacks(void)
{
    for (unsigned i = 0; i < 5; i++) {
        go_with(((struct rt_go_opts){.stack_bytes = 1u << 20}), deep);
        born++;
    }
}
static void sorts_of_shapes(void)
{
    struct pair {
        gc(struct node *) a, b;
    };
    struct big {
        gc(struct node *) first;
        long pad[200];
    };
    for (unsigned i = 0; i < 100; i++) {
        gc_keep(gc_new(struct pair));
        gc_keep(gc_new(struct big));
        gc_keep(gc_make(struct pair, 20));
        gc_keep(gc_new(int));
    }
}
static void collections_with_much_to_mark(void)
{
    gc(struct node *) *refs = gc_make_refs(struct node *, 3000);
    for (unsigned i = 0; i < 3000; i++)
        gc_set(refs[i], gc_new(struct node));
    rt_gc();
    gc_keep(refs);
}

static const struct scenario {
    const char *name;
    void (*fn)(void);
} scenarios[] = {
#define SCENARIO(fn)                                                                               \
    {                                                                                              \
#fn, fn                                                                                    \
    }
    SCENARIO(small_objects),   SCENARIO(bytes_of_all_sizes),
    SCENARIO(arrays),          SCENARIO(references),
    SCENARIO(large),           SCENARIO(conservative),
    SCENARIO(channels),        SCENARIO(goroutines),
    SCENARIO(finalizers),      SCENARIO(weak),
    SCENARIO(cleanups),        SCENARIO(strings),
    SCENARIO(tries),           SCENARIO(collection),
    SCENARIO(raw_memory),      SCENARIO(slices),
    SCENARIO(selects),         SCENARIO(hand_offs),
    SCENARIO(wait_groups),     SCENARIO(defers_in_a_loop),
    SCENARIO(panics),          SCENARIO(timers),
    SCENARIO(tickers),         SCENARIO(sleepers),
    SCENARIO(pools),           SCENARIO(deep_stacks),
    SCENARIO(sorts_of_shapes), SCENARIO(collections_with_much_to_mark),
};

/* ---- The k-th request fails, for every k ---- */

#define ANY_PAGE FAIL_KINDS /* the page allocator's own, below all others */

static uint64_t page_failures(void)
{
    struct page_stats s;
    page_get_stats(&s);
    return s.failures;
}

static uint64_t armed_failures;

static void arm(unsigned what, uint64_t k)
{
    armed_failures = page_failures();
    if (what == ANY_PAGE)
        page_fail_at(k);
    else
        (void)fail_at(what, k);
}

/* Did it come to that? */
static bool disarm(unsigned what)
{
    if (what != ANY_PAGE)
        return !fail_at(what, 0);
    page_fail_at(0);
    return page_failures() != armed_failures;
}

/* One failure: everybody goes on, and what panics says why. False: there were fewer than k requests. */
static bool fail_once(struct test *t, const struct scenario *s, unsigned what, uint64_t k)
{
    arm(what, k);
    struct rt_panic *e = catch_panic(s->fn);
    bool failed = disarm(what);

    while (__atomic_load_n(&gone, __ATOMIC_ACQUIRE) != born)
        rt_yield();
    rt_wg_wait(&group);
    gc_set(head.p, NULL);
    if (e != NULL && e->kind != RT_PANIC_OUT_OF_MEMORY)
        test_fail(t, __FILE__, __LINE__, "%s, kind %u, k %lu: panic: %s", s->name, what,
                  (unsigned long)k, e->message);
    return failed;
}

#define SLACK_PAGES 150 /* caches, spans that a cpu holds, stacks that are kept */

/* Every way to fail, one after the other (on many cpus a third of the scenarios, by the seed); then the
 * heap is whole, and no page is missing. All scenarios together have at least so many requests. */
static void campaign(struct test *t, unsigned what, uint64_t k_max, unsigned least)
{
    bool verify = gc_verify_cycles;
    unsigned failures = 0, step = 3 / test_rounds(3);

    gc_verify_cycles = true;
    for (size_t i = rng_below(&t->rng, step); i < sizeof scenarios / sizeof scenarios[0];
         i += step) {
        const struct scenario *s = &scenarios[i];
        (void)fail_once(t, s, what, 1u << 30); /* caches are filled, once */
        rt_gc();
        int64_t before = test_free_pages();
        uint64_t k = 1;
        while (k <= k_max && fail_once(t, s, what, k))
            k++;
        failures += (unsigned)k - 1;
        /* what finalizers let go is garbage of the next cycle */
        for (unsigned round = 0; round < 2; round++) {
            test_scrub_stack();
            rt_gc();
            gc_special_drain();
        }
        for (unsigned wait = 0; wait < 200 && test_free_pages() + SLACK_PAGES < before; wait++) {
            rt_sleep(1000000); /* the last goroutines end, the stack reaper comes round */
            goroutine_release_memory();
            rt_gc();
        }
        if (test_free_pages() + SLACK_PAGES < before)
            test_fail(t, __FILE__, __LINE__,
                      "%s, kind %u: %ld pages are missing after %lu failures", s->name, what,
                      (long)(before - test_free_pages()), (unsigned long)k - 1);
        page_verify();
    }
    gc_verify_cycles = verify;
    struct page_stats left;
    page_get_stats(&left);
    test_note(t, "%u failures in one of %u of %zu scenarios; %lu pages are free", failures, step,
              sizeof scenarios / sizeof scenarios[0], (unsigned long)left.free_pages);
    EXPECT_GE(t, failures, step == 1 ? least : 0u);
}

TEST_OPTS(gc_oom, each_page_may_fail, .timeout_s = 120)
{
    campaign(t, ANY_PAGE, 40, 100);
}

TEST_OPTS(gc_oom, each_span_may_fail, .timeout_s = 120)
{
    campaign(t, FAIL_SPAN, 25, 60);
}

TEST_OPTS(gc_oom, each_chunk_of_grey_objects_may_fail, .timeout_s = 120)
{
    campaign(t, FAIL_CHUNK, 25, 6);
}

TEST_OPTS(gc_oom, each_goroutine_may_fail, .timeout_s = 120)
{
    campaign(t, FAIL_GOROUTINE, 25, 50);
}

TEST_OPTS(gc_oom, each_raw_block_may_fail, .timeout_s = 120)
{
    campaign(t, FAIL_RAW, 25, 80);
}

/*
 * Nodes that do not lead to each other: in one chain, a single dead word of a stack that happens to
 * name the newest would keep all of them, and the test would test luck.
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
    int64_t before = test_free_pages();
    for (unsigned round = 0; round < 2; round++) {
        EXPECT_GE(t, fill() * sizeof(struct node), s.free_pages * PAGE_BYTES / 2);
        empty();
        struct rt_panic *e = catch_panic(eat);
        REQUIRE(t, e != NULL);
        EXPECT_EQ(t, e->kind, RT_PANIC_OUT_OF_MEMORY);
        empty();
        rt_gc();
    }
    EXPECT_GE(t, test_free_pages() + 200, before);
    page_verify();
}
