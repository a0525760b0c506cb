/*
 * gc/cycle.h - phases of a collection, what allocation owes to it, and who marks when.
 */
#pragma once

#include <gc/heap.h>
#include <sched/goroutine.h>

enum gc_phase { GC_IDLE, GC_MARKING };

extern struct goroutine *gc_controller; /* [I] leads each cycle; rules about it: [roots.4] */
extern uint8_t gc_phase;                /* [S] enum gc_phase */
extern uint32_t gc_cycle_number;        /* [S] cycles begun, this run */
extern bool gc_clobber_free;            /* [a] knob clobberfree */
extern uint32_t gc_stress;   /* [I] knob gcstress: collect at every so many allocations; 0: no */
extern uint8_t gc_mode_next; /* [a] enum knob_gcmode: from the next cycle on; gcmode= */

/* Which halves of the barrier run while marking (gcmode=, and drills that leave one out). */
extern bool gc_shade_deleted;  /* [S] */
extern bool gc_shade_stored;   /* [S] and the storing goroutine's stack is unscanned */
bool gc_stack_unscanned(void); /* of the running goroutine; preemption off */

/* For drills (tests/gc_mark.c): each leaves one part of the scheme out; the verifier notices. */
enum gc_drill {
    GC_DRILL_NONE,
    GC_DRILL_NO_DELETION,    /* the barrier does not grey what is overwritten */
    GC_DRILL_NO_INSERTION,   /* nor, in the modes that do, what is stored */
    GC_DRILL_NO_RESUME_SCAN, /* goroutines run on unscanned stacks */
    GC_DRILL_WHITE_BIRTH,    /* objects born while marking get the last epoch */
};
extern uint8_t gc_drill;      /* [a] takes effect in the next cycle */
extern bool gc_verify_cycles; /* [a] gc_verify_stw() in each: knobs gccheckmark, gcverify */

/* Each cpu's own counters; sums are made when somebody asks. Preemption off. */
struct gc_counts {
    uint64_t mallocs, malloc_bytes; /* slots handed to the cache, and not given back from it */
    uint64_t frees, freed_bytes;
    uint64_t unflushed_bytes;            /* allocated, not yet in gc_heap_live */
    int64_t assist_ns, tick_ns, idle_ns; /* marking, of this cycle */
};
DECLARE_PERCPU(struct gc_counts, gc_counts);

#define GC_FLUSH_BYTES 16384u /* so much may be unflushed */

void gc_count_freed(uint64_t objects, uint64_t bytes);
void gc_count_unallocated(uint64_t objects, uint64_t bytes);
void gc_flush_live(void); /* move unflushed_bytes into gc_heap_live; preemption off */

static inline void gc_count_allocated(uint64_t objects, uint64_t bytes) /* preemption off */
{
    struct gc_counts *c = this_cpu_ptr(gc_counts);

    c->mallocs += objects;
    c->malloc_bytes += bytes;
    c->unflushed_bytes += bytes;
    if (RT_UNLIKELY(c->unflushed_bytes >= GC_FLUSH_BYTES))
        gc_flush_live();
}

/* let go of all spans that a cpu has cached; world stopped */
void gc_cache_flush_stw(unsigned cpu);
/* let go of a few, unswept, right after gc_sweep_begin_stw() */
void gc_cache_retire_stw(unsigned cpu);

/* Bytes marked by the last cycle, and allocated since, but for unflushed ones. */
extern uint64_t gc_heap_live; /* [a] */
extern uint64_t gc_trigger;   /* [a] start a cycle when gc_heap_live gets there (gc/pacer.c) */

/*
 * Before the allocator's slow path does anything: start a cycle if it is time, help marking if this
 * goroutine owes it. Preemption on; may park.
 */
void gc_before_alloc(size_t bytes);
/* It would do nothing. */
static inline bool gc_may_alloc(void)
{
    return gc_phase == GC_IDLE && load_relaxed(&gc_heap_live) < load_relaxed(&gc_trigger) &&
           gc_stress == 0;
}

/* See that this cpu marks for its share of the time while a cycle marks. Preemption may be off. */
void gc_tick_start(void);

/* The background's share of so many cpus: how many of them only mark, and how long the others pause
 * between two stints; 0: they have none. */
void gc_share_of(unsigned procs, unsigned *dedicated, int64_t *pause);

/* ---- gc/pacer.c ---- */

extern uint64_t gc_goal; /* [a] the cycle should end before the heap is larger */

void gc_pacer_init(void);
/* Right before a cycle's first stop, which the arithmetic would make longer; and in it. */
void gc_pacer_begin(void);
void gc_pacer_begin_stw(void);
/* The cycle has ended: what it marked and scanned, and what the heap grew to. */
void gc_pacer_end_stw(uint64_t marked_bytes, uint64_t scan_bytes);
/* The same, right after that stop, for which it takes too long. Until then no cycle starts by
 * itself. */
void gc_pacer_end(void);
/* Scan bytes that a goroutine owes for allocating so many bytes now. */
int64_t gc_pacer_debt(size_t bytes);
/* Background marking earned so much; assists take from it first. Returns what they got. */
void gc_pacer_earn(int64_t scan_bytes);
int64_t gc_pacer_borrow(int64_t wanted);
bool gc_percent_on(void); /* GOGC is not off */

/* ---- gc/stats.c ---- */

struct gc_cycle_times {
    int64_t begun_ns; /* STW#1 asked for */
    int64_t stop1_ns, mark_ns, stop2_ns;
    int64_t assist_ns, background_ns, idle_ns;
    uint64_t live_before, live_after, marked, goal;
    unsigned procs;
    bool forced;
};
void gc_stats_pause(int64_t ns);
void gc_stats_cycle(const struct gc_cycle_times *t);
uint64_t gc_num_cycles(void);
