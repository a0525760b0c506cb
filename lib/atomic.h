/*
 * lib/atomic.h - atomic access, with the memory order in the name.
 *
 * Works on plain integers and pointers of 1 to 8 bytes, so that a struct can be read by a debugger
 * and by a stopped world without ceremony. A field accessed through these is marked [a] in its
 * struct, and every order other than relaxed names its partner in a comment.
 */
#pragma once

#define load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define load_seq_cst(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define store_seq_cst(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST) /* drains the buffer */

/* These return the old value; all but the relaxed one are full barriers on x86. */
#define swap_acq_rel(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
#define add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define add_acq_rel(p, v) __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL)
#define sub_acq_rel(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_ACQ_REL)
#define or_acq_rel(p, v) __atomic_fetch_or((p), (v), __ATOMIC_ACQ_REL)
#define and_acq_rel(p, v) __atomic_fetch_and((p), (v), __ATOMIC_ACQ_REL)

/* Compare and swap: true if *p was `expected` and is now `desired`. Full barrier on x86. */
#define cas_acq_rel(p, expected, desired)                                                          \
    ({                                                                                             \
        __typeof__(*(p)) cas_expected_ = (expected);                                               \
        __atomic_compare_exchange_n((p), &cas_expected_, (desired), false, __ATOMIC_ACQ_REL,       \
                                    __ATOMIC_ACQUIRE);                                             \
    })

#define fence_seq_cst() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define compiler_barrier() __asm__ volatile("" ::: "memory")
