/*
 * lib/fatal.h - the end of a run: stop every core, report once, leave.
 */
#pragma once

#include <rt/compiler.h>

struct arch_frame;

/*
 * The runtime has broken its own rules, or the machine has: stop all cores, print one report (what,
 * registers, stack, every core, the last trace events) and end as the knob on_panic= says.
 * fmt     printf-like, one line, begins with the subsystem: "page: double free of 0x..."
 * Any context, any lock held, any stack that still has 2 KiB. Never returns; a second call while a
 * report is being written, from a fault in it or from another core, ends in one short line.
 */
RT_NORETURN RT_COLD void fatal(const char *fmt, ...) RT_PRINTF(1, 2);

/* The same from a fault handler: `frame` holds the registers of the culprit. */
RT_NORETURN RT_COLD void fatal_frame(const struct arch_frame *frame, const char *fmt, ...)
    RT_PRINTF(2, 3);

/*
 * The pieces, for other endings (an uncaught panic): claim the right to write the last report,
 * once: stops the other cpus and seizes the console; then print; then leave with status 2 or as
 * on_panic= says.
 */
void fatal_claim(void);
RT_NORETURN void fatal_leave(void);
void fatal_print_pc(uintptr_t pc, bool is_return_address);

/* Upwards (sched defines it): more for a report, as which goroutine ran. Must not lock, allocate or
 * wait. */
void fatal_up_print_more(void);
