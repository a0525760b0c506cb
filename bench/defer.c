/*
 * bench/defer.c - defer, panic, recover. What defer costs is the difference from PlainCall.
 */
#include <bench/bench.h>

static int counter;

static RT_NOINLINE void bump(int *p)
{
    *p += 1;
    __asm__ volatile("" ::: "memory");
}

static RT_NOINLINE void plain_call(int *p)
{
    bump(p);
}

static RT_NOINLINE void defer_one(int *p)
{
    defers;
    defer(bump, p);
}

static RT_NOINLINE void defer_three(int *p)
{
    defers;
    defer(bump, p);
    defer(bump, p);
    defer(bump, p);
}

static RT_NOINLINE void defer_loop(int *p, uint64_t n)
{
    defers;
    for (uint64_t i = 0; i < n; i++)
        defer(bump, p);
}

BENCH_OPTS(Empty, .icount_n = 10000)
{
    for (uint64_t i = 0; i < b->n; i++)
        bench_keep(i);
}

BENCH_OPTS(PlainCall, .icount_n = 10000)
{
    for (uint64_t i = 0; i < b->n; i++)
        plain_call(&counter);
}

BENCH_OPTS(Defer1, .icount_n = 10000)
{
    for (uint64_t i = 0; i < b->n; i++)
        defer_one(&counter);
}

BENCH_OPTS(Defer3, .icount_n = 10000)
{
    for (uint64_t i = 0; i < b->n; i++)
        defer_three(&counter);
}

/* One function that defers n calls: the figure is for each of them, called. */
BENCH_OPTS(DeferLoop, .icount_n = 10000)
{
    uint64_t n = b->n;

    for (; n > 1000; n -= 1000)
        defer_loop(&counter, 1000);
    defer_loop(&counter, n);
}

/* ---- Panic ---- */

static void stop_panic(void)
{
    bench_keep(recover());
}

/* Panics below `depth` frames of functions without defers. */
static volatile bool falls = true;

static RT_NOINLINE void fall(unsigned depth)
{
    if (depth > 0)
        fall(depth - 1);
    else if (falls)
        panic("fall");
    __asm__ volatile("" ::: "memory");
}

static RT_NOINLINE void panic_recover(unsigned depth)
{
    defers;
    defer(stop_panic);
    fall(depth);
}

BENCH(PanicRecover)
{
    for (uint64_t i = 0; i < b->n; i++)
        panic_recover(0);
}

BENCH(PanicRecover50)
{
    for (uint64_t i = 0; i < b->n; i++)
        panic_recover(50);
}

/* The calls of PanicRecover50 alone. */
BENCH(Fall50)
{
    falls = false;
    for (uint64_t i = 0; i < b->n; i++)
        fall(50);
    falls = true;
}

BENCH(CatchPanic)
{
    for (uint64_t i = 0; i < b->n; i++)
        bench_keep(catch_panic(fall, 0u));
}

/* ---- A fault that becomes a panic ---- */

static RT_NOINLINE int read_int(const volatile int *p)
{
    return *p;
}

static RT_NOINLINE void fault_recover(void)
{
    const int *nowhere = NULL;

    defers;
    defer(stop_panic);
    __asm__("" : "+r"(nowhere));
    bench_keep(read_int(nowhere));
}

BENCH(FaultRecover)
{
    for (uint64_t i = 0; i < b->n; i++)
        fault_recover();
}
