/*
 * lib/convert.c - numbers from text.
 *
 * WHAT. strtol() and its kin share one reader of digits; strtod() collects the digits of a decimal
 * number in a struct decimal and scales that until 53 bits stand before the point, so the result is
 * correctly rounded however long the text is.
 *
 * INVARIANTS
 * [convert.1] As in lib/string.c, everything is in USER_FAULT_TEXT: the text is the program's. Only
 *             convert_decimal() is not, which reads no text.
 */
#include <lib/char.h>
#include <lib/decimal.h>
#include <lib/double.h>
#include <lib/string.h>
#include <limits.h>

#define LOWEST_EXPONENT (-1074) /* of the last bit of the smallest double */

static RT_ALWAYS_INLINE const char *skip_sign(const char *s, bool *negative)
{
    while (char_is_space(*s))
        s++;
    *negative = *s == '-';
    return s + (*s == '-' || *s == '+');
}

/* 0x before a digit of base 16. */
static RT_ALWAYS_INLINE bool is_hex_prefix(const char *s)
{
    return s[0] == '0' && (s[1] | 0x20) == 'x' && char_digit(s[2]) < 16;
}

static RT_ALWAYS_INLINE void set_end(char **end, const char *s)
{
    if (end != NULL)
        *end = (char *)(uintptr_t)s;
}

/* |the number|, or ULONG_MAX and *overflow. */
static USER_FAULT_TEXT uint64_t read_integer(const char *s, char **end, int base, bool *negative,
                                             bool *overflow)
{
    const char *start = s;
    uint64_t value = 0;
    unsigned digit;

    *overflow = false;
    s = skip_sign(s, negative);
    if ((base == 0 || base == 16) && is_hex_prefix(s)) {
        s += 2;
        base = 16;
    } else if (base == 0) {
        base = *s == '0' ? 8 : 10;
    }
    if (base < 2 || base > 36 || char_digit(*s) >= (unsigned)base) {
        set_end(end, start);
        return 0;
    }
    for (; (digit = char_digit(*s)) < (unsigned)base; s++) {
        uint64_t next;
        *overflow |= __builtin_mul_overflow(value, (uint64_t)base, &next) ||
                     __builtin_add_overflow(next, digit, &value);
    }
    set_end(end, s);
    return *overflow ? ULONG_MAX : value;
}

USER_FAULT_TEXT long strtol(const char *restrict s, char **restrict end, int base)
{
    bool negative, overflow;
    uint64_t value = read_integer(s, end, base, &negative, &overflow);

    if (negative)
        return value > (uint64_t)LONG_MAX ? LONG_MIN : -(long)value;
    return value > (uint64_t)LONG_MAX ? LONG_MAX : (long)value;
}

USER_FAULT_TEXT unsigned long strtoul(const char *restrict s, char **restrict end, int base)
{
    bool negative, overflow;
    uint64_t value = read_integer(s, end, base, &negative, &overflow);

    return negative && !overflow ? 0 - value : value;
}

USER_FAULT_TEXT long long strtoll(const char *restrict s, char **restrict end, int base)
{
    return strtol(s, end, base);
}

USER_FAULT_TEXT unsigned long long strtoull(const char *restrict s, char **restrict end, int base)
{
    return strtoul(s, end, base);
}

USER_FAULT_TEXT int atoi(const char *s)
{
    return (int)strtol(s, NULL, 10);
}

USER_FAULT_TEXT long atol(const char *s)
{
    return strtol(s, NULL, 10);
}

USER_FAULT_TEXT long long atoll(const char *s)
{
    return strtol(s, NULL, 10);
}

#define INFINITY_BITS ((uint64_t)DOUBLE_EXPONENT_MAX << DOUBLE_FRACTION_BITS)

/* mantissa * 2^exponent, where mantissa <= 2^53, and >= 2^52 unless exponent is the lowest. */
static RT_ALWAYS_INLINE uint64_t bits_of(uint64_t mantissa, long exponent)
{
    /* the mantissa's leading bit, if there, adds one to the exponent; so does a carry to 2^53 */
    uint64_t bits = ((uint64_t)(exponent - LOWEST_EXPONENT) << DOUBLE_FRACTION_BITS) + mantissa;

    return exponent > 971 || bits > INFINITY_BITS ? INFINITY_BITS : bits;
}

static uint64_t convert_decimal(struct decimal *d)
{
    long exponent = 0; /* the number is *d * 2^exponent */
    int shift;

    if (d->n == 0 || d->point > 36)
        return d->n == 0 ? 0 : INFINITY_BITS;
    if (d->point < -37)
        return 0;

    /* to 30 to 60 bits before the point, then to 53, or to as many as a subnormal number has */
    for (; d->point > 2; exponent += 27)
        decimal_scale(d, -27);
    for (; d->point < 2; exponent -= 27)
        decimal_scale(d, 27);
    shift = DOUBLE_FRACTION_BITS - (63 - __builtin_clzll(decimal_integer(d)));
    if (exponent - shift < LOWEST_EXPONENT)
        shift = (int)(exponent - LOWEST_EXPONENT);
    decimal_scale(d, shift);
    decimal_round(d, 0);
    return bits_of(decimal_integer(d), exponent - shift);
}

/* An exponent after its letter: the value, as far as it matters, and *s past it; unmoved if there
 * is none. */
static USER_FAULT_TEXT long read_exponent(const char **s, char letter)
{
    const char *p = *s;
    long value = 0;

    if ((*p | 0x20) != letter)
        return 0;
    p++;
    bool negative = *p == '-';
    p += *p == '-' || *p == '+';
    if (char_digit(*p) > 9)
        return 0;
    for (; char_digit(*p) <= 9; p++)
        if (value < 100000000)
            value = value * 10 + char_digit(*p);
    *s = p;
    return negative ? -value : value;
}

/* Digits with at most one point among them. Returns their end; *point is where the point is or
 * would be. */
static USER_FAULT_TEXT const char *skip_digits(const char *s, unsigned base, const char **point)
{
    *point = NULL;
    for (; char_digit(*s) < base || (*s == '.' && *point == NULL); s++)
        if (*s == '.')
            *point = s;
    if (*point == NULL)
        *point = s;
    return s;
}

static USER_FAULT_TEXT uint64_t read_decimal(const char *s, const char **end)
{
    const char *point, *last = skip_digits(s, 10, &point);
    struct decimal d;

    *end = last;
    d.n = d.point = 0;
    d.lost = false;
    long exponent = read_exponent(end, 'e') + (point - s) - 1;

    for (; s < last; s++) {
        if (s == point)
            continue;
        /* far outside the range nothing depends on the exact exponent; `point` of *d is an int */
        long place = exponent > 100000 ? 100000 : exponent < -100000 ? -100000 : exponent;
        decimal_add_digit(&d, place, char_digit(*s));
        exponent--;
    }
    return convert_decimal(&d);
}

static USER_FAULT_TEXT uint64_t read_hex(const char *s, const char **end)
{
    const char *point, *last = skip_digits(s, 16, &point);
    uint64_t mantissa = 0;
    long exponent = 0;

    *end = last;
    for (; s < last; s++) {
        if (s == point)
            continue;
        if (mantissa >> 60 == 0)
            mantissa = mantissa << 4 | char_digit(*s);
        else {
            mantissa |= char_digit(*s) != 0; /* below every bit that counts */
            exponent += 4;
        }
        if (s > point)
            exponent -= 4;
    }
    exponent += read_exponent(end, 'p');
    if (mantissa == 0)
        return 0;

    /* drop to 53 bits, or to as many as a subnormal number has */
    int top = __builtin_clzll(mantissa);
    mantissa <<= top;
    exponent -= top;
    long drop = 11;
    if (exponent + drop < LOWEST_EXPONENT)
        drop = LOWEST_EXPONENT - exponent;
    if (drop > 64)
        return 0;
    uint64_t kept = drop == 64 ? 0 : mantissa >> drop;
    uint64_t below = mantissa << (64 - drop); /* against a half, which is the top bit */
    if (below > UINT64_C(1) << 63 || (below == UINT64_C(1) << 63 && kept & 1))
        kept++;
    return bits_of(kept, exponent + drop);
}

/* How much of the lower-case word stands at s, in either case. */
static RT_ALWAYS_INLINE size_t matches(const char *s, const char *word)
{
    size_t n = 0;

    while (word[n] != 0 && (s[n] | 0x20) == word[n])
        n++;
    return n;
}

/* Past nan, and past the (text) that may follow it. */
static USER_FAULT_TEXT const char *skip_nan(const char *s)
{
    const char *p = s + 3;

    if (*p++ != '(')
        return s + 3;
    while (char_digit(*p) < 36 || *p == '_')
        p++;
    return *p == ')' ? p + 1 : s + 3;
}

USER_FAULT_TEXT double strtod(const char *restrict text, char **restrict end)
{
    bool negative;
    const char *s = skip_sign(text, &negative);
    uint64_t bits = 0;

    if (matches(s, "inf") == 3) {
        s += matches(s, "infinity") == 8 ? 8 : 3;
        bits = INFINITY_BITS;
    } else if (matches(s, "nan") == 3) {
        s = skip_nan(s);
        bits = INFINITY_BITS | UINT64_C(1) << (DOUBLE_FRACTION_BITS - 1);
    } else if (is_hex_prefix(s) ||
               (s[0] == '0' && (s[1] | 0x20) == 'x' && s[2] == '.' && char_digit(s[3]) < 16)) {
        bits = read_hex(s + 2, &s);
    } else if (char_digit(s[*s == '.']) <= 9) {
        bits = read_decimal(s, &s);
    } else {
        set_end(end, text);
        return 0;
    }
    set_end(end, s);
    return double_from(bits | (negative ? DOUBLE_SIGN : 0));
}

USER_FAULT_TEXT double atof(const char *s)
{
    return strtod(s, NULL);
}
