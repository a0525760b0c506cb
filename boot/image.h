/*
 * boot/image.h - what tools/mkimage.c writes into a flashable image and the loaders read there.
 *
 *     sector 0        protective MBR; its code is boot/bios/mbr.S
 *     1 to 33         GPT; a copy stands at the end of the image
 *     34 to 2047      BIOS boot partition: the second stage (boot/bios/)
 *     2048 to ...     EFI system partition, FAT32:
 *         CMDLINE.TXT             the command line, for everybody to edit
 *         EFI/BOOT/BOOTX64.EFI    the UEFI loader (boot/efi/)
 *         INGOT/MANIFEST.BIN      struct boot_manifest
 *         INGOT/KERNEL.BIN        the program: its bytes as they lie in memory, from its lowest
 *                                 address on
 *         INGOT/MODULE00.BIN ...  the boot modules
 *
 * Both loaders read the same files. The manifest has a CRC-32 (that of Ethernet, zip and GPT) of
 * each and of itself, so a bad sector is a line and not a crash. All numbers are little-endian.
 */
#pragma once

/* Where the second stage runs; below the bounce buffer at 64 KiB. Known to assembly. */
#define STAGE2_AT 0x8000
#define STAGE2_SECTORS_MAX 64
#define BOOT_MBR_PATCH 424  /* offset of struct boot_mbr_patch in sector 0 */
#define BOOT_STAGE2_PATCH 8 /* offset of struct boot_stage2_patch in the second stage */

#ifndef __ASSEMBLER__
#include <stdint.h>

#define BOOT_SECTOR 512u
#define BOOT_STAGE2_LBA 34u
#define BOOT_ESP_LBA 2048u

#define BOOT_FILE_CMDLINE "CMDLINE.TXT"
#define BOOT_FILE_EFI "EFI/BOOT/BOOTX64.EFI"
#define BOOT_FILE_MANIFEST "INGOT/MANIFEST.BIN"
#define BOOT_FILE_KERNEL "INGOT/KERNEL.BIN"
#define BOOT_FILE_MODULE "INGOT/MODULE00.BIN"
#define BOOT_FILE_MODULE_DIGITS 12 /* where its number stands */

struct boot_mbr_patch {
    uint32_t stage2_lba;
    uint16_t stage2_sectors;
    uint16_t drive; /* the MBR's own */
    uint32_t stage2_crc;
    uint32_t zero;
};

struct boot_stage2_patch {
    uint64_t gpt_copy_lba; /* the header of the GPT's copy */
};

/* The kernel may be loaded at a distance from where it was linked, but only by a multiple
 * of this. */
#define BOOT_KERNEL_STEP (2u << 20)

#define BOOT_IMAGE_MODULES_MAX 31 /* and the framebuffer: all that the runtime takes */
#define BOOT_NAME_BYTES 64        /* of a module, with its NUL */

struct boot_file {
    uint64_t bytes;
    uint32_t crc;
    uint32_t zero;
};

struct boot_image_module {
    struct boot_file file;
    char name[BOOT_NAME_BYTES];
};

#define BOOT_MANIFEST_MAGIC 0x746f676e49u /* "Ingot" */
#define BOOT_MANIFEST_VERSION 1u

struct boot_manifest {
    uint64_t magic;
    uint32_t version;
    uint32_t crc; /* of the whole structure, with 0 here */
    char program[BOOT_NAME_BYTES];
    struct boot_file kernel;
    uint64_t kernel_paddr;        /* where its first byte was linked to be */
    uint64_t kernel_memory_bytes; /* what is beyond file.bytes has to be zero */
    uint64_t kernel_entry;        /* PVH's 32-bit entry, if loaded at kernel_paddr */
    struct boot_file efi;         /* BOOT_FILE_EFI, so that it can check itself */
    struct boot_file
        cmdline; /* as mkimage wrote it; a difference only means that somebody edited it */
    uint32_t n_modules;
    uint32_t zero;
    struct boot_image_module modules[BOOT_IMAGE_MODULES_MAX];
};
_Static_assert(sizeof(struct boot_mbr_patch) == 16, "fits before the disk's signature at 440");
_Static_assert(sizeof(struct boot_manifest) == 16 + 64 + 16 + 24 + 32 + 8 + 31 * 80, "no padding");
#endif
