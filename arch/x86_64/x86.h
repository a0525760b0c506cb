/*
 * arch/x86_64/x86.h - the instructions C has no words for, and what the port's files share.
 *
 * SOURCES. Intel SDM volume 3 and AMD APM volume 2; section names stand by the constants.
 */
#pragma once

#include <arch/arch.h>

/* ---- Instructions ---- */
static inline uint8_t in8(uint16_t port)
{
    uint8_t v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}

static inline uint16_t in16(uint16_t port)
{
    uint16_t v;
    __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}

static inline uint32_t in32(uint16_t port)
{
    uint32_t v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}

static inline void out8(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port) : "memory");
}

static inline void out16(uint16_t port, uint16_t v)
{
    __asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port) : "memory");
}

static inline void out32(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port) : "memory");
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
    return ((uint64_t)hi << 32) | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

struct cpuid {
    uint32_t a, b, c, d;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t sub)
{
    struct cpuid r;
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(sub));
    return r;
}

#define X86_CR(n)                                                                                  \
    static inline uint64_t read_cr##n(void)                                                        \
    {                                                                                              \
        uint64_t v;                                                                                \
        __asm__ volatile("movq %%cr" #n ", %0" : "=r"(v)::"memory");                               \
        return v;                                                                                  \
    }                                                                                              \
    static inline void write_cr##n(uint64_t v)                                                     \
    {                                                                                              \
        __asm__ volatile("movq %0, %%cr" #n ::"r"(v) : "memory");                                  \
    }
X86_CR(0)
X86_CR(3)
X86_CR(4)
static inline uint64_t read_cr2(void)
{
    uint64_t v;
    __asm__ volatile("movq %%cr2, %0" : "=r"(v)::"memory");
    return v;
}

#define CR4_BASE 0x620u /* PAE, OSFXSR, OSXMMEXCPT: without them nothing of ours runs */

/* ---- Model-specific registers ---- */
#define MSR_APIC_BASE 0x1b
#define MSR_MCG_CAP 0x179
#define MSR_MC_STATUS(bank) (0x401 + 4 * (bank))
#define MSR_MC_ADDRESS(bank) (0x402 + 4 * (bank))
#define MSR_PAT 0x277
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC 0x800
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100u
#define EFER_NXE 0x800u
#define MSR_GS_BASE 0xc0000101

/* ---- Vectors: below 32 the cpu's own; then interrupt lines; then ours ---- */
#define VECTOR_DB 1
#define VECTOR_NMI 2
#define VECTOR_BP 3
#define VECTOR_DF 8
#define VECTOR_GP 13
#define VECTOR_PF 14
#define VECTOR_MC 18
#define VECTOR_PIC 0x20 /* 16 vectors: the old controllers, masked; a stray one is ignored */
#define VECTOR_IRQ 0x30 /* + line, below ARCH_IRQ_LINES */
#define VECTOR_TIMER 0xf0
_Static_assert(VECTOR_IRQ + ARCH_IRQ_LINES <= VECTOR_TIMER && ARCH_VECTOR_RESCHED == 0xf1,
               "a vector for each");
#define VECTOR_WAKE 0xf2
#define VECTOR_SPURIOUS 0xff

/* ---- What the boot cpu found out; cpu.c ---- */
struct cpu_features {
    bool nx, smep, smap, umip, mce, pge, gib_pages, x2apic, tsc_deadline, rdrand, erms;
    bool hypervisor, tcg, icount; /* an emulator's; QEMU's; it counts instructions */
    unsigned phys_bits;           /* of a physical address */
};
extern struct cpu_features cpu_features; /* [I] */

void cpu_features_detect(void);
void cpu_init(unsigned id); /* this cpu's GDT, TSS, IDT, GS base */
/* this cpu's CR0, CR4, EFER, MXCSR: final before much code runs */
void control_registers_init(void);
void cpu_stacks_make(unsigned id); /* its IST and scheduler stacks; panics if out of memory */
uintptr_t cpu_sched_stack_top(unsigned id);
extern const char *const cpu_fault_names[32];

/* ---- paging.c ---- */
void paging_init(const struct boot_range *ram, size_t n, paddr_t image_paddr);
paddr_t paging_root(void);
void paging_map_low_page(paddr_t page);              /* identity, executable: the trampoline */
void paging_unmap_low(void);                         /* empties the low half again */
volatile void *device_map(paddr_t pa, size_t bytes); /* uncached, for ever; NULL: no memory */
/* A framebuffer, stores combined where the cpu can; also before paging_init(), if it lies low. */
volatile void *framebuffer_map(paddr_t pa, uint64_t bytes);
/* A phys_reader's map over RAM and firmware tables, also before paging_init(). */
const void *phys_map_any(void *ctx, uint64_t pa, size_t bytes);
/* One wired stack of `pages` pages with an unmapped page below; returns its top. */
uintptr_t wired_stack_make(size_t pages);

/* ---- apic.c ---- */
void apic_init(paddr_t lapic_paddr); /* boot cpu: map and enable */
void apic_init_cpu(void);            /* each cpu */
uint32_t apic_id(void);
void apic_eoi(void);
void apic_note_leftovers(void); /* end what is being served, remember what waits: boot cpu, early */
bool apic_is_leftover(unsigned vector); /* of an unexpected one: did it wait then? True once */
void apic_send(uint32_t apic_id, uint32_t command); /* low word of the ICR */
void apic_timer_calibrate(void);
extern uint32_t apic_id_of_cpu[ARCH_MAX_CPUS]; /* [I] */
#define APIC_PADDR 0xfee00000u                 /* where it is if no table says so */
#define APIC_INIT 0x4500u
#define APIC_SIPI 0x4600u
#define APIC_NMI 0x4400u
#define APIC_FIXED 0x4000u

/* ---- ioapic.c ---- */
struct acpi_info;
void ioapic_init(const struct acpi_info *acpi);
void ioapic_irq_begins(unsigned irq); /* in the handler, before apic_eoi() [ioapic.1] */

/* ---- clock.c ---- */
void clock_init(const struct acpi_info *acpi);
uint64_t clock_cycles_of_ns(int64_t ns);
void clock_refine(void); /* from the timer interrupt: cheap, rarely does anything */
void clock_spin_ns(int64_t ns);

/* ---- serial.c: a port of the 16550's family; see the file ---- */
struct uart {
    volatile void *at;  /* [I] registers in memory; NULL: at `port` */
    uint16_t port;      /* [I] */
    bool wide;          /* [I] in memory: each register takes 4 bytes, and is accessed by 4 */
    bool there;         /* false: nothing happens any more */
    uint8_t room_bytes; /* [I] what it takes at a time */
};
bool uart_open(struct uart *u, uint32_t baud); /* 0: keep its speed; false: there is none */
void uart_put(struct uart *u, const char *s, size_t n);
int uart_get(struct uart *u);    /* -1: nothing has come */
void uart_drain(struct uart *u); /* wait until all is out */
void uart_input_irq(struct uart *u);

/* ---- pci.c ---- */
bool pci_find_uart(struct uart *u); /* the first there is, described but not opened */

/* ---- console.c ---- */
void console_init(void); /* first of all */
void console_find_screen(struct boot_info *info, const struct phys_reader *reader);
void console_choose(void); /* knobs and firmware tables are known */
void console_finish(void); /* the end: all text is out */

/* ---- power.c ---- */
void power_init(void); /* firmware tables are known */

/* ---- boot.c ---- */
extern struct acpi_info acpi_info; /* [I] after arch_devices_init() */

/* ---- trap.c ---- */
void trap_dispatch(struct arch_frame *frame);
extern char trap_stubs[];
