/*
 * tools/common/fat.h - makes, reads and changes a FAT32 file system in memory.
 *
 * For the EFI system partition of a flashable image: names of 8.3 characters in upper case,
 * folders, no attributes. All times are 1980-01-01, so equal files give equal bytes. What is wrong
 * ends the tool by util_die().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fat {
    const char *name; /* for messages */
    uint8_t *base;    /* first byte of the partition */
    uint32_t sectors;
    uint32_t reserved, fat_sectors, n_fats;
    uint32_t cluster_bytes, n_clusters, root;
};

/* Sectors of the smallest partition with room for `n` files of together `bytes`. */
uint64_t fat_sectors_for(uint64_t bytes, size_t n);

/* Write an empty file system into `sectors` zeroed sectors; `first_lba` is where they lie on the
 * disk. */
void fat_format(struct fat *fat, const char *name, uint8_t *base, uint32_t sectors,
                uint32_t first_lba, uint32_t serial);

/* Use the file system that is there. */
void fat_open(struct fat *fat, const char *name, uint8_t *base, uint64_t sectors);

/* Write a file, which may exist; folders of its path are made. */
void fat_write(struct fat *fat, const char *path, const void *data, size_t bytes);

/* A copy of a file, or NULL if there is none. */
uint8_t *fat_read(struct fat *fat, const char *path, size_t *bytes);

/* The sector of the partition where a file begins; 0 if it is empty or not there. */
uint64_t fat_where(struct fat *fat, const char *path);

/* Bytes in free clusters. */
uint64_t fat_free_bytes(const struct fat *fat);
