/*
 * lib/math.c - the usual functions of a double.
 *
 * WHAT. Rounding, scaling and remainders work on the bits and are exact. exp, sin, cos and atan are
 * short Taylor series after a reduction of the argument. log and pow carry their result as the sum
 * of two doubles, because pow multiplies the logarithm's error by up to 1000. The arguments of sin,
 * cos and tan are reduced in 192-bit integers, which is right for every double and cheaper than
 * floating point where that is emulated.
 *
 * INVARIANTS
 * [math.1] Rounding is to nearest and nothing is fused or reordered: the exact sums and products
 *          below rely on it (the baseline machine has no fused instructions). No function looks at,
 *          or promises, the exception flags.
 * [math.2] Each function lies in a section of its own, so an image holds those that it calls.
 *
 * SOURCES. Dekker, Numerische Mathematik 18, 1971 (exact sums and products of doubles). Payne &
 * Hanek, ACM SIGNUM Newsletter 18(1), 1983 (reduction by a window of 2/pi). Muller, Elementary
 * Functions, 3rd ed., 2016 (error analysis). C11 annex F (special values).
 */
#include <rt/cstring.h>
#include <arch/bulk.h>
#include <lib/double.h>

#define INF __builtin_inf()
#define NOT_A_NUMBER __builtin_nan("")
#define TWO_52 0x1p52 /* from here on a double is an integer */

static inline int biased_exponent(double x)
{
    return double_exponent(double_bits(x));
}

static inline bool is_nan(double x)
{
    return x != x;
}

/* 2^n for a normal result. */
static inline double power_of_two(int n)
{
    return double_from((uint64_t)(n + DOUBLE_BIAS) << DOUBLE_FRACTION_BITS);
}

/* ---- Signs, rounding, scaling ---- */

double fabs(double x)
{
    return double_from(double_bits(x) & ~DOUBLE_SIGN);
}

double copysign(double x, double sign)
{
    return double_from((double_bits(x) & ~DOUBLE_SIGN) | (double_bits(sign) & DOUBLE_SIGN));
}

double sqrt(double x)
{
    return arch_sqrt(x);
}

double trunc(double x)
{
    if (!(fabs(x) < TWO_52))
        return x;
    return copysign((double)(int64_t)x, x);
}

double floor(double x)
{
    double t = trunc(x);

    return t > x ? t - 1 : t;
}

double ceil(double x)
{
    double t = trunc(x);

    return t < x ? copysign(t + 1, x) : t;
}

double round(double x)
{
    double t = trunc(x);

    return fabs(x - t) >= 0.5 ? t + copysign(1, x) : t;
}

double rint(double x)
{
    if (!(fabs(x) < TWO_52))
        return x;
    volatile double shifted = fabs(x) + TWO_52; /* volatile: no compiler may take this for |x| */
    return copysign(shifted - TWO_52, x);
}

long lround(double x)
{
    return (long)round(x);
}

long long llround(double x)
{
    return (long long)round(x);
}

double modf(double x, double *integer)
{
    *integer = trunc(x);
    return copysign(fabs(x) == INF ? 0 : x - *integer, x);
}

double frexp(double x, int *exponent)
{
    int scaled = 0;

    *exponent = 0;
    if (x == 0 || biased_exponent(x) == DOUBLE_EXPONENT_MAX)
        return x;
    if (biased_exponent(x) == 0) {
        x *= 0x1p64;
        scaled = 64;
    }
    *exponent = biased_exponent(x) - (DOUBLE_BIAS - 1) - scaled;
    return double_from((double_bits(x) & ~((uint64_t)DOUBLE_EXPONENT_MAX << DOUBLE_FRACTION_BITS)) |
                       (uint64_t)(DOUBLE_BIAS - 1) << DOUBLE_FRACTION_BITS);
}

double scalbn(double x, int n)
{
    /* at most two steps upwards; downwards the last step alone may round, so stay normal
     * until it */
    for (int i = 0; i < 2 && n > 1023; i++, n -= 1023)
        x *= 0x1p1023;
    for (int i = 0; i < 2 && n < -1022; i++, n += 969)
        x *= 0x1p-969;
    if (n > 1023)
        n = 1023;
    if (n < -1022)
        n = -1022;
    return x * power_of_two(n);
}

double ldexp(double x, int n)
{
    return scalbn(x, n);
}

/* Long division of the mantissas, eleven quotient bits a step. */
double fmod(double x, double y)
{
    uint64_t mx, my;
    int ex = biased_exponent(x), ey = biased_exponent(y);

    if (is_nan(x) || is_nan(y) || ex == DOUBLE_EXPONENT_MAX || y == 0)
        return NOT_A_NUMBER;
    if (fabs(x) < fabs(y))
        return x;
    mx = double_bits(x) & DOUBLE_FRACTION_MASK;
    my = double_bits(y) & DOUBLE_FRACTION_MASK;
    if (ex == 0)
        ex = 1;
    else
        mx |= DOUBLE_LEADING_ONE;
    if (ey == 0)
        ey = 1;
    else
        my |= DOUBLE_LEADING_ONE;

    int steps = ex - ey;
    for (mx %= my; steps > 11 && mx != 0; steps -= 11)
        mx = (mx << 11) % my;
    mx = (mx << (steps > 11 ? 11 : steps)) % my;
    return copysign(scalbn((double)mx, ey - DOUBLE_BIAS - DOUBLE_FRACTION_BITS), x);
}

double fmin(double x, double y)
{
    if (is_nan(x) || is_nan(y))
        return is_nan(x) ? y : x;
    return x < y || (x == y && double_bits(x) & DOUBLE_SIGN) ? x : y;
}

double fmax(double x, double y)
{
    if (is_nan(x) || is_nan(y))
        return is_nan(x) ? y : x;
    return x > y || (x == y && !(double_bits(x) & DOUBLE_SIGN)) ? x : y;
}

/* ---- Sums of two doubles ---- */

/* hi + lo, where |lo| is at most half a unit in the last place of hi. */
struct pair {
    double hi, lo;
};

/* a + b exactly, if |a| >= |b|. */
static inline struct pair sum_ordered(double a, double b)
{
    double hi = a + b;

    return (struct pair){hi, b - (hi - a)};
}

/* a + b exactly. */
static inline struct pair sum(double a, double b)
{
    double hi = a + b, bb = hi - a;

    return (struct pair){hi, (a - (hi - bb)) + (b - bb)};
}

/* a * b exactly, unless it overflows or underflows; |a|, |b| < 2^996. */
static inline struct pair product(double a, double b)
{
    const double split = 0x1p27 + 1;
    double ta = split * a, ah = ta - (ta - a), al = a - ah;
    double tb = split * b, bh = tb - (tb - b), bl = b - bh;
    double hi = a * b;

    return (struct pair){hi, ((ah * bh - hi) + ah * bl + al * bh) + al * bl};
}

static inline struct pair pair_product(struct pair a, struct pair b)
{
    struct pair p = product(a.hi, b.hi);

    return sum_ordered(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

/* a + b, if |a| >= |b|. */
static inline struct pair pair_sum(struct pair a, struct pair b)
{
    struct pair s = sum_ordered(a.hi, b.hi);

    return sum_ordered(s.hi, s.lo + (a.lo + b.lo));
}

static const struct pair PI = {0x1.921fb54442d18p+1, 0x1.1a62633145c07p-53};
static const struct pair ONE_BY_LN2 = {0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56};
static const struct pair ONE_BY_LN10 = {0x1.bcb7b1526e50ep-2, 0x1.95355baaafad3p-57};
/* ln 2 in two parts, of which the first has 41 bits: its product with an exponent is exact. */
static const struct pair LN2 = {0x1.62e42fefa2000p-1, 0x1.9ef35793c7673p-41};

double hypot(double x, double y)
{
    double big = fmax(fabs(x), fabs(y)), small = fmin(fabs(x), fabs(y)), scale = 1;

    if (fabs(x) == INF || fabs(y) == INF)
        return INF;
    if (is_nan(x) || is_nan(y))
        return NOT_A_NUMBER;
    if (small <= big * 0x1p-60)
        return big + small;
    if (big > 0x1p500)
        scale = 0x1p600;
    else if (small < 0x1p-450)
        scale = 0x1p-600;
    big /= scale;
    small /= scale;
    struct pair b = product(big, big), s = product(small, small), total = sum_ordered(b.hi, s.hi);
    return scale * arch_sqrt(total.hi + (total.lo + b.lo + s.lo));
}

/* ---- Exponential and logarithm ---- */

/*
 * e^(x.hi + x.lo), |x.hi| < 800. k powers of 2 go; of the rest r, |r| <= 0.35, the series to r^13
 * has an error below 2^-57.
 */
static double exp_pair(struct pair x)
{
    static const double inverse_factorial[] = {
        1 / 6227020800.0, 1 / 479001600.0, 1 / 39916800.0, 1 / 3628800.0, 1 / 362880.0, 1 / 40320.0,
        1 / 5040.0,       1 / 720.0,       1 / 120.0,      1 / 24.0,      1 / 6.0,      1 / 2.0};
    int k = (int)(x.hi * ONE_BY_LN2.hi + copysign(0.5, x.hi));
    struct pair r = sum_ordered(x.hi - k * LN2.hi, x.lo - k * LN2.lo);
    double series = 0;

    for (size_t i = 0; i < sizeof(inverse_factorial) / sizeof(*inverse_factorial); i++)
        series = series * r.hi + inverse_factorial[i];
    /* 1 + r + r^2 * series, small parts first; e^lo is 1 + lo, times what is there already: 1 +
     * r.hi */
    struct pair one = sum_ordered(1, r.hi);
    double value = one.hi + (one.lo + (r.hi * r.hi * series + (r.lo + r.lo * r.hi)));

    return k > -1020 && k < 1020 ? value * power_of_two(k) : scalbn(value, k);
}

double exp(double x)
{
    if (is_nan(x))
        return x;
    if (x > 710)
        return INF;
    if (x < -746)
        return 0;
    return exp_pair((struct pair){x, 0});
}

/*
 * ln x, x positive and finite, with an error below 2^-63 of the result. With x = m * 2^k, m near 1,
 * and s = (m - 1) / (m + 1), |s| < 0.172: ln m = 2 (s + s^3/3 + s^5/5 + ...).
 */
static struct pair log_pair(double x)
{
    int k;
    double m = frexp(x, &k);

    if (m < 0x1.6a09e667f3bcdp-1) { /* sqrt(1/2) */
        m *= 2;
        k--;
    }
    double above = m - 1; /* exact */
    struct pair below = sum(m, 1);
    double s_hi = above / below.hi;
    struct pair back = product(s_hi, below.hi);
    struct pair s = sum_ordered(s_hi, ((above - back.hi) - back.lo - s_hi * below.lo) / below.hi);
    struct pair square = pair_product(s, s);

    double tail = 0; /* 1/5 + s^2/7 + s^4/9 + ... */
    for (int i = 27; i >= 5; i -= 2)
        tail = tail * square.hi + 1.0 / i;
    struct pair third = {0x1.5555555555555p-2, 0x1.5555555555555p-56};
    struct pair rest = pair_sum(third, product(square.hi, tail)); /* 1/3 + s^2 * tail */
    rest = pair_product(pair_product(s, square), rest);
    struct pair half = pair_sum(s, rest);

    struct pair whole = sum(k * LN2.hi, 2 * half.hi);
    return sum_ordered(whole.hi, whole.lo + (2 * half.lo + k * LN2.lo));
}

/* What log, log2 and log10 give where there is no logarithm; false where there is. */
static bool log_special(double x, double *result)
{
    if (x > 0 && x < INF)
        return false;
    *result = x == 0 ? -INF : x < 0 ? NOT_A_NUMBER : x;
    return true;
}

double log(double x)
{
    double special;

    return log_special(x, &special) ? special : log_pair(x).hi;
}

double log2(double x)
{
    double special;

    return log_special(x, &special) ? special : pair_product(log_pair(x), ONE_BY_LN2).hi;
}

double log10(double x)
{
    double special;

    return log_special(x, &special) ? special : pair_product(log_pair(x), ONE_BY_LN10).hi;
}

static bool is_odd_integer(double y)
{
    return fabs(y) < 0x1p53 && trunc(y) == y && ((int64_t)y & 1) != 0;
}

double pow(double x, double y)
{
    bool negate = (double_bits(x) & DOUBLE_SIGN) && is_odd_integer(y);
    double size = fabs(x), result;

    if (y == 0 || x == 1)
        return 1;
    if (is_nan(x) || is_nan(y))
        return NOT_A_NUMBER;
    if (x == -1 && fabs(y) == INF)
        return 1;
    if (size == 0 || size == INF || fabs(y) >= 0x1p64) {
        /* at or beyond the range, all that matters is the direction */
        result = size == 1 ? 1 : (size > 1) == (y > 0) ? INF : 0;
    } else if (x < 0 && trunc(y) != y) {
        return NOT_A_NUMBER;
    } else {
        struct pair l = log_pair(size), p = product(l.hi, y);

        p = sum_ordered(p.hi, p.lo + l.lo * y);
        result = p.hi > 710 ? INF : p.hi < -746 ? 0 : exp_pair(p);
    }
    return negate ? -result : result;
}

/* ---- Sine, cosine, tangent ---- */

/*
 * |x| less the nearest multiple q of pi/2; the result is in [-pi/4, pi/4], as a pair; *quadrant is
 * q mod 4.
 *
 * x = m * 2^e, m an integer. x * 2/pi is wanted mod 4, so the bits of 2/pi that count 2^2/m or more
 * don't matter, nor do those far below. 192 bits between them, times m, mod 2^192, are a
 * fixed-point number: two bits of quadrant, 190 of fraction. No double is nearer to a multiple of
 * pi/2 than 2^-61 or so, thus 128 good bits remain.
 */
static struct pair reduce(double x, unsigned *quadrant)
{
    /* the bits of 2/pi that count 2^63 down to 2^-1216 */
    static const uint64_t two_by_pi[] = {
        0x0000000000000000, 0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041,
        0xfe5163abdebbc561, 0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e,
        0xe88235f52ebb4484, 0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b,
        0x1ff897ffde05980f, 0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d,
        0x7527bac7ebe5f17b, 0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab};
    typedef unsigned __int128 uint128;
    uint64_t m = (double_bits(x) & DOUBLE_FRACTION_MASK) | DOUBLE_LEADING_ONE;
    int e = biased_exponent(x) - DOUBLE_BIAS - DOUBLE_FRACTION_BITS;

    /* the window starts at the bit that counts 2^(1 - e) */
    unsigned first = (unsigned)(62 + e), word = first / 64, shift = first % 64;
    uint64_t window[3];
    for (unsigned i = 0; i < 3; i++) {
        window[i] = two_by_pi[word + i] << shift;
        if (shift != 0)
            window[i] |= two_by_pi[word + i + 1] >> (64 - shift);
    }
    uint128 low = (uint128)window[2] * m;
    uint128 mid = (uint128)window[1] * m + (uint64_t)(low >> 64);
    uint64_t p[3] = {window[0] * m + (uint64_t)(mid >> 64), (uint64_t)mid, (uint64_t)low};

    /* split off the quadrant; a fraction of a half or more counts down from the next one */
    unsigned q = (unsigned)(p[0] >> 62);
    bool down = p[0] >> 61 & 1;
    q += down;
    p[0] = p[0] << 2 | p[1] >> 62;
    p[1] = p[1] << 2 | p[2] >> 62;
    p[2] <<= 2;
    if (down)
        for (int i = 0; i < 3; i++)
            p[i] = ~p[i];
    int zeros = __builtin_clzll(p[0] | 1);
    if (zeros != 0) {
        p[0] = p[0] << zeros | p[1] >> (64 - zeros);
        p[1] = p[1] << zeros | p[2] >> (64 - zeros);
    }

    /* 53 bits and the 53 after them */
    double hi = (double)(p[0] >> 11), lo = (double)((p[0] & 0x7ff) << 42 | p[1] >> 22) * 0x1p-53;
    struct pair fraction = sum_ordered(hi, lo);
    struct pair half_pi = {PI.hi / 2, PI.lo / 2};
    struct pair r = pair_product(fraction, half_pi);
    double scale = power_of_two(-53 - zeros);

    *quadrant = q & 3;
    if (down)
        scale = -scale;
    return (struct pair){r.hi * scale, r.lo * scale};
}

/* The series, to r^17 and r^16; |r| <= pi/4 leaves an error below 2^-58. */
static double sin_series(struct pair r)
{
    static const double terms[] = {
        1 / 355687428096000.0, -1 / 1307674368000.0, 1 / 6227020800.0, -1 / 39916800.0,
        1 / 362880.0,          -1 / 5040.0,          1 / 120.0,        -1 / 6.0};
    double z = r.hi * r.hi, series = 0;

    for (size_t i = 0; i < sizeof(terms) / sizeof(*terms); i++)
        series = series * z + terms[i];
    return r.hi + (r.hi * z * series + r.lo * (1 - z / 2));
}

static double cos_series(struct pair r)
{
    static const double terms[] = {
        1 / 20922789888000.0, -1 / 87178291200.0, 1 / 479001600.0, -1 / 3628800.0,
        1 / 40320.0,          -1 / 720.0,         1 / 24.0};
    double z = r.hi * r.hi, series = 0;

    for (size_t i = 0; i < sizeof(terms) / sizeof(*terms); i++)
        series = series * z + terms[i];
    struct pair head = sum_ordered(1, -z / 2);
    return head.hi + (head.lo + (z * z * series - r.hi * r.lo));
}

/* sin |x| for shift 0, cos |x| for shift 1. */
static double sin_shifted(double x, unsigned shift)
{
    struct pair r = {fabs(x), 0};
    unsigned quadrant = 0;

    if (!(fabs(x) < INF))
        return NOT_A_NUMBER;
    if (fabs(x) > 0.785)
        r = reduce(x, &quadrant);
    quadrant += shift;
    double value = quadrant & 1 ? cos_series(r) : sin_series(r);
    return quadrant & 2 ? -value : value;
}

double sin(double x)
{
    double value = sin_shifted(x, 0);

    return double_bits(x) & DOUBLE_SIGN ? -value : value;
}

double cos(double x)
{
    return sin_shifted(x, 1);
}

double tan(double x)
{
    struct pair r = {fabs(x), 0};
    unsigned quadrant = 0;

    if (!(fabs(x) < INF))
        return NOT_A_NUMBER;
    if (fabs(x) > 0.785)
        r = reduce(x, &quadrant);
    double s = sin_series(r), c = cos_series(r);
    double value = quadrant & 1 ? -c / s : s / c;
    return double_bits(x) & DOUBLE_SIGN ? -value : value;
}

/* ---- Their inverses ---- */

/*
 * atan(y / x), 0 <= y <= x, x positive and neither tiny nor huge. With c = i/8 near y/x:
 * atan(y/x) = atan(c) + atan((y - c x) / (x + c y)).
 */
static struct pair atan_ratio(double y, double x)
{
    static const struct pair atan_eighths[9] = {{0, 0},
                                                {0x1.fd5ba9aac2f6ep-4, -0x1.cd37686760c17p-59},
                                                {0x1.f5b75f92c80ddp-3, 0x1.8ab6e3cf7afbdp-57},
                                                {0x1.6f61941e4def1p-2, -0x1.c63aae6f6e918p-56},
                                                {0x1.dac670561bb4fp-2, 0x1.a2b7f222f65e2p-56},
                                                {0x1.1e00babdefeb4p-1, -0x1.928df287a668fp-58},
                                                {0x1.4978fa3269ee1p-1, 0x1.2419a87f2a458p-56},
                                                {0x1.700a7c5784634p-1, -0x1.8c34d25aadef6p-56},
                                                {0x1.921fb54442d18p-1, 0x1.1a62633145c07p-55}};
    double ratio = y / x, t = ratio, series = 0;
    int i = ratio < 0.125 ? 0 : (int)(8 * ratio + 0.5);

    if (i > 0)
        t = (y - i * 0.125 * x) / (x + i * 0.125 * y);
    double z = t * t;
    for (int k = 19; k >= 3; k -= 2) /* signs alternate, the term of t^3 is negative */
        series = series * z + (k & 2 ? -1.0 : 1.0) / k;
    struct pair value = sum_ordered(atan_eighths[i].hi, t);
    return sum_ordered(value.hi, value.lo + (atan_eighths[i].lo + t * z * series));
}

double atan2(double y, double x)
{
    double ay = fabs(y), ax = fabs(x), value;
    bool back = double_bits(x) & DOUBLE_SIGN, steep = ay > ax;
    struct pair angle;

    if (is_nan(x) || is_nan(y))
        return NOT_A_NUMBER;
    if (ax == INF && ay == INF)
        ax = ay = 1;
    double big = steep ? ay : ax, small = steep ? ax : ay;

    if (small == 0 || big == INF) {
        angle = (struct pair){0, 0};
    } else if (small < big * 0x1p-70) {
        if (!steep && !back)
            return copysign(small / big, y); /* may be subnormal */
        angle = (struct pair){small / big, 0};
    } else {
        /* big to about 1; 2^-70 of that is far from the edge */
        int shift = DOUBLE_BIAS - biased_exponent(big);

        angle = atan_ratio(scalbn(small, shift), scalbn(big, shift));
    }
    if (steep)
        angle = pair_sum((struct pair){PI.hi / 2, PI.lo / 2}, (struct pair){-angle.hi, -angle.lo});
    if (back)
        angle = pair_sum(PI, (struct pair){-angle.hi, -angle.lo});
    value = angle.hi + angle.lo;
    return copysign(value, y);
}

double atan(double x)
{
    return atan2(x, 1);
}

double asin(double x)
{
    double cosine = arch_sqrt((1 - x) * (1 + x)); /* NaN outside [-1, 1], and so is the result */

    return atan2(x, cosine);
}

double acos(double x)
{
    return atan2(arch_sqrt((1 - x) * (1 + x)), x);
}
