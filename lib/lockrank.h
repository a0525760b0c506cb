/*
 * lib/lockrank.h - the one global order of locks.
 *
 * Outermost first: a cpu may take only locks of higher rank than those it holds. RANK_SAME_OK ranks
 * may be taken several at a time, in rising address. spin_lock() checks it in debug builds.
 */
#pragma once

#define LOCK_RANKS(X)                                                                              \
    X(WORLD)      /* the right to stop the world */                                                \
    X(TEST)       /* for tests */                                                                  \
    X(SYNC)       /* mutex, cond, wait group queues */                                             \
    X(CLOCK)      /* one timer or ticker of a program */                                           \
    X(CHAN)       /* one channel; select takes several, by rising address */                       \
    X(HOLD)       /* what the runtime keeps alive; pools */                                        \
    X(TIMER)      /* one cpu's timer heap */                                                       \
    X(GC_CYCLE)   /* phase changes */                                                              \
    X(SPECIAL)    /* finalizers, cleanups, weak references of a span */                            \
    X(GOROUTINES) /* the list of all goroutines */                                                 \
    X(RUNQ)       /* the global run queue */                                                       \
    X(SPAN)       /* lists of spans of one shape */                                                \
    X(GC_CHECK)   /* the shadow heap of gcbarriercheck */                                          \
    X(GC_LOCAL)   /* one cpu's grey objects */                                                     \
    X(GC_POOL)    /* grey chunks */                                                                \
    X(STACK)      /* stack slots */                                                                \
    X(PAGE_TABLE) /* the kernel page tables */                                                     \
    X(PAGE)       /* the page allocator */                                                         \
    X(CONSOLE)    /* leaf: one line of output */

enum lock_rank {
#define LOCK_RANK_ENUM(name) RANK_##name,
    LOCK_RANKS(LOCK_RANK_ENUM)
#undef LOCK_RANK_ENUM
        RANK_COUNT
};

/* For reports. */
const char *lock_rank_name(unsigned rank);
