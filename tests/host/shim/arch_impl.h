/*
 * tests/host/shim/arch_impl.h - a machine made of host threads, for host tests of portable code.
 *
 * With -Itests/host/shim before -I. and -Iarch/<port>, <arch/arch.h> gets its inline bodies from
 * here and <lib/preempt.h> its counter from the folder beside it. A test then includes the .c files
 * under test and <tests/host/shim/machine.h> (fatal() that can be expected, locks, RAM).
 *
 * Cpus. A thread is the cpu that its `host_cpu` says, 0 at first; two threads must not be the same
 * cpu at the same time. One thread may change it at will: a simulation of many cpus that replays
 * exactly. Per-cpu variables lie in a section of their own, as on the machine, and each cpu but 0
 * has a copy. RAM. A window of address space, nothing in it at first; host_ram() in machine.h puts
 * memory there.
 */
#pragma once

#include <sched.h>
#include <stdlib.h>
#include <time.h>

#ifndef INGOT_HOST
#define INGOT_HOST 1
#endif

#define HOST_CPUS_MAX 16u
#ifdef __SANITIZE_THREAD__
#define HOST_DIRECT_BYTES (UINT64_C(1) << 34)
#else
#define HOST_DIRECT_BYTES (UINT64_C(2) << 40)
#endif

struct arch_frame {
    uintptr_t pc, sp, fp;
};
#define ARCH_FRAME_BYTES sizeof(struct arch_frame)

struct arch_context {
    uintptr_t sp;
};

/* ---- Per cpu ---- */
extern char __start_host_percpu[] __attribute__((weak)), __stop_host_percpu[] __attribute__((weak));

static __thread unsigned host_cpu RT_UNUSED;
static unsigned host_cpu_count RT_UNUSED = 1;
static uintptr_t host_percpu_offset[HOST_CPUS_MAX] RT_UNUSED; /* from cpu 0's to this cpu's */
static void *host_percpu_copy[HOST_CPUS_MAX] RT_UNUSED;

#define PERCPU(type, name) RT_SECTION("host_percpu") __typeof__(type) percpu_##name
#define DECLARE_PERCPU(type, name) extern __typeof__(type) percpu_##name
#define host_percpu(cpu, name)                                                                     \
    ((__typeof__(percpu_##name) *)((uintptr_t)&percpu_##name + host_percpu_offset[cpu]))
#define this_cpu(name) (*host_percpu(host_cpu, name))
#define cpu_ptr(cpu, name) host_percpu(cpu, name)
#define this_cpu_ptr(name) host_percpu(host_cpu, name)
#define this_cpu_swap(name, value) __atomic_exchange_n(&this_cpu(name), (value), __ATOMIC_ACQ_REL)
#define this_cpu_store_release(name, value)                                                        \
    __atomic_store_n(&this_cpu(name), (value), __ATOMIC_RELEASE)

/* Have cpus 0 to n - 1, with all per-cpu variables zero. */
static inline void host_cpus(unsigned n)
{
    size_t bytes = (size_t)(__stop_host_percpu - __start_host_percpu);

    host_cpu_count = n;
    for (unsigned cpu = 0; cpu < n; cpu++) {
        if (cpu != 0 && host_percpu_copy[cpu] == NULL) {
            host_percpu_copy[cpu] = aligned_alloc(64, (bytes + 127) / 64 * 64);
            host_percpu_offset[cpu] = (uintptr_t)host_percpu_copy[cpu] +
                                      (uintptr_t)__start_host_percpu % 64 -
                                      (uintptr_t)__start_host_percpu;
        }
        __builtin_memset((char *)((uintptr_t)__start_host_percpu + host_percpu_offset[cpu]), 0,
                         bytes);
    }
}

static inline unsigned arch_cpu_id(void)
{
    return host_cpu;
}

static inline unsigned arch_cpu_count(void)
{
    return host_cpu_count;
}

/* ---- Interrupts: there are none ---- */
static inline irqflags_t arch_irq_save(void)
{
    return 0;
}

static inline void arch_irq_restore(irqflags_t flags)
{
    (void)flags;
}

static inline void arch_irq_on(void)
{
}

static inline void arch_irq_off(void)
{
}

static inline bool arch_irq_enabled(void)
{
    return true;
}

static inline void arch_cpu_relax(void)
{
    sched_yield();
}

static inline void arch_halt_irq_off(void)
{
    sched_yield();
}

int64_t arch_nanotime(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static inline uint64_t arch_cycles(void)
{
    return (uint64_t)arch_nanotime();
}

/* ---- Memory ---- */
static uintptr_t host_direct_base RT_UNUSED;
#define ARCH_DIRECT_BASE host_direct_base
#define ARCH_DIRECT_BYTES HOST_DIRECT_BYTES

static inline void *phys_to_virt(paddr_t pa)
{
    return (void *)(host_direct_base + pa);
}

static inline paddr_t virt_to_phys(const void *va)
{
    return (uintptr_t)va - host_direct_base;
}

/* ---- Frames, so that arch.h compiles ---- */
static inline uintptr_t arch_frame_pc(const struct arch_frame *f)
{
    return f->pc;
}

static inline uintptr_t arch_frame_sp(const struct arch_frame *f)
{
    return f->sp;
}

static inline uintptr_t arch_frame_fp(const struct arch_frame *f)
{
    return f->fp;
}

static inline void arch_frame_set_pc(struct arch_frame *f, uintptr_t pc)
{
    f->pc = pc;
}

static inline bool arch_frame_irqs_on(const struct arch_frame *f)
{
    (void)f;
    return true;
}

static inline void arch_switch(struct arch_context *from, struct arch_context *to,
                               void (*then)(struct arch_context *from, uintptr_t arg),
                               uintptr_t arg)
{
    (void)from;
    (void)to;
    (void)then;
    (void)arg;
    abort();
}

static inline uintptr_t arch_context_pc(const struct arch_context *c)
{
    (void)c;
    return 0;
}

static inline uintptr_t arch_context_fp(const struct arch_context *c)
{
    (void)c;
    return 0;
}
