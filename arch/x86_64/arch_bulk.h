/*
 * arch_bulk.h - x86-64 bodies of arch/bulk.h.
 *
 * The string instructions expect the direction flag clear, which the ABI promises.
 * SOURCES. Intel SDM vol. 2, MOVS, STOS, SQRTSD.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

static inline void arch_copy_bytes(void *dst, const void *src, size_t n)
{
    __asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
}

static inline void arch_fill_bytes(void *dst, unsigned char byte, size_t n)
{
    __asm__ volatile("rep stosb" : "+D"(dst), "+c"(n) : "a"(byte) : "memory");
}

/* Blocks of 512 bytes by stores of 16, the rest by the string instruction. */
static inline void arch_fill_words(void *dst, uint64_t word, size_t n)
{
    char *p = dst, *end = p + n / 64 * 512;
    size_t rest = n % 64;

    if (p < end)
        __asm__ volatile("movq %2, %%xmm0\n"
                         "punpcklqdq %%xmm0, %%xmm0\n"
                         "1:\n"
                         ".set .Lat, 0\n"
                         ".rept 512 / 16\n"
                         "movups %%xmm0, .Lat(%0)\n"
                         ".set .Lat, .Lat + 16\n"
                         ".endr\n"
                         "add $512, %0\n"
                         "cmp %1, %0\n"
                         "jb 1b\n"
                         : "+r"(p)
                         : "r"(end), "r"(word)
                         : "xmm0", "memory", "cc");
    __asm__ volatile("rep stosq" : "+D"(p), "+c"(rest) : "a"(word) : "memory");
}

static inline double arch_sqrt(double x)
{
    double root;

    __asm__("sqrtsd %1, %0" : "=x"(root) : "x"(x));
    return root;
}
