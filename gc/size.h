/*
 * gc/size.h - size classes, and from an offset to a slot number without dividing.
 *
 * Four classes to a doubling: at most a fifth of a slot is lost, 7.9 % on average over uniform
 * sizes. Classes of 16 bytes and more are multiples of 16, so objects are 16-aligned.
 *
 * THE MAGIC DIVISION. slot = (offset * magic) >> 32 with magic = floor(2^32 / bytes) + 1. With
 * e = magic * bytes - 2^32, where 0 < e <= bytes, the quotient is exact for every offset < 2^32 /
 * e: the error offset * e / (2^32 * bytes) stays below 1 / bytes, the least distance of offset /
 * bytes from the next integer. Each line of the table asserts that for all offsets in a span;
 * tests/host/gc_size.c tries every offset of every class besides.
 */
#pragma once

#include <lib/bits.h>

#define GC_UNIT_SHIFT 13
#define GC_UNIT_BYTES 8192u      /* spans are runs of units; the page map has an entry for each */
#define GC_SPAN_BYTES_MAX 65536u /* of a span of small objects */
#define GC_SMALL_MAX 32768u      /* larger objects have a run of their own */
#define GC_MASK_BYTES_MAX 512u   /* 64 words: what one pointer mask describes */

/*  bytes, units (8 KiB) of a span: so few that less than an eighth is lost at its end */
/* The layout tool never settles on these lines. */
/* clang-format off */
#define GC_CLASSES(X) \
    X(8, 1) X(16, 1) X(24, 1) X(32, 1) X(48, 1) X(64, 1) X(80, 1) X(96, 1) \
    X(112, 1) X(128, 1) X(160, 1) X(192, 1) X(224, 1) X(256, 1) X(320, 1) X(384, 1) \
    X(448, 1) X(512, 1) X(640, 1) X(768, 1) X(896, 1) X(1024, 1) X(1280, 2) X(1536, 2) \
    X(1792, 2) X(2048, 2) X(2560, 2) X(3072, 3) X(3584, 4) X(4096, 4) X(5120, 5) X(6144, 3) \
    X(7168, 7) X(8192, 4) X(10240, 5) X(12288, 6) X(14336, 7) X(16384, 8) X(20480, 5) X(24576, 6) \
    X(28672, 7) X(32768, 8)
/* clang-format on */

#define GC_CLASS_COUNT 42
#define GC_COUNT_ONE(bytes, units) +1
_Static_assert(0 GC_CLASSES(GC_COUNT_ONE) == GC_CLASS_COUNT, "as many as there are lines");

#define GC_MAGIC(bytes) (UINT64_C(0x100000000) / (bytes) + 1)
#define GC_MAGIC_EXACT(bytes, units)                                                               \
    _Static_assert((GC_MAGIC(bytes) * (bytes)-UINT64_C(0x100000000)) * GC_SPAN_BYTES_MAX <         \
                       UINT64_C(0x100000000),                                                      \
                   "the magic division is exact in a span of " #bytes);                            \
    _Static_assert((bytes) <= (units)*GC_UNIT_BYTES && (units)*GC_UNIT_BYTES <= GC_SPAN_BYTES_MAX, \
                   "a span holds a slot");
GC_CLASSES(GC_MAGIC_EXACT)

struct gc_class {
    uint32_t bytes;
    uint32_t magic;
    uint16_t units;
    uint16_t slots;
};

extern const struct gc_class gc_classes[GC_CLASS_COUNT];

/* The smallest class that holds `bytes`, 1 to GC_SMALL_MAX. */
static inline unsigned gc_class_of(size_t bytes)
{
    if (bytes <= 32)
        return (unsigned)((bytes + 7) / 8) - 1; /* 8 16 24 32 */
    if (bytes <= 64)
        return bytes <= 48 ? 4 : 5;
    unsigned top = bit_highest(bytes - 1); /* 2^top < bytes <= 2^(top+1); top >= 6 */
    return 6 + (top - 6) * 4 + (unsigned)((bytes - 1) >> (top - 2) & 3);
}

static inline uint32_t gc_slot_index(size_t offset, uint32_t magic)
{
    return (uint32_t)(offset * magic >> 32);
}
