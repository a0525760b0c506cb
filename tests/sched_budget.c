/*
 * tests/sched_budget.c - how long the runtime keeps a goroutine from being preempted, in
 * instructions.
 *
 * A goroutine does what programs do, one single step at a time. Each step looks whether preemption,
 * or interrupts, are off; the longest stretch of either is what a stop or a timer may have to wait
 * for. The limits are those of lib/preempt.h and of [arch.2]. What runs on the scheduler's own
 * stack is not stepped [step.1].
 */
#include <tests/sched_common.h>

#include <gc/cycle.h>
#include <gc/mark.h>
#include <lib/knobs.h>
#include <lib/rand.h>
#include <lib/symbol.h>
#include <mm/pcache.h>
#include <sched/internal.h>
#include <sched/timer.h>

#ifdef RT_DEBUG
#define PREEMPT_BUDGET 10000u /* the checks and the poison of this build count, too */
#define LONG_RUN 64u          /* pages; poisoning more takes too many steps */
#else
#define PREEMPT_BUDGET 5000u
#define LONG_RUN 16384u
#endif
#define IRQ_BUDGET 1000u

struct stretch {
    uint32_t now, longest;
    uintptr_t start, culprit; /* where the running one, and the longest one, began */
};

static struct {
    struct goroutine *g;
    struct stretch section, irqs;
    uintptr_t waiting_end; /* of the code of spin_lock_slow() */
    uint32_t steps, done;
} budget;

/* What follows the code of the function that begins here. */
static uintptr_t function_end(uintptr_t begin)
{
    struct symbol s;
    uintptr_t pc = begin;

    while (symbol_lookup(pc, &s) && pc - s.offset == begin)
        pc++;
    return pc;
}

/* Who waits for a lock pays for another cpu's section, and for that cpu's host. */
static bool waits(uintptr_t pc)
{
    return pc - (uintptr_t)spin_lock_slow < budget.waiting_end - (uintptr_t)spin_lock_slow;
}

static void note(struct stretch *s, bool off, uintptr_t pc)
{
    if (!off) {
        s->now = 0;
        return;
    }
    if (s->now++ == 0)
        s->start = pc;
    if (s->now > s->longest) {
        s->longest = s->now;
        s->culprit = s->start;
    }
}

static bool measure(struct arch_frame *frame)
{
    if (goroutine_current() != budget.g) { /* a switch handed the flag on [step.1] */
        budget.section.now = budget.irqs.now = 0;
        arch_frame_set_step(frame, false);
        return true;
    }
    if (waits(arch_frame_pc(frame)))
        return true;
    budget.steps++;
    note(&budget.section, preempt_depth() != 0, arch_frame_pc(frame));
    note(&budget.irqs, !arch_frame_irqs_on(frame), arch_frame_pc(frame));
    return true;
}

static void nothing(void)
{
}

static void no_fire(RT_UNUSED struct timer *timer)
{
}

struct small {
    uint64_t words[2];
};
struct middle {
    uint64_t words[60];
};
struct large {
    uint64_t words[4000];
};

static struct rt_mutex mutex;

static void stepped(void)
{
    budget.g = goroutine_current();
    rt_chan(uint64_t) c = rt_chan_make(uint64_t, 4);
    struct timer timer = {.when_ns = 0};

    arch_step_on();
    for (unsigned i = 0; i < 200; i++)
        go(nothing);
    rt_yield(); /* from here on only what the switch back leaves: so again */
    arch_step_on();
    for (unsigned i = 0; i < 10; i++) {
        rt_chan_send(c, (uint64_t)i);
        rt_chan_recv(c);
    }
    rt_mutex_lock(&mutex);
    rt_mutex_unlock(&mutex);
    for (unsigned i = 0; i < 5; i++) {
        if (!timer_start(&timer, INT64_MAX, no_fire))
            break;
        timer_stop(&timer);
    }
    for (unsigned pages = 1; pages <= LONG_RUN; pages *= 4) {
        void *run = page_alloc(pages, 1, 0);
        if (run != NULL)
            page_free(run, pages);
    }
    for (unsigned i = 0; i < 100; i++) {
        gc_new(struct small);
        gc_new(struct middle);
    }
    gc_new(struct large);
    arch_step_off();
    store_release(&budget.done, 1);
}

TEST_OPTS(budget, sections_are_short, .timeout_s = 60)
{
    struct symbol s;

    memset(&budget, 0, sizeof budget);
    budget.waiting_end = function_end((uintptr_t)spin_lock_slow);
    EXPECT_GE(t, budget.waiting_end, (uintptr_t)spin_lock_slow + 16);
    debugtrap_set(measure);
    go(stepped);
    EXPECT(t, WAIT_UNTIL(load_acquire(&budget.done) != 0, 50));
    debugtrap_set(NULL);
    EXPECT_GE(t, budget.steps, 5000);
    symbol_lookup(budget.section.culprit, &s);
    test_note(t, "preemption off for at most %u instructions, from %#lx, %s (%s:%u)",
              budget.section.longest, (unsigned long)budget.section.culprit, s.name, s.file,
              s.line);
    EXPECT_LE(t, budget.section.longest, PREEMPT_BUDGET);
    symbol_lookup(budget.irqs.culprit, &s);
    test_note(t, "interrupts off for at most %u instructions, from %#lx, %s (%s:%u)",
              budget.irqs.longest, (unsigned long)budget.irqs.culprit, s.name, s.file, s.line);
    EXPECT_LE(t, budget.irqs.longest, IRQ_BUDGET);
}

/* ---- Marking lets go when it is asked [mark.6] ---- */

#ifdef RT_DEBUG
#define LET_GO_BUDGET 4000u /* -Og and asserts; seldom a step of globals and a page: 3,250 */
#else
#define LET_GO_BUDGET 2000u /* an object with 64 references at the end; else some hundred */
#endif

struct wide {
    gc(struct small_ref *) ref[64];
};
struct small_ref {
    gc(struct small_ref *) a, b;
};

static gc_root(gc(void *) *, grey_work);

static struct {
    struct goroutine *g;
    uint32_t in;     /* steps in the section so far */
    uint32_t ask_at; /* at this one somebody asks for the cpu */
    bool asked;
    uint32_t n_asked, since, longest, sum;
    uintptr_t pc, culprit; /* where it was asked */
    struct rng rng;
} let_go;

/* Ask at a random step of marking, and count the steps until the section ends. */
static bool ask_and_count(struct arch_frame *frame)
{
    if (goroutine_current() != let_go.g) {
        arch_frame_set_step(frame, false);
        return true;
    }
    if (preempt_depth() == 0) {
        if (let_go.asked && let_go.since > let_go.longest) {
            let_go.longest = let_go.since;
            let_go.culprit = let_go.pc;
        }
        if (let_go.asked) {
            let_go.n_asked++;
            let_go.sum += let_go.since;
        }
        let_go.asked = false;
        let_go.in = 0;
        let_go.ask_at = rng_below(&let_go.rng, 8000);
    } else if (let_go.asked) {
        let_go.since++;
    } else if (spin_is_locked(&this_cpu_ptr(gc_local)->lock) && let_go.in++ >= let_go.ask_at) {
        sched_request_self();
        let_go.asked = true;
        let_go.since = 0;
        let_go.pc = arch_frame_pc(frame);
    }
    return true;
}

static void collect(struct rt_waitgroup *wg)
{
    rt_gc();
    rt_wg_done(wg);
}

/* Arrays (one of nothing but NULL), wide objects, a web of small ones: each way that the marker has. */
static void make_grey_work(void)
{
    enum { N = 20000, N_NULL = 1 << 13 };
    gc(void *) *all = gc_make_refs(void *, N);
    gc_set(grey_work.p, all);
    for (unsigned i = 0; i < N; i++) {
        if (i % 16 == 0) {
            struct wide *w = gc_new(struct wide);
            for (unsigned k = 0; k < 64 && k < i; k++)
                gc_set(w->ref[k], (struct small_ref *)(uintptr_t)all[i - 1 - k]);
            gc_set(all[i], w);
        } else {
            struct small_ref *o = gc_new(struct small_ref);
            gc_set(o->a, (struct small_ref *)(uintptr_t)all[i / 2]);
            gc_set(all[i], o);
        }
    }
    gc(void *) *nulls = gc_make_refs(void *, N_NULL);
    gc_set(all[0], (void *)(uintptr_t)nulls);
}

TEST_OPTS(budget, marking_lets_go_when_asked, .timeout_s = 60)
{
    static struct rt_waitgroup wg;
    if (gc_mode_next == GCMODE_STW)
        test_skip(t, "nothing marks beside the program (gcmode=stw)");
    unsigned procs = sched_set_procs(1); /* the others would have marked everything by then */
    struct symbol s;
    uint64_t work;

    memset(&let_go, 0, sizeof let_go);
    let_go.g = goroutine_current();
    let_go.rng = rng_split(t->seed, 0);
    make_grey_work();
    for (unsigned round = 0; round < 60 && let_go.n_asked < 40; round++) {
        rt_wg_add(&wg, 1);
        go(collect, &wg);
        while (gc_phase != GC_MARKING)
            rt_yield();
        debugtrap_set(ask_and_count);
        for (unsigned i = 0; i < 10; i++) {
            pcache_flush_all(); /* the next page costs the most that one can */
            arch_step_on();
            (void)gc_mark_slice(&work);
            arch_step_off();
        }
        debugtrap_set(NULL);
        rt_wg_wait(&wg);
    }
    gc_set(grey_work.p, NULL);
    sched_set_procs(procs);
    symbol_lookup(let_go.culprit, &s);
    EXPECT_GE(t, let_go.n_asked, 20);
    test_note(t, "asked %u times: gone %u instructions later, at most %u, when in %s (%s:%u)",
              let_go.n_asked, let_go.sum / (let_go.n_asked + 1), let_go.longest, s.name, s.file,
              s.line);
    EXPECT_LE(t, let_go.longest, LET_GO_BUDGET);
}
