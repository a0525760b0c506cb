/*
 * lib/bits.h - rounding and logarithms of unsigned numbers. No libgcc call hides behind them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline bool is_pow2(uint64_t x)
{
    return x != 0 && (x & (x - 1)) == 0;
}

/* Round to a multiple of `to`, a power of two. align_up() wraps to 0 past the top. */
static inline uint64_t align_down(uint64_t x, uint64_t to)
{
    return x & ~(to - 1);
}

static inline uint64_t align_up(uint64_t x, uint64_t to)
{
    return (x + to - 1) & ~(to - 1);
}

/* Index of the lowest or highest set bit; x must not be 0. */
static inline unsigned bit_lowest(uint64_t x)
{
    return (unsigned)__builtin_ctzll(x);
}

static inline unsigned bit_highest(uint64_t x)
{
    return 63u - (unsigned)__builtin_clzll(x);
}

/* log2, rounded up; 0 for x <= 1. */
static inline unsigned log2_ceil(uint64_t x)
{
    return x <= 1 ? 0 : bit_highest(x - 1) + 1;
}

/* Bits set; spelt out because the baseline machine has no popcnt and we link no libgcc. */
static inline unsigned bits_count(uint64_t x)
{
    x -= (x >> 1) & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (unsigned)((x * 0x0101010101010101u) >> 56);
}
