/*
 * lib/rand.h - seeded generator: every random choice of the runtime and of tests comes from here.
 *
 * splitmix64: one 64-bit word of state, any seed is good, and a stream for each user (a core, a
 * test) can be split off by hashing the user's number into the seed. Not for secrets.
 * SOURCES. Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
 */
#pragma once

#include <stdint.h>

/* 2^64 over the golden ratio, odd: its multiples spread evenly, so the upper bits of a product are
 * a hash of the other factor. */
#define RNG_GOLDEN UINT64_C(0x9e3779b97f4a7c15)

struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->state += RNG_GOLDEN;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Uniform in [0, n) but for a bias below n / 2^32; n > 0. */
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
    return (uint32_t)(((rng_next(r) >> 32) * n) >> 32);
}

/* An independent stream: the `which`-th child of `seed`. */
static inline struct rng rng_split(uint64_t seed, uint64_t which)
{
    struct rng r = {seed ^ (which * 0xd1342543de82ef95u)};
    r.state = rng_next(&r);
    return r;
}

/*
 * One step of a linear congruence, of which only the upper bits are any good: half the
 * instructions, for whoever draws often. SOURCES. Knuth, TAOCP vol. 2, 3.3.4 (MMIX).
 */
static inline uint64_t rng_step(uint64_t state)
{
    return state * 6364136223846793005u + 1442695040888963407u;
}
