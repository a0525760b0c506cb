/*
 * arch/x86_64/serial.c - the console device (16550 on COM1) and the ways to end a run.
 *
 * Output is polled and works from the first instruction in C: no table, no interrupt, no memory. A
 * port that isn't there is noticed once and then never waited for. Input raises IRQ 4; whoever
 * reads it takes the bytes by arch_console_get(). A byte that waits when serial_init() turns the
 * FIFOs on is lost, only one (there is no room for more, if nobody reads it): tools/run.sh sends a
 * NUL ahead.
 * SOURCES. National Semiconductor PC16550D data sheet.
 */
#include <lib/atomic.h>
#include <lib/knobs.h>
#include <lib/console.h>
#include <lib/print.h>
#include "acpi.h"
#include "x86.h"

#define COM1 0x3f8
#define UART_DATA (COM1 + 0)
#define UART_IER (COM1 + 1)
#define UART_FCR (COM1 + 2)
#define UART_LCR (COM1 + 3)
#define UART_MCR (COM1 + 4)
#define UART_LSR (COM1 + 5)
#define UART_SCRATCH (COM1 + 7)
#define LSR_DATA 0x01
#define LSR_EMPTY 0x20
#define FIFO_BYTES 16

#define LCR_8N1 0x03

static bool serial_there; /* [I] */

void serial_init(void)
{
    out8(UART_SCRATCH, 0xa5);
    serial_there = in8(UART_SCRATCH) == 0xa5;
    if (!serial_there)
        return;
    out8(UART_LCR, LCR_8N1);
    out8(UART_IER, 0);
    out8(UART_LCR, 0x80); /* divisor latch: 115200 baud */
    out8(UART_DATA, 1);
    out8(UART_IER, 0);
    out8(UART_LCR, LCR_8N1); /* 8 bits, no parity, 1 stop bit */
    out8(UART_FCR, 0x07);    /* FIFOs on and empty */
    out8(UART_MCR, 0x0b);    /* DTR, RTS, and OUT2, which lets interrupts through */
}

/* Wait until the FIFO is empty; a transmitter that never drains is given up. */
static bool serial_wait(void)
{
    for (uint32_t tries = 0; tries < 2000000; tries++) {
        if (in8(UART_LSR) & LSR_EMPTY)
            return true;
        arch_cpu_relax();
    }
    serial_there = false;
    return false;
}

void arch_console_put(const char *s, size_t n)
{
    size_t room = 0;

    for (size_t i = 0; i < n && serial_there; i++) {
        if (room == 0) {
            if (!serial_wait())
                return;
            room = FIFO_BYTES;
        }
        if (s[i] == '\n') {
            out8(UART_DATA, '\r');
            if (--room == 0) {
                if (!serial_wait())
                    return;
                room = FIFO_BYTES;
            }
        }
        out8(UART_DATA, (uint8_t)s[i]);
        room--;
    }
}

int arch_console_get(void)
{
    if (!serial_there || !(in8(UART_LSR) & LSR_DATA))
        return -1;
    return in8(UART_DATA);
}

bool arch_console_irq(unsigned *irq)
{
    *irq = 4;
    if (!serial_there || !arch_irq_line(4, true))
        return false;
    out8(UART_IER, 1); /* data available */
    return true;
}

static void register_write(const struct acpi_reg *r, uint8_t v)
{
    if (r->address == 0)
        return;
    if (r->space == ACPI_PORT) {
        out8((uint16_t)r->address, v);
        return;
    }
    volatile uint8_t *at = device_map(r->address, 1);
    if (at != NULL)
        *at = v;
}

static void exit_by_acpi(void)
{
    const struct acpi_info *a = &acpi_info;

    if (!a->has_s5)
        return;
    if (a->hw_reduced) {
        register_write(&a->sleep_control, (uint8_t)(a->s5_typ_a << 2 | 0x20));
        return;
    }
    if (a->pm1a_cnt.address != 0)
        out16((uint16_t)a->pm1a_cnt.address, (uint16_t)(a->s5_typ_a << 10 | 1 << 13));
    if (a->pm1b_cnt.address != 0)
        out16((uint16_t)a->pm1b_cnt.address, (uint16_t)(a->s5_typ_b << 10 | 1 << 13));
}

static void reset(void)
{
    register_write(&acpi_info.reset, acpi_info.reset_value);
    out8(0xcf9, 0x06); /* the chipset's own reset register */
    for (int i = 0; i < 100 && (in8(0x64) & 2); i++)
        ;
    out8(0x64, 0xfe); /* the keyboard controller's reset line */
}

RT_NORETURN void arch_exit(int status)
{
    arch_irq_off();
    /*
     * QEMU's exit device makes 2v + 1 of v. 1 is also QEMU's own failure, and 128 and more also
     * mean a signal, so what doesn't fit between is read from the last line (tools/run.sh, STATUS).
     */
    bool by_line = (status & 255) > 62;
    if (by_line) {
        char line[64];
        int n = rt_snprintf(line, sizeof line, "ingot: exit %d\n", status & 255);
        arch_console_put(line, (size_t)n);
    }
    if (serial_there)
        serial_wait();
    if (knobs.exit == EXIT_REBOOT)
        reset();
    if (knobs.exit == EXIT_QEMU || (knobs.exit == EXIT_AUTO && cpu_features.hypervisor))
        out32(0xf4, by_line ? 0 : (uint32_t)(status & 255) + 1);
    if (knobs.exit != EXIT_HALT)
        exit_by_acpi();
    for (;;)
        __asm__ volatile("cli; hlt");
}
