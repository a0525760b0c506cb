/*
 * tests/host/tools_benchcompare.c - tools/benchcompare.c: reading, judging noise, the golden file.
 */
#define main benchcompare_main
#include "tools/benchcompare.c"
#undef main

#include "tools/common/util.c"
#include "tests/host/check.h"

static const char *file(const char *text)
{
    static unsigned n;
    const char *path = util_printf("/tmp/benchcompare.%ld.%u", (long)getpid(), n++);

    util_write_file(path, text, strlen(text));
    return path;
}

static void lines_are_read(void)
{
    const char *path = file("goos: ingot\r\nBenchmarkYield-2   100   12.5 ns/op  3 B/op\r\n"
                            "# Yield: median 12\nBenchmarkYield-2 100 13.5 ns/op 3 B/op\n"
                            "BenchmarkYield\nBenchmarkChan-16-4 7 1 ns/op\nBenchmark 1 2 ns/op\n");
    struct results r = read_results(path);
    struct figure *f = find(&r, "Yield", "ns/op");

    checkf(f != NULL && f->n == 2 && median(f) == 13, "two samples, and their median");
    checkf(find(&r, "Yield", "B/op") != NULL, "the second unit");
    checkf(find(&r, "Chan-16", "ns/op") != NULL, "only the cores are taken off a name");
    checkf(r.n == 3, "nothing else");
    unlink(path);
}

static struct figure figure_with(const char *unit, size_t n, const double *values)
{
    struct figure f = {.name = "x", .unit = unit};

    for (size_t i = 0; i < n; i++)
        UTIL_PUSH(f.values, f.n, f.cap) = values[i];
    return f;
}

/* Against the tables of the Mann-Whitney U distribution. */
static void noise_is_judged(void)
{
    const double low[] = {1, 2, 3, 4, 5}, high[] = {6, 7, 8, 9, 10},
                 mixed[] = {1.5, 3.5, 2.5, 4.5, 7};
    struct figure a = figure_with("ns/op", 5, low), b = figure_with("ns/op", 5, high);
    struct figure m = figure_with("ns/op", 5, mixed), a3 = figure_with("ns/op", 3, low);
    struct figure b3 = figure_with("ns/op", 3, high), exact = figure_with("instr/op", 1, low);

    checkf(fabs(u_test(&a, &b) - 2.0 / 252) < 1e-9, "U = 0 of 5 and 5: p = 2/252");
    checkf(fabs(u_test(&b, &a) - 2.0 / 252) < 1e-9, "the same the other way round");
    checkf(fabs(u_test(&a3, &b3) - 2.0 / 20) < 1e-9, "U = 0 of 3 and 3: p = 0.1");
    checkf(u_test(&a, &m) > 0.3, "mixed samples: no difference");
    checkf(u_test(&a, &a) == 1, "equal samples: p = 1");
    checkf(differs(&a, &b) && !differs(&a, &m), "5 samples tell");
    checkf(!differs(&a3, &b3), "3 samples never do");
    checkf(differs(&exact, &exact), "instructions are exact");
}

static int golden(const char *text, const char *results)
{
    const char *g = file(text), *r = file(results);

    fflush(stdout);
    int status = check_golden(g, r);
    unlink(g);
    unlink(r);
    return status;
}

static void golden_is_guarded(void)
{
    const char *g = "# comment\n\nYield instr/op 100 2%\nStop max-ns 850 10%\n";

    printf("(six reports follow, four of them failures that are meant)\n");
    checkf(golden(g, "BenchmarkYield-1 9 100 instr/op\nBenchmarkStop-1 1 850 max-ns\n") == 0,
           "the same");
    checkf(golden(g, "BenchmarkYield-1 9 102.4 instr/op\nBenchmarkStop-1 1 100 max-ns\n") == 0,
           "worse within the tolerance and half an instruction, and better");
    checkf(golden(g, "BenchmarkYield-1 9 102.6 instr/op\nBenchmarkStop-1 1 850 max-ns\n") != 0,
           "worse");
    checkf(golden(g, "BenchmarkYield-1 9 100 instr/op\n") != 0, "one is missing");
    checkf(golden(g, "BenchmarkYield-1 9 100 instr/op\nBenchmarkStop-1 1 950 max-ns\n") != 0,
           "the other is worse");
    checkf(golden("MarkRate MB/s 300 5%\n", "BenchmarkMarkRate-1 1 200 MB/s\n") != 0,
           "of a rate, less is worse");
}

int main(void)
{
    lines_are_read();
    noise_is_judged();
    golden_is_guarded();
    util_free_all();
    return check_end();
}
