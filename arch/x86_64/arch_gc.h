/*
 * arch_gc.h - what the collector's inner loops want from x86-64 (included by gc/heap.h).
 */
#pragma once

#include <rt/compiler.h>

typedef char arch_bytes16 __attribute__((vector_size(16)));
typedef float arch_floats __attribute__((vector_size(16)));
typedef uintptr_t arch_words2 __attribute__((vector_size(16), aligned(8), may_alias));

/* Bit i: p[i] is as in a or in b, for 16 bytes. Each is read once: a marker may be turning one into
 * the other. */
static inline uint64_t arch_bytes_either16(const uint8_t *p, arch_bytes16 a, arch_bytes16 b)
{
    arch_bytes16 x = *(const volatile arch_bytes16 *)p;
    return (uint32_t)__builtin_ia32_pmovmskb128((arch_bytes16)((x == a) | (x == b)));
}

/* Bit i: p[i] is a or b, for 64 bytes from a 16-aligned p. */
static inline uint64_t arch_bytes_either64(const uint8_t *p, uint8_t a, uint8_t b)
{
    char ca = (char)a, cb = (char)b;
    arch_bytes16 va = {ca, ca, ca, ca, ca, ca, ca, ca, ca, ca, ca, ca, ca, ca, ca, ca};
    arch_bytes16 vb = {cb, cb, cb, cb, cb, cb, cb, cb, cb, cb, cb, cb, cb, cb, cb, cb};

    return arch_bytes_either16(p, va, vb) | arch_bytes_either16(p + 16, va, vb) << 16 |
           arch_bytes_either16(p + 32, va, vb) << 32 | arch_bytes_either16(p + 48, va, vb) << 48;
}

/* Bit i: p[i] == byte. */
static inline uint64_t arch_bytes_equal64(const uint8_t *p, uint8_t byte)
{
    return arch_bytes_either64(p, byte, byte);
}

/* Bit i: p[i] is negative, as every address in the heap is, for four words from p. */
static inline uint64_t arch_negative4(const uintptr_t *p)
{
    arch_words2 a = *(const arch_words2 *)p, b = *(const arch_words2 *)(p + 2);
    arch_floats high = __builtin_ia32_shufps((arch_floats)a, (arch_floats)b, 0xdd);
    return (uint64_t)(unsigned)__builtin_ia32_movmskps(high);
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
