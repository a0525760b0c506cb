/*
 * lib/cstdlib.c - the small functions of <stdlib.h> that belong nowhere else.
 */
#include <rt/cstring.h>
#include <lib/rand.h>
#include <stdatomic.h>

int abs(int n)
{
    return n < 0 ? -n : n;
}

long labs(long n)
{
    return n < 0 ? -n : n;
}

long long llabs(long long n)
{
    return n < 0 ? -n : n;
}

/* [a] Relaxed: callers on several cores take turns of one sequence, in any order. */
static _Atomic(uint64_t) rand_state = 1;

void srand(unsigned seed)
{
    atomic_store_explicit(&rand_state, seed, memory_order_relaxed);
}

int rand(void)
{
    uint64_t state = atomic_load_explicit(&rand_state, memory_order_relaxed);

    while (!atomic_compare_exchange_weak_explicit(&rand_state, &state, rng_step(state),
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
    return (int)(rng_step(state) >> 33);
}
