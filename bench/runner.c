/*
 * bench/runner.c - main() of the benchmark image: chooses n, repeats, prints Go's benchmark format.
 *
 * WHAT. Arguments (the words after "--"):
 *     PATTERN...     globs of names (Alloc*); without any, all benchmarks
 *     --count N      results of each benchmark, default 5 (3 with --icount)
 *     --ms N         least time of one result, default 300
 *     --icount       the clock counts instructions: n is fixed, and so is the output
 *     --short        one result each, 50 ms, and none of the long ones
 *     --n N          so many operations a result, no search for n
 *     --series       also the single values behind the percentiles, for tools/benchsvg.c
 *     --list         only the names
 * Lines that begin with Benchmark are results; the unit of time is ns, or instr with --icount. A
 * line that begins with # is for people: the median of a benchmark's results, and their spread
 * (largest less smallest, in percent of the median). The last line is `# N benchmarks, N skipped`;
 * a run without it did not get to its end.
 *
 * HOW n IS CHOSEN. As in Go's package testing: 1, then what the last run predicts for the time
 * wanted plus a fifth, at most 100 times as many. These runs also warm up: caches of free pages and
 * stacks, the soft TLB. Before each run there is a full collection, so that no benchmark pays for
 * the one before it.
 */
#include <bench/bench.h>

#include <arch/arch.h>
#include <lib/assert.h>
#include <lib/string.h>
#include <mm/page.h>
#include <stdlib.h>

#define PATTERNS_MAX 32
#define COUNT_MAX 64
#define CASES_MAX 512
#define ICOUNT_N 2000
#define N_MAX UINT64_C(1000000000)

uint64_t bench_main_at;

extern const struct bench_case *const __start_rt_benches[];
extern const struct bench_case *const __stop_rt_benches[];

static struct {
    const char *patterns[PATTERNS_MAX];
    size_t n_patterns;
    unsigned count, ms, n;
    bool icount, is_short, series, list;
} options;

static const struct bench_case *cases[CASES_MAX];
static size_t n_cases;

/* ---- What benchmarks call ---- */

uint64_t bench_now(const struct bench *b)
{
    return b->icount ? arch_cycles() : (uint64_t)arch_nanotime();
}

static void counters(uint64_t *mallocs, uint64_t *bytes)
{
    struct rt_mem_stats stats;

    rt_read_mem_stats(&stats);
    *mallocs = stats.mallocs;
    *bytes = stats.total_alloc_bytes;
}

void bench_start(struct bench *b)
{
    counters(&b->start_mallocs, &b->start_bytes);
    b->running = true;
    b->started = bench_now(b);
}

void bench_stop(struct bench *b)
{
    uint64_t now = bench_now(b), mallocs, bytes;

    if (!b->running)
        return;
    b->running = false;
    counters(&mallocs, &bytes);
    b->elapsed = now - b->started;
    b->mallocs = mallocs - b->start_mallocs;
    b->bytes = bytes - b->start_bytes;
}

void bench_metric(struct bench *b, double value, const char *unit)
{
    ASSERT(b->n_metrics < BENCH_METRICS_MAX);
    b->metrics[b->n_metrics].value = value;
    b->metrics[b->n_metrics++].unit = unit;
}

void bench_no_time(struct bench *b)
{
    b->no_time = true;
}

void bench_skip(struct bench *b, const char *why)
{
    b->skipped = why;
}

int bench_by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* Kept until the result's line is out. */
void bench_series(struct bench *b, const char *unit, const int64_t *values, size_t n)
{
    b->series_unit = unit;
    b->series = values;
    b->n_series = n;
}

void bench_notes(struct bench *b, void (*print)(void))
{
    b->notes = print;
}

void bench_percentiles(struct bench *b, int64_t *samples, size_t n)
{
    if (n == 0)
        return;
    qsort(samples, n, sizeof *samples, bench_by_value);
    bench_series(b, "sample-ns", samples, n);
    bench_metric(b, (double)samples[n / 2], "p50-ns");
    bench_metric(b, (double)samples[n - 1 - n / 100], "p99-ns");
    bench_metric(b, (double)samples[n - 1], "max-ns");
}

/* ---- Results ---- */

/* Go's way: four significant digits, at least one place behind the point below 1000. */
static void print_value(double v)
{
    double size = v < 0 ? -v : v;

    if (size == 0 || size >= 999.95)
        rt_printf(" %10.0f", v);
    else if (size >= 99.995)
        rt_printf(" %10.1f", v);
    else if (size >= 9.9995)
        rt_printf(" %10.2f", v);
    else
        rt_printf(" %10.3f", v);
}

static double per_op(const struct bench *b)
{
    return (double)b->elapsed / (double)b->n;
}

static void print_result(const struct bench *b)
{
    rt_printf(" %8llu", (unsigned long long)b->n);
    if (!b->no_time) {
        print_value(per_op(b));
        rt_printf(b->icount ? " instr/op" : " ns/op");
    }
    for (unsigned i = 0; i < b->n_metrics; i++) {
        print_value(b->metrics[i].value);
        rt_printf(" %s", b->metrics[i].unit);
    }
    if (!b->no_time)
        rt_printf(" %6llu B/op %4llu allocs/op", (unsigned long long)(b->bytes / b->n),
                  (unsigned long long)(b->mallocs / b->n));
    rt_printf("\n");
    if (b->notes != NULL)
        b->notes();
    if (!options.series || b->n_series == 0)
        return;
    rt_printf("# series %s %s", b->bc->name, b->series_unit);
    for (size_t i = 0; i < b->n_series; i++)
        rt_printf(" %lld", (long long)b->series[i]);
    rt_printf("\n");
}

static void print_spread(const struct bench_case *bc, double *values, size_t n)
{
    for (size_t i = 1; i < n; i++) /* insertion sort: a handful */
        for (size_t k = i; k > 0 && values[k - 1] > values[k]; k--) {
            double swap = values[k];
            values[k] = values[k - 1];
            values[k - 1] = swap;
        }
    double median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
    double spread = median == 0 ? 0 : 100 * (values[n - 1] - values[0]) / median;
    rt_printf("# %s: median %.1f, spread %.1f %%\n", bc->name, median, spread);
}

/* ---- Running ---- */

static void run_once(struct bench *b, uint64_t n)
{
    const struct bench_case *bc = b->bc;

    *b = (struct bench){.n = n, .bc = bc, .icount = options.icount, .is_short = options.is_short};
    rt_gc();
    bench_start(b);
    bc->fn(b);
    bench_stop(b);
}

static uint64_t predict(const struct bench *b, uint64_t want_ns)
{
    uint64_t op_ns = b->elapsed / b->n;
    uint64_t n =
        op_ns == 0 ? b->elapsed == 0 ? b->n * 100 : want_ns * b->n / b->elapsed : want_ns / op_ns;

    n += n / 5;
    if (n > b->n * 100)
        n = b->n * 100;
    if (n < b->n + 1)
        n = b->n + 1;
    return n < N_MAX ? n : N_MAX;
}

static uint64_t choose_n(struct bench *b)
{
    const struct bench_case *bc = b->bc;
    uint64_t n = 1, want_ns = (uint64_t)options.ms * 1000000;

    if (bc->once)
        return 1;
    if (options.icount || options.n != 0) {
        n = options.n != 0 ? options.n : bc->icount_n != 0 ? bc->icount_n : ICOUNT_N;
        run_once(b, n / 4 + 1); /* warm up */
        return n;
    }
    for (;;) {
        run_once(b, n);
        if (b->skipped != NULL || b->elapsed >= want_ns || n >= N_MAX)
            return n;
        n = predict(b, want_ns);
    }
}

static const char *unfit(const struct bench_case *bc)
{
    struct page_stats stats;

    page_get_stats(&stats);
    if (bc->wall_only && options.icount)
        return "says nothing in instructions";
    if (bc->long_only && options.is_short)
        return "takes long";
    if (bc->need_cpus > rt_num_cpu())
        return "needs more cores";
    if (bc->need_mib > (stats.total_pages >> 8) + 16) /* firmware, image, books */
        return "needs more memory";
    return NULL;
}

/* Returns whether there is a result. */
static bool run_case(const struct bench_case *bc)
{
    double values[COUNT_MAX];
    struct bench b = {.bc = bc};
    const char *why = unfit(bc);
    uint64_t n = why == NULL ? choose_n(&b) : 0;

    for (unsigned i = 0; i < options.count && why == NULL; i++) {
        rt_printf("Benchmark%s-%u", bc->name, rt_gomaxprocs(0));
        run_once(&b, n);
        why = b.skipped;
        if (why != NULL)
            rt_printf("\n");
        else
            print_result(&b);
        values[i] = per_op(&b);
    }
    if (why != NULL)
        rt_printf("# %s: skipped: %s\n", bc->name, why);
    else if (options.count > 1 && !b.no_time)
        print_spread(bc, values, options.count);
    return why == NULL;
}

/* Does `text` match the glob? Knows * and ?. */
static bool glob(const char *pattern, const char *text)
{
    for (; *pattern != '*'; pattern++, text++) {
        if (*pattern == '\0' || *text == '\0')
            return *pattern == *text;
        if (*pattern != '?' && *pattern != *text)
            return false;
    }
    for (pattern++;; text++) {
        if (glob(pattern, text))
            return true;
        if (*text == '\0')
            return false;
    }
}

static bool selected(const struct bench_case *bc)
{
    for (size_t i = 0; i < options.n_patterns; i++)
        if (glob(options.patterns[i], bc->name))
            return true;
    return options.n_patterns == 0;
}

/* By file and line, whatever the linker made of the order. */
static void cases_init(void)
{
    for (const struct bench_case *const *p = __start_rt_benches; p < __stop_rt_benches; p++) {
        size_t i = n_cases++;

        ASSERT(n_cases <= CASES_MAX);
        for (; i > 0; i--) {
            int order = strcmp(cases[i - 1]->file, (*p)->file);
            if (order < 0 || (order == 0 && cases[i - 1]->line < (*p)->line))
                break;
            cases[i] = cases[i - 1];
        }
        cases[i] = *p;
    }
}

/* The number behind an option, 1 to max; 0 with a line if there is none. */
static unsigned number(const char *option, const char *text, unsigned max)
{
    char *end;
    long n = text != NULL ? strtol(text, &end, 10) : 0;

    if (n >= 1 && n <= (long)max && *end == '\0')
        return (unsigned)n;
    rt_printf("# bench: %s wants a number from 1 to %u\n", option, max);
    return 0;
}

/* Returns false, with a line, for what it doesn't know. */
static bool parse(int argc, char **argv)
{
    unsigned count = 0, ms = 0;

    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(arg, "--icount") == 0)
            options.icount = true;
        else if (strcmp(arg, "--short") == 0)
            options.is_short = true;
        else if (strcmp(arg, "--series") == 0)
            options.series = true;
        else if (strcmp(arg, "--list") == 0)
            options.list = true;
        else if (strcmp(arg, "--count") == 0) {
            if ((count = number(arg, next, COUNT_MAX)) == 0)
                return false;
            i++;
        } else if (strcmp(arg, "--n") == 0) {
            if ((options.n = number(arg, next, 1000000000)) == 0)
                return false;
            i++;
        } else if (strcmp(arg, "--ms") == 0) {
            if ((ms = number(arg, next, 100000)) == 0)
                return false;
            i++;
        } else if (arg[0] != '-' && options.n_patterns < PATTERNS_MAX)
            options.patterns[options.n_patterns++] = arg;
        else {
            rt_printf("# bench: can't use the argument %s\n", arg);
            return false;
        }
    }
    options.count = count != 0 ? count : options.is_short ? 1 : options.icount ? 3 : 5;
    options.ms = ms != 0 ? ms : options.is_short ? 50 : 300;
    return true;
}

int main(int argc, char **argv)
{
    unsigned done = 0, skipped = 0;

    bench_main_at = arch_cycles();
    if (!parse(argc, argv))
        return 2;
    if (!options.icount)
        bench_main_at = (uint64_t)arch_nanotime();
    cases_init();
    if (!options.list)
        rt_printf("goos: ingot\ngoarch: amd64\npkg: ingot/bench\n# cpus %u, %s\n", rt_num_cpu(),
                  options.icount ? "figures are instructions" : "figures are nanoseconds");
    for (size_t i = 0; i < n_cases; i++) {
        if (!selected(cases[i]))
            continue;
        if (options.list)
            rt_puts(cases[i]->name);
        else if (run_case(cases[i]))
            done++;
        else
            skipped++;
    }
    if (!options.list)
        rt_printf("# %u benchmarks, %u skipped\n", done, skipped);
    return done + skipped == 0 && !options.list;
}
