/*
 * arch/bootinfo.h - what a loader told us, in one shape for every loader.
 *
 * A port's entry code (arch/x86_64/pvh.c) fills in one struct boot_info from whatever its boot
 * protocol has; mm/memmap.c, lib/knobs.c and the module list of the public API read it. Nothing in
 * it has been judged except that it fits: ranges may overlap, wrap or be empty, and mm/memmap.c
 * sorts that out. Boot data is never trusted: it is read through a struct phys_reader, and what is
 * wrong with it is said with boot_complain() and then left out.
 *
 * Plain data; includes nothing of the project, so host tools and tests use it as it is.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOT_RANGES_MAX 512 /* firmware maps of 200 entries exist; the rest is dropped and said */
#define BOOT_MODULES_MAX 32
#define BOOT_KEEP_MAX (4 + 2 * BOOT_MODULES_MAX)

/* The numbers are those of ACPI's address range types (E820); any other number means reserved. */
enum boot_mem {
    BOOT_MEM_RAM = 1,
    BOOT_MEM_RESERVED = 2,
    BOOT_MEM_ACPI = 3, /* holds ACPI tables; never reclaimed here */
    BOOT_MEM_NVS = 4,
    BOOT_MEM_BROKEN = 5,
};

struct boot_range {
    uint64_t base;
    uint64_t bytes;
    enum boot_mem type;
};

struct boot_module {
    uint64_t paddr;
    uint64_t bytes;   /* may be 0: an empty file */
    const char *name; /* the loader's text for it, ended by NUL; "" if it gave none */
};

struct boot_info {
    /* Memory as the firmware described it: raw, in its order. n_ranges 0: there was no map. */
    size_t n_ranges;
    struct boot_range ranges[BOOT_RANGES_MAX];

    /* The command line; cmdline[cmdline_len] is NUL. Once filled in never NULL, but "". */
    const char *cmdline;
    size_t cmdline_len;

    size_t n_modules;
    struct boot_module modules[BOOT_MODULES_MAX];

    /*
     * Where the loader put things that the strings above point to, and the modules: memory that
     * must not be allocated. (Types are BOOT_MEM_RESERVED.)
     */
    size_t n_keep;
    struct boot_range keep[BOOT_KEEP_MAX];

    uint64_t rsdp; /* physical address of ACPI's root pointer; 0 if the loader knew none */
};

/*
 * The only way to boot data: physical memory that may or may not be there.
 *
 * map(ctx, paddr, bytes) gives a readable view of exactly [paddr, paddr + bytes), or NULL if any
 * byte of it can't be read. bytes is at least 1, and paddr + bytes does not wrap (phys_map() sees
 * to it). A view needs no alignment and stays valid for as long as anybody uses what was parsed
 * from it (strings are not copied).
 */
struct phys_reader {
    const void *(*map)(void *ctx, uint64_t paddr, size_t bytes);
    void *ctx;
};

static inline const void *phys_map(const struct phys_reader *reader, uint64_t paddr, size_t bytes)
{
    if (bytes == 0 || paddr + bytes < paddr)
        return NULL; /* readers may add the two */
    return reader->map(reader->ctx, paddr, bytes);
}

/*
 * Say that boot data is wrong, and go on: prints `boot: <what> is bad: <why>` on the console.
 * Declared here, defined by the machine (and by each host test). The format is printf's. Boot
 * processor only; may be called before memory is allocated; takes no lock.
 */
void boot_complain(const char *what, const char *why, ...) __attribute__((format(printf, 2, 3)));
