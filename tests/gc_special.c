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

/* Overwrite what calls left on the stack below us, so that no old word keeps an object. */
static RT_NOINLINE void scrub(void)
{
    uintptr_t junk[300];
    for (unsigned i = 0; i < 300; i++)
        *(volatile uintptr_t *)&junk[i] = 0;
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
        scrub();
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
        scrub();
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
        scrub();
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
        scrub();
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
        scrub();
        collect();
    }
    EXPECT(t, rt_weak_get(gone) == NULL);
    EXPECT(t, rt_weak_get(to_held) == held);
    EXPECT(t, rt_weak_get(NULL) == NULL);
    gc_keep(held);
}

static struct rt_weak *weak_seen_by_finalizer;
static void *weak_value;

static void look_at_weak(RT_UNUSED void *p)
{
    weak_value = rt_weak_get(weak_seen_by_finalizer);
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
    weak_seen_by_finalizer = w;
    drop_many(8, false);
    for (int i = 0; i < 4 && n_order == 0; i++) {
        scrub();
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
        scrub();
        collect();
    }
    EXPECT_EQ(t, n_order, 0);
}
