/*
 * lib/print.h - the formatter behind rt_printf, for whoever has an own place to put text.
 *
 * rt/print.h says which conversions there are. Nothing here allocates, locks or keeps state, so a
 * fatal report and a handler may use it: 0.6 KiB of stack, 1 KiB if a double is printed, besides
 * what the sink's put needs.
 */
#pragma once

#include <stdarg.h>
#include <rt/print.h>

/*
 * Receives text piece by piece. Embed it in a struct of your own, which `put` finds again by its
 * address. n is never 0; the bytes are gone after the call.
 */
struct print_sink {
    void (*put)(struct print_sink *sink, const char *s, size_t n);
};

/* Format into the sink. Returns the number of bytes, or -1 if they are more than INT_MAX. */
int print_format(struct print_sink *sink, const char *fmt, va_list ap) RT_PRINTF(2, 0);
