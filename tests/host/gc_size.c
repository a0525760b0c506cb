/*
 * tests/host/gc_size.c - size classes and the magic division, exhaustively.
 */
#include <stdio.h>
#include <gc/size.h>

#define ROW(bytes_, units_)                                                                        \
    {.bytes = (bytes_),                                                                            \
     .magic = GC_MAGIC(bytes_),                                                                    \
     .units = (units_),                                                                            \
     .slots = (units_)*GC_UNIT_BYTES / (bytes_)},
const struct gc_class gc_classes[GC_CLASS_COUNT] = {GC_CLASSES(ROW)};

static unsigned passed, failed;

static void group(const char *name, unsigned long bad, unsigned long n)
{
    printf("%s: %lu wrong of %lu\n", name, bad, n);
    if (bad == 0)
        passed++;
    else
        failed++;
}

int main(void)
{
    unsigned long bad = 0, n = 0;

    for (unsigned c = 0; c < GC_CLASS_COUNT; c++)
        for (uint32_t offset = 0; offset < GC_SPAN_BYTES_MAX; offset++, n++)
            bad += gc_slot_index(offset, gc_classes[c].magic) != offset / gc_classes[c].bytes;
    group("slot of every offset in every class", bad, n);

    bad = n = 0;
    for (size_t bytes = 1; bytes <= GC_SMALL_MAX; bytes++, n++) {
        unsigned c = gc_class_of(bytes);
        bad += c >= GC_CLASS_COUNT || gc_classes[c].bytes < bytes ||
               (c > 0 && gc_classes[c - 1].bytes >= bytes);
    }
    group("class of every size is the smallest that holds it", bad, n);

    double waste = 0;
    for (size_t bytes = 1; bytes <= GC_SMALL_MAX; bytes++)
        waste += 1 - (double)bytes / gc_classes[gc_class_of(bytes)].bytes;
    waste /= GC_SMALL_MAX;
    printf("average waste in a slot: %.1f %%\n", waste * 100);
    group("average waste below 10 %", waste >= 0.10, 1);

    bad = n = 0;
    for (unsigned c = 0; c < GC_CLASS_COUNT; c++, n++) {
        uint32_t span = gc_classes[c].units * GC_UNIT_BYTES,
                 used = gc_classes[c].slots * gc_classes[c].bytes;
        bad += (span - used) * 8 > span || span > GC_SPAN_BYTES_MAX || gc_classes[c].slots == 0;
        bad += gc_classes[c].bytes >= 32 && gc_classes[c].bytes % 16 != 0;
    }
    group("spans lose at most an eighth; classes are aligned", bad, n);

    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
