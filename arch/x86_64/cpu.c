/*
 * arch/x86_64/cpu.c - one cpu's descriptor tables, its trap stacks, and what it can do.
 *
 * WHAT. Each cpu has its own GDT (the TSS descriptor in it can't be shared) and TSS; all share one
 * IDT.
 *
 * INVARIANTS
 * [cpu.1] Every vector has an IST stack, by kind: 1 interrupts, 2 page fault, 3 double fault, 4
 *         NMI, 5 machine check, 6 other faults, 7 debug and breakpoint. So [arch.1] holds, and a
 *         fault inside a handler of another kind still has a stack to report on.
 * [cpu.2] Nothing is gated on a feature without a fallback: the list in cpu_features says what was
 *         found.
 * SOURCES. Intel SDM 3A: 6.14 (64-bit exceptions, IST), 2.5 (control registers), 3.5 (descriptors).
 */
#include <arch/arch.h>
#include <lib/assert.h>
#include <lib/bits.h>
#include <lib/preempt.h>
#include "x86.h"

#define GDT_CODE 8
#define GDT_TSS 24

struct RT_ALIGNED(16) tss {
    uint32_t reserved0;
    uint32_t rsp[6];
    uint64_t reserved1;
    uint32_t ist[14]; /* 7 pointers, each on a 4-byte boundary */
    uint64_t reserved2;
    uint16_t reserved3, iomap;
} __attribute__((packed));
_Static_assert(offsetof(struct tss, iomap) == 102, "the cpu knows its layout");

struct idt_gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_mid;
    uint32_t offset_high, reserved;
};

struct cpu_features cpu_features;
uintptr_t arch_percpu_offset[ARCH_MAX_CPUS];
bool arch_relax_pauses = true;
PERCPU(uintptr_t, arch_gs_base);
PERCPU(unsigned, arch_cpu_id);
PERCPU(uint32_t, preempt);

static PERCPU(struct tss, tss);
static PERCPU(uint64_t, gdt)[5];
static struct idt_gate idt[256] RT_ALIGNED(16); /* [I] */
static uintptr_t ist_tops[ARCH_MAX_CPUS][8];    /* [I] index 0: the scheduler stack */

const char *const cpu_fault_names[32] = {
    [0] = "divide error",
    [1] = "debug",
    [2] = "NMI",
    [3] = "breakpoint",
    [4] = "overflow",
    [5] = "bound range",
    [6] = "undefined instruction",
    [7] = "no FPU",
    [8] = "double fault",
    [10] = "invalid TSS",
    [11] = "segment not present",
    [12] = "stack segment",
    [13] = "general protection",
    [14] = "page fault",
    [16] = "x87 error",
    [17] = "alignment check",
    [18] = "machine check",
    [19] = "SIMD error",
    [20] = "virtualization",
    [21] = "control protection",
};

static unsigned ist_of(unsigned vector)
{
    switch (vector) {
    case VECTOR_PF:
        return 2;
    case VECTOR_DF:
        return 3;
    case VECTOR_NMI:
        return 4;
    case VECTOR_MC:
        return 5;
    case VECTOR_DB:
    case VECTOR_BP:
        return 7;
    default:
        return vector < 32 ? 6 : 1;
    }
}

/* Under icount all instructions take the same time, so equal loops take equal time, to the cycle. */
static bool looks_like_icount(void)
{
    uint64_t took[4];

    for (int i = 0; i < 4; i++) {
        uint64_t start = arch_cycles();
        for (int n = 0; n < 200; n++)
            __asm__ volatile("");
        took[i] = arch_cycles() - start;
    }
    return took[1] == took[2] && took[2] == took[3] && took[3] < 10000;
}

void cpu_features_detect(void)
{
    struct cpu_features *f = &cpu_features;
    struct cpuid l1 = cpuid(1, 0), l7 = {0};
    struct cpuid e1 = cpuid(0x80000001, 0);

    if (cpuid(0, 0).a >= 7)
        l7 = cpuid(7, 0);
    f->x2apic = l1.c & (1u << 21);
    f->tsc_deadline = l1.c & (1u << 24);
    f->rdrand = l1.c & (1u << 30);
    f->mce = l1.d & (1u << 7);
    f->pge = l1.d & (1u << 13);
    f->smep = l7.b & (1u << 7);
    f->erms = l7.b & (1u << 9);
    f->smap = l7.b & (1u << 20);
    f->umip = l7.c & (1u << 2);
    f->nx = e1.d & (1u << 20);
    f->gib_pages = e1.d & (1u << 26);
    f->phys_bits = 36;
    if (cpuid(0x80000000, 0).a >= 0x80000008)
        f->phys_bits = cpuid(0x80000008, 0).a & 0xff;
    f->hypervisor = l1.c & (1u << 31);
    if (f->hypervisor) {
        struct cpuid hv = cpuid(0x40000000, 0); /* QEMU's: "TCGTCGTCGTCG" */
        f->tcg = hv.b == 0x54474354 && hv.c == 0x43544743 && hv.d == 0x47435447;
    }
    f->icount = f->tcg && looks_like_icount();
}

void cpu_stacks_make(unsigned id)
{
    static const uint8_t pages[8] = {4, 2, 2, 2, 2, 2, 2, 2}; /* scheduler stack, then IST 1 to 7 */

    for (int i = 0; i < 8; i++)
        ist_tops[id][i] = wired_stack_make(pages[i]);
}

uintptr_t cpu_sched_stack_top(unsigned id)
{
    return ist_tops[id][0];
}

static void idt_init(void)
{
    for (unsigned v = 0; v < 256; v++) {
        uintptr_t stub = (uintptr_t)trap_stubs + 16 * v;
        idt[v] = (struct idt_gate){
            .offset_low = (uint16_t)stub,
            .selector = GDT_CODE,
            .ist = (uint8_t)ist_of(v),
            .type = 0x8e, /* present, interrupt gate: comes with interrupts off */
            .offset_mid = (uint16_t)(stub >> 16),
            .offset_high = (uint32_t)(stub >> 32),
        };
    }
}

/*
 * Early: an emulator keeps translations made under other values of these apart, and would translate
 * all that runs before and after a change twice.
 */
void control_registers_init(void)
{
    const struct cpu_features *f = &cpu_features;
    uint64_t cr4 = read_cr4();

    cr4 |= CR4_BASE;
    if (f->mce)
        cr4 |= 1u << 6; /* else a machine check turns the machine off without a word */
    if (f->pge)
        cr4 |= 1u << 7;
    if (f->umip)
        cr4 |= 1u << 11;
    if (f->smep)
        cr4 |= 1u << 20;
    if (f->smap)
        cr4 |= 1u << 21;
    write_cr4(cr4);
    /* WP, NE, MP; caches on (not CD, NW), no EM, no TS */
    write_cr0((read_cr0() | 0x10022) & ~UINT64_C(0x6000000c));
    wrmsr(MSR_PAT, UINT64_C(0x0007040600070106)); /* as after reset, but entry 1: write combining */
    if (f->nx)
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
    __asm__ volatile("fninit" ::: "memory");
    uint32_t mxcsr = 0x1f80; /* as after reset: to nearest, all exceptions masked */
    __asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
}

void cpu_init(unsigned id)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer;

    wrmsr(MSR_GS_BASE, arch_percpu_offset[id]);
    this_cpu(arch_gs_base) = arch_percpu_offset[id];
    this_cpu(arch_cpu_id) = id;
    this_cpu(preempt) = PREEMPT_QUIET + 1; /* until the scheduler runs */

    struct tss *tss = this_cpu_ptr(tss);
    for (int i = 1; i < 8; i++) {
        tss->ist[2 * (i - 1)] = (uint32_t)ist_tops[id][i];
        tss->ist[2 * (i - 1) + 1] = (uint32_t)(ist_tops[id][i] >> 32);
    }
    tss->iomap = sizeof *tss;

    uint64_t *gdt = *this_cpu_ptr(gdt);
    uintptr_t base = (uintptr_t)tss;
    gdt[1] = 0x00af9a000000ffff;
    gdt[2] = 0x008f92000000ffff; /* B clear, like a null SS: see entry.S */
    gdt[3] = (sizeof *tss - 1) | (base & 0xffffff) << 16 | UINT64_C(0x89) << 40 |
             (base >> 24 & 0xff) << 56;
    gdt[4] = base >> 32;
    pointer.limit = 5 * 8 - 1;
    pointer.base = (uintptr_t)gdt;
    __asm__ volatile("lgdt %0" ::"m"(pointer) : "memory");
    __asm__ volatile("ltr %w0" ::"r"(GDT_TSS) : "memory");

    if (id == 0)
        idt_init();
    pointer.limit = sizeof idt - 1;
    pointer.base = (uintptr_t)idt;
    __asm__ volatile("lidt %0" ::"m"(pointer) : "memory");
}
