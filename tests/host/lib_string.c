/*
 * tests/host/lib_string.c - string, sort, integer and math functions against the host's C library.
 *
 * Copies and fills are tried at every alignment and overlap, with and without the byte-wise string
 * instructions; readers of text also just before a page that may not be touched. Math results are
 * compared with the host's long double functions, in units of the last place.
 */
#include <sys/mman.h>

#include "check.h"
#include "rename_libc.h"
#include <lib/decimal.c>
#include <lib/convert.c>
#include <lib/cstdlib.c>
#include <lib/math.c>
#include <lib/sort.c>
#include <lib/string.c>

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

/* ---- Memory ---- */

#define AREA 4096
static unsigned char ours[AREA], theirs[AREA];

static void randomize_areas(void)
{
    for (size_t i = 0; i < AREA; i++)
        ours[i] = theirs[i] = (unsigned char)rand64();
}

static void check_areas(const char *what, size_t to, size_t from, size_t n)
{
    checkf(host_memcmp(ours, theirs, AREA) == 0, "%s to %zu from %zu, %zu bytes, erms %d", what, to,
           from, n, string_use_erms);
    if (host_memcmp(ours, theirs, AREA) != 0)
        randomize_areas();
}

static void test_copy_fill(void)
{
    randomize_areas();
    for (int erms = 0; erms < 2; erms++) {
        string_use_erms = erms;
        for (int i = 0; i < 150000; i++) {
            size_t n = below(4) == 0 ? below(AREA - 200) : below(100);
            size_t to = below((unsigned)(AREA - n + 1)), from = below((unsigned)(AREA - n + 1));

            if (below(2)) { /* near each other */
                from = to + below(64);
                if (from + n > AREA)
                    from = AREA - n;
                if (below(2)) {
                    size_t t = from;
                    from = to;
                    to = t;
                }
            }
            checkf(memmove(ours + to, ours + from, n) == ours + to, "memmove's result");
            host_memmove(theirs + to, theirs + from, n);
            check_areas("memmove", to, from, n);
            if (to + n <= from || from + n <= to) {
                checkf(memcpy(ours + to, ours + from, n) == ours + to, "memcpy's result");
                host_memmove(theirs + to, theirs + from, n);
                check_areas("memcpy", to, from, n);
            }
            if (below(4) == 0) {
                int byte = (int)below(1000) - 500;

                checkf(memset(ours + to, byte, n) == ours + to, "memset's result");
                host_memset(theirs + to, byte, n);
                check_areas("memset", to, 0, n);
            }
        }
    }
    /* every small length at every alignment and distance */
    for (size_t n = 0; n < 80; n++)
        for (size_t to = 0; to < 100; to++) {
            memmove(ours + to, ours + 50, n);
            host_memmove(theirs + to, theirs + 50, n);
            memset(ours + 1000 + to, (int)n, n);
            host_memset(theirs + 1000 + to, (int)n, n);
            check_areas("small memmove, memset", to, 50, n);
        }
    string_use_erms = false;
}

static void test_compare_find(void)
{
    for (int i = 0; i < 200000; i++) {
        size_t n = below(60);
        unsigned char *a = ours + below(20), *b = theirs + below(20);

        for (size_t k = 0; k < n; k++)
            a[k] = b[k] = (unsigned char)(below(3) * 127);
        if (n > 0 && below(3) != 0)
            a[below((unsigned)n)] = (unsigned char)rand64();
        checkf(sign(memcmp(a, b, n)) == sign(host_memcmp(a, b, n)), "memcmp");
        int byte = (int)below(3) * 127 + (int)below(2) * 256;
        checkf(memchr(a, byte, n) == host_memchr(a, byte, n), "memchr");
    }
}

/* ---- Strings ---- */

/* A random text from a small alphabet, at the very end of `page`, behind which nothing may
 * be read. */
static char *text_at_end(char *page, size_t page_bytes, unsigned max, unsigned alphabet)
{
    size_t n = below(max);
    char *s = page + page_bytes - n - 1;

    for (size_t i = 0; i < n; i++)
        s[i] = (char)(below(8) == 0 ? 200 + below(3) : 'a' + below(alphabet));
    s[n] = 0;
    return s;
}

static char *guarded_page(void)
{
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED || mprotect(p + 4096, 4096, PROT_NONE) != 0) {
        printf("no memory for the test\n");
        exit(1);
    }
    return p;
}

static void test_strings(void)
{
    char *page_a = guarded_page(), *page_b = guarded_page();

    for (int i = 0; i < 200000; i++) {
        unsigned alphabet = 1 + below(3);
        char *a = text_at_end(page_a, 4096, 50, alphabet),
             *b = text_at_end(page_b, 4096, below(3) ? 5 : 50, alphabet);
        size_t n = below(60);
        int c = below(10) == 0 ? 0 : a[below((unsigned)host_strlen(a) + 1)] + 256 * (int)below(2);

        if (below(4) == 0 && host_strlen(a) >= host_strlen(b)) /* equal, at the end */
            host_memmove(b, a + host_strlen(a) - host_strlen(b), host_strlen(b));
        checkf(strlen(a) == host_strlen(a), "strlen");
        checkf(strnlen(a, n) == host_strnlen(a, n), "strnlen");
        checkf(sign(strcmp(a, b)) == sign(host_strcmp(a, b)), "strcmp %s %s", a, b);
        checkf(sign(strncmp(a, b, n)) == sign(host_strncmp(a, b, n)), "strncmp %s %s %zu", a, b, n);
        checkf(strchr(a, c) == host_strchr(a, c), "strchr %s %d", a, c);
        checkf(strrchr(a, c) == host_strrchr(a, c), "strrchr %s %d", a, c);
        checkf(strstr(a, b) == host_strstr(a, b), "strstr %s %s", a, b);
        checkf(strspn(a, b) == host_strspn(a, b), "strspn %s %s", a, b);
        checkf(strcspn(a, b) == host_strcspn(a, b), "strcspn %s %s", a, b);
        checkf(strpbrk(a, b) == host_strpbrk(a, b), "strpbrk %s %s", a, b);

        /* copies: the byte after the end shows a write too far */
        memset(ours, 7, 300);
        host_memset(theirs, 7, 300);
        checkf(strcpy((char *)ours, a) == (char *)ours, "strcpy's result");
        host_strcpy((char *)theirs, a);
        strcat((char *)ours, b);
        host_strcpy((char *)theirs + host_strlen((char *)theirs), b);
        strncat((char *)ours, a, n);
        host_strncat((char *)theirs, a, n);
        checkf(host_memcmp(ours, theirs, 300) == 0, "strcpy, strcat, strncat %s %s %zu", a, b, n);
        strncpy((char *)ours, a, n);
        host_strncpy((char *)theirs, a, n);
        checkf(host_memcmp(ours, theirs, 300) == 0, "strncpy %s %zu", a, n);

        /* tokens: cut a copy of the same text by both */
        char *state_ours, *state_theirs, *p, *q;
        host_strcpy((char *)ours, a);
        host_strcpy((char *)theirs, a);
        p = strtok_r((char *)ours, b, &state_ours);
        q = host_strtok_r((char *)theirs, b, &state_theirs);
        while (p != NULL && q != NULL && p - (char *)ours == q - (char *)theirs &&
               host_strcmp(p, q) == 0) {
            p = strtok_r(NULL, b, &state_ours);
            q = host_strtok_r(NULL, b, &state_theirs);
        }
        checkf(p == NULL && q == NULL, "strtok_r %s %s", a, b);
    }
    for (size_t n = 0; n < 64; n++) { /* strlen and friends at each distance from the guard */
        char *s = page_a + 4095 - n;

        host_memset(s, 'x', n);
        s[n] = 0;
        checkf(strlen(s) == n && memchr(s, 'y', n + 1) == NULL && memcmp(s, s, n + 1) == 0,
               "at the guard");
    }
}

static void test_integers_from_text(void)
{
    static const char letters[] = "00112345789abcxyzXZ-+ \t_";
    static const char *const fixed[] = {"9223372036854775807",
                                        "9223372036854775808",
                                        "-9223372036854775808",
                                        "0",
                                        "-9223372036854775809",
                                        "18446744073709551615",
                                        "18446744073709551616",
                                        "-18446744073709551615",
                                        "0x",
                                        "0xg",
                                        "-0x1f",
                                        "0X1F",
                                        "077",
                                        "08",
                                        "",
                                        "-",
                                        " \n+12",
                                        "0x7fffffffffffffff",
                                        "99999999999999999999999999",
                                        "zz",
                                        "--1"};
    char text[32], *end_ours, *end_theirs;

    for (int i = 0; i < 300000; i++) {
        int base = below(3) ? (int)below(4) * 6 - (below(2) ? 2 : 0) : (int)below(37);
        size_t n = below(25);

        if (base < 0 || base == 1)
            base = 10;
        for (size_t k = 0; k < n; k++)
            text[k] = letters[below(below(4) ? 13 : sizeof(letters) - 1)];
        text[n] = 0;
        if (below(8) == 0)
            host_strcpy(text, fixed[below(sizeof(fixed) / sizeof(*fixed))]);
        long a = strtol(text, &end_ours, base), b = host_strtol(text, &end_theirs, base);
        checkf(a == b && end_ours == end_theirs, "strtol(\"%s\", %d): %ld, host %ld", text, base, a,
               b);
        unsigned long c = strtoul(text, &end_ours, base), d = host_strtoul(text, &end_theirs, base);
        checkf(c == d && end_ours == end_theirs, "strtoul(\"%s\", %d): %lu, host %lu", text, base,
               c, d);
    }
    checkf(atoi("-12x") == -12 && atol(" 99") == 99 && atoll("1") == 1 && atof("2.5e1") == 25,
           "atoi and kin");
    checkf(strtol("12", NULL, 10) == 12 && strtoll("-5", NULL, 0) == -5 &&
               strtoull("7", NULL, 0) == 7,
           "no end");
    checkf(abs(-3) == 3 && labs(-3) == 3 && llabs(LLONG_MAX) == LLONG_MAX, "abs");
    srand(5);
    int first = rand(), second = rand();
    srand(5);
    checkf(first == rand() && second == rand() && first != second && first >= 0, "rand repeats");
}

/* ---- Sorting ---- */

static unsigned long n_compares;
static size_t sort_bytes;

static int compare_long(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;

    n_compares++;
    return (x > y) - (x < y);
}

static int compare_bytes(const void *a, const void *b)
{
    return host_memcmp(a, b, sort_bytes);
}

static int compare_always_less(const void *a, const void *b)
{
    (void)a;
    (void)b;
    return -1;
}

static int compare_always_greater(const void *a, const void *b)
{
    (void)a;
    (void)b;
    return 1;
}

static int compare_nonsense(const void *a, const void *b)
{
    (void)a;
    (void)b;
    return (int)below(3) - 1;
}

/*
 * McIlroy's killer adversary (A Killer Adversary for Quicksort, 1999): values are decided only when
 * they are compared, so that each pivot turns out to be among the smallest.
 */
static long *killer_value, killer_solid, killer_candidate, killer_gas;

static int compare_killer(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;

    n_compares++;
    if (killer_value[x] == killer_gas && killer_value[y] == killer_gas)
        killer_value[x == killer_candidate ? x : y] = killer_solid++;
    if (killer_value[x] == killer_gas)
        killer_candidate = x;
    else if (killer_value[y] == killer_gas)
        killer_candidate = y;
    return (killer_value[x] > killer_value[y]) - (killer_value[x] < killer_value[y]);
}

#define SORT_MAX 100000

static void check_sort(const char *what, long *values, long *copy, size_t n)
{
    unsigned log2_n = n > 1 ? log2_ceil(n) : 1;

    host_memmove(copy, values, n * sizeof(long));
    n_compares = 0;
    qsort(values, n, sizeof(long), compare_long);
    unsigned long used = n_compares;
    host_qsort(copy, n, sizeof(long), compare_long);
    checkf(host_memcmp(values, copy, n * sizeof(long)) == 0, "qsort: %s, %zu elements: wrong order",
           what, n);
    checkf(used <= 3 * n * log2_n / 2 + 20, "qsort: %s, %zu elements: %lu compares", what, n, used);
}

static void test_sort(void)
{
    static long values[SORT_MAX], copy[SORT_MAX];
    static const size_t sizes[] = {0, 1, 2, 3, 11, 12, 13, 14, 50, 1000, SORT_MAX};

    for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
        size_t n = sizes[s];
#define FILL_AND_CHECK(what, value)                                                                \
    for (size_t i = 0; i < n; i++)                                                                 \
        values[i] = (long)(value);                                                                 \
    check_sort(what, values, copy, n)
        FILL_AND_CHECK("random", rand64());
        FILL_AND_CHECK("two values", rand64() & 1);
        FILL_AND_CHECK("sorted", i);
        FILL_AND_CHECK("reversed", n - i);
        FILL_AND_CHECK("all equal", 7);
        FILL_AND_CHECK("organ pipe", i < n / 2 ? i : n - i);
        FILL_AND_CHECK("saw tooth", i % 17);
        FILL_AND_CHECK("sorted but one", i == n / 2 ? 0 : i);
    }

    killer_value = copy;
    killer_gas = SORT_MAX;
    killer_solid = killer_candidate = 0;
    for (long i = 0; i < SORT_MAX; i++) {
        values[i] = i;
        copy[i] = killer_gas;
    }
    n_compares = 0;
    qsort(values, SORT_MAX, sizeof(long), compare_killer);
    checkf(n_compares < 5ul * SORT_MAX * 17, "qsort: the killer adversary got %lu compares",
           n_compares);
    printf("  (qsort against the killer adversary: %lu compares for %d elements, n log2 n is %d)\n",
           n_compares, SORT_MAX, SORT_MAX * 17);

    for (size_t bytes = 1; bytes < 40; bytes++) { /* element sizes and alignments */
        size_t n = below(200), offset = below(8);

        sort_bytes = bytes;
        for (size_t i = 0; i < n * bytes; i++)
            ours[(offset + i) % AREA] = (unsigned char)below(4);
        n = n * bytes > AREA - 8 ? (AREA - 8) / bytes : n;
        host_memmove(theirs, ours, AREA);
        qsort(ours + offset, n, bytes, compare_bytes);
        host_qsort(theirs + offset, n, bytes, compare_bytes);
        checkf(host_memcmp(ours, theirs, AREA) == 0, "qsort: %zu elements of %zu bytes", n, bytes);
    }

    uint64_t sum_before = 0, sum_after = 0; /* [sort.3] */
    for (size_t i = 0; i < 5000; i++)
        sum_before += (uint64_t)(values[i] = (long)rand64());
    qsort(values, 5000, sizeof(long), compare_nonsense);
    qsort(values, 5000, sizeof(long), compare_always_less);
    qsort(values, 5000, sizeof(long), compare_always_greater);
    char *exact = calloc(1000, 1); /* where the sanitizer sees an access outside */
    for (int i = 0; i < 1000; i++)
        exact[i] = (char)i;
    qsort(exact, 500, 2, compare_always_less);
    qsort(exact, 1000, 1, compare_always_greater);
    free(exact);
    for (size_t i = 0; i < 5000; i++)
        sum_after += (uint64_t)values[i];
    checkf(sum_before == sum_after, "qsort: a nonsensical comparison lost elements");

    for (size_t n = 0; n < 40; n++) {
        for (size_t i = 0; i < n; i++)
            values[i] = (long)(2 * i);
        for (long key = -1; key <= (long)(2 * n); key++) {
            long *found = bsearch(&key, values, n, sizeof(long), compare_long);
            bool there = key >= 0 && key % 2 == 0 && key < (long)(2 * n);
            checkf(there ? found == values + key / 2 : found == NULL, "bsearch %ld of %zu", key, n);
        }
    }
}

/* ---- Mathematics ---- */

static double any_double(void)
{
    static const double special[] = {0.0,
                                     -0.0,
                                     1,
                                     -1,
                                     0.5,
                                     -0.5,
                                     1.5,
                                     2.5,
                                     -2.5,
                                     3,
                                     -3,
                                     1e300,
                                     -1e300,
                                     1e-300,
                                     INFINITY,
                                     -INFINITY,
                                     NAN,
                                     5e-324,
                                     -5e-324,
                                     0x1p52,
                                     0x1p53,
                                     0x1p63,
                                     -0x1p63,
                                     4503599627370495.5,
                                     0.49999999999999994,
                                     2.2250738585072014e-308,
                                     1.7976931348623157e308,
                                     2,
                                     10,
                                     709.78,
                                     -745.2,
                                     0x1p-1022};
    switch (below(4)) {
    case 0:
        return special[below(sizeof(special) / sizeof(*special))];
    case 1: {
        double x = double_from(rand64());
        return x == x ? x : NAN; /* no signalling NaN: hosts differ */
    }
    case 2:
        return (double)(int64_t)rand64() * 0x1p-60;
    default:
        return (double)((int64_t)below(2000) - 1000) / (1 << below(4));
    }
}

static bool same(double a, double b)
{
    return double_bits(a) == double_bits(b) || (a != a && b != b);
}

static void test_exact_math(void)
{
    for (int i = 0; i < 300000; i++) {
        double x = any_double(), y = any_double(), whole_ours, whole_theirs;
        int n = (int)below(5000) - 2500, e_ours, e_theirs;

#define SAME1(f) checkf(same(f(x), host_##f(x)), #f "(%a): %a, host %a", x, f(x), host_##f(x))
#define SAME2(f)                                                                                   \
    checkf(same(f(x, y), host_##f(x, y)), #f "(%a, %a): %a, host %a", x, y, f(x, y), host_##f(x, y))
        SAME1(fabs);
        SAME1(sqrt);
        SAME1(floor);
        SAME1(ceil);
        SAME1(trunc);
        SAME1(round);
        SAME1(rint);
        SAME2(copysign);
        SAME2(fmod);
        if (x != 0 || y != 0) { /* C leaves the sign open where both are zeros */
            SAME2(fmin);
            SAME2(fmax);
        }
        checkf(same(scalbn(x, n), host_scalbn(x, n)), "scalbn(%a, %d): %a", x, n, scalbn(x, n));
        double f_ours = frexp(x, &e_ours), f_theirs = host_frexp(x, &e_theirs);
        checkf(same(f_ours, f_theirs) && (e_ours == e_theirs || x - x != 0), "frexp(%a)", x);
        double m_ours = modf(x, &whole_ours), m_theirs = host_modf(x, &whole_theirs);
        checkf(same(m_ours, m_theirs) && same(whole_ours, whole_theirs), "modf(%a)", x);
        if (fabs(x) < 0x1p62)
            checkf(lround(x) == host_lround(x) && llround(x) == host_lround(x), "lround(%a)", x);
    }
    checkf(ldexp(3, 2) == 12, "ldexp");
}

/* The error of `got` in units of the last place of `want`; special values must be the same. */
static double error_ulp(double got, long double want)
{
    int e;
    double nearest = (double)want;

    if (fabs(nearest) == INFINITY && fabsl(want) < INFINITY && fabs(got) == 0x1.fffffffffffffp1023)
        return (double)(fabsl(want - got) / 0x1p971L); /* just at the edge */
    if (nearest != nearest || fabs(nearest) == INFINITY || nearest == 0)
        return same(got, nearest) || (nearest == 0 && fabs(got) == 0x1p-1074 && want != 0) ? 0
                                                                                           : 1e9;
    if (got == 0 && (double_bits(got) ^ double_bits(nearest)) >> 63)
        return 1e9; /* zero of the other sign */
    host_frexp(nearest, &e);
    if (e < -1021)
        e = -1021;
    return (double)(fabsl((long double)got - want) / ldexpl(1, e - 53));
}

static void check_accuracy(const char *name, double x, double y, double got, long double want,
                           double bound, double *worst)
{
    double error = error_ulp(got, want);

    if (error > *worst)
        *worst = error;
    checkf(error <= bound, "%s(%a, %a): %a, host %La: %.2f ulp", name, x, y, got, want, error);
}

/* One unit in the last place of x. */
static double unit_of(double x)
{
    int e;

    host_frexp(x, &e);
    return host_scalbn(1, e - 53);
}

static double in_range(double low, double high)
{
    return low + (high - low) * ((double)(rand64() >> 11) * 0x1p-53);
}

static void test_accurate_math(void)
{
#define ACCURATE1(f, bound, ...)                                                                   \
    do {                                                                                           \
        double worst = 0;                                                                          \
        for (int i = 0; i < 60000; i++) {                                                          \
            double x = below(4) == 0 ? any_double() : (__VA_ARGS__);                               \
            check_accuracy(#f, x, 0, f(x), f##l(x), bound, &worst);                                \
        }                                                                                          \
        printf("  (%s: at most %.3f ulp)\n", #f, worst);                                           \
    } while (0)
    ACCURATE1(exp, 1, in_range(-750, 712));
    ACCURATE1(exp, 1, in_range(-1, 1));
    ACCURATE1(log, 1, double_from(rand64() >> 1));
    ACCURATE1(log, 1, in_range(0.5, 2));
    ACCURATE1(log2, 1, below(2) ? double_from(rand64() >> 1) : in_range(0.5, 2));
    ACCURATE1(log10, 1, below(2) ? double_from(rand64() >> 1) : in_range(0.5, 2));
    ACCURATE1(sin, 1, in_range(-10, 10));
    ACCURATE1(cos, 1, in_range(-10, 10));
    ACCURATE1(tan, 2, in_range(-10, 10));
    ACCURATE1(asin, 2, in_range(-1, 1));
    ACCURATE1(acos, 2, in_range(-1, 1));
    ACCURATE1(atan, 1.5, in_range(-5, 5));

    /* near multiples of pi/2, and of any size, where the host's long double functions are no
     * reference */
    for (int i = 0; i < 100000; i++) {
        double x = i < 50000 ? (double)below(100000) * (PI.hi / 2) : double_from(rand64());
        if (!(fabs(x) < INFINITY))
            continue;
        checkf(fabs(sin(x) - host_sin(x)) <= unit_of(host_sin(x)), "sin(%a): %a, host %a", x,
               sin(x), host_sin(x));
        checkf(fabs(cos(x) - host_cos(x)) <= unit_of(host_cos(x)), "cos(%a): %a, host %a", x,
               cos(x), host_cos(x));
        checkf(fabs(tan(x) - host_tan(x)) <= 2 * unit_of(host_tan(x)), "tan(%a): %a, host %a", x,
               tan(x), host_tan(x));
    }

    double worst = 0;
    for (int i = 0; i < 200000; i++) {
        double x = below(3) == 0 ? any_double() : in_range(0, 10),
               y = below(3) == 0 ? any_double() : in_range(-300, 300);
        /* glibc's powl(-inf, -2^63) is wrong: the double form for what is special */
        check_accuracy("pow", x, y, pow(x, y), fabs(x) == INFINITY ? host_pow(x, y) : powl(x, y), 1,
                       &worst);
    }
    printf("  (pow: at most %.3f ulp)\n", worst);
    worst = 0;
    for (int i = 0; i < 200000; i++) {
        double x = below(3) == 0 ? any_double() : in_range(-10, 10),
               y = below(3) == 0 ? any_double() : in_range(-10, 10);
        check_accuracy("atan2", y, x, atan2(y, x), atan2l(y, x), 1.5, &worst);
    }
    printf("  (atan2: at most %.3f ulp)\n", worst);
    worst = 0;
    for (int i = 0; i < 200000; i++) {
        double x = any_double(), y = below(2) ? x * in_range(0, 4) : any_double();
        check_accuracy("hypot", x, y, hypot(x, y), hypotl(x, y), 1, &worst);
    }
    printf("  (hypot: at most %.3f ulp)\n", worst);
    checkf(log2(8) == 3 && log10(1000) == 3 && log10(1e22) == 22 && pow(2, 10) == 1024 &&
               pow(10, 22) == 1e22 && pow(3, 33) == 5559060566555523.0 && exp(0) == 1 &&
               log(1) == 0,
           "exact cases");
}

int main(void)
{
    check_seed();
    test_copy_fill();
    group("memcpy, memmove, memset: alignments, overlaps");
    test_compare_find();
    group("memcmp, memchr");
    test_strings();
    group("strings, up to a guard page");
    test_integers_from_text();
    group("integers from text, abs, rand");
    test_sort();
    group("qsort: order, counts of comparisons; bsearch");
    test_exact_math();
    group("exact math functions");
    test_accurate_math();
    group("accurate math functions");
    return check_end();
}
