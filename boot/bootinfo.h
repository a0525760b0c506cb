/*
 * boot/bootinfo.h - what a loader of the flashable image tells the runtime beyond PVH's start info.
 *
 * A framebuffer is handed over as one more boot module: its command line is exactly
 * BOOT_FRAMEBUFFER_NAME, and its bytes are one struct boot_framebuffer. A runtime that does not
 * know the name sees a module it need not open. At most one such module is given; none if the
 * firmware set up no display, or one that can't be written as memory.
 *
 * The screen is as the firmware left it: its text is still there, and no mode was changed. The
 * range [paddr, paddr + pitch_bytes * height) is device memory, absent from the memory map or
 * reserved in it, and may lie above 4 GiB. Nothing here was checked: firmware wrote it.
 */
#pragma once

#include <stdint.h>

#define BOOT_FRAMEBUFFER_NAME "ingot-framebuffer"
#define BOOT_FRAMEBUFFER_MAGIC 0x62667267u /* "grfb" */
#define BOOT_FRAMEBUFFER_VERSION 1u        /* later versions only add fields at the end */

/*
 * Memory in which the runtime leaves its last report for the run after a warm restart. A loader
 * keeps its own things elsewhere. (SeaBIOS clears what is below 0x90000.)
 */
#define BOOT_LASTWORDS_PADDR 0x92000u
#define BOOT_LASTWORDS_BYTES 0x2000u

/* One colour: its lowest bit in a pixel, and how many bits it has (at least 1). */
struct boot_colour {
    uint8_t shift, bits;
};

struct boot_framebuffer {
    uint32_t magic, version;
    uint64_t paddr;       /* of the pixel at the top left */
    uint32_t width;       /* pixels that are seen */
    uint32_t height;      /* lines */
    uint32_t pitch_bytes; /* from one line to the next; at least width * pixel_bytes */
    uint8_t pixel_bytes;  /* 4: little-endian 32-bit pixels are all that UEFI has */
    struct boot_colour red, green, blue;
    uint8_t zero[5]; /* fills up to 40 bytes, for 32-bit compilers, too */
};
_Static_assert(sizeof(struct boot_framebuffer) == 40, "shared by loaders and runtime");
