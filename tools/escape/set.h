/*
 * tools/escape/set.h - sets of 64-bit numbers that only grow. An empty set is all zeros.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct set {
    uint64_t *slots; /* 1 + number; 0: free. Open addressing, at most half full */
    uint32_t n, cap;
};

/* Put a number in, not UINT64_MAX; false if it was there. */
bool set_add(struct set *s, uint64_t number);
bool set_has(const struct set *s, uint64_t number);

/* One number of two. */
static inline uint64_t pair_of(uint32_t a, uint32_t b)
{
    return (uint64_t)a << 32 | b;
}
