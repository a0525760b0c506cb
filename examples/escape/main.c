/*
 * escape - five reasons for an allocation, and how to do without.
 *
 *     make run APP=examples/escape          allocations for each operation, before and after
 *     make escape APP=examples/escape V=1   what the compiler's report says of them
 *
 * One file for each pattern: returned.c closure.c boxing.c slice.c goroutine.c.
 */
#include "patterns.h"

enum { TIMES = 1000 };

static uint64_t allocations(void)
{
    struct rt_mem_stats m;

    rt_read_mem_stats(&m);
    return m.mallocs;
}

/* Runs `call` 1000 times; allocations for one, rounded. */
#define COUNT(call)                                                                                \
    __extension__({                                                                                \
        uint64_t before_ = allocations();                                                          \
        for (int i = 0; i < TIMES; i++)                                                            \
            (void)(call);                                                                          \
        (unsigned)((allocations() - before_ + TIMES / 2) / TIMES);                                 \
    })

int main(void)
{
    static const int a[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    chan(long) results = chan_make(long, 1);

    rt_printf("allocations for one operation, before and after\n");
    rt_printf("%-10s %u %u\n", "returned", COUNT(returned_heap(i)), COUNT(returned_stack(i)));
    rt_printf("%-10s %u %u\n", "closure", COUNT(closure_heap(a, 8)), COUNT(closure_stack(a, 8)));
    rt_printf("%-10s %u %u\n", "boxing", COUNT(boxing_heap(i)), COUNT(boxing_stack(i)));
    rt_printf("%-10s %u %u\n", "slice", COUNT(slice_heap(40)), COUNT(slice_stack(40)));
    rt_printf("%-10s %u %u\n", "goroutine", COUNT(goroutine_heap(results, i)),
              COUNT(goroutine_stack(results, i)));
    return 0;
}
