/*
 * lib/decimal.c - exact decimal form of a double.
 *
 * WHAT. Printing sets an integer and scales it by a power of two, then rounds and reads digits.
 * Reading a number collects digits, scales by powers of two until 53 bits stand before the point,
 * then rounds. Both are a few passes over at most 96 base-10^9 groups, usually over two to six.
 *
 * INVARIANTS
 * [decimal.1] group[0] and group[n-1] are not 0, unless n is 0.
 * [decimal.2] Losing digits keeps order: let h be the halfway point that decides, seen through the
 * scaling that is still to come. h has at most 767 digits, so it is a multiple of the last place
 * that 96 groups hold; cutting a number there leaves it at, above or below h as it was, and `lost`
 * tells "at" from "just above".
 *
 * REJECTED. Ryu and Grisu tables: 10 KiB, and neither gives arbitrary precision. Binary bignums:
 * exact too, but need a division by 10^9 for integers, a multiplication for fractions, and serve
 * reading badly.
 * SOURCES. Steele & White, PLDI 1990; Clinger, PLDI 1990 (why exactness needs the long digits).
 */
#include <lib/decimal.h>

#define BASE 1000000000u
/* Bits a pass: g * 2^STEP + carry stays in 64 bits, and 2^STEP divides BASE^3, so a
 * division ends. */
#define STEP 27

const uint32_t decimal_pow10[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

static void decimal_trim(struct decimal *d)
{
    int zeros = 0;

    while (d->n > 0 && d->group[d->n - 1] == 0)
        d->n--;
    while (zeros < d->n && d->group[zeros] == 0)
        zeros++;
    if (zeros == 0)
        return;
    d->n -= zeros;
    d->point -= zeros;
    for (int i = 0; i < d->n; i++)
        d->group[i] = d->group[i + zeros];
}

static void decimal_push_front(struct decimal *d, uint32_t group)
{
    if (d->n == DECIMAL_GROUPS)
        d->lost |= d->group[--d->n] != 0;
    for (int i = d->n++; i > 0; i--)
        d->group[i] = d->group[i - 1];
    d->group[0] = group;
    d->point++;
}

void decimal_set(struct decimal *d, uint64_t m)
{
    d->n = d->point = 0;
    d->lost = false;
    for (; m != 0; m /= BASE)
        decimal_push_front(d, (uint32_t)(m % BASE));
    decimal_trim(d);
}

void decimal_add_digit(struct decimal *d, long exponent, unsigned digit)
{
    long group = decimal_group_of(exponent);

    if (digit == 0)
        return;
    if (d->n == 0)
        d->point = (int)group + 1;
    long i = d->point - 1 - group;
    if (i >= DECIMAL_GROUPS) {
        d->lost = true;
        return;
    }
    while (d->n <= i)
        d->group[d->n++] = 0;
    d->group[i] += digit * decimal_pow10[exponent - 9 * group];
}

static void decimal_multiply(struct decimal *d, int bits)
{
    uint64_t carry = 0;

    for (int i = d->n; i-- > 0;) {
        carry += (uint64_t)d->group[i] << bits;
        d->group[i] = (uint32_t)(carry % BASE);
        carry /= BASE;
    }
    if (carry != 0)
        decimal_push_front(d, (uint32_t)carry);
    decimal_trim(d);
}

static void decimal_divide(struct decimal *d, int bits)
{
    const uint64_t mask = (1ull << bits) - 1;
    uint64_t rest = 0;

    for (int i = 0; i < d->n; i++) {
        rest = rest * BASE + d->group[i];
        d->group[i] = (uint32_t)(rest >> bits);
        rest &= mask;
    }
    for (; rest != 0 && d->n < DECIMAL_GROUPS; rest &= mask) {
        rest *= BASE;
        d->group[d->n++] = (uint32_t)(rest >> bits);
    }
    d->lost |= rest != 0;
    decimal_trim(d);
}

void decimal_scale(struct decimal *d, int k)
{
    for (; k > STEP; k -= STEP)
        decimal_multiply(d, STEP);
    for (; k < -STEP; k += STEP)
        decimal_divide(d, STEP);
    if (k > 0)
        decimal_multiply(d, k);
    else if (k < 0)
        decimal_divide(d, -k);
}

int decimal_exponent(const struct decimal *d)
{
    int digit = 0;

    if (d->n == 0)
        return 0;
    while (digit < 8 && d->group[0] >= decimal_pow10[digit + 1])
        digit++;
    return 9 * (d->point - 1) + digit;
}

int decimal_lowest(const struct decimal *d)
{
    int digit = 0;

    if (d->n == 0)
        return 0;
    while (digit < 8 && d->group[d->n - 1] % decimal_pow10[digit + 1] == 0)
        digit++;
    return 9 * (d->point - d->n) + digit;
}

void decimal_round(struct decimal *d, long lowest)
{
    long index = decimal_group_of(lowest);
    uint32_t unit = decimal_pow10[lowest - 9 * index];
    long cut = d->point - 1 - index; /* the group that keeps its upper digits */

    if (d->n == 0 || cut >= d->n)
        return;
    if (cut < -1) {
        d->n = 0;
        return;
    }
    if (cut == -1) {
        decimal_push_front(d, 0);
        cut = 0;
    }

    /* what goes, in the first group that goes: against half a unit, then whatever follows it */
    uint32_t below = d->group[cut] % unit, half = unit / 2;
    long after = cut + 1;
    d->group[cut] -= below;
    if (unit == 1) {
        below = after < d->n ? d->group[after] : 0;
        half = BASE / 2;
        after++;
    }
    bool odd = d->group[cut] / unit % 2 != 0;
    bool more = after < d->n || d->lost; /* [decimal.1]: behind a group there are more digits */
    bool up = below > half || (below == half && (more || odd));

    d->n = (int)cut + 1;
    d->lost = false;
    for (uint32_t add = unit; up && cut >= 0; cut--, add = 1) {
        d->group[cut] += add;
        up = d->group[cut] >= BASE;
        if (up)
            d->group[cut] -= BASE;
    }
    if (up)
        decimal_push_front(d, 1);
    decimal_trim(d);
}

uint64_t decimal_integer(const struct decimal *d)
{
    return (uint64_t)decimal_group(d, 1) * BASE + decimal_group(d, 0);
}

uint32_t decimal_group(const struct decimal *d, long index)
{
    long i = d->point - 1 - index;

    return i >= 0 && i < d->n ? d->group[i] : 0;
}
