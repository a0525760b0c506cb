/*
 * tests/gc_special.c - finalizers, cleanups, weak references, by Go's rules.
 */
#include <tests/test.h>
#include <gc/alloc.h>
#include <gc/special.h>
#include <rt/rt.h>

struct thing {
    gc(struct thing *) other;
    int id;
};

static int order[64];
static unsigned n_order;
static gc_root(struct thing *, saved);

static void note(int id)
{
    unsigned i = __atomic_fetch_add(&n_order, 1, __ATOMIC_RELAXED);
    if (i < 64)
        order[i] = id;
}

static void finalize(void *p)
{
    note(((struct thing *)p)->id);
}

static void cleanup(void *arg)
{
    note((int)(intptr_t)arg);
}

/* Collect until the queue is empty and k notes were made, or nothing changes. */
static void collect(void)
{
    rt_gc();
    gc_special_drain();
}

static RT_NOINLINE struct thing *thing_make(int id)
{
    struct thing *p = gc_new(struct thing);
    p->id = id;
    return p;
}

static RT_NOINLINE void drop_many(unsigned n, bool with_finalizer)
{
    for (unsigned i = 0; i < n; i++) {
        struct thing *p = thing_make(100 + (int)i);
        if (with_finalizer)
            rt_set_finalizer(p, finalize);
    }
}

/* Each runs exactly once; the object is freed by a later cycle. */
TEST(gc_special, finalizers_run_once)
{
    n_order = 0;
    drop_many(40, true);
    for (int i = 0; i < 4; i++) {
        test_scrub_stack();
        collect();
    }
    EXPECT_GE(t, n_order, 38);
    EXPECT_LE(t, n_order, 40);
    unsigned seen = 0;
    for (unsigned i = 0; i < n_order; i++)
        for (unsigned j = 0; j < i; j++)
            seen += order[i] == order[j];
    EXPECT_EQ(t, seen, 0);
}

static RT_NOINLINE void drop_pair(void)
{
    struct thing *a = thing_make(1), *b = thing_make(2);
    gc_set(a->other, b);
    rt_set_finalizer(a, finalize);
    rt_set_finalizer(b, finalize);
}

/* A leads to B: A's finalizer first, B's in a later cycle [special.1]. */
TEST(gc_special, order_follows_references)
{
    n_order = 0;
    drop_pair();
    drop_many(8, false);
    for (int i = 0; i < 5 && n_order < 2; i++) {
        test_scrub_stack();
        collect();
    }
    REQUIRE(t, n_order == 2);
    EXPECT_EQ(t, order[0], 1);
    EXPECT_EQ(t, order[1], 2);
}

static void save(void *p)
{
    gc_set(saved.p, p);
    note(7);
}

static RT_NOINLINE void drop_saving(void)
{
    struct thing *p = thing_make(77);
    gc_set(p->other, thing_make(78));
    rt_set_finalizer(p, save);
}

/* A finalizer may bring its object back, with all that it leads to; it does not run again. */
TEST(gc_special, resurrection_works_once)
{
    n_order = 0;
    drop_saving();
    drop_many(8, false);
    for (int i = 0; i < 4; i++) {
        test_scrub_stack();
        collect();
    }
    REQUIRE(t, saved.p != NULL);
    EXPECT_EQ(t, saved.p->id, 77);
    EXPECT_EQ(t, saved.p->other->id, 78);
    gc_set(saved.p, NULL);
    collect();
    collect();
    EXPECT_EQ(t, n_order, 1);
}

static RT_NOINLINE void drop_with_cleanups(void)
{
    struct thing *p = thing_make(1);
    struct rt_cleanup stopped;
    rt_add_cleanup(p, cleanup, (void *)(intptr_t)5);
    rt_add_cleanup(p, cleanup, (void *)(intptr_t)6);
    stopped = rt_add_cleanup(p, cleanup, (void *)(intptr_t)9);
    rt_cleanup_stop(&stopped);
}

/* Several cleanups of one object all run; a stopped one does not. */
TEST(gc_special, cleanups_run_unless_stopped)
{
    n_order = 0;
    drop_with_cleanups();
    drop_many(8, false);
    for (int i = 0; i < 4; i++) {
        test_scrub_stack();
        collect();
    }
    EXPECT_EQ(t, n_order, 2);
    int sum = 0;
    for (unsigned i = 0; i < n_order; i++)
        sum += order[i];
    EXPECT_EQ(t, sum, 11);
}

static RT_NOINLINE struct rt_weak *weak_to_dropped(void)
{
    struct thing *p = thing_make(3);
    struct rt_weak *w = rt_weak_make(p);
    return rt_weak_get(w) == p && rt_weak_make(p) == w ? w : NULL;
}

TEST(gc_special, weak_references_are_cleared)
{
    struct thing *held = thing_make(4);
    struct rt_weak *to_held = rt_weak_make(held);
    struct rt_weak *gone = weak_to_dropped();
    REQUIRE(t, gone != NULL);
    drop_many(8, false);
    for (int i = 0; i < 4; i++) {
        test_scrub_stack();
        collect();
    }
    EXPECT(t, rt_weak_get(gone) == NULL);
    EXPECT(t, rt_weak_get(to_held) == held);
    EXPECT(t, rt_weak_get(NULL) == NULL);
    gc_keep(held);
}

static RT_NOINLINE struct rt_weak *weak_to_inside_of_dropped(void)
{
    char *p = gc_bytes(3000);
    return rt_weak_make(p + 2999);
}

/* As in Go: it gives the very pointer that it was made for, and that decides which one it is. */
TEST(gc_special, weak_references_may_point_inside)
{
    struct thing *held = thing_make(4);
    struct rt_weak *start = rt_weak_make(held), *inside = rt_weak_make(&held->id);
    struct rt_weak *gone = weak_to_inside_of_dropped();
    EXPECT(t, start != inside);
    EXPECT(t, rt_weak_make(&held->id) == inside);
    EXPECT(t, rt_weak_make(NULL) == NULL);
    drop_many(8, false);
    for (int i = 0; i < 4; i++) {
        test_scrub_stack();
        collect();
    }
    EXPECT(t, rt_weak_get(start) == held);
    EXPECT(t, rt_weak_get(inside) == &held->id);
    EXPECT(t, rt_weak_get(gone) == NULL);
    gc_keep(held);
}

static gc_root(struct rt_weak *, weak_seen_by_finalizer);
static void *weak_value;

static void look_at_weak(RT_UNUSED void *p)
{
    weak_value = rt_weak_get(weak_seen_by_finalizer.p);
    note(1);
}

static RT_NOINLINE struct rt_weak *drop_weak_and_finalizer(void)
{
    struct thing *p = thing_make(5);
    struct rt_weak *w = rt_weak_make(p);
    rt_set_finalizer(p, look_at_weak);
    return w;
}

/* The weak reference is gone before the finalizer runs [special.2]. */
TEST(gc_special, weak_is_cleared_before_the_finalizer)
{
    n_order = 0;
    weak_value = &weak_value;
    struct rt_weak *w = drop_weak_and_finalizer();
    gc_set(weak_seen_by_finalizer.p, w);
    drop_many(8, false);
    for (int i = 0; i < 4 && n_order == 0; i++) {
        test_scrub_stack();
        collect();
    }
    EXPECT_EQ(t, n_order, 1);
    EXPECT(t, weak_value == NULL);
    EXPECT(t, rt_weak_get(w) == NULL);
    gc_keep(w);
}

TEST_DIES(gc_special, second_finalizer_is_fatal, 2, "runtime.SetFinalizer: finalizer already set")
{
    struct thing *p = thing_make(1);
    rt_set_finalizer(p, finalize);
    rt_set_finalizer(p, finalize);
    gc_keep(p);
}

TEST_DIES(gc_special, finalizer_needs_an_objects_start, 2,
          "pointer not at beginning of allocated block")
{
    struct thing *p = thing_make(1);
    rt_set_finalizer(&p->id, finalize);
}

/* A finalizer that was cleared does not run. */
static RT_NOINLINE void drop_cleared(void)
{
    struct thing *p = thing_make(1);
    rt_set_finalizer(p, finalize);
    rt_set_finalizer(p, NULL);
}

TEST(gc_special, cleared_finalizers_do_not_run)
{
    n_order = 0;
    drop_cleared();
    drop_many(8, false);
    for (int i = 0; i < 3; i++) {
        test_scrub_stack();
        collect();
    }
    EXPECT_EQ(t, n_order, 0);
}

/* ---- Finalizers that misbehave ---- */

static struct rt_sema gate;

static void blocks(RT_UNUSED void *p)
{
    note(1);
    rt_sema_acquire(&gate);
    note(2);
}

static RT_NOINLINE void drop_blocking(void)
{
    rt_set_finalizer(thing_make(1), blocks);
}

/* One that waits holds up other finalizers, as in Go, but neither the collector nor those who look for memory. */
TEST(gc_special, a_finalizer_that_blocks_blocks_no_collection)
{
    n_order = 0;
    drop_blocking();
    drop_many(8, false);
    for (int i = 0; i < 10 && n_order == 0; i++) {
        test_scrub_stack();
        collect();
    }
    REQUIRE(t, n_order == 1);
    drop_many(20, true);
    for (int i = 0; i < 5; i++) {
        test_scrub_stack();
        collect();
    }
    for (unsigned step = 0; gc_find_memory(step); step++)
        ;
    EXPECT_EQ(t, n_order, 1);
    EXPECT_GE(t, gc_special_queued(), 15);
    rt_sema_release(&gate);
    while (gc_special_queued() != 0)
        rt_yield();
    EXPECT_GE(t, n_order, 17);
    EXPECT_EQ(t, order[1], 2);
}

static void panics(RT_UNUSED void *p)
{
    panic("in a finalizer");
}

static RT_NOINLINE void drop_panicking(bool as_cleanup)
{
    for (int i = 0; i < 8; i++) {
        if (as_cleanup)
            (void)rt_add_cleanup(thing_make(i), panics, NULL);
        else
            rt_set_finalizer(thing_make(i), panics);
    }
}

/* Nobody can recover it: the program ends, as in Go. */
TEST_DIES(gc_special, a_finalizer_that_panics_ends_the_program, 2,
          "panic: in a finalizer\ngoroutine [0-9]+")
{
    drop_panicking(false);
    for (int i = 0; i < 10; i++) {
        test_scrub_stack();
        collect();
    }
}

TEST_DIES(gc_special, a_cleanup_that_panics_ends_the_program, 2,
          "panic: in a finalizer\ngoroutine [0-9]+")
{
    drop_panicking(true);
    for (int i = 0; i < 10; i++) {
        test_scrub_stack();
        collect();
    }
}

static void exits(RT_UNUSED void *p)
{
    note(3);
    rt_goexit();
}

static RT_NOINLINE void drop_exiting(void)
{
    for (int i = 0; i < 4; i++)
        rt_set_finalizer(thing_make(i), exits);
}

/* ---- Order ---- */

static RT_NOINLINE void drop_with_both(void)
{
    struct thing *p = thing_make(1);
    rt_add_cleanup(p, cleanup, (void *)(intptr_t)50);
    rt_set_finalizer(p, save);
}

/* Cleanups are for what is gone for good: not while a finalizer can still bring the object back. */
TEST(gc_special, cleanups_come_after_the_finalizer)
{
    n_order = 0;
    drop_with_both();
    drop_many(8, false);
    for (int i = 0; i < 5; i++) {
        test_scrub_stack();
        collect();
    }
    REQUIRE(t, n_order == 1); /* saved.p names it */
    EXPECT_EQ(t, order[0], 7);
    gc_set(saved.p, NULL);
    drop_many(8, false);
    for (int i = 0; i < 5 && n_order < 2; i++) {
        test_scrub_stack();
        collect();
    }
    REQUIRE(t, n_order == 2);
    EXPECT_EQ(t, order[1], 50);
}

static void save_again(void *p)
{
    note(8);
    gc_set(saved.p, p);
    if (n_order < 3)
        rt_set_finalizer(p, save_again);
}

static RT_NOINLINE void drop_immortal(void)
{
    rt_set_finalizer(thing_make(1), save_again);
}

/* A finalizer runs once, but it may be set again: from itself, too. */
TEST(gc_special, a_resurrected_object_can_have_another_finalizer)
{
    n_order = 0;
    drop_immortal();
    drop_many(8, false);
    for (int i = 0; i < 15; i++) {
        test_scrub_stack();
        collect();
        gc_set(saved.p, NULL);
    }
    EXPECT_EQ(t, n_order, 3);
}

/* ---- Small things ---- */

static uint32_t small_sum;

static void add_small(void *p)
{
    __atomic_fetch_add(&small_sum, *(uint32_t *)p, __ATOMIC_RELAXED);
    note(1);
}

static RT_NOINLINE void drop_small(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint32_t *p = gc_new(uint32_t);
        *p = 1;
        rt_set_finalizer(p, add_small);
    }
}

/* Objects of four bytes have slots, lives and finalizers of their own. */
TEST(gc_special, four_byte_objects_are_objects)
{
    uint32_t *a = gc_new(uint32_t), *b = gc_new(uint32_t);
    size_t bytes;

    n_order = 0;
    small_sum = 0;
    *a = 0xaaaaaaaa;
    *b = 0xbbbbbbbb;
    EXPECT(t, gc_object_of((char *)a + 3, &bytes) == a);
    EXPECT(t, gc_object_of(b, &bytes) == b);
    drop_small(60);
    for (int i = 0; i < 5; i++) {
        test_scrub_stack();
        collect();
    }
    EXPECT_GE(t, small_sum, 57);
    EXPECT_EQ(t, small_sum, n_order);
    EXPECT(t, *a == 0xaaaaaaaa && *b == 0xbbbbbbbb);
    gc_keep(a);
    gc_keep(b);
}

static RT_NOINLINE void keep_until_told(struct test *t)
{
    struct thing *p = thing_make(9);
    const int *inside = &p->id;
    rt_set_finalizer(p, finalize);
    p = NULL;
    for (int i = 0; i < 4; i++) {
        test_scrub_stack();
        collect();
    }
    EXPECT_EQ(t, n_order, 0);
    gc_keep(inside); /* an interior pointer is enough, and lives up to here */
}

TEST(gc_special, what_is_kept_is_not_finalized)
{
    n_order = 0;
    keep_until_told(t);
    drop_many(8, false);
    for (int i = 0; i < 5 && n_order == 0; i++) {
        test_scrub_stack();
        collect();
    }
    EXPECT_EQ(t, n_order, 1);
}

TEST_DIES(gc_special, a_cleanup_for_its_own_object_is_refused, 2,
          "runtime.AddCleanup: ptr is equal to arg, cleanup will never run")
{
    struct thing *p = thing_make(1);
    (void)rt_add_cleanup(p, cleanup, p);
}

/* rt_goexit() ends the finalizers' goroutine: another one runs the rest. */
TEST(gc_special, goexit_in_a_finalizer_ends_that_one_only)
{
    n_order = 0;
    drop_exiting();
    drop_many(20, true);
    for (int i = 0; i < 20 && (n_order < 20 || gc_special_queued() != 0); i++) {
        test_scrub_stack();
        collect();
    }
    EXPECT_GE(t, n_order, 20);
    EXPECT_EQ(t, gc_special_queued(), 0);
}
