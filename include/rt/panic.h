/*
 * rt/panic.h - defer, panic, recover.
 *
 *     int parse(struct file *f)
 *     {
 *         defers;                       first statement: this function defers
 *         defer(file_close, f);         runs when parse() is left, however that happens
 *         ...
 *     }
 *
 * Behaviour is that of the Go specification ("Defer statements", "Handling panics"). Arguments are
 * evaluated by the defer statement; calls run last in, first out, on return, on panic and on
 * rt_goexit(), but not on rt_exit(). A deferred call belongs to its function, not to the block it
 * stands in: in a loop each pass adds one.
 *
 * WHAT A RECOVERED FUNCTION RETURNS. When a deferred call recovers, its function returns to its
 * caller at once (its remaining deferred calls run first): under `defers` with 0, 0.0 or NULL,
 * under defers_returning(result) with the variable `result`:
 *
 *     volatile int result = 0;          volatile, or this does not compile: it is read after a jump
 *     defers_returning(result);
 *
 * A function that returns a struct needs defers_returning() (plain `defers` does not compile
 * there); it suits void functions too, with nothing in the parentheses. Not as in Go: a deferred
 * call can change the result of a recovered function, and not that of one that returns by itself (C
 * evaluates `return e;` first). catch_panic() is the simplest way to stop a panic; nothing can go
 * stale round it.
 *
 * Context: a goroutine with preemption on. A program must not leave a function that defers by
 * longjmp or by inline assembly. All names have an rt_ form; -DRT_NO_SHORT_NAMES leaves out the
 * short ones.
 */
#pragma once

#include <rt/defer.h>
#include <rt/gc.h>

enum rt_panic_kind {
    RT_PANIC_USER,      /* panic(), rt_panic_value() */
    RT_PANIC_NIL_DEREF, /* fault near address 0, or a null pointer found by a compiler check */
    RT_PANIC_FAULT,     /* any other wild access; a non-canonical address has fault_address ~0 */
    RT_PANIC_DIVIDE,    /* by zero, or INT_MIN / -1 */
    RT_PANIC_ILLEGAL,   /* undefined instruction: __builtin_trap(), code that cannot be reached */
    RT_PANIC_ALIGN,     /* misaligned access where the machine or a compiler check forbids it */
    RT_PANIC_INDEX,     /* index out of range */
    RT_PANIC_SLICE,     /* slice bounds out of range */
    RT_PANIC_MAKE,      /* a length or capacity that can't be */
    RT_PANIC_STACK_OVERFLOW, /* recovering needs little stack; the goroutine gets its reserve back
                                when it has */
    RT_PANIC_OUT_OF_MEMORY,
    RT_PANIC_CLOSED_CHANNEL, /* send on closed, close of closed */
    RT_PANIC_NIL_CHANNEL,    /* close of nil channel */
    RT_PANIC_SYNC,           /* misuse of a lock, wait group or timer that Go makes a panic */
    RT_PANIC_CHECK,          /* any other compiler check of the checked build */
};

/* A collected object; fields are read only. */
struct rt_panic {
    rt_ref(const char *) message; /* what stands after "panic: " */
    rt_ref(void *) value;         /* rt_panic_value()'s, else NULL */
    enum rt_panic_kind kind;
    bool is_runtime_error; /* the message begins with "runtime error: " */
    bool is_fault;   /* the machine refused an instruction; else somebody called a function that
                        panics */
    bool repanicked; /* rt_repanic() was called with it */
    uintptr_t fault_address; /* of a fault, else 0 */
    uintptr_t pc; /* where it happened: the faulting instruction, or behind the call of panic() */
};

/*
 * Stop the ordinary course of the goroutine: run its deferred calls, and if none recovers, report
 * and end the program with status 2. The text is formatted now.
 */
RT_NORETURN void rt_panic(const char *fmt, ...) RT_PRINTF(1, 2);
/* The same with a pointer, to a collected object or anything: recover()->value. Prints as (void *)
 * 0x... */
RT_NORETURN void rt_panic_value(void *value);
/* Panic again with what was recovered; an uncaught report then says [recovered, repanicked]. */
RT_NORETURN void rt_repanic(struct rt_panic *e);
/* "fatal error: ...", the stacks, status 2: no deferred call runs and nothing recovers. */
RT_NORETURN void rt_fatal(const char *fmt, ...) RT_PRINTF(1, 2);

/* This function defers. Its first statement, once, not in a block of its own. */
#define rt_defers RT_DEFERS_(RT_RETURN_ZERO_)
#define rt_defers_returning(x) RT_DEFERS_(RT_RETURN_OF_(x))

/* Call fn(args...) when this function is left. At most six arguments, checked as in a call. */
#define rt_defer(...) RT_DEFER_(&rt_here_, __VA_ARGS__)

/*
 * Run fn(args...) and stop any panic in it. NULL, or the panic: fn's deferred calls have run then.
 * rt_goexit() in fn ends the goroutine all the same.
 */
#define rt_catch_panic(...) RT_CALL(rt_catch, 0, __VA_ARGS__)
struct rt_panic *rt_catch(int unused, rt_thunk thunk, void *args, size_t bytes, uintptr_t fn);

/*
 * In a function called by defer() while a panic is running those calls: stop it, and get it. NULL
 * anywhere else: not called directly by a deferred call, no panic, already recovered, or
 * rt_goexit().
 */
#define rt_recover()                                                                               \
    __extension__({                                                                                \
        __label__ rt_recover_here;                                                                 \
        RT_KEEP_LABEL_(rt_recover_kept, rt_recover_here);                                          \
    rt_recover_here:                                                                               \
        rt_recover_from(__builtin_frame_address(0));                                               \
    })
struct rt_panic *rt_recover_from(void *frame);

#ifndef RT_NO_SHORT_NAMES
#define defers rt_defers
#define defers_returning(x) rt_defers_returning(x)
#define defer(...) rt_defer(__VA_ARGS__)
#define catch_panic(...) rt_catch_panic(__VA_ARGS__)
#define recover() rt_recover()
#define panic(...) rt_panic(__VA_ARGS__)
#endif
