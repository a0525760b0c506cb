/*
 * sched/watchdog.c - the knob watchdog=SECONDS: a cpu that can't be preempted for so long is
 * reported by name.
 *
 * WHAT. A goroutine that never yields is no offence: it is preempted. A cpu is stuck if it stays in
 * a runtime section, or with interrupts off. Two look for that:
 *   - its neighbour, the cpu with the next lower number, asks it by an IPI; the answer is that it
 *     got to where a stop or a preemption could have taken place. Works with the culprit's
 *     interrupts off, too;
 *   - its own timer's handler, if it finds preemption off again and again: all that there is with
 *     one cpu.
 * The report is fatal(): it stops everybody by NMI, so that it shows where the culprit stands.
 *
 * INVARIANTS
 * [watchdog.1] A cpu is reported only by the second look after its time is up: a long stop holds up
 *              the asked one and the asker alike, and then the first to go on must not be the asker
 *              by chance.
 * LOCKING. Each cpu's `watch` is written by its neighbour's scheduler, but `answered` by itself.
 */
#include <lib/assert.h>
#include <lib/knobs.h>
#include <sched/internal.h>
#include <sched/timer.h>

PERCPU(struct watch, watch);

static PERCPU(struct timer, watch_timer);

static int64_t limit_ns(void)
{
    return (int64_t)knobs.watchdog * 1000000000;
}

static void look(struct timer *t)
{
    unsigned n = arch_cpu_count(), self = arch_cpu_id(), other = self + 1 < n ? self + 1 : 0;
    struct watch *w = cpu_ptr(other, watch);
    int64_t now = arch_nanotime();

    if (other != self) {
        /* partner: watchdog_answer() */
        if (load_acquire(&w->answered) == w->asked || sched_is_idle(other)) {
            w->asked_ns = now;
            w->suspect = false;
            store_release(&w->asked, w->asked + 1); /* partner: the same */
            arch_ipi(other, ARCH_IPI_RESCHED);
        } else if (now - w->asked_ns > limit_ns()) {
            struct goroutine *g = sched_running_on(other);
            if (w->suspect) /* [watchdog.1] */
                fatal("watchdog: cpu %u is stuck for %ld ms in goroutine %lu", other,
                      (long)((now - w->asked_ns) / 1000000), g != NULL ? (unsigned long)g->id : 0);
            w->suspect = true;
        }
    }
    if (!timer_start(t, now + limit_ns() / 4, look))
        fatal("watchdog: no memory for its timer");
}

void watchdog_tick(const struct arch_frame *frame)
{
    struct watch *w = this_cpu_ptr(watch);
    int64_t now = arch_nanotime();

    if (w->section_ns == 0)
        w->section_ns = now;
    else if (now - w->section_ns > limit_ns())
        fatal_frame(frame, "watchdog: cpu %u has had preemption off for %ld ms", arch_cpu_id(),
                    (long)((now - w->section_ns) / 1000000));
    arch_timer_arm(now + limit_ns() / 4);
}

void watchdog_start(void)
{
    struct timer *t = this_cpu_ptr(watch_timer);

    if (knobs.watchdog == 0)
        return;
    t->background = true;
    if (!timer_start(t, arch_nanotime() + limit_ns() / 4, look))
        fatal("watchdog: no memory for its timer");
}
