/*
 * lib/font.h - the letters of the screen: printable ASCII, 8 by 16 pixels.
 */
#pragma once

#include <stdint.h>

#define FONT_WIDTH 8u
#define FONT_HEIGHT 16u
#define FONT_FIRST 0x20u
#define FONT_BLOCKS 12u
#define FONT_ROWS 12u /* those that are stored */
#define FONT_TOP 2u   /* empty rows above them */

extern const uint8_t font[FONT_BLOCKS][FONT_ROWS][8];

/* Row y (0 to FONT_HEIGHT - 1) of a letter, bit 7 leftmost; of an empty box for what is
 * no letter. */
static inline uint8_t font_row(unsigned char c, unsigned y)
{
    unsigned i = c >= FONT_FIRST && c < 0x7f ? c - FONT_FIRST : 0x7f - FONT_FIRST;

    return y - FONT_TOP < FONT_ROWS ? font[i / 8][y - FONT_TOP][i % 8] : 0;
}
