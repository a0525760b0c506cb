/*
 * tests/runner.c - main() of the test image: runs the registered cases and reports in KTAP.
 *
 * WHAT. Arguments (the words after "--"):
 *     PATTERN...     globs of suite.name; a pattern without a dot is a suite. None: all
 *     --not PATTERN  leaves out what the pattern selects
 *     --stress       also the cases marked .stress
 *     --icount       the clock counts instructions: also the cases marked .icount_only, whatever
 *                    the patterns
 *     --only NAME    that case and no other, also one that must end the run (TEST_DIES)
 *     --idle         run nothing: print `idle` and stay, for tools/tlbaudit.c
 *     --list         run nothing: print the TEST_DIES cases that the patterns select, for
 *                    tools/testrun.c
 * Prints KTAP version 1: the plan, `# run suite.name` before each case, and its result with the
 * time. A case that the machine is too small for is counted as skipped, with the
 * reason. The last line is `N passed, N failed`; only then, and only with 0 failed, is the exit
 * status 0.
 *
 * INVARIANTS
 * [test.1] The plan is the number of result lines, whatever happens: a case that ends the run early
 *          leaves a report that the host refuses.
 * [test.2] A case's random numbers depend on the seed and its own name alone, so that one failing
 * case replays by itself.
 *
 * THE CASE'S GOROUTINE. Each case has its own; main parks until it says that it is done. A case
 * that is left by test_abort() simply never returns to its body: what it holds stays held, which is
 * the price for not needing panics here. THE WATCHDOG is a goroutine that looks at the clock four
 * times a second. It names a case that takes too long, shows all goroutines and ends the run. If
 * even that can't run, the host notices the silence. There is none over a TEST_DIES case without a
 * timeout of its own, so that deadlocks can be such cases.
 */
#include <tests/test.h>

#include <lib/assert.h>
#include <lib/knobs.h>
#include <lib/string.h>
#include <mm/page.h>
#include <rt/rt.h>
#include <stdlib.h>
#include <sched/goroutine.h>

#define TIMEOUT_S 30
#define NOTES_MAX 20 /* of one case; more are only counted */
#define PATTERNS_MAX 32
#define CASES_MAX 4096

extern const struct test_case *const __start_rt_tests[];
extern const struct test_case *const __stop_rt_tests[];

static struct {
    const char *patterns[PATTERNS_MAX], *excepts[PATTERNS_MAX];
    size_t n_patterns, n_excepts;
    const char *only;
    bool list, idle, stress, icount;
    uint64_t seed;
} options;

/* The case that runs. a atomic: the watchdog reads it */
static struct {
    const struct test_case *tc; /* [a] NULL between cases */
    unsigned number;
    int64_t start_ns;         /* [a] stored before tc */
    struct goroutine *waiter; /* main */
} running;

static struct {
    unsigned passed, failed, skipped;
} totals;

/* All cases, by file and line: compilers and linkers leave them in any order. */
static const struct test_case *cases[CASES_MAX];
static size_t n_cases;

static int case_order(const void *a, const void *b)
{
    const struct test_case *x = *(const struct test_case *const *)a;
    const struct test_case *y = *(const struct test_case *const *)b;
    int files = strcmp(x->file, y->file);

    return files != 0 ? files : x->line - y->line;
}

static void cases_init(void)
{
    for (const struct test_case *const *tc = __start_rt_tests; tc < __stop_rt_tests; tc++) {
        ASSERT(n_cases < CASES_MAX);
        cases[n_cases++] = *tc;
    }
    qsort(cases, n_cases, sizeof cases[0], case_order);
}

/* ---- Choosing ---- */

/* Shell glob with * and ?, and nothing else. */
static bool glob_match(const char *glob, const char *s)
{
    const char *star = NULL, *retry = NULL;

    while (*s != '\0') {
        if (*glob == '*') {
            star = ++glob;
            retry = s;
        } else if (*glob == '?' || *glob == *s) {
            glob++;
            s++;
        } else if (star != NULL) {
            glob = star;
            s = ++retry;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return *glob == '\0';
}

static void case_name(const struct test_case *tc, char *buf, size_t size)
{
    rt_snprintf(buf, size, "%s.%s", tc->suite, tc->name);
}

/* A pattern without a dot is a suite. */
static bool any_match(const char *const *patterns, size_t n, const struct test_case *tc,
                      const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (glob_match(patterns[i], strchr(patterns[i], '.') != NULL ? name : tc->suite))
            return true;
    return false;
}

static bool selected(const struct test_case *tc)
{
    char name[128];

    case_name(tc, name, sizeof name);
    if (options.only != NULL)
        return strcmp(options.only, name) == 0;
    if (options.list != (tc->dies_says != NULL) ||
        any_match(options.excepts, options.n_excepts, tc, name))
        return false;
    if (options.icount && tc->icount_only)
        return true;
    return options.n_patterns == 0 || any_match(options.patterns, options.n_patterns, tc, name);
}

/*
 * RAM, rounded to the size that was asked for: the allocator owns a few MiB less than there is
 * (firmware, image, page books).
 */
static uint64_t ram_mib(void)
{
    struct page_stats stats;

    page_get_stats(&stats);
    uint64_t mib = stats.total_pages >> 8;
    return mib < 8 ? 8 : mib;
}

/* Why this machine, or this kind of run, can't run the case; NULL if it can. */
static const char *unfit(const struct test_case *tc, char *buf, size_t size)
{
    if (tc->stress && !options.stress)
        return "runs under make stress";
    if (tc->icount_only && (!options.icount || arch_cpu_count() > 1))
        return "measures instructions: needs ICOUNT=1 SMP=1";
    if (tc->need_cpus > arch_cpu_count()) {
        rt_snprintf(buf, size, "needs %u cpus", tc->need_cpus);
        return buf;
    }
    if (tc->need_mib > ram_mib()) {
        rt_snprintf(buf, size, "needs %u MiB", tc->need_mib);
        return buf;
    }
    return NULL;
}

/* ---- What cases call ---- */

static uint64_t name_hash(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash;
}

unsigned test_rounds(unsigned n)
{
    return options.stress || arch_cpu_count() <= 2 ? n : (n + 2) / 3;
}

RT_NOINLINE void test_scrub_stack(void)
{
    uintptr_t junk[400];

    for (unsigned i = 0; i < 400; i++)
        *(volatile uintptr_t *)&junk[i] = 0;
}

int64_t test_free_pages(void)
{
    struct page_stats s;

    page_get_stats(&s);
    return (int64_t)s.free_pages;
}

void test_note(struct test *t, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    rt_vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    rt_printf("# %s.%s: %s\n", t->tc->suite, t->tc->name, text);
}

void test_fail(struct test *t, const char *file, int line, const char *fmt, ...)
{
    unsigned before = __atomic_fetch_add(&t->failures, 1, __ATOMIC_RELAXED);
    char text[512];
    va_list ap;

    if (before >= NOTES_MAX)
        return;
    va_start(ap, fmt);
    rt_vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    rt_printf("# %s.%s: %s:%d: %s\n", t->tc->suite, t->tc->name, file, line, text);
    if (before == NOTES_MAX - 1)
        rt_printf("# %s.%s: further failures are only counted\n", t->tc->suite, t->tc->name);
}

void test_expect_str(struct test *t, const char *file, int line, const char *what, const char *got,
                     const char *want)
{
    if (got == NULL || want == NULL ? got != want : strcmp(got, want) != 0)
        test_fail(t, file, line, "expected %s to be \"%s\", not \"%s\"", what,
                  want != NULL ? want : "(null)", got != NULL ? got : "(null)");
}

void test_shuffle(struct test *t, void *array, size_t n, size_t elem_bytes)
{
    char *base = array;

    for (size_t i = n; i > 1; i--) {
        char *a = base + (i - 1) * elem_bytes;
        char *b = base + rng_below(&t->rng, (uint32_t)i) * elem_bytes;
        for (size_t k = 0; k < elem_bytes; k++) {
            char swap = a[k];
            a[k] = b[k];
            b[k] = swap;
        }
    }
}

static RT_NORETURN void case_end(void)
{
    ready(running.waiter);
    goroutine_exit();
}

RT_NORETURN void test_abort(RT_UNUSED struct test *t)
{
    case_end();
}

RT_NORETURN void test_skip(struct test *t, const char *why)
{
    t->skipped = why;
    case_end();
}

/* ---- Running ---- */

static void case_main(void *args)
{
    struct test *t = *(struct test **)args;

    t->tc->fn(t);
    case_end();
}

static void run_case(const struct test_case *tc)
{
    char name[128], why[64];
    const char *skip = unfit(tc, why, sizeof why);
    struct test t = {.tc = tc};
    struct test *arg = &t;
    unsigned procs = rt_gomaxprocs(0);

    case_name(tc, name, sizeof name);
    t.seed = options.seed ^ name_hash(name); /* [test.2] */
    t.rng = rng_split(t.seed, 0);
    running.number++;
    rt_printf("# run %s\n", name);
    if (skip != NULL) {
        totals.skipped++;
        rt_printf("ok %u %s # SKIP %s\n", running.number, name, skip);
        return;
    }

    int64_t start_ns = arch_nanotime();
    running.waiter = goroutine_current();
    __atomic_store_n(&running.start_ns, start_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&running.tc, tc, __ATOMIC_RELEASE);
    goroutine_spawn(case_main, &arg, sizeof arg, &(struct rt_go_opts){.name = "test"},
                    (uintptr_t)tc->fn, (uintptr_t)__builtin_return_address(0));
    park(WAIT_WAITGROUP_WAIT); /* one ready() for it, from case_end() [park.1] */
    rt_gomaxprocs(procs);      /* of a case that left in the middle */
    __atomic_store_n(&running.tc, NULL, __ATOMIC_RELEASE);
    int64_t us = (arch_nanotime() - start_ns) / 1000;

    if (tc->dies_says != NULL) {
        rt_printf("# %s: returned, but it should have ended the run\n", name);
        t.failures++;
    }
    if (t.failures != 0) {
        totals.failed++;
        rt_printf("# %s: %u failed checks; seed=%llu repeats it\n", name, t.failures,
                  (unsigned long long)options.seed);
        rt_printf("not ok %u %s # %lld.%03lld ms\n", running.number, name, (long long)(us / 1000),
                  (long long)(us % 1000));
    } else if (t.skipped != NULL) {
        totals.skipped++;
        rt_printf("ok %u %s # SKIP %s\n", running.number, name, t.skipped);
    } else {
        totals.passed++;
        rt_printf("ok %u %s # %lld.%03lld ms\n", running.number, name, (long long)(us / 1000),
                  (long long)(us % 1000));
    }
}

static void watchdog_main(RT_UNUSED void *args)
{
    for (;;) {
        rt_sleep(250000000);
        const struct test_case *tc = __atomic_load_n(&running.tc, __ATOMIC_ACQUIRE);
        if (tc == NULL)
            continue;
        unsigned timeout_s = tc->timeout_s != 0 ? tc->timeout_s : TIMEOUT_S;
        int64_t start_ns = __atomic_load_n(&running.start_ns, __ATOMIC_RELAXED);
        if (arch_nanotime() - start_ns < (int64_t)timeout_s * 1000000000)
            continue;
        rt_print_goroutines();
        rt_printf("# %s.%s: no end after %u s; the run stops here\n", tc->suite, tc->name,
                  timeout_s);
        rt_printf("not ok %u %s.%s # TIMEOUT\n", running.number, tc->suite, tc->name);
        rt_exit(1);
    }
}

static void list(const struct test_case *tc)
{
    char name[128];

    case_name(tc, name, sizeof name);
    rt_printf("dies %s %d\n", name, tc->dies_status);
    for (const char *line = tc->dies_says; *line != '\0';) {
        size_t n = strchr(line, '\n') != NULL ? (size_t)(strchr(line, '\n') - line) : strlen(line);
        rt_printf("says %.*s\n", (int)n, line);
        line += n + (line[n] == '\n');
    }
}

/* Returns false, with a line, for what it doesn't know. */
static bool parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (strcmp(arg, "--list") == 0)
            options.list = true;
        else if (strcmp(arg, "--idle") == 0)
            options.idle = true;
        else if (strcmp(arg, "--stress") == 0)
            options.stress = true;
        else if (strcmp(arg, "--icount") == 0)
            options.icount = true;
        else if (strcmp(arg, "--only") == 0 && i + 1 < argc)
            options.only = argv[++i];
        else if (strcmp(arg, "--not") == 0 && i + 1 < argc && options.n_excepts < PATTERNS_MAX)
            options.excepts[options.n_excepts++] = argv[++i];
        else if (arg[0] != '-' && options.n_patterns < PATTERNS_MAX)
            options.patterns[options.n_patterns++] = arg;
        else {
            rt_printf("# tests: can't use the argument %s\n", arg);
            return false;
        }
    }
    options.seed = knobs.seed != 0 ? knobs.seed : arch_random_seed() >> 1;
    return true;
}

int main(int argc, char **argv)
{
    bool watched = false;
    unsigned n = 0;

    if (!parse(argc, argv))
        return 2;
    cases_init();
    if (options.idle) {
        rt_puts("idle");
        for (;;)
            rt_sleep(INT64_C(1000000000));
    }
    if (options.list) {
        for (size_t i = 0; i < n_cases; i++)
            if (selected(cases[i]))
                list(cases[i]);
        rt_puts("end of list");
        return 0;
    }
    for (size_t i = 0; i < n_cases; i++)
        if (selected(cases[i])) {
            n++;
            watched |= cases[i]->dies_says == NULL || cases[i]->timeout_s != 0;
        }
    rt_printf("KTAP version 1\n");
    rt_printf("# seed=%llu cpus=%u mib=%llu\n", (unsigned long long)options.seed, arch_cpu_count(),
              (unsigned long long)ram_mib());
    rt_printf("1..%u\n", n);
    if (watched)
        goroutine_spawn(watchdog_main, NULL, 0, &(struct rt_go_opts){.name = "watchdog"},
                        (uintptr_t)watchdog_main, (uintptr_t)__builtin_return_address(0));
    for (size_t i = 0; i < n_cases; i++)
        if (selected(cases[i]))
            run_case(cases[i]);

    if (totals.skipped != 0)
        rt_printf("# %u skipped\n", totals.skipped);
    rt_printf("%u passed, %u failed\n", totals.passed, totals.failed);
    return totals.failed != 0;
}
