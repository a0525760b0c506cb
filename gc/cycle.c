/*
 * gc/cycle.c - one collection: its phases, its two stops, and who marks when.
 *
 * WHAT. idle -> STW#1 (epoch, barrier on, scan what runs) -> mark -> STW#2 (nothing is grey:
 * barrier off) -> specials -> sweep. One goroutine, the controller, leads; it marks nothing itself.
 * Marking is done by a quarter of the cpus, which run no goroutines meanwhile; or, where a quarter
 * is no whole number, by every cpu now and then; by idle cpus as long as nobody wants them; and by
 * goroutines that allocate faster than that (assists).
 *
 * INVARIANTS
 * [cycle.1] Epoch, phase and barrier change only while the world is stopped, so whoever has
 *           preemption off sees one cycle from begin to end.
 * [cycle.2] STW#1 begins only when everything listed has been swept [heap.2] and the specials of
 *           the last cycle were handled.
 * [cycle.3] Both stops are O(cpus): a running stack is scanned up to 1 KiB or not at all, nothing
 *           is drained.
 * [cycle.4] All marking is in slices of at most some 10,000 instructions with preemption off;
 *           between two of them a goroutine that wants the cpu comes in. A stop does not wait for
 *           the end of a slice [mark.6].
 * [cycle.5] The background takes a quarter of the cpus' time, up to 30 % more or less: so many
 *           dedicated cpus as come next to it, or those below it and of each other cpu a part, in
 *           stints of TICK_NS; what a cpu has marked for want of other work counts as stints done. A
 *           dedicated cpu that finds nothing runs goroutines until its next stint.
 * [cycle.6] While marking, the cpu on which the controller began it comes back to look, whatever
 *           happens: what a barrier leaves grey on a cpu that never allocates is found.
 *           models/mark.pml has this, and who calls the controller.
 *
 * LOCKING. cycle_lock (rank GC_CYCLE): who waits for which cycle. controller_call() is lock-free.
 * ORDERING. waits_for and the wishes are seq_cst to each other: the controller announces that it
 * waits, then looks for wishes; a caller leaves its wish, then looks whether the controller waits.
 * REJECTED. Worker goroutines: on a busy cpu they would wait for a slice of 10 ms or need a
 * priority, and a preempted one keeps its grey objects. So a cpu is dedicated, not a goroutine.
 * Draining in STW#2: a stop would last as long as the last chain.
 * SOURCES. golang/go runtime/mgc.go, mgcpacer.go for the policy.
 */
#include <gc/cycle.h>
#include <gc/alloc.h>
#include <gc/barrier.h>
#include <gc/barriercheck.h>
#include <gc/init.h>
#include <gc/limiter.h>
#include <gc/mark.h>
#include <gc/special.h>
#include <gc/sweep.h>
#include <gc/up.h>
#include <gc/verify.h>
#include <lib/knobs.h>
#include <lib/rseq.h>
#include <lib/trace.h>
#include <mm/page.h>
#include <sched/sched.h>
#include <sched/stw.h>
#include <sched/timer.h>

#define TICK_NS 100000                 /* a stint [cycle.5] */
#define AHEAD_MAX 8                    /* stints that an idle cpu can be ahead */
#define IDLE_NS 100000                 /* as long as an idle or dedicated cpu marks at a time */
#define ZERO_AFTER_NS 1000000          /* the next cycle's stop would wait for who zeroes pages */
#define KEEPER_NS 10000000             /* how often it looks [cycle.6] */
#define LATE_NS 500000                 /* mode hybrid: when running stacks are scanned */
#define FORCE_NS INT64_C(120000000000) /* as Go's forcegcperiod */

uint8_t gc_epoch = 1, gc_epoch_birth = 1, gc_epoch_also = 1;
uint8_t gc_phase;
uint32_t gc_cycle_number;
bool gc_clobber_free;
uint32_t gc_stress;
bool gc_shade_deleted = true, gc_shade_stored;
uint8_t gc_drill;
bool gc_verify_cycles;
uint64_t gc_heap_live;

PERCPU(struct gc_counts, gc_counts);

uint8_t gc_mode_next;
static enum knob_gcmode mode; /* the controller's, from one cycle's begin to the next's */
static int64_t last_cycle_ns; /* [a] when the last cycle ended */

/* ---- Counting ---- */

void gc_count_unallocated(uint64_t objects, uint64_t bytes)
{
    struct gc_counts *c = this_cpu_ptr(gc_counts);
    c->mallocs -= objects;
    c->malloc_bytes -= bytes;
    /* Not out of gc_heap_live: a cycle may have ended since it was counted there, and that number
     * must not go below what is in it. It may be a few slots too large. */
}

void gc_count_freed(uint64_t objects, uint64_t bytes)
{
    preempt_off();
    struct gc_counts *c = this_cpu_ptr(gc_counts);
    c->frees += objects;
    c->freed_bytes += bytes;
    preempt_on();
}

void gc_flush_live(void)
{
    struct gc_counts *c = this_cpu_ptr(gc_counts);
    add_relaxed(&gc_heap_live, c->unflushed_bytes);
    c->unflushed_bytes = 0;
}

/* ---- The controller and its callers ---- */

enum wait_for { FOR_NOTHING, FOR_WISH, FOR_MARK, FOR_TIME };

struct goroutine *gc_controller; /* [I] */
static uint32_t waits_for;       /* [a] enum wait_for; ORDERING has its partners */
static uint32_t wish_trigger;    /* [a] the heap is large enough */
static uint32_t wish_forced;     /* [a] somebody waits for a whole cycle */

/* One that waits in rt_gc(): on its stack. */
struct cycle_waiter {
    struct goroutine *g;
    struct cycle_waiter *next;
    uint32_t cycle; /* it wants this one, begun after it asked, to be over */
};
static struct spinlock cycle_lock = SPINLOCK_INIT(RANK_GC_CYCLE);
static struct cycle_waiter *waiters; /* under cycle_lock */

/* True if this call woke it: the caller lets it run here, by parking or sched_next_first(). */
static bool controller_call(enum wait_for what)
{
    if (load_seq_cst(&waits_for) != (uint32_t)what ||
        !cas_acq_rel(&waits_for, (uint32_t)what, FOR_NOTHING))
        return false;
    /* to wake another cpu for it would only make that one harder to stop */
    ready_here(gc_controller);
    return true;
}

/* The controller: wait for `what`, unless `there()` says that it has come already. */
static void controller_wait(enum wait_for what, bool (*there)(void), enum wait_reason why)
{
    store_seq_cst(&waits_for, (uint32_t)what);
    if (there() && cas_acq_rel(&waits_for, (uint32_t)what, FOR_NOTHING))
        return;
    park(why); /* whoever took the mark calls ready(), perhaps before we sleep */
}

static bool wish_there(void)
{
    return load_seq_cst(&wish_trigger) != 0 || load_seq_cst(&wish_forced) != 0;
}

static bool wish(uint32_t *which)
{
    if (load_relaxed(which) == 0)
        store_seq_cst(which, 1);
    return controller_call(FOR_WISH);
}

static int64_t since_last_cycle(void)
{
    return arch_nanotime() - load_relaxed(&last_cycle_ns);
}

/*
 * Nothing was collected for two minutes. Idle cpus look, and whoever needs another span. Not a
 * timer: a program that waits for ever would then always have one, and its deadlock would never be
 * found.
 */
static bool long_ago(void)
{
    return since_last_cycle() >= FORCE_NS && gc_percent_on();
}

/*
 * Zero what earlier, deeper calls left below us: the frames between here and the switch have holes
 * that nobody writes, and an old reference in one keeps its object, and all that it leads to,
 * through this very cycle.
 */
static RT_NOINLINE void clear_stack_below(void)
{
    uintptr_t words[128];
    for (unsigned i = 0; i < 128; i++)
        *(volatile uintptr_t *)&words[i] = 0;
}

void rt_gc(void)
{
    clear_stack_below();
    struct cycle_waiter w = {.g = goroutine_current()};

    spin_lock(&cycle_lock);
    w.cycle = gc_cycle_number + 1; /* one that is under way began too early */
    w.next = waiters;
    waiters = &w;
    store_seq_cst(&wish_forced, 1);
    spin_unlock(&cycle_lock);
    (void)controller_call(FOR_WISH);
    park(WAIT_WAIT_FOR_GC);
}

/* Wake those whose cycle is over; true if some wait for the next. */
static bool waiters_release(void)
{
    struct cycle_waiter *done = NULL;

    spin_lock(&cycle_lock);
    for (struct cycle_waiter **at = &waiters; *at != NULL;) {
        struct cycle_waiter *w = *at;
        if (w->cycle > gc_cycle_number) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        w->next = done;
        done = w;
    }
    bool more = waiters != NULL;
    spin_unlock(&cycle_lock);
    while (done != NULL) {
        struct cycle_waiter *next = done->next; /* ready() ends its life */
        if (next == NULL && !more)
            ready_here(done->g); /* this cpu is about to be free */
        else
            ready(done->g);
        done = next;
    }
    return more;
}

/* ---- Marking by slices ---- */

static void looked_in_vain(void)
{
    if (gc_phase == GC_MARKING && gc_mark_looks_done() && controller_call(FOR_MARK))
        sched_next_first(); /* what is allocated until STW#2 is born black */
}

/* What came of marking for a while. */
struct stint {
    int64_t took_ns, end_ns;
    bool any; /* something was done */
    bool dry; /* in the end nothing was found */
};

/* Mark until so much time is over, nothing is found, or somebody wants this cpu. Preemption off. */
static struct stint mark_for(int64_t ns, bool (*wanted)(void))
{
    struct stint s = {0};
    uint64_t work, sum = 0;
    int64_t begin = arch_nanotime();

    s.end_ns = begin;
    while (!s.dry && s.end_ns - begin < ns && !wanted()) {
        s.dry = !gc_mark_slice(&work);
        s.any |= !s.dry;
        sum += work;
        s.end_ns = arch_nanotime();
    }
    s.took_ns = s.end_ns - begin;
    if (s.dry)
        looked_in_vain();
    gc_pacer_earn((int64_t)sum);
    return s;
}

/* ---- Who marks in the background [cycle.5] ---- */

struct worker {
    struct timer timer; /* the next stint of a cpu that also runs goroutines */
    bool armed;         /* [c] */
    bool dedicated;     /* [S] this cycle's */
    bool keeper;        /* [c] this cycle's: the controller's cpu [cycle.6] */
    int64_t idle_seen;  /* [c] gc_counts.idle_ns at the last stint's time */
};
static PERCPU(struct worker, worker);
static int64_t pause_ns; /* [S] between two stints of a cpu that is not dedicated; 0: it has none */

void gc_share_of(unsigned procs, unsigned *dedicated, int64_t *pause)
{
    unsigned n = (procs + 2) / 4; /* the next whole number of cpus */
    unsigned off = 4 * n > procs ? 4 * n - procs : procs - 4 * n;

    if (10 * off > 3 * procs) /* more than 30 % beside the aim: a part of each cpu has to do */
        n = procs / 4;
    else
        off = 0;
    unsigned rest = off == 0 ? 0 : procs - 4 * n; /* quarters of a cpu, of all */
    *dedicated = n;
    *pause = rest == 0 ? 0 : (int64_t)TICK_NS * (4 * procs - rest) / rest;
}

/* Cpus with nothing to do first; not the controller's own, which is about to wait. */
static void choose_workers_stw(void)
{
    unsigned procs = sched_procs(), left;

    gc_share_of(procs, &left, &pause_ns);
    if (mode == GCMODE_STW)
        return;
    for (unsigned pass = 0; pass < 2 && left > 0; pass++) {
        for (unsigned i = 0; i < procs && left > 0; i++) {
            unsigned cpu = (gc_cycle_number + i) % procs;
            struct worker *w = cpu_ptr(cpu, worker);
            if (w->dedicated || cpu == arch_cpu_id() || (pass == 0 && stw_running(cpu) != NULL))
                continue;
            w->dedicated = true;
            sched_out_of_service_stw(cpu);
            left--;
        }
    }
}

static void wake_markers(void)
{
    for (unsigned i = sched_idle_cpus(); i > 0; i--)
        sched_wake_one();
}

/* How many stints this cpu has done already, since the last one's time, for want of other work. */
static int64_t marked_ahead(struct worker *w)
{
    int64_t idle_ns = this_cpu_ptr(gc_counts)->idle_ns, ahead = (idle_ns - w->idle_seen) / TICK_NS;

    w->idle_seen = idle_ns;
    return ahead < AHEAD_MAX ? ahead : AHEAD_MAX;
}

static void tick_fire(struct timer *timer)
{
    struct worker *w = this_cpu_ptr(worker);

    w->armed = false; /* on the cpu that armed it: a timer fires where it was started */
    if (gc_phase != GC_MARKING)
        return;
    if (pause_ns == 0 && !w->dedicated) { /* the keeper, where cpus are dedicated */
        wake_markers();
        looked_in_vain();
        w->armed = timer_start(timer, arch_nanotime() + KEEPER_NS, tick_fire);
        return;
    }
    int64_t ahead = marked_ahead(w);
    if (ahead != 0 && !w->dedicated) {
        w->armed = timer_start(timer, arch_nanotime() + ahead * pause_ns, tick_fire);
        return;
    }
    struct stint s = mark_for(TICK_NS, preempt_asked);
    this_cpu_ptr(gc_counts)->tick_ns += s.took_ns;
    gc_limiter_update(s.end_ns, false);
    if (gc_phase != GC_MARKING)
        return;
    if (w->dedicated && !s.dry)
        sched_out_of_service(); /* there is more to be done than it seemed */
    else
        w->armed = timer_start(timer, s.end_ns + (w->dedicated ? TICK_NS : pause_ns), tick_fire);
}

static bool has_stints(const struct worker *w)
{
    return gc_phase == GC_MARKING && !w->armed && (w->dedicated || w->keeper || pause_ns != 0);
}

void gc_tick_start(void)
{
    if (RT_LIKELY(gc_phase != GC_MARKING))
        return;
    preempt_off();
    struct worker *w = this_cpu_ptr(worker);
    if (has_stints(w))
        w->armed = timer_start(&w->timer, arch_nanotime() + TICK_NS, tick_fire);
    preempt_on();
}

/* [cycle.6] The controller, right after STW#1. */
static void keep_watch(void)
{
    preempt_off();
    this_cpu_ptr(worker)->keeper = gc_phase == GC_MARKING;
    gc_tick_start();
    preempt_on();
}

bool sched_up_dedicated_work(void)
{
    if (gc_phase != GC_MARKING)
        return false;
    struct stint s = mark_for(IDLE_NS, sched_asked);
    this_cpu_ptr(gc_counts)->tick_ns += s.took_ns;
    gc_limiter_update(s.end_ns, false);
    if (s.dry)
        gc_tick_start(); /* others may find something that leads to more */
    return !s.dry;
}

bool sched_up_idle_work(void)
{
    bool any = false;

    if (gc_phase == GC_MARKING) {
        struct stint s = mark_for(IDLE_NS, sched_has_work);
        this_cpu_ptr(gc_counts)->idle_ns += s.took_ns;
        return s.any;
    }
    for (unsigned i = 0; i < 32 && !sched_has_work(); i++) {
        if (!gc_sweep_one())
            break;
        any = true;
    }
    if (!any && since_last_cycle() > ZERO_AFTER_NS)
        any = page_zero_idle();
    if (!any && gc_phase == GC_IDLE && long_ago())
        (void)wish(&wish_trigger); /* the caller's next step is the scheduler's */
    return any;
}

/* ---- Assists ---- */

static void assist(struct goroutine *g, size_t bytes)
{
    g->assist_credit -= gc_pacer_debt(bytes);
    if (g->assist_credit >= 0)
        return;
    g->assist_credit += gc_pacer_borrow(-g->assist_credit);
    if (g->assist_credit >= 0)
        return;
    int64_t took = 0, now = 0; /* between two slices others may run here */
    while (g->assist_credit < 0 && gc_phase == GC_MARKING && !load_relaxed(&gc_limiting)) {
        uint64_t work;
        preempt_off(); /* so that it is our time alone */
        int64_t begin = arch_nanotime();
        bool did = gc_mark_slice(&work);
        now = arch_nanotime();
        preempt_on();
        took += now - begin;
        g->assist_credit += (int64_t)work;
        if (!did) {
            looked_in_vain();
            g->assist_credit = 0; /* nothing to be had: the others are at it, or it is over */
        }
    }
    preempt_off();
    this_cpu_ptr(gc_counts)->assist_ns += took;
    preempt_on();
    gc_limiter_update(now, false);
}

static uint32_t stress_left; /* [a] */

static bool may_wait(const struct goroutine *g)
{
    return g != NULL && g != gc_controller && !g->system;
}

void gc_before_alloc(size_t bytes)
{
    struct goroutine *g = goroutine_current();

    if (!may_wait(g))
        return;
    if (RT_UNLIKELY(gc_stress != 0) && sub_acq_rel(&stress_left, 1) == 1) {
        store_relaxed(&stress_left, gc_stress);
        rt_gc();
    }
    if (gc_phase == GC_MARKING) {
        gc_tick_start();
        if (RT_LIKELY(!load_relaxed(&gc_limiting)))
            assist(g, bytes);
    } else if (load_relaxed(&gc_heap_live) >= load_relaxed(&gc_trigger) || long_ago()) {
        if (wish(&wish_trigger))
            sched_next_first(); /* not when our slice ends: the heap would outgrow its goal */
    }
}

/* ---- Stops ---- */

static void (*on_stop_begin)(void);           /* [a] */
static void (*on_stop_end)(int64_t pause_ns); /* [a] */

void rt_gc_on_stop(void (*begin)(void), void (*end)(int64_t pause_ns))
{
    store_relaxed(&on_stop_begin, begin);
    store_relaxed(&on_stop_end, end);
}

/* Goroutine context, just before and just after a stop. */
static int64_t stop_begin(enum stw_reason why)
{
    void (*fn)(void) = load_relaxed(&on_stop_begin);
    if (fn != NULL)
        fn();
    return stw_begin(why);
}

static int64_t stop_end(void)
{
    int64_t took = stw_end();
    gc_stats_pause(took);
    gc_limiter_stopped(took);
    void (*fn)(int64_t) = load_relaxed(&on_stop_end);
    if (fn != NULL)
        fn(took);
    return took;
}

static void set_barrier_stw(void)
{
    gc_shade_deleted =
        (mode == GCMODE_DEFAULT || mode == GCMODE_HYBRID) && gc_drill != GC_DRILL_NO_DELETION;
    gc_shade_stored =
        (mode == GCMODE_INSERTION || mode == GCMODE_HYBRID) && gc_drill != GC_DRILL_NO_INSERTION;
    unsigned on = gc_barrier_check ? RT_WB_CHECKING : 0;
    if (mode != GCMODE_STW)
        on |= RT_WB_MARKING | (gc_shade_deleted && !gc_shade_stored ? 0 : RT_WB_ODD);
    rt_wb_on = (uint8_t)on;
}

static void flush_live_stw(struct gc_counts *c)
{
    gc_heap_live += c->unflushed_bytes;
    c->unflushed_bytes = 0;
}

/* STW#1, or the first half of the only stop. */
static void begin_stw(void)
{
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        struct gc_counts *c = cpu_ptr(i, gc_counts);
        struct gc_local *l = cpu_ptr(i, gc_local);
        struct worker *w = cpu_ptr(i, worker);
        flush_live_stw(c);
        c->assist_ns = c->tick_ns = c->idle_ns = 0;
        w->dedicated = w->keeper = false;
        w->idle_seen = 0;
        w->armed = false; /* one that is still to come is moved, or finds another cycle */
        l->marked_bytes = l->scan_bytes = 0;
    }
    gc_limiter_begin_stw();
    gc_cycle_number++;
    gc_epoch_also = gc_epoch;
    gc_epoch = gc_epoch == 255 ? 1 : gc_epoch + 1;
    gc_epoch_birth = gc_drill == GC_DRILL_WHITE_BIRTH ? gc_epoch_also : gc_epoch;
    gc_phase = GC_MARKING;
    set_barrier_stw();
    gc_pacer_begin_stw();
    gc_mark_begin_stw();
    if (mode == GCMODE_INSERTION)
        gc_roots_skip_stacks_stw();
    else
        gc_roots_scan_running_stw(mode == GCMODE_DEFAULT  ? GC_SCAN_SHALLOW
                                  : mode == GCMODE_HYBRID ? GC_SCAN_LATER
                                                          : GC_SCAN_WHOLE);
    choose_workers_stw();
    sched_scan_stw((mode == GCMODE_DEFAULT || mode == GCMODE_HYBRID) &&
                   gc_drill != GC_DRILL_NO_RESUME_SCAN);
}

/* STW#2, once nothing is grey. */
static void end_stw(struct gc_cycle_times *t)
{
    uint64_t marked = 0, scanned = 0;

    gc_phase = GC_IDLE;
    rt_wb_on = gc_barrier_check ? RT_WB_CHECKING : 0;
    sched_scan_stw(false);
    if (gc_verify_cycles)
        gc_verify_stw();
    if (gc_barrier_check)
        gc_check_all_stw();
    gc_epoch_also = gc_epoch_birth = gc_epoch;
    gc_sweep_begin_stw();
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        struct gc_counts *c = cpu_ptr(i, gc_counts);
        const struct gc_local *l = cpu_ptr(i, gc_local);
        flush_live_stw(c);
        gc_cache_retire_stw(i);
        marked += l->marked_bytes;
        scanned += l->scan_bytes;
        t->assist_ns += c->assist_ns;
        t->background_ns += c->tick_ns;
        t->idle_ns += c->idle_ns;
    }
    t->live_after = gc_heap_live;
    ASSERT(gc_heap_live >= t->live_before);
    marked += gc_heap_live - t->live_before; /* what was born black */
    t->marked = marked;
    gc_pacer_end_stw(marked, scanned);
    gc_heap_live = marked;
}

/* Everything in the stop: drain until nothing is left (modes stw and insertion). */
static void drain_stw(void)
{
    uint64_t work;
    while (gc_mark_slice(&work) || !gc_mark_is_done_stw())
        ;
}

static bool late_fired; /* [a] partners: late_ready(), late_there() */

static void late_ready(RT_UNUSED struct timer *timer)
{
    store_seq_cst(&late_fired, true); /* before the look whether the controller waits already */
    if (controller_call(FOR_TIME))
        sched_next_first();
}

static bool late_there(void)
{
    return load_seq_cst(&late_fired);
}

/* Mode hybrid: running stacks are scanned late, in a stop of their own. */
static void scan_late(void)
{
    static struct timer timer;
    late_fired = false;
    if (timer_start(&timer, arch_nanotime() + LATE_NS, late_ready))
        controller_wait(FOR_TIME, late_there, WAIT_GC_WORKER_IDLE);
    (void)stop_begin(STW_GC_OTHER);
    gc_roots_scan_running_stw(GC_SCAN_SHALLOW);
    (void)stop_end();
}

static void mark_and_end(struct gc_cycle_times *t)
{
    if (mode == GCMODE_HYBRID)
        scan_late();
    for (;;) {
        controller_wait(FOR_MARK, gc_mark_looks_done, WAIT_GC_WORKER_IDLE);
        t->mark_ns = arch_nanotime() - t->begun_ns - t->stop1_ns;
        (void)stop_begin(STW_GC_END);
        if (mode == GCMODE_INSERTION) {
            gc_roots_rescan_stacks_stw();
            drain_stw();
        }
        bool done = gc_mark_is_done_stw();
        if (done)
            end_stw(t);
        t->stop2_ns = stop_end();
        if (done)
            return;
        wake_markers();
    }
}

static void run_cycle(bool forced)
{
    struct gc_cycle_times t = {.forced = forced, .procs = sched_procs()};

    gc_sweep_finish();                        /* [cycle.2] */
    gc_limiter_update(arch_nanotime(), true); /* what follows begins to count anew */
    mode = load_relaxed(&gc_mode_next);
    trace(TRACE_GC_PHASE, gc_cycle_number + 1, 1);
    gc_pacer_begin();
    t.begun_ns = stop_begin(STW_GC_START);
    begin_stw();
    t.live_before = gc_heap_live;
    t.goal = gc_goal;
    if (mode == GCMODE_STW) {
        drain_stw();
        end_stw(&t);
    }
    t.stop1_ns = stop_end();
    if (mode != GCMODE_STW) {
        keep_watch();
        wake_markers();
        mark_and_end(&t);
    }
    gc_pacer_end();
    gc_limiter_update(arch_nanotime(), true);
    trace(TRACE_GC_PHASE, gc_cycle_number, 2);
    gc_special_handle();
    gc_sweep_release_specials();
    lang_on_gc_cycle();
    gc_mark_trim();
    gc_stats_cycle(&t);
    /* also for an rt_gc() that came after the wish was taken, before the cycle had its number */
    if (forced || load_seq_cst(&wish_forced) != 0)
        gc_sweep_finish();
    else
        wake_markers(); /* to sweep */
}

/* ---- Life of the controller ---- */

static void controller_main(RT_UNUSED void *arg)
{
    for (;;) {
        controller_wait(FOR_WISH, wish_there, WAIT_FORCE_GC_IDLE);
        bool forced = swap_acq_rel(&wish_forced, 0) != 0;
        run_cycle(forced);
        store_relaxed(&last_cycle_ns, arch_nanotime());
        store_seq_cst(&wish_trigger, 0); /* those of before the cycle are settled */
        if (waiters_release())
            store_seq_cst(&wish_forced, 1);
    }
}

bool gc_stack_unscanned(void)
{
    if (mode == GCMODE_INSERTION)
        return true;
    struct goroutine *g = goroutine_current();
    return g != NULL && !gc_roots_scanned(g);
}

/* Boot: no object exists yet. */
static void check_barrier_from_now_on(void)
{
    if (!gc_check_init(gc_pagemap_units()))
        fatal("gc: no memory for the shadow heap of gcbarriercheck");
    gc_barrier_check = true;
    rt_wb_on = RT_WB_CHECKING;
}

void gc_init(void)
{
    gc_span_init(page_ram_top());
    size_t bytes = rseq_count() * sizeof(struct rseq_range);
    void *table = page_alloc(bytes / PAGE_BYTES + 1, 1, 0);
    if (table == NULL)
        fatal("gc: no memory for the restartable ranges");
    rseq_init(table);
    gc_mode_next = (uint8_t)knobs.gcmode;
    gc_clobber_free = knobs.clobberfree;
    gc_verify_cycles = knobs.gccheckmark;
#ifdef RT_DEBUG
    gc_verify_cycles |= knobs.gcverify;
#endif
    if (knobs.gcbarriercheck)
        check_barrier_from_now_on();
    gc_stress = stress_left = (uint32_t)knobs.gcstress;
    gc_mark_init();
    gc_pacer_init();
    gc_limiter_init();
    gc_controller = goroutine_spawn_system(controller_main, NULL, "GC controller");
    if (gc_controller == NULL)
        fatal("gc: no memory for the collector's goroutine");
    gc_special_init();
}

/* ---- When memory is short ---- */

/* What cpus have cached goes back to the lists, and from there, if empty, to the page allocator. */
static void flush_caches(void)
{
    stw_begin(STW_GC_OTHER);
    for (unsigned i = 0; i < arch_cpu_count(); i++)
        gc_cache_flush_stw(i);
    stw_end();
}

void sched_up_find_memory(void)
{
    rt_gc();
}

bool gc_find_memory(unsigned step)
{
    if (!may_wait(goroutine_current()) || preempt_depth() != 0)
        return false;
    switch (step) {
    case 0: /* what is known to be dead */
        gc_sweep_finish();
        return true;
    case 1:
        rt_gc();
        return true;
    case 2: /* what is only there for speed, and what finalizers let go */
        lang_drop_caches();
        gc_special_drain();
        goroutine_release_memory();
        flush_caches();
        rt_gc();
        flush_caches();
        pcache_flush_all();
        return true;
    default:
        return false;
    }
}
