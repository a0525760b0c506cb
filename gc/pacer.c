/*
 * gc/pacer.c - when a cycle starts, and how much allocation must pay for it.
 *
 * WHAT. The goal: the heap may grow by GOGC percent of what the last cycle marked (plus stacks and
 * globals, which cost marking too), and by GOMEMLIMIT's measure not beyond memory. The trigger lies
 * before the goal by the runway: what the program will allocate while the background marks, by the
 * measured ratio of both speeds.
 * While marking, each allocated byte owes (scan work left) / (heap left up to the goal).
 *
 * INVARIANTS
 * [pacer.1] trigger <= goal, and between 0.7 and 0.95 of the way from marked to goal, but for heaps
 *           so small that the minimum's distance is larger.
 * [pacer.2] The assist ratio is at least 1 byte of work for 16 bytes allocated, so that a cycle
 *           ends.
 *
 * LOCKING. Written while stopped, or under pacer_lock by rt_gc_set_percent() and the like and by
 * gc_pacer_end(); read without.
 * SOURCES. golang/go runtime/mgcpacer.go; proposal 44167 "GC pacer redesign"; proposal 48409 "soft
 * memory limit".
 */
#include <gc/cycle.h>
#include <gc/mark.h>
#include <lib/knobs.h>
#include <mm/page.h>
#include <sched/goroutine.h>
#include <sched/sched.h>

#define HEAP_MINIMUM (UINT64_C(4) << 20)
#define BACKGROUND 0.25 /* of the cpus' time [cycle.5] */
#define RATIO_SHIFT 16
#define RATIO_LEAST ((UINT64_C(1) << RATIO_SHIFT) / 16) /* [pacer.2] */
#define RATIO_MOST (UINT64_C(64) << RATIO_SHIFT)
#define LITTLE_BYTES (UINT64_C(64) << 10) /* less than that is noise */

uint64_t gc_trigger, gc_goal;

static struct spinlock pacer_lock = SPINLOCK_INIT(RANK_GC_CYCLE);
static int64_t percent;        /* [a] GOGC; negative: off */
static uint64_t limit;         /* [a] bytes; UINT64_MAX: none */
static uint64_t marked;        /* [S] by the last cycle */
static uint64_t last_scan;     /* [S] bytes scanned by the last cycle */
static uint64_t live_at_start; /* [S] gc_heap_live in STW#1 */
static uint64_t grown;         /* [S] what the program allocated during the last cycle */
static uint64_t assist_ratio;  /* [a] scan bytes for each allocated byte, 16.16 */
static int64_t credit;         /* [a] earned by background marking, not yet used by assists */

/* Under pacer_lock: bytes allocated for each byte scanned, by one cpu each, in the last cycles; and
 * the average. */
static double cons_history[4];
static unsigned cons_count;
static double cons_mark;

bool gc_percent_on(void)
{
    return load_relaxed(&percent) >= 0;
}

/* RAM less a reserve that keeps the machine usable: DESIGN.md section 6. */
static uint64_t default_limit(void)
{
    struct page_stats s;
    page_get_stats(&s);
    uint64_t ram = s.total_pages * PAGE_BYTES;
    uint64_t some = ram / 4 < (UINT64_C(8) << 20) ? ram / 4 : UINT64_C(8) << 20;
    uint64_t part = ram / 20;
    return ram - (some > part ? some : part);
}

/* Memory that is neither free nor heap: it counts against the limit and cannot be collected. */
static uint64_t other_bytes(void)
{
    struct page_stats s;
    page_get_stats(&s);
    uint64_t used = (s.total_pages - s.free_pages) * PAGE_BYTES;
    uint64_t heap = load_relaxed(&gc_heap_in_use);
    return used > heap ? used - heap : 0;
}

static uint64_t goal_by_percent(void)
{
    int64_t p = load_relaxed(&percent);
    if (p < 0)
        return UINT64_MAX;
    uint64_t goal = marked + (uint64_t)((double)marked * (double)p / 100.0);
    uint64_t least = HEAP_MINIMUM * (uint64_t)p / 100;
    return goal > least ? goal : least;
}

static uint64_t goal_by_limit(void)
{
    uint64_t l = load_relaxed(&limit);
    if (l == UINT64_MAX)
        return UINT64_MAX;
    uint64_t other = other_bytes();
    uint64_t room = l > other ? l - other : 0;
    room -= room / 32; /* headroom for fragmentation and what is allocated meanwhile */
    uint64_t least = marked + LITTLE_BYTES; /* never below what lives: it would only spin */
    return room > least ? room : least;
}

static void set_goal(void)
{
    uint64_t by_percent = goal_by_percent(), by_limit = goal_by_limit();
    uint64_t goal = by_percent < by_limit ? by_percent : by_limit;
    uint64_t room = goal > marked ? goal - marked : 0;
    uint64_t least = marked + room / 10 * 7, most = marked + room / 100 * 95;
    if (goal > HEAP_MINIMUM && goal - HEAP_MINIMUM > most && goal - HEAP_MINIMUM > marked)
        most = goal - HEAP_MINIMUM;
    uint64_t runway = (uint64_t)(cons_mark * (1 - BACKGROUND) / BACKGROUND * (double)last_scan);
    uint64_t trigger = runway > room ? least : goal - runway;
    if (trigger < least)
        trigger = least;
    if (trigger > most)
        trigger = most;
    store_relaxed(&gc_goal, goal);
    store_relaxed(&gc_trigger, trigger); /* [pacer.1] */
}

static void set_ratio(void)
{
    uint64_t done = load_relaxed(&gc_scan_work), live = load_relaxed(&gc_heap_live);
    uint64_t expected = last_scan > LITTLE_BYTES ? last_scan : LITTLE_BYTES;
    /* if it is more than last time already, nobody knows */
    uint64_t left_work = expected > done ? expected - done : expected / 8;
    uint64_t goal = load_relaxed(&gc_goal);
    uint64_t ratio = RATIO_MOST;
    if (goal > live + 1)
        ratio = (uint64_t)((double)left_work / (double)(goal - live) * (1 << RATIO_SHIFT));
    if (ratio < RATIO_LEAST)
        ratio = RATIO_LEAST;
    if (ratio > RATIO_MOST)
        ratio = RATIO_MOST;
    store_relaxed(&assist_ratio, ratio);
}

void gc_pacer_begin(void)
{
    store_relaxed(&gc_scan_work, 0);
    set_ratio();
}

void gc_pacer_begin_stw(void)
{
    live_at_start = gc_heap_live;
    credit = 0;
}

int64_t gc_pacer_debt(size_t bytes)
{
    return (int64_t)((uint64_t)bytes * load_relaxed(&assist_ratio) >> RATIO_SHIFT);
}

void gc_pacer_earn(int64_t scan_bytes)
{
    if (scan_bytes > 0)
        add_relaxed(&credit, scan_bytes);
    set_ratio();
}

int64_t gc_pacer_borrow(int64_t wanted)
{
    int64_t have = load_relaxed(&credit);
    while (have > 0) {
        int64_t take = have < wanted ? have : wanted;
        if (cas_acq_rel(&credit, have, have - take))
            return take;
        have = load_relaxed(&credit);
    }
    return 0;
}

void gc_pacer_end_stw(uint64_t marked_bytes, uint64_t scan_bytes)
{
    grown = gc_heap_live - live_at_start;
    marked = marked_bytes;
    last_scan = scan_bytes;
    store_relaxed(&gc_trigger, UINT64_MAX); /* until gc_pacer_end() */
}

void gc_pacer_end(void)
{
    spin_lock(&pacer_lock);
    if (last_scan > 0) {
        /* speeds as if the program had 1 - BACKGROUND of the time and marking BACKGROUND of it */
        cons_history[cons_count++ % 4] =
            (double)grown / (double)last_scan * (BACKGROUND / (1 - BACKGROUND));
        unsigned n = cons_count < 4 ? cons_count : 4;
        double sum = 0;
        for (unsigned i = 0; i < n; i++)
            sum += cons_history[i];
        cons_mark = sum / n;
    }
    set_goal();
    spin_unlock(&pacer_lock);
}

void gc_pacer_init(void)
{
    percent = knobs.gogc == KNOB_OFF ? -1 : (int64_t)knobs.gogc;
    limit = knobs.gomemlimit == KNOB_OFF ? UINT64_MAX
            : knobs.gomemlimit != 0      ? knobs.gomemlimit
                                         : default_limit();
    set_goal();
}

int rt_gc_set_percent(int new_percent)
{
    spin_lock(&pacer_lock);
    int64_t old = percent;
    store_relaxed(&percent, new_percent < 0 ? -1 : new_percent);
    set_goal();
    spin_unlock(&pacer_lock);
    return (int)old;
}

int64_t rt_gc_set_memory_limit(int64_t bytes)
{
    spin_lock(&pacer_lock);
    int64_t old = limit > INT64_MAX ? INT64_MAX : (int64_t)limit;
    if (bytes >= 0) {
        store_relaxed(&limit, bytes == INT64_MAX ? UINT64_MAX : (uint64_t)bytes);
        set_goal();
    }
    spin_unlock(&pacer_lock);
    return old;
}
