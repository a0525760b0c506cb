/*
 * lib/spinlock.h - short mutual exclusion between cpus.
 *
 * Test and test-and-set, with preemption off while held: nobody who holds one is ever descheduled
 * or stopped [spin.1]. Not for interrupt handlers: a handler that needed one could meet its own cpu
 * inside it [arch.2]. A wait is bounded; debug builds check the order of ranks (lib/lockrank.h) and
 * the owner, too.
 * ORDERING. spin_lock() acquires, spin_unlock() releases; they are each other's partners.
 * REJECTED. Ticket and queue locks: with more vcpus than host cores a preempted next-in-line stalls
 * all.
 */
#pragma once

#include <lib/atomic.h>
#include <lib/lockrank.h>
#include <lib/preempt.h>

struct CAPABILITY("spinlock") spinlock {
    uint8_t locked; /* [a] */
    uint8_t rank;   /* [I] enum lock_rank */
    uint16_t owner; /* cpu + 1, debug builds; for reports */
};

#define SPINLOCK_INIT(rank_)                                                                       \
    {                                                                                              \
        .rank = (rank_)                                                                            \
    }

void spin_lock_slow(struct spinlock *l); /* waits; the bounded wait names the lock and its owner */

#ifdef RT_DEBUG
void spin_debug_acquire(struct spinlock *l); /* before taking: rank order */
void spin_debug_acquired(struct spinlock *l);
void spin_debug_release(struct spinlock *l);
unsigned spin_debug_held(void); /* how many this cpu holds */
#else
#define spin_debug_acquire(l) ((void)0)
#define spin_debug_acquired(l) ((void)0)
#define spin_debug_release(l) ((void)0)
#endif

static inline void spin_lock(struct spinlock *l) ACQUIRES(l) NO_LOCK_ANALYSIS
{
    preempt_off();
    spin_debug_acquire(l);
    if (RT_UNLIKELY(__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE)))
        spin_lock_slow(l);
    spin_debug_acquired(l);
}

static inline bool spin_trylock(struct spinlock *l) TRY_ACQUIRES(true, l) NO_LOCK_ANALYSIS
{
    preempt_off();
    if (__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE)) {
        preempt_on();
        return false;
    }
    spin_debug_acquired(l);
    return true;
}

/* Give it back but stay unpreemptible: the caller has another lock, or parks next. */
static inline void spin_unlock_keep(struct spinlock *l) RELEASES(l) NO_LOCK_ANALYSIS
{
    spin_debug_release(l);
    __atomic_store_n(&l->locked, 0, __ATOMIC_RELEASE);
}

static inline void spin_unlock(struct spinlock *l) RELEASES(l) NO_LOCK_ANALYSIS
{
    spin_unlock_keep(l);
    preempt_on();
}

static inline bool spin_is_locked(const struct spinlock *l)
{
    return load_relaxed(&l->locked) != 0;
}
