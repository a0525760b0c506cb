/*
 * arch/x86_64/smp.c - starting the other cpus (ap.S is the code they start with).
 *
 * Each cpu that the MADT lists gets INIT, then, 200 us later, a SIPI, and a second one if it hasn't
 * come after a while: all at once, and meanwhile the boot cpu goes on with the page allocator. They
 * number themselves as they arrive (lock xadd), and everything that a number needs, stacks and
 * per-cpu data, was made before; so they share nothing, wait for nobody, and halt until the
 * scheduler starts. A cpu that does not come in time is reported and left out; should it come
 * later, its number is too large and it halts for ever.
 *
 * INVARIANTS
 * [smp.1] A cpu's number is its place in the order of arrival; 0 is the boot cpu. Numbers are
 *         dense, and nothing that a cpu does before it has its number touches per-cpu data.
 * ORDERING. ap_ready[number] is released by the cpu, after apic_id_of_cpu[number], and acquired by
 * the boot cpu.
 * REJECTED. Numbers in the MADT's order: a cpu would have to wait for the others, spinning, and 254
 * that spin starve the boot cpu of an emulator with two host cores (10 s instead of 1).
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

extern char ap_trampoline[], ap_trampoline_end[];
extern char ap_gdt_ptr[], ap_far[], ap_cr0[], ap_cr3[], ap_cr4[], ap_efer[], ap_gdt[], ap_long[];
extern char percpu_start[], percpu_end[];
void ap_main(uint32_t arrival);

/* How long a cpu has after the first SIPI, the second, and once no more may come; and how much more
 * for each cpu, since an emulator runs many of them in turn. */
#define FIRST_WAIT_NS 20000000
#define FIRST_WAIT_EACH_NS 1000000
#define SECOND_WAIT_NS 1000000000
#define SECOND_WAIT_EACH_NS 20000000

uintptr_t ap_stack_tops[ARCH_MAX_CPUS]; /* [I] by arrival: ap.S starts on it; the scheduler's */
uint32_t ap_arrived;                    /* [a] arrivals so far; ap.S counts it up */
static bool ap_ready[ARCH_MAX_CPUS];    /* [a] by number */
unsigned arch_n_cpus = 1;               /* [I] after arch_await_cpus() */
static uint32_t wanted[ARCH_MAX_CPUS];  /* the boot cpu's: APIC ids of the cpus to start */
static unsigned n_wanted;               /* the boot cpu's */
static uint32_t sipi;                   /* the boot cpu's: the command */
_Static_assert(ARCH_MAX_CPUS == 256, "ap.S knows how many may arrive");

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
    patch32(page, ap_cr4, CR4_BASE);
    patch32(page, ap_efer, (uint32_t)rdmsr(MSR_EFER) & (EFER_LME | EFER_NXE));
}

/* On the scheduler's stack of cpu arrival + 1; GS base is whatever the cpu came with. */
void ap_main(uint32_t arrival)
{
    unsigned number = arrival + 1; /* [smp.1] */

    control_registers_init();
    cpu_init(number);
    apic_init_cpu();
    apic_id_of_cpu[number] = apic_id();
    store_release(&ap_ready[number], true); /* partner: count_ready() */
    trace(TRACE_CPU_UP, number, 0);
    arch_on_cpu_start();
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
            boot_complain("ACPI MADT",
                          "cpu with APIC id %u can't be reached without x2APIC; left out", id);
            continue;
        }
        if (n == most) {
            if (knobs.maxcpus == 0)
                boot_complain("ACPI MADT", "more than %u cpus; the rest is left out",
                              ARCH_MAX_CPUS);
            break;
        }
        ids[n++] = id;
    }
    return n;
}

static unsigned count_ready(unsigned want)
{
    unsigned n = 0;
    while (n < want && load_acquire(&ap_ready[n + 1])) /* partner: ap_main() */
        n++;
    return n;
}

static bool wait_ready(unsigned want, int64_t ns)
{
    int64_t end = arch_nanotime() + ns;
    while (count_ready(want) < want) {
        if (arch_nanotime() > end)
            return false;
        arch_cpu_relax();
    }
    return true;
}

static bool came(uint32_t id, unsigned n)
{
    for (unsigned i = 1; i <= n; i++)
        if (apic_id_of_cpu[i] == id)
            return true;
    return false;
}

static void percpu_make(unsigned id)
{
    size_t pages =
        (size_t)align_up((uint64_t)(percpu_end - percpu_start), ARCH_PAGE_BYTES) / ARCH_PAGE_BYTES;
    uintptr_t area = wired_stack_make(pages) - pages * ARCH_PAGE_BYTES;
    arch_percpu_offset[id] = area - (uintptr_t)percpu_start;
}

void arch_start_cpus(paddr_t low_page)
{
    n_wanted = wanted_list(wanted);
    if (n_wanted == 0)
        return;
    if (low_page == 0) {
        boot_complain("memory map", "no free page below 640 KiB to start the other %u cpus in",
                      n_wanted);
        n_wanted = 0;
        return;
    }
    for (unsigned i = 1; i <= n_wanted; i++) {
        percpu_make(i);
        cpu_stacks_make(i);
        ap_stack_tops[i - 1] = cpu_sched_stack_top(i);
    }
    trampoline_make(low_page);
    paging_map_low_page(low_page);
    for (unsigned i = 0; i < n_wanted; i++)
        apic_send(wanted[i], APIC_INIT);
    clock_spin_ns(200000); /* the MP specification's 10 ms were for the buses of its time */
    sipi = APIC_SIPI | (uint32_t)(low_page >> 12);
    for (unsigned i = 0; i < n_wanted; i++)
        apic_send(wanted[i], sipi);
}

unsigned arch_await_cpus(void)
{
    unsigned n = n_wanted, first = n;

    if (n == 0)
        return 1;
    if (!wait_ready(n, FIRST_WAIT_NS + (int64_t)n * FIRST_WAIT_EACH_NS)) {
        for (unsigned i = 0; i < n; i++)
            if (!came(wanted[i], n)) /* a cpu that runs already would ignore it */
                apic_send(wanted[i], sipi);
        wait_ready(n, SECOND_WAIT_NS + (int64_t)n * SECOND_WAIT_EACH_NS);
        first = swap_acq_rel(&ap_arrived, ARCH_MAX_CPUS); /* the door is closed */
        if (first > n)
            first = n;
        wait_ready(first, SECOND_WAIT_NS);
    }
    arch_n_cpus = 1 + count_ready(first);
    for (unsigned i = 0; i < n; i++)
        if (arch_n_cpus < n + 1 && !came(wanted[i], arch_n_cpus - 1))
            boot_complain("cpu", "the one with APIC id %u does not answer; left out", wanted[i]);
    paging_unmap_low();
    return arch_n_cpus;
}
