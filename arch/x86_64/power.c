/*
 * arch/x86_64/power.c - the ways to end: QEMU's exit device, power off, reset, halt.
 *
 * Each is tried, and if the machine is still there the next one in its list; the last is to halt.
 * SOURCES. ACPI 6.5: 4.8.3.2.1 (PM1 control), 4.8.3.6 (reset register), 4.8.2.5 (SMI command),
 * 4.8.3.7 (sleep control without PM1). Intel 500 series PCH data sheet, "Reset Control Register".
 */
#include <lib/knobs.h>
#include <lib/print.h>
#include "acpi.h"
#include "x86.h"

#define QEMU_EXIT 0xf4
#define PM1_SCI_EN 1u
#define PM1_SLP_TYP(type) ((uint32_t)(type) << 10)
#define PM1_SLP_EN (1u << 13)
#define SLEEP_CONTROL(type) ((uint32_t)(type) << 2 | 0x20u)

/* Registers of 8 or 16 bits, mapped while there is no report that may hold locks [fatal.3]. */
static struct power_reg {
    bool there;
    volatile void *at; /* NULL: at `port` */
    uint16_t port;
} reset_reg, pm1a, pm1b, sleep_control; /* [I] */

static void reg_find(struct power_reg *r, const struct acpi_reg *where)
{
    if (where->address == 0)
        return;
    r->port = (uint16_t)where->address;
    if (where->space == ACPI_MEMORY)
        r->at = device_map(where->address, 2);
    r->there = where->space == ACPI_PORT || r->at != NULL;
}

void power_init(void)
{
    reg_find(&reset_reg, &acpi_info.reset);
    reg_find(&pm1a, &acpi_info.pm1a_cnt);
    reg_find(&pm1b, &acpi_info.pm1b_cnt);
    reg_find(&sleep_control, &acpi_info.sleep_control);
}

static uint16_t reg_read16(const struct power_reg *r)
{
    return !r->there ? 0 : r->at != NULL ? *(volatile uint16_t *)r->at : in16(r->port);
}

static void reg_write16(const struct power_reg *r, uint32_t v)
{
    if (r->at != NULL)
        *(volatile uint16_t *)r->at = (uint16_t)v;
    else if (r->there)
        out16(r->port, (uint16_t)v);
}

static void reg_write8(const struct power_reg *r, uint32_t v)
{
    if (r->at != NULL)
        *(volatile uint8_t *)r->at = (uint8_t)v;
    else if (r->there)
        out8(r->port, (uint8_t)v);
}

/* A time that needs no clock: by the port that takes about a microsecond, for that purpose. */
static void wait_us(uint32_t us)
{
    while (us-- != 0)
        in8(0x80);
}

static void sleep_by(const struct power_reg *pm1, uint8_t type)
{
    uint32_t keep = reg_read16(pm1) & ~(PM1_SLP_TYP(7) | PM1_SLP_EN);

    reg_write16(pm1, keep | PM1_SLP_TYP(type));
    reg_write16(pm1, keep | PM1_SLP_TYP(type) | PM1_SLP_EN);
}

static void power_off(void)
{
    const struct acpi_info *a = &acpi_info;

    if (!a->has_s5)
        return;
    reg_write8(&sleep_control, SLEEP_CONTROL(a->s5_typ_a)); /* there only if PM1 is not */
    if (a->smi_port != 0 && a->acpi_enable != 0 && pm1a.there &&
        !(reg_read16(&pm1a) & PM1_SCI_EN)) { /* still the firmware's: take it over */
        out8(a->smi_port, a->acpi_enable);
        for (int i = 0; i < 300 && !(reg_read16(&pm1a) & PM1_SCI_EN); i++)
            wait_us(1000);
    }
    sleep_by(&pm1a, a->s5_typ_a);
    sleep_by(&pm1b, a->s5_typ_b);
    wait_us(100000);
}

static void reset(void)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) no_table = {0, 0};

    reg_write8(&reset_reg, acpi_info.reset_value);
    wait_us(10000);
    out8(0xcf9, 0x02); /* the chipset's own reset register: which kind, then do it */
    out8(0xcf9, 0x06);
    wait_us(10000);
    for (int i = 0; i < 10000 && (in8(0x64) & 2); i++)
        wait_us(1);
    out8(0x64, 0xfe); /* the keyboard controller's reset line */
    wait_us(10000);
    __asm__ volatile("lidt %0; int3" ::"m"(no_table)); /* a triple fault */
}

RT_NORETURN void arch_exit(int status)
{
    bool qemu = knobs.exit == EXIT_QEMU || (knobs.exit == EXIT_AUTO && cpu_features.hypervisor);

    arch_irq_off();
    console_finish();
    __asm__ volatile("wbinvd" ::: "memory"); /* a reset forgets caches; memory shall outlive it */
    /*
     * QEMU's exit device makes 2v + 1 of v. 1 is also QEMU's own failure, and 128 and more also
     * mean a signal, so what doesn't fit between is read from the last line (tools/run.sh, STATUS).
     */
    if (qemu && (status & 255) <= 62)
        out32(QEMU_EXIT, (uint32_t)(status & 255) + 1);
    char line[64];
    int n = rt_snprintf(line, sizeof line, "ingot: exit %d\n", status & 255);
    arch_console_put(line, (size_t)n);
    console_finish();
    if (qemu)
        out32(QEMU_EXIT, 0);
    if (knobs.exit == EXIT_REBOOT)
        reset();
    else if (qemu || knobs.exit == EXIT_ACPI)
        power_off();
    for (;;)
        __asm__ volatile("cli; hlt");
}
