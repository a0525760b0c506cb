/*
 * gc/stats.c - what collections cost and what the heap holds: numbers for programs, one line a
 * cycle for people.
 *
 * WHAT. rt_read_mem_stats(), the list of pauses, and the gctrace line in the newest Go's format:
 *     gc 12 @3.141s 2%: 0.011+1.2+0.004 ms clock, 0.044+0.10/1.1/0.30+0.016 ms cpu, 4->5->3 MB,
 *     6 MB goal, 0 MB stacks, 0 MB globals, 4 P
 * gctrace=2 adds a line with the stops in ns and how full the limiter's bucket is.
 *
 * LOCKING. Written by the controller alone; readers may see a cycle's figures half updated, but
 * each figure whole.
 * SOURCES. golang/go runtime/mgc.go (gcMarkTermination, fmtNSAsMS).
 */
#include <gc/cycle.h>
#include <gc/limiter.h>
#include <gc/mark.h>
#include <lib/bits.h>
#include <lib/knobs.h>
#include <mm/page.h>
#include <mm/stack.h>
#include <rt/print.h>
#include <sched/sched.h>
#include <sched/stw.h>

#define PAUSES 256u

static int64_t pauses[PAUSES];                                      /* [a] ring */
static uint64_t n_pauses;                                           /* [a] */
static uint64_t pause_total, pause_max, num_gc, num_forced, gc_cpu; /* [a] the last in ns */

void gc_stats_pause(int64_t ns)
{
    store_relaxed(&pauses[n_pauses % PAUSES], ns);
    store_release(&n_pauses, n_pauses + 1);
    store_relaxed(&pause_total, pause_total + (uint64_t)ns);
    if ((uint64_t)ns > pause_max)
        store_relaxed(&pause_max, (uint64_t)ns);
}

size_t rt_gc_pauses(int64_t *ns, size_t max)
{
    uint64_t n = load_acquire(&n_pauses);
    size_t i = 0;
    for (; i < max && i < n && i < PAUSES - 1; i++)
        ns[i] = load_relaxed(&pauses[(n - 1 - i) % PAUSES]);
    return i;
}

uint64_t gc_num_cycles(void)
{
    return load_relaxed(&num_gc);
}

/* ---- gctrace ---- */

struct text {
    char buf[512];
    size_t n;
};

static void add(struct text *t, const char *fmt, ...) RT_PRINTF(2, 3);
static void add(struct text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = rt_vsnprintf(t->buf + t->n, sizeof(t->buf) - t->n, fmt, args);
    va_end(args);
    if (n > 0)
        t->n += (size_t)n;
    if (t->n >= sizeof(t->buf))
        t->n = sizeof(t->buf) - 1;
}

/* As Go's itoaDiv: value / 10^dec with exactly dec places. */
static void add_div(struct text *t, uint64_t value, unsigned dec)
{
    uint64_t unit = 1;
    for (unsigned i = 0; i < dec; i++)
        unit *= 10;
    if (dec == 0)
        add(t, "%lu", (unsigned long)value);
    else
        add(t, "%lu.%0*lu", (unsigned long)(value / unit), (int)dec, (unsigned long)(value % unit));
}

/* As Go's fmtNSAsMS: two digits of precision, at most three places. */
static void add_ms(struct text *t, int64_t signed_ns)
{
    uint64_t ns = signed_ns > 0 ? (uint64_t)signed_ns : 0;
    if (ns >= 10000000) {
        add_div(t, ns / 1000000, 0);
        return;
    }
    uint64_t x = ns / 1000;
    if (x == 0) {
        add(t, "0");
        return;
    }
    unsigned dec = 3;
    while (x >= 100) {
        x /= 10;
        dec--;
    }
    add_div(t, x, dec);
}

static unsigned long mb(uint64_t bytes)
{
    return (unsigned long)(bytes >> 20);
}

static void print_trace(const struct gc_cycle_times *c, int64_t now)
{
    struct text t = {.n = 0};
    int64_t total = now * (int64_t)c->procs;

    add(&t, "gc %lu @", (unsigned long)num_gc);
    add_div(&t, (uint64_t)c->begun_ns / 1000000, 3);
    add(&t, "s %ld%%: ", total > 0 ? (long)((int64_t)gc_cpu * 100 / total) : 0L);
    add_ms(&t, c->stop1_ns);
    add(&t, "+");
    add_ms(&t, c->mark_ns);
    add(&t, "+");
    add_ms(&t, c->stop2_ns);
    add(&t, " ms clock, ");
    add_ms(&t, c->stop1_ns * (int64_t)c->procs);
    add(&t, "+");
    add_ms(&t, c->assist_ns);
    add(&t, "/");
    add_ms(&t, c->background_ns);
    add(&t, "/");
    add_ms(&t, c->idle_ns);
    add(&t, "+");
    add_ms(&t, c->stop2_ns * (int64_t)c->procs);
    add(&t, " ms cpu, %lu->%lu->%lu MB, %lu MB goal, %lu MB stacks, %lu MB globals, %u P%s",
        mb(c->live_before), mb(c->live_after), mb(c->marked), mb(c->goal), mb(stack_bytes_in_use()),
        mb(gc_roots_global_bytes()), c->procs, c->forced ? " (forced)" : "");
    rt_printf("%s\n", t.buf);
    if (knobs.gctrace >= 2)
        rt_printf("gc %lu stops: %ld+%ld ns, limiter %u%%%s\n", (unsigned long)num_gc,
                  (long)c->stop1_ns, (long)c->stop2_ns, gc_limiter_fill(),
                  load_relaxed(&gc_limiting) ? " (assists are off)" : "");
}

void gc_stats_cycle(const struct gc_cycle_times *c)
{
    int64_t stops = (c->stop1_ns + c->stop2_ns) * (int64_t)c->procs;
    store_relaxed(&gc_cpu, gc_cpu + (uint64_t)(stops + c->assist_ns + c->background_ns));
    store_relaxed(&num_gc, num_gc + 1);
    if (c->forced)
        store_relaxed(&num_forced, num_forced + 1);
    if (knobs.gctrace >= 1)
        print_trace(c, arch_nanotime());
}

/* ---- For programs ---- */

void rt_read_mem_stats(struct rt_mem_stats *out)
{
    struct page_stats pages;
    uint64_t unflushed = 0;

    *out = (struct rt_mem_stats){0};
    page_get_stats(&pages);
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        const struct gc_counts *c = cpu_ptr(i, gc_counts);
        out->mallocs += load_relaxed(&c->mallocs);
        out->total_alloc_bytes += load_relaxed(&c->malloc_bytes);
        out->frees += load_relaxed(&c->frees);
        unflushed += load_relaxed(&c->unflushed_bytes);
        for (unsigned s = 1; s < GC_SHAPES; s++) { /* handed to a cpu, but not to the program yet */
            const struct gc_cache *cache = &(*cpu_ptr(i, gc_cache))[s];
            uint64_t n = bits_count(load_relaxed(&cache->free));
            out->mallocs -= n;
            out->total_alloc_bytes -= n * cache->slot_bytes;
        }
    }
    out->heap_live_bytes = load_relaxed(&gc_heap_live) + unflushed;
    out->heap_in_use_bytes = load_relaxed(&gc_heap_in_use);
    out->heap_goal_bytes = load_relaxed(&gc_goal);
    out->sys_bytes = (pages.total_pages - pages.free_pages) * PAGE_BYTES;
    out->stack_in_use_bytes = stack_bytes_in_use();
    out->num_gc = load_relaxed(&num_gc);
    out->num_forced_gc = load_relaxed(&num_forced);
    out->gc_cpu_ns = load_relaxed(&gc_cpu);
    out->pause_total_ns = load_relaxed(&pause_total);
    out->pause_max_ns = load_relaxed(&pause_max);
    out->goroutines = goroutine_count();
    out->limiter_last_cycle = gc_limiter_last_cycle();
    out->stop_max_ns = (uint64_t)stw_longest_ns();
}
