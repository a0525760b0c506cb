/*
 * stdio.h - as much of the C header as there is without files: output to the console, and into
 * memory.
 *
 * stdout and stderr are both the console, unbuffered. The names are other names of rt_ functions,
 * bound by the linker, so that `printf` stays an ordinary function and no macro gets in anybody's
 * way.
 */
#pragma once

#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <rt/print.h>

#define EOF (-1)
#define BUFSIZ 256

typedef struct rt_file FILE; /* nothing but the two below */
#define stdout ((FILE *)1)
#define stderr ((FILE *)2)

int printf(const char *restrict fmt, ...) __asm__("rt_printf")
    __attribute__((__format__(__printf__, 1, 2)));
int vprintf(const char *restrict fmt, va_list ap) __asm__("rt_vprintf")
    __attribute__((__format__(__printf__, 1, 0)));
int puts(const char *text) __asm__("rt_puts");
int snprintf(char *restrict buf, size_t size, const char *restrict fmt, ...) __asm__("rt_snprintf")
    __attribute__((__format__(__printf__, 3, 4)));
int vsnprintf(char *restrict buf, size_t size, const char *restrict fmt,
              va_list ap) __asm__("rt_vsnprintf") __attribute__((__format__(__printf__, 3, 0)));

__attribute__((__format__(__printf__, 2, 0))) static inline int
vsprintf(char *restrict buf, const char *restrict fmt, va_list ap)
{
    return rt_vsnprintf(buf, INT_MAX, fmt, ap);
}

__attribute__((__format__(__printf__, 2, 3))) static inline int
sprintf(char *restrict buf, const char *restrict fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsprintf(buf, fmt, ap);
    va_end(ap);
    return n;
}

__attribute__((__format__(__printf__, 2, 0))) static inline int
vfprintf(FILE *stream, const char *restrict fmt, va_list ap)
{
    (void)stream;
    return rt_vprintf(fmt, ap);
}

__attribute__((__format__(__printf__, 2, 3))) static inline int
fprintf(FILE *stream, const char *restrict fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vfprintf(stream, fmt, ap);
    va_end(ap);
    return n;
}

static inline size_t fwrite(const void *data, size_t elem_bytes, size_t n, FILE *stream)
{
    (void)stream;
    rt_write((const char *)data, elem_bytes * n);
    return n;
}

static inline int fputs(const char *text, FILE *stream)
{
    return fprintf(stream, "%s", text);
}

static inline int putchar(int c)
{
    char byte = (char)c;

    rt_write(&byte, 1);
    return (unsigned char)c;
}

static inline int fputc(int c, FILE *stream)
{
    (void)stream;
    return putchar(c);
}

static inline int putc(int c, FILE *stream)
{
    return fputc(c, stream);
}

static inline int fflush(FILE *stream)
{
    (void)stream;
    return 0;
}
