/*
 * lang/panic.c - panic, recover, goexit, and what an uncaught panic prints.
 *
 * WHAT. A panic runs the deferred calls of the goroutine, innermost frame first, on top of the
 * stack of the code that panicked, so nothing is unwound while they run. If one recovers, the stack
 * is cut: execution goes on behind the `defers` of the function whose call it was (rt/defer.h), or
 * in catch_panic(). If none does, the program ends with a report.
 *
 * INVARIANTS
 * [panic.1] g->panics lists the panics in progress, newest first, each a panic_state on the
 *           goroutine's stack; a newer one lies at a lower address. A panic that was overtaken (a
 *           deferred call that it made panicked, and the newer panic reached its frames) stays in
 *           the list, for the report.
 * [panic.2] Recovering to a frame drops exactly the panics that lie below it on the stack: they
 *           were overtaken, or are the one that was recovered. If rt_goexit() is among them it
 *           begins again from that frame: a goexit cannot be recovered.
 * [panic.3] recover() works only in a function that a deferred call is: its caller's frame is the
 *           runner's (or that of the thunk that the runner called). Functions that call recover()
 *           have frames of their own [defer.2].
 *
 * LOCKING. None; all is the goroutine's own. The report stops the other cpus first (lib/fatal.h).
 * REJECTED. setjmp at each defer: the compiler then guards every local. Tables for unwinding:
 * registers of all frames in between would have to be found, which at 50 frames costs more than the
 * whole panic.
 * SOURCES. Go's runtime/panic.go for the order of things and the texts (printpanics, Goexit).
 */
#include <stdarg.h>
#include <gc/alloc.h>
#include <gc/report.h>
#include <gc/up.h>
#include <lang/defer.h>
#include <lang/panic.h>
#include <lang/traceback.h>
#include <lib/assert.h>
#include <lib/atomic.h>
#include <lib/fatal.h>
#include <lib/print.h>
#include <rt/goroutine.h>
#include <sched/sched.h>

/* ---- The object ---- */

#define TEXT_SHORT 64
#define TEXT_LONG (512 - sizeof(struct rt_panic)) /* a type above 512 bytes needs a bitmap */

struct panic_short {
    struct rt_panic panic;
    char text[TEXT_SHORT];
};
struct panic_long {
    struct rt_panic panic;
    char text[TEXT_LONG];
};

RT_TYPE_DEFINE(struct rt_panic, panic_type);
RT_TYPE_DEFINE(struct panic_short, panic_short_type);
RT_TYPE_DEFINE(struct panic_long, panic_long_type);

/* For panics when there is no memory: used in turn, so the eight newest are right. */
#define RESERVES 8
static rt_gc_root_array(struct panic_short, reserve, RESERVES);
static uint32_t reserve_next;

extern const char rodata_start[], rodata_end[];

static bool is_literal(const char *text)
{
    return text >= rodata_start && text < rodata_end;
}

_Static_assert(sizeof(struct panic_short) <= RT_GC_INLINE_ZERO_MAX, "rt_gc_alloc() may be asked");

/*
 * The object with room for a text of `bytes` (0: none of its own), which goes to *room. Without
 * memory the allocation panics in its turn, with RT_PANIC_OUT_OF_MEMORY; that one, and large texts,
 * may come from the reserve.
 */
static struct rt_panic *panic_alloc(enum rt_panic_kind kind, size_t bytes, char **room,
                                    size_t *room_bytes)
{
    struct rt_panic *e;

    if (RT_LIKELY(bytes <= TEXT_SHORT && kind != RT_PANIC_OUT_OF_MEMORY)) {
        e = rt_gc_alloc(bytes == 0 ? &panic_type.type : &panic_short_type.type);
        *room = (char *)(e + 1);
        *room_bytes = TEXT_SHORT;
        return e;
    }
    e = rt_gc_try_alloc(bytes <= TEXT_SHORT ? &panic_short_type.type : &panic_long_type.type);
    *room_bytes = bytes <= TEXT_SHORT ? TEXT_SHORT : TEXT_LONG;
    if (RT_UNLIKELY(e == NULL)) {
        e = (struct rt_panic *)&reserve.p[add_relaxed(&reserve_next, 1) % RESERVES].panic;
        *room_bytes = TEXT_SHORT;
    }
    *room = (char *)(e + 1);
    if (RT_UNLIKELY(bytes > TEXT_LONG)) {
        *room = rt_gc_alloc_noscan(bytes);
        *room_bytes = bytes;
    }
    return e;
}

static struct rt_panic *panic_make(enum rt_panic_kind kind, const char *text, size_t bytes,
                                   void *value, uintptr_t address, uintptr_t pc)
{
    bool own = !is_literal(text);
    char *room;
    size_t room_bytes;
    struct rt_panic *e = panic_alloc(kind, own ? bytes : 0, &room, &room_bytes);

    if (own) {
        size_t n = bytes < room_bytes ? bytes : room_bytes;
        __builtin_memcpy(room, text, n); /* no barrier: it is text */
        room[n - 1] = 0;
        text = room;
    }
    rt_gc_set(e->message, text);
    rt_gc_set(e->value, value);
    e->kind = kind;
    e->is_runtime_error =
        kind != RT_PANIC_USER && __builtin_strncmp(text, "runtime error: ", 15) == 0;
    e->repanicked = false;
    e->fault_address = address;
    e->pc = pc;
    return e;
}

/* ---- Running deferred calls ---- */

RT_NORETURN static RT_NOINLINE void panic_uncaught(struct panic_state *p, struct trace_start at);

/* Go on where `frame` says, without the panics that lie below it [panic.2]. */
RT_NORETURN static void recover_to(struct goroutine *g, struct rt_defer_frame *frame)
{
    bool goexit = false;

    while (g->panics != NULL && (uintptr_t)g->panics < (uintptr_t)frame) {
        goexit |= g->panics->object == NULL;
        g->panics = g->panics->link;
    }
    if (goexit)
        rt_defer_resume_call(&frame->point, rt_goexit);
    rt_defer_resume(&frame->point);
}

/*
 * Make the deferred calls of the goroutine for p, until one recovers; returns when there is none
 * left. This function's frame is what recover() looks for: it makes the calls itself, and is never
 * inlined.
 */
static RT_NOINLINE void panic_run(struct goroutine *g, struct panic_state *p)
{
    struct rt_defer_frame *frame;
    struct defer_taken call;

    p->runner = (uintptr_t)__builtin_frame_address(0);
    p->link = g->panics;
    g->panics = p;
    while ((frame = g->defer_frames) != NULL) {
        if (defer_take(g, frame, &call)) {
            p->direct = call.direct;
            call.code((void *)call.a, (void *)call.b);
            if (p->recovered)
                recover_to(g, frame);
        } else if ((frame->state & RT_DEFER_CATCH) && p->object != NULL) {
            frame->caught = p->object;
            recover_to(g, frame);
        } else {
            defer_drop_frame(g, frame);
        }
    }
}

/* Panic with e; a report's stack begins at `at`. */
RT_NORETURN static void panic_start(struct rt_panic *e, struct trace_start at)
{
    struct goroutine *g = goroutine_current();

    if (RT_UNLIKELY(g == NULL || preempt_depth() != 0 || !arch_irq_enabled()))
        fatal("panic: %s: in code of the runtime that must not panic", e->message);
    struct panic_state p = {.object = e};
    panic_run(g, &p);
    panic_uncaught(&p, at);
}

RT_NORETURN static void panic_text(enum rt_panic_kind kind, const char *text, uintptr_t address,
                                   struct trace_start at)
{
    panic_start(panic_make(kind, text, __builtin_strlen(text) + 1, NULL, address, at.pc), at);
}

RT_NORETURN static void panic_formatted(enum rt_panic_kind kind, const char *prefix,
                                        const char *fmt, va_list ap, struct trace_start at)
{
    char text[256];
    va_list again;
    va_copy(again, ap);
    size_t head = __builtin_strlen(prefix);
    __builtin_memcpy(text, prefix, head);
    int n = rt_vsnprintf(text + head, sizeof text - head, fmt, ap);
    size_t bytes = head + (n > 0 ? (size_t)n : 0) + 1;

    if (RT_LIKELY(bytes <= sizeof text))
        panic_start(panic_make(kind, text, bytes, NULL, 0, at.pc), at);
    char *room;
    size_t room_bytes;
    struct rt_panic *e = panic_alloc(kind, bytes, &room, &room_bytes);
    rt_snprintf(room, room_bytes, "%s", prefix);
    if (room_bytes > head)
        rt_vsnprintf(room + head, room_bytes - head, fmt, again);
    rt_gc_set(e->message, room);
    e->kind = kind;
    e->is_runtime_error = head != 0;
    e->pc = at.pc;
    panic_start(e, at);
}

/* ---- What programs and the runtime call ---- */

void rt_panic(const char *fmt, ...)
{
    struct trace_start at = CALLER;
    const char *percent = fmt;

    while (*percent != 0 && *percent != '%')
        percent++;
    if (*percent == 0)
        panic_start(panic_make(RT_PANIC_USER, fmt, (size_t)(percent - fmt) + 1, NULL, 0, at.pc),
                    at);
    va_list ap;
    va_start(ap, fmt);
    panic_formatted(RT_PANIC_USER, "", fmt, ap, at);
}

void rt_panic_value(void *value)
{
    struct trace_start at = CALLER;
    char text[32];

    if (value == NULL)
        rt_snprintf(text, sizeof text, "nil");
    else
        rt_snprintf(text, sizeof text, "(void *) %p", value);
    panic_start(panic_make(RT_PANIC_USER, text, __builtin_strlen(text) + 1, value, 0, at.pc), at);
}

void rt_repanic(struct rt_panic *e)
{
    if (e == NULL)
        panic_text(RT_PANIC_NIL_DEREF, "runtime error: " PANIC_NIL_TEXT, 0, CALLER);
    e->repanicked = true;
    panic_start(e, CALLER);
}

void panic_plain(enum rt_panic_kind kind, const char *text)
{
    panic_text(kind, text, 0, CALLER);
}

void panic_runtime(enum rt_panic_kind kind, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    panic_formatted(kind, "runtime error: ", fmt, ap, CALLER);
}

void panic_fault(enum rt_panic_kind kind, const char *text, uintptr_t address,
                 struct trace_start at)
{
    struct rt_panic *e = panic_make(kind, text, __builtin_strlen(text) + 1, NULL, address, at.pc);

    e->is_fault = true;
    panic_start(e, at);
}

void sched_panic(const char *text)
{
    panic_text(RT_PANIC_SYNC, text, 0, CALLER);
}

void lang_panic_make_len(void)
{
    panic_text(RT_PANIC_MAKE, "runtime error: makeslice: len out of range", 0, CALLER);
}

void lang_panic_out_of_memory(size_t bytes)
{
    gc_report_request(bytes);
    panic_text(RT_PANIC_OUT_OF_MEMORY, "runtime error: out of memory", 0, CALLER);
}

struct rt_panic *rt_recover_from(void *frame)
{
    struct panic_state *p = goroutine_current()->panics;

    if (p == NULL || p->object == NULL || p->recovered)
        return NULL;
    uintptr_t caller = *(uintptr_t *)frame; /* [panic.3] */
    if (!p->direct && caller != p->runner)
        caller = *(uintptr_t *)caller;
    else if (!p->direct)
        return NULL; /* only the thunk itself is called so */
    if (caller != p->runner)
        return NULL;
    p->recovered = true;
    return p->object;
}

struct rt_panic *rt_catch(int unused, rt_thunk thunk, void *args, size_t bytes, uintptr_t fn)
{
    struct rt_defer_frame frame;
    (void)unused, (void)bytes, (void)fn;

    RT_KEEP_LABEL_(kept, caught); /* [defer.1] as in RT_DEFERS_ */
    RT_DEFER_POINT_(frame, caught);
    if (0) {
    caught:
        if (RT_UNLIKELY(goroutine_current()->reserve_open))
            stack_close_reserve(goroutine_current());
        rt_defer_unlink(&frame);
        return frame.caught;
    }
    frame.state = RT_DEFER_CATCH;
    frame.link = *rt_defer_frames();
    __asm__ volatile("" ::: "memory"); /* [defer.3] */
    *rt_defer_frames() = &frame;
    __asm__ volatile("" ::: "memory");
    thunk(args);
    rt_defer_unlink(&frame);
    return NULL;
}

void rt_goexit(void)
{
    struct goroutine *g = goroutine_current();
    struct panic_state p = {.object = NULL};

    panic_run(g, &p);
    g->panics = NULL;
    if (g->id == 1)
        store_relaxed(&sched_main_gone, true);
    goroutine_exit();
}

/* ---- The end ---- */

/* Text after "panic: "; a new line begins with a tab, so that nobody can fake a
 * goroutine's header. */
static void print_message(const char *text)
{
    const char *from = text;

    for (; *text != 0; text++) {
        if (*text == '\n') {
            rt_write(from, (size_t)(text - from));
            rt_printf("\n\t");
            from = text + 1;
        }
    }
    rt_write(from, (size_t)(text - from));
}

/* Oldest first; as Go's printpanics(). */
static void print_panics(const struct panic_state *p)
{
    if (p->link != NULL) {
        print_panics(p->link);
        if (p->link->object != NULL && p->link->object == p->object)
            return; /* its line says [recovered, repanicked] */
        if (p->link->object != NULL && p->object != NULL)
            rt_printf("\t");
    }
    if (p->object == NULL)
        return;
    rt_printf("panic: ");
    print_message(p->object->message);
    rt_printf(p->object->repanicked ? " [recovered, repanicked]\n"
              : p->recovered        ? " [recovered]\n"
                                    : "\n");
}

static void print_signal(const struct rt_panic *e)
{
    if (!e->is_fault)
        return;
    if (e->kind == RT_PANIC_NIL_DEREF || e->kind == RT_PANIC_FAULT)
        rt_printf("[signal SIGSEGV: segmentation violation code=0x1 addr=0x%lx pc=0x%lx]\n",
                  (unsigned long)e->fault_address, (unsigned long)e->pc);
    else if (e->kind == RT_PANIC_ILLEGAL)
        rt_printf("[signal SIGILL: illegal instruction code=0x2 addr=0x%lx pc=0x%lx]\n",
                  (unsigned long)e->pc, (unsigned long)e->pc);
}

/* The report is written on a stack of its own: the goroutine's may be full. */
static unsigned char report_stack[16384] RT_ALIGNED(16);

struct last_words {
    struct panic_state *panics; /* of an uncaught panic, else NULL */
    char text[256];             /* of a fatal error */
    struct trace_start at;      /* where the running goroutine's stack begins */
    bool all;                   /* every goroutine, whatever GOTRACEBACK says but none */
};
static struct last_words last;

static void report(void *arg)
{
    (void)arg;
    if (last.panics != NULL) {
        print_panics(last.panics);
        print_signal(last.panics->object);
        if (last.panics->object->kind == RT_PANIC_OUT_OF_MEMORY)
            gc_report_out_of_memory();
    } else {
        rt_printf("fatal error: ");
        print_message(last.text);
        rt_printf("\n");
        if (__builtin_strncmp(last.text, "out of memory", 13) == 0)
            gc_report_out_of_memory();
    }
    traceback_report(last.at, last.all);
    fatal_leave();
}

RT_NORETURN static void report_and_leave(void)
{
    arch_leave_to(report_stack + sizeof report_stack, report, NULL);
}

static void panic_uncaught(struct panic_state *p, struct trace_start at)
{
    fatal_claim();
    last.panics = p;
    last.at =
        traceback_shows_runtime() ? CALLER : at; /* how it came here from `at` is on the stack */
    report_and_leave();
}

void rt_fatal(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fatal_claim();
    rt_vsnprintf(last.text, sizeof last.text, fmt, ap);
    last.at = CALLER;
    report_and_leave();
}

RT_NORETURN static void fatal_from(const char *text, struct trace_start at)
{
    fatal_claim();
    rt_snprintf(last.text, sizeof last.text, "%s", text);
    last.at = at;
    last.all = goroutine_current() == NULL;
    report_and_leave();
}

void sched_fatal(const char *text)
{
    fatal_from(text, CALLER);
}

void panic_fatal_frame(const struct arch_frame *frame, const char *text)
{
    fatal_from(text, trace_start_of(frame));
}
