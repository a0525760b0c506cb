/*
 * sched/stw.c - stopping the world in place.
 *
 * WHAT. The stopper makes `epoch` odd and tells every other cpu: an idle one by claiming its idle
 * state, so that it need not even wake up; one that runs a goroutine by an IPI, which keeps it in
 * the handler, on its interrupt frame, until `epoch` moves on. A cpu inside a runtime section only
 * notes the request, and preempt_on() takes it. One that is in its scheduler looks at `epoch` all
 * the time: an IPI would only hold up both, and it gets one if it does not answer soon.
 *
 * INVARIANTS
 * [stw.1] One stop at a time: `world` belongs to the stopper from begin to end.
 * [stw.2] When stw_begin() returns, every other cpu is claimed, or spins in stw_stop_here() having
 *         said `stopped`; its goroutine is between two instructions, outside every restartable
 *         range and runtime section.
 * [stw.3] A claimed cpu that wakes up (a timer, a line, a wake-up that was under way) runs
 *         handlers, which touch flags only, and then waits in idle_end() for its release: it looks
 *         at nothing else. Its release gives it back the state that it had.
 * [stw.4] A stop reaches a cpu that was just going idle: it had not been claimable yet, so it got
 *         the IPI, and it looks for requests with interrupts off before it halts.
 * [stw.5] A cpu that stops copies its registers to its goroutine's block before it says so. So it
 *         may leave the interrupt stack and halt there if the stop takes longer than SPIN_TURNS:
 *         where there are more cpus than the machine really has, one that spins keeps another from
 *         stopping.
 *
 * ORDERING. epoch is stored seq_cst by begin: before the stopper looks at idle states; pairs with
 * idle()'s fence. `stopped` is released by the cpu and acquired by the stopper, which then reads
 * its frame and its goroutine's memory. `halted` and epoch are a pair of Dekker's: each side stores
 * its own (seq_cst) and then looks at the other's.
 * REJECTED. Polls in programs: they cost every loop, and foreign loops have none. Waiting by
 * halting at once: 20 us to wake each, when most stops take less.
 */
#include <lib/assert.h>
#include <lib/bits.h>
#include <lib/rseq.h>
#include <lib/string.h>
#include <lib/trace.h>
#include <rt/goroutine.h>
#include <sched/internal.h>
#include <sched/stw.h>

#define SPIN_TURNS 2000u
#define LOOK_TURNS 256u                /* a cpu in its scheduler has so long to see it by itself */
#define ANSWER_NS INT64_C(10000000000) /* a cpu that takes longer is reported by name */

struct stop {
    uint32_t stopped; /* [a] the epoch for which this cpu stands still */
    const struct arch_frame
        *frame;         /* [c] for the stopper: a copy in the goroutine's block [stw.5] */
    uintptr_t asked_pc; /* [c] where the request met it in a runtime section; 0: it did not */
    bool told;          /* [S] by an IPI */
    bool halted;        /* [a] it sleeps until a wake-up; partner: stw_end() */
    uint32_t claimed;   /* [S] its idle state before the stopper claimed it; CPU_BUSY: it did not */
};
static PERCPU(struct stop, stop);

static uint32_t epoch;          /* [a] odd: stopping or stopped */
static uint32_t world;          /* [a] 1: somebody stops the world [stw.1] */
static bool flush;              /* [S] */
static uint64_t begun, stopped; /* [S] arch_cycles(): the first cpu is told; the last stood still */

/* w written by whoever has `world` */
static struct stw_record history[STW_HISTORY];  /* [w] ring */
static uint64_t n_stops;                        /* [w] [a] */
static uint64_t to_stop_histogram[STW_BUCKETS]; /* [w] */
static uint64_t total_histogram[STW_BUCKETS];   /* [w] */
static int64_t longest_ns;                      /* [w] [a] */

static const char *const reason_texts[] = {
#define STW_REASON_TEXT(name, text) [STW_##name] = text,
    STW_REASONS(STW_REASON_TEXT)
#undef STW_REASON_TEXT
};
_Static_assert(ARRAY_LEN(reason_texts) == STW_REASON_COUNT, "a text for each reason");

const char *stw_reason_text(enum stw_reason why)
{
    return why < STW_REASON_COUNT ? reason_texts[why] : "?";
}

bool stw_pending(void)
{
    return (load_relaxed(&epoch) & 1) != 0 &&
           load_relaxed(&this_cpu_ptr(stop)->stopped) != load_relaxed(&epoch);
}

/* In a handler that found a runtime section: whoever reads the record wants to know which. */
void stw_meets_section(const struct arch_frame *frame)
{
    struct stop *s = this_cpu_ptr(stop);

    if (stw_pending() && s->asked_pc == 0)
        s->asked_pc = arch_frame_pc(frame);
}

static void flush_if_asked(void)
{
    bool *asked = &this_cpu_ptr(sched_cpu)->flush;

    if (load_acquire(asked)) { /* partner: stw_end() */
        store_relaxed(asked, false);
        arch_tlb_flush_local();
    }
}

/* Sleep until the stop of epoch e is over. The scheduler's stack; interrupts and preemption off. */
static void halt_until_over(uint32_t e)
{
    struct stop *s = this_cpu_ptr(stop);

    store_seq_cst(&s->halted, true); /* partner: stw_end() */
    while (load_seq_cst(&epoch) == e)
        arch_halt_irq_off();
    store_relaxed(&s->halted, false);
    flush_if_asked();
}

/* A long stop: the goroutine's registers are in its block, and we are off its interrupt's stack
 * [stw.5]. */
static void wait_on_scheduler_stack(void *arg)
{
    struct sched_cpu *c = this_cpu_ptr(sched_cpu);
    struct goroutine *g = goroutine_current();

    halt_until_over((uint32_t)(uintptr_t)arg);
    if (!(this_cpu(preempt) & PREEMPT_QUIET) || c->must_leave || c->timer_fired || c->refill ||
        irq_run_needed()) { /* the handler that brought us here, or one meanwhile, asks for it */
        sched_abandon(LEAVE_FRONT);
        sched_enter(NULL);
    }
    sched_context_reset();
    this_cpu(preempt) = PREEMPT_QUIET;
    arch_frame_resume(g->frame);
}

static bool spin_until_over(uint32_t e)
{
    for (uint32_t i = 0; i < SPIN_TURNS; i++) {
        if (load_acquire(&epoch) != e)
            return true;
        arch_cpu_relax();
    }
    return false;
}

/* frame: of the goroutine that was interrupted, interrupts off; NULL: the scheduler's loop stops.
 * May not return. */
void stw_stop_here(struct arch_frame *frame)
{
    struct stop *s = this_cpu_ptr(stop);
    uint32_t e = load_acquire(&epoch);

    if (!(e & 1))
        return;
    s->frame = NULL;
    if (frame != NULL) {
        struct goroutine *g = goroutine_current();
        rseq_fixup(frame); /* [stw.2] */
        memcpy(g->frame, frame, ARCH_FRAME_BYTES);
        s->frame = g->frame;
        trace(TRACE_STOPPED, arch_frame_pc(frame), g->id);
    }
    store_release(&s->stopped, e); /* partner: wait_for() */
    if (!spin_until_over(e)) {
        if (frame != NULL) {
            this_cpu(preempt) = PREEMPT_QUIET + 1;
            arch_leave_to((void *)arch_sched_stack_top(arch_cpu_id()), wait_on_scheduler_stack,
                          (void *)(uintptr_t)e);
        }
        irqflags_t flags = arch_irq_save();
        halt_until_over(e);
        arch_irq_restore(flags);
    }
    flush_if_asked();
}

static void tell(unsigned cpu)
{
    cpu_ptr(cpu, stop)->told = true;
    arch_ipi(cpu, ARCH_IPI_RESCHED);
}

static void wait_for(unsigned cpu, uint32_t e, struct stw_record *r)
{
    struct stop *s = cpu_ptr(cpu, stop);
    int64_t start = 0;

    if (load_acquire(&s->stopped) == e && r->slowest_cpu != arch_cpu_id())
        return;
    for (uint32_t spins = 1; load_acquire(&s->stopped) != e; spins++) {
        arch_cpu_relax();
        if (spins == LOOK_TURNS && !s->told)
            tell(cpu);
        if (spins % (1u << 18) != 0)
            continue;
        if (start == 0)
            start = arch_nanotime();
        if (arch_nanotime() - start > ANSWER_NS)
            fatal("stw: cpu %u does not stop for \"%s\" after 10 s", cpu, stw_reason_text(r->why));
    }
    r->slowest_cpu = cpu;
    r->slowest_pc = s->asked_pc != 0 ? s->asked_pc : s->frame != NULL ? arch_frame_pc(s->frame) : 0;
    struct goroutine *g = *cpu_ptr(cpu, current);
    r->slowest_goroutine = g != NULL ? g->id : 0;
}

static struct stw_record *record_now(void)
{
    return &history[n_stops % STW_HISTORY];
}

/* Make an idle cpu ours [stw.3]; one that was woken and has not got up yet is as good. Its state
 * before, or CPU_BUSY: it must be told. */
static uint32_t claim(unsigned cpu)
{
    uint32_t *idle = &cpu_ptr(cpu, sched_cpu)->idle;

    if (cas_acq_rel(idle, CPU_IDLE, CPU_CLAIMED))
        return CPU_IDLE;
    return cas_acq_rel(idle, CPU_WOKEN, CPU_CLAIMED) ? CPU_WOKEN : CPU_BUSY;
}

int64_t stw_begin(enum stw_reason why)
{
    for (preempt_off(); !cas_acq_rel(&world, 0, 1); preempt_off()) {
        preempt_on();
        arch_cpu_relax();
        rt_yield();
    }

    unsigned self = arch_cpu_id(), n = arch_cpu_count();
    struct stw_record *r = record_now();
    uint32_t e = epoch + 1;
    trace(TRACE_STOP, why, 0);
    *r = (struct stw_record){.why = why, .at_ns = arch_nanotime(), .slowest_cpu = self};
    flush = false;
    begun = arch_cycles();
    bool all_claimed = true;
    store_seq_cst(&epoch, e);
    for (unsigned i = 0; i < n; i++) {
        if (i == self)
            continue;
        struct stop *s = cpu_ptr(i, stop);
        s->asked_pc = 0; /* it is told below */
        s->told = false;
        s->claimed = claim(i);
        if (s->claimed != CPU_BUSY)
            continue;
        all_claimed = false;
        if (load_relaxed(cpu_ptr(i, current)) != NULL)
            tell(i);
    }
    for (unsigned i = 0; i < n && !all_claimed; i++)
        if (i != self && cpu_ptr(i, stop)->claimed == CPU_BUSY)
            wait_for(i, e, r);
    stopped = arch_cycles();
    return r->at_ns;
}

static unsigned bucket(int64_t ns)
{
    unsigned b = ns <= 0 ? 0 : bit_highest((uint64_t)ns) + 1;
    return b < STW_BUCKETS ? b : STW_BUCKETS - 1;
}

int64_t stw_end(void)
{
    unsigned self = arch_cpu_id(), n = arch_cpu_count();
    struct stw_record *r = record_now();

    if (flush)
        arch_tlb_flush_local();
    for (unsigned i = 0; i < n; i++) {
        struct sched_cpu *c = cpu_ptr(i, sched_cpu);
        uint32_t claimed = cpu_ptr(i, stop)->claimed;

        if (i != self && flush)
            store_release(&c->flush, true); /* partner: flush_if_asked(), idle_end() */
        if (i != self && claimed != CPU_BUSY)
            store_release(&c->idle, claimed); /* partner: idle_end() */
    }
    store_seq_cst(&epoch, epoch + 1);
    for (unsigned i = 0; i < n; i++)
        if (i != self && load_relaxed(&cpu_ptr(i, stop)->halted)) /* partner: halt_until_over() */
            arch_ipi(i, ARCH_IPI_WAKE);

    uint64_t over = arch_cycles(); /* the world runs: what can be done later is done from here on */
    int64_t total_ns = arch_cycles_ns(over - begun);
    r->to_stop_ns = arch_cycles_ns(stopped - begun);
    r->total_ns = total_ns;
    to_stop_histogram[bucket(r->to_stop_ns)]++;
    total_histogram[bucket(total_ns)]++;
    if (total_ns > longest_ns)
        store_relaxed(&longest_ns, total_ns);
    store_release(&n_stops, n_stops + 1); /* partner: stw_recent() */
    trace(TRACE_START, (uint64_t)total_ns, 0);
    store_release(&world, 0);
    sched_wake_after_stop();
    bool leave = this_cpu(sched_cpu).must_leave;
    if (leave)
        sched_request_self(); /* preempt_on() goes by the handler, and that by the scheduler */
    preempt_on();
    return total_ns;
}

static bool was_claimed(unsigned cpu)
{
    return cpu != arch_cpu_id() && cpu_ptr(cpu, stop)->claimed != CPU_BUSY;
}

struct goroutine *stw_running(unsigned cpu)
{
    return was_claimed(cpu) ? NULL : *cpu_ptr(cpu, current);
}

const struct arch_frame *stw_frame(unsigned cpu)
{
    return cpu == arch_cpu_id() || was_claimed(cpu) ? NULL : cpu_ptr(cpu, stop)->frame;
}

void stw_deschedule(unsigned cpu)
{
    cpu_ptr(cpu, sched_cpu)->must_leave = true;
}

void stw_flush_tlb(void)
{
    flush = true;
}

size_t stw_recent(struct stw_record *out, size_t max)
{
    preempt_off();
    uint64_t n = load_acquire(&n_stops); /* partner: stw_end() */
    size_t i = 0;
    for (; i < max && i < n && i < STW_HISTORY - 1; i++)
        out[i] = history[(n - 1 - i) % STW_HISTORY];
    preempt_on();
    return i;
}

int64_t stw_longest_ns(void)
{
    return load_relaxed(&longest_ns);
}

uint64_t stw_histogram(uint64_t to_stop[STW_BUCKETS], uint64_t total[STW_BUCKETS])
{
    preempt_off();
    for (unsigned i = 0; i < STW_BUCKETS; i++) {
        to_stop[i] = load_relaxed(&to_stop_histogram[i]);
        total[i] = load_relaxed(&total_histogram[i]);
    }
    uint64_t n = load_relaxed(&n_stops);
    preempt_on();
    return n;
}

unsigned sched_set_procs(unsigned n)
{
    unsigned old = sched_procs();

    if (n == 0 || n == old)
        return old;
    if (n > arch_cpu_count())
        n = arch_cpu_count();
    stw_begin(STW_GOMAXPROCS);
    sched_procs_store_stw(n);
    for (unsigned i = 0; i < arch_cpu_count(); i++)
        stw_deschedule(i);
    stw_end();
    sched_wake_all();
    return old;
}
