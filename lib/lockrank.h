/*
 * lib/lockrank.h - the one global order of locks.
 *
 * Outermost first: a cpu may take only locks of higher rank than those it holds, and of one rank
 * only by rising address. spin_lock() checks it in debug builds.
 */
#pragma once

#define LOCK_RANKS(X)                                                                              \
    X(TEST)       /* for tests */                                                                  \
    X(SYNC)       /* the queue of a mutex, condition, wait group, semaphore */                     \
    X(CLOCK)      /* one timer or ticker of a program */                                           \
    X(CHAN)       /* one channel; select takes several, by rising address */                       \
    X(HOLD)       /* what the runtime keeps alive; pools */                                        \
    X(TIMER)      /* one cpu's timer heap; interrupt lines; console input */                       \
    X(GC_CYCLE)   /* who waits for a collection; the pacer */                                      \
    X(GOROUTINES) /* blocks and stacks of ended goroutines */                                      \
    X(RUNQ)       /* the global run queue */                                                       \
    X(SPAN)       /* lists of spans of one shape; the table of shapes; rt_alloc() */               \
    X(GC_CHECK)   /* the shadow heap of gcbarriercheck */                                          \
    X(GC_LOCAL)   /* one cpu's grey objects */                                                     \
    X(GC_POOL)    /* grey chunks, roots, finalizers, descriptors of spans */                       \
    X(STACK)      /* stack slots; frames of large objects */                                       \
    X(PAGE_TABLE) /* the page tables */                                                            \
    X(PAGE)       /* the page allocator: a leaf */

enum lock_rank {
#define LOCK_RANK_ENUM(name) RANK_##name,
    LOCK_RANKS(LOCK_RANK_ENUM)
#undef LOCK_RANK_ENUM
        RANK_COUNT
};

/* For reports. */
const char *lock_rank_name(unsigned rank);
