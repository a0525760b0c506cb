/*
 * tests/sched_common.h - what the tests of the scheduler share: waiting with a limit, loops that
 * never yield.
 */
#pragma once

#include <tests/test.h>

#include <lib/atomic.h>
#include <lib/string.h>
#include <rt/rt.h>
#include <sched/sched.h>

/* Sleep until `cond` holds, at most `seconds`; gives cond. */
#define WAIT_UNTIL(cond, seconds)                                                                  \
    ({                                                                                             \
        int64_t until_ = rt_nanotime() + (int64_t)(seconds)*1000000000;                            \
        while (!(cond) && rt_nanotime() < until_)                                                  \
            rt_sleep(200000);                                                                      \
        (bool)(cond);                                                                              \
    })

/* A goroutine that counts in a loop that never calls anything, until *stop. */
struct hog {
    uint64_t count; /* [a] */
    uint32_t *stop; /* [a] */
    uint32_t ended; /* [a] */
};

static inline void hog_main(struct hog *h)
{
    while (load_relaxed(h->stop) == 0)
        store_relaxed(&h->count, h->count + 1);
    store_release(&h->ended, 1);
}

static inline bool hogs_moved(struct hog *h, unsigned n, const uint64_t *before)
{
    for (unsigned i = 0; i < n; i++)
        if (load_relaxed(&h[i].count) == before[i])
            return false;
    return true;
}

static inline void hogs_note(struct hog *h, unsigned n, uint64_t *before)
{
    for (unsigned i = 0; i < n; i++)
        before[i] = load_relaxed(&h[i].count);
}

static inline bool hogs_ended(struct hog *h, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (load_acquire(&h[i].ended) == 0)
            return false;
    return true;
}
