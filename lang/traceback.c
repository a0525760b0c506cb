/*
 * lang/traceback.c - who is there, and where: headers and stacks of goroutines.
 *
 * WHAT. Walks frame pointers inside one goroutine's stack; names come from lib/symbol.c. Prints the
 * first and last fifty frames of a deep stack, as Go does.
 *
 * INVARIANTS
 * [trace.1] A frame is read only if it lies in the mapped part of the goroutine's stack, aligned,
 *           and above the one before it. So a broken chain ends the walk.
 * [trace.2] A goroutine is walked only while it stands still: it is the caller, or the other cpus
 *           are stopped.
 *
 * LOCKING. None; rt_print_goroutines() stops the world.
 * SOURCES. Go's runtime/traceback.go for forms and limits.
 */
#include <lang/traceback.h>
#include <lib/knobs.h>
#include <lib/print.h>
#include <lib/symbol.h>
#include <rt/program.h>
#include <sched/sched.h>
#include <sched/stw.h>

#define FRAMES_FIRST 50
#define FRAMES_LAST 50

extern const char text_start[], text_end[], text_runtime_start[], text_runtime_end[];

bool traceback_is_program(uintptr_t pc)
{
    return pc >= (uintptr_t)text_start && pc < (uintptr_t)text_end &&
           !(pc >= (uintptr_t)text_runtime_start && pc < (uintptr_t)text_runtime_end);
}

bool traceback_shows_runtime(void)
{
    return knobs.gotraceback == TRACEBACK_SYSTEM || knobs.gotraceback == TRACEBACK_CRASH;
}

/* ---- One stack ---- */

/* A walk: pc and fp of a frame; exact: pc is the instruction itself, not the one behind a call. */
struct walk {
    uintptr_t pc, fp, sp, lo, hi;
    bool exact;
};

#define LINE_CACHE 16
struct line_cache {
    uintptr_t pc;
    unsigned lines;
};

static bool in_stack(const struct walk *w, uintptr_t at, unsigned words)
{
    return at % sizeof(uintptr_t) == 0 && at >= w->lo && at < w->hi &&
           w->hi - at >= words * sizeof(uintptr_t);
}

/* From the function that w stands in to its caller. */
static bool walk_up(struct walk *w)
{
    struct symbol s = {0};
    uintptr_t at = w->pc - !w->exact;
    bool known = (w->exact || !traceback_is_program(at)) && symbol_lookup(at, &s);
    uintptr_t function = at - s.offset;
    /* an interrupted function may have no frame, or none yet */
    int slot =
        w->exact && w->sp != 0 && known && s.offset < 4096 ? arch_return_slot(function, w->pc) : -1;

    w->exact =
        known &&
        function == (uintptr_t)fault_panic; /* what "called" it is an instruction that faulted */
    if (slot >= 0) {
        uintptr_t from = w->sp + (unsigned)slot * sizeof(uintptr_t);
        w->sp = 0;
        if (!in_stack(w, from, 1))
            return false;
        w->pc = *(const uintptr_t *)from;
        return w->pc != 0;
    }
    w->sp = 0;
    if (!in_stack(w, w->fp, 2)) /* [trace.1] */
        return false;
    const uintptr_t *frame = (const uintptr_t *)w->fp;
    w->pc = frame[1];
    w->lo = w->fp + 2 * sizeof(uintptr_t);
    w->fp = frame[0];
    return w->pc != 0;
}

static bool starts_with(const char *s, const char *head)
{
    while (*head != 0)
        if (*s++ != *head++)
            return false;
    return true;
}

/* What macros of rt/ leave in program text: thunks, inline functions. */
static bool is_glue(const char *name)
{
    if (starts_with(name, "rt_"))
        return true;
    for (; *name != 0; name++)
        if (starts_with(name, "_block_invoke"))
            return true;
    return false;
}

/* A panic below others on a stack is shown, as Go shows it; what the runtime has round
 * it is not. */
static bool is_panic(const char *name)
{
    static const char *const names[] = {"rt_panic",    "rt_panic_value", "rt_repanic",
                                        "panic_plain", "panic_runtime",  "fault_panic"};

    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (starts_with(name, names[i]) && name[__builtin_strlen(names[i])] == 0)
            return true;
    return false;
}

/* Print what a walk stands at, or only count the lines. `last`: the innermost of a physical frame
 * comes first. */
static unsigned frame_lines(const struct walk *w, bool print)
{
    struct symbol s;
    uintptr_t at = w->pc - !w->exact;
    bool program = traceback_is_program(at);
    unsigned n = 0;

    if (!symbol_lookup(at, &s)) {
        if (print)
            rt_printf("?(...)\n\t?:0 pc=%#lx\n", (unsigned long)w->pc);
        return 1;
    }
    for (bool more = true; more; more = symbol_outer(&s)) {
        bool panics = !program && is_panic(s.name);
        if (!traceback_shows_runtime() && !panics && (!program || is_glue(s.name)))
            continue;
        n++;
        if (!print)
            continue;
        int length = 0; /* of the name as written: f.constprop.0 is f */
        while (s.name[length] != 0 && s.name[length] != '.')
            length++;
        if (panics)
            rt_printf("panic(...)\n\t%s:%u", s.file, s.line);
        else
            rt_printf("%s.%.*s(...)\n\t%s:%u", program ? "main" : "runtime", length, s.name, s.file,
                      s.line);
        if (!s.inlined)
            rt_printf(" +0x%lx", (unsigned long)(s.offset + !w->exact));
        rt_printf("\n");
    }
    return n;
}

/* How many lines that prints. Deep stacks are recursions: the same few places again and again. */
static unsigned count_lines(const struct walk *w, struct line_cache *cache)
{
    struct line_cache *c = &cache[w->pc / 4 % LINE_CACHE];

    if (c->pc != w->pc || w->exact)
        *c = (struct line_cache){w->pc, frame_lines(w, false)};
    return c->lines;
}

static void print_stack(struct walk start)
{
    struct line_cache cache[LINE_CACHE] = {{0, 0}};
    unsigned total = 0, n = 0;
    struct walk w = start;

    do
        total += count_lines(&w, cache);
    while (walk_up(&w));
    w = start;
    do {
        unsigned lines = count_lines(&w, cache);
        bool first = n < FRAMES_FIRST, behind = total - n <= FRAMES_LAST;
        if (lines != 0 && (first || behind))
            frame_lines(&w, true);
        if (first && n + lines >= FRAMES_FIRST && total > FRAMES_FIRST + FRAMES_LAST)
            rt_printf("...%u frames elided...\n", total - FRAMES_FIRST - FRAMES_LAST);
        n += lines;
    } while (walk_up(&w));
}

static void print_creator(const struct goroutine *g)
{
    struct symbol s;

    if (g->creator_pc == 0 || g->id == 1)
        return;
    if (!symbol_lookup(g->creator_pc - 1, &s)) {
        rt_printf("created by ? in goroutine %lu\n", (unsigned long)g->creator_id);
        return;
    }
    while (is_glue(s.name) && symbol_outer(&s))
        ;
    rt_printf("created by %s.%s in goroutine %lu\n\t%s:%u +0x%lx\n",
              traceback_is_program(g->creator_pc - 1) ? "main" : "runtime", s.name,
              (unsigned long)g->creator_id, s.file, s.line, (unsigned long)s.offset + 1);
}

/* ---- Goroutines ---- */

static void print_header(const struct goroutine *g, const char *status, bool with_time)
{
    int64_t minutes = with_time ? arch_cycles_ns(arch_cycles() - g->wait_since) / 60000000000 : 0;

    rt_printf("goroutine %lu", (unsigned long)g->id);
    if (g->name != NULL && g->id != 1)
        rt_printf(" \"%s\"", g->name);
    rt_printf(" [%s", status);
    if (minutes > 0)
        rt_printf(", %ld minutes", (long)minutes);
    rt_printf("]:\n");
}

static struct walk walk_of(const struct goroutine *g, struct trace_start at)
{
    return (struct walk){at.pc, at.fp, at.sp, g->stack_committed, g->stack_hi, at.exact};
}

static void print_goroutine(const struct goroutine *g, struct walk w, const char *status,
                            bool with_time)
{
    print_header(g, status, with_time);
    print_stack(w);
    print_creator(g);
}

/* g does not run here. frame_of(cpu): registers of what other cpus were running. */
static void print_other(const struct goroutine *g, struct goroutine *(*running_on)(unsigned cpu),
                        const struct arch_frame *(*frame_of)(unsigned cpu))
{
    if (g->state == G_RUNNING) {
        for (unsigned i = 0; i < arch_cpu_count(); i++) {
            const struct arch_frame *f = running_on(i) == g ? frame_of(i) : NULL;
            if (f != NULL) {
                print_goroutine(g, walk_of(g, trace_start_of(f)), "running", false);
                return;
            }
        }
        print_header(g, "running", false);
        rt_printf("\tgoroutine running on other thread; stack unavailable\n");
        print_creator(g);
        return;
    }
    bool waits = g->state == G_WAITING;
    const char *status = waits ? wait_reason_text(g->wait_reason) : "runnable";
    if (g->preempted)
        print_goroutine(g, walk_of(g, trace_start_of(g->frame)), status, waits);
    else
        print_goroutine(g,
                        walk_of(g, (struct trace_start){arch_context_pc(&g->context),
                                                        arch_context_fp(&g->context), 0, false}),
                        status, waits);
}

static void print_others(const struct goroutine *but, struct goroutine *(*running_on)(unsigned cpu),
                         const struct arch_frame *(*frame_of)(unsigned cpu))
{
    for (const struct goroutine *g = goroutine_all(); g != NULL; g = g->all_next) {
        if (g == but || g->state == G_DEAD || (g->system && !traceback_shows_runtime()))
            continue;
        rt_printf("\n");
        print_other(g, running_on, frame_of);
    }
}

static const struct arch_frame *stopped_frame(unsigned cpu)
{
    return *cpu_ptr(cpu, arch_stopped_frame);
}

void traceback_report(struct trace_start at, bool all)
{
    const struct goroutine *g = goroutine_current();

    if (knobs.gotraceback == TRACEBACK_NONE)
        return;
    if (g != NULL) {
        rt_printf("\n");
        print_goroutine(g, walk_of(g, at), "running", false);
    }
    if (all || knobs.gotraceback != TRACEBACK_SINGLE)
        print_others(g, sched_running_on, stopped_frame);
}

void rt_print_stack(void)
{
    const struct goroutine *g = goroutine_current();

    print_goroutine(g, walk_of(g, CALLER), "running", false);
}

void rt_print_goroutines(void)
{
    const struct goroutine *g = goroutine_current();
    struct walk w = walk_of(g, CALLER);

    stw_begin(STW_REPORT); /* [trace.2] */
    print_goroutine(g, w, "running", false);
    print_others(g, stw_running, stw_frame);
    stw_end();
}

void traceback_print_all(void)
{
    stw_begin(STW_REPORT);
    rt_printf("\ninfo: %zu goroutines, %u cores, %ld ms since boot\n", goroutine_count(),
              arch_cpu_count(), (long)(arch_nanotime() / 1000000));
    print_others(goroutine_current(), stw_running, stw_frame);
    rt_printf("\n");
    stw_end();
}
