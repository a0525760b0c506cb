/*
 * tests/lib_print.c - formatting and number reading, as the image's compiler made them.
 *
 * The host test (tests/host/lib_print.c) compares a million values with another C library. Here:
 * that this code, without red zone, with this image's flags and on a goroutine's stack, says the
 * same.
 */
#include <tests/test.h>

#include <lib/print.h>
#include <lib/string.h>

static char text[1500];

#define EXPECT_TEXT(t, want, ...)                                                                  \
    do {                                                                                           \
        int text_n_ = rt_snprintf(text, sizeof(text), __VA_ARGS__);                                \
        EXPECT_STR(t, text, want);                                                                 \
        EXPECT_EQ(t, text_n_, (int)strlen(want));                                                  \
    } while (0)

TEST(print, integers)
{
    EXPECT_TEXT(t, "-5 4294967291 fffffffb 0x1f 017", "%d %u %x %#x %#o", -5, -5u, -5u, 31u, 15u);
    EXPECT_TEXT(t, "-9223372036854775808 18446744073709551615", "%ld %lu", INT64_MIN, UINT64_MAX);
    EXPECT_TEXT(t, "   +7|00007|7    |  007", "%+5d|%05d|%-5d|%5.3d", 7, 7, 7, 7);
    EXPECT_TEXT(t, "0xffffffff80000000 0x0", "%p %p", (void *)0xffffffff80000000u, NULL);
}

TEST(print, strings)
{
    EXPECT_TEXT(t, "abc|  abc|abc  |ab|x|100%", "%s|%5s|%-5s|%.2s|%c|100%%", "abc", "abc", "abc",
                "abc", 'x');
    EXPECT_EQ(t, rt_snprintf(text, 4, "%s", "abcdef"), 6);
    EXPECT_STR(t, text, "abc");
    EXPECT_EQ(t, rt_snprintf(NULL, 0, "%s", "abcdef"), 6);
}

/* Arguments of both kinds, more than there are registers for either. */
TEST(print, many_arguments)
{
    EXPECT_TEXT(t, "1 1.5 2 2.5 3 3.5 4 4.5 5 5.5 6 6.5 7 7.5 8 8.5 9 9.5 10 10.5",
                "%d %g %d %g %d %g %d %g %d %g %d %g %d %g %d %g %d %g %d %g", 1, 1.5, 2, 2.5, 3,
                3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 8.5, 9, 9.5, 10, 10.5);
}

/* Every digit is exact, ties go to even. */
TEST(print, doubles)
{
    EXPECT_TEXT(t, "3.141593 0.1000000000000000055511151231257827 1e+23 9.9999999999999992e+22",
                "%f %.34f %g %.17g", 3.14159265358979, 0.1, 1e23, 1e23);
    EXPECT_TEXT(t, "0 2 2 4 -0.0 inf -INF nan", "%.0f %.0f %.0f %.0f %.1f %g %G %f", 0.5, 1.5, 2.5,
                3.5, -0.0, __builtin_inf(), -__builtin_inf(), __builtin_nan(""));
    EXPECT_TEXT(t, "4.94065645841246544e-324 1.7976931348623157e+308 0x1.8p+1", "%.17e %.16e %a",
                0x1p-1074, 0x1.fffffffffffffp1023, 3.0);
    EXPECT_EQ(t, rt_snprintf(text, sizeof(text), "%.1074f", 0x1p-1074), 1076);
    EXPECT_STR(t, text + 1076 - 10, "3447265625");
}

/* What is printed with 17 digits is read back as the same number [decimal.2]. */
TEST(print, doubles_survive_a_round_trip)
{
    for (int i = 0; i < 2000; i++) {
        union {
            uint64_t bits;
            double value;
        } in = {rng_next(&t->rng)}, out;

        if ((in.bits >> 52 & 0x7ff) == 0x7ff)
            continue;
        rt_snprintf(text, sizeof(text), "%.17g", in.value);
        out.value = strtod(text, NULL);
        EXPECT_EQ(t, out.bits, in.bits);
    }
}

struct counting_sink {
    struct print_sink sink;
    size_t bytes, pieces;
};

static void count_piece(struct print_sink *sink, const char *s, size_t n)
{
    struct counting_sink *counting = (struct counting_sink *)sink;

    (void)s;
    counting->bytes += n;
    counting->pieces += n > 0;
}

static RT_PRINTF(2, 3) int print_to(struct print_sink *sink, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = print_format(sink, fmt, ap);
    va_end(ap);
    return n;
}

/* Neither width nor precision needs memory [print.1]. */
TEST(print, any_width_in_pieces)
{
    struct counting_sink counting = {{count_piece}, 0, 0};

    EXPECT_EQ(t, print_to(&counting.sink, "%100000d%.50000f", 1, 1.0), 150002);
    EXPECT_EQ(t, counting.bytes, 150002u);
    EXPECT_GE(t, counting.pieces, 1000u);
}
