/*
 * lib/lastwords.h - the last report, kept in memory over a warm restart.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * `room` is memory at the same physical place in each run, that nobody else is given; NULL if there
 * is none. Prints the report of the run before, if one is whole, and forgets it. Console; boot cpu,
 * once.
 */
void lastwords_open(void *room, size_t bytes);

/* The report that is being written (lib/console.c): keep this piece, too, as far as it fits. */
void lastwords_add(const char *s, size_t n);
