/*
 * tests/gc_limiter.c - the soft memory limit, and the limit on what keeping it may cost.
 */
#include <tests/test.h>
#include <gc/cycle.h>
#include <gc/limiter.h>
#include <lib/knobs.h>
#include <mm/page.h>
#include <rt/rt.h>
#include <sched/sched.h>

/* The bucket: half and half keeps it, more than half fills it, never beyond, and it drains at once
 * when it may. */
TEST(gc_limiter, the_bucket_fills_above_one_half)
{
    struct gc_bucket b = {.capacity_ns = 100};

    gc_bucket_add(&b, 50, 50);
    EXPECT_EQ(t, b.fill_ns, 0);
    gc_bucket_add(&b, 10, 70);
    EXPECT_EQ(t, b.fill_ns, 60);
    EXPECT(t, !b.full);
    gc_bucket_add(&b, 30, 70);
    EXPECT_EQ(t, b.fill_ns, 100); /* exactly full */
    EXPECT_EQ(t, b.overflow_ns, 0);
    EXPECT(t, b.full);
    gc_bucket_add(&b, 0, 25);
    EXPECT_EQ(t, b.fill_ns, 100);
    EXPECT_EQ(t, b.overflow_ns, 25);
    EXPECT(t, b.full);
    gc_bucket_add(&b, 40, 39); /* what overflowed is forgiven */
    EXPECT_EQ(t, b.fill_ns, 99);
    EXPECT(t, !b.full);
    gc_bucket_add(&b, 1000, 10);
    EXPECT_EQ(t, b.fill_ns, 0);
    gc_bucket_add(&b, 0, 0);
    EXPECT_EQ(t, b.fill_ns, 0);
}

/* Unless GOMEMLIMIT says otherwise: RAM less a twentieth, but at least 8 MiB or a quarter of a small machine. */
TEST(gc_limiter, the_default_limit_leaves_a_reserve)
{
    struct page_stats s;

    if (knobs.gomemlimit != 0)
        test_skip(t, "GOMEMLIMIT is given");
    page_get_stats(&s);
    uint64_t ram = s.total_pages * PAGE_BYTES, mib = UINT64_C(1) << 20;
    uint64_t reserve = ram > 160 * mib ? ram / 20 : ram > 32 * mib ? 8 * mib : ram / 4;
    EXPECT_EQ(t, rt_gc_set_memory_limit(-1), ram - reserve);
}

struct node {
    gc(struct node *) next;
    uint64_t pad[7];
};
static gc_root(struct node *, live);

static uint64_t limiter_last_cycle(void)
{
    struct rt_mem_stats s;
    rt_read_mem_stats(&s);
    return s.limiter_last_cycle;
}

/* Not inlined: its registers are roots as long as its frame is there. */
static RT_NOINLINE void hold(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct node *node = gc_new(struct node);
        gc_set(node->next, live.p);
        gc_set(live.p, node);
    }
}

static void churn_for(int64_t ns)
{
    for (int64_t end = rt_nanotime() + ns; rt_nanotime() < end;)
        for (unsigned i = 0; i < 500; i++)
            gc_keep(gc_new(struct node));
}

static void churn_in_goroutine(int64_t ns, struct rt_waitgroup *wg)
{
    churn_for(ns);
    rt_wg_done(wg);
}

static void churn_on_all_cpus(int64_t ns)
{
    struct rt_waitgroup wg = {0};
    rt_wg_add(&wg, (int)sched_procs());
    for (unsigned i = 0; i < sched_procs(); i++)
        go(churn_in_goroutine, ns, &wg);
    rt_wg_wait(&wg);
}

/* Marking's time so far, all cpus. */
static int64_t collector_ns(void)
{
    struct rt_mem_stats s;
    rt_read_mem_stats(&s);
    return (int64_t)s.gc_cpu_ns;
}

/*
 * More lives than the limit allows: collections run back to back. With the limiter the collector
 * has half of the machine at most, and the program goes on; it is enough room that ends it.
 */
TEST_OPTS(gc_limiter, a_limit_below_what_lives_leaves_half_of_the_machine, .need_mib = 96,
          .icount_only = true)
{
    hold(200000); /* 12.8 MB */
    rt_gc();
    gc_limiter_set_capacity(200000000); /* many times the distance of two looks */
    int64_t old = rt_gc_set_memory_limit(4 << 20);
    churn_on_all_cpus(800000000);
    uint64_t cycles = gc_num_cycles();
    EXPECT_NE(t, limiter_last_cycle(), 0);
    int64_t begin = rt_nanotime(), spent = collector_ns();
    churn_on_all_cpus(1000000000);
    int64_t total = (rt_nanotime() - begin) * (int64_t)sched_procs();
    spent = collector_ns() - spent;
    test_note(t, "%lu cycles; the collector took %ld %% of the time",
              (unsigned long)(gc_num_cycles() - cycles), (long)(spent * 100 / total));
    EXPECT_GE(t, gc_num_cycles() - cycles, 2);
    EXPECT_LE(t, spent * 100 / total, 65); /* the bucket's edge, and what the window cuts */

    EXPECT_EQ(t, rt_gc_set_memory_limit(old), 4 << 20);
    gc_set(live.p, NULL);
    rt_gc();
    churn_on_all_cpus(200000000);
    EXPECT(t, !gc_limiting); /* it drains */
    gc_limiter_set_capacity(0);
}

/* Below the limit it is the limit that decides how large the heap grows, not GOGC. */
TEST_OPTS(gc_limiter, the_heap_stays_below_the_soft_limit, .need_mib = 96, .icount_only = true)
{
    struct rt_mem_stats s;
    int old_percent = rt_gc_set_percent(-1);

    hold(100000); /* 6.4 MB */
    rt_gc();
    rt_read_mem_stats(&s);
    int64_t limit = (int64_t)(s.sys_bytes + (8 << 20)), old = rt_gc_set_memory_limit(limit);
    uint64_t cycles = gc_num_cycles(), most = 0;
    for (unsigned i = 0; i < 100; i++) {
        churn_for(5000000);
        rt_read_mem_stats(&s);
        if (s.sys_bytes > most)
            most = s.sys_bytes;
    }
    test_note(t, "limit %ld KiB, most %lu KiB, %lu cycles", (long)(limit >> 10),
              (unsigned long)(most >> 10), (unsigned long)(gc_num_cycles() - cycles));
    EXPECT_GE(t, gc_num_cycles() - cycles, 1);
    EXPECT_LE(t, most, (uint64_t)limit + (2 << 20));
    rt_gc_set_memory_limit(old);
    rt_gc_set_percent(old_percent);
    gc_set(live.p, NULL);
    rt_gc();
}
