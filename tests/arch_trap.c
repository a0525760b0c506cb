/*
 * tests/arch_trap.c - traps of this machine: registers survive them, and what nobody expects ends
 * in a report. Registers are named here: this file tests the port.
 */
#include <tests/sched_common.h>

#include <arch/x86_64/x86.h>
#include <sched/stw.h>

/* ---- Registers survive interrupts and preemption [arch.3] ---- */

static struct {
    uint32_t ended, wrong, steps;
} registers;

/* Fills every register with a pattern of its own, turns n times, and looks whether they are still
 * there. */
static bool registers_hold(uint64_t n, uint64_t seed)
{
    uint64_t bad;

    __asm__ volatile(
        "pushq %%rbp\n\t"
        "leaq 1(%2), %%rbx\n\tleaq 2(%2), %%rdx\n\tleaq 3(%2), %%rdi\n\tleaq 4(%2), %%rbp\n\t"
        "leaq 5(%2), %%r8\n\tleaq 6(%2), %%r9\n\tleaq 7(%2), %%r10\n\tleaq 8(%2), %%r11\n\t"
        "leaq 9(%2), %%r12\n\tleaq 10(%2), %%r13\n\tleaq 11(%2), %%r14\n\tleaq 12(%2), %%r15\n\t"
        "movq %%rbx, %%xmm0\n\tmovq %%rdx, %%xmm7\n\tmovq %%r8, %%xmm8\n\tmovq %%r15, %%xmm15\n\t"
        "xorl %%eax, %%eax\n"
        "1:\tsubq $1, %%rcx\n\tjnz 1b\n\t"
        "subq %2, %%rbx\n\tcmpq $1, %%rbx\n\tsetne %%cl\n\torb %%cl, %%al\n\t"
        "subq %2, %%rdx\n\tcmpq $2, %%rdx\n\tsetne %%cl\n\torb %%cl, %%al\n\t"
        "subq %2, %%rdi\n\tcmpq $3, %%rdi\n\tsetne %%cl\n\torb %%cl, %%al\n\t"
        "subq %2, %%rbp\n\tcmpq $4, %%rbp\n\tsetne %%cl\n\torb %%cl, %%al\n\t"
        "subq %2, %%r8\n\tcmpq $5, %%r8\n\tsetne %%cl\n\torb %%cl, %%al\n\t"
        "subq %2, %%r9\n\tcmpq $6, %%r9\n\tsetne %%cl\n\torb %%cl, %%al\n\t"
        "subq %2, %%r10\n\tcmpq $7, %%r10\n\tsetne %%cl\n\torb %%cl, %%al\n\t"
        "subq %2, %%r11\n\tcmpq $8, %%r11\n\tsetne %%cl\n\torb %%cl, %%al\n\t"
        "subq %2, %%r12\n\tcmpq $9, %%r12\n\tsetne %%cl\n\torb %%cl, %%al\n\t"
        "subq %2, %%r13\n\tcmpq $10, %%r13\n\tsetne %%cl\n\torb %%cl, %%al\n\t"
        "subq %2, %%r14\n\tcmpq $11, %%r14\n\tsetne %%cl\n\torb %%cl, %%al\n\t"
        "subq %2, %%r15\n\tcmpq $12, %%r15\n\tsetne %%cl\n\torb %%cl, %%al\n\t"
        "movq %%xmm0, %%rdx\n\tsubq %2, %%rdx\n\tcmpq $1, %%rdx\n\tsetne %%cl\n\torb %%cl, %%al\n\t"
        "movq %%xmm7, %%rdx\n\tsubq %2, %%rdx\n\tcmpq $2, %%rdx\n\tsetne %%cl\n\torb %%cl, %%al\n\t"
        "movq %%xmm8, %%rdx\n\tsubq %2, %%rdx\n\tcmpq $5, %%rdx\n\tsetne %%cl\n\torb %%cl, %%al\n\t"
        "movq %%xmm15, %%rdx\n\tsubq %2, %%rdx\n\tcmpq $12, %%rdx\n\tsetne %%cl\n\torb %%cl, "
        "%%al\n\t"
        "popq %%rbp"
        : "=&a"(bad), "+c"(n)
        : "S"(seed)
        : "rbx", "rdx", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm7",
          "xmm8", "xmm15", "memory", "cc");
    return bad == 0;
}

static void keeps_registers(uint64_t seed)
{
    for (unsigned i = 0; i < 20; i++)
        if (!registers_hold(200000, seed + i * 1000))
            add_relaxed(&registers.wrong, 1);
    add_acq_rel(&registers.ended, 1);
}

TEST(trap, registers_survive_interrupts)
{
    unsigned n = 3 * arch_cpu_count();

    memset(&registers, 0, sizeof registers);
    for (unsigned i = 0; i < n; i++)
        go(keeps_registers, (uint64_t)i << 40);
    while (load_acquire(&registers.ended) < n) {
        stw_begin(STW_TEST); /* an IPI for each */
        stw_end();
        rt_sleep(100000);
    }
    EXPECT_EQ(t, registers.wrong, 0);
}

static bool preempt_always(struct arch_frame *frame)
{
    if (add_relaxed(&registers.steps, 1) % 3 == 0)
        sched_preempt_irq(frame);
    return true;
}

static void keeps_registers_stepped(uint64_t seed)
{
    arch_step_on();
    if (!registers_hold(300, seed))
        add_relaxed(&registers.wrong, 1);
    arch_step_off();
    add_acq_rel(&registers.ended, 1);
}

TEST(trap, registers_survive_preemption_at_each_instruction)
{
    memset(&registers, 0, sizeof registers);
    debugtrap_set(preempt_always);
    for (unsigned i = 0; i < 6; i++)
        go(keeps_registers_stepped, (uint64_t)i << 40);
    EXPECT(t, WAIT_UNTIL(load_acquire(&registers.ended) == 6, 20));
    debugtrap_set(NULL);
    EXPECT_EQ(t, registers.wrong, 0);
    EXPECT_GE(t, registers.steps, 3600);
}

/* ---- Single steps [step.2] ---- */

static uintptr_t stepped[64];
static uint32_t n_stepped;

static bool notes_step(struct arch_frame *frame)
{
    if (n_stepped < 64)
        stepped[n_stepped] = arch_frame_pc(frame);
    n_stepped++;
    return true;
}

TEST(trap, each_instruction_is_one_step)
{
    n_stepped = 0;
    debugtrap_set(notes_step);
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq\n\t"
                     "nop; nop; nop; nop; nop; nop; nop; nop; nop; nop\n\t"
                     "pushfq; andq $~0x100, (%%rsp); popfq" ::
                         : "memory", "cc");
    debugtrap_set(NULL);
    EXPECT_GE(t, n_stepped, 12); /* ten, pushf, and; the popf that ends it may trap once more */
    EXPECT_LE(t, n_stepped, 14);
    for (unsigned i = 2; i < 10; i++)
        EXPECT_EQ(t, stepped[i], stepped[i - 1] + 1);
}

/* Steps that nobody wants any more end by themselves. */
TEST(trap, stepping_ends_without_a_taker)
{
    arch_step_on();
    for (volatile int i = 0; i < 10; i++)
        ;
    EXPECT(t, true);
}

/* ---- Interrupt flag, backtraces ---- */

TEST(trap, interrupt_flag_nests)
{
    EXPECT(t, arch_irq_enabled());
    irqflags_t outer = arch_irq_save(), inner = arch_irq_save();
    bool off = !arch_irq_enabled();
    arch_irq_restore(inner);
    bool still_off = !arch_irq_enabled();
    arch_irq_restore(outer);
    EXPECT(t, off && still_off && arch_irq_enabled());
}

static uintptr_t trace_of[8];
static size_t n_trace;

static RT_NOINLINE void innermost(void)
{
    n_trace = arch_backtrace((uintptr_t)__builtin_return_address(0),
                             *(uintptr_t *)__builtin_frame_address(0), trace_of, 8);
    __asm__ volatile("");
}

static RT_NOINLINE uintptr_t middle(void)
{
    innermost();
    __asm__ volatile("");
    return (uintptr_t)__builtin_return_address(0);
}

TEST(trap, backtraces_follow_frames)
{
    uintptr_t back = middle();

    REQUIRE(t, n_trace >= 2);
    EXPECT(t, trace_of[0] - (uintptr_t)middle < 256);
    EXPECT_EQ(t, trace_of[1], back);
    EXPECT_EQ(t, arch_backtrace(0, 8, trace_of, 8), 0); /* no such frame */
}

/* ---- What nobody expects ---- */

TEST_DIES(trap, nmi, 2, "^fatal error: NMI\n^rax [0-9a-f]{16}\n^cpu [0-9]+: wrote this report")
{
    arch_ipi_nmi(arch_cpu_id());
    for (;;)
        arch_cpu_relax();
    (void)t;
}

TEST_DIES(trap, breakpoint, 2, "^fatal error: unexpected trap 3: breakpoint")
{
    __asm__ volatile("int3");
    (void)t;
}

TEST_DIES(trap, machine_check, 2, "^fatal error: machine check")
{
    __asm__ volatile("int $18");
    (void)t;
}

/* An interrupt that the firmware left behind is taken once, and is none of ours. */
TEST(trap, firmware_leftovers)
{
    irqflags_t flags = arch_irq_save();
    apic_send(apic_id(), APIC_FIXED | 0xe8);
    clock_spin_ns(100000); /* it is on its way, and waits */
    apic_note_leftovers();
    arch_irq_restore(flags);
    clock_spin_ns(100000);
    EXPECT_EQ(t, apic_is_leftover(0xe8), false); /* it has come */
}

TEST_DIES(trap, unknown_vector, 2, "^fatal error: unexpected interrupt vector 0xe7")
{
    __asm__ volatile("int $0xe7");
    (void)t;
}

/* A table too short for a fault's own vector: the fault of delivering it, and so the double fault,
 * on its own stack. */
TEST_DIES(trap, double_fault, 2, "^fatal error: double fault\n^rip [0-9a-f]{16}")
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) table;

    arch_irq_off();
    __asm__ volatile("sidt %0" : "=m"(table));
    table.limit = 9 * 16 - 1; /* up to vector 8 */
    __asm__ volatile("lidt %0\n\t"
                     "movw $0xfff8, %%ax\n\t"
                     "movw %%ax, %%ds" ::"m"(table)
                     : "rax", "memory"); /* #GP, which has no gate now */
    (void)t;
}

TEST_DIES(trap, protection_fault_in_a_runtime_section, 2,
          "^fatal error: unexpected trap 13: general protection, error code 0xfff8")
{
    preempt_off();
    __asm__ volatile("movw $0xfff8, %%ax; movw %%ax, %%ds" ::: "rax");
    (void)t;
}

TEST_DIES(trap, text_is_not_writable, 2,
          "^fatal error: unexpected page fault: write of 0xffffffff[0-9a-f]{8} \\(not allowed\\)")
{
    preempt_off();
    *(volatile char *)(uintptr_t)middle = 0;
    (void)t;
}

TEST_DIES(trap, data_is_not_executable, 2,
          "^fatal error: unexpected page fault: execution of 0xffff[0-9a-f]{12} \\(not allowed\\)")
{
    static uint8_t code[16] = {0xc3};

    preempt_off();
    ((void (*)(void))(uintptr_t)code)();
    (void)t;
}

/* An idle or a running cpu has a guard page below each of its stacks: the report comes by the next
 * kind's stack. */
TEST_DIES(trap, page_fault_without_a_stack, 2, "^fatal error: ")
{
    preempt_off();
    __asm__ volatile("movq %0, %%rsp; pushq $1" ::"r"(ARCH_STACK_BASE + 8) : "memory");
    (void)t;
}
