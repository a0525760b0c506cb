/*
 * gc/report.h - the heap by shape, for a program that ran out of memory.
 */
#pragma once

#include <stddef.h>

/* Print what the heap holds, most first, to the console. Any context; allocates nothing, takes no
 * lock. */
void gc_report_out_of_memory(size_t bytes);
