/*
 * arch/x86_64/ioapic.c - interrupt lines: which one reaches which cpu by which vector.
 *
 * A line is a global system interrupt; the 16 old ISA lines may be wired elsewhere and with other
 * polarity, as the MADT's overrides say. Vector = VECTOR_IRQ + the number the program used. All
 * lines are masked until somebody asks; the old PICs are masked for ever.
 *
 * [ioapic.1] A level-triggered line stays raised until its device has been served, and would
 *            interrupt again before the next instruction. So its handler masks it, before the local
 *            APIC hears the end of the interrupt, and arch_irq_done() lets it through again, when
 *            it has been served.
 * LOCKING. A register is two accesses: under ioapic_busy, interrupts off, so that a handler may
 * take it, too; no spin lock, whose order handlers could not keep.
 * SOURCES. Intel 82093AA data sheet; ACPI 6.5 5.2.12.
 */
#include <lib/assert.h>
#include <lib/atomic.h>
#include "acpi.h"
#include "x86.h"

#define IOAPIC_SELECT 0
#define IOAPIC_WINDOW 4 /* in words */
#define IOAPIC_VERSION 1
#define IOAPIC_ENTRY(n) (0x10 + 2 * (n))
#define ENTRY_MASKED 0x10000u
#define ENTRY_LEVEL 0x8000u
#define ENTRY_LOW 0x2000u
#define IOAPICS_MAX 16

/* [I] */
static struct {
    volatile uint32_t *regs;
    uint32_t gsi_base, lines;
} ioapics[IOAPICS_MAX];
static size_t n_ioapics;               /* [I] */
static const struct acpi_info *tables; /* [I] */
static uint32_t ioapic_busy;           /* [a] 1: somebody has it; partners: lock and unlock */

/* A line that is let through: where its entry is, and what stands there. */
static struct {
    uint32_t entry; /* its lower half, unmasked; 0: not let through */
    uint16_t ioapic, n;
} lines[ARCH_IRQ_LINES]; /* under ioapic_busy */

static irqflags_t ioapic_lock(void)
{
    irqflags_t flags = arch_irq_save();

    while (swap_acq_rel(&ioapic_busy, 1) != 0)
        arch_cpu_relax();
    return flags;
}

static void ioapic_unlock(irqflags_t flags)
{
    store_release(&ioapic_busy, 0);
    arch_irq_restore(flags);
}

static uint32_t ioapic_read(size_t i, uint32_t reg)
{
    ioapics[i].regs[IOAPIC_SELECT] = reg;
    return ioapics[i].regs[IOAPIC_WINDOW];
}

static void ioapic_write(size_t i, uint32_t reg, uint32_t v)
{
    ioapics[i].regs[IOAPIC_SELECT] = reg;
    ioapics[i].regs[IOAPIC_WINDOW] = v;
}

/* Mask the old PICs; first moved away from the cpu's own vectors: a stray one must be harmless. */
static void pics_off(void)
{
    static const uint8_t words[2][5] = {
        /* initialise, vectors, how they are cascaded, 8086 mode; then all lines masked */
        {0x11, VECTOR_PIC, 4, 1, 0xff},
        {0x11, VECTOR_PIC + 8, 2, 1, 0xff},
    };
    static const uint16_t ports[2] = {0x20, 0xa0};

    for (unsigned word = 0; word < 5; word++)
        for (unsigned pic = 0; pic < 2; pic++)
            out8((uint16_t)(ports[pic] + (word != 0)), words[pic][word]);
}

void ioapic_init(const struct acpi_info *acpi)
{
    tables = acpi;
    pics_off();
    for (size_t i = 0; i < acpi->n_ioapics && n_ioapics < IOAPICS_MAX; i++) {
        volatile uint32_t *regs = device_map(acpi->ioapics[i].paddr, 32);
        if (regs == NULL)
            continue;
        ioapics[n_ioapics].regs = regs;
        ioapics[n_ioapics].gsi_base = acpi->ioapics[i].gsi_base;
        ioapics[n_ioapics].lines = ((ioapic_read(n_ioapics, IOAPIC_VERSION) >> 16) & 0xff) + 1;
        for (uint32_t n = 0; n < ioapics[n_ioapics].lines; n++)
            ioapic_write(n_ioapics, IOAPIC_ENTRY(n), ENTRY_MASKED);
        n_ioapics++;
    }
}

/* Where line `irq` is wired: its number and the flags of its entry. */
static uint32_t wiring(unsigned irq, uint32_t *flags)
{
    *flags = irq < 16 ? 0 : ENTRY_LEVEL | ENTRY_LOW; /* ISA: edge, high; PCI: level, low */
    for (size_t i = 0; i < tables->n_overrides; i++) {
        if (tables->overrides[i].irq != irq)
            continue;
        unsigned flags_mps = tables->overrides[i].flags;
        unsigned polarity = flags_mps & 3, trigger = flags_mps >> 2 & 3; /* 3: low; 3: level */
        *flags = (polarity == 3 ? ENTRY_LOW : 0) | (trigger == 3 ? ENTRY_LEVEL : 0);
        return tables->overrides[i].gsi;
    }
    return irq;
}

static bool irq_write(unsigned irq, uint32_t cpu_apic_id, bool on)
{
    uint32_t flags, gsi = wiring(irq, &flags);

    for (size_t i = 0; i < n_ioapics; i++) {
        if (gsi - ioapics[i].gsi_base >= ioapics[i].lines)
            continue;
        uint32_t n = gsi - ioapics[i].gsi_base;
        irqflags_t irqs = ioapic_lock();
        lines[irq].entry = on ? (VECTOR_IRQ + irq) | flags : 0;
        lines[irq].ioapic = (uint16_t)i;
        lines[irq].n = (uint16_t)n;
        ioapic_write(i, IOAPIC_ENTRY(n), ENTRY_MASKED);
        if (on) {
            ioapic_write(i, IOAPIC_ENTRY(n) + 1, cpu_apic_id << 24);
            ioapic_write(i, IOAPIC_ENTRY(n), lines[irq].entry);
        }
        ioapic_unlock(irqs);
        return true;
    }
    return false;
}

/* Mask a level-triggered line, or let it through again [ioapic.1]. */
static void level_mask(unsigned irq, uint32_t masked)
{
    if (!(load_relaxed(&lines[irq].entry) & ENTRY_LEVEL))
        return;
    irqflags_t irqs = ioapic_lock();
    if (lines[irq].entry != 0)
        ioapic_write(lines[irq].ioapic, IOAPIC_ENTRY(lines[irq].n), lines[irq].entry | masked);
    ioapic_unlock(irqs);
}

void ioapic_irq_begins(unsigned irq)
{
    level_mask(irq, ENTRY_MASKED);
}

void arch_irq_done(unsigned irq)
{
    if (irq < ARCH_IRQ_LINES)
        level_mask(irq, 0);
}

bool arch_irq_line(unsigned irq, bool on)
{
    /* Beyond 254 a line would need interrupt remapping to reach the cpu: it is as if not there. */
    return irq < ARCH_IRQ_LINES && apic_id_of_cpu[0] <= 254 &&
           irq_write(irq, apic_id_of_cpu[0], on);
}
