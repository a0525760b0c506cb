/*
 * sched/internal.h - what the files of sched/ share among themselves.
 */
#pragma once

#include <lib/rand.h>
#include <sched/runq.h>
#include <sched/sched.h>

/* What becomes of a goroutine that leaves its cpu by force. */
enum leave_for {
    LEAVE_YIELD, /* to the end of the queue */
    LEAVE_FRONT, /* it goes on as soon as the scheduler has done what it was interrupted for */
};

/* A cpu's place in the game of waking [idle.1]. */
enum idle_state { CPU_BUSY, CPU_IDLE, CPU_WOKEN, CPU_CLAIMED };

struct sched_cpu {
    struct arch_context context; /* [c] of the scheduler's loop */
    struct goroutine *yielded;   /* [c] left by force, for the end of the queue */
    struct goroutine *stash;     /* [c] runs before any queue is looked at */
    bool timer_fired;            /* [c] set by the handler */
    bool refill;                 /* [c] the stack reserve is low, or tables are missing below */
    bool stash_yields; /* [c] whoever `next` is goes before the stash: sched_next_first() */
    bool ticked;       /* [c] the timer fired, and others may want the turn [turn.1] */
    bool skip_next;    /* [c] a slice ended: the ring before `next` */
    bool yield;        /* [c] a test wants the goroutine preempted: sched_preempt_irq() */
    bool must_leave;   /* [c] set by stw: into the scheduler before the goroutine runs on */
    bool flush; /* [a] set by a stop that claimed this cpu: reload CR3 before anything else */
    uint32_t look_rest;   /* [c] sched_until_look after the pick that look_closer() asked for */
    bool in_service;      /* [c] it runs goroutines: below GOMAXPROCS, not dedicated; others: [S] */
    uint32_t slice_head;  /* [c] head of the ring when the slice began */
    int64_t slice_end_ns; /* [c] */
    int64_t timers_ns;    /* [c] when timers were last seen to be due */
    int64_t timers_ran_ns; /* [c] ... and ran */
    int64_t armed_ns; /* [c] for when the hardware's timer is set; 0: it is not, or has fired */
    int64_t wake_ns;  /* [c] how long a halt takes to end, as seen lately */
    uint32_t idle;    /* [a] enum idle_state; claims and wakes by CAS */
    struct rng rng;   /* [c] steal order */
    struct rng late;  /* [c] stress variant: how long IPIs are held back */
    int64_t late_until_ns; /* [c] stress variant: one is; 0: none */
};

DECLARE_PERCPU(struct sched_cpu, sched_cpu);

/* sched/sched.c */
RT_NORETURN void sched_leave(struct arch_frame *frame, enum leave_for what);
void sched_enqueue(struct goroutine *g, bool next); /* preemption off */
void sched_abandon(enum leave_for what);
/* the loop begins anew next time: its stack was used for something else */
void sched_context_reset(void);
void sched_enter(void *unused); /* the loop, for arch_leave_to() */
void sched_request_self(void);  /* in a handler: take a request at the next preempt_on() */

/* sched/goroutine.c */
#define STACK_KEEP_BYTES (16u << 10) /* a stack of up to this size is kept as it is */
#define GOROUTINE_CACHE_MAX 64u      /* blocks a cpu keeps */

struct goroutine_cache {
    struct goroutine *free; /* [c] */
    uint32_t n;             /* [c] */
    uint64_t last_id;    /* [c] the newest it gave; a multiple of IDS_AT_A_TIME: it has no more */
    uint64_t born, gone; /* [c] of the program; read by others */
};
DECLARE_PERCPU(struct goroutine_cache, goroutine_cache);

void goroutine_free_odd(struct goroutine *g); /* g has ended and is off its stack; preemption off */

/* Put g, which has ended, into this cpu's cache, if it belongs there. Preemption off. */
static RT_ALWAYS_INLINE bool goroutine_cache_put(struct goroutine_cache *c, struct goroutine *g)
{
    if (RT_UNLIKELY(g->odd != 0) || RT_UNLIKELY(c->n >= GOROUTINE_CACHE_MAX))
        return false;
    c->gone++;
    g->queue_next = c->free;
    c->free = g;
    c->n++;
    return true;
}
void goroutine_start_system(void);
void goroutine_find_memory(void); /* the reaper shall; scheduler stack */

void sched_procs_store_stw(unsigned n);
void sched_wake_all(void); /* every idle cpu, to look at its state again */
void sched_wake_after_stop(void);
unsigned sched_searching(void); /* cpus that look for work to steal */

/* sched/stw.c */
bool stw_pending(void);
void stw_stop_here(struct arch_frame *frame); /* frame: NULL on the scheduler stack */
void stw_meets_section(const struct arch_frame *frame);

bool sched_is_idle(unsigned cpu); /* a hint */

/* sched/watchdog.c */
struct watch {
    uint32_t asked;     /* [a] times the neighbour has asked this cpu */
    uint32_t answered;  /* [a] the last question answered */
    int64_t asked_ns;   /* the neighbour's */
    bool suspect;       /* the neighbour's */
    int64_t section_ns; /* [c] when its timer first found preemption off; 0: it did not */
};
DECLARE_PERCPU(struct watch, watch);

void watchdog_start(void); /* each cpu, on its scheduler stack */
/* In the timer's handler, with preemption off below it and the knob set. */
RT_COLD void watchdog_tick(const struct arch_frame *frame);

/* This cpu stands where it could be stopped or preempted. */
static inline void watchdog_answer(void)
{
    struct watch *w = this_cpu_ptr(watch);
    store_release(&w->answered, load_acquire(&w->asked)); /* partner: look() */
    w->section_ns = 0;
}

/* sched/irq.c */
bool irq_run(void); /* scheduler stack */
bool irq_anybody_waits(void);
bool irq_run_needed(void); /* any context */

/* sched/stackfault.c */
/* Scheduler stack; g: whose stack needs tables, or NULL. False: there is no memory now. */
RT_MUST_USE bool stackfault_refill(struct goroutine *g);

/* sched/report.c */
RT_NORETURN void report_deadlock(void);
void schedtrace_start(void);
