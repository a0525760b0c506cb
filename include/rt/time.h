/*
 * rt/time.h - timers and tickers. (rt_sleep() and rt_nanotime() are in rt/goroutine.h.)
 *
 * All times are nanoseconds on the clock of rt_nanotime(). Nothing happens early; how late depends
 * on the load. Timers with equal times fire in the order in which they were started on one core.
 * Context: a goroutine.
 */
#pragma once

#include <rt/chan.h>

/* A channel that gets the time, once, after ns. Nobody has to receive it: an unused one is
 * collected after that. */
rt_chan(int64_t) rt_after(int64_t ns);

/*
 * A timer that calls a function, as Go's AfterFunc. It needs no clean-up, but must stay where it is
 * until it has fired or was stopped: in a collected object (which the pending timer keeps alive), a
 * global, or a stack that is not left before.
 */
struct rt_timer {
    uint64_t opaque[16]; /* the pending timer, fn and arg */
};

/*
 * After ns, run fn(arg) in a goroutine of its own. Whatever *t held before is forgotten, so it need
 * not be zero, and must not be pending (rt_timer_reset() is for that). arg may be a reference.
 */
void rt_timer_start(struct rt_timer *t, int64_t ns, void (*fn)(void *arg), void *arg);

/*
 * No longer fire. True: it was still to fire, and will not. False: it has fired (fn may be running,
 * or be done), or was stopped before, or never started (zero).
 */
bool rt_timer_stop(struct rt_timer *t);

/* Fire ns from now instead, or again. True if it was still to fire. t was started before, once. */
bool rt_timer_reset(struct rt_timer *t, int64_t ns);

/*
 * A channel that gets the time each ns nanoseconds. Its buffer holds one: a slow receiver misses
 * ticks, and they do not pile up. ns <= 0: panics with "non-positive interval for NewTicker".
 */
struct rt_ticker {
    rt_ref(rt_chan(int64_t)) c;
    struct rt_timer timer;
};

struct rt_ticker *rt_ticker_make(int64_t ns);
void rt_ticker_stop(struct rt_ticker *t); /* no tick comes after this; the channel stays open */
void rt_ticker_reset(struct rt_ticker *t, int64_t ns);
