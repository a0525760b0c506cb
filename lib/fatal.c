/*
 * lib/fatal.c - one whole report, then the end.
 *
 * WHAT. Stops the other cpus (by NMI: it works with their interrupts off), takes the console, and
 * prints what happened, the registers, the stack, what every cpu was doing and the newest trace
 * events.
 *
 * INVARIANTS
 * [fatal.1] One report: the first cpu to swap `reporter` writes it; another cpu that comes later
 *           halts.
 * [fatal.2] A fault or fatal() inside the report ends in one short line: depth 1 tries to leave,
 *           depth 2 halts.
 * [fatal.3] Nothing here allocates or takes a lock that the culprit may hold.
 */
#include <stdarg.h>
#include <lib/atomic.h>
#include <lib/console.h>
#include <lib/fatal.h>
#include <lib/knobs.h>
#include <lib/print.h>
#include <lib/symbol.h>
#include <lib/trace.h>

#define STATUS_FATAL 2
#define STACK_LINES 32
#define TRACE_LINES 8

static uint32_t reporter; /* [a] cpu + 1 */
static uint32_t depth;    /* the reporter's alone */

void fatal_print_pc(uintptr_t pc, bool is_return_address)
{
    struct symbol s;

    symbol_lookup(is_return_address ? pc - 1 : pc, &s);
    rt_printf("\t%s+%#lx\n\t\t%s:%u  pc=%#lx\n", s.name, (unsigned long)s.offset, s.file, s.line,
              (unsigned long)pc);
}

/* exact: pc is the instruction itself; else the one behind the call, which may belong to the next
 * function. */
static void print_stack(uintptr_t pc, uintptr_t fp, bool exact)
{
    static uintptr_t pcs[STACK_LINES];
    size_t n = arch_backtrace(pc, fp, pcs, STACK_LINES);

    for (size_t i = 0; i < n; i++)
        fatal_print_pc(pcs[i], i > 0 || !exact);
    if (n == STACK_LINES)
        rt_printf("\t... more frames\n");
}

static void print_cpus(void)
{
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        const struct arch_frame *f = *cpu_ptr(i, arch_stopped_frame);
        struct symbol s;
        if (i == arch_cpu_id()) {
            rt_printf("cpu %u: wrote this report\n", i);
        } else if (f == NULL) {
            rt_printf("cpu %u: does not answer\n", i);
        } else {
            symbol_lookup(arch_frame_pc(f), &s);
            rt_printf("cpu %u: %s+%#lx (%s:%u)\n", i, s.name, (unsigned long)s.offset, s.file,
                      s.line);
        }
        trace_print(i, TRACE_LINES);
    }
}

RT_NORETURN void fatal_leave(void)
{
    switch (knobs.on_panic) {
    case ON_PANIC_HALT:
        knobs.exit = EXIT_HALT;
        break;
    case ON_PANIC_REBOOT:
        knobs.exit = EXIT_REBOOT;
        break;
    case ON_PANIC_POWEROFF:
        knobs.exit = EXIT_ACPI;
        break;
    case ON_PANIC_EXIT:
        break;
    }
    arch_exit(STATUS_FATAL);
}

void fatal_claim(void)
{
    uint32_t self = arch_cpu_id() + 1;

    arch_irq_off();
    if (!cas_acq_rel(&reporter, 0, self) && load_relaxed(&reporter) != self)
        for (;;) /* [fatal.1]; the reporter's NMI finds us here */
            arch_cpu_relax();
    if (depth++ == 0) {
        arch_stop_other_cpus();
        console_seize();
    }
}

static RT_NORETURN void report(const struct arch_frame *frame, uintptr_t pc, uintptr_t fp,
                               const char *fmt, va_list ap)
{
    fatal_claim();
    if (depth > 1) { /* [fatal.2] */
        if (depth == 2) {
            static const char text[] = "\nfatal error: and a fault inside this report\n";
            arch_console_put(text, sizeof text - 1);
            arch_exit(STATUS_FATAL);
        }
        arch_irq_off();
        for (;;)
            arch_cpu_relax();
    }
    char text[256];
    rt_vsnprintf(text, sizeof text, fmt, ap);
    rt_printf("\nfatal error: %s\n\ncpu %u:\n", text, arch_cpu_id());
    if (frame != NULL)
        arch_print_frame(frame);
    print_stack(pc, fp, frame != NULL);
    rt_printf("\n");
    print_cpus();
    fatal_up_print_more();
    fatal_leave();
}

void fatal(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report(NULL, (uintptr_t)__builtin_return_address(0), *(uintptr_t *)__builtin_frame_address(0),
           fmt, ap);
}

void fatal_frame(const struct arch_frame *frame, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report(frame, arch_frame_pc(frame), arch_frame_fp(frame), fmt, ap);
}
