/*
 * sched/runq.h - runnable goroutines: a ring for each cpu, and one queue for all.
 *
 * The owner puts at the tail and takes at the head; thieves take half from the head. `next` is the
 * goroutine that was readied last: it runs first, so that a pair that talks stays hot on one cpu.
 */
#pragma once

#include <lib/atomic.h>
#include <sched/goroutine.h>

#define RUNQ_SIZE 256u /* a power of two */

struct runq {
    struct goroutine *ring[RUNQ_SIZE]; /* [a] */
    uint32_t head;                     /* [a] thieves and the owner advance it by CAS [runq.2] */
    uint32_t tail;                     /* [a] only the owner writes it, so it reads it plainly */
    struct goroutine *next;            /* [a] put by the owner; all take it by a swap [runq.3] */
};

DECLARE_PERCPU(struct runq, runq);

/* All with preemption off. */

/* The ring is full: half of it and g go to the global queue, or a thief made room meanwhile. */
void runq_overflow(struct runq *q, struct goroutine *g);

static RT_ALWAYS_INLINE bool runq_has_room(const struct runq *q)
{
    return q->tail - load_acquire(&q->head) < RUNQ_SIZE;
}

/* At the tail, where there is room. q is this cpu's. A full barrier behind it, for whoever looks
 * for idle cpus next [idle.1]. */
static RT_ALWAYS_INLINE void runq_put_room(struct runq *q, struct goroutine *g)
{
    uint32_t tail = q->tail;

    store_relaxed(&q->ring[tail % RUNQ_SIZE], g);
    (void)swap_acq_rel(&q->tail, tail + 1);
}

/* At the tail. q is this cpu's. */
static RT_ALWAYS_INLINE void runq_put_in(struct runq *q, struct goroutine *g)
{
    if (RT_LIKELY(runq_has_room(q)))
        runq_put_room(q, g);
    else
        runq_overflow(q, g);
}

/* The oldest of the ring, without `next`; NULL: it is empty, or a thief was faster. q is this
 * cpu's. */
static RT_ALWAYS_INLINE struct goroutine *runq_try_get(struct runq *q)
{
    uint32_t head = load_acquire(&q->head);

    if (head == q->tail)
        return NULL;
    struct goroutine *g = load_relaxed(&q->ring[head % RUNQ_SIZE]);
    if (g == NULL)
        __builtin_unreachable();
    return RT_LIKELY(cas_acq_rel(&q->head, head, head + 1)) ? g : NULL;
}

struct goroutine *runq_get(void); /* of this cpu's ring; NULL only if that is empty */

/* Ring and next; a hint unless it is one's own. */
static inline bool runq_empty(const struct runq *q)
{
    return load_acquire(&q->head) == load_acquire(&q->tail) && load_relaxed(&q->next) == NULL;
}

unsigned runq_length(const struct runq *q);
/* Move half of another cpu's ring to ours, which is empty, and return one of them; else its `next`
 * if `take_next`. NULL: nothing. */
struct goroutine *runq_steal(unsigned victim, bool take_next);

void globq_put(struct goroutine *g);
void globq_put_chain(struct goroutine *first, struct goroutine *last, unsigned n);
struct goroutine *globq_get(void); /* one for us, and a fair share of the others into our ring */

extern unsigned globq_n; /* [a] written under the queue's lock */

/* Any context. */
static inline unsigned globq_length(void)
{
    return load_relaxed(&globq_n);
}
