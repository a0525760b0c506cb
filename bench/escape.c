/*
 * bench/escape.c - the five patterns of examples/escape, before and after: look at allocs/op.
 */
#include <bench/bench.h>

/* Compiled in here, so that one source is shown, reported and measured. */
#include <examples/escape/boxing.c>
#include <examples/escape/closure.c>
#include <examples/escape/goroutine.c>
#include <examples/escape/returned.c>
#include <examples/escape/slice.c>

static const int numbers[8] = {1, 2, 3, 4, 5, 6, 7, 8};

BENCH_OPTS(EscapeReturnedHeap, .icount_n = 100000)
{
    for (uint64_t i = 0; i < b->n; i++)
        bench_keep((uint64_t)returned_heap((int)i));
}

BENCH_OPTS(EscapeReturnedStack, .icount_n = 100000)
{
    for (uint64_t i = 0; i < b->n; i++)
        bench_keep((uint64_t)returned_stack((int)i));
}

BENCH_OPTS(EscapeClosureHeap, .icount_n = 100000)
{
    for (uint64_t i = 0; i < b->n; i++)
        bench_keep((uint64_t)closure_heap(numbers, 8));
}

BENCH_OPTS(EscapeClosureStack, .icount_n = 100000)
{
    for (uint64_t i = 0; i < b->n; i++)
        bench_keep((uint64_t)closure_stack(numbers, 8));
}

BENCH_OPTS(EscapeBoxingHeap, .icount_n = 100000)
{
    for (uint64_t i = 0; i < b->n; i++)
        bench_keep((uint64_t)boxing_heap((long)i));
}

BENCH_OPTS(EscapeBoxingStack, .icount_n = 100000)
{
    for (uint64_t i = 0; i < b->n; i++)
        bench_keep((uint64_t)boxing_stack((long)i));
}

BENCH_OPTS(EscapeSliceHeap, .icount_n = 10000)
{
    for (uint64_t i = 0; i < b->n; i++)
        bench_keep((uint64_t)slice_heap(40));
}

BENCH_OPTS(EscapeSliceStack, .icount_n = 10000)
{
    for (uint64_t i = 0; i < b->n; i++)
        bench_keep((uint64_t)slice_stack(40));
}

BENCH_OPTS(EscapeGoroutineHeap, .icount_n = 10000)
{
    chan(long) results = chan_make(long, 1);

    bench_start(b);
    for (uint64_t i = 0; i < b->n; i++)
        bench_keep((uint64_t)goroutine_heap(results, (long)i));
}

BENCH_OPTS(EscapeGoroutineStack, .icount_n = 10000)
{
    chan(long) results = chan_make(long, 1);

    bench_start(b);
    for (uint64_t i = 0; i < b->n; i++)
        bench_keep((uint64_t)goroutine_stack(results, (long)i));
}
