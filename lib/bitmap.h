/*
 * lib/bitmap.h - runs of set bits in a 64-bit word: the steps of every bitmap search.
 *
 * Pure functions of words; a bitmap's owner says what a bit means and who may touch it.
 */
#pragma once

#include <lib/bits.h>

/* n bits from bit `from` on; 1 <= n, from + n <= 64. */
static inline uint64_t word_mask(unsigned from, unsigned n)
{
    return (~UINT64_C(0) >> (64 - n)) << from;
}

/* The bits at which n set bits begin, all within the word; 1 <= n <= 64. O(log n). */
static inline uint64_t word_runs(uint64_t word, unsigned n)
{
    /* invariant: `word` marks the starts of runs of `have` */
    for (unsigned have = 1; have < n;) {
        unsigned step = have < n - have ? have : n - have;

        word &= word >> step;
        have += step;
    }
    return word;
}

/* The bits whose numbers are multiples of `align`, a power of two up to 64. */
static inline uint64_t word_multiples(unsigned align)
{
    return align >= 64 ? 1 : ~UINT64_C(0) / ((UINT64_C(1) << align) - 1);
}

/* Set bits at the low end and at the high end. */
static inline unsigned word_ones_low(uint64_t word)
{
    return ~word == 0 ? 64 : bit_lowest(~word);
}

static inline unsigned word_ones_high(uint64_t word)
{
    return ~word == 0 ? 64 : 63 - bit_highest(~word);
}
