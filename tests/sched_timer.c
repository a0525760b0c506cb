/*
 * tests/sched_timer.c - timers of the scheduler, and sleepers.
 */
#include <tests/sched_common.h>

#include <lib/list.h>
#include <sched/timer.h>

#define N 500u

struct probe {
    struct timer timer;
    uint32_t fired; /* [a] */
    uint32_t place; /* in the order of firing */
    int64_t at_ns;
};

static struct probe probes[N];
static uint32_t n_fired;

static void probe_fire(struct timer *timer)
{
    struct probe *p = container_of(timer, struct probe, timer);

    p->at_ns = arch_nanotime();
    p->place = add_relaxed(&n_fired, 1);
    add_acq_rel(&p->fired, 1);
}

static void probes_clear(void)
{
    memset(probes, 0, sizeof probes);
    store_relaxed(&n_fired, 0);
}

/* None fires early; each fires once, but those that were stopped; on one cpu in the order of times, and of starts
 * among equals [timer.1]. */
TEST(timer, order)
{
    int64_t base;
    unsigned early = 0, twice = 0, disorder = 0, n_stopped = 0;
    static bool stopped[N];

    probes_clear();
    preempt_off(); /* all on this cpu */
    base = arch_nanotime() + 20000000;
    for (unsigned i = 0; i < N; i++) {
        bool ok = timer_start(&probes[i].timer, base + rng_below(&t->rng, 400) * 5000, probe_fire);
        if (!ok)
            early++;
    }
    memset(stopped, 0, sizeof stopped);
    for (unsigned k = 0; k < N / 2; k++) {
        unsigned i = rng_below(&t->rng, N);
        n_stopped += !stopped[i];
        twice += timer_stop(&probes[i].timer) == stopped[i];
        stopped[i] = true;
    }
    preempt_on();
    EXPECT(t, WAIT_UNTIL(load_acquire(&n_fired) == N - n_stopped, 10));
    for (unsigned i = 0; i < N; i++) {
        if (stopped[i]) {
            twice += probes[i].fired != 0;
            continue;
        }
        early += probes[i].at_ns < probes[i].timer.when_ns;
        twice += probes[i].fired != 1;
        for (unsigned k = 0; k < i; k++) {
            if (stopped[k])
                continue;
            bool k_first = probes[k].timer.when_ns <= probes[i].timer.when_ns;
            disorder += k_first != (probes[k].place < probes[i].place);
        }
    }
    EXPECT_EQ(t, early, 0);
    EXPECT_EQ(t, twice, 0);
    EXPECT_EQ(t, disorder, 0);
}

/* One that is due before all others makes a busy cpu set its clock anew. */
TEST_OPTS(timer, an_earlier_one_is_not_waited_for, .icount_only = true)
{
    struct probe far = {.fired = 0}, near = {.fired = 0};
    bool ok = timer_start(&far.timer, arch_nanotime() + INT64_C(3600000000000), probe_fire) &&
              timer_start(&near.timer, arch_nanotime() + 100000, probe_fire);

    for (int64_t end = arch_nanotime() + 50000000;
         arch_nanotime() < end && load_acquire(&near.fired) == 0;)
        arch_cpu_relax();
    EXPECT(t, ok);
    EXPECT_EQ(t, load_acquire(&near.fired), 1);
    EXPECT_LE(t, near.at_ns - near.timer.when_ns, 150000); /* TIMERS_APART_NS and the way */
    EXPECT(t, timer_stop(&far.timer));
    timer_stop(&near.timer);
}

static uint32_t crowd_fired, crowd_most;

static void crowd_fire(RT_UNUSED void *unused)
{
    uint32_t n = (uint32_t)rt_num_goroutine();

    if (n > load_relaxed(&crowd_most))
        store_relaxed(&crowd_most, n);
    for (int64_t end = arch_nanotime() + 20000; arch_nanotime() < end;)
        ;
    add_acq_rel(&crowd_fired, 1);
}

/* Many that are due at once take turns with the goroutines that they start: never do all of these
 * wait together, each with a stack. */
TEST_OPTS(timer, a_crowd_takes_turns, .icount_only = true)
{
    enum { CROWD = 2000 };
    struct rt_timer *crowd = rt_alloc(CROWD * sizeof *crowd);
    uint32_t before = (uint32_t)rt_num_goroutine();
    int64_t due = rt_nanotime() + 30000000;

    memset(crowd, 0, CROWD * sizeof *crowd);
    store_relaxed(&crowd_fired, 0);
    store_relaxed(&crowd_most, 0);
    for (unsigned i = 0; i < CROWD; i++)
        rt_timer_start(&crowd[i], due - rt_nanotime(), crowd_fire, NULL);
    EXPECT(t, WAIT_UNTIL(load_acquire(&crowd_fired) == CROWD, 10));
    EXPECT_LE(t, crowd_most - before, 400);
    rt_free(crowd);
}

static void sleep_and_wake(struct rt_sema *mine, struct rt_sema *next, struct rt_waitgroup *wg,
                           uint64_t seed)
{
    struct rng r = {seed};

    for (unsigned i = 0; i < 300; i++) {
        rt_sleep(rng_below(&r, 200000));
        rt_sema_release(next);
        rt_sema_acquire(mine);
    }
    rt_wg_done(wg);
}

/*
 * Cpus are woken by others just when their timer fires: it is set anew for whoever sleeps next
 * [armed.1] Each of a ring of goroutines sleeps, wakes the next, and waits for the
 * one before.
 */
TEST(timer, woken_as_it_fires)
{
    enum { RING_MAX = 16 };
    static struct rt_sema gates[RING_MAX];
    static struct rt_waitgroup wg;
    unsigned n = 2 * rt_gomaxprocs(0) < RING_MAX ? 2 * rt_gomaxprocs(0) : RING_MAX;

    rt_wg_add(&wg, (int)n);
    for (unsigned i = 0; i < n; i++)
        go(sleep_and_wake, &gates[i], &gates[(i + 1) % n], &wg, t->rng.state + i);
    rt_wg_wait(&wg);
}

/* A time that has passed fires at once; a stopped one never; stopping twice says so. */
TEST(timer, past_and_stopped)
{
    struct probe p = {.fired = 0};

    REQUIRE(t, timer_start(&p.timer, arch_nanotime() - 1000000, probe_fire));
    EXPECT(t, WAIT_UNTIL(load_acquire(&p.fired) == 1, 5));
    EXPECT(t, !timer_stop(&p.timer));
    REQUIRE(t, timer_start(&p.timer, arch_nanotime() + INT64_C(3600000000000), probe_fire));
    EXPECT(t, timer_stop(&p.timer));
    EXPECT(t, !timer_stop(&p.timer));
    REQUIRE(t, timer_start(&p.timer, INT64_MAX, probe_fire));                 /* never */
    REQUIRE(t, timer_start(&p.timer, arch_nanotime() + 1000000, probe_fire)); /* moved */
    EXPECT(t, WAIT_UNTIL(load_acquire(&p.fired) == 2, 5));
    struct timer unused = {.when_ns = 0};
    EXPECT(t, !timer_stop(&unused));
}

static struct {
    uint32_t starts, stops, ended;
    uint64_t wrong;
} race;

/* One owner for each timer, who starts it, moves it to where it now runs, and stops it at any
 * moment. */
static void races(unsigned first, unsigned n, uint64_t seed)
{
    struct rng r = {seed};

    for (unsigned round = 0; round < 300; round++) {
        struct probe *p = &probes[first + rng_below(&r, n)];
        if (!timer_start(&p->timer, arch_nanotime() + rng_below(&r, 60000), probe_fire))
            add_relaxed(&race.wrong, 1);
        add_relaxed(&race.starts, 1);
        if (rng_below(&r, 2) == 0)
            rt_yield();
        else
            rt_sleep(rng_below(&r, 50000));
        uint32_t before = load_acquire(&p->fired);
        if (timer_stop(&p->timer)) {
            add_relaxed(&race.stops, 1);
            if (load_acquire(&p->fired) != before)
                add_relaxed(&race.wrong, 1); /* it says that it never fired */
        }
    }
    add_acq_rel(&race.ended, 1);
}

/* Every start ends in exactly one of: it fired, or a stop said that it won't [timer.2]. */
TEST(timer, stop_against_fire)
{
    probes_clear();
    memset(&race, 0, sizeof race);
    for (unsigned i = 0; i < 8; i++)
        go(races, i * 10, 10u, rng_next(&t->rng));
    REQUIRE(t, WAIT_UNTIL(load_acquire(&race.ended) == 8, 25));
    EXPECT_EQ(t, race.wrong, 0);
    EXPECT(t, WAIT_UNTIL(load_acquire(&n_fired) + race.stops == race.starts, 5));
    EXPECT_EQ(t, load_acquire(&n_fired) + race.stops, race.starts);
}

static struct probe again;

static void fires_again(struct timer *timer)
{
    struct probe *p = container_of(timer, struct probe, timer);

    if (add_acq_rel(&p->fired, 1) < 9 && !timer_start(timer, timer->when_ns + 100000, fires_again))
        store_relaxed(&p->fired, 1000);
}

/* The function may start its timer again [timer.3]. */
TEST(timer, starts_itself_again)
{
    memset(&again, 0, sizeof again);
    REQUIRE(t, timer_start(&again.timer, arch_nanotime() + 100000, fires_again));
    EXPECT(t, WAIT_UNTIL(load_acquire(&again.fired) >= 10, 5));
    rt_sleep(1000000);
    EXPECT_EQ(t, load_acquire(&again.fired), 10);
}

static struct {
    uint32_t ended, early, n;
    int64_t late_ns[2000];
} sleepers;

static void sleeps_until(int64_t when)
{
    rt_sleep(when - arch_nanotime());
    int64_t late = arch_nanotime() - when;
    if (late < 0)
        add_relaxed(&sleepers.early, 1);
    uint32_t i = add_relaxed(&sleepers.n, 1);
    sleepers.late_ns[i] = late;
    add_acq_rel(&sleepers.ended, 1);
}

/* Many sleepers: each comes back, none early. How late is reported, and bounded loosely. */
TEST_OPTS(timer, many_sleepers, .need_mib = 60)
{
    unsigned n = 2000;
    int64_t base = arch_nanotime() + 300000000;

    memset(&sleepers, 0, sizeof sleepers);
    for (unsigned i = 0; i < n; i++)
        go(sleeps_until, base + rng_below(&t->rng, 300000000));
    REQUIRE(t, WAIT_UNTIL(load_acquire(&sleepers.ended) == n, 20));
    EXPECT_EQ(t, sleepers.early, 0);
    for (unsigned gap = n / 2; gap > 0; gap /= 2) /* Shell sort */
        for (unsigned i = gap; i < n; i++)
            for (unsigned k = i; k >= gap && sleepers.late_ns[k] < sleepers.late_ns[k - gap];
                 k -= gap) {
                int64_t swap = sleepers.late_ns[k];
                sleepers.late_ns[k] = sleepers.late_ns[k - gap];
                sleepers.late_ns[k - gap] = swap;
            }
    test_note(t, "late by: median %lld us, p99 %lld us, worst %lld us",
              (long long)sleepers.late_ns[n / 2] / 1000,
              (long long)sleepers.late_ns[n * 99 / 100] / 1000,
              (long long)sleepers.late_ns[n - 1] / 1000);
    EXPECT_LE(t, sleepers.late_ns[n / 2], INT64_C(5000000000)); /* hosts are busy at times */
}

/* 0 and less only yield. */
TEST(timer, sleep_of_nothing)
{
    int64_t start = rt_nanotime();

    for (int i = 0; i < 100; i++) {
        rt_sleep(0);
        rt_sleep(-5);
    }
    EXPECT_LE(t, rt_nanotime() - start, INT64_C(5000000000));
}

static struct {
    int64_t newest; /* [a] */
    uint32_t wrong, ended;
} clocks;

static void reads_the_clock(int64_t end)
{
    for (int64_t now = 0; now < end;) {
        int64_t newest = load_acquire(&clocks.newest);
        now = arch_nanotime();
        if (now < newest)
            add_relaxed(&clocks.wrong, 1);
        while (newest < now && !cas_acq_rel(&clocks.newest, newest, now))
            newest = load_acquire(&clocks.newest);
    }
    add_acq_rel(&clocks.ended, 1);
}

/* What one cpu read no other goes behind, also while the rate is being refined [clock.1]
 * [clock.3]. */
TEST(timer, one_clock_for_all_cpus)
{
    unsigned n = arch_cpu_count();

    memset(&clocks, 0, sizeof clocks);
    for (unsigned i = 0; i < n; i++)
        go(reads_the_clock, arch_nanotime() + 300000000);
    EXPECT(t, WAIT_UNTIL(load_acquire(&clocks.ended) == n, 20));
    EXPECT_EQ(t, clocks.wrong, 0);
}
