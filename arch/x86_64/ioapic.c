/*
 * arch/x86_64/ioapic.c - interrupt lines: which one reaches which cpu by which vector.
 *
 * A line is a global system interrupt; the 16 old ISA lines may be wired elsewhere and with other
 * polarity, as the MADT's overrides say. Vector = VECTOR_IRQ + the number the program used. All
 * lines are masked until somebody asks; the old PICs are masked for ever.
 * LOCKING. Set up and changed on one cpu at a time, under irq_lock.
 * SOURCES. Intel 82093AA data sheet; ACPI 6.5 5.2.12.
 */
#include <lib/assert.h>
#include <lib/spinlock.h>
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

static struct {
    volatile uint32_t *regs;
    uint32_t gsi_base, lines;
} ioapics[IOAPICS_MAX]; /* [I] */
static size_t n_ioapics;
static const struct acpi_info *tables; /* [I] */
static struct spinlock irq_lock = SPINLOCK_INIT(RANK_CONSOLE);

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

static void pics_off(void)
{
    out8(0x20,
         0x11); /* moved away from the cpu's own vectors first: a stray one must be harmless */
    out8(0xa0, 0x11);
    out8(0x21, VECTOR_PIC);
    out8(0xa1, VECTOR_PIC + 8);
    out8(0x21, 4);
    out8(0xa1, 2);
    out8(0x21, 1);
    out8(0xa1, 1);
    out8(0x21, 0xff);
    out8(0xa1, 0xff);
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
        unsigned polarity = tables->overrides[i].flags & 3,
                 trigger = tables->overrides[i].flags >> 2 & 3;
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
        spin_lock(&irq_lock);
        ioapic_write(i, IOAPIC_ENTRY(n), ENTRY_MASKED);
        if (on) {
            ioapic_write(i, IOAPIC_ENTRY(n) + 1, cpu_apic_id << 24);
            ioapic_write(i, IOAPIC_ENTRY(n), (VECTOR_IRQ + irq) | flags);
        }
        spin_unlock(&irq_lock);
        return true;
    }
    return false;
}

bool arch_irq_line(unsigned irq, bool on)
{
    /* Beyond 254 a line would need interrupt remapping to reach the cpu: it is as if not there. */
    return irq < IRQ_LINES && apic_id_of_cpu[0] <= 254 && irq_write(irq, apic_id_of_cpu[0], on);
}
