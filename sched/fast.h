/*
 * sched/fast.h - the usual ways through the scheduler, inline, for the few places that take them
 * with each operation of a program. Everybody else calls park() and ready() (sched/goroutine.h).
 *
 * All with preemption off. What is not usual is a call from here: sched/sched.c, whose chapter
 * explains it.
 *
 * [sched.5] While somebody waits on a cpu, in its ring or as `next`, its slice is armed. So whoever
 *           puts a goroutine there, by whatever way, calls slice_need(); and it is disarmed only
 *           where nobody waits.
 */
#pragma once

#include <lib/assert.h>
#include <lib/trace.h>
#include <sched/runq.h>

extern uint64_t sched_idle_count;           /* [a] cpus in idle(); a hint */
DECLARE_PERCPU(bool, sched_slice_armed);    /* [c] the hardware timer also ends a slice */
DECLARE_PERCPU(uint32_t, sched_until_look); /* [c] picks until one looks closer: pick_in_turn() */

RT_COLD void sched_slice_begin(void);
RT_COLD void sched_wake_one_slow(void);

/* Somebody waits on this cpu: see that its turn comes. */
static RT_ALWAYS_INLINE void slice_need(void)
{
    if (RT_UNLIKELY(!this_cpu(sched_slice_armed)))
        sched_slice_begin();
}

/* After an enqueue that was a full barrier [idle.1]. */
static RT_ALWAYS_INLINE void wake_if_idle(void)
{
    if (RT_UNLIKELY(sched_idle_count != 0)) /* what the barrier before it lets us see */
        sched_wake_one_slow();
}

/*
 * Make g the one that runs next on this cpu, whose queue is q. True, which is usual: that was all.
 * False: the caller goes on with enqueue_rest(*displaced); so that whoever has registers full needs
 * to save none for a call.
 */
static RT_ALWAYS_INLINE bool enqueue_quick(struct runq *q, struct goroutine *g,
                                           struct goroutine **displaced)
{
    /* whoever walks all goroutines finds a complete one behind it */
    store_release(&g->state, G_RUNNABLE);
    *displaced = g = swap_acq_rel(&q->next, g); /* also the barrier of [idle.1] */
    return RT_LIKELY(g == NULL) && RT_LIKELY(this_cpu(sched_slice_armed)) &&
           RT_LIKELY(sched_idle_count == 0);
}

/* For a caller that gives up this cpu right away: nobody needs to be woken. */
static RT_ALWAYS_INLINE void enqueue_here(struct runq *q, struct goroutine *g)
{
    store_release(&g->state, G_RUNNABLE);
    g = swap_acq_rel(&q->next, g);
    if (g != NULL)
        runq_put_in(q, g);
    slice_need();
}

static RT_ALWAYS_INLINE void enqueue_rest(struct runq *q, struct goroutine *displaced)
{
    if (displaced != NULL)
        runq_put_in(q, displaced);
    slice_need();
    wake_if_idle();
}

static RT_ALWAYS_INLINE void enqueue_next(struct runq *q, struct goroutine *g)
{
    if (!enqueue_quick(q, g, &g))
        enqueue_rest(q, g);
}

/* The right to enqueue g, which waits or is about to [park.1]. False: it finds the permit. */
static RT_ALWAYS_INLINE bool ready_claim(struct goroutine *g)
{
    int32_t tokens = add_acq_rel(&g->tokens, 1); /* partner: sched_finish_park() */

    DEBUG_ASSERT(tokens == -1 || tokens == 0); /* one ready() for each park() */
    return RT_LIKELY(tokens == -1);
}

/* ready(), with true and false as enqueue_quick(). */
static RT_ALWAYS_INLINE bool ready_quick(struct goroutine *g, struct goroutine **displaced)
{
    if (!ready_claim(g))
        return true;
    trace_debug(TRACE_READY, g->id, 0);
    return enqueue_quick(this_cpu_ptr(runq), g, displaced);
}

/* ---- Picking ---- */

/*
 * The usual pick: `next`, else the oldest of the ring. One counter says that it is not usual: it
 * has run down, or was made so (look_closer()). need_room: afterwards the ring has room for one,
 * which it has anyway if one was taken out of it. NULL: ask pick_in_turn().
 */
static RT_ALWAYS_INLINE struct goroutine *pick_fast(uintptr_t base, bool need_room)
{
    struct runq *q = cpu_ptr_at(base, runq);

    if (RT_UNLIKELY(arch_count_down(cpu_ptr_at(base, sched_until_look))))
        return NULL;
    if (q->next == NULL)
        return runq_try_get(q);
    if (need_room && RT_UNLIKELY(!runq_has_room(q)))
        return NULL;
    return swap_acq_rel(&q->next, NULL);
}

/* ---- Switching ---- */

/* It can be entered by a switch, at once. pick_fast() gives nobody while sched_scan_on. */
static RT_ALWAYS_INLINE bool can_enter(const struct goroutine *g)
{
    return RT_LIKELY(!g->preempted);
}

/* Preemption depth is 1 when a goroutine leaves its cpu by a call: no section is open, no lock held
 * [spin.1]. */
static RT_ALWAYS_INLINE void check_may_leave(void)
{
    DEBUG_ASSERT(preempt_depth() == 1);
}

/*
 * Leave the running goroutine by a call, for `next`. Preemption depth is 1; comes back when it is
 * resumed, still so, perhaps on another cpu. The stack has been touched: arch_switch() pushes while
 * `current` is somebody else already, and a fault would be nobody's.
 */
static RT_ALWAYS_INLINE struct arch_context *enter(struct goroutine *next)
{
    next->state = G_RUNNING;
    this_cpu(current) = next;
    return &next->context;
}

void sched_finish_park(struct arch_context *from, uintptr_t base);
void sched_park_slow(struct goroutine *g, struct goroutine *next);

/*
 * Wait as in park(), whose caller has touched the stack and turned preemption off, once; it comes
 * back on. A permit that is there already is found by sched_finish_park(), or if nobody else is to
 * run, before.
 */
static RT_ALWAYS_INLINE void park_fast(enum wait_reason why)
{
    struct goroutine *g = goroutine_current();

    check_may_leave();
    g->wait_reason = (uint8_t)why;
    arch_cycles_store(&g->wait_since);
    g->state = G_WAITING;
    uintptr_t base = this_cpu_base();
    struct goroutine *next = pick_fast(base, false);
    if (RT_UNLIKELY(next == NULL || !can_enter(next))) {
        sched_park_slow(g, next);
        return;
    }
    arch_switch(&g->context, enter(next), sched_finish_park, base);
    preempt_on();
}
