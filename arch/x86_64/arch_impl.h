/*
 * arch/x86_64/arch_impl.h - the inline half of arch.h for x86-64.
 *
 * Per-cpu data. Every PERCPU variable lives in section .bss.percpu, so it starts as zero. The boot
 * cpu uses the section itself; each other cpu gets a zeroed copy, and its GS base is the distance
 * from the section to the copy. So %gs:variable works everywhere, from the first instruction in C,
 * and cpu_ptr() is one add.
 */
#pragma once

#define ARCH_IRQ_LINES 160u      /* x86.h: vectors from VECTOR_IRQ on */
#define ARCH_VECTOR_RESCHED 0xf1 /* entry.S sends it to itself */

/* Where things are: docs/memory.md has the map. */
#define ARCH_IMAGE_BASE 0xffffffff80000000u
#define ARCH_DIRECT_BASE 0xffff800000000000u
#define ARCH_DIRECT_BYTES (UINT64_C(64) << 40)
#define ARCH_DEVICE_BASE 0xffffc00000000000u
#define ARCH_DEVICE_BYTES (UINT64_C(1) << 39)
#define ARCH_STACK_BASE 0xffffd00000000000u
#define ARCH_STACK_BYTES (UINT64_C(8) << 40)

/* ---- Registers of interrupted code. entry.S builds it; offsets are asserted in trap.c. ---- */
struct arch_frame {
    uint8_t xmm[16][16];
    uint32_t mxcsr;
    uint16_t fcw, pad;
    uint64_t cr2; /* of a page fault; else stale */
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
} RT_ALIGNED(16);
#define ARCH_FRAME_BYTES sizeof(struct arch_frame)

struct arch_context {
    uintptr_t rsp;
};

/* ---- Per cpu ----
 * this_cpu() is for scalars and scalar fields only. gcc 12 loses the segment of some accesses to
 * elements of an array in a named address space (seen at -O2, in a loop-free function): arrays go
 * by this_cpu_ptr(), and tools/lint.sh looks for the other form. */
#define PERCPU(type, name) RT_SECTION(".bss.percpu") __typeof__(type) percpu_##name
#define DECLARE_PERCPU(type, name) extern __typeof__(type) percpu_##name
#define this_cpu(name) (*(__seg_gs __typeof__(percpu_##name) *)(uintptr_t)&percpu_##name)
#define cpu_ptr(cpu, name)                                                                         \
    ((__typeof__(percpu_##name) *)((char *)&percpu_##name + arch_percpu_offset[cpu]))
#define this_cpu_ptr(name)                                                                         \
    ((__typeof__(percpu_##name) *)((char *)&percpu_##name + this_cpu(arch_gs_base)))
#define this_cpu_base() this_cpu(arch_gs_base)
#define cpu_ptr_at(base, name) ((__typeof__(percpu_##name) *)((char *)&percpu_##name + (base)))
#define this_cpu_swap(name, value)                                                                 \
    ({                                                                                             \
        uint64_t swapped_ = (uint64_t)(value);                                                     \
        _Static_assert(sizeof(percpu_##name) == 8, "an 8-byte variable");                          \
        __asm__ volatile("xchgq %0, %%gs:%1" : "+r"(swapped_), "+m"(percpu_##name)::"memory");     \
        swapped_;                                                                                  \
    })
#define this_cpu_store_release(name, value)                                                        \
    ({                                                                                             \
        __asm__ volatile("" ::: "memory"); /* stores are not reordered with older accesses */      \
        *(volatile __seg_gs __typeof__(percpu_##name) *)(uintptr_t)&percpu_##name = (value);       \
    })

extern uintptr_t arch_percpu_offset[ARCH_MAX_CPUS]; /* [I] */
DECLARE_PERCPU(uintptr_t, arch_gs_base);            /* [I] this cpu's arch_percpu_offset */
DECLARE_PERCPU(unsigned, arch_cpu_id);              /* [I] */
extern bool arch_relax_pauses;                      /* [I] */
extern unsigned arch_n_cpus;                        /* [I] once all are up */

static inline unsigned arch_cpu_id(void)
{
    return this_cpu(arch_cpu_id);
}

static inline unsigned arch_cpu_count(void)
{
    return arch_n_cpus;
}

/* ---- Interrupt flag ---- */
#define ARCH_RFLAGS_IF 0x200u

static inline irqflags_t arch_irq_save(void)
{
    irqflags_t flags;
    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags)::"memory");
    return flags;
}

static inline void arch_irq_restore(irqflags_t flags)
{
    if (flags & ARCH_RFLAGS_IF)
        __asm__ volatile("sti" ::: "memory");
    else
        __asm__ volatile("" ::: "memory");
}

static inline void arch_irq_on(void)
{
    __asm__ volatile("sti" ::: "memory");
}

static inline void arch_irq_off(void)
{
    __asm__ volatile("cli" ::: "memory");
}

static inline bool arch_irq_enabled(void)
{
    irqflags_t flags;
    __asm__ volatile("pushfq; popq %0" : "=r"(flags)::"memory");
    return (flags & ARCH_RFLAGS_IF) != 0;
}

static inline void arch_halt_irq_off(void)
{
    __asm__ volatile("sti; hlt; cli" ::: "memory"); /* no interrupt fits between sti and hlt */
}

static inline void arch_cpu_relax(void)
{
    if (arch_relax_pauses)
        __asm__ volatile("pause" ::: "memory");
    else
        __asm__ volatile("" ::: "memory");
}

static inline uint64_t arch_cycles(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi)::"memory");
    return ((uint64_t)hi << 32) | lo;
}

static RT_ALWAYS_INLINE void arch_cycles_store(uint64_t *at)
{
    __asm__ volatile("rdtsc\n\t"
                     "movl %%eax, %0\n\t"
                     "movl %%edx, 4+%0"
                     : "=o"(*at)
                     :
                     : "eax", "edx", "memory");
}

static RT_ALWAYS_INLINE bool arch_is_set(const uint8_t *flag)
{
    __asm__ goto("cmpb $0, %0\n\t"
                 "jne %l[set]"
                 :
                 : "m"(*flag)
                 : "memory", "cc"
                 : set);
    return false;
set:
    return true;
}

static RT_ALWAYS_INLINE bool arch_count_down(uint32_t *n)
{
    __asm__ goto("decl %0\n\t"
                 "jz %l[zero]"
                 :
                 : "m"(*n)
                 : "memory", "cc"
                 : zero);
    return false;
zero:
    return true;
}

/* ---- Memory ---- */
static inline void *phys_to_virt(paddr_t pa)
{
    return (void *)(ARCH_DIRECT_BASE + pa);
}

static inline paddr_t virt_to_phys(const void *va)
{
    return (uintptr_t)va - ARCH_DIRECT_BASE;
}

/* ---- Frames ---- */
static inline uintptr_t arch_frame_pc(const struct arch_frame *f)
{
    return f->rip;
}

static inline uintptr_t arch_frame_sp(const struct arch_frame *f)
{
    return f->rsp;
}

static inline uintptr_t arch_frame_fp(const struct arch_frame *f)
{
    return f->rbp;
}

static inline void arch_frame_set_pc(struct arch_frame *f, uintptr_t pc)
{
    f->rip = pc;
}

static inline void arch_frame_set_sp(struct arch_frame *f, uintptr_t sp)
{
    f->rsp = sp;
}

static inline bool arch_frame_irqs_on(const struct arch_frame *f)
{
    return (f->rflags & ARCH_RFLAGS_IF) != 0;
}

#define ARCH_CALL_ROOM 160u /* arch_frame_push_call(): 128, a word, and alignment */
#define ARCH_RFLAGS_TF 0x100u

static inline bool arch_frame_stepping(const struct arch_frame *f)
{
    return (f->rflags & ARCH_RFLAGS_TF) != 0;
}

static inline void arch_frame_set_step(struct arch_frame *f, bool on)
{
    f->rflags = on ? f->rflags | ARCH_RFLAGS_TF : f->rflags & ~(uint64_t)ARCH_RFLAGS_TF;
}

static inline void arch_step_on(void)
{
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
}

static inline void arch_step_off(void)
{
    __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
}

/*
 * The switch itself: what a call must keep is pushed, the return address last, so that `then`
 * begins as if called by whoever is resumed, and returns there. mxcsr and the x87 control word
 * belong to the goroutine by the ABI; they are switched only by the frame path, as nothing in this
 * ABI changes them (docs/sched.md). The frame's address is an operand so that there is a frame,
 * which compilers leave out where a function seems to call nobody: backtraces need it, and it
 * aligns the stack.
 */
#define ARCH_CONTEXT_FP 6 /* words above rsp: what was pushed first */

static RT_ALWAYS_INLINE void arch_switch(struct arch_context *from, struct arch_context *to,
                                         void (*then)(struct arch_context *from, uintptr_t arg),
                                         uintptr_t arg)
{
    __asm__ volatile("pushq %4\n\t"
                     "pushq %%rbx\n\t"
                     "pushq %%r12\n\t"
                     "pushq %%r13\n\t"
                     "pushq %%r14\n\t"
                     "pushq %%r15\n\t"
                     "pushq $1f\n\t" /* 7 words: rsp is as after a call */
                     "movq %%rsp, (%0)\n\t"
                     "movq (%1), %%rsp\n\t"
                     "jmp %P3\n"
                     "1:\tpopq %%r15\n\t"
                     "popq %%r14\n\t"
                     "popq %%r13\n\t"
                     "popq %%r12\n\t"
                     "popq %%rbx\n\t"
                     "popq %%rbp\n\t"
                     : "+D"(from), "+d"(to), "+S"(arg)
                     : "i"(then), "r"(__builtin_frame_address(0))
                     : "rax", "rcx", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3",
                       "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
                       "xmm13", "xmm14", "xmm15", "memory", "cc");
}

RT_NORETURN static RT_ALWAYS_INLINE void arch_switch_to(struct arch_context *from,
                                                        struct arch_context *to,
                                                        void (*then)(struct arch_context *from))
{
    __asm__ volatile("movq (%1), %%rsp\n\t"
                     "jmp %P2" ::"D"(from),
                     "r"(to), "i"(then)
                     : "memory");
    __builtin_unreachable();
}

RT_NORETURN static RT_ALWAYS_INLINE void arch_resume(struct arch_context *to)
{
    __asm__ volatile("movq (%0), %%rsp\n\tret" ::"r"(to) : "memory");
    __builtin_unreachable();
}

void context_entry(void);   /* entry.S */
void goroutine_entry(void); /* entry.S */

static inline void arch_context_init(struct arch_context *ctx, void *top, void (*entry)(void *),
                                     void *arg)
{
    uintptr_t *sp = (uintptr_t *)top - 3;

    sp[0] = (uintptr_t)context_entry;
    sp[1] = (uintptr_t)entry;
    sp[2] = (uintptr_t)arg;
    ctx->rsp = (uintptr_t)sp;
}

static RT_ALWAYS_INLINE void arch_context_init_goroutine(struct arch_context *ctx, void *args,
                                                         void (*fn)(void *args))
{
    volatile uintptr_t *sp = (uintptr_t *)args - 3; /* volatile, or gcc makes vectors of it */

    sp[0] = (uintptr_t)goroutine_entry;
    sp[1] = (uintptr_t)fn;
    ctx->rsp = (uintptr_t)sp;
}

static RT_ALWAYS_INLINE void arch_touch_stack(void)
{
    __asm__ volatile("testb $0, -2048(%%rsp)" ::: "cc");
}

static inline uintptr_t arch_context_sp(const struct arch_context *ctx)
{
    return ctx->rsp;
}

static inline uintptr_t arch_context_pc(const struct arch_context *ctx)
{
    return ((const uintptr_t *)ctx->rsp)[0]; /* as arch_switch() pushed them */
}

static inline uintptr_t arch_context_fp(const struct arch_context *ctx)
{
    uintptr_t first = ((const uintptr_t *)ctx->rsp)[0];

    if (first == (uintptr_t)context_entry || first == (uintptr_t)goroutine_entry)
        return 0; /* it has not run yet */
    return ((const uintptr_t *)ctx->rsp)[ARCH_CONTEXT_FP];
}
