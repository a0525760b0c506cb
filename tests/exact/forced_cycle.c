/*
 * tests/exact/forced_cycle.c - two minutes after the last collection there is another one, whether the program sleeps
 * or computes, unless GOGC=off. The clock counts instructions, so that the minutes cost nothing. argv[1] says which.
 */
#include <rt/rt.h>
#include <string.h>

#define SECONDS(s) ((int64_t)((s)*1e9))

static unsigned long cycles(void)
{
    struct rt_mem_stats s;
    rt_read_mem_stats(&s);
    return (unsigned long)s.num_gc;
}

/* Allocate, far less than would start a collection, and never wait. */
static void compute_until(int64_t end)
{
    while (rt_nanotime() < end) {
        for (volatile unsigned i = 0; i < 20000; i++)
            ;
        gc_keep(gc_bytes(500));
    }
}

int main(int argc, char **argv)
{
    bool computes = argc > 1 && strcmp(argv[1], "computes") == 0;

    rt_gc();
    int64_t begin = rt_nanotime();
    unsigned long before = cycles(), early;
    rt_sleep(SECONDS(119.95));
    if (computes)
        compute_until(begin + SECONDS(119.98));
    early = cycles() - before;
    if (computes) {
        compute_until(begin + SECONDS(120.1));
    } else {
        rt_sleep(SECONDS(0.1));
        rt_sleep(SECONDS(0.001)); /* a core that has nothing to do looks at the clock */
    }
    rt_printf("before: %lu, after: %lu\n", early, cycles() - before);
    return 0;
}
