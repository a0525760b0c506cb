/*
 * lib/trace.h - each cpu's ring of recent events, printed by fatal().
 *
 * trace(TRACE_X, a, b) costs some ten instructions and no lock: the ring belongs to its cpu. An
 * event that is interrupted half way may mix with the interrupter's; it is a hint for a reader, not
 * a log.
 */
#pragma once

#include <arch/arch.h>

#define TRACE_EVENTS(X)                                                                            \
    X(NONE, "")                                                                                    \
    X(CPU_UP, "cpu up")                                                                            \
    X(SWITCH, "switch to goroutine %lu, state %lu")                                                \
    X(PREEMPT, "preempt goroutine %lu at pc %#lx")                                                 \
    X(READY, "ready goroutine %lu")                                                                \
    X(IDLE, "idle")                                                                                \
    X(WAKE, "wake cpu %lu")                                                                        \
    X(STOP, "stop the world, reason %lu")                                                          \
    X(START, "start the world after %lu ns")                                                       \
    X(STOPPED, "stopped at pc %#lx in goroutine %lu")                                              \
    X(STACK_GROW, "stack of goroutine %lu grows to %#lx")                                          \
    X(GC_PHASE, "collector: cycle %lu, phase %lu")                                                 \
    X(USER, "user %#lx %#lx") /* a test's */

enum trace_event {
#define TRACE_ENUM(name, text) TRACE_##name,
    TRACE_EVENTS(TRACE_ENUM)
#undef TRACE_ENUM
};

#define TRACE_RING 64u /* events a cpu keeps; a power of two */

struct trace_record {
    uint64_t cycles, a, b;
    uint64_t event; /* enum trace_event */
};

DECLARE_PERCPU(struct trace_record, trace_ring)[TRACE_RING];
DECLARE_PERCPU(uint32_t, trace_next); /* [c] events so far */

static inline void trace(enum trace_event event, uint64_t a, uint64_t b)
{
    struct trace_record *r = &(*this_cpu_ptr(trace_ring))[this_cpu(trace_next)++ % TRACE_RING];
    r->cycles = arch_cycles();
    r->event = event;
    r->a = a;
    r->b = b;
}

/* Print the newest `max` events of a cpu, newest first. In a report only. */
void trace_print(unsigned cpu, unsigned max);

/* The same where every instruction counts: debug and stress builds only. */
#ifdef RT_DEBUG
#define trace_debug(event, a, b) trace(event, a, b)
#else
#define trace_debug(event, a, b) ((void)0)
#endif
