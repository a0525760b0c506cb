/*
 * rt/print.h - output to the console, formatted text, one line of input.
 *
 * Conversions are those of C99: d i u o x X c s p f F e E g G a A %, the flags - + space # 0, width
 * and precision (also *), the lengths hh h l ll j z t L. Doubles are exact: every digit asked for
 * is that of the number itself, rounded to nearest, ties to even. What differs from a hosted C
 * library:
 *     %n        does not exist; like every unknown conversion it is printed as it stands and takes
 *               no argument
 *     %Lf       takes a long double and prints the double nearest to it
 *     %p        is 0x and lower-case digits, NULL included (0x0)
 *     %s        of NULL prints (null)
 *     %lc %ls   print UTF-8
 *
 * Every function returns the number of bytes of the whole text, without its NUL, or -1 if that
 * number does not fit an int. None allocates. The calls that print keep the text whole: no other
 * core's output comes in between.
 */
#pragma once

#include <stdarg.h>
#include <rt/compiler.h>

typedef long ssize_t;

/* Print to the console. Any context; needs 1.3 KiB of stack, 1.7 KiB if doubles are printed. */
int rt_printf(const char *fmt, ...) RT_PRINTF(1, 2);
int rt_vprintf(const char *fmt, va_list ap) RT_PRINTF(1, 0);

/* Print text and a newline. */
int rt_puts(const char *text);

/* Print n bytes as they are, NUL included. */
void rt_write(const char *bytes, size_t n);

/*
 * Format into buf, of which at most size bytes are written, the last one NUL; with size 0 buf may
 * be NULL. A result of size or more says that the text was cut. buf may not overlap an argument.
 */
int rt_snprintf(char *buf, size_t size, const char *fmt, ...) RT_PRINTF(3, 4);
int rt_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap) RT_PRINTF(3, 0);

/*
 * Read a line of console input into buf, without its newline, NUL-terminated and cut at size bytes.
 * Returns its length; -1 at the end of input (a byte 4, Ctrl-D), and again as long as nothing more
 * comes. Parks the goroutine until a line is there.
 */
ssize_t rt_read_line(char *buf, size_t size);
