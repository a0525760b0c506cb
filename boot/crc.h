/*
 * boot/crc.h - the CRC-32 of Ethernet, zip and GPT: loaders and host tools.
 *
 * `crc` is 0 at first, and what the last call returned to go on with more bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

static inline uint32_t crc32(uint32_t crc, const void *bytes, size_t n)
{
    static uint32_t table[256];
    const uint8_t *at = bytes;

    if (table[1] == 0)
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (int bit = 0; bit < 8; bit++)
                c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
            table[i] = c;
        }
    crc = ~crc;
    for (; n > 0; n--)
        crc = crc >> 8 ^ table[(crc ^ *at++) & 255];
    return ~crc;
}
