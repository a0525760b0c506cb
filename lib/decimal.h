/*
 * lib/decimal.h - exact decimal form of a double: what printing and reading numbers have in common.
 *
 * A struct decimal is a number >= 0 in base 10^9, with room for every digit that a double can have
 * (767 significant ones) and for the halfway point between any two doubles. It lives on its user's
 * stack.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DECIMAL_GROUPS 96

struct decimal {
    uint32_t group[DECIMAL_GROUPS]; /* nine digits each, most significant first */
    int n;                          /* groups in use; group[0] != 0; 0 means zero */
    int point;                      /* group i counts 10^(9 * (point - 1 - i)) */
    bool lost;                      /* digits other than 0 were dropped below the last group */
};

/* *d = m. */
void decimal_set(struct decimal *d, uint64_t m);

/*
 * Add digit * 10^exponent. The first call for a zeroed *d is with the leading digit, which is not
 * 0; later ones with falling exponents. Digits for which there is no room set `lost`.
 */
void decimal_add_digit(struct decimal *d, long exponent, unsigned digit);

/*
 * *d *= 2^k. Exact for m * 2^k of any double. Else digits may be lost at the end, and yet the
 * number stays on its side of every halfway point between doubles [decimal.2].
 */
void decimal_scale(struct decimal *d, int k);

/* The power of ten that the first digit counts; 0 for zero. */
int decimal_exponent(const struct decimal *d);

/* The power of ten that the last digit other than 0 counts; 0 for zero. */
int decimal_lowest(const struct decimal *d);

/* Drop the digits below 10^lowest, to nearest, ties to even. */
void decimal_round(struct decimal *d, long lowest);

/* The integer part, if it is below 10^18. */
uint64_t decimal_integer(const struct decimal *d);

/* The nine digits that count 10^(9 * index) and up, as a number. */
uint32_t decimal_group(const struct decimal *d, long index);

/* floor(exponent / 9), and what is left: the group that a power of ten falls into, and its place
 * there. */
static inline long decimal_group_of(long exponent)
{
    return (exponent >= 0 ? exponent : exponent - 8) / 9;
}

extern const uint32_t decimal_pow10[9];
