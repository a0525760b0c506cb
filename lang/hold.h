/*
 * lang/hold.h - collected objects that the runtime itself keeps alive while it knows of them:
 * pending timers, and what they are to hand to a function.
 *
 * A hold is a word in a table of collected memory, so marking finds it as it finds any other
 * reference; there is nothing to scan by hand. The address of the word is the handle.
 */
#pragma once

#include <rt/gc.h>

struct hold; /* a word of the table */

/* Keep the object that p points into alive, if it is collected; NULL if p is not. A goroutine, no
 * lock held. */
struct hold *hold_take(void *p);

/* Let go; NULL is fine. Any context but a handler; preemption may be off. */
void hold_drop(struct hold *h);
