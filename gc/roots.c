/*
 * gc/roots.c - what is scanned though no object leads to it: stacks, registers, declared globals.
 *
 * WHAT. STW#1 scans what each cpu was running. Everything else is scanned while the program runs:
 * globals, since they are written through the barrier; the stacks of goroutines that do not run, by
 * whoever marks, or by the scheduler right before one of them runs again.
 *
 * INVARIANTS
 * [roots.1] While marking, a goroutine that was there in STW#1 runs only after its stack has been
 *           scanned in this cycle; one that was born later needs no scan: all it was given is in
 *           the snapshot or black.
 * [roots.2] scan_state is scan_generation << 2 and one of the SCAN_ values; any other generation's
 *           means not scanned. Whoever swaps it to SCAN_BUSY owns the stack for a slice, with
 *           preemption off; so nobody ever waits for more.
 * [roots.3] SCAN_OWN: the goroutine was running in STW#1 and was not scanned there (it is deep, or
 *           mode hybrid). While its registers are not saved only its cpu's scheduler scans it; once
 *           it has parked (tokens is -1), anybody may.
 * [roots.4] The controller holds no reference to an object when it stops the world for a cycle: its
 *           stack is not scanned.
 *
 * LOCKING. Cursors: roots_lock (rank GC_POOL).
 * ORDERING. SCAN_DONE is stored with release and loaded with acquire: partners are each other, and
 * the scheduler's check.
 * REJECTED. Waiting in the scheduler until a worker is done: it picks another goroutine. Scanning
 * parked stacks in the stop: 10,000 of them are milliseconds.
 */
#include <gc/cycle.h>
#include <gc/mark.h>
#include <gc/special.h>
#include <gc/up.h>
#include <sched/sched.h>
#include <sched/stw.h>

enum { SCAN_PARTIAL, SCAN_BUSY, SCAN_DONE, SCAN_OWN };

#define STOP_BYTES 1024u        /* a running stack up to this depth is scanned in the stop */
#define STACK_SLICE_BYTES 4096u /* of one stack at a time, */
#define STACK_STEP_BYTES 512u   /* and so much if somebody asks for the cpu */

extern const struct rt_root_desc __start_rt_rootdesc[], __stop_rt_rootdesc[];

static struct spinlock roots_lock = SPINLOCK_INIT(RANK_GC_POOL);
static const struct rt_root_desc *root_next; /* under roots_lock */
static size_t root_from;                     /* under roots_lock: byte of *root_next */
static struct goroutine *stack_next;         /* under roots_lock */
static struct goroutine *stack_missed;       /* under roots_lock: to be looked at again */
static uint32_t global_next;     /* under roots_lock: step of lang_scan_global_roots() */
static uint32_t scan_generation; /* [S] of stacks: goes up with each cycle */
static bool globals_left;        /* under roots_lock */
static uint32_t in_progress;     /* [a] pieces taken and not yet scanned */
static bool all_done;            /* [a] partners: gc_roots_step(), gc_roots_done() */

/* ---- One stack ---- */

static uint32_t state_of(unsigned what)
{
    return scan_generation << 2 | what;
}

static void scan_registers(const struct arch_frame *frame)
{
    gc_scan_words(frame, (const char *)frame + ARCH_FRAME_BYTES / 8 * 8);
}

enum scan_result { SCANNED, UNFINISHED, NOT_NOW };

/* Scan a slice of g's stack; `own`: we are the scheduler about to run it. Local lock held. */
static enum scan_result scan_goroutine(struct goroutine *g, bool own)
{
    uint32_t s = load_acquire(&g->scan_state);

    if (s == state_of(SCAN_DONE))
        return SCANNED;
    if (s == state_of(SCAN_BUSY))
        return NOT_NOW;
    if (s == state_of(SCAN_OWN) && !own &&
        load_acquire(&g->tokens) != -1) /* partner: sched_finish_park() */
        return NOT_NOW;
    if (!cas_acq_rel(&g->scan_state, s, state_of(SCAN_BUSY))) /* [roots.2] */
        return NOT_NOW;
    if (s != state_of(SCAN_PARTIAL)) {
        g->scan_at =
            gc_stack_from(g, g->preempted ? arch_frame_sp(g->frame) : arch_context_sp(&g->context));
        if (g->preempted)
            scan_registers(g->frame);
        lang_scan_goroutine_roots(g, gc_scan_words);
    }
    uintptr_t begin = g->scan_at, at = begin;
    do {
        uintptr_t step = g->stack_hi - at < STACK_STEP_BYTES ? g->stack_hi - at : STACK_STEP_BYTES;
        gc_scan_words((const void *)at, (const void *)(at + step));
        at += step;
    } while (at != g->stack_hi && at - begin < STACK_SLICE_BYTES && !preempt_asked());
    g->scan_at = at;
    bool done = at == g->stack_hi;
    store_release(&g->scan_state, state_of(done ? SCAN_DONE : SCAN_PARTIAL));
    return done ? SCANNED : UNFINISHED;
}

bool sched_up_before_resume(struct goroutine *g)
{
    if (load_acquire(&g->scan_state) == state_of(SCAN_DONE))
        return true;
    gc_local_lock();
    enum scan_result r = scan_goroutine(g, true);
    gc_local_unlock();
    gc_tick_start();
    return r == SCANNED;
}

/* ---- World stopped ---- */

static void scan_running(unsigned cpu, enum gc_scan_how how)
{
    struct goroutine *g = stw_running(cpu);
    const struct arch_frame *frame = stw_frame(cpu);

    if (g == NULL || g->scan_state == state_of(SCAN_DONE))
        return;
    if (g == gc_controller) { /* [roots.4] */
        g->scan_state = state_of(SCAN_DONE);
        return;
    }
    uintptr_t sp = gc_stack_from(g, arch_frame_sp(frame));
    bool deep = g->stack_hi - sp > STOP_BYTES || g->defer_chunks != NULL;
    if (how == GC_SCAN_LATER || (how == GC_SCAN_SHALLOW && deep)) {
        g->scan_state = state_of(SCAN_OWN);
        if (how == GC_SCAN_SHALLOW)
            stw_deschedule(cpu);
        return;
    }
    scan_registers(frame);
    gc_scan_words((const void *)sp, (const void *)g->stack_hi);
    lang_scan_goroutine_roots(g, gc_scan_words);
    g->scan_state = state_of(SCAN_DONE);
}

void gc_roots_scan_running_stw(enum gc_scan_how how)
{
    gc_local_lock();
    for (unsigned i = 0; i < arch_cpu_count(); i++)
        scan_running(i, how);
    gc_local_unlock();
}

bool gc_roots_scanned(const struct goroutine *g)
{
    return load_acquire(&g->scan_state) == state_of(SCAN_DONE);
}

void gc_roots_skip_stacks_stw(void)
{
    stack_next = NULL;
}

void gc_roots_rescan_stacks_stw(void)
{
    scan_generation++;
    stack_next = goroutine_all();
    all_done = false;
    gc_roots_scan_running_stw(GC_SCAN_WHOLE);
}

void gc_roots_begin_stw(void)
{
    scan_generation++;
    sched_birth_scan_state = state_of(SCAN_DONE); /* [roots.1] */
    root_next = __start_rt_rootdesc;
    root_from = 0;
    stack_next = goroutine_all();
    stack_missed = NULL;
    global_next = 0;
    globals_left = true;
    in_progress = 0;
    all_done = false;
    gc_special_roots_begin_stw();
}

/* ---- Pieces ---- */

static bool globals_step(void)
{
    spin_lock(&roots_lock);
    const struct rt_root_desc *d = root_next;
    if (d == __stop_rt_rootdesc) {
        spin_unlock(&roots_lock);
        return false;
    }
    size_t bytes = d->count * d->type->size, from = root_from;
    root_from += GC_ROOT_PIECE_BYTES;
    if (root_from >= bytes) {
        root_next++;
        root_from = 0;
    }
    add_acq_rel(&in_progress, 1);
    spin_unlock(&roots_lock);
    gc_scan_typed((uintptr_t)d->address, bytes, from, d->type);
    sub_acq_rel(&in_progress, 1);
    return true;
}

/* Take the next goroutine of the walk, then those that were missed, until all are done. */
static struct goroutine *stack_take(void)
{
    spin_lock(&roots_lock);
    struct goroutine *g = stack_next;
    if (g != NULL) {
        stack_next = g->all_next;
    } else {
        g = stack_missed;
        if (g != NULL)
            stack_missed = g->scan_link;
    }
    if (g != NULL)
        add_acq_rel(&in_progress, 1);
    spin_unlock(&roots_lock);
    return g;
}

static void stack_put_back(struct goroutine *g)
{
    spin_lock(&roots_lock);
    g->scan_link = stack_missed;
    stack_missed = g;
    spin_unlock(&roots_lock);
}

static bool stacks_step(void)
{
    struct goroutine *g = stack_take();
    if (g == NULL)
        return false;
    for (unsigned i = 0; g != NULL && i < 8; i++) {
        enum scan_result r = SCANNED;
        if (load_acquire(&g->state) != G_DEAD)
            r = scan_goroutine(g, false);
        if (r != SCANNED)
            stack_put_back(g);
        sub_acq_rel(&in_progress, 1);
        if (r != SCANNED)
            break;
        g = i < 7 && !preempt_asked() ? stack_take() : NULL;
    }
    return true;
}

static bool lang_step(void)
{
    spin_lock(&roots_lock);
    bool go = globals_left;
    uint32_t step = global_next++;
    if (go)
        add_acq_rel(&in_progress, 1);
    spin_unlock(&roots_lock);
    if (!go)
        return false;
    if (!lang_scan_global_roots(step, gc_scan_words)) {
        spin_lock(&roots_lock);
        globals_left = false;
        spin_unlock(&roots_lock);
    }
    sub_acq_rel(&in_progress, 1);
    return true;
}

bool gc_roots_step(void)
{
    if (load_relaxed(&all_done))
        return false;
    if (globals_step() || stacks_step() || lang_step() || gc_special_roots_step())
        return true;
    spin_lock(&roots_lock);
    if (load_acquire(&in_progress) == 0 && stack_next == NULL && stack_missed == NULL &&
        root_next == __stop_rt_rootdesc && !globals_left && gc_special_roots_done())
        store_release(&all_done, true);
    spin_unlock(&roots_lock);
    return false;
}

size_t gc_roots_global_bytes(void)
{
    size_t bytes = 0;

    for (const struct rt_root_desc *d = __start_rt_rootdesc; d < __stop_rt_rootdesc; d++)
        bytes += d->count * d->type->size;
    return bytes;
}

bool gc_roots_done(void)
{
    return load_acquire(&all_done);
}
