/*
 * tools/escape/flow.h - what comes before what in one function, and the locals that its ops name.
 */
#pragma once

#include "tools/escape/solve.h"

/* The local whose address this is, cast or not; IR_NONE if it is something else. */
uint32_t local_of(const struct ir_func *f, ir_ref ref);

/* The name of its variable; "" of a temporary, and of IR_NONE. */
const char *local_name(const struct ir_func *f, uint32_t local);

/* May control pass op `first` and come to `op` later? */
bool follows(const struct graph *g, uint32_t first, uint32_t op);

/*
 * `op` is wg_go(wg, ...). Does every way out of the function pass rt_wg_wait(wg)? Then the goroutine is
 * gone before the function is, and what it was handed need not outlive it.
 */
bool is_waited_for(const struct graph *g, uint32_t op, ir_ref wg);
