/*
 * gc/limiter.c - the collector takes at most half of the machine, even if memory is short.
 *
 * WHAT. When what lives comes close to GOMEMLIMIT, each cycle frees little, the next begins at
 * once, and goroutines pay for every allocation by marking: the program would stand still without
 * ever failing. So time is counted. A bucket of one second for each cpu is filled by the
 * collector's time and drained by the program's; so it becomes full if the collector had more than
 * half for long. While it is full assists are off; the heap grows beyond the soft limit, which is
 * what "soft" means.
 *
 * INVARIANTS
 * [limiter.1] 0 <= fill <= capacity, and gc_limiting is on exactly while fill is capacity.
 * [limiter.2] Time of cpus that have nothing to do is nobody's: neither idle marking counts, nor
 *             halted cpus. How many are halted is looked at when the time is counted, up to a
 *             thousand times a second.
 *
 * LOCKING. limiter_lock (rank GC_POOL), tried: who finds it taken leaves it to the holder.
 * REJECTED. A clock read at each idle period's begin and end: it would be in the path of every
 * wake-up.
 * SOURCES. golang/go runtime/mgclimit.go; proposal 48409 "soft memory limit".
 */
#include <gc/limiter.h>
#include <gc/cycle.h>
#include <sched/sched.h>

#define CAPACITY_NS INT64_C(1000000000) /* for each cpu */

uint8_t gc_limiting;

static struct spinlock limiter_lock = SPINLOCK_INIT(RANK_GC_POOL);
static struct gc_bucket bucket;  /* under limiter_lock */
static int64_t last_ns;          /* [a] written under limiter_lock */
static int64_t seen_ns, idle_ns; /* under limiter_lock: of this cycle's counters, counted already */
static int64_t stops_ns;         /* [a] of stops, not counted yet */
static uint64_t last_cycle;      /* [a] */
static int64_t capacity = CAPACITY_NS; /* under limiter_lock: for each cpu */

void gc_bucket_add(struct gc_bucket *b, int64_t program_ns, int64_t collector_ns)
{
    int64_t change = collector_ns - program_ns, room = b->capacity_ns - b->fill_ns;

    if (change > 0 && change >= room) {
        b->overflow_ns += change - room;
        b->fill_ns = b->capacity_ns;
    } else {
        b->fill_ns = change < -b->fill_ns ? 0 : b->fill_ns + change;
    }
    b->full = b->fill_ns == b->capacity_ns; /* [limiter.1] */
}

/* What the cpus' counters of this cycle say now. */
static void sum_counters(int64_t *marking, int64_t *idle)
{
    *marking = *idle = 0;
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        const struct gc_counts *c = cpu_ptr(i, gc_counts);
        *marking += load_relaxed(&c->assist_ns) + load_relaxed(&c->tick_ns);
        *idle += load_relaxed(&c->idle_ns);
    }
}

static void update_locked(int64_t now)
{
    unsigned procs = sched_procs(), halted = sched_idle_cpus();
    int64_t marking, idle;

    sum_counters(&marking, &idle);
    int64_t collector = marking - seen_ns + swap_acq_rel(&stops_ns, 0);
    int64_t cpus = halted < procs ? procs - halted : 1;
    int64_t total = (now - last_ns) * cpus - (idle - idle_ns);
    seen_ns = marking;
    idle_ns = idle;
    store_relaxed(&last_ns, now);
    bucket.capacity_ns = capacity * (int64_t)procs;
    if (bucket.fill_ns > bucket.capacity_ns)
        bucket.fill_ns = bucket.capacity_ns;
    gc_bucket_add(&bucket, total > collector ? total - collector : 0, collector); /* [limiter.2] */
    store_relaxed(&gc_limiting, bucket.full);
    if (bucket.full)
        store_relaxed(&last_cycle, gc_cycle_number);
}

void gc_limiter_update(int64_t now, bool at_once)
{
    if (now - load_relaxed(&last_ns) < (at_once ? 1 : GC_LIMITER_EVERY_NS))
        return;
    preempt_off();
    if (spin_trylock(&limiter_lock)) {
        if (now > last_ns)
            update_locked(now);
        spin_unlock(&limiter_lock);
    }
    preempt_on();
}

void gc_limiter_stopped(int64_t ns)
{
    add_relaxed(&stops_ns, ns * (int64_t)sched_procs());
}

void gc_limiter_begin_stw(void)
{
    seen_ns = idle_ns = 0;
}

uint64_t gc_limiter_last_cycle(void)
{
    return load_relaxed(&last_cycle);
}

unsigned gc_limiter_fill(void)
{
    int64_t of = bucket.capacity_ns;
    return of > 0 ? (unsigned)(load_relaxed(&bucket.fill_ns) * 100 / of) : 0;
}

void gc_limiter_set_capacity(int64_t ns_per_cpu)
{
    spin_lock(&limiter_lock);
    capacity = ns_per_cpu != 0 ? ns_per_cpu : CAPACITY_NS;
    bucket = (struct gc_bucket){.capacity_ns = capacity * (int64_t)sched_procs()};
    store_relaxed(&gc_limiting, false);
    spin_unlock(&limiter_lock);
}

void gc_limiter_init(void)
{
    last_ns = arch_nanotime();
}
