/*
 * sched/waitgroup.c - wait groups.
 *
 * Counter and number of waiters are one word, so that "the counter came to 0 and somebody waits" is
 * one atomic step [wg.1]. Whoever does that step owns the word until it has stored 0: any other
 * change meanwhile is the program's misuse, and panics where it is seen.
 * ORDERING. add and wait change the word by full barriers: what happened before a done is visible
 * after the wait.
 * SOURCES. Go sync/waitgroup.go.
 */
#include <sched/sync.h>

#define COUNT_SHIFT 32

void rt_wg_add(struct rt_waitgroup *wg, int n)
{
    uint64_t delta = (uint64_t)(uint32_t)n << COUNT_SHIFT;
    uint64_t state = add_acq_rel(&wg->state, delta) + delta;
    int32_t count = (int32_t)(state >> COUNT_SHIFT);
    uint32_t waiters = (uint32_t)state;

    if (count < 0)
        sched_panic("sync: negative WaitGroup counter");
    if (waiters != 0 && n > 0 && count == n)
        sched_panic("sync: WaitGroup misuse: Add called concurrently with Wait");
    if (count > 0 || waiters == 0)
        return;
    if (load_relaxed(&wg->state) != state) /* [wg.1] */
        sched_panic("sync: WaitGroup misuse: Add called concurrently with Wait");
    store_seq_cst(&wg->state, 0);
    for (; waiters > 0; waiters--)
        sync_release(&wg->queue, SYNC_WAKE_LAST);
}

void rt_wg_done(struct rt_waitgroup *wg)
{
    rt_wg_add(wg, -1);
}

void rt_wg_wait(struct rt_waitgroup *wg)
{
    for (;;) {
        uint64_t state = load_acquire(&wg->state);
        if (state >> COUNT_SHIFT == 0)
            return;
        if (!cas_acq_rel(&wg->state, state, state + 1))
            continue;
        sync_acquire(&wg->queue, false, WAIT_WAITGROUP_WAIT);
        if (load_acquire(&wg->state) != 0)
            sched_panic("sync: WaitGroup is reused before previous Wait has returned");
        return;
    }
}
