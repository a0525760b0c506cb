/*
 * rt/sync.h - locks, conditions, wait groups, semaphores, once, pools.
 *
 * All are plain structs that are ready to use when zero (`struct rt_mutex m = {0};`), on a stack,
 * in a global or in a collected object. They must not be copied or moved once used, and must
 * outlive their waiters. Waiting costs no core: the goroutine is parked. Rules are those of Go's
 * package sync: locks are not recursive, and belong to no goroutine (another may unlock).
 * Memory order: what happened before an unlock (release, done, signal) is visible after the lock
 * (acquire, wait) that it lets through.
 * Context: a goroutine. Fields are the runtime's.
 */
#pragma once

#include <rt/call.h>

struct sync_waiter; /* one waiting goroutine, on its own stack */

/* A short lock and a queue: what most of the structs below wait in. */
struct rt_sync_queue {
    uint32_t lock;
    uint32_t count; /* of a semaphore */
    /* volatile as rt/gc.h marks what is never a collected pointer: a mutex may lie in a collected
     * object */
    struct sync_waiter *volatile first, *volatile last;
};

/* ---- Mutex ---- */

/*
 * Fast when contended, and fair when it must be: whoever has waited for 1 ms gets the lock handed
 * over, in order of arrival. Unlocking an unlocked mutex is "fatal error: sync: unlock of unlocked
 * mutex".
 */
struct rt_mutex {
    uint32_t state; /* bits: 0 locked, 1 a waiter was woken, 2 starving, from 3 on: waiters */
    struct rt_sync_queue queue;
};

void rt_mutex_lock_slow(struct rt_mutex *m);
void rt_mutex_unlock_slow(struct rt_mutex *m, uint32_t state);

static inline void rt_mutex_lock(struct rt_mutex *m)
{
    uint32_t unlocked = 0;

    if (RT_UNLIKELY(!__atomic_compare_exchange_n(&m->state, &unlocked, 1, false, __ATOMIC_ACQUIRE,
                                                 __ATOMIC_RELAXED)))
        rt_mutex_lock_slow(m);
}

static inline void rt_mutex_unlock(struct rt_mutex *m)
{
    uint32_t old = __atomic_fetch_sub(&m->state, 1, __ATOMIC_RELEASE);

    if (RT_UNLIKELY(old != 1))
        rt_mutex_unlock_slow(m, old - 1);
}

bool rt_mutex_trylock(struct rt_mutex *m); /* true: it is ours now; never waits */

/* ---- Reader/writer lock ---- */

/*
 * Many readers, or one writer. A waiting writer keeps new readers out, so it gets its turn;
 * therefore don't read-lock again while holding a read lock. Unlocking what is not locked is fatal,
 * as for the mutex.
 */
struct rt_rwmutex {
    struct rt_mutex writers;
    struct rt_sync_queue writer_waits, readers_wait;
    int32_t readers; /* holding or waiting; below 0 while a writer is there */
    int32_t leaving; /* readers that the waiting writer still waits for */
};

void rt_rwmutex_rlock(struct rt_rwmutex *rw);
void rt_rwmutex_runlock(struct rt_rwmutex *rw);
void rt_rwmutex_lock(struct rt_rwmutex *rw);
void rt_rwmutex_unlock(struct rt_rwmutex *rw);
bool rt_rwmutex_tryrlock(struct rt_rwmutex *rw);
bool rt_rwmutex_trylock(struct rt_rwmutex *rw);

/* ---- Condition ---- */

/*
 * rt_cond_wait() unlocks m, waits to be woken, and locks m again; check the condition in a loop. No
 * signal is lost between the unlock and the wait. Signals wake in order of arrival. The caller of
 * signal and broadcast may, but need not, hold m.
 */
struct rt_cond {
    struct rt_sync_queue queue;
};

void rt_cond_wait(struct rt_cond *c, struct rt_mutex *m);
void rt_cond_signal(struct rt_cond *c);
void rt_cond_broadcast(struct rt_cond *c);

/* ---- Wait group ---- */

/*
 * A counter; rt_wg_wait() waits until it is 0. Panics: "sync: negative WaitGroup counter", "sync:
 * WaitGroup misuse: Add called concurrently with Wait", "sync: WaitGroup is reused before previous
 * Wait has returned".
 */
struct rt_waitgroup {
    uint64_t state; /* counter in the upper half, waiters in the lower */
    struct rt_sync_queue queue;
};

void rt_wg_add(struct rt_waitgroup *wg, int n);
void rt_wg_done(struct rt_waitgroup *wg);
void rt_wg_wait(struct rt_waitgroup *wg);

/* wg_go(&wg, fn, args...); add 1; go fn(args...); done when it returns, panics or calls
 * rt_goexit(). */
#define rt_wg_go(wg, ...) RT_CALL(rt_wg_go_checked_, (wg), __VA_ARGS__)
#define RT_WG_GO_ARGS_MAX 496 /* bytes */
#define rt_wg_go_checked_(wg, thunk, args, bytes, entry_pc)                                        \
    _Static_assert((bytes) <= RT_WG_GO_ARGS_MAX, "the arguments of wg_go take up to 496 bytes");   \
    rt_wg_go_spawn((wg), (thunk), (args), (bytes), (entry_pc))
void rt_wg_go_spawn(struct rt_waitgroup *wg, rt_thunk thunk, const void *args, size_t bytes,
                    uintptr_t entry_pc);

/* ---- Once ---- */

/*
 * once_do(&o, fn, args...); the first call makes the call fn(args...); others wait until it has
 * returned. If fn panics, that counts as done. The arguments are evaluated each time. fn must not
 * use the same once.
 */
struct rt_once {
    uint32_t done;
    struct rt_mutex running;
};

#define rt_once_do(once, ...) RT_CALL(rt_once_call_, (once), __VA_ARGS__)
void rt_once_run(struct rt_once *once, rt_thunk thunk, void *args);

static RT_ALWAYS_INLINE void rt_once_call_(struct rt_once *once, rt_thunk thunk, void *args,
                                           RT_UNUSED size_t bytes, RT_UNUSED uintptr_t entry_pc)
{
    if (RT_UNLIKELY(!__atomic_load_n(&once->done, __ATOMIC_ACQUIRE)))
        rt_once_run(once, thunk, args);
}

/* ---- Semaphore ---- */

/*
 * A count that is never below 0; acquire waits for 1 and takes it, strictly in order of arrival.
 */
struct rt_sema {
    struct rt_sync_queue queue;
};

void rt_sema_init(struct rt_sema *s, uint32_t count); /* before its first use; zero means 0 */
void rt_sema_acquire(struct rt_sema *s);
bool rt_sema_try_acquire(struct rt_sema *s); /* false instead of waiting */
void rt_sema_release(struct rt_sema *s);

/* ---- Pool ---- */

/*
 *     static struct rt_pool buffers = {.make = new_buffer};
 * A stock of collected objects that are ready for reuse. get gives any of them, or make(), or NULL
 * if make is NULL. put must get what nobody uses any more; NULL is ignored. What lies in the pool
 * for two collections is dropped, so it is no place to keep things.
 */
struct rt_pool_stock;
struct rt_pool {
    void *(*make)(void);
    struct rt_pool_stock *stock; /* the runtime keeps it */
    uint32_t generation;         /* of the stock: another one means that it is no longer ours */
};

void *rt_pool_get(struct rt_pool *p);
void rt_pool_put(struct rt_pool *p, void *x);

#ifndef RT_NO_SHORT_NAMES
#define wg_go(wg, ...) rt_wg_go(wg, __VA_ARGS__)
#define once_do(once, ...) rt_once_do(once, __VA_ARGS__)
#endif
