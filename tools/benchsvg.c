/*
 * tools/benchsvg.c - pictures of what `make bench BENCH=--series` printed.
 *
 *     benchsvg stops LABEL=FILE... >stops.svg      how long single stops took: a histogram
 *     benchsvg gaps LABEL=FILE... >gaps.svg        what a spinning goroutine saw: a timeline
 *
 * Each FILE is a benchmark's output, each LABEL the name that it has in the picture ("Ingot",
 * "Go"). Read are the lines
 *     # series NAME sample-ns NS...       one number for each stop
 *     # series NAME gap-ns AT LENGTH...   pairs: when after the beginning, and for how long
 * Samples of one name are thrown together; of timelines the first is drawn.
 * Durations are on a logarithmic axis: what is compared differs by factors of 10 to 1,000.
 */
#include "tools/common/util.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 860
#define LEFT 150 /* of the plot; names stand before it */
#define RIGHT (WIDTH - 32)
#define ROW 74 /* height of one series */
#define TOP 46
#define DECADE_MIN 2 /* the axis begins at 100 ns ... */
#define DECADES 7    /* ... and ends at 1 s */
#define BINS_PER_DECADE 8

struct series {
    const char *label, *name;
    double *values;
    size_t n, cap;
};

static struct series *all;
static size_t n_all, cap_all;

static const char *const colours[] = {"#1b6ca8", "#c1440e", "#3d7d3d", "#7a4988"};

/* The series that further values belong to: a new one, an earlier one of that name, or none. */
static struct series *series_for(const char *label, const char *name, bool together)
{
    for (size_t i = 0; i < n_all; i++)
        if (strcmp(all[i].label, label) == 0 && strcmp(all[i].name, name) == 0)
            return together ? &all[i] : NULL;
    UTIL_PUSH(all, n_all, cap_all) = (struct series){.label = label, .name = name};
    return &all[n_all - 1];
}

static void read_series(const char *label, const char *path, const char *kind, bool together)
{
    size_t bytes;
    char *text = (char *)util_read_file(path, &bytes);
    size_t before = n_all;

    text = util_printf("%.*s", (int)bytes, text);
    for (char *save, *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        char *inner, *word = strtok_r(line, " \r", &inner);
        if (!word || strcmp(word, "#") || !(word = strtok_r(NULL, " \r", &inner)) ||
            strcmp(word, "series"))
            continue;
        const char *name = strtok_r(NULL, " \r", &inner), *unit = strtok_r(NULL, " \r", &inner);
        if (!name || !unit || strcmp(unit, kind))
            continue;
        struct series *s = series_for(util_intern(label), util_intern(name), together);
        while (s != NULL && (word = strtok_r(NULL, " \r", &inner)) != NULL) {
            char *end;
            double value = strtod(word, &end);
            if (*end != '\0' || value < 0)
                util_die("%s: series %s: %s is no duration", path, name, word);
            UTIL_PUSH(s->values, s->n, s->cap) = value;
        }
    }
    if (n_all == before)
        util_die("%s: there is no line '# series NAME %s ...'; run the benchmarks with --series",
                 path, kind);
}

/* Where a duration lies on an axis of `length`, 0 to length. */
static double on_log(double ns, double length)
{
    double decade = ns < 1 ? DECADE_MIN : log10(ns);

    decade = fmin(fmax(decade, DECADE_MIN), DECADE_MIN + DECADES);
    return (decade - DECADE_MIN) / DECADES * length;
}

static const char *duration(double ns)
{
    return ns < 1e3   ? util_printf("%.0f ns", ns)
           : ns < 1e6 ? util_printf("%.3g µs", ns / 1e3)
           : ns < 1e9 ? util_printf("%.3g ms", ns / 1e6)
                      : util_printf("%.3g s", ns / 1e9);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static const char *colour_of(const struct series *s)
{
    size_t labels = 0;
    for (size_t k = 0; k < n_all && all[k].label != s->label; k++)
        labels += k == 0 || all[k].label != all[k - 1].label;
    return colours[labels % (sizeof colours / sizeof colours[0])];
}

static void open_svg(const char *title, double height)
{
    printf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
           "viewBox=\"0 0 %d %.0f\" font-family=\"sans-serif\" font-size=\"12\">\n"
           "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
           "<text x=\"10\" y=\"20\" font-size=\"15\">%s</text>\n",
           WIDTH, height, WIDTH, height, title);
}

static void names_of_row(const struct series *s, double y)
{
    printf("<text x=\"10\" y=\"%.0f\" fill=\"%s\" font-weight=\"bold\">%s</text>\n"
           "<text x=\"10\" y=\"%.0f\">%s</text>\n",
           y + 28, colour_of(s), s->label, y + 44, s->name);
}

static void draw_stops(void)
{
    enum { BINS = DECADES * BINS_PER_DECADE };
    double foot = TOP + (double)n_all * ROW, plot = RIGHT - LEFT;

    open_svg("How long one stop took (share of the stops; ticks: median and worst)", foot + 40);
    for (int d = 0; d <= DECADES; d++) {
        double x = LEFT + plot * d / DECADES;
        printf("<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%.0f\" stroke=\"#ddd\"/>\n"
               "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%s</text>\n",
               x, TOP - 10, x, foot, x, foot + 18, duration(pow(10, DECADE_MIN + d)));
    }
    for (size_t i = 0; i < n_all; i++) {
        struct series *s = &all[i];
        double y = TOP + (double)i * ROW, share[BINS] = {0}, most = 0;

        qsort(s->values, s->n, sizeof s->values[0], by_value);
        for (size_t k = 0; k < s->n; k++) {
            int bin = (int)on_log(s->values[k], BINS);
            share[bin < BINS ? bin : BINS - 1] += 1.0 / (double)s->n;
        }
        for (int bin = 0; bin < BINS; bin++)
            most = fmax(most, share[bin]);
        names_of_row(s, y);
        for (int bin = 0; bin < BINS; bin++)
            if (share[bin] > 0) {
                double h = fmax(1.5, share[bin] / most * (ROW - 22));
                printf("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                       "fill=\"%s\"/>\n",
                       LEFT + plot * bin / BINS, y + ROW - 10 - h, plot / BINS - 1, h,
                       colour_of(s));
            }
        if (s->n > 0) {
            double marks[] = {s->values[s->n / 2], s->values[s->n - 1]};
            for (int m = 0; m < 2; m++)
                printf("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" font-size=\"10\" "
                       "fill=\"#444\">%s</text>\n",
                       LEFT + on_log(marks[m], plot), y + 8 + 9 * m, duration(marks[m]));
        }
        printf("<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#888\"/>\n", LEFT,
               y + ROW - 10, RIGHT, y + ROW - 10);
    }
    printf("</svg>\n");
}

static void draw_gaps(void)
{
    double span = 0, plot = RIGHT - LEFT, foot = TOP + (double)n_all * ROW;

    for (size_t i = 0; i < n_all; i++)
        if (all[i].n % 2 != 0)
            util_die("series %s of %s: a time without a length", all[i].name, all[i].label);
        else if (all[i].n >= 2)
            span = fmax(span, all[i].values[all[i].n - 2] + all[i].values[all[i].n - 1]);
    if (span <= 0)
        util_die("there is no gap in any of the series");
    open_svg("What a spinning goroutine saw while others allocate: each gap at its time, its "
             "height the length (log)",
             foot + 40);
    for (size_t i = 0; i < n_all; i++) {
        const struct series *s = &all[i];
        double y = TOP + (double)i * ROW, ground = y + ROW - 10, longest = 0;

        names_of_row(s, y);
        for (double ns = 1e5; ns <= 1e7; ns *= 10)
            printf("<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#ddd\"/>\n"
                   "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" font-size=\"9\" "
                   "fill=\"#444\">%s</text>\n",
                   LEFT, ground - on_log(ns, ROW - 16), RIGHT, ground - on_log(ns, ROW - 16),
                   LEFT - 3, ground - on_log(ns, ROW - 16) + 3, duration(ns));
        double column[RIGHT - LEFT] = {0}; /* the longest gap that touches each */
        for (size_t k = 0; k + 1 < s->n; k += 2) {
            int from = (int)(plot * s->values[k] / span);
            int to = (int)(plot * (s->values[k] + s->values[k + 1]) / span);
            for (int x = from; x <= to && x < RIGHT - LEFT; x++)
                column[x] = fmax(column[x], s->values[k + 1]);
            longest = fmax(longest, s->values[k + 1]);
        }
        for (int x = 0, to; x < RIGHT - LEFT; x = to) {
            for (to = x + 1; to < RIGHT - LEFT && column[to] == column[x]; to++)
                ;
            double h = on_log(column[x], ROW - 16);
            if (column[x] > 0)
                printf("<rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" fill=\"%s\"/>\n",
                       LEFT + x, ground - h, to - x, h, colour_of(s));
        }
        printf("<text x=\"10\" y=\"%.0f\" font-size=\"10\" fill=\"#444\">longest %s</text>\n"
               "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#888\"/>\n",
               y + 58, duration(longest), LEFT, ground, RIGHT, ground);
    }
    for (int t = 0; t <= 4; t++)
        printf("<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%s</text>\n",
               LEFT + plot * t / 4, foot + 18, t == 0 ? "0" : duration(span * t / 4));
    printf("</svg>\n");
}

int main(int argc, char **argv)
{
    util_program = "benchsvg";
    bool stops = argc > 2 && strcmp(argv[1], "stops") == 0;
    if (argc < 3 || (!stops && strcmp(argv[1], "gaps") != 0)) {
        fprintf(stderr, "usage: benchsvg stops|gaps LABEL=FILE...\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (equals == NULL || equals == argv[i] || equals[1] == '\0')
            util_die("%s is no LABEL=FILE", argv[i]);
        *equals = '\0';
        read_series(argv[i], equals + 1, stops ? "sample-ns" : "gap-ns", stops);
    }
    if (stops)
        draw_stops();
    else
        draw_gaps();
    return 0;
}
