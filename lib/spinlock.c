/*
 * lib/spinlock.c - the slow and the checked half of lib/spinlock.h.
 *
 * Debug builds keep, for each cpu, the locks it holds in the order taken: a lock of lower rank than
 * the last one, or of equal rank and lower address, is reported at once, whether or not it would
 * deadlock today.
 */
#include <lib/assert.h>
#include <lib/spinlock.h>

#define GIVE_UP_NS INT64_C(60000000000) /* sections are microseconds, but a host may be busy */

static const char *const rank_names[] = {
#define LOCK_RANK_NAME(name) [RANK_##name] = #name,
    LOCK_RANKS(LOCK_RANK_NAME)
#undef LOCK_RANK_NAME
};
_Static_assert(sizeof rank_names / sizeof rank_names[0] == RANK_COUNT, "a name for each rank");

const char *lock_rank_name(unsigned rank)
{
    return rank < RANK_COUNT ? rank_names[rank] : "?";
}

RT_COLD void spin_lock_slow(struct spinlock *l)
{
    int64_t start = 0;

    for (uint32_t spins = 1;; spins++) {
        while (load_relaxed(&l->locked)) {
            arch_cpu_relax();
            if (++spins % (1u << 20) != 0)
                continue;
            if (start == 0)
                start = arch_nanotime();
            if (arch_nanotime() - start > GIVE_UP_NS)
                fatal("lock: %s lock %p not free after 60 s; last owner cpu %d",
                      lock_rank_name(l->rank), (void *)l, l->owner - 1);
        }
        if (!__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE))
            return;
    }
}

#ifdef RT_DEBUG
#define HELD_MAX 40 /* a select of 16, and what is taken below it; more are counted, not checked */

struct held {
    unsigned n, more;
    struct spinlock *locks[HELD_MAX];
};
static PERCPU(struct held, held);

void spin_debug_acquire(struct spinlock *l)
{
    struct held *h = this_cpu_ptr(held);

    if (l->rank >= RANK_COUNT)
        fatal("lock: %p is no lock: rank %u", (void *)l, l->rank);
    for (unsigned i = 0; i < h->n; i++) {
        struct spinlock *other = h->locks[i];
        if (other == l)
            fatal("lock: cpu %u takes the %s lock %p twice", arch_cpu_id(), lock_rank_name(l->rank),
                  (void *)l);
        if (other->rank > l->rank || (other->rank == l->rank && other > l))
            fatal("lock: wrong order: takes %s %p while it holds %s %p", lock_rank_name(l->rank),
                  (void *)l, lock_rank_name(other->rank), (void *)other);
    }
}

void spin_debug_acquired(struct spinlock *l)
{
    struct held *h = this_cpu_ptr(held);

    l->owner = (uint16_t)(arch_cpu_id() + 1);
    if (h->n < HELD_MAX)
        h->locks[h->n++] = l;
    else
        h->more++;
}

void spin_debug_release(struct spinlock *l)
{
    struct held *h = this_cpu_ptr(held);

    for (unsigned i = h->n; i-- > 0;) {
        if (h->locks[i] != l)
            continue;
        h->locks[i] = h->locks[--h->n]; /* order inside does not matter to the check */
        return;
    }
    if (h->more > 0) {
        h->more--;
        return;
    }
    fatal("lock: cpu %u releases the %s lock %p, which it does not hold", arch_cpu_id(),
          lock_rank_name(l->rank), (void *)l);
}

unsigned spin_debug_held(void)
{
    return this_cpu_ptr(held)->n + this_cpu_ptr(held)->more;
}
#endif
