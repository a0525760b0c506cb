/*
 * sched/timer.h - calls at a time, from the scheduler.
 *
 * Each cpu has a heap of timers; a timer lives on the cpu that started it. When it is due, `fn`
 * runs on that cpu's scheduler stack: preemption off, no lock held; it may call ready(),
 * goroutine_spawn() and timer_start(), and must not park. Of timers with equal times the one
 * started first fires first.
 *
 * Guards: [t] the lock of the heap that the timer is in, its owner's while in none; [a] atomic;
 * [I] does not change once the timer is in use.
 */
#pragma once

#include <arch/arch.h>

struct timer {
    int64_t when_ns;             /* [t] arch_nanotime() at which it is due */
    uint64_t order;              /* [t] ties */
    void (*fn)(struct timer *t); /* [t] */
    uint32_t heap_index;         /* [t] place in the heap + 1; 0: not in one */
    uint32_t cpu;                /* [a] whose heap; changes only while not in one */
    bool background; /* [I] nobody waits for it: it does not keep a deadlock from being seen */
};

/* Zero is ready to use. Not pending, or it is moved. when_ns in the past: due at once. The storage
 * is the caller's until it has fired or was stopped. False: no memory for a larger heap; nothing
 * changed. */
RT_MUST_USE bool timer_start(struct timer *t, int64_t when_ns, void (*fn)(struct timer *));

/* True if it was pending: fn will not run. False: it has run, is running right now on another cpu,
 * or never began. */
bool timer_stop(struct timer *t);

/* ---- For the scheduler ---- */
#define TIMERS_AT_ONCE 32
int64_t timer_next(void); /* when this cpu's first is due; INT64_MAX if none */
/* Run what is due, but at most TIMERS_AT_ONCE, and only till somebody asks for this cpu. */
void timer_run_due(void);
bool timer_any(void); /* any cpu has one that is not in the background */

/* The scheduler's, called when this cpu's earliest time changes: it owns the hardware timer. */
void sched_timer_changed(void);
