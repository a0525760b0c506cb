/*
 * tests/sched_sched.c - goroutines: waiting and waking, turns, fairness, GOMAXPROCS, preemption.
 */
#include <tests/hogs.h>

#include <sched/stw.h>

/* ---- park() and ready() ---- */

static struct {
    struct goroutine *g;
    uint32_t step, rounds; /* [a] */
} waiting;

static void parks_late(void)
{
    waiting.g = goroutine_current();
    store_release(&waiting.step, 1);
    while (load_acquire(&waiting.step) == 1) /* ready() comes while we are busy */
        arch_cpu_relax();
    park(WAIT_SEMACQUIRE); /* must return at once */
    store_release(&waiting.step, 3);
}

/* A ready() that comes before the park() is not lost [park.1]. */
TEST(sched, ready_before_park_is_a_permit)
{
    memset(&waiting, 0, sizeof waiting);
    go(parks_late);
    REQUIRE(t, WAIT_UNTIL(load_acquire(&waiting.step) == 1, 10));
    ready(waiting.g);
    EXPECT_EQ(t, load_relaxed(&waiting.g->tokens), 1);
    store_release(&waiting.step, 2);
    EXPECT(t, WAIT_UNTIL(load_acquire(&waiting.step) == 3, 10));
}

static void parks_often(uint32_t rounds)
{
    for (uint32_t i = 0; i < rounds; i++) {
        add_acq_rel(&waiting.rounds, 1);
        park(WAIT_SEMACQUIRE);
    }
    store_release(&waiting.step, 1);
}

/* Each ready() ends exactly one park(), at whatever moment of it it comes. */
TEST(sched, park_and_ready_race)
{
    const uint32_t rounds = 20000;

    memset(&waiting, 0, sizeof waiting);
    waiting.g = NULL;
    go(parks_often, rounds);
    for (uint32_t i = 0; i < rounds; i++) {
        while (load_acquire(&waiting.rounds) != i + 1)
            rt_yield();
        if (i == 0)
            for (struct goroutine *g = goroutine_all(); g != NULL; g = g->all_next)
                if (g->entry_pc == (uintptr_t)parks_often && g->state != G_DEAD)
                    waiting.g = g;
        REQUIRE(t, waiting.g != NULL);
        for (uint32_t n = rng_below(&t->rng, 60); n > 0; n--)
            arch_cpu_relax();
        ready(waiting.g);
    }
    EXPECT(t, WAIT_UNTIL(load_acquire(&waiting.step) == 1, 10));
}

/* ---- Turns ---- */

static struct {
    uint8_t who[64];
    uint32_t n;
} turns;

static void takes_turns(uint8_t me)
{
    for (unsigned i = 0; i < 10; i++) {
        turns.who[turns.n++] = me;
        rt_yield();
    }
}

/* On one cpu, those who yield run in turn. */
TEST(sched, yield_goes_to_the_end)
{
    unsigned old = rt_gomaxprocs(1), wrong = 0;

    memset(&turns, 0, sizeof turns);
    for (uint8_t i = 0; i < 3; i++)
        go(takes_turns, i);
    while (load_relaxed(&turns.n) < 30)
        rt_yield();
    for (unsigned i = 3; i < 30; i++)
        wrong += turns.who[i] != turns.who[i - 3];
    rt_gomaxprocs(old);
    EXPECT_LE(t, wrong,
              3); /* a slice may end in between, or another goroutine of the runtime run */
}

/* ---- Fairness [sched.4] ---- */

/* Several times more loops that never yield than cpus: each goes on, again and again. */
TEST(sched, hogs_share)
{
    unsigned n = 3 * rt_gomaxprocs(0) < HOGS_MAX ? 3 * rt_gomaxprocs(0) : HOGS_MAX;
    uint64_t before[HOGS_MAX];

    hogs_start(n);
    for (unsigned round = 0; round < 3; round++) {
        hogs_note(n, before);
        EXPECT(t, WAIT_UNTIL(hogs_moved(n, before), 10));
    }
    hogs_finish(t, n);
}

static struct {
    uint32_t want, there, late;
} meeting;

/* Everybody on a cpu of his own, which he does not leave. */
static void meet(void)
{
    preempt_off();
    add_acq_rel(&meeting.there, 1);
    int64_t until = arch_nanotime() + INT64_C(5000000000);
    while (load_acquire(&meeting.there) < meeting.want && load_relaxed(&meeting.late) == 0) {
        arch_cpu_relax();
        if (arch_nanotime() > until)
            store_relaxed(&meeting.late, 1);
    }
    preempt_on();
}

/* No cpu sleeps while somebody waits for one [idle.1] [idle.2]: also if it was just going to sleep. */
TEST_OPTS(sched, idle_cpus_take_what_is_readied, .need_cpus = 2)
{
    int64_t end = arch_nanotime() + INT64_C(1500000000);
    struct rt_waitgroup wg = {.state = 0};
    unsigned rounds = 0;

    meeting.late = 0;
    do {
        unsigned others = 1 + rng_below(&t->rng, rt_gomaxprocs(0) - 1);
        meeting.want = others + 1;
        meeting.there = 0;
        for (unsigned i = 0; i < others; i++)
            wg_go(&wg, meet);
        meet();
        rt_wg_wait(&wg);
        for (unsigned i = rng_below(&t->rng, 3000); i > 0; i--)
            arch_cpu_relax(); /* the others go to sleep, or are about to */
        rounds++;
    } while (meeting.late == 0 && rounds < 3000 && arch_nanotime() < end);
    EXPECT_EQ(t, meeting.late, 0);
    test_note(t, "%u rounds", rounds);
}

static struct {
    struct goroutine *g[2];
    uint32_t stop, gone, rounds, left[2];
} pair;

static void pair_main(unsigned me)
{
    pair.g[me] = goroutine_current();
    while (load_acquire(&pair.stop) == 0) {
        park(WAIT_SEMACQUIRE);
        if (load_acquire(&pair.stop) != 0)
            break; /* the other one may be gone: it must not be readied */
        add_relaxed(&pair.rounds, 1);
        ready(pair.g[!me]);
    }
    store_release(&pair.left[me], 1);
    add_acq_rel(&pair.gone, 1);
}

#define LINKS 20u

static struct {
    uint64_t before[HOGS_MAX];
    uint32_t links, moved, ended;
} chain;

/* Start the next one, which so runs out of turn, and outlast a slice. */
static void link_main(unsigned n_hogs)
{
    uint32_t n = add_relaxed(&chain.links, 1) + 1;

    if (n == 1)
        hogs_note(n_hogs, chain.before);
    if (n == LINKS)
        store_relaxed(&chain.moved, hogs_moved(n_hogs, chain.before));
    else
        go(link_main, n_hogs);
    for (int64_t end = arch_nanotime() + 12000000; arch_nanotime() < end;)
        arch_cpu_relax();
    add_acq_rel(&chain.ended, 1);
}

/* Neither does a chain of which each link starts the next and then fills its slice [sched.4]. */
TEST(sched, a_chain_starves_nobody)
{
    unsigned old = rt_gomaxprocs(1), n = 3;

    memset(&chain, 0, sizeof chain);
    hogs_start(n);
    go(link_main, n);
    rt_sleep(100000000); /* when we wake up, we get between a link and the next */
    EXPECT(t, WAIT_UNTIL(load_acquire(&chain.ended) == LINKS, 20));
    EXPECT(t, load_relaxed(&chain.moved));
    hogs_finish(t, n);
    rt_gomaxprocs(old);
}

/* A pair that wakes each other runs out of turn, but others still get theirs. */
TEST(sched, a_pair_starves_nobody)
{
    unsigned old = rt_gomaxprocs(1), n = 4;
    uint64_t before[HOGS_MAX];

    memset(&pair, 0, sizeof pair);
    go(pair_main, 0u);
    go(pair_main, 1u);
    REQUIRE(t,
            WAIT_UNTIL(load_relaxed(&pair.g[0]) != NULL && load_relaxed(&pair.g[1]) != NULL, 10));
    ready(pair.g[0]);
    hogs_start(n);
    for (unsigned round = 0; round < 2; round++) {
        uint32_t rounds = load_relaxed(&pair.rounds);
        hogs_note(n, before);
        EXPECT(t, WAIT_UNTIL(hogs_moved(n, before) && load_relaxed(&pair.rounds) != rounds, 10));
    }
    hogs_finish(t, n);
    store_release(&pair.stop, 1);
    EXPECT(t, WAIT_UNTIL(load_acquire(&pair.gone) >= 1, 10));
    unsigned other = load_acquire(&pair.left[0]) != 0; /* it may still be parked, or about to be */
    EXPECT(t, WAIT_UNTIL(load_acquire(&pair.gone) == 2 ||
                             load_relaxed(&pair.g[other]->state) == G_WAITING,
                         10));
    if (load_acquire(&pair.gone) == 1)
        ready(pair.g[other]);
    EXPECT(t, WAIT_UNTIL(load_acquire(&pair.gone) == 2, 10));
    rt_gomaxprocs(old);
}

/* ---- GOMAXPROCS ---- */

static struct {
    uint32_t seen[ARCH_MAX_CPUS];
    uint32_t beyond, limit, stop, running;
} procs;

static void notes_cpu(void)
{
    add_acq_rel(&procs.running, 1);
    while (load_acquire(&procs.stop) == 0) {
        unsigned cpu = arch_cpu_id();
        store_relaxed(&procs.seen[cpu], 1);
        if (cpu >= load_relaxed(&procs.limit) && arch_cpu_id() == cpu)
            add_relaxed(&procs.beyond, 1);
    }
    add_acq_rel(&procs.running, (uint32_t)-1);
}

/* Only the cpus below the limit run goroutines, all of them do, and nobody is left behind on the
 * others. */
TEST(sched, gomaxprocs_at_run_time)
{
    unsigned n = arch_cpu_count();
    unsigned old = rt_gomaxprocs(n);

    memset(&procs, 0, sizeof procs);
    store_relaxed(&procs.limit, n);
    for (unsigned i = 0; i < n + 1; i++)
        go(notes_cpu);
    for (unsigned round = 0; round < 2 * n; round++) {
        unsigned limit = 1 + rng_below(&t->rng, n);
        store_relaxed(&procs.limit, n);
        rt_gomaxprocs(limit);
        EXPECT_EQ(t, rt_gomaxprocs(0), limit);
        EXPECT_LE(t, arch_cpu_id() + 1, limit);
        rt_sleep(1000000); /* those beyond hand over */
        store_relaxed(&procs.beyond, 0);
        store_relaxed(&procs.limit, limit);
        memset(procs.seen, 0, sizeof procs.seen);
        unsigned seen = 0;
        for (int64_t end = rt_nanotime() + INT64_C(10000000000);
             seen < limit && rt_nanotime() < end;) {
            rt_sleep(1000000);
            seen = 0;
            for (unsigned i = 0; i < limit; i++)
                seen += load_relaxed(&procs.seen[i]);
        }
        EXPECT_EQ(t, seen, limit);
        EXPECT_EQ(t, load_relaxed(&procs.beyond), 0);
    }
    store_release(&procs.stop, 1);
    rt_gomaxprocs(old);
    EXPECT(t, WAIT_UNTIL(load_acquire(&procs.running) == 0, 10));
}

/* Fewer cpus than loops that never yield: those from the other cpus get their turn on what
 * is left. */
TEST_OPTS(sched, fewer_cpus_with_a_hog_on_each, .need_cpus = 2)
{
    unsigned n = arch_cpu_count() < HOGS_MAX ? arch_cpu_count() : HOGS_MAX;
    unsigned old = rt_gomaxprocs(n);
    uint64_t before[HOGS_MAX];

    for (unsigned round = 0; round < 3; round++) {
        hogs_start(n);
        hogs_note(n, before);
        EXPECT(t, WAIT_UNTIL(hogs_moved(n, before), 10));
        rt_gomaxprocs(1);
        hogs_note(n, before);
        int64_t end = rt_nanotime() + INT64_C(10000000000);
        while (!hogs_moved(n, before) && rt_nanotime() < end)
            arch_cpu_relax(); /* no sleeping: it would bring slices */
        EXPECT(t, hogs_moved(n, before));
        rt_gomaxprocs(n);
        hogs_finish(t, n);
    }
    rt_gomaxprocs(old);
}

static uint32_t sleepers_up;

static void sleeps(int64_t ns)
{
    rt_sleep(ns);
    add_acq_rel(&sleepers_up, 1);
}

/* Sleepers whose timers are on cpus that no longer run goroutines wake up all the same. */
TEST(sched, timers_of_cpus_out_of_service)
{
    unsigned n = arch_cpu_count(), old = rt_gomaxprocs(n), all = 8 * n;

    store_relaxed(&sleepers_up, 0);
    unsigned n_hogs = hogs_start(n); /* so that everybody is spread over the cpus */
    for (unsigned i = 0; i < all; i++)
        go(sleeps, INT64_C(60000000) + i * 100000);
    rt_sleep(30000000);
    rt_gomaxprocs(1);
    EXPECT(t, WAIT_UNTIL(load_acquire(&sleepers_up) == all, 10));
    rt_gomaxprocs(old);
    hogs_finish(t, n_hogs);
}

/* ---- Many ---- */

static struct {
    uint64_t sum;
    uint32_t ended;
} many;

static void adds(uint64_t n)
{
    if (n % 3 == 0)
        rt_yield();
    if (n % 64 == 0)
        rt_sleep(10000);
    add_relaxed(&many.sum, n);
    add_acq_rel(&many.ended, 1);
}

TEST_OPTS(sched, ten_thousand, .need_mib = 200)
{
    memset(&many, 0, sizeof many);
    for (uint64_t i = 1; i <= 10000; i++)
        go(adds, i);
    EXPECT(t, WAIT_UNTIL(load_acquire(&many.ended) == 10000, 20));
    EXPECT_EQ(t, load_relaxed(&many.sum), 10000u * 10001 / 2);
}

static void has_id(uint64_t *id)
{
    *id = rt_goid();
    add_acq_rel(&many.ended, 1);
}

/* No number is used twice, and main's is 1 (lang/start.c). */
TEST(sched, ids_are_unique)
{
    static uint64_t ids[200];
    unsigned twice = 0;

    memset(&many, 0, sizeof many);
    for (unsigned i = 0; i < 200; i++)
        go(has_id, &ids[i]);
    REQUIRE(t, WAIT_UNTIL(load_acquire(&many.ended) == 200, 10));
    for (unsigned i = 0; i < 200; i++)
        for (unsigned k = 0; k < i; k++)
            twice += ids[i] == ids[k];
    EXPECT_EQ(t, twice, 0);
}

/* ---- Loops that hold up nobody ---- */

static uint32_t loops_stop, loops_ended;
static double loops_sink;

static void empty_loop(void)
{
    while (load_relaxed(&loops_stop) == 0)
        __asm__ volatile("");
    add_acq_rel(&loops_ended, 1);
}

static void arithmetic_loop(void)
{
    double x = 1;
    while (load_relaxed(&loops_stop) == 0)
        x = x * 1.0000001 + 0.5;
    loops_sink = x;
    add_acq_rel(&loops_ended, 1);
}

static RT_NOINLINE uint64_t leaf(uint64_t n)
{
    __asm__ volatile("" : "+r"(n));
    return n * 3 + 1;
}

static RT_NOINLINE uint64_t calls(uint64_t n)
{
    return n == 0 ? leaf(n) : calls(n - 1) + leaf(n);
}

static void calling_loop(void)
{
    while (load_relaxed(&loops_stop) == 0)
        calls(10);
    add_acq_rel(&loops_ended, 1);
}

static void loops_are_harmless(struct test *t, void (*fn)(void))
{
    unsigned n = 2 * rt_gomaxprocs(0);
    int64_t worst_sleep = 0, worst_stop = 0;

    store_release(&loops_stop, 0);
    store_release(&loops_ended, 0);
    for (unsigned i = 0; i < n; i++)
        go(fn);
    for (unsigned i = 0; i < 5; i++) {
        int64_t start = rt_nanotime();
        rt_sleep(1000000); /* a timer, and then a turn among the loops */
        int64_t took = rt_nanotime() - start;
        worst_sleep = took > worst_sleep ? took : worst_sleep;
        start = rt_nanotime();
        stw_begin(STW_TEST);
        took = rt_nanotime() - start;
        stw_end();
        worst_stop = took > worst_stop ? took : worst_stop;
    }
    store_release(&loops_stop, 1);
    EXPECT(t, WAIT_UNTIL(load_acquire(&loops_ended) == n, 20));
    /* without preemption it is for ever; with it, what a loaded host makes of ten milliseconds */
    EXPECT_LE(t, worst_sleep, INT64_C(10000000000));
    EXPECT_LE(t, worst_stop, INT64_C(10000000000));
}

TEST(sched, an_empty_loop_holds_up_nobody)
{
    loops_are_harmless(t, empty_loop);
}

TEST(sched, an_arithmetic_loop_holds_up_nobody)
{
    loops_are_harmless(t, arithmetic_loop);
}

TEST(sched, a_calling_loop_holds_up_nobody)
{
    loops_are_harmless(t, calling_loop);
}

/* ---- Numbers survive preemption ---- */

static double series(unsigned from)
{
    double s = 0, sign = 1;
    for (unsigned i = from; i < from + 4000; i++) {
        s += sign / (2.0 * i + 1.0) + 1.0 / (s + i + 1.5);
        sign = -sign;
    }
    return s;
}

static struct {
    uint32_t ended, wrong, steps;
    double want[8];
} fp;

static bool fp_step(struct arch_frame *frame)
{
    uint32_t n = add_relaxed(&fp.steps, 1);

    if (goroutine_current()->entry_pc == 0)
        arch_frame_set_step(frame, false);
    else if (n * 2654435761u >> 26 == 0) /* one in 64, in no pattern */
        sched_preempt_irq(frame);
    return true;
}

static void fp_main(unsigned i)
{
    arch_step_on();
    double got = series(i);
    arch_step_off();
    if (got != fp.want[i])
        add_relaxed(&fp.wrong, 1);
    add_acq_rel(&fp.ended, 1);
}

/* Goroutines that compute with doubles, preempted at every few instructions: the results
 * are exact. */
TEST(sched, doubles_survive_preemption)
{
    memset(&fp, 0, sizeof fp);
    for (unsigned i = 0; i < 8; i++)
        fp.want[i] = series(i);
    debugtrap_set(fp_step);
    for (unsigned i = 0; i < 8; i++)
        go(fp_main, i);
    EXPECT(t, WAIT_UNTIL(load_acquire(&fp.ended) == 8, 20));
    debugtrap_set(NULL);
    EXPECT_EQ(t, load_relaxed(&fp.wrong), 0);
    EXPECT_GE(t, load_relaxed(&fp.steps), 100000);
}

TEST_DIES(sched, go_of_a_null_function, 2,
          "^fatal error: go of nil func value\n\ngoroutine [0-9]+ \"test\" "
          "\\[running\\]:\n^main.test_sched_go_of")
{
    void (*volatile fn)(int) = NULL;
    go(fn, 1);
}
