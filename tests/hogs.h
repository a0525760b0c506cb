/*
 * tests/hogs.h - goroutines that count in a loop that never calls anything, until they are stopped.
 */
#pragma once

#include <tests/sched_common.h>

#define HOGS_MAX 64u

static struct {
    uint64_t count; /* [a] */
    uint32_t ended; /* [a] */
} hogs[HOGS_MAX];
static uint32_t hogs_stop; /* [a] */

static inline void hog_main(unsigned i)
{
    while (load_relaxed(&hogs_stop) == 0)
        store_relaxed(&hogs[i].count, hogs[i].count + 1);
    store_release(&hogs[i].ended, 1);
}

/* Start n, but at most HOGS_MAX; how many. */
static inline unsigned hogs_start(unsigned n)
{
    n = n < HOGS_MAX ? n : HOGS_MAX;
    memset(hogs, 0, sizeof hogs);
    store_release(&hogs_stop, 0);
    for (unsigned i = 0; i < n; i++)
        go(hog_main, i);
    return n;
}

static inline void hogs_note(unsigned n, uint64_t *before)
{
    for (unsigned i = 0; i < n; i++)
        before[i] = load_relaxed(&hogs[i].count);
}

static inline bool hogs_moved(unsigned n, const uint64_t *before)
{
    for (unsigned i = 0; i < n; i++)
        if (load_relaxed(&hogs[i].count) == before[i])
            return false;
    return true;
}

static inline bool hogs_ended(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (load_acquire(&hogs[i].ended) == 0)
            return false;
    return true;
}

static inline void hogs_finish(struct test *t, unsigned n)
{
    store_release(&hogs_stop, 1);
    EXPECT(t, WAIT_UNTIL(hogs_ended(n), 20));
}
