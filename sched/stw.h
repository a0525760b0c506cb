/*
 * sched/stw.h - stopping the world: every other cpu stands still between two instructions of its
 * goroutine.
 *
 *     stw_begin(STW_GC_START);
 *     ... nothing else runs, and nobody holds a spin lock [spin.1] ...
 *     stw_end();
 *
 * The caller is a goroutine, preemption on; it stays on its cpu from begin to end, preemption off.
 * A stop costs one IPI for each busy cpu and one CAS for each idle one.
 */
#pragma once

#include <sched/goroutine.h>

#define STW_REASONS(X)                                                                             \
    X(TEST, "test")                                                                                \
    X(GC_START, "GC start")                                                                        \
    X(GC_END, "GC end")                                                                            \
    X(GC_OTHER, "GC")                                                                              \
    X(GOMAXPROCS, "GOMAXPROCS")                                                                    \
    X(FLUSH, "TLB flush")                                                                          \
    X(REPORT, "report")

enum stw_reason {
#define STW_REASON_ENUM(name, text) STW_##name,
    STW_REASONS(STW_REASON_ENUM)
#undef STW_REASON_ENUM
        STW_REASON_COUNT
};

int64_t stw_begin(enum stw_reason why); /* returns when it began: arch_nanotime() */
int64_t stw_end(void); /* returns how long the stop was: until the world ran again */

/* ---- While stopped, for the stopper ---- */

/* What a cpu was running; NULL: it is idle or in its scheduler. The caller's own: the caller. */
struct goroutine *stw_running(unsigned cpu);

/* The registers of that goroutine; NULL for the caller's cpu and where nothing runs. */
const struct arch_frame *stw_frame(unsigned cpu);

/*
 * The goroutine on `cpu` must go through its scheduler (and sched_up_before_resume) before it runs
 * on. For the caller's own cpu it takes effect in stw_end().
 */
void stw_deschedule(unsigned cpu);

/* All cpus reload CR3 before they run on: what arch_unmap_page() took away is gone everywhere. */
void stw_flush_tlb(void);

/* ---- What stops cost ---- */
struct stw_record {
    enum stw_reason why;
    int64_t at_ns;        /* when it began */
    int64_t to_stop_ns;   /* until the last cpu stood still */
    int64_t total_ns;     /* until the world ran again */
    unsigned slowest_cpu; /* the last one to stand still; the stopper's own: all others were idle */
    uintptr_t slowest_pc; /* in the section that held it up, else where it stood still; or 0 */
    uint64_t slowest_goroutine;
};

#define STW_HISTORY 256u
#define STW_BUCKETS 40u /* bucket i: less than 2^i ns */

/* The most recent stops, newest first; returns how many. */
size_t stw_recent(struct stw_record *out, size_t max);
/* Copies of the histograms of all stops so far; returns the number of stops. */
uint64_t stw_histogram(uint64_t to_stop[STW_BUCKETS], uint64_t total[STW_BUCKETS]);
int64_t stw_longest_ns(void); /* the longest total_ns so far */
const char *stw_reason_text(enum stw_reason why);
