/*
 * lib/console.c - whole lines from many goroutines on one serial port.
 *
 * A piece of text is written between console_begin() and console_end(). The owner may be preempted
 * and stopped, since a serial line is slow: so this is no spin lock. Whoever finds it owned lets
 * others run, if it is a goroutine that may; code that must not wait (preemption off, a scheduler
 * stack) waits a bounded time and then writes into the middle of the other's text [console.1].
 * A report (lib/fatal.c) takes the console from everybody: all other cpus stand still by then.
 */
#include <lib/console.h>
#include <lib/atomic.h>
#include <lib/fatal.h>
#include <lib/lastwords.h>
#include <lib/preempt.h>

#define BARGE_SPINS 200000u /* some milliseconds [console.1] */

static uint32_t owned; /* [a] 1 while somebody writes; partners: console_begin(), console_end() */
static bool report;    /* [a] set once by fatal() */

void console_begin(void)
{
    if (load_relaxed(&report))
        return;
    for (uint32_t spins = 0; !cas_acq_rel(&owned, 0, 1); spins++) {
        if (console_up_wait())
            continue;
        arch_cpu_relax();
        if (spins >= BARGE_SPINS) /* [console.1] */
            return;
    }
}

void console_put(const char *s, size_t n)
{
    arch_console_put(s, n);
    if (load_relaxed(&report))
        lastwords_add(s, n);
}

void console_end(void)
{
    store_release(&owned, 0);
}

void console_seize(void)
{
    store_relaxed(&report, true);
}
