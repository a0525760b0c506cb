/*
 * sched/timer.c - each cpu's 4-ary heap.
 *
 * INVARIANTS
 * [timer.1] heap[0] is the earliest; each parent is no later than its children; t->heap_index says
 *           where t is.
 * [timer.2] A timer is in at most one heap; `cpu` says which, and changes only while it is in none.
 *           Somebody who stops a timer locks the heap of t->cpu and looks again whether that was
 *           right.
 * [timer.3] fn runs with no lock held, after its timer has left the heap: it may start it again.
 * LOCKING. One lock a heap, rank TIMER. Handlers never touch a heap: the timer interrupt only asks
 * for the scheduler.
 * REJECTED. A wheel: its tick would bound the precision, or its size the range; 4-ary heaps of Go's
 * size sift through few cache lines. That also is why a place in the heap holds its timer's time.
 */
#include <lib/assert.h>
#include <lib/fail.h>
#include <lib/spinlock.h>
#include <lib/string.h>
#include <mm/page.h>
#include <sched/timer.h>

struct place {
    int64_t when_ns; /* t->when_ns */
    struct timer *t;
};

struct timer_heap {
    struct spinlock lock;
    struct place *heap;  /* [lock] pages */
    uint32_t n, room;    /* [lock] */
    uint64_t next_order; /* [lock] */
    uint32_t n_waited;   /* [a] those not in the background */
    int64_t first_ns;    /* [a] when heap[0] is due, 0 for none: for those who don't lock */
};

static PERCPU(struct timer_heap, timer_heap);

static bool before(struct place a, struct place b)
{
    return a.when_ns < b.when_ns || (a.when_ns == b.when_ns && a.t->order < b.t->order);
}

static void put(struct timer_heap *h, uint32_t i, struct place p)
{
    h->heap[i] = p;
    p.t->heap_index = i + 1;
}

static void sift_up(struct timer_heap *h, uint32_t i, struct place p)
{
    while (i > 0) {
        uint32_t parent = (i - 1) / 4;
        if (!before(p, h->heap[parent]))
            break;
        put(h, i, h->heap[parent]);
        i = parent;
    }
    put(h, i, p);
}

static void sift_down(struct timer_heap *h, uint32_t i, struct place p)
{
    for (;;) {
        uint32_t first = 4 * i + 1, best = first;
        if (first >= h->n)
            break;
        for (uint32_t c = first + 1; c < first + 4 && c < h->n; c++)
            if (before(h->heap[c], h->heap[best]))
                best = c;
        if (!before(h->heap[best], p))
            break;
        put(h, i, h->heap[best]);
        i = best;
    }
    put(h, i, p);
}

static void publish_first_locked(struct timer_heap *h)
{
    int64_t first = h->n > 0 ? h->heap[0].when_ns : 0;

    store_relaxed(&h->first_ns, h->n > 0 && first < 1 ? 1 : first);
}

static void remove_locked(struct timer_heap *h, struct timer *t)
{
    uint32_t i = t->heap_index - 1;
    struct place last = h->heap[--h->n];

    store_relaxed(&h->n_waited, h->n_waited - !t->background);
    t->heap_index = 0;
    if (last.t != t) {
        if (i > 0 && before(last, h->heap[(i - 1) / 4]))
            sift_up(h, i, last);
        else
            sift_down(h, i, last);
    }
    publish_first_locked(h);
}

/* Double the heap's room. Called without the lock, since it allocates; somebody else may have grown
 * it meanwhile. */
static bool heap_grow(struct timer_heap *h)
{
    uint32_t room = load_relaxed(&h->room);
    uint32_t want = room == 0 ? PAGE_BYTES / sizeof *h->heap : room * 2;
    size_t pages = (size_t)want * sizeof *h->heap / PAGE_BYTES;
    struct place *bigger = fail_now(FAIL_TIMER) ? NULL : page_alloc(pages, 1, 0), *old = NULL;

    if (bigger == NULL)
        return false;
    spin_lock(&h->lock);
    if (h->room == room) {
        if (h->n > 0)
            memcpy(bigger, h->heap, h->n * sizeof *h->heap);
        old = h->heap;
        h->heap = bigger;
        store_relaxed(&h->room, want);
        bigger = NULL;
    }
    spin_unlock(&h->lock);
    if (bigger != NULL)
        page_free(bigger, pages);
    if (old != NULL)
        page_free(old, (size_t)room * sizeof *old / PAGE_BYTES);
    return true;
}

bool timer_start(struct timer *t, int64_t when_ns, void (*fn)(struct timer *))
{
    timer_stop(t);
    for (;;) {
        preempt_off();
        struct timer_heap *h = this_cpu_ptr(timer_heap);
        h->lock.rank = RANK_TIMER;
        spin_lock(&h->lock);
        if (h->n < h->room) {
            t->when_ns = when_ns;
            t->order = h->next_order++;
            t->fn = fn;
            store_relaxed(&t->cpu, arch_cpu_id());
            store_relaxed(&h->n_waited, h->n_waited + !t->background);
            sift_up(h, h->n++, (struct place){when_ns, t});
            bool first = h->heap[0].t == t;
            publish_first_locked(h);
            spin_unlock(&h->lock);
            if (first)
                sched_timer_changed();
            preempt_on();
            return true;
        }
        spin_unlock(&h->lock);
        bool grown = heap_grow(h);
        preempt_on();
        if (!grown)
            return false;
    }
}

bool timer_stop(struct timer *t)
{
    for (;;) {
        uint32_t cpu = load_relaxed(&t->cpu);
        struct timer_heap *h = cpu_ptr(cpu, timer_heap);
        h->lock.rank = RANK_TIMER;
        spin_lock(&h->lock);
        if (load_relaxed(&t->cpu) != cpu) { /* [timer.2] */
            spin_unlock(&h->lock);
            continue;
        }
        bool pending = t->heap_index != 0;
        if (pending)
            remove_locked(h, t);
        spin_unlock(&h->lock);
        return pending;
    }
}

int64_t timer_next(void)
{
    int64_t first = load_relaxed(&this_cpu_ptr(timer_heap)->first_ns);
    return first == 0 ? INT64_MAX : first;
}

bool timer_any(void)
{
    for (unsigned i = 0; i < arch_cpu_count(); i++)
        if (load_relaxed(&cpu_ptr(i, timer_heap)->n_waited) != 0)
            return true;
    return false;
}

void timer_run_due(void)
{
    struct timer_heap *h = this_cpu_ptr(timer_heap);
    int64_t now = arch_nanotime();

    for (unsigned n = 0; n < TIMERS_AT_ONCE; n++) {
        int64_t first = load_relaxed(&h->first_ns);
        struct timer *t = NULL;
        if (first == 0 || first > now)
            return;
        spin_lock(&h->lock);
        if (h->n > 0 && h->heap[0].when_ns <= now) {
            t = h->heap[0].t;
            remove_locked(h, t);
        }
        void (*fn)(struct timer *) = t != NULL ? t->fn : NULL;
        spin_unlock(&h->lock);
        if (t == NULL)
            return;
        fn(t); /* [timer.3] */
        if (!(this_cpu(preempt) & PREEMPT_QUIET))
            return; /* a stop must not wait for all; the hardware timer finds the rest due */
    }
}
