/*
 * gc/limiter.h - how much of the machine the collector may take when memory is short.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * A leaky bucket: processor time of the collector fills it, that of the program drains it. While it
 * is full, goroutines that allocate do not help marking, so the collector has its quarter and no
 * more, and the heap may outgrow its goal.
 */
struct gc_bucket {
    int64_t capacity_ns, fill_ns;
    int64_t overflow_ns; /* what did not fit in, all told; for reports */
    bool full;
};

/* So much time of the program and of the collector has gone by. */
void gc_bucket_add(struct gc_bucket *b, int64_t program_ns, int64_t collector_ns);

/* May allocation be made to help? One load. */
extern uint8_t gc_limiting; /* [a] */

/* While the bucket is about to be full assists go on and off at this distance, and what overflows
 * between two looks is forgiven: with Go's 10 ms the collector had 63 % of one cpu in the test's
 * second, with 1 ms it has 57 %. */
#define GC_LIMITER_EVERY_NS 1000000

void gc_limiter_init(void);
/* See how time was spent since the last call, if that is long ago enough (or `now` is due anyway).
 * Preemption on or off. */
void gc_limiter_update(int64_t now, bool at_once);
/* A stop took so long, on all cpus. The controller. */
void gc_limiter_stopped(int64_t ns);
/* Counters of marking time begin at zero again. World stopped. */
void gc_limiter_begin_stw(void);

/* The last cycle in which it was limiting; 0: none. */
uint64_t gc_limiter_last_cycle(void);
/* How full the bucket is, in percent. */
unsigned gc_limiter_fill(void);
/* For tests: the bucket's capacity for each cpu; 0: the default. Empties it. */
void gc_limiter_set_capacity(int64_t ns_per_cpu);
