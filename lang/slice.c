/*
 * lang/slice.c - growing slices, and what an index out of range says.
 *
 * GROWTH is Go's: to twice the capacity up to 256 elements, from there by a quarter and 192 more,
 * so that the factor falls smoothly from 2 to 1.25; at least what is asked for.
 * [slice.1] A slice never points behind its array: rt_sub() keeps p where it is when nothing is
 *           left, or an empty rest would keep the neighbouring object alive, and append() to it
 *           would be the neighbour's.
 * SOURCES. Go runtime/slice.go, runtime/error.go (texts).
 */
#include <gc/alloc.h>
#include <gc/barrier.h>
#include <gc/up.h>
#include <lang/panic.h>
#include <rt/slice.h>

#define DOUBLES_UP_TO 256

static size_t slice_new_cap(size_t cap, size_t need)
{
    if (need > 2 * cap)
        return need;
    if (cap < DOUBLES_UP_TO)
        return 2 * cap;
    while (cap < need)
        cap += (cap + 3 * DOUBLES_UP_TO) / 4;
    return cap;
}

void *rt_slice_grow(struct rt_slice_any *s, size_t n, struct rt_type *elem)
{
    size_t need;

    if (__builtin_add_overflow(s->len, n, &need) || need > SIZE_MAX / 4)
        panic_runtime(RT_PANIC_SLICE, "growslice: len out of range");
    if (need > s->cap) {
        size_t cap = slice_new_cap(s->cap, need);
        void *p = gc_alloc_array(elem, cap);
        if (s->len > 0)
            gc_copy_barrier(p, s->p, s->len * elem->size);
        s->p = p;
        s->cap = cap;
    }
    return (char *)s->p + s->len * elem->size;
}

void rt_panic_index(int64_t index, size_t len)
{
    if (index < 0)
        panic_runtime(RT_PANIC_INDEX, "index out of range [%lld]", (long long)index);
    panic_runtime(RT_PANIC_INDEX, "index out of range [%lld] with length %zu", (long long)index,
                  len);
}

void rt_panic_slice(int64_t lo, int64_t hi, size_t cap)
{
    if (hi < 0)
        panic_runtime(RT_PANIC_SLICE, "slice bounds out of range [:%lld]", (long long)hi);
    if ((uint64_t)hi > cap)
        panic_runtime(RT_PANIC_SLICE, "slice bounds out of range [:%lld] with capacity %zu",
                      (long long)hi, cap);
    if (lo < 0)
        panic_runtime(RT_PANIC_SLICE, "slice bounds out of range [%lld:]", (long long)lo);
    panic_runtime(RT_PANIC_SLICE, "slice bounds out of range [%lld:%lld]", (long long)lo,
                  (long long)hi);
}
