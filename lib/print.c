/*
 * lib/print.c - formatted output.
 *
 * WHAT. print_format() cuts a format into text and conversions and hands pieces to a sink. A
 * conversion is first measured, so that its padding is known, then sent: sign and prefix, zeros,
 * body. No buffer grows with width or precision. Above it: text into memory, and text onto the
 * console.
 *
 * INVARIANTS
 * [print.1] No state but the caller's, no lock, no allocation: any context may format.
 * [print.2] While the console is held nothing is read that was not read before: a wild pointer of
 *           the program faults in strnlen() or memcpy(), whose faults are the program's, and before
 *           console_begin(). So long texts are formatted twice, short ones (a stack buffer's) once.
 *
 * REJECTED. Sending each piece to the console as it comes: lines of two cores would mix, or a fault
 * would happen with the console held. Allocating the text: reports are written when memory is gone.
 */
#include <lib/print.h>
#include <lib/console.h>
#include <lib/decimal.h>
#include <lib/double.h>
#include <lib/string.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>

enum flag { LEFT = 1, PLUS = 2, SPACE = 4, ALT = 8, ZERO = 16 };
enum length { LEN_INT, LEN_CHAR, LEN_SHORT, LEN_LONG, LEN_LONG_LONG, LEN_LONG_DOUBLE };

struct spec {
    unsigned flags;
    unsigned width;
    int precision; /* -1: none given */
    enum length length;
    char conversion;
};

struct out {
    struct print_sink *sink;
    uint64_t total;
};

static void put(struct out *out, const char *s, size_t n)
{
    if (n == 0)
        return;
    out->total += n;
    out->sink->put(out->sink, s, n);
}

static void put_repeated(struct out *out, char c, size_t n)
{
    static const char runs[2][17] = {"                ", "0000000000000000"};
    const char *run = runs[c == '0'];

    for (; n > 16; n -= 16)
        put(out, run, 16);
    put(out, run, n);
}

/* Everything of a field that stands before its body; returns the blanks that belong after it. */
static size_t put_field_start(struct out *out, const struct spec *spec, const char *prefix,
                              size_t body_bytes)
{
    size_t prefix_bytes = strlen(prefix);
    size_t used = prefix_bytes + body_bytes;
    size_t fill = spec->width > used ? spec->width - used : 0;

    if (!(spec->flags & (LEFT | ZERO)))
        put_repeated(out, ' ', fill);
    put(out, prefix, prefix_bytes);
    if (spec->flags & LEFT)
        return fill;
    if (spec->flags & ZERO)
        put_repeated(out, '0', fill);
    return 0;
}

static void put_field(struct out *out, const struct spec *spec, const char *prefix,
                      const char *body, size_t n)
{
    size_t after = put_field_start(out, spec, prefix, n);

    put(out, body, n);
    put_repeated(out, ' ', after);
}

static const char *sign_text(const struct spec *spec, bool negative)
{
    return negative ? "-" : spec->flags & PLUS ? "+" : spec->flags & SPACE ? " " : "";
}

/* Digits of `value`, last one just before `end`; returns the first. Zero has no digits. */
static char *digits_before(char *end, uint64_t value, unsigned base, bool upper)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";

    if (base == 10) /* apart, so that the division is by a constant */
        for (; value != 0; value /= 10)
            *--end = (char)('0' + value % 10);
    else
        for (unsigned shift = base == 16 ? 4 : 3; value != 0; value >>= shift)
            *--end = digits[value & (base - 1)];
    return end;
}

static void format_integer(struct out *out, struct spec *spec, uint64_t value, bool negative)
{
    char buf[24], *end = buf + sizeof(buf), *first;
    bool upper = spec->conversion == 'X';
    const char *prefix = "";
    unsigned base = 10;
    size_t n_digits, n_zeros = 0, least = spec->precision < 0 ? 1 : (size_t)spec->precision;

    switch (spec->conversion) {
    case 'd':
    case 'i':
        prefix = sign_text(spec, negative);
        break;
    case 'o':
        base = 8;
        break;
    case 'p':
        prefix = "0x";
        base = 16;
        break;
    case 'x':
    case 'X':
        base = 16;
        if (spec->flags & ALT && value != 0)
            prefix = upper ? "0X" : "0x";
        break;
    }
    if (spec->precision >= 0)
        spec->flags &= ~ZERO;

    first = digits_before(end, value, base, upper);
    n_digits = (size_t)(end - first);
    if (base == 8 && spec->flags & ALT && least <= n_digits)
        least = n_digits + 1;
    if (least > n_digits)
        n_zeros = least - n_digits;

    size_t after = put_field_start(out, spec, prefix, n_zeros + n_digits);
    put_repeated(out, '0', n_zeros);
    put(out, first, n_digits);
    put_repeated(out, ' ', after);
}

/* One character as UTF-8; returns its bytes. What is no character becomes U+FFFD. */
static size_t utf8(char buf[4], uint32_t c)
{
    static const unsigned char lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t n;

    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        c = 0xfffd;
    n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6)
        buf[i] = (char)(0x80 | (c & 0x3f));
    buf[0] = (char)(lead[n] | c);
    return n;
}

static void format_wide_string(struct out *out, const struct spec *spec, const wchar_t *s)
{
    size_t bytes = 0, n = 0, most = spec->precision < 0 ? SIZE_MAX : (size_t)spec->precision;
    char buf[4];

    for (; bytes < most && s[n] != 0; n++) {
        size_t more = utf8(buf, (uint32_t)s[n]);
        if (more > most - bytes)
            break; /* never a part of a character */
        bytes += more;
    }
    size_t after = put_field_start(out, spec, "", bytes);
    for (size_t i = 0; i < n; i++)
        put(out, buf, utf8(buf, (uint32_t)s[i]));
    put_repeated(out, ' ', after);
}

static void format_string(struct out *out, const struct spec *spec, const char *s)
{
    if (s == NULL)
        s = "(null)";
    put_field(out, spec, "", s,
              spec->precision < 0 ? strlen(s) : strnlen(s, (size_t)spec->precision));
}

/* The digits that count 10^high down to 10^(high - n + 1). */
static void put_decimal_digits(struct out *out, const struct decimal *d, long high, size_t n)
{
    while (n > 0) {
        long index = decimal_group_of(high);
        size_t skip = 8 - (size_t)(high - 9 * index), take = 9 - skip < n ? 9 - skip : n;
        char buf[9];

        if (index < d->point - d->n) {
            put_repeated(out, '0', n);
            return;
        }
        uint32_t group = decimal_group(d, index);
        for (size_t i = 9; i-- > 0; group /= 10)
            buf[i] = (char)('0' + group % 10);
        put(out, buf + skip, take);
        high -= (long)take;
        n -= take;
    }
}

/* An exponent: letter, sign and at least `least` digits, before `end`. */
static char *exponent_before(char *end, long exponent, int least, char letter)
{
    char *first = digits_before(end, (uint64_t)(exponent < 0 ? -exponent : exponent), 10, false);

    while (end - first < least)
        *--first = '0';
    *--first = exponent < 0 ? '-' : '+';
    *--first = letter;
    return first;
}

/* Mantissa and exponent of |value|, finite: mantissa * 2^exponent. */
static uint64_t double_parts(uint64_t bits, int *exponent)
{
    int stored = double_exponent(bits);
    uint64_t fraction = bits & DOUBLE_FRACTION_MASK;

    *exponent = (stored == 0 ? 1 : stored) - DOUBLE_BIAS - DOUBLE_FRACTION_BITS;
    return stored == 0 ? fraction : fraction | DOUBLE_LEADING_ONE;
}

/* %a: one hexadecimal digit, the point, up to 13 digits or as many as wanted, the power of two. */
static void format_hex_double(struct out *out, const struct spec *spec, uint64_t bits)
{
    bool upper = spec->conversion == 'A';
    const char *sign = sign_text(spec, bits >> 63);
    int exponent;
    uint64_t mantissa = double_parts(bits, &exponent);
    char buf[32], *end = buf + sizeof(buf), digits[16], prefix[4], *p = prefix;
    size_t n_digits = 13, n_zeros = 0;

    exponent = mantissa == 0 ? 0 : exponent + DOUBLE_FRACTION_BITS;
    if (spec->precision < 0) {
        for (; n_digits > 0 && (mantissa >> (4 * (13 - n_digits)) & 0xf) == 0; n_digits--)
            ;
    } else if (spec->precision < 13) {
        unsigned drop = 4 * (13 - (unsigned)spec->precision);
        uint64_t unit = 1ull << drop, below = mantissa & (unit - 1);

        mantissa -= below;
        if (below > unit / 2 || (below == unit / 2 && mantissa & unit))
            mantissa += unit;
        n_digits = (size_t)spec->precision;
    } else {
        n_zeros = (size_t)spec->precision - 13;
    }

    while (*sign)
        *p++ = *sign++;
    *p++ = '0';
    *p++ = upper ? 'X' : 'x';
    *p = 0;

    /* the leading digit always counts 2^52; 13 digits follow it, the first n_digits are shown */
    digits[0] = (char)('0' + (mantissa >> DOUBLE_FRACTION_BITS));
    char *first = digits_before(digits + 15, mantissa & DOUBLE_FRACTION_MASK, 16, upper);
    while (first > digits + 2)
        *--first = '0';
    digits[1] = '.';
    size_t n_body = n_digits + n_zeros > 0 || spec->flags & ALT ? n_digits + 2 : 1;

    first = exponent_before(end, exponent, 1, upper ? 'P' : 'p');
    size_t after = put_field_start(out, spec, prefix, n_body + n_zeros + (size_t)(end - first));
    put(out, digits, n_body);
    put_repeated(out, '0', n_zeros);
    put(out, first, (size_t)(end - first));
    put_repeated(out, ' ', after);
}

/* %f %e %g of a finite double. Apart from format_double(), for its 400 bytes of stack. */
static RT_NOINLINE void format_decimal_double(struct out *out, const struct spec *spec,
                                              uint64_t bits)
{
    bool upper = spec->conversion < 'a';
    char style = (char)(spec->conversion | 0x20);
    long precision = spec->precision < 0 ? 6 : spec->precision, exponent;
    char buf[8], *end = buf + sizeof(buf), *tail = end; /* room for e-324 */
    struct decimal d;
    int binary;

    decimal_set(&d, double_parts(bits, &binary));
    if (d.n != 0)
        decimal_scale(&d, binary);

    if (style == 'g' && precision > 0)
        precision--; /* now what follows the first digit, as for e */
    decimal_round(&d, style == 'f' ? -precision : decimal_exponent(&d) - precision);
    exponent = decimal_exponent(&d);
    if (style == 'g') {
        style = exponent < -4 || exponent > precision ? 'e' : 'f';
        if (style == 'f')
            precision -= exponent;
        if (!(spec->flags & ALT)) {
            long places = (style == 'e' ? exponent : 0) - decimal_lowest(&d);
            precision = places < 0 ? 0 : places < precision ? places : precision;
        }
    }

    long high = exponent; /* of the first digit shown */
    if (style == 'e')
        tail = exponent_before(end, exponent, 2, upper ? 'E' : 'e');
    else if (high < 0)
        high = 0;
    size_t n_integer = style == 'e' ? 1 : (size_t)high + 1;
    size_t n_point = precision > 0 || spec->flags & ALT;
    size_t n_tail = (size_t)(end - tail);

    size_t after = put_field_start(out, spec, sign_text(spec, bits >> 63),
                                   n_integer + n_point + (size_t)precision + n_tail);
    put_decimal_digits(out, &d, high, n_integer);
    put(out, ".", n_point);
    put_decimal_digits(out, &d, high - (long)n_integer, (size_t)precision);
    put(out, tail, n_tail);
    put_repeated(out, ' ', after);
}

static void format_double(struct out *out, struct spec *spec, double value)
{
    uint64_t bits = double_bits(value);

    if (double_exponent(bits) == DOUBLE_EXPONENT_MAX) {
        static const char names[4][4] = {"inf", "nan", "INF", "NAN"};
        unsigned which = ((bits & DOUBLE_FRACTION_MASK) != 0) + 2u * (spec->conversion < 'a');

        spec->flags &= ~ZERO;
        put_field(out, spec, sign_text(spec, bits >> 63), names[which], 3);
    } else if ((spec->conversion | 0x20) == 'a') {
        format_hex_double(out, spec, bits);
    } else {
        format_decimal_double(out, spec, bits);
    }
}

/* Decimal digits at *fmt; stops growing at INT_MAX. */
static unsigned parse_number(const char **fmt)
{
    unsigned n = 0;

    for (; **fmt >= '0' && **fmt <= '9'; ++*fmt) {
        unsigned digit = (unsigned)(**fmt - '0');
        n = n > (INT_MAX - digit) / 10 ? INT_MAX : n * 10 + digit;
    }
    return n;
}

static unsigned parse_flags(const char **fmt)
{
    static const char names[] = "-+ #0";
    unsigned flags = 0;

    for (;; ++*fmt) {
        const char *name = **fmt == 0 ? NULL : strchr(names, **fmt);
        if (name == NULL)
            return flags & LEFT ? flags & ~ZERO : flags;
        flags |= 1u << (name - names);
    }
}

static enum length parse_length(const char **fmt)
{
    char c = **fmt;

    switch (c) {
    case 'h':
    case 'l':
        ++*fmt;
        if (**fmt != c)
            return c == 'h' ? LEN_SHORT : LEN_LONG;
        ++*fmt;
        return c == 'h' ? LEN_CHAR : LEN_LONG_LONG;
    case 'j':
    case 'z':
    case 't':
        ++*fmt;
        return LEN_LONG;
    case 'L':
        ++*fmt;
        return LEN_LONG_DOUBLE;
    default:
        return LEN_INT;
    }
}
_Static_assert(sizeof(long) == 8 && sizeof(size_t) == 8 && sizeof(intmax_t) == 8 &&
                   sizeof(ptrdiff_t) == 8 && sizeof(long long) == 8,
               "LEN_LONG fetches them all");

/* What a va_list is varies between machines; in a struct it can be passed on by its address. */
struct args {
    va_list ap;
};

static uint64_t next_unsigned(struct args *args, enum length length)
{
    if (length == LEN_LONG || length == LEN_LONG_LONG)
        return va_arg(args->ap, uint64_t);
    unsigned value = va_arg(args->ap, unsigned);
    return length == LEN_CHAR    ? (unsigned char)value
           : length == LEN_SHORT ? (unsigned short)value
                                 : value;
}

static int64_t next_signed(struct args *args, enum length length)
{
    if (length == LEN_LONG || length == LEN_LONG_LONG)
        return va_arg(args->ap, int64_t);
    int value = va_arg(args->ap, int);
    return length == LEN_CHAR ? (signed char)value : length == LEN_SHORT ? (short)value : value;
}

static const char *parse_spec(struct spec *spec, const char *fmt, struct args *args)
{
    spec->flags = parse_flags(&fmt);
    spec->precision = -1;
    if (*fmt == '*') {
        int width = va_arg(args->ap, int);

        fmt++;
        if (width < 0)
            spec->flags = (spec->flags | LEFT) & ~ZERO;
        spec->width = width < 0 ? 0u - (unsigned)width : (unsigned)width;
    } else {
        spec->width = parse_number(&fmt);
    }
    if (*fmt == '.') {
        fmt++;
        if (*fmt == '*') {
            fmt++;
            spec->precision = va_arg(args->ap, int);
            if (spec->precision < 0)
                spec->precision = -1;
        } else {
            spec->precision = (int)parse_number(&fmt);
        }
    }
    spec->length = parse_length(&fmt);
    spec->conversion = *fmt;
    return fmt;
}

/* One argument by its conversion; false if there is no such conversion. */
static bool format_argument(struct out *out, struct spec *spec, struct args *args)
{
    char c;
    char wide[4];

    switch (spec->conversion) {
    case 'd':
    case 'i': {
        int64_t value = next_signed(args, spec->length);
        format_integer(out, spec, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0);
        return true;
    }
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        format_integer(out, spec, next_unsigned(args, spec->length), false);
        return true;
    case 'p':
        format_integer(out, spec, (uintptr_t)va_arg(args->ap, void *), false);
        return true;
    case 'c':
        spec->flags &= ~ZERO;
        if (spec->length == LEN_LONG) {
            put_field(out, spec, "", wide, utf8(wide, va_arg(args->ap, unsigned)));
        } else {
            c = (char)va_arg(args->ap, int);
            put_field(out, spec, "", &c, 1);
        }
        return true;
    case 's': {
        const void *s = va_arg(args->ap, const void *);

        spec->flags &= ~ZERO;
        if (spec->length == LEN_LONG && s != NULL)
            format_wide_string(out, spec, s);
        else
            format_string(out, spec, s);
        return true;
    }
    case 'f':
    case 'F':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
    case 'a':
    case 'A':
        format_double(out, spec,
                      spec->length == LEN_LONG_DOUBLE ? (double)va_arg(args->ap, long double)
                                                      : va_arg(args->ap, double));
        return true;
    default:
        return false;
    }
}

int print_format(struct print_sink *sink, const char *fmt, va_list ap)
{
    struct out out = {sink, 0};
    struct args args;
    struct spec spec;

    va_copy(args.ap, ap);
    while (*fmt != 0) {
        const char *start = fmt;

        while (*fmt != 0 && *fmt != '%')
            fmt++;
        put(&out, start, (size_t)(fmt - start));
        if (*fmt == 0)
            break;
        start = fmt++;
        fmt = parse_spec(&spec, fmt, &args);
        if (spec.conversion == '%')
            put(&out, "%", 1);
        else if (!format_argument(&out, &spec, &args))
            put(&out, start, (size_t)(fmt - start) + (*fmt != 0));
        if (*fmt != 0)
            fmt++;
    }
    va_end(args.ap);
    return out.total > INT_MAX ? -1 : (int)out.total;
}

struct memory_sink {
    struct print_sink sink;
    char *next;
    size_t room; /* bytes that may still be written, besides the NUL */
};

static void memory_put(struct print_sink *sink, const char *s, size_t n)
{
    struct memory_sink *memory = (struct memory_sink *)sink;

    if (n > memory->room)
        n = memory->room;
    memcpy(memory->next, s, n);
    memory->next += n;
    memory->room -= n;
}

int rt_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
    char none;
    struct memory_sink memory = {{memory_put}, size > 0 ? buf : &none, size > 0 ? size - 1 : 0};
    int n = print_format(&memory.sink, fmt, ap);

    *memory.next = 0;
    return n;
}

int rt_snprintf(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = rt_vsnprintf(buf, size, fmt, ap);
    va_end(ap);
    return n;
}

#define CONSOLE_CHUNK 256

struct console_sink {
    struct print_sink sink;
    size_t used;
    char *chunk; /* CONSOLE_CHUNK bytes */
};

static void console_sink_put(struct print_sink *sink, const char *s, size_t n)
{
    struct console_sink *console = (struct console_sink *)sink;

    while (n > 0) {
        size_t take = CONSOLE_CHUNK - console->used;

        if (take > n)
            take = n;
        memcpy(console->chunk + console->used, s, take);
        console->used += take;
        s += take;
        n -= take;
        if (console->used == CONSOLE_CHUNK) {
            console_put(console->chunk, CONSOLE_CHUNK);
            console->used = 0;
        }
    }
}

int rt_vprintf(const char *fmt, va_list ap)
{
    char chunk[CONSOLE_CHUNK];
    /* reads all that there is to read [print.2] */
    int n = rt_vsnprintf(chunk, sizeof(chunk), fmt, ap);

    if (n >= 0 && (size_t)n < sizeof(chunk)) {
        console_write(chunk, (size_t)n);
        return n;
    }
    struct console_sink console = {{console_sink_put}, 0, chunk};
    console_begin();
    n = print_format(&console.sink, fmt, ap);
    console_put(chunk, console.used);
    console_end();
    return n;
}

int rt_printf(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = rt_vprintf(fmt, ap);
    va_end(ap);
    return n;
}

/* Read a byte of every page: a wild pointer faults here, with the console free [print.2]. */
static void touch(const char *bytes, size_t n)
{
    char c;

    for (size_t i = 0; i < n; i += 4096)
        memcpy(&c, bytes + i, 1);
    if (n > 0)
        memcpy(&c, bytes + n - 1, 1);
}

int rt_puts(const char *text)
{
    size_t n = strlen(text);

    console_begin();
    console_put(text, n);
    console_put("\n", 1);
    console_end();
    return n < INT_MAX ? (int)n + 1 : -1;
}

void rt_write(const char *bytes, size_t n)
{
    touch(bytes, n);
    console_write(bytes, n);
}
