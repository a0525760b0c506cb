/*
 * tests/sched_stw.c - stopping the world.
 */
#include <tests/hogs.h>

#include <lib/bits.h>
#include <lib/spinlock.h>
#include <sched/stw.h>

#define N_MAX 64u

static void wait_ns(int64_t ns)
{
    for (int64_t end = arch_nanotime() + ns; arch_nanotime() < end;)
        arch_cpu_relax();
}

/* While the world is stopped nothing counts, also in stops so long that cpus halt in them [stw.2]
 * [stw.5]. */
TEST(stw, nothing_runs_while_stopped)
{
    unsigned n = hogs_start(2 * arch_cpu_count());
    unsigned moved = 0;

    for (unsigned round = 0; round < test_rounds(16); round++) {
        uint64_t before[HOGS_MAX];
        rt_sleep(rng_below(&t->rng, 2000000));
        stw_begin(STW_TEST);
        hogs_note(n, before);
        wait_ns(round % 4 == 0 ? 3000000 : rng_below(&t->rng, 50000));
        for (unsigned i = 0; i < n; i++)
            moved += load_relaxed(&hogs[i].count) != before[i];
        stw_end();
    }
    EXPECT_EQ(t, moved, 0);
    uint64_t before[HOGS_MAX];
    hogs_note(n, before);
    EXPECT(t, WAIT_UNTIL(hogs_moved(n, before), 20));
    hogs_finish(t, n);
}

static struct {
    uint64_t a, b; /* equal but inside a section */
    uint32_t stop, ended;
} sections[N_MAX];

static void enters_sections(unsigned i)
{
    while (load_acquire(&sections[i].stop) == 0) {
        preempt_off();
        store_relaxed(&sections[i].a, sections[i].a + 1);
        for (unsigned k = 0; k < 20; k++)
            arch_cpu_relax();
        store_relaxed(&sections[i].b, sections[i].b + 1);
        preempt_on();
    }
    store_release(&sections[i].ended, 1);
}

/* No stop meets a cpu inside a runtime section [stw.2]. */
TEST(stw, runtime_sections_are_whole)
{
    unsigned n = arch_cpu_count() < N_MAX ? arch_cpu_count() : N_MAX, torn = 0;

    memset(sections, 0, sizeof sections);
    for (unsigned i = 0; i < n; i++)
        go(enters_sections, i);
    rt_sleep(2000000);
    for (unsigned round = 0; round < test_rounds(60); round++) {
        stw_begin(STW_TEST);
        for (unsigned i = 0; i < n; i++)
            torn += load_relaxed(&sections[i].a) != load_relaxed(&sections[i].b);
        stw_end();
        if (round % 8 == 0)
            rt_yield();
    }
    EXPECT_EQ(t, torn, 0);
    for (unsigned i = 0; i < n; i++)
        store_release(&sections[i].stop, 1);
    for (unsigned i = 0; i < n; i++)
        EXPECT(t, WAIT_UNTIL(load_acquire(&sections[i].ended) != 0, 10));
}

static struct {
    struct goroutine *g;
    uint32_t rounds, stop, ended;
} blinker;

/* Runs for a moment, sleeps for a moment: its cpu goes idle and comes back all the time. */
static void blinks(void)
{
    while (load_acquire(&blinker.stop) == 0) {
        add_relaxed(&blinker.rounds, 1);
        rt_sleep(30000);
    }
    add_acq_rel(&blinker.ended, 1);
}

/* Stops that meet cpus which are idle, going idle, or waking up [stw.3] [stw.4]: none hangs, no
 * work is lost. */
TEST(stw, stops_meet_idle_cpus)
{
    unsigned n = 2 * arch_cpu_count(), moved = 0;
    uint32_t before;

    memset(&blinker, 0, sizeof blinker);
    for (unsigned i = 0; i < n; i++)
        go(blinks);
    for (unsigned round = 0; round < test_rounds(150); round++) {
        stw_begin(STW_TEST);
        before = load_relaxed(&blinker.rounds);
        wait_ns(rng_below(&t->rng, 60000));
        moved += load_relaxed(&blinker.rounds) != before;
        stw_end();
        if (round % 3 == 0)
            rt_sleep(rng_below(&t->rng, 40000));
    }
    EXPECT_EQ(t, moved, 0);
    before = load_relaxed(&blinker.rounds);
    EXPECT(t, WAIT_UNTIL(load_relaxed(&blinker.rounds) > before + n, 10));
    store_release(&blinker.stop, 1);
    EXPECT(t, WAIT_UNTIL(load_acquire(&blinker.ended) == n, 10));
}

static uint32_t stoppers_ended;

static void stops(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        stw_begin(STW_TEST);
        stw_end();
        if (i % 4 == 0)
            rt_yield();
    }
    add_acq_rel(&stoppers_ended, 1);
}

/* Several that want to stop the world take turns [stw.1]; histograms and records count each stop
 * once. */
TEST(stw, stoppers_take_turns)
{
    static uint64_t to_stop[STW_BUCKETS], total[STW_BUCKETS];
    unsigned n = arch_cpu_count() + 2, each = 20;
    uint64_t before = stw_histogram(to_stop, total), sums[2] = {0, 0};

    store_relaxed(&stoppers_ended, 0);
    for (unsigned i = 0; i < n; i++)
        go(stops, each);
    REQUIRE(t, WAIT_UNTIL(load_acquire(&stoppers_ended) == n, 20));
    uint64_t after = stw_histogram(to_stop, total);
    EXPECT_GE(t, after, before + n * each);
    for (unsigned i = 0; i < STW_BUCKETS; i++) {
        sums[0] += to_stop[i];
        sums[1] += total[i];
    }
    EXPECT_EQ(t, sums[0], after);
    EXPECT_EQ(t, sums[1], after);
}

/* A record says what a reader needs: times that fit each other, and who was slowest. */
TEST(stw, records_make_sense)
{
    struct stw_record r[20];
    unsigned n = hogs_start(2 * arch_cpu_count());

    rt_sleep(5000000);
    for (unsigned i = 0; i < 20; i++) {
        stw_begin(STW_TEST);
        stw_end();
        if (i % 8 == 0) /* among hogs a yield takes slices */
            rt_yield();
    }
    size_t got = stw_recent(r, 20);
    hogs_finish(t, n);
    REQUIRE(t, got == 20);
    EXPECT_EQ(t, stw_recent(r, 3), 3);
    for (size_t i = 0; i < got; i++) {
        EXPECT_GE(t, r[i].to_stop_ns, 0);
        EXPECT_GE(t, r[i].total_ns, r[i].to_stop_ns);
        EXPECT(t, r[i].slowest_cpu < arch_cpu_count());
        if (i > 0)
            EXPECT_GE(t, r[i - 1].at_ns, r[i].at_ns + r[i].to_stop_ns);
    }
    EXPECT_STR(t, stw_reason_text(STW_TEST), "test");
}

/* What each cpu was running is there to be looked at: a goroutine with registers, or nothing. */
TEST(stw, who_was_running)
{
    unsigned n = hogs_start(arch_cpu_count()), self_right = 0, others = 0, wrong = 0, rounds = 0;

    while (rounds < 20 || (rounds < 500 && others < 5 && arch_cpu_count() > 1)) {
        rounds++;
        rt_sleep(rng_below(&t->rng, 1000000));
        stw_begin(STW_TEST);
        self_right +=
            stw_running(arch_cpu_id()) == goroutine_current() && stw_frame(arch_cpu_id()) == NULL;
        for (unsigned i = 0; i < arch_cpu_count(); i++) {
            struct goroutine *g = stw_running(i);
            const struct arch_frame *f = stw_frame(i);
            if (i == arch_cpu_id())
                continue;
            if (g == NULL || f == NULL) {
                wrong += f != NULL; /* registers of nobody */
                continue;
            }
            others++;
            wrong += g->state != G_RUNNING || arch_frame_sp(f) <= g->stack_lo ||
                     arch_frame_sp(f) > g->stack_hi;
        }
        stw_end();
    }
    hogs_finish(t, n);
    EXPECT_EQ(t, self_right, rounds);
    EXPECT_EQ(t, wrong, 0);
    if (arch_cpu_count() > 1)
        EXPECT_GE(t, others, 5);
}

/* Who is descheduled in a stop goes through the scheduler, and on. */
TEST(stw, deschedule_everybody)
{
    unsigned n = hogs_start(2 * arch_cpu_count());
    uint64_t before[HOGS_MAX];

    for (unsigned round = 0; round < test_rounds(50); round++) {
        stw_begin(STW_TEST);
        for (unsigned i = 0; i < arch_cpu_count(); i++)
            stw_deschedule(i);
        if (round % 8 == 0)
            wait_ns(1000000);
        stw_end();
    }
    hogs_note(n, before);
    EXPECT(t, WAIT_UNTIL(hogs_moved(n, before), 20));
    hogs_finish(t, n);
}

static struct {
    uint32_t up, stop; /* [a] */
} late;

static void comes_up(void)
{
    store_release(&late.up, 1);
}

/*
 * What a stopper makes runnable does not wait for the stopper: the cpus that the stop had claimed
 * could not be woken then, and are looked for afterwards. With preemption off only they can run it.
 */
TEST_OPTS(stw, idle_cpus_take_what_came_in_a_stop, .need_cpus = 2)
{
    unsigned taken = 0, rounds = 0;

    while (taken == rounds && rounds < 20) {
        rounds++;
        store_relaxed(&late.up, 0);
        rt_sleep(2000000);
        for (int64_t end = rt_nanotime() + 1000000000;
             sched_idle_cpus() + 1 < arch_cpu_count() && rt_nanotime() < end;)
            arch_cpu_relax(); /* whoever was woken when we were has nothing to do */
        wait_ns(100000);
        stw_begin(STW_TEST);
        go(comes_up);
        stw_end();
        preempt_off();
        int64_t start = rt_nanotime();
        while (load_acquire(&late.up) == 0 && rt_nanotime() - start < INT64_C(5000000000))
            arch_cpu_relax();
        taken += load_acquire(&late.up);
        preempt_on();
    }
    EXPECT_EQ(t, taken, rounds);
}

/* One stop: what issue and design ask for is 5 us at the median with two cpus. Reported, not
 * judged: hosts differ. */
TEST(stw, how_long_stops_take)
{
    static struct stw_record r[200];
    unsigned n = hogs_start(arch_cpu_count() - 1);

    rt_sleep(20000000);
    for (unsigned i = 0; i < test_rounds(200); i++) {
        stw_begin(STW_TEST);
        stw_end();
        wait_ns(20000);
    }
    size_t got = stw_recent(r, test_rounds(200));
    hogs_finish(t, n);
    for (size_t i = 1; i < got; i++) /* by time to stop */
        for (size_t k = i; k > 0 && r[k].to_stop_ns < r[k - 1].to_stop_ns; k--) {
            struct stw_record swap = r[k];
            r[k] = r[k - 1];
            r[k - 1] = swap;
        }
    REQUIRE(t, got >= test_rounds(100));
    test_note(t, "to stop: median %lld ns, p99 %lld ns, worst %lld ns",
              (long long)r[got / 2].to_stop_ns, (long long)r[got * 99 / 100].to_stop_ns,
              (long long)r[got - 1].to_stop_ns);
}
