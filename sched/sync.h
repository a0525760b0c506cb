/*
 * sched/sync.h - the queue that the locks of rt/sync.h wait in.
 *
 * A queue is a spin lock, a count, and the goroutines that wait for the count to rise: a semaphore
 * that is strictly first come, first served. A release that finds a waiter does not raise the
 * count; the unit goes to the waiter [sync.1]. The waiters' records lie on their own stacks. Zero
 * is an empty queue; the rank of its lock is set at each use.
 */
#pragma once

#include <lib/atomic.h>
#include <lib/spinlock.h>
#include <rt/sync.h>
#include <sched/sched.h>

struct sync_waiter {
    struct sync_waiter *next; /* [queue lock] */
    struct goroutine *g;
};

/* Who runs next after a release that let somebody through. */
enum sync_wake {
    SYNC_WAKE,      /* it, soon */
    SYNC_WAKE_LAST, /* one of many: at the end of the run queue, so that they run in order */
    SYNC_HAND_OVER, /* it, at once: the caller gives way */
};

/*
 * Take a unit, or wait for one. in_front: before those who wait already. A goroutine, preemption
 * on.
 */
void sync_acquire(struct rt_sync_queue *q, bool in_front, enum wait_reason why);
bool sync_try_acquire(struct rt_sync_queue *q);
void sync_release(struct rt_sync_queue *q, enum sync_wake wake);

/* The parts, for what waits without a count. */
void sync_queue_lock(struct rt_sync_queue *q);
void sync_queue_unlock(struct rt_sync_queue *q);
void sync_enqueue_locked(struct rt_sync_queue *q, struct sync_waiter *w, bool in_front);
struct sync_waiter *sync_dequeue_locked(struct rt_sync_queue *q); /* the first, or NULL */
