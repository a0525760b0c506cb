/*
 * crowd - a million goroutines that all wait for one thing.
 *
 *     make run APP=examples/crowd                                  100,000 of them
 *     make run APP=examples/crowd ARGS=1000000 MEM=8G              a million
 *     make run APP=examples/crowd ICOUNT=1 SMP=1             instructions instead of nanoseconds
 *
 * Each is started, parks in a receive, and is let go by closing the channel. The second round is the
 * warm one: the stacks of the first are there. What one costs is the memory that the machine has
 * given away while all are parked.
 */
#include <rt/rt.h>
#include <stdatomic.h>

static atomic_ulong arrived, sum;

static void wait_in_line(unsigned long n, chan(int) start)
{
    atomic_fetch_add(&arrived, 1);
    chan_recv(start); /* closed: everybody's turn */
    atomic_fetch_add(&sum, n);
}

static uint64_t memory(void)
{
    struct rt_mem_stats stats;

    rt_read_mem_stats(&stats);
    return stats.sys_bytes;
}

static void crowd(const char *round, unsigned long n)
{
    chan(int) start = chan_make(int, 0);
    uint64_t before = memory();
    int64_t t0 = rt_nanotime();

    arrived = sum = 0;
    for (unsigned long i = 1; i <= n; i++)
        go(wait_in_line, i, start);
    int64_t t1 = rt_nanotime();
    while (atomic_load(&arrived) < n)
        rt_sleep(100000);
    int64_t t2 = rt_nanotime();
    uint64_t bytes = memory() - before;
    chan_close(start);
    while (rt_num_goroutine() > 1)
        rt_sleep(100000);
    int64_t t3 = rt_nanotime();

    if (sum != n * (n + 1) / 2)
        rt_panic("%lu is the wrong sum", (unsigned long)sum);
    rt_printf("%s: %lu goroutines, %lu bytes each\n", round, n, (unsigned long)(bytes / n));
    rt_printf("    ns each: %ld started, %ld parked, %ld let go and finished\n",
              (long)(t1 - t0) / (long)n, (long)(t2 - t1) / (long)n, (long)(t3 - t2) / (long)n);
}

int main(int argc, char **argv)
{
    unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;

    crowd("cold", n);
    crowd("warm", n);
    return 0;
}
