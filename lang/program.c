/*
 * lang/program.c - a program and its machine: end, environment, modules, chance, devices, interrupt
 * lines.
 */
#include <arch/arch.h>
#include <lang/hold.h>
#include <lib/console.h>
#include <lib/cpio.h>
#include <lib/knobs.h>
#include <lib/rand.h>
#include <lib/atomic.h>
#include <lib/string.h>
#include <rt/panic.h>
#include <rt/program.h>
#include <rt/sync.h>
#include <sched/sched.h>

extern const struct boot_info *start_boot_info;

RT_NORETURN void rt_exit(int status)
{
    console_begin(); /* whoever is printing finishes; nobody begins again */
    arch_exit(status);
}

const char *rt_getenv(const char *key)
{
    return knobs_getenv(key);
}

/* ---- Modules ---- */

/* Listed on first use; a cpio archive counts as the files in it (QEMU's -initrd is one file). */
static struct rt_module modules[BOOT_MODULES_MAX];
static size_t n_modules; /* [I] after modules_once */
static struct rt_once modules_once;

static void modules_make(void)
{
    for (size_t i = 0; i < start_boot_info->n_modules; i++) {
        const struct boot_module *m = &start_boot_info->modules[i];
        const void *data = phys_to_virt(m->paddr);
        struct cpio_file files[BOOT_MODULES_MAX];

        if (!cpio_is(data, (size_t)m->bytes)) {
            if (n_modules < BOOT_MODULES_MAX)
                modules[n_modules++] = (struct rt_module){m->name, data, (size_t)m->bytes};
            continue;
        }
        size_t n = cpio_list(data, (size_t)m->bytes, files, BOOT_MODULES_MAX - n_modules);
        for (size_t k = 0; k < n; k++)
            modules[n_modules++] = (struct rt_module){files[k].name, files[k].data, files[k].bytes};
    }
}

size_t rt_module_count(void)
{
    rt_once_do(&modules_once, modules_make);
    return n_modules;
}

const struct rt_module *rt_module(size_t i)
{
    return i < rt_module_count() ? &modules[i] : NULL;
}

/* ---- Time and chance ---- */
int64_t rt_walltime_ns(void)
{
    return arch_walltime_ns();
}

/* A counter hashed: each number once, in an order that the seed decides; no lock. */
uint64_t rt_rand64(void)
{
    static uint64_t drawn; /* [a] */
    struct rng r = {sched_seed() + add_relaxed(&drawn, 1) * RNG_GOLDEN};
    return rng_next(&r);
}

/* ---- Devices ---- */
volatile void *rt_mmio_map(uint64_t paddr, size_t bytes)
{
    return arch_device_map(paddr, bytes);
}

uint8_t rt_in8(uint16_t port)
{
    return (uint8_t)arch_port_read(port, 1);
}

uint16_t rt_in16(uint16_t port)
{
    return (uint16_t)arch_port_read(port, 2);
}

uint32_t rt_in32(uint16_t port)
{
    return arch_port_read(port, 4);
}

void rt_out8(uint16_t port, uint8_t value)
{
    arch_port_write(port, 1, value);
}

void rt_out16(uint16_t port, uint16_t value)
{
    arch_port_write(port, 2, value);
}

void rt_out32(uint16_t port, uint32_t value)
{
    arch_port_write(port, 4, value);
}

/* ---- Interrupt lines as channels ---- */
struct irq_chan {
    struct rt_chan *chan; /* [I] once attached; a hold keeps it for ever, as the line is kept */
    uint64_t unsent;      /* [a] counted while the buffer was full */
};
static struct irq_chan irq_chans[ARCH_IRQ_LINES];

/* Scheduler stack. */
static bool irq_to_chan(void *arg, uint64_t n)
{
    struct irq_chan *line = arg;
    uint64_t count = swap_acq_rel(&line->unsent, 0) + n;

    if (!rt_chan_try_send_word(line->chan, count))
        add_relaxed(&line->unsent, count);
    return false; /* rt_irq_done() */
}

rt_chan(uint64_t) rt_irq_chan(unsigned irq, size_t capacity)
{
    if (irq >= ARCH_IRQ_LINES)
        rt_panic("rt_irq_chan: no interrupt line %u", irq);
    rt_chan(uint64_t) c = rt_chan_make(uint64_t, (int64_t)(capacity > 0 ? capacity : 1));
    hold_take(rt_chan_raw(c));
    irq_chans[irq].chan = rt_chan_raw(c);
    if (!irq_attach(irq, irq_to_chan, &irq_chans[irq]))
        rt_panic("rt_irq_chan: interrupt line %u does not exist or is taken", irq);
    irq_waiters_add(1); /* from now on an interrupt may wake somebody: no deadlock */
    return c;
}

void rt_irq_done(unsigned irq)
{
    arch_irq_done(irq);
}
