/*
 * arch/x86_64/paging.c - the kernel's only address space.
 *
 * WHAT. Builds the final page tables from the boot cpu's early ones, and maps pages afterwards. The
 * map:
 *     ffffffff80000000 the image, wherever it was loaded: text r-x, rodata r--, data rw-
 *     ffff800000000000 direct map of RAM (RAM only), rw-; the image's text and rodata r-- there too;
 *                      behind RAM's end large objects that RAM can't hold in one piece (mm/vmap.h)
 *     ffffc00000000000 devices and firmware tables; behind them wired stacks
 *     ffffd00000000000 goroutine stacks, by page
 *     the low half     empty, but for the trampoline while cpus start
 *
 * INVARIANTS
 * [page_table.1] No page is writable and executable, through any address. Outside the image's text
 *                nothing is executable (where the cpu can forbid it).
 * [page_table.2] A table, once linked, is never freed; so a walk needs no lock.
 * [page_table.3] Windows that come and go (stacks, vmap) are not global: a CR3 reload forgets them.
 *
 * LOCKING. table_lock (rank PAGE_TABLE) guards linking new tables. A leaf is written by the owner
 * of its address alone: one aligned 8-byte store, which the cpu's walker sees whole or not at all.
 * SOURCES. Intel SDM 3A 4.5 (4-level paging), 4.10 (TLBs).
 */
#include <arch/arch.h>
#include <lib/assert.h>
#include <lib/atomic.h>
#include <lib/bits.h>
#include <lib/spinlock.h>
#include "x86.h"

#define PTE_P UINT64_C(1)
#define PTE_W UINT64_C(2)
#define PTE_PWT UINT64_C(8)
#define PTE_PCD UINT64_C(16)
#define PTE_LARGE UINT64_C(0x80)
#define PTE_GLOBAL UINT64_C(0x100)
#define PTE_NX (UINT64_C(1) << 63)
#define PTE_ADDRESS UINT64_C(0x000ffffffffff000)

#define PAGE_4K UINT64_C(0x1000)
#define PAGE_2M UINT64_C(0x200000)
#define PAGE_1G UINT64_C(0x40000000)

#define WIRED_BASE (ARCH_DEVICE_BASE + ARCH_DEVICE_BYTES) /* wired stacks, behind the devices */

typedef uint64_t pte_t;

extern char image_start[], text_start[], text_end[], rodata_start[], rodata_end[], data_start[],
    data_end[], image_end[];

static pte_t root[512] RT_ALIGNED(4096); /* in the image: below 4 GiB, as a starting cpu needs it */
static struct spinlock table_lock = SPINLOCK_INIT(RANK_PAGE_TABLE);
static pte_t nx_bit;                             /* [I] PTE_NX, or 0 on a cpu without it */
static uintptr_t image_slide;                    /* [I] virtual - physical of the image */
static uintptr_t device_next = ARCH_DEVICE_BASE; /* guarded by table_lock */
static uintptr_t wired_next = WIRED_BASE;        /* guarded by table_lock */
static const struct boot_range *ram_ranges;      /* [I] NULL while the early tables hold */
static size_t n_ram_ranges;

static pte_t leaf_bits(enum arch_prot prot, bool global)
{
    pte_t bits = PTE_P;
    if (prot & ARCH_WRITE)
        bits |= PTE_W;
    if (!(prot & ARCH_EXEC))
        bits |= nx_bit;
    if (prot & ARCH_UNCACHED)
        bits |= PTE_PCD | PTE_PWT;
    if (prot & ARCH_COMBINED)
        bits |= PTE_PWT; /* entry 1 of the PAT: cpu.c */
    if (global)
        bits |= PTE_GLOBAL;
    return bits;
}

/* The next table behind *entry, made if it is missing and `make` says so. */
static pte_t *table_below(pte_t *entry, bool make)
{
    pte_t e = load_relaxed(entry);
    if (e & PTE_P)
        return (e & PTE_LARGE) ? NULL : phys_to_virt(e & PTE_ADDRESS);
    if (!make)
        return NULL;
    pte_t *table = arch_up_table_page();
    if (table == NULL)
        return NULL;
    /* partner: the cpu's walker, and ours, which must find a zeroed table */
    store_release(entry, virt_to_phys(table) | PTE_P | PTE_W);
    return table;
}

/* Where va's entry is in a table of `level`: 9 bits for each. */
static size_t index_at(uintptr_t va, unsigned level)
{
    return va >> (12 + 9 * (level - 1)) & 511;
}

/* The entry for va at `level` (1: 4 KiB, 2: 2 MiB, 3: 1 GiB), or NULL. */
static pte_t *entry_at(uintptr_t va, unsigned level, bool make)
{
    pte_t *table = root;
    for (unsigned l = 4; l > level; l--) {
        table = table_below(&table[index_at(va, l)], make);
        if (table == NULL)
            return NULL;
    }
    return &table[index_at(va, level)];
}

/* Map a range with the largest pages that fit. Boot, or table_lock held. False: out of memory. */
static bool map_range(uintptr_t va, paddr_t pa, uint64_t bytes, enum arch_prot prot,
                      uint64_t largest, bool global)
{
    pte_t bits = leaf_bits(prot, global);
    uint64_t next_size = largest >= PAGE_2M ? PAGE_2M : ~UINT64_C(0); /* where larger may begin */

    while (bytes > 0) {
        uint64_t size = PAGE_4K;
        unsigned level = 1;
        if (largest >= PAGE_1G && ((va | pa) & (PAGE_1G - 1)) == 0 && bytes >= PAGE_1G) {
            size = PAGE_1G;
            level = 3;
        } else if (largest >= PAGE_2M && ((va | pa) & (PAGE_2M - 1)) == 0 && bytes >= PAGE_2M) {
            size = PAGE_2M;
            level = 2;
        }
        pte_t *entry = entry_at(va, level, true);
        if (entry == NULL)
            return false;
        /* One walk for all that follow each other in this table. */
        unsigned left = 512 - (unsigned)(va / size % 512);
        uint64_t run = 0;
        do {
            ASSERT(!(*entry & PTE_P));
            store_release(entry++, (pa + run) | bits | (level > 1 ? PTE_LARGE : 0));
            run += size;
        } while (--left > 0 && bytes - run >= size &&
                 (level > 1 || ((va + run) | (pa + run)) % next_size != 0));
        va += run;
        pa += run;
        bytes -= run;
    }
    return true;
}

static void map_at_boot(uintptr_t va, paddr_t pa, uint64_t bytes, enum arch_prot prot)
{
    uint64_t largest = cpu_features.gib_pages ? PAGE_1G : PAGE_2M;

    if (!map_range(va, pa, bytes, prot, largest, true))
        fatal("boot: too little memory for page tables");
}

/* Where a symbol of the image lies in memory. */
static paddr_t paddr_of_image(const void *image_address)
{
    return (uintptr_t)image_address - image_slide;
}

/* One RAM range in the direct map, read-only where it is the image's text or rodata. */
static void direct_map_range(paddr_t lo, paddr_t hi)
{
    paddr_t ro_lo = paddr_of_image(text_start), ro_hi = paddr_of_image(rodata_end);

    if (hi <= ro_lo || lo >= ro_hi) {
        map_at_boot(ARCH_DIRECT_BASE + lo, lo, hi - lo, ARCH_WRITE);
        return;
    }
    if (lo < ro_lo)
        map_at_boot(ARCH_DIRECT_BASE + lo, lo, ro_lo - lo, ARCH_WRITE);
    map_at_boot(ARCH_DIRECT_BASE + ro_lo, ro_lo, ro_hi - ro_lo, ARCH_READ);
    if (hi > ro_hi)
        map_at_boot(ARCH_DIRECT_BASE + ro_hi, ro_hi, hi - ro_hi, ARCH_WRITE);
}

static void map_image_part(const char *lo, const char *hi, enum arch_prot prot)
{
    if (hi > lo)
        map_at_boot((uintptr_t)lo, paddr_of_image(lo), (uint64_t)(hi - lo), prot);
}

void paging_init(const struct boot_range *ram, size_t n, paddr_t image_at)
{
    nx_bit = cpu_features.nx ? PTE_NX : 0;
    image_slide = (uintptr_t)image_start - image_at;

    map_image_part(text_start, text_end, ARCH_EXEC);
    map_image_part(rodata_start, rodata_end, ARCH_READ);
    map_image_part(data_start, data_end, ARCH_WRITE);
    map_image_part(data_end, image_end, ARCH_READ); /* the symbol table */
    for (size_t i = 0; i < n; i++)
        direct_map_range(ram[i].base, ram[i].base + ram[i].bytes);
    write_cr3(paging_root());
    ram_ranges = ram;
    n_ram_ranges = n;
}

paddr_t paging_root(void)
{
    return paddr_of_image(root);
}

void paging_map_low_page(paddr_t page)
{
    spin_lock(&table_lock);
    if (!map_range(page, page, PAGE_4K, ARCH_EXEC, PAGE_4K, false))
        fatal("boot: too little memory for page tables");
    spin_unlock(&table_lock);
}

void paging_unmap_low(void)
{
    store_release(&root[0], 0);
    arch_tlb_flush_local();
}

bool arch_map_prepare(uintptr_t va, size_t bytes)
{
    bool ok = true;

    spin_lock(&table_lock);
    for (uintptr_t at = align_down(va, PAGE_2M); ok && at < va + bytes; at += PAGE_2M)
        ok = entry_at(at, 1, true) != NULL;
    spin_unlock(&table_lock);
    return ok;
}

bool arch_map_prepared(uintptr_t va)
{
    return entry_at(va, 1, false) != NULL;
}

void arch_map_page(uintptr_t va, paddr_t pa, enum arch_prot prot)
{
    pte_t *entry = entry_at(va, 1, false);

    ASSERT(entry != NULL && !(*entry & PTE_P));
    store_release(entry, pa | leaf_bits(prot, false)); /* [page_table.3] */
}

paddr_t arch_unmap_page(uintptr_t va)
{
    pte_t *entry = entry_at(va, 1, false);

    if (entry == NULL || !(*entry & PTE_P))
        return ~UINT64_C(0);
    pte_t old = *entry;
    store_release(entry, 0);
    return old & PTE_ADDRESS;
}

bool arch_map_large_prepare(uintptr_t va, size_t bytes)
{
    bool ok = true;

    spin_lock(&table_lock);
    for (uintptr_t at = va; ok && at < va + bytes; at += PAGE_2M) {
        const pte_t *entry = entry_at(at, 2, true);
        ok = entry != NULL && !(load_relaxed(entry) & PTE_P);
    }
    spin_unlock(&table_lock);
    return ok;
}

void arch_map_large(uintptr_t va, paddr_t pa, enum arch_prot prot)
{
    pte_t *entry = entry_at(va, 2, false);

    ASSERT(entry != NULL && !(*entry & PTE_P) && (va | pa) % PAGE_2M == 0);
    store_release(entry, pa | leaf_bits(prot, false) | PTE_LARGE); /* [page_table.3] */
}

paddr_t arch_unmap_large(uintptr_t va)
{
    pte_t *entry = entry_at(va, 2, false);

    if (entry == NULL || (*entry & (PTE_P | PTE_LARGE)) != (PTE_P | PTE_LARGE))
        return ~UINT64_C(0);
    pte_t old = *entry;
    store_release(entry, 0);
    return old & PTE_ADDRESS & ~(PAGE_2M - 1);
}

paddr_t arch_translate(uintptr_t va)
{
    for (unsigned level = 1; level <= 3; level++) {
        pte_t *entry = entry_at(va, level, false);
        if (entry == NULL)
            continue;
        pte_t e = load_relaxed(entry);
        uint64_t size = PAGE_4K << (9 * (level - 1));
        if (!(e & PTE_P))
            return ~UINT64_C(0);
        if (level == 1 || (e & PTE_LARGE))
            return (e & PTE_ADDRESS & ~(size - 1)) | (va & (size - 1));
    }
    return ~UINT64_C(0);
}

/*
 * QEMU's own TLB starts with 256 entries and grows or shrinks only when it is flushed, by how full
 * it was (accel/tcg cputlb.c, tlb_mmu_resize_locked()). We hardly ever flush, so it would stay
 * small.
 */
#define TLB_TUNE_NS INT64_C(50000000)

static PERCPU(int64_t, tlb_tuned_ns); /* [c] */

void arch_tlb_tune(void)
{
    int64_t now = arch_nanotime();

    if (!cpu_features.tcg || now - this_cpu(tlb_tuned_ns) < TLB_TUNE_NS)
        return;
    this_cpu(tlb_tuned_ns) = now;
    arch_tlb_flush_local();
}

void arch_tlb_flush_local(void)
{
    write_cr3(read_cr3());
}

void arch_tlb_flush_page(uintptr_t va)
{
    __asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
}

static void *device_map_as(paddr_t pa, size_t bytes, enum arch_prot prot)
{
    paddr_t lo = align_down(pa, PAGE_4K), hi = align_up(pa + bytes, PAGE_4K);
    void *result = NULL;

    if (bytes == 0 || hi <= lo || (hi - 1) >> cpu_features.phys_bits != 0)
        return NULL;
    spin_lock(&table_lock);
    uintptr_t va = device_next;
    if (hi - lo <= ARCH_DEVICE_BASE + ARCH_DEVICE_BYTES - va &&
        map_range(va, lo, hi - lo, prot, PAGE_4K, true)) {
        device_next = va + (hi - lo) + PAGE_4K; /* a gap: an overrun faults */
        result = (void *)(va + (pa - lo));
    }
    spin_unlock(&table_lock);
    return result;
}

volatile void *device_map(paddr_t pa, size_t bytes)
{
    return device_map_as(pa, bytes, ARCH_WRITE | ARCH_UNCACHED);
}

/* While the early tables hold: they have the first 4 GiB. */
static void *early_map(paddr_t pa, uint64_t bytes)
{
    return pa + bytes <= UINT64_C(1) << 32 ? phys_to_virt(pa) : NULL;
}

volatile void *framebuffer_map(paddr_t pa, uint64_t bytes)
{
    if (ram_ranges == NULL)
        return early_map(pa, bytes);
    return device_map_as(pa, bytes, ARCH_WRITE | ARCH_COMBINED);
}

volatile void *arch_device_map(paddr_t pa, size_t bytes)
{
    return pa + bytes > pa ? device_map(pa, bytes) : NULL;
}

#define FIRMWARE_BYTES_MAX (4u << 20) /* nothing asks for more at a time (acpi.c) */

/* Firmware tables lie anywhere, and are as long as they are: what isn't RAM is mapped as asked. */
const void *phys_map_any(RT_UNUSED void *ctx, uint64_t pa, size_t bytes)
{
    if (ram_ranges == NULL)
        return early_map(pa, bytes);
    for (size_t i = 0; i < n_ram_ranges; i++)
        if (pa >= ram_ranges[i].base && pa + bytes <= ram_ranges[i].base + ram_ranges[i].bytes)
            return phys_to_virt(pa);
    if (bytes > FIRMWARE_BYTES_MAX)
        return NULL;
    return device_map_as(pa, bytes, ARCH_READ);
}

uintptr_t wired_stack_make(size_t pages)
{
    spin_lock(&table_lock);
    uintptr_t va = wired_next + PAGE_4K; /* the guard below */
    wired_next = va + pages * PAGE_4K;
    for (size_t i = 0; i < pages; i++) {
        void *page = arch_up_table_page();
        if (page == NULL ||
            !map_range(va + i * PAGE_4K, virt_to_phys(page), PAGE_4K, ARCH_WRITE, PAGE_4K, true))
            fatal("boot: too little memory for a cpu's stacks");
    }
    spin_unlock(&table_lock);
    return va + pages * PAGE_4K;
}
