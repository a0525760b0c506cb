/*
 * arch/arch.h - all that portable code may ask of the machine, and all that the machine asks back.
 *
 * One page that a port fills in. Above it nobody names a register, a port or a table format. The
 * first part declares what a port defines (arch/<port>/), the last part what a port calls upwards:
 * the trap path tells a layer above something by calling a function that is declared here and
 * defined there.
 *
 * BELIEVE THIS BEFORE CHANGING A PORT
 * [arch.1] No trap pushes its frame onto a goroutine's stack: stacks grow on demand, and an
 *          interrupt that meets an unmapped page would be lost. Every vector has an own, wired
 *          stack.
 * [arch.2] Handlers run with interrupts off, do not nest, allocate nothing, take no lock that the
 *          interrupted code may hold, and keep no collected pointer.
 * [arch.3] The register frame of an interrupted goroutine is complete (integer, vector and control
 *          registers), so it can be copied anywhere and resumed on another cpu.
 */
#pragma once

#include <rt/compiler.h>
#include <arch/bootinfo.h>

typedef uint64_t paddr_t;    /* physical address */
typedef uint64_t irqflags_t; /* what arch_irq_save() returns */

struct arch_frame;   /* every register of interrupted code; ARCH_FRAME_BYTES long (arch_impl.h) */
struct arch_context; /* what a switch saves (arch_impl.h) */

#define ARCH_MAX_CPUS 256

/* ---- Interrupt flag and spinning (inline, arch_impl.h) ---- */

/* Turn interrupts off on this cpu; returns what arch_irq_restore() needs. Nests. */
static inline irqflags_t arch_irq_save(void);
static inline void arch_irq_restore(irqflags_t flags);
static inline void arch_irq_on(void);
static inline void arch_irq_off(void);
static inline bool arch_irq_enabled(void);

/*
 * One turn of a spin loop. PAUSE, or nothing where the emulator punishes it (knob cpu_relax=).
 * Every unbounded loop that waits for another cpu must contain it, or single-threaded emulation
 * hangs.
 */
static inline void arch_cpu_relax(void);

/* Halt until an interrupt; called with interrupts off, returns with them off after one came. */
static inline void arch_halt_irq_off(void);

/* ---- Tests in the fewest instructions (inline, arch_impl.h) ---- */

/* *flag != 0? Read here and not earlier. */
static RT_ALWAYS_INLINE bool arch_is_set(const uint8_t *flag);

/* --*n == 0? */
static RT_ALWAYS_INLINE bool arch_count_down(uint32_t *n);

/* ---- This cpu ---- */

/*
 * PERCPU(type, name) defines a variable of which each cpu has its own, zero at start.
 * DECLARE_PERCPU(type, name) is its extern. this_cpu(name) is this cpu's one, an lvalue: one
 * segment-relative access, atomic against interrupts if the machine does it in one instruction.
 * cpu_ptr(cpu, name) is a plain pointer to any cpu's, this_cpu_ptr(name) to this cpu's; for several
 * in a row base = this_cpu_base() is found once, and each is cpu_ptr_at(base, name). All in
 * arch_impl.h. this_cpu_swap(name, v) and this_cpu_store_release(name, v), for 8-byte variables,
 * are atomic against other cpus that use cpu_ptr(): the first orders both ways and returns the old
 * value. A goroutine that can be preempted may find itself on another cpu between two uses.
 */
static inline unsigned arch_cpu_id(void);    /* 0 = the boot cpu; dense; index of cpu_ptr() */
static inline unsigned arch_cpu_count(void); /* cpus that are up (all that will ever be) */

/* ---- Boot, in this order (lang/start.c) ---- */
paddr_t arch_image_paddr(void); /* where the image's first byte lies */
uint64_t arch_phys_limit(void); /* physical addresses end here, for the cpu or for the direct map */
/* Own page tables; the direct map holds `ram` from here on: sorted, page-aligned, and it stays. */
void arch_memory_init(const struct boot_range *ram, size_t n);
void arch_devices_init(void); /* firmware tables, interrupt controllers, clocks; knobs are known */

/* ---- Interrupt lines: numbers below ARCH_IRQ_LINES ---- */

/* Let a line through to arch_on_irq(), or no longer. False: there is no such line. */
bool arch_irq_line(unsigned irq, bool on);
/* The device of that line has been served: if the line is level-triggered, it has been masked since
 * its interrupt, and is let through again. Any context. */
void arch_irq_done(unsigned irq);

/* ---- Memory ---- */

enum arch_prot {
    ARCH_READ = 0,
    ARCH_WRITE = 1,
    ARCH_EXEC = 2,
    ARCH_UNCACHED = 4,
    ARCH_COMBINED = 8, /* stores may be gathered: pixels */
};

#define ARCH_PAGE_BYTES 4096u

/* RAM by its direct map: inline arithmetic. Only addresses inside RAM ranges are mapped. */
static inline void *phys_to_virt(paddr_t pa);
static inline paddr_t virt_to_phys(const void *direct_map_address);

/* Windows of address space that upper layers carve up: bounds in arch_impl.h.
 * ARCH_DIRECT_BASE/_BYTES, ARCH_STACK_BASE/_BYTES. What of the first lies above RAM is free for
 * large pages (mm/vmap.h). */

/*
 * Make the tables for [va, va + bytes) so that arch_map_page() there cannot fail.
 * Returns false if there is no memory for them. Takes a lock; a goroutine or boot context.
 */
RT_MUST_USE bool arch_map_prepare(uintptr_t va, size_t bytes);

/* Is the table for va there? Any context. */
bool arch_map_prepared(uintptr_t va);

/* Map one prepared page. Any context, also the page fault handler. va must not be mapped. */
void arch_map_page(uintptr_t va, paddr_t pa, enum arch_prot prot);

/*
 * Take one page's mapping away and return what it mapped; ~0 if nothing. Other cpus (and this one)
 * may still hold the translation: the page may be used again only after each has called
 * arch_tlb_flush_local().
 */
paddr_t arch_unmap_page(uintptr_t va);

/*
 * The same three for large pages: va and pa are multiples of ARCH_LARGE_BYTES. The first is also
 * false if anything is mapped there.
 */
#define ARCH_LARGE_BYTES (UINT64_C(2) << 20)
RT_MUST_USE bool arch_map_large_prepare(uintptr_t va, size_t bytes);
void arch_map_large(uintptr_t va, paddr_t pa, enum arch_prot prot);
paddr_t arch_unmap_large(uintptr_t va);

/* The physical address behind va, or ~0 if it is not mapped. Any context. */
paddr_t arch_translate(uintptr_t va);
void arch_tlb_flush_local(void);        /* all translations but global ones */
void arch_tlb_flush_page(uintptr_t va); /* one page, this cpu */
/* This cpu's timer fired: a chance to flush where that pays. Preemption off. */
void arch_tlb_tune(void);

/* ---- Cpus, interrupts between them, clocks ---- */

enum arch_ipi {
    ARCH_IPI_RESCHED, /* look at your queues or at a pending stop: arch_on_resched() */
    ARCH_IPI_WAKE,    /* only ends a halt: nothing is called */
};

void arch_ipi(unsigned cpu, enum arch_ipi what);
void arch_ipi_nmi(unsigned cpu); /* it ends the run, with a report from there */

/* Cycle counter; monotonic per cpu, its rate is the clock's business (arch_nanotime). */
static inline uint64_t arch_cycles(void);
/* *at = arch_cycles(), in the fewest instructions. */
static RT_ALWAYS_INLINE void arch_cycles_store(uint64_t *at);

int64_t arch_nanotime(void);             /* ns since boot; monotonic over all cpus; any context */
int64_t arch_cycles_ns(uint64_t cycles); /* how long so many cycles last, about */
int64_t arch_walltime_ns(void);          /* ns since 1970 by the machine's calendar clock */
void arch_timer_arm(int64_t when_ns);    /* this cpu's one-shot; in the past: fires at once */
void arch_timer_stop(void);
bool arch_needs_tick(void); /* single-threaded emulation: a halted or spinning cpu starves others */
uint64_t arch_random_seed(void); /* hardware randomness or the best mix there is */

/*
 * Starts every cpu; each calls arch_on_cpu_start() on its own scheduler stack, maybe before this
 * returns. low_page: a free page that a starting cpu can reach (memmap_take_low); 0: there is none.
 * arch_await_cpus() waits for them and returns how many are up, this one included.
 */
void arch_start_cpus(paddr_t low_page);
unsigned arch_await_cpus(void);
uintptr_t arch_sched_stack_top(unsigned cpu); /* wired, guarded, 16 KiB */

/* ---- Switching ---- */

/*
 * struct arch_context is what a goroutine that gave up its cpu by a call leaves behind: a stack
 * pointer (arch_impl.h). Callee-saved registers are on its stack, so every root of a switched-out
 * goroutine is on its stack, or in the frame that the preempting handler copied.
 */

/*
 * Save the running context in *from and continue *to. On to's stack, before anything else,
 * then(from, arg) is called, for what must wait until *from is complete; `then` is the name of a
 * function. Returns when somebody switches back.
 */
static RT_ALWAYS_INLINE void arch_switch(struct arch_context *from, struct arch_context *to,
                                         void (*then)(struct arch_context *from, uintptr_t arg),
                                         uintptr_t arg);

/* The same for one that never comes back. */
RT_NORETURN static RT_ALWAYS_INLINE void arch_switch_to(struct arch_context *from,
                                                        struct arch_context *to,
                                                        void (*then)(struct arch_context *from));

/* The same with nothing to do for the one that is left. */
RT_NORETURN static RT_ALWAYS_INLINE void arch_resume(struct arch_context *to);

/* Of a context that was switched away from: where its stack begins, and for reports where it
 * stands, as arch_frame_pc() and _fp(). */
static inline uintptr_t arch_context_sp(const struct arch_context *ctx);
static inline uintptr_t arch_context_pc(const struct arch_context *ctx);
static inline uintptr_t arch_context_fp(const struct arch_context *ctx);

/*
 * Have the next 2 KiB of this stack mapped before `current` says that another one is in use, or a
 * lock is held.
 */
static inline void arch_touch_stack(void);

/*
 * Prepare *ctx to call entry(arg) on a stack that ends (exclusive) at `top`, a multiple of 16;
 * entry must not return.
 */
static inline void arch_context_init(struct arch_context *ctx, void *top, void (*entry)(void *),
                                     void *arg);

/*
 * The same for a new goroutine, whose arguments begin at `args`, a multiple of 16, and fill the
 * rest of the stack: preempt_on(), fn(args), and when that returns, goroutine_exit().
 */
static RT_ALWAYS_INLINE void arch_context_init_goroutine(struct arch_context *ctx, void *args,
                                                         void (*fn)(void *args));

/* Continue an interrupted frame (anywhere but on its own stack). Interrupts off; never returns. */
RT_NORETURN void arch_frame_resume(const struct arch_frame *frame);

/* Leave the handler for good: run fn(arg) on the stack that ends at `top`, interrupts off. */
RT_NORETURN void arch_leave_to(void *top, void (*fn)(void *), void *arg);

/* Parts of a frame that portable code needs: fp, the frame pointer, is where a backtrace starts;
 * `stepping`: it traps after each instruction. */
static inline uintptr_t arch_frame_pc(const struct arch_frame *f);
static inline uintptr_t arch_frame_sp(const struct arch_frame *f);
static inline uintptr_t arch_frame_fp(const struct arch_frame *f);
static inline void arch_frame_set_pc(struct arch_frame *f, uintptr_t pc);
static inline void arch_frame_set_sp(struct arch_frame *f, uintptr_t sp);
static inline bool arch_frame_irqs_on(const struct arch_frame *f);
static inline bool arch_frame_stepping(const struct arch_frame *f);
static inline void arch_frame_set_step(struct arch_frame *f, bool on);

/* Trap after each instruction from here on: arch_on_debug_trap(). Survives a switch by a call. */
static inline void arch_step_on(void);
static inline void arch_step_off(void);

/*
 * Make the frame continue as if its code had called fn(a, b) right where it was interrupted. Writes
 * to the ARCH_CALL_ROOM bytes below its stack pointer.
 */
void arch_frame_push_call(struct arch_frame *f, void (*fn)(uintptr_t, uintptr_t), uintptr_t a,
                          uintptr_t b);

/*
 * For reports: where the caller's address lies when a function that begins at `function` was
 * interrupted at pc, in words above the stack pointer; -1 if it has built its frame, so that the
 * frame pointer tells. A guess from its code.
 */
int arch_return_slot(uintptr_t function, uintptr_t pc);

/* Walk frame pointers from (pc, fp) and store up to `max` return addresses; how many. Reads only
 * what is mapped. */
size_t arch_backtrace(uintptr_t pc, uintptr_t fp, uintptr_t *out, size_t max);

/* ---- Devices, for programs ---- */

/* Registers at a physical address, uncached, mapped for ever; NULL: no memory, no such address. */
volatile void *arch_device_map(paddr_t pa, size_t bytes);

/* An I/O port of 1, 2 or 4 bytes; a machine without ports reads all ones. */
uint32_t arch_port_read(uint16_t port, unsigned bytes);
void arch_port_write(uint16_t port, unsigned bytes, uint32_t v);

/* ---- The console device and the end ---- */

void arch_console_put(const char *s, size_t n); /* polled; any context; the caller serialises */
int arch_console_get(void);                     /* next input byte, or -1 */
bool arch_console_irq(unsigned *irq);   /* let console input raise a line; false: it can't, poll */
RT_NORETURN void arch_exit(int status); /* as the knob exit= says; other cpus should be stopped */
void arch_stop_other_cpus(void);        /* by NMI, for reports; bounded wait */
void arch_print_frame(const struct arch_frame *frame); /* registers, in a report */

/* ---- Upwards: what a port calls ---- */

/* lang/start.c: one zeroed page for a page table; NULL if there is none. Boot, or with the table
 * lock held. */
void *arch_up_table_page(void);

/* lang/start.c: the machine is up on the boot cpu; boot stack, interrupts off. */
RT_NORETURN void arch_on_boot(const struct boot_info *info);

/* sched: an additional cpu is up, on its own scheduler stack, interrupts off. */
RT_NORETURN void arch_on_cpu_start(void);

/* (leaves): it may not return, but leave the handler by arch_leave_to(). */

/* sched: a fault on an unmapped page of the stack window. True: mapped, retry. (leaves) */
bool arch_on_stack_fault(struct arch_frame *frame, uintptr_t va);

/* sched: timer of this cpu, or somebody's ARCH_IPI_RESCHED. (leaves) */
void arch_on_timer(struct arch_frame *frame);
void arch_on_resched(struct arch_frame *frame);

/* sched: interrupt line `irq` fired (already acknowledged). (leaves) */
void arch_on_irq(struct arch_frame *frame, unsigned irq);

enum arch_fault {
    ARCH_FAULT_ACCESS, /* nothing is there */
    ARCH_FAULT_PROTECTION,
    ARCH_FAULT_DIVIDE,
    ARCH_FAULT_ILLEGAL,
    ARCH_FAULT_FLOAT,
    ARCH_FAULT_ALIGN,
};

/*
 * lang/fault.c: a synchronous fault the machine layer cannot settle. True: frame was changed into a
 * panic of the program, go on with it. False: the machine layer reports and stops. (leaves)
 */
bool arch_on_fault(struct arch_frame *frame, enum arch_fault what, uintptr_t address);

/* sched/debugtrap.c: a single step or breakpoint trap; true if somebody wanted it. (leaves) */
bool arch_on_debug_trap(struct arch_frame *frame);

#include <arch_impl.h> /* the port's: -Iarch/$(ARCH) */

/* Where the cpu stood when arch_stop_other_cpus() or an NMI stopped it; NULL: it runs. */
DECLARE_PERCPU(const struct arch_frame *, arch_stopped_frame); /* [a] */
