/*
 * sched/report.c - the scheduler's own reports: deadlock, GODEBUG=schedtrace, the end of a fatal
 * report.
 */
#include <lib/assert.h>
#include <lib/knobs.h>
#include <lib/print.h>
#include <sched/internal.h>
#include <sched/timer.h>

void report_deadlock(void)
{
    sched_fatal(goroutine_count() == 0 ? "no goroutines (main called runtime.Goexit) - deadlock!"
                                       : "all goroutines are asleep - deadlock!");
}

void fatal_up_print_more(void)
{
    struct goroutine *g = goroutine_current();

    if (g != NULL)
        rt_printf("goroutine %lu%s%s was running on cpu %u\n", (unsigned long)g->id,
                  g->name != NULL ? " " : "", g->name != NULL ? g->name : "", arch_cpu_id());
}

/* ---- schedtrace: Go's line, every so many milliseconds ---- */
static struct timer trace_timer = {.background = true};
static int64_t trace_start_ns; /* [I] */

static void schedtrace_print(struct timer *t)
{
    unsigned n = sched_procs(), idle = 0;

    for (unsigned i = 0; i < n; i++)
        idle += sched_is_idle(i);
    /* one piece of text: the program may end, or print, meanwhile */
    static char lengths[1024];
    size_t used = 0;
    lengths[0] = '\0';
    for (unsigned i = 0; i < n && used + 12 < sizeof(lengths); i++)
        used += (size_t)rt_snprintf(lengths + used, sizeof(lengths) - used, i > 0 ? " %u" : "%u",
                                    runq_length(cpu_ptr(i, runq)));

    rt_printf("SCHED %ldms: gomaxprocs=%u idleprocs=%u threads=%u spinningthreads=%u "
              "needspinning=0 idlethreads=%u "
              "runqueue=%u [%s]\n",
              (long)((arch_nanotime() - trace_start_ns) / 1000000), n, idle, arch_cpu_count(),
              sched_searching(), sched_idle_cpus(), globq_length(), lengths);
    if (!timer_start(t, t->when_ns + (int64_t)knobs.schedtrace * 1000000, schedtrace_print))
        fatal("sched: no memory for the schedtrace timer");
}

void schedtrace_start(void)
{
    trace_start_ns = arch_nanotime();
    if (knobs.schedtrace != 0 && !timer_start(&trace_timer, trace_start_ns, schedtrace_print))
        fatal("sched: no memory for the schedtrace timer");
}
