/*
 * arch/x86_64/console.c - which devices the console is: a serial port, and a screen beside it.
 *
 * WHAT. Text goes to COM1 from the first instruction in C. Once firmware tables and knobs are
 * known, console_choose() settles what the console is, as the knob console= says; what was printed
 * until then is kept, and shown by each device that comes in by then. A run that ends before that,
 * because the command line is wrong, say, still opens the screen to tell so.
 *
 * The serial port of console=auto is the first of these that answers: the one that the firmware
 * itself talks on (ACPI SPCR), COM1, its debug port (ACPI DBG2), a PCI card.
 */
#include <boot/bootinfo.h>
#include <lib/knobs.h>
#include <lib/screen.h>
#include <lib/string.h>
#include "acpi.h"
#include "x86.h"

#define COM1 0x3f8
#define COM1_IRQ 4
#define COM2 0x2f8
#define COM2_IRQ 3
#define DEFAULT_BAUD 115200
#define EARLY_BYTES 1024
#define BDA_VIDEO_MODE 0x449 /* in the BIOS's data area */
#define BDA_MODE_TEXT 3
#define TEXT_PADDR 0xb8000
#define TEXT_COLUMNS 80
#define TEXT_LINES 25
#define TEXT_PROBE 0x0755 /* a grey U: is there anything? */

static struct uart uart = {.port = COM1};   /* [I] from console_choose() on */
static uint32_t uart_baud = DEFAULT_BAUD;   /* [I] */
static uint32_t uart_irq = COM1_IRQ;        /* [I] 0: none, poll */
static struct boot_framebuffer framebuffer; /* [I] height 0: there is none */
static bool settled, screen_on;             /* [I] */
static char early[EARLY_BYTES];             /* the first that was printed before `settled` */
static size_t n_early;

void console_init(void)
{
    uart_open(&uart, uart_baud);
}

void arch_console_put(const char *s, size_t n)
{
    if (!settled) {
        size_t keep = n < EARLY_BYTES - n_early ? n : EARLY_BYTES - n_early;
        memcpy(early + n_early, s, keep);
        n_early += keep;
    }
    uart_put(&uart, s, n);
    if (screen_on)
        screen_put(s, n);
}

int arch_console_get(void)
{
    return uart_get(&uart);
}

bool arch_console_irq(unsigned *irq)
{
    *irq = uart_irq;
    if (!uart.there || uart_irq == 0 || !arch_irq_line(uart_irq, true))
        return false;
    uart_input_irq(&uart);
    return true;
}

/* ---- The screen ---- */

/* The module with its description is ours: programs are not shown it. */
void console_find_screen(struct boot_info *info, const struct phys_reader *reader)
{
    size_t n = 0;

    for (size_t i = 0; i < info->n_modules; i++) {
        const struct boot_module *m = &info->modules[i];
        if (strcmp(m->name, BOOT_FRAMEBUFFER_NAME) != 0) {
            info->modules[n++] = *m;
            continue;
        }
        const void *view =
            m->bytes < sizeof framebuffer ? NULL : phys_map(reader, m->paddr, sizeof framebuffer);
        if (view != NULL)
            memcpy(&framebuffer, view, sizeof framebuffer);
        if (view == NULL || !screen_usable(&framebuffer)) {
            framebuffer.height = 0;
            boot_complain("framebuffer", "the loader's description at %#lx makes no sense",
                          m->paddr);
        }
    }
    info->n_modules = n;
}

/* The screen in text mode that a BIOS leaves behind. Its data area tells; of others it is zero. */
static bool text_screen(void)
{
    const uint8_t *mode = phys_map_any(NULL, BDA_VIDEO_MODE, 3); /* and the number of columns */
    volatile uint16_t *text;

    if (mode == NULL || mode[0] != BDA_MODE_TEXT || mode[1] != TEXT_COLUMNS || mode[2] != 0)
        return false;
    text = framebuffer_map(TEXT_PADDR, 2 * TEXT_COLUMNS * TEXT_LINES);
    if (text == NULL)
        return false;
    text[0] = TEXT_PROBE;
    if (text[0] != TEXT_PROBE)
        return false;
    screen_open_text(text, TEXT_COLUMNS, TEXT_LINES);
    return true;
}

static bool pixel_screen(void)
{
    uint64_t bytes = (uint64_t)framebuffer.pitch_bytes * framebuffer.height;
    volatile void *pixels = bytes != 0 ? framebuffer_map(framebuffer.paddr, bytes) : NULL;

    if (pixels != NULL)
        screen_open(&framebuffer, pixels);
    return pixels != NULL;
}

static void screen_begin(void)
{
    if (screen_on || !(pixel_screen() || text_screen()))
        return;
    screen_put(early, n_early);
    screen_on = true;
}

/* ---- The serial port ---- */

/* Make this port the console's, if it is there. baud 0: its speed is right as it is. */
static bool use(struct uart u, uint32_t irq, uint32_t baud)
{
    bool same = uart.there && u.port == uart.port && u.at == uart.at;

    if (knobs.baud != 0)
        baud = (uint32_t)knobs.baud;
    if (!same || (baud != 0 && baud != uart_baud)) { /* opening it again might cost input */
        uart_drain(&uart); /* a change of speed garbles what is on its way */
        if (!uart_open(&u, baud))
            return false;
        uart = u;
        uart_baud = baud;
        if (!same)
            uart_put(&uart, early, n_early);
    }
    uart_irq = irq;
    return true;
}

/* Its speed is the firmware's business, if it says nothing else: its clock may be any. */
static bool use_acpi(const struct acpi_uart *a)
{
    struct uart u = {.port = (uint16_t)a->reg.address};

    if (a->reg.address == 0)
        return false;
    if (a->reg.space == ACPI_MEMORY) {
        u.wide = a->reg.access == 3 || (a->reg.access == 0 && a->reg.bits == 32);
        u.at = device_map(a->reg.address, u.wide ? 32 : 8);
        if (u.at == NULL)
            return false;
        u.port = 0;
    }
    return use(u, a->irq < ARCH_IRQ_LINES ? a->irq : 0, a->baud);
}

static bool use_port(uint16_t port, uint32_t irq)
{
    return use((struct uart){.port = port}, irq, DEFAULT_BAUD);
}

static bool use_pci(void)
{
    struct uart u;

    return pci_find_uart(&u) && use(u, 0, DEFAULT_BAUD);
}

static bool choose_serial(void)
{
    switch (knobs.console) {
    case CONSOLE_AUTO:
    case CONSOLE_SERIAL:
        return use_acpi(&acpi_info.spcr) || use_port(COM1, COM1_IRQ) || use_acpi(&acpi_info.dbg2) ||
               use_pci();
    case CONSOLE_COM1:
        return use_port(COM1, COM1_IRQ);
    case CONSOLE_COM2:
        return use_port(COM2, COM2_IRQ);
    case CONSOLE_ACPI:
        return use_acpi(&acpi_info.spcr) || use_acpi(&acpi_info.dbg2);
    case CONSOLE_PCI:
        return use_pci();
    case CONSOLE_FB:
    case CONSOLE_NONE:
        break;
    }
    return false;
}

void console_choose(void)
{
    if (!choose_serial()) {
        uart_drain(&uart);
        uart.there = false;
    }
    if (knobs.console == CONSOLE_AUTO || knobs.console == CONSOLE_FB)
        screen_begin();
    settled = true;
}

void console_finish(void)
{
    if (!settled)
        screen_begin();
    uart_drain(&uart);
}
