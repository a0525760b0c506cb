/*
 * lib/console.h - where text leaves the machine. Defined by the console's owner; lib/print.c calls
 * it.
 *
 * Text between begin and end comes out in one piece, whatever other cores and goroutines print.
 * Between the two, code must neither fault, allocate, park nor print by another way. begin and end
 * do not nest. Any context; while a fatal report is being written begin does not wait for anybody.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

void console_begin(void);
void console_put(const char *s, size_t n);
void console_end(void);

/* One piece of text by itself. `s` is read while the console is held: it must not fault. */
static inline void console_write(const char *s, size_t n)
{
    console_begin();
    console_put(s, n);
    console_end();
}

/* From here on begin() waits for nobody: a report is being written, and everybody else stands
 * still. */
void console_seize(void);

/*
 * Upwards (sched defines it): the console is busy. If the caller is a goroutine that may be
 * descheduled, let others run and return true; else return false at once.
 */
bool console_up_wait(void);
