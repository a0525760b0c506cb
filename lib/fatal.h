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
