/*
 * bench/stop.c - how long the program stands still.
 *
 * StopGC*: full collections one after the other, and each stop of theirs; the figures are of single
 * stops. StopWorld*: the bare mechanism, while every other core spins in a goroutine (Busy) or is
 * idle. Gap: what a goroutine that does nothing but look at the clock sees while others allocate
 * and collect.
 */
#include <bench/bench.h>

#include <lib/symbol.h>
#include <sched/stw.h>
#include <stdlib.h>

struct obj16 {
    gc(struct obj16 *) a, b;
};

static gc_root(gc(void *) *, keep);

static void live_make(uint64_t bytes)
{
    uint64_t n = bytes / (sizeof(struct obj16) + 8);

    gc_set(keep.p, NULL);
    if (n == 0)
        return;
    gc(void *) *all = gc_make_refs(void *, n);
    gc_set(keep.p, all);
    for (uint64_t i = 0; i < n; i++) {
        struct obj16 *o = gc_new(struct obj16);
        gc_set(all[i], o);
        if (i > 0)
            gc_set(o->a, (struct obj16 *)all[i / 2]);
    }
}

/* All of it is still there, and refers to what it did. */
static void live_check(uint64_t bytes)
{
    uint64_t n = bytes / (sizeof(struct obj16) + 8);
    gc(void *) *all = keep.p;

    for (uint64_t i = 1; i < n; i++)
        if (((const struct obj16 *)all[i])->a != all[i / 2])
            rt_fatal("bench: object %lu of %lu is damaged", (unsigned long)i, (unsigned long)n);
}

/* ---- Which core was waited for, and what it was doing ---- */

enum { PLACES = 64 };
static struct place {
    const char *function, *outer; /* the innermost, and the one that has the frame */
    unsigned n;
    int64_t sum_ns, worst_ns;
} places[PLACES];
static unsigned n_places;

static void place_add(const struct stw_record *r)
{
    struct symbol s = {.name = "(its scheduler)"};
    const char *inner;
    unsigned i = 0;

    if (r->slowest_pc != 0)
        symbol_lookup(r->slowest_pc, &s);
    else if (r->slowest_goroutine == 0 && r->to_stop_ns < 1000)
        s.name = "(nobody)";
    inner = s.name;
    while (symbol_outer(&s))
        ;
    while (i < n_places && (places[i].function != inner || places[i].outer != s.name))
        i++;
    if (i == PLACES)
        return;
    if (i == n_places)
        places[n_places++] = (struct place){.function = inner, .outer = s.name};
    places[i].n++;
    places[i].sum_ns += r->to_stop_ns;
    if (r->to_stop_ns > places[i].worst_ns)
        places[i].worst_ns = r->to_stop_ns;
}

static int by_n(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    return x->n < y->n ? 1 : x->n > y->n ? -1 : 0;
}

static void places_print(void)
{
    qsort(places, n_places, sizeof places[0], by_n);
    for (unsigned i = 0; i < n_places && i < 12; i++)
        rt_printf("# %4u stops waited for %s (%s): mean %ld ns, worst %ld ns\n", places[i].n,
                  places[i].function, places[i].outer, (long)(places[i].sum_ns / places[i].n),
                  (long)places[i].worst_ns);
}

/*
 * Collections one after the other, and each of their stops. With other cores: also how long it took
 * until all stood still, and what the last one was at when it was asked to.
 */
static void stops_of_collections(struct bench *b, unsigned cycles)
{
    enum { MAX = 512 };
    static int64_t all[MAX], to_stop[MAX];
    static struct stw_record recent[8];
    size_t n = 0, n_records = 0;

    n_places = 0;
    for (unsigned i = 0; i < cycles && n < MAX; i++) {
        int64_t begun = rt_nanotime();
        rt_gc();
        n += rt_gc_pauses(all + n, MAX - n < 2 ? MAX - n : 2);
        size_t have = stw_recent(recent, 8);
        for (size_t k = 0; k < have && n_records < MAX && recent[k].at_ns >= begun; k++) {
            to_stop[n_records++] = recent[k].to_stop_ns;
            place_add(&recent[k]);
        }
    }
    bench_no_time(b);
    bench_percentiles(b, all, n);
    if (rt_gomaxprocs(0) < 2 || n_records == 0)
        return;
    qsort(to_stop, n_records, sizeof to_stop[0], bench_by_value);
    bench_metric(b, (double)to_stop[n_records / 2], "p50-to-stop-ns");
    bench_metric(b, (double)to_stop[n_records - 1 - n_records / 100], "p99-to-stop-ns");
    if (!b->is_short)
        bench_notes(b, places_print);
}

#define CYCLES(b) ((b)->icount ? 5 : (b)->is_short ? 20 : 100)

BENCH_OPTS(StopGC, .once = true)
{
    stops_of_collections(b, CYCLES(b));
}

BENCH_OPTS(StopGCLive64M, .once = true, .need_mib = 256)
{
    live_make(64 << 20);
    stops_of_collections(b, CYCLES(b) / 5 + 2);
    live_check(64 << 20);
    live_make(0);
}

BENCH_OPTS(StopGCLive512M, .once = true, .need_mib = 1536, .wall_only = true, .long_only = true)
{
    live_make(512 << 20);
    stops_of_collections(b, 10);
    live_check(512 << 20);
    live_make(0);
}

BENCH_OPTS(StopGCLive1G, .once = true, .need_mib = 3000, .wall_only = true, .long_only = true)
{
    live_make(UINT64_C(1) << 30);
    stops_of_collections(b, 3);
    live_check(UINT64_C(1) << 30);
    live_make(0);
}

static void wait_for(struct rt_sema *gate, struct rt_waitgroup *wg)
{
    rt_sema_acquire(gate);
    rt_wg_done(wg);
}

static void with_parked(struct bench *b, unsigned n, unsigned cycles)
{
    static struct rt_sema gate;
    static struct rt_waitgroup wg;

    rt_wg_add(&wg, (int)n);
    for (unsigned i = 0; i < n; i++)
        go(wait_for, &gate, &wg);
    while (rt_num_goroutine() < n)
        rt_yield();
    rt_yield();
    stops_of_collections(b, cycles);
    for (unsigned i = 0; i < n; i++)
        rt_sema_release(&gate);
    rt_wg_wait(&wg);
}

BENCH_OPTS(StopGCParked10k, .once = true, .need_mib = 128)
{
    with_parked(b, 10000, CYCLES(b) / 5 + 2);
}

BENCH_OPTS(StopGCParked1M, .once = true, .need_mib = 6000, .wall_only = true, .long_only = true)
{
    with_parked(b, 1000000, 5);
}

/* ---- The mechanism ---- */

static volatile bool enough;
static unsigned spinning;

static void spin(struct rt_waitgroup *wg)
{
    __atomic_fetch_add(&spinning, 1, __ATOMIC_RELEASE);
    while (!enough)
        __asm__ volatile("" ::: "memory");
    rt_wg_done(wg);
}

static void stops_of_world(struct bench *b, unsigned n)
{
    enum { MAX = 20000 };
    static int64_t to_stop[MAX], total[MAX];
    static struct stw_record recent[STW_HISTORY];
    unsigned got = 0;

    if (n > MAX)
        n = MAX;
    while (got < n) {
        unsigned batch = n - got < STW_HISTORY ? n - got : STW_HISTORY;
        for (unsigned i = 0; i < batch; i++) {
            stw_begin(STW_TEST);
            stw_end();
            for (volatile unsigned k = 0; k < 1000; k++) /* the others get to run */
                ;
        }
        size_t have = stw_recent(recent, batch);
        for (size_t i = 0; i < have && got < n; i++, got++) {
            to_stop[got] = recent[i].to_stop_ns;
            total[got] = recent[i].total_ns;
        }
        if (have == 0)
            break;
    }
    bench_no_time(b);
    if (got == 0) {
        bench_skip(b, "no stop was recorded");
        return;
    }
    bench_percentiles(b, total, got);
    qsort(to_stop, got, sizeof to_stop[0], bench_by_value);
    bench_metric(b, (double)to_stop[got / 2], "p50-to-stop-ns");
    bench_metric(b, (double)to_stop[got - 1 - got / 100], "p99-to-stop-ns");
    bench_metric(b, (double)to_stop[got - 1], "max-to-stop-ns");
}

BENCH_OPTS(StopWorld, .once = true)
{
    stops_of_world(b, b->icount || b->is_short ? 500 : 10000);
}

BENCH_OPTS(StopWorldBusy, .once = true, .need_cpus = 2)
{
    static struct rt_waitgroup wg;
    unsigned n = rt_gomaxprocs(0) - 1;

    enough = false;
    __atomic_store_n(&spinning, 0, __ATOMIC_RELAXED);
    rt_wg_add(&wg, (int)n);
    for (unsigned i = 0; i < n; i++)
        go(spin, &wg);
    while (__atomic_load_n(&spinning, __ATOMIC_ACQUIRE) < n)
        rt_yield();
    stops_of_world(b, b->icount || b->is_short ? 500 : 10000);
    enough = true;
    rt_wg_wait(&wg);
}

/* ---- What a goroutine sees ---- */

/* Stores references to new objects, or to ever the same one. */
static void churn(struct rt_waitgroup *wg, bool allocates)
{
    enum { SLOTS = 100000 };
    gc(void *) *all = gc_make_refs(void *, SLOTS);
    struct obj16 *same = gc_new(struct obj16);
    uint64_t seed = 88172645463325252u;

    while (!enough)
        gc_set(all[bench_random(&seed) % SLOTS], allocates ? gc_new(struct obj16) : same);
    gc_keep(all);
    rt_wg_done(wg);
}

/*
 * One goroutine watches the clock; as many as there are other cores allocate. Gaps above 10 us are
 * what was taken from it: the largest, their sum as a share, and the worst share in any window of
 * 10 ms (mutator utilisation: 100 % is nothing taken).
 */
static void gaps(struct bench *b, bool others_allocate)
{
    enum { GAPS_MAX = 4096 };
    static int64_t list[2 * GAPS_MAX]; /* when, how long */
    static struct rt_waitgroup wg;
    size_t n_gaps = 0;
    unsigned n = rt_gomaxprocs(0) - 1;
    int64_t window_ns = 10000000, longest = 0, lost = 0, window_lost = 0, worst_lost = 0;
    struct rt_mem_stats before, after;

    enough = false;
    rt_read_mem_stats(&before);
    rt_wg_add(&wg, (int)n);
    for (unsigned i = 0; i < n; i++)
        go(churn, &wg, others_allocate);
    int64_t start = rt_nanotime(), last = start, window_end = start + window_ns;
    int64_t end = start + (b->is_short ? 500000000 : 3000000000);
    while (last < end) {
        int64_t now = rt_nanotime(), gap = now - last;
        if (gap > 10000) {
            lost += gap;
            window_lost += gap;
            if (gap > longest)
                longest = gap;
            if (n_gaps < GAPS_MAX) {
                list[2 * n_gaps] = last - start;
                list[2 * n_gaps++ + 1] = gap;
            }
        }
        if (now >= window_end) {
            if (window_lost > worst_lost)
                worst_lost = window_lost;
            window_lost = 0;
            window_end = now + window_ns;
        }
        last = now;
    }
    enough = true;
    rt_wg_wait(&wg);
    rt_read_mem_stats(&after);
    bench_no_time(b);
    bench_series(b, "gap-ns", list, 2 * n_gaps);
    bench_metric(b, (double)longest, "longest-ns");
    bench_metric(b, 100.0 * (double)(end - start - lost) / (double)(end - start), "utilisation-%");
    bench_metric(
        b,
        worst_lost >= window_ns ? 0 : 100.0 * (double)(window_ns - worst_lost) / (double)window_ns,
        "worst-10ms-%");
    bench_metric(b, (double)(after.num_gc - before.num_gc), "cycles");
}

BENCH_OPTS(Gap, .once = true, .need_cpus = 2, .wall_only = true)
{
    gaps(b, true);
}

/* What the machine takes by itself. */
BENCH_OPTS(GapNoGC, .once = true, .need_cpus = 2, .wall_only = true)
{
    gaps(b, false);
}
