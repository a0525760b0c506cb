/*
 * escape/slice.c - 4. A slice that grows.
 *
 * An empty slice allocates at its first append and again whenever it is full; the arrays left
 * behind are garbage. The report says of append() that its array does not escape, so where the
 * usual number is known, the first array may be a local one.
 * Cure: begin with a window on a local array. Beyond it, append() goes to the heap by itself.
 */
#include "patterns.h"

slice_type(int, ints);

static long squares(struct ints s, int n)
{
    long sum = 0;

    for (int i = 0; i < n; i++)
        s = append(s, i * i);
    slice_range (i, v, s)
        sum += v;
    return sum;
}

long slice_heap(int n)
{
    return squares((struct ints){0}, n);
}

long slice_stack(int n)
{
    int room[64];

    return squares((struct ints){room, 0, 64}, n);
}
