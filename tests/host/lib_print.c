/*
 * tests/host/lib_print.c - lib/print.c and strtod() against the host's C library.
 *
 * A million and more random conversions must agree byte for byte, and every number read must be the
 * same double. The host (glibc) is exact, so an agreement is a proof for that value.
 */
#include <wchar.h>

#include "check.h"
#include "rename_libc.h"
#include <lib/decimal.c>
#include <lib/print.c>
#include <lib/convert.c>
#include <lib/math.c>
#include <lib/string.c>

/* The console: one buffer, and a check that begin and end pair up. */
static char console_text[100000];
static size_t console_used;
static int console_held, console_pieces;

void console_begin(void)
{
    checkf(console_held++ == 0, "console_begin nested");
    console_pieces++;
}

void console_put(const char *s, size_t n)
{
    checkf(console_held == 1, "console_put outside begin and end");
    for (size_t i = 0; i < n; i++)
        console_text[console_used++] = s[i];
}

void console_end(void)
{
    checkf(console_held-- == 1, "console_end without begin");
}

#define BUFFER 8192
static char ours[BUFFER], theirs[BUFFER];

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wformat-truncation"
#pragma GCC diagnostic ignored "-Wformat-overflow"
#endif

/* The same call to both; they must agree in text and result. */
#define SAME(fmt, ...)                                                                             \
    do {                                                                                           \
        int n_ours = rt_snprintf(ours, BUFFER, fmt, __VA_ARGS__);                                  \
        int n_theirs = snprintf(theirs, BUFFER, fmt, __VA_ARGS__);                                 \
        checkf(n_ours == n_theirs && n_ours < BUFFER &&                                            \
                   host_memcmp(ours, theirs, (size_t)n_ours + 1) == 0,                             \
               "\"%s\": \"%s\" (%d), host \"%s\" (%d)", fmt, ours, n_ours, theirs, n_theirs);      \
    } while (0)

/* A random format for one conversion: flags of `flags`, width, precision, the given end. */
static const char *random_format(const char *flags, unsigned max_width, int max_precision,
                                 const char *end)
{
    static char fmt[64];
    char *p = fmt;

    if (below(4) == 0)
        *p++ = 'a';
    *p++ = '%';
    for (const char *f = flags; *f; f++)
        if (below(4) == 0)
            *p++ = *f;
    if (below(3) == 0)
        p += sprintf(p, "%u", 1 + below(max_width));
    if (below(3) != 0 && max_precision >= 0)
        p +=
            below(8) == 0 ? sprintf(p, ".") : sprintf(p, ".%u", below((unsigned)max_precision + 1));
    sprintf(p, "%s%s", end, below(4) == 0 ? "b" : "");
    return fmt;
}

/* Doubles as they are met, and as they are feared. */
static double random_double(void)
{
    static const double nice[] = {0,
                                  1,
                                  0.1,
                                  0.5,
                                  1.5,
                                  2.5,
                                  9.5,
                                  99.5,
                                  0.05,
                                  0.15,
                                  0.25,
                                  1e15,
                                  1e16,
                                  1e17,
                                  1e21,
                                  1e22,
                                  1e23,
                                  123456789,
                                  999999.5,
                                  9999995,
                                  0.00001,
                                  0.0001,
                                  0.00009999995,
                                  5e-324,
                                  2.2250738585072014e-308,
                                  2.2250738585072009e-308,
                                  1.7976931348623157e308,
                                  9007199254740992,
                                  4503599627370496.5,
                                  1e308,
                                  1e-308,
                                  INFINITY,
                                  NAN,
                                  1e9,
                                  1e18,
                                  999999999,
                                  999999999.5,
                                  1e-9,
                                  1e-10,
                                  9.9999999999999995e22,
                                  8.5,
                                  0x1p-1074};
    union {
        uint64_t bits;
        double value;
    } u;
    double value;

    switch (below(7)) {
    case 0: /* any bits */
        u.bits = rand64();
        return u.value;
    case 1: /* subnormal */
        u.bits = (rand64() >> (12 + below(52))) | (rand64() & 1ull << 63);
        return u.value;
    case 2:
        value = nice[below(sizeof(nice) / sizeof(*nice))];
        return below(2) ? value : -value;
    case 3: /* short decimals: ties and nines */
        return (double)(int64_t)(rand64() % 2000000 - 1000000) / (double)(1 << below(12));
    case 4:
        return (double)(int64_t)(rand64() % 2000000) / host_pow(10, below(12));
    case 5: /* integers of all sizes */
        return (double)(int64_t)(rand64() >> below(64));
    default: /* moderate size, all bits */
        return host_ldexp((double)(int64_t)rand64(), (int)below(160) - 140);
    }
}

static void test_integers(void)
{
    for (int i = 0; i < 350000; i++) {
        uint64_t v = rand64() >> below(64);
        static const char *const conversions[] = {"d", "i", "u", "o", "x", "X"};
        const char *c = conversions[below(6)];
        bool hex = strchr("oxX", *c) != NULL, sign = strchr("di", *c) != NULL;
        const char *flags = sign ? "-+ 0" : hex ? "-#0" : "-0";
        char end[8];
        int star = (int)below(60) - 30, dots = (int)below(20) - 5;

        if (below(2))
            v = 0 - v;
        if (below(16) == 0)
            v = 0;
        const char *lengths[] = {"", "h", "hh", "l", "ll", "j", "z", "t"};
        unsigned length = below(8);
        sprintf(end, "%s%s", lengths[length], c);
        const char *fmt = random_format(flags, 30, 30, end);
        switch (length) {
        case 0:
            SAME(fmt, (int)v);
            break;
        case 1:
            SAME(fmt, (int)(short)v);
            break;
        case 2:
            SAME(fmt, (int)v); /* the conversion itself has to cut it to a char */
            break;
        default:
            SAME(fmt, v);
        }
        if (below(4) == 0) {
            SAME("%*d|", star, (int)v);
            SAME("%-*.*x|", star, dots, (unsigned)v);
            SAME("%0*ld|", star, (long)v);
        }
    }
}

/*
 * glibc 2.36 drops the zeros of %#g when rounding carries into a new digit (1.e+06
 * for 1.00000e+06). Then %#e with one digit less is what C asks for. Makes that of fmt.
 */
static const char *as_hash_e(const char *fmt)
{
    static char e[64];
    const char *point = strchr(fmt, '.'), *g = strpbrk(fmt, "gG");
    int digits = point == NULL ? 6 : atoi(point + 1);

    sprintf(e, "%.*s.%d%c%s", (int)((point != NULL ? point : g) - fmt), fmt,
            digits > 0 ? digits - 1 : 0, *g - 2, g + 1);
    return e;
}

static void test_doubles(const char *conversions, int n, unsigned max_width, int max_precision)
{
    for (int i = 0; i < n; i++) {
        char end[3] = {conversions[below((unsigned)strlen(conversions))], 0, 0};
        double v = random_double();

        const char *fmt = random_format("-+ #0", max_width, max_precision, end);
        if (strchr(fmt, '#') != NULL && (*end == 'g' || *end == 'G') &&
            rt_snprintf(ours, BUFFER, fmt, v) + snprintf(theirs, BUFFER, fmt, v) > 0 &&
            strcmp(ours, theirs) != 0)
            fmt = as_hash_e(fmt);
        SAME(fmt, v);
    }
}

static void test_texts(void)
{
    static const char text[] = "The quick brown fox";

    for (int i = 0; i < 50000; i++) {
        const char *fmt = random_format("-", 40, 30, "s");
        const char *s = text + below(sizeof(text));
        SAME(fmt, s);
        fmt = random_format("-", 10, -1, "c");
        int c = (int)below(256);
        SAME(fmt, c);
        void *p = (void *)(uintptr_t)(rand64() >> below(63));
        fmt = random_format("-", 30, -1, "p");
        if (p != NULL) /* the host says (nil) */
            SAME(fmt, p);
    }
    SAME("%s", "");
    SAME("100%% %s %d%%", "sure", 5);
    SAME("%-5d|%+.3e", 7, 1.0);
    SAME("%.*s|%*s|%-*s|", 3, "abcdef", 6, "xy", 6, "xy");
    char all[256];
    for (int i = 0; i < 255; i++)
        all[i] = (char)(i + 1);
    all[255] = 0;
    SAME("%s%s%s", all, all, all);
    /* arguments beyond the registers, of both kinds, in order */
    SAME("%d %g %d %g %d %g %d %g %d %g %d %g %d %g %d %g %d %g %d %g", 1, 1.5, 2, 2.5, 3, 3.5, 4,
         4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 8.5, 9, 9.5, 10, 10.5);
    SAME("%Lf %d %Lg %s", (long double)1.25, 3, (long double)1e300, "end");
}

static void expect_text(int n, const char *want)
{
    checkf(strcmp(ours, want) == 0 && n == (int)strlen(want), "\"%s\" (%d), wanted \"%s\"", ours, n,
           want);
}

/* Where we differ from the host, on purpose; rt/print.h says how. */
static void test_own_ways(void)
{
    int unused = 42;

    expect_text(rt_snprintf(ours, BUFFER, "%p|%10p|%-5p|", NULL, NULL, NULL),
                "0x0|       0x0|0x0  |");
    expect_text(rt_snprintf(ours, BUFFER, "%s|%.3s|%10s", (char *)NULL, (char *)NULL, (char *)NULL),
                "(null)|(nu|    (null)");
    expect_text(rt_snprintf(ours, BUFFER, "a%nb%5.3lnc %d", 1), "a%nb%5.3lnc 1");
    checkf(unused == 42, "%%n wrote");
    expect_text(rt_snprintf(ours, BUFFER, "%y %d %-08.3k", 3), "%y 3 %-08.3k");
    expect_text(rt_snprintf(ours, BUFFER, "%d %", 3), "3 %");
    expect_text(rt_snprintf(ours, BUFFER, "%d %-5.3l", 3), "3 %-5.3l");
    expect_text(rt_snprintf(ours, BUFFER, "%ls|%8ls|%-8ls|%.5ls|%lc", L"a\u00e4\u20ac\U0001f600",
                            L"\u00e4", L"\u00e4", L"\u20ac\u20ac", (wint_t)0x20ac),
                "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80|      \xc3\xa4|\xc3\xa4      "
                "|\xe2\x82\xac|\xe2\x82\xac");
    expect_text(rt_snprintf(ours, BUFFER, "%lc%lc", (wint_t)0xd800, (wint_t)0x110000),
                "\xef\xbf\xbd\xef\xbf\xbd");

    const char *number = "99999999999999d";
    checkf(parse_number(&number) == INT_MAX && *number == 'd', "a width stops at INT_MAX");
    size_t n = INT_MAX / 8;
    char *long_text = malloc(n + 1);
    memset(long_text, 'x', n);
    long_text[n] = 0;
    const char *l = long_text;
    checkf(rt_snprintf(NULL, 0, "%s%s%s%s%s%s%s%s%s", l, l, l, l, l, l, l, l, "1234567") == INT_MAX,
           "INT_MAX bytes is INT_MAX");
    checkf(rt_snprintf(NULL, 0, "%s%s%s%s%s%s%s%s%s", l, l, l, l, l, l, l, l, "12345678") == -1,
           "more than INT_MAX bytes is -1");
    free(long_text);
}

static void test_truncation(void)
{
    for (int i = 0; i < 20000; i++) {
        size_t size = below(40);
        double v = random_double();

        memset(ours, 'x', 64);
        memset(theirs, 'x', 64);
        struct rng before = check_rng;
        int n_ours = rt_snprintf(ours, size, "ab%.*e%5d", (int)below(20), v, (int)below(100000));
        check_rng = before; /* the same two numbers again */
        int n_theirs = snprintf(theirs, size, "ab%.*e%5d", (int)below(20), v, (int)below(100000));
        checkf(n_ours == n_theirs && host_memcmp(ours, theirs, 64) == 0,
               "size %zu: \"%.60s\" (%d), host \"%.60s\" (%d)", size, ours, n_ours, theirs,
               n_theirs);
    }
    checkf(rt_snprintf(NULL, 0, "%d", 12345) == 5, "a NULL buffer of no size");
}

static void test_console(void)
{
    for (int width = 0; width < 2000; width += width < 600 ? 1 : 97) {
        console_used = 0;
        console_pieces = 0;
        int n = rt_printf("<%*d %s>", width, 5, "end");
        int want = snprintf(theirs, BUFFER, "<%*d %s>", width, 5, "end");
        checkf(n == want && console_used == (size_t)n && console_pieces == 1 && console_held == 0 &&
                   host_memcmp(console_text, theirs, (size_t)n) == 0,
               "console, width %d: %d, %zu, %d pieces", width, n, console_used, console_pieces);
    }
    console_used = 0;
    checkf(rt_puts("line") == 5 && console_used == 5 && host_memcmp(console_text, "line\n", 5) == 0,
           "rt_puts");
    memset(theirs, 7, BUFFER);
    console_used = 0;
    rt_write(theirs, 5000);
    rt_write(theirs, 0);
    checkf(console_used == 5000 && host_memcmp(console_text, theirs, 5000) == 0, "rt_write");
}

static bool same_double(double a, double b)
{
    return host_memcmp(&a, &b, sizeof(a)) == 0 || (a != a && b != b);
}

static void check_strtod(const char *text)
{
    char *end_ours, *end_theirs;
    double a = strtod(text, &end_ours), b = host_strtod(text, &end_theirs);

    checkf(same_double(a, b) && end_ours == end_theirs,
           "strtod(\"%.200s\"): %a after %zd, host %a after %zd", text, a, end_ours - text, b,
           end_theirs - text);
}

/* A decimal text of the point halfway between v and the next double, and its neighbours. */
static void check_halfway(double v)
{
    static char text[1200];
    char *p;

    if (!(fabs(v) < 1e308 && v != 0))
        return;
    double next = nextafter(v, INFINITY);
    long double middle = ((long double)v + next) / 2;
    int n = snprintf(text, sizeof(text), "%.1080Lg", middle);
    check_strtod(text);
    text[n] = '1'; /* just above, if there is a point; else ten times larger */
    text[n + 1] = 0;
    check_strtod(text);
    for (p = text + n - 1; p >= text && (*p < '1' || *p > '9'); p--)
        ;
    if (p >= text && strchr(text, 'e') == NULL) {
        --*p;
        text[n] = 0;
        check_strtod(text);
    }
}

static void test_strtod(void)
{
    static const char *const fixed[] = {
        "",
        " ",
        "+",
        "-",
        ".",
        "e5",
        ".e5",
        "0",
        "-0",
        "00.00",
        "1",
        " \t\n\v\f\r1",
        "1.",
        ".5",
        "1.e",
        "1.e+",
        "1.e+2",
        "1e5x",
        "1..2",
        "1e-",
        "0x",
        "0x.",
        "0x.p1",
        "0xp1",
        "0x1p",
        "0x1p+",
        "0x1p-1",
        "0x.8p1",
        "0xg",
        "inf",
        "-INF",
        "infinit",
        "Infinity!",
        "nan",
        "NaN(",
        "nan(abc)",
        "nan(a-b)",
        "-nan(1_2)",
        "in",
        "na",
        "1e400",
        "-1e400",
        "1e-400",
        "1e99999999999999999999",
        "1e-99999999999999999999",
        "0e99999999999999999999",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "17976931348623159e292",
        "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017"
        "977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273"
        "854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704"
        "342711559699508093042880",
        "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017"
        "977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273"
        "854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704"
        "342711559699508093042879.9999",
        "4.9406564584124654e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.2250738585072011e-308",
        "2.2250738585072012e-308",
        "9007199254740993",
        "9007199254740992.99999999999",
        "9007199254740993.00000000001",
        "0x1.fffffffffffff7p1023",
        "0x1.fffffffffffff8p1023",
        "0x1p1024",
        "0x1p-1074",
        "0x1p-1075",
        "0x1.8p-1075",
        "0x1.00000000000008p0",
        "0x1.000000000000080000000000001p0",
        "0x1.00000000000018p0",
        "0x0.00000000000000000000000000001p0",
        "0x10000000000000000000000000000000p-200",
        "0x1p99999999999",
        "0x1p-99999999999",
        "0x0p99999999999"};

    for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
        check_strtod(fixed[i]);

    static char text[2048];
    /* just above a halfway point, by a digit that may have no room [decimal.2] */
    for (size_t zeros = 0; zeros < 1000; zeros++) {
        size_t n = (size_t)sprintf(text, "9007199254740993.");

        for (size_t i = 0; i < zeros; i++)
            text[n++] = '0';
        text[n++] = '1';
        text[n] = 0;
        check_strtod(text);
    }
    for (int e = -10000; e < 10000; e++) {
        sprintf(text, "0x1.8p%d", e);
        check_strtod(text);
    }
    for (int i = 0; i < 100000; i++) {
        double v = random_double();
        static const char *const formats[] = {"%.17g", "%.*g", "%.*e", "%a", "%.*f", "%.*a"};

        if (below(2000) == 0)
            check_halfway(v);
        if (fabs(v) > 1e100 && below(50) != 0)
            v = 1 / v;
        const char *fmt = formats[below(6)];
        if (strchr(fmt, '*'))
            snprintf(text, sizeof(text), fmt, (int)below(40), v);
        else
            snprintf(text, sizeof(text), fmt, v);
        check_strtod(text);
    }
    for (int i = 0; i < 100000; i++) { /* texts that nobody printed */
        static const char letters[] = "0123456789012345678999..eE+-x";
        size_t n = below(30);

        for (size_t k = 0; k < n; k++)
            text[k] = letters[below(sizeof(letters) - 1)];
        text[n] = 0;
        check_strtod(text);
        n = 0; /* a mantissa and an exponent */
        for (unsigned k = below(25) + 1; k > 0; k--)
            text[n++] = letters[below(24)];
        snprintf(text + n, 32, "e%d", (int)below(700) - 350);
        check_strtod(text);
    }
    for (int i = 0; i < 200; i++) { /* long ones, with zeros in front or behind */
        size_t n = 0, zeros = below(600);

        text[n++] = '0' + (char)below(2);
        if (below(2))
            text[n++] = '.';
        while (zeros-- > 0)
            text[n++] = '0';
        for (unsigned k = below(900); k > 0; k--)
            text[n++] = '0' + (char)below(10);
        text[n] = 0;
        check_strtod(text);
        snprintf(text + n, 32, "e%d", (int)below(1600) - 800);
        check_strtod(text);
    }
}

int main(void)
{
    check_seed();
    test_integers();
    group("integers, all lengths and flags");
    test_doubles("feg", 250000, 40, 25);
    group("%f %e %g");
    test_doubles("FEGaA", 200000, 40, 25);
    group("%F %E %G %a %A");
    test_doubles("fegFEGaA", 3000, 2000, 1200);
    group("doubles to a thousand digits");
    test_texts();
    group("strings, characters, pointers, many arguments");
    test_own_ways();
    group("what differs from the host on purpose");
    test_truncation();
    group("rt_snprintf cuts and counts");
    test_console();
    group("the console gets each text in one piece");
    test_strtod();
    group("reading numbers: the same double and the same end");
    return check_end();
}
