/*
 * arch/x86_64/pvh.h - Xen's PVH boot protocol: hvm_start_info to struct boot_info.
 *
 * QEMU's -kernel, the BIOS second stage and the UEFI loader all hand over this one structure.
 */
#pragma once

#include <arch/bootinfo.h>

/*
 * Read the start info at physical address `start` into *info (cleared first).
 *
 * Returns false, after saying why, if it is no start info at all: then *info holds nothing but an
 * empty command line. Anything less is said and left out, and the result is true: no memory map
 * (version 0, or unreadable) leaves n_ranges 0, an unreadable or endless command line is empty, a
 * module that can't be right is missing.
 * Strings point into the views that `reader` gave. Pure but for boot_complain().
 */
bool pvh_parse(struct boot_info *info, const struct phys_reader *reader, uint64_t start);
