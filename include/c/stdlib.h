/*
 * stdlib.h - the C header: numbers, sorting, uncollected memory, the end of the program.
 *
 * malloc() and its kin are rt_alloc() and its kin: memory that is never collected and may not hold
 * collected pointers. exit() runs no handlers; there is no atexit().
 */
#pragma once

#include <rt/compiler.h>
#include <rt/cstring.h>

#define EXIT_SUCCESS 0
#define EXIT_FAILURE 1
#define RAND_MAX 0x7fffffff

RT_NORETURN void rt_exit(int status);
RT_NORETURN void rt_fatal(const char *fmt, ...) RT_PRINTF(1, 2);

/* Other names of rt_ functions, bound by the linker. */
void *malloc(size_t bytes) __asm__("rt_alloc");
void *realloc(void *memory, size_t bytes) __asm__("rt_realloc");
void free(void *memory) __asm__("rt_free");
char *getenv(const char *key) __asm__("rt_getenv"); /* not to be written to */
RT_NORETURN void exit(int status) __asm__("rt_exit");

static inline void *calloc(size_t n, size_t elem_bytes)
{
    size_t bytes;
    void *memory = __builtin_mul_overflow(n, elem_bytes, &bytes) ? NULL : malloc(bytes);

    return memory != NULL ? memset(memory, 0, bytes) : NULL;
}

RT_NORETURN static inline void abort(void)
{
    rt_fatal("abort");
}

typedef struct {
    int quot, rem;
} div_t;

typedef struct {
    long quot, rem;
} ldiv_t;

static inline div_t div(int a, int b)
{
    return (div_t){a / b, a % b};
}

static inline ldiv_t ldiv(long a, long b)
{
    return (ldiv_t){a / b, a % b};
}
