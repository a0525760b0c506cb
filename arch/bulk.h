/*
 * arch/bulk.h - the few single instructions that lib/string.c and lib/math.c want from a machine.
 *
 * A port defines them inline in arch_bulk.h, without any other header of ours, so that host tests
 * can use them too.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Copy n bytes in rising order, by the machine's string instruction; n may be 0. */
static inline void arch_copy_bytes(void *dst, const void *src, size_t n);
/* Fill n bytes by the machine's string instruction, or n 8-byte words by what is quickest; n may be
 * 0. */
static inline void arch_fill_bytes(void *dst, unsigned char byte, size_t n);
static inline void arch_fill_words(void *dst, uint64_t word, size_t n);
/* Correctly rounded square root; NaN below zero. */
static inline double arch_sqrt(double x);

#ifdef INGOT_HOST
#include <arch/x86_64/arch_bulk.h>
#else
#include <arch_bulk.h> /* the port's: -Iarch/$(ARCH) */
#endif
