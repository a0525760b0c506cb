/*
 * arch/x86_64/trap.c - what happens between a stub and its handler, and reports about frames.
 *
 * The order of trust: a page fault may be a stack that grows; else a fault may be the program's own
 * and becomes its panic (lang/fault.c decides); else the runtime is broken and fatal_frame() ends
 * the run.
 * LOCKING. None: handlers run with interrupts off on this cpu's trap stacks [arch.2].
 */
#include <arch/arch.h>
#include <lib/assert.h>
#include <lib/atomic.h>
#include <lib/preempt.h>
#include <lib/print.h>
#include <lib/symbol.h>
#include <lib/trace.h>
#include "x86.h"

_Static_assert(offsetof(struct arch_frame, mxcsr) == 256, "entry.S: FRAME_MXCSR");
_Static_assert(offsetof(struct arch_frame, fcw) == 260, "entry.S: FRAME_FCW");
_Static_assert(offsetof(struct arch_frame, r15) == 272, "entry.S: FRAME_GPR");
_Static_assert(offsetof(struct arch_frame, vector) == 392, "entry.S: FRAME_VECTOR");
_Static_assert(offsetof(struct arch_frame, rip) == 408, "entry.S: FRAME_RIP");
_Static_assert(offsetof(struct arch_frame, ss) == 440, "entry.S: FRAME_SS");
_Static_assert(sizeof(struct arch_frame) == 448, "entry.S pushes 448 bytes");
_Static_assert(ARCH_RFLAGS_IF == 0x200, "entry.S: RFLAGS_IF");
_Static_assert(PREEMPT_QUIET == 0x80000000, "entry.S: PREEMPT_QUIET");
_Static_assert(ARCH_VECTOR_RESCHED == 0xf1, "entry.S: VECTOR_RESCHED");

/* A page fault's error code. */
#define PF_PRESENT 1u /* the page was there, the access was not allowed */
#define PF_WRITE 2u
#define PF_FETCH 16u

static PERCPU(uint8_t, stop_request); /* [a] set before an NMI that means "stop for ever" */
PERCPU(const struct arch_frame *, arch_stopped_frame);

static bool in_stack_window(uintptr_t va)
{
    return va - ARCH_STACK_BASE < ARCH_STACK_BYTES;
}

static void page_fault(struct arch_frame *f)
{
    bool present = f->error & PF_PRESENT;

    f->cr2 = read_cr2();
    if (!present && in_stack_window(f->cr2) && arch_on_stack_fault(f, f->cr2))
        return;
    if (arch_on_fault(f, present ? ARCH_FAULT_PROTECTION : ARCH_FAULT_ACCESS, f->cr2))
        return;
    fatal_frame(f, "unexpected page fault: %s of %#lx (%s)",
                (f->error & PF_FETCH)   ? "execution"
                : (f->error & PF_WRITE) ? "write"
                                        : "read",
                (unsigned long)f->cr2, present ? "not allowed" : "not mapped");
}

static void exception(struct arch_frame *f)
{
    static const uint8_t kinds[32] = {
        [0] = ARCH_FAULT_DIVIDE,      [6] = ARCH_FAULT_ILLEGAL, [VECTOR_GP] = ARCH_FAULT_PROTECTION,
        [12] = ARCH_FAULT_PROTECTION, [16] = ARCH_FAULT_FLOAT,  [19] = ARCH_FAULT_FLOAT,
        [17] = ARCH_FAULT_ALIGN,
    };
    bool programs = f->vector == 0 || kinds[f->vector] != 0;

    if (programs && arch_on_fault(f, kinds[f->vector], 0))
        return;
    const char *name = cpu_fault_names[f->vector];
    fatal_frame(f, "unexpected trap %lu: %s, error code %#lx", (unsigned long)f->vector,
                name != NULL ? name : "reserved", (unsigned long)f->error);
}

static void nmi(struct arch_frame *f)
{
    store_release(this_cpu_ptr(arch_stopped_frame), f); /* partner: arch_stop_other_cpus() */
    if (load_acquire(this_cpu_ptr(stop_request)))       /* partner: the same */
        for (;;)
            __asm__ volatile("cli; hlt");
    /* all cpus may have got it: one reports, and no second NMI reaches the others */
    fatal_frame(f, "NMI");
}

/* The hardware's own fault, and which of its parts says so. Intel SDM 3B, 15.3.2. */
static RT_NORETURN void machine_check(const struct arch_frame *f)
{
    unsigned n_banks = rdmsr(MSR_MCG_CAP) & 0xff;

    for (unsigned i = 0; i < n_banks; i++) {
        uint64_t status = rdmsr(MSR_MC_STATUS(i));
        if (status >> 63)
            fatal_frame(f, "machine check: bank %u, status %#lx, address %#lx", i, status,
                        (status >> 58 & 1) ? rdmsr(MSR_MC_ADDRESS(i)) : 0);
    }
    fatal_frame(f, "machine check");
}

void trap_dispatch(struct arch_frame *f)
{
    switch (f->vector) {
    case VECTOR_PF:
        page_fault(f);
        return;
    case VECTOR_TIMER:
        apic_eoi();
        clock_refine();
        arch_on_timer(f);
        return;
    case ARCH_VECTOR_RESCHED:
        apic_eoi(); /* harmless for a software interrupt: nothing of this priority is in service */
        arch_on_resched(f);
        return;
    case VECTOR_WAKE:
        apic_eoi();
        return;
    case VECTOR_SPURIOUS:
        return;
    case VECTOR_NMI:
        nmi(f);
        return;
    case VECTOR_DB:
    case VECTOR_BP:
        if (arch_on_debug_trap(f))
            return;
        exception(f);
        return;
    case VECTOR_DF:
        fatal_frame(f, "double fault");
    case VECTOR_MC:
        machine_check(f);
    default:
        break;
    }
    if (f->vector < 32) {
        exception(f);
        return;
    }
    if (f->vector < VECTOR_PIC + 16)
        return; /* the masked old controllers' spurious lines */
    if (f->vector - VECTOR_IRQ < ARCH_IRQ_LINES) {
        ioapic_irq_begins((unsigned)f->vector - VECTOR_IRQ);
        apic_eoi();
        arch_on_irq(f, (unsigned)f->vector - VECTOR_IRQ);
        return;
    }
    if (apic_is_leftover((unsigned)f->vector)) {
        apic_eoi();
        return;
    }
    fatal_frame(f, "unexpected interrupt vector %#lx", (unsigned long)f->vector);
}

/* ---- Frames ---- */
void arch_frame_push_call(struct arch_frame *f, void (*fn)(uintptr_t, uintptr_t), uintptr_t a,
                          uintptr_t b)
{
    /* past whatever was being built there: ARCH_CALL_ROOM */
    uintptr_t *sp = (uintptr_t *)((f->rsp - 128) & ~UINT64_C(15));

    *--sp = f->rip; /* fn's return address, so that a backtrace shows where it happened */
    f->rsp = (uintptr_t)sp;
    f->rdi = a;
    f->rsi = b;
    f->rip = (uintptr_t)fn;
    f->rflags &= ~UINT64_C(0x40500); /* no single step, direction up, no alignment check */
}

int arch_return_slot(uintptr_t function, uintptr_t pc)
{
    const uint8_t *code = (const uint8_t *)function;
    size_t n = pc - function;

    for (size_t i = 0; i + 3 <= n; i++)
        if (code[i] == 0x48 && code[i + 1] == 0x89 && code[i + 2] == 0xe5) /* mov %rsp, %rbp */
            return -1;
    return n > 0 && (code[0] == 0x55 || code[n - 1] == 0x55); /* push %rbp */
}

/* Two words at va. */
static bool readable(uintptr_t va)
{
    return (va & 7) == 0 && (intptr_t)va < 0 && arch_translate(va) != ~UINT64_C(0) &&
           arch_translate(va + 15) != ~UINT64_C(0);
}

size_t arch_backtrace(uintptr_t pc, uintptr_t fp, uintptr_t *out, size_t max)
{
    size_t n = 0;

    if (n < max && pc != 0)
        out[n++] = pc;
    while (n < max && readable(fp)) {
        const uintptr_t *frame = (const uintptr_t *)fp;
        if (frame[1] == 0)
            break;
        out[n++] = frame[1];
        if (frame[0] <= fp || frame[0] - fp > (64u << 20)) /* frames go up, and not by leaps */
            break;
        fp = frame[0];
    }
    return n;
}

void arch_print_frame(const struct arch_frame *f)
{
    rt_printf("rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    rt_printf("rsi %016lx  rdi %016lx  rbp %016lx  rsp %016lx\n", f->rsi, f->rdi, f->rbp, f->rsp);
    rt_printf("r8  %016lx  r9  %016lx  r10 %016lx  r11 %016lx\n", f->r8, f->r9, f->r10, f->r11);
    rt_printf("r12 %016lx  r13 %016lx  r14 %016lx  r15 %016lx\n", f->r12, f->r13, f->r14, f->r15);
    rt_printf("rip %016lx  rflags %08lx  cr2 %016lx  vector %lu  error %#lx\n", f->rip, f->rflags,
              f->vector == VECTOR_PF ? f->cr2 : 0, f->vector, f->error);
}

/* ---- Stopping everybody, for a report ---- */
#define STOP_CYCLES UINT64_C(200000000) /* some 0.1 s: who has not answered by then does not */

void arch_ipi_nmi(unsigned cpu)
{
    apic_send(apic_id_of_cpu[cpu], APIC_NMI);
}

void arch_stop_other_cpus(void)
{
    unsigned self = arch_cpu_id(), n = arch_cpu_count();

    for (unsigned i = 0; i < n; i++) {
        if (i == self)
            continue;
        store_release(cpu_ptr(i, stop_request), 1); /* partner: nmi() */
        arch_ipi_nmi(i);
    }
    uint64_t start = arch_cycles();
    for (unsigned i = 0; i < n; i++)
        while (i != self && load_acquire(cpu_ptr(i, arch_stopped_frame)) == NULL && /* nmi() */
               arch_cycles() - start < STOP_CYCLES)
            arch_cpu_relax();
}
