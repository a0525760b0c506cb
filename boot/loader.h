/*
 * boot/loader.h - the part of loading that BIOS and UEFI have in common, and what it asks of them.
 *
 * loader_main() reads the manifest, the kernel and the modules, compares their checksums, makes
 * PVH's start info, and leaves to the runtime. It is compiled twice, for 32-bit protected mode
 * (boot/bios/bios.c) and for UEFI (boot/efi/efi.c), each of which supplies the fw_ functions below,
 * and a third time in the host's tests.
 *
 * Physical addresses are usable as pointers in both. Every failure is one line `loader: ...` by
 * loader_fail(), which does not return.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <boot/bootinfo.h>
#include <boot/image.h>
#include <boot/pvh.h>

#define LOADER_MEMORY_MAX 512       /* entries of a memory map */
#define LOADER_CMDLINE_MAX 4096     /* bytes of the command line, with its NUL */
#define LOADER_FILE_BYTES_MAX 16384 /* of CMDLINE.TXT, comments included */

/* ACPI's address range types, as far as loaders tell them apart. */
enum loader_memory {
    LOADER_RAM = 1,
    LOADER_RESERVED = 2,
    LOADER_ACPI = 3,
    LOADER_NVS = 4,
    LOADER_BROKEN = 5,
    LOADER_PERSISTENT = 7,
};

/* What the runtime gets; below 4 GiB, since its first page tables end there. */
struct loader_handoff {
    struct pvh_start_info start;
    struct pvh_module modules[BOOT_IMAGE_MODULES_MAX + 1];
    struct pvh_memmap_entry memory[LOADER_MEMORY_MAX];
    struct boot_framebuffer framebuffer;
    char names[BOOT_IMAGE_MODULES_MAX + 1][BOOT_NAME_BYTES];
    char cmdline[LOADER_CMDLINE_MAX];
};

/* Read everything and start the runtime. */
_Noreturn void loader_main(void);

/* Print a line: %s, %u (uint32_t), %x (uint32_t), %X (uint64_t). It begins with "loader: ". */
void loader_say(const char *fmt, ...);

/* The same, then "; stopped", and fw_stop(). */
_Noreturn void loader_fail(const char *fmt, ...);

/*
 * Make the command line of the text of CMDLINE.TXT: comment lines (# comes first) are dropped, line
 * ends and tabs are spaces. NULL, or what is wrong with the text and, in *at, where.
 */
const char *loader_cmdline(char *to, size_t to_bytes, const uint8_t *text, size_t n, size_t *at);

/* Append a range to a memory map of *n entries; joins it with the last one if it can. */
void loader_memory_add(struct loader_handoff *h, uint64_t base, uint64_t bytes, enum loader_memory);

/* ---- What the firmware's side supplies ---- */

void fw_put(const char *text);
_Noreturn void fw_stop(void);

/*
 * Open the file at `path` (as in boot/image.h; upper case, slashes) for fw_read(), and give its
 * size. False if there is no such file. Another failure is told by loader_fail().
 */
bool fw_open(const char *path, uint64_t *bytes);
void fw_read(void *to, uint64_t bytes);

/* Whole pages for `bytes` (perhaps 0), with anything in them, that end below `limit`; 0 if there is
 * no room. */
uint64_t fw_alloc(uint64_t bytes, uint64_t limit);
/* The same at a given page; false if it is not free. */
bool fw_alloc_at(uint64_t paddr, uint64_t bytes);

/* Compare the UEFI loader, as it is in its file, with what the manifest says of it. */
void fw_check_itself(const struct boot_file *efi);

/* Describe the screen: false if there is none. */
bool fw_framebuffer(struct boot_framebuffer *fb);

/*
 * Fill in h->start.rsdp_paddr and the memory map (by loader_memory_add()), end the firmware's
 * services, and enter the runtime as boot/pvh.h says.
 */
_Noreturn void fw_leave(struct loader_handoff *h, uint32_t entry);
