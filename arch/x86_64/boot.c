/*
 * arch/x86_64/boot.c - the boot cpu's way from boot.S to portable code.
 *
 *     boot_main        console, this cpu's tables, start info   -> arch_on_boot() (lang/start.c)
 *     arch_memory_init own page tables                          called from there, once RAM is known
 *     arch_devices_init ACPI, interrupt controllers, clock      called from there, once knobs are known
 *
 * Until arch_memory_init() the early tables hold: the first 4 GiB, everything writable.
 */
#include <lib/assert.h>
#include <lib/console.h>
#include <lib/knobs.h>
#include <lib/preempt.h>
#include <lib/print.h>
#include <lib/rand.h>
#include <lib/string.h>
#include "acpi.h"
#include "pvh.h"
#include "x86.h"

extern char image_start[], image_end[];
void boot_main(uint32_t start_info, uint32_t image_at);

struct acpi_info acpi_info;
uintptr_t __stack_chk_guard = 0x595e9fbd94fda766; /* until boot_main() has something random */
static struct boot_info boot_info;                /* [I] */
static paddr_t image_at;                          /* [I] */
static const struct phys_reader reader = {phys_map_any, NULL};

RT_NORETURN void __stack_chk_fail(void);
void __stack_chk_fail(void)
{
    fatal("stack smashed: the canary of the caller of %p is gone", __builtin_return_address(0));
}

static bool rdrand(uint64_t *v)
{
    for (int i = 0; i < 10; i++) {
        bool ok;
        __asm__ volatile("rdrand %0; setc %1" : "=r"(*v), "=qm"(ok)::"cc");
        if (ok)
            return true;
    }
    return false;
}

uint64_t arch_random_seed(void)
{
    uint64_t hardware = 0, mix = arch_cycles();

    if (cpu_features.icount) /* the whole run is a function of its inputs, so this is, too */
        return mix * RNG_GOLDEN;
    if (cpu_features.rdrand && rdrand(&hardware))
        return hardware ^ mix * RNG_GOLDEN;
    for (int i = 0; i < 64; i++) { /* jitter of the cycle counter against a slow port */
        in8(0x80);
        mix = (mix << 5 | mix >> 59) ^ arch_cycles() * RNG_GOLDEN;
    }
    return mix;
}

void boot_complain(const char *what, const char *why, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, why);
    rt_vsnprintf(text, sizeof text, why, ap);
    va_end(ap);
    rt_printf("boot: %s is bad: %s\n", what, text);
}

/* The canary changes under its feet: it must not check its own frame. */
__attribute__((no_stack_protector, noreturn)) static void boot_go(uint32_t start_info)
{
    if (pvh_parse(&boot_info, &reader, start_info))
        console_find_screen(&boot_info, &reader);
    arch_on_boot(&boot_info);
}

RT_NORETURN void boot_main(uint32_t start_info, uint32_t image_begins)
{
    image_at = image_begins;
    this_cpu(preempt) = PREEMPT_QUIET + 1;
    console_init();
    cpu_features_detect();
    control_registers_init();
    __stack_chk_guard = arch_random_seed() & ~UINT64_C(0xff); /* a NUL ends overrunning strings */
    string_use_erms = cpu_features.erms && !cpu_features.tcg;
    boot_go(start_info);
}

paddr_t arch_image_paddr(void)
{
    return image_at;
}

uint64_t arch_phys_limit(void)
{
    uint64_t limit = UINT64_C(1) << (cpu_features.phys_bits < 52 ? cpu_features.phys_bits : 52);
    return limit < ARCH_DIRECT_BYTES ? limit : ARCH_DIRECT_BYTES;
}

void arch_memory_init(const struct boot_range *ram, size_t n)
{
    paging_init(ram, n, image_at);
    cpu_stacks_make(0);
    cpu_init(0);
}

void arch_devices_init(void)
{
    switch (knobs.cpu_relax) {
    case CPU_RELAX_AUTO:
        arch_relax_pauses = !cpu_features.tcg || cpu_features.icount;
        break;
    case CPU_RELAX_PAUSE:
        arch_relax_pauses = true;
        break;
    case CPU_RELAX_SPIN:
        arch_relax_pauses = false;
        break;
    }
    acpi_parse(&acpi_info, &reader, boot_info.rsdp);
    console_choose();
    power_init();
    ioapic_init(&acpi_info);
    apic_init(acpi_info.lapic_paddr != 0 ? acpi_info.lapic_paddr : APIC_PADDR);
    apic_id_of_cpu[0] = apic_id();
    clock_init(&acpi_info);
}

bool arch_needs_tick(void)
{
    return knobs.tick == TICK_ON ||
           (knobs.tick == TICK_AUTO && cpu_features.icount && arch_cpu_count() > 1);
}

uintptr_t arch_sched_stack_top(unsigned cpu)
{
    return cpu_sched_stack_top(cpu);
}

uint32_t arch_port_read(uint16_t port, unsigned bytes)
{
    return bytes == 1 ? in8(port) : bytes == 2 ? in16(port) : in32(port);
}

void arch_port_write(uint16_t port, unsigned bytes, uint32_t v)
{
    if (bytes == 1)
        out8(port, (uint8_t)v);
    else if (bytes == 2)
        out16(port, (uint16_t)v);
    else
        out32(port, v);
}
