/*
 * arch_gc.h - what the collector's inner loops want from x86-64 (included by gc/heap.h).
 */
#pragma once

#include <rt/compiler.h>

typedef char arch_bytes16 __attribute__((vector_size(16)));

/* Bit i: p[i] == byte, for 64 bytes from a 16-aligned p. */
static inline uint64_t arch_bytes_equal64(const uint8_t *p, uint8_t byte)
{
    const arch_bytes16 *v = (const arch_bytes16 *)p;
    char c = (char)byte;
    arch_bytes16 want = {c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c};
    uint64_t m0 = (uint32_t)__builtin_ia32_pmovmskb128((arch_bytes16)(v[0] == want));
    uint64_t m1 = (uint32_t)__builtin_ia32_pmovmskb128((arch_bytes16)(v[1] == want));
    uint64_t m2 = (uint32_t)__builtin_ia32_pmovmskb128((arch_bytes16)(v[2] == want));
    uint64_t m3 = (uint32_t)__builtin_ia32_pmovmskb128((arch_bytes16)(v[3] == want));
    return m0 | m1 << 16 | m2 << 32 | m3 << 48;
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
