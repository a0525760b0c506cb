/*
 * gc/up.h - what the collector asks of the layer above it: declared here, defined in lang.
 */
#pragma once

#include <rt/compiler.h>
#include <sched/goroutine.h>

/* A panic of the calling goroutine: "runtime error: makeslice: len out of range". */
RT_NORETURN void lang_panic_make_len(void);

/*
 * No memory for an object of `bytes` even after the last resort. Panics (RT_PANIC_OUT_OF_MEMORY,
 * recoverable), or ends in the fatal report if there is no memory even for that.
 * gc_report_out_of_memory() (gc/report.h) prints the heap by shape.
 */
RT_NORETURN void lang_panic_out_of_memory(size_t bytes);

/*
 * Show the collector every reference of g that is neither on its stack nor in its registers:
 * deferred calls in chunks, panics in progress. scan(lo, hi) takes a range of aligned words, each a
 * possible pointer. g does not run, or is the caller. Interrupts may be off: no lock that a
 * goroutine may hold, no allocation, a bounded time.
 */
void lang_scan_goroutine_roots(struct goroutine *g, void (*scan)(const void *lo, const void *hi));

/*
 * The same for references that belong to no goroutine: timers, pools' tables. Called with step = 0,
 * 1, 2, ... while marking, the program running, preemption off, until it returns false: no more.
 * Each call takes a bounded time. What comes into such a place after its step must be shaded, or be
 * black already, as anything is that a goroutine can get hold of while marking.
 */
bool lang_scan_global_roots(uint32_t step, void (*scan)(const void *lo, const void *hi));

/* A cycle ends (after STW#2, world running, on the collector's goroutine): rotate pools. */
void lang_on_gc_cycle(void);

/* Memory is short: drop everything that is only there for speed (pools, caches). */
void lang_drop_caches(void);
