/*
 * lib/fail.h - requests for memory that fail on purpose, for tests of running out of it.
 *
 * fail_at(FAIL_SPAN, k): the k-th request for a span from now on fails, and only that one. The page
 * allocator has its own (page_fail_at()), below all of these.
 */
#pragma once

#include <lib/atomic.h>
#include <rt/compiler.h>
#include <stdbool.h>
#include <stdint.h>

enum fail_kind {
    FAIL_SPAN,      /* gc: a span of small objects, or a large object's */
    FAIL_CHUNK,     /* gc: room for grey objects */
    FAIL_GOROUTINE, /* sched: block and stack of a goroutine */
    FAIL_RAW,       /* gc: rt_alloc() */
    FAIL_TIMER,     /* sched: room in a heap of timers */
    FAIL_KINDS
};

extern uint64_t fail_left[FAIL_KINDS]; /* [a] requests until the failure; 0: not armed */

/* The caller's request: is it the one that fails? One load if nothing is armed. Any context. */
static inline bool fail_now(enum fail_kind kind)
{
    for (;;) {
        uint64_t left = load_relaxed(&fail_left[kind]);
        if (RT_LIKELY(left == 0))
            return false;
        if (cas_acq_rel(&fail_left[kind], left, left - 1))
            return left == 1;
    }
}

/* Arm (k from 1), or with 0 take it back; true if what was armed before has not failed yet. */
static inline bool fail_at(enum fail_kind kind, uint64_t k)
{
    return swap_acq_rel(&fail_left[kind], k) != 0;
}
