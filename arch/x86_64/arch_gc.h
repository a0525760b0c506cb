/*
 * arch_gc.h - what the collector's inner loops want from x86-64 (included by gc/heap.h).
 */
#pragma once

#include <rt/compiler.h>

typedef char arch_bytes16 __attribute__((vector_size(16)));
typedef float arch_floats __attribute__((vector_size(16), aligned(8), may_alias));

/* Bit i: p[i] is a or b, for 64 bytes from a 16-aligned p. Each byte is read once: a marker may be
 * turning one into the other. */
static inline uint64_t arch_bytes_either64(const uint8_t *p, uint8_t a, uint8_t b)
{
    const volatile arch_bytes16 *v = (const volatile arch_bytes16 *)p;
    char ca = (char)a, cb = (char)b;
    arch_bytes16 want_a = {ca, ca, ca, ca, ca, ca, ca, ca, ca, ca, ca, ca, ca, ca, ca, ca};
    arch_bytes16 want_b = {cb, cb, cb, cb, cb, cb, cb, cb, cb, cb, cb, cb, cb, cb, cb, cb};
    uint64_t mask = 0;

    for (unsigned i = 0; i < 4; i++) {
        arch_bytes16 x = v[i];
        arch_bytes16 is = (arch_bytes16)((x == want_a) | (x == want_b));
        mask |= (uint64_t)(uint32_t)__builtin_ia32_pmovmskb128(is) << 16 * i;
    }
    return mask;
}

/* Bit i: p[i] == byte. */
static inline uint64_t arch_bytes_equal64(const uint8_t *p, uint8_t byte)
{
    return arch_bytes_either64(p, byte, byte);
}

/* Bit i: p[i] is negative, as every address in the heap is, for four words from p. */
static inline uint64_t arch_negative4(const uintptr_t *p)
{
    arch_floats a = *(const arch_floats *)p, b = *(const arch_floats *)(p + 2);
    return (uint64_t)(unsigned)__builtin_ia32_movmskps(__builtin_ia32_shufps(a, b, 0xdd));
}

/* The number of the lowest bit of x, which is not 0: one instruction, where compilers make three of
 * __builtin_ctzll() in an address. */
static inline uint64_t arch_lowest_bit(uint64_t x)
{
    uint64_t bit;
    __asm__("rep bsfq %1, %0" : "=r"(bit) : "rm"(x) : "cc");
    return bit;
}

/* Hint: the line around p will be read soon. Any address. */
static inline void arch_prefetch(const void *p)
{
    __builtin_prefetch(p);
}
