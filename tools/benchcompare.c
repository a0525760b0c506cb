/*
 * tools/benchcompare.c - lays results of benchmarks side by side.
 *
 *     benchcompare OLD NEW               what changed, and whether it is more than noise
 *     benchcompare -g GOLDEN NEW         fails if a figure is worse than GOLDEN allows
 *     benchcompare -u GOLDEN NEW         prints GOLDEN with NEW's figures
 *     benchcompare -t GOALS OURS GO      Markdown: ours, Go's, ratio, goal, met or not
 *
 * OLD, NEW, OURS and GO are outputs in Go's benchmark format (bench/runner.c, go test -bench,
 * bench/go): lines "BenchmarkName-P  N  value unit  value unit ..."; other lines are ignored.
 * Several lines of one name are samples of the same thing; a figure is their median.
 *
 * NOISE. Instructions repeat exactly, so any difference of theirs is real. For times a difference
 * counts if the Mann-Whitney U test finds the samples different with p < 0.05, as benchstat does;
 * that takes at least 4 samples on each side. Otherwise it is shown as "~".
 *
 * GOLDEN. Lines "name unit value tolerance": a figure may be worse by so many percent (and 0.5). A
 * benchmark that is missing in NEW fails too. Figures that have become better by more than that are
 * named: the file should say so, or the next step back goes unseen.
 *
 * GOALS. Lines "name unit less goal text": `less` is a benchmark whose figure is taken off, on both
 * sides (the empty loop, say), or "-"; `goal` is a number or "-". Units of time and of instructions
 * are Go's ns/op in GO, where one instruction is one nanosecond.
 */
#include "tools/common/util.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct figure {
    const char *name, *unit; /* interned */
    double *values;
    size_t n, cap;
};

struct results {
    struct figure *figures;
    size_t n, cap;
};

static struct figure *find(const struct results *r, const char *name, const char *unit)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->figures[i].name, name) == 0 && strcmp(r->figures[i].unit, unit) == 0)
            return &r->figures[i];
    return NULL;
}

static void add(struct results *r, const char *name, const char *unit, double value)
{
    struct figure *f = find(r, name, unit);

    if (f == NULL) {
        f = &UTIL_PUSH(r->figures, r->n, r->cap);
        *f = (struct figure){.name = util_intern(name), .unit = util_intern(unit)};
    }
    UTIL_PUSH(f->values, f->n, f->cap) = value;
}

/* "BenchmarkName-2": the name alone; NULL if it is none. */
static char *plain_name(const char *word)
{
    if (strncmp(word, "Benchmark", 9) != 0 || word[9] == '\0')
        return NULL;
    char *name = util_printf("%s", word + 9), *dash = strrchr(name, '-');
    if (dash != NULL && dash[1] != '\0' && strspn(dash + 1, "0123456789") == strlen(dash + 1))
        *dash = '\0';
    return name;
}

static void read_line(struct results *r, char *line)
{
    char *save, *word = strtok_r(line, " \t\r", &save);
    char *name = word != NULL ? plain_name(word) : NULL;

    if (name == NULL || (word = strtok_r(NULL, " \t\r", &save)) == NULL)
        return;
    char *end;
    strtoull(word, &end, 10);
    if (*end != '\0')
        return;
    for (;;) {
        char *value = strtok_r(NULL, " \t\r", &save), *unit = strtok_r(NULL, " \t\r", &save);
        if (value == NULL || unit == NULL)
            return;
        double v = strtod(value, &end);
        if (*end != '\0')
            return;
        add(r, name, unit, v);
    }
}

static struct results read_results(const char *path)
{
    struct results r = {0};
    size_t bytes;
    char *text = (char *)util_read_file(path, &bytes), *save;

    text = util_printf("%.*s", (int)bytes, text);
    for (char *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
        read_line(&r, line);
    if (r.n == 0)
        util_die("%s: no benchmark results in it", path);
    return r;
}

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(struct figure *f)
{
    qsort(f->values, f->n, sizeof *f->values, compare_double);
    return f->n % 2 ? f->values[f->n / 2] : (f->values[f->n / 2 - 1] + f->values[f->n / 2]) / 2;
}

/* Half of the range, in percent of the median. */
static double spread(struct figure *f)
{
    double m = median(f);

    return m == 0 ? 0 : 50 * (f->values[f->n - 1] - f->values[0]) / m;
}

static bool is_exact(const char *unit)
{
    return strncmp(unit, "instr", 5) == 0 || strcmp(unit, "B/op") == 0 ||
           strcmp(unit, "allocs/op") == 0 || strcmp(unit, "B") == 0;
}

static bool more_is_better(const char *unit)
{
    return strstr(unit, "B/s") != NULL || strcmp(unit, "utilisation-%") == 0 ||
           strcmp(unit, "worst-10ms-%") == 0;
}

/* ---- Is it more than noise? ---- */

/*
 * Two-sided p of the Mann-Whitney U test. The number of orders of n + m samples that give a U of u
 * follows count(n, m, u) = count(n - 1, m, u - m) + count(n, m - 1, u); ties count half, and u is
 * rounded towards the middle, which can only make p larger.
 */
static double u_test(const struct figure *a, const struct figure *b)
{
    size_t n = a->n, m = b->n, max = n * m;
    double u2 = 0; /* twice U */

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < m; k++)
            u2 += a->values[i] > b->values[k] ? 2 : a->values[i] == b->values[k];
    if (u2 > (double)max)
        u2 = 2 * (double)max - u2;
    size_t u = ((size_t)u2 + 1) / 2;

    /* row[k] holds the counts for (i, k) */
    double **row = util_alloc((m + 1) * sizeof *row), all = 0, tail = 0;
    for (size_t k = 0; k <= m; k++) {
        row[k] = util_alloc((max + 1) * sizeof **row);
        row[k][0] = 1;
    }
    for (size_t i = 1; i <= n; i++)
        for (size_t k = 1; k <= m; k++)
            for (size_t v = max + 1; v-- > 0;)
                row[k][v] = (v >= k ? row[k][v - k] : 0) + row[k - 1][v];
    for (size_t v = 0; v <= max; v++) {
        all += row[m][v];
        if (v <= u)
            tail += row[m][v];
    }
    double p = 2 * tail / all;
    return p < 1 ? p : 1;
}

static bool differs(const struct figure *a, const struct figure *b)
{
    if (is_exact(a->unit))
        return true;
    return a->n >= 4 && b->n >= 4 && u_test(a, b) < 0.05;
}

/* ---- OLD NEW ---- */

static const char *number(double v)
{
    double size = fabs(v);

    return util_printf(size == 0 || size >= 999.5 ? "%.0f"
                       : size >= 99.95            ? "%.1f"
                       : size >= 9.995            ? "%.2f"
                                                  : "%.3f",
                       v);
}

static int compare_files(const char *old_path, const char *new_path)
{
    struct results old = read_results(old_path), new = read_results(new_path);
    unsigned better = 0, worse = 0, same = 0;

    printf("%-24s %-16s %12s %6s %12s %6s %9s\n", "benchmark", "unit", "old", "+-%", "new", "+-%",
           "change");
    for (size_t i = 0; i < old.n; i++) {
        struct figure *a = &old.figures[i], *b = find(&new, a->name, a->unit);
        if (b == NULL)
            continue;
        double x = median(a), y = median(b);
        const char *change = "~";
        if (x == y) {
            change = "=";
            same++;
        } else if (differs(a, b)) {
            bool good = more_is_better(a->unit) ? y > x : y < x;
            change = util_printf("%+.1f%%%s", x == 0 ? 100.0 : 100 * (y - x) / x, good ? "" : " !");
            good ? better++ : worse++;
        } else {
            same++;
        }
        printf("%-24s %-16s %12s %6.1f %12s %6.1f %9s\n", a->name, a->unit, number(x), spread(a),
               number(y), spread(b), change);
    }
    for (size_t i = 0; i < old.n; i++)
        if (find(&new, old.figures[i].name, old.figures[i].unit) == NULL)
            printf("%s %s: only in %s\n", old.figures[i].name, old.figures[i].unit, old_path);
    for (size_t i = 0; i < new.n; i++)
        if (find(&old, new.figures[i].name, new.figures[i].unit) == NULL)
            printf("%s %s: only in %s\n", new.figures[i].name, new.figures[i].unit, new_path);
    printf("%u better, %u worse, %u the same or within noise\n", better, worse, same);
    return 0;
}

/* ---- GOLDEN ---- */

struct golden {
    const char *name, *unit;
    double value, tolerance;
};

/* A line of the golden file; false: a comment or an empty line. */
static bool golden_line(const char *path, unsigned number_of_line, const char *line,
                        struct golden *g)
{
    char name[128], unit[64];

    if (line[strspn(line, " \t\r")] == '#' || line[strspn(line, " \t\r")] == '\0')
        return false;
    if (sscanf(line, "%127s %63s %lf %lf%%", name, unit, &g->value, &g->tolerance) != 4)
        util_die("%s:%u: not \"name unit value tolerance\": %s", path, number_of_line, line);
    g->name = util_intern(name);
    g->unit = util_intern(unit);
    return true;
}

static char *next_line(char **rest)
{
    char *line = *rest, *end;

    if (line == NULL || *line == '\0')
        return NULL;
    end = strchr(line, '\n');
    *rest = end != NULL ? end + 1 : NULL;
    if (end != NULL)
        *end = '\0';
    return line;
}

static char *read_text(const char *path)
{
    size_t bytes;
    uint8_t *data = util_read_file(path, &bytes);

    return util_printf("%.*s", (int)bytes, (const char *)data);
}

static int check_golden(const char *golden_path, const char *new_path)
{
    struct results new = read_results(new_path);
    char *rest = read_text(golden_path), *line;
    unsigned passed = 0, failed = 0, better = 0, at = 0;
    struct golden g;

    while ((line = next_line(&rest)) != NULL) {
        if (!golden_line(golden_path, ++at, line, &g))
            continue;
        struct figure *f = find(&new, g.name, g.unit);
        if (f == NULL) {
            printf("FAIL %s %s: no result\n", g.name, g.unit);
            failed++;
            continue;
        }
        double v = median(f), slack = g.value * g.tolerance / 100 + 0.5;
        double worse = more_is_better(g.unit) ? g.value - v : v - g.value;
        if (worse > slack) {
            printf("FAIL %s: %s %s, was %s (%+.1f%%, %g%% allowed)\n", g.name, number(v), g.unit,
                   number(g.value), g.value == 0 ? 100.0 : 100 * (v - g.value) / g.value,
                   g.tolerance);
            failed++;
            continue;
        }
        passed++;
        if (-worse > slack) {
            printf("better: %s: %s %s, was %s: `make bench-check UPDATE=1` keeps it\n", g.name,
                   number(v), g.unit, number(g.value));
            better++;
        }
    }
    if (better != 0)
        printf("%u better than bench/golden.txt says\n", better);
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0 || passed == 0;
}

static int update_golden(const char *golden_path, const char *new_path)
{
    struct results new = read_results(new_path);
    char *rest = read_text(golden_path), *line;
    unsigned at = 0;
    struct golden g;

    while ((line = next_line(&rest)) != NULL) {
        if (!golden_line(golden_path, ++at, line, &g)) {
            printf("%s\n", line);
            continue;
        }
        struct figure *f = find(&new, g.name, g.unit);
        double v = f != NULL ? median(f) : g.value, slack = g.value * g.tolerance / 100 + 0.5;
        printf("%-22s %-16s %10s %5g%%\n", g.name, g.unit,
               fabs(v - g.value) <= slack / 4 ? number(g.value) : number(v), g.tolerance);
    }
    return 0;
}

/* ---- GOALS ---- */

/* The figure `name` less that of `less`; false if there is none. */
static bool figure_of(const struct results *r, const char *name, const char *unit, const char *less,
                      double *out, double *spread_percent)
{
    struct figure *f = find(r, name, unit), *l = NULL;

    if (f == NULL && strncmp(unit, "instr", 5) == 0)
        f = find(r, name, util_printf("ns%s", unit + 5));
    if (f == NULL)
        return false;
    *out = median(f);
    *spread_percent = spread(f);
    if (strcmp(less, "-") != 0) {
        l = find(r, less, f->unit);
        if (l == NULL)
            return false;
        *out -= median(l);
    }
    return true;
}

/* 12.5 +-3%: half of the range of the samples, if there are several that differ. */
static const char *with_spread(double v, double spread_percent)
{
    return spread_percent < 0.5 ? number(v) : util_printf("%s +-%.0f%%", number(v), spread_percent);
}

static int table(const char *goals_path, const char *ours_path, const char *go_path)
{
    struct results ours = read_results(ours_path), go = read_results(go_path);
    char *rest = read_text(goals_path), *line;
    unsigned at = 0, met = 0, missed = 0;

    printf("| | unit | Ingot | Go | Go / Ingot | goal | |\n");
    printf("| --- | --- | ---: | ---: | ---: | ---: | --- |\n");
    while ((line = next_line(&rest)) != NULL) {
        char name[128], unit[64], less[128], goal[64];
        int text = 0;
        double x, y, x_spread, y_spread;

        at++;
        if (line[strspn(line, " \t\r")] == '#' || line[strspn(line, " \t\r")] == '\0')
            continue;
        if (sscanf(line, "%127s %63s %127s %63s %n", name, unit, less, goal, &text) < 4 ||
            text == 0)
            util_die("%s:%u: not \"name unit less goal text\": %s", goals_path, at, line);
        if (!figure_of(&ours, name, unit, less, &x, &x_spread))
            continue;
        bool have_go = figure_of(&go, name, unit, less, &y, &y_spread);
        const char *verdict = "";
        if (strcmp(goal, "-") != 0) {
            double limit =
                atof(goal) + (is_exact(unit) ? 0.5 : 0); /* the loop's own start is in the figure */
            bool ok = more_is_better(unit) ? x >= limit : x <= limit;
            verdict = ok ? "met" : "**missed**";
            ok ? met++ : missed++;
        }
        const char *ratio = !have_go || x <= 0 || y <= 0
                                ? ""
                                : util_printf("%.1f", more_is_better(unit) ? x / y : y / x);
        printf("| %s | %s | %s | %s | %s | %s | %s |\n", line + text, unit,
               with_spread(x, x_spread), have_go ? with_spread(y, y_spread) : "", ratio,
               strcmp(goal, "-") != 0 ? goal : "", verdict);
    }
    printf("\n%u goals met, %u missed.\n", met, missed);
    return 0;
}

int main(int argc, char **argv)
{
    int mode = 0, c;

    util_program = "benchcompare";
    while ((c = getopt(argc, argv, "gut")) != -1) {
        if (c == '?' || mode != 0)
            mode = '?';
        else
            mode = c;
    }
    argv += optind;
    argc -= optind;
    if (mode == 0 && argc == 2)
        return compare_files(argv[0], argv[1]);
    if (mode == 'g' && argc == 2)
        return check_golden(argv[0], argv[1]);
    if (mode == 'u' && argc == 2)
        return update_golden(argv[0], argv[1]);
    if (mode == 't' && argc == 3)
        return table(argv[0], argv[1], argv[2]);
    fprintf(stderr,
            "usage: benchcompare OLD NEW | -g GOLDEN NEW | -u GOLDEN NEW | -t GOALS OURS GO\n");
    return 2;
}
