/*
 * sched/goroutine.h - the goroutine as the runtime sees it: its control block, and how to wait.
 *
 * THE BLOCK lies at the top of the goroutine's stack, above the saved frame: one page holds all
 * that a parked goroutine needs. Blocks are never given back, only used again [goroutine.1]: a walk
 * over goroutine_all() needs no lock, and a dead one is an entry with state G_DEAD.
 *
 * HOW TO WAIT. Put yourself on some queue under that queue's lock, drop the lock, call park().
 * Whoever takes you off the queue (and therefore, thanks to the lock, nobody else) calls ready(),
 * once per park(). ready() may come before park() has finished, or even begun: it then leaves a
 * permit, and park() returns at once [park.1]. So nothing is ever waited for with a lock held, and
 * select needs no special hook.
 */
#pragma once

#include <arch/arch.h>
#include <lib/list.h>
#include <lib/preempt.h>
#include <mm/stack.h>

/* Why a goroutine waits: as Go's newest headers print it. */
#define WAIT_REASONS(X)                                                                            \
    X(NONE, "")                                                                                    \
    X(CHAN_RECEIVE, "chan receive")                                                                \
    X(CHAN_SEND, "chan send")                                                                      \
    X(CHAN_RECEIVE_NIL, "chan receive (nil chan)")                                                 \
    X(CHAN_SEND_NIL, "chan send (nil chan)")                                                       \
    X(SELECT, "select")                                                                            \
    X(SELECT_NO_CASES, "select (no cases)")                                                        \
    X(SLEEP, "sleep")                                                                              \
    X(MUTEX_LOCK, "sync.Mutex.Lock")                                                               \
    X(RWMUTEX_RLOCK, "sync.RWMutex.RLock")                                                         \
    X(RWMUTEX_LOCK, "sync.RWMutex.Lock")                                                           \
    X(WAITGROUP_WAIT, "sync.WaitGroup.Wait")                                                       \
    X(COND_WAIT, "sync.Cond.Wait")                                                                 \
    X(SEMACQUIRE, "semacquire")                                                                    \
    X(IO_WAIT, "IO wait")                                                                          \
    X(FINALIZER_WAIT, "finalizer wait")                                                            \
    X(CLEANUP_WAIT, "cleanup wait")                                                                \
    X(GC_WORKER_IDLE, "GC worker (idle)")                                                          \
    X(GC_ASSIST_WAIT, "GC assist wait")                                                            \
    X(GC_SWEEP_WAIT, "GC sweep wait")                                                              \
    X(FORCE_GC_IDLE, "force gc (idle)")                                                            \
    X(WAIT_FOR_GC, "wait for GC cycle")

enum wait_reason {
#define WAIT_REASON_ENUM(name, text) WAIT_##name,
    WAIT_REASONS(WAIT_REASON_ENUM)
#undef WAIT_REASON_ENUM
};

/* Why a block can't go straight into its cpu's cache when its goroutine ends. */
enum goroutine_odd {
    ODD_SLOT = 1,   /* its slot is not of the default size; for ever */
    ODD_SYSTEM = 2, /* it is the runtime's, and not counted */
    ODD_DEEP = 4,   /* its stack has grown: it is trimmed first */
    ODD_RESERVE = 8,
    ODD_NAMED = 16, /* its name is to be forgotten */
};

/* For reports and for the collector; the truth about waiting is `tokens`. */
enum goroutine_state {
    G_DEAD,     /* in a cache of free blocks */
    G_RUNNABLE, /* on one run queue, or about to be put there */
    G_RUNNING,  /* `current` of exactly one cpu */
    G_WAITING,  /* in park() */
};

struct rt_defer_frame;  /* rt/defer.h */
struct rt_defer_record; /* lang/defer.c */
struct defer_chunk;     /* lang/defer.c */
struct panic_state;     /* lang/panic.c */
struct chan_wait;       /* lang/chan.c: the waiter record (sudog) */

/*
 * I fixed from spawn to exit   a atomic
 * g only the goroutine itself, or its owner while it is not RUNNING
 * s the scheduler of the cpu that switches it   q whoever has the run queue or list that it is on
 */
struct goroutine {
    struct arch_context context;         /* [s] valid if !preempted */
    struct rt_defer_frame *defer_frames; /* [g] innermost that defers; rt/defer.h knows its place */
    int32_t tokens;      /* [a] -1: parked; 0; 1: a ready() that came before the park() [park.1] */
    uint8_t state;       /* [s] enum goroutine_state; RUNNABLE by a release, for goroutine_all() */
    uint8_t preempted;   /* [s] resume from *frame, not from context */
    uint8_t system;      /* [I] of the runtime: not counted, ignored by deadlock detection */
    uint8_t wait_reason; /* [g] enum wait_reason */
    struct goroutine *queue_next; /* [q] link */
    struct arch_frame *frame;     /* [s] where the preempting handler copies the registers */
    uint64_t id;                  /* [I] as Go counts: main is 1 */
    uint64_t wait_since;          /* [g] cycle counter when it parked */

    /* stack: [stack_lo, stack_hi), committed from stack_committed up (mm/stack.c) */
    uintptr_t stack_lo, stack_hi; /* [I] */
    uintptr_t stack_committed;    /* [g] lowered only by this goroutine's page faults */
    uint8_t odd;                  /* [g] enum goroutine_odd, or 0: the fast way when it ends */
    bool reserve_open; /* [g] the page above the guard is mapped: an overflow is being handled */
    void *reserve_ram; /* [g] the page for that, after it was open once */

    const char *name;           /* [I] for reports; may be NULL */
    uintptr_t entry_pc;         /* [I] function it runs, for reports */
    uintptr_t creator_pc;       /* [I] the go statement */
    uint64_t creator_id;        /* [I] */
    struct goroutine *all_next; /* [I] once linked: every block ever made, newest first */

    /* lang */
    struct panic_state *panics;       /* [g] innermost panic, or rt_goexit(), in progress */
    uintptr_t fault_sp;               /* [g] stack pointer of its newest fault */
    struct defer_chunk *defer_chunks; /* [g] newest page of calls that found no room in frames */
    struct rt_defer_record *defer_top, *defer_taken; /* [g] in those pages: lang/defer.c */
    struct chan_wait *woken_by; /* [a] by whoever completes its select, before ready() */
    uint32_t select_done;       /* [a] 0 -> 1 by whoever wins the right to do so */

    /* gc */
    uint32_t scan_state;         /* [a] whether its stack was scanned in this cycle (gc/roots.c) */
    uintptr_t scan_at;           /* up to where; of whoever scans it */
    struct goroutine *scan_link; /* chain of those to be looked at again; under roots_lock */
    int64_t assist_credit;       /* [g] bytes it may allocate before it must help marking */
};

DECLARE_PERCPU(struct goroutine *, current);

/* The newest block; follow all_next. Any context; sees all that were linked before the call. */
struct goroutine *goroutine_all(void);

/* How many there are: born and not yet gone, without those of the runtime. */
size_t goroutine_count(void);

/* The goroutine that runs this code. NULL only on a scheduler stack. */
static inline struct goroutine *goroutine_current(void)
{
    return this_cpu(current);
}

/*
 * Wait until somebody calls ready() on us; returns at once if that has happened already.
 * Context: a goroutine; no spin lock held, preemption on (depth 0).
 */
void park(enum wait_reason why);

/*
 * Let g run; it takes the place "next" on this cpu (direct hand-off keeps pairs fast), or the end
 * of the queue with ready_last(). Any goroutine or scheduler context, spin locks may be held; not
 * from a handler.
 */
void ready(struct goroutine *g);
void ready_last(struct goroutine *g);
/*
 * The same as ready() by a caller that gives up this cpu right away (park(), sched_next_first()),
 * so that g runs here: no idle cpu is woken for it.
 */
void ready_here(struct goroutine *g);

struct rt_go_opts;

/*
 * Make a goroutine that runs thunk(args copy), and make it runnable. NULL: no memory for it.
 * args        copied to the base of the new stack (scanned with it)
 * bytes       of them: a multiple of 8, up to 512; alignment up to 16
 * opts        NULL: the defaults
 * entry_pc    the function that the thunk calls, for reports
 * creator_pc  return address of the go statement
 */
struct goroutine *goroutine_spawn(void (*thunk)(void *args), const void *args, size_t bytes,
                                  const struct rt_go_opts *opts, uintptr_t entry_pc,
                                  uintptr_t creator_pc);

/* The same for the runtime's own work: not counted, not waited for. */
struct goroutine *goroutine_spawn_system(void (*fn)(void *arg), void *arg, const char *name);

/* Give back what ended goroutines' stacks hold. A goroutine, preemption on; stops the world. */
void goroutine_release_memory(void);

/* For the collector: the scan_state that a new goroutine is born with. */
extern uint32_t sched_birth_scan_state;

/* Below this address lie only the reserve page and the guard. */
static inline uintptr_t goroutine_stack_lowest(const struct goroutine *g)
{
    return g->stack_lo + STACK_GUARD_BYTES + STACK_RESERVE_BYTES;
}

/* Is it an address of g's stack, mapped or not? */
static inline bool goroutine_owns(const struct goroutine *g, uintptr_t address)
{
    return address - g->stack_lo < g->stack_hi - g->stack_lo;
}

/*
 * Map g's reserve page, so that a few KiB below its limit can be used to report or recover from an
 * overflow; it is taken back when the stack has been left (stack_close_reserve). False: it is open
 * already, or no page is left. Any context, also a fault handler; g is the running goroutine.
 */
bool stack_open_reserve(struct goroutine *g);

/* The overflow has been handled: take that page back, once g, which runs, stands above it again. */
void stack_close_reserve(struct goroutine *g);

/* End the running goroutine; its deferred calls have run. */
RT_NORETURN void goroutine_exit(void);

const char *wait_reason_text(enum wait_reason why);
