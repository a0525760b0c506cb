/*
 * lang/time.c - timers of programs: rt_after, rt_timer, rt_ticker.
 *
 * WHAT. A program's timer is a sched/timer.h timer with a function and a lock. When it is due, the
 * scheduler calls clock_fire() on its own stack, which starts a goroutine or sends to a channel
 * without waiting.
 *
 * [time.1] Stop and reset say "was still to fire" exactly if the timer was in the heap: between
 *          leaving the heap and clock_fire() it has fired already, as in Go, and a reset then makes
 *          it fire once more.
 * [time.2] While a timer is pending, holds keep its own object and its argument alive, wherever
 *          they lie.
 * [time.3] A ticker that was stopped sends nothing any more: firing and stopping exclude each
 *          other, and `pending` tells a tick that was on its way.
 * LOCKING. Each clock has a spin lock of rank CLOCK, taken around start and stop, so that two
 * cannot start one timer at once. On the scheduler stack it is taken too; whoever holds it has
 * preemption off.
 * SOURCES. Go time/sleep.go, tick.go; runtime/time.go (how a late ticker goes on).
 */
#include <rt/time.h>

#include <gc/alloc.h>
#include <gc/barrier.h>
#include <gc/up.h>
#include <lang/hold.h>
#include <lang/panic.h>
#include <lib/assert.h>
#include <lib/list.h>
#include <lib/spinlock.h>
#include <rt/goroutine.h>
#include <sched/sched.h>
#include <sched/timer.h>

#define NO_MEMORY_RETRY_NS 1000000

/* What is in the opaque part of struct rt_timer. */
struct clock {
    struct timer timer;
    struct spinlock lock;
    bool pending;          /* [lock] started, and not yet fired or stopped */
    void (*fn)(void *);    /* [lock] rt_timer: to be run in a goroutine; NULL: send to `c` */
    void *arg;             /* [lock] */
    struct rt_chan *c;     /* [lock] */
    int64_t period_ns;     /* [lock] 0: fires once */
    struct hold *holds[2]; /* [lock] of the clock's own object, of arg [time.2] */
};
_Static_assert(sizeof(struct clock) <= sizeof(struct rt_timer), "rt/time.h leaves room for it");
_Static_assert(_Alignof(struct clock) <= _Alignof(struct rt_timer), "and aligns it");

static struct clock *clock_of(struct rt_timer *t)
{
    return (struct clock *)t->opaque;
}

static void clock_fire(struct timer *t);

/* Nanoseconds from now, as a time; the far future for what does not fit. */
static int64_t time_after(int64_t ns)
{
    int64_t when;

    if (ns < 0)
        ns = 0;
    return __builtin_add_overflow(arch_nanotime(), ns, &when) ? INT64_MAX : when;
}

static void holds_drop_locked(struct clock *k)
{
    for (size_t i = 0; i < 2; i++) {
        hold_drop(k->holds[i]);
        k->holds[i] = NULL;
    }
}

/* One try. False: no room for the timer; then it is stopped. */
static bool clock_try_start(struct clock *k, int64_t when, bool *was)
{
    struct hold *self = hold_take(k), *arg = hold_take(k->arg);
    bool ok;

    spin_lock(&k->lock);
    *was |= timer_stop(&k->timer); /* [time.1] */
    ok = timer_start(&k->timer, when, clock_fire);
    holds_drop_locked(k);
    k->pending = ok;
    if (ok) {
        k->holds[0] = self;
        k->holds[1] = arg;
    }
    spin_unlock(&k->lock);
    if (!ok) {
        hold_drop(self);
        hold_drop(arg);
    }
    return ok;
}

/* Start, or move. True if it was still to fire. */
static bool clock_start(struct clock *k, int64_t when)
{
    bool was = false;

    for (unsigned step = 0; RT_UNLIKELY(!clock_try_start(k, when, &was)); step++)
        sched_up_no_memory(step, sizeof(struct timer));
    return was;
}

static bool clock_stop(struct clock *k)
{
    bool was;

    spin_lock(&k->lock);
    was = timer_stop(&k->timer);
    k->pending = false;
    holds_drop_locked(k);
    spin_unlock(&k->lock);
    return was;
}

/* ---- Firing: on a scheduler stack, preemption off ---- */

struct clock_call {
    void (*fn)(void *);
    void *arg;
};

static void clock_call(void *args)
{
    struct clock_call *call = args;

    call->fn(call->arg);
}

/* Again: at the next multiple of the period that is still to come. */
static bool clock_go_on_locked(struct clock *k, int64_t now)
{
    int64_t late = now - k->timer.when_ns;
    int64_t when, skip = k->period_ns * (1 + (late > 0 ? late / k->period_ns : 0));

    if (__builtin_add_overflow(k->timer.when_ns, skip, &when))
        when = INT64_MAX;
    return timer_start(&k->timer, when, clock_fire);
}

static void clock_fire(struct timer *t)
{
    struct clock *k = container_of(t, struct clock, timer);
    int64_t now = arch_nanotime();
    struct clock_call call;
    struct rt_chan *c;

    spin_lock(&k->lock);
    gc_shade(k); /* it may be in no heap any more, and not yet on any stack */
    gc_shade(k->arg);
    call = (struct clock_call){k->fn, k->arg};
    c = k->c;
    gc_shade(c);
    if (k->period_ns > 0) {
        if (!k->pending) { /* stopped while it was on its way [time.3] */
            spin_unlock(&k->lock);
            return;
        }
        if (t->heap_index == 0 && !clock_go_on_locked(k, now))
            sched_fatal("out of memory: no room for a ticker");
        rt_chan_try_send_word(c, (uint64_t)now); /* under the lock: none after a stop */
        spin_unlock(&k->lock);
        return;
    }
    if (call.fn != NULL &&
        goroutine_spawn(clock_call, &call, sizeof(call), NULL, (uintptr_t)call.fn, 0) == NULL) {
        if (t->heap_index == 0 && !timer_start(t, now + NO_MEMORY_RETRY_NS, clock_fire))
            sched_fatal("out of memory: no room for a timer's goroutine");
        spin_unlock(&k->lock);
        return;
    }
    if (t->heap_index == 0) { /* not started again meanwhile */
        k->pending = false;
        holds_drop_locked(k);
    }
    spin_unlock(&k->lock);
    if (c != NULL)
        rt_chan_try_send_word(c, (uint64_t)now);
}

/* ---- The API ---- */

static void clock_init(struct clock *k)
{
    *k = (struct clock){.lock = SPINLOCK_INIT(RANK_CLOCK)};
}

void rt_timer_start(struct rt_timer *t, int64_t ns, void (*fn)(void *arg), void *arg)
{
    struct clock *k = clock_of(t);

    clock_init(k);
    k->fn = fn;
    k->arg = arg;
    clock_start(k, time_after(ns));
}

bool rt_timer_stop(struct rt_timer *t)
{
    struct clock *k = clock_of(t);

    store_relaxed(&k->lock.rank, RANK_CLOCK); /* it may be all zero: never started */
    return clock_stop(k);
}

bool rt_timer_reset(struct rt_timer *t, int64_t ns)
{
    struct clock *k = clock_of(t);

    if (k->fn == NULL)
        panic_plain(RT_PANIC_SYNC, "time: Reset called on uninitialized Timer");
    return clock_start(k, time_after(ns));
}

/* A clock that sends to a channel; both are one object's business. */
struct after {
    rt_ref(rt_chan(int64_t)) c;
    struct rt_timer timer;
};

rt_chan(int64_t) rt_after(int64_t ns)
{
    struct after *a = gc_alloc(RT_TYPE(struct after));
    rt_chan(int64_t) c = rt_chan_make(int64_t, 1);
    struct clock *k = clock_of(&a->timer);

    rt_gc_set(a->c, c);
    clock_init(k);
    k->c = rt_chan_raw(c);
    clock_start(k, time_after(ns));
    return c;
}

struct rt_ticker *rt_ticker_make(int64_t ns)
{
    struct rt_ticker *t;

    if (ns <= 0)
        panic_plain(RT_PANIC_SYNC, "non-positive interval for NewTicker");
    t = gc_alloc(RT_TYPE(struct rt_ticker));
    rt_gc_set(t->c, rt_chan_make(int64_t, 1));
    clock_init(clock_of(&t->timer));
    clock_of(&t->timer)->c = rt_chan_raw(t->c);
    clock_of(&t->timer)->period_ns = ns;
    clock_start(clock_of(&t->timer), time_after(ns));
    return t;
}

void rt_ticker_stop(struct rt_ticker *t)
{
    clock_stop(clock_of(&t->timer));
}

void rt_ticker_reset(struct rt_ticker *t, int64_t ns)
{
    struct clock *k = clock_of(&t->timer);

    if (ns <= 0)
        panic_plain(RT_PANIC_SYNC, "non-positive interval for Ticker.Reset");
    clock_stop(k);
    spin_lock(&k->lock);
    k->period_ns = ns;
    spin_unlock(&k->lock);
    clock_start(k, time_after(ns));
}
