/*
 * lib/rseq.h - restartable ranges: a few instructions that nobody sees half done.
 *
 * A range [start, end) reads per-cpu state or a flag and ends with one store that makes its effect.
 * Code that stops a cpu, or takes it from a goroutine, calls rseq_fixup() on the interrupted frame
 * first: if it is inside a range, it continues at the range's start. So a range costs nothing
 * unless it is hit.
 *
 * [rseq.1] A range is left only by its end or by a jump out; registers that it reads are not
 *          written in it.
 * [rseq.2] Only a stop or a switch restarts: an interrupt that just returns does not, so
 *          single-stepping ends.
 *
 * Ranges are listed in section rt_rseq as pairs of addresses, by gc_set() (rt/barrier.h) and
 * gc_fast.S.
 */
#pragma once

#include <arch/arch.h>

struct rseq_range {
    uintptr_t start, end;
};

size_t rseq_count(void);

/* Sort the ranges into `table`, room for rseq_count() of them. Boot cpu, once; before it the search
 * is linear. */
void rseq_init(struct rseq_range *table);

/* If frame stands in a range, move it to the start. Returns whether it did. Any context. */
bool rseq_fixup(struct arch_frame *frame);
