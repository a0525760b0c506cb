/*
 * tests/gc_share.c - who marks, and how much of the machine that takes [cycle.5].
 */
#include <tests/test.h>
#include <gc/cycle.h>
#include <gc/mark.h>
#include <rt/rt.h>
#include <sched/sched.h>

/* As Go shares: dedicated cpus if their number comes within 30 % of a quarter, else a part of each. */
TEST(gc_share, a_quarter_of_any_number_of_cpus)
{
    static const struct {
        unsigned procs, dedicated, part_percent; /* of each other cpu */
    } want[] = {{1, 0, 25}, {2, 0, 25}, {3, 0, 25}, {4, 1, 0},  {5, 1, 0},  {6, 1, 8},
                {7, 2, 0},  {8, 2, 0},  {9, 2, 0},  {10, 3, 0}, {16, 4, 0}, {255, 64, 0}};

    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        unsigned dedicated;
        int64_t pause;
        gc_share_of(want[i].procs, &dedicated, &pause);
        EXPECT_EQ(t, dedicated, want[i].dedicated);
        EXPECT_EQ(t, pause == 0 ? 0 : 100 * 100000 / (100000 + pause), want[i].part_percent);
    }
    for (unsigned procs = 1; procs < 300; procs++) {
        unsigned dedicated;
        int64_t pause;
        gc_share_of(procs, &dedicated, &pause);
        double parts = pause == 0 ? 0 : 100000.0 / (100000.0 + (double)pause);
        double share = (dedicated + parts * procs) / procs;
        EXPECT(t, share >= 0.175 && share <= 0.325);
    }
}

struct node {
    gc(struct node *) next;
    uint64_t pad[7];
};
static gc_root(struct node *, live);
static bool over;
static struct rt_waitgroup wg;

/* Whoever allocates is asked to help; but little, so that the background's credit is enough. */
static void spin(void)
{
    for (unsigned i = 0; !__atomic_load_n(&over, __ATOMIC_RELAXED); i++)
        if (i % 100000 == 0)
            gc_keep(gc_new(struct node));
    rt_wg_done(&wg);
}

/* Of four busy cpus one marks all the time, and the others never do; all goroutines go on. */
TEST_OPTS(gc_share, one_of_four_cpus_is_dedicated, .need_cpus = 4, .need_mib = 96, .timeout_s = 60)
{
    for (unsigned i = 0; i < 200000; i++) { /* a chain: one cpu at a time can follow it */
        struct node *n = gc_new(struct node);
        gc_set(n->next, live.p);
        gc_set(live.p, n);
    }
    unsigned old = rt_gomaxprocs(4);
    over = false;
    rt_wg_add(&wg, 4);
    for (unsigned i = 0; i < 4; i++)
        go(spin);
    for (unsigned i = 0; i < 5; i++)
        rt_gc(); /* we wait: the spinners have all cpus but one */
    unsigned workers = 0;
    int64_t background = 0, all = 0;
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        const struct gc_counts *c = cpu_ptr(i, gc_counts);
        workers += c->tick_ns != 0;
        background += c->tick_ns;
        all += c->tick_ns + c->idle_ns + c->assist_ns;
    }
    test_note(t, "%u cpus marked in the background, %ld of %ld us", workers,
              (long)background / 1000, (long)all / 1000);
    EXPECT_EQ(t, workers, 1);
    EXPECT_GE(t, background, all / 2);
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    rt_wg_wait(&wg);
    rt_gomaxprocs(old);
    gc_set(live.p, NULL);
    rt_gc();
}

/*
 * One cpu: while a cycle marks, a goroutine that does not allocate keeps three quarters of each 10 ms. Marking takes
 * more, so the rest of the time is the collector's; both in instructions.
 */
TEST_OPTS(gc_share, a_program_keeps_three_quarters_of_one_cpu, .need_mib = 96, .icount_only = true)
{
    for (unsigned i = 0; i < 200000; i++) {
        struct node *n = gc_new(struct node);
        gc_set(n->next, live.p);
        gc_set(live.p, n);
    }
    rt_gc();
    int64_t begin = rt_nanotime(), marked_ns = 0, worst = 100, windows = 0;
    uint64_t cycle = gc_num_cycles();
    over = false;
    rt_wg_add(&wg, 1);
    go(rt_gc);
    rt_yield();
    while (gc_num_cycles() == cycle) { /* nothing but this loop, and what interrupts it */
        int64_t window = rt_nanotime(), lost = 0, last = window, now;
        do {
            now = rt_nanotime();
            if (now - last > 1000)
                lost += now - last;
            last = now;
        } while (now - window < 10000000);
        int64_t kept = 100 - lost * 100 / (now - window);
        windows++;
        if (kept < worst)
            worst = kept;
        marked_ns += lost;
    }
    rt_wg_done(&wg);
    test_note(t,
              "%ld windows of 10 ms: at least %ld %% of each was the program's; %ld %% of all the "
              "collector's",
              (long)windows, (long)worst, (long)(marked_ns * 100 / (rt_nanotime() - begin)));
    EXPECT_GE(t, windows, 2);
    EXPECT_GE(t, worst, 65);
    gc_set(live.p, NULL);
    rt_gc();
}

static RT_NOINLINE void hold(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct node *node = gc_new(struct node);
        gc_set(node->next, live.p);
        gc_set(live.p, node);
    }
}

/*
 * A cpu with nothing to do marks, and leaves when its timer fires, within the slice under way [cycle.4]
 * [mark.6]. A nap into which a stint of the background falls takes longer: the stint, and what a busy cpu's
 * timer may be late.
 */
TEST_OPTS(gc_share, an_idle_cpu_marks_until_it_is_wanted, .need_mib = 96, .icount_only = true)
{
    enum {
        NAP_NS = 150000
    }; /* no multiple of the time that an idle cpu marks without a look at anything */
    int64_t worst = 0, idle_ns = 0, tick_ns = 0;
    unsigned naps = 0, short_naps = 0;

    hold(200000);
    rt_gc();
    uint64_t cycle = gc_num_cycles();
    go(rt_gc);
    while (gc_num_cycles() == cycle) {
        int64_t due = rt_nanotime() + NAP_NS;
        rt_sleep(NAP_NS);
        int64_t late = rt_nanotime() - due;
        if (gc_phase == GC_MARKING) {
            naps++;
            short_naps += late < 10000;
            idle_ns = cpu_ptr(0, gc_counts)->idle_ns;
            tick_ns = cpu_ptr(0, gc_counts)->tick_ns;
            if (late > worst)
                worst = late;
        }
    }
    test_note(t,
              "%u naps while marking, %u of them less than 10 us late, at most %ld ns; %ld us of "
              "marking by the idle cpu, %ld us in stints",
              naps, short_naps, (long)worst, (long)(idle_ns / 1000), (long)(tick_ns / 1000));
    EXPECT_GE(t, naps, 20);
    EXPECT_GE(t, idle_ns, 1000000);
    EXPECT_LE(t, tick_ns, idle_ns / 20); /* which it has done already [cycle.5] */
    EXPECT_GE(t, short_naps, naps * 4 / 5);
    EXPECT_LE(t, worst, 150000);
    gc_set(live.p, NULL);
    rt_gc();
}

static void allocate_much(unsigned n, uint64_t *most_percent, int64_t *assist_ns)
{
    struct rt_mem_stats s;

    for (unsigned i = 0; i < n; i++) {
        gc_keep(gc_new(struct node));
        if (i % 128 != 0)
            continue;
        rt_read_mem_stats(&s);
        if (s.heap_live_bytes * 100 / s.heap_goal_bytes > *most_percent)
            *most_percent = s.heap_live_bytes * 100 / s.heap_goal_bytes;
        if (cpu_ptr(0, gc_counts)->assist_ns > *assist_ns)
            *assist_ns = cpu_ptr(0, gc_counts)->assist_ns;
    }
}

/* Who allocates faster than a quarter of the cpu can mark pays for it, so that the heap keeps to its goal [pacer.2]. */
TEST_OPTS(gc_share, assists_keep_the_heap_below_its_goal, .need_mib = 96, .icount_only = true)
{
    uint64_t most_percent = 0, cycles;
    int64_t assist_ns = 0;
    int old = rt_gc_set_percent(100);

    hold(100000); /* 6.4 MB */
    rt_gc();
    cycles = gc_num_cycles();
    allocate_much(600000, &most_percent, &assist_ns);
    test_note(t, "%lu cycles, at most %lu %% of the goal, assists of up to %ld us",
              (unsigned long)(gc_num_cycles() - cycles), (unsigned long)most_percent,
              (long)(assist_ns / 1000));
    EXPECT_GE(t, gc_num_cycles() - cycles, 3);
    EXPECT_LE(t, most_percent, 103);
    EXPECT_GE(t, assist_ns, 1000000);
    gc_set(live.p, NULL);
    (void)rt_gc_set_percent(old);
    rt_gc();
}
