/*
 * gc/report.h - the heap by shape, for a program that ran out of memory.
 */
#pragma once

#include <stddef.h>

/* A request for so many bytes has failed for good: a report that follows says so. Any context. */
void gc_report_request(size_t bytes);

/* Print what the heap holds, most first, to the console. Any context, also for the last words of a
 * program; allocates nothing, takes no lock. */
void gc_report_out_of_memory(void);
