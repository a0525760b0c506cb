/*
 * lib/cstdlib.c - the small functions of <stdlib.h> that belong nowhere else.
 */
#include <rt/cstring.h>
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

/* One step of a 64-bit linear congruence, of which the upper bits are good (Knuth, TAOCP
 * 2, 3.3.4). */
static uint64_t rand_step(uint64_t state)
{
    return state * 6364136223846793005u + 1442695040888963407u;
}

void srand(unsigned seed)
{
    atomic_store_explicit(&rand_state, seed, memory_order_relaxed);
}

int rand(void)
{
    uint64_t state = atomic_load_explicit(&rand_state, memory_order_relaxed);

    while (!atomic_compare_exchange_weak_explicit(&rand_state, &state, rand_step(state),
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
    return (int)(rand_step(state) >> 33);
}
