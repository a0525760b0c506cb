/*
 * boot/bios/disk.h - files of the boot partition, by way of sectors that somebody else reads.
 *
 * disk.c defines fw_open() and fw_read() of boot/loader.h.
 */
#pragma once

#include <stdint.h>

#define BOUNCE_SECTORS 64u

/* Where sectors arrive: bios.ld places it where the BIOS can write. */
extern uint8_t bounce[];

/* Read up to BOUNCE_SECTORS sectors into the bounce buffer, or end by loader_fail(). */
void sectors_bounce(uint64_t lba, uint32_t n);

/* Find the boot partition, by the GPT or by its copy, whose header is at that sector. */
void disk_open(uint64_t gpt_copy_lba);
