/*
 * sched/cond.c - condition variables.
 *
 * A waiter queues before it unlocks the mutex, so a signal after that finds it: nothing is lost
 * between. A broadcast takes the whole queue off in one step, so it wakes exactly those who waited
 * when it was called.
 */
#include <sched/sync.h>

void rt_cond_wait(struct rt_cond *c, struct rt_mutex *m)
{
    struct sync_waiter w = {.g = goroutine_current()};

    arch_touch_stack();
    sync_queue_lock(&c->queue);
    sync_enqueue_locked(&c->queue, &w, false);
    sync_queue_unlock(&c->queue);
    rt_mutex_unlock(m);
    park(WAIT_COND_WAIT);
    rt_mutex_lock(m);
}

void rt_cond_signal(struct rt_cond *c)
{
    struct sync_waiter *w;
    struct goroutine *g = NULL;

    if (load_relaxed(&c->queue.first) == NULL)
        return;
    arch_touch_stack();
    sync_queue_lock(&c->queue);
    w = sync_dequeue_locked(&c->queue);
    if (w != NULL)
        g = w->g; /* [sync.2] */
    sync_queue_unlock(&c->queue);
    if (g != NULL)
        ready(g);
}

void rt_cond_broadcast(struct rt_cond *c)
{
    struct sync_waiter *w;

    if (load_relaxed(&c->queue.first) == NULL)
        return;
    arch_touch_stack();
    sync_queue_lock(&c->queue);
    w = c->queue.first;
    c->queue.first = c->queue.last = NULL;
    sync_queue_unlock(&c->queue);
    while (w != NULL) { /* the chain is ours: each record lives until its ready() */
        struct sync_waiter *next = w->next;
        ready_last(w->g);
        w = next;
    }
}
