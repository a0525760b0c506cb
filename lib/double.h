/*
 * lib/double.h - the bits of a double (IEEE 754 binary64): for whoever prints, reads or computes
 * them.
 */
#pragma once

#include <rt/compiler.h>

#define DOUBLE_FRACTION_BITS 52
#define DOUBLE_LEADING_ONE (UINT64_C(1) << DOUBLE_FRACTION_BITS) /* not stored; not of subnormals */
#define DOUBLE_FRACTION_MASK (DOUBLE_LEADING_ONE - 1)
#define DOUBLE_EXPONENT_MAX 0x7ff /* as it is stored: of infinities and NaN */
#define DOUBLE_BIAS 1023
#define DOUBLE_SIGN (UINT64_C(1) << 63)

static RT_ALWAYS_INLINE uint64_t double_bits(double x)
{
    union {
        double x;
        uint64_t bits;
    } u = {x};

    return u.bits;
}

static RT_ALWAYS_INLINE double double_from(uint64_t bits)
{
    union {
        uint64_t bits;
        double x;
    } u = {bits};

    return u.x;
}

/* The exponent as it is stored. */
static RT_ALWAYS_INLINE int double_exponent(uint64_t bits)
{
    return (int)(bits >> DOUBLE_FRACTION_BITS) & DOUBLE_EXPONENT_MAX;
}
