/*
 * sched/sched.h - the scheduler, as other folders see it; and what it asks of those above.
 *
 * A cpu is the worker: it runs one goroutine, or its scheduler on a stack of its own. A goroutine
 * that waits or yields switches straight to the next one; only when there is none, or the next one
 * was preempted, does the scheduler's loop run. sched/goroutine.h has park() and ready().
 */
#pragma once

#include <sched/goroutine.h>

/* Bring up: boot cpu, after mm; then never returns: runs what was spawned. */
void sched_init(void);
RT_NORETURN void sched_start(void);

/*
 * What was just readied runs before what this cpu was running: the running goroutine yields to it,
 * or, called by a timer on the scheduler's stack, the interrupted one does. Preemption on, or the
 * scheduler's stack.
 */
void sched_next_first(void);

/* Is there anything else to run on this cpu, or a request for it? For work that can break off. */
bool sched_has_work(void);

/* Is something asked of this very cpu: a stop, a timer? */
bool sched_asked(void);

/* Cpus that run goroutines now (GOMAXPROCS); the second sets it, 1 to all, and returns the old. */
unsigned sched_procs(void);
unsigned sched_set_procs(unsigned n);

/*
 * A cpu runs no goroutines from now on, but what sched_up_dedicated_work() does, until that says
 * that it is done. The one that it runs goes to others. The first form: world stopped, cpu below
 * sched_procs(); the other: this cpu, on the scheduler's stack.
 */
void sched_out_of_service_stw(unsigned cpu);
void sched_out_of_service(void);

/* Cpus that are idle now. A hint. */
unsigned sched_idle_cpus(void);

/* Wake an idle cpu if there is one, to look for work (marking, say). */
void sched_wake_one(void);

/* What this run's random choices grow from: seed= or the machine's randomness. */
uint64_t sched_seed(void);

/* For reports, after the other cpus were stopped: what cpu i was running; NULL: its scheduler. */
struct goroutine *sched_running_on(unsigned cpu);

/* Main's goroutine has ended by rt_goexit(): the program ends with the last of the others. */
extern bool sched_main_gone; /* [a] */

/* ---- Interrupt lines (sched/irq.c) ---- */

/*
 * Call fn(arg, n) on a scheduler stack, preemption off, after line `irq` fired n times since the
 * last call. fn may ready() and try operations that do not wait; it must not allocate. It returns
 * whether it has served the device; if not, somebody does so later, and says so by arch_irq_done().
 * The line is let through at once. False: no such line, or somebody has it.
 */
RT_MUST_USE bool irq_attach(unsigned irq, bool (*fn)(void *arg, uint64_t n), void *arg);
/* goroutines that an interrupt can wake: no deadlock while there are any */
void irq_waiters_add(int n);

/* ---- Debug traps (sched/debugtrap.c), for tests and tracers ---- */

/*
 * Set who gets breakpoints, and a trap for each instruction that runs after arch_step_on():
 * fn(frame), in the handler, frame standing at the next instruction. It may look at anything, end
 * the stepping by arch_frame_set_step(), and call sched_preempt_irq(). True: go on; false:
 * nobody's, a fault. NULL: nobody; who is still stepped is so no longer.
 */
void debugtrap_set(bool (*fn)(struct arch_frame *frame));

/*
 * In a handler: the interrupted goroutine goes to the end of the queue as if its slice had ended,
 * now, or if it must not be preempted here, as soon as it may. May not return.
 */
void sched_preempt_irq(struct arch_frame *frame);

/* ---- Upwards ---- */

/* gc: set while a goroutine may have to be scanned before it runs. */
extern bool sched_scan_on; /* [S] */
void sched_scan_stw(bool on);
/*
 * gc: g is about to run on this cpu. Called on the scheduler stack, preemption off, only while
 * sched_scan_on. False: a worker is just scanning it; pick another. Must be short (one stack) and
 * take no lock above rank GC_POOL.
 */
bool sched_up_before_resume(struct goroutine *g);

/* gc: memory is short; collect. On a goroutine of the system; may park. */
void sched_up_find_memory(void);

/* gc: work of a cpu that is out of service, at most some 100 us; breaks off when sched_asked().
 * False: back to service. */
bool sched_up_dedicated_work(void);

/* gc, mm: something useful for an idle cpu, at most some 100 us; breaks off when sched_has_work().
 * True: did some. */
bool sched_up_idle_work(void);

/* lang: a request of the running goroutine's, for so many bytes (0: nobody knows), has failed for
 * the `step`th time, from 0: finds memory, or panics. */
void sched_up_no_memory(unsigned step, size_t bytes);

#ifdef RT_DEBUG
/* lang: go() at `pc` hands these arguments to a new goroutine (lang/stackcheck.h). */
void sched_up_spawn_args(const void *args, size_t bytes, uintptr_t pc);
#else
static inline void sched_up_spawn_args(RT_UNUSED const void *args, RT_UNUSED size_t bytes,
                                       RT_UNUSED uintptr_t pc)
{
}
#endif

/* lang: misuse of a sync object: a panic of the running goroutine with Go's text. */
RT_NORETURN void sched_panic(const char *text);

/* lang: "fatal error: text", with stacks, exit status 2. Any context. */
RT_NORETURN void sched_fatal(const char *text);
