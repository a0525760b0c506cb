/*
 * sched/runq.c - the queues of runq.h.
 *
 * INVARIANTS
 * [runq.1] A goroutine is on at most one queue, and in one place of it.
 * [runq.2] ring[head % SIZE .. tail % SIZE) is the content. Whoever moves head by CAS owns what it
 *          passed, so it reads the slots before the CAS; the owner never overwrites a slot until
 *          head has passed it.
 * [runq.3] `next` is taken by one swap, so exactly one taker gets it.
 * [runq.4] A goroutine is put only after its context is saved (the finish_*() of sched/sched.c),
 *          since a thief may run it at once.
 *
 * ORDERING. The owner's swap of tail pairs with the thief's acquire: slots are filled before
 * they are seen. The thief's CAS of head releases, the owner's acquire of head pairs: slots are
 * read before they are reused.
 * REJECTED. A Chase-Lev deque: taking the newest first starves the oldest, and a thief could take
 * only one at a time.
 * SOURCES. golang/go runtime/proc.go (runqput, runqsteal): the shape of the ring and the numbers
 * 256 and one half.
 */
#include <lib/assert.h>
#include <lib/spinlock.h>
#include <sched/runq.h>

PERCPU(struct runq, runq);

static struct spinlock globq_lock = SPINLOCK_INIT(RANK_RUNQ);
static struct goroutine *globq_head, *globq_tail; /* guarded by globq_lock */
unsigned globq_n;

RT_COLD void runq_overflow(struct runq *q, struct goroutine *g)
{
    struct goroutine *batch[RUNQ_SIZE / 2 + 1];
    uint32_t head = load_acquire(&q->head), n = (load_relaxed(&q->tail) - head) / 2;

    for (uint32_t i = 0; i < n; i++)
        batch[i] = load_relaxed(&q->ring[(head + i) % RUNQ_SIZE]);
    if (n < RUNQ_SIZE / 2 || !cas_acq_rel(&q->head, head, head + n)) {
        runq_put_in(q, g); /* a thief made room */
        return;
    }
    batch[n] = g;
    for (uint32_t i = 0; i < n; i++)
        batch[i]->queue_next = batch[i + 1];
    globq_put_chain(batch[0], batch[n], n + 1);
    fence_seq_cst(); /* as runq_put_room() */
}

struct goroutine *runq_get(void)
{
    struct runq *q = this_cpu_ptr(runq);
    struct goroutine *g;

    do {
        g = runq_try_get(q);
    } while (g == NULL && load_acquire(&q->head) != q->tail);
    return g;
}

unsigned runq_length(const struct runq *q)
{
    uint32_t head = load_acquire(&q->head), tail = load_acquire(&q->tail);
    return (tail - head <= RUNQ_SIZE ? tail - head : 0) + (load_relaxed(&q->next) != NULL);
}

struct goroutine *runq_steal(unsigned victim, bool take_next)
{
    struct runq *from = cpu_ptr(victim, runq), *to = this_cpu_ptr(runq);

    for (;;) {
        uint32_t head = load_acquire(&from->head), tail = load_acquire(&from->tail);
        uint32_t n = tail - head;
        n -= n / 2;
        if (n == 0)
            break;
        if (n > RUNQ_SIZE / 2) /* head and tail were read at different times */
            continue;
        uint32_t our_tail = load_relaxed(&to->tail);
        for (uint32_t i = 0; i < n; i++) /* ours is empty, so there is room */
            store_relaxed(&to->ring[(our_tail + i) % RUNQ_SIZE],
                          load_relaxed(&from->ring[(head + i) % RUNQ_SIZE]));
        if (!cas_acq_rel(&from->head, head, head + n))
            continue;
        struct goroutine *g = to->ring[(our_tail + n - 1) % RUNQ_SIZE];
        store_release(&to->tail, our_tail + n - 1);
        return g;
    }
    if (take_next && load_relaxed(&from->next) != NULL)
        return swap_acq_rel(&from->next, NULL);
    return NULL;
}

void globq_put_chain(struct goroutine *first, struct goroutine *last, unsigned n)
{
    last->queue_next = NULL;
    spin_lock(&globq_lock);
    if (globq_tail != NULL)
        globq_tail->queue_next = first;
    else
        globq_head = first;
    globq_tail = last;
    store_relaxed(&globq_n, globq_n + n);
    spin_unlock(&globq_lock);
}

void globq_put(struct goroutine *g)
{
    globq_put_chain(g, g, 1);
}

struct goroutine *globq_get(void)
{
    if (load_relaxed(&globq_n) == 0)
        return NULL;
    spin_lock(&globq_lock);
    struct goroutine *g = globq_head, *rest = NULL;
    unsigned share = globq_n / arch_cpu_count() + 1, n = 0;
    if (share > RUNQ_SIZE / 2)
        share = RUNQ_SIZE / 2;
    if (g != NULL) {
        struct goroutine *last = g;
        for (n = 1; n < share && last->queue_next != NULL; n++)
            last = last->queue_next;
        rest = n > 1 ? g->queue_next : NULL;
        globq_head = last->queue_next;
        if (globq_head == NULL)
            globq_tail = NULL;
        store_relaxed(&globq_n, globq_n - n);
    }
    spin_unlock(&globq_lock);
    for (; n > 1; n--) {
        struct goroutine *next = rest->queue_next;
        runq_put_in(this_cpu_ptr(runq), rest);
        rest = next;
    }
    return g;
}
