/*
 * bench/bench.h - the harness of the in-guest benchmarks.
 *
 *     BENCH(Yield)
 *     {
 *         for (uint64_t i = 0; i < b->n; i++)
 *             rt_yield();
 *     }
 *
 * registers a benchmark through a section of pointers. The body gets `struct bench *b` and does its
 * operation b->n times; the harness (bench/runner.c) chooses n, calls the body several times, each
 * time after a collection, and prints a line in the format of Go's benchmarks for each. What the
 * body sets up before bench_start(b), if it calls that, is not counted, nor is what follows
 * bench_stop(b). The names are those of bench/go, so that two outputs can be laid side by side.
 *
 * Two clocks. Normally figures are nanoseconds, and n grows until a run is long enough. With
 * --icount (the machine runs under instruction counting) n is fixed, .icount_n, and the figures are
 * instructions of this core: exact, and the same in each run of the same image.
 */
#pragma once

#include <rt/rt.h>

#define BENCH_METRICS_MAX 8

struct bench;

struct bench_case {
    const char *name, *file;
    int line; /* benchmarks run in the order of files and lines */
    void (*fn)(struct bench *b);
    uint64_t icount_n;  /* how often under --icount; 0: 2000 */
    unsigned need_mib;  /* skipped where the machine has less RAM */
    unsigned need_cpus; /* ... or fewer cores */
    bool once;          /* n is always 1, and a run is long by itself */
    bool wall_only;     /* says nothing in instructions: not under --icount */
    bool long_only;     /* not with --short */
};

struct bench {
    uint64_t n; /* repeat the operation so often */
    const struct bench_case *bc;
    bool icount;         /* the clock counts instructions */
    bool is_short;       /* as little as says something */
    const char *skipped; /* why there is no result */

    /* the harness's */
    bool running;
    uint64_t started, elapsed; /* of bench_now() */
    uint64_t start_mallocs, start_bytes, mallocs, bytes;
    struct {
        const char *unit;
        double value;
    } metrics[BENCH_METRICS_MAX];
    unsigned n_metrics;
    const char *series_unit;
    const int64_t *series;
    size_t n_series;
    bool no_time; /* only the metrics are of interest */
    void (*notes)(void);
};

#define BENCH_OPTS(name_, ...)                                                                     \
    static void bench_##name_(struct bench *b);                                                    \
    static const struct bench_case bench_case_##name_ = {                                          \
        .name = #name_, .file = __FILE__, .line = __LINE__, .fn = bench_##name_, __VA_ARGS__};     \
    static const struct bench_case *const bench_ptr_##name_ RT_SECTION("rt_benches") RT_USED =     \
        &bench_case_##name_;                                                                       \
    static void bench_##name_(RT_UNUSED struct bench *b)
#define BENCH(name) BENCH_OPTS(name, .once = false)

/* The time, or the instructions that this core has executed. */
uint64_t bench_now(const struct bench *b);

void bench_start(struct bench *b); /* count from here on; what was counted before is forgotten */
void bench_stop(struct bench *b);  /* no longer count */

/* One more figure for the line, such as 12.5 "p99-ns". The unit's text must last. */
void bench_metric(struct bench *b, double value, const char *unit);

/* The line has no time for one operation: what counts are the metrics. */
void bench_no_time(struct bench *b);

/* There will be no result; the body then returns. */
void bench_skip(struct bench *b, const char *why);

/* Sort `n` samples and report some percentiles of them: p50-ns, p99-ns, max-ns. The array is
 * changed. */
void bench_percentiles(struct bench *b, int64_t *samples, size_t n);

/*
 * What --series prints behind the result: n values, which must last until the body has returned and
 * a little longer (static). Units are "sample-ns", durations, and "gap-ns", pairs of a moment
 * and the length of the gap that began then.
 */
void bench_series(struct bench *b, const char *unit, const int64_t *values, size_t n);

/* Called once the result's line is out, to print lines for people, which begin with #. */
void bench_notes(struct bench *b, void (*print)(void));

/* For qsort() of int64_t. */
int bench_by_value(const void *a, const void *b);

/* A generator that is the same in each run: benchmarks differ by the code alone. */
static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

/* The compiler must believe that x is needed, and that memory may have changed. */
#define bench_keep(x) __asm__ volatile("" : : "r"(x) : "memory")
