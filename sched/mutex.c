/*
 * sched/mutex.c - the mutex when it is not free.
 *
 * WHAT. Go's two modes. Normal: a waiter that is woken competes with whoever arrives, and mostly
 * loses to a goroutine that runs already; that keeps the lock busy and is fast. Starving: once a
 * waiter has waited for more than 1 ms, unlocking hands the lock to the first in the queue, and
 * newcomers go straight to its end, until the queue is short or young again. So nobody waits for
 * ever, and the usual case pays nothing.
 *
 * STATE. Bit LOCKED; WOKEN: a waiter was woken, or spins, so unlock need wake nobody; STARVING;
 * number of waiters.
 * [mutex.1] In starving mode LOCKED may be clear although the lock has an owner to be: the waiter
 *           at the head.
 * [mutex.2] A waiter is counted before it queues, and uncounted by whoever wakes it (normal) or by
 *           itself (starving).
 * LOCKING. `state` changes by compare-and-swap and atomic adds; waiting is in sync_acquire()
 * (sched/sema.c).
 * ORDERING. Taking the lock acquires, unlocking releases; each is the other's partner.
 * SOURCES. Go internal/sync/mutex.go.
 */
#include <sched/sync.h>

#define LOCKED 1u
#define WOKEN 2u
#define STARVING 4u
#define WAITER 8u /* one */

#define STARVES_AFTER_NS 1000000
#define SPIN_ROUNDS 4
#define SPIN_TURNS 30

/* Spinning helps only if the owner runs on another cpu, and nobody here has better to do. */
static bool can_spin(unsigned rounds)
{
    return rounds < SPIN_ROUNDS && sched_procs() > 1 && sched_idle_cpus() + 1 < sched_procs() &&
           !sched_has_work();
}

static void spin(void)
{
    for (unsigned i = 0; i < SPIN_TURNS; i++)
        arch_cpu_relax();
}

void rt_mutex_lock_slow(struct rt_mutex *m)
{
    int64_t since = 0; /* when we began to wait */
    bool starving = false, awoke = false;
    unsigned rounds = 0;
    uint32_t old = load_relaxed(&m->state);

    for (;;) {
        if ((old & (LOCKED | STARVING)) == LOCKED && can_spin(rounds)) {
            if (!awoke && !(old & WOKEN) && old >= WAITER &&
                cas_acq_rel(&m->state, old, old | WOKEN))
                awoke = true;
            spin();
            rounds++;
            old = load_relaxed(&m->state);
            continue;
        }

        uint32_t new = old;
        if (!(old & STARVING))
            new |= LOCKED;
        if (old & (LOCKED | STARVING))
            new += WAITER;
        if (starving && (old & LOCKED))
            new |= STARVING;
        if (awoke)
            new &= ~WOKEN;
        if (!cas_acq_rel(&m->state, old, new)) {
            old = load_relaxed(&m->state);
            continue;
        }
        if (!(old & (LOCKED | STARVING)))
            return;

        bool again = since != 0;
        if (!again)
            since = arch_nanotime();
        sync_acquire(&m->queue, again, WAIT_MUTEX_LOCK);
        starving = starving || arch_nanotime() - since > STARVES_AFTER_NS;
        old = load_relaxed(&m->state);
        if (old & STARVING) { /* handed over to us [mutex.1] */
            if ((old & (LOCKED | WOKEN)) || old < WAITER)
                sched_fatal("sync: inconsistent mutex state");
            uint32_t last = !starving || old / WAITER == 1 ? STARVING : 0;
            __atomic_fetch_add(&m->state, LOCKED - WAITER - last, __ATOMIC_ACQUIRE);
            return;
        }
        awoke = true;
        rounds = 0;
    }
}

/* state: what the fast path left behind, LOCKED subtracted. */
void rt_mutex_unlock_slow(struct rt_mutex *m, uint32_t state)
{
    uint32_t old = state;

    if (!((state + LOCKED) & LOCKED))
        sched_fatal("sync: unlock of unlocked mutex");
    if (state & STARVING) {
        sync_release(&m->queue, SYNC_HAND_OVER);
        return;
    }
    while (old >= WAITER && !(old & (LOCKED | WOKEN | STARVING))) {
        if (cas_acq_rel(&m->state, old, (old - WAITER) | WOKEN)) {
            sync_release(&m->queue, SYNC_WAKE);
            return;
        }
        old = load_relaxed(&m->state);
    }
}

bool rt_mutex_trylock(struct rt_mutex *m)
{
    uint32_t old = load_relaxed(&m->state);

    return !(old & (LOCKED | STARVING)) && cas_acq_rel(&m->state, old, old | LOCKED);
}
