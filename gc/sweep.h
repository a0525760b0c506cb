/*
 * gc/sweep.h - finding the dead: on refill, by idle cpus, and to the end before the next cycle.
 */
#pragma once

#include <gc/heap.h>

/*
 * Sweep a span that the caller owns (state SWEEPING): zero the epoch bytes of the dead, so that
 * their slots are free. Returns how many slots are free now. Preemption off.
 */
uint32_t gc_sweep_span(struct gc_span *span);

/*
 * Sweep a span that the caller owns and that is on no list; then list it, free it if it is empty
 * (not while marking: then it is listed), or let it wait for its specials. Preemption off.
 */
void gc_sweep_and_file(struct gc_span *span);

/*
 * A span of this shape with at least one free slot, for this cpu's cache; sweeps up to `budget`
 * spans to find one. NULL: none found; then *more tells whether there is still something to sweep.
 * Preemption off.
 */
struct gc_span *gc_shape_take(unsigned shape, unsigned budget, bool *more);

/* Sweep one span of any shape and file it. False: none is left. Not in a handler. */
bool gc_sweep_one(void);

/* Sweep everything that is left and wait until nobody sweeps. A goroutine. */
void gc_sweep_finish(void);

/* Has every span that is on a list been swept? */
bool gc_sweep_done(void);

/* After STW#2, world stopped: all listed spans are now to be swept, in O(1). */
void gc_sweep_begin_stw(void);

/* Specials of all spans were handled: spans that waited for that may be swept. */
void gc_sweep_release_specials(void);
