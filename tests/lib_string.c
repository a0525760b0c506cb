/*
 * tests/lib_string.c - memory, string, sort and math functions, as the image's compiler made them.
 *
 * The host test (tests/host/lib_string.c) covers values and alignments. Here: that no compiler
 * turned a loop into a call of itself [string.1], both ways of copying on this machine, and the
 * stack of qsort.
 */
#include <tests/test.h>

#include <lib/bits.h>
#include <lib/string.h>

#define AREA 2048
static unsigned char got[AREA], want[AREA];

static void expect_same(struct test *t, const char *what, size_t to, size_t from, size_t n)
{
    for (size_t i = 0; i < AREA; i++)
        if (got[i] != want[i]) {
            test_fail(t, __FILE__, __LINE__, "%s to %zu from %zu, %zu bytes: byte %zu", what, to,
                      from, n, i);
            return;
        }
}

/* Byte by byte, in the order that keeps overlapping areas right; volatile, so that it
 * stays a loop. */
static void copy_plainly(volatile unsigned char *dst, const volatile unsigned char *src, size_t n)
{
    if (dst < src)
        for (size_t i = 0; i < n; i++)
            dst[i] = src[i];
    else
        for (size_t i = n; i-- > 0;)
            dst[i] = src[i];
}

static void copies_and_fills(struct test *t)
{
    for (size_t i = 0; i < AREA; i++)
        got[i] = want[i] = (unsigned char)rng_next(&t->rng);
    for (int i = 0; i < 3000; i++) {
        size_t n = rng_next(&t->rng) % (i % 4 ? 70 : AREA - 70);
        size_t to = rng_next(&t->rng) % (AREA - n), from = rng_next(&t->rng) % (AREA - n);

        if (to + n <= from || from + n <= to)
            memcpy(got + to, got + from, n);
        else
            memmove(got + to, got + from, n);
        copy_plainly(want + to, want + from, n);
        expect_same(t, "copy", to, from, n);
        memset(got + to, i, n / 2);
        for (volatile unsigned char *p = want + to; p < want + to + n / 2; p++)
            *p = (unsigned char)i;
        expect_same(t, "fill", to, 0, n / 2);
        if (t->failures > 0)
            return;
    }
}

/* Whole, at any overlap [string.3]. */
TEST(string, copies_and_fills_by_words)
{
    bool erms = string_use_erms;

    string_use_erms = false;
    copies_and_fills(t);
    string_use_erms = erms;
}

TEST(string, copies_and_fills_by_string_instructions)
{
    bool erms = string_use_erms;

    string_use_erms = true;
    copies_and_fills(t);
    string_use_erms = erms;
}

TEST(string, texts)
{
    char buf[64], *state;

    EXPECT_EQ(t, strlen("hello") + strnlen("hello", 3), 8u);
    EXPECT(t, strcmp("a", "b") < 0 && strcmp("b\xff", "b") > 0 && strncmp("abc", "abd", 2) == 0);
    EXPECT_STR(t, strcat(strcpy(buf, "ab"), "cd"), "abcd");
    EXPECT_STR(t, strstr("one two two", "two t"), "two two");
    EXPECT_STR(t, strrchr("a/b/c", '/'), "/c");
    EXPECT(t,
           strchr("abc", 'x') == NULL && *strchr("abc", 0) == 0 && memchr("abc", 'c', 2) == NULL);
    EXPECT_EQ(t, strspn("aabbc", "ab") * 10 + strcspn("xyz,", ","), 43u);
    strcpy(buf, "/usr//bin/");
    EXPECT_STR(t, strtok_r(buf, "/", &state), "usr");
    EXPECT_STR(t, strtok_r(NULL, "/", &state), "bin");
    EXPECT(t, strtok_r(NULL, "/", &state) == NULL);
}

TEST(string, numbers)
{
    EXPECT_EQ(t, strtol("-0x7f", NULL, 0), -127L);
    EXPECT_EQ(t, strtol("99999999999999999999", NULL, 10), INT64_MAX);
    EXPECT_EQ(t, strtoul("777", NULL, 8), 511ul);
    EXPECT(t, strtod("2.2250738585072011e-308", NULL) == 0x0.fffffffffffffp-1022);
    EXPECT(t, atof("-1e3") == -1000 && atoi("12abc") == 12);
}

static unsigned long compares;

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    compares++;
    return (x > y) - (x < y);
}

/* Sorted, nothing lost, and never quadratic. */
TEST(string, sort)
{
    static uint64_t values[2000];
    const size_t n = ARRAY_LEN(values);

    for (int pattern = 0; pattern < 5; pattern++) {
        uint64_t before = 0, after = 0;

        for (size_t i = 0; i < n; i++) {
            const uint64_t by_pattern[] = {rng_next(&t->rng), i, n - i, 7, i < n / 2 ? i : n - i};
            before += values[i] = by_pattern[pattern];
        }
        compares = 0;
        qsort(values, n, sizeof(values[0]), compare_u64);
        EXPECT_LE(t, compares, 3 * n * log2_ceil(n) / 2);
        for (size_t i = 0; i < n; i++) {
            after += values[i];
            if (i > 0 && values[i - 1] > values[i])
                test_fail(t, __FILE__, __LINE__, "pattern %d: out of order at %zu", pattern, i);
        }
        EXPECT_EQ(t, after, before);
    }
    for (size_t i = 0; i < n; i++)
        values[i] = 2 * i;
    uint64_t key = 700, missing = 701;
    EXPECT(t, bsearch(&key, values, n, sizeof(key), compare_u64) == &values[350]);
    EXPECT(t, bsearch(&missing, values, n, sizeof(key), compare_u64) == NULL);
}

/* volatile: neither compiler may work these out by itself. */
TEST(string, mathematics)
{
    volatile double two = 2, half = 0.5, ten = 10, huge = 1e22;

    EXPECT(t, sqrt(two) == 0x1.6a09e667f3bcdp+0 && fabs(-two) == 2);
    EXPECT(t, floor(-half) == -1 && ceil(half) == 1 && trunc(-1.5) == -1 && round(two + half) == 3);
    EXPECT(t, fmod(ten, 3) == 1 && pow(two, ten) == 1024 && log2(1024) == ten && log10(huge) == 22);
    EXPECT(t, exp(two) == 0x1.d8e64b8d4ddaep+2 && log(two) == 0x1.62e42fefa39efp-1);
    EXPECT(t, fabs(sin(huge) - -0x1.b453ab76bf397p-1) <= 0x1p-53);
    EXPECT(t, atan2(two, two) == 0x1.921fb54442d18p-1 && cos(0 * two) == 1);
}
