/*
 * bench/sched.c - goroutines, locks, wait groups, timers, and the way to main.
 */
#include <bench/bench.h>

#include <mm/page.h>
#include <sched/goroutine.h>
#include <stdlib.h>

/* ---- The start ---- */

extern uint64_t bench_main_at; /* bench/runner.c: the clock when main() began */

/* From the machine's start (with its firmware) to the first line of main. */
BENCH_OPTS(StartToMain, .once = true)
{
    bench_no_time(b);
    bench_metric(b, (double)bench_main_at, b->icount ? "instr" : "ns");
}

/* ---- Spawning ---- */

static void nothing(void)
{
}

/* Each runs and ends before the next is made, on one core. */
BENCH_OPTS(SpawnRunExit, .icount_n = 10000)
{
    unsigned procs = rt_gomaxprocs(1);

    for (int i = 0; i < 100; i++) {
        go(nothing);
        rt_yield();
    }
    bench_start(b);
    for (uint64_t i = 0; i < b->n; i++) {
        go(nothing);
        rt_yield();
    }
    bench_stop(b);
    rt_gomaxprocs(procs);
}

static void done(struct rt_waitgroup *wg)
{
    rt_wg_done(wg);
}

/* 10,000 at once, then wait for all: the figure is for one of them. */
BENCH_OPTS(FanOut10000, .icount_n = 20000)
{
    static struct rt_waitgroup wg;

    for (uint64_t left = b->n; left > 0;) {
        uint64_t n = left < 10000 ? left : 10000;

        rt_wg_add(&wg, (int)n);
        for (uint64_t i = 0; i < n; i++)
            go(done, &wg);
        rt_wg_wait(&wg);
        left -= n;
    }
}

/* ---- Giving way ---- */

static volatile bool enough;

static void yield_on(struct rt_waitgroup *wg)
{
    while (!enough)
        rt_yield();
    rt_wg_done(wg);
}

/* One operation: one rt_yield() that does switch, among `n` goroutines on one core. */
static void yield_among(struct bench *b, unsigned n)
{
    static struct rt_waitgroup wg;
    unsigned procs = rt_gomaxprocs(1);

    enough = false;
    rt_wg_add(&wg, (int)n - 1);
    for (unsigned i = 1; i < n; i++)
        go(yield_on, &wg);
    for (unsigned i = 0; i < 10; i++)
        rt_yield();
    uint64_t rounds = b->n / n;
    bench_start(b);
    for (uint64_t i = 0; i < rounds; i++)
        rt_yield();
    bench_stop(b);
    enough = true;
    rt_wg_wait(&wg);
    rt_gomaxprocs(procs);
}

BENCH_OPTS(Yield, .icount_n = 10000)
{
    yield_among(b, 2);
}

BENCH_OPTS(Yield10, .icount_n = 50000)
{
    yield_among(b, 10);
}

/* More than a cpu's ring holds: the shared queue has the rest, whatever their number. */
BENCH_OPTS(Yield1000, .icount_n = 500000)
{
    yield_among(b, 1000);
}

BENCH_OPTS(Yield10000, .icount_n = 1000000, .need_mib = 128)
{
    yield_among(b, 10000);
}

BENCH_OPTS(YieldAlone, .icount_n = 10000)
{
    unsigned procs = rt_gomaxprocs(1);

    bench_start(b);
    for (uint64_t i = 0; i < b->n; i++)
        rt_yield();
    bench_stop(b);
    rt_gomaxprocs(procs);
}

/* ---- Locks ---- */

BENCH_OPTS(MutexFree, .icount_n = 10000)
{
    static struct rt_mutex m;

    for (uint64_t i = 0; i < b->n; i++) {
        rt_mutex_lock(&m);
        rt_mutex_unlock(&m);
    }
}

static struct rt_mutex contended;
static uint64_t guarded;

static void contend(uint64_t n, struct rt_waitgroup *wg)
{
    for (uint64_t i = 0; i < n; i++) {
        rt_mutex_lock(&contended);
        guarded++;
        rt_mutex_unlock(&contended);
    }
    rt_wg_done(wg);
}

/* Two goroutines for each core. */
BENCH_OPTS(MutexContended, .need_cpus = 2, .wall_only = true)
{
    static struct rt_waitgroup wg;
    unsigned n = 2 * rt_gomaxprocs(0);

    rt_wg_add(&wg, (int)n);
    for (unsigned i = 0; i < n; i++)
        go(contend, b->n / n + 1, &wg);
    rt_wg_wait(&wg);
}

BENCH_OPTS(RWMutexRead, .icount_n = 10000)
{
    static struct rt_rwmutex rw;

    for (uint64_t i = 0; i < b->n; i++) {
        rt_rwmutex_rlock(&rw);
        rt_rwmutex_runlock(&rw);
    }
}

static void post(struct rt_sema *a, struct rt_sema *back, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        rt_sema_acquire(a);
        rt_sema_release(back);
    }
}

/* Two goroutines wake each other: two switches on one core. */
BENCH_OPTS(SemaRoundTrip, .icount_n = 10000)
{
    static struct rt_sema a, back;
    unsigned procs = rt_gomaxprocs(1);

    go(post, &a, &back, b->n);
    bench_start(b);
    for (uint64_t i = 0; i < b->n; i++) {
        rt_sema_release(&a);
        rt_sema_acquire(&back);
    }
    bench_stop(b);
    rt_gomaxprocs(procs);
}

/* ---- Parked goroutines ---- */

static void wait_for(struct rt_sema *gate, struct rt_waitgroup *wg)
{
    rt_sema_acquire(gate);
    rt_wg_done(wg);
}

/* Goroutines that have ended: their blocks and first pages are used again before new ones
 * are made. */
static unsigned ended(void)
{
    unsigned n = 0;

    for (const struct goroutine *g = goroutine_all(); g != NULL; g = g->all_next)
        n += g->state == G_DEAD;
    return n;
}

/* All the memory that 5,000 waiting goroutines take which did not exist before: pages that nobody
 * else can have. */
BENCH_OPTS(ParkedGoroutine, .once = true, .need_mib = 256)
{
    enum { N = 5000 };
    static struct rt_sema gate;
    static struct rt_waitgroup wg;
    struct page_stats before, after;

    unsigned n = N + ended(); /* so many that N are new */

    page_get_stats(&before);
    uint64_t start = bench_now(b);
    rt_wg_add(&wg, (int)n);
    for (unsigned i = 0; i < n; i++)
        go(wait_for, &gate, &wg);
    while (rt_num_goroutine() < n)
        rt_yield();
    for (unsigned i = 0; i < 10; i++) /* each has run up to its wait */
        rt_yield();
    uint64_t took = bench_now(b) - start;
    page_get_stats(&after);
    for (unsigned i = 0; i < n; i++)
        rt_sema_release(&gate);
    rt_wg_wait(&wg);
    bench_no_time(b);
    bench_metric(b, ((double)before.free_pages - (double)after.free_pages) * PAGE_BYTES / N,
                 "B/goroutine");
    bench_metric(b, (double)took / n, b->icount ? "instr/goroutine" : "ns/goroutine");
}

/* ---- Timers ---- */

struct late {
    struct rt_timer timer;
    int64_t due_ns, late_ns;
};

static uint64_t n_fired;

static void fire(void *arg)
{
    struct late *l = arg;

    l->late_ns = rt_nanotime() - l->due_ns;
    __atomic_fetch_add(&n_fired, 1, __ATOMIC_RELEASE);
}

/* Many timers, due at random times within one second (of the machine): how late their functions
 * run. */
BENCH_OPTS(TimersLate, .once = true, .need_mib = 64)
{
    size_t n = b->is_short || b->icount ? 10000 : 100000;
    uint64_t seed = 0x13198a2e03707344u;
    struct late *all = gc_make(struct late, n);
    int64_t *samples = rt_alloc(n * sizeof *samples);

    __atomic_store_n(&n_fired, 0, __ATOMIC_RELAXED);
    for (size_t i = 0; i < n; i++) {
        int64_t ns = INT64_C(500000000) + (int64_t)(bench_random(&seed) % 1000000000);
        all[i].due_ns = rt_nanotime() + ns;
        rt_timer_start(&all[i].timer, ns, fire, &all[i]);
    }
    while (__atomic_load_n(&n_fired, __ATOMIC_ACQUIRE) < n)
        rt_sleep(20000000);
    for (size_t i = 0; i < n; i++)
        samples[i] = all[i].late_ns;
    bench_no_time(b);
    bench_percentiles(b, samples, n);
    rt_free(samples);
}

/* A timer that is started and stopped before it fires, among 1,000 others. */
BENCH_OPTS(TimerStartStop, .icount_n = 5000)
{
    enum { OTHERS = 1000 };
    struct late *others = gc_make(struct late, OTHERS), *mine = gc_new(struct late);
    int64_t hour = INT64_C(3600000000000);

    for (int i = 0; i < OTHERS; i++)
        rt_timer_start(&others[i].timer, hour + i, fire, NULL);
    bench_start(b);
    for (uint64_t i = 0; i < b->n; i++) {
        rt_timer_start(&mine->timer, hour / 2, fire, NULL);
        bench_keep(rt_timer_stop(&mine->timer));
    }
    bench_stop(b);
    for (int i = 0; i < OTHERS; i++)
        rt_timer_stop(&others[i].timer);
}

BENCH_OPTS(Nanotime, .icount_n = 10000)
{
    for (uint64_t i = 0; i < b->n; i++)
        bench_keep(rt_nanotime());
}
