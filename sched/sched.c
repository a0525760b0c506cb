/*
 * sched/sched.c - who runs next, on every cpu.
 *
 * WHAT. Switching between goroutines, preemption, idling and waking.
 *
 * INVARIANTS
 * [sched.1] `current` and `state` change only with preemption off, so a stop never meets a
 *           half-made switch.
 * [sched.2] What a switch owes the one it leaves, once that one's context is saved, it does on the
 *           stack of the one it goes to: arch_switch()'s `then`, the finish_*() here. Preemption
 *           depth is 1 on both sides of a switch.
 * [sched.3] While sched_scan_on, nothing runs that sched_up_before_resume() has not agreed to.
 * [sched.4] Fairness. `next` runs out of turn, but a slice that ends without anybody's turn having
 *           come puts it behind the ring; the global queue is looked at every 61st pick, and at the
 *           end of every second slice that was used up (or 61 of those would pass); a goroutine
 *           that is preempted goes to the end. So nobody waits longer than two slices times the
 *           number of those ahead.
 * [idle.1]  A cpu goes idle by: idle = CPU_IDLE and its bit in the mask, then a look at every
 *           queue. A waker enqueues first, then looks at the mask. Both are full barriers between,
 *           so one of them sees the other: no work is left while a cpu sleeps for good. Whoever
 *           swaps CPU_IDLE for something else (a waker: WOKEN; a stop: CLAIMED; the cpu itself:
 *           BUSY) has it; only a waker sends an IPI. A stop may claim a WOKEN one, and makes it
 *           WOKEN again. Mask and count are the cpu's own to change, so a woken one may stand in
 *           them for a while, and a waker goes on to the next.
 * [idle.2]  If `searching` is not 0, a cpu looks for work already, and no other is woken; one that
 *           finds work and was the last to search wakes the next.
 * [idle.3]  Nothing can ever run if every cpu was CPU_IDLE at one moment with all queues empty, no
 *           timer and nobody waiting for an interrupt. One moment: no cpu left idle() between the
 *           first look and the last.
 * [armed.1] Whoever runs a goroutine has set the hardware's timer, or it has just fired, unless
 *           there is neither a timer nor a slice. armed_ns says for when; the handler makes it 0.
 * [turn.1]  An emulator that counts instructions gives one cpu after the other the turn, upwards
 *           from cpu 0, and a cpu keeps it till some timer is due, unless it halts or pauses: one
 *           busy cpu would keep it for ever. So there (`tick`) all busy cpus are interrupted
 *           together, every now and then, and the seed decides which of them goes on: each seed is
 *           an interleaving of its own.
 *
 * LOCKING. Per-cpu data with preemption off. Handlers touch only flags.
 * REJECTED. A goroutine for the scheduler's loop (an M of its own): a switch would cost two.
 * SOURCES. golang/go runtime/proc.go for 61, 256, stealing half and searching with at most half of
 * the cpus.
 */
#include <lib/assert.h>
#include <lib/bits.h>
#include <lib/console.h>
#include <lib/knobs.h>
#include <lib/rand.h>
#include <lib/rseq.h>
#include <lib/string.h>
#include <lib/trace.h>
#include <mm/stack.h>
#include <rt/goroutine.h>
#include <sched/internal.h>
#include <sched/fast.h>
#include <sched/stw.h>
#include <sched/timer.h>

#define SLICE_NS INT64_C(10000000)
#define TIMERS_APART_NS INT64_C(100000) /* so late may a busy cpu look for timers */
#define TIMERS_WAIT_NS INT64_C(1000000) /* so long may goroutines in the ring keep timers waiting */
#define WAKE_MOST_NS INT64_C(200000)    /* at most so long before a timer is due no cpu halts */
#define TICK_LEAST_NS 10000             /* [turn.1] */
#define TICK_SPREAD_NS 80000u
#define IPI_LATE_NS 20000u /* at most; stress variant */
#define GLOBAL_EVERY 61u
#define SEARCH_ROUNDS 4u
#define IDLE_POLLS 200u /* looks at one's own state before halting: a wake-up without an IPI */

PERCPU(struct goroutine *, current);
PERCPU(struct sched_cpu, sched_cpu);
PERCPU(bool, sched_slice_armed);
PERCPU(uint32_t, sched_until_look);
bool sched_scan_on;
bool sched_main_gone;
uint64_t sched_idle_count;

static uint64_t idle_mask[ARCH_MAX_CPUS / 64]; /* [a] */
static uint32_t idle_exits;                    /* [a] times that a cpu left idle() [idle.3] */
static uint32_t searching;                     /* [a] */
static uint32_t procs = 1;                     /* [S] cpus below this number run goroutines */
static uint64_t seed;                          /* [I] */
static bool tick;                              /* [I] [turn.1] */
static int64_t tick_at_ns;                     /* [a] when all busy cpus are interrupted next */
static struct rng turns;                       /* [a] who keeps the turn; only if `tick` */
static bool started; /* [a] by sched_start(), which the other cpus wait for */

static void sched_loop(void);
static bool any_queue_has_work(void);

/* ---- Waking ---- */

static bool wake_cpu(unsigned cpu)
{
    if (!cas_acq_rel(&cpu_ptr(cpu, sched_cpu)->idle, CPU_IDLE, CPU_WOKEN))
        return false;
    trace(TRACE_WAKE, cpu, 0);
    arch_ipi(cpu, ARCH_IPI_WAKE);
    return true;
}

void sched_wake_one_slow(void)
{
    if (load_relaxed(&searching) != 0)
        return;
    for (unsigned w = 0; w < ARCH_MAX_CPUS / 64; w++)
        for (uint64_t m = load_relaxed(&idle_mask[w]); m != 0; m &= m - 1)
            if (wake_cpu(w * 64 + bit_lowest(m)))
                return;
}

/* A stop had claimed idle cpus, so that they could not be woken for what was enqueued meanwhile.
 * Preemption off. */
void sched_wake_after_stop(void)
{
    fence_seq_cst();
    if (any_queue_has_work())
        wake_if_idle();
}

void sched_wake_one(void)
{
    fence_seq_cst();
    preempt_off();
    wake_if_idle();
    preempt_on();
}

unsigned sched_idle_cpus(void)
{
    return load_relaxed(&sched_idle_count);
}

/* ---- Slices ---- */

/* The next of the moments, at random distances, at which all busy cpus are interrupted [turn.1]. */
RT_COLD static int64_t tick_next(void)
{
    int64_t now = arch_nanotime();

    if (now >= load_relaxed(&tick_at_ns))
        store_relaxed(&tick_at_ns, now + TICK_LEAST_NS + rng_below(&turns, TICK_SPREAD_NS));
    return load_relaxed(&tick_at_ns);
}

/* After a tick: keep the turn or pass it on; with n cpus still in line, keep it once in n times. */
RT_COLD static void turn_keep_or_pass(struct sched_cpu *c)
{
    c->ticked = false;
    if (rng_below(&turns, arch_cpu_count() - arch_cpu_id()) != 0)
        arch_cpu_relax();
}

/*
 * Set the hardware's timer. Each write of it is slow, on a virtual machine very: so while the cpu is
 * busy it may fire up to TIMERS_APART_NS late, and it stays set for earlier than is needed now.
 */
static void timer_program(void)
{
    struct sched_cpu *c = this_cpu_ptr(sched_cpu);
    int64_t when = timer_next();
    bool busy = load_relaxed(&c->idle) == CPU_BUSY;

    if (!busy && when != INT64_MAX)
        when -= c->wake_ns;
    else if (busy && when < c->timers_ns + TIMERS_APART_NS)
        when = c->timers_ns + TIMERS_APART_NS;
    if (this_cpu(sched_slice_armed) && c->slice_end_ns < when)
        when = c->slice_end_ns;
    if (RT_UNLIKELY(tick) && busy) {
        int64_t at = tick_next();
        when = at < when ? at : when;
    }
    if (c->late_until_ns != 0 && c->late_until_ns < when)
        when = c->late_until_ns;
    bool fits = busy ? c->armed_ns - TIMERS_APART_NS <= when : c->armed_ns == when;
    if (fits && c->armed_ns != 0)
        return;
    if (when != INT64_MAX) {
        c->armed_ns = when;
        arch_timer_arm(when);
    } else if (c->armed_ns != 0) {
        c->armed_ns = 0;
        arch_timer_stop();
    }
}

/* [armed.1] */
RT_UNUSED static bool timer_is_set(const struct sched_cpu *c)
{
    return load_relaxed(&c->armed_ns) != 0 || load_relaxed(&c->timer_fired) ||
           (timer_next() == INT64_MAX && !this_cpu(sched_slice_armed));
}

void sched_timer_changed(void)
{
    timer_program();
}

void sched_slice_begin(void)
{
    struct sched_cpu *c = this_cpu_ptr(sched_cpu);

    this_cpu(sched_slice_armed) = true;
    c->slice_head = this_cpu(runq).head;
    c->slice_end_ns = arch_nanotime() + SLICE_NS;
    timer_program();
}

static bool others_wait(void)
{
    return !runq_empty(this_cpu_ptr(runq)) || globq_length() > 0;
}

/* The timer fired: has the running goroutine had its slice while others wait? */
static bool slice_is_over(void)
{
    struct sched_cpu *c = this_cpu_ptr(sched_cpu);

    if (!this_cpu(sched_slice_armed) || arch_nanotime() < c->slice_end_ns)
        return false;
    this_cpu(sched_slice_armed) = false;
    if (!others_wait())
        return false;
    bool hog = this_cpu(runq).head == c->slice_head;
    sched_slice_begin();
    return hog && !knobs.asyncpreemptoff;
}

/*
 * A cpu with too much to do would fire timers all the time, each for one more goroutine that waits,
 * on a stack that nobody has used yet. So while many wait they go first, for a while.
 */
static void run_timers(struct sched_cpu *c)
{
    int64_t now = arch_nanotime();

    if (timer_next() > now)
        return;
    c->timers_ns = now;
    if (runq_length(this_cpu_ptr(runq)) > TIMERS_AT_ONCE && now - c->timers_ran_ns < TIMERS_WAIT_NS)
        return;
    timer_run_due();
    c->timers_ran_ns = now;
}

/* ---- Enqueueing ---- */

static RT_ALWAYS_INLINE void enqueue_last(struct goroutine *g)
{
    store_release(&g->state, G_RUNNABLE);
    runq_put_in(this_cpu_ptr(runq), g); /* also the barrier of [idle.1] */
    slice_need();
    wake_if_idle();
}

void sched_enqueue(struct goroutine *g, bool next)
{
    if (next)
        enqueue_next(this_cpu_ptr(runq), g);
    else
        enqueue_last(g);
}

void ready(struct goroutine *g)
{
    preempt_off();
    if (ready_claim(g)) {
        trace_debug(TRACE_READY, g->id, 0);
        enqueue_next(this_cpu_ptr(runq), g);
    }
    preempt_on();
}

void ready_last(struct goroutine *g)
{
    preempt_off();
    if (ready_claim(g)) {
        trace_debug(TRACE_READY, g->id, 0);
        enqueue_last(g);
    }
    preempt_on();
}

void ready_here(struct goroutine *g)
{
    preempt_off();
    if (ready_claim(g)) {
        trace_debug(TRACE_READY, g->id, 0);
        enqueue_here(this_cpu_ptr(runq), g);
    }
    preempt_on();
}

/* ---- Picking ---- */

/* Whatever pick_fast() would find on that cpu, pick_in_turn() decides. Our cpu, or stopped. */
static void look_closer(unsigned cpu)
{
    uint32_t *until = cpu_ptr(cpu, sched_until_look);

    if (*until > 1) {
        cpu_ptr(cpu, sched_cpu)->look_rest = *until - 1; /* that pick counts */
        *until = 1;
    }
}

/* pick_fast() gave NULL, and pick_in_turn() is not called: it will be next time. */
static void picked_nobody(void)
{
    if (this_cpu(sched_until_look) == 0)
        this_cpu(sched_until_look) = 1;
}

/* Every GLOBAL_EVERY picks, and while a slice that ended has put the ring before `next` [sched.4];
 * nothing at all if this cpu is out of service. */
RT_NOINLINE static struct goroutine *pick_in_turn(void)
{
    struct sched_cpu *c = this_cpu_ptr(sched_cpu);
    struct runq *q = this_cpu_ptr(runq);
    struct goroutine *g;
    uint32_t *until = this_cpu_ptr(sched_until_look);
    uint32_t left = *until != 0 ? *until : c->look_rest;
    bool global = left == 0 || (c->skip_next && left % 2 == 0);

    DEBUG_ASSERT(left <= GLOBAL_EVERY);

    *until = left == 0 ? GLOBAL_EVERY : left;
    c->look_rest = 0;
    if (sched_scan_on)
        look_closer(arch_cpu_id());
    if (!c->in_service) {
        look_closer(arch_cpu_id());
        return NULL;
    }
    if (global && (g = globq_get()) != NULL) {
        slice_need(); /* others may have come with it */
        if (c->skip_next)
            look_closer(arch_cpu_id());
        return g;
    }
    if (!c->skip_next && load_relaxed(&q->next) != NULL &&
        (g = swap_acq_rel(&q->next, NULL)) != NULL)
        return g;
    g = runq_get();
    if (g != NULL && c->skip_next) {
        struct goroutine *late = swap_acq_rel(&q->next, NULL);
        if (late != NULL)
            runq_put_in(q, late);
    }
    c->skip_next = false;
    if (g == NULL && load_relaxed(&q->next) != NULL)
        g = swap_acq_rel(&q->next, NULL);
    return g;
}

static struct goroutine *pick_local(void)
{
    struct goroutine *g = pick_fast(this_cpu_base(), false);

    return g != NULL ? g : pick_in_turn();
}

static struct goroutine *steal(bool take_next)
{
    unsigned n = arch_cpu_count(), self = arch_cpu_id();
    unsigned start = rng_below(&this_cpu_ptr(sched_cpu)->rng, n);

    for (unsigned i = 0; i < n; i++) {
        unsigned victim = start + i < n ? start + i : start + i - n;
        if (victim == self)
            continue;
        struct goroutine *g = runq_steal(victim, take_next);
        if (g != NULL)
            return g;
    }
    return NULL;
}

/* Look everywhere; up to half of the busy cpus at a time. */
static struct goroutine *search(void)
{
    struct goroutine *g = NULL;
    unsigned busy =
        procs - (load_relaxed(&sched_idle_count) < procs ? load_relaxed(&sched_idle_count) : procs);

    if (procs == 1 || 2 * load_relaxed(&searching) >= busy + 1)
        return NULL;
    add_acq_rel(&searching, 1);
    for (unsigned round = 0; g == NULL && round < SEARCH_ROUNDS; round++) {
        for (unsigned i = 0; i < 50;
             i++) /* a `next` that runs soon anyway is left alone for a while */
            arch_cpu_relax();
        if (stw_pending())
            break;
        g = globq_get();
        if (g == NULL)
            g = steal(round == SEARCH_ROUNDS - 1);
    }
    bool last = sub_acq_rel(&searching, 1) == 1;
    if (g != NULL && last)
        wake_if_idle(); /* [idle.2] */
    return g;
}

static bool any_queue_has_work(void)
{
    if (globq_length() > 0)
        return true;
    for (unsigned i = 0; i < arch_cpu_count(); i++)
        if (!runq_empty(cpu_ptr(i, runq)))
            return true;
    return false;
}

bool sched_has_work(void)
{
    return others_wait() || sched_asked();
}

bool sched_asked(void)
{
    return preempt_asked() || stw_pending() || this_cpu(sched_cpu).timer_fired;
}

void sched_out_of_service(void)
{
    this_cpu(sched_cpu).in_service = false;
    look_closer(arch_cpu_id());
}

void sched_out_of_service_stw(unsigned cpu)
{
    cpu_ptr(cpu, sched_cpu)->in_service = false;
    look_closer(cpu);
    stw_deschedule(cpu);
}

/* ---- Switching ---- */

static struct goroutine *goroutine_of(struct arch_context *context)
{
    return container_of(context, struct goroutine, context);
}

/* What is done for the one we come from, on the stack of the one we go to [sched.2]. base:
 * this_cpu_base(). */

/* Readied on the way. */
RT_COLD static void finish_park_readied(struct goroutine *g)
{
    sched_enqueue(g, true);
}

void sched_finish_park(struct arch_context *from, RT_UNUSED uintptr_t base)
{
    struct goroutine *g = goroutine_of(from);

    if (RT_UNLIKELY(sub_acq_rel(&g->tokens, 1) == 1)) /* partner: ready_claim() */
        finish_park_readied(g);
}

static void finish_yield(struct arch_context *from, RT_UNUSED uintptr_t base)
{
    enqueue_last(goroutine_of(from));
}

/* The same if there is room in the ring and a slice goes on, since somebody waited there before. */
static void finish_yield_fast(struct arch_context *from, uintptr_t base)
{
    struct runq *q = cpu_ptr_at(base, runq);
    struct goroutine *g = goroutine_of(from);

    DEBUG_ASSERT(this_cpu(sched_slice_armed) && runq_has_room(q));
    store_release(&g->state, G_RUNNABLE);
    runq_put_room(q, g); /* also the barrier of [idle.1] */
    wake_if_idle();
}

static void finish_exit(struct arch_context *from)
{
    goroutine_free_odd(goroutine_of(from));
}

static void finish_nothing(RT_UNUSED struct arch_context *from, RT_UNUSED uintptr_t base)
{
}

/* For whoever pick_fast() has come up with, or not, if it is not simple. */
static RT_ALWAYS_INLINE struct arch_context *enter_slow(struct goroutine *next)
{
    struct sched_cpu *c = this_cpu_ptr(sched_cpu);

    if (next == NULL)
        next = pick_in_turn();
    if (next != NULL && can_enter(next) && !sched_scan_on) /* [sched.3] */
        return enter(next);
    c->stash = next;
    this_cpu(current) = NULL;
    return &c->context;
}

void sched_park_slow(struct goroutine *g, struct goroutine *next)
{
    if (next == NULL &&
        load_acquire(&g->tokens) == 1) { /* readied already; partner: ready_claim() */
        store_relaxed(&g->tokens, 0);
        g->state = G_RUNNING;
        picked_nobody();
        preempt_on();
        return;
    }
    arch_switch(&g->context, enter_slow(next), sched_finish_park, 0);
    preempt_on();
}

void park(enum wait_reason why)
{
    arch_touch_stack();
    preempt_off();
    park_fast(why);
}

static RT_NOINLINE void yield_switch(struct goroutine *next)
{
    struct goroutine *g = goroutine_current();

    arch_switch(&g->context, enter_slow(next), finish_yield, 0);
    preempt_on();
}

/* pick_fast() gave `next`, and it is not simple. Without anybody else it is cheap all the same. */
static RT_NOINLINE void yield_slow(struct goroutine *next)
{
    if (next != NULL || others_wait()) {
        yield_switch(next);
        return;
    }
    picked_nobody();
    preempt_on();
}

void rt_yield(void)
{
    arch_touch_stack();
    preempt_off();
    check_may_leave();
    uintptr_t base = this_cpu_base();
    struct goroutine *next = pick_fast(base, true);
    if (RT_UNLIKELY(next == NULL || !can_enter(next))) {
        yield_slow(next);
        return;
    }
    struct goroutine *g = goroutine_current();
    arch_switch(&g->context, enter(next), finish_yield_fast, base);
    preempt_on();
}

void sched_next_first(void)
{
    if (goroutine_current() != NULL)
        rt_yield();
    else
        this_cpu(sched_cpu).stash_yields = true;
}

static RT_NOINLINE RT_NORETURN void exit_slow(struct goroutine *g, struct goroutine *next)
{
    if (g == NULL)
        arch_resume(enter_slow(next));
    arch_switch_to(&g->context, enter_slow(next), finish_exit);
}

/*
 * A block that goes into this cpu's cache may go there while we still stand on its stack: only this
 * cpu takes one out, and not before preemption comes on again.
 */
void goroutine_exit(void)
{
    preempt_off();
    check_may_leave();
    struct goroutine *g = goroutine_current();
    uintptr_t base = this_cpu_base();
    DEBUG_ASSERT(g->defer_frames == NULL && g->panics == NULL && load_relaxed(&g->tokens) == 0);
    DEBUG_ASSERT(g->defer_top == NULL && g->defer_chunks == NULL); /* [defer.6] */
    g->state = G_DEAD;
    if (RT_UNLIKELY(!goroutine_cache_put(cpu_ptr_at(base, goroutine_cache), g)))
        exit_slow(g, NULL);
    struct goroutine *next = pick_fast(base, false);
    if (RT_UNLIKELY(next == NULL || !can_enter(next)))
        exit_slow(NULL, next);
    arch_resume(enter(next));
}

/* ---- Preemption ---- */

void sched_enter(RT_UNUSED void *arg)
{
    arch_irq_on();
    sched_loop();
}

/* From a handler, preemption depth 0: the interrupted goroutine leaves its cpu with all its
 * registers. */
void sched_leave(struct arch_frame *frame, enum leave_for what)
{
    struct goroutine *g = this_cpu(current);

    rseq_fixup(frame);
    trace(TRACE_PREEMPT, g->id, arch_frame_pc(frame));
    memcpy(g->frame, frame, ARCH_FRAME_BYTES);
    this_cpu(preempt) = PREEMPT_QUIET + 1;
    sched_abandon(what);
    arch_leave_to((void *)arch_sched_stack_top(arch_cpu_id()), sched_enter, NULL);
}

/* The running goroutine's registers are in its frame: it is no longer ours. Preemption off. */
void sched_abandon(enum leave_for what)
{
    struct sched_cpu *c = this_cpu_ptr(sched_cpu);
    struct goroutine *g = this_cpu(current);

    g->preempted = 1;
    g->state = G_RUNNABLE;
    this_cpu(current) = NULL;
    if (what == LEAVE_FRONT)
        c->stash = g;
    else
        c->yielded = g;
}

void sched_request_self(void)
{
    this_cpu(preempt) &= ~PREEMPT_QUIET;
}

/* In a handler: see to everything that may be asked of this cpu. Returns if the goroutine may go
 * on. */
static void take_requests(struct arch_frame *frame)
{
    struct sched_cpu *c = this_cpu_ptr(sched_cpu);

    if (preempt_depth() != 0) {
        stw_meets_section(frame);
        sched_request_self();
        return;
    }
    watchdog_answer();
    if (stw_pending())
        stw_stop_here(frame);
    if (RT_UNLIKELY(!this_cpu(sched_slice_armed)) && globq_length() > 0)
        sched_slice_begin(); /* partner: hand_over() */
    if (c->must_leave) {
        c->must_leave = false;
        sched_leave(frame, LEAVE_FRONT);
    }
    if (RT_UNLIKELY(c->yield) || (c->timer_fired && slice_is_over())) {
        c->yield = false;
        c->skip_next = true;
        look_closer(arch_cpu_id());
        sched_leave(frame, LEAVE_YIELD);
    }
    if (c->timer_fired || c->refill || irq_run_needed())
        sched_leave(frame, LEAVE_FRONT);
}

void arch_on_timer(struct arch_frame *frame)
{
    this_cpu(sched_cpu).timer_fired = true;
    this_cpu(sched_cpu).armed_ns = 0;
    this_cpu(sched_cpu).ticked = tick;
    this_cpu(sched_cpu).late_until_ns = 0;
    if (RT_UNLIKELY(knobs.watchdog != 0) && preempt_depth() != 0)
        watchdog_tick(frame);
    take_requests(frame);
}

void sched_preempt_irq(struct arch_frame *frame)
{
    this_cpu(sched_cpu).yield = true;
    if (arch_frame_irqs_on(frame))
        take_requests(frame);
    else
        sched_request_self();
}

#ifdef RT_STRESS
/* Some stops are taken later, when the timer fires: as if the IPI had been long under way. */
static bool ipi_is_late(void)
{
    struct sched_cpu *c = this_cpu_ptr(sched_cpu);

    if (!stw_pending() || c->must_leave || c->yield || rng_below(&c->late, 4) != 0)
        return false;
    c->late_until_ns = arch_nanotime() + rng_below(&c->late, IPI_LATE_NS);
    timer_program();
    return true;
}

/* And some cpus are late to wake up. */
static void wake_late(struct sched_cpu *c)
{
    if (rng_below(&c->late, 4) == 0)
        for (uint32_t left = rng_below(&c->late, IPI_LATE_NS); left > 0; left--)
            arch_cpu_relax();
}
#else
static inline bool ipi_is_late(void)
{
    return false;
}

static inline void wake_late(RT_UNUSED struct sched_cpu *c)
{
}
#endif

void arch_on_resched(struct arch_frame *frame)
{
    if (!ipi_is_late())
        take_requests(frame);
}

/* Nobody may stop us here; the next interrupt does it. */
void preempt_request_later(void)
{
    this_cpu(preempt) |= PREEMPT_QUIET;
    arch_ipi(arch_cpu_id(), ARCH_IPI_RESCHED);
}

/* ---- The loop, on the scheduler's stack: preemption depth 1, interrupts on ---- */

/* [stackfault.3] */
static RT_COLD void starve(struct sched_cpu *c)
{
    if (c->stash != NULL)
        sched_enqueue(c->stash, false); /* it faults again, and comes here again */
    c->stash = NULL;
    goroutine_find_memory();
}

static void housekeeping(void)
{
    struct sched_cpu *c = this_cpu_ptr(sched_cpu);

    if (RT_UNLIKELY(!(this_cpu(preempt) & PREEMPT_QUIET))) {
        watchdog_answer();
        __asm__ volatile("" ::: "memory");
        irqflags_t flags = arch_irq_save();
        this_cpu(preempt) |= PREEMPT_QUIET;
        arch_irq_restore(flags);
        c->must_leave = false;
    }
    if (stw_pending())
        stw_stop_here(NULL);
    if (c->refill) {
        c->refill = false;
        if (RT_UNLIKELY(!stackfault_refill(c->stash)))
            starve(c);
    }
    irq_run();
    if (c->timer_fired) {
        c->timer_fired = false;
        arch_tlb_tune();
        run_timers(c);
        if (slice_is_over()) { /* while we were here; else it would be due at once, for ever */
            c->skip_next = true;
            look_closer(arch_cpu_id());
            if (c->stash != NULL)
                sched_enqueue(c->stash, false);
            c->stash = NULL;
        }
        timer_program();
    }
}

void sched_context_reset(void)
{
    arch_context_init(&this_cpu_ptr(sched_cpu)->context,
                      (void *)arch_sched_stack_top(arch_cpu_id()), sched_enter, NULL);
}

/* Run g; returns when the loop is entered again, or at once if g may not run yet. */
static void dispatch(struct goroutine *g)
{
    struct sched_cpu *c = this_cpu_ptr(sched_cpu);

    if (sched_scan_on && !sched_up_before_resume(g)) { /* [sched.3] */
        sched_enqueue(g, false);
        return;
    }
    trace_debug(TRACE_SWITCH, g->id, g->preempted);
    DEBUG_ASSERT(timer_is_set(c));
    DEBUG_ASSERT(load_relaxed(&c->idle) == CPU_BUSY); /* [stw.3] */
    if (!g->preempted) {
        g->state = G_RUNNING;
        this_cpu(current) = g;
        arch_switch(&c->context, &g->context, finish_nothing, 0);
        return;
    }
    arch_irq_off();
    if (!(this_cpu(preempt) & PREEMPT_QUIET)) { /* a request came in between: see to it first */
        arch_irq_on();
        c->stash = g;
        return;
    }
    g->preempted = 0;
    g->state = G_RUNNING;
    this_cpu(current) = g;
    sched_context_reset();
    this_cpu(preempt) = PREEMPT_QUIET;
    if (RT_UNLIKELY(c->ticked))
        turn_keep_or_pass(c); /* between two instructions of the program */
    arch_frame_resume(g->frame);
}

/* Be busy again: by our own doing, or since somebody woke us, or once a stop lets go of us. */
static void idle_end(void)
{
    struct sched_cpu *c = this_cpu_ptr(sched_cpu);
    unsigned self = arch_cpu_id();

    for (;;) {
        uint32_t s = load_acquire(&c->idle); /* partner: stw_end(), wake_cpu() */
        if (s == CPU_CLAIMED) {
            arch_cpu_relax(); /* stopped */
            continue;
        }
        if (cas_acq_rel(&c->idle, s, CPU_BUSY))
            break;
    }
    add_acq_rel(&idle_exits, 1); /* before we touch a queue; partner: nothing_can_ever_run() */
    and_acq_rel(&idle_mask[self / 64], ~(UINT64_C(1) << (self % 64)));
    sub_acq_rel(&sched_idle_count, 1);
    if (load_acquire(&c->flush)) {
        store_relaxed(&c->flush, false);
        arch_tlb_flush_local();
    }
}

static bool nothing_can_ever_run(void)
{
    uint32_t exits = load_seq_cst(&idle_exits); /* [idle.3] */

    if (load_relaxed(&sched_idle_count) != arch_cpu_count())
        return false;
    for (unsigned i = 0; i < arch_cpu_count(); i++)
        if (load_seq_cst(&cpu_ptr(i, sched_cpu)->idle) != CPU_IDLE)
            return false;
    return !timer_any() && !irq_anybody_waits() && !any_queue_has_work() &&
           (goroutine_count() > 0 || load_relaxed(&sched_main_gone)) &&
           load_seq_cst(&idle_exits) == exits;
}

static bool idle_goes_on(struct sched_cpu *c)
{
    return load_acquire(&c->idle) == CPU_IDLE && !c->timer_fired && !irq_run_needed() &&
           (this_cpu(preempt) & PREEMPT_QUIET);
}

/* Wait a little, and for a timer that is due before a halt would end. Returns whether to halt. */
static bool idle_poll(struct sched_cpu *c)
{
    for (unsigned i = 0; idle_goes_on(c); i++) {
        int64_t first = timer_next(), now = first != INT64_MAX ? arch_nanotime() : 0;
        if (now >= first)
            c->timer_fired = true;
        else if (i >= IDLE_POLLS && first - now > c->wake_ns)
            return true;
        else
            arch_cpu_relax();
    }
    return false;
}

/* Until somebody wants this cpu, or its first timer is nearly due: a halt takes time to end, so it
 * is to end earlier, and idle_poll() waits for the rest. */
static void idle_halt(struct sched_cpu *c)
{
    arch_irq_off();
    timer_program();
    int64_t armed = c->armed_ns, first = timer_next();
    bool early = armed == first - c->wake_ns; /* and not the end of a slice, or a tick */
    while (idle_goes_on(c))
        arch_halt_irq_off();
    arch_irq_on();
    int64_t late = arch_nanotime() - armed;
    if (!c->timer_fired || !early || late < 0)
        return;
    c->wake_ns += ((late < WAKE_MOST_NS ? late : WAKE_MOST_NS) - c->wake_ns) / 8;
    c->timer_fired = false;
}

static void idle(void)
{
    struct sched_cpu *c = this_cpu_ptr(sched_cpu);
    unsigned self = arch_cpu_id();
    bool in_service = self < procs;

    trace_debug(TRACE_IDLE, 0, 0);
    add_acq_rel(&sched_idle_count, 1);
    store_seq_cst(&c->idle, CPU_IDLE);
    if (in_service)
        or_acq_rel(&idle_mask[self / 64], UINT64_C(1) << (self % 64));
    fence_seq_cst(); /* [idle.1] */
    if ((in_service && any_queue_has_work()) || stw_pending()) {
        idle_end();
        return;
    }
    if (nothing_can_ever_run())
        report_deadlock();
    while (idle_poll(c))
        idle_halt(c);
    wake_late(c);
    idle_end();
    if (RT_UNLIKELY(tick) || c->armed_ns == 0)
        timer_program(); /* busy again [turn.1]; woken just as it fired [armed.1] */
}

/*
 * Out of service: everything goes to the others. They may all be busy with goroutines that never
 * leave, and without a slice, since nobody waited for them: so each is asked to look.
 */
static void hand_over(struct goroutine *g)
{
    bool any = false;

    while (g != NULL || (g = runq_get()) != NULL ||
           (g = swap_acq_rel(&this_cpu_ptr(runq)->next, NULL)) != NULL) {
        globq_put(g);
        g = NULL;
        any = true;
    }
    if (!any)
        return;
    fence_seq_cst();
    wake_if_idle();
    for (unsigned i = 0; i < procs; i++)
        arch_ipi(i, ARCH_IPI_RESCHED);
}

static void out_of_service(void)
{
    if (arch_cpu_id() >= procs) {
        idle();
        return;
    }
    if (any_queue_has_work())
        wake_if_idle(); /* a wake-up that we got may have been meant for somebody who takes it */
    if (!sched_up_dedicated_work())
        this_cpu(sched_cpu).in_service = true;
}

static void sched_loop(void)
{
    struct sched_cpu *c = this_cpu_ptr(sched_cpu);

    for (;;) {
        if (c->yielded != NULL) {
            sched_enqueue(c->yielded, false);
            c->yielded = NULL;
        }
        housekeeping();
        struct goroutine *g = c->stash;
        c->stash = NULL;
        if (RT_UNLIKELY(c->stash_yields)) {
            c->stash_yields = false;
            if (g != NULL && load_relaxed(&this_cpu_ptr(runq)->next) != NULL) {
                sched_enqueue(g, false);
                g = NULL;
            }
        }
        if (RT_UNLIKELY(!c->in_service)) {
            hand_over(g);
            out_of_service();
            continue;
        }
        if (g == NULL)
            g = pick_local();
        if (g == NULL && ((g = globq_get()) != NULL || (g = search()) != NULL) && others_wait())
            slice_need(); /* it did not come alone, and the others entered our ring without
                             sched_enqueue() */
        if (g != NULL)
            dispatch(g);
        else if (!sched_up_idle_work())
            idle();
    }
}

/* ---- Start, and odds and ends ---- */

bool sched_is_idle(unsigned cpu)
{
    return load_relaxed(&cpu_ptr(cpu, sched_cpu)->idle) != CPU_BUSY;
}

static void sched_cpu_init(void)
{
    struct sched_cpu *c = this_cpu_ptr(sched_cpu);

    c->rng = rng_split(seed, 1 + arch_cpu_id());
    c->late = rng_split(c->rng.state, 1);
    this_cpu(sched_until_look) = GLOBAL_EVERY;
    c->in_service = arch_cpu_id() < procs;
    sched_context_reset();
    timer_program();
    watchdog_start();
}

void sched_init(void)
{
    seed = knobs.seed != 0 ? knobs.seed : arch_random_seed();
}

void sched_start(void)
{
    unsigned n = arch_cpu_count();

    tick = arch_needs_tick();
    turns = rng_split(seed, 0);
    procs = knobs.gomaxprocs != 0 && knobs.gomaxprocs < n ? (unsigned)knobs.gomaxprocs : n;
    for (unsigned i = 0; i < n; i++)
        if (!stack_reserve_make(i))
            fatal("sched: too little memory for cpu %u", i);
    store_seq_cst(&started, true);
    for (unsigned i = 1; i < n; i++)
        arch_ipi(i, ARCH_IPI_WAKE);
    sched_cpu_init();
    schedtrace_start();
    goroutine_start_system();
    arch_leave_to((void *)arch_sched_stack_top(0), sched_enter, NULL);
}

void arch_on_cpu_start(void)
{
    while (!load_acquire(&started)) /* partner: sched_start() */
        arch_halt_irq_off();
    sched_cpu_init();
    sched_enter(NULL);
    __builtin_unreachable();
}

void sched_scan_stw(bool on)
{
    sched_scan_on = on;
    for (unsigned i = 0; i < arch_cpu_count(); i++)
        look_closer(i);
}

void sched_procs_store_stw(unsigned n)
{
    for (unsigned i = 0; i < arch_cpu_count(); i++)
        if ((i < n) != (i < procs)) { /* the others may be dedicated to something */
            cpu_ptr(i, sched_cpu)->in_service = i < n;
            look_closer(i);
        }
    procs = n;
}

void sched_wake_all(void)
{
    for (unsigned i = 0; i < arch_cpu_count(); i++)
        wake_cpu(i);
}

unsigned sched_searching(void)
{
    return load_relaxed(&searching);
}

unsigned sched_procs(void)
{
    return procs;
}

uint64_t sched_seed(void)
{
    return seed;
}

struct goroutine *sched_running_on(unsigned cpu)
{
    return *cpu_ptr(cpu, current);
}

bool console_up_wait(void)
{
    if (goroutine_current() == NULL || preempt_depth() != 0 || !arch_irq_enabled())
        return false;
    rt_yield();
    return true;
}
