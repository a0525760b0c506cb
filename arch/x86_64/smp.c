/*
 * arch/x86_64/smp.c - starting the other cpus (ap.S is the code they start with).
 *
 * Each cpu that the MADT lists gets INIT, then, 200 us later, a SIPI, and a second one if it hasn't come
 * after a while: all at once, since they take numbered stacks as they arrive and share nothing. A cpu that
 * does not come in time is reported and left out; should it come later, it finds `closed` and halts for ever.
 *
 * INVARIANTS
 * [smp.1] A cpu's number is its place among the cpus that came, in the MADT's order, and 0 is the boot cpu:
 *         numbers are dense, and per-cpu areas exist for all of them before any of them runs portable code.
 * ORDERING. ap_arrived_id[slot] is released by the arriving cpu and acquired by the boot cpu; cpu_go[slot]
 *           goes the other way and carries the number.
 * SOURCES. Intel SDM 3A 8.4 (MP initialization).
 */
#include <lib/assert.h>
#include <lib/atomic.h>
#include <lib/bits.h>
#include <lib/console.h>
#include <lib/knobs.h>
#include <lib/string.h>
#include <lib/trace.h>
#include "acpi.h"
#include "x86.h"

#define AP_STACK_PAGES 4
#define NOBODY UINT32_MAX

extern char ap_trampoline[], ap_trampoline_end[];
extern char ap_gdt_ptr[], ap_far[], ap_cr0[], ap_cr3[], ap_cr4[], ap_efer[], ap_gdt[], ap_long[];
extern char percpu_start[], percpu_end[];
void ap_main(uint32_t slot);

uintptr_t ap_stack_tops[ARCH_MAX_CPUS];                 /* [I] by slot, in order of arrival */
uint32_t ap_arrived;                                    /* [a] next slot; ap.S counts it up */
static uint32_t ap_arrived_id[ARCH_MAX_CPUS];           /* [a] APIC id + 1 of the cpu in that slot */
static uint32_t cpu_go[ARCH_MAX_CPUS];                  /* [a] by slot: number + 1 once it may run; NOBODY: stay out */
static unsigned n_cpus = 1;                             /* [I] after arch_start_cpus() */

unsigned arch_cpu_count(void)
{
    return n_cpus;
}

static void patch32(char *page, const char *where, uint32_t v)
{
    memcpy(page + (where - ap_trampoline), &v, sizeof v);
}

static void trampoline_make(paddr_t at)
{
    char *page = phys_to_virt(at);
    uint32_t base = (uint32_t)at;

    memcpy(page, ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
    patch32(page, ap_gdt_ptr + 2, base + (uint32_t)(ap_gdt - ap_trampoline));
    patch32(page, ap_far, base + (uint32_t)(ap_long - ap_trampoline));
    patch32(page, ap_cr0, (uint32_t)read_cr0());
    patch32(page, ap_cr3, (uint32_t)paging_root());
    patch32(page, ap_cr4, 0x620);
    patch32(page, ap_efer, (uint32_t)rdmsr(MSR_EFER) & 0x900);
}

/* Portable code takes over from here: our number says which per-cpu area and stacks are ours. */
static void ap_enter(RT_UNUSED void *arg)
{
    trace(TRACE_CPU_UP, 0, 0);
    arch_on_cpu_start();
}

void ap_main(uint32_t slot)
{
    /* No GS base yet: nothing here may touch per-cpu data. */
    wrmsr(MSR_GS_BASE, 0);
    if (slot >= ARCH_MAX_CPUS)
        for (;;)
            __asm__ volatile("cli; hlt");
    apic_init_cpu();
    store_release(&ap_arrived_id[slot], apic_id() + 1);
    uint32_t go;
    while ((go = load_acquire(&cpu_go[slot])) == 0)
        arch_cpu_relax();
    if (go == NOBODY)
        for (;;)
            __asm__ volatile("cli; hlt");
    cpu_init(go - 1);
    arch_leave_to((void *)cpu_sched_stack_top(go - 1), ap_enter, NULL);
}

/* The cpus to start, in the MADT's order; apic_id_of_cpu[0] is ours already. */
static unsigned wanted_list(uint32_t *ids)
{
    unsigned n = 0, most = ARCH_MAX_CPUS - 1;

    if (knobs.maxcpus != 0 && knobs.maxcpus - 1 < most)
        most = (unsigned)knobs.maxcpus - 1;
    for (size_t i = 0; i < acpi_info.n_cpus; i++) {
        uint32_t id = acpi_info.cpus[i].apic_id;
        if (id == apic_id_of_cpu[0] || !acpi_info.cpus[i].enabled)
            continue;
        if (id > 254 && !cpu_features.x2apic) {
            boot_complain("ACPI MADT", "cpu with APIC id %u can't be reached without x2APIC; left out", id);
            continue;
        }
        if (n == most) {
            if (knobs.maxcpus == 0)
                boot_complain("ACPI MADT", "more than %u cpus; the rest is left out", ARCH_MAX_CPUS);
            break;
        }
        ids[n++] = id;
    }
    return n;
}

static unsigned count_arrived(void)
{
    unsigned n = 0;
    uint32_t slots = load_acquire(&ap_arrived);
    for (uint32_t s = 0; s < slots && s < ARCH_MAX_CPUS; s++)
        n += load_acquire(&ap_arrived_id[s]) != 0;
    return n;
}

static bool wait_arrived(unsigned want, int64_t ns)
{
    int64_t end = arch_nanotime() + ns;
    while (count_arrived() < want) {
        if (arch_nanotime() > end)
            return false;
        arch_cpu_relax();
    }
    return true;
}

static uint32_t slot_of(uint32_t id)
{
    for (uint32_t s = 0; s < ARCH_MAX_CPUS; s++)
        if (load_acquire(&ap_arrived_id[s]) == id + 1)
            return s;
    return NOBODY;
}

static void percpu_make(unsigned id)
{
    size_t pages = (size_t)align_up((uint64_t)(percpu_end - percpu_start), ARCH_PAGE_BYTES) / ARCH_PAGE_BYTES;
    uintptr_t area = wired_stack_make(pages) - pages * ARCH_PAGE_BYTES;
    arch_percpu_offset[id] = area - (uintptr_t)percpu_start;
}

unsigned arch_start_cpus(paddr_t low_page)
{
    static uint32_t ids[ARCH_MAX_CPUS];
    unsigned n = wanted_list(ids);

    if (n == 0)
        return 1;
    if (low_page == 0) {
        boot_complain("memory map", "no free page below 640 KiB to start the other %u cpus in", n);
        return 1;
    }
    for (unsigned i = 0; i < n; i++)
        ap_stack_tops[i] = wired_stack_make(AP_STACK_PAGES);
    trampoline_make(low_page);
    paging_map_low_page(low_page);
    for (unsigned i = 0; i < n; i++)
        apic_send(ids[i], APIC_INIT);
    clock_spin_ns(200000);
    for (unsigned i = 0; i < n; i++)
        apic_send(ids[i], APIC_SIPI | (uint32_t)(low_page >> 12));
    if (!wait_arrived(n, 20000000)) {
        for (unsigned i = 0; i < n; i++)
            if (slot_of(ids[i]) == NOBODY)
                apic_send(ids[i], APIC_SIPI | (uint32_t)(low_page >> 12));
        wait_arrived(n, 1000000000 + (int64_t)n * 20000000);
    }

    for (unsigned i = 0; i < n; i++) {
        if (slot_of(ids[i]) == NOBODY) {
            boot_complain("cpu", "the one with APIC id %u does not answer; left out", ids[i]);
            continue;
        }
        apic_id_of_cpu[n_cpus] = ids[i];
        percpu_make(n_cpus);
        cpu_stacks_make(n_cpus);
        n_cpus++;
    }
    for (unsigned i = 1; i < n_cpus; i++) { /* [smp.1] only now */
        uint32_t slot = slot_of(apic_id_of_cpu[i]);
        store_release(&cpu_go[slot], i + 1);
    }
    for (uint32_t s = 0; s < ARCH_MAX_CPUS; s++)
        if (load_relaxed(&cpu_go[s]) == 0)
            store_release(&cpu_go[s], NOBODY);
    paging_unmap_low();
    return n_cpus;
}
