/*
 * sched/sema.c - the waiting queue of all locks, and the semaphore, which is little more.
 *
 * INVARIANTS
 * [sync.1] While somebody waits for a count, the count is 0: a release hands its unit to the first
 *          waiter.
 * [sync.2] A record is on its queue until the lock holder takes it off; whoever does calls ready()
 *          once, and reads the record before, for it dies with the wait.
 * LOCKING. The queue's own spin lock, rank SYNC. ready() is called after it is free.
 * REJECTED. Go's table of queues by address, with a tree each: it saves 24 bytes a mutex, and costs
 * a hash, a shared lock and a rotation for each wait.
 */
#include <rt/goroutine.h>
#include <sched/sync.h>

_Static_assert(sizeof(struct spinlock) == sizeof(uint32_t), "rt/sync.h shows it as a uint32_t");

static struct spinlock *lock_of(struct rt_sync_queue *q)
{
    return (struct spinlock *)&q->lock;
}

void sync_queue_lock(struct rt_sync_queue *q) NO_LOCK_ANALYSIS
{
    struct spinlock *lock = lock_of(q);

    store_relaxed(&lock->rank, RANK_SYNC); /* a zeroed struct is ready to use */
    spin_lock(lock);
}

void sync_queue_unlock(struct rt_sync_queue *q) NO_LOCK_ANALYSIS
{
    spin_unlock(lock_of(q));
}

void sync_enqueue_locked(struct rt_sync_queue *q, struct sync_waiter *w, bool in_front)
{
    if (q->first == NULL) {
        w->next = NULL;
        q->first = q->last = w;
    } else if (in_front) {
        w->next = q->first;
        q->first = w;
    } else {
        w->next = NULL;
        q->last->next = w;
        q->last = w;
    }
}

struct sync_waiter *sync_dequeue_locked(struct rt_sync_queue *q)
{
    struct sync_waiter *w = q->first;

    if (w != NULL) {
        q->first = w->next;
        if (q->first == NULL)
            q->last = NULL;
    }
    return w;
}

void sync_acquire(struct rt_sync_queue *q, bool in_front, enum wait_reason why)
{
    struct sync_waiter w = {.g = goroutine_current()};

    arch_touch_stack();
    sync_queue_lock(q);
    if (q->count > 0) {
        q->count--;
        sync_queue_unlock(q);
        return;
    }
    sync_enqueue_locked(q, &w, in_front);
    sync_queue_unlock(q);
    park(why);
}

bool sync_try_acquire(struct rt_sync_queue *q)
{
    bool got;

    if (load_relaxed(&q->count) == 0)
        return false;
    arch_touch_stack();
    sync_queue_lock(q);
    got = q->count > 0;
    q->count -= got;
    sync_queue_unlock(q);
    return got;
}

void sync_release(struct rt_sync_queue *q, enum sync_wake wake)
{
    struct sync_waiter *w;
    struct goroutine *g = NULL;

    arch_touch_stack();
    sync_queue_lock(q);
    w = sync_dequeue_locked(q);
    if (w != NULL)
        g = w->g; /* [sync.2] */
    else
        q->count++;
    sync_queue_unlock(q);
    if (g == NULL)
        return;
    if (wake == SYNC_WAKE_LAST) {
        ready_last(g);
        return;
    }
    ready(g);
    if (wake == SYNC_HAND_OVER)
        rt_yield();
}

void rt_sema_init(struct rt_sema *s, uint32_t count)
{
    *s = (struct rt_sema){.queue = {.count = count}};
}

void rt_sema_acquire(struct rt_sema *s)
{
    sync_acquire(&s->queue, false, WAIT_SEMACQUIRE);
}

bool rt_sema_try_acquire(struct rt_sema *s)
{
    return sync_try_acquire(&s->queue);
}

void rt_sema_release(struct rt_sema *s)
{
    sync_release(&s->queue, SYNC_WAKE);
}
