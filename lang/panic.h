/*
 * lang/panic.h - panics that the runtime raises on a program's behalf, and the last words of a
 * program.
 *
 * Context: a goroutine, preemption on, no spin lock held; these do not return. Texts are Go's.
 */
#pragma once

#include <lang/traceback.h>
#include <rt/panic.h>
#include <sched/goroutine.h>

/* Of a pointer that is NULL, or wild: behind "runtime error: ". */
#define PANIC_NIL_TEXT "invalid memory address or nil pointer dereference"

/* "panic: text". `text` is a literal, without "runtime error: " unless it is one. */
RT_NORETURN void panic_plain(enum rt_panic_kind kind, const char *text);

/* "panic: runtime error: ...", printf-like. */
RT_NORETURN void panic_runtime(enum rt_panic_kind kind, const char *fmt, ...) RT_PRINTF(2, 3);

/* The same for a fault at `address` by the instruction at `at`. `text` is a literal, "runtime
 * error: " included. */
RT_NORETURN void panic_fault(enum rt_panic_kind kind, const char *text, uintptr_t address,
                             struct trace_start at);

/* "fatal error: text" and the stacks, from a fault handler; frame is the running goroutine's. */
RT_NORETURN void panic_fatal_frame(const struct arch_frame *frame, const char *text);

/* One panic, or one rt_goexit(), that is running deferred calls; on the stack of its goroutine. */
struct panic_state {
    struct panic_state *link; /* the next older one: it ran the deferred call that panicked */
    struct rt_panic *object;  /* NULL: rt_goexit() */
    uintptr_t runner;         /* frame pointer of the function that makes the deferred calls */
    bool direct;              /* the running call is the deferred function itself, not a thunk */
    bool recovered;
};
