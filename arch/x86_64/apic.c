/*
 * arch/x86_64/apic.c - the local interrupt controller: IPIs, end of interrupt, the one-shot timer.
 *
 * xAPIC by memory, x2APIC by MSR where the cpu has it. The timer is the TSC deadline where there is
 * one, else the APIC's counter, whose rate apic_timer_calibrate() measures against the cycle
 * counter.
 * SOURCES. Intel SDM 3A chapter 11 (register offsets, ICR format, x2APIC MSRs).
 */
#include <lib/assert.h>
#include <lib/print.h>
#include "x86.h"

#define APIC_ID 0x20
#define APIC_VERSION 0x30
#define APIC_TPR 0x80
#define APIC_EOI 0xb0
#define APIC_SVR 0xf0
#define APIC_ISR 0x100 /* 8 words, 0x10 apart: being served */
#define APIC_IRR 0x200 /* the same: waiting to be */
#define APIC_ICR 0x300
#define APIC_ICR_HIGH 0x310
#define APIC_LVT_TIMER 0x320
#define APIC_LVT_THERMAL 0x330
#define APIC_LVT_PERF 0x340
#define APIC_LVT_LINT0 0x350
#define APIC_LVT_LINT1 0x360
#define APIC_LVT_ERROR 0x370
#define APIC_TIMER_INIT 0x380
#define APIC_TIMER_NOW 0x390
#define APIC_TIMER_DIV 0x3e0
#define LVT_MASKED 0x10000u
#define LVT_NMI 0x400u
#define LVT_MODE 0x700u /* 0: an interrupt with the vector that it names */
#define LVT_DEADLINE 0x40000u
#define ICR_PENDING 0x1000u

static volatile uint32_t *xapic; /* [I] NULL: x2APIC */
static bool x2apic;              /* [I] */
static uint64_t ticks_per_cycle; /* [I] APIC timer against cycle counter, 32.32 fixed point */
uint32_t apic_id_of_cpu[ARCH_MAX_CPUS];
static uint32_t leftovers[8]; /* the boot cpu's; bit v: the firmware left vector v behind */

static uint32_t apic_read(unsigned reg)
{
    return x2apic ? (uint32_t)rdmsr(MSR_X2APIC + reg / 16) : xapic[reg / 4];
}

static void apic_write(unsigned reg, uint32_t v)
{
    if (x2apic)
        wrmsr(MSR_X2APIC + reg / 16, v);
    else
        xapic[reg / 4] = v;
}

void apic_init(paddr_t lapic_paddr)
{
    x2apic = cpu_features.x2apic;
    if (!x2apic) {
        xapic = device_map(lapic_paddr, 4096);
        if (xapic == NULL)
            fatal("boot: no memory to map the local APIC");
    }
    apic_init_cpu();
    apic_note_leftovers();
}

/* An interrupt that the firmware gave a vector of its own. What is left to its SMIs stays. */
static void mask_if_vector(unsigned lvt)
{
    uint32_t v = apic_read(lvt);

    if (!(v & LVT_MODE))
        apic_write(lvt, v | LVT_MASKED);
}

void apic_note_leftovers(void)
{
    for (unsigned i = 0; i < 8; i++) {
        leftovers[i] |= apic_read(APIC_IRR + 0x10 * i);
        for (uint32_t served = apic_read(APIC_ISR + 0x10 * i); served != 0; served &= served - 1)
            apic_eoi();
    }
}

bool apic_is_leftover(unsigned vector)
{
    uint32_t bit = 1u << vector % 32;
    bool was = leftovers[vector / 32] & bit;

    leftovers[vector / 32] &= ~bit;
    return was;
}

void apic_init_cpu(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE) | 1u << 11;

    wrmsr(MSR_APIC_BASE, base);
    if (x2apic)
        wrmsr(MSR_APIC_BASE, base | 1u << 10);
    /* First of all: while it is disabled, as after INIT, it masks whatever is written below. */
    apic_write(APIC_SVR, 0x100 | VECTOR_SPURIOUS);
    apic_write(APIC_TPR, 0);
    apic_write(APIC_LVT_LINT0, LVT_MASKED);
    apic_write(APIC_LVT_LINT1, LVT_NMI);
    apic_write(APIC_LVT_ERROR, LVT_MASKED);
    uint32_t last_lvt = apic_read(APIC_VERSION) >> 16 & 0xff;
    if (last_lvt >= 4)
        mask_if_vector(APIC_LVT_PERF);
    if (last_lvt >= 5)
        mask_if_vector(APIC_LVT_THERMAL);
    apic_write(APIC_TIMER_DIV, 0xb); /* by 1 */
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER | (cpu_features.tsc_deadline ? LVT_DEADLINE : 0));
    __asm__ volatile("mfence" ::: "memory"); /* the timer's mode before its first deadline */
}

uint32_t apic_id(void)
{
    return x2apic ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

void apic_eoi(void)
{
    apic_write(APIC_EOI, 0);
}

/* One write with x2APIC; with xAPIC two that an interrupt must not part, so interrupts go off. */
void apic_send(uint32_t to, uint32_t command)
{
    if (x2apic) {
        /* an x2APIC write is not ordered with stores */
        __asm__ volatile("mfence; lfence" ::: "memory");
        wrmsr(MSR_X2APIC + APIC_ICR / 16, (uint64_t)to << 32 | command);
        return;
    }
    irqflags_t flags = arch_irq_save();
    while (apic_read(APIC_ICR) & ICR_PENDING)
        arch_cpu_relax();
    apic_write(APIC_ICR_HIGH, to << 24);
    apic_write(APIC_ICR, command);
    arch_irq_restore(flags);
}

void arch_ipi(unsigned cpu, enum arch_ipi what)
{
    apic_send(apic_id_of_cpu[cpu],
              APIC_FIXED | (what == ARCH_IPI_RESCHED ? ARCH_VECTOR_RESCHED : VECTOR_WAKE));
}

/* ---- Timer ---- */

/* Counts both counters for as long as clock_init() spins: it calls this before and after. */
void apic_timer_calibrate(void)
{
    static uint64_t start_cycles;
    static bool started;

    if (cpu_features.tsc_deadline)
        return;
    if (!started) {
        started = true;
        apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
        apic_write(APIC_TIMER_INIT, 0xffffffff);
        start_cycles = arch_cycles();
        return;
    }
    uint64_t ticks = 0xffffffff - apic_read(APIC_TIMER_NOW);
    uint64_t cycles = arch_cycles() - start_cycles;
    ticks_per_cycle = cycles > 0 ? (ticks << 32) / cycles : 0;
    apic_write(APIC_TIMER_INIT, 0);
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
    if (ticks_per_cycle == 0)
        fatal("boot: the local APIC's timer does not count");
}

void arch_timer_arm(int64_t when_ns)
{
    int64_t wait = when_ns - arch_nanotime();
    uint64_t cycles = clock_cycles_of_ns(wait > 0 ? wait : 0);

    if (cpu_features.tsc_deadline) {
        wrmsr(MSR_TSC_DEADLINE, arch_cycles() + cycles + 1);
        return;
    }
    unsigned __int128 ticks = (unsigned __int128)cycles * ticks_per_cycle >> 32;
    apic_write(APIC_TIMER_INIT, ticks == 0 ? 1 : ticks > 0xffffffff ? 0xffffffff : (uint32_t)ticks);
}

void arch_timer_stop(void)
{
    if (cpu_features.tsc_deadline)
        wrmsr(MSR_TSC_DEADLINE, 0);
    else
        apic_write(APIC_TIMER_INIT, 0);
}
