/*
 * boot/pvh.h - Xen's PVH boot protocol: what every loader leaves in memory for the runtime.
 *
 * The runtime is entered in 32-bit protected mode, paging and interrupts off, ebx holding the
 * address of struct pvh_start_info. QEMU's -kernel does that; the loaders of the flashable image do
 * the same.
 *
 * SOURCES. Xen, xen/include/public/arch-x86/hvm/start_info.h (layout, versions) and
 * docs/misc/pvh.pandoc.
 */
#pragma once

#include <stdint.h>

#define PVH_MAGIC 0x336ec578u /* "xEn3" with bit 7 of the E set */

struct pvh_start_info {
    uint32_t magic;
    uint32_t version;
    uint32_t flags;
    uint32_t nr_modules;
    uint64_t modlist_paddr;
    uint64_t cmdline_paddr;
    uint64_t rsdp_paddr;
    /* from version 1 */
    uint64_t memmap_paddr;
    uint32_t memmap_entries;
    uint32_t reserved;
};
_Static_assert(sizeof(struct pvh_start_info) == 56, "fixed by the protocol");

struct pvh_module {
    uint64_t paddr;
    uint64_t size;
    uint64_t cmdline_paddr;
    uint64_t reserved;
};
_Static_assert(sizeof(struct pvh_module) == 32, "fixed by the protocol");

struct pvh_memmap_entry {
    uint64_t addr;
    uint64_t size;
    uint32_t type; /* as ACPI's address range types */
    uint32_t reserved;
};
_Static_assert(sizeof(struct pvh_memmap_entry) == 24, "fixed by the protocol");
