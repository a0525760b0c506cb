/*
 * gc/special.h - finalizers, cleanups, weak references: records that hang on an object.
 */
#pragma once

#include <gc/heap.h>

/* The roots that specials are: what a finalizer's object leads to, and arguments (gc/roots.c).
 * Local lock held. */
void gc_special_roots_begin_stw(void);
bool gc_special_roots_step(void);
bool gc_special_roots_done(void);
/* All of them at once, for rt_why(); contents of finalizable objects are not followed. */
void gc_special_each_root_stw(void (*scan)(const void *lo, const void *hi));

/* Right after STW#2, on the collector's goroutine: queue what became unreachable, clear weak
 * references. */
void gc_special_handle(void);

/* Were all specials looked at since the last STW#2, which raises gc_sweep_gen? Until then weak
 * references answer carefully, and spans with records are not swept. */
bool gc_specials_settled(void);
void gc_specials_set_settled(void);

void gc_special_init(void);       /* the goroutine that runs finalizers and cleanups */
uint64_t gc_special_queued(void); /* finalizers and cleanups that wait to run */
/* Wait until all that was queued is run, or one waits for something. Not from a finalizer. */
void gc_special_drain(void);
