/*
 * rt/program.h - the program and its machine: start, end, environment, clock, chance, devices.
 *
 * A program defines `int main(void)` or `int main(int argc, char **argv)`, which runs as goroutine
 * 1. argv[0] is the program's name; the other arguments are the words behind "--" on the command
 * line.
 */
#pragma once

#include <rt/chan.h>

/*
 * End the program, with all its goroutines; no deferred call runs. A return from main does the
 * same. Status 0 to 62 travels in QEMU's exit code, 63 to 255 in the last line of output;
 * tools/run.sh reads both (docs/testing.md).
 */
RT_NORETURN void rt_exit(int status);

/* The value of KEY=VALUE, given before "--" on the command line; NULL if it was not given. */
const char *rt_getenv(const char *key);

/* A file handed over at boot (MODULE=, initrd). Its bytes are read-only and stay. Files in a cpio
 * archive count one by one. */
struct rt_module {
    const char *name;
    const void *data;
    size_t bytes;
};
size_t rt_module_count(void);
const struct rt_module *rt_module(size_t i); /* NULL if there is no such one */

int64_t rt_walltime_ns(void); /* since 1970, from the machine's clock */
uint64_t rt_rand64(void); /* from the knob seed= if given, else from the machine; not for secrets */

void rt_print_stack(void);      /* this goroutine's, to the console */
void rt_print_goroutines(void); /* all */

/*
 * A channel that receives counts of interrupts of line `irq` (how many since the last value that
 * was received). Nothing is allocated when one arrives, and none is lost from the count: if the
 * buffer is full, it is added to a later value.
 */
rt_chan(uint64_t) rt_irq_chan(unsigned irq, size_t capacity);

/*
 * The device of that line has been served. A level-triggered line (PCI; ISA lines that ACPI
 * declares so) is masked from its interrupt until this call, for it stays raised till then; for
 * others this does nothing.
 */
void rt_irq_done(unsigned irq);

/* Device memory at a physical address, uncached; mapped for ever. NULL if it cannot be mapped. */
volatile void *rt_mmio_map(uint64_t paddr, size_t bytes);
uint8_t rt_in8(uint16_t port);
uint16_t rt_in16(uint16_t port);
uint32_t rt_in32(uint16_t port);
void rt_out8(uint16_t port, uint8_t value);
void rt_out16(uint16_t port, uint16_t value);
void rt_out32(uint16_t port, uint32_t value);
