/*
 * sched/rwmutex.c - the reader/writer lock.
 *
 * WHAT. Go's: `readers` counts readers; a writer takes `writers`, subtracts WRITER from `readers`
 * (which sends new readers to the queue) and waits for those that were there. When it unlocks, it
 * adds WRITER back and lets in the readers that came meanwhile, before the next writer: neither
 * side starves.
 * [rw.1] readers < 0: a writer holds the lock or waits for it. readers + WRITER is the number of
 *        readers then.
 * [rw.2] `leaving` is how many readers the writer still waits for; the one that brings it to 0
 *        wakes it. It may be below 0 for a moment, when readers leave before the writer has said
 *        how many it found.
 * ORDERING. All counters change by full barriers.
 * SOURCES. Go sync/rwmutex.go.
 */
#include <sched/sync.h>

#define WRITER (1 << 30)

void rt_rwmutex_rlock(struct rt_rwmutex *rw)
{
    if (add_acq_rel(&rw->readers, 1) + 1 < 0)
        sync_acquire(&rw->readers_wait, false, WAIT_RWMUTEX_RLOCK);
}

bool rt_rwmutex_tryrlock(struct rt_rwmutex *rw)
{
    for (;;) {
        int32_t readers = load_relaxed(&rw->readers);
        if (readers < 0)
            return false;
        if (cas_acq_rel(&rw->readers, readers, readers + 1))
            return true;
    }
}

void rt_rwmutex_runlock(struct rt_rwmutex *rw)
{
    int32_t old = sub_acq_rel(&rw->readers, 1);

    if (old > 0)
        return;
    if (old == 0 || old == -WRITER)
        sched_fatal("sync: RUnlock of unlocked RWMutex");
    if (sub_acq_rel(&rw->leaving, 1) == 1) /* [rw.2] */
        sync_release(&rw->writer_waits, SYNC_WAKE);
}

void rt_rwmutex_lock(struct rt_rwmutex *rw)
{
    int32_t there;

    rt_mutex_lock(&rw->writers);
    there = sub_acq_rel(&rw->readers, WRITER);
    if (there != 0 && add_acq_rel(&rw->leaving, there) + there != 0)
        sync_acquire(&rw->writer_waits, false, WAIT_RWMUTEX_LOCK);
}

bool rt_rwmutex_trylock(struct rt_rwmutex *rw)
{
    if (!rt_mutex_trylock(&rw->writers))
        return false;
    if (cas_acq_rel(&rw->readers, 0, -WRITER))
        return true;
    rt_mutex_unlock(&rw->writers);
    return false;
}

void rt_rwmutex_unlock(struct rt_rwmutex *rw)
{
    int32_t waiting = add_acq_rel(&rw->readers, WRITER) + WRITER;

    if (waiting >= WRITER)
        sched_fatal("sync: Unlock of unlocked RWMutex");
    for (; waiting > 0; waiting--)
        sync_release(&rw->readers_wait, SYNC_WAKE_LAST);
    rt_mutex_unlock(&rw->writers);
}
